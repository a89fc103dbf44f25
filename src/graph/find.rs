//! The texts of the landscape: what a search finds, in which order.
//!
//! A graph that answers for the present carries an index of its texts ([`Graph::with_texts`]); it changes with the cards
//! and is shared between snapshots as they are. Graphs of other instants do without, and try every card.

use std::{
    cmp::Reverse,
    collections::HashSet,
    hash::BuildHasher,
    sync::{Arc, LazyLock},
};

use chrono::NaiveDate;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    Embedded, Graph, embedded,
    interner::TypeId,
    model::{CardRecord, EdgeIx, NodeIx},
    view::TypeSet,
};
use crate::{
    card::{
        CardView, day,
        order::{Mark as OrderMark, Order, OrderBy, Value},
    },
    error::{Error, Result},
    text::{self, Corpus, Highlight, Hit, Index, Query, Texts},
};

/// How many searches may wait for a processor; whoever comes then is told to come back.
const MOST_WAITING: usize = 1_000;
static RUNNING: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));
static WAITING: Semaphore = Semaphore::const_new(MOST_WAITING);

/// Does work away from the threads that serve requests, as much at a time as there are processors.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let place = WAITING.try_acquire().map_err(|_| Error::unavailable("graph", None))?;
    let turn = RUNNING.acquire().await.map_err(Error::internal)?;
    drop(place);
    let work = move || {
        // Held until the work is done, also when nobody waits for it any more.
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

impl Embedded {
    /// [`apart`], for rooms that the graph's cannot be named in.
    pub async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        apart(work).await
    }
}

/// The index of a graph's texts, and what is still to be put into it.
#[derive(Clone, Debug, Default)]
pub(super) struct Indexed {
    cards: Index,
    edges: Index,
    new_cards: Vec<u32>,
    new_edges: Vec<u32>,
}

impl Indexed {
    pub(super) fn card(&mut self, card: NodeIx) {
        self.new_cards.push(card.0);
    }

    pub(super) fn edge(&mut self, edge: EdgeIx) {
        self.new_edges.push(edge.0);
    }
}

/// Where an answer was left: the score, the key of the name and the id of its last card.
pub type Mark = (u32, String, Uuid);

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    hits: Vec<Hit>,
    /// Typos had to be forgiven to find anything.
    pub typos: bool,
}

/// The cards found of one type.
#[derive(Clone, Debug)]
pub struct OfType {
    /// The type.
    pub card_type: Arc<str>,
    /// How many.
    pub total: usize,
    /// The highest score.
    pub best: u32,
    /// The best of them.
    pub cards: Vec<NodeIx>,
}

/// A card that a search may accept. Whether it is deleted and its type cost nothing to know; the rest lies further away.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'g> {
    graph: &'g Graph,
    card: NodeIx,
}

impl<'g> Candidate<'g> {
    /// Whether it is deleted.
    #[must_use]
    pub fn deleted(self) -> bool {
        self.graph.node(self.card).deleted
    }

    /// Its type.
    #[must_use]
    pub fn card_type(self) -> TypeId {
        self.graph.card_type(self.card)
    }

    /// All of it.
    #[must_use]
    pub fn record(self) -> &'g CardRecord {
        self.graph.card(self.card)
    }
}

struct Cards<'g, F> {
    graph: &'g Graph,
    accept: F,
}

impl<F: Fn(Candidate<'_>) -> bool> Corpus for Cards<'_, F> {
    fn accepts(&self, doc: u32) -> bool {
        (self.accept)(self.graph.candidate(NodeIx(doc)))
    }

    fn texts(&self, doc: u32) -> Texts<'_> {
        self.graph.texts(NodeIx(doc))
    }
}

struct Edges<'g, F> {
    graph: &'g Graph,
    accept: F,
}

impl<F: Fn(EdgeIx) -> bool> Corpus for Edges<'_, F> {
    fn accepts(&self, doc: u32) -> bool {
        (self.accept)(EdgeIx(doc))
    }

    fn texts(&self, doc: u32) -> Texts<'_> {
        self.graph.edge_texts(EdgeIx(doc))
    }
}

