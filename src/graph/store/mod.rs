//! The snapshot and how a new one is made from it.
//!
//! A `Graph` shares everything with its clones; a change copies the chunks it touches. So a feeder clones the current
//! snapshot, applies a batch of changes, and publishes the result, while readers keep theirs without a lock.

mod builder;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock},
};

use chrono::NaiveDate;
use uuid::Uuid;

pub use builder::GraphBuilder;

use crate::card::{Lifecycle, day};

use super::{
    cow::{CowVec, IdIndex},
    find::Indexed,
    input::{CardInput, Dependent, EdgeInput, RelationshipRule},
    interner::{TypeId, Types, Word, Words},
    meaning,
    model::{CardRecord, DefaultGroup, EdgeDetail, EdgeIx, EdgeMore, EdgeRecord, Node, NodeIx, Step, Text},
};

/// Shared by the many cards without an edge in one direction.
static NO_EDGES: LazyLock<Arc<[Step]>> = LazyLock::new(|| Arc::new([]));

/// The landscape at one instant.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    types: Types,
    words: Words,
    nodes: CowVec<Node>,
    edges: CowVec<EdgeRecord>,
    details: CowVec<EdgeDetail>,
    card_ids: IdIndex,
    edge_ids: IdIndex,
    rules: Arc<Vec<Rule>>,
    pending: Arc<Pending>,
    /// The index of all texts, for a graph that is searched.
    pub(super) indexed: Option<Indexed>,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    id: Uuid,
    row: (Dependent, bool),
}

/// Edges that arrived before one of their cards.
#[derive(Clone, Debug, Default)]
struct Pending {
    edges: HashMap<Uuid, EdgeInput>,
    by_missing: HashMap<Uuid, Vec<Uuid>>,
}

impl Graph {
    /// An empty graph.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many cards it holds, deleted ones included.
    #[must_use]
    pub fn card_count(&self) -> usize {
        self.nodes.len()
    }

