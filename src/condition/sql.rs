//! A condition as SQL over `cards c left join card_scores s`, with bound values only.
//!
//! SQL's own `not` would have to be kept away from the index: so each condition is written as one of two expressions, "it
//! is surely true" or "it is surely false", and a negation swaps them. Neither holds where the answer is unknown.
//! Comparisons guard the type of odd JSON, so that no row makes the query fail. Equality with attributes is containment,
//! which the index on `attributes` serves.

use chrono::NaiveDate;
use serde_json::{Map, Value};
use sqlx::{Postgres, QueryBuilder, types::Json};

use super::{
    Check, Condition, Field, Kind, Node, Order, Test,
    field::{Fixed, Place},
    operand,
};

type Query = QueryBuilder<Postgres>;

const BLANKS: &str = r"E' \t\n\r\f\013'";
const DATE_SHAPE: &str = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}$'";
const INSTANT_SHAPE: &str = r"'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$'";

impl Condition {
    /// Pushes an expression that holds for the cards on which the condition is true. The query names cards `c` and their
    /// scores `s` (left joined); `on` is the date for the lifecycle phase.
    pub fn push(&self, query: &mut Query, on: NaiveDate) {
        node(&self.node, true, query, on);
    }
}

fn node(node: &Node, wanted: bool, query: &mut Query, on: NaiveDate) {
    match node {
        Node::All(parts) => together(parts, wanted, wanted, query, on),
        Node::Any(parts) => together(parts, !wanted, wanted, query, on),
        Node::Not(inner) => self::node(inner, !wanted, query, on),
        Node::Test(test) => match &test.field.place {
            Place::Fixed(fixed) => fixed_field(*fixed, test, wanted, query, on),
            Place::Attribute(steps) => attribute(steps, test, wanted, query),
        },
        // Neighbours are not known here, so this is neither surely true nor surely false.
        Node::Related(_) => {
            query.push("false");
        }
    }
}

fn together(parts: &[Node], every: bool, wanted: bool, query: &mut Query, on: NaiveDate) {
    if parts.is_empty() {
        query.push(if every { "true" } else { "false" });
        return;
    }
    query.push("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            query.push(if every { " and " } else { " or " });
        }
        node(part, wanted, query, on);
    }
    query.push(")");
}

fn sign(order: Order, wanted: bool) -> &'static str {
    match (order, wanted) {
        (Order::Less, true) | (Order::AtLeast, false) => " < ",
        (Order::AtMost, true) | (Order::Greater, false) => " <= ",
        (Order::Greater, true) | (Order::AtMost, false) => " > ",
        (Order::AtLeast, true) | (Order::Less, false) => " >= ",
    }
}

fn phase(query: &mut Query, on: NaiveDate) {
    query.push("(case");
    for (column, name) in [
        ("eol", "End of Life"),
        ("phase_out", "Phase Out"),
        ("active", "Active"),
        ("phase_in", "Phase In"),
        ("plan", "Plan"),
    ] {
        query
            .push(" when c.lifecycle_")
            .push(column)
            .push(" <= ")
            .push_bind(on)
            .push(" then '")
            .push(name)
            .push("'");
    }
    query.push(
        " when coalesce(c.lifecycle_plan, c.lifecycle_phase_in, c.lifecycle_active) is not null then 'Plan'\
         when coalesce(c.lifecycle_phase_out, c.lifecycle_eol) is not null then 'Active' else 'Undefined' end)",
    );
}

fn column(fixed: Fixed, query: &mut Query, on: NaiveDate) {
    query.push(match fixed {
        Fixed::Type => "c.type",
        Fixed::Name => "c.name_key",
        Fixed::Description => "c.description",
        Fixed::Tags => "c.tags",
        Fixed::Plan => "c.lifecycle_plan",
        Fixed::PhaseIn => "c.lifecycle_phase_in",
        Fixed::Active => "c.lifecycle_active",
        Fixed::PhaseOut => "c.lifecycle_phase_out",
        Fixed::EndOfLife => "c.lifecycle_eol",
        Fixed::Phase => return phase(query, on),
        Fixed::FunctionalFit => "c.functional_fit::float8",
        Fixed::TechnicalFit => "c.technical_fit::float8",
        Fixed::Criticality => "c.business_criticality",
        Fixed::Quality => "s.quality_score::float8",
        Fixed::CreatedAt => "c.created_at",
        Fixed::UpdatedAt => "c.updated_at",
    });
}

