//! Reaching cards level by level by the best path: shortest, then the one whose ids come first.

use super::{MAX_LIMIT, PathStep};
use crate::graph::{BoundView, EdgeIx, NodeIx};

/// How many steps all paths of one answer may have together: those of one long chain would grow with its square.
const MAX_PATH_STEPS: usize = 400_000;

/// A card that was reached, before it is written out.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// The card.
    pub card: NodeIx,
    /// Steps from a root.
    pub depth: u32,
    /// The place of the card before it on its path, and the edge between them; roots have none.
    pub from: Option<(usize, EdgeIx)>,
}

/// A path offered to a card: that of the card at place `from`, and one step more.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) card: NodeIx,
    pub(super) from: usize,
    pub(super) edge: EdgeIx,
}

/// What was reached so far. Places ascend with (depth, ids along the path), so a smaller place is a better path.
pub(super) struct Reach<'b, 'a> {
    pub(super) bound: &'b BoundView<'a>,
    pub(super) reached: Vec<Reached>,
    /// Zero, or the place plus one.
    place: Vec<u32>,
}

impl<'b, 'a> Reach<'b, 'a> {
    /// Starts from the roots that count.
    pub(super) fn from(bound: &'b BoundView<'a>, roots: &[NodeIx]) -> Self {
        let mut reach = Self {
            bound,
            reached: Vec::new(),
            place: vec![0; bound.graph().card_count()],
        };
        let mut roots: Vec<NodeIx> = roots.iter().copied().filter(|root| bound.accepts(*root)).collect();
        roots.sort_by_key(|root| bound.graph().id(*root));
        roots.dedup();
        for card in roots {
            reach.add(Reached {
                card,
                depth: 0,
                from: None,
            });
        }
        reach
    }

    fn add(&mut self, reached: Reached) {
        self.reached.push(reached);
        self.place[reached.card.at()] = self.reached.len() as u32;
    }

    pub(super) fn has(&self, card: NodeIx) -> bool {
        self.place[card.at()] != 0
    }

    /// Takes the best offer of each card, in the order of the paths they make; answers how many cards that were. Where
    /// several edges join the same two cards the first by (type, id) is named.
    pub(super) fn accept(&mut self, mut offers: Vec<Offer>) -> usize {
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
            let depth = self.reached[*from].depth + 1;
            self.add(Reached {
                card: *card,
                depth,
                from: Some((*from, *edge)),
            });
        }
        offers.len()
    }
}

/// Places in the order of an answer: (depth, type, id).
pub(super) fn in_order(bound: &BoundView<'_>, reached: &[Reached], places: std::ops::Range<usize>) -> Vec<usize> {
    let mut places: Vec<usize> = places.collect();
    places.sort_by_cached_key(|at| (reached[*at].depth, bound.type_key(reached[*at].card)));
    places
}

/// What is left of an answer's bounds.
pub(super) struct Room {
    cards: usize,
    steps: usize,
}

impl Room {
    pub(super) fn for_cards(limit: usize) -> Self {
        Self {
            cards: limit.min(MAX_LIMIT),
            steps: MAX_PATH_STEPS,
        }
    }

    /// The path to a card, if there is room for it. Once there was none there is none for later cards either, so that an
    /// answer is cut, not holed.
    pub(super) fn path(&mut self, bound: &BoundView<'_>, reached: &[Reached], at: usize) -> Option<Vec<PathStep>> {
        let steps = reached[at].depth as usize + 1;
        if self.cards == 0 || self.steps < steps {
            self.cards = 0;
            return None;
        }
        self.cards -= 1;
        self.steps -= steps;
        let mut path = Vec::with_capacity(steps);
        let mut step = Some(at);
        while let Some(place) = step {
            let Reached { card, from, .. } = reached[place];
            path.push(bound.path_step(card, from.map(|(_, edge)| edge)));
            step = from.map(|(before, _)| before);
        }
        path.reverse();
        Some(path)
    }
}
