//! What answers about the past have in common.

use axum::{
    http::{HeaderName, HeaderValue},
    response::Response,
};

use crate::store::past::{KNOWN_AT_HEADER, Past};

/// Adds the header that tells which seal answered.
#[must_use]
pub fn known(past: Option<&Past>, mut response: Response) -> Response {
    if let Some(past) = past
        && let Ok(value) = HeaderValue::from_str(&past.header())
    {
        response
            .headers_mut()
            .insert(HeaderName::from_static(KNOWN_AT_HEADER), value);
    }
    response
}
