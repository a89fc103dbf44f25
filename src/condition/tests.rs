use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::metamodel::reference;

fn parse(value: &Value) -> Result<Condition, Vec<String>> {
    let kinds = BTreeSet::from(["RELIES_ON".to_owned()]);
    let scope = Scope::new(&METAMODEL).with_related(&kinds);
    Condition::parse(value, scope, "/filter").map_err(|found| {
        let code = |v: &Violation| {
            serde_json::to_value(v.code)
                .unwrap()
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        found.iter().map(|v| format!("{} {}", v.field, code(v))).collect()
    })
}

static METAMODEL: std::sync::LazyLock<Metamodel> = std::sync::LazyLock::new(reference::metamodel);

struct Card(Value);

impl Subject for Card {
    fn value(&self, path: &str) -> Option<Cow<'_, Value>> {
        lookup(self.0.as_object()?, path).map(Cow::Borrowed)
    }

    fn related(&self, related: &Related) -> Option<Vec<Box<dyn Subject + '_>>> {
        let cards = self.0.get("related")?.as_array()?;
        let fits = |card: &&Value| related.to.is_empty() || related.to.iter().any(|t| card["type"] == json!(t));
        Some(
            cards
                .iter()
                .filter(fits)
                .map(|card| Box::new(Self(card.clone())) as Box<dyn Subject>)
                .collect(),
        )
    }
}

fn crm() -> Card {
    Card(json!({
        "type": "Application", "name": "Sales  CRM", "tags": ["core", "sales"], "technical_fit": 2, "quality_score": 93,
        "lifecycle": {"active": "2020-01-01"}, "lifecycle_phase": "Active", "created_at": "2026-01-01T10:00:00.5Z",
        "description": "  ",
        "attributes": {
            "hosting_type": "SaaS", "users_total": 10, "cloud_ready": true, "vendor": "Oracle", "empty": "", "none": null,
            "financials": {"estimated_annual_cost": 1000.0, "currency": "EUR"}, "odd": ["a", 5], "vendor_support_eol": "2027-01-01",
            "budget_total": {"amount": 5, "currency": "EUR"}, "zone": "b", "expires_at": "2026-01-01T00:00:10.50Z",
        },
        "related": [{"type": "ITComponent", "attributes": {"vendor": "Oracle"}}, {"type": "ITComponent", "attributes": {}}],
    }))
}

