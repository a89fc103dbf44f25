//! How failures spread: the reading of the graph, without the writing of the answer.

use std::{collections::HashMap, ops::Range};

use super::Params;
use crate::graph::{
    BoundView, EdgeIx, NodeIx,
    question::reach::{Offer, Reach, Reached},
    view::Group,
};

/// What follows from the failures, before it is written out; other rooms count on this.
///
/// Places within each list are in the order of (depth, ids along the path): a smaller place is a better path.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Roots first, then what is down, then what is degraded: one numbering for `from`.
    pub reached: Vec<Reached>,
    /// How many of them are roots.
    pub roots: usize,
    /// How many of them are down, roots included.
    pub down: usize,
    pub(super) groups: HashMap<(NodeIx, Group), Losses>,
}

#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) members: usize,
    pub(super) failed: Vec<(usize, EdgeIx)>,
}

struct Spread<'b, 'a> {
    reach: Reach<'b, 'a>,
    groups: HashMap<(NodeIx, Group), Losses>,
    /// Soft steps from something down, and members lost.
    impaired: Vec<Offer>,
}

/// Lets the failures spread.
#[must_use]
pub fn spread(bound: &BoundView<'_>, params: &Params) -> Outcome {
    let reach = Reach::from(bound, &params.roots);
    let roots = reach.reached.len();
    let mut spread = Spread {
        reach,
        groups: HashMap::new(),
        impaired: Vec::new(),
    };
    let mut level = 0..roots;
    let max_depth = params.max_depth.unwrap_or(u32::MAX);
    let mut depth = 0;
    while !level.is_empty() && depth < max_depth {
        depth += 1;
        let offers = spread.fail(level.clone());
        level = level.end..level.end + spread.reach.accept(offers);
    }
    let down = spread.reach.reached.len();
    let mut impaired = std::mem::take(&mut spread.impaired);
    for step in 0..params.soft_depth {
        if step > 0 {
            impaired = spread.soften(level, max_depth);
        }
        impaired.retain(|offer| !spread.reach.has(offer.card));
        let first = spread.reach.reached.len();
        level = first..first + spread.reach.accept(impaired);
        if level.is_empty() {
            break;
        }
        impaired = Vec::new();
    }
    Outcome {
        reached: spread.reach.reached,
        roots,
        down,
        groups: spread.groups,
    }
}

impl Spread<'_, '_> {
    /// What the failure of one level takes down next; what it only impairs is noted.
    fn fail(&mut self, level: Range<usize>) -> Vec<Offer> {
        let mut offers = Vec::new();
        let mut fallen = Vec::new();
        let bound = self.reach.bound;
        for from in level {
            let card = self.reach.reached[from].card;
            for dep in bound.dependents_if(card, |other| !self.reach.has(other)) {
                let offer = Offer {
                    card: dep.other,
                    from,
                    edge: dep.edge,
                };
                match bound.group(&dep) {
                    None if dep.hard => offers.push(offer),
                    None => self.impaired.push(offer),
                    Some(group) => {
                        self.impaired.push(offer);
                        if lose(bound, &mut self.groups, (dep.other, group), (from, dep.edge)) {
                            fallen.push((dep.other, group));
                        }
                    }
                }
            }
        }
        for key in fallen {
            if let Some((from, edge)) = self.last_to_fail(key) {
                offers.push(Offer {
                    card: key.0,
                    from,
                    edge,
                });
            }
        }
        offers
    }

    /// Of a group all of whose members are down, the one that fell last (ties: smallest id).
    fn last_to_fail(&self, key: (NodeIx, Group)) -> Option<(usize, EdgeIx)> {
        let losses = self.groups.get(&key)?;
        // Places ascend with depth and members were added level by level: the last one's depth is the largest.
        let last = self.reach.reached[losses.failed.last()?.0].depth;
        let latest = losses
            .failed
            .iter()
            .rev()
            .take_while(|(from, _)| self.reach.reached[*from].depth == last);
        latest.copied().min_by_key(|(from, edge)| {
            (
                self.reach.bound.graph().id(self.reach.reached[*from].card),
                self.reach.bound.edge_key(*edge),
            )
        })
    }

    /// Soft steps from the cards just degraded.
    fn soften(&self, level: Range<usize>, max_depth: u32) -> Vec<Offer> {
        let mut offers = Vec::new();
        for from in level {
            let Reached { card, depth, .. } = self.reach.reached[from];
            if depth < max_depth {
                let deps = self.reach.bound.dependents_if(card, |other| !self.reach.has(other));
                let soft = deps.filter(|dep| !dep.hard);
                offers.extend(soft.map(|dep| Offer {
                    card: dep.other,
                    from,
                    edge: dep.edge,
                }));
            }
        }
        offers
    }
}

/// Notes a lost member, and answers whether it was the last. The first time a dependent loses one, the members of all its groups are counted, so that a hub
/// is looked at once and not once for each member it loses.
fn lose(
    bound: &BoundView<'_>,
    groups: &mut HashMap<(NodeIx, Group), Losses>,
    key: (NodeIx, Group),
    lost: (usize, EdgeIx),
) -> bool {
    if !groups.contains_key(&key) {
        for dep in bound.dependencies(key.0) {
            if let Some(group) = bound.group(&dep) {
                groups.entry((key.0, group)).or_default().members += 1;
            }
        }
    }
    let losses = groups.entry(key).or_default();
    losses.failed.push(lost);
    losses.failed.len() == losses.members
}
