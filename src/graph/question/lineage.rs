//! Lineage: who creates, changes and reads a data object, and how it flows.
//!
//! *Uses* are the USES_DATA edges into the object, by their `access`. *Flows* are the TRANSFERS edges into it: each moves
//! the object between the cards that PROVIDE the interface and those that CONSUME it, from provider to consumer unless
//! `direction` says `consumer_to_provider` or `both`.
//!
//! Seen from a card (`of`): *upstream* is what it gets the object from, directly or over others, *downstream* what gets it
//! from there. Without one, it is seen from the sources: the cards that create or update the object, or, where nobody is
//! known to, those that send and do not receive it; these are listed upstream at depth 0.
//!
//! Reads: the object's USES_DATA and TRANSFERS edges, and PROVIDES and CONSUMES of the interfaces found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CardRef, Label, Metadata};
use crate::graph::{BoundView, EdgeIx, Graph, NodeIx, TypeId, View};

/// What to ask.
#[derive(Clone, Debug)]
pub struct Params {
    /// The data object.
    pub data_object: NodeIx,
    /// Seen from this card.
    pub of: Option<NodeIx>,
    /// At most this many entries in each list.
    pub limit: usize,
}

/// Where a data object comes from and goes to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Lineage {
    /// The data object.
    pub data_object: CardRef,
    /// Who creates it, by (type, id); so are the next lists.
    pub creates: Vec<CardRef>,
    /// Who changes it.
    pub updates: Vec<CardRef>,
    /// Who reads it.
    pub reads: Vec<CardRef>,
    /// Who deletes it.
    pub deletes: Vec<CardRef>,
    /// Who uses it in a way that is not recorded.
    pub uses: Vec<CardRef>,
    /// How it moves, by (interface, from, to).
    pub flows: Vec<Flow>,
    /// Where it comes from, by (depth, type, id).
    pub upstream: Vec<LineageStep>,
    /// Where it goes, by (depth, type, id).
    pub downstream: Vec<LineageStep>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// One movement of the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Flow {
    /// Who sends it.
    pub from: CardRef,
    /// Who receives it.
    pub to: CardRef,
    /// Over which interface.
    pub interface: CardRef,
}

/// A card some flows away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineageStep {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
    /// Flows away.
    pub depth: u32,
}

type Access = BTreeMap<&'static str, BTreeSet<NodeIx>>;

/// Follows the object.
#[must_use]
pub fn lineage(graph: &Graph, view: &View, params: &Params) -> Lineage {
    let roots: Vec<NodeIx> = [params.data_object].into_iter().chain(params.of).collect();
    let bound = BoundView::new(graph, view, &roots);
    let access = access(&bound, params.data_object);
    let flows = flows(&bound, params.data_object);
    let next = arrows(flows.iter().map(|(_, from, to)| (*from, *to)));
    let back = arrows(flows.iter().map(|(_, from, to)| (*to, *from)));
    let (up, down) = if let Some(of) = params.of {
        (beyond(&back, &[of]), beyond(&next, &[of]))
    } else {
        let sources = sources(&access, &next, &back);
        let down = beyond(&next, &sources);
        (sources.into_iter().map(|source| (source, 0)).collect(), down)
    };
    let mut omitted = 0;
    let mut cut = |length: usize| omitted += length.saturating_sub(params.limit);
    let mut with_access = |of: &'static str| {
        let mut cards: Vec<NodeIx> = access.get(of).into_iter().flatten().copied().collect();
        bound.sort_by_type(&mut cards);
        cut(cards.len());
        cards
            .into_iter()
            .take(params.limit)
            .map(|card| bound.card_ref(card))
            .collect::<Vec<_>>()
    };
    let [creates, updates, reads, deletes, uses] = ["create", "update", "read", "delete", ""].map(&mut with_access);
    let mut steps = |mut steps: Vec<(NodeIx, u32)>| {
        steps.sort_by_cached_key(|(card, depth)| (*depth, bound.type_key(*card)));
        cut(steps.len());
        steps
            .into_iter()
            .take(params.limit)
            .map(|(card, depth)| step(&bound, card, depth))
            .collect::<Vec<_>>()
    };
    let (upstream, downstream) = (steps(up), steps(down));
    cut(flows.len());
    let involved: BTreeSet<NodeIx> = access
        .values()
        .flatten()
        .copied()
        .chain(flows.iter().flat_map(|(interface, from, to)| [*interface, *from, *to]))
        .collect();
    let shown = flows.iter().take(params.limit);
    let flows: Vec<Flow> = shown
        .map(|(interface, from, to)| Flow {
            from: bound.card_ref(*from),
            to: bound.card_ref(*to),
            interface: bound.card_ref(*interface),
        })
        .collect();
    let metadata = Metadata::new(&bound, involved.len() + 1, flows.len(), omitted);
    let data_object = bound.card_ref(params.data_object);
    Lineage {
        data_object,
        creates,
        updates,
        reads,
        deletes,
        uses,
        flows,
        upstream,
        downstream,
        metadata,
    }
}