#[test]
fn answers_are_true_false_or_unknown() {
    let cases = [
        (json!({"hosting_type": "SaaS"}), Some(true)),
        (
            json!({"field": "attributes.hosting_type", "op": "ne", "value": "SaaS"}),
            Some(false),
        ),
        (json!({"field": "functional_fit", "op": "lt", "value": 3}), None),
        (
            json!({"not": {"field": "functional_fit", "op": "lt", "value": 3}}),
            None,
        ),
        (json!({"field": "functional_fit", "op": "ne", "value": 3}), None),
        (
            json!({"all": [{"functional_fit": 1}, {"technical_fit": 3}]}),
            Some(false),
        ),
        (json!({"all": [{"functional_fit": 1}, {"technical_fit": 2}]}), None),
        (
            json!({"any": [{"functional_fit": 1}, {"technical_fit": 2}]}),
            Some(true),
        ),
        (json!({"any": [{"functional_fit": 1}, {"technical_fit": 3}]}), None),
        (json!({"all": []}), Some(true)),
        (json!({"any": []}), Some(false)),
        (json!({"requires": ["multi_region"]}), Some(false)),
        (json!({"not": {"requires": ["vendor", "empty"]}}), Some(true)),
        (
            json!({"requires": ["vendor", "users_total", "name", "tags", "lifecycle.active", "financials"]}),
            Some(true),
        ),
        (json!({"field": "description", "op": "exists"}), Some(false)),
        (
            json!({"field": "attributes.none", "op": "exists", "value": false}),
            Some(true),
        ),
        (json!({"name": "sales crm"}), Some(true)),
        (
            json!({"field": "name", "op": "starts_with", "value": "SALES"}),
            Some(true),
        ),
        (
            json!({"field": "vendor", "op": "starts_with", "value": "ora"}),
            Some(false),
        ),
        (json!({"field": "vendor", "op": "contains", "value": "acl"}), Some(true)),
        (json!({"vendor": ["SAP", "Oracle"]}), Some(true)),
        (json!({"tags": "core"}), Some(true)),
        (
            json!({"field": "tags", "op": "in", "value": ["x", "sales"]}),
            Some(true),
        ),
        (
            json!({"field": "users_total", "op": "between", "value": [10, 20]}),
            Some(true),
        ),
        (json!({"financials.estimated_annual_cost": 1000}), Some(true)),
        (
            json!({"field": "lifecycle.active", "op": "lt", "value": "2020-01-02"}),
            Some(true),
        ),
        (
            json!({"field": "lifecycle.eol", "op": "lt", "value": "2020-01-02"}),
            None,
        ),
        (
            json!({"field": "vendor_support_eol", "op": "ge", "value": "2027-01-01"}),
            Some(true),
        ),
        (
            json!({"field": "created_at", "op": "gt", "value": "2026-01-01T12:00:00+02:00"}),
            Some(true),
        ),
        (
            json!({"field": "created_at", "op": "gt", "value": "2026-01-02"}),
            Some(false),
        ),
        (
            json!({"field": "attributes.expires_at", "op": "eq", "value": "2026-01-01T00:00:10.5Z"}),
            Some(true),
        ),
        (
            json!({"field": "budget_total.amount", "op": "gt", "value": 4.5}),
            Some(true),
        ),
        (
            json!({"field": "attributes.odd", "op": "contains", "value": 5.0}),
            Some(true),
        ),
        (json!({"field": "attributes.odd", "op": "lt", "value": 5}), None),
        (
            json!({"field": "attributes.zone", "op": "gt", "value": "a"}),
            Some(true),
        ),
        (json!({"field": "attributes.zone", "op": "gt", "value": 1}), None),
        (
            json!({"related": {"type": "RELIES_ON", "to": "ITComponent"}}),
            Some(true),
        ),
        (
            json!({"related": {"type": "RELIES_ON", "to": "ITComponent", "where": {"vendor": "Oracle"}}}),
            Some(true),
        ),
        (
            json!({"related": {"type": "RELIES_ON", "where": {"vendor": "Oracle"}, "min": 2}}),
            None,
        ),
        (
            json!({"related": {"type": "RELIES_ON", "where": {"vendor": "Oracle"}, "min": 3}}),
            Some(false),
        ),
        (
            json!({"related": {"type": "RELIES_ON", "where": {"vendor": "Oracle"}, "min": 0, "max": 0}}),
            Some(false),
        ),
        (
            json!({"related": {"type": "RELIES_ON", "to": "Application"}}),
            Some(false),
        ),
    ];
    for (value, expected) in cases {
        let condition = parse(&value).unwrap_or_else(|found| panic!("{value}: {found:?}"));
        assert_eq!(condition.evaluate(&crm()), expected, "{value}");
    }
}

