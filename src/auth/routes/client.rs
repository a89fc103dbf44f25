//! What a request tells of its sender besides the token: address, program, and the refresh token's cookie.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::Response,
};
use serde_json::Map;

use crate::{
    app::AppState,
    error::{Error, Result},
    http::{
        extract::{JsonObject, RawBody},
        fields::Fields,
        middleware::ClientIp,
    },
};

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address.
    pub ip: String,
    /// The program, in its own words.
    pub user_agent: Option<String>,
}

/// As much of a program's own words as is kept.
const LONGEST_AGENT: usize = 300;

impl FromRequestParts<AppState> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        let ip = parts
            .extensions
            .get::<ClientIp>()
            .map(|ip| ip.0.to_string())
            .unwrap_or_default();
        let agent = parts
            .headers
            .get(header::USER_AGENT)
            .map(|v| String::from_utf8_lossy(v.as_bytes()));
        Ok(Self {
            ip,
            user_agent: agent.map(|a| a.chars().filter(|c| !c.is_control()).take(LONGEST_AGENT).collect()),
        })
    }
}

/// The cookie that holds a browser's refresh token. Browsers take the prefix only together with `Secure`.
const COOKIE: &str = "__Secure-archzero_refresh";
/// The only routes that see it.
const COOKIE_PATH: &str = "/api/v1/auth";

/// A refresh token that came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The token.
    pub token: String,
    /// Whether it came as a cookie; then its successor goes back as one.
    pub as_cookie: bool,
}

/// The refresh token in the body or, failing that, in the cookie.
pub struct PresentedToken(pub Option<Presented>);

impl FromRequest<AppState> for PresentedToken {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers.clone();
        let RawBody(bytes) = RawBody::from_request(Request::new(body), state).await?;
        let object = if bytes.trim_ascii().is_empty() {
            Map::new()
        } else {
            JsonObject::from_request(Request::from_parts(parts, Body::from(bytes)), state)
                .await?
                .0
        };
        let mut fields = Fields::new(object);
        let token = crate::auth::user::take_secret(&mut fields, "refresh_token");
        fields.done()?;
        if let Some(token) = token {
            return Ok(Self(Some(Presented {
                token,
                as_cookie: false,
            })));
        }
        let Some(token) = cookie(&headers) else {
            return Ok(Self(None));
        };
        if !is_deliberate(&headers) {
            return Err(Error::invalid(
                "To use the refresh cookie send Content-Type: application/json or X-Requested-With, which a page of another site cannot",
            )
            .at("Content-Type"));
        }
        Ok(Self(Some(Presented { token, as_cookie: true })))
    }
}

/// Whether the request carries something that a form or image of another site cannot send without being asked for
/// permission first.
fn is_deliberate(headers: &HeaderMap) -> bool {
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split(';').next())
        .is_some_and(|v| v.trim().eq_ignore_ascii_case("application/json"));
    json || headers.contains_key("x-requested-with")
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// Sends the refresh token as a cookie that scripts cannot read.
pub fn set_cookie(response: &mut Response, token: &str, seconds: u64) {
    append(
        response,
        &format!("{COOKIE}={token}; Path={COOKIE_PATH}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict"),
    );
}

/// Removes the cookie.
pub fn clear_cookie(response: &mut Response) {
    append(
        response,
        &format!("{COOKIE}=; Path={COOKIE_PATH}; Max-Age=0; HttpOnly; Secure; SameSite=Strict"),
    );
}

fn append(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |value| cookie(&headers(&[("cookie", value)]));
        assert_eq!(found("a=b; __Secure-archzero_refresh=abc; c=d").as_deref(), Some("abc"));
        assert_eq!(found("a=__Secure-archzero_refresh=abc"), None);
        assert_eq!(found("__Secure-archzero_refresh="), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn a_form_of_another_site_is_not_deliberate() {
        assert!(!is_deliberate(&headers(&[(
            "content-type",
            "application/x-www-form-urlencoded"
        )])));
        assert!(!is_deliberate(&headers(&[("content-type", "text/plain")])));
        assert!(!is_deliberate(&headers(&[])));
        assert!(is_deliberate(&headers(&[(
            "content-type",
            "Application/JSON; charset=utf-8"
        )])));
        assert!(is_deliberate(&headers(&[("x-requested-with", "fetch")])));
    }
}
