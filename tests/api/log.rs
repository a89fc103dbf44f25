//! The change log: snapshot cursors that lose nothing and wait for nobody, and epochs after a restore.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use archzero::{
    auth::Role,
    store::log::{self, Cursor, Epoch, NewChange},
    store::{self, Author},
};
use axum::http::StatusCode;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use uuid::Uuid;

use crate::harness::{self, TestApp};

async fn begin(pool: &PgPool) -> (Epoch, Cursor) {
    let epoch = log::ensure_epoch(pool).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let snapshot = log::current_snapshot(&mut conn).await.unwrap();
    (
        epoch,
        Cursor {
            epoch: epoch.number,
            snapshot,
        },
    )
}

async fn append(conn: &mut PgConnection, entity_id: Uuid, version: i32) {
    let change = NewChange {
        entity: "card",
        entity_id,
        entity_type: None,
        action: "updated",
        version,
        before: None,
        after: Some(json!({"n": version})),
    };
    log::append(conn, &Author::default(), change).await.unwrap();
}

async fn read(pool: &PgPool, epoch: Epoch, cursor: &mut Cursor) -> Vec<(Uuid, i32)> {
    let mut conn = pool.acquire().await.unwrap();
    let (changes, next) = log::read_new(&mut conn, epoch, cursor).await.unwrap();
    *cursor = next;
    changes.into_iter().map(|c| (c.entity_id, c.version)).collect()
}

#[tokio::test]
async fn a_low_transaction_that_commits_late_is_not_lost_and_nobody_waits_for_it() {
    let pool = PgPool::connect(&harness::database().await).await.unwrap();
    let (epoch, mut cursor) = begin(&pool).await;
    let (early, late) = (Uuid::now_v7(), Uuid::now_v7());
    let mut slow = pool.begin().await.unwrap();
    append(&mut slow, early, 1).await;
    append(&mut pool.acquire().await.unwrap(), late, 1).await;
    assert_eq!(
        read(&pool, epoch, &mut cursor).await,
        [(late, 1)],
        "what is committed is read while the other is open"
    );
    assert!(read(&pool, epoch, &mut cursor).await.is_empty());
    slow.commit().await.unwrap();
    assert_eq!(
        read(&pool, epoch, &mut cursor).await,
        [(early, 1)],
        "and the lower position is read once it commits"
    );
    assert!(read(&pool, epoch, &mut cursor).await.is_empty());
}

#[tokio::test]
async fn a_rolled_back_write_is_never_read() {
    let pool = PgPool::connect(&harness::database().await).await.unwrap();
    let (epoch, mut cursor) = begin(&pool).await;
    let mut tx = pool.begin().await.unwrap();
    append(&mut tx, Uuid::now_v7(), 1).await;
    tx.rollback().await.unwrap();
    assert!(read(&pool, epoch, &mut cursor).await.is_empty());
}