#[test]
fn everything_wrong_is_named_with_its_place() {
    let cases: Vec<(Value, &[&str])> = vec![
        (json!([]), &["/filter WRONG_TYPE"]),
        (json!({}), &["/filter REQUIRED"]),
        (json!({"all": {}}), &["/filter/all WRONG_TYPE"]),
        (
            json!({"all": [{"field": "hosting_typ", "op": "eq", "value": 1}, {"hosting_type": "Saas"}, {"technical_fit": "2"}]}),
            &[
                "/filter/all/0/field UNKNOWN_FIELD",
                "/filter/all/1/hosting_type NOT_IN_OPTIONS",
                "/filter/all/2/technical_fit WRONG_TYPE",
            ],
        ),
        (
            json!({"field": "name", "op": "like", "value": "x"}),
            &["/filter/op NOT_IN_OPTIONS"],
        ),
        (
            json!({"field": "vendor", "op": "lt", "value": "x"}),
            &["/filter/op NOT_ALLOWED_HERE"],
        ),
        (
            json!({"field": "financials", "op": "eq", "value": 1}),
            &["/filter/op NOT_ALLOWED_HERE"],
        ),
        (json!({"field": "name", "op": "eq"}), &["/filter/value REQUIRED"]),
        (
            json!({"field": "name", "value": 1, "x/y": 2}),
            &["/filter/x~1y UNKNOWN_FIELD", "/filter/op REQUIRED"],
        ),
        (json!({"op": "eq", "value": 1}), &["/filter/field REQUIRED"]),
        (
            json!({"field": "name", "op": "in", "value": []}),
            &["/filter/value REQUIRED"],
        ),
        (
            json!({"field": "users_total", "op": "between", "value": [1]}),
            &["/filter/value REQUIRED"],
        ),
        (
            json!({"field": "users_total", "op": "in", "value": [1, "2", true]}),
            &["/filter/value/1 WRONG_TYPE", "/filter/value/2 WRONG_TYPE"],
        ),
        (
            json!({"field": "lifecycle.eol", "op": "lt", "value": "2026-02-30"}),
            &["/filter/value WRONG_TYPE"],
        ),
        (
            json!({"field": "name", "op": "exists", "value": "yes"}),
            &["/filter/value WRONG_TYPE"],
        ),
        (
            json!({"field": "lifecycle", "op": "exists"}),
            &["/filter/field UNKNOWN_FIELD"],
        ),
        (
            json!({"field": "attributes.a..b", "op": "exists"}),
            &["/filter/field PATTERN_MISMATCH"],
        ),
        (json!({"type": "Aplication"}), &["/filter/type NOT_IN_OPTIONS"]),
        (json!({"vendor": "a\u{0}"}), &["/filter/vendor PATTERN_MISMATCH"]),
        (json!({"not": {"any": []}, "all": []}), &["/filter/not UNKNOWN_FIELD"]),
        (json!({"requires": []}), &["/filter/requires WRONG_TYPE"]),
        (json!({"requires": [5, "name"]}), &["/filter/requires/0 WRONG_TYPE"]),
        (
            json!({"related": {"type": "RELYS_ON", "to": ["Risk", "X"], "direction": "up", "min": -1, "where": {"nmae": 1}, "x": 1}}),
            &[
                "/filter/related/x UNKNOWN_FIELD",
                "/filter/related/type NOT_IN_OPTIONS",
                "/filter/related/direction NOT_IN_OPTIONS",
                "/filter/related/to/1 NOT_IN_OPTIONS",
                "/filter/related/min WRONG_TYPE",
                "/filter/related/where/nmae UNKNOWN_FIELD",
            ],
        ),
    ];
    for (value, expected) in cases {
        assert_eq!(parse(&value).unwrap_err(), expected, "{value}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let mut deep = json!({"name": "x"});
    for _ in 0..31 {
        deep = json!({"not": deep});
    }
    assert!(parse(&deep).is_ok());
    assert_eq!(parse(&json!({"not": deep})).unwrap_err().len(), 1);
    let many = |n: usize| json!({"any": vec![json!({"name": "x"}); n]});
    assert!(parse(&many(499)).is_ok());
    assert_eq!(parse(&many(10_000)).unwrap_err(), ["/filter/any/499 TOO_LONG"]);
    assert_eq!(
        parse(&json!({"requires": vec!["name"; 501]})).unwrap_err(),
        ["/filter/requires TOO_LONG"]
    );
    assert_eq!(
        parse(&json!({"name": vec!["x"; 1_001]})).unwrap_err(),
        ["/filter/name TOO_LONG"]
    );
}

#[test]
fn related_cards_only_where_they_are_offered() {
    let found = Condition::parse(&json!({"related": {"type": "RELIES_ON"}}), Scope::new(&METAMODEL), "").unwrap_err();
    assert_eq!(
        (found[0].field.as_str(), found[0].code),
        ("/related", crate::error::ViolationCode::NotAllowedHere)
    );
    let condition = parse(&json!({"not": {"related": {"type": "RELIES_ON"}}})).unwrap();
    assert_eq!(condition.evaluate(&BTreeMap::new()), None);
}

#[test]
fn strict_types_have_no_other_attributes() {
    let mut types = reference::card_types();
    types
        .iter_mut()
        .filter(|t| t.name == "Provider")
        .for_each(|t| t.strict = true);
    let metamodel = Metamodel::new(1, types, reference::rules());
    let provider = ["Provider".to_owned()];
    let scope = Scope::new(&metamodel).of_types(&provider);
    for path in ["attributes.hosting_type", "multi_region", "websit"] {
        let found = Condition::parse(&json!({ path: "x" }), scope, "").unwrap_err();
        assert_eq!(found[0].code, crate::error::ViolationCode::UnknownField, "{path}");
    }
    assert!(Condition::parse(&json!({"website": "https://x"}), scope, "").is_ok());
    assert!(Condition::parse(&json!({"multi_region": "x"}), Scope::new(&metamodel), "").is_ok());
}

#[test]
fn query_strings_are_typed_by_the_rule() {
    for (text, expected) in [
        ("attributes.hosting_type:eq:SaaS", Ok(Some(true))),
        ("hosting_type:in:PaaS,SaaS", Ok(Some(true))),
        ("users_total:between:5,10", Ok(Some(true))),
        ("users_total:gt:9.5", Ok(Some(true))),
        ("cloud_ready:eq:true", Ok(Some(true))),
        ("name:eq:sales crm", Ok(Some(true))),
        ("vendor:exists", Ok(Some(true))),
        ("functional_fit:exists:false", Ok(Some(true))),
        ("functional_fit:lt:3", Ok(None)),
        ("attributes.zone:ne:b", Ok(Some(false))),
        ("created_at:ge:2026-01-01T10:00:00Z", Ok(Some(true))),
        ("users_total:gt:many", Err("WRONG_TYPE")),
        ("cloud_ready:eq:yes", Err("WRONG_TYPE")),
        ("hosting_type:eq:Saas", Err("NOT_IN_OPTIONS")),
        ("vendor:lt:x", Err("NOT_ALLOWED_HERE")),
        ("vendor", Err("PATTERN_MISMATCH")),
        ("vendor:eq", Err("REQUIRED")),
        ("", Err("PATTERN_MISMATCH")),
    ] {
        let condition = Condition::parse_filter(text, Scope::new(&METAMODEL));
        let found = match &condition {
            Ok(condition) => Ok(condition.evaluate(&crm())),
            Err(found) => Err(serde_json::to_value(found[0].code)
                .unwrap()
                .as_str()
                .unwrap_or_default()
                .to_owned()),
        };
        assert_eq!(found, expected.map_err(str::to_owned), "{text}");
    }
    let untyped = Condition::parse_filter("attributes.code:eq:5", Scope::new(&METAMODEL)).unwrap();
    for stored in [json!(5), json!("5"), json!(5.0)] {
        assert!(untyped.holds(&Card(json!({"attributes": {"code": stored}}))));
    }
    let comma = Condition::parse_filter(r"vendor:in:a\,b,c", Scope::new(&METAMODEL)).unwrap();
    assert!(comma.holds(&Card(json!({"attributes": {"vendor": "a,b"}}))));
}

#[test]
fn fields_are_named() {
    let condition = parse(&json!({"all": [{"vendor": "x"}, {"not": {"requires": ["name", "vendor"]}}]})).unwrap();
    assert_eq!(
        condition.fields().into_iter().collect::<Vec<_>>(),
        ["attributes.vendor", "name"]
    );
}

#[test]
fn related_cards_are_counted() {
    let oracle = json!({"vendor": "Oracle"});
    let cases = [
        (json!({"quantifier": "some", "where": oracle}), Some(true)),
        (json!({"quantifier": "none", "where": oracle}), Some(false)),
        (json!({"quantifier": "none", "to": "Application"}), Some(true)),
        (json!({"quantifier": "every", "where": oracle}), None),
        (
            json!({"quantifier": "every", "where": {"requires": ["vendor"]}}),
            Some(false),
        ),
        (
            json!({"quantifier": "every", "where": {"type": "ITComponent"}}),
            Some(true),
        ),
        (
            json!({"quantifier": "every", "to": "Application", "where": oracle}),
            Some(true),
        ),
        (json!({"max": 0, "where": oracle}), Some(false)),
        (json!({"max": 0, "to": "Application"}), Some(true)),
        (json!({"max": 1, "where": oracle}), None),
        (json!({"max": 2, "where": oracle}), Some(true)),
        (json!({"min": 1, "max": 1, "to": "ITComponent"}), Some(false)),
    ];
    for (mut related, expected) in cases {
        related["type"] = json!("RELIES_ON");
        let condition = parse(&json!({ "related": related })).unwrap();
        assert_eq!(condition.evaluate(&crm()), expected, "{related}");
    }
}

#[test]
fn questions_about_related_cards_are_bounded() {
    let step = |inner: Value| json!({"related": {"type": "RELIES_ON", "where": inner}});
    let mut deep = json!({"name": "x"});
    for _ in 0..4 {
        deep = step(deep);
    }
    assert!(parse(&deep).is_ok());
    let at = "/filter/related/where/related/where/related/where/related/where/related";
    assert_eq!(parse(&step(deep)).unwrap_err(), [format!("{at} TOO_LONG")]);
    let many = |n: usize| json!({"any": vec![step(json!({"name": "x"})); n]});
    assert!(parse(&many(24)).is_ok());
    assert_eq!(parse(&many(25)).unwrap_err(), ["/filter/any/24/related TOO_LONG"]);
    let range = |inner: Value| json!({"related": {"type": "RELIES_ON", "min": 2, "max": 5, "where": inner}});
    let nested = range(range(range(range(json!({"name": "x"})))));
    assert!(parse(&nested).is_ok());
    assert!(parse(&json!({"all": [nested, nested]})).is_err());
    for (related, place) in [
        (
            json!({"quantifier": "most"}),
            "/filter/related/quantifier NOT_IN_OPTIONS",
        ),
        (json!({"quantifier": "every"}), "/filter/related/where REQUIRED"),
        (
            json!({"quantifier": "some", "min": 1}),
            "/filter/related/min NOT_ALLOWED_HERE",
        ),
        (json!({"other": "yes"}), "/filter/related/other WRONG_TYPE"),
        (json!({"min": 3, "max": 2}), "/filter/related/max OUT_OF_RANGE"),
    ] {
        let mut related = related;
        related["type"] = json!("RELIES_ON");
        assert_eq!(parse(&json!({ "related": related })).unwrap_err(), [place]);
    }
}

fn any_condition() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "all",
        "any",
        "not",
        "requires",
        "field",
        "op",
        "value",
        "related",
        "type",
        "name",
        "vendor",
        "eq",
        "in",
        "between",
        "exists",
        "attributes.x",
        "tags",
        "contains",
        "where",
        "to",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,5}".prop_map(Value::from)
    ];
    leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4).prop_map(|members| Value::Object(
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(value in any_condition(), text in "[a-z._:,]{0,30}") {
        match parse(&value) {
            Ok(condition) => { let _ = condition.evaluate(&crm()); }
            Err(found) => prop_assert!(!found.is_empty()),
        }
        let _ = Condition::parse_filter(&text, Scope::new(&METAMODEL));
    }
}
