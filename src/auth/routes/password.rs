//! Changing one's own password.

use axum::{extract::State, http::StatusCode};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::view::by;
use crate::{
    app::AppState,
    auth::{
        Principal,
        attempt::{Counter, try_password},
        password, store,
        user::take_secret,
    },
    error::{Code, Error, ErrorEnvelope, Result, ViolationCode},
    http::{extract::JsonObject, fields::Fields},
    store::transaction,
};

/// The old password and the new one.
#[derive(ToSchema)]
#[schema(example = json!({"current_password": "Correct-Horse-7-Battery", "new_password": "Proper-Stable-8-Voltage"}))]
pub struct ChangePassword {
    /// The password until now.
    #[schema(format = Password)]
    current_password: String,
    /// The password from now on: at least 12 characters, at most 72 bytes, with upper-case and lower-case letters, a
    /// digit and a symbol; not a common one.
    #[schema(format = Password, min_length = 12, max_length = 72)]
    new_password: String,
}

impl ChangePassword {
    fn read(object: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(object);
        let current_password = required_secret(&mut fields, "current_password");
        let new_password = new_password(&mut fields, "new_password");
        fields.done()?;
        Ok(Self {
            current_password,
            new_password,
        })
    }
}

/// Takes a secret that must be there.
pub fn required_secret(fields: &mut Fields, name: &'static str) -> String {
    if !fields.has(name) {
        fields.refuse(name, ViolationCode::Required, "is required", None);
    }
    take_secret(fields, name).unwrap_or_default()
}

/// Takes a new password, and everything that is wrong with it.
pub fn new_password(fields: &mut Fields, name: &'static str) -> String {
    let password = required_secret(fields, name);
    if !password.is_empty() {
        fields.extend(password::violations(name, &password));
    }
    password
}

/// Change one's password
///
/// Ends all other sessions and makes links void that were sent out to reset the password.
#[utoipa::path(
    post, path = "/auth/change-password", tag = "Authentication", operation_id = "change_password",
    request_body = ChangePassword,
    responses(
        (status = 204, description = "The password was changed"),
        (status = 401, description = "The current password is wrong, or the access token", body = ErrorEnvelope),
        (status = 423, description = "Too many failures", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn change_password(
    State(state): State<AppState>,
    caller: Principal,
    JsonObject(body): JsonObject,
) -> Result<StatusCode> {
    let request = ChangePassword::read(body)?;
    let mut conn = state.db.acquire().await?;
    let (key, hash) = store::find_password_hash(&mut conn, caller.user_id)
        .await?
        .ok_or_else(|| Error::not_found("user", caller.user_id))?;
    drop(conn);
    let counter = Counter::known(&key, caller.session_id);
    let wrong = || Error::new(Code::InvalidCredentials, "The current password is wrong").at("current_password");
    if !try_password(&state, &counter, request.current_password, Some(hash.clone())).await? {
        return Err(wrong());
    }
    let new = password::hash(request.new_password, state.config.auth.password_hash_cost).await?;
    let now = state.clock.now();
    let (id, old, new, counter) = (caller.user_id, &hash, &new, &counter);
    transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let user = store::lock_user(conn, id)
                .await?
                .ok_or_else(|| Error::not_found("user", id))?;
            // Somebody else may have changed it meanwhile: then it was not the current one.
            let unchanged = store::find_password_hash(conn, id)
                .await?
                .is_some_and(|(_, current)| current == *old);
            if !unchanged {
                return Err(wrong());
            }
            store::set_password(conn, id, Some(new), Some(caller.session_id), "password changed", now).await?;
            store::clear_failures(conn, &counter.account, &counter.address).await?;
            store::log_user(conn, &by(id), id, "password_changed", user.version, &["password"]).await
        })
    })
    .await?;
    state.sessions.forget_user(id);
    state.tail.wrote();
    Ok(StatusCode::NO_CONTENT)
}
