//! Attributes against the metamodel: everything that is wrong, at once.

use std::collections::HashSet;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{CardType, DataType, Metamodel, Rule, is_filled, lookup, suggestions, tidy_number, value::validate_value};
use crate::error::{Violation, ViolationCode};

/// The most bytes that the attributes of one card take as JSON.
pub const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;
/// The deepest that attributes nest; the attributes themselves are level 1.
pub const MAX_ATTRIBUTE_DEPTH: usize = 10;
/// The most `external_ids` of one card.
const MAX_EXTERNAL_IDS: usize = 50;

/// Of each pair of numbers of a card type the first may not exceed the second.
const AT_MOST: &[(&str, &str, &str)] = &[("Application", "users_active", "users_total")];
/// Where the first is given the second must be: an amount means nothing without its currency.
const TOGETHER: &[(&str, &str)] = &[("financials.estimated_annual_cost", "financials.currency")];

/// Everything wrong with the attributes of a card of this type; empty when they are right. A `null` counts as absent.
#[must_use]
pub fn validate_attributes(
    metamodel: &Metamodel,
    card_type: &CardType,
    attributes: &Map<String, Value>,
) -> Vec<Violation> {
    if let Some(oversize) = oversize(attributes) {
        return vec![oversize];
    }
    let mut found = Vec::new();
    unstorable_members(attributes, "attributes", &mut found);
    let mut blocked = HashSet::new();
    for rule in metamodel.rules(&card_type.name) {
        check_rule(rule, attributes, &mut blocked, &mut found);
    }
    for (_, lower, upper) in AT_MOST.iter().filter(|(of, _, _)| *of == card_type.name) {
        at_most(attributes, lower, upper, &mut found);
    }
    for (given, wanted) in TOGETHER {
        if lookup(attributes, given).is_some() && lookup(attributes, wanted).is_none() {
            let message = format!("is required where {given} is given");
            let violation = Violation::new(format!("attributes.{wanted}"), ViolationCode::Required, message);
            let rule = metamodel.rule(&card_type.name, wanted);
            // A rule that demands it has said so already.
            if !rule.is_some_and(Rule::demands) {
                found.push(rule.map_or(violation.clone(), |rule| violation.by_rule(rule.id)));
            }
        }
    }
    unknown_members(metamodel.rules(&card_type.name), card_type, attributes, "", &mut found);
    found
}

/// What a single rule finds wrong with attributes.
#[must_use]
pub fn violations_of(rule: &Rule, attributes: &Map<String, Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    check_rule(rule, attributes, &mut HashSet::new(), &mut found);
    found
}

/// The ids that attributes of data type `card` name, with the field of each, for the caller to see whether they exist.
#[must_use]
pub fn card_references(metamodel: &Metamodel, card_type: &str, attributes: &Map<String, Value>) -> Vec<(String, Uuid)> {
    metamodel
        .rules(card_type)
        .iter()
        .filter(|rule| rule.data_type == DataType::Card)
        .filter_map(|rule| {
            let id = Uuid::try_parse(lookup(attributes, &rule.key)?.as_str()?).ok()?;
            Some((format!("attributes.{}", rule.key), id))
        })
        .collect()
}

fn oversize(attributes: &Map<String, Value>) -> Option<Violation> {
    if !fits_depth(attributes.values(), MAX_ATTRIBUTE_DEPTH - 1) {
        let message = format!("nest at most {MAX_ATTRIBUTE_DEPTH} levels deep");
        return Some(
            Violation::new("attributes", ViolationCode::TooLong, message).accepts("max_depth", MAX_ATTRIBUTE_DEPTH),
        );
    }
    let bytes = serde_json::to_vec(attributes).map_or(usize::MAX, |json| json.len());
    (bytes > MAX_ATTRIBUTE_BYTES).then(|| {
        let message = format!("take at most {MAX_ATTRIBUTE_BYTES} bytes as JSON; these take {bytes}");
        Violation::new("attributes", ViolationCode::TooLong, message).accepts("max_bytes", MAX_ATTRIBUTE_BYTES)
    })
}

