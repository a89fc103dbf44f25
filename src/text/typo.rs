//! Typos: how many letters were mistyped, left out, put in or swapped with their neighbour (the distance of optimal
//! string alignment), for two words and for a whole sorted dictionary.

/// The rows of the distance of one word to the beginnings of another.
struct Rows<'a> {
    word: &'a [char],
    most: u8,
    other: Vec<char>,
    table: Vec<Vec<u8>>,
}

impl<'a> Rows<'a> {
    fn new(word: &'a [char], most: u8) -> Self {
        Self {
            word,
            most,
            other: Vec::new(),
            table: vec![(0..=word.len() as u8).collect()],
        }
    }

    /// Adds a letter to the other word; answers whether it, or anything that begins with it, may still be near enough.
    fn push(&mut self, letter: char) -> bool {
        let at = self.other.len() + 1;
        if self.table.len() <= at {
            self.table.push(vec![0; self.word.len() + 1]);
        }
        let (before, rest) = self.table.split_at_mut(at);
        let (row, last) = (&mut rest[0], &before[at - 1]);
        row[0] = at as u8;
        let mut least = row[0];
        for (n, own) in self.word.iter().enumerate() {
            let mut best = (last[n] + u8::from(*own != letter))
                .min(last[n + 1] + 1)
                .min(row[n] + 1);
            if at > 1 && n > 0 && *own == self.other[at - 2] && self.word[n - 1] == letter {
                best = best.min(before[at - 2][n - 1] + 1);
            }
            row[n + 1] = best;
            least = least.min(best);
        }
        self.other.push(letter);
        least <= self.most
    }

    fn distance(&self) -> u8 {
        self.table[self.other.len()][self.word.len()]
    }
}

/// The distance, if it is at most `most`.
pub(super) fn distance(word: &[char], other: &str, most: u8) -> Option<u8> {
    let mut rows = Rows::new(word, most);
    for letter in other.chars() {
        if !rows.push(letter) {
            return None;
        }
    }
    Some(rows.distance()).filter(|distance| *distance <= most)
}

/// Hands every word of a sorted dictionary that is near enough to `each`, by its number. Words that begin alike share the
/// work, and a beginning that is too far off is skipped with all that follows it.
pub(super) fn near<'d>(
    word: &[char],
    most: u8,
    numbers: std::ops::Range<usize>,
    term: impl Fn(usize) -> &'d str,
    mut each: impl FnMut(usize, u8),
) {
    let mut rows = Rows::new(word, most);
    let mut number = numbers.start;
    while number < numbers.end {
        let text = term(number);
        let mut common = 0;
        let mut length = 0;
        for (letter, known) in text.chars().zip(&rows.other) {
            if letter != *known {
                break;
            }
            common += 1;
            length += letter.len_utf8();
        }
        rows.other.truncate(common);
        let mut hopeless = false;
        for letter in text[length..].chars() {
            length += letter.len_utf8();
            if !rows.push(letter) {
                hopeless = true;
                break;
            }
        }
        if hopeless {
            number = after_prefix(&text.as_bytes()[..length], number, numbers.end, &term);
        } else {
            if rows.distance() <= most {
                each(number, rows.distance());
            }
            number += 1;
        }
    }
}

/// The first number behind those that begin with the prefix; `from` does.
fn after_prefix<'d>(prefix: &[u8], from: usize, end: usize, term: &impl Fn(usize) -> &'d str) -> usize {
    let has = |at: usize| term(at).as_bytes().starts_with(prefix);
    let (mut low, mut step) = (from, 1);
    while low + step < end && has(low + step) {
        low += step;
        step *= 2;
    }
    let mut high = (low + step).min(end);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if has(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn letters_changed_missing_added_and_swapped_count_one() {
        for (word, other, expected) in [
            ("oracle", "oracle", Some(0)),
            ("oracle", "orakle", Some(1)),
            ("oracle", "oracel", Some(1)),
            ("oracle", "roacle", Some(1)),
            ("oracle", "oacle", Some(1)),
            ("oracle", "ooracle", Some(1)),
            ("oracle", "orkcel", Some(2)),
            ("oracle", "miracle", Some(2)),
            ("oracle", "debacle", None),
            ("kubernetes", "kuberntees", Some(1)),
        ] {
            assert_eq!(distance(&chars(word), other, 2), expected, "{word} {other}");
        }
    }

    proptest! {
        #[test]
        fn the_dictionary_gives_what_every_word_by_itself_gives(
            mut words in prop::collection::vec("[abc]{1,7}", 0..80), asked in "[abc]{1,7}", most in 0u8..3
        ) {
            words.sort_unstable();
            words.dedup();
            let asked = chars(&asked);
            let mut found = Vec::new();
            near(&asked, most, 0..words.len(), |n| words[n].as_str(), |n, d| found.push((n, d)));
            let expected: Vec<_> = words.iter().enumerate()
                .filter_map(|(n, word)| distance(&asked, word, most).map(|d| (n, d))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
