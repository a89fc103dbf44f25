//! Reading conditions from JSON: everything that is wrong, at once, each with its place.

use serde_json::{Map, Value};

use super::{Check, Field, Kind, MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES, Node, Order, Scope, Test, field, operand};
use crate::error::{Violation, ViolationCode};

const RESERVED: [&str; 6] = ["all", "any", "not", "requires", "field", "related"];

pub(super) fn parse(value: &Value, scope: Scope<'_>, at: &str) -> Result<Node, Vec<Violation>> {
    let mut parser = Parser {
        found: Vec::new(),
        conditions: 0,
        related: 0,
        steps: 0,
        times: 1,
    };
    let node = parser.condition(value, scope, at, 1);
    match node {
        Some(node) if parser.found.is_empty() => Ok(node),
        _ => Err(parser.found),
    }
}

pub(super) struct Parser {
    pub(super) found: Vec<Violation>,
    conditions: usize,
    /// Conditions on related cards, as often as they are looked at.
    pub(super) related: usize,
    /// Steps away from the card, and how often the condition at hand is looked at.
    pub(super) steps: usize,
    pub(super) times: usize,
}

impl Parser {
    pub(super) fn refuse<T>(&mut self, at: &str, code: ViolationCode, message: impl Into<String>) -> Option<T> {
        self.found.push(Violation::new(at, code, message));
        None
    }

    pub(super) fn condition(&mut self, value: &Value, scope: Scope<'_>, at: &str, depth: usize) -> Option<Node> {
        self.conditions += 1;
        if depth > MAX_DEPTH {
            let message = format!("conditions nest at most {MAX_DEPTH} deep");
            self.found
                .push(Violation::new(at, ViolationCode::TooLong, message).accepts("max_depth", MAX_DEPTH));
            return None;
        }
        if self.conditions > MAX_CONDITIONS {
            // Said once; what follows is not looked at.
            if self.conditions == MAX_CONDITIONS + 1 {
                let message = format!("a condition consists of at most {MAX_CONDITIONS} conditions");
                self.found.push(
                    Violation::new(at, ViolationCode::TooLong, message).accepts("max_conditions", MAX_CONDITIONS),
                );
            }
            return None;
        }
        let Some(object) = value.as_object() else {
            self.found.push(
                Violation::new(at, ViolationCode::WrongType, "a condition is an object")
                    .provided(value)
                    .accepts("forms", forms()),
            );
            return None;
        };
        if object.contains_key("field") || (object.contains_key("op") && object.contains_key("value")) {
            return self.comparison(object, scope, at);
        }
        let Some((name, inner)) = object.iter().find(|(name, _)| RESERVED.contains(&name.as_str())) else {
            return self.short_form(object, scope, at);
        };
        for other in object.keys().filter(|other| *other != name) {
            self.refuse::<()>(
                &step(at, other),
                ViolationCode::UnknownField,
                format!("'{name}' stands alone in its object"),
            );
        }
        let at = &step(at, name);
        match name.as_str() {
            "all" => self.conditions(inner, scope, at, depth).map(Node::All),
            "any" => self.conditions(inner, scope, at, depth).map(Node::Any),
            "not" => self
                .condition(inner, scope, at, depth + 1)
                .map(|node| Node::Not(Box::new(node))),
            "requires" => self.requires(inner, scope, at),
            _ => self.related(inner, scope, at, depth),
        }
    }