impl Graph {
    /// The same graph with an index of its texts, kept from now on.
    #[must_use]
    pub fn with_texts(mut self) -> Self {
        let mut indexed = Indexed::default();
        self.cards().for_each(|card| indexed.card(card));
        self.edges()
            .filter(|edge| self.edge_detail(*edge).description().is_some())
            .for_each(|edge| indexed.edge(edge));
        self.indexed = Some(indexed);
        self.index_texts();
        self
    }

    /// Brings the index up to date; to be called before a changed graph is published.
    pub fn index_texts(&mut self) {
        let Some(mut indexed) = self.indexed.take() else { return };
        let cards = std::mem::take(&mut indexed.new_cards);
        indexed.cards.put(cards, |doc| self.texts(NodeIx(doc)));
        let edges = std::mem::take(&mut indexed.new_edges);
        indexed.edges.put(edges, |doc| self.edge_texts(EdgeIx(doc)));
        self.indexed = Some(indexed);
    }

    /// Bytes and words of the index.
    #[must_use]
    pub fn index_size(&self) -> (usize, usize) {
        let indexed = self.indexed.as_ref();
        indexed.map_or((0, 0), |i| {
            (i.cards.memory() + i.edges.memory(), i.cards.words() + i.edges.words())
        })
    }

    /// The card as a search looks at it.
    #[must_use]
    pub fn candidate(&self, card: NodeIx) -> Candidate<'_> {
        Candidate { graph: self, card }
    }

    /// The texts of a card.
    #[must_use]
    pub fn texts(&self, card: NodeIx) -> Texts<'_> {
        let record = self.card(card);
        Texts {
            name: record.name(),
            tags: record.tags.iter().map(|tag| &**self.word(*tag)).collect(),
            description: record.description().unwrap_or_default(),
            attributes: record.attributes_json(),
        }
    }

    fn edge_texts(&self, edge: EdgeIx) -> Texts<'_> {
        Texts {
            description: self.edge_detail(edge).description().unwrap_or_default(),
            ..Texts::default()
        }
    }

    /// The accepted cards that the query finds, deleted ones included if accepted. Typos are forgiven when it finds
    /// nothing as it is written.
    pub fn find_cards(&self, query: &Query, accept: impl Fn(Candidate<'_>) -> bool) -> Found {
        forgiving(query, |typos| self.find_cards_as(query, typos, &accept))
    }

    /// [`find_cards`](Self::find_cards), with or without forgiving typos.
    pub fn find_cards_as(&self, query: &Query, typos: bool, accept: impl Fn(Candidate<'_>) -> bool) -> Found {
        let cards = Cards { graph: self, accept };
        let hits = match &self.indexed {
            Some(indexed) => indexed.cards.search(query, typos, &cards),
            None => scan(self.card_count(), query, typos, &cards),
        };
        Found { hits, typos }
    }

    /// The accepted edges whose description the query finds.
    pub fn find_edges(&self, query: &Query, accept: impl Fn(EdgeIx) -> bool) -> Found {
        let edges = Edges { graph: self, accept };
        forgiving(query, |typos| {
            let hits = match &self.indexed {
                Some(indexed) => indexed.edges.search(query, typos, &edges),
                None => scan(self.edge_count(), query, typos, &edges),
            };
            Found { hits, typos }
        })
    }

    /// The tags that the query finds, with how many accepted cards carry each, the most used first; and whether
    /// typos had to be forgiven. Only of a graph with an index.
    pub fn find_tags(&self, query: &Query, accept: impl Fn(Candidate<'_>) -> bool) -> (Vec<(String, usize)>, bool) {
        let Some(indexed) = &self.indexed else {
            return (Vec::new(), false);
        };
        let accepted = |doc: u32| accept(self.candidate(NodeIx(doc)));
        let found = |typos: bool| {
            let wanted = |tag: &str| text::score(&tag_texts(tag), query, typos).is_some();
            indexed.cards.tags(wanted, accepted)
        };
        let (mut tags, mut typos) = (found(false), false);
        if tags.is_empty() && query.forgives() {
            (tags, typos) = (found(true), true);
        }
        tags.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
        (tags, typos)
    }

    /// What of a card made the query find it.
    #[must_use]
    pub fn highlights(&self, card: NodeIx, query: &Query, typos: bool) -> Vec<Highlight> {
        text::highlights(&self.texts(card), query, typos)
    }

    /// What of an edge made the query find it.
    #[must_use]
    pub fn edge_highlights(&self, edge: EdgeIx, query: &Query, typos: bool) -> Vec<Highlight> {
        text::highlights(&self.edge_texts(edge), query, typos)
    }

    /// The types of these names; all for none.
    #[must_use]
    pub fn types_named<'n>(&self, names: Option<impl IntoIterator<Item = &'n String>>) -> TypeSet {
        names.map_or(TypeSet::All, |names| {
            TypeSet::of(self, names.into_iter().map(String::as_str))
        })
    }

    /// A card as clients read it, with the phase and computed values of a date.
    #[must_use]
    pub fn view(&self, card: NodeIx, on: NaiveDate) -> CardView {
        embedded::view(self, self.card(card), on)
    }
}

/// A tag as texts of its own.
fn tag_texts(tag: &str) -> Texts<'_> {
    Texts {
        tags: vec![tag],
        ..Texts::default()
    }
}

