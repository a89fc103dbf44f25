//! Random worlds: few cards, many edges, so that cycles, hubs, groups and absent cards all happen.

use proptest::prelude::*;
use uuid::Uuid;

use super::{ROWS, day, row_id};
use crate::graph::{CardInput, EdgeInput};

pub(super) const TYPES: [&str; 6] = [
    "Application",
    "BusinessCapability",
    "ITComponent",
    "Platform",
    "Interface",
    "DataObject",
];

/// A world as a naive reader sees it: what is there today, as plain lists.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    pub(super) cards: Vec<Card>,
    pub(super) edges: Vec<Edge>,
}

#[derive(Clone, Debug)]
pub(super) struct Card {
    pub(super) id: Uuid,
    /// One of `TYPES`.
    pub(super) kind: usize,
    /// 0, 1 present; 2 not begun; 3 ended; 4 deleted.
    pub(super) state: usize,
    pub(super) sub_category: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) id: Uuid,
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) row: usize,
    /// 0..=3 in force; 4 over; 5 to come; 6 archived.
    pub(super) state: usize,
    /// 0..=4 nothing said; 5 hard; 6 soft; 7 none.
    pub(super) said: usize,
    /// 0..=2 no group; 3, 4 a named one.
    pub(super) group: usize,
}

impl Card {
    pub(super) fn present(&self) -> bool {
        self.state < 2
    }

    fn input(&self) -> CardInput {
        let mut lifecycle = [None; 5];
        let (phase, date) = [
            (0, None),
            (4, Some(day(1))),
            (2, Some(day(1))),
            (4, Some(day(0))),
            (0, None),
        ][self.state];
        lifecycle[phase] = date;
        CardInput {
            id: self.id,
            card_type: TYPES[self.kind].to_owned(),
            name: format!("Card {}", self.id),
            name_key: format!("card {}", self.id),
            lifecycle,
            attributes: match self.sub_category {
                0 => "{}".to_owned(),
                kind => format!("{{\"sub_category\":\"S{kind}\"}}"),
            },
            version: 1,
            deleted_at: (self.state == 4).then(Default::default),
            ..CardInput::default()
        }
    }
}

impl Edge {
    pub(super) fn in_force(&self) -> bool {
        self.state < 4
    }

    fn input(&self, cards: &[Card]) -> EdgeInput {
        let (from, to) = [
            (None, None),
            (None, None),
            (Some(day(0)), None),
            (None, Some(day(0))),
            (None, Some(day(-1))),
            (Some(day(1)), None),
            (None, None),
        ][self.state];
        let said = [
            None,
            Some("\"dependency\":\"hard\""),
            Some("\"dependency\":\"soft\""),
            Some("\"dependency\":\"none\""),
        ][self.said.saturating_sub(4)];
        let group = [
            None,
            Some("\"redundancy_group\":\"g\""),
            Some("\"redundancy_group\":\"h\""),
        ][self.group.saturating_sub(2)];
        EdgeInput {
            id: self.id,
            rule_id: row_id(ROWS[self.row].0),
            kind: ROWS[self.row].0.to_owned(),
            source_id: cards[self.source].id,
            target_id: cards[self.target].id,
            valid_from: from,
            valid_to: to,
            active: self.state != 6,
            attributes: format!("{{{}}}", said.into_iter().chain(group).collect::<Vec<_>>().join(",")),
            version: 1,
            ..EdgeInput::default()
        }
    }
}

impl Plain {
    pub(super) fn card_inputs(&self) -> Vec<CardInput> {
        self.cards.iter().map(Card::input).collect()
    }

    pub(super) fn edge_inputs(&self) -> Vec<EdgeInput> {
        self.edges.iter().map(|edge| edge.input(&self.cards)).collect()
    }
}

/// An id whose order has nothing to do with the card's place.
fn scattered(n: usize, salt: u64) -> Uuid {
    Uuid::from_u64_pair((n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt, n as u64)
}

/// Which end of an edge of a row should be of which type, mostly: so that default groups happen.
const FITTING: [(&str, bool, usize); 6] = [
    ("SUPPORTS", true, 0),
    ("SUPPORTS", false, 1),
    ("PART_OF", false, 3),
    ("LOCATED_AT", true, 3),
    ("PROVIDES", true, 0),
    ("CONSUMES", false, 4),
];

/// Mostly what counts, sometimes what does not.
pub(super) fn world(cards: usize, edges: usize) -> impl Strategy<Value = Plain> {
    let card = (0..TYPES.len(), 0..14usize, 0..3usize);
    let edge = (
        0..cards,
        0..cards,
        0..4u8,
        0..ROWS.len(),
        0..16usize,
        0..12usize,
        0..6usize,
    );
    let lists = (
        prop::collection::vec(card, 2..=cards),
        prop::collection::vec(edge, 0..=edges),
        any::<u64>(),
    );
    lists.prop_map(|(cards, edges, salt)| {
        let of_card = |(n, (kind, state, sub_category)): (usize, (usize, usize, usize))| Card {
            id: scattered(n, salt),
            kind,
            state: state.saturating_sub(9),
            sub_category,
        };
        let cards: Vec<Card> = cards.into_iter().enumerate().map(of_card).collect();
        let edges =
            edges
                .into_iter()
                .enumerate()
                .filter_map(|(n, (source, target, shape, row, state, said, group))| {
                    let mut ends = [source % cards.len(), target % cards.len()];
                    match shape {
                        // A quarter of the edges touch one of the first two cards: hubs.
                        0 => ends[1] %= 2,
                        1 => {}
                        _ => {
                            for (_, is_source, of) in FITTING.iter().filter(|(name, ..)| *name == ROWS[row].0) {
                                let fitting: Vec<usize> =
                                    (0..cards.len()).filter(|card| cards[*card].kind == *of).collect();
                                let end = &mut ends[usize::from(!is_source)];
                                *end = fitting.get(*end % fitting.len().max(1)).copied().unwrap_or(*end);
                            }
                        }
                    }
                    let [source, target] = ends;
                    let state = state.saturating_sub(9);
                    let (said, group) = (said.saturating_sub(4), group.saturating_sub(1));
                    let edge = Edge {
                        id: scattered(n, !salt),
                        source,
                        target,
                        row,
                        state,
                        said,
                        group,
                    };
                    (source != target).then_some(edge)
                });
        Plain {
            edges: edges.collect(),
            cards,
        }
    })
}
