//! Cycles: cards that depend on each other in a circle, as strongly connected components with one example each.
//!
//! The example is the component's shortest cycle, written from its smallest id (ties: the ids that come first). In a
//! component of more than 1,000 cards it is the shortest through the component's smallest id, found in one pass.
//!
//! Reads: all dependencies of all cards.

use std::collections::VecDeque;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    CardRef, MAX_LIMIT, Metadata, PathStep,
    components::{Arrows, components},
};
use crate::graph::{BoundView, EdgeIx, Graph, NodeIx, View};

/// Above this size the example is sought from one card only: from each, it would take the square of the size.
const SEARCHED_WHOLE: usize = 1_000;
/// A component of thousands is told by its first cards and its size.
const CARDS_SHOWN: usize = 200;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Params {
    /// Only hard dependencies make a cycle.
    pub hard_only: bool,
    /// At most this many components.
    pub limit: usize,
}

/// Circles of dependency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Cycles {
    /// By (size, descending; smallest id).
    pub cycles: Vec<CycleComponent>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// Cards each of which depends on every other.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CycleComponent {
    /// How many cards.
    pub size: usize,
    /// The cards, by (type, id); the first 200.
    pub cards: Vec<CardRef>,
    /// One cycle through some of them: each step depends on the next, the last is the first again.
    pub cycle: Vec<PathStep>,
}

/// Finds every component of more than one card.
#[must_use]
pub fn cycles(graph: &Graph, view: &View, params: &Params) -> Cycles {
    let bound = BoundView::new(graph, view, &[]);
    let found = circles(&bound, params.hard_only);
    let total = found.len();
    let shown = found.into_iter().take(params.limit.min(MAX_LIMIT));
    let cycles: Vec<CycleComponent> = shown
        .map(|mut cards| {
            let size = cards.len();
            let cycle = example(&bound, params.hard_only, &cards);
            bound.sort_by_type(&mut cards);
            cards.truncate(CARDS_SHOWN);
            CycleComponent {
                size,
                cards: cards.into_iter().map(|card| bound.card_ref(card)).collect(),
                cycle,
            }
        })
        .collect();
    let cards = cycles.iter().map(|component| component.size).sum();
    let edges = cycles.iter().map(|component| component.cycle.len() - 1).sum();
    let metadata = Metadata::new(&bound, cards, edges, total - cycles.len());
    Cycles { cycles, metadata }
}

/// The components of more than one card, each by id; by (size, descending; smallest id).
fn circles(bound: &BoundView<'_>, hard_only: bool) -> Vec<Vec<NodeIx>> {
    let graph = bound.graph();
    let mut arrows = Arrows::new();
    for card in graph.cards() {
        let counts = bound.accepts(card);
        let dependencies = counts.then(|| bound.dependencies(card).filter(|dep| dep.hard || !hard_only));
        arrows.push(dependencies.into_iter().flatten().map(|dep| dep.other.0));
    }
    let (component, count) = components(&arrows);
    let mut sizes = vec![0u32; count];
    for of in &component {
        sizes[*of as usize] += 1;
    }
    let mut circles: Vec<Vec<NodeIx>> = vec![Vec::new(); count];
    for card in graph.cards() {
        let of = component[card.at()] as usize;
        if sizes[of] > 1 {
            circles[of].push(card);
        }
    }
    circles.retain(|cards| !cards.is_empty());
    for cards in &mut circles {
        cards.sort_by_cached_key(|card| graph.id(*card));
    }
    circles.sort_by_cached_key(|cards| (std::cmp::Reverse(cards.len()), graph.id(cards[0])));
    circles
}

/// The example cycle of a component whose cards come by id.
fn example(bound: &BoundView<'_>, hard_only: bool, cards: &[NodeIx]) -> Vec<PathStep> {
    let mut by_place: Vec<(NodeIx, u32)> = cards.iter().copied().zip(0..).collect();
    by_place.sort_unstable();
    let mut arrows = Arrows::new();
    for card in cards {
        let dependencies = bound.dependencies(*card).filter(|dep| dep.hard || !hard_only);
        let within = dependencies.filter_map(|dep| by_place.binary_search_by_key(&dep.other, |(ix, _)| *ix).ok());
        let mut within: Vec<u32> = within.map(|at| by_place[at].1).collect();
        within.sort_unstable();
        within.dedup();
        arrows.push(within);
    }
    let mut best: Option<Vec<u32>> = None;
    let searched = if cards.len() > SEARCHED_WHOLE { 1 } else { cards.len() };
    for start in 0..searched as u32 {
        let shorter_than = best.as_ref().map_or(usize::MAX, Vec::len);
        if shorter_than == 2 {
            break;
        }
        best = shortest_through(&arrows, start, shorter_than).or(best);
    }
    let places = best.unwrap_or_default();
    let closed = places.iter().chain(places.first()).map(|place| cards[*place as usize]);
    let mut before: Option<NodeIx> = None;
    let steps = closed.map(|card| {
        let via = before.and_then(|before| first_edge(bound, hard_only, before, card));
        before = Some(card);
        bound.path_step(card, via)
    });
    steps.collect()
}

/// The shortest cycle whose smallest vertex is `start`, if it has fewer vertices than given. Breadth first in the order
/// of ids: the first of its length comes first by ids as well.
fn shortest_through(arrows: &Arrows, start: u32, shorter_than: usize) -> Option<Vec<u32>> {
    let mut before = vec![u32::MAX; arrows.len()];
    let mut queue = VecDeque::from([(start, 1)]);
    while let Some((vertex, length)) = queue.pop_front() {
        if length >= shorter_than {
            return None;
        }
        for &to in arrows.of(vertex) {
            if to == start {
                let mut cycle = vec![vertex];
                while let Some(&last) = cycle.last()
                    && last != start
                {
                    cycle.push(before[last as usize]);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if to > start && before[to as usize] == u32::MAX {
                before[to as usize] = vertex;
                queue.push_back((to, length + 1));
            }
        }
    }
    None
}

fn first_edge(bound: &BoundView<'_>, hard_only: bool, from: NodeIx, to: NodeIx) -> Option<EdgeIx> {
    let dependencies = bound
        .dependencies(from)
        .filter(|dep| dep.other == to && (dep.hard || !hard_only));
    dependencies
        .map(|dep| dep.edge)
        .min_by_key(|edge| bound.edge_key(*edge))
}
