//! What the document has to say of every operation, so that a client's author need not guess.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

use crate::document::{Document, Operation};

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default().trim()
}

#[test]
fn every_operation_says_what_it_is() {
    let document = Document::new();
    let mut names = BTreeSet::new();
    for operation in document.operations() {
        let (what, spec) = (operation.name(), &operation.spec);
        assert!(
            !operation.id.is_empty() && names.insert(operation.id.clone()),
            "{what}: operationId"
        );
        assert!(!text(&spec["summary"]).is_empty(), "{what} has no summary");
        assert!(text(&spec["description"]).len() > 20, "{what} has no description");
        assert_eq!(spec["tags"].as_array().map_or(0, Vec::len), 1, "{what}: tags");
        assert_eq!(
            spec["security"].is_array(),
            operation.permission() != "public",
            "{what}: security and x-permission"
        );
    }
}

#[test]
fn every_parameter_is_described() {
    let document = Document::new();
    for operation in document.operations() {
        let mut names = BTreeSet::new();
        for parameter in document.parameters(&operation) {
            let what = format!("{}: {}", operation.name(), parameter["name"]);
            assert!(
                names.insert((text(&parameter["in"]), text(&parameter["name"]))),
                "{what} twice"
            );
            assert!(text(&parameter["description"]).len() > 5, "{what} has no description");
            assert!(parameter["schema"].is_object(), "{what} has no schema");
        }
        let in_path = operation.path.matches('{').count();
        let described = names.iter().filter(|(place, _)| *place == "path").count();
        assert_eq!(in_path, described, "{}", operation.name());
    }
}

#[test]
fn every_body_has_a_schema_and_an_example_that_fits() {
    let document = Document::new();
    for operation in document.operations().iter().filter(|o| o.takes_body()) {
        let body = &operation.spec["requestBody"];
        for (media_type, content) in body["content"].as_object().unwrap() {
            let what = format!("{} {media_type}", operation.name());
            let schema = document.resolve(&content["schema"]);
            assert_eq!(schema["additionalProperties"], false, "{what} is open");
            let mut examples: Vec<&Value> = content.get("example").into_iter().collect();
            examples.extend(
                content["examples"]
                    .as_object()
                    .into_iter()
                    .flat_map(|all| all.values())
                    .map(|e| &e["value"]),
            );
            assert!(!examples.is_empty(), "{what} has no example");
            for example in examples {
                let fields = example.as_object().unwrap_or_else(|| panic!("{what}: {example}"));
                for field in fields.keys() {
                    assert!(
                        schema["properties"][field].is_object(),
                        "{what}: the example has '{field}'"
                    );
                }
                for field in schema["required"].as_array().into_iter().flatten() {
                    assert!(fields.contains_key(text(field)), "{what}: the example lacks {field}");
                }
            }
        }
    }
}

#[test]
fn every_success_has_a_schema() {
    let document = Document::new();
    for operation in document.operations() {
        let mut successes = 0;
        for (status, response) in operation.responses().filter(|(status, _)| status.starts_with('2')) {
            successes += 1;
            let what = format!("{} {status}", operation.name());
            let response = document.resolve(response);
            assert!(!text(&response["description"]).is_empty(), "{what}");
            if status == "204" {
                assert!(response["content"].is_null(), "{what} has a body");
                continue;
            }
            let content = response["content"]
                .as_object()
                .unwrap_or_else(|| panic!("{what} has no body"));
            for (media_type, content) in content {
                let schema = document.resolve(&content["schema"]);
                assert!(
                    schema.as_object().is_some_and(|schema| !schema.is_empty()),
                    "{what} {media_type} has no schema"
                );
            }
            let body = document.resolve(&response["content"]["application/json"]["schema"]);
            if status == "201" && body["properties"]["id"].is_object() {
                assert!(response["headers"]["Location"].is_object(), "{what}: Location");
            }
        }
        assert!(successes > 0, "{} cannot succeed", operation.name());
    }
}

