use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::metamodel::reference;

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn problems(card_type: &str, attributes: &Value) -> Vec<String> {
    let metamodel = reference::metamodel();
    let card_type = metamodel.card_type(card_type).unwrap();
    let found = validate_attributes(&metamodel, card_type, &object(attributes));
    let mut found: Vec<_> = found
        .into_iter()
        .map(|v| {
            format!(
                "{} {}",
                v.field.strip_prefix("attributes").unwrap(),
                serde_json::to_value(v.code).unwrap().as_str().unwrap()
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn one_answer_names_everything_wrong() {
    let attributes = json!({
        "hosting_type": "Saas", "cost_center": "CC-1", "users_total": 10, "users_active": 11.5, "vendor": "x".repeat(101),
        "rationalization_score": 5, "financials": {"estimated_annual_cost": -1, "currency": "EURO"},
        "bia": {"financial": 5, "legal": "high", "safety": 2.5}, "cloud_readiness": {"state": 11},
        "cloud_ready": "yes", "contract": {"end_date": "2026-02-30"}, "anything": {"else": [1]},
    });
    assert_eq!(
        problems("Application", &attributes),
        [
            ".bia.financial OUT_OF_RANGE",
            ".bia.legal WRONG_TYPE",
            ".cloud_readiness.state OUT_OF_RANGE",
            ".cloud_ready WRONG_TYPE",
            ".contract.end_date WRONG_TYPE",
            ".cost_center PATTERN_MISMATCH",
            ".financials.currency NOT_IN_OPTIONS",
            ".financials.estimated_annual_cost OUT_OF_RANGE",
            ".hosting_type NOT_IN_OPTIONS",
            ".rationalization_score READ_ONLY",
            ".users_active OUT_OF_RANGE",
            ".users_active WRONG_TYPE",
            ".vendor TOO_LONG",
        ]
    );
}

#[test]
fn single_cases() {
    let hosted = |more: &Value| {
        let mut attributes = object(&json!({"hosting_type": "SaaS"}));
        attributes.extend(object(more));
        Value::Object(attributes)
    };
    let cases: Vec<(&str, Value, &[&str])> = vec![
        ("Application", json!({}), &[".hosting_type REQUIRED"]),
        (
            "Application",
            json!({"hosting_type": null}),
            &[".hosting_type REQUIRED"],
        ),
        (
            "Application",
            json!({"hosting_type": "  "}),
            &[".hosting_type REQUIRED"],
        ),
        (
            "Application",
            hosted(&json!({"cost_center": "CC-IT-01", "users_total": 5, "users_active": 5})),
            &[],
        ),
        (
            "Application",
            hosted(&json!({"users_total": 5, "users_active": 6})),
            &[".users_active OUT_OF_RANGE"],
        ),
        ("Application", hosted(&json!({"users_total": 5.0})), &[]),
        (
            "Application",
            hosted(&json!({"users_total": 1e300})),
            &[".users_total OUT_OF_RANGE"],
        ),
        (
            "Application",
            hosted(&json!({"financials": 5})),
            &[".financials WRONG_TYPE"],
        ),
        ("Application", hosted(&json!({"bia": [1]})), &[".bia WRONG_TYPE"]),
        ("Application", hosted(&json!({"bia": {"legal": null}})), &[]),
        (
            "Application",
            hosted(&json!({"financials": {"estimated_annual_cost": 5}})),
            &[".financials.currency REQUIRED"],
        ),
        (
            "Application",
            hosted(&json!({"financials": {"currency": "EUR", "note": "x"}})),
            &[],
        ),
        (
            "Application",
            hosted(&json!({"financials.currency": "XXX"})),
            &[".financials.currency UNKNOWN_FIELD"],
        ),
        ("Application", hosted(&json!({"a.b": 1})), &[]),
        (
            "Application",
            hosted(&json!({"vendor": "a\u{0}b"})),
            &[".vendor PATTERN_MISMATCH"],
        ),
        (
            "Application",
            hosted(&json!({"x": {"k\u{0}": 1}})),
            &[".x PATTERN_MISMATCH"],
        ),
        (
            "Application",
            hosted(&json!({"external_ids": [{"system": "CMDB", "id": "1"}, {"system": "CMDB", "id": "2"}]})),
            &[],
        ),
        (
            "Application",
            hosted(
                &json!({"external_ids": [{"system": "A", "id": "1"}, {"system": "A", "id": "1"}, {"system": 5}, "x", {"system": "A", "id": "3", "y": 1}]}),
            ),
            &[
                ".external_ids.1 NOT_ALLOWED_HERE",
                ".external_ids.2.id REQUIRED",
                ".external_ids.2.system WRONG_TYPE",
                ".external_ids.3 WRONG_TYPE",
                ".external_ids.4.y UNKNOWN_FIELD",
            ],
        ),
        (
            "Organization",
            json!({"budget_annual": {"amount": -5.5, "currency": "CHF"}, "headcount": 0}),
            &[],
        ),
        (
            "Organization",
            json!({"budget_annual": {"amount": "5", "currency": "chf", "x": 1}, "headcount": -1}),
            &[
                ".budget_annual.amount WRONG_TYPE",
                ".budget_annual.currency NOT_IN_OPTIONS",
                ".budget_annual.x UNKNOWN_FIELD",
                ".headcount OUT_OF_RANGE",
            ],
        ),
        (
            "Organization",
            json!({"budget_annual": {}}),
            &[".budget_annual.amount REQUIRED", ".budget_annual.currency REQUIRED"],
        ),
        ("Location", json!({"country": "DE"}), &[]),
        ("Location", json!({"country": "Germany"}), &[".country NOT_IN_OPTIONS"]),
        (
            "DataObject",
            json!({"sensitivity": ["PII", "GDPR"], "encryption_required": true}),
            &[],
        ),
        (
            "DataObject",
            json!({"sensitivity": ["PII", "Secret", 5]}),
            &[".sensitivity.1 NOT_IN_OPTIONS", ".sensitivity.2 WRONG_TYPE"],
        ),
        (
            "DataObject",
            json!({"sensitivity": "PII", "golden_source_id": "x"}),
            &[".golden_source_id WRONG_TYPE", ".sensitivity WRONG_TYPE"],
        ),
        ("Interface", json!({"base_url": "not a url"}), &[".base_url WRONG_TYPE"]),
        (
            "TechCategory",
            json!({"color_code": "#12345G"}),
            &[".color_code PATTERN_MISMATCH"],
        ),
        (
            "Risk",
            json!({"likelihood": 3, "impact": 6, "risk_score": 18}),
            &[".impact OUT_OF_RANGE", ".risk_score READ_ONLY"],
        ),
        (
            "ArchitecturePolicy",
            json!({"rule_json": [], "severity": "High", "enforcement": "Blocking"}),
            &[".rule_json REQUIRED"],
        ),
        (
            "ArchitecturePrinciple",
            json!({"statement": "x", "category": "Data", "implications": ["a", 1]}),
            &[".implications.1 WRONG_TYPE"],
        ),
    ];
    for (card_type, attributes, expected) in cases {
        assert_eq!(problems(card_type, &attributes), expected, "{card_type} {attributes}");
    }
}

#[test]
fn size_and_depth_are_bounded_and_said() {
    let mut deep = json!(1);
    for _ in 0..9 {
        deep = json!({"a": deep});
    }
    assert_eq!(problems("Provider", &json!({"a": deep})), Vec::<String>::new());
    assert_eq!(problems("Provider", &json!({"b": {"a": deep}})), [" TOO_LONG"]);
    assert_eq!(
        problems("Provider", &json!({"note": "x".repeat(65_600)})),
        [" TOO_LONG"]
    );
    assert_eq!(
        problems("Provider", &json!({"list": vec![1; 10_000]})),
        Vec::<String>::new()
    );
}

#[test]
fn strict_types_take_nothing_unknown() {
    let mut types = reference::card_types();
    for card_type in &mut types {
        card_type.strict = true;
    }
    let metamodel = Metamodel::new(1, types, reference::rules());
    let card_type = metamodel.card_type("Application").unwrap();
    let attributes = object(&json!({
        "hosting_typ": "SaaS", "hosting_type": "SaaS", "financials": {"currency": "EUR", "note": "x"},
        "bia": {"legal": 3}, "contract": {"auto_renew": true}, "external_ids": [{"system": "a", "id": "b"}],
    }));
    let found = validate_attributes(&metamodel, card_type, &attributes);
    let fields: Vec<_> = found.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["attributes.financials.note", "attributes.hosting_typ"]);
    assert_eq!(found[1].accepted["did_you_mean"], json!(["hosting_type"]));
}

#[test]
fn references_to_cards_are_handed_out() {
    let id = Uuid::from_u128(7);
    let attributes = object(&json!({"golden_source_id": id.to_string()}));
    let found = card_references(&reference::metamodel(), "DataObject", &attributes);
    assert_eq!(found, [("attributes.golden_source_id".to_owned(), id)]);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop::sample::select(vec![
            "financials",
            "bia",
            "currency",
            "amount",
            "contract",
            "end_date",
            "system",
            "id",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(key.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(
        card_type in prop::sample::select(reference::card_types().into_iter().map(|t| t.name).collect::<Vec<_>>()),
        values in prop::collection::vec(any_json(), 30),
    ) {
        let metamodel = reference::metamodel();
        let mut attributes = Map::new();
        for (rule, value) in metamodel.rules(&card_type).iter().zip(values) {
            let top = rule.key.split('.').next().unwrap_or_default();
            attributes.insert(top.to_owned(), value);
        }
        let found = validate_attributes(&metamodel, metamodel.card_type(&card_type).unwrap(), &attributes);
        prop_assert!(found.iter().all(|v| v.field.starts_with("attributes") && !v.message.is_empty()));
    }
}
