//! The sets S(v) of a whole landscape, in bounded memory.
//!
//! Cards that take each other down (strongly connected by ungrouped hard dependencies) share one set and stand for each
//! other in every set: they make one *row*. Rows are put in an order in which what a row depends on comes first; only
//! rows that depend on each other through groups must be gone over until nothing changes.
//!
//! Held whole, the sets could be as many bits as the square of the landscape. So candidates for membership are taken in
//! blocks: each row holds one bit per candidate of the block, and the rows are gone over once per block. Rows without a
//! bit cost one look, so a landscape with small sets is fast, and one with large sets takes a second or two in the same
//! sixteen megabytes.

use std::{collections::HashMap, ops::Range};

use super::closure;
use crate::graph::{
    BoundView, NodeIx,
    question::components::{Arrows, components},
    view::Group,
};

/// Words of 64 bits that all rows may hold together.
const WORDS: usize = 16 * 1024 * 1024 / 8;
/// A row is no wider than this: beyond, it only loses its place in the cache.
const WIDEST: usize = 64;

pub(super) struct Sets {
    /// Of each card, sorted by card, its row.
    row_of: Vec<(NodeIx, u32)>,
    /// Ungrouped hard dependencies between rows.
    hard: Arrows,
    /// Which groups each row has, and the members of each.
    groups: Arrows,
    members: Arrows,
    /// Rows that depend on each other through groups stand together, in the order of evaluation.
    together: Vec<Range<u32>>,
    /// Of each row, its place in `together`.
    place: Vec<u32>,
}

impl Sets {
    pub(super) fn of(bound: &BoundView<'_>, from: impl Iterator<Item = NodeIx>) -> Self {
        let cards = closure(bound, from);
        let mut index = vec![u32::MAX; bound.graph().card_count()];
        for (at, card) in cards.iter().enumerate() {
            index[card.at()] = at as u32;
        }
        let (mut hard, mut groups, mut members) = (Arrows::new(), Arrows::new(), Arrows::new());
        for card in &cards {
            let mut ungrouped = Vec::new();
            let mut grouped: HashMap<Group, Vec<u32>> = HashMap::new();
            for dep in bound.dependencies(*card).filter(|dep| dep.hard) {
                let on = index[dep.other.at()];
                match bound.group(&dep) {
                    Some(group) => grouped.entry(group).or_default().push(on),
                    None => ungrouped.push(on),
                }
            }
            let first = members.len() as u32;
            for group in grouped.into_values() {
                members.push(group);
            }
            hard.push(ungrouped);
            groups.push(first..members.len() as u32);
        }
        Self::condensed(&cards, &hard, &groups, &members)
    }

    /// From cards to rows.
    fn condensed(cards: &[NodeIx], hard: &Arrows, groups: &Arrows, members: &Arrows) -> Self {
        let (tied, tied_count) = components(hard);
        let mut cards_of: Vec<Vec<u32>> = vec![Vec::new(); tied_count];
        for (at, of) in (0..).zip(&tied) {
            cards_of[*of as usize].push(at);
        }
        // What each tied set depends on in any way, to find an order of evaluation.
        let mut all = Arrows::new();
        for tied_cards in &cards_of {
            let direct = tied_cards.iter().flat_map(|card| hard.of(*card));
            let grouped = tied_cards
                .iter()
                .flat_map(|card| groups.of(*card))
                .flat_map(|group| members.of(*group));
            all.push(direct.chain(grouped).map(|on| tied[*on as usize]));
        }
        let (order, _) = components(&all);
        let mut rows: Vec<u32> = (0..tied_count as u32).collect();
        rows.sort_by_key(|of| (order[*of as usize], *of));
        let mut row_of_tied = vec![0; tied_count];
        for (row, of) in (0..).zip(&rows) {
            row_of_tied[*of as usize] = row;
        }
        let to_row = |card: &u32| row_of_tied[tied[*card as usize] as usize];
        let (mut row_hard, mut row_groups, mut row_members) = (Arrows::new(), Arrows::new(), Arrows::new());
        let mut together: Vec<Range<u32>> = Vec::new();
        let mut place = Vec::with_capacity(rows.len());
        for (row, of) in (0..).zip(&rows) {
            let tied_cards = &cards_of[*of as usize];
            let mut on: Vec<u32> = tied_cards.iter().flat_map(|card| hard.of(*card)).map(to_row).collect();
            let first = row_members.len() as u32;
            for group in tied_cards.iter().flat_map(|card| groups.of(*card)) {
                let mut group: Vec<u32> = members.of(*group).iter().map(to_row).collect();
                group.sort_unstable();
                group.dedup();
                match group.as_slice() {
                    [only] => on.push(*only),
                    // A group that the row itself is a member of adds nothing to the row.
                    several if several.contains(&row) => {}
                    several => row_members.push(several.iter().copied()),
                }
            }
            on.sort_unstable();
            on.dedup();
            on.retain(|other| *other != row);
            row_hard.push(on);
            row_groups.push(first..row_members.len() as u32);
            match together.last_mut() {
                Some(last) if order[rows[last.start as usize] as usize] == order[*of as usize] => last.end = row + 1,
                _ => together.push(row..row + 1),
            }
            place.push(together.len() as u32 - 1);
        }
        let mut row_of: Vec<(NodeIx, u32)> = cards.iter().copied().zip((0..).map(|at| to_row(&at))).collect();
        row_of.sort_unstable();
        Self {
            row_of,
            hard: row_hard,
            groups: row_groups,
            members: row_members,
            together,
            place,
        }
    }

