//! Every answer of the graph against plain recursive SQL over the tables (`oracle.sql`), on generated landscapes: cycles,
//! hubs, validity, redundancy groups, lifecycles, deletions. The whole way is tested: rows are loaded into the graph and
//! asked for over HTTP.
//!
//! `PROPTEST_CASES` raises the number of landscapes.

use archzero::{auth::Role, graph::Embedded};
use chrono::{NaiveDate, TimeDelta};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::harness::{Caller, TestApp};

const TYPES: [&str; 11] = [
    "Application",
    "BusinessCapability",
    "ITComponent",
    "Platform",
    "Interface",
    "Location",
    "Provider",
    "DataObject",
    "Organization",
    "BusinessProcess",
    "Initiative",
];

/// How often each type is drawn.
const WEIGHTS: [u32; 11] = [8, 4, 6, 3, 3, 2, 1, 2, 1, 1, 1];

/// Edges that may be, and how often each is drawn.
const EDGES: [(&str, &str, &str, u32); 33] = [
    ("BusinessCapability", "PARENT_OF", "BusinessCapability", 2),
    ("Application", "PARENT_OF", "Application", 1),
    ("Location", "PARENT_OF", "Location", 2),
    ("Organization", "PARENT_OF", "Organization", 1),
    ("Organization", "LOCATED_AT", "Location", 1),
    ("BusinessProcess", "REALIZES", "BusinessCapability", 1),
    ("Application", "SUPPORTS", "BusinessCapability", 8),
    ("Application", "SUPPORTS", "BusinessProcess", 1),
    ("Application", "OWNED_BY", "Organization", 1),
    ("Application", "USED_BY", "Organization", 1),
    ("Application", "RELIES_ON", "ITComponent", 7),
    ("Application", "RELIES_ON", "Application", 6),
    ("Application", "HOSTED_ON", "Platform", 3),
    ("Application", "PROVIDES", "Interface", 4),
    ("Application", "CONSUMES", "Interface", 4),
    ("Application", "SUCCESSOR_OF", "Application", 1),
    ("Application", "USES_DATA", "DataObject", 2),
    ("Application", "PROVIDED_BY", "Provider", 1),
    ("Platform", "PROVIDED_BY", "Provider", 1),
    ("ITComponent", "PROVIDED_BY", "Provider", 1),
    ("Interface", "TRANSFERS", "DataObject", 1),
    ("Interface", "RELIES_ON", "ITComponent", 1),
    ("Platform", "RELIES_ON", "ITComponent", 2),
    ("ITComponent", "RELIES_ON", "ITComponent", 4),
    ("ITComponent", "PART_OF", "Platform", 6),
    ("ITComponent", "LOCATED_AT", "Location", 2),
    ("Platform", "LOCATED_AT", "Location", 3),
    ("BusinessCapability", "USES_DATA", "DataObject", 1),
    ("Organization", "RESPONSIBLE_FOR", "BusinessCapability", 1),
    ("Initiative", "IMPACTS", "Application", 1),
    ("Initiative", "DEPENDS_ON", "Initiative", 1),
    ("Platform", "PARENT_OF", "Platform", 1),
    ("BusinessProcess", "PARENT_OF", "BusinessProcess", 1),
];

/// Types of edges that mean nothing for failure and take no `dependency`.
const MEANINGLESS: [&str; 7] = [
    "OWNED_BY",
    "SUCCESSOR_OF",
    "TRANSFERS",
    "RESPONSIBLE_FOR",
    "IMPACTS",
    "Organization PARENT_OF",
    "BusinessCapability USES_DATA",
];

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, 1).unwrap()
}

fn day(offset: i64) -> NaiveDate {
    today() + TimeDelta::days(offset)
}

/// Rows as they are inserted, and what is asked of them.
#[derive(Clone, Debug)]
struct World {
    cards: Vec<Value>,
    edges: Vec<Value>,
    /// Cards that are not deleted, by place.
    alive: Vec<Uuid>,
    ask: Ask,
}

#[derive(Clone, Debug)]
struct Ask {
    date: NaiveDate,
    roots: Vec<Uuid>,
    depth: u32,
    max_depth: Option<u32>,
    soft_depth: u32,
    direction: usize,
    kinds: Vec<&'static str>,
    walkable: Vec<&'static str>,
}

