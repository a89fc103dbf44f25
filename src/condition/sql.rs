//! A condition as SQL over `cards c left join card_scores s`, with bound values only.
//!
//! Related cards are looked at in subqueries over `relationships` and `cards`, unqualified, so that a statement may shadow
//! those tables. "At least one" is `exists`, which the planner turns into a semi-join driven from whichever side is
//! smaller.
//!
//! SQL's own `not` would have to be kept away from the index: so each condition is written as one of two expressions, "it
//! is surely true" or "it is surely false", and a negation swaps them. Neither holds where the answer is unknown.
//! Comparisons guard the type of odd JSON, so that no row makes the query fail. Equality with attributes is containment,
//! which the index on `attributes` serves.

use chrono::NaiveDate;
use serde_json::{Map, Value};
use sqlx::{Postgres, QueryBuilder, types::Json};

use super::{
    Check, Condition, Field, Kind, Node, Order, Reading, Test,
    field::{Fixed, Place},
    operand, sql_related,
};

const BLANKS: &str = r"E' \t\n\r\f\013'";
const DATE_SHAPE: &str = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}$'";
const INSTANT_SHAPE: &str = r"'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$'";

impl Condition {
    /// Pushes an expression that holds for the cards on which the condition is true. The query names cards `c` and their
    /// scores `s` (left joined).
    pub fn push<'q>(&'q self, query: &'q mut QueryBuilder<Postgres>, reading: &'q Reading<'q>) {
        let mut query = Query {
            sql: query,
            reading,
            path: vec![Card {
                alias: String::new(),
                types: reading.types,
            }],
            subqueries: 0,
        };
        let goal = Goal {
            wanted: true,
            surely: true,
        };
        node(&self.node, goal, &mut query);
    }
}

/// The query being written, and where in it.
pub(super) struct Query<'q> {
    pub(super) sql: &'q mut QueryBuilder<Postgres>,
    pub(super) reading: &'q Reading<'q>,
    /// The cards from the one asked about to the one at hand.
    pub(super) path: Vec<Card<'q>>,
    pub(super) subqueries: usize,
}

/// A card in the query.
pub(super) struct Card<'q> {
    /// What follows the names of its tables; nothing for the card asked about.
    pub(super) alias: String,
    /// The types it can be of; empty means any.
    pub(super) types: &'q [String],
}

impl Query<'_> {
    pub(super) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push(sql);
        self
    }

    pub(super) fn push_bind<'t, T>(&mut self, value: T) -> &mut Self
    where
        T: 't + sqlx::Encode<'t, Postgres> + sqlx::Type<Postgres>,
    {
        self.sql.push_bind(value);
        self
    }

    /// A column of the card at hand.
    pub(super) fn card(&mut self, column: &'static str) -> &mut Self {
        let at = self.path.last().map_or("", |card| card.alias.as_str());
        self.sql.push("c").push(at).push(".").push(column);
        self
    }
}

/// What the expression is to say of a condition: that it is true (or false), surely or perhaps. What is perhaps true is not
/// surely false; the detour keeps SQL's own `not` and `is true` away from subqueries, where they would prevent joins.
#[derive(Clone, Copy)]
pub(super) struct Goal {
    pub(super) wanted: bool,
    pub(super) surely: bool,
}

impl Goal {
    fn opposite(self) -> Self {
        Self {
            wanted: !self.wanted,
            ..self
        }
    }
}

pub(super) fn node<'q>(node: &'q Node, goal: Goal, query: &mut Query<'q>) {
    match node {
        Node::All(parts) => together(parts, goal.wanted, goal, query),
        Node::Any(parts) => together(parts, !goal.wanted, goal, query),
        Node::Not(inner) => self::node(inner, goal.opposite(), query),
        Node::Test(test) if goal.surely => self::test(test, goal.wanted, query),
        Node::Test(test) => {
            query.push("(");
            self::test(test, !goal.wanted, query);
            query.push(" is not true)");
        }
        Node::Related(related) => sql_related::related(related, goal, query),
    }
}

fn test(test: &Test, wanted: bool, query: &mut Query<'_>) {
    match &test.field.place {
        Place::Fixed(fixed) => fixed_field(*fixed, test, wanted, query),
        Place::Attribute(steps) => attribute(steps, test, wanted, query),
    }
}

fn together<'q>(parts: &'q [Node], every: bool, goal: Goal, query: &mut Query<'q>) {
    if parts.is_empty() {
        query.push(if every { "true" } else { "false" });
        return;
    }
    query.push("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            query.push(if every { " and " } else { " or " });
        }
        node(part, goal, query);
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

fn phase(query: &mut Query<'_>) {
    let on = query.reading.on;
    query.push("(case");
    for (column, then) in [
        ("lifecycle_eol", " then 'End of Life'"),
        ("lifecycle_phase_out", " then 'Phase Out'"),
        ("lifecycle_active", " then 'Active'"),
        ("lifecycle_phase_in", " then 'Phase In'"),
        ("lifecycle_plan", " then 'Plan'"),
    ] {
        query.push(" when ").card(column).push(" <= ").push_bind(on).push(then);
    }
    query
        .push(" when coalesce(")
        .card("lifecycle_plan")
        .push(", ")
        .card("lifecycle_phase_in")
        .push(", ");
    query
        .card("lifecycle_active")
        .push(") is not null then 'Plan' when coalesce(")
        .card("lifecycle_phase_out");
    query
        .push(", ")
        .card("lifecycle_eol")
        .push(") is not null then 'Active' else 'Undefined' end)");
}