    fn conditions(&mut self, value: &Value, scope: Scope<'_>, at: &str, depth: usize) -> Option<Vec<Node>> {
        let Some(items) = value.as_array() else {
            return self.refuse(at, ViolationCode::WrongType, "must be a list of conditions");
        };
        let nodes: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(i, item)| self.condition(item, scope, &format!("{at}/{i}"), depth + 1))
            .collect();
        nodes.into_iter().collect()
    }

    fn requires(&mut self, value: &Value, scope: Scope<'_>, at: &str) -> Option<Node> {
        let Some(names) = value.as_array().filter(|names| !names.is_empty()) else {
            return self.refuse(
                at,
                ViolationCode::WrongType,
                "must be a list of field names, at least one",
            );
        };
        self.conditions += names.len();
        if self.conditions > MAX_CONDITIONS {
            return self.refuse(
                at,
                ViolationCode::TooLong,
                format!("a condition consists of at most {MAX_CONDITIONS} conditions"),
            );
        }
        let tests: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                self.field(name, scope, &format!("{at}/{i}")).map(|field| {
                    Node::Test(Test {
                        field,
                        check: Check::Filled,
                    })
                })
            })
            .collect();
        tests.into_iter().collect::<Option<_>>().map(Node::All)
    }

    fn field(&mut self, name: &Value, scope: Scope<'_>, at: &str) -> Option<Field> {
        let Some(path) = name.as_str() else {
            return self.refuse(at, ViolationCode::WrongType, "must be the name of a field, as text");
        };
        match field::resolve(path, scope) {
            Ok(field) => Some(field),
            Err(violation) => {
                self.found.push(Violation {
                    field: at.to_owned(),
                    ..violation
                });
                None
            }
        }
    }

    fn comparison(&mut self, object: &Map<String, Value>, scope: Scope<'_>, at: &str) -> Option<Node> {
        for other in object
            .keys()
            .filter(|key| !matches!(key.as_str(), "field" | "op" | "value"))
        {
            self.refuse::<()>(
                &step(at, other),
                ViolationCode::UnknownField,
                "a comparison has field, op and value",
            );
        }
        let field = match object.get("field") {
            Some(name) => self.field(name, scope, &step(at, "field")),
            None => self.refuse(
                &step(at, "field"),
                ViolationCode::Required,
                "says which field is compared",
            ),
        };
        let op = match object.get("op") {
            Some(op) => op
                .as_str()
                .or_else(|| self.refuse(&step(at, "op"), ViolationCode::WrongType, "must be a text")),
            None => self.refuse(
                &step(at, "op"),
                ViolationCode::Required,
                "says how to compare, for example eq",
            ),
        };
        let (field, op) = (field?, op?);
        match compare(&field, op, object.get("value").unwrap_or(&Value::Null)) {
            Ok(node) => Some(node),
            Err(wrong) => {
                self.found.extend(wrong.into_iter().map(|v| Violation {
                    field: format!("{at}{}", v.field),
                    ..v
                }));
                None
            }
        }
    }

    /// `{"business_criticality": "Tier 1", "vendor": ["Oracle", "SAP"]}`: all of them, a list meaning any of its values.
    fn short_form(&mut self, object: &Map<String, Value>, scope: Scope<'_>, at: &str) -> Option<Node> {
        if object.is_empty() {
            self.found.push(
                Violation::new(at, ViolationCode::Required, "an empty condition says nothing")
                    .accepts("forms", forms()),
            );
            return None;
        }
        self.conditions += object.len() - 1;
        if self.conditions > MAX_CONDITIONS {
            return self.refuse(
                at,
                ViolationCode::TooLong,
                format!("a condition consists of at most {MAX_CONDITIONS} conditions"),
            );
        }
        let nodes: Vec<_> = object
            .iter()
            .map(|(name, value)| {
                let at = step(at, name);
                let field = self.field(&Value::from(name.as_str()), scope, &at)?;
                let op = match (&field.kind, value) {
                    (_, Value::Array(_)) => "in",
                    (Kind::List(_), _) => "contains",
                    _ => "eq",
                };
                let node = compare(&field, op, value);
                let wrong = match node {
                    Ok(node) => return Some(node),
                    Err(wrong) => wrong,
                };
                let place = |v: &Violation| format!("{at}{}", v.field.strip_prefix("/value").unwrap_or_default());
                self.found
                    .extend(wrong.into_iter().map(|v| Violation { field: place(&v), ..v }));
                None
            })
            .collect();
        let mut nodes: Vec<_> = nodes.into_iter().collect::<Option<_>>()?;
        if nodes.len() == 1 {
            nodes.pop()
        } else {
            Some(Node::All(nodes))
        }
    }

    pub(super) fn name_of(&mut self, value: Option<&Value>, options: &[String], at: &str) -> Option<String> {
        let Some(value) = value else {
            return self.refuse(at, ViolationCode::Required, "is required");
        };
        match operand::typed(&Kind::Choice(options.to_vec()), value, false) {
            Ok(_) => value.as_str().map(str::to_owned),
            Err(violation) => {
                self.found.push(Violation {
                    field: at.to_owned(),
                    ..violation
                });
                None
            }
        }
    }

    pub(super) fn whole(&mut self, value: &Value, at: &str) -> Option<u64> {
        if value.as_u64().is_none() {
            self.found.push(
                Violation::new(at, ViolationCode::WrongType, "must be a whole number, not negative").provided(value),
            );
        }
        value.as_u64()
    }
}

