//! Seals: what each covers, when it was recorded, and that two sealers are as one.

use std::time::{Duration, Instant};

use archzero::{
    audit::{self, seal_now, sealer, verify::Request},
    auth::Role,
    store::{lease, log, seal},
};
use chrono::{DateTime, Utc};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::{self, TestApp};

/// Every row of the log with the seal that covers it.
async fn covered(db: &PgPool) -> Vec<(i64, Option<i64>)> {
    sqlx::query_as("select c.position, d.seal from changes c left join change_digests d using (position) order by 1")
        .fetch_all(db)
        .await
        .unwrap()
}

async fn now(db: &PgPool) -> DateTime<Utc> {
    sqlx::query_scalar("select clock_timestamp()")
        .fetch_one(db)
        .await
        .unwrap()
}

async fn at(db: &PgPool, instant: DateTime<Utc>) -> Option<i64> {
    let mut conn = db.acquire().await.unwrap();
    seal::at(&mut conn, instant).await.unwrap().map(|seal| seal.number)
}

#[tokio::test]
async fn a_seal_covers_what_was_committed_since_the_last_one() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let before = now(app.db()).await;
    editor.card("Interface", "One").await;
    let first = seal_now(&app.state).await.unwrap().unwrap();
    assert_eq!((first.number, first.epoch), (1, 1));
    assert!(covered(app.db()).await.iter().all(|(_, seal)| *seal == Some(1)));
    assert!(seal_now(&app.state).await.unwrap().is_none(), "nothing is new");

    // Open while the second seal is made, with a lower position than a row of that seal.
    let mut slow = app.db().begin().await.unwrap();
    let late: i64 = sqlx::query_scalar(
        "insert into changes (entity, entity_id, action, version) values ('card', $1, 'updated', 2) returning position",
    )
    .bind(Uuid::now_v7())
    .fetch_one(&mut *slow)
    .await
    .unwrap();
    editor.card("Interface", "Two").await;
    let second = seal_now(&app.state).await.unwrap().unwrap();
    assert_eq!(second.number, 2);
    assert!(second.recorded_at > first.recorded_at);
    slow.commit().await.unwrap();
    assert_eq!(
        covered(app.db())
            .await
            .into_iter()
            .filter(|(_, seal)| seal.is_none())
            .collect::<Vec<_>>(),
        [(late, None)],
        "what was not committed is not covered"
    );
    let third = seal_now(&app.state).await.unwrap().unwrap();
    assert!(covered(app.db()).await.contains(&(late, Some(3))));
    let counts: Vec<i64> = sqlx::query_scalar("select count from seals order by number")
        .fetch_all(app.db())
        .await
        .unwrap();
    let rows = covered(app.db()).await.len() as i64;
    assert_eq!((counts.len(), counts.iter().sum::<i64>(), counts[2]), (3, rows, 1));

    assert_eq!(at(app.db(), before).await, None);
    assert_eq!(at(app.db(), first.recorded_at).await, Some(1));
    assert_eq!(
        at(app.db(), second.recorded_at - chrono::TimeDelta::microseconds(1)).await,
        Some(1)
    );
    assert_eq!(at(app.db(), third.recorded_at).await, Some(3));
    let mut conn = app.db().acquire().await.unwrap();
    let ahead = now(app.db()).await + chrono::TimeDelta::hours(1);
    assert_eq!(seal::at(&mut conn, ahead).await.unwrap_err().code.status(), 400);
}

