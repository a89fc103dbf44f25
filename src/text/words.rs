//! Words of a text, folded, with their places in the original. A word is a run of letters and digits. Of writing without
//! spaces every pair of neighbouring characters is a word, and the last character of the run one more: any part of
//! the run is then found by its pairs, and a single character as the beginning of one.

use std::ops::Range;

use super::fold::{fold, is_spaceless};

/// At most this many characters of a word count.
pub(super) const MAX_WORD: usize = 40;

/// Hands every word to `each`: folded, and where it stands in `text`.
pub(super) fn words(text: &str, each: impl FnMut(&str, Range<usize>)) {
    split(text, false, each);
}

/// The words of a query: pairs cover a run of spaceless writing, its last character need not be a word of its own.
pub(super) fn query_words(text: &str, each: impl FnMut(&str, Range<usize>)) {
    split(text, true, each);
}

struct Splitter<F> {
    each: F,
    of_query: bool,
    word: String,
    chars: usize,
    at: Range<usize>,
    /// The last character of a run of spaceless writing, its place, and whether it is the run's first.
    last: Option<(char, Range<usize>, bool)>,
}

fn split(text: &str, of_query: bool, each: impl FnMut(&str, Range<usize>)) {
    let mut splitter = Splitter {
        each,
        of_query,
        word: String::new(),
        chars: 0,
        at: 0..0,
        last: None,
    };
    for (start, c) in text.char_indices() {
        let at = start..start + c.len_utf8();
        let mut any = false;
        fold(c, |folded| {
            any = true;
            splitter.take(folded, &at);
        });
        if !any {
            splitter.extend(at.end);
        }
    }
    splitter.end_word();
    splitter.end_run();
}

impl<F: FnMut(&str, Range<usize>)> Splitter<F> {
    fn take(&mut self, c: char, at: &Range<usize>) {
        if is_spaceless(c) && c.is_alphanumeric() {
            self.end_word();
            self.pair(c, at.clone());
        } else if c.is_alphanumeric() {
            self.end_run();
            if self.chars == 0 {
                self.at = at.clone();
            }
            if self.chars < MAX_WORD {
                self.word.push(c);
            }
            self.chars += 1;
            self.at.end = at.end;
        } else {
            self.end_word();
            self.end_run();
        }
    }

    /// An accent belongs to the letter before it.
    fn extend(&mut self, end: usize) {
        if self.chars > 0 {
            self.at.end = end;
        } else if let Some((_, at, _)) = &mut self.last {
            at.end = end;
        }
    }

    fn pair(&mut self, c: char, at: Range<usize>) {
        let before = self.last.replace((c, at.clone(), true));
        let Some((first, from, _)) = before else { return };
        if let Some((_, _, alone)) = &mut self.last {
            *alone = false;
        }
        self.word.extend([first, c]);
        (self.each)(&self.word, from.start..at.end);
        self.word.clear();
    }

    fn end_word(&mut self) {
        if self.chars > 0 {
            (self.each)(&self.word, self.at.clone());
            self.word.clear();
            self.chars = 0;
        }
    }

    fn end_run(&mut self) {
        if let Some((c, at, alone)) = self.last.take()
            && (alone || !self.of_query)
        {
            (self.each)(c.encode_utf8(&mut [0; 4]), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        words(text, |word, at| found.push((word.to_owned(), &text[at])));
        found
    }

    #[test]
    fn words_are_found_with_their_places() {
        let found = all("Café-Crème, 4.1 (b)");
        let expected = [("cafe", "Café"), ("creme", "Crème"), ("4", "4"), ("1", "1"), ("b", "b")];
        assert_eq!(found, expected.map(|(word, at)| (word.to_owned(), at)));
        assert_eq!(all("Cafe\u{301} x")[0], ("cafe".to_owned(), "Cafe\u{301}"));
        assert_eq!(all("½ …"), [("1".to_owned(), "½"), ("2".to_owned(), "½")]);
        assert!(all("!?* \u{301}\u{0} --").is_empty());
    }

    #[test]
    fn writing_without_spaces_becomes_pairs() {
        let texts = |text| all(text).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
        assert_eq!(texts("東京都 SAP東"), ["東京", "京都", "都", "sap", "東"]);
        let mut asked = Vec::new();
        query_words("東京都 東 a", |word, _| asked.push(word.to_owned()));
        assert_eq!(asked, ["東京", "京都", "東", "a"]);
    }

    #[test]
    fn a_very_long_word_counts_by_its_beginning() {
        let long = "x".repeat(10_000);
        let found = all(&long);
        assert_eq!((found[0].0.len(), found[0].1.len()), (MAX_WORD, 10_000));
    }
}
