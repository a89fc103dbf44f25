//! Similar cards against a plain count of everything.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    generated::{Plain, TYPES, world},
    rows, today,
};
use crate::graph::{
    CardInput, Direction, Graph, GraphBuilder, TypeSet, View,
    question::similar::{Asked, similar},
};

const TAGS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What is said of a card: bits for tags, values for two attributes.
type Said = (u8, u8, u8);

fn graph(plain: &Plain, said: &[Said], hidden: &[&str]) -> Graph {
    let mut builder = GraphBuilder::new();
    rows().for_each(|row| builder.rule(row));
    let shown = |card: &CardInput| !hidden.contains(&card.card_type.as_str());
    let inputs = plain.card_inputs().into_iter().zip(said.iter().cycle());
    for (mut card, said) in inputs.filter(|(card, _)| shown(card)) {
        card.tags = tags(*said).into_iter().map(str::to_owned).collect();
        card.attributes = serde_json::json!({"x": said.1, "y": {"z": said.2}}).to_string();
        builder.card(&card);
    }
    let cards = plain.card_inputs();
    for edge in plain.edge_inputs() {
        let end = |id| cards.iter().any(|card| card.id == id && shown(card));
        if end(edge.source_id) && end(edge.target_id) {
            builder.edge(edge);
        }
    }
    builder.build()
}

fn tags(said: Said) -> BTreeSet<&'static str> {
    (0..5)
        .filter(|n| said.0 >> n & 1 == 1)
        .map(|n| TAGS[n as usize])
        .collect()
}

fn share<T: Ord + Clone>(one: &BTreeSet<T>, two: &BTreeSet<T>) -> f64 {
    let of = one.union(two).count();
    if of == 0 {
        return 0.0;
    }
    one.intersection(two).count() as f64 / of as f64
}

/// The neighbours of a card, which counts whatever its dates say.
fn neighbours(plain: &Plain, card: usize) -> BTreeSet<(usize, bool, usize)> {
    let mut found = BTreeSet::new();
    for edge in plain.edges.iter().filter(|edge| edge.in_force()) {
        for (from, to, outgoing) in [(edge.source, edge.target, true), (edge.target, edge.source, false)] {
            if from == card && plain.cards[to].present() {
                found.insert((edge.row, outgoing, to));
            }
        }
    }
    found
}

proptest! {
    #[test]
    fn scores_and_suggestions_are_those_of_a_plain_count(
        plain in world(9, 30),
        said in prop::collection::vec((0u8..32, 0u8..3, 0u8..3), 9),
        root in 0usize..9, kinds in prop::collection::btree_set(0..TYPES.len(), 1..=TYPES.len()),
        limit in 1usize..9, least in 0u8..6,
    ) {
        let root = root % plain.cards.len();
        // Among cards that are there: who is present when the card itself is not is another rule's business.
        prop_assume!(plain.cards[root].present());
        let graph = graph(&plain, &said, &[]);
        let min_score = f64::from(least) / 10.0;
        let asked = Asked {
            types: TypeSet::of(&graph, kinds.iter().map(|kind| TYPES[*kind])),
            limit,
            min_score,
        };
        let at = graph.find(plain.cards[root].id).unwrap();
        let answer = similar(&graph, &View::on(today()), at, &asked, |_, _, _| true);
        let said_of = |card: usize| said[card % said.len()];
        let own = neighbours(&plain, root);
        let mut expected = Vec::new();
        for (n, card) in plain.cards.iter().enumerate() {
            if n == root || !card.present() || !kinds.contains(&card.kind) {
                continue;
            }
            let (mine, theirs) = (said_of(root), said_of(n));
            let equal = u32::from(mine.1 == theirs.1) + u32::from(mine.2 == theirs.2);
            let score = 0.7 * share(&tags(mine), &tags(theirs)) + 0.2 * f64::from(equal) / 2.0 + 0.1 * share(&own, &neighbours(&plain, n));
            if score > 0.0 && score >= min_score {
                expected.push((n, score));
            }
        }
        expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(plain.cards[a.0].id.cmp(&plain.cards[b.0].id)));
        let scores: Vec<f64> = answer.similar.iter().map(|s| s.score).collect();
        prop_assert_eq!(scores.len(), expected.len().min(limit));
        for (score, (_, expected)) in scores.iter().zip(&expected) {
            prop_assert!((score - expected).abs() < 1e-9, "{:?} {:?}", scores, expected);
        }
        for found in &answer.similar {
            let sum = found.parts.tags.weighted + found.parts.attributes.weighted + found.parts.neighbours.weighted;
            prop_assert!((found.score - sum).abs() < 1e-12);
            let n = plain.cards.iter().position(|card| card.id == found.card.id).unwrap();
            prop_assert!(expected.iter().any(|(other, score)| *other == n && (score - found.score).abs() < 1e-9));
            prop_assert_eq!(found.parts.neighbours.of, own.union(&neighbours(&plain, n)).count());
        }
        let mut counts: BTreeMap<(usize, bool, usize), usize> = BTreeMap::new();
        for found in &answer.similar {
            let n = plain.cards.iter().position(|card| card.id == found.card.id).unwrap();
            for neighbour in neighbours(&plain, n) {
                if !own.contains(&neighbour) && neighbour.2 != root {
                    *counts.entry(neighbour).or_default() += 1;
                }
            }
        }
        let mut wanted: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 1)
            .map(|((row, outgoing, to), count)| (super::ROWS[row].0.to_owned(), outgoing, plain.cards[to].id, count)).collect();
        wanted.sort();
        let mut got: Vec<_> = answer.suggestions.iter()
            .map(|s| (s.kind.0.to_string(), s.direction == Direction::Out, s.card.id, s.count)).collect();
        prop_assert!(got.is_sorted_by_key(|(.., count)| std::cmp::Reverse(*count)));
        got.sort();
        prop_assert!(wanted.len() > 20 || got == wanted, "{:?} {:?}", got, wanted);
    }

    #[test]
    fn hidden_cards_are_as_if_they_were_not_there(
        plain in world(9, 30), said in prop::collection::vec((0u8..32, 0u8..3, 0u8..3), 9),
        root in 0usize..9, hidden in 0..TYPES.len(),
    ) {
        let root = &plain.cards[root % plain.cards.len()];
        prop_assume!(root.kind != hidden && root.state != 4);
        let hidden = TYPES[hidden];
        let (whole, removed) = (graph(&plain, &said, &[]), graph(&plain, &said, &[hidden]));
        let ask = |graph: &Graph, visible: TypeSet| {
            let view = View { visible, ..View::on(today()) };
            let asked = Asked { types: TypeSet::All, limit: 20, min_score: 0.0 };
            let answer = similar(graph, &view, graph.find(root.id).unwrap(), &asked, |_, _, _| true);
            (serde_json::to_value(&answer.similar).unwrap(), serde_json::to_value(&answer.suggestions).unwrap())
        };
        let others: Vec<&str> = TYPES.into_iter().filter(|name| *name != hidden).collect();
        let visible = TypeSet::of(&whole, others);
        prop_assert_eq!(ask(&whole, visible), ask(&removed, TypeSet::All));
    }
}
