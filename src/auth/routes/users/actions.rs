//! What is done to users besides changing their fields: shutting out, forgetting, unlocking.

use axum::extract::State;
use serde_json::Value;
use uuid::Uuid;

use super::{Change, answer};
use crate::{
    app::AppState,
    auth::{
        Allowed, right,
        routes::view::UserView,
        store,
        user::{Status, email_key},
    },
    error::{ErrorEnvelope, Result},
    http::{
        etag::IfMatch,
        extract::Path,
        write::{Answer, WriteRequest},
    },
};

/// Shut a user out
///
/// Ends all their sessions. `PATCH` with status `active` lets them in again.
#[utoipa::path(
    post, path = "/admin/users/{id}/deactivate", tag = "Users", operation_id = "deactivate_user",
    params(("id" = Uuid, Path, description = "The user's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "The user", body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 409, description = "This is the last active administrator", body = ErrorEnvelope),
        (status = 412, description = "The user was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn deactivate_user(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, caller, &write, if_match, id, "deactivated");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move {
            let user = change.write(conn, |user| user.status = Status::Deactivated).await?;
            answer(conn, &user).await
        })
    });
    change.done(&state, work.await)
}

/// Forget a person
///
/// Replaces name and address and removes everything else that tells who it was; the id stays in the audit trail. There
/// is no way back.
#[utoipa::path(
    post, path = "/admin/users/{id}/anonymize", tag = "Users", operation_id = "anonymize_user",
    params(("id" = Uuid, Path, description = "The user's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "What remains", body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 409, description = "This is the last active administrator", body = ErrorEnvelope),
        (status = 412, description = "The user was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn anonymize_user(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, caller, &write, if_match, id, "anonymized");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move {
            let user = change.forget(conn).await?;
            answer(conn, &user).await
        })
    });
    change.done(&state, work.await)
}

/// Lift a lock
///
/// Forgets the user's failed log-ins, from wherever they came.
#[utoipa::path(
    post, path = "/admin/users/{id}/unlock", tag = "Users", operation_id = "unlock_user",
    params(("id" = Uuid, Path, description = "The user's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer"), ("If-Match" = Option<String>, Header, description = "The version you read")),
    responses(
        (status = 200, description = "The user", body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such user", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn unlock_user(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, caller, &write, if_match, id, "unlocked");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move {
            let user = change.lock(conn).await?;
            store::unlock(conn, &email_key(&user.email)).await?;
            store::log_user(conn, &change.author, id, change.action, user.version, &[]).await?;
            answer(conn, &user).await
        })
    });
    change.done(&state, work.await)
}
