//! What matches, and how well.
//!
//! Every word of the query must be found. Each counts by the best place where it stands: a name before a tag before the
//! description before an attribute, within one place the whole word before the beginning of one; a word with typos counts
//! less than any without. Names of which the query says more come first. How often a word occurs, here or elsewhere, does
//! not count: what is looked for are things with names, not prose.

use super::{Field, Query, Texts, query::Wanted, typo, words::words};

/// How a word was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Whole,
    Beginning,
    Typos(u8),
}

/// Where a word stands, one bit each; the last for the first word of a name.
pub(super) const FIRST: u8 = 16;

pub(super) fn bit(field: Field) -> u8 {
    1 << field as u8
}

const FIELDS: [Field; 4] = [Field::Name, Field::Tags, Field::Description, Field::Attributes];
/// From here on a word was found in the name, without typos.
pub(super) const IN_NAME: u16 = 480;
/// What a query that says the whole name is worth beyond its words.
const WHOLE_NAME: u32 = 200;
/// What it is worth to begin the name.
const BEGINS: u16 = 20;

/// What a word counts that stands in these places.
pub(super) fn points(way: Way, places: u8) -> u16 {
    let Some(field) = FIELDS.into_iter().find(|field| places & bit(*field) != 0) else {
        return 0;
    };
    let begins = if places & FIRST == 0 { 0 } else { BEGINS };
    match (way, field) {
        (Way::Whole, Field::Name) => 640 + begins,
        (Way::Beginning, Field::Name) => IN_NAME + begins,
        (Way::Whole, Field::Tags) => 320,
        (Way::Beginning, Field::Tags) => 240,
        (Way::Whole, Field::Description) => 160,
        (Way::Beginning, Field::Description) => 120,
        (Way::Whole, Field::Attributes) => 80,
        (Way::Beginning, Field::Attributes) => 60,
        (Way::Typos(typos), field) => {
            let most = [40, 30, 20, 10][field as usize];
            if typos < 2 { most } else { most / 2 }
        }
    }
}

/// The score of everything together: of `wanted` words `named` were found in a name of `length` words.
pub(super) fn total(sum: u32, wanted: usize, named: usize, length: usize) -> u32 {
    if named < wanted || length == 0 {
        return sum;
    }
    sum + WHOLE_NAME * wanted.min(length) as u32 / length as u32
}

impl Wanted {
    /// How the word is found in another, if it is.
    pub(super) fn found_in(&self, word: &str, typos: bool) -> Option<Way> {
        if self.word == word {
            return Some(Way::Whole);
        }
        if self.whole {
            return None;
        }
        if word.starts_with(&self.word) {
            return Some(Way::Beginning);
        }
        let most = if typos { self.typos() } else { 0 };
        if most == 0 {
            return None;
        }
        typo::distance(&self.chars, word, most).map(Way::Typos)
    }
}

/// The score of these texts, if the query finds them; with or without forgiving typos.
#[must_use]
pub fn score(texts: &Texts<'_>, query: &Query, typos: bool) -> Option<u32> {
    if query.is_empty() {
        return None;
    }
    let mut best = vec![0; query.wanted.len()];
    let mut excluded = false;
    let mut length = 0;
    texts.each(&mut |field, _, text| {
        words(text, |word, _| {
            let first = field == Field::Name && length == 0;
            length += usize::from(field == Field::Name);
            let places = bit(field) | if first { FIRST } else { 0 };
            for (wanted, best) in query.wanted.iter().zip(&mut best) {
                if let Some(way) = wanted.found_in(word, typos) {
                    *best = points(way, places).max(*best);
                }
            }
            excluded = excluded || query.excluded.iter().any(|e| e == word);
        });
    });
    if excluded || best.contains(&0) || !phrases_hold(texts, query) {
        return None;
    }
    let sum = best.iter().map(|points| u32::from(*points)).sum();
    let named = best.iter().filter(|points| **points >= IN_NAME).count();
    Some(total(sum, best.len(), named, length))
}

/// Whether every phrase stands somewhere, each within one text, and no excluded one does.
pub(super) fn phrases_hold(texts: &Texts<'_>, query: &Query) -> bool {
    if !query.has_phrases() {
        return true;
    }
    // Attributes must be parsed; mostly it is known before.
    let written = Texts {
        attributes: "",
        ..texts.clone()
    };
    let (found, excluded) = phrases_in(&written, query);
    if excluded || (found && query.excluded_phrases.is_empty()) {
        return !excluded;
    }
    let (found, excluded) = phrases_in(texts, query);
    found && !excluded
}

/// Whether every phrase stands somewhere, and whether an excluded one does.
fn phrases_in(texts: &Texts<'_>, query: &Query) -> (bool, bool) {
    let mut found = vec![false; query.phrases.len()];
    let mut excluded = false;
    texts.each(&mut |_, _, text| {
        let mut all = Vec::new();
        words(text, |word, _| all.push(word.to_owned()));
        let stands = |phrase: &Vec<String>| all.windows(phrase.len()).any(|window| window == phrase.as_slice());
        for (phrase, found) in query.phrases.iter().zip(&mut found) {
            *found = *found || stands(phrase);
        }
        excluded = excluded || query.excluded_phrases.iter().any(stands);
    });
    (!found.contains(&false), excluded)
}
