//! What the generator of schemas cannot say, or says in a way that tools stumble over.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{components, for_each_operation};

const PREFIX: &str = "#/components/schemas/";

/// Brings all schemas into their final shape.
pub fn settle(document: &mut Value) {
    let known = components(document, "schemas").clone();
    name_copies(document, &known);
    let known = components(document, "schemas").clone();
    each_schema(document, &mut |schema| flatten(schema, &known));
    each_schema(document, &mut |schema| {
        rename_example(schema);
        name_choices(schema);
        open(schema);
    });
    let known = components(document, "schemas").clone();
    let mut sent = BTreeSet::new();
    for_each_operation(document, |operation| {
        if let Some(body) = operation.body.get_mut("requestBody") {
            reach(body, &known, &mut sent);
            give_examples(body, &known);
        }
        for parameter in operation
            .body
            .get_mut("parameters")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            walk(&mut parameter["schema"], &mut bound);
        }
    });
    for (name, schema) in components(document, "schemas").iter_mut() {
        if sent.contains(name) {
            walk(schema, &mut |schema| {
                close(schema);
                bound(schema);
            });
        }
    }
}

/// Takes out components that nothing refers to.
pub fn prune(document: &mut Value) {
    loop {
        let mut used = BTreeSet::new();
        references(document, &mut used);
        let mut removed = false;
        for kind in ["schemas", "responses", "parameters", "headers"] {
            components(document, kind).retain(|name, _| {
                let keep = used.contains(&format!("#/components/{kind}/{name}"));
                removed |= !keep;
                keep
            });
        }
        if !removed {
            return;
        }
    }
}

fn references(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            used.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, used));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, used)),
        _ => {}
    }
}

fn reach(value: &Value, known: &Map<String, Value>, found: &mut BTreeSet<String>) {
    let mut used = BTreeSet::new();
    references(value, &mut used);
    for name in used.iter().filter_map(|reference| reference.strip_prefix(PREFIX)) {
        if found.insert(name.to_owned())
            && let Some(schema) = known.get(name)
        {
            reach(schema, known, found);
        }
    }
}

/// A generic type carries copies of what it is made of; a client wants them by name.
fn name_copies(document: &mut Value, known: &Map<String, Value>) {
    let objects: Vec<_> = known.iter().filter(|(_, s)| s["properties"].is_object()).collect();
    each_schema(document, &mut |schema| {
        for name in ["items", "additionalProperties"] {
            let Some(inner) = schema.get_mut(name) else { continue };
            if let Some((found, _)) = objects.iter().find(|(_, known)| *known == inner) {
                *inner = json!({ "$ref": format!("{PREFIX}{found}") });
            }
        }
    });
}

/// One object instead of several that all apply: it can be closed, and becomes one type in every language.
fn flatten(schema: &mut Map<String, Value>, known: &Map<String, Value>) {
    let Some(Value::Array(parts)) = schema.remove("allOf") else {
        return;
    };
    // `{"type": "object", "default": …}` is how the generator adds a default to something it refers to.
    let (defaults, parts): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| {
        part.get("default").is_some() && part.get("properties").is_none() && part["type"] == "object"
    });
    for part in &defaults {
        schema.insert("default".into(), part["default"].clone());
    }
    if let ([only], false) = (parts.as_slice(), defaults.is_empty()) {
        for (key, value) in only.as_object().into_iter().flatten() {
            schema.entry(key).or_insert_with(|| value.clone());
        }
        return;
    }
    let mut merged = Map::new();
    for part in &parts {
        let name = part["$ref"].as_str().and_then(|r| r.strip_prefix(PREFIX));
        let mut part = name
            .and_then(|name| known.get(name))
            .unwrap_or(part)
            .as_object()
            .cloned()
            .unwrap_or_default();
        flatten(&mut part, known);
        for (key, value) in part {
            match (merged.get_mut(&key), value) {
                (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
                (Some(Value::Array(there)), Value::Array(more)) if key == "required" => there.extend(more),
                (_, value) => {
                    merged.insert(key, value);
                }
            }
        }
    }
    for (key, value) in merged {
        if !["description", "example", "examples"].contains(&key.as_str()) {
            schema.insert(key, value);
        }
    }
}

