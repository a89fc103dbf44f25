//! Which scope each operation asks of an API key.

use serde_json::{Value, json};

use super::{for_each_operation, list};
use crate::auth::api_key::scope;

/// The scheme of API keys.
pub const API_KEY: &str = "api_key";

/// `x-scope` lists the scopes of which an API key needs one; where it is empty, no key is needed or none will do.
pub fn add(document: &mut Value) {
    for_each_operation(document, |operation| {
        let Some(need) = scope::needed(&operation.method.to_uppercase(), operation.path) else {
            return;
        };
        let names: Vec<_> = need.scopes().iter().map(|scope| scope.name()).collect();
        if !names.is_empty() && operation.body.contains_key("security") {
            list(operation.body.entry("security")).push(json!({ API_KEY: [] }));
        }
        operation.body.insert("x-scope".to_owned(), json!(names));
    });
}
