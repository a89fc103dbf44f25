//! Evaluation in memory. The SQL of [`super::sql`] gives the same answers.

use std::cmp::Ordering;

use serde_json::Value;
use uuid::Uuid;

use super::{
    Check, Kind, Node, Related, Subject, Test,
    field::Place,
    operand::{compare_numbers, fixed_instant_key, instant_key, is_date_shaped},
};
use crate::metamodel::{is_filled, name_key};

/// The cards from the one asked about to the one at hand.
#[derive(Clone, Copy)]
pub(super) struct Path<'p> {
    subject: &'p dyn Subject,
    before: Option<&'p Path<'p>>,
}

impl<'p> Path<'p> {
    pub(super) fn from(subject: &'p dyn Subject) -> Self {
        Self { subject, before: None }
    }

    fn passed(&self, id: Uuid) -> bool {
        let mut at = Some(self);
        while let Some(path) = at {
            if path.subject.id() == Some(id) {
                return true;
            }
            at = path.before;
        }
        false
    }
}

pub(super) fn node(node: &Node, path: Path<'_>) -> Option<bool> {
    match node {
        Node::All(inner) => together(inner, path, false),
        Node::Any(inner) => together(inner, path, true),
        Node::Not(inner) => self::node(inner, path).map(|holds| !holds),
        Node::Test(test) => evaluate(test, path.subject),
        Node::Related(related) => count(related, path),
    }
}

/// One `decisive` part decides; else one unknown part leaves it unknown.
fn together(parts: &[Node], path: Path<'_>, decisive: bool) -> Option<bool> {
    let mut unknown = false;
    for part in parts {
        match node(part, path) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(!decisive) }
}

fn evaluate(test: &Test, subject: &dyn Subject) -> Option<bool> {
    let value = subject.value(test.field.path()).filter(|value| !value.is_null());
    if test.check == Check::Filled {
        return Some(value.is_some_and(|value| is_filled(&value)));
    }
    let value = value?;
    match &test.check {
        Check::Filled => None,
        Check::In(operands) => Some(
            operands
                .iter()
                .any(|operand| compare(test, &value, operand) == Some(Ordering::Equal)),
        ),
        Check::Order(order, operand) => compare(test, &value, operand).map(|ordering| order.holds(ordering)),
        Check::Contains(part) => Some(text(test, &value, |text| text.contains(part))),
        Check::StartsWith(part) => Some(text(test, &value, |text| text.starts_with(part))),
        Check::Has(operands) => Some(value.as_array().is_some_and(|items| {
            items.iter().any(|item| {
                operands
                    .iter()
                    .any(|operand| plain(item, operand).is_some_and(Ordering::is_eq))
            })
        })),
    }
}

/// How a value stands to an operand; none when they cannot be compared.
fn compare(test: &Test, value: &Value, operand: &Value) -> Option<Ordering> {
    let key = match test.field.kind {
        Kind::Name => name_key(value.as_str()?),
        Kind::Date => value.as_str().filter(|text| is_date_shaped(text))?.to_owned(),
        Kind::Instant => match test.field.place {
            Place::Fixed(_) => fixed_instant_key(value.as_str()?)?,
            Place::Attribute(_) => instant_key(value.as_str()?)?,
        },
        _ => return plain(value, operand),
    };
    Some(key.as_str().cmp(operand.as_str()?))
}

fn plain(value: &Value, operand: &Value) -> Option<Ordering> {
    match (value, operand) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn text(test: &Test, value: &Value, holds: impl Fn(&str) -> bool) -> bool {
    let Some(words) = value.as_str() else { return false };
    if test.field.kind == Kind::Name {
        holds(&name_key(words))
    } else {
        holds(words)
    }
}

/// Neighbours on which the inner condition is unknown may or may not count: only where that makes no difference is the
/// answer known.
fn count(related: &Related, path: Path<'_>) -> Option<bool> {
    let neighbours = path.subject.related(related)?;
    let (mut surely, mut perhaps) = (0, 0);
    for neighbour in &neighbours {
        if related.other && neighbour.id().is_some_and(|id| path.passed(id)) {
            continue;
        }
        let there = Path {
            subject: neighbour.as_ref(),
            before: Some(&path),
        };
        match related
            .filter
            .as_deref()
            .map_or(Some(true), |filter| node(filter, there))
        {
            Some(true) => surely += 1,
            Some(false) => {}
            None => perhaps += 1,
        }
        if related.max.is_none() && surely >= related.min {
            return Some(true);
        }
    }
    let most = surely + perhaps;
    if surely >= related.min && related.max.is_none_or(|max| most <= max) {
        Some(true)
    } else if most < related.min || related.max.is_some_and(|max| surely > max) {
        Some(false)
    } else {
        None
    }
}
