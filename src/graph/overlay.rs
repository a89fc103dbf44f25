//! A small set of changes laid over a graph for one question, without copying it: what-if and scenarios ask the same
//! questions through it, so there is no second code path.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use crate::card::Lifecycle;

use super::{
    Graph,
    interner::{TypeId, Word},
    model::{Dependency, EdgeIx, EdgeRecord, NodeIx, Step},
    store::days,
};

/// Edges an overlay adds are numbered from here, beyond every real edge.
const ADDED: u32 = 1 << 31;

/// An edge that is not in the graph.
#[derive(Clone, Copy, Debug)]
pub struct AddedEdge {
    /// The card it starts from.
    pub source: NodeIx,
    /// The card it leads to.
    pub target: NodeIx,
    /// Its relationship type.
    pub kind: TypeId,
    /// What the failure of one end does to the other.
    pub dependency: Dependency,
    /// The source depends on the target (else the target on the source).
    pub dependent_is_source: bool,
    /// An explicit redundancy group.
    pub group: Option<Word>,
    /// The first day with it.
    pub valid_from: Option<NaiveDate>,
    /// The last day with it.
    pub valid_to: Option<NaiveDate>,
}

/// Changes over one graph and its later snapshots.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    removed_cards: HashSet<NodeIx>,
    removed_edges: HashSet<EdgeIx>,
    added: Vec<EdgeRecord>,
    added_out: HashMap<NodeIx, Vec<Step>>,
    added_in: HashMap<NodeIx, Vec<Step>>,
    lifecycles: HashMap<NodeIx, Lifecycle>,
    validity: HashMap<EdgeIx, (i32, i32)>,
}

impl Overlay {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed_cards.is_empty()
            && self.removed_edges.is_empty()
            && self.added.is_empty()
            && self.lifecycles.is_empty()
            && self.validity.is_empty()
    }

    /// As if the card did not exist.
    pub fn remove_card(&mut self, card: NodeIx) {
        self.removed_cards.insert(card);
    }

    /// As if the edge did not exist.
    pub fn remove_edge(&mut self, edge: EdgeIx) {
        self.removed_edges.insert(edge);
    }

    /// As if the edge existed.
    pub fn add_edge(&mut self, graph: &Graph, edge: AddedEdge) -> EdgeIx {
        let ix = EdgeIx(ADDED | self.added.len() as u32);
        self.added.push(EdgeRecord {
            source: edge.source,
            target: edge.target,
            kind: edge.kind,
            valid: days(edge.valid_from, edge.valid_to),
            named_group: edge.group,
            rule: u16::MAX,
            dependency: edge.dependency,
            dependent_is_source: edge.dependent_is_source,
            active: true,
            stated: None,
            default_group: graph.default_group(graph.type_name(edge.kind), edge.source, edge.target),
        });
        self.added_out.entry(edge.source).or_default().push(Step {
            edge: ix,
            other: edge.target,
        });
        self.added_in.entry(edge.target).or_default().push(Step {
            edge: ix,
            other: edge.source,
        });
        ix
    }

    /// As if the card had these dates.
    pub fn set_lifecycle(&mut self, card: NodeIx, lifecycle: Lifecycle) {
        self.lifecycles.insert(card, lifecycle);
    }

    /// As if the edge were valid between these days.
    pub fn set_validity(&mut self, edge: EdgeIx, from: Option<NaiveDate>, to: Option<NaiveDate>) {
        self.validity.insert(edge, days(from, to));
    }

    pub(super) fn removes_card(&self, card: NodeIx) -> bool {
        self.removed_cards.contains(&card)
    }

    pub(super) fn removes_edge(&self, edge: EdgeIx) -> bool {
        self.removed_edges.contains(&edge)
    }

    pub(super) fn lifecycle(&self, card: NodeIx) -> Option<&Lifecycle> {
        self.lifecycles.get(&card)
    }

    pub(super) fn valid(&self, edge: EdgeIx) -> Option<(i32, i32)> {
        self.validity.get(&edge).copied()
    }

    /// The edge, when it is one this overlay added.
    pub(super) fn edge(&self, ix: EdgeIx) -> Option<&EdgeRecord> {
        self.added.get(ix.0.checked_sub(ADDED)? as usize)
    }

    pub(super) fn out(&self, card: NodeIx) -> &[Step] {
        self.added_out.get(&card).map_or(&[], Vec::as_slice)
    }

    pub(super) fn inc(&self, card: NodeIx) -> &[Step] {
        self.added_in.get(&card).map_or(&[], Vec::as_slice)
    }
}
