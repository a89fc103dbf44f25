//! Finding a value within attributes.

use serde_json::{Map, Value};

/// The value at a dotted path; a `null` counts as absent. Paths step into objects only.
#[must_use]
pub fn lookup<'a>(attributes: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut steps = path.split('.');
    let mut value = attributes.get(steps.next()?)?;
    for step in steps {
        value = value.as_object()?.get(step)?;
    }
    (!value.is_null()).then_some(value)
}

/// Whether a value says something: not null, and neither blank nor empty. Blank means ASCII whitespace only, so that the
/// database can say the same.
#[must_use]
pub fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.bytes().all(|b| matches!(b, b' ' | 9..=13)),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}
