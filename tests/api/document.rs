//! The OpenAPI document as tests walk it.

use std::collections::BTreeSet;

use archzero::app;
use axum::http::Method;
use serde_json::Value;
use uuid::Uuid;

/// The document.
pub struct Document(pub Value);

/// One of its operations.
#[derive(Clone, Debug)]
pub struct Operation {
    pub id: String,
    pub method: Method,
    /// The path with its parameters in braces.
    pub path: String,
    pub spec: Value,
}

impl Document {
    pub fn new() -> Self {
        Self(app::openapi())
    }

    /// What a reference leads to; anything else is itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
            None => value,
            Some(pointer) => self
                .0
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{pointer} leads nowhere")),
        }
    }

    pub fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, spec) in item.as_object().unwrap() {
                if spec["responses"].is_object() {
                    operations.push(Operation {
                        id: spec["operationId"].as_str().unwrap_or_default().to_owned(),
                        method: method.to_uppercase().parse().unwrap(),
                        path: path.clone(),
                        spec: spec.clone(),
                    });
                }
            }
        }
        assert!(operations.len() > 70, "only {} operations", operations.len());
        operations
    }

    /// The parameters of an operation, resolved.
    pub fn parameters<'a>(&'a self, operation: &'a Operation) -> Vec<&'a Value> {
        let parameters = operation.spec["parameters"].as_array();
        parameters.into_iter().flatten().map(|p| self.resolve(p)).collect()
    }

    /// Whether an operation takes this header.
    pub fn takes(&self, operation: &Operation, header: &str) -> bool {
        self.parameters(operation).iter().any(|p| p["name"] == header)
    }

    /// Everything that is referred to.
    pub fn references(&self) -> BTreeSet<String> {
        fn walk(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    map.values().for_each(|v| walk(v, found));
                }
                Value::Array(items) => items.iter().for_each(|v| walk(v, found)),
                _ => {}
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.0, &mut found);
        found
    }
}

impl Operation {
    pub fn permission(&self) -> &str {
        self.spec["x-permission"].as_str().unwrap_or_default()
    }

    /// Health checks are asked by probes, not by clients: nobody is logged in, nothing is limited.
    pub fn is_probe(&self) -> bool {
        self.path.contains("/health")
    }

    pub fn takes_body(&self) -> bool {
        self.spec["requestBody"].is_object()
    }

    pub fn responses(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.spec["responses"].as_object().unwrap().iter()
    }

    pub fn can_answer(&self, status: &str) -> bool {
        self.spec["responses"][status].is_object()
    }

    /// What it is called in a message of a test.
    pub fn name(&self) -> String {
        format!("{} {} ({})", self.method, self.path, self.id)
    }

    /// Its address with these values in the places of its parameters, in order; ids that do not exist for the rest.
    /// As [`crate::harness::Caller`] takes it.
    pub fn address(&self, values: &[&str]) -> String {
        let mut values = values.iter();
        let steps: Vec<String> = self
            .path
            .split('/')
            .map(|step| match step.strip_prefix('{') {
                None => step.to_owned(),
                Some(parameter) => match values.next() {
                    Some(value) => (*value).to_owned(),
                    None if parameter.starts_with("position") => "1".to_owned(),
                    None if parameter.contains("id") => Uuid::nil().to_string(),
                    None => "Nothing".to_owned(),
                },
            })
            .collect();
        format!("/{}", steps.join("/"))
    }
}
