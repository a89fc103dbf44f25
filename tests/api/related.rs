//! Conditions on related cards mean the same in SQL, in the graph and to a plain reading of the rules: on random
//! landscapes with dates, archived edges, deleted cards and both directions.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use archzero::{
    auth::Role,
    card::Lifecycle,
    condition::{Condition, Direction, Related, Scope, Subject},
    metamodel::{lookup, reference},
};
use chrono::NaiveDate;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{self, TestApp};

const KINDS: [&str; 3] = ["RELIES_ON", "SUPPORTS", "PARENT_OF"];
const TYPES: [&str; 3] = ["Application", "ITComponent", "BusinessCapability"];
const CONDITIONS: usize = 400;

struct Edge {
    kind: &'static str,
    source: usize,
    target: usize,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    active: bool,
}

struct Card {
    id: Uuid,
    fields: Value,
    lifecycle: Lifecycle,
    dates: [Option<NaiveDate>; 5],
    deleted: bool,
}

struct World {
    cards: Vec<Card>,
    edges: Vec<Edge>,
}

fn date(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap()
}

fn world(runner: &mut TestRunner) -> World {
    let year = || prop::option::of(2020_i32..2030);
    let mut cards = Vec::new();
    for number in 0..60_u128 {
        let (kind, vendor, tier, mut years, deleted) = (
            0_usize..3,
            prop::option::of(prop::sample::select(vec!["Oracle", "SAP"])),
            prop::option::of(prop::sample::select(vec!["Tier 1", "Tier 2"])),
            prop::collection::vec(year(), 5),
            prop::bool::weighted(0.1),
        )
            .new_tree(runner)
            .unwrap()
            .current();
        let mut sorted: Vec<i32> = years.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let mut sorted = sorted.into_iter();
        years
            .iter_mut()
            .filter(|y| y.is_some())
            .for_each(|y| *y = sorted.next());
        // Most cards have no dates: else hardly any two are present at the same time.
        let dates: [Option<NaiveDate>; 5] =
            std::array::from_fn(|at| if number % 3 == 0 { years[at].map(date) } else { None });
        let tier = tier.filter(|_| kind == 0);
        let mut attributes = json!({});
        if let Some(vendor) = vendor {
            attributes["vendor"] = json!(vendor);
        }
        cards.push(Card {
            id: Uuid::from_u128(number + 1),
            fields: json!({"type": TYPES[kind], "name": format!("n{}", number % 7), "business_criticality": tier, "attributes": attributes}),
            lifecycle: Lifecycle::new(dates),
            dates,
            deleted,
        });
    }
    let mut edges = Vec::new();
    for _ in 0..260 {
        let (kind, source, target, from, length, active) = (
            0_usize..3,
            0_usize..60,
            0_usize..60,
            year(),
            prop::option::of(0_i32..8),
            prop::bool::weighted(0.9),
        )
            .new_tree(runner)
            .unwrap()
            .current();
        if source != target {
            edges.push(Edge {
                kind: KINDS[kind],
                source,
                target,
                from: from.map(date),
                to: length.map(|years| date(from.unwrap_or(2022) + years)),
                active,
            });
        }
    }
    World { cards, edges }
}

async fn insert(db: &PgPool, world: &World) {
    sqlx::query("drop index cards_name_unique").execute(db).await.unwrap();
    for card in &world.cards {
        let text = |name: &str| card.fields[name].as_str().map(str::to_owned);
        sqlx::query(
            "insert into cards (id, type, name, name_key, business_criticality, attributes, lifecycle_plan, lifecycle_phase_in,
                    lifecycle_active, lifecycle_phase_out, lifecycle_eol, deleted_at, deletion_id)
             values ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10, case when $11 then now() end, case when $11 then $1 end)",
        )
        .bind(card.id)
        .bind(text("type"))
        .bind(text("name"))
        .bind(text("business_criticality"))
        .bind(&card.fields["attributes"])
        .bind(card.dates[0])
        .bind(card.dates[1])
        .bind(card.dates[2])
        .bind(card.dates[3])
        .bind(card.dates[4])
        .bind(card.deleted)
        .execute(db)
        .await
        .unwrap();
    }
    for edge in &world.edges {
        sqlx::query(
            "insert into relationships (id, rule_id, type, source_id, source_type, target_id, target_type, valid_from, valid_to, status)
             values (gen_random_uuid(), gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(edge.kind)
        .bind(world.cards[edge.source].id)
        .bind(world.cards[edge.source].fields["type"].as_str())
        .bind(world.cards[edge.target].id)
        .bind(world.cards[edge.target].fields["type"].as_str())
        .bind(edge.from)
        .bind(edge.to)
        .bind(if edge.active { "active" } else { "archived" })
        .execute(db)
        .await
        .unwrap();
    }
}

/// The rules, read plainly.
struct Seen {
    world: Arc<World>,
    at: usize,
    on: NaiveDate,
    phase: Value,
}

impl Seen {
    fn new(world: &Arc<World>, at: usize, on: NaiveDate) -> Self {
        Self {
            world: Arc::clone(world),
            at,
            on,
            phase: json!(world.cards[at].lifecycle.phase(on).as_str()),
        }
    }
}

impl Subject for Seen {
    fn value(&self, path: &str) -> Option<Cow<'_, Value>> {
        if path == "lifecycle_phase" {
            return Some(Cow::Borrowed(&self.phase));
        }
        lookup(self.world.cards[self.at].fields.as_object()?, path).map(Cow::Borrowed)
    }

    fn id(&self) -> Option<Uuid> {
        Some(self.world.cards[self.at].id)
    }

    fn related(&self, related: &Related) -> Option<Vec<Box<dyn Subject + '_>>> {
        let mut found = BTreeSet::new();
        for edge in &self.world.edges {
            let in_force = edge.active
                && edge.from.is_none_or(|from| from <= self.on)
                && edge.to.is_none_or(|to| self.on <= to)
                && edge.kind == related.kind;
            if !in_force {
                continue;
            }
            if edge.source == self.at && related.direction != Direction::In {
                found.insert(edge.target);
            }
            if edge.target == self.at && related.direction != Direction::Out {
                found.insert(edge.source);
            }
        }
        found.retain(|at| {
            let card = &self.world.cards[*at];
            !card.deleted
                && card.lifecycle.is_present(self.on)
                && (related.to.is_empty() || related.to.iter().any(|t| card.fields["type"] == json!(t)))
        });
        Some(
            found
                .into_iter()
                .map(|at| Box::new(Self::new(&self.world, at, self.on)) as Box<dyn Subject>)
                .collect(),
        )
    }
}