    /// How many edges it holds, archived ones included.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// How many edges wait for a card that has not come.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        self.pending.edges.len()
    }

    /// Every card, deleted ones included.
    pub fn cards(&self) -> impl Iterator<Item = NodeIx> + use<> {
        (0..self.nodes.len() as u32).map(NodeIx)
    }

    /// Every edge, archived ones included.
    pub fn edges(&self) -> impl Iterator<Item = EdgeIx> + use<> {
        (0..self.edges.len() as u32).map(EdgeIx)
    }

    /// The card with the id, deleted or not.
    #[must_use]
    pub fn find(&self, id: Uuid) -> Option<NodeIx> {
        self.card_ids.find(id, |at| self.nodes[at as usize].id).map(NodeIx)
    }

    /// The edge with the id, archived or not.
    #[must_use]
    pub fn find_edge(&self, id: Uuid) -> Option<EdgeIx> {
        self.edge_ids.find(id, |at| self.details[at as usize].id).map(EdgeIx)
    }

    /// The whole card.
    #[must_use]
    pub fn card(&self, ix: NodeIx) -> &Arc<CardRecord> {
        &self.node(ix).card
    }

    /// The card's id.
    #[must_use]
    pub fn id(&self, ix: NodeIx) -> Uuid {
        self.node(ix).id
    }

    /// The card's type.
    #[must_use]
    pub fn card_type(&self, ix: NodeIx) -> TypeId {
        self.node(ix).card_type
    }

    /// The edge as a walk sees it. For an edge an overlay added, ask [`super::BoundView::edge`].
    #[must_use]
    pub fn edge(&self, ix: EdgeIx) -> &EdgeRecord {
        &self.edges[ix.0 as usize]
    }

    /// The rest of the edge.
    #[must_use]
    pub fn edge_detail(&self, ix: EdgeIx) -> &EdgeDetail {
        &self.details[ix.0 as usize]
    }

    /// Every edge that starts from the card, in force or not.
    pub fn edges_from(&self, ix: NodeIx) -> impl Iterator<Item = EdgeIx> {
        self.node(ix).out.iter().map(|step| step.edge)
    }

    /// Every edge that leads to the card, in force or not.
    pub fn edges_to(&self, ix: NodeIx) -> impl Iterator<Item = EdgeIx> {
        self.node(ix).inc.iter().map(|step| step.edge)
    }

    /// The type of that name, if any card or edge ever had it.
    #[must_use]
    pub fn find_type(&self, name: &str) -> Option<TypeId> {
        self.types.find(name)
    }

    /// A type's name.
    #[must_use]
    pub fn type_name(&self, id: TypeId) -> &Arc<str> {
        self.types.name(id)
    }

    /// The tag or group of that text, if the graph ever met it.
    #[must_use]
    pub fn find_word(&self, text: &str) -> Option<Word> {
        self.words.find(text)
    }

    /// A tag's or group's text.
    #[must_use]
    pub fn word(&self, word: Word) -> &Arc<str> {
        self.words.text(word)
    }

    /// The text of the word at a [place](Word::place).
    pub(super) fn word_at(&self, place: usize) -> &str {
        self.words.at(place)
    }

    /// A type's place in alphabetical order.
    pub(super) fn type_rank(&self, id: TypeId) -> u32 {
        self.types.rank(id)
    }

    pub(super) fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix.at()]
    }

    /// Sets the meaning of one row of the ontology; the edges made under it follow.
    pub fn upsert_rule(&mut self, rule: RelationshipRule) {
        let row = (rule.dependent, rule.hard);
        let at = self.rule(rule.id);
        if self.rules[usize::from(at)].row == row {
            return;
        }
        Arc::make_mut(&mut self.rules)[usize::from(at)].row = row;
        for ix in 0..self.edges.len() {
            let held = self.edges[ix];
            if held.rule == at
                && let Some(edge) = self.edges.get_mut(ix)
            {
                (edge.dependency, edge.dependent_is_source) = meaning::dependency(row, held.stated);
            }
        }
    }

    /// Adds the card or replaces an older version of it, and attaches the edges that waited for it. Answers whether
    /// anything was taken: a lower version than the one held is ignored.
    pub fn upsert_card(&mut self, input: &CardInput) -> bool {
        let known = self.find(input.id);
        if known.is_some_and(|ix| self.card(ix).version > input.version) {
            return false;
        }
        let mut node = self.node_of(input);
        if let Some(held) = known.and_then(|ix| self.nodes.get_mut(ix.at())) {
            let (out, inc) = (Arc::clone(&held.out), Arc::clone(&held.inc));
            let card = Arc::make_mut(&mut node.card);
            card.quality_score = card.quality_score.or(held.card.quality_score);
            if input.computed.is_none() {
                card.computed.clone_from(&held.card.computed);
            }
            let reworded = node.card.text != held.card.text || node.card.tags != held.card.tags;
            *held = Node { out, inc, ..node };
            if let (true, Some(ix), Some(indexed)) = (reworded, known, &mut self.indexed) {
                indexed.card(ix);
            }
            return true;
        }
        let at = self.nodes.len() as u32;
        self.nodes.push(node);
        if let Some(indexed) = &mut self.indexed {
            indexed.card(NodeIx(at));
        }
        let nodes = &self.nodes;
        self.card_ids.insert(input.id, at, |held| nodes[held as usize].id);
        self.attach_pending(input.id);
        true
    }

    /// Sets a card's computed values, which take no part in its version.
    pub fn set_scores(&mut self, id: Uuid, quality_score: Option<u8>, computed: Option<&str>) {
        if let Some(node) = self.find(id).and_then(|ix| self.nodes.get_mut(ix.at())) {
            let card = Arc::make_mut(&mut node.card);
            card.quality_score = quality_score.or(card.quality_score);
            if let Some(computed) = computed {
                card.computed = compact(computed);
            }
        }
    }

    /// Adds the edge or replaces an older version of it; an edge whose card is not known yet waits for it. Answers
    /// whether anything was taken: a lower version than the one held is ignored.
    pub fn upsert_edge(&mut self, input: EdgeInput) -> bool {
        let known = self.find_edge(input.id);
        if known.is_some_and(|ix| self.edge_detail(ix).version > input.version) {
            return false;
        }
        match (self.find(input.source_id), self.find(input.target_id)) {
            (Some(source), Some(target)) => {
                let at = self.put_edge(known, &input, source, target);
                let moved = at.1.filter(|before| (before.source, before.target) != (source, target));
                if let Some(before) = moved {
                    self.unlink(at.0, before);
                }
                if known.is_none() || moved.is_some() {
                    self.link(at.0, source, target);
                }
                true
            }
            (source, _) => {
                let missing = if source.is_none() {
                    input.source_id
                } else {
                    input.target_id
                };
                self.keep_pending(missing, input)
            }
        }
    }

    /// Writes the records without touching adjacency; answers the place and what stood there.
    fn put_edge(
        &mut self,
        known: Option<EdgeIx>,
        input: &EdgeInput,
        source: NodeIx,
        target: NodeIx,
    ) -> (EdgeIx, Option<EdgeRecord>) {
        let record = self.record_of(input, source, target);
        let detail = detail_of(input);
        if let Some(ix) = known {
            let before = self.edges[ix.0 as usize];
            if let Some(indexed) = &mut self.indexed
                && self.details[ix.0 as usize].description() != detail.description()
            {
                indexed.edge(ix);
            }
            if let (Some(edge), Some(rest)) = (self.edges.get_mut(ix.0 as usize), self.details.get_mut(ix.0 as usize)) {
                *edge = record;
                *rest = detail;
            }
            return (ix, Some(before));
        }
        let at = self.edges.len() as u32;
        if let (Some(indexed), Some(_)) = (&mut self.indexed, detail.description()) {
            indexed.edge(EdgeIx(at));
        }
        self.edges.push(record);
        self.details.push(detail);
        let details = &self.details;
        self.edge_ids.insert(input.id, at, |held| details[held as usize].id);
        (EdgeIx(at), None)
    }

    fn link(&mut self, edge: EdgeIx, source: NodeIx, target: NodeIx) {
        if let Some(node) = self.nodes.get_mut(source.at()) {
            node.out = node.out.iter().copied().chain([Step { edge, other: target }]).collect();
        }
        if let Some(node) = self.nodes.get_mut(target.at()) {
            node.inc = node.inc.iter().copied().chain([Step { edge, other: source }]).collect();
        }
    }

    fn unlink(&mut self, edge: EdgeIx, before: EdgeRecord) {
        if let Some(node) = self.nodes.get_mut(before.source.at()) {
            node.out = node.out.iter().copied().filter(|held| held.edge != edge).collect();
        }
        if let Some(node) = self.nodes.get_mut(before.target.at()) {
            node.inc = node.inc.iter().copied().filter(|held| held.edge != edge).collect();
        }
    }

    fn keep_pending(&mut self, missing: Uuid, input: EdgeInput) -> bool {
        let pending = Arc::make_mut(&mut self.pending);
        if pending
            .edges
            .get(&input.id)
            .is_some_and(|held| held.version > input.version)
        {
            return false;
        }
        pending.by_missing.entry(missing).or_default().push(input.id);
        pending.edges.insert(input.id, input);
        true
    }

    fn attach_pending(&mut self, card: Uuid) {
        if !self.pending.by_missing.contains_key(&card) {
            return;
        }
        let pending = Arc::make_mut(&mut self.pending);
        let waiting = pending.by_missing.remove(&card).unwrap_or_default();
        let inputs: Vec<EdgeInput> = waiting.iter().filter_map(|edge| pending.edges.remove(edge)).collect();
        for input in inputs {
            self.upsert_edge(input);
        }
    }

    fn node_of(&mut self, input: &CardInput) -> Node {
        let card_type = self.types.intern(&input.card_type);
        let lifecycle = Lifecycle::new(input.lifecycle);
        let deleted = input.deleted_at.is_some();
        let sub_category = meaning::sub_category(&input.attributes).and_then(|word| self.words.intern(&word));
        let card = CardRecord {
            id: input.id,
            card_type,
            tags: input.tags.iter().filter_map(|tag| self.words.intern(tag)).collect(),
            lifecycle,
            functional_fit: input.functional_fit,
            technical_fit: input.technical_fit,
            business_criticality: input.business_criticality,
            criticality_source: input.criticality_source,
            quality_score: input.quality_score,
            computed: input.computed.as_deref().and_then(compact),
            version: input.version,
            created_at: input.created_at,
            updated_at: input.updated_at,
            deleted_at: input.deleted_at,
            created_by: input.created_by,
            updated_by: input.updated_by,
            annual_cost: meaning::annual_cost(&input.attributes),
            text: Text::new(
                &input.name,
                &input.name_key,
                input.description.as_deref(),
                &input.attributes,
            ),
            leaves: OnceLock::new(),
        };
        let tag_bits = card.tags.iter().fold(0, |bits, tag| bits | tag.bit());
        Node {
            id: input.id,
            card: Arc::new(card),
            out: Arc::clone(&NO_EDGES),
            inc: Arc::clone(&NO_EDGES),
            card_type,
            present: if deleted { (0, 0) } else { lifecycle.presence() },
            deleted,
            sub_category,
            tag_bits,
        }
    }

    fn record_of(&mut self, input: &EdgeInput, source: NodeIx, target: NodeIx) -> EdgeRecord {
        let (stated, group) = meaning::stated(&input.attributes);
        let rule = self.rule(input.rule_id);
        let (dependency, dependent_is_source) = meaning::dependency(self.rules[usize::from(rule)].row, stated);
        let kind = self.types.intern(&input.kind);
        EdgeRecord {
            source,
            target,
            kind,
            valid: days(input.valid_from, input.valid_to),
            named_group: group.and_then(|word| self.words.intern(&word)),
            rule,
            dependency,
            dependent_is_source,
            active: input.active,
            stated,
            default_group: self.default_group(&input.kind, source, target),
        }
    }

    pub(super) fn default_group(&self, kind: &str, source: NodeIx, target: NodeIx) -> DefaultGroup {
        let name = |ix| self.types.name(self.card_type(ix));
        meaning::default_group(kind, name(source), name(target))
    }

    /// The place of the row; one that is not known yet means no dependency until it comes.
    fn rule(&mut self, id: Uuid) -> u16 {
        if let Some(at) = self.rules.iter().position(|rule| rule.id == id) {
            return at as u16;
        }
        // An ontology has dozens of rows. Should one ever have more than 65,535, the rest share the last place.
        let at = self.rules.len().min(usize::from(u16::MAX));
        if at == self.rules.len() {
            Arc::make_mut(&mut self.rules).push(Rule {
                id,
                row: (Dependent::None, false),
            });
        }
        at as u16
    }
}

pub(super) fn days(from: Option<NaiveDate>, to: Option<NaiveDate>) -> (i32, i32) {
    (from.map_or(i32::MIN, day), to.map_or(i32::MAX, day))
}

fn detail_of(input: &EdgeInput) -> EdgeDetail {
    let attributes = if input.attributes == "{}" {
        ""
    } else {
        input.attributes.as_str()
    };
    let more = (input.description.is_some() || input.allocation_pct.is_some() || !attributes.is_empty()).then(|| {
        Arc::new(EdgeMore {
            description: input.description.as_deref().map(Into::into),
            allocation_pct: input.allocation_pct,
            attributes: attributes.into(),
        })
    });
    EdgeDetail {
        id: input.id,
        version: input.version,
        created_at: input.created_at,
        updated_at: input.updated_at,
        more,
    }
}
/// Computed values worth keeping: most cards have none.
fn compact(json: &str) -> Option<Box<str>> {
    (!matches!(json, "" | "{}")).then(|| json.into())
}
