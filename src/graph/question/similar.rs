//! Which cards are like one, why, and what they have that it lacks.
//!
//! A score is 70 % tags, 20 % attributes, 10 % neighbours, each from 0 (nothing in common) to 1 (the same):
//!
//! * tags: those that both cards have, as a share of those that either has (the index of Jaccard);
//! * attributes: those with equal values in both, as a share of those that either has; members of objects count one by one,
//!   a list as one value, blank values and `external_ids` not at all;
//! * neighbours: the same card, reached by the same type of relationship in the same direction, as a share of those that
//!   either has.
//!
//! Two cards without any tags have no tags in common, and likewise for the rest.
//!
//! Reads: the cards of the types asked for, and what lies two steps around the card.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use serde::Serialize;
use utoipa::ToSchema;

use super::{CardRef, Label, Metadata};
use crate::graph::{BoundView, Direction, Graph, NodeIx, TypeId, TypeSet, View};

const TAGS: f64 = 0.7;
const ATTRIBUTES: f64 = 0.2;
const NEIGHBOURS: f64 = 0.1;
/// At most this many relationships are suggested.
const MAX_SUGGESTIONS: usize = 20;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Only cards of these types.
    pub types: TypeSet,
    /// At most this many.
    pub limit: usize,
    /// None below this score, 0 to 1.
    pub min_score: f64,
}

/// The cards like one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SimilarCards {
    /// The card.
    pub card: CardRef,
    /// Those like it, the most alike first, among equals by name.
    pub similar: Vec<SimilarCard>,
    /// Relationships that at least two of them have and the card has not, the most frequent first.
    pub suggestions: Vec<Suggestion>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// A card like another.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SimilarCard {
    /// The card.
    pub card: CardRef,
    /// 0 to 1: the sum of the weighted parts.
    pub score: f64,
    /// What it is made of.
    pub parts: Parts,
}

/// The parts of a score.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Parts {
    /// Tags in common, 70 %.
    pub tags: Share,
    /// Equal attributes, 20 %.
    pub attributes: Share,
    /// The same neighbours, 10 %.
    pub neighbours: Share,
}

/// One part of a score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Share {
    /// How many both have.
    pub shared: usize,
    /// How many either has.
    pub of: usize,
    /// One as a share of the other, 0 to 1; 0 when neither has any.
    pub value: f64,
    /// What it adds to the score.
    pub weighted: f64,
}

/// A relationship that similar cards have.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Suggestion {
    /// The relationship type, for example `RELIES_ON`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Label,
    /// `out` from the card, or `in` towards it.
    pub direction: Direction,
    /// The card at the other end.
    pub card: CardRef,
    /// How many of the similar cards have it.
    pub count: usize,
}

/// A neighbour: the type of the relationship, whether it leads there, and the card.
type Neighbour = (TypeId, bool, NodeIx);

impl Parts {
    fn score(&self) -> f64 {
        self.tags.weighted + self.attributes.weighted + self.neighbours.weighted
    }
}

impl Share {
    fn new(weight: f64, shared: usize, of: usize) -> Self {
        let value = if of == 0 { 0.0 } else { shared as f64 / of as f64 };
        Self {
            shared,
            of,
            value,
            weighted: weight * value,
        }
    }
}

/// A card before it is looked at closely; the most promising first.
struct Candidate {
    /// What its score is at most.
    most: f64,
    card: NodeIx,
    shared_neighbours: u32,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.most.total_cmp(&other.most)
    }
}

/// A score counts as below another only when it is so by more than adding up in another order can make.
const NOISE: f64 = 1e-9;

/// The cards like `card`; `allowed` says whether a suggested relationship could be made (source, type, target).
#[must_use]
pub fn similar(
    graph: &Graph,
    view: &View,
    card: NodeIx,
    asked: &Asked,
    allowed: impl Fn(&str, &str, &str) -> bool,
) -> SimilarCards {
    let bound = BoundView::new(graph, view, &[card]);
    let own = neighbours(&bound, card);
    let candidates = candidates(&bound, card, asked, &own);
    let similar = best(&bound, card, asked, own.len(), candidates);
    let suggestions = suggestions(&bound, card, &own, &similar, allowed);
    SimilarCards {
        card: bound.card_ref(card),
        metadata: Metadata::new(&bound, similar.len(), 0, 0),
        similar: similar
            .into_iter()
            .map(|(other, score, parts)| SimilarCard {
                card: bound.card_ref(other),
                score,
                parts,
            })
            .collect(),
        suggestions,
    }
}

