//! Orphans: cards with no relationship of a kind, like applications that support nothing.
//!
//! Reads: the edges of the kind's types at every card of its type.

use serde::Serialize;
use utoipa::ToSchema;

use super::{CardRef, MAX_LIMIT, Metadata};
use crate::graph::{BoundView, Direction, Graph, NodeIx, TypeId, View};

/// A relationship a card of a type should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// How it is asked for.
    pub name: &'static str,
    /// What is wrong with the cards found.
    pub description: &'static str,
    /// The card type; none for every type.
    pub card_type: Option<&'static str>,
    /// One relationship of any of these would do, in the direction from the card; none given: any at all.
    pub any_of: &'static [(&'static str, Direction)],
}

/// The kinds that are asked for by name.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "applications_supporting_nothing",
        description: "Applications that support no capability and no process",
        card_type: Some("Application"),
        any_of: &[("SUPPORTS", Direction::Out)],
    },
    Kind {
        name: "applications_without_owner",
        description: "Applications owned by no organisation",
        card_type: Some("Application"),
        any_of: &[("OWNED_BY", Direction::Out)],
    },
    Kind {
        name: "capabilities_without_application",
        description: "Capabilities that no application supports",
        card_type: Some("BusinessCapability"),
        any_of: &[("SUPPORTS", Direction::In)],
    },
    Kind {
        name: "interfaces_without_consumer",
        description: "Interfaces that nobody consumes",
        card_type: Some("Interface"),
        any_of: &[("CONSUMES", Direction::In)],
    },
    Kind {
        name: "interfaces_without_provider",
        description: "Interfaces that no application provides",
        card_type: Some("Interface"),
        any_of: &[("PROVIDES", Direction::In)],
    },
    Kind {
        name: "components_used_by_nobody",
        description: "Components on which nothing relies and of which no platform consists",
        card_type: Some("ITComponent"),
        any_of: &[("RELIES_ON", Direction::In), ("PART_OF", Direction::Out)],
    },
    Kind {
        name: "data_objects_without_user",
        description: "Data objects that nothing uses and no interface transfers",
        card_type: Some("DataObject"),
        any_of: &[("USES_DATA", Direction::In), ("TRANSFERS", Direction::In)],
    },
    Kind {
        name: "unconnected",
        description: "Cards without any relationship",
        card_type: None,
        any_of: &[],
    },
];

/// Cards that lack something.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Orphans {
    /// In the order asked.
    pub kinds: Vec<OrphansOfKind>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// Cards that lack one kind of relationship.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrphansOfKind {
    /// The kind.
    pub kind: String,
    /// What is wrong with the cards.
    pub description: String,
    /// How many there are.
    pub count: usize,
    /// The cards, by (type, id), up to the limit.
    pub cards: Vec<CardRef>,
}

/// Finds the cards of each kind, at most `limit` of each.
#[must_use]
pub fn orphans<'k>(graph: &Graph, view: &View, kinds: impl IntoIterator<Item = &'k Kind>, limit: usize) -> Orphans {
    let bound = BoundView::new(graph, view, &[]);
    let limit = limit.min(MAX_LIMIT);
    let mut omitted = 0;
    let answered = kinds.into_iter().map(|kind| {
        let mut cards = of_kind(&bound, kind);
        let count = cards.len();
        bound.sort_by_type(&mut cards);
        cards.truncate(limit);
        omitted += count - cards.len();
        let cards = cards.into_iter().map(|card| bound.card_ref(card)).collect();
        OrphansOfKind {
            kind: kind.name.to_owned(),
            description: kind.description.to_owned(),
            count,
            cards,
        }
    });
    let kinds: Vec<OrphansOfKind> = answered.collect();
    let shown = kinds.iter().map(|kind| kind.cards.len()).sum();
    let metadata = Metadata::new(&bound, shown, 0, omitted);
    Orphans { kinds, metadata }
}

fn of_kind(bound: &BoundView<'_>, kind: &Kind) -> Vec<NodeIx> {
    let graph = bound.graph();
    let wanted: Vec<(TypeId, Direction)> = kind
        .any_of
        .iter()
        .filter_map(|(name, direction)| Some((graph.find_type(name)?, *direction)))
        .collect();
    let of_type = kind.card_type.map(|name| graph.find_type(name));
    let has = |card: NodeIx| {
        if kind.any_of.is_empty() {
            return bound.links(card, Direction::Both).next().is_some();
        }
        wanted
            .iter()
            .any(|(of, direction)| bound.links(card, *direction).any(|link| link.record.kind == *of))
    };
    let typed = bound
        .all_cards()
        .filter(|ix| of_type.is_none_or(|of| of == Some(graph.card_type(*ix))));
    typed.filter(|ix| !has(*ix)).collect()
}
