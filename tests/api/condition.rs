//! A condition means the same in memory and in SQL: on random cards, odd JSON included, and random conditions.

use std::{borrow::Cow, collections::HashSet};

use archzero::{
    condition::{Condition, Reading, Scope, Subject},
    metamodel::{lookup, name_key, reference},
};
use chrono::{DateTime, NaiveDate, Utc};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use sqlx::{PgPool, QueryBuilder, Row, types::Json};
use uuid::Uuid;

use crate::harness;

const CARDS: u128 = 300;
const CONDITIONS: usize = 2_000;

struct Card(Value);

impl Subject for Card {
    fn value(&self, path: &str) -> Option<Cow<'_, Value>> {
        lookup(self.0.as_object()?, path).map(Cow::Borrowed)
    }
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).unwrap()
}

fn scalar() -> BoxedStrategy<Value> {
    let numbers = [
        json!(0),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(-1),
        json!(1e20),
        json!(9_007_199_254_740_993_i64),
        json!(0.1),
        json!(1e-7),
    ];
    let texts = [
        "",
        " ",
        "\t\u{b}\u{c}",
        "a",
        "A",
        "ab",
        "é",
        "\u{e000}",
        "𐀀",
        "SaaS",
        "PaaS",
        "Tier 1",
        "2026-01-01",
        "2026-02-30",
        "2025-12-31",
        "2026-01-01T00:00:10Z",
        "2026-01-01T00:00:10.5Z",
        "2026-01-01T00:00:10.500Z",
        "2026-01-01T02:00:10+02:00",
        "Straße",
        "strasse",
        "1",
        "true",
        "%",
        "a_b",
        "\\",
    ];
    prop_oneof![
        prop::sample::select(numbers.to_vec()),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
    .boxed()
}

fn stored() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => scalar(),
        1 => Just(Value::Null),
        1 => Just(json!({})),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from),
        1 => scalar().prop_map(|v| json!({"0": v, "amount": v})),
        1 => scalar().prop_map(|v| json!([[v]])),
        1 => scalar().prop_map(|v| json!([{"amount": v}])),
    ]
    .boxed()
}

/// One of every kind of rule, and two that no rule describes.
const ATTRIBUTES: [&str; 13] = [
    "hosting_type",
    "users_total",
    "cloud_ready",
    "vendor",
    "vendor_support_eol",
    "sensitivity",
    "golden_source_id",
    "budget_total",
    "status",
    "free",
    "expires_at",
    "category",
    "implications",
];

fn leaf() -> BoxedStrategy<Value> {
    let mut fields: Vec<String> = ATTRIBUTES.iter().map(|a| format!("attributes.{a}")).collect();
    let more = [
        "attributes.free.0",
        "attributes.free.amount",
        "attributes.budget_total.amount",
        "attributes.sensitivity.0",
        "name",
        "type",
        "description",
        "tags",
        "lifecycle.plan",
        "lifecycle.eol",
        "lifecycle_phase",
        "functional_fit",
        "business_criticality",
        "quality_score",
        "created_at",
    ];
    fields.extend(more.map(str::to_owned));
    let operators = [
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "in",
        "contains",
        "starts_with",
        "exists",
        "between",
    ];
    (
        prop::sample::select(fields),
        prop::sample::select(operators.to_vec()),
        scalar(),
        scalar(),
        any::<bool>(),
    )
        .prop_map(|(field, op, a, b, there)| match op {
            "in" | "between" => json!({"field": field, "op": op, "value": [a, b]}),
            "exists" => json!({"field": field, "op": op, "value": there}),
            _ => json!({"field": field, "op": op, "value": a}),
        })
        .boxed()
}