    pub(super) fn row_count(&self) -> usize {
        self.hard.len()
    }

    /// Every card and its row.
    pub(super) fn cards(&self) -> impl Iterator<Item = (NodeIx, u32)> {
        self.row_of.iter().copied()
    }

    /// The distinct rows of some cards.
    pub(super) fn rows(&self, cards: &[NodeIx]) -> Vec<u32> {
        let places = cards
            .iter()
            .filter_map(|card| self.row_of.binary_search_by_key(card, |(card, _)| *card).ok());
        let mut rows: Vec<u32> = places.map(|at| self.row_of[at].1).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Of each list of rows, which of the candidate rows (ascending) are in all their sets: told one by one, list by
    /// list within each block of candidates.
    pub(super) fn common(&mut self, candidates: &[u32], lists: &[Vec<u32>], mut found: impl FnMut(usize, u32)) {
        let width = (WORDS / self.row_count().max(1))
            .clamp(1, WIDEST)
            .min(candidates.len().div_ceil(64).max(1));
        let mut bits = Bits {
            width,
            words: vec![0; width * self.row_count()],
            live: vec![false; self.row_count()],
        };
        let mut common = vec![0; width];
        for block in candidates.chunks(width * 64) {
            self.fill(&mut bits, block);
            for (which, list) in lists.iter().enumerate() {
                if list.is_empty() || !bits.intersect(list, &mut common) {
                    continue;
                }
                for (word, mut left) in common.iter().copied().enumerate() {
                    while left != 0 {
                        found(which, block[word * 64 + left.trailing_zeros() as usize]);
                        left &= left - 1;
                    }
                }
            }
            bits.clear();
        }
    }

    fn fill(&self, bits: &mut Bits, block: &[u32]) {
        let Some(first) = block.first() else { return };
        for (bit, row) in block.iter().enumerate() {
            bits.set(*row, bit);
        }
        let mut scratch = vec![0; bits.width];
        // What comes before the first candidate does not depend on it.
        for rows in &self.together[self.place[*first as usize] as usize..] {
            loop {
                let mut changed = false;
                for row in rows.clone() {
                    for on in self.hard.of(row) {
                        changed |= bits.unite(row, *on);
                    }
                    for group in self.groups.of(row) {
                        if bits.intersect(self.members.of(*group), &mut scratch) {
                            changed |= bits.add(row, &scratch);
                        }
                    }
                }
                if !changed || rows.len() == 1 {
                    break;
                }
            }
        }
    }
}

/// One bit per row and candidate of a block.
struct Bits {
    width: usize,
    words: Vec<u64>,
    live: Vec<bool>,
}

impl Bits {
    fn range(&self, row: u32) -> Range<usize> {
        row as usize * self.width..(row as usize + 1) * self.width
    }

    fn set(&mut self, row: u32, bit: usize) {
        self.words[row as usize * self.width + bit / 64] |= 1 << (bit % 64);
        self.live[row as usize] = true;
    }

    /// Adds another row's bits; answers whether any was new.
    fn unite(&mut self, row: u32, other: u32) -> bool {
        if !self.live[other as usize] || row == other {
            return false;
        }
        self.live[row as usize] = true;
        let (low, high) = (row.min(other), row.max(other));
        let (before, after) = self.words.split_at_mut(high as usize * self.width);
        let (low, high) = (
            &mut before[low as usize * self.width..][..self.width],
            &mut after[..self.width],
        );
        if row < other {
            unite(low, high)
        } else {
            unite(high, low)
        }
    }

    fn add(&mut self, row: u32, bits: &[u64]) -> bool {
        self.live[row as usize] = true;
        let range = self.range(row);
        unite(&mut self.words[range], bits)
    }

    /// The bits all rows have; answers whether there is one.
    fn intersect(&self, rows: &[u32], into: &mut [u64]) -> bool {
        if rows.iter().any(|row| !self.live[*row as usize]) {
            return false;
        }
        into.fill(u64::MAX);
        for row in rows {
            let mut any = 0;
            for (word, other) in into.iter_mut().zip(&self.words[self.range(*row)]) {
                *word &= other;
                any |= *word;
            }
            if any == 0 {
                return false;
            }
        }
        true
    }

    fn clear(&mut self) {
        for row in 0..self.live.len() {
            if std::mem::take(&mut self.live[row]) {
                let range = self.range(row as u32);
                self.words[range].fill(0);
            }
        }
    }
}

fn unite(into: &mut [u64], bits: &[u64]) -> bool {
    let mut new = 0;
    for (word, other) in into.iter_mut().zip(bits) {
        new |= other & !*word;
        *word |= other;
    }
    new != 0
}