fn leaf() -> BoxedStrategy<Value> {
    prop::sample::select(vec![
        json!({"attributes.vendor": "Oracle"}),
        json!({"field": "attributes.vendor", "op": "ne", "value": "SAP"}),
        json!({"requires": ["attributes.vendor"]}),
        json!({"business_criticality": "Tier 1"}),
        json!({"field": "business_criticality", "op": "ne", "value": "Tier 1"}),
        json!({"type": "Application"}),
        json!({"name": "n3"}),
        json!({"field": "name", "op": "gt", "value": "n2"}),
        json!({"lifecycle_phase": "Active"}),
        json!({"field": "quality_score", "op": "ge", "value": 1}),
    ])
    .boxed()
}

fn condition() -> BoxedStrategy<Value> {
    leaf()
        .prop_recursive(4, 12, 2, |inner| {
            let related = (
                prop::sample::select(KINDS.to_vec()),
                prop::sample::select(vec!["out", "in", "both"]),
                prop::option::of(prop::sample::select(TYPES.to_vec())),
                any::<bool>(),
                prop::option::weighted(0.8, inner.clone()),
                0_u8..8,
            )
                .prop_map(|(kind, direction, to, other, filter, count)| {
                    let mut related =
                        json!({"type": kind, "direction": direction, "to": to, "other": other, "where": filter});
                    let counts = match count {
                        0 => json!({"quantifier": "none"}),
                        1 if filter.is_some() => json!({"quantifier": "every"}),
                        2 => json!({"min": 2}),
                        3 => json!({"min": 0, "max": 1}),
                        4 => json!({"min": 1, "max": 2}),
                        5 => json!({"min": 0}),
                        _ => json!({}),
                    };
                    for (name, value) in counts.as_object().unwrap() {
                        related[name] = value.clone();
                    }
                    json!({ "related": related })
                });
            prop_oneof![
                5 => related,
                1 => prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| json!({"all": parts})),
                1 => prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| json!({"any": parts})),
                1 => inner.prop_map(|part| json!({"not": part})),
            ]
        })
        .boxed()
}

#[tokio::test]
async fn sql_the_graph_and_a_plain_reading_agree() {
    let url = harness::database().await;
    let db = PgPool::connect(&url).await.unwrap();
    let mut runner = TestRunner::deterministic();
    let world = Arc::new(world(&mut runner));
    insert(&db, &world).await;
    let app = TestApp::on(url, |_| {}).await;
    let viewer = app.login(Role::Viewer).await;
    let metamodel = reference::metamodel();
    let kinds: BTreeSet<String> = KINDS.map(str::to_owned).into();
    let scope = Scope::new(&metamodel).with_related(&kinds);
    let (mut related, mut some, mut unknown) = (0, 0, 0);
    for round in 0..CONDITIONS {
        let value = condition().new_tree(&mut runner).unwrap().current();
        let Ok(condition) = Condition::parse(&value, scope, "") else {
            continue;
        };
        related += usize::from(condition.looks_at_related());
        let on = date(2021 + i32::try_from(round % 8).unwrap());
        let mut expected = BTreeSet::new();
        for (at, card) in world.cards.iter().enumerate().filter(|(_, card)| !card.deleted) {
            match condition.evaluate(&Seen::new(&world, at, on)) {
                Some(true) => drop(expected.insert(card.id)),
                Some(false) => {}
                None => unknown += 1,
            }
        }
        let body = json!({"where": value, "target_date": on, "limit": 200, "fields": ["id"]});
        let found = viewer.post("/cards/query", body).await.expect(200).body;
        let ids = |list: &Value| -> BTreeSet<Uuid> {
            let id = |one: &Value| one["id"].as_str().unwrap().parse().unwrap();
            list.as_array().unwrap().iter().map(id).collect()
        };
        assert_eq!(ids(&found["data"]), expected, "on {on}: {value}");
        assert_eq!(found["pagination"]["total_items"], expected.len(), "{value}");
        some += usize::from(!expected.is_empty());

        // Roots are sought among the cards present, and only cards of a type can be roots of a traversal.
        let body = json!({"root_type": "Application", "root_filter": value, "target_date": on, "depth": 1, "relations": ["PROVIDES"]});
        let walked = viewer.post("/graph/traverse", body).await.expect(200).body;
        let present: BTreeSet<Uuid> = world
            .cards
            .iter()
            .filter(|card| card.lifecycle.is_present(on) && card.fields["type"] == "Application")
            .map(|card| card.id)
            .collect();
        let in_graph = ids(&walked["nodes"]);
        assert_eq!(
            in_graph,
            expected.intersection(&present).copied().collect(),
            "in the graph, on {on}: {value}"
        );
    }
    assert!(
        related > CONDITIONS / 2 && some > CONDITIONS / 3 && unknown > CONDITIONS,
        "the conditions must be worth their while: {related} on related cards, {some} with answers, {unknown} unknown"
    );
}
