//! Facets: how many of the cards a query finds have which value of a field.
//!
//! Counted in memory where columns of the card decide ([`graph`](crate::graph)), else by the database ([`store`]); both
//! fill the same [`Tally`].

pub mod store;

use std::{cmp::Reverse, collections::HashMap};

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::list::CardQuery;
use crate::{
    condition::{Field, Scope},
    error::{Violation, ViolationCode},
};

/// The facets counted when none is named.
pub const USUAL: [&str; 6] = [
    "type",
    "lifecycle_phase",
    "tags",
    "business_criticality",
    "functional_fit",
    "technical_fit",
];
/// How many facets one request may ask for.
pub const MOST: usize = 20;
/// How many values of a facet are listed unless asked otherwise, and at most.
pub const TOP: (usize, usize) = (20, 500);

/// A field whose values are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Facet {
    /// The card type.
    Type,
    /// The phase on the date.
    Phase,
    /// Each tag.
    Tags,
    /// The tier.
    Criticality,
    /// 1..4
    FunctionalFit,
    /// 1..4
    TechnicalFit,
    /// An attribute by the steps of its path; of a list each item.
    Attribute(Vec<String>),
}

impl Facet {
    /// The facet of that name.
    pub fn parse(name: &str, scope: Scope<'_>) -> Result<Self, Violation> {
        Ok(match name {
            "type" => Self::Type,
            "lifecycle_phase" => Self::Phase,
            "tags" => Self::Tags,
            "business_criticality" => Self::Criticality,
            "functional_fit" => Self::FunctionalFit,
            "technical_fit" => Self::TechnicalFit,
            _ => {
                let field = Field::resolve(name, scope)?;
                let Some(steps) = field.countable_attribute() else {
                    let message = format!("values of {} cannot be counted", field.path());
                    return Err(Violation::new("", ViolationCode::NotAllowedHere, message)
                        .provided(&Value::from(name))
                        .accepts("facets", USUAL.to_vec()));
                };
                Self::Attribute(steps.to_vec())
            }
        })
    }

    /// Its name: `type`, `attributes.vendor` …
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Type => "type".into(),
            Self::Phase => "lifecycle_phase".into(),
            Self::Tags => "tags".into(),
            Self::Criticality => "business_criticality".into(),
            Self::FunctionalFit => "functional_fit".into(),
            Self::TechnicalFit => "technical_fit".into(),
            Self::Attribute(steps) => format!("attributes.{}", steps.join(".")),
        }
    }
}

/// What is counted and how it is shown.
pub struct Wanted {
    /// The facets, each once.
    pub facets: Vec<Facet>,
    /// How many values of each are listed.
    pub top: usize,
    /// Each facet is counted as if the query did not filter by it, so that a person can add a second value.
    pub multi_select: bool,
}

impl Wanted {
    /// The facets to be counted under the whole query, and those to be counted without the filter on themselves.
    #[must_use]
    pub fn split(&self, query: &CardQuery) -> (Vec<Facet>, Vec<Facet>) {
        let own = |facet: &Facet| self.multi_select && query.filters_by(&facet.name());
        self.facets.iter().cloned().partition(|facet| !own(facet))
    }
}

/// The counts of one facet.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    values: HashMap<String, (Value, u64)>,
    missing: u64,
}

impl Counts {
    /// Adds cards that have this value; of a list each item counts once. Nothing, and what is neither a text nor a number
    /// nor true nor false, counts as missing.
    pub fn add(&mut self, value: &Value, cards: u64) {
        match value {
            Value::Array(items) => {
                let mut distinct: Vec<Value> = items.iter().filter_map(scalar).collect();
                distinct.sort_by_cached_key(Value::to_string);
                distinct.dedup();
                if distinct.is_empty() {
                    self.missing += cards;
                }
                for item in distinct {
                    self.put(item, cards);
                }
            }
            other => match scalar(other) {
                Some(value) => self.put(value, cards),
                None => self.missing += cards,
            },
        }
    }

    fn put(&mut self, value: Value, cards: u64) {
        self.values.entry(value.to_string()).or_insert((value, 0)).1 += cards;
    }

    fn view(self, facet: &Facet, top: usize) -> FacetView {
        let mut values: Vec<FacetValue> = self
            .values
            .into_values()
            .map(|(value, count)| FacetValue { value, count })
            .collect();
        values.sort_by_cached_key(|one| (Reverse(one.count), one.value.to_string()));
        let rest = values.split_off(top.min(values.len()));
        FacetView {
            facet: facet.name(),
            values,
            others: Others {
                values: rest.len(),
                count: rest.iter().map(|one| one.count).sum(),
            },
            missing: self.missing,
        }
    }
}

/// Whole numbers are one value however they are written.
fn scalar(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) | Value::Bool(_) => Some(value.clone()),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
            Some(whole.map_or_else(|| value.clone(), |n| Value::from(n as i64)))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What counting under one set of filters found.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many cards there are.
    pub total: u64,
    /// The counts of each facet, in the order asked for.
    pub counts: Vec<Counts>,
}

/// How many cards have which values.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Facets {
    /// How many cards the whole query finds.
    pub total_items: u64,
    /// The date that lifecycle phases and relationships were looked at.
    pub target_date: NaiveDate,
    /// The facets, in the order asked for.
    pub facets: Vec<FacetView>,
}

/// The counts of one facet.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FacetView {
    /// The field: `type`, `tags`, `attributes.vendor` …
    pub facet: String,
    /// The most frequent values, ties in order of the value.
    pub values: Vec<FacetValue>,
    /// What `top` left out.
    pub others: Others,
    /// How many cards have no value that can be counted.
    pub missing: u64,
}

/// A value and how many cards have it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FacetValue {
    /// A text, a number, true or false.
    pub value: Value,
    /// How many cards; a card with several tags counts for each.
    pub count: u64,
}

/// Values that are not listed.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Others {
    /// How many values.
    pub values: usize,
    /// The sum of their counts.
    pub count: u64,
}

impl Facets {
    /// The answer; `parts` are facets with the tally they were counted in.
    #[must_use]
    pub fn new(total: u64, on: NaiveDate, wanted: &Wanted, parts: Vec<(Vec<Facet>, Tally)>) -> Self {
        let mut counted: Vec<(Facet, Counts)> = parts
            .into_iter()
            .flat_map(|(facets, tally)| facets.into_iter().zip(tally.counts))
            .collect();
        counted.sort_by_key(|(facet, _)| wanted.facets.iter().position(|other| other == facet));
        let facets = counted
            .into_iter()
            .map(|(facet, counts)| counts.view(&facet, wanted.top));
        Self {
            total_items: total,
            target_date: on,
            facets: facets.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_counted_by_what_they_mean() {
        let mut counts = Counts::default();
        for (value, cards) in [
            (json!("a"), 2),
            (json!(1), 3),
            (json!(1.0), 4),
            (json!(null), 1),
            (json!({"amount": 1}), 1),
            (json!(["a", "b", "b", null]), 5),
            (json!([]), 6),
            (json!(true), 1),
        ] {
            counts.add(&value, cards);
        }
        let view = counts.view(&Facet::Tags, 3);
        let values: Vec<_> = view.values.iter().map(|v| (v.value.clone(), v.count)).collect();
        assert_eq!(values, [(json!("a"), 7), (json!(1), 7), (json!("b"), 5)]);
        assert_eq!((view.others.values, view.others.count, view.missing), (1, 1, 8));
    }
}
