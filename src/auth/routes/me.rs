//! One's own profile.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::view::{ProfileView, by};
use crate::{
    app::AppState,
    auth::{
        Principal, store,
        user::{User, merge, take_name},
    },
    error::{Error, ErrorEnvelope, Result, ViolationCode},
    http::{
        etag::{IfMatch, validated},
        extract::JsonObject,
        fields::Fields,
    },
    store::transaction,
};

/// As many bytes of preferences as are kept, as JSON.
const LARGEST_PREFERENCES: usize = 16 * 1024;

/// Read one's profile
///
/// Who the access token belongs to, with roles, permissions and preferences as they are now, not as they were at
/// log-in.
#[utoipa::path(
    get, path = "/auth/me", tag = "Authentication", operation_id = "get_me",
    responses((status = 200, description = "The caller", body = ProfileView, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn get_me(State(state): State<AppState>, caller: Principal, headers: HeaderMap) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let user = store::find_user(&mut conn, caller.user_id)
        .await?
        .ok_or_else(|| Error::not_found("user", caller.user_id))?;
    let granted = store::grant(&mut conn, &user.roles).await?;
    drop(conn);
    validated(&headers, Some(user.version), &ProfileView::new(user, &granted))
}

/// What one may change of oneself.
#[derive(ToSchema)]
#[schema(example = json!({"name": "Anna Berg", "preferences": {"theme": "dark", "old_setting": null}}))]
pub struct UpdateProfile {
    /// The name shown to others.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Merged into the preferences (RFC 7396): null removes.
    preferences: Option<Map<String, Value>>,
}

/// Change one's profile
///
/// A merge patch (RFC 7396) of name and preferences; `null` removes a preference.
#[utoipa::path(
    patch, path = "/auth/me", tag = "Authentication", operation_id = "update_me",
    params(("If-Match" = Option<String>, Header, description = "The version you read")),
    request_body = UpdateProfile,
    responses(
        (status = 200, description = "The caller", body = ProfileView, headers(("ETag" = String))),
        (status = 412, description = "The profile was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn update_me(
    State(state): State<AppState>,
    caller: Principal,
    if_match: IfMatch,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let mut fields = Fields::new(body);
    let request = UpdateProfile {
        name: take_name(&mut fields, "name"),
        preferences: fields.object("preferences"),
    };
    fields.done()?;
    let now = state.clock.now();
    let (id, request) = (caller.user_id, &request);
    let (user, granted) = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let before = store::lock_user(conn, id)
                .await?
                .ok_or_else(|| Error::not_found("user", id))?;
            if_match.check(before.version)?;
            let after = apply(before.clone(), request)?;
            let user = store::save_user(conn, &by(id), "updated", &before, after, now).await?;
            let granted = store::grant(conn, &user.roles).await?;
            Ok((user, granted))
        })
    })
    .await?;
    state.tail.wrote();
    validated(&HeaderMap::new(), Some(user.version), &ProfileView::new(user, &granted))
}

fn apply(mut user: User, request: &UpdateProfile) -> Result<User> {
    if let Some(name) = &request.name {
        name.clone_into(&mut user.name);
    }
    if let Some(patch) = &request.preferences {
        merge(&mut user.preferences, patch.clone());
        let bytes = serde_json::to_string(&user.preferences).map_err(Error::internal)?.len();
        if bytes > LARGEST_PREFERENCES {
            let violation = crate::error::Violation::new(
                "preferences",
                ViolationCode::TooLong,
                format!("would have {bytes} bytes, at most {LARGEST_PREFERENCES} are kept"),
            );
            return Err(Error::validation(vec![
                violation.accepts("max_bytes", LARGEST_PREFERENCES),
            ]));
        }
    }
    Ok(user)
}
