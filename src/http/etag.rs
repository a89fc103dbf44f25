//! Validators: `ETag`, `If-None-Match`, `If-Match`.

use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    app::AppState,
    error::{Code, Error, Result},
};

/// The weak validator of a body: `W/"<hash>"`, or `W/"<version>-<hash>"` for something that has a version.
#[must_use]
pub fn of(version: Option<i32>, body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let hash = hex::encode(&digest[..8]);
    match version {
        Some(version) => format!("W/\"{version}-{hash}\""),
        None => format!("W/\"{hash}\""),
    }
}

/// Whether the caller already has this representation.
#[must_use]
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = etag.trim_start_matches("W/");
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|candidate| candidate.trim() == "*" || candidate.trim().trim_start_matches("W/") == opaque)
}

/// A header value; validators are ASCII by construction.
#[must_use]
pub fn header(etag: &str) -> HeaderValue {
    HeaderValue::from_str(etag).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

/// A JSON answer with a validator, or 304 when the caller has it already.
pub fn validated(headers: &HeaderMap, version: Option<i32>, body: &impl Serialize) -> Result<Response> {
    let bytes = serde_json::to_vec(body).map_err(Error::internal)?;
    let tag = of(version, &bytes);
    Ok(respond(headers, &tag, || bytes))
}

/// [`validated`], for JSON that is written already and has parts its validator leaves out; `body` is only asked for when
/// the caller does not have it.
pub fn respond(headers: &HeaderMap, tag: &str, body: impl FnOnce() -> Vec<u8>) -> Response {
    let known = is_known(headers, tag);
    let mut response = Response::new(if known { Body::empty() } else { Body::from(body()) });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(
            axum::http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    response.headers_mut().insert(axum::http::header::ETAG, header(tag));
    response
}

/// What the caller demands of the version it is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// No demand was made.
    Absent,
    /// `*`: whatever version there is.
    Any,
    /// Exactly this version.
    Version(i32),
}

impl IfMatch {
    /// Refuses a version other than the one demanded.
    pub fn check(self, current: i32) -> Result<()> {
        match self {
            Self::Version(version) if version != current => Err(Error::new(
                Code::PreconditionFailed,
                format!("This was changed since you read it: it is at version {current}, not {version}. Read it again and repeat your change"),
            )
            .with(json!({ "current_version": current, "given_version": version }))),
            _ => Ok(()),
        }
    }

    /// Refuses a request that makes no demand at all.
    pub fn required(self) -> Result<Self> {
        if self == Self::Absent {
            return Err(Error::new(
                Code::PreconditionRequired,
                "Send If-Match with the version you read (or the ETag as given), or * to overwrite whatever is there",
            )
            .at("If-Match"));
        }
        Ok(self)
    }
}

impl FromRequestParts<AppState> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self::Absent),
            (Some(value), None) => parse(value.to_str().unwrap_or_default()),
            // Two demands; which of them holds is not ours to choose.
            (Some(_), Some(_)) => parse(""),
        }
    }
}

fn parse(text: &str) -> Result<IfMatch> {
    let text = text.trim();
    if text == "*" {
        return Ok(IfMatch::Any);
    }
    let inner = text
        .strip_prefix("W/")
        .unwrap_or(text)
        .strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'));
    inner
        .and_then(|t| t.split('-').next())
        .filter(|version| version.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|version| version.parse().ok())
        .map(IfMatch::Version)
        .ok_or_else(|| Error::invalid("If-Match takes \"<version>\", the ETag as given, or *").at("If-Match"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_takes_a_version_or_the_etag_as_given() {
        for (text, expected) in [
            ("\"3\"", IfMatch::Version(3)),
            ("W/\"12-abcdef\"", IfMatch::Version(12)),
            ("*", IfMatch::Any),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for bad in ["", "3", "\"x\"", "W/\"\"", "\"3\", \"4\"", "\"+3\"", "W/W/\"3\""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn weak_comparison() {
        let etag = of(Some(2), b"body");
        let mut headers = HeaderMap::new();
        headers.insert(
            header::IF_NONE_MATCH,
            header(&format!("\"other\", {}", etag.trim_start_matches("W/"))),
        );
        assert!(is_known(&headers, &etag));
        assert!(!is_known(&headers, &of(Some(3), b"body")));
    }
}
