//! Headers, described once: an operation names those it takes and gives, this says what they look like.

use serde_json::{Map, Value, json};

use super::{Operation, components, for_each_operation, object};

/// The headers of requests: name and description, schema, example.
fn requests() -> [(&'static str, Value); 4] {
    [
        (
            "If-Match",
            json!({
                "description": "The version you read as `\"<version>\"`, the whole `ETag`, or `*` for whatever there is. A version that is not the current one any more is 412.",
                "schema": {"type": "string", "pattern": IF_MATCH},
                "examples": {"any": {"summary": "Whatever version there is", "value": "*"}, "version": {"summary": "This version", "value": "\"3\""}},
            }),
        ),
        (
            "If-None-Match",
            json!({
                "description": "The `ETag` you have: if it is still the current one, the answer is 304 without a body.",
                "schema": {"type": "string"},
                "example": "W/\"3-0123456789abcdef\"",
            }),
        ),
        (
            "Idempotency-Key",
            json!({
                "description": "Makes the request repeatable: the same key within 24 hours gives the first answer again, with `Idempotent-Replayed: true`, and has no second effect.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                "example": "inventory-2026-11-21-17",
            }),
        ),
        (
            "X-Arc-Position",
            json!({
                "description": "The position that a write returned: the answer will contain that write, on whatever instance it arrives.",
                "schema": {"type": "string", "pattern": POSITION},
                "example": "1-4711",
            }),
        ),
    ]
}

const IF_MATCH: &str = r#"^(\*|(W/)?"[0-9]{1,9}(-[0-9a-f]*)?")$"#;
const POSITION: &str = "^[0-9]{1,9}-[0-9]{1,18}$";

/// The headers of answers: the component's name, what it is.
fn answers() -> [(&'static str, Value); 13] {
    let text = json!({"type": "string"});
    let number = json!({"type": "integer", "minimum": 0});
    [
        (
            "RequestId",
            json!({"description": "Finds the request in the log: the caller's own if it was well-formed, else a new one.", "required": true, "schema": {"type": "string", "minLength": 8}}),
        ),
        (
            "RateLimitLimit",
            json!({"description": "Requests per window of this class.", "schema": number}),
        ),
        (
            "RateLimitRemaining",
            json!({"description": "Requests left now.", "schema": number}),
        ),
        (
            "RateLimitReset",
            json!({"description": "When the whole quota is there again, in epoch seconds.", "schema": number}),
        ),
        (
            "RetryAfter",
            json!({"description": "Seconds after which to go on.", "required": true, "schema": {"type": "integer", "minimum": 1}}),
        ),
        (
            "RetryAfterIfKnown",
            json!({"description": "Seconds after which a repetition makes sense.", "schema": {"type": "integer", "minimum": 1}}),
        ),
        (
            "ETag",
            json!({"description": "The validator of this answer, for `If-None-Match`; with a version also for `If-Match`.", "required": true, "schema": {"type": "string", "pattern": "^W/\"([0-9]+-)?[0-9a-f]{16}\"$"}}),
        ),
        (
            "Location",
            json!({"description": "Where the new thing is to be found.", "required": true, "schema": {"type": "string", "format": "uri-reference"}}),
        ),
        (
            "Position",
            json!({"description": "The place of this write in the change log: send it along to read what you wrote.", "required": true, "schema": {"type": "string", "pattern": POSITION}}),
        ),
        (
            "Replayed",
            json!({"description": "This is the first answer to this `Idempotency-Key`, told again.", "schema": {"type": "string", "enum": ["true"]}}),
        ),
        (
            "KnownAt",
            json!({"description": "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`.", "schema": {"type": "string", "pattern": "^[0-9T:.Z-]+; seal=[0-9]+$"}}),
        ),
        (
            "ContentDisposition",
            json!({"description": "The name under which browsers save the answer.", "schema": {"type": "string", "pattern": "^attachment; filename="}}),
        ),
        (
            "Authenticate",
            json!({"description": "How to authenticate.", "schema": text}),
        ),
    ]
}

/// The name of the component that describes a request header.
pub fn component(name: &str) -> String {
    name.replace('-', "")
}

/// A reference to the component that describes a header of answers.
pub fn reference(component: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{component}")})
}

/// The headers that every answer of a kind carries.
pub fn of_answer(response: &mut Map<String, Value>, counted: bool) {
    let headers = object(response.entry("headers"));
    headers.insert("X-Request-Id".into(), reference("RequestId"));
    if counted {
        for (name, component) in [
            ("X-RateLimit-Limit", "RateLimitLimit"),
            ("X-RateLimit-Remaining", "RateLimitRemaining"),
            ("X-RateLimit-Reset", "RateLimitReset"),
        ] {
            headers.insert(name.into(), reference(component));
        }
    }
}

/// Gives every operation the headers that go with what it is.
pub fn add(document: &mut Value) {
    for (name, described) in answers() {
        if ["ETag", "Position"].contains(&name) {
            let mut optional = described.clone();
            optional["required"] = json!(false);
            components(document, "headers").insert(format!("{name}IfWritten"), optional);
        }
        components(document, "headers").insert(name.into(), described);
    }
    for (name, described) in requests() {
        let mut parameter = json!({"name": name, "in": "header", "required": false});
        for (key, value) in described.as_object().into_iter().flatten() {
            parameter[key] = value.clone();
        }
        components(document, "parameters").insert(component(name), parameter.clone());
        parameter["required"] = json!(true);
        parameter["description"] = json!(format!(
            "{} Required: 428 without it.",
            described["description"].as_str().unwrap_or_default()
        ));
        if name == "If-Match" {
            components(document, "parameters").insert("IfMatchRequired".into(), parameter);
        }
    }
    for_each_operation(document, |mut operation| {
        take(&mut operation);
        give(&mut operation);
    });
}

fn take(operation: &mut Operation<'_>) {
    if operation.responses().contains_key("304") && !operation.has_parameter("If-None-Match") {
        operation.parameters().push(json!({"name": "If-None-Match"}));
    }
    if operation.is_repeatable_write() && !operation.has_parameter("Idempotency-Key") {
        operation.parameters().push(json!({"name": "Idempotency-Key"}));
    }
    let required = operation.method == "delete" && operation.responses().contains_key("428");
    for parameter in operation.parameters() {
        for (name, _) in requests() {
            if parameter["name"] == name {
                let suffix = if required && name == "If-Match" { "Required" } else { "" };
                *parameter = json!({"$ref": format!("#/components/parameters/{}{suffix}", component(name))});
            }
        }
    }
}

fn give(operation: &mut Operation<'_>) {
    let write = operation.has_parameter("Idempotency-Key");
    let probe = operation.path.contains("/health");
    let trial = operation.parameters().iter().any(|p| p["name"] == "dry_run");
    for (status, response) in operation.responses().iter_mut() {
        let Some(response) = response.as_object_mut() else {
            continue;
        };
        if !status.starts_with('2') && status != "304" {
            continue;
        }
        of_answer(response, !probe);
        let headers = object(response.entry("headers"));
        if status == "304" {
            headers.insert("ETag".into(), Value::Null);
        }
        if write {
            headers.insert("X-Arc-Position".into(), Value::Null);
            headers.insert("Idempotent-Replayed".into(), reference("Replayed"));
        }
        let names = if trial {
            [("ETag", "ETagIfWritten"), ("X-Arc-Position", "PositionIfWritten")]
        } else {
            [("ETag", "ETag"), ("X-Arc-Position", "Position")]
        };
        for (name, component) in names.into_iter().chain([
            ("Location", "Location"),
            ("X-Arc-Known-At", "KnownAt"),
            ("Content-Disposition", "ContentDisposition"),
        ]) {
            if let Some(header) = headers.get_mut(name) {
                *header = reference(component);
            }
        }
    }
}
