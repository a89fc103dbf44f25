//! What a person may write of a relationship, read and checked.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::RelationshipRow;
use crate::{
    card::{MAX_DESCRIPTION, as_stored},
    error::{Violation, ViolationCode},
    http::fields::{Fields, kind},
    metamodel::{MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_DEPTH},
};

/// The days on which an edge holds, both included; an absent end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// First day.
    pub from: Option<NaiveDate>,
    /// Last day.
    pub to: Option<NaiveDate>,
}

impl Validity {
    /// Whether two intervals share a day.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let starts_before_end = |a: Self, b: Self| match (a.from, b.to) {
            (Some(from), Some(to)) => from <= to,
            _ => true,
        };
        starts_before_end(self, other) && starts_before_end(other, self)
    }
}

/// The writable fields of a relationship.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EdgeDraft {
    /// When it holds.
    pub validity: Validity,
    /// Free text.
    pub description: Option<String>,
    /// Share of the giver's cost, 0 to 1.
    pub allocation_pct: Option<Decimal>,
    /// `dependency`, `redundancy_group`, `access` … and whatever else.
    pub attributes: Map<String, Value>,
}

/// Fields of a relationship's answer that only the server writes.
pub const READ_ONLY: &[&str] = &[
    "id",
    "status",
    "version",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "source_type",
    "target_type",
    "source_name",
    "target_name",
];

impl EdgeDraft {
    /// Reads the writable fields. Everything wrong is left in `fields`.
    pub fn read(fields: &mut Fields) -> Self {
        fields.read_only(READ_ONLY);
        let validity = Validity {
            from: fields.date("valid_from"),
            to: fields.date("valid_to"),
        };
        if let (Some(from), Some(to)) = (validity.from, validity.to)
            && to < from
        {
            fields.refuse(
                "valid_to",
                ViolationCode::DatesOutOfOrder,
                format!("is before valid_from {from}"),
                Some(&json!(to)),
            );
        }
        let description = fields.text("description", MAX_DESCRIPTION).filter(|d| !d.is_empty());
        let allocation_pct = fields.value("allocation_pct").and_then(|value| {
            let share = value.as_number().and_then(|n| {
                let text = n.to_string();
                let exact = text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok());
                // A number that no decimal can hold is far out of range, or nothing.
                exact.or(n
                    .as_f64()
                    .map(|f| if f.abs() > 1.0 { Decimal::MAX } else { Decimal::ZERO }))
            });
            match share {
                Some(share) if (Decimal::ZERO..=Decimal::ONE).contains(&share) => Some(share.round_dp(8).normalize()),
                Some(_) => {
                    fields.refuse(
                        "allocation_pct",
                        ViolationCode::OutOfRange,
                        "must be from 0 to 1 (0.25 is a quarter)",
                        Some(&value),
                    );
                    None
                }
                None => {
                    fields.refuse(
                        "allocation_pct",
                        ViolationCode::WrongType,
                        format!("must be a number from 0 to 1, not {}", kind(&value)),
                        Some(&value),
                    );
                    None
                }
            }
        });
        let mut attributes = fields.object("attributes").unwrap_or_default();
        attributes.values_mut().for_each(as_stored);
        fields.extend(check_attributes(&attributes));
        Self {
            validity,
            description,
            allocation_pct,
            attributes,
        }
    }

    /// The draft as a request body: what a merge patch is applied to.
    #[must_use]
    pub fn to_body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                body.insert(name.to_owned(), value);
            }
        };
        put("valid_from", json!(self.validity.from));
        put("valid_to", json!(self.validity.to));
        put("description", json!(self.description));
        put(
            "allocation_pct",
            self.allocation_pct
                .map_or(Value::Null, |share| json!(f64::try_from(share).unwrap_or_default())),
        );
        put("attributes", Value::Object(self.attributes.clone()));
        body
    }
}

impl From<&RelationshipRow> for EdgeDraft {
    fn from(row: &RelationshipRow) -> Self {
        Self {
            validity: row.validity(),
            description: row.description.clone(),
            allocation_pct: row.allocation_pct.map(|share| share.normalize()),
            attributes: row.attributes.0.clone(),
        }
    }
}

fn check_attributes(attributes: &Map<String, Value>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let whole = Value::Object(attributes.clone());
    if whole.to_string().len() > MAX_ATTRIBUTE_BYTES {
        violations.push(
            Violation::new(
                "attributes",
                ViolationCode::TooLong,
                format!("are larger than {MAX_ATTRIBUTE_BYTES} bytes"),
            )
            .accepts("max_bytes", MAX_ATTRIBUTE_BYTES),
        );
    }
    if depth(&whole) > MAX_ATTRIBUTE_DEPTH + 1 {
        violations.push(
            Violation::new(
                "attributes",
                ViolationCode::TooLong,
                format!("are nested more than {MAX_ATTRIBUTE_DEPTH} deep"),
            )
            .accepts("max_depth", MAX_ATTRIBUTE_DEPTH),
        );
    }
    if contains_nul(&whole) {
        violations.push(Violation::new(
            "attributes",
            ViolationCode::PatternMismatch,
            "must not contain NUL characters",
        ));
    }
    violations
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn contains_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(contains_nul),
        Value::Object(map) => map.iter().any(|(name, v)| name.contains('\0') || contains_nul(v)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Option<NaiveDate> {
        (!text.is_empty()).then(|| text.parse().unwrap())
    }

    #[test]
    fn intervals_include_both_ends() {
        for (a, b, expected) in [
            (("", ""), ("", ""), true),
            (("", "2025-12-31"), ("2026-01-01", ""), false),
            (("", "2026-01-01"), ("2026-01-01", ""), true),
            (("2020-01-01", "2020-12-31"), ("2021-01-01", "2021-12-31"), false),
            (("2020-01-01", ""), ("2019-01-01", "2019-12-31"), false),
            (("2020-01-01", "2022-12-31"), ("2021-01-01", "2021-02-01"), true),
        ] {
            let a = Validity {
                from: day(a.0),
                to: day(a.1),
            };
            let b = Validity {
                from: day(b.0),
                to: day(b.1),
            };
            assert_eq!((a.overlaps(b), b.overlaps(a)), (expected, expected), "{a:?} {b:?}");
        }
    }

    #[test]
    fn shares_and_attributes_are_checked() {
        let body = json!({"allocation_pct": 1.5, "valid_from": "2026-01-02", "valid_to": "2026-01-01", "status": "archived",
            "attributes": {"note": "a\u{0}b"}});
        let mut fields = Fields::new(body.as_object().unwrap().clone());
        EdgeDraft::read(&mut fields);
        let found: Vec<_> = fields.finish().into_iter().map(|v| v.field).collect();
        assert_eq!(found, ["status", "valid_to", "allocation_pct", "attributes"]);
    }
}
