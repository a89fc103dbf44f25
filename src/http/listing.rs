//! Pages of lists that are held in memory.

use serde::Serialize;

use crate::{
    error::Result,
    http::page::{Page, Paging, Place, decode_cursor, encode_cursor, list_identity},
};

/// A page of `items`, in order of their keys, which are unique. `parts` says which list it is, filter included.
pub fn list_in_memory<T: Serialize>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    parts: &[&str],
    paging: &Paging,
    uri: &axum::http::Uri,
) -> Result<Page<T>> {
    let request = paging.validate()?;
    let identity = list_identity(parts);
    let total = items.len() as u64;
    let mut keyed: Vec<(String, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    if let Place::Cursor(Some(cursor)) = &request.position {
        let after: String = decode_cursor(&identity, cursor)?;
        keyed.retain(|(key, _)| *key > after);
    }
    let skipped = usize::try_from(request.offset()).unwrap_or(usize::MAX);
    let wanted = usize::try_from(request.limit).unwrap_or(usize::MAX).saturating_add(1);
    let shown: Vec<(String, T)> = keyed.into_iter().skip(skipped).take(wanted).collect();
    let page = Page::build(shown, &request, request.count.then_some(total), uri, |(key, _)| {
        encode_cursor(&identity, key)
    });
    Ok(Page {
        data: page.data.into_iter().map(|(_, item)| item).collect(),
        pagination: page.pagination,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_cursors_walk_the_same_list() {
        let uri: axum::http::Uri = "/things?limit=2".parse().unwrap();
        let items = || vec!["d", "a", "c", "b", "e"];
        let key = |item: &&str| (*item).to_owned();
        let page = |page| Paging {
            page: Some(page),
            limit: Some(2),
            ..Paging::default()
        };
        let second = list_in_memory(items(), key, &["things"], &page(2), &uri).unwrap();
        assert_eq!(
            (second.data, second.pagination.total_items, second.pagination.has_next),
            (vec!["c", "d"], Some(5), true)
        );
        let (mut cursor, mut walked) = (Some(String::new()), Vec::new());
        while let Some(at) = cursor {
            let paging = Paging {
                cursor: Some(at),
                limit: Some(2),
                ..Paging::default()
            };
            let page = list_in_memory(items(), key, &["things"], &paging, &uri).unwrap();
            walked.extend(page.data);
            cursor = page.pagination.next_cursor;
        }
        assert_eq!(walked, ["a", "b", "c", "d", "e"]);
    }
}
