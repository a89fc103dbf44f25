//! The roll-ups of an impact.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Outcome;
use crate::graph::{BoundView, NodeIx, Tier, question::reach::Reached};

/// Roll-ups.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = ImpactSummary)]
pub struct Summary {
    /// Cards down.
    pub down: usize,
    /// Cards degraded.
    pub degraded: usize,
    /// By steps from a root.
    pub by_depth: Vec<DepthCount>,
    /// By card type.
    pub by_type: Vec<TypeCount>,
    /// Applications by criticality; `Unassessed` last.
    pub by_tier: Vec<TierCount>,
    /// Business capabilities down.
    pub capabilities_down: usize,
    /// Business capabilities degraded.
    pub capabilities_degraded: usize,
    /// What everything down costs a year, the roots included, per currency.
    pub annual_cost: Vec<Amount>,
}

/// Counts at one depth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DepthCount {
    /// Steps from a root.
    pub depth: u32,
    /// Cards down.
    pub down: usize,
    /// Cards degraded.
    pub degraded: usize,
}

/// Counts of one card type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TypeCount {
    /// The card type.
    #[serde(rename = "type")]
    pub card_type: String,
    /// Cards down.
    pub down: usize,
    /// Cards degraded.
    pub degraded: usize,
}

/// Counts of one criticality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TierCount {
    /// `Tier 1` to `Tier 4`, or `Unassessed`.
    pub tier: String,
    /// Applications down.
    pub down: usize,
    /// Applications degraded.
    pub degraded: usize,
}

/// Money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// ISO 4217.
    pub currency: String,
    /// Exact.
    #[serde(serialize_with = "exact")]
    #[schema(value_type = f64)]
    pub amount: Decimal,
}

/// A decimal as a JSON number with all its digits.
fn exact<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    match RawValue::from_string(amount.to_string()) {
        Ok(number) => number.serialize(serializer),
        Err(_) => serializer.serialize_str(&amount.to_string()),
    }
}

pub(super) fn summarise(bound: &BoundView<'_>, outcome: &Outcome) -> Summary {
    let graph = bound.graph();
    let application = graph.find_type("Application");
    let capability = graph.find_type("BusinessCapability");
    let mut summary = Summary::default();
    let mut by_depth: BTreeMap<u32, [usize; 2]> = BTreeMap::new();
    let mut by_type: BTreeMap<u32, (NodeIx, [usize; 2])> = BTreeMap::new();
    let mut by_tier: BTreeMap<(bool, Option<Tier>), [usize; 2]> = BTreeMap::new();
    let mut cost: BTreeMap<&str, Decimal> = BTreeMap::new();
    for (at, Reached { card: ix, depth, .. }) in outcome.reached.iter().enumerate() {
        let card = graph.card(*ix);
        if at < outcome.down
            && let Some(price) = &card.annual_cost
        {
            let sum = cost.entry(&price.currency).or_default();
            *sum = sum.checked_add(price.amount).unwrap_or(Decimal::MAX);
        }
        if at < outcome.roots {
            continue;
        }
        let state = usize::from(at >= outcome.down);
        by_depth.entry(*depth).or_default()[state] += 1;
        by_type
            .entry(graph.type_rank(card.card_type))
            .or_insert((*ix, [0; 2]))
            .1[state] += 1;
        if Some(card.card_type) == application {
            let tier = card.business_criticality;
            by_tier.entry((tier.is_none(), tier)).or_default()[state] += 1;
        }
        if Some(card.card_type) == capability {
            let count = [&mut summary.capabilities_down, &mut summary.capabilities_degraded];
            *count.into_iter().nth(state).unwrap_or(&mut 0) += 1;
        }
    }
    summary.down = outcome.down - outcome.roots;
    summary.degraded = outcome.reached.len() - outcome.down;
    let depths = by_depth.into_iter();
    summary.by_depth = depths
        .map(|(depth, [down, degraded])| DepthCount { depth, down, degraded })
        .collect();
    let types = by_type
        .into_values()
        .map(|(ix, counts)| (graph.type_name(graph.card_type(ix)).to_string(), counts));
    summary.by_type = types
        .map(|(card_type, [down, degraded])| TypeCount {
            card_type,
            down,
            degraded,
        })
        .collect();
    let tiers = by_tier
        .into_iter()
        .map(|((_, tier), counts)| (tier.map_or("Unassessed", Tier::as_str), counts));
    summary.by_tier = tiers
        .map(|(tier, [down, degraded])| TierCount {
            tier: tier.to_owned(),
            down,
            degraded,
        })
        .collect();
    let costs = cost.into_iter().map(|(currency, amount)| Amount {
        currency: currency.to_owned(),
        amount,
    });
    summary.annual_cost = costs.collect();
    summary
}
