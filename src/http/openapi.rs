//! The OpenAPI document and the interactive page. Routes register themselves; this room adds what all of them share.

use axum::{Router, http::header, routing::get};
use bytes::Bytes;
use utoipa::{
    OpenApi,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, OpenApi as Document, Ref, RefOr,
        ResponseBuilder,
        path::Operation,
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::scopes;
use crate::{app::AppState, error::ErrorEnvelope};

#[derive(OpenApi)]
#[openapi(components(schemas(ErrorEnvelope)))]
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
    document
        .components
        .get_or_insert_with(Components::new)
        .add_security_scheme(
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

/// Completes the document: every operation can answer with the error envelope, and carries the request id.
#[must_use]
pub fn complete(mut document: Document) -> Document {
    for item in document.paths.paths.values_mut() {
        let operations: [&mut Option<Operation>; 8] = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.options,
            &mut item.head,
            &mut item.patch,
            &mut item.trace,
        ];
        for operation in operations.into_iter().flatten() {
            add_errors(operation);
        }
    }
    scopes::describe(&mut document);
    document
}

fn add_errors(operation: &mut Operation) {
    let secured = operation.security.as_ref().is_some_and(|s| !s.is_empty());
    let mut statuses = vec![
        ("400", "The request is not valid"),
        ("429", "Too many requests"),
        ("500", "A defect of the server"),
        ("503", "A dependency does not answer"),
        ("504", "The request took too long"),
    ];
    if secured {
        statuses.extend([
            ("401", "No, an expired or a revoked access token"),
            (
                "403",
                "The caller's roles, or the scopes of the API key, do not allow this",
            ),
        ]);
    }
    if operation.request_body.is_some() {
        statuses.extend([
            ("413", "The body is too large"),
            ("415", "The body is of another media type"),
        ]);
    }
    for (status, text) in statuses {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(error_response(text)));
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if response.content.is_empty() && status.as_str() >= "400" {
            response.content.insert(
                "application/json".into(),
                RefOr::T(
                    ContentBuilder::new()
                        .schema(Some(Ref::from_schema_name("ErrorEnvelope")))
                        .build(),
                ),
            );
        }
    }
}

fn error_response(text: &str) -> utoipa::openapi::Response {
    let id = HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .description(Some("Finds the request in the log"))
        .build();
    ResponseBuilder::new()
        .description(text)
        .header("X-Request-Id", id)
        .content(
            "application/json",
            ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("ErrorEnvelope")))
                .build(),
        )
        .build()
}

/// Serves the document and the page; the page's assets are in the binary.
pub fn router(document: &Document) -> Router<AppState> {
    let bytes = Bytes::from(serde_json::to_vec(document).unwrap_or_default());
    let json = [(header::CONTENT_TYPE, "application/json")];
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { (json, bytes) }))
        .merge(SwaggerUi::new("/api/docs").config(Config::from("/api/v1/openapi.json")))
}
