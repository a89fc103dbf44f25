//! The questions, one file each, and what their answers share.
//!
//! Order is the same everywhere: cards by (depth, type, id), and among shortest paths the one whose ids come first. An
//! answer that is cut keeps that order and says what it left out.

use std::{cell::Cell, collections::HashMap, sync::Arc};

use chrono::NaiveDate;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{card::Phase, store::past::KnownAt};

use super::{
    Graph,
    model::{EdgeIx, NodeIx, Tier},
    view::BoundView,
};

mod components;
pub mod cycles;
pub mod dependencies;
pub mod diff;
pub mod fan;
pub mod hierarchy;
pub mod impact;
pub mod lineage;
pub mod orphans;
pub mod paths;
mod reach;
pub mod roots;
pub mod similar;
pub mod spof;
pub mod traverse;

pub use reach::Reached;

/// How many cards an answer holds unless asked otherwise.
pub const DEFAULT_LIMIT: usize = 5_000;
/// How many cards an answer may hold.
pub const MAX_LIMIT: usize = 50_000;

/// A condition on one card.
pub type Predicate<'a> = &'a dyn Fn(&Graph, NodeIx) -> bool;

/// A name shared with the graph instead of copied into every card of an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub Arc<str>);

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl From<&str> for Label {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// The group (layer) and colour of each card type, for drawing.
#[derive(Clone, Debug, Default)]
pub struct Palette(HashMap<String, (Label, Label)>);

impl Palette {
    /// Sets a type's group and colour.
    pub fn set(&mut self, card_type: &str, group: &str, color: &str) {
        self.0.insert(card_type.to_owned(), (group.into(), color.into()));
    }

    /// A type that is not listed is its own group, in grey.
    fn of(&self, card_type: &Arc<str>) -> (Label, Label) {
        let listed = self.0.get(&**card_type).cloned();
        listed.unwrap_or_else(|| (Label(Arc::clone(card_type)), "#8c8c8c".into()))
    }
}

/// A card, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CardRef {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
}

/// One card on a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PathStep {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
    /// The relationship type that led here from the step before; absent on the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub via: Option<Label>,
    /// That relationship.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relationship_id: Option<Uuid>,
}

/// A card to draw.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeView {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
    /// What to draw together: the type's layer.
    #[schema(value_type = String)]
    pub group: Label,
    /// The type's colour, `#rrggbb`.
    #[schema(value_type = String)]
    pub color: Label,
    /// More of the card, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<NodeMetadata>,
}

/// What a drawing may show of a card beside its name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeMetadata {
    /// Steps from the nearest root; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// On the date asked.
    pub lifecycle_phase: Phase,
    /// Of applications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_criticality: Option<Tier>,
    /// 1..4, of applications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functional_fit: Option<u8>,
    /// 1..4, of applications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technical_fit: Option<u8>,
    /// 0..100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality_score: Option<u8>,
    /// The card's tags.
    #[schema(value_type = Vec<String>)]
    pub tags: Vec<Label>,
    /// The card's version.
    pub version: i32,
}

/// A relationship to draw.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// The relationship; nil for one that exists only in the what-if.
    pub id: Uuid,
    /// The card it starts from.
    pub source: Uuid,
    /// The card it leads to.
    pub target: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Label,
    /// The first day with it.
    pub valid_from: Option<NaiveDate>,
    /// The last day with it.
    pub valid_to: Option<NaiveDate>,
    /// Free text.
    pub description: Option<String>,
}

/// How an answer came about and what it left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = GraphMetadata)]
pub struct Metadata {
    /// The date the landscape was looked at.
    pub query_date: NaiveDate,
    /// Cards in the answer.
    pub total_nodes: usize,
    /// Relationships in the answer.
    pub total_edges: usize,
    /// Whether a limit cut the answer.
    pub truncated: bool,
    /// How many cards (or paths, or entries, where the answer is made of those) a limit left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted_nodes: usize,
    /// Whether something was left out because the caller may not see it.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// The seal that answered, with `known_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_at: Option<KnownAt>,
    /// Filled by whoever measured it; absent with `known_at`, whose answers never differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_time_ms: Option<f64>,
    /// Which engine answered.
    #[schema(value_type = String)]
    pub engine: Label,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Metadata {
    fn new(bound: &BoundView<'_>, total_nodes: usize, total_edges: usize, omitted_nodes: usize) -> Self {
        Self {
            query_date: bound.view().date,
            total_nodes,
            total_edges,
            truncated: omitted_nodes > 0,
            omitted_nodes,
            hidden: bound.hid_something(),
            known_at: None,
            execution_time_ms: Some(0.0),
            engine: "embedded".into(),
        }
    }
}

impl BoundView<'_> {
    fn card_ref(&self, ix: NodeIx) -> CardRef {
        let card = self.graph().card(ix);
        CardRef {
            id: card.id,
            name: card.name().to_owned(),
            card_type: self.type_label(ix),
        }
    }