/// Inserts a random card past all validation, and gives it as evaluation sees it.
async fn insert(db: &PgPool, number: u128, runner: &mut TestRunner) -> (Uuid, Card) {
    let attributes = prop::collection::vec(prop::option::of(stored()), ATTRIBUTES.len())
        .new_tree(runner)
        .unwrap()
        .current();
    let attributes: Map<String, Value> = ATTRIBUTES
        .iter()
        .zip(attributes)
        .filter_map(|(name, value)| Some(((*name).to_owned(), value?)))
        .collect();
    let date = prop::option::of(prop::sample::select(vec![
        "2020-01-01",
        "2026-01-01",
        "2026-01-02",
        "2030-01-01",
    ]));
    let (name, description, tags, dates, fit, tier, quality) = (
        prop::sample::select(vec!["Straße", "ab", "  A  B ", "Tier 1", "é"]),
        prop::option::of(prop::sample::select(vec!["", " ", "a", "ab", "é"])),
        prop::collection::vec(prop::sample::select(vec!["a", "ab", "A"]).prop_map(str::to_owned), 0..3),
        prop::collection::vec(date, 5),
        prop::option::of(1_i16..5),
        prop::option::of(prop::sample::select(vec!["Tier 1", "Tier 2"])),
        prop::option::of(0_i16..4),
    )
        .new_tree(runner)
        .unwrap()
        .current();
    // Lifecycle dates never decrease.
    let mut sorted: Vec<&str> = dates.iter().flatten().copied().collect();
    sorted.sort_unstable();
    let mut sorted = sorted.into_iter();
    let dates: Vec<Option<&str>> = dates.iter().map(|date| date.and_then(|_| sorted.next())).collect();
    let days: Vec<Option<NaiveDate>> = dates.iter().map(|date| date.map(|d| d.parse().unwrap())).collect();
    let created = if number.is_multiple_of(2) {
        "2026-01-01T00:00:10.5Z"
    } else {
        "2026-01-01T00:00:10Z"
    };
    let id = Uuid::from_u128(number);
    sqlx::query(
        "insert into cards (id, type, name, name_key, description, tags, lifecycle_plan, lifecycle_phase_in, lifecycle_active,
                lifecycle_phase_out, lifecycle_eol, functional_fit, business_criticality, attributes, created_at)
         values ($1, 'Application', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(id)
    .bind(name)
    .bind(name_key(name))
    .bind(description)
    .bind(&tags)
    .bind(days[0])
    .bind(days[1])
    .bind(days[2])
    .bind(days[3])
    .bind(days[4])
    .bind(fit)
    .bind(tier)
    .bind(Json(&attributes))
    .bind(created.parse::<DateTime<Utc>>().unwrap())
    .execute(db)
    .await
    .unwrap();
    if let Some(quality) = quality {
        let insert = sqlx::query("insert into card_scores (card_id, quality_score) values ($1, $2)");
        insert.bind(id).bind(quality).execute(db).await.unwrap();
    }
    let card = json!({
        "type": "Application", "name": name, "description": description, "tags": tags, "functional_fit": fit,
        "lifecycle": {"plan": dates[0], "eol": dates[4]}, "lifecycle_phase": phase(&days), "business_criticality": tier,
        "quality_score": quality, "created_at": created, "attributes": attributes,
    });
    (id, Card(card))
}

fn phase(days: &[Option<NaiveDate>]) -> &'static str {
    let past = (0..5).rev().find(|&i| days[i].is_some_and(|day| day <= today()));
    match (past, (0..5).find(|&i| days[i].is_some())) {
        (Some(i), _) => ["Plan", "Phase In", "Active", "Phase Out", "End of Life"][i],
        (None, None) => "Undefined",
        (None, Some(3 | 4)) => "Active",
        (None, Some(_)) => "Plan",
    }
}

#[tokio::test]
async fn memory_and_sql_agree() {
    let db = PgPool::connect(&harness::database().await).await.unwrap();
    sqlx::query("drop index cards_name_unique").execute(&db).await.unwrap();
    let mut runner = TestRunner::deterministic();
    let mut cards = Vec::new();
    for number in 0..CARDS {
        cards.push(insert(&db, number, &mut runner).await);
    }
    let metamodel = reference::metamodel();
    let scope = Scope::new(&metamodel);
    let (mut tried, mut matched) = (0, 0);
    for round in 0..CONDITIONS {
        let mut parts: Vec<Value> = (0..=round % 3)
            .map(|_| leaf().new_tree(&mut runner).unwrap().current())
            .collect();
        parts.retain(|part| Condition::parse(part, scope, "").is_ok());
        if parts.is_empty() {
            continue;
        }
        let value = match round % 4 {
            0 => json!({"all": parts}),
            1 => json!({"any": parts}),
            2 => json!({"not": {"all": parts}}),
            _ => json!({"not": {"any": parts}}),
        };
        let condition = Condition::parse(&value, scope, "").unwrap();
        let mut query =
            QueryBuilder::new("select c.id from cards c left join card_scores s on s.card_id = c.id where ");
        condition.push(&mut query, &Reading::everything_on(today()));
        let rows = query
            .build()
            .fetch_all(&db)
            .await
            .unwrap_or_else(|error| panic!("{value}: {error}"));
        let found: HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        for (id, card) in &cards {
            let answer = condition.evaluate(card);
            assert_eq!(
                answer == Some(true),
                found.contains(id),
                "{value} is {answer:?} in memory\n{}",
                card.0
            );
        }
        tried += 1;
        matched += found.len();
    }
    assert!(
        tried > CONDITIONS / 3 && matched > tried,
        "the conditions must be worth their while: {tried}, {matched}"
    );
}

#[tokio::test]
async fn equality_with_attributes_is_served_by_the_index() {
    let db = PgPool::connect(&harness::database().await).await.unwrap();
    sqlx::query(
        "insert into cards (id, type, name, name_key, attributes)
         select gen_random_uuid(), 'Application', 'a' || n, 'a' || n,
                jsonb_build_object('hosting_type', 'h' || n % 500, 'vendor', 'v' || n % 500, 'sensitivity', array['s' || n % 500],
                                   'region_code', n % 500)
         from generate_series(1, 20000) n",
    )
    .execute(&db)
    .await
    .unwrap();
    sqlx::query("vacuum analyze cards").execute(&db).await.unwrap();
    let metamodel = reference::metamodel();
    for filter in [
        "hosting_type:eq:SaaS",
        "vendor:in:Oracle,SAP",
        "sensitivity:contains:PII",
        "attributes.region_code:eq:5",
    ] {
        let condition = Condition::parse_filter(filter, Scope::new(&metamodel)).unwrap();
        let mut query = QueryBuilder::new("explain select c.id from cards c where c.deleted_at is null and ");
        condition.push(&mut query, &Reading::everything_on(today()));
        let plan: Vec<String> = query.build_query_scalar().fetch_all(&db).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("cards_attributes"), "{filter}\n{plan}");
    }
}
