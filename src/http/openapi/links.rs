//! Links: which operations the answer of another one leads to. They tell a client's author what goes with what, and
//! programs that explore the API by its document reach what lies deeper.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{for_each_operation, object};

/// An operation that takes one thing by the last parameter of its path.
struct Target {
    id: String,
    method: String,
    /// Of which collection: `/api/v1/cards` for `/api/v1/cards/{id}/history`.
    collection: String,
    parameter: String,
    /// The request headers that the answer which leads here can fill: name of the header there and here.
    headers: Vec<(&'static str, &'static str)>,
}

/// Adds links from what creates or lists things to what can be done with one of them.
pub fn add(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let targets = targets(document);
    for_each_operation(document, |mut operation| {
        let collection = operation.path.split("/{").next().unwrap_or_default().to_owned();
        let is_list = operation.method == "get" && operation.path == collection;
        for (status, response) in operation.responses().iter_mut() {
            let makes = status == "201";
            let lists = is_list && status == "200";
            let Some(response) = response.as_object_mut().filter(|_| makes || lists) else {
                continue;
            };
            let body = resolve(&schemas, &response["content"]["application/json"]["schema"]);
            let (thing, pointer) = if lists {
                (resolve(&schemas, &body["properties"]["data"]["items"]), "/data/0")
            } else {
                (body, "")
            };
            let mut links = Map::new();
            for target in targets.iter().filter(|target| target.collection == collection) {
                // From a list only to reading one of its items: whoever lists does not mean to change the first.
                if thing["properties"][&target.parameter].is_null() || lists && target.method != "get" {
                    continue;
                }
                let mut parameters = BTreeMap::from([(
                    format!("path.{}", target.parameter),
                    format!("$response.body#{pointer}/{}", target.parameter),
                )]);
                for (given, taken) in target
                    .headers
                    .iter()
                    .filter(|(given, _)| makes && !response["headers"][*given].is_null())
                {
                    parameters.insert(format!("header.{taken}"), format!("$response.header.{given}"));
                }
                links.insert(
                    target.id.clone(),
                    json!({"operationId": target.id, "parameters": parameters}),
                );
            }
            if !links.is_empty() {
                object(response.entry("links")).extend(links);
            }
        }
    });
}

fn targets(document: &mut Value) -> Vec<Target> {
    let mut targets = Vec::new();
    for_each_operation(document, |mut operation| {
        let Some((before, rest)) = operation.path.split_once("/{") else {
            return;
        };
        let Some((parameter, rest)) = rest.split_once('}') else {
            return;
        };
        let (before, parameter) = (before.to_owned(), parameter.to_owned());
        if rest.contains('{') {
            return;
        }
        // What the graph is asked about is a card, what the metamodel is asked about a card type.
        let collection = match before.as_str() {
            graph if graph.starts_with("/api/v1/graph/") => "/api/v1/cards".to_owned(),
            _ => before,
        };
        let taken = [("ETag", "If-Match"), ("X-Arc-Position", "X-Arc-Position")];
        let headers = taken
            .into_iter()
            .filter(|(_, name)| operation.has_parameter(name))
            .collect();
        targets.push(Target {
            id: operation.body["operationId"].as_str().unwrap_or_default().to_owned(),
            method: operation.method.to_owned(),
            collection,
            parameter,
            headers,
        });
    });
    targets
}

fn resolve<'a>(schemas: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|r| r.rsplit('/').next());
    name.map_or(schema, |name| &schemas[name])
}