/// Recording a seal takes a moment; whoever asks for an instant within it must not be told of the seal before.
#[tokio::test]
async fn an_instant_keeps_its_answer_while_a_seal_is_being_recorded() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    editor.card("Interface", "One").await;
    let mut recording = app.db().begin().await.unwrap();
    let claimed = audit::store::seal::claim(&mut recording, true).await.unwrap();
    assert!(
        claimed
            && !audit::store::seal::claim(&mut app.db().acquire().await.unwrap(), false)
                .await
                .unwrap()
    );
    let (seal, _) = audit::store::seal::close(&mut recording, app.state.audit.keys.current())
        .await
        .unwrap()
        .unwrap();
    let instant = now(app.db()).await;
    let pool = app.db().clone();
    let asked = tokio::spawn(async move { at(&pool, instant).await });
    let deadline = Instant::now() + Duration::from_secs(10);
    while !waits(app.db()).await {
        assert!(
            Instant::now() < deadline && !asked.is_finished(),
            "the reader did not wait"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    recording.commit().await.unwrap();
    assert_eq!(asked.await.unwrap(), Some(seal.number));
}

async fn waits(db: &PgPool) -> bool {
    sqlx::query_scalar(
        "select exists (select 1 from pg_locks where locktype = 'advisory' and not granted
                        and database = (select oid from pg_database where datname = current_database()))",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_sealer_that_dies_half_way_has_done_nothing() {
    let app = TestApp::start().await;
    app.login(Role::Editor).await.card("Interface", "One").await;
    let mut dying = PgConnection::connect(&app.url).await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut dying)
        .await
        .unwrap();
    let mut half = dying.begin().await.unwrap();
    audit::store::seal::claim(&mut half, true).await.unwrap();
    audit::store::seal::close(&mut half, app.state.audit.keys.current())
        .await
        .unwrap()
        .unwrap();
    sqlx::query("select pg_terminate_backend($1)")
        .bind(pid)
        .execute(app.db())
        .await
        .unwrap();
    let seal = seal_now(&app.state).await.unwrap().unwrap();
    assert_eq!(seal.number, 1);
    assert!(covered(app.db()).await.iter().all(|(_, seal)| *seal == Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_sealers_and_many_writers_cover_every_row_once() {
    let one = TestApp::start().await;
    let two = TestApp::on(one.url.clone(), |_| {}).await;
    let editor = one.login(Role::Editor).await;
    let stop = CancellationToken::new();
    for app in [&one, &two] {
        tokio::spawn(sealer::follow(app.state.clone(), stop.clone()));
    }
    for n in 0..40 {
        let (a, b) = tokio::join!(seal_now(&one.state), seal_now(&two.state));
        a.unwrap();
        b.unwrap();
        editor.card("Interface", &format!("I{n}")).await;
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while covered(one.db()).await.iter().any(|(_, seal)| seal.is_none()) {
        assert!(Instant::now() < deadline, "no sealer closed the rest");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    let seals: Vec<(i64, i64, DateTime<Utc>)> =
        sqlx::query_as("select number, count, recorded_at from seals order by number")
            .fetch_all(one.db())
            .await
            .unwrap();
    assert!(
        seals.iter().zip(1..).all(|((number, ..), n)| *number == n),
        "numbers without gaps"
    );
    assert!(
        seals.windows(2).all(|pair| pair[0].2 < pair[1].2),
        "one after the other"
    );
    assert_eq!(
        seals.iter().map(|s| s.1).sum::<i64>(),
        covered(one.db()).await.len() as i64
    );
}

#[tokio::test]
async fn another_instance_takes_over_from_one_that_died() {
    let app = TestApp::start().await;
    app.login(Role::Editor).await.card("Interface", "One").await;
    let mut conn = app.db().acquire().await.unwrap();
    let (dead, other) = (Uuid::new_v4(), Uuid::new_v4());
    let ttl = Duration::from_millis(400);
    assert!(lease::take(&mut conn, "sealer", dead, ttl).await.unwrap());
    assert!(!lease::take(&mut conn, "sealer", other, ttl).await.unwrap());
    assert!(
        lease::take(&mut conn, "sealer", dead, ttl).await.unwrap(),
        "its holder keeps it"
    );
    let stop = CancellationToken::new();
    let work = tokio::spawn(sealer::follow(app.state.clone(), stop.clone()));
    let deadline = Instant::now() + Duration::from_secs(20);
    while at(app.db(), now(app.db()).await).await.is_none() {
        assert!(Instant::now() < deadline, "nobody took over");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    work.await.unwrap();
    assert!(
        lease::take(&mut conn, "sealer", other, ttl).await.unwrap(),
        "given back at the end"
    );
}

#[tokio::test]
async fn seals_refuse_update_delete_and_truncate() {
    let app = TestApp::start().await;
    app.login(Role::Editor).await.card("Interface", "One").await;
    seal_now(&app.state).await.unwrap().unwrap();
    for table in ["seals", "change_digests"] {
        for statement in [
            format!("update {table} set digest = 'x'"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            let error = app
                .db()
                .execute(sqlx::AssertSqlSafe(statement))
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains("append-only"), "{error}");
        }
    }
}

#[tokio::test]
async fn after_a_restore_the_first_seal_of_the_epoch_covers_what_was_open() {
    let url = harness::database().await;
    let app = TestApp::on(url.clone(), |_| {}).await;
    let editor = app.login(Role::Editor).await;
    editor.card("Interface", "Sealed").await;
    seal_now(&app.state).await.unwrap().unwrap();
    editor.card("Interface", "Open").await;
    drop(app);
    // Another cluster: its transaction ids are far behind those in the rows, or far ahead.
    let mut conn = PgConnection::connect(&url).await.unwrap();
    conn.execute("update log_epochs set identity = '{\"system\": \"another cluster\"}'")
        .await
        .unwrap();
    let app = TestApp::on(url, |_| {}).await;
    assert_eq!(log::ensure_epoch(app.db()).await.unwrap().number, 2);
    let editor = app.login(Role::Editor).await;
    editor.card("Interface", "After").await;
    let seal = seal_now(&app.state).await.unwrap().unwrap();
    assert_eq!((seal.number, seal.epoch), (2, 2));
    let rows = covered(app.db()).await;
    assert!(rows.iter().all(|(_, seal)| seal.is_some()), "{rows:?}");
    assert!(rows.iter().any(|(_, seal)| *seal == Some(1)));
    editor.card("Interface", "Later").await;
    assert_eq!(seal_now(&app.state).await.unwrap().unwrap().number, 3);
    let mut conn = app.db().acquire().await.unwrap();
    let report = audit::store::verify::run(&mut conn, &app.state.audit.keys, &Request::default())
        .await
        .unwrap();
    assert!(report.ok && report.complete, "{report:?}");
    assert_eq!((report.seals, report.rows as usize), (3, covered(app.db()).await.len()));
}
