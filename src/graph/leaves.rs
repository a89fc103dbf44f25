//! The values of a card's attributes as numbers, to compare many cards without reading their JSON again.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use crate::metamodel::is_filled;

/// Path and value of every attribute, hashed, ordered by path: members of objects one by one, a list as one value; blank
/// values and `external_ids`, which are different for every card by their nature, not at all.
pub(super) fn leaves(attributes: &Map<String, Value>) -> Box<[(u32, u32)]> {
    let mut found = Vec::new();
    for (key, value) in attributes.iter().filter(|(key, _)| *key != "external_ids") {
        let mut path = DefaultHasher::new();
        key.hash(&mut path);
        walk(value, &path, &mut found);
    }
    found.sort_unstable();
    found.into()
}

fn walk(value: &Value, path: &DefaultHasher, into: &mut Vec<(u32, u32)>) {
    if let Value::Object(members) = value {
        for (key, member) in members {
            let mut path = path.clone();
            key.hash(&mut path);
            walk(member, &path, into);
        }
    } else if is_filled(value) {
        let mut hash = DefaultHasher::new();
        match value {
            // 2 and 2.0 are the same number.
            Value::Number(number) => number.as_f64().map(f64::to_bits).hash(&mut hash),
            other => other.hash(&mut hash),
        }
        into.push((path.finish() as u32, hash.finish() as u32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_counts_once_by_its_path() {
        let of = |json: &str| leaves(&serde_json::from_str(json).unwrap());
        let all =
            r#"{"a": {"b": 1, "c": " ", "d": {}}, "e": [1, 2], "external_ids": [{"id": 1}], "f": null, "g": false}"#;
        assert_eq!(of(all).len(), 3);
        assert_eq!(of(r#"{"a": {"b": 1.0}}"#), of(r#"{"a": {"b": 1, "c": null}}"#));
        for (one, other) in [
            (r#"{"a": 1}"#, r#"{"a": "1"}"#),
            (r#"{"a": {"b": 1}}"#, r#"{"ab": 1}"#),
            (r#"{"a": [1, 2]}"#, r#"{"a": [2, 1]}"#),
            (r#"{"a": true}"#, r#"{"a": false}"#),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
    }
}
