//! The layers around every route: request id, client address, log line and metrics, panics and timeouts as errors,
//! security headers.

use std::{
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tracing::Instrument;

use super::REQUEST_ID;
use crate::{
    app::AppState,
    auth::{Authentication, Principal},
    error::{Answered, Code, Error},
    telemetry::{
        REQUESTS,
        metrics::{HTTP_REQUESTS_IN_FLIGHT, InFlight},
    },
};

/// The address of the other end of the connection, put there by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The client's address: the peer, or what trusted proxies say of it.
#[derive(Clone, Copy, Debug)]
pub struct ClientIp(pub IpAddr);

const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps a request: gives it an id and a span, counts it, logs it, and turns a panic into an answer.
pub async fn observe(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers()).unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let ip = client_ip(&state, &request);
    request.extensions_mut().insert(ClientIp(ip));
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", |p| p.as_str())
        .to_owned();
    let method = method_label(request.method());
    let quiet = is_probe(&route) || route.starts_with(&state.config.telemetry.health_check_path);

    // Counted down when dropped: a client that hangs up ends this future anywhere.
    let in_flight = InFlight::enter(HTTP_REQUESTS_IN_FLIGHT);
    // Of the highest level, so that lines of every level carry the request id whatever the filter.
    let span = tracing::error_span!("request", request_id = %id);
    let answer = REQUEST_ID.scope(id.clone(), async move {
        match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                Error::internal(text.unwrap_or_else(|| "panic".into())).into_response()
            }
        }
    });
    let mut response = answer.instrument(span.clone()).await;
    drop(in_flight);

    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    secure(response.headers_mut());

    let elapsed = started.elapsed();
    let status = response.status();
    metrics::counter!("http_requests_total", "method" => method, "route" => route.clone(), "status" => status.as_u16().to_string()).increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method, "route" => route.clone())
        .record(elapsed.as_secs_f64());
    if let Some(Answered(code)) = response.extensions().get::<Answered>() {
        metrics::counter!("errors_total", "code" => code.name(), "route" => route.clone()).increment(1);
    }
    let _entered = span.enter();
    let caller = response.extensions().get::<Principal>();
    let user_id = caller.map(|p| p.user_id.to_string());
    let key_prefix = caller.and_then(|p| p.key.as_ref()).map(|key| key.prefix.clone());
    let duration_ms = (elapsed.as_secs_f64() * 1e5).round() / 100.0;
    let notable = status.is_server_error() || elapsed > Duration::from_secs(1);
    // A probe that fails says nothing that was not logged when the cause began.
    if quiet {
        tracing::debug!(target: REQUESTS, method, route, status = status.as_u16(), duration_ms, ip = %ip, "request");
    } else if notable {
        tracing::warn!(target: REQUESTS, method, route, status = status.as_u16(), duration_ms, user_id, key_prefix, ip = %ip, "request");
    } else {
        tracing::info!(target: REQUESTS, method, route, status = status.as_u16(), duration_ms, user_id, key_prefix, ip = %ip, "request");
    }
    response
}

/// A label of bounded cardinality, whatever a client sends as method.
fn method_label(method: &axum::http::Method) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|m| *m == method.as_str())
        .unwrap_or("OTHER")
}

fn is_probe(route: &str) -> bool {
    ["/health", "/ready", "/live"].iter().any(|p| route.contains(p))
}

/// The caller's request id, if it is well-formed.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(REQUEST_ID_HEADER)?.to_str().ok()?;
    let sane =
        (8..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    sane.then(|| value.to_owned())
}

/// The nearest address in `X-Forwarded-For` that is not one of our proxies, if the peer is one of them.
fn client_ip(state: &AppState, request: &Request) -> IpAddr {
    let peer = request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::from([127, 0, 0, 1]), |p| p.0.ip().to_canonical());
    let trusted = &state.config.server.trusted_proxies;
    if !trusted.contains(peer) {
        return peer;
    }
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    let mut client = peer;
    for hop in forwarded.iter().rev() {
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

fn secure(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Ends a request that takes too long. Runs inside [`observe`], so that the answer is logged and counted.
pub async fn limit_time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let limit = state.config.server.request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::new(
            Code::Timeout,
            format!(
                "The request took longer than {} seconds and was ended; nothing of it was kept",
                limit.as_secs()
            ),
        )
        .into_response(),
    }
}

/// Answers with a validator or for one person must not be kept by caches in between.
pub async fn forbid_caching(request: Request, next: Next) -> Response {
    let principal = match request.extensions().get::<Authentication>() {
        Some(Authentication::Valid(principal)) => Some(principal.clone()),
        _ => None,
    };
    let mut response = next.run(request).await;
    if let Some(principal) = principal {
        let validated = response.headers().contains_key(header::ETAG);
        let value = if validated { "private, no-cache" } else { "no-store" };
        response
            .headers_mut()
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static(value));
        response.extensions_mut().insert(principal);
    }
    response
}

/// Refuses a body that is announced as too large before reading it.
pub async fn limit_body(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<usize>().ok());
    let limit = state.config.server.max_body_size;
    if announced.is_some_and(|length| length > limit) {
        return Error::new(
            Code::PayloadTooLarge,
            format!("The body is larger than the {limit} bytes this server accepts"),
        )
        .with(serde_json::json!({ "max_bytes": limit }))
        .into_response();
    }
    next.run(request).await
}

/// The answer to an unknown route.
pub async fn not_found() -> Error {
    Error::new(
        Code::NotFound,
        "There is no such route; the API is described at /api/docs",
    )
}

/// The answer to a known route with another method; axum adds `Allow`.
pub async fn method_not_allowed() -> Error {
    Error::new(
        Code::MethodNotAllowed,
        "This route does not take that method; Allow lists those it does",
    )
}
