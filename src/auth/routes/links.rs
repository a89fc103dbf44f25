//! One-time links: made by an administrator, used by whom they were handed to.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    client::Client,
    login::begin,
    password::{new_password, required_secret},
    users::may_administer,
    view::{LoginAnswer, by, limited, logged_in, uncached, useless},
};
use crate::{
    app::AppState,
    auth::{
        Allowed, Principal, password, right, secret,
        store::{self, Purpose},
        user::{Status, User, take_name},
    },
    error::{Code, Error, ErrorEnvelope, Result},
    http::{
        extract::{JsonObject, Path},
        fields::Fields,
    },
    store::transaction,
    telemetry::metrics::AUTH_FAILURES_TOTAL,
};

/// A one-time link. It is shown once; only its digest is kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct OneTimeLink {
    /// What it is for.
    purpose: Purpose,
    /// The secret, to be sent to `/auth/accept-invite` or `/auth/reset-password`.
    token: String,
    /// When it ends.
    expires_at: DateTime<Utc>,
}

/// Make an invitation
///
/// A link with which an invited user chooses a password, good for seven days and for one use. Earlier ones are void.
#[utoipa::path(
    post, path = "/admin/users/{id}/invite-link", tag = "Users", operation_id = "create_invite_link",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 201, description = "The link, shown once", body = OneTimeLink),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 422, description = "The user has a password already, or was deactivated", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn create_invite_link(
    State(state): State<AppState>,
    caller: Allowed<right::ManageUsers>,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    create(&state, &caller.0, id, Purpose::Invite).await
}

/// Make a password reset
///
/// A link with which an active user chooses a new password, good for an hour and for one use. Earlier ones are void.
#[utoipa::path(
    post, path = "/admin/users/{id}/reset-link", tag = "Users", operation_id = "create_reset_link",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 201, description = "The link, shown once", body = OneTimeLink),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 422, description = "The user is not active", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn create_reset_link(
    State(state): State<AppState>,
    caller: Allowed<right::ManageUsers>,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    create(&state, &caller.0, id, Purpose::Reset).await
}

async fn create(state: &AppState, caller: &Principal, id: Uuid, purpose: Purpose) -> Result<Response> {
    let actor = caller.user_id;
    let now = state.clock.now();
    let (token, expires_at) = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let user = store::lock_user(conn, id).await?.filter(|u| u.deleted_at.is_none());
            let user = user.ok_or_else(|| Error::not_found("user", id))?;
            may_administer(conn, caller, &user).await?;
            let (action, refusal) = match purpose {
                Purpose::Invite => (
                    "invite_link_created",
                    "Only a user who has not accepted an invitation yet can be invited",
                ),
                Purpose::Reset => ("reset_link_created", "Only an active user has a password to reset"),
            };
            if !fits(purpose, &user) {
                return Err(Error::new(Code::UnprocessableEntity, refusal).with(json!({ "status": user.status })));
            }
            store::log_user(conn, &by(actor), id, action, user.version, &[]).await?;
            store::replace_link(conn, id, purpose, Some(actor), now).await
        })
    })
    .await?;
    state.tail.wrote();
    Ok(uncached(
        (
            StatusCode::CREATED,
            axum::Json(OneTimeLink {
                purpose,
                token,
                expires_at,
            }),
        )
            .into_response(),
    ))
}

/// Whether a link of this purpose is something for the user now.
fn fits(purpose: Purpose, user: &User) -> bool {
    user.deleted_at.is_none()
        && match purpose {
            Purpose::Invite => user.status == Status::Invited,
            Purpose::Reset => user.status == Status::Active,
        }
}

/// The secret of an invitation and the password to begin with.
#[derive(ToSchema)]
#[schema(example = json!({"token": "the secret of the link", "password": "Correct-Horse-7-Battery"}))]
pub struct AcceptInvite {
    /// The secret of the link.
    token: String,
    /// The user's name, if it is not to stay as the administrator entered it.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// At least 12 characters, at most 72 bytes, with upper-case and lower-case letters, a digit and a symbol; not a
    /// common one.
    #[schema(format = Password, min_length = 12, max_length = 72)]
    password: String,
    /// For browsers: send the refresh token as an HttpOnly cookie instead of in the answer.
    #[schema(default = false)]
    cookie: Option<bool>,
}

impl AcceptInvite {
    fn read(object: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(object);
        let token = required_secret(&mut fields, "token");
        let name = take_name(&mut fields, "name");
        let password = new_password(&mut fields, "password");
        let cookie = fields.boolean("cookie");
        fields.done()?;
        Ok(Self {
            token,
            name,
            password,
            cookie,
        })
    }
}

