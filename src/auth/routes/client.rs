//! What a request tells of its sender besides the token: address, program, and the refresh token's cookie.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::Response,
};
use serde_json::{Map, json};

use crate::{
    app::AppState,
    config::Origins,
    error::{Code, Error, Result},
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
        // HTTP/2 names the host in the address of the request.
        let host = match headers.get(header::HOST) {
            Some(host) => host.to_str().ok().map(str::to_owned),
            None => parts.uri.authority().map(ToString::to_string),
        };
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
        check_origin(&headers, host.as_deref(), state)?;
        Ok(Self(Some(Presented { token, as_cookie: true })))
    }
}

/// Refuses the cookie to pages that may not call the API. `SameSite=Strict` keeps other sites away, but not a page on
/// another host of the same site; every browser tells which page asks. Programs that are no browsers send no origin, and
/// have nobody's cookie but their own.
fn check_origin(headers: &HeaderMap, host: Option<&str>, state: &AppState) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            Err(foreign_origin("another site"))
        } else {
            Ok(())
        };
    };
    let listed = match &state.config.cors.allowed_origins {
        Origins::These(origins) => origins.iter().any(|allowed| allowed == origin),
        // Browsers give no page of another origin an answer to a request with cookies then.
        Origins::Any => false,
    };
    let text = origin.to_str().unwrap_or_default();
    let own = same_origin(text, &state.config.server.base_url) || host.is_some_and(|host| same_host(text, host));
    if listed || own {
        return Ok(());
    }
    Err(foreign_origin(text))
}

fn foreign_origin(origin: &str) -> Error {
    let shown: String = origin.chars().take(200).collect();
    Error::new(
        Code::InsufficientPermissions,
        "A page of this origin may not use the refresh cookie; CORS_ALLOWED_ORIGINS lists those that may",
    )
    .at("Origin")
    .with(json!({ "origin": shown }))
}

/// Whether the address under which clients reach the API is of this origin.
fn same_origin(origin: &str, base_url: &str) -> bool {
    base_url
        .strip_prefix(origin)
        .is_some_and(|rest| !origin.is_empty() && (rest.is_empty() || rest.starts_with('/')))
}

/// Whether the page comes from the very host that it asks, by whatever name.
fn same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let bare = |text: &str| text.strip_suffix(default).unwrap_or(text).to_ascii_lowercase();
    !host.is_empty() && bare(authority) == bare(host)
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
    fn origins_of_ones_own() {
        for (origin, base, expected) in [
            ("https://arc.example.com", "https://arc.example.com", true),
            ("https://arc.example.com", "https://arc.example.com/arc", true),
            ("https://arc.example.co", "https://arc.example.com", false),
            ("https://arc", "https://arc.example.com", false),
            ("http://arc.example.com", "https://arc.example.com", false),
            ("null", "https://arc.example.com", false),
            ("", "https://arc.example.com", false),
        ] {
            assert_eq!(same_origin(origin, base), expected, "{origin} {base}");
        }
        for (origin, host, expected) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", true),
            ("https://arc.example.com", "ARC.example.com:443", true),
            ("http://arc.example.com:80", "arc.example.com", true),
            ("http://arc.example.com:81", "arc.example.com", false),
            ("https://evil.example.com", "arc.example.com", false),
            ("ftp://arc.example.com", "arc.example.com", false),
            ("null", "arc.example.com", false),
            ("https://", "", false),
        ] {
            assert_eq!(same_host(origin, host), expected, "{origin} {host}");
        }
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