/// An id whose order has nothing to do with the card's place.
fn scattered(place: usize, salt: u64) -> Uuid {
    let high = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
    Uuid::from_u64_pair(high, place as u64)
}

fn weighted(weights: impl IntoIterator<Item = u32>) -> impl Strategy<Value = usize> {
    let choices = weights.into_iter().enumerate().map(|(at, weight)| (weight, Just(at)));
    proptest::strategy::Union::new_weighted(choices.collect())
}

/// Mostly no dates; else some of the five, not decreasing, within three days of the date asked.
fn lifecycle() -> impl Strategy<Value = [Option<i64>; 5]> {
    let some = (
        prop::array::uniform5(-3i64..=3),
        prop::array::uniform5(prop::bool::weighted(0.4)),
    );
    let dated = some.prop_map(|(mut offsets, given)| {
        offsets.sort_unstable();
        std::array::from_fn(|at| given[at].then_some(offsets[at]))
    });
    prop_oneof![3 => Just([None; 5]), 1 => dated]
}

/// Mostly open ends; else within two days of the date asked.
fn validity() -> impl Strategy<Value = [Option<i64>; 2]> {
    let some = (-2i64..=2, -2i64..=2, any::<(bool, bool)>());
    let dated = some.prop_map(|(a, b, (from, to))| [from.then_some(a.min(b)), to.then_some(a.max(b))]);
    prop_oneof![3 => Just([None; 2]), 1 => dated]
}

fn world() -> impl Strategy<Value = World> {
    let card = (weighted(WEIGHTS), lifecycle(), 0..12u8, 0..3usize, 0..5usize);
    let edge = (
        weighted(EDGES.map(|edge| edge.3)),
        (0..64usize, 0..64usize, 0..4u8),
        validity(),
        0..14usize,
        0..8usize,
        0..10u8,
    );
    let ask = (
        -2i64..=2,
        prop::collection::vec(0..64usize, 1..=3),
        1..=10u32,
        prop::option::weighted(0.3, 1..=4u32),
        0..=3u32,
        0..3usize,
        prop::sample::subsequence(
            vec!["RELIES_ON", "SUPPORTS", "PART_OF", "PROVIDES", "CONSUMES", "PARENT_OF"],
            0..=4,
        ),
        prop::sample::subsequence(
            vec!["Application", "ITComponent", "BusinessCapability", "Interface"],
            0..=3,
        ),
    );
    let parts = (
        prop::collection::vec(card, 3..=24),
        prop::collection::vec(edge, 0..=60),
        ask,
        any::<u64>(),
    );
    parts.prop_map(|(cards, edges, ask, salt)| {
        let ids: Vec<Uuid> = (0..cards.len()).map(|place| scattered(place, salt)).collect();
        let types: Vec<&str> = cards.iter().map(|card| TYPES[card.0]).collect();
        let deleted = |place: usize| cards[place].2 == 0 && place > 0;
        let alive: Vec<Uuid> = (0..cards.len()).filter(|place| !deleted(*place)).map(|place| ids[place]).collect();
        let cards = cards.iter().enumerate().map(|(place, (_, lifecycle, _, sub_category, tier))| {
            let date = |at: usize| lifecycle[at].map(day);
            let application = types[place] == "Application";
            json!({
                "id": ids[place], "type": types[place], "name": format!("Card {place}"),
                "plan": date(0), "phase_in": date(1), "active": date(2), "phase_out": date(3), "eol": date(4),
                "tier": (application && *tier > 0).then(|| format!("Tier {tier}")),
                "attributes": if *sub_category > 0 { json!({"sub_category": format!("S{sub_category}")}) } else { json!({}) },
                "deleted": deleted(place),
            })
        });
        let cards: Vec<Value> = cards.collect();
        let edge = |(place, drawn): (usize, _)| {
            let (kind, (from, to, hub), validity, said, group, archived): (usize, (usize, usize, u8), [Option<i64>; 2], usize, usize, u8) = drawn;
            let (source, kind, target, _) = EDGES[kind];
            let of_type = |wanted: &str| (0..types.len()).filter(|at| types[*at] == wanted).collect::<Vec<_>>();
            let (sources, targets) = (of_type(source), of_type(target));
            // Some edges all lead to the first of their type: hubs.
            let from = *sources.get(from % sources.len().max(1))?;
            let to = *targets.get(if hub == 0 { 0 } else { to % targets.len().max(1) })?;
            let silent = MEANINGLESS.iter().any(|name| *name == kind || *name == format!("{source} {kind}"));
            let mut attributes = json!({});
            if !silent && said < 3 {
                attributes["dependency"] = json!(["hard", "soft", "none"][said]);
            }
            if !silent && group < 2 {
                attributes["redundancy_group"] = json!(["g", "h"][group]);
            }
            (from != to).then(|| {
                json!({
                    "id": scattered(place, !salt), "source": ids[from], "source_type": source, "kind": kind,
                    "target": ids[to], "target_type": target, "valid_from": validity[0].map(day), "valid_to": validity[1].map(day),
                    "archived": archived == 0, "attributes": attributes,
                })
            })
        };
        let edges = edges.into_iter().enumerate().filter_map(edge).collect();
        let (offset, roots, depth, max_depth, soft_depth, direction, kinds, walkable) = ask;
        let mut roots: Vec<Uuid> = roots.iter().map(|root| alive[root % alive.len()]).collect();
        roots.sort_unstable();
        roots.dedup();
        let ask = Ask { date: day(offset), roots, depth, max_depth, soft_depth, direction, kinds, walkable };
        World { cards, edges, alive, ask }
    })
}