/// Accept an invitation
///
/// Sets the password, activates the user and logs in. A link works once.
#[utoipa::path(
    post, path = "/auth/accept-invite", tag = "Authentication", operation_id = "accept_invite",
    request_body = AcceptInvite,
    responses(
        (status = 200, description = "The tokens of a first session", body = LoginAnswer),
        (status = 401, description = "The link is unknown, used or expired", body = ErrorEnvelope)),
    extensions(("x-permission" = json!("public")))
)]
pub async fn accept_invite(
    State(state): State<AppState>,
    client: Client,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let request = AcceptInvite::read(body)?;
    let account = secret::digest(&request.token);
    Ok(limited(&state, &account, &client, Box::pin(accept(&state, &client, request))).await)
}

async fn accept(state: &AppState, client: &Client, request: AcceptInvite) -> Result<Response> {
    let id = usable(state, &request.token, Purpose::Invite).await?;
    let hash = password::hash(request.password, state.config.auth.password_hash_cost).await?;
    let now = state.clock.now();
    let (hash, token, name) = (&hash, &request.token, &request.name);
    let (user, session, token) = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let before = consume(conn, token, Purpose::Invite, id, now).await?;
            store::set_password(conn, id, Some(hash), None, "invitation accepted", now).await?;
            let mut after = User {
                status: Status::Active,
                ..before.clone()
            };
            if let Some(name) = name {
                name.clone_into(&mut after.name);
            }
            store::save_user(conn, &by(id), "invite_accepted", &before, after, now).await?;
            store::record_login(conn, id, hash, now).await?;
            begin(conn, state, client, id).await
        })
    })
    .await?;
    state.sessions.forget_user(id);
    state.tail.wrote();
    logged_in(state, &user, session, &token, request.cookie == Some(true)).await
}

/// The secret of a reset link and the new password.
#[derive(ToSchema)]
#[schema(example = json!({"token": "the secret of the link", "password": "Correct-Horse-7-Battery"}))]
pub struct ResetPassword {
    /// The secret of the link.
    token: String,
    /// At least 12 characters, at most 72 bytes, with upper-case and lower-case letters, a digit and a symbol; not a
    /// common one.
    #[schema(format = Password, min_length = 12, max_length = 72)]
    password: String,
}

/// Reset a password
///
/// Sets the password, ends all sessions and lifts a lock. A link works once.
#[utoipa::path(
    post, path = "/auth/reset-password", tag = "Authentication", operation_id = "reset_password",
    request_body = ResetPassword,
    responses(
        (status = 204, description = "The password was set"),
        (status = 401, description = "The link is unknown, used or expired", body = ErrorEnvelope)),
    extensions(("x-permission" = json!("public")))
)]
pub async fn reset_password(
    State(state): State<AppState>,
    client: Client,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let mut fields = Fields::new(body);
    let request = ResetPassword {
        token: required_secret(&mut fields, "token"),
        password: new_password(&mut fields, "password"),
    };
    fields.done()?;
    let account = secret::digest(&request.token);
    Ok(limited(&state, &account, &client, Box::pin(reset(&state, request))).await)
}

async fn reset(state: &AppState, request: ResetPassword) -> Result<Response> {
    let id = usable(state, &request.token, Purpose::Reset).await?;
    let hash = password::hash(request.password, state.config.auth.password_hash_cost).await?;
    let now = state.clock.now();
    let (hash, token) = (&hash, &request.token);
    transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let user = consume(conn, token, Purpose::Reset, id, now).await?;
            store::reset_password(conn, &by(id), &user, hash, now).await
        })
    })
    .await?;
    state.sessions.forget_user(id);
    state.tail.wrote();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Whom the link is for, if it looks usable: asked before the password is hashed, so that a guess costs little.
async fn usable(state: &AppState, token: &str, purpose: Purpose) -> Result<Uuid> {
    let mut conn = state.db.acquire().await?;
    match store::find_link(&mut conn, token, purpose).await? {
        None => Err(refused("unknown")),
        Some(link) if link.used_at.is_some() => Err(refused("used")),
        Some(link) if link.expires_at <= state.clock.now() => Err(refused("expired")),
        Some(link) => Ok(link.user_id),
    }
}

/// Uses the link up and locks its user. Of two who come at once, one finds it used.
async fn consume(
    conn: &mut sqlx::PgConnection,
    token: &str,
    purpose: Purpose,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<User> {
    let user = store::lock_user(conn, id).await?.filter(|user| fits(purpose, user));
    let redeemed = store::use_link(conn, token, purpose, now).await?;
    match (user, redeemed) {
        (Some(user), Some(_)) => Ok(user),
        (None, _) => Err(refused("revoked")),
        (_, None) => Err(refused("used")),
    }
}

fn refused(reason: &'static str) -> Error {
    metrics::counter!(AUTH_FAILURES_TOTAL, "reason" => "one-time link").increment(1);
    useless("link", reason)
}
