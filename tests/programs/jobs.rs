//! Jobs while the processes that work on them are killed.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection, postgres::PgRow};

use crate::{Database, Running, until};

/// So often a process is killed.
const KILLS: usize = 10;

impl Database {
    fn rows<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(&self, query: &str) -> Vec<T> {
        let work = async {
            let mut conn = PgConnection::connect(&self.url()).await?;
            let rows = sqlx::query_as(AssertSqlSafe(query.to_owned()))
                .fetch_all(&mut conn)
                .await?;
            conn.close().await?;
            Ok::<_, sqlx::Error>(rows)
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
            .unwrap()
    }

    fn row<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(&self, query: &str) -> T {
        self.rows(query).pop().unwrap()
    }

    /// A server whose jobs are taken over when it was silent for a second.
    fn worker(&self) -> Running {
        let mut command = self.server(&[]);
        command
            .env("JOBS_LEASE", "1s")
            .env("JOBS_CONCURRENCY", "1")
            .env("SCHEDULE_SUNSET", "off")
            .env("SCHEDULE_RETENTION", "off")
            .env("DATABASE_MAX_CONNECTIONS", "5")
            .env("LOG_LEVEL", "warn");
        Running(command.stdout(Stdio::null()).spawn().unwrap())
    }

    fn landscape(&self) {
        self.migrate(&["--create-database"]).expect(0, &[]);
        self.seed(&[]).expect(0, &["written"]);
        self.sql("delete from jobs");
    }

    /// The one job: its state, how far it has come, and the number of the process that has it.
    fn job(&self) -> (String, i64, Option<u32>) {
        let (state, done, holder): (String, i64, Option<String>) = self.row("select state, done, holder from jobs");
        let process = holder
            .filter(|_| state == "running")
            .and_then(|holder| holder.rsplit_once(':')?.1.parse().ok());
        (state, done, process)
    }
}

/// Where in a step a process is killed: seconds after it took the job, spread by a hash so that a failure can be repeated.
fn moment(round: usize, longest: Duration) -> Duration {
    let spread = (round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    longest.mul_f64(spread as f64 / f64::from(1 << 24))
}

/// Two processes work; whichever has the job is killed at some instant, ten times, and replaced. How far the job was each time.
fn kill_while_it_runs(db: &Database, longest: Duration) -> Vec<i64> {
    let mut processes = vec![db.worker(), db.worker()];
    let mut seen = Vec::new();
    let mut last = None;
    for round in 0..KILLS {
        let holder = until("nobody takes the job over", || {
            let (state, _, holder) = db.job();
            assert_ne!(
                state, "succeeded",
                "done before it was killed {KILLS} times, after {round}: {seen:?}"
            );
            holder.filter(|holder| Some(*holder) != last)
        });
        let wait = moment(round, longest);
        let began = Instant::now();
        until("time does not pass", || (began.elapsed() >= wait).then_some(()));
        let at = processes
            .iter()
            .position(|process| process.0.id() == holder)
            .expect("one of ours has it");
        // Dropped: killed as by kill -9, and waited for.
        drop(processes.swap_remove(at));
        last = Some(holder);
        seen.push(db.job().1);
        processes.push(db.worker());
    }
    until("the job does not end", || (db.job().0 == "succeeded").then_some(()));
    assert!(seen.is_sorted(), "progress never goes back: {seen:?}");
    assert!(seen.first() < seen.last(), "killed in different steps: {seen:?}");
    seen
}

#[test]
fn a_recompute_killed_ten_times_changes_every_score_once() {
    let db = Database::new();
    db.landscape();
    db.sql(
        "with c as (
             insert into cards (id, type, name, name_key)
             select gen_random_uuid(), 'Provider', 'p' || n, 'p' || n from generate_series(1, 20000) n returning id)
         insert into card_scores (card_id, quality_score) select id, 99 from c",
    );
    // Each step takes as long as on a busy server, within its transaction.
    db.sql(
        "create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(0.08); return null; end'",
    );
    db.sql("create trigger dawdle after insert on card_scores for each statement execute function dawdle()");
    db.sql(
        "insert into jobs (id, kind, payload, key) values (gen_random_uuid(), 'quality_recompute', '{\"card_type\": \"Provider\"}', 'Provider')",
    );
    kill_while_it_runs(&db, Duration::from_millis(350));

    let (cards, changes): (i64, i64) = db.row(
        "select count(distinct entity_id), count(*) from changes where entity = 'score' and after->>'quality_score' = '25'",
    );
    assert_eq!((cards, changes), (20_000, 20_000), "every score changed, and once");
    let (stale,): (i64,) = db.row(
        "select count(*) from card_scores join cards on id = card_id where type = 'Provider' and quality_score <> 25",
    );
    assert_eq!(stale, 0);
    let (changed, done, total): (i64, i64, i64) = db.row("select (result->>'changed')::bigint, done, total from jobs");
    assert_eq!((changed, done, total), (20_000, 20_000, 20_000));
}

#[test]
fn a_sunset_move_killed_ten_times_moves_every_component_once() {
    let db = Database::new();
    db.landscape();
    db.sql(
        "with c as (
             insert into cards (id, type, name, name_key, attributes)
             select gen_random_uuid(), 'ITComponent', 'c' || n, 'c' || n, jsonb_build_object('category', 'Software',
                 'technology_lifecycle_phase', 'Mature', 'vendor_support_eol', to_char(current_date + n % 300, 'YYYY-MM-DD'))
             from generate_series(1, 8000) n returning id)
         insert into card_scores (card_id, quality_score) select id, 25 from c",
    );
    db.sql("insert into jobs (id, kind) values (gen_random_uuid(), 'sunset')");
    kill_while_it_runs(&db, Duration::from_millis(900));

