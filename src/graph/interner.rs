//! Strings kept once: the names of types, tags, sub-categories and redundancy groups.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

/// A card type or relationship type of one graph and its later snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub(super) u32);

/// A tag, sub-category or redundancy group of one graph and its later snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(NonZeroU32);

impl Word {
    /// Its place among all words, for counts of each.
    pub(super) fn place(self) -> usize {
        self.0.get() as usize - 1
    }

    /// One of 64 bits: the first 64 words each have their own.
    pub(super) fn bit(self) -> u64 {
        1 << ((self.0.get() - 1) % 64)
    }
}

#[derive(Clone, Debug, Default)]
struct Interner {
    names: Vec<Arc<str>>,
    lookup: HashMap<Arc<str>, u32>,
}

impl Interner {
    fn intern(&mut self, name: &str) -> u32 {
        let next = self.names.len() as u32;
        let shared: Arc<str> = name.into();
        self.names.push(Arc::clone(&shared));
        self.lookup.insert(shared, next);
        next
    }
}

/// Card and relationship types, with the rank of each in alphabetical order so that answers sort without comparing text.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    names: Arc<Interner>,
    ranks: Arc<Vec<u32>>,
}

impl Types {
    pub(super) fn intern(&mut self, name: &str) -> TypeId {
        if let Some(known) = self.find(name) {
            return known;
        }
        let id = Arc::make_mut(&mut self.names).intern(name);
        let mut order: Vec<u32> = (0..=id).collect();
        order.sort_unstable_by(|a, b| self.names.names[*a as usize].cmp(&self.names.names[*b as usize]));
        let mut ranks = vec![0; order.len()];
        for (rank, of) in order.into_iter().enumerate() {
            ranks[of as usize] = rank as u32;
        }
        self.ranks = Arc::new(ranks);
        TypeId(id)
    }

    pub(super) fn find(&self, name: &str) -> Option<TypeId> {
        self.names.lookup.get(name).copied().map(TypeId)
    }

    pub(super) fn name(&self, id: TypeId) -> &Arc<str> {
        &self.names.names[id.0 as usize]
    }

    pub(super) fn rank(&self, id: TypeId) -> u32 {
        self.ranks[id.0 as usize]
    }
}

/// Tags and the like: many, never sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Arc<Interner>);

impl Words {
    pub(super) fn intern(&mut self, word: &str) -> Option<Word> {
        let at = match self.0.lookup.get(word) {
            Some(known) => *known,
            None => Arc::make_mut(&mut self.0).intern(word),
        };
        NonZeroU32::new(at.checked_add(1)?).map(Word)
    }

    pub(super) fn find(&self, word: &str) -> Option<Word> {
        let at = self.0.lookup.get(word)?;
        NonZeroU32::new(at.checked_add(1)?).map(Word)
    }

    pub(super) fn at(&self, place: usize) -> &str {
        &self.0.names[place]
    }

    pub(super) fn text(&self, word: Word) -> &Arc<str> {
        &self.0.names[word.place()]
    }
}
