//! What makes two ways of writing the same: compatibility forms, case and accents are folded away, character by
//! character, so that a word found in the folded text is known in the original.

use std::iter::once;

use caseless::Caseless;
use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

/// Hands the folded form of a character to `each`: none for an accent, several for a ligature.
pub(super) fn fold(c: char, mut each: impl FnMut(char)) {
    if c.is_ascii() {
        each(c.to_ascii_lowercase());
        return;
    }
    for folded in once(c).nfkd().default_case_fold().nfkd() {
        if canonical_combining_class(folded) == 0 && !is_ignorable(folded) {
            match plain(folded) {
                Some(text) => text.chars().for_each(&mut each),
                None => each(folded),
            }
        }
    }
}

/// Invisible within a word: soft hyphen, zero-width spaces and joiners, marks of direction, variation selectors.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Letters with a stroke and the like, which Unicode does not take apart.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        _ => return None,
    })
}

/// Whether the character belongs to a way of writing without spaces between words.
pub(super) fn is_spaceless(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        text.chars().for_each(|c| fold(c, |f| out.push(f)));
        out
    }

    #[test]
    fn ways_of_writing_fold_together() {
        for (written, expected) in [
            ("SAP", "sap"),
            ("Émile", "emile"),
            ("E\u{301}mile", "emile"),
            ("Straße", "strasse"),
            ("ﬁnance", "finance"),
            ("Ｆｕｌｌ", "full"),
            ("Łódź", "lodz"),
            ("Ærø", "aero"),
            ("co\u{ad}operate", "cooperate"),
            ("İstanbul", "istanbul"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ] {
            assert_eq!(folded(written), expected, "{written}");
        }
        assert_eq!(folded("σίσυφος"), folded("ΣΊΣΥΦΟΣ"));
        assert_eq!(
            folded("한국"),
            folded("한국"),
            "Hangul syllables and their letters are the same"
        );
    }
}
