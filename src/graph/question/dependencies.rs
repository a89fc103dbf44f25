//! Dependencies: everything a card transitively depends on.
//!
//! Breadth first along dependencies, hard and soft; each card with its shortest path (ties: the ids that come first) and
//! whether a chain of hard dependencies alone leads to it within the same depth. Redundancy groups do not stop the walk:
//! an alternative is depended on too; `group` says that the last step of the path has others beside it.
//!
//! Reads: the dependencies of everything within `max_depth`.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    CardRef, DEFAULT_LIMIT, Label, Metadata, PathStep,
    reach::{Offer, Reach, Reached, Room, in_order},
};
use crate::graph::{BoundView, Graph, NodeIx, Tier, View};

/// What to ask.
#[derive(Clone, Debug)]
pub struct Params {
    /// Whose dependencies.
    pub root: NodeIx,
    /// The longest chain to follow; none for all.
    pub max_depth: Option<u32>,
    /// Follow soft dependencies too.
    pub soft: bool,
    /// At most this many cards.
    pub limit_nodes: usize,
}

impl Params {
    /// Everything the card depends on.
    #[must_use]
    pub fn of(root: NodeIx) -> Self {
        Self {
            root,
            max_depth: None,
            soft: true,
            limit_nodes: DEFAULT_LIMIT,
        }
    }
}

/// Everything a card depends on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Dependencies {
    /// The card.
    pub root: CardRef,
    /// By (depth, type, id).
    pub dependencies: Vec<DependencyCard>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// A card that another depends on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DependencyCard {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
    /// Of applications.
    pub business_criticality: Option<Tier>,
    /// Steps from the root.
    pub depth: u32,
    /// Hard when hard dependencies alone lead to it.
    pub strength: Strength,
    /// The redundancy group of the last step of the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// From the root to the card.
    pub path: Vec<PathStep>,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DependencyStrength)]
pub enum Strength {
    /// Without it the root is down, unless an alternative stands in.
    Hard,
    /// Without it something on the way is degraded.
    Soft,
}

/// Walks down the dependencies.
#[must_use]
pub fn dependencies(graph: &Graph, view: &View, params: &Params) -> Dependencies {
    let bound = BoundView::new(graph, view, &[params.root]);
    let hard = reach(&bound, params, false);
    let all = if params.soft {
        reach(&bound, params, true)
    } else {
        reach(&bound, params, false)
    };
    let reached = &all.reached;
    let mut room = Room::for_cards(params.limit_nodes);
    let places = in_order(&bound, reached, 1.min(reached.len())..reached.len());
    let found = places.len();
    let written = places.into_iter().map_while(|at| {
        let path = room.path(&bound, reached, at)?;
        let Reached { card, depth, from } = reached[at];
        let CardRef { id, name, card_type } = bound.card_ref(card);
        let business_criticality = graph.card(card).business_criticality;
        let strength = if hard.has(card) { Strength::Hard } else { Strength::Soft };
        let group = from
            .and_then(|(_, edge)| bound.group_of(edge))
            .map(|group| group.label(graph));
        Some(DependencyCard {
            id,
            name,
            card_type,
            business_criticality,
            depth,
            strength,
            group,
            path,
        })
    });
    let dependencies: Vec<DependencyCard> = written.collect();
    let shown = dependencies.len();
    let metadata = Metadata::new(&bound, shown + 1, shown, found - shown);
    Dependencies {
        root: bound.card_ref(params.root),
        dependencies,
        metadata,
    }
}

fn reach<'b, 'a>(bound: &'b BoundView<'a>, params: &Params, soft: bool) -> Reach<'b, 'a> {
    let mut reach = Reach::from(bound, &[params.root]);
    let mut level = 0..reach.reached.len();
    let mut depth = 0;
    while !level.is_empty() && params.max_depth.is_none_or(|max| depth < max) {
        depth += 1;
        let mut offers = Vec::new();
        for from in level.clone() {
            let dependencies = bound.dependencies_if(reach.reached[from].card, |other| !reach.has(other));
            let taken = dependencies.filter(|dep| soft || dep.hard);
            offers.extend(taken.map(|dep| Offer {
                card: dep.other,
                from,
                edge: dep.edge,
            }));
        }
        level = level.end..level.end + reach.accept(offers);
    }
    reach
}