fn step(bound: &BoundView<'_>, card: NodeIx, depth: u32) -> LineageStep {
    let CardRef { id, name, card_type } = bound.card_ref(card);
    LineageStep {
        id,
        name,
        card_type,
        depth,
    }
}

/// Users by access; those whose access is not recorded under the empty name.
fn access(bound: &BoundView<'_>, data_object: NodeIx) -> Access {
    let uses_data = bound.graph().find_type("USES_DATA");
    let mut access = Access::new();
    for link in bound
        .inc(data_object)
        .filter(|link| Some(link.record.kind) == uses_data)
    {
        let said = attribute(bound, link.edge, "access");
        let said: Vec<&str> = match &said {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let mut known = ["create", "read", "update", "delete"]
            .into_iter()
            .filter(|access| said.contains(access))
            .peekable();
        if known.peek().is_none() {
            access.entry("").or_default().insert(link.other);
        }
        known.for_each(|of| _ = access.entry(of).or_default().insert(link.other));
    }
    access
}

/// (interface, from, to), by ids.
fn flows(bound: &BoundView<'_>, data_object: NodeIx) -> Vec<(NodeIx, NodeIx, NodeIx)> {
    let graph = bound.graph();
    let [transfers, provides, consumes] = ["TRANSFERS", "PROVIDES", "CONSUMES"].map(|name| graph.find_type(name));
    let sources = |card: NodeIx, kind: Option<TypeId>| {
        let links = bound.inc(card).filter(move |link| Some(link.record.kind) == kind);
        links.map(|link| link.other).collect::<Vec<_>>()
    };
    let mut flows = BTreeSet::new();
    for link in bound
        .inc(data_object)
        .filter(|link| Some(link.record.kind) == transfers)
    {
        let interface = link.other;
        let said = attribute(bound, link.edge, "direction");
        let (there, back) = match said.as_str() {
            Some("consumer_to_provider") => (false, true),
            Some("both") => (true, true),
            _ => (true, false),
        };
        let receivers = sources(interface, consumes);
        for provider in sources(interface, provides) {
            for consumer in receivers.iter().filter(|consumer| **consumer != provider) {
                if there {
                    flows.insert((interface, provider, *consumer));
                }
                if back {
                    flows.insert((interface, *consumer, provider));
                }
            }
        }
    }
    let mut flows: Vec<_> = flows.into_iter().collect();
    flows.sort_by_cached_key(|(interface, from, to)| [*interface, *from, *to].map(|card| graph.id(card)));
    flows
}

fn attribute(bound: &BoundView<'_>, edge: EdgeIx, name: &str) -> Value {
    if bound.is_added(edge) {
        return Value::Null;
    }
    let attributes: Value = serde_json::from_str(bound.graph().edge_detail(edge).attributes_json()).unwrap_or_default();
    attributes.get(name).cloned().unwrap_or_default()
}

type Next = BTreeMap<NodeIx, BTreeSet<NodeIx>>;

fn arrows(pairs: impl Iterator<Item = (NodeIx, NodeIx)>) -> Next {
    let mut next = Next::new();
    for (from, to) in pairs {
        next.entry(from).or_default().insert(to);
    }
    next
}

/// Who creates or updates it, else who sends it and does not receive it.
fn sources(access: &Access, next: &Next, back: &Next) -> Vec<NodeIx> {
    let writers: BTreeSet<NodeIx> = ["create", "update"]
        .into_iter()
        .filter_map(|of| access.get(of))
        .flatten()
        .copied()
        .collect();
    if writers.is_empty() {
        return next
            .keys()
            .copied()
            .filter(|sender| !back.contains_key(sender))
            .collect();
    }
    writers.into_iter().collect()
}

/// What lies one or more flows away.
fn beyond(next: &Next, from: &[NodeIx]) -> Vec<(NodeIx, u32)> {
    let mut seen: BTreeSet<NodeIx> = from.iter().copied().collect();
    let mut queue: VecDeque<(NodeIx, u32)> = from.iter().map(|card| (*card, 0)).collect();
    let mut found = Vec::new();
    while let Some((card, depth)) = queue.pop_front() {
        for to in next.get(&card).into_iter().flatten().copied() {
            if seen.insert(to) {
                found.push((to, depth + 1));
                queue.push_back((to, depth + 1));
            }
        }
    }
    found
}
