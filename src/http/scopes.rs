//! What the OpenAPI document says of API keys.

use utoipa::openapi::{
    Components, OpenApi,
    path::Operation,
    security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme},
};

use crate::auth::api_key::scope::{self, Need};

/// The name of the scheme.
const API_KEY: &str = "api_key";

/// Adds the scheme, and to each operation as `x-scope` the scopes of which a key needs one. Where it is empty, no key is
/// needed or none will do. An operation about which nobody has decided has no `x-scope`; a test wants it to have one.
pub fn describe(document: &mut OpenApi) {
    let about = "For programs: a key made with `POST /auth/api-keys`, here or as `Authorization: Bearer az_…`. It needs one of \
                 the scopes in `x-scope`.";
    let scheme = ApiKey::Header(ApiKeyValue::with_description("X-API-Key", about));
    document
        .components
        .get_or_insert_with(Components::new)
        .add_security_scheme(API_KEY, SecurityScheme::ApiKey(scheme));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in [
            ("GET", &mut item.get),
            ("PUT", &mut item.put),
            ("POST", &mut item.post),
            ("DELETE", &mut item.delete),
            ("OPTIONS", &mut item.options),
            ("HEAD", &mut item.head),
            ("PATCH", &mut item.patch),
            ("TRACE", &mut item.trace),
        ] {
            if let (Some(operation), Some(need)) = (operation, scope::needed(method, path)) {
                describe_operation(operation, need);
            }
        }
    }
}

fn describe_operation(operation: &mut Operation, need: Need) {
    let names: Vec<_> = need.scopes().iter().map(|scope| scope.name()).collect();
    if !names.is_empty()
        && let Some(security) = &mut operation.security
    {
        security.push(SecurityRequirement::new::<_, [String; 0], String>(API_KEY, []));
    }
    operation
        .extensions
        .get_or_insert_default()
        .insert("x-scope".to_owned(), names.into());
}