/// JSON Schema of 2020 knows `examples` only.
fn rename_example(schema: &mut Map<String, Value>) {
    if let Some(example) = schema.remove("example") {
        schema.entry("examples").or_insert_with(|| json!([example]));
    }
}

/// A pattern that is nothing but a list of words is a choice.
fn name_choices(schema: &mut Map<String, Value>) {
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let Some(words) = pattern.strip_prefix("^(").and_then(|p| p.strip_suffix(")$")) else {
        return;
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_ |".contains(c);
    if words.chars().all(plain) {
        let words: Vec<&str> = words.split('|').collect();
        schema.insert("enum".into(), json!(words));
        schema.remove("pattern");
    }
}

/// An object without described properties may have any; said aloud, because generators read silence as none.
fn open(schema: &mut Map<String, Value>) {
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => false,
    };
    if is_object && !schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".into(), json!(true));
    }
}

/// Bodies have no fields beyond those described: a typing error is refused, not ignored.
fn close(schema: &mut Map<String, Value>) {
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".into(), json!(false));
    }
}

/// `format: int32` binds nobody; its range does.
fn bound(schema: &mut Map<String, Value>) {
    if schema.get("format").is_some_and(|format| format == "int32") {
        schema.entry("minimum").or_insert_with(|| json!(i32::MIN));
        schema.entry("maximum").or_insert_with(|| json!(i32::MAX));
    }
}

/// The examples of a body's schema stand with the body, where tools look for them.
fn give_examples(body: &mut Value, known: &Map<String, Value>) {
    for content in body["content"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        if content.get("example").is_some() || content.get("examples").is_some() {
            continue;
        }
        let name = content["schema"]["$ref"].as_str().and_then(|r| r.strip_prefix(PREFIX));
        let schema = name.and_then(|name| known.get(name));
        match schema
            .and_then(|schema| schema["examples"].as_array())
            .map(Vec::as_slice)
        {
            None | Some([]) => {}
            Some([one]) => content["example"] = one.clone(),
            Some(several) => {
                let named = several.iter().enumerate();
                content["examples"] = named
                    .map(|(i, value)| (format!("example_{}", i + 1), json!({"value": value})))
                    .collect();
            }
        }
    }
}

/// Every schema of the document, inner ones first.
fn each_schema(document: &mut Value, work: &mut impl FnMut(&mut Map<String, Value>)) {
    for schema in components(document, "schemas").values_mut() {
        walk(schema, work);
    }
    for_each_operation(document, |operation| {
        for parameter in operation
            .body
            .get_mut("parameters")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            walk(&mut parameter["schema"], work);
        }
        let bodies = operation.body.get_mut("requestBody").into_iter();
        for content in bodies
            .filter_map(|b| b["content"].as_object_mut())
            .flat_map(Map::values_mut)
        {
            walk(&mut content["schema"], work);
        }
        let responses = operation.body.get_mut("responses").and_then(Value::as_object_mut);
        for response in responses.into_iter().flat_map(Map::values_mut) {
            for content in response
                .get_mut("content")
                .and_then(Value::as_object_mut)
                .into_iter()
                .flat_map(Map::values_mut)
            {
                walk(&mut content["schema"], work);
            }
        }
    });
}

fn walk(schema: &mut Value, work: &mut impl FnMut(&mut Map<String, Value>)) {
    let Some(object) = schema.as_object_mut() else { return };
    for key in ["properties", "patternProperties"] {
        for inner in object
            .get_mut(key)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(Map::values_mut)
        {
            walk(inner, work);
        }
    }
    for key in ["allOf", "anyOf", "oneOf", "prefixItems"] {
        for inner in object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            walk(inner, work);
        }
    }
    for key in ["items", "additionalProperties", "not", "propertyNames"] {
        if let Some(inner) = object.get_mut(key) {
            walk(inner, work);
        }
    }
    work(object);
}
