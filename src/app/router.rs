//! The only router: every slice's routes under the same layers.

use std::sync::LazyLock;

use axum::{
    Router,
    http::{HeaderName, header},
    middleware::{from_fn, from_fn_with_state},
};
use serde_json::Value;
use tower_http::{
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};
use utoipa_axum::router::OpenApiRouter;

use super::AppState;
use crate::{
    audit, auth, card,
    config::{CorsConfig, Origins},
    graph,
    http::{health, middleware, openapi as document, rate_limit},
    job, landscape, metamodel, relationship, saved_question, search,
};

fn slices() -> OpenApiRouter<AppState> {
    let api = OpenApiRouter::new()
        .merge(auth::routes())
        .merge(job::routes())
        .merge(metamodel::routes())
        .merge(card::routes())
        .merge(audit::routes())
        .merge(relationship::routes())
        .merge(landscape::routes())
        .merge(graph::routes())
        .merge(saved_question::routes())
        .merge(search::routes());
    OpenApiRouter::with_openapi(document::base())
        .nest("/api/v1", api)
        .merge(health::routes())
}

/// The same in every instance: made once, however many there are in one process.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document::complete(&slices().into_openapi()));
static KNOWN: LazyLock<document::Known> = LazyLock::new(|| document::known(DOCUMENT.clone()));

/// The OpenAPI document of this program.
#[must_use]
pub fn openapi() -> Value {
    DOCUMENT.clone()
}

/// The router with all layers. The outermost is the last one added.
pub fn router(state: &AppState) -> Router {
    let (routes, _) = slices().split_for_parts();
    routes
        .merge(health::configured_path(&state.config.telemetry))
        .merge(document::router(&DOCUMENT))
        .fallback(middleware::not_found)
        .method_not_allowed_fallback(middleware::method_not_allowed)
        .layer(from_fn_with_state(KNOWN.clone(), document::refuse_unknown))
        .layer(from_fn(middleware::forbid_caching))
        .layer(from_fn_with_state(state.clone(), rate_limit::limit))
        .layer(from_fn_with_state(state.clone(), auth::authenticate))
        .layer(from_fn_with_state(state.clone(), middleware::limit_body))
        .layer(from_fn_with_state(state.clone(), middleware::limit_time))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(state.clone(), middleware::observe))
        .layer(cors(&state.config.cors))
        .with_state(state.clone())
}

fn cors(config: &CorsConfig) -> CorsLayer {
    let exposed = [
        "etag",
        "location",
        "retry-after",
        "link",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
        "x-arc-position",
        "x-arc-known-at",
        "idempotent-replayed",
    ];
    let layer = CorsLayer::new()
        .allow_methods(config.allowed_methods.clone())
        .allow_headers(config.allowed_headers.clone())
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(config.max_age);
    match &config.allowed_origins {
        Origins::Any => layer.allow_origin(AllowOrigin::any()),
        Origins::These(origins) => layer
            .allow_origin(AllowOrigin::list(origins.clone()))
            .allow_credentials(true)
            .vary([header::ORIGIN]),
    }
}
