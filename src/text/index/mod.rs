//! The index: a few segments, the large ones old and the small ones new. A batch of changes becomes a segment of its own;
//! neighbours of like size are merged, so that there are never more than a logarithm of them and every text is merged as
//! many times. Clones share all segments: a reader keeps the one it has while the next is made.

mod search;
mod segment;

use std::sync::Arc;

pub use search::{Corpus, Hit};
use segment::{Builder, Segment};

use super::Texts;

/// See the module's description.
#[derive(Clone, Debug, Default)]
pub struct Index {
    parts: Vec<Part>,
    /// How many words the name of each text has, at most 255.
    lengths: Arc<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Part {
    segment: Arc<Segment>,
    /// Texts that a later segment holds anew.
    dead: Arc<Bits>,
    living: usize,
}

impl Index {
    /// Adds texts, or puts them in the place of those that had their numbers. Numbers should be dense.
    pub fn put<'t>(&mut self, mut docs: Vec<u32>, texts: impl Fn(u32) -> Texts<'t>) {
        docs.sort_unstable();
        docs.dedup();
        let Some(last) = docs.last() else { return };
        let lengths = Arc::make_mut(&mut self.lengths);
        if lengths.len() <= *last as usize {
            lengths.resize(*last as usize + 1, 0);
        }
        let mut builder = Builder::default();
        for doc in &docs {
            lengths[*doc as usize] = builder.add(*doc, &texts(*doc)).min(255) as u8;
        }
        for part in &mut self.parts {
            part.bury(&docs);
        }
        self.parts.push(Part {
            living: docs.len(),
            segment: Arc::new(builder.build()),
            dead: Arc::default(),
        });
        self.tidy();
    }

    /// Merges what has become of like size, and forgets segments without anything living.
    fn tidy(&mut self) {
        self.parts.retain(|part| part.living > 0);
        while let [.., one, two] = self.parts.as_slice() {
            if one.living > 2 * two.living {
                break;
            }
            let segment = Segment::merge((&one.segment, &one.dead), (&two.segment, &two.dead));
            let living = segment.docs.len();
            self.parts.truncate(self.parts.len() - 2);
            self.parts.push(Part {
                segment: Arc::new(segment),
                dead: Arc::default(),
                living,
            });
        }
    }

    /// How many texts it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.living).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes it takes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let parts = self
            .parts
            .iter()
            .map(|part| part.segment.memory() + part.dead.0.capacity() * 8);
        parts.sum::<usize>() + self.lengths.capacity()
    }

    /// How many distinct words it holds, those of several segments counted in each.
    #[must_use]
    pub fn words(&self) -> usize {
        self.parts.iter().map(|part| part.segment.words().len()).sum()
    }

    /// Every tag with how many of the texts that are `accepted` carry it, when `wanted` says yes to the tag.
    pub fn tags(&self, wanted: impl Fn(&str) -> bool, accepted: impl Fn(u32) -> bool) -> Vec<(String, usize)> {
        let mut found = std::collections::BTreeMap::new();
        for part in &self.parts {
            for at in part.segment.tags() {
                let tag = &part.segment.term(at)[segment::TAG.len_utf8()..];
                if !found.contains_key(tag) && !wanted(tag) {
                    continue;
                }
                let postings = part.segment.postings(at).map(|(doc, _)| doc);
                let count = postings.filter(|doc| !part.dead.has(*doc) && accepted(*doc)).count();
                if count > 0 {
                    *found.entry(tag.to_owned()).or_default() += count;
                }
            }
        }
        found.into_iter().collect()
    }
}

impl Part {
    /// Marks texts as superseded.
    fn bury(&mut self, docs: &[u32]) {
        let held = |doc: &&u32| self.segment.docs.binary_search(doc).is_ok() && !self.dead.has(**doc);
        let gone: Vec<u32> = docs.iter().filter(held).copied().collect();
        if !gone.is_empty() {
            let dead = Arc::make_mut(&mut self.dead);
            for doc in &gone {
                dead.set(*doc);
            }
            self.living -= gone.len();
        }
    }
}

/// A set of numbers.
#[derive(Clone, Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, number: u32) -> bool {
        self.0
            .get(number as usize / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    fn set(&mut self, number: u32) {
        let at = number as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (number % 64);
    }
}
