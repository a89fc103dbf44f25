//! The index against the rule it must agree with.

use proptest::prelude::*;

use super::{Corpus, Hit, Index, Query, Texts, score};

#[derive(Clone, Debug, Default)]
struct Card {
    name: String,
    tags: Vec<String>,
    description: String,
    attributes: String,
    hidden: bool,
}

impl Card {
    fn texts(&self) -> Texts<'_> {
        Texts {
            name: &self.name,
            tags: self.tags.iter().map(String::as_str).collect(),
            description: &self.description,
            attributes: &self.attributes,
        }
    }
}

struct Cards<'a>(&'a [Card]);

impl Corpus for Cards<'_> {
    fn accepts(&self, doc: u32) -> bool {
        !self.0[doc as usize].hidden
    }

    fn texts(&self, doc: u32) -> Texts<'_> {
        self.0[doc as usize].texts()
    }
}

fn scanned(cards: &[Card], query: &Query, typos: bool) -> Vec<Hit> {
    let found = (0..).zip(cards).filter(|(_, card)| !card.hidden);
    found
        .filter_map(|(doc, card)| score(&card.texts(), query, typos).map(|score| Hit { doc, score }))
        .collect()
}

fn searched(index: &Index, cards: &[Card], query: &Query, typos: bool) -> Vec<Hit> {
    let mut hits = index.search(query, typos, &Cards(cards));
    hits.sort_unstable_by_key(|hit| hit.doc);
    hits
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "sales", "sale", "salesforce", "orders", "oracle", "orakle", "crm", "cr", "é", "Émile", "東京", "京", "東京都", "2027", "2026",
            "straße", "STRASSE", "Customers", "customer", "c", "-", "%", "_", ".*", "\u{301}", "\u{202e}", "مرحبا"
        ]).prop_map(str::to_owned),
        1 => "[a-c]{1,9}",
        1 => "\\PC{1,3}",
    ]
}

fn text(most: usize) -> impl Strategy<Value = String> {
    (
        prop::collection::vec(word(), 0..=most),
        prop::sample::select(vec![" ", "-", "", " / "]),
    )
        .prop_map(|(words, gap)| words.join(gap))
}

fn card() -> impl Strategy<Value = Card> {
    (
        text(3),
        prop::collection::vec(text(2), 0..3),
        text(6),
        text(3),
        any::<bool>(),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(name, tags, description, attribute, nested, hidden)| Card {
            name,
            tags,
            description,
            attributes: if nested {
                serde_json::json!({"key": {"list": [attribute, 2027, null, true]}}).to_string()
            } else {
                String::new()
            },
            hidden,
        })
}

fn query() -> impl Strategy<Value = String> {
    let part = (word(), word(), 0..12).prop_map(|(one, two, how)| match how {
        0 => format!("\"{one} {two}\""),
        1 => format!("-{one}"),
        2 => format!("-\"{one} {two}\""),
        3 => one.chars().take(2).collect(),
        4 => one.chars().rev().collect(),
        _ => one,
    });
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join(" "))
}

proptest! {
    #[test]
    fn the_index_finds_and_scores_what_trying_everything_does(
        mut cards in prop::collection::vec(card(), 1..30),
        changes in prop::collection::vec((0usize..30, card()), 0..25),
        batch in 1usize..9,
        queries in prop::collection::vec(query(), 1..6),
    ) {
        let mut index = Index::default();
        let all: Vec<u32> = (0..cards.len() as u32).collect();
        for docs in all.chunks(batch * 3) {
            index.put(docs.to_vec(), |doc| cards[doc as usize].texts());
        }
        let before = (index.clone(), cards.clone());
        for batch in changes.chunks(batch) {
            let mut docs = Vec::new();
            for (at, card) in batch {
                let at = at % cards.len();
                cards[at] = card.clone();
                docs.push(at as u32);
            }
            index.put(docs, |doc| cards[doc as usize].texts());
        }
        prop_assert_eq!(index.len(), cards.len());
        for text in &queries {
            let Ok(query) = Query::parse(text) else { continue };
            for typos in [false, true] {
                prop_assert_eq!(searched(&index, &cards, &query, typos), scanned(&cards, &query, typos), "{}", text);
                prop_assert_eq!(searched(&before.0, &before.1, &query, typos), scanned(&before.1, &query, typos), "before, {}", text);
            }
        }
    }

    #[test]
    fn no_text_and_no_query_is_too_strange(name in "\\PC{0,60}|.{0,60}", asked in "\\PC{0,80}|.{0,80}") {
        let card = Card { name: name.clone(), description: asked.clone(), ..Card::default() };
        if let Ok(query) = Query::parse(&asked) {
            for typos in [false, true] {
                let found = score(&card.texts(), &query, typos);
                prop_assert!(typos || found.is_none_or(|points| points >= 60), "{:?}", found);
                for highlight in super::highlights(&card.texts(), &query, typos) {
                    let shown: String = highlight.parts.iter().map(|part| part.text.as_str()).collect();
                    let source = if highlight.field == "name" { &name } else { &asked };
                    prop_assert!(source.contains(shown.trim_matches('…')));
                }
            }
        }
        // Everything can be found by its own words.
        if let Ok(query) = Query::parse(&name.replace(['-', '"', '“', '”', '„', '«', '»'], " "))
            && !query.is_empty()
        {
            prop_assert!(score(&card.texts(), &query, false).is_some(), "{:?}", query);
        }
    }
}

fn found<'a>(cards: &'a [Card], query: &str, typos: bool) -> Vec<&'a str> {
    let query = Query::parse(query).unwrap();
    let mut index = Index::default();
    index.put((0..cards.len() as u32).collect(), |doc| cards[doc as usize].texts());
    let mut hits = index.search(&query, typos, &Cards(cards));
    hits.sort_by_key(|hit| (std::cmp::Reverse(hit.score), hit.doc));
    hits.iter().map(|hit| cards[hit.doc as usize].name.as_str()).collect()
}

#[test]
fn names_come_before_tags_before_descriptions_before_attributes() {
    let card = |name: &str, tag: &str, description: &str, vendor: &str| Card {
        name: name.into(),
        tags: vec![tag.into()],
        description: description.into(),
        attributes: format!(r#"{{"vendor": "{vendor}"}}"#),
        hidden: false,
    };
    let cards = [
        card("E", "", "", "an oracle"),
        card("D", "", "an oracle", ""),
        card("C", "oracle", "", ""),
        card("The Oracles", "", "", ""),
        card("An Oracle Database Product", "", "", ""),
        card("Oracle Database", "", "", ""),
        card("Oracle", "", "", ""),
        card("Orakle", "", "", ""),
        card("F", "orcale", "", ""),
        card("Nothing", "", "", ""),
    ];
    let strict = [
        "Oracle",
        "Oracle Database",
        "An Oracle Database Product",
        "The Oracles",
        "C",
        "D",
        "E",
    ];
    assert_eq!(found(&cards, "oracle", false), strict);
    let forgiving: Vec<&str> = strict.into_iter().chain(["Orakle", "F"]).collect();
    assert_eq!(found(&cards, "oracle", true), forgiving);
    assert_eq!(
        found(&cards, "\"oracle database\"", true),
        ["Oracle Database", "An Oracle Database Product"]
    );
    assert_eq!(
        found(&cards, "oracle -database -e", false),
        ["Oracle", "The Oracles", "C", "D"]
    );
    assert_eq!(
        found(&cards, "data ora", false),
        ["Oracle Database", "An Oracle Database Product"]
    );
    assert!(found(&cards, "\"database oracle\"", false).is_empty());
}
