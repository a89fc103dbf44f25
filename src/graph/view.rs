//! What counts for one question: the date, whether absent cards do, what the caller may see, and changes laid over.
//!
//! A step is walked only when its edge is in force, and the card it leads to is present (or absent ones are asked for),
//! visible and not deleted. A card named as a root counts as present throughout the question. Every question walks
//! through [`BoundView`]; there is no other way to an edge.

use std::cell::Cell;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::card::{Lifecycle, Phase, day};

use super::{
    Graph,
    interner::{TypeId, Word},
    model::{DefaultGroup, Dependency, EdgeIx, EdgeRecord, NodeIx, Step},
    overlay::Overlay,
};

/// Which way to walk a relationship.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From source to target.
    Out,
    /// From target to source.
    In,
    /// Either way.
    #[default]
    Both,
}

impl Direction {
    pub(super) fn takes(self, outgoing: bool) -> bool {
        match self {
            Self::Out => outgoing,
            Self::In => !outgoing,
            Self::Both => true,
        }
    }
}

/// A set of types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TypeSet {
    /// Every type.
    #[default]
    All,
    /// These, one bit each.
    Only(Vec<u64>),
}

impl TypeSet {
    /// The types of these names; names the graph never met add nothing.
    #[must_use]
    pub fn of<'a>(graph: &Graph, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut bits = Vec::new();
        for TypeId(id) in names.into_iter().filter_map(|name| graph.find_type(name)) {
            let at = id as usize / 64;
            if bits.len() <= at {
                bits.resize(at + 1, 0);
            }
            bits[at] |= 1 << (id % 64);
        }
        Self::Only(bits)
    }

    /// Whether the type is one of them.
    #[must_use]
    pub fn contains(&self, TypeId(id): TypeId) -> bool {
        match self {
            Self::All => true,
            Self::Only(bits) => bits
                .get(id as usize / 64)
                .is_some_and(|word| word >> (id % 64) & 1 == 1),
        }
    }
}

/// What counts for one question.
#[derive(Clone, Debug)]
pub struct View {
    /// The date the landscape is looked at.
    pub date: NaiveDate,
    /// Cards absent on the date count too. Deleted ones never do.
    pub include_absent: bool,
    /// The card types the caller may see.
    pub visible: TypeSet,
    /// Changes laid over the graph.
    pub overlay: Overlay,
}

impl View {
    /// Everything, as it is on a date.
    #[must_use]
    pub fn on(date: NaiveDate) -> Self {
        Self {
            date,
            include_absent: false,
            visible: TypeSet::All,
            overlay: Overlay::default(),
        }
    }
}

/// One step along an edge that counts.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The edge.
    pub edge: EdgeIx,
    /// Its record.
    pub record: &'a EdgeRecord,
    /// The card at its other end.
    pub other: NodeIx,
    /// Walked from source to target.
    pub outgoing: bool,
}

/// What makes several hard edges of one dependent alternatives of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// `attributes.redundancy_group`.
    Named(Word),
    /// The applications that support one capability or process.
    Supports,
    /// The components of one sub-category in one platform.
    Parts(Word),
    /// The sites of one platform.
    Sites,
}

impl Group {
    /// How an answer names it.
    #[must_use]
    pub fn label(self, graph: &Graph) -> String {
        match self {
            Self::Named(word) => graph.word(word).to_string(),
            Self::Supports => "SUPPORTS".into(),
            Self::Parts(word) => format!("PART_OF {}", graph.word(word)),
            Self::Sites => "LOCATED_AT".into(),
        }
    }
}

/// One dependency that counts, seen from either end.
#[derive(Clone, Copy, Debug)]
pub struct Dep<'a> {
    /// The edge.
    pub edge: EdgeIx,
    /// Its record.
    pub record: &'a EdgeRecord,
    /// The card at the other end.
    pub other: NodeIx,
    /// Down with it, not just degraded.
    pub hard: bool,
}

/// A view laid over one graph for one question.
#[derive(Debug)]
pub struct BoundView<'a> {
    graph: &'a Graph,
    view: &'a View,
    day: i32,
    overlaid: bool,
    /// Roots: present whatever their dates say.
    admitted: Vec<NodeIx>,
    hidden: Cell<bool>,
}

