//! Every answer of the graph against plain recursive SQL over the tables (`oracle.sql`), on generated landscapes: cycles,
//! hubs, validity, redundancy groups, lifecycles, deletions. The whole way is tested: rows are loaded into the graph and
//! asked for over HTTP.
//!
//! `PROPTEST_CASES` raises the number of landscapes.

use archzero::{auth::Role, graph::Embedded};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use self::world::{World, world};
use crate::harness::{Caller, TestApp};

mod failure;
mod gaps;
mod walks;
mod world;

/// A server, and a connection of its own for the oracle.
struct Bench<'a> {
    caller: Caller<'a>,
    app: &'a TestApp,
    oracle: tokio::sync::Mutex<PgConnection>,
}

/// Runs a check on many generated landscapes, all in one database.
fn on_many_landscapes(check: &impl AsyncFn(&Bench<'_>, &World, &mut PgConnection) -> Result<(), TestCaseError>) {
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
