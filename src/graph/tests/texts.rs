//! What a graph with an index finds, against a graph that tries every card, through changes and for those who may not see
//! everything.

use proptest::prelude::*;
use uuid::Uuid;

use super::row_id;
use crate::{
    graph::{Candidate, CardInput, EdgeInput, Graph, GraphBuilder},
    text::Query,
};

const WORDS: [&str; 9] = [
    "sales",
    "slaes",
    "salesforce",
    "order",
    "orders",
    "portal",
    "crm",
    "é",
    "東京",
];
const TYPES: [&str; 3] = ["Application", "Interface", "Platform"];

#[derive(Clone, Debug)]
struct Change {
    card: u8,
    kind: usize,
    words: Vec<usize>,
    deleted: bool,
    edge: Option<(u8, usize)>,
}

fn change() -> impl Strategy<Value = Change> {
    let edge = prop::option::of((0u8..12, 0..WORDS.len()));
    (
        0u8..12,
        0..3usize,
        prop::collection::vec(0..WORDS.len(), 1..6),
        prop::bool::weighted(0.15),
        edge,
    )
        .prop_map(|(card, kind, words, deleted, edge)| Change {
            card,
            kind,
            words,
            deleted,
            edge,
        })
}

fn id(card: u8) -> Uuid {
    Uuid::from_u128(u128::from(card) + 1)
}

fn card(change: &Change, version: i32) -> CardInput {
    let word = |n: usize| WORDS[change.words[n % change.words.len()]];
    CardInput {
        id: id(change.card),
        card_type: TYPES[usize::from(change.card) % 3].to_owned(),
        name: format!("{} {}", word(0), word(1)),
        name_key: format!("{} {}", word(0), word(1)),
        tags: vec![word(2).to_owned()],
        description: (change.kind > 0).then(|| word(3).to_owned()),
        attributes: format!(r#"{{"vendor": "{}"}}"#, word(4)),
        deleted_at: change.deleted.then(Default::default),
        version,
        ..CardInput::default()
    }
}

fn edge(change: &Change, version: i32) -> Option<EdgeInput> {
    let (target, word) = change.edge.filter(|(target, _)| *target != change.card)?;
    Some(EdgeInput {
        id: Uuid::from_u128(u128::from(change.card) << 8 | u128::from(target) << 16 | 0xe),
        rule_id: row_id("OWNED_BY"),
        kind: "OWNED_BY".to_owned(),
        source_id: id(change.card),
        target_id: id(target),
        active: change.kind != 2,
        description: (change.kind > 0).then(|| WORDS[word].to_owned()),
        version,
        ..EdgeInput::default()
    })
}

/// The graph after each batch of changes, from an index that followed them.
fn followed(changes: &[Change], batch: usize) -> Graph {
    let mut graph = Graph::new().with_texts();
    for (at, batch) in changes.chunks(batch).enumerate() {
        for (n, change) in batch.iter().enumerate() {
            let version = (at * 100 + n + 1) as i32;
            graph.upsert_card(&card(change, version));
            if let Some(edge) = edge(change, version) {
                graph.upsert_edge(edge);
            }
        }
        graph.index_texts();
    }
    graph
}

/// The last state of everything, without the cards of one type, without an index.
fn plain(changes: &[Change], batch: usize, without: &str) -> Graph {
    let mut builder = GraphBuilder::new();
    let hidden = |card: u8| TYPES[usize::from(card) % 3] == without;
    let mut edges = Vec::new();
    for (at, batch) in changes.chunks(batch).enumerate() {
        for (n, change) in batch.iter().enumerate() {
            let version = (at * 100 + n + 1) as i32;
            if !hidden(change.card) {
                builder.card(&card(change, version));
            }
            let visible = edge(change, version).filter(|edge| {
                [edge.source_id, edge.target_id]
                    .iter()
                    .all(|end| !hidden((end.as_u128() - 1) as u8))
            });
            edges.extend(visible);
        }
    }
    for edge in edges {
        builder.edge(edge);
    }
    builder.build()
}

/// Cards in order, edges, and whether typos were forgiven, for each.
fn found(
    graph: &Graph,
    query: &Query,
    visible: &dyn Fn(Candidate<'_>) -> bool,
) -> (Vec<(Uuid, u32)>, bool, Vec<Uuid>, bool) {
    let shown = |card: Candidate<'_>| !card.deleted() && visible(card);
    let cards = graph.find_cards(query, shown);
    let edges = graph.find_edges(query, |edge| {
        let record = graph.edge(edge);
        record.active && shown(graph.candidate(record.source)) && shown(graph.candidate(record.target))
    });
    let pages = [cards.cards(graph, None, 0, 3), cards.cards(graph, None, 3, 100)].concat();
    assert_eq!(pages.len(), cards.total());
    if let Some((_, mark)) = pages.get(2) {
        assert_eq!(
            cards.cards(graph, Some(mark), 0, 100),
            pages[3..],
            "behind a mark comes the rest"
        );
    }
    (
        pages.into_iter().map(|(card, mark)| (graph.id(card), mark.0)).collect(),
        cards.typos,
        edges
            .edges(graph, 100)
            .into_iter()
            .map(|edge| graph.edge_detail(edge).id)
            .collect(),
        edges.typos,
    )
}

proptest! {
    #[test]
    fn an_index_that_followed_finds_what_a_scan_without_hidden_cards_finds(
        changes in prop::collection::vec(change(), 1..40), batch in 1usize..6,
        queries in prop::collection::vec(prop::collection::vec(0..WORDS.len(), 1..3), 1..4), hidden in 0..3usize,
    ) {
        let graph = followed(&changes, batch);
        let (all, fewer) = (plain(&changes, batch, ""), plain(&changes, batch, TYPES[hidden]));
        for words in queries {
            let text: Vec<&str> = words.iter().map(|n| WORDS[*n]).collect();
            for text in [text.join(" "), text.join(" ").chars().rev().collect(), text[0].chars().take(2).collect()] {
                let query = Query::parse(&text).unwrap();
                prop_assert_eq!(found(&graph, &query, &|_| true), found(&all, &query, &|_| true), "{}", text);
                let visible = |card: Candidate<'_>| &**graph.type_name(card.card_type()) != TYPES[hidden];
                prop_assert_eq!(found(&graph, &query, &visible), found(&fewer, &query, &|_| true), "{} hidden", text);
                // Tags: what the cards found carry, counted one by one.
                let (tags, _) = graph.find_tags(&query, |card| !card.deleted() && visible(card));
                for (tag, count) in tags {
                    let carries = |card: Candidate<'_>| card.record().tags.iter().any(|own| **graph.word(*own) == *tag);
                    let cards = graph.cards().filter(|ix| {
                        let card = graph.candidate(*ix);
                        !card.deleted() && visible(card) && carries(card)
                    });
                    prop_assert_eq!(count, cards.count(), "{}", tag);
                }
            }
        }
    }
}
