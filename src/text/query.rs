//! What is looked for: `plain words` (all of them, each as the beginning of a word), `"a phrase"` (these words in this
//! order, written out), `-word` and `-"a phrase"` (not with it).

use super::words::query_words;
use crate::error::{Error, Result};

/// At most this many characters.
pub const MAX_LENGTH: usize = 200;
/// At most this many words, those of phrases and exclusions included.
pub const MAX_WORDS: usize = 24;

/// A word to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) word: String,
    pub(super) chars: Vec<char>,
    /// Only the whole word, without typos: it belongs to a phrase.
    pub(super) whole: bool,
}

/// A query that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub(super) wanted: Vec<Wanted>,
    pub(super) phrases: Vec<Vec<String>>,
    pub(super) excluded: Vec<String>,
    pub(super) excluded_phrases: Vec<Vec<String>>,
}

impl Query {
    /// Reads a query. Without any letter or digit it finds nothing, which is no error: somebody may still be typing.
    pub fn parse(text: &str) -> Result<Self> {
        let length = text.chars().count();
        if length > MAX_LENGTH {
            return Err(Error::invalid(format!(
                "A search has at most {MAX_LENGTH} characters, not {length}"
            )));
        }
        let mut query = Self::default();
        let mut count = 0;
        for (negative, quoted, part) in parts(text) {
            let mut found = Vec::new();
            query_words(part, |word, _| found.push(word.to_owned()));
            count += found.len();
            query.add(found, negative, quoted);
        }
        if count > MAX_WORDS {
            return Err(Error::invalid(format!(
                "A search has at most {MAX_WORDS} words, not {count}; of writing without spaces each pair of characters counts as one"
            )));
        }
        if query.wanted.is_empty() && count > 0 {
            return Err(Error::invalid(
                "A search needs a word to look for besides those to leave out",
            ));
        }
        Ok(query)
    }

    fn add(&mut self, words: Vec<String>, negative: bool, quoted: bool) {
        let phrase = words.len() > 1 && (quoted || negative);
        if negative {
            if phrase {
                self.excluded_phrases.push(words);
            } else {
                self.excluded.extend(words);
            }
            return;
        }
        for word in &words {
            let wanted = Wanted {
                chars: word.chars().collect(),
                word: word.clone(),
                whole: quoted,
            };
            if !self.wanted.contains(&wanted) {
                self.wanted.push(wanted);
            }
        }
        if phrase {
            self.phrases.push(words);
        }
    }

    /// Whether it finds nothing whatever there is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether forgiving typos could find more.
    #[must_use]
    pub fn forgives(&self) -> bool {
        self.wanted.iter().any(|wanted| wanted.typos() > 0)
    }

    /// The words to be found, folded, for a source that has no index of its own.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().map(|wanted| wanted.word.as_str())
    }

    pub(super) fn has_phrases(&self) -> bool {
        !self.phrases.is_empty() || !self.excluded_phrases.is_empty()
    }
}

impl Wanted {
    /// How many typos are forgiven: none in short words, numbers and phrases, one from four letters, two from eight.
    pub(super) fn typos(&self) -> u8 {
        if self.whole || self.chars.iter().all(|c| c.is_numeric()) {
            return 0;
        }
        match self.chars.len() {
            0..4 => 0,
            4..8 => 1,
            _ => 2,
        }
    }
}

/// The parts of a query: excluded or not, quoted or not. A quote that is not closed reaches to the end.
fn parts(text: &str) -> Vec<(bool, bool, &str)> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let negative = rest.starts_with('-');
        let body = rest.strip_prefix('-').unwrap_or(rest);
        let quote = body.chars().next().filter(|c| matches!(c, '"' | '“' | '”' | '„' | '«'));
        let (part, after) = if let Some(quote) = quote {
            let inner = &body[quote.len_utf8()..];
            let closing = |c: char| matches!(c, '"' | '“' | '”' | '»');
            match inner.find(closing) {
                Some(end) => {
                    let closed = inner[end..].chars().next().map_or(0, char::len_utf8);
                    (&inner[..end], &inner[end + closed..])
                }
                None => (inner, ""),
            }
        } else {
            let end = body.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(body.len());
            (&body[..end], &body[end..])
        };
        parts.push((negative, quote.is_some(), part));
        rest = after.trim_start();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &Query) -> Vec<(&str, bool)> {
        query.wanted.iter().map(|w| (w.word.as_str(), w.whole)).collect()
    }

    #[test]
    fn words_phrases_and_exclusions_are_told_apart() {
        let query = Query::parse(r#"Sales "Order to Cash" e-mail -legacy -"end of life" -"x" sales"#).unwrap();
        let expected = [
            ("sales", false),
            ("order", true),
            ("to", true),
            ("cash", true),
            ("e", false),
            ("mail", false),
        ];
        assert_eq!(words(&query), expected);
        assert_eq!(query.phrases, [["order", "to", "cash"]]);
        assert_eq!(query.excluded, ["legacy", "x"]);
        assert_eq!(query.excluded_phrases, [["end", "of", "life"]]);
        let open = Query::parse("a\"b c").unwrap();
        assert_eq!(words(&open), [("a", false), ("b", true), ("c", true)]);
    }

    #[test]
    fn limits_are_told() {
        assert!(Query::parse("*%_ \" - -\"").unwrap().is_empty());
        assert!(Query::parse(&"x".repeat(200)).is_ok());
        for bad in ["x".repeat(201), "a ".repeat(25), "-a -b".into()] {
            assert!(Query::parse(&bad).is_err(), "{bad}");
        }
        assert!(Query::parse(&"東".repeat(26)).is_err());
    }
}
