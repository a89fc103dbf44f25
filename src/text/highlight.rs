//! What of a text made it match, for people: short excerpts, cut into parts that are marked or not.

use std::{collections::BTreeSet, ops::Range};

use serde::Serialize;
use utoipa::ToSchema;

use super::{Field, Query, Texts, rank::Way, words::words};

/// At most this many excerpts of one thing.
const MAX_EXCERPTS: usize = 6;
/// About this many characters of a text are shown.
const EXCERPT: usize = 160;
/// About this many of them stand before the first word found.
const BEFORE: usize = 40;

/// An excerpt of one text with what was found in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Highlight {
    /// `name`, `tags`, `description` or `attributes.<path>`.
    #[schema(example = "name")]
    pub field: String,
    /// The excerpt, in order. Texts are as they are stored, not escaped: show them as text.
    pub parts: Vec<Part>,
}

/// A part of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// Its text.
    pub text: String,
    /// Whether it is what was found.
    #[serde(rename = "match")]
    pub is_match: bool,
}

/// What was found where, best places first, each field once (the tags each).
#[must_use]
pub fn highlights(texts: &Texts<'_>, query: &Query, typos: bool) -> Vec<Highlight> {
    let mut found: Vec<Highlight> = Vec::new();
    let mut attributes: BTreeSet<String> = BTreeSet::new();
    texts.each(&mut |field, path, text| {
        if found.len() >= MAX_EXCERPTS || (field == Field::Attributes && attributes.contains(path)) {
            return;
        }
        let marks = marks(text, query, typos);
        if marks.is_empty() {
            return;
        }
        if field == Field::Attributes {
            attributes.insert(path.to_owned());
        }
        found.push(Highlight {
            field: path.to_owned(),
            parts: excerpt(text, &marks),
        });
    });
    found
}

/// Where words that are looked for stand in the text. When a word only begins so, its beginning is marked.
fn marks(text: &str, query: &Query, typos: bool) -> Vec<Range<usize>> {
    let mut marks: Vec<Range<usize>> = Vec::new();
    words(text, |word, at| {
        let ways = query
            .wanted
            .iter()
            .filter_map(|wanted| Some((wanted.found_in(word, typos)?, wanted)));
        let best = ways.max_by_key(|(way, wanted)| match way {
            Way::Whole => (3, 0),
            Way::Beginning => (2, wanted.chars.len()),
            Way::Typos(_) => (1, 0),
        });
        let Some((way, wanted)) = best else { return };
        let end = if way == Way::Beginning {
            beginning(&text[at.clone()], wanted.chars.len()).map_or(at.end, |length| at.start + length)
        } else {
            at.end
        };
        match marks.last_mut() {
            // Pairs of spaceless writing overlap.
            Some(last) if last.end >= at.start => last.end = last.end.max(end),
            _ => marks.push(at.start..end),
        }
    });
    marks
}

/// How many bytes of the word as written make up this many folded characters; none when the cut falls within one.
fn beginning(word: &str, chars: usize) -> Option<usize> {
    let mut count = 0;
    for (at, c) in word.char_indices() {
        let mut own = 0;
        super::fold::fold(c, |_| own += 1);
        if count == chars && own > 0 {
            return Some(at);
        }
        if count > chars {
            return None;
        }
        count += own;
    }
    None
}

/// The surroundings of the first mark, cut between words where it can be.
fn excerpt(text: &str, marks: &[Range<usize>]) -> Vec<Part> {
    let first = marks[0].start;
    let start = if text[..first].chars().count() <= BEFORE {
        0
    } else {
        let from = text[..first]
            .char_indices()
            .rev()
            .nth(BEFORE - 1)
            .map_or(0, |(at, _)| at);
        text[from..first]
            .find(char::is_whitespace)
            .map_or(from, |gap| from + gap + 1)
    };
    // A gap may be wider than one byte.
    let start = (start..=first).find(|at| text.is_char_boundary(*at)).unwrap_or(first);
    let end = text[start..]
        .char_indices()
        .nth(EXCERPT)
        .map_or(text.len(), |(at, _)| start + at);
    let mut parts = Vec::new();
    let mut push = |piece: &str, is_match| {
        if !piece.is_empty() {
            parts.push(Part {
                text: piece.to_owned(),
                is_match,
            });
        }
    };
    push(if start > 0 { "…" } else { "" }, false);
    let mut at = start;
    for mark in marks.iter().take_while(|mark| mark.start < end) {
        push(&text[at..mark.start], false);
        let until = mark.end.min(end);
        push(&text[mark.start..until], true);
        at = until;
    }
    push(&text[at..end], false);
    push(if end < text.len() { "…" } else { "" }, false);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(texts: &Texts<'_>, query: &str, typos: bool) -> Vec<(String, String)> {
        highlights(texts, &Query::parse(query).unwrap(), typos)
            .into_iter()
            .map(|h| {
                let marked = |p: &Part| {
                    if p.is_match {
                        format!("[{}]", p.text)
                    } else {
                        p.text.clone()
                    }
                };
                (h.field, h.parts.iter().map(marked).collect())
            })
            .collect()
    }

    #[test]
    fn what_was_found_is_marked_in_the_original() {
        let texts = Texts {
            name: "Café <b>Crème</b>",
            tags: vec!["coffee", "cafes"],
            description: "",
            attributes: r#"{"vendor": {"name": "CAFE AG"}, "n": 7, "list": ["cafe a", "cafe b"]}"#,
        };
        assert_eq!(
            shown(&texts, "cafe", false),
            [
                ("name", "[Café] <b>Crème</b>"),
                ("tags", "[cafe]s"),
                ("attributes.list", "[cafe] a"),
                ("attributes.vendor.name", "[CAFE] AG"),
            ]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(shown(&texts, "creem", true)[0].1, "Café <b>[Crème]</b>");
        assert_eq!(
            shown(
                &Texts {
                    name: "東京都庁",
                    ..Texts::default()
                },
                "京都庁",
                false
            )[0]
            .1,
            "東[京都庁]"
        );
        assert_eq!(
            shown(
                &Texts {
                    name: "Straße",
                    ..Texts::default()
                },
                "stras",
                false
            )[0]
            .1,
            "[Straße]"
        );
    }

    #[test]
    fn long_texts_are_cut_around_the_first_mark() {
        let long = format!("{} needle in the haystack {}", "häy ".repeat(100), "straw ".repeat(100));
        let shown = shown(
            &Texts {
                description: &long,
                ..Texts::default()
            },
            "needle",
            false,
        );
        assert!(
            shown[0].1.starts_with("…häy") && shown[0].1.contains("[needle] in the"),
            "{shown:?}"
        );
        assert!(shown[0].1.ends_with('…') && shown[0].1.chars().count() < 180);
    }
}