fn column(fixed: Fixed, query: &mut Query<'_>) {
    let name = match fixed {
        Fixed::Type => "type",
        Fixed::Name => "name_key",
        Fixed::Description => "description",
        Fixed::Tags => "tags",
        Fixed::Plan => "lifecycle_plan",
        Fixed::PhaseIn => "lifecycle_phase_in",
        Fixed::Active => "lifecycle_active",
        Fixed::PhaseOut => "lifecycle_phase_out",
        Fixed::EndOfLife => "lifecycle_eol",
        Fixed::Phase => return phase(query),
        Fixed::FunctionalFit => "functional_fit::float8",
        Fixed::TechnicalFit => "technical_fit::float8",
        Fixed::Criticality => "business_criticality",
        Fixed::Quality => {
            let at = query.path.last().map_or("", |card| card.alias.as_str());
            query.sql.push("s").push(at).push(".quality_score::float8");
            return;
        }
        Fixed::CreatedAt => "created_at",
        Fixed::UpdatedAt => "updated_at",
    };
    query.card(name);
}

/// A missing column makes the expression null, which counts as not holding, negated or not; only `Filled` knows better.
fn fixed_field(fixed: Fixed, test: &Test, wanted: bool, query: &mut Query<'_>) {
    query.push(if wanted { "(" } else { "(not (" });
    match &test.check {
        Check::Filled => match fixed {
            Fixed::Tags => {
                query.push("cardinality(").card("tags").push(") > 0");
            }
            Fixed::Name | Fixed::Description => {
                query
                    .push("btrim(coalesce(")
                    .card(if fixed == Fixed::Name { "name" } else { "description" });
                query.push(", ''), ").push(BLANKS).push(") <> ''");
            }
            _ => {
                column(fixed, query);
                query.push(" is not null");
            }
        },
        Check::In(values) => {
            column(fixed, query);
            query.push(" = any(");
            operands(&test.field, values, query);
            query.push(")");
        }
        Check::Order(order, value) => {
            column(fixed, query);
            query.push(sign(*order, true));
            operand(&test.field, value, query);
        }
        Check::Contains(part) => {
            query.push("strpos(");
            column(fixed, query);
            query.push(", ").push_bind(part.clone()).push(") > 0");
        }
        Check::StartsWith(part) => {
            query.push("starts_with(");
            column(fixed, query);
            query.push(", ").push_bind(part.clone()).push(")");
        }
        Check::Has(values) => {
            column(fixed, query);
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

fn operands(field: &Field, values: &[Value], query: &mut Query<'_>) {
    match field.kind {
        Kind::Number => query.push_bind(values.iter().filter_map(Value::as_f64).collect::<Vec<_>>()),
        Kind::Date => query.push_bind(dates(values)),
        Kind::Instant => query.push_bind(values.iter().filter_map(operand::instant).collect::<Vec<_>>()),
        _ => query.push_bind(texts(values)),
    };
}

fn operand(field: &Field, value: &Value, query: &mut Query<'_>) {
    match field.kind {
        Kind::Number => query.push_bind(value.as_f64()),
        Kind::Date => query.push_bind(value.as_str().and_then(crate::http::fields::parse_date)),
        Kind::Instant => query.push_bind(operand::instant(value)),
        _ => query.push_bind(value.as_str().map(str::to_owned)),
    };
}

/// The attribute as jsonb. By `->` with texts, not `#>`: that would take a step `0` for a place in a list.
fn path(steps: &[String], query: &mut Query<'_>) {
    query.push("(").card("attributes");
    for step in steps {
        query.push(" -> ").push_bind(step.clone());
    }
    query.push(")");
}

fn text(steps: &[String], query: &mut Query<'_>) {
    query.push("(");
    path(steps, query);
    query.push(" #>> '{}')");
}

fn present(steps: &[String], query: &mut Query<'_>) {
    query.push("coalesce(jsonb_typeof(");
    path(steps, query);
    query.push("), 'null') <> 'null'");
}

fn attribute(steps: &[String], test: &Test, wanted: bool, query: &mut Query<'_>) {
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

fn filled(steps: &[String], query: &mut Query<'_>) {
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

fn ordered(steps: &[String], test: &Test, order: Order, value: &Value, wanted: bool, query: &mut Query<'_>) {
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
fn comparable(steps: &[String], kind: &Kind, query: &mut Query<'_>) {
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
fn matching(steps: &[String], test: &Test, check: &Check, query: &mut Query<'_>) {
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

fn contained(mut patterns: Vec<Json<Value>>, query: &mut Query<'_>) {
    query.card("attributes").push(" @> ");
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
