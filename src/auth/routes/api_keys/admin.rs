//! Everybody's API keys, for administrators: seeing, limiting and revoking them.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{KeyParameters, list, view::ApiKeyView};
use crate::{
    app::AppState,
    auth::{Allowed, limits::RateLimits, right, store},
    error::{Code, Error, ErrorEnvelope, Result, ViolationCode},
    http::{
        etag::{IfMatch, validated},
        extract::{Both, JsonObject, Path, Query},
        fields::Fields,
        page::{Page, Paging},
        write::{Answer, WriteRequest},
    },
};

/// Whose keys to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OwnerParameters {
    /// Only this user's.
    user_id: Option<Uuid>,
    /// Also keys that were revoked. Default false.
    include_revoked: Option<bool>,
}

/// List everybody's API keys
///
/// Newest first; those that were revoked only with `include_revoked`.
#[utoipa::path(
    get, path = "/admin/api-keys", tag = "API keys", operation_id = "list_all_api_keys",
    params(OwnerParameters, Paging),
    responses((status = 200, description = "Keys", body = Page<ApiKeyView>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn list_all_api_keys(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    headers: HeaderMap,
    uri: OriginalUri,
    Query(Both(parameters, paging)): Query<Both<OwnerParameters, Paging>>,
) -> Result<Response> {
    let revoked = parameters.include_revoked.unwrap_or(false);
    list(&state, &headers, uri, &paging, parameters.user_id, revoked).await
}

/// List a user's API keys
///
/// Newest first; those that were revoked only with `include_revoked`.
#[utoipa::path(
    get, path = "/admin/users/{id}/api-keys", tag = "API keys", operation_id = "list_users_api_keys",
    params(("id" = Uuid, Path, description = "The user's id"), KeyParameters, Paging),
    responses(
        (status = 200, description = "The user's keys", body = Page<ApiKeyView>, headers(("ETag" = String))),
        (status = 304, description = "You have it already"),
        (status = 404, description = "There is no such user", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn list_users_api_keys(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    headers: HeaderMap,
    uri: OriginalUri,
    Path(id): Path<Uuid>,
    Query(Both(parameters, paging)): Query<Both<KeyParameters, Paging>>,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    store::find_user(&mut conn, id)
        .await?
        .ok_or_else(|| Error::not_found("user", id))?;
    drop(conn);
    let revoked = parameters.include_revoked.unwrap_or(false);
    list(&state, &headers, uri, &paging, Some(id), revoked).await
}

/// Read anybody's API key
///
/// Whose it is, what it may do, until when, and when it was last used; never the key itself.
#[utoipa::path(
    get, path = "/admin/api-keys/{id}", tag = "API keys", operation_id = "get_any_api_key",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses(
        (status = 200, description = "The key, be it revoked", body = ApiKeyView, headers(("ETag" = String))),
        (status = 304, description = "You have it already"),
        (status = 404, description = "There is no such key", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn get_any_api_key(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let row = store::find_key(&mut conn, id)
        .await?
        .ok_or_else(|| Error::not_found("API key", id))?;
    drop(conn);
    validated(&headers, Some(row.version), &ApiKeyView::new(row, state.clock.now()))
}

/// What an administrator may change of a key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"rate_limits": {"standard": {"count": 50_000, "window_seconds": 3600}}}))]
pub struct UpdateApiKey {
    /// All quotas of its own from now on; null and `{}` leave it those of its owner.
    #[schema(required)]
    rate_limits: Option<RateLimits>,
}

/// Give an API key quotas of its own
///
/// An integrator's program needs more than a person does. Counts within a second on every instance.
#[utoipa::path(
    patch, path = "/admin/api-keys/{id}", tag = "API keys", operation_id = "update_api_key",
    params(("id" = Uuid, Path, description = "The key's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    request_body = UpdateApiKey,
    responses(
        (status = 200, description = "The key", body = ApiKeyView, headers(("ETag" = String))),
        (status = 404, description = "There is no such key", body = ErrorEnvelope),
        (status = 412, description = "The key was changed meanwhile", body = ErrorEnvelope),
        (status = 422, description = "The key is revoked", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn update_api_key(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let mut fields = Fields::new(body);
    if !fields.has("rate_limits") {
        fields.refuse("rate_limits", ViolationCode::Required, "is required", None);
    }
    let limits = RateLimits::take(&mut fields, "rate_limits").unwrap_or_default();
    fields.done()?;
    let (author, now) = (write.author(None), state.clock.now());
    let (author, if_match) = (&author, &if_match);
    let answer = write
        .run(&state, &sent, |conn, _| {
            Box::pin(async move {
                let missing = || Error::not_found("API key", id);
                let before = store::lock_key(conn, id).await?.ok_or_else(missing)?;
                if_match.check(before.version)?;
                if before.revoked_at.is_some() {
                    return Err(Error::new(Code::UnprocessableEntity, "This key is revoked"));
                }
                if before.rate_limits.0 != limits {
                    store::limit_key(conn, author, &before, limits).await?;
                }
                let row = store::find_key(conn, id).await?.ok_or_else(missing)?;
                let version = row.version;
                Ok(Answer::json(StatusCode::OK, &ApiKeyView::new(row, now))?.versioned(version))
            })
        })
        .await;
    state.keys.forget(id);
    answer
}

/// Revoke anybody's API key
///
/// For ever; it is refused within a second on every instance.
#[utoipa::path(
    delete, path = "/admin/api-keys/{id}", tag = "API keys", operation_id = "revoke_any_api_key",
    params(("id" = Uuid, Path, description = "The key's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 204, description = "The key is revoked"),
        (status = 404, description = "There is no such key that is not revoked yet", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn revoke_any_api_key(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let (author, now) = (write.author(None), state.clock.now());
    let author = &author;
    let answer = write
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
                if store::revoke_key(conn, author, id, None, "revoked by an administrator", now).await? {
                    return Ok(Answer::empty());
                }
                Err(Error::not_found("API key", id))
            })
        })
        .await;
    state.sessions.forget(id);
    answer
}
