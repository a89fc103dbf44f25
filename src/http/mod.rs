//! What every route shares: reading requests ([`extract`], [`fields`]), lists ([`page`]), validators ([`etag`]), writes
//! with idempotency ([`mod@write`]), limits ([`rate_limit`]), the layers around all of it ([`middleware`]) and serving
//! connections ([`serve`]).

pub mod etag;
pub mod extract;
pub mod fields;
pub mod gate;
pub mod health;
pub mod middleware;
pub mod openapi;
pub mod page;
pub mod rate_limit;
pub mod scopes;
pub mod serve;
pub mod write;

tokio::task_local! {
    static REQUEST_ID: String;
}

/// The id of the request being answered; empty outside of one.
#[must_use]
pub fn request_id() -> String {
    REQUEST_ID.try_with(Clone::clone).unwrap_or_default()
}