/// A missing column makes the expression null, which counts as not holding, negated or not; only `Filled` knows better.
fn fixed_field(fixed: Fixed, test: &Test, wanted: bool, query: &mut Query, on: NaiveDate) {
    query.push(if wanted { "(" } else { "(not (" });
    match &test.check {
        Check::Filled => match fixed {
            Fixed::Tags => {
                query.push("cardinality(c.tags) > 0");
            }
            Fixed::Name | Fixed::Description => {
                query.push("btrim(coalesce(").push(if fixed == Fixed::Name {
                    "c.name"
                } else {
                    "c.description"
                });
                query.push(", ''), ").push(BLANKS).push(") <> ''");
            }
            _ => {
                column(fixed, query, on);
                query.push(" is not null");
            }
        },
        Check::In(values) => {
            column(fixed, query, on);
            query.push(" = any(");
            operands(&test.field, values, query);
            query.push(")");
        }
        Check::Order(order, value) => {
            column(fixed, query, on);
            query.push(sign(*order, true));
            operand(&test.field, value, query);
        }
        Check::Contains(part) => {
            query.push("strpos(");
            column(fixed, query, on);
            query.push(", ").push_bind(part.clone()).push(") > 0");
        }
        Check::StartsWith(part) => {
            query.push("starts_with(");
            column(fixed, query, on);
            query.push(", ").push_bind(part.clone()).push(")");
        }
        Check::Has(values) => {
            column(fixed, query, on);
            query.push(" && ").push_bind(texts(values));
        }
    }
    query.push(if wanted { ")" } else { "))" });
}

