//! Diff: what appeared, went and changed between two looks at the landscape: two dates over one graph, or two instants
//! over two graphs.
//!
//! A card is there when it counts in its view, a link when it is in force and both its ends are there. A card changed
//! when its phase, name or version differs; a link when its validity or version does.
//!
//! Reads: all cards and edges of both graphs.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CardRef, LinkView, MAX_LIMIT, Metadata, Predicate};
use crate::{
    graph::{BoundView, Direction, EdgeIx, Graph, NodeIx, TypeSet, View},
    store::past::KnownAt,
};

/// What to compare.
#[derive(Clone)]
pub struct Params<'a> {
    /// Cards of these types, in the first graph and in the second: each numbers its types by itself.
    pub types: [TypeSet; 2],
    /// Relationships of these types, in either.
    pub relations: [TypeSet; 2],
    /// Cards that match, in either graph.
    pub filter: Option<Predicate<'a>>,
    /// At most this many cards and this many links, in each of the lists.
    pub limit: usize,
}

/// What is different.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Diff {
    /// The date of the first look.
    pub from_date: NaiveDate,
    /// The date of the second.
    pub to_date: NaiveDate,
    /// The seal that the first look's landscape comes from; absent: it is the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_known_at: Option<KnownAt>,
    /// The seal that the second look's landscape comes from; absent: it is the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_known_at: Option<KnownAt>,
    /// Cards.
    pub nodes: NodeDiff,
    /// Relationships.
    pub links: LinkDiff,
    /// How many there are of each, whatever the limit.
    pub totals: DiffTotals,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// Cards that differ, by (type, id).
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct NodeDiff {
    /// There only at the second look.
    pub added: Vec<CardRef>,
    /// There only at the first.
    pub removed: Vec<CardRef>,
    /// There at both, but different.
    pub changed: Vec<ChangedCard>,
}

/// A card that differs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangedCard {
    /// As it is at the second look.
    #[serde(flatten)]
    pub card: CardRef,
    /// What differs.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = DiffChange)]
pub struct Change {
    /// The field.
    pub field: &'static str,
    /// At the first look.
    pub before: Option<String>,
    /// At the second.
    pub after: Option<String>,
}

/// Relationships that differ, by (type, id).
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct LinkDiff {
    /// There only at the second look.
    pub added: Vec<LinkView>,
    /// There only at the first.
    pub removed: Vec<LinkView>,
    /// There at both, but different.
    pub changed: Vec<ChangedLink>,
}

/// A relationship that differs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChangedLink {
    /// As it is at the second look.
    #[serde(flatten)]
    pub link: LinkView,
    /// What differs.
    pub changes: Vec<Change>,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiffTotals {
    /// Cards added.
    pub nodes_added: usize,
    /// Cards removed.
    pub nodes_removed: usize,
    /// Cards changed.
    pub nodes_changed: usize,
    /// Relationships added.
    pub links_added: usize,
    /// Relationships removed.
    pub links_removed: usize,
    /// Relationships changed.
    pub links_changed: usize,
}

struct Side<'a> {
    bound: BoundView<'a>,
    types: &'a TypeSet,
    relations: &'a TypeSet,
    filter: Option<Predicate<'a>>,
}

impl<'a> Side<'a> {
    fn new((graph, view): (&'a Graph, &'a View), params: &'a Params<'a>, at: usize) -> Self {
        Self {
            bound: BoundView::new(graph, view, &[]),
            types: &params.types[at],
            relations: &params.relations[at],
            filter: params.filter,
        }
    }
}

impl Side<'_> {
    fn has(&self, ix: NodeIx) -> bool {
        let graph = self.bound.graph();
        self.types.contains(graph.card_type(ix))
            && self.bound.accepts(ix)
            && self.filter.is_none_or(|filter| filter(graph, ix))
    }

    /// The card with the id; in snapshots of one graph it stands in the same place, so that is where to look first.
    fn find(&self, id: Uuid, at: NodeIx) -> Option<NodeIx> {
        let graph = self.bound.graph();
        let there = at.at() < graph.card_count() && graph.id(at) == id;
        let found = if there { Some(at) } else { graph.find(id) };
        found.filter(|ix| self.has(*ix))
    }

    /// The edges in force between cards that are there, added ones of the overlay included.
    fn edges(&self) -> impl Iterator<Item = EdgeIx> {
        let cards = self.bound.graph().cards().filter(|ix| self.has(*ix));
        cards.flat_map(|ix| {
            let links = self.bound.links_along(ix, Direction::Out, self.relations, |_| true);
            links.filter(|link| self.has(link.other)).map(|link| link.edge)
        })
    }

    fn find_edge(&self, id: Uuid, at: EdgeIx) -> Option<EdgeIx> {
        let graph = self.bound.graph();
        let there = (at.0 as usize) < graph.edge_count() && graph.edge_detail(at).id == id;
        let edge = if there { at } else { graph.find_edge(id)? };
        let record = self.bound.edge(edge);
        (self.has(record.source) && self.has(record.target) && self.bound.counts(edge)).then_some(edge)
    }
}

/// Compares two looks.
#[must_use]
pub fn diff(before: (&Graph, &View), after: (&Graph, &View), params: &Params<'_>) -> Diff {
    let old = Side::new(before, params, 0);
    let new = Side::new(after, params, 1);
    let mut totals = DiffTotals::default();
    let limit = params.limit.min(MAX_LIMIT);
    let nodes = node_diff(&old, &new, limit, &mut totals);
    let links = link_diff(&old, &new, limit, &mut totals);
    let shown_nodes = nodes.added.len() + nodes.removed.len() + nodes.changed.len();
    let shown_links = links.added.len() + links.removed.len() + links.changed.len();
    let all_nodes = totals.nodes_added + totals.nodes_removed + totals.nodes_changed;
    let all_links = totals.links_added + totals.links_removed + totals.links_changed;
    let mut metadata = Metadata::new(&new.bound, shown_nodes, shown_links, all_nodes - shown_nodes);
    metadata.truncated |= all_links > shown_links;
    metadata.hidden |= old.bound.hid_something();
    Diff {
        from_date: before.1.date,
        to_date: after.1.date,
        from_known_at: None,
        to_known_at: None,
        nodes,
        links,
        totals,
        metadata,
    }
}

