//! A segment: the sorted words of some texts, and for each word in which of them it stands. It never changes; two become
//! one when they are merged.

use std::{cmp::Ordering, collections::HashMap, ops::Range};

use super::Bits;
use crate::text::{
    Field, Texts,
    rank::{FIRST, bit},
    words::words,
};

/// Begins the word under which a whole tag is kept; no word of a text does.
pub(super) const TAG: char = '\u{1}';

/// See the module's description. Words lie one behind the other, and so do their postings: per text its distance from
/// the one before (seven bits a byte) and the places of the word in it.
#[derive(Debug, Default)]
pub(super) struct Segment {
    terms: String,
    term_ends: Vec<u32>,
    postings: Vec<u8>,
    posting_ends: Vec<u32>,
    /// The texts it holds, ascending.
    pub(super) docs: Vec<u32>,
}

impl Segment {
    pub(super) fn len(&self) -> usize {
        self.term_ends.len()
    }

    /// Where the words of texts begin, behind the tags.
    pub(super) fn words(&self) -> Range<usize> {
        self.tags().end..self.len()
    }

    pub(super) fn tags(&self) -> Range<usize> {
        0..self.first(|term| term.starts_with(TAG))
    }

    pub(super) fn term(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.term_ends[at - 1] as usize };
        &self.terms[start..self.term_ends[at] as usize]
    }

    fn posting_bytes(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.posting_ends[at - 1] as usize };
        &self.postings[start..self.posting_ends[at] as usize]
    }

    /// The first word for which `before` no longer holds.
    fn first(&self, before: impl Fn(&str) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if before(self.term(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    pub(super) fn find(&self, word: &str) -> Option<usize> {
        let at = self.first(|term| term < word);
        (at < self.len() && self.term(at) == word).then_some(at)
    }

    /// The words that begin so, the word itself first if there is one.
    pub(super) fn beginning(&self, with: &str) -> Range<usize> {
        let start = self.first(|term| term < with);
        let end = self.first(|term| term < with || term.starts_with(with));
        start..end
    }

    /// About how many texts have one of these words.
    pub(super) fn weight(&self, terms: &Range<usize>) -> usize {
        let end_of = |at: usize| if at == 0 { 0 } else { self.posting_ends[at - 1] as usize };
        end_of(terms.end) - end_of(terms.start)
    }

    /// The texts with the word, ascending, and its places in each.
    pub(super) fn postings(&self, at: usize) -> Postings<'_> {
        Postings {
            bytes: self.posting_bytes(at),
            doc: 0,
        }
    }

    /// Bytes it takes.
    pub(super) fn memory(&self) -> usize {
        self.terms.capacity()
            + self.postings.capacity()
            + 4 * (self.term_ends.capacity() + self.posting_ends.capacity() + self.docs.capacity())
    }

    fn push(&mut self, term: &str, postings: impl Iterator<Item = (u32, u8)>) {
        let mut last = 0;
        let start = self.postings.len();
        for (doc, places) in postings {
            let mut distance = doc - last;
            last = doc;
            while distance > 127 {
                self.postings.push(distance as u8 | 128);
                distance >>= 7;
            }
            self.postings.push(distance as u8);
            self.postings.push(places);
        }
        if self.postings.len() > start {
            self.terms.push_str(term);
            self.term_ends.push(self.terms.len() as u32);
            self.posting_ends.push(self.postings.len() as u32);
        }
    }

    fn shrink(&mut self) {
        self.terms.shrink_to_fit();
        self.term_ends.shrink_to_fit();
        self.postings.shrink_to_fit();
        self.posting_ends.shrink_to_fit();
        self.docs.shrink_to_fit();
    }

    /// One segment of two, without the texts that are no longer theirs.
    pub(super) fn merge(one: (&Self, &Bits), two: (&Self, &Bits)) -> Self {
        let mut merged = Self::default();
        let living = |(segment, dead): (&Self, &Bits)| -> Vec<u32> {
            segment.docs.iter().copied().filter(|doc| !dead.has(*doc)).collect()
        };
        merged.docs = living(one);
        merged.docs.extend(living(two));
        merged.docs.sort_unstable();
        let (mut a, mut b) = (0, 0);
        let of = |(segment, dead): (&Self, &Bits), at: usize, into: &mut Vec<(u32, u8)>| {
            into.extend(segment.postings(at).filter(|(doc, _)| !dead.has(*doc)));
        };
        let mut postings = Vec::new();
        while a < one.0.len() || b < two.0.len() {
            let order = if a == one.0.len() {
                Ordering::Greater
            } else if b == two.0.len() {
                Ordering::Less
            } else {
                one.0.term(a).cmp(two.0.term(b))
            };
            postings.clear();
            let term = if order.is_le() { one.0.term(a) } else { two.0.term(b) };
            if order.is_le() {
                of(one, a, &mut postings);
                a += 1;
            }
            if order.is_ge() {
                of(two, b, &mut postings);
                b += 1;
            }
            if order.is_eq() {
                postings.sort_unstable();
            }
            merged.push(term, postings.iter().copied());
        }
        merged.shrink();
        merged
    }
}

/// See [`Segment::postings`].
pub(super) struct Postings<'a> {
    bytes: &'a [u8],
    doc: u32,
}

impl Iterator for Postings<'_> {
    type Item = (u32, u8);

    #[inline]
    fn next(&mut self) -> Option<(u32, u8)> {
        let (mut distance, mut shift) = (0u32, 0);
        loop {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            distance |= u32::from(byte & 127) << shift;
            if *byte < 128 {
                break;
            }
            shift += 7;
        }
        let (places, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        self.doc += distance;
        Some((self.doc, *places))
    }
}

/// Collects texts, ascending, into a segment.
#[derive(Default)]
pub(super) struct Builder {
    terms: HashMap<Box<str>, Vec<(u32, u8)>>,
    docs: Vec<u32>,
}

impl Builder {
    /// Adds the next text; answers how many words its name has.
    pub(super) fn add(&mut self, doc: u32, texts: &Texts<'_>) -> usize {
        self.docs.push(doc);
        let mut length = 0;
        let terms = &mut self.terms;
        texts.each(&mut |field, _, text| {
            words(text, |word, _| {
                let first = field == Field::Name && length == 0;
                length += usize::from(field == Field::Name);
                note(terms, word, doc, bit(field) | if first { FIRST } else { 0 });
            });
        });
        let mut whole = String::new();
        for tag in &texts.tags {
            whole.clear();
            whole.push(TAG);
            whole.push_str(tag);
            note(terms, &whole, doc, bit(Field::Tags));
        }
        length
    }

    pub(super) fn build(self) -> Segment {
        let mut terms: Vec<_> = self.terms.into_iter().collect();
        terms.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut segment = Segment {
            docs: self.docs,
            ..Segment::default()
        };
        for (term, postings) in terms {
            segment.push(&term, postings.into_iter());
        }
        segment.shrink();
        segment
    }
}

fn note(terms: &mut HashMap<Box<str>, Vec<(u32, u8)>>, term: &str, doc: u32, places: u8) {
    let postings = match terms.get_mut(term) {
        Some(known) => known,
        None => terms.entry(term.into()).or_default(),
    };
    match postings.last_mut() {
        Some((last, known)) if *last == doc => *known |= places,
        _ => postings.push((doc, places)),
    }
}
