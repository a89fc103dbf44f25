//! Paths: the shortest way between two cards, and all simple ways of at most so many hops.
//!
//! A path is a sequence of distinct cards; where several relationships join two of them, the first by (type, id) is
//! named. Paths come by (length, ids). `shortest` is the first of them, or, when all are longer than `max_hops`, the
//! shortest of any length.
//!
//! Work is bounded, so that a dense graph cannot hang the search: paths of one length are sought only through cards from
//! which the target is exactly the remaining number of hops away on some walk, and after five million steps the answer
//! is cut and says so.
//!
//! Reads: what lies backwards around the target until the start is found, then within `max_hops` of it.

use std::{collections::HashMap, rc::Rc};

use serde::Serialize;
use utoipa::ToSchema;

use super::{CardRef, Metadata, NodeSet, PathStep};
use crate::graph::{BoundView, Direction, EdgeIx, Graph, NodeIx, TypeSet, View};

/// How many paths an answer may hold.
pub const MAX_PATHS: usize = 1_000;
/// How many hops a listed path may have.
pub const MAX_HOPS: u32 = 10;
const MAX_WORK: usize = 5_000_000;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Params {
    /// Where paths start.
    pub from: NodeIx,
    /// Where they end.
    pub to: NodeIx,
    /// How many hops a listed path may have, at most 10.
    pub max_hops: u32,
    /// Which way relationships are walked.
    pub direction: Direction,
    /// Along these relationship types.
    pub relations: TypeSet,
    /// At most this many paths, at most 1,000.
    pub limit: usize,
}

impl Params {
    /// Up to six hops either way, along everything.
    #[must_use]
    pub fn between(from: NodeIx, to: NodeIx) -> Self {
        Self {
            from,
            to,
            max_hops: 6,
            direction: Direction::Both,
            relations: TypeSet::All,
            limit: MAX_PATHS,
        }
    }
}

/// The ways between two cards.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Paths {
    /// Where they start.
    pub from: CardRef,
    /// Where they end.
    pub to: CardRef,
    /// The shortest of any length; none when the cards are not connected.
    pub shortest: Option<PathView>,
    /// All simple paths of at most the asked hops, by (length, ids).
    pub paths: Vec<PathView>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// One way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PathView {
    /// Hops.
    pub length: usize,
    /// From start to end.
    pub steps: Vec<PathStep>,
}

type Hops = Rc<[(NodeIx, EdgeIx)]>;

struct Search<'b, 'a> {
    bound: &'b BoundView<'a>,
    params: &'b Params,
    limit: usize,
    /// `layers[n]`: where the target is exactly n hops away on some walk that meets neither end on its way.
    layers: Vec<NodeSet>,
    frontier: Vec<NodeIx>,
    hops: HashMap<NodeIx, Hops>,
    path: Vec<(NodeIx, Option<EdgeIx>)>,
    found: Vec<Vec<(NodeIx, Option<EdgeIx>)>>,
    work: usize,
    cut: bool,
}

/// Finds the ways.
#[must_use]
pub fn paths(graph: &Graph, view: &View, params: &Params) -> Paths {
    let bound = BoundView::new(graph, view, &[params.from, params.to]);
    let (from, to) = (bound.card_ref(params.from), bound.card_ref(params.to));
    let both = bound.accepts(params.from) && bound.accepts(params.to);
    let shortest = both.then(|| shortest(&bound, params)).flatten();
    let max_hops = params.max_hops.min(MAX_HOPS) as usize;
    let length = shortest.as_ref().map_or(usize::MAX, |path| path.len() - 1);
    let mut search = Search::new(&bound, params);
    if length <= max_hops {
        search.up_to(max_hops);
    }
    let Search {
        mut found, cut, limit, ..
    } = search;
    let more = found.len() > limit;
    found.truncate(limit);
    let written = |path: &Vec<(NodeIx, Option<EdgeIx>)>| PathView {
        length: path.len() - 1,
        steps: path.iter().map(|(card, via)| bound.path_step(*card, *via)).collect(),
    };
    let paths: Vec<PathView> = found.iter().map(written).collect();
    let mut cards: Vec<NodeIx> = found.iter().flatten().map(|(card, _)| *card).collect();
    let mut edges: Vec<EdgeIx> = found.iter().flatten().filter_map(|(_, via)| *via).collect();
    cards.sort_unstable();
    cards.dedup();
    edges.sort_unstable();
    edges.dedup();
    let mut metadata = Metadata::new(&bound, cards.len(), edges.len(), 0);
    metadata.truncated = cut || more;
    Paths {
        from,
        to,
        shortest: shortest.as_ref().map(written),
        paths,
        metadata,
    }
}

