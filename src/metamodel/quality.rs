//! The quality score: how much of what a card should say it does say.

use serde_json::{Map, Value};

use super::{Metamodel, is_filled, lookup};

/// What the score looks at.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of another field whether it is filled"
)]
#[derive(Clone, Copy, Debug)]
pub struct QualityFacts<'a> {
    /// The card's type.
    pub card_type: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its description.
    pub description: Option<&'a str>,
    /// Whether it has a tag.
    pub has_tags: bool,
    /// Whether at least one lifecycle date is known.
    pub has_lifecycle: bool,
    /// Whether the functional fit is known; counts for applications only.
    pub has_functional_fit: bool,
    /// Whether the technical fit is known; counts for applications only.
    pub has_technical_fit: bool,
    /// Whether it has a criticality; counts for applications only.
    pub has_business_criticality: bool,
    /// Its attributes.
    pub attributes: &'a Map<String, Value>,
}

/// Round half up of 100 × (½ · F + ½ · R): F = filled / counted fixed fields, R = filled / required attributes; with no
/// required attribute 100 × F.
#[must_use]
pub fn quality_score(metamodel: &Metamodel, facts: &QualityFacts<'_>) -> u8 {
    let text = |t: &str| !t.trim().is_empty();
    let mut fixed = vec![
        text(facts.name),
        facts.description.is_some_and(text),
        facts.has_tags,
        facts.has_lifecycle,
    ];
    if facts.card_type == "Application" {
        fixed.extend([
            facts.has_functional_fit,
            facts.has_technical_fit,
            facts.has_business_criticality,
        ]);
    }
    let required: Vec<bool> = metamodel
        .rules(facts.card_type)
        .iter()
        .filter(|rule| rule.demands())
        .map(|rule| lookup(facts.attributes, &rule.key).is_some_and(is_filled))
        .collect();
    let fixed = share(&fixed);
    let (num, den) = if required.is_empty() {
        (100 * fixed.0, fixed.1)
    } else {
        let required = share(&required);
        (50 * (fixed.0 * required.1 + required.0 * fixed.1), fixed.1 * required.1)
    };
    // Round half up in whole numbers: exact, and at most 100 by construction.
    u8::try_from((2 * num + den) / (2 * den)).unwrap_or(100)
}

fn share(fields: &[bool]) -> (u64, u64) {
    (
        fields.iter().filter(|filled| **filled).count() as u64,
        fields.len() as u64,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metamodel::reference;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    fn facts<'a>(card_type: &'a str, filled: [bool; 7], attributes: &'a Map<String, Value>) -> QualityFacts<'a> {
        QualityFacts {
            card_type,
            name: if filled[0] { "CRM" } else { " " },
            description: filled[1].then_some("Keeps customers"),
            has_tags: filled[2],
            has_lifecycle: filled[3],
            has_functional_fit: filled[4],
            has_technical_fit: filled[5],
            has_business_criticality: filled[6],
            attributes,
        }
    }

    #[test]
    fn the_examples_of_the_contract() {
        let metamodel = reference::metamodel();
        let hosted = object(&json!({"hosting_type": "SaaS"}));
        let application = facts("Application", [true, true, true, true, false, true, true], &hosted);
        assert_eq!(quality_score(&metamodel, &application), 93);
        let nothing = Map::new();
        let interface = facts("Interface", [true, false, false, false, false, false, false], &nothing);
        assert_eq!(quality_score(&metamodel, &interface), 25);
        assert_eq!(
            quality_score(&metamodel, &facts("Application", [true; 7], &hosted)),
            100
        );
        assert_eq!(
            quality_score(&metamodel, &facts("Application", [false; 7], &nothing)),
            0
        );
    }

    proptest! {
        #[test]
        fn filling_a_field_never_lowers_it(
            filled in any::<[bool; 7]>(), which in 0..10usize, a in any::<bool>(), b in any::<bool>(), c in any::<bool>(),
            card_type in prop::sample::select(vec!["Application", "Risk", "TechnologyStandard", "Provider", "Unheard"]),
        ) {
            let metamodel = reference::metamodel();
            let build = |a: bool, b: bool, c: bool| {
                let mut map = Map::new();
                for (key, on) in [("hosting_type", a), ("likelihood", b), ("impact", c)] {
                    if on { map.insert(key.into(), json!("SaaS")); }
                }
                map
            };
            let before = build(a, b, c);
            let mut more = filled;
            let after = match which {
                7 => build(true, b, c),
                8 => build(a, true, c),
                9 => build(a, b, true),
                field => { more[field] = true; before.clone() }
            };
            let low = quality_score(&metamodel, &facts(card_type, filled, &before));
            let high = quality_score(&metamodel, &facts(card_type, more, &after));
            prop_assert!(low <= high && high <= 100);
        }
    }
}