fn forgiving(query: &Query, find: impl Fn(bool) -> Found) -> Found {
    let found = find(false);
    if found.hits.is_empty() && query.forgives() {
        return find(true);
    }
    found
}

fn scan(count: usize, query: &Query, typos: bool, corpus: &impl Corpus) -> Vec<Hit> {
    let accepted = (0..count as u32).filter(|doc| corpus.accepts(*doc));
    accepted
        .filter_map(|doc| text::score(&corpus.texts(doc), query, typos).map(|score| Hit { doc, score }))
        .collect()
}

impl Found {
    /// How many.
    #[must_use]
    pub fn total(&self) -> usize {
        self.hits.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// The ids of the cards found.
    #[must_use]
    pub fn ids(&self, graph: &Graph) -> Vec<Uuid> {
        self.hits.iter().map(|hit| graph.id(NodeIx(hit.doc))).collect()
    }

    /// Keeps those cards only.
    pub fn keep<S: BuildHasher>(&mut self, graph: &Graph, ids: &HashSet<Uuid, S>) {
        self.hits.retain(|hit| ids.contains(&graph.id(NodeIx(hit.doc))));
    }

    /// The next cards behind a mark, best first; among equals by name, then id.
    #[must_use]
    pub fn cards(&self, graph: &Graph, after: Option<&Mark>, skip: usize, limit: usize) -> Vec<(NodeIx, Mark)> {
        let card = |hit: &Hit| graph.card(NodeIx(hit.doc));
        let key = |hit: &Hit| (Reverse(hit.score), card(hit).name_key(), card(hit).id);
        let mut hits = self.hits.clone();
        if let Some((score, name, id)) = after {
            let mark = (Reverse(*score), name.as_str(), *id);
            hits.retain(|hit| hit.score <= mark.0.0 && key(hit) > mark);
        }
        best(&mut hits, skip + limit, |a, b| key(a).cmp(&key(b)));
        let page = hits.into_iter().skip(skip).take(limit);
        page.map(|hit| {
            let record = card(&hit);
            let mark = (hit.score, record.name_key().to_owned(), record.id);
            (NodeIx(hit.doc), mark)
        })
        .collect()
    }

    /// The next cards behind a mark in an order by one value, as the database sorts: those without it last, among equals by id.
    #[must_use]
    pub fn sorted(
        &self,
        graph: &Graph,
        order: Order,
        after: Option<&OrderMark>,
        skip: usize,
        limit: usize,
    ) -> Vec<(NodeIx, OrderMark)> {
        let key = |card: NodeIx| (ordinal(graph.card(card), order.by), graph.id(card));
        let beyond = after.map(|(value, id)| (value.as_ref().map(Value::from), *id));
        let keyed = self.hits.iter().map(|hit| (key(NodeIx(hit.doc)), NodeIx(hit.doc)));
        let mut keyed: Vec<_> = keyed
            .filter(|(key, _)| beyond.as_ref().is_none_or(|mark| order.compare(key, mark).is_gt()))
            .collect();
        let wanted = skip + limit;
        if (1..keyed.len()).contains(&wanted) {
            keyed.select_nth_unstable_by(wanted - 1, |a, b| order.compare(&a.0, &b.0));
            keyed.truncate(wanted);
        }
        keyed.sort_unstable_by(|a, b| order.compare(&a.0, &b.0));
        let page = keyed.into_iter().skip(skip).take(limit);
        page.map(|((value, id), card)| (card, (value.map(Value::own), id)))
            .collect()
    }

    /// The cards found by type, in the order of the types' names.
    #[must_use]
    pub fn by_type(self, graph: &Graph, limit: usize) -> Vec<OfType> {
        let mut groups: Vec<Vec<Hit>> = Vec::new();
        for hit in self.hits {
            let at = graph.type_rank(graph.card_type(NodeIx(hit.doc))) as usize;
            if groups.len() <= at {
                groups.resize_with(at + 1, Vec::new);
            }
            groups[at].push(hit);
        }
        let filled = groups.into_iter().filter(|hits| !hits.is_empty());
        filled
            .map(|hits| {
                let group = Self {
                    typos: self.typos,
                    hits,
                };
                let cards = group.cards(graph, None, 0, limit.max(1));
                OfType {
                    card_type: Arc::clone(graph.type_name(graph.card_type(cards[0].0))),
                    total: group.hits.len(),
                    best: cards[0].1.0,
                    cards: cards.into_iter().map(|(card, _)| card).take(limit).collect(),
                }
            })
            .collect()
    }

    /// The best edges found, among equals by id.
    #[must_use]
    pub fn edges(&self, graph: &Graph, limit: usize) -> Vec<EdgeIx> {
        let mut hits = self.hits.clone();
        let key = |hit: &Hit| (Reverse(hit.score), graph.edge_detail(EdgeIx(hit.doc)).id);
        best(&mut hits, limit, |a, b| key(a).cmp(&key(b)));
        hits.into_iter().take(limit).map(|hit| EdgeIx(hit.doc)).collect()
    }
}

/// What a card is sorted by.
fn ordinal(card: &CardRecord, by: OrderBy) -> Option<Value<'_>> {
    match by {
        OrderBy::Name => Some(Value::Text(card.name_key())),
        OrderBy::CreatedAt => Some(Value::Number(card.created_at.timestamp_micros())),
        OrderBy::UpdatedAt => Some(Value::Number(card.updated_at.timestamp_micros())),
        OrderBy::Quality => card.quality_score.map(|score| Value::Number(score.into())),
        OrderBy::Lifecycle(at) => {
            let date = card.lifecycle.dates().get(at).copied().flatten();
            date.map(|date| Value::Number(day(date).into()))
        }
    }
}

/// Sorts the first `count` to the front, the rest stays behind in no order. Most hits are told apart by their score
/// alone, so names are compared only among those that are tied at the end.
fn best(hits: &mut Vec<Hit>, count: usize, order: impl Fn(&Hit, &Hit) -> std::cmp::Ordering) {
    if count == 0 {
        hits.clear();
    }
    if hits.len() > count && count > 0 {
        let mut scores: Vec<u32> = hits.iter().map(|hit| hit.score).collect();
        let (_, least, _) = scores.select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
        let least = *least;
        hits.retain(|hit| hit.score >= least);
        if hits.len() > count {
            hits.select_nth_unstable_by(count - 1, &order);
            hits.truncate(count);
        }
    }
    hits.sort_unstable_by(order);
}
