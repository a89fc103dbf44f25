//! What every operation can answer when it does not do what was asked. Derived from what the operation is: whoever adds a
//! route names only the errors that have a meaning of their own there.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use super::{Operation, components, for_each_operation, headers};
use crate::error::Code;

/// Status, name of the component, description, and what `details` may hold, as properties of a schema.
type Standard = (&'static str, &'static str, &'static str, fn() -> Value);

const STANDARD: [Standard; 16] = [
    (
        "400",
        "BadRequest",
        "The request is malformed, or breaks rules that `details.violations` names all at once",
        || {
            json!({
                "violations": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}, "description": "Everything that is wrong, the first 200."},
                "total": {"type": "integer", "description": "How many violations there are."},
                "line": {"type": "integer", "description": "Where JSON ends to be well-formed."},
                "column": {"type": "integer", "description": "Where in the line."},
                "accepted": {"type": "array", "items": {"type": "string"}, "description": "The query parameters there are."},
            })
        },
    ),
    (
        "401",
        "Unauthenticated",
        "No, an expired or a revoked access token or API key",
        || json!({"reason": {"type": "string", "description": "`missing`, `expired`, `bad signature`, `revoked`, `wrong audience` …"}}),
    ),
    (
        "403",
        "Forbidden",
        "The caller's roles, or the scopes of the API key, do not allow this",
        || {
            json!({
                "required_scopes": {"type": "array", "items": {"type": "string"}, "description": "The scopes of which a key needs one."},
                "key_scopes": {"type": "array", "items": {"type": "string"}, "description": "The scopes of the key."},
                "card_type": {"type": "string", "description": "The card type for which the permission is missing."},
                "required_permission": {"type": "string", "description": "The permission it takes."},
                "user_roles": {"type": "array", "items": {"type": "string"}, "description": "The caller's roles."},
            })
        },
    ),
    (
        "404",
        "NotFound",
        "There is no such thing, or none the caller may see",
        || {
            json!({
                "kind": {"type": "string", "description": "What was looked for."},
                "id": {"type": "string", "description": "By which id."},
            })
        },
    ),
    (
        "409",
        "Conflict",
        "Something that is there stands in the way, or a request with the same `Idempotency-Key` is still running",
        || json!({"existing_id": {"type": "string", "format": "uuid", "description": "What is in the way."}}),
    ),
    (
        "410",
        "Gone",
        "The position is from before the database was restored; begin again",
        || json!({}),
    ),
    ("412", "PreconditionFailed", "It was changed since you read it", || {
        json!({
            "current_version": {"type": ["integer", "null"], "description": "The version there is; null when there is nothing."},
            "given_version": {"type": "integer", "description": "The version `If-Match` named."},
        })
    }),
    (
        "413",
        "PayloadTooLarge",
        "The body is too large",
        || json!({"max_bytes": {"type": "integer", "description": "The most that is accepted."}}),
    ),
    (
        "415",
        "UnsupportedMediaType",
        "The body is of another media type",
        || json!({"accepted": {"type": "array", "items": {"type": "string"}, "description": "The media types there are."}}),
    ),
    (
        "422",
        "Unprocessable",
        "Well-formed and valid, but impossible now, or the `Idempotency-Key` was used with another request",
        || json!({}),
    ),
    (
        "423",
        "Locked",
        "Too many failed log-ins",
        || json!({"retry_after_seconds": {"type": "integer", "description": "When it makes sense to try again."}}),
    ),
    ("428", "PreconditionRequired", "`If-Match` is missing", || json!({})),
    (
        "429",
        "TooManyRequests",
        "A rate limit is used up; `Retry-After` tells when to go on",
        || {
            json!({
                "category": {"type": "string", "description": "Which class of requests."},
                "limit": {"type": "integer", "description": "Requests per window."},
                "window": {"type": "integer", "description": "Seconds of the window."},
                "reset_at": {"type": "integer", "description": "When the whole quota is there again, in epoch seconds."},
                "retry_after_seconds": {"type": "integer", "description": "When the next request is allowed."},
            })
        },
    ),
    (
        "500",
        "InternalError",
        "A defect of the server; the request id finds it in the log",
        || json!({}),
    ),
    (
        "503",
        "Unavailable",
        "A store that the server needs does not answer; try again",
        || json!({"dependency": {"type": "string", "description": "Which one."}}),
    ),
    ("504", "Timeout", "It took longer than the server allows", || json!({})),
];

