//! Fan-in and fan-out: how many distinct cards directly depend on a card, and on how many it directly depends.
//!
//! Hard or soft, any relationship type. An application's own interfaces (what it PROVIDES) count neither way; in its
//! fan-in their consumers (dependents by CONSUMES) count instead, except the application itself.
//!
//! Reads: the edges of the card, and of an application's interfaces; without a card, all edges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CardRef, Label, MAX_LIMIT, Metadata};
use crate::graph::{BoundView, Graph, NodeIx, TypeId, View};

/// Which way to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fan {
    /// What depends on the card.
    In,
    /// What the card depends on.
    Out,
}

/// The smallest count of each level above low.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// From here moderate.
    pub moderate: usize,
    /// From here high.
    pub high: usize,
    /// From here critical.
    pub critical: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            moderate: 6,
            high: 20,
            critical: 50,
        }
    }
}

/// How much a count says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// 0 to 5.
    Low,
    /// 6 to 19.
    Moderate,
    /// 20 to 49.
    High,
    /// 50 and more.
    Critical,
}

impl Thresholds {
    /// The level of a count.
    #[must_use]
    pub fn level(self, count: usize) -> Level {
        match count {
            _ if count >= self.critical => Level::Critical,
            _ if count >= self.high => Level::High,
            _ if count >= self.moderate => Level::Moderate,
            _ => Level::Low,
        }
    }
}

/// The fan of one card.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FanOfCard {
    /// The card.
    pub card: CardRef,
    /// Which way it was counted.
    pub direction: Fan,
    /// Distinct cards.
    pub count: usize,
    /// How much that is.
    pub level: Level,
    /// The count by card type.
    pub by_type: BTreeMap<String, usize>,
    /// The cards counted, by (type, id).
    pub cards: Vec<CardRef>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// Cards ranked by their fan.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FanRanking {
    /// Which way it was counted.
    pub direction: Fan,
    /// By (count, descending; type; id).
    pub items: Vec<RankedCard>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// One card of a ranking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RankedCard {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
    /// Distinct cards.
    pub count: usize,
    /// How much that is.
    pub level: Level,
}

/// Counts for many cards with one mark per card, not a set for each.
pub struct Counter<'b, 'a> {
    bound: &'b BoundView<'a>,
    application: Option<TypeId>,
    provides: Option<TypeId>,
    consumes: Option<TypeId>,
    marks: Vec<u32>,
    round: u32,
    counted: Vec<NodeIx>,
}

impl<'b, 'a> Counter<'b, 'a> {
    /// A counter over one view.
    #[must_use]
    pub fn new(bound: &'b BoundView<'a>) -> Self {
        let graph = bound.graph();
        Self {
            bound,
            application: graph.find_type("Application"),
            provides: graph.find_type("PROVIDES"),
            consumes: graph.find_type("CONSUMES"),
            marks: vec![0; graph.card_count()],
            round: 0,
            counted: Vec::new(),
        }
    }

    /// The distinct cards in the fan of one, in no order.
    pub fn count(&mut self, card: NodeIx, fan: Fan) -> &[NodeIx] {
        self.counted.clear();
        self.round += 1;
        self.marks[card.at()] = self.round;
        let bound = self.bound;
        if Some(bound.graph().card_type(card)) == self.application && self.provides.is_some() {
            self.own_interfaces(card, fan);
        }
        match fan {
            Fan::In => bound.dependents(card).for_each(|dep| self.add(dep.other)),
            Fan::Out => bound.dependencies(card).for_each(|dep| self.add(dep.other)),
        }
        &self.counted
    }

    fn add(&mut self, card: NodeIx) {
        if std::mem::replace(&mut self.marks[card.at()], self.round) != self.round {
            self.counted.push(card);
        }
    }

    /// Marks the application's own interfaces without counting them, and counts their consumers.
    fn own_interfaces(&mut self, application: NodeIx, fan: Fan) {
        let (bound, provides, consumes) = (self.bound, self.provides, self.consumes);
        let own = bound
            .out(application)
            .filter(|link| Some(link.record.kind) == provides)
            .map(|link| link.other);
        let own: Vec<NodeIx> = own.collect();
        for interface in &own {
            self.marks[interface.at()] = self.round;
        }
        if fan == Fan::In {
            for interface in own {
                let dependents = bound
                    .dependents(interface)
                    .filter(|dep| Some(dep.record.kind) == consumes);
                dependents.for_each(|dep| self.add(dep.other));
            }
        }
    }
}

/// The fan of one card.
#[must_use]
pub fn fan_of_card(
    graph: &Graph,
    view: &View,
    card: NodeIx,
    fan: Fan,
    thresholds: Thresholds,
    limit: usize,
) -> FanOfCard {
    let bound = BoundView::new(graph, view, &[card]);
    let mut counter = Counter::new(&bound);
    let mut cards = counter.count(card, fan).to_vec();
    let count = cards.len();
    let mut by_type = BTreeMap::new();
    for counted in &cards {
        *by_type
            .entry(graph.type_name(graph.card_type(*counted)).to_string())
            .or_insert(0) += 1;
    }
    bound.sort_by_type(&mut cards);
    cards.truncate(limit.min(MAX_LIMIT));
    let metadata = Metadata::new(&bound, cards.len() + 1, cards.len(), count - cards.len());
    let cards = cards.into_iter().map(|counted| bound.card_ref(counted)).collect();
    let level = thresholds.level(count);
    FanOfCard {
        card: bound.card_ref(card),
        direction: fan,
        count,
        level,
        by_type,
        cards,
        metadata,
    }
}

/// Cards with the largest fan, of one type (`Some(None)`: of a type the graph never met) or of all.
#[must_use]
pub fn fan_ranking(
    graph: &Graph,
    view: &View,
    of_type: Option<Option<TypeId>>,
    fan: Fan,
    thresholds: Thresholds,
    limit: usize,
) -> FanRanking {
    let bound = BoundView::new(graph, view, &[]);
    let mut counter = Counter::new(&bound);
    let cards = bound
        .all_cards()
        .filter(|ix| of_type.is_none_or(|of| of == Some(graph.card_type(*ix))));
    let mut ranked: Vec<(NodeIx, usize)> = cards.map(|ix| (ix, counter.count(ix, fan).len())).collect();
    let total = ranked.len();
    ranked.sort_by_cached_key(|(ix, count)| (std::cmp::Reverse(*count), bound.type_key(*ix)));
    ranked.truncate(limit.min(MAX_LIMIT));
    let metadata = Metadata::new(&bound, ranked.len(), 0, total - ranked.len());
    let items = ranked.into_iter().map(|(ix, count)| {
        let CardRef { id, name, card_type } = bound.card_ref(ix);
        RankedCard {
            id,
            name,
            card_type,
            count,
            level: thresholds.level(count),
        }
    });
    FanRanking {
        direction: fan,
        items: items.collect(),
        metadata,
    }
}
