//! Containers that are free to clone and cheap to change: the clone shares everything, a change copies one chunk.

use std::{
    hash::{BuildHasher, RandomState},
    ops::Index,
    sync::Arc,
};

use uuid::Uuid;

/// Large enough that a chunk's header costs nothing, small enough that copying one for a change takes microseconds.
const CHUNK: usize = 256;

/// A growing vector in shared chunks. Cloning it copies one pointer.
#[derive(Debug)]
pub(super) struct CowVec<T> {
    chunks: Arc<Vec<Arc<Vec<T>>>>,
    len: usize,
}

impl<T> Clone for CowVec<T> {
    fn clone(&self) -> Self {
        Self {
            chunks: Arc::clone(&self.chunks),
            len: self.len,
        }
    }
}

impl<T> Default for CowVec<T> {
    fn default() -> Self {
        Self {
            chunks: Arc::default(),
            len: 0,
        }
    }
}

impl<T: Clone> CowVec<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, value: T) {
        let chunks = Arc::make_mut(&mut self.chunks);
        if self.len.is_multiple_of(CHUNK) {
            chunks.push(Arc::new(Vec::with_capacity(CHUNK)));
        }
        if let Some(last) = chunks.last_mut() {
            Arc::make_mut(last).push(value);
            self.len += 1;
        }
    }

    /// The element to change, its chunk copied first when another snapshot shares it.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(index / CHUNK)?;
        Arc::make_mut(chunk).get_mut(index % CHUNK)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

impl<T> Index<usize> for CowVec<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.chunks[index / CHUNK][index % CHUNK]
    }
}

const SHARDS: usize = 1024;
const FREE: u32 = u32::MAX;

/// From id to position, in copy-on-write shards. It stores positions only (the id stands in the record it leads to, read
/// back through a function), a third of the memory of a map of ids. Nothing is ever removed: deleted cards and archived
/// edges keep their place.
#[derive(Clone, Debug)]
pub(super) struct IdIndex {
    shards: Arc<Vec<Arc<Shard>>>,
    /// Keyed at random, so that ids chosen by a client cannot be made to collide.
    hasher: RandomState,
}

#[derive(Clone, Debug, Default)]
struct Shard {
    slots: Vec<u32>,
    used: usize,
}

impl Default for IdIndex {
    fn default() -> Self {
        let empty = Arc::new(Shard::default());
        Self {
            shards: Arc::new(vec![empty; SHARDS]),
            hasher: RandomState::new(),
        }
    }
}

impl IdIndex {
    pub(super) fn find(&self, id: Uuid, id_at: impl Fn(u32) -> Uuid) -> Option<u32> {
        let hash = self.hasher.hash_one(id);
        let slots = &self.shards[hash as usize % SHARDS].slots;
        if slots.is_empty() {
            return None;
        }
        let mut slot = start(hash, slots.len());
        while slots[slot] != FREE {
            if id_at(slots[slot]) == id {
                return Some(slots[slot]);
            }
            slot = (slot + 1) % slots.len();
        }
        None
    }

    /// Adds an id that is known to be absent.
    pub(super) fn insert(&mut self, id: Uuid, at: u32, id_at: impl Fn(u32) -> Uuid) {
        let hash = self.hasher.hash_one(id);
        let shard = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[hash as usize % SHARDS]);
        // At most three quarters full, so that a search always meets a free slot soon.
        if (shard.used + 1) * 4 > shard.slots.len() * 3 {
            let larger = vec![FREE; (shard.slots.len() * 2).max(8)];
            let old = std::mem::replace(&mut shard.slots, larger);
            for held in old.into_iter().filter(|held| *held != FREE) {
                place(&mut shard.slots, self.hasher.hash_one(id_at(held)), held);
            }
        }
        place(&mut shard.slots, hash, at);
        shard.used += 1;
    }
}

fn start(hash: u64, slots: usize) -> usize {
    (hash / SHARDS as u64) as usize % slots
}

fn place(slots: &mut [u32], hash: u64, at: u32) {
    let mut slot = start(hash, slots.len());
    while slots[slot] != FREE {
        slot = (slot + 1) % slots.len();
    }
    slots[slot] = at;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_the_older_snapshot_alone() {
        let mut now = CowVec::default();
        (0..1000).for_each(|n| now.push(n));
        let before = now.clone();
        *now.get_mut(700).unwrap() = 0;
        now.push(1000);
        assert_eq!((before[700], before.len(), now[700], now.len()), (700, 1000, 0, 1001));
        assert_eq!(before.iter().sum::<i32>(), 499_500);
    }

    #[test]
    fn every_id_is_found_and_no_other() {
        let ids: Vec<Uuid> = (0..20_000u128).map(|n| Uuid::from_u128(n * 7)).collect();
        let mut index = IdIndex::default();
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(index.find(*id, |held| ids[held as usize]), None);
            index.insert(*id, at as u32, |held| ids[held as usize]);
        }
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(index.find(*id, |held| ids[held as usize]), Some(at as u32));
        }
        assert_eq!(index.find(Uuid::from_u128(3), |held| ids[held as usize]), None);
    }
}
