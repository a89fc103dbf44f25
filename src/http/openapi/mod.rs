//! The OpenAPI document and the interactive page. Routes register themselves with what is theirs; this room adds what all
//! of them share, so that it is said once and the same everywhere: errors (`errors`), headers (`headers`), scopes
//! of API keys (`scopes`), links (`links`) and what the generator cannot say of schemas (`schemas`).

mod errors;
mod headers;
mod links;
mod parameters;
mod schemas;
mod scopes;

pub use parameters::{Known, known, refuse_unknown};

use axum::{Router, http::header, routing::get};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::{
    OpenApi,
    openapi::{
        Components, InfoBuilder, LicenseBuilder, OpenApi as Document,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{app::AppState, error::Violation};

#[derive(OpenApi)]
#[openapi(components(schemas(Violation)))]
struct Shared;

/// The document every slice's routes are added to.
#[must_use]
pub fn base() -> Document {
    let mut document = Shared::openapi();
    document.info = InfoBuilder::new()
        .title("Arc Zero API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(
        scopes::API_KEY,
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "X-API-Key",
            "For programs: a key made with `POST /auth/api-keys`, here or as `Authorization: Bearer az_…`. It needs one of the scopes in `x-scope`.",
        ))),
    );
    components.add_security_scheme(
        "access_token",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .build(),
        ),
    );
    document
}

/// Completes the document: from what each route says of itself to what a client's author can rely on.
#[must_use]
pub fn complete(document: &Document) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    schemas::settle(&mut document);
    scopes::add(&mut document);
    headers::add(&mut document);
    errors::add(&mut document);
    links::add(&mut document);
    schemas::prune(&mut document);
    document
}

/// One operation of the document.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a mut Map<String, Value>,
}

impl Operation<'_> {
    fn permission(&self) -> &str {
        self.body
            .get("x-permission")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn takes_a_body(&self) -> bool {
        self.body.contains_key("requestBody")
    }

    /// Whether it changes something for good, whoever repeats it: such requests can carry an idempotency key. Not below
    /// `/auth`, and not where a secret is answered, which nobody may keep for a second telling.
    fn is_repeatable_write(&self) -> bool {
        let secret = ["-link", "/api-keys"].iter().any(|end| self.path.ends_with(end));
        self.method != "get" && !secret && !["view", "public", "authenticated"].contains(&self.permission())
    }

    fn parameters(&mut self) -> &mut Vec<Value> {
        list(self.body.entry("parameters"))
    }

    fn has_parameter(&mut self, name: &str) -> bool {
        self.parameters().iter().any(|p| {
            p["name"] == name
                || p["$ref"]
                    .as_str()
                    .is_some_and(|r| r.ends_with(&headers::component(name)))
        })
    }

    fn responses(&mut self) -> &mut Map<String, Value> {
        object(self.body.entry("responses"))
    }
}

fn object(entry: serde_json::map::Entry<'_>) -> &mut Map<String, Value> {
    let value = entry.or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    #[expect(clippy::unwrap_used, reason = "made one just above")]
    value.as_object_mut().unwrap()
}

fn list(entry: serde_json::map::Entry<'_>) -> &mut Vec<Value> {
    let value = entry.or_insert_with(|| json!([]));
    if !value.is_array() {
        *value = json!([]);
    }
    #[expect(clippy::unwrap_used, reason = "made one just above")]
    value.as_array_mut().unwrap()
}

/// The components of one kind, for example `schemas`.
fn components<'a>(document: &'a mut Value, kind: &str) -> &'a mut Map<String, Value> {
    if !document["components"].is_object() {
        document["components"] = json!({});
    }
    #[expect(clippy::unwrap_used, reason = "made one just above")]
    let all = document["components"].as_object_mut().unwrap();
    object(all.entry(kind))
}

fn for_each_operation(document: &mut Value, mut work: impl FnMut(Operation<'_>)) {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, body) in item.as_object_mut().into_iter().flatten() {
            if let Some(body) = body.as_object_mut().filter(|body| body.contains_key("responses")) {
                work(Operation { method, path, body });
            }
        }
    }
}

/// Serves the document and the page; the page's assets are in the binary.
pub fn router(document: &Value) -> Router<AppState> {
    let bytes = Bytes::from(serde_json::to_vec(document).unwrap_or_default());
    let json = [(header::CONTENT_TYPE, "application/json")];
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { (json, bytes) }))
        .merge(SwaggerUi::new("/api/docs").config(Config::from("/api/v1/openapi.json")))
}
