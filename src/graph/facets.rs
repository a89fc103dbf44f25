//! Facets counted in memory: where columns of the card alone decide which cards count, one pass over all of them is several
//! times faster than Postgres reading the table.
//!
//! Attributes are kept as text, and reading 100,000 of them takes long; so each attribute that was asked for is remembered
//! as a column of small numbers, and only cards that changed since are read again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{
    card::{
        Phase,
        facets::{Counts, Facet, Tally},
        list::CardQuery,
    },
    error::{Error, Result},
    metamodel::lookup,
};

use super::{
    Embedded, Graph,
    interner::Word,
    model::{CardRecord, NodeIx, Tier},
    view::TypeSet,
};

/// How many attributes are remembered; at 100,000 cards each takes a little more than a megabyte.
const COLUMNS: usize = 16;

/// The attributes that were asked for last, by the steps of their paths.
#[derive(Debug, Default)]
pub(super) struct Columns(Mutex<Vec<Remembered>>);

type Remembered = (Vec<String>, Arc<Mutex<Column>>);

impl Columns {
    fn of(&self, steps: &[String]) -> Arc<Mutex<Column>> {
        let mut columns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = columns.iter().position(|(path, _)| path == steps);
        let column = match found {
            Some(at) => columns.remove(at).1,
            None => Arc::default(),
        };
        columns.push((steps.to_vec(), Arc::clone(&column)));
        if columns.len() > COLUMNS {
            columns.remove(0);
        }
        column
    }
}

/// The values of one attribute, by card.
#[derive(Debug, Default)]
struct Column {
    /// The cards as they were read: a card that changed is another record.
    read: Vec<Arc<CardRecord>>,
    /// The value of each, as a place in `values`.
    places: Vec<u32>,
    values: Arc<Vec<Value>>,
    known: HashMap<String, u32>,
}

impl Column {
    fn refresh(&mut self, graph: &Graph, steps: &[String]) {
        // Values that no card has any more are forgotten now and then.
        if self.values.len() > 2 * graph.card_count() + 1_000 {
            *self = Self::default();
        }
        let first = steps.first().map_or("", String::as_str);
        let path = steps.join(".");
        for ix in graph.cards() {
            let record = graph.card(ix);
            if self.read.get(ix.at()).is_some_and(|known| Arc::ptr_eq(known, record)) {
                continue;
            }
            // A name that JSON writes as it is must occur in the text; looking for it is far cheaper than parsing.
            let plain = first.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let value = if plain && !record.attributes_json().contains(first) {
                Value::Null
            } else {
                lookup(&record.attributes(), &path).cloned().unwrap_or_default()
            };
            let place = self.place(value);
            if let (Some(known), Some(old)) = (self.read.get_mut(ix.at()), self.places.get_mut(ix.at())) {
                *known = Arc::clone(record);
                *old = place;
            } else {
                self.read.push(Arc::clone(record));
                self.places.push(place);
            }
        }
    }

    fn place(&mut self, value: Value) -> u32 {
        let written = value.to_string();
        if let Some(known) = self.known.get(&written) {
            return *known;
        }
        let next = self.values.len() as u32;
        Arc::make_mut(&mut self.values).push(value);
        self.known.insert(written, next);
        next
    }
}

impl Embedded {
    /// Counts sets of facets of the cards that a plain query finds (`CardQuery::is_plain`), the filter on the field named
    /// with each set left out.
    pub async fn tally(
        &self,
        query: CardQuery,
        sets: Vec<(Option<String>, Vec<Facet>)>,
    ) -> Result<Vec<(Vec<Facet>, Tally)>> {
        let graph = self.snapshot();
        let columns = Arc::clone(self.columns());
        let work = move || {
            let count = |(but, facets): (Option<String>, Vec<Facet>)| {
                let tally = tally(&graph, &columns, &query, &facets, but.as_deref());
                (facets, tally)
            };
            sets.into_iter().map(count).collect()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }
}

fn tally(graph: &Graph, columns: &Columns, query: &CardQuery, facets: &[Facet], but: Option<&str>) -> Tally {
    let filter = Filter::new(graph, query, but);
    let mut counters: Vec<Counter> = facets.iter().map(|facet| Counter::new(graph, columns, facet)).collect();
    let mut total = 0;
    for ix in graph.cards() {
        if filter.takes(ix) {
            total += 1;
            for counter in &mut counters {
                counter.count(graph, query, ix);
            }
        }
    }
    Tally {
        total,
        counts: counters.into_iter().map(|counter| counter.counts(graph)).collect(),
    }
}

/// The filters of a plain query, in terms of the graph.
struct Filter<'a> {
    graph: &'a Graph,
    query: &'a CardQuery,
    /// One bit for each card that a search found.
    among: Option<Vec<u64>>,
    visible: TypeSet,
    types: TypeSet,
    tags: Vec<Option<Word>>,
    phases: &'a [Phase],
    functional_fit: &'a [i16],
    technical_fit: &'a [i16],
    tiers: &'a [String],
}

