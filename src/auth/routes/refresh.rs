//! Renewing and ending a session by its refresh token.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use utoipa::ToSchema;

use super::{
    client::{PresentedToken, clear_cookie},
    view::{LoginAnswer, by, logged_in, session_lifetime, uncached, useless},
};
use crate::{
    app::AppState,
    auth::{
        Principal,
        store::{self, Rotation},
    },
    error::{Error, ErrorEnvelope, Result},
    store::{Author, transaction},
    telemetry::metrics::AUTH_FAILURES_TOTAL,
};

/// The refresh token, unless it comes as a cookie.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"refresh_token": "the token that the last answer brought"}))]
pub struct RefreshToken {
    /// The token that the last answer brought.
    #[schema(required = false, value_type = String)]
    refresh_token: Option<String>,
}

/// Renew a session
///
/// Gives a new access token and a new refresh token. The old refresh token is used up; if it comes back later than 30
/// seconds after its use, somebody else has it too, and the session ends.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "Authentication", operation_id = "refresh_session",
    request_body(content = RefreshToken, description = "Not needed when the token comes as a cookie; then send Content-Type: application/json or X-Requested-With"),
    responses(
        (status = 200, description = "New tokens of the same session", body = LoginAnswer),
        (status = 401, description = "The token is unknown, expired, or of a revoked session", body = ErrorEnvelope),
        (status = 403, description = "The cookie came from a page whose origin may not call the API", body = ErrorEnvelope)),
    extensions(("x-permission" = json!("public")))
)]
pub async fn refresh(State(state): State<AppState>, PresentedToken(presented): PresentedToken) -> Result<Response> {
    let presented = presented.ok_or_else(|| useless("refresh token", "missing"))?;
    let now = state.clock.now();
    let author = Author {
        request_id: Some(crate::http::request_id()),
        ..Author::default()
    };
    let (author, token, lifetime) = (&author, &presented.token, session_lifetime(&state));
    let (rotation, user) = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let rotation = store::rotate(conn, author, token, now, lifetime).await?;
            let user = match &rotation {
                Rotation::Renewed { user_id, .. } => store::find_user(conn, *user_id).await?,
                _ => None,
            };
            Ok((rotation, user))
        })
    })
    .await?;
    let refused = |reason: &'static str| {
        metrics::counter!(AUTH_FAILURES_TOTAL, "reason" => "refresh token").increment(1);
        useless("refresh token", reason)
    };
    let error = match (rotation, user) {
        (Rotation::Renewed { session_id, token, .. }, Some(user)) => {
            return logged_in(&state, &user, session_id, &token, presented.as_cookie).await;
        }
        (Rotation::Reused { session_id }, _) => {
            state.sessions.forget(session_id);
            state.tail.wrote();
            tracing::warn!(session_id = %session_id, "a refresh token was used twice; its session was ended");
            let mut error = refused("revoked");
            "This refresh token was used before, so somebody else may have it; the session was ended, log in again"
                .clone_into(&mut error.message);
            error
        }
        (Rotation::Refused(reason), _) => refused(reason),
        (Rotation::Renewed { .. }, None) => refused("unknown"),
    };
    let mut response = error.into_response();
    if presented.as_cookie {
        clear_cookie(&mut response);
    }
    Ok(response)
}

/// Log out
///
/// Ends the session of the access token, or of the refresh token when the access token is no longer good.
#[utoipa::path(
    post, path = "/auth/logout", tag = "Authentication", operation_id = "log_out",
    request_body(content = RefreshToken, description = "Not needed with an access token"),
    responses((status = 204, description = "The session has ended")),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn log_out(
    State(state): State<AppState>,
    caller: Result<Principal, Error>,
    PresentedToken(presented): PresentedToken,
) -> Result<Response> {
    let (caller, refusal) = match caller {
        Ok(principal) => (Some((principal.session_id, principal.user_id)), None),
        Err(refusal) => (None, Some(refusal)),
    };
    let now = state.clock.now();
    let token = presented.as_ref().map(|p| p.token.as_str());
    let ended = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let held = match token {
                Some(token) => store::session_of_refresh_token(conn, token).await?,
                None => None,
            };
            let mut ended = Vec::new();
            for (session, user) in [caller, held].into_iter().flatten() {
                store::revoke_session(conn, &by(user), session, "logged out", now).await?;
                ended.push(session);
            }
            Ok(ended)
        })
    })
    .await?;
    // Nothing that names a session came along: then the access token is what was wrong.
    if let (true, Some(refusal)) = (ended.is_empty(), refusal) {
        return Err(refusal);
    }
    for session in ended {
        state.sessions.forget(session);
    }
    state.tail.wrote();
    let mut response = uncached(StatusCode::NO_CONTENT.into_response());
    if presented.is_some_and(|p| p.as_cookie) {
        clear_cookie(&mut response);
    }
    Ok(response)
}