#[tokio::test]
async fn a_transaction_held_open_elsewhere_in_the_cluster_stops_nobody() {
    let pool = PgPool::connect(&harness::database().await).await.unwrap();
    let mut elsewhere = PgConnection::connect(&harness::database().await).await.unwrap();
    let mut held = elsewhere.begin().await.unwrap();
    sqlx::query("select pg_current_xact_id()")
        .execute(&mut *held)
        .await
        .unwrap();
    let (epoch, mut cursor) = begin(&pool).await;
    for version in 1..=20 {
        let id = Uuid::now_v7();
        append(&mut pool.acquire().await.unwrap(), id, version).await;
        assert_eq!(read(&pool, epoch, &mut cursor).await, [(id, version)]);
    }
    held.rollback().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_are_read_once_each_and_in_order_per_card() {
    const CARDS: usize = 5;
    const WRITERS: usize = 9;
    const WRITES: usize = 60;
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let mut cards = Vec::new();
    for n in 0..CARDS {
        cards.push(editor.card("Interface", &format!("I{n}")).await);
    }
    let (epoch, mut cursor) = begin(app.db()).await;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let (pool, cards) = (app.db().clone(), cards.clone());
        tasks.push(tokio::spawn(async move {
            for n in 0..WRITES {
                let id = cards[(writer + n) % CARDS];
                let mut tx = pool.begin().await.unwrap();
                let version: i32 =
                    sqlx::query_scalar("update cards set version = version + 1 where id = $1 returning version")
                        .bind(id)
                        .fetch_one(&mut *tx)
                        .await
                        .unwrap();
                append(&mut tx, id, version).await;
                if writer == 0 && n % 20 == 0 {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                tx.commit().await.unwrap();
            }
        }));
    }
    let mut seen: Vec<(Uuid, i32)> = Vec::new();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while seen.len() < WRITERS * WRITES && std::time::Instant::now() < deadline {
        seen.extend(read(app.db(), epoch, &mut cursor).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    seen.extend(read(app.db(), epoch, &mut cursor).await);
    assert_eq!(seen.len(), WRITERS * WRITES);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "none twice");
    let mut versions: BTreeMap<Uuid, i32> = BTreeMap::new();
    for (id, version) in seen {
        let last = versions.insert(id, version).unwrap_or(1);
        assert_eq!(version, last + 1, "versions of one card in order, none missing");
    }
}

#[tokio::test]
async fn the_log_refuses_update_delete_and_truncate() {
    let pool = PgPool::connect(&harness::database().await).await.unwrap();
    append(&mut pool.acquire().await.unwrap(), Uuid::now_v7(), 1).await;
    for statement in [
        "update changes set reason = 'x'",
        "delete from changes",
        "truncate changes",
    ] {
        let error = pool.execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
}

#[tokio::test]
async fn two_writers_on_one_card_keep_both_versions() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Application", "CRM").await;
    let path = format!("/cards/{id}");
    let (a, b) = tokio::join!(
        editor.patch(&path, json!({"description": "one"})),
        editor.patch(&path, json!({"tags": ["two"]}))
    );
    a.expect(200);
    b.expect(200);
    let card = editor.get(&format!("/cards/{id}")).await.expect(200).body;
    assert_eq!(
        (&card["description"], &card["tags"], &card["version"]),
        (&json!("one"), &json!(["two"]), &json!(3))
    );
    let history = editor.get(&format!("/cards/{id}/history")).await.expect(200).body;
    let versions: Vec<_> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["version"].clone())
        .collect();
    assert_eq!(versions, [json!(3), json!(2), json!(1)]);
}

/// What a plain restore of a dump leaves: the same rows, transaction ids of another cluster, a sequence behind its rows.
async fn pretend_restore(url: &str) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    conn.execute("alter table changes disable trigger all").await.unwrap();
    conn.execute("update changes set tx = (pg_current_xact_id()::text::bigint + 1000000 + position)::text::xid8")
        .await
        .unwrap();
    conn.execute("alter table changes enable trigger all").await.unwrap();
    conn.execute("select setval('changes_position_seq', 1, false)")
        .await
        .unwrap();
    conn.execute("update log_epochs set identity = identity || '{\"system\": \"another cluster\"}'")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_restored_log_begins_a_new_epoch() {
    let url = harness::database().await;
    let app = TestApp::on(url.clone(), |_| {}).await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Application", "Before").await;
    let old = Cursor {
        epoch: app.state.tail.epoch().number,
        snapshot: log::current_snapshot(&mut app.db().acquire().await.unwrap())
            .await
            .unwrap(),
    };
    drop(app);
    pretend_restore(&url).await;

    let app = TestApp::on(url, |_| {}).await;
    let epoch = app.state.tail.epoch();
    assert_eq!(epoch.number, old.epoch + 1);
    let mut conn = app.db().acquire().await.unwrap();
    let error = log::read_new(&mut conn, epoch, &old).await.unwrap_err();
    assert_eq!(error.code.status(), StatusCode::GONE, "old cursors are refused");
    drop(conn);

    let editor = app.login(Role::Editor).await;
    assert_eq!(
        editor.get(&format!("/cards/{id}")).await.expect(200).body["name"],
        "Before"
    );
    let highest: i64 = sqlx::query_scalar("select max(position) from changes")
        .fetch_one(app.db())
        .await
        .unwrap();
    let answer = editor
        .patch(&format!("/cards/{id}"), json!({"name": "After"}))
        .await
        .expect(200);
    assert!(
        answer
            .header("x-arc-position")
            .starts_with(&format!("{}-", epoch.number))
    );
    let history = editor.get(&format!("/cards/{id}/history")).await.expect(200).body;
    let names: Vec<_> = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["version"].clone())
        .collect();
    assert_eq!(
        names,
        [json!(2), json!(1)],
        "all rows readable, new writes after the old ones"
    );
    let newest: i64 = sqlx::query_scalar("select max(position) from changes where entity_id = $1")
        .bind(id)
        .fetch_one(app.db())
        .await
        .unwrap();
    assert!(newest > highest);
    assert_eq!(
        editor.get(&format!("/cards/{id}")).await.body["name"],
        "After",
        "the graph follows the new epoch"
    );
    drop(app);
}

#[tokio::test]
async fn the_same_cluster_keeps_its_epoch() {
    let pool = PgPool::connect(&harness::database().await).await.unwrap();
    let first = log::ensure_epoch(&pool).await.unwrap();
    assert_eq!(log::ensure_epoch(&pool).await.unwrap(), first);
    store::transaction(&pool, |conn, _| {
        Box::pin(async move {
            append(conn, Uuid::now_v7(), 1).await;
            Ok(())
        })
    })
    .await
    .unwrap();
    assert_eq!(log::ensure_epoch(&pool).await.unwrap(), first);
}