fn node_diff(old: &Side<'_>, new: &Side<'_>, limit: usize, totals: &mut DiffTotals) -> NodeDiff {
    let (mut added, mut different) = (Vec::new(), Vec::new());
    for ix in new.bound.graph().cards().filter(|ix| new.has(*ix)) {
        match old.find(new.bound.graph().id(ix), ix) {
            None => added.push(ix),
            Some(before) => {
                let changes = card_changes(&old.bound, before, &new.bound, ix);
                if !changes.is_empty() {
                    different.push((ix, changes));
                }
            }
        }
    }
    let gone = |ix: &NodeIx| old.has(*ix) && new.find(old.bound.graph().id(*ix), *ix).is_none();
    let mut removed: Vec<NodeIx> = old.bound.graph().cards().filter(gone).collect();
    (totals.nodes_added, totals.nodes_removed, totals.nodes_changed) = (added.len(), removed.len(), different.len());
    new.bound.sort_by_type(&mut added);
    old.bound.sort_by_type(&mut removed);
    different.sort_by_cached_key(|(ix, _)| new.bound.type_key(*ix));
    let different = different.into_iter().take(limit);
    NodeDiff {
        added: added.into_iter().take(limit).map(|ix| new.bound.card_ref(ix)).collect(),
        removed: removed
            .into_iter()
            .take(limit)
            .map(|ix| old.bound.card_ref(ix))
            .collect(),
        changed: different
            .map(|(ix, changes)| ChangedCard {
                card: new.bound.card_ref(ix),
                changes,
            })
            .collect(),
    }
}

fn link_diff(old: &Side<'_>, new: &Side<'_>, limit: usize, totals: &mut DiffTotals) -> LinkDiff {
    let (mut added, mut different) = (Vec::new(), Vec::new());
    for edge in new.edges() {
        let before = if new.bound.is_added(edge) {
            None
        } else {
            old.find_edge(new.bound.edge_id(edge), edge)
        };
        match before {
            None => added.push(edge),
            Some(before) => {
                let changes = link_changes(&old.bound, before, &new.bound, edge);
                if !changes.is_empty() {
                    different.push((edge, changes));
                }
            }
        }
    }
    let gone = |edge: &EdgeIx| old.bound.is_added(*edge) || new.find_edge(old.bound.edge_id(*edge), *edge).is_none();
    let mut removed: Vec<EdgeIx> = old.edges().filter(gone).collect();
    (totals.links_added, totals.links_removed, totals.links_changed) = (added.len(), removed.len(), different.len());
    added.sort_by_cached_key(|edge| new.bound.edge_key(*edge));
    removed.sort_by_cached_key(|edge| old.bound.edge_key(*edge));
    different.sort_by_cached_key(|(edge, _)| new.bound.edge_key(*edge));
    let different = different.into_iter().take(limit);
    LinkDiff {
        added: added
            .into_iter()
            .take(limit)
            .map(|edge| new.bound.link_view(edge))
            .collect(),
        removed: removed
            .into_iter()
            .take(limit)
            .map(|edge| old.bound.link_view(edge))
            .collect(),
        changed: different
            .map(|(edge, changes)| ChangedLink {
                link: new.bound.link_view(edge),
                changes,
            })
            .collect(),
    }
}

fn card_changes(old: &BoundView<'_>, before: NodeIx, new: &BoundView<'_>, after: NodeIx) -> Vec<Change> {
    let (was, is) = (old.graph().card(before), new.graph().card(after));
    let mut changes = Vec::new();
    let (was_phase, is_phase) = (old.phase(before), new.phase(after));
    note(&mut changes, "lifecycle_phase", was_phase != is_phase, || {
        (Some(was_phase.as_str().to_owned()), Some(is_phase.as_str().to_owned()))
    });
    note(&mut changes, "name", was.name() != is.name(), || {
        (Some(was.name().to_owned()), Some(is.name().to_owned()))
    });
    note(&mut changes, "version", was.version != is.version, || {
        (Some(was.version.to_string()), Some(is.version.to_string()))
    });
    changes
}

fn link_changes(old: &BoundView<'_>, before: EdgeIx, new: &BoundView<'_>, after: EdgeIx) -> Vec<Change> {
    let (was, is) = (old.validity(before), new.validity(after));
    let text = |date: Option<NaiveDate>| date.map(|date| date.to_string());
    let mut changes = Vec::new();
    note(&mut changes, "valid_from", was.0 != is.0, || (text(was.0), text(is.0)));
    note(&mut changes, "valid_to", was.1 != is.1, || (text(was.1), text(is.1)));
    let versions = (
        old.graph().edge_detail(before).version,
        new.graph().edge_detail(after).version,
    );
    note(&mut changes, "version", versions.0 != versions.1, || {
        (Some(versions.0.to_string()), Some(versions.1.to_string()))
    });
    changes
}

fn note(
    changes: &mut Vec<Change>,
    field: &'static str,
    differs: bool,
    values: impl FnOnce() -> (Option<String>, Option<String>),
) {
    if differs {
        let (before, after) = values();
        changes.push(Change { field, before, after });
    }
}