/// One comparison; violations carry their place below it.
pub(super) fn compare(field: &Field, op: &str, value: &Value) -> Result<Node, Vec<Violation>> {
    if !Kind::Untyped.operators().contains(&op) {
        let violation =
            Violation::new("/op", ViolationCode::NotInOptions, "there is no such operator").provided(&Value::from(op));
        return Err(vec![
            violation.accepts("allowed_values", field.kind.operators().to_vec()),
        ]);
    }
    if !field.kind.operators().contains(&op) {
        let message = format!("'{op}' does not fit {}", field.path());
        let violation = Violation::new("/op", ViolationCode::NotAllowedHere, message).provided(&Value::from(op));
        return Err(vec![
            violation.accepts("allowed_values", field.kind.operators().to_vec()),
        ]);
    }
    let one = |value: &Value, part: bool| {
        operand::typed(&field.kind, value, part).map_err(|v| {
            vec![Violation {
                field: "/value".into(),
                ..v
            }]
        })
    };
    let leaf = |check: Check| {
        Node::Test(Test {
            field: field.clone(),
            check,
        })
    };
    let order = |order: Order| one(value, false).map(|operand| leaf(Check::Order(order, operand)));
    Ok(match op {
        "eq" => leaf(Check::In(vec![one(value, false)?])),
        "ne" => Node::Not(Box::new(leaf(Check::In(vec![one(value, false)?])))),
        "lt" => order(Order::Less)?,
        "le" => order(Order::AtMost)?,
        "gt" => order(Order::Greater)?,
        "ge" => order(Order::AtLeast)?,
        "in" => {
            let values = several(&field.kind, value, 1..=MAX_VALUES)?;
            leaf(if matches!(field.kind, Kind::List(_)) {
                Check::Has(values)
            } else {
                Check::In(values)
            })
        }
        "between" => {
            let bounds = several(&field.kind, value, 2..=2)?;
            let checks = bounds
                .into_iter()
                .zip([Order::AtLeast, Order::AtMost])
                .map(|(bound, order)| leaf(Check::Order(order, bound)));
            Node::All(checks.collect())
        }
        "starts_with" | "contains" if matches!(field.kind, Kind::List(_)) => leaf(Check::Has(vec![one(value, false)?])),
        "starts_with" => leaf(Check::StartsWith(part_of_text(&one(value, true)?)?)),
        "contains" => {
            let operand = one(value, true)?;
            match (&field.kind, operand.as_str()) {
                (Kind::Untyped, Some(part)) => {
                    let within = leaf(Check::Contains(part.to_owned()));
                    Node::Any(vec![within, leaf(Check::Has(vec![operand.clone()]))])
                }
                (Kind::Untyped, None) => leaf(Check::Has(vec![operand])),
                _ => leaf(Check::Contains(part_of_text(&operand)?)),
            }
        }
        // `exists`: the list of operators was checked above.
        _ => match value {
            Value::Null | Value::Bool(true) => leaf(Check::Filled),
            Value::Bool(false) => Node::Not(Box::new(leaf(Check::Filled))),
            other => {
                let violation = Violation::new(
                    "/value",
                    ViolationCode::WrongType,
                    "must be true or false, or be left out",
                );
                return Err(vec![violation.provided(other)]);
            }
        },
    })
}

fn several(kind: &Kind, value: &Value, count: std::ops::RangeInclusive<usize>) -> Result<Vec<Value>, Vec<Violation>> {
    let wrong = |code, message: String| Err(vec![Violation::new("/value", code, message).provided(value)]);
    let Some(items) = value.as_array() else {
        return wrong(ViolationCode::WrongType, "must be a list of values".into());
    };
    if items.len() > *count.end() {
        return wrong(ViolationCode::TooLong, format!("has at most {} values", count.end()));
    }
    if items.len() < *count.start() {
        return wrong(
            ViolationCode::Required,
            format!("has at least {} values", count.start()),
        );
    }
    let (mut values, mut found) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match operand::typed(kind, item, false) {
            Ok(value) => values.push(value),
            Err(violation) => found.push(Violation {
                field: format!("/value/{index}"),
                ..violation
            }),
        }
    }
    if found.is_empty() { Ok(values) } else { Err(found) }
}

fn part_of_text(value: &Value) -> Result<String, Vec<Violation>> {
    value.as_str().map(str::to_owned).ok_or_else(|| {
        let violation = Violation::new("/value", ViolationCode::WrongType, "must be a text");
        vec![violation.provided(value)]
    })
}

/// A step of a JSON pointer.
pub(super) fn step(at: &str, name: &str) -> String {
    let shown: String = name.chars().take(100).collect();
    format!("{at}/{}", shown.replace('~', "~0").replace('/', "~1"))
}

fn forms() -> Vec<&'static str> {
    vec![
        r#"{"field": …, "op": …, "value": …}"#,
        r#"{"all": […]}"#,
        r#"{"any": […]}"#,
        r#"{"not": …}"#,
        r#"{"requires": […]}"#,
        r#"{"related": {…}}"#,
    ]
}
