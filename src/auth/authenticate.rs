//! The authentication layer: finds out who is calling and leaves its verdict for the handlers' extractors. It refuses
//! nobody by itself; a handler that asks for nobody is open.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    api_key::{self, Checked},
    limits::RateLimits,
    principal::{Authentication, Principal},
    rights::Rights,
    session::{Remembered, Standing},
    store,
};
use crate::{
    app::AppState,
    error::Result,
    http::{
        middleware::ClientIp,
        rate_limit::{Class, limited},
    },
    telemetry::metrics::AUTH_FAILURES_TOTAL,
};

/// Without a word of revocations for this long, memory is not trusted with rights.
const TRUST: Duration = Duration::from_secs(5);
/// Where an API key may stand besides `Authorization`.
const KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// The layer.
pub async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let address = request
        .extensions()
        .get::<ClientIp>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |ip| ip.0);
    let (verdict, guessed) = match Credential::of(request.headers()) {
        Err(reason) => (Authentication::Invalid(reason), false),
        Ok(Credential::None) => (Authentication::Invalid("missing"), false),
        Ok(Credential::Token(token)) => (by_token(&state, token).await, false),
        Ok(Credential::Key(key)) => by_key(&state, key, address).await,
    };
    if let Authentication::Invalid(reason) = verdict
        && reason != "missing"
    {
        metrics::counter!(AUTH_FAILURES_TOTAL, "reason" => reason).increment(1);
    }
    request.extensions_mut().insert(verdict);
    if guessed {
        return limited(&state, Class::Keys, &address.to_string(), None, next.run(request)).await;
    }
    next.run(request).await
}

/// What a request brings to say who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential<'a> {
    None,
    Token(&'a str),
    Key(&'a str),
}

impl<'a> Credential<'a> {
    /// A key may stand in either header, but not two different things in both: it would be a guess which is meant.
    fn of(headers: &'a HeaderMap) -> Result<Self, &'static str> {
        let mut keys = headers.get_all(KEY_HEADER).iter();
        let (key, another) = (keys.next(), keys.next());
        let Some(key) = key else {
            return Ok(match bearer(headers) {
                Some(token) if token.starts_with(api_key::format::MARK) => Self::Key(token),
                Some(token) => Self::Token(token),
                None => Self::None,
            });
        };
        // What cannot be a header of text cannot be a key: it is looked at as the empty one.
        let key = key.to_str().unwrap_or_default().trim();
        if another.is_some() || bearer(headers).is_some_and(|token| token != key) {
            return Err("ambiguous");
        }
        Ok(Self::Key(key))
    }
}

async fn by_token(state: &AppState, token: &str) -> Authentication {
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
            note_activity(state, claims.sid, None, now);
            Authentication::Valid(principal(standing, claims.sid))
        }
        _ => Authentication::Invalid("revoked"),
    }
}

/// The verdict on a key, and whether it counts as a guess against the address it came from.
async fn by_key(state: &AppState, presented: &str, address: IpAddr) -> (Authentication, bool) {
    let key = match api_key::check(state, presented, address).await {
        Ok(Checked::Known(key)) => key,
        Ok(Checked::Guess(reason)) => return (Authentication::Invalid(reason), true),
        Ok(Checked::Spent) => return (Authentication::Invalid("too many guesses"), true),
        Err(error) => {
            tracing::warn!(%error, "an API key cannot be checked");
            return (Authentication::Unknown, false);
        }
    };
    let now = state.clock.now();
    // A key is remembered like a session, under its own id: whatever ends sessions ends it as well.
    let verdict = match standing(state, key.id, now).await {
        Ok(Some(standing)) if standing.alive && standing.expires_at <= now => Authentication::Invalid("expired"),
        Ok(Some(standing)) if standing.alive => {
            if key.admits(address) {
                note_activity(state, key.id, Some(address), now);
                Authentication::Valid(principal(standing, key.id).by_key(key))
            } else {
                Authentication::Invalid("address not allowed")
            }
        }
        Ok(_) => Authentication::Invalid("revoked"),
        Err(error) => {
            tracing::warn!(%error, "an API key cannot be checked");
            Authentication::Unknown
        }
    };
    (verdict, false)
}

fn principal(standing: Standing, session_id: Uuid) -> Principal {
    Principal {
        user_id: standing.user_id,
        session_id,
        rights: Arc::new(Rights::of(&standing.roles)),
        roles: standing.roles,
        rate_limits: RateLimits::default(),
        key: None,
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

/// Notes now and then that a session is in use, or a key from an address, without making the request wait.
fn note_activity(state: &AppState, session: Uuid, key_from: Option<IpAddr>, now: DateTime<Utc>) {
    if !state.sessions.is_note_due(session, now) {
        return;
    }
    let state = state.clone();
    tokio::spawn(async move {
        let noted = async {
            let mut conn = state.db.acquire().await?;
            match key_from {
                None => store::note_activity(&mut conn, session, now).await,
                Some(address) => store::note_key_use(&mut conn, session, &address.to_string(), now).await,
            }
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
    fn keys_and_tokens_are_told_apart() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            match Credential::of(&headers) {
                Ok(Credential::None) => "none".to_owned(),
                Ok(Credential::Token(token)) => format!("token {token}"),
                Ok(Credential::Key(key)) => format!("key {key}"),
                Err(reason) => reason.to_owned(),
            }
        };
        assert_eq!(of(&[]), "none");
        assert_eq!(of(&[("authorization", "Bearer abc")]), "token abc");
        assert_eq!(of(&[("authorization", "Bearer az_abc")]), "key az_abc");
        assert_eq!(of(&[("x-api-key", "az_abc")]), "key az_abc");
        assert_eq!(of(&[("x-api-key", " abc ")]), "key abc");
        assert_eq!(of(&[("x-api-key", "")]), "key ");
        assert_eq!(
            of(&[("x-api-key", "az_a"), ("authorization", "Bearer az_a")]),
            "key az_a"
        );
        assert_eq!(of(&[("x-api-key", "az_a"), ("authorization", "Basic abc")]), "key az_a");
        assert_eq!(
            of(&[("x-api-key", "az_a"), ("authorization", "Bearer abc")]),
            "ambiguous"
        );
        assert_eq!(of(&[("x-api-key", "az_a"), ("x-api-key", "az_a")]), "ambiguous");
    }

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