/// Adds the errors an operation can give by its nature, and gives every error its body and headers.
pub fn add(document: &mut Value) {
    let codes = codes();
    for (status, name, text, details) in STANDARD {
        let of_status = codes.iter().filter(|code| code.status().as_str() == status);
        let names: Vec<String> = of_status.map(|code| code.name()).collect();
        components(document, "schemas").insert(schema_name(status), schema(text, &names, details()));
        let mut response = json!({"description": text});
        if let Some(response) = response.as_object_mut() {
            fill(status, &names, response);
        }
        components(document, "responses").insert(name.to_owned(), response);
    }
    for_each_operation(document, |mut operation| {
        let probe = operation.path.contains("/health");
        for status in expected(&mut operation) {
            if let Some((_, name, ..)) = STANDARD.iter().find(|(known, ..)| *known == status) {
                let reference = json!({"$ref": format!("#/components/responses/{name}")});
                operation.responses().entry(status).or_insert(reference);
            }
        }
        for (status, response) in operation.responses().iter_mut() {
            let Some(response) = response.as_object_mut().filter(|r| !r.contains_key("$ref")) else {
                continue;
            };
            let general = response.get("content").is_none_or(|content| {
                content["application/json"]["schema"]["$ref"] == "#/components/schemas/ErrorEnvelope"
            });
            if status.as_str() >= "400" && general {
                let of_status = codes.iter().filter(|code| code.status().as_str() == status);
                let names: Vec<String> = of_status.map(|code| code.name()).collect();
                fill(status, &names, response);
            } else if probe {
                headers::of_answer(response, false);
            }
        }
    });
}

fn expected(operation: &mut Operation<'_>) -> Vec<&'static str> {
    let probe = operation.path.contains("/health");
    let mut statuses = vec!["500", "503", "504"];
    if probe {
        statuses.push("404");
        return statuses;
    }
    statuses.extend(["400", "429"]);
    if operation.permission() != "public" {
        statuses.extend(["401", "403"]);
    }
    if operation.path.contains('{') {
        statuses.push("404");
    }
    if operation.takes_a_body() {
        statuses.extend(["413", "415"]);
    }
    if operation.has_parameter("If-Match") {
        statuses.push("412");
    }
    if operation.has_parameter("Idempotency-Key") {
        statuses.extend(["409", "422"]);
    }
    statuses
}

/// Every code there is; the list is kept in one place, the enum.
fn codes() -> Vec<Code> {
    let schema = serde_json::to_value(Code::schema()).unwrap_or_default();
    let names = schema["enum"].as_array().cloned().unwrap_or_default();
    names
        .into_iter()
        .filter_map(|name| serde_json::from_value(name).ok())
        .collect()
}

fn schema_name(status: &str) -> String {
    format!("Error{status}")
}

fn schema(text: &str, codes: &[String], details: Value) -> Value {
    let mut error = json!({
        "type": "object",
        "description": "What went wrong.",
        "required": ["code", "message", "request_id"],
        "properties": {
            "code": {"type": "string", "enum": codes, "description": "The name to program against."},
            "message": {"type": "string", "description": "A sentence that a person can act on."},
            "field": {"type": "string", "description": "The field at fault, if it is one."},
            "details": {"type": "object", "description": "What a program can act on.", "additionalProperties": true},
            "request_id": {"type": "string", "description": "Finds the request in the log."},
        },
    });
    if details.as_object().is_some_and(|details| !details.is_empty()) {
        error["properties"]["details"]["properties"] = details;
    }
    json!({"type": "object", "description": format!("{text}."), "required": ["error"], "properties": {"error": error}})
}

fn fill(status: &str, codes: &[String], response: &mut Map<String, Value>) {
    let example = json!({"error": {
        "code": codes.first(),
        "message": response.get("description"),
        "request_id": "0190a6c0-0000-7000-8000-000000000000",
    }});
    let reference = format!("#/components/schemas/{}", schema_name(status));
    response.insert(
        "content".into(),
        json!({"application/json": {"schema": {"$ref": reference}, "example": example}}),
    );
    headers::of_answer(response, true);
    let headers = super::object(response.entry("headers"));
    if ["409", "423", "429", "503"].contains(&status) {
        let name = if status == "429" {
            "RetryAfter"
        } else {
            "RetryAfterIfKnown"
        };
        headers.insert("Retry-After".into(), headers::reference(name));
    }
    if status == "401" {
        headers.insert("WWW-Authenticate".into(), headers::reference("Authenticate"));
    }
}
