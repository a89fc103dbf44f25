//! The form of a query string: `path:operator:value`.

use serde_json::{Number, Value};

use super::{Check, Kind, Node, Scope, Test, field, operand, parse::compare};
use crate::error::{Violation, ViolationCode};

pub(super) fn parse(text: &str, scope: Scope<'_>) -> Result<Node, Vec<Violation>> {
    let named = |v: Violation| Violation {
        field: "filter".into(),
        ..v
    };
    let mut parts = text.splitn(3, ':');
    let (Some(path), Some(op)) = (parts.next(), parts.next()) else {
        let message = "is written path:operator:value, for example attributes.hosting_type:eq:SaaS";
        return Err(vec![named(
            Violation::new("", ViolationCode::PatternMismatch, message).provided(&Value::from(text)),
        )]);
    };
    let field = field::resolve(path, scope).map_err(|v| vec![named(v)])?;
    let written = parts.next();
    let value = match (op, written) {
        ("exists", Some("true")) | (_, None) => Value::Null,
        ("exists", Some("false")) => Value::Bool(false),
        ("in" | "between", Some(list)) => {
            Value::Array(split(list).iter().map(|item| read(&field.kind, item)).collect())
        }
        (_, Some(one)) => read(&field.kind, one),
    };
    // Nobody said whether the attribute holds texts: 5 may have been stored as a number or as a text.
    if let (Kind::Untyped, "eq" | "ne" | "in", Some(written)) = (&field.kind, op, written) {
        let items = if op == "in" {
            split(written)
        } else {
            vec![written.to_owned()]
        };
        let values: Vec<Value> = items.iter().flat_map(|item| guesses(item)).collect();
        if let Some(wrong) = values
            .iter()
            .find_map(|value| operand::typed(&field.kind, value, false).err())
        {
            return Err(vec![named(wrong)]);
        }
        if items.len() <= super::MAX_VALUES {
            let found = Node::Test(Test {
                field,
                check: Check::In(values),
            });
            return Ok(if op == "ne" { Node::Not(Box::new(found)) } else { found });
        }
    }
    compare(&field, op, &value).map_err(|wrong| wrong.into_iter().map(named).collect())
}

/// A written value as the kind of field reads it; what does not fit stays text, for the type check to refuse.
fn read(kind: &Kind, written: &str) -> Value {
    match kind {
        Kind::Number => number(written).unwrap_or_else(|| Value::from(written)),
        Kind::Boolean => boolean(written).unwrap_or_else(|| Value::from(written)),
        Kind::Untyped => number(written)
            .or_else(|| boolean(written))
            .unwrap_or_else(|| Value::from(written)),
        _ => Value::from(written),
    }
}

fn guesses(written: &str) -> Vec<Value> {
    let mut values = vec![Value::from(written)];
    values.extend(number(written));
    values.extend(boolean(written));
    values
}

fn number(written: &str) -> Option<Value> {
    serde_json::from_str::<Number>(written).ok().map(Value::Number)
}

fn boolean(written: &str) -> Option<Value> {
    written.parse::<bool>().ok().map(Value::Bool)
}

/// Splits at commas; `\,` is a comma within a value.
fn split(list: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&',') => push(&mut items, chars.next()),
            ',' => items.push(String::new()),
            other => push(&mut items, Some(other)),
        }
    }
    items
}

fn push(items: &mut [String], c: Option<char>) {
    if let Some(last) = items.last_mut() {
        last.extend(c);
    }
}
