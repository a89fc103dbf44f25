//! The definitions of the contract, written as plainly as possible over plain lists. Slow and independent of the code
//! it judges: it shares no walk, no dependency meaning and no presence with it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Dependent, ROWS,
    generated::{Card, Edge, Plain, TYPES},
};
use uuid::Uuid;

/// A dependency today: who, on whom, hard, and the group that makes it one of several alternatives.
#[derive(Clone, Debug)]
pub(super) struct Dep {
    pub(super) dependent: usize,
    pub(super) on: usize,
    pub(super) hard: bool,
    pub(super) group: Option<String>,
    pub(super) row: usize,
}

/// A path as places.
pub(super) type Path = Vec<usize>;

pub(super) struct Oracle<'a> {
    pub(super) world: &'a Plain,
    counts: Vec<bool>,
    pub(super) deps: Vec<Dep>,
}

impl<'a> Oracle<'a> {
    /// Roots count as present unless they are deleted.
    pub(super) fn new(world: &'a Plain, roots: &[usize]) -> Self {
        let counts = |(n, card): (usize, &Card)| card.present() || (roots.contains(&n) && card.state != 4);
        let counts: Vec<bool> = world.cards.iter().enumerate().map(counts).collect();
        let mut oracle = Self {
            world,
            counts,
            deps: Vec::new(),
        };
        oracle.deps = oracle.edges().filter_map(|edge| oracle.meaning(edge)).collect();
        oracle
    }

    pub(super) fn counts(&self, card: usize) -> bool {
        self.counts[card]
    }

    pub(super) fn cards(&self) -> impl Iterator<Item = usize> {
        (0..self.world.cards.len()).filter(|card| self.counts[*card])
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = &'a Edge> {
        let both = |edge: &&Edge| edge.in_force() && self.counts[edge.source] && self.counts[edge.target];
        self.world.edges.iter().filter(both)
    }

    pub(super) fn id(&self, card: usize) -> Uuid {
        self.world.cards[card].id
    }

