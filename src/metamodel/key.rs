//! How names compare, and how the path of a card in a hierarchy is written.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// The key by which names compare and sort: NFKC, case-folded, whitespace trimmed and collapsed; compared bytewise.
///
/// Folding can undo normalisation (and the other way round), hence both passes, as Unicode's identifier caseless
/// match prescribes.
#[must_use]
pub fn name_key(name: &str) -> String {
    let folded: String = name
        .nfkc()
        .default_case_fold()
        .nfkc()
        .default_case_fold()
        .nfkc()
        .collect();
    let mut key = String::with_capacity(folded.len());
    for word in folded.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        key.push_str(word);
    }
    key
}

/// Splits a path `A / B / C` into names; a `/` within a name is written `\/`, a backslash `\\`. Empty steps are dropped.
#[must_use]
pub fn parse_path(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if matches!(chars.peek(), Some('/' | '\\')) => name.extend(chars.next()),
            '/' => names.push(std::mem::take(&mut name)),
            other => name.push(other),
        }
    }
    names.push(name);
    names
        .iter()
        .map(|n| n.trim())
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Writes names as a path `A / B / C`, so that [`parse_path`] gives them back.
#[must_use]
pub fn format_path<S: AsRef<str>>(names: &[S]) -> String {
    let escaped: Vec<String> = names
        .iter()
        .map(|n| n.as_ref().trim().replace('\\', "\\\\").replace('/', "\\/"))
        .collect();
    escaped.join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_look_alike_share_a_key() {
        for (a, b) in [
            ("SAP  ERP", "sap erp"),
            (" Straße ", "STRASSE"),
            ("ﬁnance", "Finance"),
            ("Cafe\u{301}", "CAFÉ"),
            ("Ａｐｐ", "app"),
            ("a\u{a0}b", "A b"),
        ] {
            assert_eq!(name_key(a), name_key(b), "{a} / {b}");
        }
        assert_ne!(name_key("CRM"), name_key("CRM 2"));
    }

    #[test]
    fn paths_split_at_unescaped_slashes() {
        assert_eq!(
            parse_path("Sales / Order to Cash / Invoicing"),
            ["Sales", "Order to Cash", "Invoicing"]
        );
        assert_eq!(parse_path(r"R\/D / A\\B"), ["R/D", r"A\B"]);
        assert_eq!(parse_path(r"C:\temp"), [r"C:\temp"]);
        assert!(parse_path("  / ").is_empty());
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(name in ".{0,40}") {
            let key = name_key(&name);
            prop_assert_eq!(name_key(&key), key);
        }

        #[test]
        fn a_path_survives_a_round_trip(names in prop::collection::vec("[a-c/\\\\ ]{0,4}[a-c/\\\\]", 1..4)) {
            let names: Vec<String> = names.iter().map(|n| n.trim().to_owned()).collect();
            prop_assert_eq!(parse_path(&format_path(&names)), names);
        }
    }
}