    fn type_label(&self, ix: NodeIx) -> Label {
        Label(Arc::clone(self.graph().type_name(self.graph().card_type(ix))))
    }

    fn kind_label(&self, edge: EdgeIx) -> Label {
        Label(Arc::clone(self.graph().type_name(self.edge(edge).kind)))
    }

    fn edge_id(&self, edge: EdgeIx) -> Uuid {
        if self.is_added(edge) {
            Uuid::nil()
        } else {
            self.graph().edge_detail(edge).id
        }
    }

    fn path_step(&self, ix: NodeIx, via: Option<EdgeIx>) -> PathStep {
        let CardRef { id, name, card_type } = self.card_ref(ix);
        let relationship_id = via.map(|edge| self.edge_id(edge));
        PathStep {
            id,
            name,
            card_type,
            via: via.map(|edge| self.kind_label(edge)),
            relationship_id,
        }
    }

    fn node_view(&self, ix: NodeIx, palette: &Palette, depth: Option<u32>, include_metadata: bool) -> NodeView {
        let CardRef { id, name, card_type } = self.card_ref(ix);
        let (group, color) = palette.of(&card_type.0);
        let metadata = include_metadata.then(|| self.node_metadata(ix, depth));
        NodeView {
            id,
            name,
            card_type,
            group,
            color,
            metadata,
        }
    }

    fn node_metadata(&self, ix: NodeIx, depth: Option<u32>) -> NodeMetadata {
        let card = self.graph().card(ix);
        NodeMetadata {
            depth,
            lifecycle_phase: self.phase(ix),
            business_criticality: card.business_criticality,
            functional_fit: card.functional_fit,
            technical_fit: card.technical_fit,
            quality_score: card.quality_score,
            tags: card
                .tags
                .iter()
                .map(|tag| Label(Arc::clone(self.graph().word(*tag))))
                .collect(),
            version: card.version,
        }
    }

    fn link_view(&self, edge: EdgeIx) -> LinkView {
        let record = self.edge(edge);
        let (valid_from, valid_to) = self.validity(edge);
        let description = if self.is_added(edge) {
            None
        } else {
            self.graph().edge_detail(edge).description()
        };
        LinkView {
            id: self.edge_id(edge),
            source: self.graph().id(record.source),
            target: self.graph().id(record.target),
            kind: self.kind_label(edge),
            valid_from,
            valid_to,
            description: description.map(str::to_owned),
        }
    }

    /// Sorts cards of one depth by (type, id).
    fn sort_by_type(&self, cards: &mut [NodeIx]) {
        cards.sort_by_cached_key(|ix| self.type_key(*ix));
    }

    /// Keeps the first so many by (type, id), in order; answers the others, in none.
    fn first_by_type(&self, cards: &mut Vec<NodeIx>, room: usize) -> Vec<NodeIx> {
        let mut others = Vec::new();
        if room < cards.len() {
            // Only what is kept needs sorting: a hub's neighbourhood can be the whole landscape.
            let mut keyed: Vec<_> = cards.iter().map(|ix| (self.type_key(*ix), *ix)).collect();
            keyed.select_nth_unstable(room);
            others.extend(keyed.drain(room..).map(|(_, ix)| ix));
            *cards = keyed.into_iter().map(|(_, ix)| ix).collect();
        }
        self.sort_by_type(cards);
        others
    }

    fn type_key(&self, ix: NodeIx) -> (u32, Uuid) {
        (self.graph().type_rank(self.graph().card_type(ix)), self.graph().id(ix))
    }

    /// Which of several edges between two cards an answer names: the first by (type, id).
    fn edge_key(&self, edge: EdgeIx) -> (u32, Uuid) {
        (self.graph().type_rank(self.edge(edge).kind), self.edge_id(edge))
    }

    /// Every card that counts, ascending by place.
    fn all_cards(&self) -> impl Iterator<Item = NodeIx> {
        self.graph().cards().filter(|ix| self.accepts(*ix))
    }
}

/// A set of cards of one graph, one bit each. Cells, so that a walk can ask it while it adds to it.
#[derive(Clone, Debug)]
struct NodeSet(Vec<Cell<u64>>);

impl NodeSet {
    fn new(graph: &Graph) -> Self {
        Self(vec![Cell::new(0); graph.card_count().div_ceil(64)])
    }

    /// Whether it was not in yet.
    fn insert(&self, ix: NodeIx) -> bool {
        let (word, bit) = (&self.0[ix.at() / 64], 1 << (ix.at() % 64));
        let before = word.replace(word.get() | bit);
        before & bit == 0
    }

    fn contains(&self, ix: NodeIx) -> bool {
        self.0[ix.at() / 64].get() >> (ix.at() % 64) & 1 == 1
    }
}