fn neighbours(bound: &BoundView<'_>, card: NodeIx) -> HashSet<Neighbour> {
    let links = bound.links(card, Direction::Both);
    links
        .map(|link| (link.record.kind, link.outgoing, link.other))
        .collect()
}

/// How many of these neighbours each card has, too, by the card's place.
fn sharers(bound: &BoundView<'_>, own: &HashSet<Neighbour>) -> Vec<u32> {
    // The count, and the neighbour it was last raised for: two cards may be joined more than once.
    let mut met = vec![(0, 0); bound.graph().card_count()];
    for (at, (kind, outgoing, other)) in (1u32..).zip(own) {
        let back = if *outgoing { Direction::In } else { Direction::Out };
        for link in bound.links(*other, back).filter(|link| link.record.kind == *kind) {
            let (count, last) = &mut met[link.other.at()];
            *count += u32::from(*last != at);
            *last = at;
        }
    }
    met.into_iter().map(|(count, _)| count).collect()
}

/// Every card that may be like it, with what its score is at most: all of it from what lies next to each other in memory,
/// because most cards are not looked at again.
fn candidates(bound: &BoundView<'_>, card: NodeIx, asked: &Asked, own: &HashSet<Neighbour>) -> BinaryHeap<Candidate> {
    let graph = bound.graph();
    let sharers = sharers(bound, own);
    let tags: Vec<u64> = graph.card(card).tags.iter().map(|tag| tag.bit()).collect();
    let mut found = Vec::new();
    for other in graph.cards() {
        if other == card || !asked.types.contains(graph.card_type(other)) || !bound.accepts(other) {
            continue;
        }
        // Two tags may have the same bit: no more are shared than these, and there are no fewer than those.
        let bits = graph.node(other).tag_bits;
        let shared = tags.iter().filter(|bit| bits & **bit != 0).count();
        let theirs = (bits.count_ones() as usize).max(shared);
        let tags = Share::new(TAGS, shared, tags.len() + theirs - shared);
        let shared_neighbours = sharers[other.at()];
        // They have at least those, so that either has at least as many as the card.
        let neighbours = Share::new(NEIGHBOURS, shared_neighbours as usize, own.len());
        let most = tags.weighted + neighbours.weighted + ATTRIBUTES;
        if most + NOISE >= asked.min_score {
            found.push(Candidate {
                most,
                card: other,
                shared_neighbours,
            });
        }
    }
    found.into()
}

/// Looks closely only as long as that can still bring somebody among the best.
fn best(
    bound: &BoundView<'_>,
    card: NodeIx,
    asked: &Asked,
    neighbour_count: usize,
    mut candidates: BinaryHeap<Candidate>,
) -> Vec<(NodeIx, f64, Parts)> {
    let graph = bound.graph();
    let own = graph.card(card).leaves();
    let own_tags = &graph.card(card).tags;
    let mut scores: BinaryHeap<Reverse<Ordered>> = BinaryHeap::new();
    let mut found = Vec::new();
    while let Some(candidate) = candidates.pop() {
        let least = scores.peek().filter(|_| scores.len() == asked.limit);
        let least = least.map_or(asked.min_score, |least| least.0.0.max(asked.min_score)) - NOISE;
        if candidate.most < least {
            break;
        }
        let other = graph.card(candidate.card);
        let shared = other.tags.iter().filter(|tag| own_tags.contains(tag)).count();
        let tags = Share::new(TAGS, shared, own_tags.len() + other.tags.len() - shared);
        let shared = candidate.shared_neighbours as usize;
        let neighbours = Share::new(NEIGHBOURS, shared, neighbour_count);
        if tags.weighted + ATTRIBUTES + neighbours.weighted < least {
            continue;
        }
        let attributes = compare(own, other.leaves());
        if tags.weighted + attributes.weighted + neighbours.weighted < least {
            continue;
        }
        let mut parts = Parts {
            tags,
            attributes,
            neighbours,
        };
        if shared > 0 {
            count_neighbours(bound, candidate.card, neighbour_count, &mut parts);
        }
        let score = parts.score();
        if score < asked.min_score || score == 0.0 || score < least {
            continue;
        }
        found.push((candidate.card, score, parts));
        scores.push(Reverse(Ordered(score)));
        if scores.len() > asked.limit {
            scores.pop();
        }
    }
    let name = |card: NodeIx| (graph.card(card).name_key(), graph.id(card));
    found.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| name(a.0).cmp(&name(b.0))));
    found.truncate(asked.limit);
    for (card, _, parts) in &mut found {
        count_neighbours(bound, *card, neighbour_count, parts);
    }
    found
}

