//! Edges in the making: no two of the same kind between the same cards at the same time, shares of cost that do not exceed
//! the whole.

use std::collections::{HashMap, HashSet};

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{
    dates::{handover, validity},
    plan::{Kind, Plan},
    rng::{Rng, Stream},
};
use crate::relationship::{CostGiver, EdgeDraft, Validity, cost_giver};

/// A relationship between two numbered cards.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edge {
    pub(super) source: u32,
    pub(super) kind: &'static str,
    pub(super) target: u32,
    pub(super) validity: Validity,
    /// In hundredths.
    allocation: Option<u8>,
    described: bool,
    traits: Traits,
}

/// What an edge says beyond its ends and dates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Traits {
    pub(super) dependency: Option<&'static str>,
    pub(super) redundancy_group: Option<&'static str>,
    pub(super) access: Option<&'static [&'static str]>,
    pub(super) direction: Option<&'static str>,
}

impl Edge {
    #[cfg(test)]
    pub(super) fn traits(&self) -> Traits {
        self.traits
    }

    pub(super) fn draft(&self) -> EdgeDraft {
        let mut attributes = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                attributes.insert(name.to_owned(), value);
            }
        };
        put("dependency", json!(self.traits.dependency));
        put("redundancy_group", json!(self.traits.redundancy_group));
        put("direction", json!(self.traits.direction));
        put(
            "access",
            match self.traits.access {
                Some([one]) => json!(one),
                several => json!(several),
            },
        );
        EdgeDraft {
            validity: self.validity,
            description: self.described.then(|| "Confirmed in the yearly review.".to_owned()),
            allocation_pct: self
                .allocation
                .map(|share| Decimal::new(i64::from(share), 2).normalize()),
            attributes,
        }
    }
}

pub(super) struct Edges<'p> {
    pub(super) plan: &'p Plan,
    pub(super) rng: Rng,
    /// As many as there may be.
    limit: usize,
    list: Vec<Edge>,
    pairs: HashSet<(u32, &'static str, u32)>,
    /// How much of a card's cost is given away, in hundredths, at whatever time.
    given: HashMap<u32, u8>,
}

impl<'p> Edges<'p> {
    pub(super) fn new(plan: &'p Plan, limit: usize) -> Self {
        Self {
            plan,
            rng: Rng::new(plan.seed, Stream::Edge, 0),
            limit,
            list: Vec::with_capacity(limit),
            pairs: HashSet::with_capacity(limit),
            given: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    /// The finished edges, in the order in which they were created.
    pub(super) fn finish(mut self) -> Vec<Edge> {
        self.rng.shuffle(&mut self.list);
        self.list
    }

    /// Adds an edge of some validity, or one that ended and was taken up again. Tells whether there was room for it.
    pub(super) fn add(&mut self, source: u32, kind: &'static str, target: u32, traits: Traits) -> bool {
        if self.rng.chance(3) && self.len() + 2 <= self.limit {
            let [first, second] = handover(&mut self.rng);
            self.add_at(source, kind, target, traits, &[first, second])
        } else {
            let validity = validity(&mut self.rng);
            self.add_at(source, kind, target, traits, &[validity])
        }
    }

    /// Adds an edge that always holds.
    pub(super) fn add_lasting(&mut self, source: u32, kind: &'static str, target: u32, traits: Traits) -> bool {
        self.add_at(source, kind, target, traits, &[Validity::default()])
    }

    /// Adds an edge once per interval; the intervals share no day.
    pub(super) fn add_at(
        &mut self,
        source: u32,
        kind: &'static str,
        target: u32,
        traits: Traits,
        at: &[Validity],
    ) -> bool {
        if source == target || self.len() + at.len() > self.limit || !self.pairs.insert((source, kind, target)) {
            return false;
        }
        for validity in at {
            let allocation = self.allocation(source, kind, target);
            let described = self.rng.chance(5);
            self.list.push(Edge {
                source,
                kind,
                target,
                validity: *validity,
                allocation,
                described,
                traits,
            });
        }
        true
    }

    fn allocation(&mut self, source: u32, kind: &'static str, target: u32) -> Option<u8> {
        let name = |card| Kind::name(self.plan.kind(card));
        let giver = match cost_giver(kind, name(source), name(target))? {
            CostGiver::Source => source,
            CostGiver::Target => target,
        };
        if !self.rng.chance(6) {
            return None;
        }
        let share = self.rng.between(5, 40) as u8;
        let total = self.given.entry(giver).or_default();
        if *total + share > 100 {
            return None;
        }
        *total += share;
        Some(share)
    }
}