fn fits_depth<'a>(mut values: impl Iterator<Item = &'a Value>, levels: usize) -> bool {
    values.all(|value| match value {
        Value::Array(items) => levels > 0 && fits_depth(items.iter(), levels - 1),
        Value::Object(members) => levels > 0 && fits_depth(members.values(), levels - 1),
        _ => true,
    })
}

/// Postgres cannot store the NUL character, in names as little as in values.
fn unstorable_members(members: &Map<String, Value>, field: &str, found: &mut Vec<Violation>) {
    for (name, value) in members {
        if name.contains('\0') {
            let message = "a name holds the NUL character, which cannot be stored";
            found.push(Violation::new(field, ViolationCode::PatternMismatch, message));
        } else {
            unstorable(value, &format!("{field}.{name}"), found);
        }
    }
}

fn unstorable(value: &Value, field: &str, found: &mut Vec<Violation>) {
    match value {
        Value::String(text) if text.contains('\0') => {
            let message = "holds the NUL character, which cannot be stored";
            found.push(Violation::new(field, ViolationCode::PatternMismatch, message));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                unstorable(item, &format!("{field}.{index}"), found);
            }
        }
        Value::Object(members) => unstorable_members(members, field, found),
        _ => {}
    }
}

fn check_rule(rule: &Rule, attributes: &Map<String, Value>, blocked: &mut HashSet<String>, found: &mut Vec<Violation>) {
    if let Some(parent) = blocked_parent(&rule.key, attributes) {
        if blocked.insert(parent.to_owned()) {
            let value = lookup(attributes, parent).unwrap_or(&Value::Null);
            let violation = Violation::new(
                format!("attributes.{parent}"),
                ViolationCode::WrongType,
                "must be an object",
            );
            found.push(violation.provided(value).accepts("expected", "an object"));
        }
        return;
    }
    if let Some(parent) = rule.wildcard_parent() {
        for (name, value) in lookup(attributes, parent)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if !value.is_null() {
                check_value(rule, value, &format!("attributes.{parent}.{name}"), found);
            }
        }
        return;
    }
    let field = format!("attributes.{}", rule.key);
    match lookup(attributes, &rule.key) {
        Some(value) if is_filled(value) || !rule.demands() => {
            // An object with governed members is looked at as their parent, too: one violation is enough.
            let no_object = rule.data_type == DataType::Object && !value.is_object();
            if !no_object || blocked.insert(rule.key.clone()) {
                check_value(rule, value, &field, found);
            }
        }
        missing => {
            if rule.demands() {
                let mut violation = Violation::new(field, ViolationCode::Required, "is required").by_rule(rule.id);
                if let Some(value) = missing {
                    violation = violation.provided(value);
                }
                if let Some(options) = &rule.options {
                    violation = violation.accepts("allowed_values", options.clone());
                }
                found.push(violation);
            }
        }
    }
}

fn check_value(rule: &Rule, value: &Value, field: &str, found: &mut Vec<Violation>) {
    if rule.is_computed {
        found.push(
            Violation::new(field, ViolationCode::ReadOnly, "is computed by the server")
                .provided(value)
                .by_rule(rule.id),
        );
    } else if rule.key == "external_ids" {
        external_ids(rule, value, field, found);
    } else {
        found.extend(validate_value(rule, value, field));
    }
}

/// The outermost step above the last one that holds something other than an object.
fn blocked_parent<'k>(key: &'k str, attributes: &Map<String, Value>) -> Option<&'k str> {
    key.match_indices('.')
        .map(|(at, _)| &key[..at])
        .find(|parent| lookup(attributes, parent).is_some_and(|value| !value.is_object()))
}