/// Distances from the target back to the start, then forward along them by the smallest id.
fn shortest(bound: &BoundView<'_>, params: &Params) -> Option<Vec<(NodeIx, Option<EdgeIx>)>> {
    let mut distance = vec![u32::MAX; bound.graph().card_count()];
    let seen = NodeSet::new(bound.graph());
    seen.insert(params.to);
    distance[params.to.at()] = 0;
    let mut level = vec![params.to];
    let mut depth = 0;
    while distance[params.from.at()] == u32::MAX {
        depth += 1;
        let mut next = Vec::new();
        for card in level {
            let far = |other: NodeIx| !seen.contains(other);
            for link in bound.links_along(card, reverse(params.direction), &params.relations, far) {
                if seen.insert(link.other) {
                    distance[link.other.at()] = depth;
                    next.push(link.other);
                }
            }
        }
        if next.is_empty() {
            return None;
        }
        level = next;
    }
    let mut path = vec![(params.from, None)];
    let mut at = params.from;
    while at != params.to {
        let closer = bound.links_along(at, params.direction, &params.relations, |other| {
            distance[other.at()] < distance[at.at()]
        });
        let step = closer.min_by_key(|link| (bound.graph().id(link.other), bound.edge_key(link.edge)))?;
        at = step.other;
        path.push((at, Some(step.edge)));
    }
    Some(path)
}

fn reverse(direction: Direction) -> Direction {
    match direction {
        Direction::Out => Direction::In,
        Direction::In => Direction::Out,
        Direction::Both => Direction::Both,
    }
}

impl<'b, 'a> Search<'b, 'a> {
    fn new(bound: &'b BoundView<'a>, params: &'b Params) -> Self {
        let target = NodeSet::new(bound.graph());
        target.insert(params.to);
        Self {
            bound,
            params,
            limit: params.limit.min(MAX_PATHS),
            layers: vec![target],
            frontier: vec![params.to],
            hops: HashMap::new(),
            path: vec![(params.from, None)],
            found: Vec::new(),
            work: 0,
            cut: false,
        }
    }

    /// All paths, length by length, until one more than the limit is found.
    fn up_to(&mut self, max_hops: usize) {
        for length in 0..=max_hops {
            if length > 0 {
                self.add_layer();
            }
            if !self.cut && self.layers[length].contains(self.params.from) {
                self.extend(self.params.from, length);
            }
            if self.cut || self.found.len() > self.limit {
                return;
            }
        }
    }

    fn add_layer(&mut self) {
        let layer = NodeSet::new(self.bound.graph());
        let mut frontier = Vec::new();
        for card in std::mem::take(&mut self.frontier) {
            // A simple path meets its start only there.
            if card == self.params.from || self.cut {
                continue;
            }
            let direction = reverse(self.params.direction);
            let new = |other: NodeIx| other != self.params.to && !layer.contains(other);
            for link in self.bound.links_along(card, direction, &self.params.relations, new) {
                self.work += 1;
                layer.insert(link.other);
                frontier.push(link.other);
            }
            self.cut |= self.work > MAX_WORK;
        }
        frontier.sort_unstable();
        frontier.dedup();
        (self.frontier, self.layers) = (
            frontier,
            std::mem::take(&mut self.layers).into_iter().chain([layer]).collect(),
        );
    }

    /// Paths of exactly so many more hops from the card, which ends the path so far.
    fn extend(&mut self, card: NodeIx, hops: usize) {
        if hops == 0 {
            self.found.push(self.path.clone());
            return;
        }
        let next = self.hops(card);
        self.work += next.len();
        self.cut |= self.work > MAX_WORK;
        for (other, edge) in next.iter() {
            if self.cut || self.found.len() > self.limit {
                return;
            }
            let leads_there = self.layers[hops - 1].contains(*other);
            if leads_there && self.path.iter().all(|(met, _)| met != other) {
                self.path.push((*other, Some(*edge)));
                self.extend(*other, hops - 1);
                self.path.pop();
            }
        }
    }

    /// The distinct cards one hop on, by id.
    fn hops(&mut self, card: NodeIx) -> Hops {
        if let Some(known) = self.hops.get(&card) {
            return Rc::clone(known);
        }
        let (bound, params) = (self.bound, self.params);
        let links = bound.links_along(card, params.direction, &params.relations, |_| true);
        let mut hops: Vec<(NodeIx, EdgeIx)> = links.map(|link| (link.other, link.edge)).collect();
        hops.sort_by_cached_key(|(other, edge)| (bound.graph().id(*other), bound.edge_key(*edge)));
        hops.dedup_by_key(|(other, _)| *other);
        let hops: Hops = hops.into();
        self.hops.insert(card, Rc::clone(&hops));
        hops
    }
}
