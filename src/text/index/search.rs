//! Finding and scoring: one word of the query after the other, the rarest first, through the postings of every word that
//! it may mean. What is left after the last has them all.

use std::{cell::RefCell, ops::Range};

use super::{Index, Part, segment::Segment};
use crate::text::{
    Query, Texts,
    query::Wanted,
    rank::{self, IN_NAME, Way, points},
    typo,
};

/// What the index does not know of its texts.
pub trait Corpus {
    /// Whether the text counts for this question.
    fn accepts(&self, doc: u32) -> bool;
    /// The text itself.
    fn texts(&self, doc: u32) -> Texts<'_>;
}

/// A text that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its number.
    pub doc: u32,
    /// As [`score`](crate::text::score) has it.
    pub score: u32,
}

/// What is known of a text while words are looked up; zero before and after.
#[derive(Clone, Copy, Default)]
struct Entry {
    sum: u32,
    best: u16,
    found: u8,
    named: u8,
}

thread_local! {
    /// One entry per text, kept for the next search of the thread: making them anew would cost more than most searches.
    static ENTRIES: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

/// The places to points of one way of finding a word.
struct Table([u16; 32]);

impl Table {
    fn of(way: Way) -> Self {
        let mut table = [0; 32];
        for (places, entry) in (0..).zip(&mut table) {
            *entry = points(way, places);
        }
        Self(table)
    }
}

impl Index {
    /// Everything that the query finds among what the corpus accepts, in no order, with or without forgiving typos.
    #[must_use]
    pub fn search(&self, query: &Query, typos: bool, corpus: &impl Corpus) -> Vec<Hit> {
        if query.is_empty() || self.lengths.is_empty() {
            return Vec::new();
        }
        let mut hits = ENTRIES.with_borrow_mut(|entries| {
            if entries.len() < self.lengths.len() {
                entries.resize(self.lengths.len(), Entry::default());
            }
            self.collect(query, typos, entries)
        });
        hits.retain(|hit| corpus.accepts(hit.doc));
        if query.has_phrases() {
            hits.retain(|hit| rank::phrases_hold(&corpus.texts(hit.doc), query));
        }
        hits
    }

    fn collect(&self, query: &Query, typos: bool, entries: &mut [Entry]) -> Vec<Hit> {
        let mut wanted: Vec<(usize, &Wanted)> = query.wanted.iter().map(|w| (self.weight(w), w)).collect();
        wanted.sort_by_key(|(weight, _)| *weight);
        let mut touched: Vec<u32> = Vec::new();
        let mut left: Vec<u32> = Vec::new();
        for (round, (_, word)) in (0u8..).zip(&wanted) {
            let mut seen = Vec::new();
            for part in &self.parts {
                part.look_up(word, typos, round, entries, &mut seen);
            }
            for doc in &seen {
                let entry = &mut entries[*doc as usize];
                entry.sum += u32::from(entry.best);
                entry.named += u8::from(entry.best >= IN_NAME);
                entry.best = 0;
                entry.found += 1;
            }
            if round == 0 {
                touched.clone_from(&seen);
            }
            left = seen;
            if left.is_empty() {
                break;
            }
        }
        for word in &query.excluded {
            for part in self.parts.iter().filter(|_| !left.is_empty()) {
                let at = part.segment.find(word);
                let postings = at.map(|at| part.segment.postings(at)).into_iter().flatten();
                for (doc, _) in postings.filter(|(doc, _)| !part.dead.has(*doc)) {
                    entries[doc as usize].best = u16::MAX;
                    touched.push(doc);
                }
            }
        }
        let count = wanted.len();
        let hits = left
            .into_iter()
            .filter(|doc| entries[*doc as usize].best == 0)
            .map(|doc| {
                let entry = entries[doc as usize];
                let length = usize::from(self.lengths[doc as usize]);
                let score = rank::total(entry.sum, count, usize::from(entry.named), length);
                Hit { doc, score }
            })
            .collect();
        for doc in touched {
            entries[doc as usize] = Entry::default();
        }
        hits
    }

    /// About how much is to be read for the word.
    fn weight(&self, wanted: &Wanted) -> usize {
        let terms = self.parts.iter().map(|part| part.segment.weight(&part.terms(wanted)));
        terms.sum()
    }
}

impl Part {
    /// The words that the wanted one may mean, as they are written.
    fn terms(&self, wanted: &Wanted) -> Range<usize> {
        if !wanted.whole {
            return self.segment.beginning(&wanted.word);
        }
        self.segment.find(&wanted.word).map_or(0..0, |at| at..at + 1)
    }

    /// Notes the best points of the word in each text that has all words of earlier rounds.
    fn look_up(&self, wanted: &Wanted, typos: bool, round: u8, entries: &mut [Entry], seen: &mut Vec<u32>) {
        let (whole, beginning) = (Table::of(Way::Whole), Table::of(Way::Beginning));
        for at in self.terms(wanted) {
            let is_whole = self.segment.term(at).len() == wanted.word.len();
            self.read(at, if is_whole { &whole } else { &beginning }, round, entries, seen);
        }
        let most = if typos { wanted.typos() } else { 0 };
        if most > 0 {
            let segment: &Segment = &self.segment;
            let tables = [1, 2].map(|typos| Table::of(Way::Typos(typos)));
            typo::near(
                &wanted.chars,
                most,
                segment.words(),
                |at| segment.term(at),
                |at, distance| {
                    // Without a typo it was read above.
                    if distance > 0 && !segment.term(at).starts_with(&wanted.word) {
                        self.read(at, &tables[usize::from(distance) - 1], round, entries, seen);
                    }
                },
            );
        }
    }

    fn read(&self, at: usize, table: &Table, round: u8, entries: &mut [Entry], seen: &mut Vec<u32>) {
        let all_living = self.living == self.segment.docs.len();
        for (doc, places) in self.segment.postings(at) {
            let entry = &mut entries[doc as usize];
            if entry.found != round || (!all_living && self.dead.has(doc)) {
                continue;
            }
            let points = table.0[usize::from(places & 31)];
            if entry.best == 0 {
                seen.push(doc);
            }
            entry.best = entry.best.max(points);
        }
    }
}