fn texts(values: &[Value]) -> Vec<String> {
    values
        .iter()
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

fn dates(values: &[Value]) -> Vec<NaiveDate> {
    texts(values)
        .iter()
        .filter_map(|text| crate::http::fields::parse_date(text))
        .collect()
}

fn operands(field: &Field, values: &[Value], query: &mut Query) {
    match field.kind {
        Kind::Number => query.push_bind(values.iter().filter_map(Value::as_f64).collect::<Vec<_>>()),
        Kind::Date => query.push_bind(dates(values)),
        Kind::Instant => query.push_bind(values.iter().filter_map(operand::instant).collect::<Vec<_>>()),
        _ => query.push_bind(texts(values)),
    };
}

fn operand(field: &Field, value: &Value, query: &mut Query) {
    match field.kind {
        Kind::Number => query.push_bind(value.as_f64()),
        Kind::Date => query.push_bind(value.as_str().and_then(crate::http::fields::parse_date)),
        Kind::Instant => query.push_bind(operand::instant(value)),
        _ => query.push_bind(value.as_str().map(str::to_owned)),
    };
}

/// The attribute as jsonb. By `->` with texts, not `#>`: that would take a step `0` for a place in a list.
fn path(steps: &[String], query: &mut Query) {
    query.push("(c.attributes");
    for step in steps {
        query.push(" -> ").push_bind(step.clone());
    }
    query.push(")");
}

fn text(steps: &[String], query: &mut Query) {
    query.push("(");
    path(steps, query);
    query.push(" #>> '{}')");
}

fn present(steps: &[String], query: &mut Query) {
    query.push("coalesce(jsonb_typeof(");
    path(steps, query);
    query.push("), 'null') <> 'null'");
}

fn attribute(steps: &[String], test: &Test, wanted: bool, query: &mut Query) {
    match &test.check {
        Check::Filled => {
            query.push(if wanted { "(" } else { "(not " });
            filled(steps, query);
            query.push(")");
        }
        Check::Order(order, value) => ordered(steps, test, *order, value, wanted, query),
        check => {
            query.push("(");
            if !wanted {
                present(steps, query);
                query.push(" and not ");
            }
            matching(steps, test, check, query);
            query.push(")");
        }
    }
}

fn filled(steps: &[String], query: &mut Query) {
    query.push("(case jsonb_typeof(");
    path(steps, query);
    query.push(") when 'string' then btrim(");
    text(steps, query);
    query.push(", ").push(BLANKS).push(") <> '' when 'array' then ");
    path(steps, query);
    query.push(" <> '[]' when 'object' then ");
    path(steps, query);
    query.push(" <> '{}' when 'null' then false else ");
    path(steps, query);
    query.push(" is not null end)");
}

fn ordered(steps: &[String], test: &Test, order: Order, value: &Value, wanted: bool, query: &mut Query) {
    let shape = match test.field.kind {
        Kind::Date => Some(DATE_SHAPE),
        Kind::Instant => Some(INSTANT_SHAPE),
        _ => None,
    };
    query.push("(case when jsonb_typeof(");
    path(steps, query);
    query.push(match value {
        Value::Number(_) => ") = 'number'",
        Value::Bool(_) => ") = 'boolean'",
        _ => ") = 'string'",
    });
    if let Some(shape) = shape {
        query.push(" and ");
        text(steps, query);
        query.push(" ~ ").push(shape);
    }
    query.push(" then ");
    if let Some(operand) = value.as_str() {
        comparable(steps, &test.field.kind, query);
        query
            .push(" collate \"C\"")
            .push(sign(order, wanted))
            .push_bind(operand.to_owned());
    } else {
        path(steps, query);
        query.push(sign(order, wanted)).push_bind(Json(value.clone()));
    }
    query.push(" else false end)");
}

/// The text of the attribute in the form of operands.
fn comparable(steps: &[String], kind: &Kind, query: &mut Query) {
    if *kind != Kind::Instant {
        return text(steps, query);
    }
    query.push("rpad(rtrim(");
    text(steps, query);
    query.push(", 'Z') || case when ");
    text(steps, query);
    query.push(" like '%.%' then '' else '.' end, 29, '0')");
}

/// An expression that is never null.
fn matching(steps: &[String], test: &Test, check: &Check, query: &mut Query) {
    match check {
        Check::In(values) if test.field.kind == Kind::Instant => {
            query.push("(case when jsonb_typeof(");
            path(steps, query);
            query.push(") = 'string' and ");
            text(steps, query);
            query.push(" ~ ").push(INSTANT_SHAPE).push(" then ");
            comparable(steps, &Kind::Instant, query);
            query.push(" = any(").push_bind(texts(values)).push(") else false end)");
        }
        Check::In(values) => contained(values.iter().map(|value| nest(steps, value.clone())).collect(), query),
        Check::Has(values) => contained(
            values
                .iter()
                .map(|value| nest(steps, Value::Array(vec![value.clone()])))
                .collect(),
            query,
        ),
        Check::Contains(part) | Check::StartsWith(part) => {
            let contains = matches!(check, Check::Contains(_));
            query.push("(case when jsonb_typeof(");
            path(steps, query);
            query
                .push(") = 'string' then ")
                .push(if contains { "strpos(" } else { "starts_with(" });
            text(steps, query);
            query
                .push(", ")
                .push_bind(part.clone())
                .push(if contains { ") > 0" } else { ")" });
            query.push(" else false end)");
        }
        Check::Filled | Check::Order(..) => {
            query.push("false");
        }
    }
}

fn contained(mut patterns: Vec<Json<Value>>, query: &mut Query) {
    query.push("c.attributes @> ");
    match patterns.pop() {
        Some(one) if patterns.is_empty() => query.push_bind(one),
        last => {
            patterns.extend(last);
            query.push("any(").push_bind(patterns).push(")")
        }
    };
}

fn nest(steps: &[String], value: Value) -> Json<Value> {
    Json(steps.iter().rev().fold(value, |inner, step| {
        Value::Object(Map::from_iter([(step.clone(), inner)]))
    }))
}
