//! Lists: one envelope, one pair of ways through them (pages and cursors).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Code, Error, Result};

/// Where in a list the caller is.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Page number from 1. Not together with `cursor`.
    #[param(minimum = 1)]
    pub page: Option<u64>,
    /// Items per answer: 1 to 200 (up to 1,000 with a cursor). Default 50.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u64>,
    /// Walks the list to its end at constant cost: empty to begin, then `pagination.next_cursor`.
    #[serde(default, deserialize_with = "even_empty")]
    pub cursor: Option<String>,
    /// With a cursor: also count the whole list.
    pub include_total: Option<bool>,
}

/// An empty parameter would otherwise count as absent.
fn even_empty<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    String::deserialize(value).map(Some)
}

/// A validated [`Paging`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items.
    pub limit: u64,
    /// By page number or by cursor.
    pub position: Place,
    /// Whether the whole list is to be counted.
    pub count: bool,
}

/// The two ways through a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Page number from 1.
    Page(u64),
    /// Behind the item the cursor names; none: from the beginning.
    Cursor(Option<String>),
}

/// Page numbers beyond this cost the database more than anybody reads; cursors have no such end.
const MAX_OFFSET: u64 = 1_000_000;

impl Paging {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<PageRequest> {
        let max = if self.cursor.is_some() { 1000 } else { 200 };
        let limit = self.limit.unwrap_or(50);
        if limit == 0 || limit > max {
            return Err(Error::invalid(format!("limit must be from 1 to {max}")).at("limit"));
        }
        let position = match (&self.cursor, self.page) {
            (Some(_), Some(_)) => return Err(Error::invalid("Use page or cursor, not both").at("page")),
            (Some(cursor), None) => Place::Cursor(Some(cursor.clone()).filter(|c| !c.is_empty())),
            (None, Some(0)) => return Err(Error::invalid("page starts at 1").at("page")),
            (None, page) => Place::Page(page.unwrap_or(1)),
        };
        if let Place::Page(page) = position
            && (page - 1).saturating_mul(limit) > MAX_OFFSET
        {
            return Err(Error::invalid("That page is too far into the list; walk it with cursor= instead").at("page"));
        }
        let count = matches!(position, Place::Page(_)) || self.include_total.unwrap_or(false);
        Ok(PageRequest { limit, position, count })
    }
}

impl PageRequest {
    /// Rows to skip.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match self.position {
            Place::Page(page) => (page - 1) * self.limit,
            Place::Cursor(_) => 0,
        }
    }
}

/// The envelope of every list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Where they stand in the whole.
    pub pagination: Pagination,
}

/// Where a list's items stand in the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Pagination {
    /// Page number from 1; absent when walking by cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// Items per answer.
    pub limit: u64,
    /// How many there are in all; absent when walking by cursor without `include_total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_items: Option<u64>,
    /// How many pages there are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_pages: Option<u64>,
    /// Whether there is more.
    pub has_next: bool,
    /// Whether there is something before this.
    pub has_prev: bool,
    /// The address of what follows.
    pub next_url: Option<String>,
    /// The address of what came before (by page only).
    pub prev_url: Option<String>,
    /// What to send as `cursor` for what follows.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Builds the envelope. `data` holds up to one item more than the limit, which tells whether there is more;
    /// `cursor_of` makes the cursor behind an item.
    pub fn build(
        mut data: Vec<T>,
        request: &PageRequest,
        total: Option<u64>,
        uri: &axum::http::Uri,
        cursor_of: impl FnOnce(&T) -> String,
    ) -> Self {
        let has_next = data.len() as u64 > request.limit;
        data.truncate(request.limit as usize);
        let next_cursor = if has_next { data.last().map(cursor_of) } else { None };
        let (page, has_prev) = match &request.position {
            Place::Page(page) => (Some(*page), *page > 1),
            Place::Cursor(cursor) => (None, cursor.is_some()),
        };
        let next_url = match (has_next, page) {
            (false, _) => None,
            (true, Some(page)) => Some(with_parameter(uri, "page", &(page + 1).to_string())),
            (true, None) => next_cursor.as_ref().map(|cursor| with_parameter(uri, "cursor", cursor)),
        };
        let prev_url = page
            .filter(|p| *p > 1)
            .map(|p| with_parameter(uri, "page", &(p - 1).to_string()));
        Self {
            data,
            pagination: Pagination {
                page,
                limit: request.limit,
                total_items: total,
                total_pages: total.map(|t| t.div_ceil(request.limit)),
                has_next,
                has_prev,
                next_url,
                prev_url,
                next_cursor,
            },
        }
    }
}

/// The whole of a list that is short by nature, as one page.
#[must_use]
pub fn single<T>(data: Vec<T>) -> Page<T> {
    let total = data.len() as u64;
    let limit = total.max(1);
    Page {
        data,
        pagination: Pagination {
            page: Some(1),
            limit,
            total_items: Some(total),
            total_pages: Some(total.div_ceil(limit)),
            ..Pagination::default()
        },
    }
}

fn with_parameter(uri: &axum::http::Uri, name: &str, value: &str) -> String {
    let mut pairs: Vec<(String, String)> =
        serde_html_form::from_str(uri.query().unwrap_or_default()).unwrap_or_default();
    pairs.retain(|(n, _)| n != name);
    pairs.push((name.to_owned(), value.to_owned()));
    format!(
        "{}?{}",
        uri.path(),
        serde_html_form::to_string(pairs).unwrap_or_default()
    )
}

#[derive(Serialize, Deserialize)]
struct Envelope<K> {
    l: String,
    k: K,
}

/// A hash of everything a cursor depends on: which list, sort and filter.
#[must_use]
pub fn list_identity(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..8])
}

/// Encodes the sort keys of an item as a cursor of the list with this identity.
#[must_use]
pub fn encode_cursor<K: Serialize>(identity: &str, keys: &K) -> String {
    URL_SAFE_NO_PAD.encode(
        serde_json::to_vec(&Envelope {
            l: identity.to_owned(),
            k: keys,
        })
        .unwrap_or_default(),
    )
}

/// What a cursor of another list is answered with.
#[must_use]
pub fn cursor_mismatch() -> Error {
    Error::new(
        Code::CursorMismatch,
        "This cursor belongs to another list, sort or filter; begin again with an empty cursor",
    )
    .at("cursor")
}

/// Decodes a cursor; one of another list, sort or filter is refused.
pub fn decode_cursor<K: DeserializeOwned>(identity: &str, cursor: &str) -> Result<K> {
    let mismatch = cursor_mismatch;
    if cursor.len() > 4096 {
        return Err(mismatch());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| mismatch())?;
    let envelope: Envelope<serde_json::Value> = serde_json::from_slice(&bytes).map_err(|_| mismatch())?;
    if envelope.l != identity {
        return Err(mismatch());
    }
    serde_json::from_value(envelope.k).map_err(|_| mismatch())
}
