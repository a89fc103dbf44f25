//! What a few attributes mean to the graph, read once when a card or an edge arrives.

use rust_decimal::Decimal;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{
    input::Dependent,
    model::{Cost, DefaultGroup, Dependency},
};

#[derive(Deserialize)]
struct SubCategory {
    sub_category: Value,
}

/// `attributes.sub_category`: a kind of component whose members stand in for each other in a platform.
pub(super) fn sub_category(attributes: &str) -> Option<String> {
    let SubCategory { sub_category } = read(attributes, "\"sub_category\"")?;
    text(sub_category)
}

#[derive(Deserialize)]
struct WithFinancials<'a> {
    #[serde(borrow)]
    financials: Financials<'a>,
}

#[derive(Deserialize)]
struct Financials<'a> {
    #[serde(borrow)]
    estimated_annual_cost: &'a RawValue,
    currency: String,
}

/// `attributes.financials`: a yearly cost counts when it has an amount and a currency.
pub(super) fn annual_cost(attributes: &str) -> Option<Box<Cost>> {
    if !attributes.contains("\"financials\"") {
        return None;
    }
    let WithFinancials { financials } = serde_json::from_str(attributes).ok()?;
    let amount = decimal(financials.estimated_annual_cost.get())?;
    Some(Box::new(Cost {
        amount,
        currency: financials.currency.into(),
    }))
}

fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim_matches('"');
    text.parse().ok().or_else(|| Decimal::from_scientific(text).ok())
}

#[derive(Default, Deserialize)]
struct EdgeAttributes {
    #[serde(default)]
    dependency: Value,
    #[serde(default)]
    redundancy_group: Value,
}

/// What an edge says of itself: a dependency other than its row's, and the alternatives it belongs to.
pub(super) fn stated(attributes: &str) -> (Option<Dependency>, Option<String>) {
    if !attributes.contains("\"dependency\"") && !attributes.contains("\"redundancy_group\"") {
        return (None, None);
    }
    let said: EdgeAttributes = serde_json::from_str(attributes).unwrap_or_default();
    let dependency = match said.dependency.as_str() {
        Some("hard") => Some(Dependency::Hard),
        Some("soft") => Some(Dependency::Soft),
        Some("none") => Some(Dependency::None),
        _ => None,
    };
    (dependency, text(said.redundancy_group))
}

/// The ontology row gives direction and strength, the edge may override the strength. On a row without direction an edge
/// that states a strength makes its source depend on its target.
pub(super) fn dependency(row: (Dependent, bool), stated: Option<Dependency>) -> (Dependency, bool) {
    let (dependent, hard) = row;
    let by_row = match (dependent, hard) {
        (Dependent::None, _) => Dependency::None,
        (_, true) => Dependency::Hard,
        (_, false) => Dependency::Soft,
    };
    (stated.unwrap_or(by_row), dependent != Dependent::Target)
}

/// The group a hard edge of this type between these types of card belongs to by default.
pub(super) fn default_group(kind: &str, source_type: &str, target_type: &str) -> DefaultGroup {
    match (kind, source_type, target_type) {
        ("SUPPORTS", _, "BusinessCapability" | "BusinessProcess") => DefaultGroup::Supports,
        ("PART_OF", _, "Platform") => DefaultGroup::Parts,
        ("LOCATED_AT", "Platform", _) => DefaultGroup::Sites,
        _ => DefaultGroup::None,
    }
}

fn read<T: DeserializeOwned>(attributes: &str, needle: &str) -> Option<T> {
    // Most attributes do not have the key; looking for it is far cheaper than parsing.
    attributes
        .contains(needle)
        .then(|| serde_json::from_str(attributes).ok())
        .flatten()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_overrides_its_row() {
        use Dependency::{Hard, None as Nothing, Soft};
        let table = [
            ((Dependent::Source, true), None, (Hard, true)),
            ((Dependent::Target, false), None, (Soft, false)),
            ((Dependent::None, false), None, (Nothing, true)),
            ((Dependent::None, false), Some(Hard), (Hard, true)),
            ((Dependent::Target, true), Some(Soft), (Soft, false)),
            ((Dependent::Target, true), Some(Nothing), (Nothing, false)),
        ];
        for (row, said, meaning) in table {
            assert_eq!(dependency(row, said), meaning, "{row:?} {said:?}");
        }
    }

    #[test]
    fn attributes_are_read_with_care() {
        assert_eq!(
            sub_category(r#"{"sub_category":"Database"}"#).as_deref(),
            Some("Database")
        );
        assert_eq!(sub_category(r#"{"sub_category":""}"#), None);
        assert_eq!(sub_category(r#"{"sub_category":3}"#), None);
        assert_eq!(sub_category(r#"{"x":"#), None);
        assert_eq!(
            stated(r#"{"dependency":"hard","redundancy_group":"g"}"#),
            (Some(Dependency::Hard), Some("g".into()))
        );
        assert_eq!(stated(r#"{"dependency":"much","redundancy_group":7}"#), (None, None));
        let cost = annual_cost(r#"{"financials":{"estimated_annual_cost":1200.10,"currency":"EUR"},"x":[1]}"#).unwrap();
        assert_eq!((cost.amount.to_string().as_str(), &*cost.currency), ("1200.10", "EUR"));
        assert_eq!(
            annual_cost(r#"{"financials":{"estimated_annual_cost":1e6,"currency":"EUR"}}"#)
                .unwrap()
                .amount,
            1_000_000.into()
        );
        assert_eq!(annual_cost(r#"{"financials":{"currency":"EUR"}}"#), None);
    }
}
