//! Query parameters that the document does not know are refused on every route: what has no meaning is a mistake of the
//! caller's, and a route that ignored it would let the mistake stand.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::for_each_operation;
use crate::http::extract::read_query;

/// The names of the query parameters of every operation: by path, then by method.
pub type Known = Arc<HashMap<String, BTreeMap<String, Vec<String>>>>;

/// What a complete document says.
#[must_use]
pub fn known(mut document: Value) -> Known {
    let mut known: HashMap<String, BTreeMap<String, Vec<String>>> = HashMap::new();
    for_each_operation(&mut document, |mut operation| {
        if operation.path.contains("/health") {
            return;
        }
        // A parameter that is an object stands for names that only the route knows, and refuses itself.
        if operation
            .parameters()
            .iter()
            .any(|p| p["in"] == "query" && p["explode"] == true)
        {
            return;
        }
        let parameters = operation.parameters().iter().filter(|p| p["in"] == "query");
        let names = parameters
            .filter_map(|p| p["name"].as_str().map(str::to_owned))
            .collect();
        let methods = known.entry(operation.path.to_owned()).or_default();
        methods.insert(operation.method.to_uppercase(), names);
    });
    Arc::new(known)
}

/// The layer.
pub async fn refuse_unknown(State(known): State<Known>, request: Request, next: Next) -> Response {
    if let Some(query) = request.uri().query() {
        let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let method = if request.method() == Method::HEAD {
            "GET"
        } else {
            request.method().as_str()
        };
        let names = path.and_then(|path| known.get(path)?.get(method));
        if let Some(Err(error)) = names.map(|names| read_query(query, names)) {
            return error.into_response();
        }
    }
    next.run(request).await
}