/// A server, and a connection of its own for the oracle.
struct Bench<'a> {
    caller: Caller<'a>,
    app: &'a TestApp,
    oracle: tokio::sync::Mutex<PgConnection>,
}

/// Runs a check on many generated landscapes, all in one database.
fn on_many_landscapes(check: impl AsyncFn(&Bench<'_>, &World, &mut PgConnection) -> Result<(), TestCaseError>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::start());
    let bench = runtime.block_on(async {
        let mut oracle = PgConnection::connect(&app.url).await.unwrap();
        oracle.execute(include_str!("oracle.sql")).await.unwrap();
        Bench {
            caller: app.login(Role::Viewer).await,
            app: &app,
            oracle: oracle.into(),
        }
    });
    #[expect(clippy::disallowed_methods, reason = "proptest's own way to say how many cases")]
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(40);
    let config = Config {
        cases,
        max_shrink_iters: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&world(), |world| {
        runtime.block_on(async {
            let mut oracle = bench.oracle.lock().await;
            bench.load(&world, &mut oracle).await;
            check(&bench, &world, &mut oracle).await
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

impl Bench<'_> {
    /// Puts the landscape in place of the one before, in the tables and in the graph.
    async fn load(&self, world: &World, conn: &mut PgConnection) {
        conn.execute("delete from relationships; delete from card_scores; delete from cards")
            .await
            .unwrap();
        sqlx::query(
            "insert into cards (id, type, name, name_key, lifecycle_plan, lifecycle_phase_in, lifecycle_active, lifecycle_phase_out,
                                lifecycle_eol, business_criticality, criticality_source, attributes, deleted_at, deletion_id)
             select id, type, name, lower(name), plan, phase_in, active, phase_out, eol, tier, case when tier is not null then 'manual' end,
                    attributes, case when deleted then now() end, case when deleted then id end
             from jsonb_to_recordset($1) as c(id uuid, type text, name text, plan date, phase_in date, active date, phase_out date,
                                              eol date, tier text, attributes jsonb, deleted boolean)",
        )
        .bind(Value::from(world.cards.clone()))
        .execute(&mut *conn)
        .await
        .unwrap();
        let inserted = sqlx::query(
            "insert into relationships (id, rule_id, type, source_id, source_type, target_id, target_type, valid_from, valid_to, status, attributes)
             select e.id, t.id, e.kind, e.source, e.source_type, e.target, e.target_type, e.valid_from, e.valid_to,
                    case when e.archived then 'archived' else 'active' end, e.attributes
             from jsonb_to_recordset($1) as e(id uuid, kind text, source uuid, source_type text, target uuid, target_type text,
                                              valid_from date, valid_to date, archived boolean, attributes jsonb)
             join relationship_types t on t.source_type = e.source_type and t.type = e.kind
                                      and (e.target_type = any (t.target_types) or t.target_types = '{}')",
        )
        .bind(Value::from(world.edges.clone()))
        .execute(&mut *conn)
        .await
        .unwrap();
        assert_eq!(inserted.rows_affected(), world.edges.len() as u64);
        let ontology = self.app.state.ontology.load_full();
        let (graph, _) = Embedded::load(self.app.db(), &ontology).await.unwrap();
        self.app.state.graph.replace(graph);
    }

    async fn get(&self, world: &World, path: &str) -> Value {
        let joint = if path.contains('?') { '&' } else { '?' };
        let path = format!("/graph/{path}{joint}target_date={}", world.ask.date);
        self.caller.get(&path).await.expect(200).body
    }

    async fn post(&self, world: &World, path: &str, mut body: Value) -> Value {
        body["target_date"] = json!(world.ask.date);
        self.caller.post(&format!("/graph/{path}"), body).await.expect(200).body
    }
}

/// Lets the oracle look at the landscape with these roots.
async fn look(conn: &mut PgConnection, world: &World, roots: &[Uuid]) {
    sqlx::query("select oracle.look($1, $2)")
        .bind(world.ask.date)
        .bind(roots)
        .execute(conn)
        .await
        .unwrap();
}

fn id(value: &Value) -> Uuid {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no id: {value}"))
        .parse()
        .unwrap()
}

fn ids(list: &Value) -> Vec<Uuid> {
    list.as_array().unwrap().iter().map(|item| id(&item["id"])).collect()
}

fn number(value: &Value) -> i32 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("no number: {value}"))
        .try_into()
        .unwrap()
}

/// Cards with depth and path.
type Fates = Vec<(Uuid, i32, Vec<Uuid>)>;

fn fates(list: &Value) -> Fates {
    let cards = list.as_array().unwrap().iter();
    cards
        .map(|card| (id(&card["id"]), number(&card["depth"]), ids(&card["path"])))
        .collect()
}

async fn expected_fates(conn: &mut PgConnection, down: bool) -> Fates {
    let rows = sqlx::query(
        "select f.id, f.depth, f.path from oracle.fate f join oracle.card c on c.id = f.id
         where f.down = $1 and f.depth > 0 order by f.depth, c.type, c.id",
    );
    let rows = rows.bind(down).fetch_all(conn).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

#[test]
fn impact_and_single_points_of_failure() {
    on_many_landscapes(async |bench, world, conn| {
        let Ask {
            roots,
            max_depth,
            soft_depth,
            ..
        } = &world.ask;
        impact(bench, world, conn, roots, *max_depth, *soft_depth).await?;
        for root in &world.alive {
            impact(bench, world, conn, &[*root], None, 1).await?;
        }
        single_points(bench, world, conn).await
    });
}

async fn impact(
    bench: &Bench<'_>,
    world: &World,
    conn: &mut PgConnection,
    roots: &[Uuid],
    max_depth: Option<u32>,
    soft_depth: u32,
) -> Result<(), TestCaseError> {
    look(conn, world, roots).await;
    let fail = sqlx::query("select oracle.fail($1, $2, $3)").bind(roots);
    fail.bind(max_depth.unwrap_or(1_000) as i32)
        .bind(soft_depth as i32)
        .execute(&mut *conn)
        .await
        .unwrap();
    let answer = bench
        .post(
            world,
            "impact",
            json!({"ids": roots, "max_depth": max_depth, "soft_depth": soft_depth}),
        )
        .await;
    prop_assert_eq!(
        fates(&answer["down"]),
        expected_fates(conn, true).await,
        "down of {:?}",
        roots
    );
    prop_assert_eq!(
        fates(&answer["degraded"]),
        expected_fates(conn, false).await,
        "degraded of {:?}",
        roots
    );
    if max_depth.is_some() {
        return Ok(());
    }
    let rows = sqlx::query(
        "select d.dependent, array_agg(distinct d.on_card) filter (where f.down), array_agg(distinct d.on_card) filter (where f.down is not true)
         from oracle.dep d left join oracle.fate f on f.id = d.on_card
         where d.grp is not null and d.dependent not in (select id from oracle.fate where down)
         group by d.dependent, d.grp having bool_or(f.down) and bool_or(f.down is not true)",
    );
    let rows = rows.fetch_all(conn).await.unwrap();
    let mut expected: Vec<(Uuid, Vec<Uuid>, Vec<Uuid>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    expected.sort_unstable();
    let alternatives = answer["alternatives"].as_array().unwrap().iter();
    let mut got: Vec<_> = alternatives
        .map(|a| (id(&a["dependent"]["id"]), ids(&a["failed"]), ids(&a["surviving"])))
        .collect();
    got.sort_unstable();
    prop_assert_eq!(got, expected, "alternatives of {:?}", roots);
    Ok(())
}

async fn single_points(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    look(conn, world, &[]).await;
    let rows = sqlx::query("select id, capabilities, tiers from oracle.single_points()")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let expected: Vec<(Uuid, Vec<Uuid>, Vec<i32>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let answer = bench.get(world, "spof?limit=5000").await;
    let found = |answer: &Value| -> Vec<(Uuid, Vec<Uuid>, Vec<i32>)> {
        let points = answer["single_points"].as_array().unwrap().iter();
        let tiers = |point: &Value| {
            ["tier_1", "tier_2", "tier_3", "tier_4", "unassessed"].map(|tier| number(&point["by_tier"][tier]))
        };
        points
            .map(|point| (id(&point["id"]), ids(&point["capabilities"]), tiers(point).to_vec()))
            .collect()
    };
    prop_assert_eq!(found(&answer), expected.clone(), "single points");
    let mut at_risk: Vec<Uuid> = expected.iter().flat_map(|point| point.1.clone()).collect();
    at_risk.sort_unstable();
    at_risk.dedup();
    prop_assert_eq!(number(&answer["capabilities_at_risk"]), at_risk.len() as i32);
    for capability in at_risk {
        let answer = bench.get(world, &format!("spof?capability_id={capability}")).await;
        let mut points: Vec<Uuid> = found(&answer).into_iter().map(|point| point.0).collect();
        points.sort_unstable();
        let mut own: Vec<Uuid> = expected
            .iter()
            .filter(|point| point.1.contains(&capability))
            .map(|point| point.0)
            .collect();
        own.sort_unstable();
        prop_assert_eq!(points, own, "single points of {}", capability);
    }
    Ok(())
}

#[test]
fn walks_paths_and_fans() {
    on_many_landscapes(async |bench, world, conn| {
        let Ask { roots, .. } = &world.ask;
        look(conn, world, &roots[..1]).await;
        let body = json!({"root_id": roots[0]});
        traverse(bench, world, conn, &roots[..1], body).await?;
        paths(bench, world, conn).await?;
        look(conn, world, &[]).await;
        let of_type: Vec<Uuid> = sqlx::query_scalar("select id from oracle.card where type = 'Application'")
            .fetch_all(&mut *conn)
            .await
            .unwrap();
        traverse(bench, world, conn, &of_type, json!({"root_type": "Application"})).await?;
        fans(bench, world, conn).await?;
        dependencies(bench, world, conn).await
    });
}

async fn traverse(
    bench: &Bench<'_>,
    world: &World,
    conn: &mut PgConnection,
    roots: &[Uuid],
    body: Value,
) -> Result<(), TestCaseError> {
    let Ask {
        depth,
        direction,
        kinds,
        walkable,
        ..
    } = &world.ask;
    let direction = ["out", "in", "both"][*direction];
    let mut body = body;
    (body["depth"], body["direction"], body["relations"]) = (json!(depth), json!(direction), json!(kinds));
    if !walkable.is_empty() {
        body["filter"] = json!({"type": walkable});
    }
    let answer = bench.post(world, "traverse", body).await;
    let some = |names: &[&'static str]| (!names.is_empty()).then(|| names.to_vec());
    let rows = sqlx::query("select a.id, a.depth from oracle.around($1, $2, $3, $4, $5, $6) a join oracle.card c using (id) order by a.depth, c.type, c.id")
        .bind(roots)
        .bind(*depth as i32)
        .bind(some(kinds))
        .bind(direction != "in")
        .bind(direction != "out")
        .bind(some(walkable))
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let expected: Vec<(Uuid, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let nodes = answer["nodes"].as_array().unwrap().iter();
    let nodes: Vec<(Uuid, i32)> = nodes
        .map(|node| (id(&node["id"]), number(&node["metadata"]["depth"])))
        .collect();
    prop_assert_eq!(&nodes, &expected, "nodes");
    let among: Vec<Uuid> = expected.iter().map(|node| node.0).collect();
    let expected: Vec<Uuid> = sqlx::query_scalar("select id from oracle.edge where source = any ($1) and target = any ($1) and ($2::text[] is null or kind = any ($2)) order by id")
        .bind(&among)
        .bind(some(kinds))
        .fetch_all(conn)
        .await
        .unwrap();
    let mut links = ids(&answer["links"]);
    links.sort_unstable();
    prop_assert_eq!(links, expected, "links");
    Ok(())
}

async fn paths(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    let (from, to) = (world.ask.roots[0], *world.ask.roots.last().unwrap());
    look(conn, world, &[from, to]).await;
    let hops = world.ask.depth.min(4);
    let answer = bench
        .get(world, &format!("paths?from={from}&to={to}&max_hops={hops}"))
        .await;
    let expected: Vec<Vec<Uuid>> = sqlx::query_scalar("select * from oracle.paths($1, $2, $3)")
        .bind(from)
        .bind(to)
        .bind(hops as i32)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let shown: Vec<Vec<Uuid>> = answer["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| ids(&path["steps"]))
        .collect();
    let all = answer["metadata"]["truncated"] == json!(false);
    prop_assert_eq!(all, expected.len() <= 1_000);
    prop_assert_eq!(&shown[..], &expected[..expected.len().min(1_000)], "paths");
    let distance: Option<i32> =
        sqlx::query_scalar("select depth from oracle.around(array[$1], 1000, null, true, true, null) where id = $2")
            .bind(from)
            .bind(to)
            .fetch_optional(conn)
            .await
            .unwrap();
    prop_assert_eq!(
        answer["shortest"]["length"].as_i64(),
        distance.map(i64::from),
        "shortest"
    );
    if let Some(first) = expected.first() {
        prop_assert_eq!(&ids(&answer["shortest"]["steps"]), first);
    }
    Ok(())
}

async fn fans(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    for (name, inward) in [("fan-in", true), ("fan-out", false)] {
        let rows = sqlx::query(
            "select f.id, f.count from oracle.fan($1) f join oracle.card c using (id) order by f.count desc, c.type, c.id",
        );
        let rows = rows.bind(inward).fetch_all(&mut *conn).await.unwrap();
        let expected: Vec<(Uuid, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let answer = bench.get(world, &format!("{name}?limit=1000")).await;
        let items = answer["items"].as_array().unwrap().iter();
        let items: Vec<(Uuid, i64)> = items
            .map(|item| (id(&item["id"]), item["count"].as_i64().unwrap()))
            .collect();
        prop_assert_eq!(items, expected.clone(), "{} ranked", name);
        if let Some((card, count)) = expected.first() {
            let answer = bench.get(world, &format!("{name}/{card}")).await;
            prop_assert_eq!(answer["count"].as_i64(), Some(*count), "{} of {}", name, card);
        }
    }
    Ok(())
}

async fn dependencies(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    let root = world.ask.roots[0];
    look(conn, world, &[root]).await;
    let rows = sqlx::query(
        "select r.there, r.distance, exists (select from oracle.reach(true) h where (h.here, h.there) = (r.here, r.there))
         from oracle.reach(false) r join oracle.card c on c.id = r.there
         where r.here = $1 and r.there <> $1 order by r.distance, c.type, c.id",
    );
    let rows = rows.bind(root).fetch_all(conn).await.unwrap();
    let expected: Vec<(Uuid, i32, bool)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let answer = bench.get(world, &format!("dependencies/{root}")).await;
    let cards = answer["dependencies"].as_array().unwrap().iter();
    let cards: Vec<_> = cards
        .map(|card| (id(&card["id"]), number(&card["depth"]), card["strength"] == "hard"))
        .collect();
    prop_assert_eq!(cards, expected, "dependencies of {}", root);
    Ok(())
}

#[test]
fn cycles_and_orphans() {
    on_many_landscapes(async |bench, world, conn| {
        look(conn, world, &[]).await;
        for hard_only in [false, true] {
            cycles(bench, world, conn, hard_only).await?;
        }
        orphans(bench, world, conn).await
    });
}

async fn cycles(
    bench: &Bench<'_>,
    world: &World,
    conn: &mut PgConnection,
    hard_only: bool,
) -> Result<(), TestCaseError> {
    let rows = sqlx::query("select cards, shortest from oracle.circles($1)")
        .bind(hard_only)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let expected: Vec<(Vec<Uuid>, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let answer = bench.get(world, &format!("cycles?hard_only={hard_only}")).await;
    let mut got = Vec::new();
    for circle in answer["cycles"].as_array().unwrap() {
        let mut cards = ids(&circle["cards"]);
        cards.sort_unstable();
        let cycle = ids(&circle["cycle"]);
        prop_assert_eq!(cycle.first(), cycle.last());
        prop_assert!(cycle.iter().all(|card| cards.contains(card)) && cycle[1..].iter().all(|card| *card >= cycle[0]));
        for step in cycle.windows(2) {
            let depends = sqlx::query_scalar(
                "select exists (select from oracle.dep where dependent = $1 and on_card = $2 and (hard or not $3))",
            );
            let depends: bool = depends
                .bind(step[0])
                .bind(step[1])
                .bind(hard_only)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            prop_assert!(depends, "{} does not depend on {}", step[0], step[1]);
        }
        got.push((cards, cycle.len() as i32 - 1));
    }
    prop_assert_eq!(got, expected, "circles");
    Ok(())
}

async fn orphans(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    // Of each kind: the card type, the types of edges one of which would do, outward, inward.
    let kinds: [(&str, Option<&str>, Option<&[&str]>, bool, bool); 7] = [
        (
            "applications_supporting_nothing",
            Some("Application"),
            Some(&["SUPPORTS"]),
            true,
            false,
        ),
        (
            "applications_without_owner",
            Some("Application"),
            Some(&["OWNED_BY"]),
            true,
            false,
        ),
        (
            "capabilities_without_application",
            Some("BusinessCapability"),
            Some(&["SUPPORTS"]),
            false,
            true,
        ),
        (
            "interfaces_without_consumer",
            Some("Interface"),
            Some(&["CONSUMES"]),
            false,
            true,
        ),
        (
            "interfaces_without_provider",
            Some("Interface"),
            Some(&["PROVIDES"]),
            false,
            true,
        ),
        (
            "data_objects_without_user",
            Some("DataObject"),
            Some(&["USES_DATA", "TRANSFERS"]),
            false,
            true,
        ),
        ("unconnected", None, None, true, true),
    ];
    let answer = bench.get(world, "orphans?limit=5000").await;
    let shown = |name: &str| {
        let kinds = answer["kinds"].as_array().unwrap().iter();
        ids(&kinds.clone().find(|kind| kind["kind"] == name).unwrap()["cards"])
    };
    for (name, card_type, edges, outward, inward) in kinds {
        let expected = lacking(conn, card_type, edges, outward, inward).await;
        prop_assert_eq!(shown(name), expected, "{}", name);
    }
    let mut expected = lacking(conn, Some("ITComponent"), Some(&["RELIES_ON"]), false, true).await;
    let in_no_platform = lacking(conn, Some("ITComponent"), Some(&["PART_OF"]), true, false).await;
    expected.retain(|card| in_no_platform.contains(card));
    prop_assert_eq!(shown("components_used_by_nobody"), expected);
    Ok(())
}

async fn lacking(
    conn: &mut PgConnection,
    card_type: Option<&str>,
    edges: Option<&[&str]>,
    outward: bool,
    inward: bool,
) -> Vec<Uuid> {
    let query = sqlx::query_scalar("select * from oracle.lacking($1, $2, $3, $4)")
        .bind(card_type)
        .bind(edges);
    query.bind(outward).bind(inward).fetch_all(conn).await.unwrap()
}