    let moved: Vec<(i32, Option<String>, i64)> = db.rows(
        "select version, attributes->>'technology_lifecycle_phase', count(*) from cards where type = 'ITComponent' group by 1, 2",
    );
    assert_eq!(moved, [(2, Some("Sunset".to_owned()), 8000)]);
    let (cards, changes, remembered): (i64, i64, i64) = db.row(
        "select count(distinct entity_id), count(*), (select count(*) from sunset_moves) from changes
         where entity = 'card' and action = 'updated' and reason like 'Mature → Sunset%'",
    );
    assert_eq!((cards, changes, remembered), (8000, 8000, 8000));
    let (result,): (String,) = db.row("select result::text from jobs");
    assert_eq!(result, r#"{"moved": 8000, "skipped": 0}"#);
}

#[test]
fn a_server_that_stops_hands_its_job_over_at_once() {
    let db = Database::new();
    db.landscape();
    db.sql(
        "with c as (
             insert into cards (id, type, name, name_key)
             select gen_random_uuid(), 'Provider', 'p' || n, 'p' || n from generate_series(1, 5000) n returning id)
         insert into card_scores (card_id, quality_score) select id, 99 from c",
    );
    db.sql(
        "create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(0.3); return null; end'",
    );
    db.sql("create trigger dawdle after insert on card_scores for each statement execute function dawdle()");
    let mut command = db.server(&[]);
    // Nobody would take it over by the lease within this test.
    let mut first = Running(command.env("JOBS_LEASE", "1h").stdout(Stdio::null()).spawn().unwrap());
    db.sql(
        "insert into jobs (id, kind, payload) values (gen_random_uuid(), 'quality_recompute', '{\"card_type\": \"Provider\"}')",
    );
    until("the job does not get on", || (db.job().1 >= 500).then_some(()));
    first.signal("TERM");
    assert_eq!(first.code(), Some(0));
    let (state, done, _) = db.job();
    assert!(state == "queued" && done < 5000, "{state} {done}");
    let _second = db.worker();
    until("nobody goes on", || (db.job().0 == "succeeded").then_some(()));
    let (cards, changes): (i64, i64) =
        db.row("select count(distinct entity_id), count(*) from changes where entity = 'score'");
    assert_eq!((cards, changes), (5000, 5000));
}