impl<'a> Filter<'a> {
    fn new(graph: &'a Graph, query: &'a CardQuery, but: Option<&str>) -> Self {
        fn unless<'a, T>(but: Option<&str>, field: &str, values: &'a [T]) -> &'a [T] {
            if but == Some(field) { &[] } else { values }
        }
        let filter = &query.filter;
        let types = unless(but, "type", &query.types);
        Self {
            graph,
            query,
            among: query.among.as_ref().map(|ids| {
                let mut bits = vec![0; graph.card_count().div_ceil(64)];
                for ix in ids.iter().filter_map(|id| graph.find(*id)) {
                    bits[ix.at() / 64] |= 1 << (ix.at() % 64);
                }
                bits
            }),
            visible: match query.visible.names() {
                None => TypeSet::All,
                Some(names) => TypeSet::of(graph, names.iter().map(String::as_str)),
            },
            types: if types.is_empty() {
                TypeSet::All
            } else {
                TypeSet::of(graph, types.iter().map(String::as_str))
            },
            tags: unless(but, "tags", &query.tags)
                .iter()
                .map(|tag| graph.find_word(tag))
                .collect(),
            phases: unless(but, "lifecycle_phase", &query.phases),
            functional_fit: unless(but, "functional_fit", &filter.functional_fit),
            technical_fit: unless(but, "technical_fit", &filter.technical_fit),
            tiers: unless(but, "business_criticality", &filter.business_criticality),
        }
    }

    fn takes(&self, ix: NodeIx) -> bool {
        let node = self.graph.node(ix);
        if node.deleted || !self.visible.contains(node.card_type) || !self.types.contains(node.card_type) {
            return false;
        }
        let found = |bits: &Vec<u64>| bits[ix.at() / 64] >> (ix.at() % 64) & 1 == 1;
        if !self.among.as_ref().is_none_or(found) {
            return false;
        }
        let card = &node.card;
        let has = |tag: &Option<Word>| tag.is_some_and(|word| card.tags.contains(&word));
        let tagged = if self.query.all_tags {
            self.tags.iter().all(has)
        } else {
            self.tags.is_empty() || self.tags.iter().any(has)
        };
        let fits =
            |asked: &[i16], fit: Option<u8>| asked.is_empty() || fit.is_some_and(|f| asked.contains(&i16::from(f)));
        let filter = &self.query.filter;
        let quality = card.quality_score.map(i16::from);
        tagged
            && (self.phases.is_empty() || self.phases.contains(&card.lifecycle.phase(self.query.on)))
            && fits(self.functional_fit, card.functional_fit)
            && fits(self.technical_fit, card.technical_fit)
            && (self.tiers.is_empty()
                || card
                    .business_criticality
                    .is_some_and(|tier| self.tiers.iter().any(|name| name == tier.as_str())))
            && filter.quality_min.is_none_or(|min| quality.is_some_and(|q| q >= min))
            && filter.quality_max.is_none_or(|max| quality.is_some_and(|q| q <= max))
            && filter.updated_since.is_none_or(|since| card.updated_at >= since)
    }
}

/// The counts of one facet while they grow.
enum Counter {
    Type(Vec<u64>),
    Phase([u64; PHASES.len()]),
    /// By the place of the word, and how many have none.
    Tags(Vec<u64>, u64),
    Criticality([u64; 5]),
    Fit {
        functional: bool,
        counts: [u64; 5],
    },
    Attribute {
        values: Arc<Vec<Value>>,
        places: Vec<u32>,
        counts: Vec<u64>,
    },
}