fn external_ids(rule: &Rule, value: &Value, field: &str, found: &mut Vec<Violation>) {
    let shape = |at: &str, value: &Value| {
        Violation::new(
            at,
            ViolationCode::WrongType,
            "must be a list of {system, id}, both texts",
        )
        .provided(value)
        .by_rule(rule.id)
        .accepts("expected", "[{system, id}]")
    };
    let Some(items) = value.as_array() else {
        found.push(shape(field, value));
        return;
    };
    if items.len() > MAX_EXTERNAL_IDS {
        let message = format!("has at most {MAX_EXTERNAL_IDS} items");
        let violation = Violation::new(field, ViolationCode::TooLong, message).by_rule(rule.id);
        found.push(violation.accepts("max_length", MAX_EXTERNAL_IDS));
        return;
    }
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("{field}.{index}");
        let Some(members) = item.as_object() else {
            found.push(shape(&at, item));
            continue;
        };
        let part = |name: &str, longest: usize, found: &mut Vec<Violation>| {
            let at = format!("{at}.{name}");
            match members.get(name) {
                None | Some(Value::Null) => {
                    found.push(Violation::new(at, ViolationCode::Required, "is required").by_rule(rule.id));
                    None
                }
                Some(Value::String(text)) if text.trim().is_empty() => {
                    found.push(Violation::new(at, ViolationCode::Required, "may not be blank").by_rule(rule.id));
                    None
                }
                Some(Value::String(text)) if text.chars().count() > longest => {
                    let message = format!("has at most {longest} characters");
                    let violation = Violation::new(at, ViolationCode::TooLong, message).by_rule(rule.id);
                    found.push(violation.accepts("max_length", longest));
                    None
                }
                Some(Value::String(text)) => Some(text.clone()),
                Some(other) => {
                    found.push(shape(&at, other));
                    None
                }
            }
        };
        let (system, id) = (part("system", 100, found), part("id", 255, found));
        if let (Some(system), Some(id)) = (system, id)
            && !seen.insert((system, id))
        {
            found.push(
                Violation::new(at.as_str(), ViolationCode::NotAllowedHere, "is listed twice")
                    .provided(item)
                    .by_rule(rule.id),
            );
        }
        for name in members.keys().filter(|name| !matches!(name.as_str(), "system" | "id")) {
            let violation = Violation::new(
                format!("{at}.{name}"),
                ViolationCode::UnknownField,
                "an external id has no such part",
            );
            found.push(
                violation
                    .by_rule(rule.id)
                    .accepts("allowed_fields", vec!["system", "id"]),
            );
        }
    }
}

fn at_most(attributes: &Map<String, Value>, lower: &str, upper: &str, found: &mut Vec<Violation>) {
    let number = |key| lookup(attributes, key).and_then(Value::as_f64);
    if let (Some(low), Some(high)) = (number(lower), number(upper))
        && low > high
    {
        let message = format!("must be at most {upper}, which is {}", tidy_number(high));
        found.push(
            Violation::new(format!("attributes.{lower}"), ViolationCode::OutOfRange, message)
                .provided(&tidy_number(low))
                .accepts("max", tidy_number(high)),
        );
    }
}

/// Members without a rule: refused on strict types; elsewhere only where a dotted name would slip past a rule.
fn unknown_members(
    rules: &[Rule],
    card_type: &CardType,
    members: &Map<String, Value>,
    prefix: &str,
    found: &mut Vec<Violation>,
) {
    for (name, value) in members {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let nested = |rule: &Rule| rule.key.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'));
        if name.contains('.') && rules.iter().any(|rule| rule.key == path || nested(rule)) {
            let message = "is the path of a nested attribute: write it as an object within an object";
            found.push(Violation::new(
                format!("attributes.{path}"),
                ViolationCode::UnknownField,
                message,
            ));
            continue;
        }
        let governs_members = rules.iter().any(nested);
        if governs_members && let Some(inner) = value.as_object() {
            unknown_members(rules, card_type, inner, &path, found);
        }
        let known = governs_members
            || rules
                .iter()
                .any(|rule| rule.key == path || rule.wildcard_parent().is_some_and(|parent| parent == prefix));
        if card_type.strict && !known {
            let close = suggestions(&path, rules.iter().map(|rule| rule.key.as_str()));
            let message = format!("{} has no attribute {path}, and takes no others", card_type.name);
            found.push(
                Violation::new(format!("attributes.{path}"), ViolationCode::UnknownField, message)
                    .provided(value)
                    .accepts("did_you_mean", close),
            );
        }
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
