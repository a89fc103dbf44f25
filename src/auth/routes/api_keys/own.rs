//! One's own API keys.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use uuid::Uuid;

use super::{KeyParameters, list, view::ApiKeyView};
use crate::{
    app::AppState,
    auth::{Principal, routes::view::by, store},
    error::{Error, ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{Both, Path, Query},
        page::{Page, Paging},
    },
    store::transaction,
};

/// List one's API keys
///
/// Newest first; those that were revoked only with `include_revoked`.
#[utoipa::path(
    get, path = "/auth/api-keys", tag = "API keys", operation_id = "list_api_keys",
    params(KeyParameters, Paging),
    responses((status = 200, description = "Your keys", body = Page<ApiKeyView>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn list_api_keys(
    State(state): State<AppState>,
    caller: Principal,
    headers: HeaderMap,
    uri: OriginalUri,
    Query(Both(parameters, paging)): Query<Both<KeyParameters, Paging>>,
) -> Result<Response> {
    let revoked = parameters.include_revoked.unwrap_or(false);
    list(&state, &headers, uri, &paging, Some(caller.user_id), revoked).await
}

/// Read one of one's API keys
///
/// What it may do, until when, and when it was last used; the key itself is shown nowhere again.
#[utoipa::path(
    get, path = "/auth/api-keys/{id}", tag = "API keys", operation_id = "get_api_key",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses(
        (status = 200, description = "The key, be it revoked", body = ApiKeyView, headers(("ETag" = String))),
        (status = 304, description = "You have it already"),
        (status = 404, description = "You have no such key", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn get_api_key(
    State(state): State<AppState>,
    caller: Principal,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let row = store::find_key(&mut conn, id)
        .await?
        .filter(|row| row.user_id == caller.user_id)
        .ok_or_else(|| Error::not_found("API key", id))?;
    drop(conn);
    validated(&headers, Some(row.version), &ApiKeyView::new(row, state.clock.now()))
}

/// Revoke one of one's API keys
///
/// For ever; it is refused within a second on every instance.
#[utoipa::path(
    delete, path = "/auth/api-keys/{id}", tag = "API keys", operation_id = "revoke_api_key",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses(
        (status = 204, description = "The key is revoked"),
        (status = 404, description = "You have no such key that is not revoked yet", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn revoke_api_key(
    State(state): State<AppState>,
    caller: Principal,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let (now, user) = (state.clock.now(), caller.user_id);
    transaction(&state.db, |conn, _| {
        Box::pin(async move {
            if store::revoke_key(conn, &by(user), id, Some(user), "revoked by its owner", now).await? {
                return Ok(());
            }
            Err(Error::not_found("API key", id))
        })
    })
    .await?;
    state.sessions.forget(id);
    state.tail.wrote();
    Ok(StatusCode::NO_CONTENT)
}