const PHASES: [Phase; 6] = [
    Phase::Plan,
    Phase::PhaseIn,
    Phase::Active,
    Phase::PhaseOut,
    Phase::EndOfLife,
    Phase::Undefined,
];

impl Counter {
    fn new(graph: &Graph, columns: &Columns, facet: &Facet) -> Self {
        match facet {
            Facet::Type => Self::Type(Vec::new()),
            Facet::Phase => Self::Phase([0; PHASES.len()]),
            Facet::Tags => Self::Tags(Vec::new(), 0),
            Facet::Criticality => Self::Criticality([0; 5]),
            Facet::FunctionalFit | Facet::TechnicalFit => Self::Fit {
                functional: *facet == Facet::FunctionalFit,
                counts: [0; 5],
            },
            Facet::Attribute(steps) => {
                let column = columns.of(steps);
                let mut held = column.lock().unwrap_or_else(PoisonError::into_inner);
                held.refresh(graph, steps);
                Self::Attribute {
                    values: Arc::clone(&held.values),
                    places: held.places.clone(),
                    counts: vec![0; held.values.len()],
                }
            }
        }
    }

    fn count(&mut self, graph: &Graph, query: &CardQuery, ix: NodeIx) {
        let node = graph.node(ix);
        match self {
            Self::Type(counts) => {
                let at = node.card_type.0 as usize;
                if counts.len() <= at {
                    counts.resize(at + 1, 0);
                }
                counts[at] += 1;
            }
            Self::Phase(counts) => {
                let phase = node.card.lifecycle.phase(query.on);
                if let Some(at) = PHASES.iter().position(|other| *other == phase) {
                    counts[at] += 1;
                }
            }
            Self::Tags(counts, missing) => {
                for at in node.card.tags.iter().map(|tag| tag.place()) {
                    if counts.len() <= at {
                        counts.resize(at + 1, 0);
                    }
                    counts[at] += 1;
                }
                *missing += u64::from(node.card.tags.is_empty());
            }
            Self::Criticality(counts) => {
                counts[node.card.business_criticality.map_or(0, |tier| tier as usize + 1)] += 1;
            }
            Self::Fit { functional, counts } => {
                let fit = if *functional {
                    node.card.functional_fit
                } else {
                    node.card.technical_fit
                };
                counts[usize::from(fit.unwrap_or(0)).min(4)] += 1;
            }
            Self::Attribute { places, counts, .. } => {
                if let Some(count) = places.get(ix.at()).and_then(|place| counts.get_mut(*place as usize)) {
                    *count += 1;
                }
            }
        }
    }

    fn counts(self, graph: &Graph) -> Counts {
        let mut all = Counts::default();
        let mut add = |value: Value, cards: u64| {
            if cards > 0 {
                all.add(&value, cards);
            }
        };
        match self {
            Self::Type(counts) => {
                for (at, cards) in (0..).zip(counts).filter(|(_, cards)| *cards > 0) {
                    add(Value::from(&**graph.type_name(super::TypeId(at))), cards);
                }
            }
            Self::Phase(counts) => PHASES
                .iter()
                .zip(counts)
                .for_each(|(phase, n)| add(phase.as_str().into(), n)),
            Self::Tags(counts, missing) => {
                for (at, n) in counts.into_iter().enumerate().filter(|(_, n)| *n > 0) {
                    add(Value::from(graph.word_at(at)), n);
                }
                add(Value::Null, missing);
            }
            Self::Criticality([missing, tiers @ ..]) => {
                let all = [Tier::One, Tier::Two, Tier::Three, Tier::Four];
                for (tier, n) in all.into_iter().zip(tiers) {
                    add(tier.as_str().into(), n);
                }
                add(Value::Null, missing);
            }
            Self::Fit { counts, .. } => {
                add(Value::Null, counts[0]);
                (1..5).for_each(|fit| add(Value::from(fit), counts[fit]));
            }
            Self::Attribute { values, counts, .. } => {
                values.iter().zip(counts).for_each(|(value, n)| add(value.clone(), n));
            }
        }
        all
    }
}
