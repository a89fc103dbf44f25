//! Hierarchy: the PARENT_OF tree of a card type, or below one card.
//!
//! A card whose parent is absent on the date stands at the top. Siblings come by (name, id).
//!
//! Reads: PARENT_OF among the cards of the type, or below the root.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CardRef, DEFAULT_LIMIT, Label, MAX_LIMIT, Metadata, NodeSet};
use crate::graph::{BoundView, Graph, NodeIx, TypeId, View};

/// Nested answers are written by recursion, so their depth has an end.
const MAX_DEPTH: u32 = 50;

/// Where to start.
#[derive(Clone, Debug)]
pub enum Top {
    /// One card.
    Card(NodeIx),
    /// Every card of a type that has no parent; none when the graph never met the type.
    OfType(Option<TypeId>),
}

/// What to ask.
#[derive(Clone, Debug)]
pub struct Params {
    /// Where to start.
    pub top: Top,
    /// How many levels below the top, at most 50.
    pub max_depth: u32,
    /// At most this many cards, the upper levels first.
    pub limit_nodes: usize,
}

impl Params {
    /// The whole tree.
    #[must_use]
    pub fn below(top: Top) -> Self {
        Self {
            top,
            max_depth: MAX_DEPTH,
            limit_nodes: DEFAULT_LIMIT,
        }
    }
}

/// Trees.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Hierarchy {
    /// By (name, id).
    pub roots: Vec<TreeNode>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// A card with what is below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TreeNode {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
    /// Levels below the top.
    pub depth: u32,
    /// How many cards are directly below it, whether or not a limit left them out.
    pub child_count: usize,
    /// By (name, id).
    #[schema(no_recursion)]
    pub children: Vec<TreeNode>,
}

/// A card of the tree, its parent's place, and how many children it has.
struct Placed {
    card: NodeIx,
    parent: Option<usize>,
    depth: u32,
    child_count: usize,
}

/// Builds the tree level by level, so that a limit cuts the lowest levels.
#[must_use]
pub fn hierarchy(graph: &Graph, view: &View, params: &Params) -> Hierarchy {
    let roots = if let Top::Card(root) = params.top {
        vec![root]
    } else {
        Vec::new()
    };
    let bound = BoundView::new(graph, view, &roots);
    let parent_of = graph.find_type("PARENT_OF");
    let seen = NodeSet::new(graph);
    let mut tops = match params.top {
        Top::Card(root) => Vec::from_iter(bound.accepts(root).then_some(root)),
        Top::OfType(of) => tops(&bound, of, parent_of),
    };
    sort_by_name(graph, &mut tops);
    for top in &tops {
        seen.insert(*top);
    }
    let limit = params.limit_nodes.min(MAX_LIMIT);
    let mut omitted = tops.len().saturating_sub(limit);
    tops.truncate(limit);
    let mut placed: Vec<Placed> = tops
        .into_iter()
        .map(|card| Placed {
            card,
            parent: None,
            depth: 0,
            child_count: 0,
        })
        .collect();
    let max_depth = params.max_depth.min(MAX_DEPTH);
    let mut cut = false;
    let mut next = 0;
    while next < placed.len() {
        let (card, depth) = (placed[next].card, placed[next].depth + 1);
        let below = bound
            .out(card)
            .filter(|link| Some(link.record.kind) == parent_of && seen.insert(link.other));
        let mut below: Vec<NodeIx> = below.map(|link| link.other).collect();
        placed[next].child_count = below.len();
        sort_by_name(graph, &mut below);
        let room = if depth > max_depth { 0 } else { limit - placed.len() };
        if below.len() > room {
            // What is below the cards left out is not looked at, nor counted.
            omitted += below.len() - room;
            cut = true;
            below.truncate(room);
        }
        placed.extend(below.into_iter().map(|card| Placed {
            card,
            parent: Some(next),
            depth,
            child_count: 0,
        }));
        next += 1;
    }
    let total = placed.len();
    let roots = nest(&bound, &placed);
    let mut metadata = Metadata::new(&bound, total, total - roots.len(), omitted);
    metadata.truncated |= cut;
    Hierarchy { roots, metadata }
}

fn tops(bound: &BoundView<'_>, of: Option<TypeId>, parent_of: Option<TypeId>) -> Vec<NodeIx> {
    let graph = bound.graph();
    let typed = graph
        .cards()
        .filter(|ix| Some(graph.card_type(*ix)) == of && bound.accepts(*ix));
    typed
        .filter(|ix| bound.inc(*ix).all(|link| Some(link.record.kind) != parent_of))
        .collect()
}

fn sort_by_name(graph: &Graph, cards: &mut [NodeIx]) {
    cards.sort_by(|a, b| {
        let key = |ix: NodeIx| (graph.card(ix).name_key(), graph.id(ix));
        key(*a).cmp(&key(*b))
    });
}

/// From the last card to the first, each into its parent: children come before their parents' turn.
fn nest(bound: &BoundView<'_>, placed: &[Placed]) -> Vec<TreeNode> {
    let mut nodes: Vec<Option<TreeNode>> = placed
        .iter()
        .map(
            |Placed {
                 card,
                 depth,
                 child_count,
                 ..
             }| {
                let CardRef { id, name, card_type } = bound.card_ref(*card);
                let (depth, child_count) = (*depth, *child_count);
                Some(TreeNode {
                    id,
                    name,
                    card_type,
                    depth,
                    child_count,
                    children: Vec::new(),
                })
            },
        )
        .collect();
    let mut roots = Vec::new();
    for (at, Placed { parent, .. }) in placed.iter().enumerate().rev() {
        let Some(mut node) = nodes[at].take() else { continue };
        node.children.reverse();
        match parent.and_then(|parent| nodes[parent].as_mut()) {
            Some(parent) => parent.children.push(node),
            None => roots.push(node),
        }
    }
    roots.reverse();
    roots
}
