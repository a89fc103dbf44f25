//! The administration of card types and rules. Reading is answered from memory, writing is one transaction that holds the
//! metamodel's version, so that checks across types and rules stay true until it commits.

mod card_types;
mod rule_body;
mod rules;

use axum::http::HeaderMap;
use serde_json::{Map, Value};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::AppState,
    error::{Code, Error, Result, Violation, ViolationCode},
    http::write::POSITION_HEADER,
};

pub use crate::http::listing::list_in_memory;

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(card_types::list_card_types, card_types::create_card_type))
        .routes(routes!(
            card_types::get_card_type,
            card_types::update_card_type,
            card_types::delete_card_type
        ))
        .routes(routes!(rules::list_rules, rules::create_rule))
        .routes(routes!(rules::get_rule, rules::update_rule, rules::delete_rule))
}

/// The most characters of a `change_reason`.
pub const MAX_REASON: usize = 500;

/// Brings memory up to this instance's own writes, and to the position the request names.
pub async fn current(state: &AppState, headers: &HeaderMap) -> Result<()> {
    let position = match headers.get(POSITION_HEADER) {
        Some(value) => Some(value.to_str().unwrap_or_default().parse()?),
        None => None,
    };
    state.tail.at_least(state, position).await
}

/// After a change: brings it into this instance's memory, so that whoever made it can build on it at once.
pub async fn settle(state: &AppState) {
    if let Err(error) = state.tail.catch_up(state).await {
        tracing::warn!(%error, "the change is committed; this instance will see it a little later");
    }
}

/// The state that a merge patch asks for; parts in `fixed` may be repeated but not changed.
pub fn patched(
    mut current: Map<String, Value>,
    patch: &Map<String, Value>,
    fixed: &[&str],
) -> Result<Map<String, Value>> {
    let mut wrong = Vec::new();
    for (name, value) in patch {
        if fixed.contains(&name.as_str()) {
            if current.get(name) != Some(value) {
                wrong.push(Violation::new(name, ViolationCode::ReadOnly, "cannot be changed").provided(value));
            }
        } else if value.is_null() && (current.contains_key(name) || name == "change_reason") {
            current.remove(name);
        } else {
            current.insert(name.clone(), value.clone());
        }
    }
    for name in fixed {
        current.remove(*name);
    }
    if wrong.is_empty() {
        Ok(current)
    } else {
        Err(Error::validation(wrong))
    }
}

/// What came with the software cannot be removed.
#[must_use]
pub fn refuse_builtin(what: &str) -> Error {
    let message = format!("This {what} came with the software and cannot be removed; mark it as deprecated instead");
    Error::new(Code::Conflict, message).with(serde_json::json!({ "builtin": true }))
}