/// How many neighbours either has: counted late, because the score of a card that shares none does not depend on it.
fn count_neighbours(bound: &BoundView<'_>, card: NodeIx, own: usize, parts: &mut Parts) {
    let theirs = neighbours(bound, card).len();
    let shared = parts.neighbours.shared;
    parts.neighbours = Share::new(NEIGHBOURS, shared, own + theirs - shared);
}

/// A score, ordered.
struct Ordered(f64);

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// How many values both have, equal ones, and how many either has.
fn compare(own: &[(u32, u32)], theirs: &[(u32, u32)]) -> Share {
    let (mut mine, mut other) = (own.iter().peekable(), theirs.iter().peekable());
    let (mut both, mut equal) = (0, 0);
    while let (Some(a), Some(b)) = (mine.peek(), other.peek()) {
        let order = a.0.cmp(&b.0);
        if order.is_eq() {
            both += 1;
            equal += usize::from(a.1 == b.1);
        }
        if order.is_le() {
            mine.next();
        }
        if order.is_ge() {
            other.next();
        }
    }
    Share::new(ATTRIBUTES, equal, own.len() + theirs.len() - both)
}

fn suggestions(
    bound: &BoundView<'_>,
    card: NodeIx,
    own: &HashSet<Neighbour>,
    similar: &[(NodeIx, f64, Parts)],
    allowed: impl Fn(&str, &str, &str) -> bool,
) -> Vec<Suggestion> {
    let graph = bound.graph();
    let mut counts: HashMap<Neighbour, usize> = HashMap::new();
    for (other, ..) in similar {
        for neighbour in neighbours(bound, *other) {
            if !own.contains(&neighbour) && neighbour.2 != card {
                *counts.entry(neighbour).or_default() += 1;
            }
        }
    }
    let type_of = |node| &**graph.type_name(graph.card_type(node));
    let possible = |(kind, outgoing, other): &Neighbour| {
        let kind = graph.type_name(*kind);
        if *outgoing {
            allowed(type_of(card), kind, type_of(*other))
        } else {
            allowed(type_of(*other), kind, type_of(card))
        }
    };
    let mut found: Vec<(Neighbour, usize)> = counts
        .into_iter()
        .filter(|(neighbour, count)| *count > 1 && possible(neighbour))
        .collect();
    let order = |((kind, outgoing, other), count): &(Neighbour, usize)| {
        let name = graph.card(*other).name_key();
        (
            Reverse(*count),
            graph.type_rank(*kind),
            !outgoing,
            name,
            graph.id(*other),
        )
    };
    found.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
    found.truncate(MAX_SUGGESTIONS);
    found
        .into_iter()
        .map(|((kind, outgoing, other), count)| Suggestion {
            kind: Label(std::sync::Arc::clone(graph.type_name(kind))),
            direction: if outgoing { Direction::Out } else { Direction::In },
            card: bound.card_ref(other),
            count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_nothing_are_nothing() {
        assert!(Share::new(TAGS, 0, 0).weighted.abs() < 1e-12);
        assert!((Share::new(TAGS, 1, 2).weighted - 0.35).abs() < 1e-12);
    }
}
