//! What searching costs: the synthetic landscapes of 1,000, 10,000 and 100,000 cards, their index, and for each kind of
//! query the processor time it takes, with and without the page of highlighted cards that an answer shows.
//!
//! `cargo bench --bench search`

#![expect(clippy::print_stdout, reason = "a table is what it is for")]
#![expect(clippy::expect_used, reason = "a measurement that cannot be made says why")]

use std::time::{Duration, Instant};

use archzero::{
    graph::{Candidate, CardInput, Graph, GraphBuilder},
    metamodel::name_key,
    seed::synthetic::{self, Parameters},
    text::Query,
};
use uuid::Uuid;

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];
/// Cards on a page.
const PAGE: usize = 50;

fn build(cards: u32) -> (Graph, Graph, Duration) {
    let parameters = Parameters {
        cards,
        relationships: 0,
        ..Parameters::default()
    };
    let mut builder = GraphBuilder::new();
    for (number, draft) in (1u128..).zip(synthetic::cards(parameters).expect("a size it has")) {
        builder.card(&CardInput {
            id: Uuid::from_u128(number),
            name_key: name_key(&draft.name),
            card_type: draft.card_type,
            name: draft.name,
            description: draft.description,
            tags: draft.tags,
            attributes: serde_json::Value::Object(draft.attributes).to_string(),
            version: 1,
            ..CardInput::default()
        });
    }
    let bare = builder.build();
    let started = Instant::now();
    let indexed = bare.clone().with_texts();
    (bare, indexed, started.elapsed())
}

/// Time this thread spent on a processor, where the system tells; other work on the machine does not count.
fn on_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// Reproducible numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }
}

/// Queries of each kind, made of words that are there.
fn queries(graph: &Graph) -> Vec<(&'static str, Vec<String>)> {
    let mut dice = Dice(5);
    let cards: Vec<_> = graph.cards().collect();
    let mut names = |least: usize| loop {
        let card = graph.card(cards[dice.below(cards.len())]);
        let text = format!("{} {}", card.name(), card.description().unwrap_or_default());
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 3 && word.chars().all(char::is_alphabetic))
            .map(str::to_owned)
            .collect();
        if words.len() >= least {
            return words;
        }
    };
    let word = |words: Vec<String>| {
        words
            .into_iter()
            .max_by_key(|word| word.chars().count())
            .unwrap_or_default()
    };
    let typo = |word: String| {
        let mut letters: Vec<char> = word.chars().collect();
        let middle = letters.len() / 2;
        letters[middle] = if letters[middle] == 'q' { 'z' } else { 'q' };
        letters.into_iter().collect::<String>()
    };
    let mut many =
        |make: &mut dyn FnMut(Vec<String>) -> String, least| (0..200).map(|_| make(names(least))).collect::<Vec<_>>();
    vec![
        ("one word", many(&mut |words| word(words), 1)),
        (
            "a prefix of three letters",
            many(&mut |words| word(words).chars().take(3).collect(), 1),
        ),
        (
            "one letter",
            many(&mut |words| word(words).chars().take(1).collect(), 1),
        ),
        ("one word with a typo", many(&mut |words| typo(word(words)), 1)),
        ("three words", many(&mut |words| words[..3].join(" "), 3)),
        (
            "three words, one with a typo",
            many(
                &mut |words| format!("{} {} {}", words[0], words[1], typo(words[2].clone())),
                3,
            ),
        ),
        (
            "a phrase of two words",
            many(&mut |words| format!("\"{} {}\"", words[0], words[1]), 2),
        ),
    ]
}

/// Processor time per query, and the longest wall time of 95 in 100.
fn measure(queries: &[Query], mut ask: impl FnMut(&Query) -> usize) -> (Duration, Duration, usize) {
    let mut walls = Vec::new();
    let mut found = Vec::new();
    let before = on_processor();
    let started = Instant::now();
    for query in queries {
        let started = Instant::now();
        found.push(ask(query));
        walls.push(started.elapsed());
    }
    let spent = match (before, on_processor()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => started.elapsed(),
    };
    walls.sort_unstable();
    found.sort_unstable();
    (
        spent / queries.len() as u32,
        walls[walls.len() * 95 / 100],
        found[found.len() / 2],
    )
}

fn main() {
    for size in SIZES {
        let (bare, graph, took) = build(size);
        let (bytes, words) = graph.index_size();
        println!(
            "\n{size} cards: {words} words, index {:.1} MB, built in {:.0} ms",
            bytes as f64 / 1e6,
            took.as_secs_f64() * 1e3
        );
        println!(
            "| query | found, median | CPU ms, finding | p95 ms | CPU ms, with a page of {PAGE} | scan of every card, ms |"
        );
        println!("|---|---|---|---|---|---|");
        for (kind, texts) in queries(&graph) {
            let queries: Vec<Query> = texts.iter().filter_map(|text| Query::parse(text).ok()).collect();
            let everything = |_: Candidate<'_>| true;
            let find = |query: &Query| graph.find_cards(query, everything).total();
            measure(&queries, find);
            let (finding, p95, found) = measure(&queries, find);
            let (page, ..) = measure(&queries, |query| {
                let found = graph.find_cards(query, everything);
                let cards = found.cards(&graph, None, 0, PAGE);
                let marked = cards
                    .iter()
                    .map(|(card, _)| graph.highlights(*card, query, found.typos).len());
                marked.sum()
            });
            let (scan, ..) = measure(&queries[..3], |query| bare.find_cards(query, everything).total());
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            println!(
                "| {kind} | {found} | {:.3} | {:.3} | {:.3} | {:.1} |",
                ms(finding),
                ms(p95),
                ms(page),
                ms(scan)
            );
        }
        let mut changed = graph.clone();
        let started = Instant::now();
        for version in 2..102 {
            changed.upsert_card(&CardInput {
                id: Uuid::from_u128(u128::from(version as u32 * 7 % size) + 1),
                card_type: "Application".into(),
                name: format!("Renamed {version}"),
                name_key: format!("renamed {version}"),
                version,
                ..CardInput::default()
            });
            changed.index_texts();
        }
        println!("one renamed card: {:.3} ms", started.elapsed().as_secs_f64() * 10.0);
    }
}
