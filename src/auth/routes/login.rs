//! Logging in.

use axum::{Extension, extract::State, response::Response};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    client::Client,
    password::required_secret,
    view::{LoginAnswer, by, limited, logged_in, session_lifetime},
};
use crate::{
    app::AppState,
    auth::{
        Authentication,
        attempt::{Counter, try_password},
        lockout, password, store,
        user::{User, email_key},
    },
    error::{Code, Error, ErrorEnvelope, Result},
    http::{extract::JsonObject, fields::Fields},
    store::transaction,
};

/// Who wants to log in.
#[derive(ToSchema)]
#[schema(example = json!({"email": "anna@example.com", "password": "Correct-Horse-7-Battery"}))]
pub struct LogIn {
    /// The e-mail address; capitals and surrounding blanks do not matter.
    #[schema(format = Email, examples("anna@example.com"))]
    email: String,
    /// The password.
    #[schema(format = Password, min_length = 1)]
    password: String,
    /// For browsers: send the refresh token as an HttpOnly cookie instead of in the answer.
    #[schema(default = false)]
    cookie: Option<bool>,
}

impl LogIn {
    fn read(object: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(object);
        let email = fields.required_text("email", 320);
        let password = required_secret(&mut fields, "password");
        let cookie = fields.boolean("cookie");
        fields.done()?;
        Ok(Self {
            email,
            password,
            cookie,
        })
    }
}

/// Log in
///
/// A wrong password and an unknown address read the same and take the same time. From the third failure on, tries from
/// the same address are held back; the fifth within 15 minutes locks account and address for 15 minutes.
#[utoipa::path(
    post, path = "/auth/login", tag = "Authentication", operation_id = "log_in",
    request_body = LogIn,
    responses(
        (status = 200, description = "The tokens of a new session", body = LoginAnswer),
        (status = 401, description = "Wrong address or password", body = ErrorEnvelope),
        (status = 423, description = "Too many failures; Retry-After tells until when", body = ErrorEnvelope)),
    extensions(("x-permission" = json!("public")))
)]
pub async fn log_in(
    State(state): State<AppState>,
    Extension(caller): Extension<Authentication>,
    client: Client,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let request = LogIn::read(body)?;
    let account = lockout::account(&email_key(&request.email));
    Ok(limited(
        &state,
        &account,
        &client,
        Box::pin(check(&state, &caller, &client, request)),
    )
    .await)
}

async fn check(state: &AppState, caller: &Authentication, client: &Client, request: LogIn) -> Result<Response> {
    let key = email_key(&request.email);
    let mut counter = Counter::new(&key, &client.ip);
    // Twice at most: the password may be changed, or its hash renewed, between the check and the log-in.
    for _ in 0..2 {
        let mut conn = state.db.acquire().await?;
        let found = store::find_credentials(&mut conn, &key).await?;
        drop(conn);
        if let (Some(found), Authentication::Valid(caller)) = (&found, caller)
            && found.user_id == caller.user_id
        {
            counter = Counter::known(&key, caller.session_id);
        }
        let usable = found
            .filter(|f| f.is_active)
            .and_then(|f| Some((f.user_id, f.password_hash?)));
        let hash = usable.as_ref().map(|(_, hash)| hash.clone());
        if !try_password(state, &counter, request.password.clone(), hash).await? {
            break;
        }
        let Some((user, hash)) = usable else { break };
        let now = state.clock.now();
        let (known_hash, under) = (&hash, &counter);
        let begun = transaction(&state.db, |conn, _| {
            Box::pin(async move {
                if !store::record_login(conn, user, known_hash, now).await? {
                    return Ok(None);
                }
                store::clear_failures(conn, &under.account, &under.address).await?;
                begin(conn, state, client, user).await.map(Some)
            })
        })
        .await?;
        let Some((user, session, token)) = begun else { continue };
        state.tail.wrote();
        renew_hash(state, &user, request.password, &hash).await;
        return logged_in(state, &user, session, &token, request.cookie == Some(true)).await;
    }
    Err(Error::new(
        Code::InvalidCredentials,
        "The e-mail address or the password is wrong",
    ))
}

/// Begins a session of the user in the caller's transaction: the user, the session, its refresh token.
pub async fn begin(
    conn: &mut PgConnection,
    state: &AppState,
    client: &Client,
    user: Uuid,
) -> Result<(User, Uuid, String)> {
    let now = state.clock.now();
    let session = store::NewSession {
        user_id: user,
        user_agent: client.user_agent.as_deref(),
        ip: &client.ip,
        now,
        expires_at: now + session_lifetime(state),
    };
    let (session, token) = store::insert_session(conn, &by(user), session).await?;
    let user = store::find_user(conn, user)
        .await?
        .ok_or_else(|| Error::not_found("user", user))?;
    Ok((user, session, token))
}

/// Hashes the password anew when the configured cost has changed. A log-in does not fail over it.
async fn renew_hash(state: &AppState, user: &User, password: String, hash: &str) {
    let cost = state.config.auth.password_hash_cost;
    if !password::is_outdated(hash, cost) {
        return;
    }
    let renewed = async {
        let new = password::hash(password, cost).await?;
        let mut conn = state.db.acquire().await?;
        store::upgrade_password(&mut conn, user.id, hash, &new).await
    };
    if let Err(error) = renewed.await {
        tracing::warn!(%error, "a password hash was not renewed");
    }
}