impl<'a> BoundView<'a> {
    /// Binds the view, with roots that count as present.
    #[must_use]
    pub fn new(graph: &'a Graph, view: &'a View, roots: &[NodeIx]) -> Self {
        let overlaid = !view.overlay.is_empty();
        let mut bound = Self {
            graph,
            view,
            day: day(view.date),
            overlaid,
            admitted: Vec::new(),
            hidden: Cell::new(false),
        };
        let mut admitted: Vec<NodeIx> = roots.iter().copied().filter(|root| !bound.is_present(*root)).collect();
        admitted.sort_unstable();
        bound.admitted = admitted;
        bound
    }

    /// The graph under it.
    #[must_use]
    pub fn graph(&self) -> &'a Graph {
        self.graph
    }

    /// The view.
    #[must_use]
    pub fn view(&self) -> &'a View {
        self.view
    }

    /// Whether the walk met something the caller may not see.
    #[must_use]
    pub fn hid_something(&self) -> bool {
        self.hidden.get()
    }

    /// Whether the card may be named as a root: it is there and visible, though perhaps absent on the date.
    #[must_use]
    pub fn may_be_root(&self, ix: NodeIx) -> bool {
        let node = self.graph.node(ix);
        !node.deleted && self.view.visible.contains(node.card_type) && !self.view.overlay.removes_card(ix)
    }

    /// Whether the card counts: present (or a root, or absent ones are asked for), visible, not deleted.
    #[must_use]
    pub fn accepts(&self, ix: NodeIx) -> bool {
        if !self.is_present(ix) && (self.admitted.is_empty() || self.admitted.binary_search(&ix).is_err()) {
            return false;
        }
        let visible = self.view.visible.contains(self.graph.card_type(ix));
        if !visible {
            self.hidden.set(true);
        }
        visible
    }

    fn is_present(&self, ix: NodeIx) -> bool {
        let node = self.graph.node(ix);
        let mut present = node.present;
        if self.overlaid {
            if self.view.overlay.removes_card(ix) {
                return false;
            }
            if let Some(lifecycle) = self.view.overlay.lifecycle(ix) {
                present = lifecycle.presence();
            }
        }
        !node.deleted && (self.view.include_absent || (present.0 <= self.day && self.day < present.1))
    }

    /// The card's dates, as the overlay would have them.
    #[must_use]
    pub fn lifecycle(&self, ix: NodeIx) -> Lifecycle {
        self.view
            .overlay
            .lifecycle(ix)
            .copied()
            .unwrap_or(self.graph.card(ix).lifecycle)
    }

    /// The card's phase on the view's date.
    #[must_use]
    pub fn phase(&self, ix: NodeIx) -> Phase {
        self.lifecycle(ix).phase(self.view.date)
    }

    /// The edge, the graph's or one the overlay added.
    #[must_use]
    pub fn edge(&self, ix: EdgeIx) -> &'a EdgeRecord {
        self.view.overlay.edge(ix).unwrap_or_else(|| self.graph.edge(ix))
    }

    /// The first and last day of the edge, as the overlay would have them.
    #[must_use]
    pub fn validity(&self, ix: EdgeIx) -> (Option<NaiveDate>, Option<NaiveDate>) {
        let mut record = *self.edge(ix);
        record.valid = self.view.overlay.valid(ix).unwrap_or(record.valid);
        (record.valid_from(), record.valid_to())
    }

    /// Whether the edge is the overlay's own: then its record is all that is known of it, it has no id.
    pub(super) fn is_added(&self, ix: EdgeIx) -> bool {
        self.overlaid && self.view.overlay.edge(ix).is_some()
    }

    fn record(&self, ix: EdgeIx) -> &'a EdgeRecord {
        if self.overlaid {
            self.edge(ix)
        } else {
            self.graph.edge(ix)
        }
    }

    /// Whether the edge is in force and both its cards count.
    #[must_use]
    pub fn counts(&self, ix: EdgeIx) -> bool {
        let record = self.record(ix);
        self.in_force(ix, record) && self.accepts(record.source) && self.accepts(record.target)
    }

    fn in_force(&self, ix: EdgeIx, record: &EdgeRecord) -> bool {
        let mut valid = record.valid;
        if self.overlaid {
            if self.view.overlay.removes_edge(ix) {
                return false;
            }
            valid = self.view.overlay.valid(ix).unwrap_or(valid);
        }
        record.active && valid.0 <= self.day && self.day <= valid.1
    }

    fn steps_from(&self, ix: NodeIx) -> impl Iterator<Item = Step> + use<'a> {
        let added: &[Step] = if self.overlaid { self.view.overlay.out(ix) } else { &[] };
        self.graph.node(ix).out.iter().chain(added).copied()
    }

    fn steps_to(&self, ix: NodeIx) -> impl Iterator<Item = Step> + use<'a> {
        let added: &[Step] = if self.overlaid { self.view.overlay.inc(ix) } else { &[] };
        self.graph.node(ix).inc.iter().chain(added).copied()
    }

    /// The steps from the card along its edges that count, to cards that count.
    pub fn out(&self, ix: NodeIx) -> impl Iterator<Item = Link<'a>> {
        self.links(ix, Direction::Out)
    }

    /// The steps against the edges that lead to the card.
    pub fn inc(&self, ix: NodeIx) -> impl Iterator<Item = Link<'a>> {
        self.links(ix, Direction::In)
    }

    /// The steps in a direction.
    pub fn links(&self, ix: NodeIx, direction: Direction) -> impl Iterator<Item = Link<'a>> {
        self.links_along(ix, direction, &TypeSet::All, |_| true)
    }

    /// The steps in a direction along edges of some types, to cards the walk has a use for: asking that first spares
    /// looking at what it already knows.
    pub fn links_along(
        &self,
        ix: NodeIx,
        direction: Direction,
        types: &TypeSet,
        wanted: impl Fn(NodeIx) -> bool,
    ) -> impl Iterator<Item = Link<'a>> {
        let out = direction
            .takes(true)
            .then(|| self.steps_from(ix))
            .into_iter()
            .flatten()
            .map(|step| (step, true));
        let inc = direction
            .takes(false)
            .then(|| self.steps_to(ix))
            .into_iter()
            .flatten()
            .map(|step| (step, false));
        out.chain(inc).filter_map(move |(Step { edge, other }, outgoing)| {
            if !wanted(other) {
                return None;
            }
            let record = self.record(edge);
            let counts = types.contains(record.kind) && self.in_force(edge, record) && self.accepts(other);
            counts.then_some(Link {
                edge,
                record,
                other,
                outgoing,
            })
        })
    }

    /// What the card depends on.
    pub fn dependencies(&self, ix: NodeIx) -> impl Iterator<Item = Dep<'a>> {
        self.deps_if(ix, true, |_| true)
    }

    /// What the card depends on, of what the walk has a use for.
    pub fn dependencies_if(&self, ix: NodeIx, wanted: impl Fn(NodeIx) -> bool) -> impl Iterator<Item = Dep<'a>> {
        self.deps_if(ix, true, wanted)
    }

    /// What depends on the card.
    pub fn dependents(&self, ix: NodeIx) -> impl Iterator<Item = Dep<'a>> {
        self.deps_if(ix, false, |_| true)
    }

    /// What depends on the card, of what the walk has a use for.
    pub fn dependents_if(&self, ix: NodeIx, wanted: impl Fn(NodeIx) -> bool) -> impl Iterator<Item = Dep<'a>> {
        self.deps_if(ix, false, wanted)
    }

    fn deps_if(
        &self,
        ix: NodeIx,
        as_dependent: bool,
        wanted: impl Fn(NodeIx) -> bool,
    ) -> impl Iterator<Item = Dep<'a>> {
        let out = self.steps_from(ix).map(|step| (step, true));
        let inc = self.steps_to(ix).map(|step| (step, false));
        out.chain(inc).filter_map(move |(Step { edge, other }, from_source)| {
            if !wanted(other) {
                return None;
            }
            let record = self.record(edge);
            if record.dependency == Dependency::None || record.dependent_is_source != (from_source == as_dependent) {
                return None;
            }
            let hard = record.dependency == Dependency::Hard;
            let counts = self.in_force(edge, record) && self.accepts(other);
            counts.then_some(Dep {
                edge,
                record,
                other,
                hard,
            })
        })
    }

    /// The group a dependency belongs to. Soft ones belong to none.
    #[must_use]
    pub fn group(&self, dep: &Dep<'_>) -> Option<Group> {
        self.group_of(dep.edge)
    }

    /// The group an edge belongs to.
    #[must_use]
    pub fn group_of(&self, edge: EdgeIx) -> Option<Group> {
        let record = self.record(edge);
        if record.dependency != Dependency::Hard {
            return None;
        }
        match (record.named_group, record.default_group) {
            (Some(name), _) => Some(Group::Named(name)),
            (None, DefaultGroup::Supports) => Some(Group::Supports),
            (None, DefaultGroup::Parts) => self.graph.node(record.source).sub_category.map(Group::Parts),
            (None, DefaultGroup::Sites) => Some(Group::Sites),
            (None, DefaultGroup::None) => None,
        }
    }
}
