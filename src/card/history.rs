//! The versions of a card, from the change log, with what changed in each.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::Result,
    http::page::{Page, PageRequest, Place, decode_cursor, encode_cursor, list_identity},
    store::{
        log::{self, Change},
        past::{self, Past},
    },
};

/// One version of a card.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// The version.
    pub version: i32,
    /// `created`, `updated`, `deleted` or `restored`.
    pub action: String,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// Who; absent for the system itself.
    pub changed_by: Option<Uuid>,
    /// Why, in the words of who made it.
    pub reason: Option<String>,
    /// The request that made it.
    pub request_id: Option<String>,
    /// Whether what it said was blanked for a person's sake; then neither reason nor changes are known.
    pub blanked: bool,
    /// What changed, field by field.
    pub changes: Vec<FieldChange>,
    /// Orders the log.
    #[serde(skip)]
    pub position: i64,
}

/// One field before and after.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// Path of the field, for example `attributes.financials.currency`.
    pub field: String,
    /// Before; null when it had no value.
    pub before: Value,
    /// After; null when it has no value.
    pub after: Value,
}

/// Columns that say nothing to a person, or that every change changes.
const TECHNICAL: &[&str] = &[
    "id",
    "name_key",
    "version",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "deletion_id",
    "rule_id",
    "card_id",
];

/// One page of versions, newest first, below `before`.
pub async fn versions(
    conn: &mut PgConnection,
    entity: &str,
    id: Uuid,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<VersionView>> {
    Ok(log::history(conn, entity, id, before, limit)
        .await?
        .into_iter()
        .map(view)
        .collect())
}

/// One page of the versions of something that is at version `current`.
pub async fn page(
    conn: &mut PgConnection,
    entity: &str,
    id: Uuid,
    current: i32,
    request: &PageRequest,
    uri: &axum::http::Uri,
) -> Result<Page<VersionView>> {
    let identity = list_identity(&["history", &id.to_string()]);
    let (before, skip) = match &request.position {
        Place::Cursor(Some(cursor)) => (Some(decode_cursor::<i64>(&identity, cursor)?), 0),
        _ => (None, request.offset()),
    };
    let limit = i64::try_from(request.limit + 1 + skip).unwrap_or(i64::MAX);
    let found = versions(conn, entity, id, before, limit).await?;
    let shown = found
        .into_iter()
        .skip(usize::try_from(skip).unwrap_or(usize::MAX))
        .collect();
    let total = request.count.then(|| u64::try_from(current).unwrap_or(0));
    Ok(Page::build(shown, request, total, uri, |v| {
        encode_cursor(&identity, &v.position)
    }))
}

/// The last versions that the seal saw, newest first.
pub async fn versions_at(
    conn: &mut PgConnection,
    past: &Past,
    entity: &str,
    id: Uuid,
    limit: i64,
) -> Result<Vec<VersionView>> {
    Ok(past::history(conn, past, entity, id, limit)
        .await?
        .into_iter()
        .map(view)
        .collect())
}

fn view(change: Change) -> VersionView {
    VersionView {
        version: change.version,
        action: change.action,
        changed_at: change.occurred_at,
        changed_by: change.actor_id,
        reason: change.reason,
        request_id: change.request_id,
        blanked: change.blanked_by.is_some(),
        changes: diff(change.before.as_ref(), change.after.as_ref()),
        position: change.position,
    }
}

/// What differs between two rows, by path, in order of path. Lists are compared whole.
#[must_use]
pub fn diff(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldChange> {
    let empty = Map::new();
    let object = |value: Option<&Value>| value.and_then(Value::as_object).unwrap_or(&empty).clone();
    let mut changes = Vec::new();
    walk("", &object(before), &object(after), &mut changes);
    changes.sort_by(|a, b| a.field.cmp(&b.field));
    changes
}

fn walk(prefix: &str, before: &Map<String, Value>, after: &Map<String, Value>, changes: &mut Vec<FieldChange>) {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        if prefix.is_empty() && TECHNICAL.contains(&name.as_str()) {
            continue;
        }
        let (old, new) = (
            before.get(name).unwrap_or(&Value::Null),
            after.get(name).unwrap_or(&Value::Null),
        );
        if old == new {
            continue;
        }
        let path = if prefix.is_empty() {
            public_name(name)
        } else {
            format!("{prefix}.{name}")
        };
        // `after` of a created card may carry a score that its `before` never had.
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => walk(&path, old, new, changes),
            (Value::Null, Value::Object(new)) if !new.is_empty() => walk(&path, &Map::new(), new, changes),
            (Value::Object(old), Value::Null) if !old.is_empty() => walk(&path, old, &Map::new(), changes),
            (Value::Null, empty) | (empty, Value::Null) if is_empty(empty) => {}
            _ => changes.push(FieldChange {
                field: path,
                before: old.clone(),
                after: new.clone(),
            }),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Columns are flat; the API groups the lifecycle.
fn public_name(column: &str) -> String {
    column
        .strip_prefix("lifecycle_")
        .map_or_else(|| column.to_owned(), |date| format!("lifecycle.{date}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_told_by_path() {
        let before = json!({"id": 1, "version": 1, "name": "a", "tags": [], "lifecycle_eol": null, "attributes": {"x": {"y": 1}, "z": 2}});
        let after = json!({"id": 1, "version": 2, "name": "b", "tags": ["t"], "lifecycle_eol": "2030-01-01", "attributes": {"x": {"y": 2}}});
        let found: Vec<_> = diff(Some(&before), Some(&after))
            .into_iter()
            .map(|c| (c.field, c.before, c.after))
            .collect();
        assert_eq!(
            found,
            [
                ("attributes.x.y".into(), json!(1), json!(2)),
                ("attributes.z".into(), json!(2), json!(null)),
                ("lifecycle.eol".into(), json!(null), json!("2030-01-01")),
                ("name".into(), json!("a"), json!("b")),
                ("tags".into(), json!([]), json!(["t"])),
            ]
        );
    }

    #[test]
    fn what_is_created_empty_is_no_change() {
        let after = json!({"name": "a", "tags": [], "description": null, "attributes": {}});
        assert_eq!(diff(None, Some(&after)).len(), 1);
    }
}