/// What an operation can always answer, by what it is.
fn inevitable(document: &Document, operation: &Operation) -> Vec<&'static str> {
    let mut statuses = vec!["500", "503", "504"];
    if operation.is_probe() {
        return statuses;
    }
    statuses.extend(["400", "429"]);
    if operation.permission() != "public" {
        statuses.extend(["401", "403"]);
    }
    if operation.path.contains('{') {
        statuses.push("404");
    }
    if operation.takes_body() {
        statuses.extend(["413", "415"]);
    }
    if document.takes(operation, "If-Match") {
        statuses.push("412");
    }
    if document.takes(operation, "Idempotency-Key") {
        statuses.extend(["409", "422"]);
    }
    statuses
}

#[test]
fn every_error_is_there_with_its_codes() {
    let document = Document::new();
    for operation in document.operations() {
        for status in inevitable(&document, &operation) {
            assert!(
                operation.can_answer(status),
                "{} cannot answer {status}",
                operation.name()
            );
        }
        let errors = operation.responses().filter(|(status, _)| status.as_str() >= "400");
        for (status, response) in errors {
            let what = format!("{} {status}", operation.name());
            let response = document.resolve(response);
            assert!(!text(&response["description"]).is_empty(), "{what}");
            let schema = document.resolve(&response["content"]["application/json"]["schema"]);
            if operation.is_probe() && status == "503" {
                continue;
            }
            let codes = &schema["properties"]["error"]["properties"]["code"]["enum"];
            assert!(
                codes.as_array().is_some_and(|codes| !codes.is_empty()),
                "{what}: {schema}"
            );
        }
        for secured in ["401", "403"] {
            assert!(
                operation.permission() != "public" || operation.spec["responses"][secured]["$ref"].is_null(),
                "{} is public",
                operation.name()
            );
        }
    }
}

#[test]
fn every_header_has_a_type() {
    let document = Document::new();
    let mut seen = BTreeSet::new();
    for operation in document.operations() {
        for (status, response) in operation.responses() {
            let response = document.resolve(response);
            let headers = response["headers"].as_object().cloned().unwrap_or_default();
            for (name, header) in &headers {
                let what = format!("{} {status}: {name}", operation.name());
                let header = document.resolve(header);
                assert!(!text(&header["description"]).is_empty(), "{what} has no description");
                let schema = &header["schema"];
                let exact = ["pattern", "format", "enum", "minimum", "minLength"]
                    .iter()
                    .any(|key| !schema[*key].is_null());
                assert!(
                    exact || name == "WWW-Authenticate" || name == "Set-Cookie",
                    "{what} may be anything: {schema}"
                );
                seen.insert(name.clone());
            }
            let has = |name: &str| headers.contains_key(name);
            let what = format!("{} {status}", operation.name());
            assert!(has("X-Request-Id"), "{what}: X-Request-Id");
            assert_eq!(
                has("X-RateLimit-Limit"),
                !operation.is_probe() || status.as_str() >= "400" && has("X-RateLimit-Limit"),
                "{what}"
            );
            assert!(status != "429" || has("Retry-After"), "{what}: Retry-After");
            assert!(status != "304" || has("ETag"), "{what}: ETag");
            if document.takes(&operation, "Idempotency-Key") && status.starts_with('2') {
                assert!(has("X-Arc-Position") && has("Idempotent-Replayed"), "{what}: a write");
            }
        }
        if operation.can_answer("304") {
            assert!(document.takes(&operation, "If-None-Match"), "{}", operation.name());
            assert!(
                operation.spec["responses"]["200"]["headers"]["ETag"].is_object(),
                "{}",
                operation.name()
            );
        }
        assert!(
            !operation.can_answer("428") || document.takes(&operation, "If-Match"),
            "{}",
            operation.name()
        );
    }
    for name in ["ETag", "Location", "X-Arc-Position", "Retry-After", "X-RateLimit-Reset"] {
        assert!(seen.contains(name), "no operation gives {name}");
    }
}

