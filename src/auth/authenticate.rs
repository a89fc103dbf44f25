//! The authentication layer: finds out who is calling and leaves its verdict for the handlers' extractors. It refuses
//! nobody by itself; a handler that asks for nobody is open.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    principal::{Authentication, Principal},
    rights::Rights,
    session::{Remembered, Standing},
    store,
};
use crate::{app::AppState, error::Result, telemetry::metrics::AUTH_FAILURES_TOTAL};

/// Without a word of revocations for this long, memory is not trusted with rights.
const TRUST: Duration = Duration::from_secs(5);

/// The layer.
pub async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let verdict = verdict(&state, request.headers()).await;
    if let Authentication::Invalid(reason) = verdict
        && reason != "missing"
    {
        metrics::counter!(AUTH_FAILURES_TOTAL, "reason" => reason).increment(1);
    }
    request.extensions_mut().insert(verdict);
    next.run(request).await
}

/// Whoever sent these headers, if they would still be let in: for answers that go on for long.
pub async fn caller(state: &AppState, headers: &HeaderMap) -> Option<Principal> {
    match verdict(state, headers).await {
        Authentication::Valid(principal) => Some(principal),
        Authentication::Invalid(_) | Authentication::Unknown => None,
    }
}

async fn verdict(state: &AppState, headers: &HeaderMap) -> Authentication {
    let Some(token) = bearer(headers) else {
        return Authentication::Invalid("missing");
    };
    let now = state.clock.now();
    let claims = match state.tokens.verify(token, now) {
        Ok(claims) => claims,
        Err(reason) => return Authentication::Invalid(reason),
    };
    let standing = match standing(state, claims.sid, now).await {
        Ok(standing) => standing,
        Err(error) => {
            tracing::warn!(%error, "a session cannot be checked");
            return Authentication::Unknown;
        }
    };
    match standing {
        Some(standing) if standing.user_id == claims.sub && standing.alive => {
            if standing.expires_at <= now {
                return Authentication::Invalid("expired");
            }
            note_activity(state, claims.sid, now);
            Authentication::Valid(Principal {
                user_id: standing.user_id,
                session_id: claims.sid,
                rights: Arc::new(Rights::of(&standing.roles)),
                roles: standing.roles,
            })
        }
        _ => Authentication::Invalid("revoked"),
    }
}

/// The token in `Authorization: Bearer …`; other schemes are not ours.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What the session may do: from memory as long as the change log is being followed, else from the database.
async fn standing(state: &AppState, session: Uuid, now: DateTime<Utc>) -> Result<Option<Standing>> {
    let followed = state.tail.age() <= TRUST;
    if followed {
        match state.sessions.get(session) {
            // One that has ended may have been refreshed since it was read: that is not in the change log.
            Remembered::Standing(standing) if standing.expires_at > now => return Ok(Some(standing)),
            Remembered::Unknown => return Ok(None),
            Remembered::Standing(_) | Remembered::Nothing => {}
        }
    }
    let ticket = state.sessions.ticket();
    let mut conn = state.db.acquire().await?;
    let standing = store::find_standing(&mut conn, session).await?;
    if followed {
        state.sessions.keep(ticket, session, standing.as_ref());
    }
    Ok(standing)
}

/// Notes now and then that a session is in use, without making the request wait.
fn note_activity(state: &AppState, session: Uuid, now: DateTime<Utc>) {
    if !state.sessions.is_note_due(session, now) {
        return;
    }
    let state = state.clone();
    tokio::spawn(async move {
        let noted = async {
            let mut conn = state.db.acquire().await?;
            store::note_activity(&mut conn, session, now).await
        };
        if let Err(error) = noted.await {
            tracing::debug!(%error, "a session's activity was not noted");
        }
    });
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_bearer_tokens_are_taken() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer", None),
            ("abc", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(bearer(&headers), expected, "{value}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