    pub(super) fn card_type(&self, card: usize) -> &'static str {
        TYPES[self.world.cards[card].kind]
    }

    pub(super) fn ids(&self, cards: &[usize]) -> Vec<Uuid> {
        cards.iter().map(|card| self.id(*card)).collect()
    }

    pub(super) fn by_type(&self, cards: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut cards: Vec<usize> = cards.into_iter().collect();
        cards.sort_by_key(|card| (self.card_type(*card), self.id(*card)));
        cards
    }

    fn meaning(&self, edge: &Edge) -> Option<Dep> {
        let (kind, dependent, row_hard) = ROWS[edge.row];
        let hard = match edge.said {
            5 => true,
            6 => false,
            7 => return None,
            _ if dependent == Dependent::None => return None,
            _ => row_hard,
        };
        let (from, on) = match dependent {
            Dependent::Target => (edge.target, edge.source),
            _ => (edge.source, edge.target),
        };
        let sub_category = self.world.cards[edge.source].sub_category;
        let default = match (kind, self.card_type(edge.source), self.card_type(edge.target)) {
            ("SUPPORTS", _, "BusinessCapability") => Some("supports".to_owned()),
            ("PART_OF", _, "Platform") if sub_category > 0 => Some(format!("part of {sub_category}")),
            ("LOCATED_AT", "Platform", _) => Some("sites".to_owned()),
            _ => None,
        };
        let named = (edge.group >= 3).then(|| format!("named {}", edge.group));
        let group = if hard { named.or(default) } else { None };
        Some(Dep {
            dependent: from,
            on,
            hard,
            group,
            row: edge.row,
        })
    }

    /// The members of each group of a card.
    pub(super) fn groups(&self, dependent: usize) -> BTreeMap<&str, BTreeSet<usize>> {
        let mut groups: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for dep in self.deps.iter().filter(|dep| dep.dependent == dependent) {
            if let Some(group) = &dep.group {
                groups.entry(group).or_default().insert(dep.on);
            }
        }
        groups
    }

    /// What is down, with its best path: round by round, everything anew.
    pub(super) fn down(&self, roots: &[usize], max_depth: usize) -> BTreeMap<usize, Path> {
        let mut down: BTreeMap<usize, Path> = roots
            .iter()
            .filter(|root| self.counts(**root))
            .map(|root| (*root, vec![*root]))
            .collect();
        for depth in 1..=max_depth {
            let mut new: BTreeMap<usize, Path> = BTreeMap::new();
            for card in self.cards().filter(|card| !down.contains_key(card)) {
                let mut through: BTreeSet<usize> = BTreeSet::new();
                for dep in self
                    .deps
                    .iter()
                    .filter(|dep| dep.dependent == card && dep.hard && dep.group.is_none())
                {
                    through.extend(down.get(&dep.on).filter(|path| path.len() == depth).map(|_| dep.on));
                }
                for members in self.groups(card).into_values() {
                    if members.iter().all(|member| down.contains_key(member)) {
                        let last = members.iter().map(|member| down[member].len()).max().unwrap();
                        let latest = members.into_iter().filter(|member| down[member].len() == last);
                        through.extend(latest.min_by_key(|member| self.id(*member)));
                    }
                }
                let paths = through.into_iter().map(|on| [down[&on].clone(), vec![card]].concat());
                new.extend(
                    paths
                        .min_by_key(|path| (path.len(), self.ids(path)))
                        .map(|path| (card, path)),
                );
            }
            if new.is_empty() {
                break;
            }
            down.extend(new);
        }
        down
    }

    /// What is degraded, with its best path.
    pub(super) fn degraded(
        &self,
        down: &BTreeMap<usize, Path>,
        soft_depth: usize,
        max_depth: usize,
    ) -> BTreeMap<usize, Path> {
        let mut degraded: BTreeMap<usize, Path> = BTreeMap::new();
        let mut last = down.clone();
        for step in 1..=soft_depth {
            let mut new: BTreeMap<usize, Path> = BTreeMap::new();
            for dep in self
                .deps
                .iter()
                .filter(|dep| !dep.hard || (dep.group.is_some() && step == 1))
            {
                let Some(path) = last.get(&dep.on) else { continue };
                if down.contains_key(&dep.dependent) || degraded.contains_key(&dep.dependent) || path.len() > max_depth
                {
                    continue;
                }
                let path = [path.clone(), vec![dep.dependent]].concat();
                let key = |path: &Path| (path.len(), self.ids(path));
                if new.get(&dep.dependent).is_none_or(|best| key(&path) < key(best)) {
                    new.insert(dep.dependent, path);
                }
            }
            degraded.extend(new.clone());
            last = new;
        }
        degraded
    }

    /// Distinct neighbours, walking edges in a direction.
    pub(super) fn next(&self, card: usize, out: bool, inc: bool, row: Option<usize>) -> BTreeSet<usize> {
        let edges = self.edges().filter(|edge| row.is_none_or(|row| edge.row == row));
        let step = |edge: &Edge| {
            let there = (out && edge.source == card).then_some(edge.target);
            there.or((inc && edge.target == card).then_some(edge.source))
        };
        edges.filter_map(step).collect()
    }

    /// All simple paths of at most so many hops, by (length, ids).
    pub(super) fn paths(&self, from: usize, to: usize, hops: usize) -> Vec<Path> {
        let mut open = vec![vec![from]];
        let mut found = Vec::new();
        while let Some(path) = open.pop() {
            let last = *path.last().unwrap();
            if last == to {
                found.push(path);
                continue;
            }
            if path.len() <= hops {
                let next = self
                    .next(last, true, true, None)
                    .into_iter()
                    .filter(|card| !path.contains(card));
                open.extend(next.map(|card| [path.clone(), vec![card]].concat()));
            }
        }
        found.sort_by_key(|path| (path.len(), self.ids(path)));
        found
    }

    /// Everything each card depends on, directly or not.
    pub(super) fn reach(&self) -> Vec<BTreeSet<usize>> {
        let mut reach = vec![BTreeSet::new(); self.world.cards.len()];
        loop {
            let mut changed = false;
            for dep in &self.deps {
                let more: BTreeSet<usize> = reach[dep.on].iter().copied().chain([dep.on]).collect();
                let before = reach[dep.dependent].len();
                reach[dep.dependent].extend(more);
                changed |= reach[dep.dependent].len() > before;
            }
            if !changed {
                return reach;
            }
        }
    }

    /// The shortest cycle among some cards, from its smallest id; ties by ids.
    pub(super) fn shortest_cycle(&self, among: &BTreeSet<usize>) -> Path {
        let mut open: Vec<Path> = among.iter().map(|card| vec![*card]).collect();
        let mut found: Vec<Path> = Vec::new();
        while let Some(path) = open.pop() {
            if found.iter().any(|cycle| cycle.len() < path.len()) {
                continue;
            }
            for dep in self
                .deps
                .iter()
                .filter(|dep| dep.dependent == *path.last().unwrap() && among.contains(&dep.on))
            {
                if dep.on == path[0] {
                    found.push(path.clone());
                } else if !path.contains(&dep.on) && self.id(dep.on) > self.id(path[0]) {
                    open.push([path.clone(), vec![dep.on]].concat());
                }
            }
        }
        found
            .into_iter()
            .min_by_key(|cycle| (cycle.len(), self.ids(cycle)))
            .unwrap()
    }
}
