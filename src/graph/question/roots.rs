//! Which cards fail when a place, a provider or a platform does: roots for an impact, to be united with those named.
//!
//! Reads: PARENT_OF below the location and LOCATED_AT into each; PROVIDED_BY into the provider; PART_OF and HOSTED_ON
//! into the platform.

use super::{NodeSet, Predicate};
use crate::graph::{BoundView, Graph, NodeIx, TypeId};

/// Components and platforms LOCATED_AT the location or one below it.
#[must_use]
pub fn at_location(bound: &BoundView<'_>, location: NodeIx) -> Vec<NodeIx> {
    let graph = bound.graph();
    let (parent_of, located_at) = (graph.find_type("PARENT_OF"), graph.find_type("LOCATED_AT"));
    let failing = [graph.find_type("ITComponent"), graph.find_type("Platform")];
    let seen = NodeSet::new(graph);
    seen.insert(location);
    let mut locations = vec![location];
    let mut next = 0;
    while let Some(at) = locations.get(next).copied() {
        next += 1;
        let below = bound
            .out(at)
            .filter(|link| Some(link.record.kind) == parent_of && seen.insert(link.other));
        let below: Vec<NodeIx> = below.map(|link| link.other).collect();
        locations.extend(below);
    }
    let there = locations.iter().flat_map(|at| into(bound, *at, located_at));
    there
        .filter(|ix| failing.contains(&Some(graph.card_type(*ix))))
        .collect()
}

/// What is PROVIDED_BY the provider.
#[must_use]
pub fn of_provider(bound: &BoundView<'_>, provider: NodeIx) -> Vec<NodeIx> {
    into(bound, provider, bound.graph().find_type("PROVIDED_BY")).collect()
}

/// The platform, what is PART_OF it and what is HOSTED_ON it.
#[must_use]
pub fn on_platform(bound: &BoundView<'_>, platform: NodeIx) -> Vec<NodeIx> {
    let graph = bound.graph();
    let parts = into(bound, platform, graph.find_type("PART_OF"));
    [platform]
        .into_iter()
        .chain(parts)
        .chain(into(bound, platform, graph.find_type("HOSTED_ON")))
        .collect()
}

/// Cards that match a condition, present on the view's date.
#[must_use]
pub fn matching(bound: &BoundView<'_>, condition: Predicate<'_>) -> Vec<NodeIx> {
    let graph: &Graph = bound.graph();
    bound.all_cards().filter(|ix| condition(graph, *ix)).collect()
}

fn into(bound: &BoundView<'_>, card: NodeIx, kind: Option<TypeId>) -> impl Iterator<Item = NodeIx> {
    bound
        .inc(card)
        .filter(move |link| Some(link.record.kind) == kind)
        .map(|link| link.other)
}