#[test]
fn nothing_is_dangling_and_nothing_is_left_over() {
    let document = Document::new();
    let references = document.references();
    for reference in &references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.0.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for (kind, components) in document.0["components"].as_object().unwrap() {
        for name in components
            .as_object()
            .unwrap()
            .keys()
            .filter(|_| kind != "securitySchemes")
        {
            assert!(
                references.contains(&format!("#/components/{kind}/{name}")),
                "{kind} {name} is unused"
            );
        }
    }
}

#[test]
fn every_field_is_described_and_schemas_say_what_they_mean() {
    let document = Document::new();
    let mut bad = Vec::new();
    for (name, schema) in document.0["components"]["schemas"].as_object().unwrap() {
        if text(&schema["description"]).is_empty() {
            bad.push(format!("{name} has no description"));
        }
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let inner = |schema: &Value| {
                schema["oneOf"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|s| !text(&s["description"]).is_empty())
            };
            if text(&schema["description"]).is_empty() && schema["$ref"].is_null() && !inner(schema) {
                bad.push(format!("{name}.{field} has no description"));
            }
            if !schema["example"].is_null() {
                bad.push(format!("{name}.{field}: JSON Schema has `examples`"));
            }
            if schema["allOf"].is_array() {
                bad.push(format!("{name}.{field}: allOf"));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The generator silently keeps one of two types of the same name.
#[test]
fn no_two_types_share_a_name() {
    fn visit(folder: &Path, found: &mut BTreeMap<String, Vec<String>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                read(&path, found);
            }
        }
    }
    fn read(path: &Path, found: &mut BTreeMap<String, Vec<String>>) {
        let source = fs::read_to_string(path).unwrap();
        let mut derived = false;
        let mut renamed = None;
        for line in source.lines().map(str::trim) {
            if line.starts_with("#[derive(") && line.contains("ToSchema") {
                (derived, renamed) = (true, None);
            }
            if let Some((_, rest)) = line.split_once("schema(as = ") {
                renamed = Some(rest.split([')', ',']).next().unwrap().trim().to_owned());
            }
            let item = line
                .trim_start_matches("pub(super) ")
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ");
            let name = item.strip_prefix("struct ").or_else(|| item.strip_prefix("enum "));
            if let (true, Some(name)) = (derived, name) {
                let own: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
                let place = format!("{} ({own})", path.display());
                found.entry(renamed.take().unwrap_or(own)).or_default().push(place);
                derived = false;
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 80, "{}", found.len());
    found.retain(|_, places| places.len() > 1);
    assert!(
        found.is_empty(),
        "give one of them another name with #[schema(as = …)]: {found:#?}"
    );
}

#[test]
fn every_code_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/api/errors.md")).unwrap();
    let source = fs::read_to_string(root.join("src/error.rs")).unwrap();
    let variants = |name: &str| -> Vec<String> {
        let (_, rest) = source.split_once(&format!("pub enum {name} {{")).unwrap();
        let body = rest.split("\n}").next().unwrap();
        let lines = body
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//") && line.ends_with(','));
        lines.map(|line| screaming(line.trim_end_matches(','))).collect()
    };
    let (codes, violations) = (variants("Code"), variants("ViolationCode"));
    assert!(codes.len() > 30 && violations.len() > 10, "{codes:?} {violations:?}");
    for code in &codes {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{code}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/api/errors.md has no row for {code}"));
        assert!(
            row.split('|').skip(2).take(2).all(|cell| cell.trim().len() > 5),
            "{row}"
        );
    }
    for code in &violations {
        assert!(page.contains(&format!("`{code}`")), "docs/api/errors.md lacks {code}");
    }
    // And nothing that is none.
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let code = row.split('`').next().unwrap().to_owned();
        assert!(codes.contains(&code), "there is no {code}");
    }
}

/// `NotFound` as `NOT_FOUND`.
fn screaming(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.chars().enumerate() {
        if at > 0 && letter.is_uppercase() {
            text.push('_');
        }
        text.extend(letter.to_uppercase());
    }
    text
}
