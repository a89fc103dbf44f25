//! Traverse: what lies around the roots, out to a depth.
//!
//! Cards are reached breadth first along relationships of the asked types, in the asked direction. A card that fails
//! `filter` is neither returned nor walked through (roots are exempt); `return_filter` only hides. Links are all
//! relationships of the asked types in force between two returned cards.
//!
//! The walk ends with the depth at which the limit left something out: what lies deeper would be left out as well, and in
//! a dense landscape that is nearly everything. `omitted_nodes` counts what was left out up to that depth.
//!
//! Reads: the edges of the asked types within `depth` of the roots, and those between the cards found.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{DEFAULT_LIMIT, LinkView, MAX_LIMIT, Metadata, NodeSet, NodeView, Palette, Predicate};
use crate::graph::{BoundView, Direction, EdgeIx, Graph, NodeIx, TypeId, TypeSet, View};

/// Where to start.
#[derive(Clone, Debug)]
pub enum Roots {
    /// These cards, present or not.
    Cards(Vec<NodeIx>),
    /// Every present card of a type; none when the graph never met the type.
    OfType(Option<TypeId>),
    /// Every present card.
    All,
}

/// What to traverse.
#[derive(Clone)]
pub struct Params<'a> {
    /// Where to start.
    pub roots: Roots,
    /// How many steps, 1..10.
    pub depth: u32,
    /// Which way.
    pub direction: Direction,
    /// Along these relationship types.
    pub relations: TypeSet,
    /// Cards to return and walk through; roots are exempt.
    pub filter: Option<Predicate<'a>>,
    /// Cards to return.
    pub return_filter: Option<Predicate<'a>>,
    /// Which roots of a type (or of all) to start from.
    pub root_filter: Option<Predicate<'a>>,
    /// At most this many cards.
    pub limit_nodes: usize,
    /// Whether each card carries its metadata.
    pub include_metadata: bool,
}

impl Params<'_> {
    /// Two steps either way from one card, along everything.
    #[must_use]
    pub fn around(root: NodeIx) -> Self {
        Self {
            roots: Roots::Cards(vec![root]),
            depth: 2,
            direction: Direction::Both,
            relations: TypeSet::All,
            filter: None,
            return_filter: None,
            root_filter: None,
            limit_nodes: DEFAULT_LIMIT,
            include_metadata: true,
        }
    }
}

/// The cards and relationships found.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Traversal {
    /// By (depth, type, id).
    pub nodes: Vec<NodeView>,
    /// By (source, target, type, id), in the order of `nodes`.
    pub links: Vec<LinkView>,
    /// The depth at which the limit ended the walk; what lies deeper was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_at_depth: Option<u32>,
    /// What a limit left out up to that depth, by card type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub omitted_by_type: BTreeMap<String, usize>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// Cards with their depths and the edges between them, before they are written out; other questions and exports use it.
#[derive(Debug)]
pub struct Found {
    /// By (depth, type, id).
    pub cards: Vec<(NodeIx, u32)>,
    /// Between two of them.
    pub edges: Vec<EdgeIx>,
    /// Cards beyond the limit, of the depth at which it ended the walk.
    pub omitted: Vec<NodeIx>,
    /// That depth.
    pub cut_at_depth: Option<u32>,
}

/// Walks, and writes out what it found.
#[must_use]
pub fn traverse(graph: &Graph, view: &View, params: &Params<'_>, palette: &Palette) -> Traversal {
    let bound = bind(graph, view, params);
    let found = walk(&bound, params);
    let nodes = found.cards.iter();
    let nodes = nodes
        .map(|(ix, depth)| bound.node_view(*ix, palette, Some(*depth), params.include_metadata))
        .collect();
    let links = found.edges.iter().map(|edge| bound.link_view(*edge)).collect();
    let mut omitted_by_type = BTreeMap::new();
    for ix in &found.omitted {
        *omitted_by_type
            .entry(graph.type_name(graph.card_type(*ix)).to_string())
            .or_insert(0) += 1;
    }
    let metadata = Metadata::new(&bound, found.cards.len(), found.edges.len(), found.omitted.len());
    Traversal {
        nodes,
        links,
        cut_at_depth: found.cut_at_depth,
        omitted_by_type,
        metadata,
    }
}

/// The view, with the named roots present.
#[must_use]
pub fn bind<'a>(graph: &'a Graph, view: &'a View, params: &Params<'_>) -> BoundView<'a> {
    match &params.roots {
        Roots::Cards(cards) => BoundView::new(graph, view, cards),
        Roots::OfType(_) | Roots::All => BoundView::new(graph, view, &[]),
    }
}

/// Walks.
#[must_use]
pub fn walk(bound: &BoundView<'_>, params: &Params<'_>) -> Found {
    let graph = bound.graph();
    let seen = NodeSet::new(graph);
    let mut level = start(bound, params);
    level.retain(|ix| seen.insert(*ix));
    let limit = params.limit_nodes.min(MAX_LIMIT);
    let returned = |ix: &NodeIx| params.return_filter.is_none_or(|filter| filter(graph, *ix));
    let (mut cards, mut omitted, mut cut_at_depth) = (Vec::new(), Vec::new(), None);
    for depth in 0..=params.depth {
        let mut shown: Vec<NodeIx> = level.iter().copied().filter(returned).collect();
        omitted.extend(bound.first_by_type(&mut shown, limit - cards.len()));
        cards.extend(shown.into_iter().map(|ix| (ix, depth)));
        if !omitted.is_empty() {
            cut_at_depth = Some(depth);
        }
        if level.is_empty() || depth == params.depth || cut_at_depth.is_some() {
            break;
        }
        let mut next = Vec::new();
        for from in level {
            let new = |other: NodeIx| !seen.contains(other);
            for link in bound.links_along(from, params.direction, &params.relations, new) {
                // A card that fails the filter is marked as seen too, so that the filter runs once per card.
                if seen.insert(link.other) && params.filter.is_none_or(|filter| filter(graph, link.other)) {
                    next.push(link.other);
                }
            }
        }
        level = next;
    }
    let edges = edges_between(bound, &params.relations, &cards);
    Found {
        cards,
        edges,
        omitted,
        cut_at_depth,
    }
}

fn start(bound: &BoundView<'_>, params: &Params<'_>) -> Vec<NodeIx> {
    let graph = bound.graph();
    let selected = |ix: &NodeIx| params.root_filter.is_none_or(|filter| filter(graph, *ix));
    match &params.roots {
        Roots::Cards(cards) => cards.iter().copied().filter(|ix| bound.accepts(*ix)).collect(),
        Roots::OfType(None) => Vec::new(),
        Roots::OfType(Some(of)) => {
            let typed = graph
                .cards()
                .filter(|ix| graph.card_type(*ix) == *of && bound.accepts(*ix));
            typed.filter(selected).collect()
        }
        Roots::All => bound.all_cards().filter(selected).collect(),
    }
}

fn edges_between(bound: &BoundView<'_>, relations: &TypeSet, cards: &[(NodeIx, u32)]) -> Vec<EdgeIx> {
    let among = NodeSet::new(bound.graph());
    for (ix, _) in cards {
        among.insert(*ix);
    }
    let mut edges = Vec::new();
    for (ix, _) in cards {
        let first = edges.len();
        let links = bound.links_along(*ix, Direction::Out, relations, |other| among.contains(other));
        edges.extend(links.map(|link| link.edge));
        let target = |edge: EdgeIx| bound.graph().id(bound.edge(edge).target);
        edges[first..].sort_by_cached_key(|edge| (target(*edge), bound.edge_key(*edge)));
    }
    edges
}
