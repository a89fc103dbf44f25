//! How failures spread: the reading of the graph, without the writing of the answer.

use std::{collections::HashMap, ops::Range};

use super::Params;
use crate::graph::{BoundView, EdgeIx, NodeIx, view::Group};

/// A card that is down or degraded, before it is written out.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// The card.
    pub card: NodeIx,
    /// Steps from a root.
    pub depth: u32,
    /// The place of the card before it on its path, and the edge between them; roots have none.
    pub from: Option<(usize, EdgeIx)>,
}

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

/// A path offered to a card.
#[derive(Clone, Copy)]
struct Offer {
    card: NodeIx,
    from: usize,
    edge: EdgeIx,
}

struct Spread<'b, 'a> {
    bound: &'b BoundView<'a>,
    outcome: Outcome,
    /// 0: stands; else the place in `reached`, plus one.
    place: Vec<u32>,
    /// Soft steps from something down, and members lost.
    impaired: Vec<Offer>,
}

/// Lets the failures spread.
#[must_use]
pub fn spread(bound: &BoundView<'_>, params: &Params) -> Outcome {
    let place = vec![0; bound.graph().card_count()];
    let mut spread = Spread {
        bound,
        outcome: Outcome::default(),
        place,
        impaired: Vec::new(),
    };
    let mut roots: Vec<NodeIx> = params
        .roots
        .iter()
        .copied()
        .filter(|root| bound.accepts(*root))
        .collect();
    roots.sort_by_key(|root| bound.graph().id(*root));
    roots.dedup();
    for card in roots {
        spread.reach(Reached {
            card,
            depth: 0,
            from: None,
        });
    }
    spread.outcome.roots = spread.outcome.reached.len();
    let mut level = 0..spread.outcome.roots;
    let max_depth = params.max_depth.unwrap_or(u32::MAX);
    let mut depth = 0;
    while !level.is_empty() && depth < max_depth {
        depth += 1;
        let offers = spread.fail(level.clone());
        level = level.end..level.end + spread.accept(offers);
    }
    spread.outcome.down = spread.outcome.reached.len();
    let mut impaired = std::mem::take(&mut spread.impaired);
    for step in 0..params.soft_depth {
        if step > 0 {
            impaired = spread.soften(level, max_depth);
        }
        impaired.retain(|offer| spread.place[offer.card.at()] == 0);
        let first = spread.outcome.reached.len();
        level = first..first + spread.accept(impaired);
        impaired = Vec::new();
    }
    spread.outcome
}

impl Spread<'_, '_> {
    fn reach(&mut self, reached: Reached) {
        self.outcome.reached.push(reached);
        self.place[reached.card.at()] = self.outcome.reached.len() as u32;
    }

    /// What the failure of one level takes down next; what it only impairs is noted.
    fn fail(&mut self, level: Range<usize>) -> Vec<Offer> {
        let mut offers = Vec::new();
        let mut fallen = Vec::new();
        let bound = self.bound;
        for from in level {
            let card = self.outcome.reached[from].card;
            for dep in bound.dependents_if(card, |_, other| self.place[other.at()] == 0) {
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
                        if lose(bound, &mut self.outcome.groups, (dep.other, group), (from, dep.edge)) {
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
        let losses = self.outcome.groups.get(&key)?;
        // Places ascend with depth and members were added level by level: the last one's depth is the largest.
        let last = self.outcome.reached[losses.failed.last()?.0].depth;
        let latest = losses
            .failed
            .iter()
            .rev()
            .take_while(|(from, _)| self.outcome.reached[*from].depth == last);
        latest.copied().min_by_key(|(from, edge)| {
            (
                self.bound.graph().id(self.outcome.reached[*from].card),
                self.bound.edge_key(*edge),
            )
        })
    }

    /// Soft steps from the cards just degraded.
    fn soften(&self, level: Range<usize>, max_depth: u32) -> Vec<Offer> {
        let mut offers = Vec::new();
        for from in level {
            let Reached { card, depth, .. } = self.outcome.reached[from];
            if depth < max_depth {
                let deps = self.bound.dependents_if(card, |_, other| self.place[other.at()] == 0);
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

    /// Takes the best offer of each card, in the order of the paths they make; answers how many cards that were.
    fn accept(&mut self, mut offers: Vec<Offer>) -> usize {
        offers.sort_unstable_by_key(|offer| (offer.card, offer.from));
        offers.dedup_by(|next, best| {
            let same = next.card == best.card;
            if same && next.from == best.from && self.bound.edge_key(next.edge) < self.bound.edge_key(best.edge) {
                best.edge = next.edge;
            }
            same
        });
        offers.sort_by_cached_key(|offer| (offer.from, self.bound.graph().id(offer.card)));
        for Offer { card, from, edge } in &offers {
            let depth = self.outcome.reached[*from].depth + 1;
            self.reach(Reached {
                card: *card,
                depth,
                from: Some((*from, *edge)),
            });
        }
        offers.len()
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
