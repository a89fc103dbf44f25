//! API keys: one's own, and their administration.

pub mod admin;
pub mod create;
pub mod own;
mod view;

use axum::{extract::OriginalUri, http::HeaderMap, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use self::view::ApiKeyView;
use crate::{
    app::AppState,
    auth::store::{self, KeyFilter},
    error::Result,
    http::{
        etag::validated,
        page::{Page, Paging, Place, decode_cursor, encode_cursor, list_identity},
    },
};

/// Which keys to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyParameters {
    /// Also keys that were revoked. Default false.
    include_revoked: Option<bool>,
}

/// A page of keys, newest first.
async fn list(
    state: &AppState,
    headers: &HeaderMap,
    OriginalUri(uri): OriginalUri,
    paging: &Paging,
    user_id: Option<Uuid>,
    revoked: bool,
) -> Result<Response> {
    let request = paging.validate()?;
    let identity = list_identity(&["api keys", &format!("{user_id:?} {revoked}")]);
    let before = match &request.position {
        Place::Cursor(Some(cursor)) => Some(decode_cursor(&identity, cursor)?),
        _ => None,
    };
    let filter = KeyFilter {
        user_id,
        revoked,
        before,
    };
    let mut conn = state.db.acquire().await?;
    let rows = store::list_keys(&mut conn, filter, request.limit as i64 + 1, request.offset() as i64).await?;
    let total = if request.count {
        Some(store::count_keys(&mut conn, filter).await?)
    } else {
        None
    };
    drop(conn);
    let now = state.clock.now();
    let views = rows.into_iter().map(|row| ApiKeyView::new(row, now)).collect();
    let page = Page::build(views, &request, total, &uri, |view: &ApiKeyView| {
        encode_cursor(&identity, &view.id)
    });
    validated(headers, None, &page)
}
