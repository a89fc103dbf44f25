//! Somebody with all rights over the database alters the log in every way there is: the verification says what and where.

use archzero::{
    audit::{
        self, Keys,
        keys::Key,
        seal_now,
        verify::{Kind, Report, Request},
    },
    auth::Role,
};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, PgTransaction};

use crate::harness::TestApp;

/// A log of four seals. Every test alters it in a transaction that is undone.
struct Log {
    app: TestApp,
    conn: PgConnection,
    /// The positions of each seal's rows.
    sealed: Vec<Vec<i64>>,
    /// The row of each seal that tells of a changed card.
    updated: Vec<i64>,
    /// A position that was drawn and never used.
    gap: i64,
}

async fn log() -> Log {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let mut gap = 0;
    for n in 0..4 {
        let id = editor.card("Interface", &format!("I{n}")).await;
        editor
            .patch(
                &format!("/cards/{id}"),
                json!({"description": "d", "change_reason": "because"}),
            )
            .await
            .expect(200);
        editor.card("Interface", &format!("J{n}")).await;
        if n == 1 {
            gap = sqlx::query_scalar("select nextval('changes_position_seq')")
                .fetch_one(app.db())
                .await
                .unwrap();
        }
        editor.card("Interface", &format!("K{n}")).await;
        assert_eq!(seal_now(&app.state).await.unwrap().unwrap().number, n + 1);
    }
    let rows: Vec<(i64, i64)> = sqlx::query_as("select seal, position from change_digests order by 1, 2")
        .fetch_all(app.db())
        .await
        .unwrap();
    let sealed = (1..=4)
        .map(|seal| rows.iter().filter(|(s, _)| *s == seal).map(|(_, p)| *p).collect())
        .collect();
    let updated: Vec<i64> = sqlx::query_scalar(
        "select position from changes where entity = 'card' and action = 'updated' and before is not null order by 1",
    )
    .fetch_all(app.db())
    .await
    .unwrap();
    assert_eq!(updated.len(), 4);
    let conn = app.superuser().await;
    Log {
        app,
        conn,
        sealed,
        updated,
        gap,
    }
}

impl Log {
    fn row(&self, seal: usize) -> i64 {
        self.updated[seal - 1]
    }

    async fn tampered(&mut self, statements: &[String]) -> PgTransaction<'_> {
        let mut tx = self.conn.begin().await.unwrap();
        tx.execute("set local session_replication_role = replica")
            .await
            .unwrap();
        for statement in statements {
            let done = tx.execute(sqlx::AssertSqlSafe(statement.clone())).await.unwrap();
            assert!(done.rows_affected() > 0, "nothing was altered: {statement}");
        }
        tx
    }

    async fn verify(&mut self, statements: &[String], request: Request) -> Report {
        let keys = self.app.state.audit.keys.clone();
        let mut tx = self.tampered(statements).await;
        let report = audit::store::verify::run(&mut tx, &keys, &request).await.unwrap();
        tx.rollback().await.unwrap();
        report
    }

    /// What is found after these statements: kind, seal, position.
    async fn found(&mut self, statements: &[String]) -> Vec<(Kind, Option<i64>, Option<i64>)> {
        let report = self.verify(statements, Request::default()).await;
        assert_eq!(report.ok, report.findings.is_empty());
        report.findings.iter().map(|f| (f.kind, f.seal, f.position)).collect()
    }
}

fn sql(text: impl Into<String>) -> Vec<String> {
    vec![text.into()]
}

#[tokio::test]
async fn an_untouched_log_verifies_in_whole_and_in_parts() {
    let mut log = log().await;
    let rows: usize = log.sealed.iter().map(Vec::len).sum();
    let whole = log.verify(&[], Request::default()).await;
    assert!(whole.ok && whole.complete, "{whole:?}");
    assert_eq!((whole.seals, whole.rows, whole.blanked), (4, rows as u64, 0));
    assert_eq!(
        (whole.verified_from, whole.verified_up_to, whole.next),
        (1, Some(4), None)
    );
    assert_eq!(whole.unsealed, Some(0));
    let part = log
        .verify(
            &[],
            Request {
                from: Some(2),
                to: Some(3),
                ..Request::default()
            },
        )
        .await;
    assert!(part.ok && part.complete, "{part:?}");
    assert_eq!(
        (part.seals, part.verified_from, part.verified_up_to, part.unsealed),
        (2, 2, Some(3), None)
    );
    // With no time at all each call compares one seal and says where to go on.
    let deadline = Some(std::time::Instant::now());
    let mut from = Some(1);
    for number in 1..=4 {
        let step = log
            .verify(
                &[],
                Request {
                    from,
                    deadline,
                    ..Request::default()
                },
            )
            .await;
        assert!(step.ok, "{step:?}");
        assert_eq!((step.verified_up_to, step.complete), (Some(number), number == 4));
        from = step.next;
    }
    assert_eq!(from, None);
}

#[tokio::test]
async fn altered_rows_are_found_where_they_stand() {
    let mut log = log().await;
    let (p, q) = (log.row(2), log.row(3));
    let changed = vec![(Kind::RowChanged, Some(2), Some(p))];
    for assignment in [
        "after = jsonb_set(after, '{description}', '\"forged\"')",
        "before = null",
        "reason = 'another'",
        "actor_id = gen_random_uuid()",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "request_id = null",
        "tx = '3'",
    ] {
        let found = log
            .found(&sql(format!("update changes set {assignment} where position = {p}")))
            .await;
        assert_eq!(found, changed, "{assignment}");
    }
    let found = log
        .found(&sql(format!(
            "update change_digests set digest = payload where position = {p}"
        )))
        .await;
    assert_eq!(found, [(Kind::RowChanged, Some(2), Some(p))], "its digest");
    let found = log
        .found(&sql(format!(
            "update changes set after = '{{}}' where position in ({p}, {q})"
        )))
        .await;
    assert_eq!(
        found,
        [
            (Kind::RowChanged, Some(2), Some(p)),
            (Kind::RowChanged, Some(3), Some(q))
        ]
    );
}

#[tokio::test]
async fn removed_rows_are_found() {
    let mut log = log().await;
    let p = log.row(2);
    let found = log
        .found(&sql(format!("delete from changes where position = {p}")))
        .await;
    assert_eq!(found, [(Kind::RowRemoved, Some(2), Some(p))]);
    let traceless = ["changes", "change_digests"].map(|table| format!("delete from {table} where position = {p}"));
    assert_eq!(log.found(&traceless).await, [(Kind::RowRemoved, Some(2), None)]);
    let last = log.sealed[3].clone();
    let found = log
        .found(&sql(format!("delete from changes where position >= {}", last[0])))
        .await;
    let expected: Vec<_> = last.iter().map(|p| (Kind::RowRemoved, Some(4), Some(*p))).collect();
    assert_eq!(found, expected, "the tail");
    let traceless =
        ["changes", "change_digests"].map(|table| format!("delete from {table} where position >= {}", last[0]));
    assert_eq!(log.found(&traceless).await, [(Kind::RowRemoved, Some(4), None)]);
}

#[tokio::test]
async fn inserted_rows_are_found() {
    let mut log = log().await;
    let (p, gap) = (log.row(2), log.gap);
    let insert = format!(
        "insert into changes (position, tx, occurred_at, actor_id, entity, entity_id, entity_type, action, version, after)
         select {gap}, tx, occurred_at, actor_id, entity, entity_id, entity_type, 'deleted', version + 1, after
         from changes where position = {p}"
    );
    assert_eq!(log.found(&sql(&insert)).await, [(Kind::RowInserted, None, Some(gap))]);
    // The sealer does not vouch for it either, now or after a restore.
    let mut tx = log.tampered(&sql(&insert)).await;
    let key = Key::new("whatever");
    assert!(audit::store::seal::close(&mut tx, &key).await.unwrap().is_none());
    tx.execute("insert into log_epochs (number, identity, boundary) select 2, '{}', max(position) from changes")
        .await
        .unwrap();
    assert!(audit::store::seal::close(&mut tx, &key).await.unwrap().is_none());
    tx.rollback().await.unwrap();
    let forged = format!(
        "insert into change_digests select {gap}, 2, salt, payload, digest from change_digests where position = {p}"
    );
    let found = log.found(&[insert, forged]).await;
    assert_eq!(
        found,
        [
            (Kind::RowInserted, Some(2), None),
            (Kind::RowChanged, Some(2), Some(gap))
        ]
    );
}

#[tokio::test]
async fn reordered_rows_are_found() {
    let mut log = log().await;
    let (p, q) = (log.row(2), log.row(3));
    let swap = |columns: &str| {
        sql(format!(
            "update changes a set ({columns}) = (select {columns} from changes b where b.position = case a.position when {p} then {q} else {p} end)
             where a.position in ({p}, {q})"
        ))
    };
    let both = [
        (Kind::RowReordered, Some(2), Some(p)),
        (Kind::RowReordered, Some(3), Some(q)),
    ];
    let all =
        "tx, occurred_at, actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after";
    assert_eq!(log.found(&swap(all)).await, both);
    assert_eq!(log.found(&swap("before, after")).await, both, "only what they say");
    let (p, q) = (log.sealed[1][1], log.sealed[1][2]);
    let within = sql(format!(
        "update changes a set ({all}) = (select {all} from changes b where b.position = case a.position when {p} then {q} else {p} end)
         where a.position in ({p}, {q})"
    ));
    assert_eq!(
        log.found(&within).await,
        [
            (Kind::RowReordered, Some(2), Some(p)),
            (Kind::RowReordered, Some(2), Some(q))
        ]
    );
}

#[tokio::test]
async fn altered_seals_are_found_and_accuse_no_other() {
    let mut log = log().await;
    for assignment in [
        "recorded_at = recorded_at - interval '1 microsecond'",
        "count = count - 1",
        "count = count + 1",
        "epoch = 7",
        "snapshot = '3:3:'",
        "digest = sha256(digest)",
    ] {
        let found = log
            .found(&sql(format!("update seals set {assignment} where number = 2")))
            .await;
        assert_eq!(found, [(Kind::SealChanged, Some(2), None)], "{assignment}");
    }
    let found = log
        .found(&sql("update seals set key_id = 'another' where number = 2"))
        .await;
    assert_eq!(found, [(Kind::WrongKey, Some(2), None)]);
    assert_eq!(
        log.found(&sql("delete from seals where number = 2")).await,
        [(Kind::SealRemoved, Some(2), None)]
    );
    assert_eq!(
        log.found(&sql("delete from seals where number = 1")).await,
        [(Kind::SealRemoved, Some(1), None)]
    );
    let found = log.found(&sql("update seals set number = 9 where number = 4")).await;
    assert_eq!(found[0], (Kind::SealRemoved, Some(4), None), "{found:?}");
    let swapped = [
        "update seals set number = -2 where number = 2",
        "update seals set number = 2 where number = 3",
        "update seals set number = 3 where number = -2",
    ];
    let found = log.found(&swapped.map(str::to_owned)).await;
    assert!(
        found.iter().any(|f| f.1 == Some(2)) && found.iter().any(|f| f.1 == Some(3)),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_cut_tail_is_found_by_who_saw_the_seal() {
    let mut log = log().await;
    let last = log.verify(&[], Request::default()).await.newest.unwrap();
    let expected = vec![(last.number, hex::decode(&last.digest).unwrap())];
    let request = || Request {
        expected: expected.clone(),
        ..Request::default()
    };
    assert!(log.verify(&[], request()).await.ok);
    let found = log.found(&sql("delete from seals where number = 4")).await;
    assert_eq!(found, [(Kind::CutOff, Some(4), None)], "what it covered is still there");
    // Nothing is left that could tell, but those who saw the seal.
    let cut = [
        format!("delete from changes where position >= {}", log.sealed[3][0]),
        "delete from change_digests where seal = 4".to_owned(),
        "delete from seals where number = 4".to_owned(),
    ];
    let report = log.verify(&cut, request()).await;
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(
        (report.findings[0].kind, report.findings[0].seal),
        (Kind::CutOff, Some(4))
    );
    let up_to = Request {
        to: Some(4),
        ..Request::default()
    };
    assert_eq!(log.verify(&cut, up_to).await.findings[0].kind, Kind::CutOff);
    let all = ["changes", "change_digests", "seals"].map(|table| format!("delete from {table}"));
    assert_eq!(log.verify(&all, request()).await.findings[0].kind, Kind::CutOff);
    // The running instance saw it too.
    let mut conn = log.app.superuser().await;
    conn.execute("set session_replication_role = replica").await.unwrap();
    for statement in cut {
        conn.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
    let auditor = log.app.login(Role::Auditor).await;
    let report = auditor.get("/audit/verify").await.expect(200).body;
    assert_eq!(
        (&report["ok"], &report["findings"][0]["kind"]),
        (&json!(false), &json!("cut_off")),
        "{report}"
    );
}

#[tokio::test]
async fn payloads_blanked_without_the_log_knowing_are_found() {
    let mut log = log().await;
    let p = log.row(2);
    let salt = format!("update change_digests set salt = null where position = {p}");
    for more in [
        "",
        ", blanked_by = 1",
        ", blanked_by = position",
        ", blanked_by = 999999",
    ] {
        let gone = format!("update changes set reason = null, before = null, after = null{more} where position = {p}");
        let found = log.found(&[gone, salt.clone()]).await;
        assert_eq!(found, [(Kind::RowBlanked, Some(2), Some(p))], "{more}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_as_such() {
    let mut log = log().await;
    let wrong = Keys::new(&"another key".to_owned().into(), &[]);
    let report = audit::store::verify::run(&mut log.conn, &wrong, &Request::default())
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(report.findings[0].kind, Kind::WrongKey);
    // Whoever seals the log anew needs the key.
    let everything = ["delete from change_digests", "delete from seals"].map(str::to_owned);
    let keys = log.app.state.audit.keys.clone();
    let mut tx = log.tampered(&everything).await;
    audit::store::seal::close(&mut tx, &Key::new("a forger's key"))
        .await
        .unwrap()
        .unwrap();
    let report = audit::store::verify::run(&mut tx, &keys, &Request::default())
        .await
        .unwrap();
    assert_eq!(report.findings[0].kind, Kind::WrongKey, "{report:?}");
    tx.rollback().await.unwrap();
}

/// Whatever column of whatever row: no value can be altered unseen.
#[tokio::test]
async fn no_value_can_be_altered_unseen() {
    let mut log = log().await;
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text, udt_name::text from information_schema.columns
         where table_schema = 'public' and table_name in ('changes', 'change_digests', 'seals') order by 1, 2",
    )
    .fetch_all(&mut log.conn)
    .await
    .unwrap();
    assert!(columns.len() >= 26, "{columns:?}");
    for (table, column, kind) in columns {
        let other = match kind.as_str() {
            "int8" | "int4" => format!("coalesce({column}, 0) + 1000000"),
            "text" | "bytea" => format!("coalesce({column}, '') || 'x'"),
            "uuid" => "gen_random_uuid()".to_owned(),
            "jsonb" => "'{\"forged\": true}'".to_owned(),
            "timestamptz" => format!("{column} + interval '1 second'"),
            "xid8" => "'5'::xid8".to_owned(),
            "pg_snapshot" => "'5:5:'::pg_snapshot".to_owned(),
            other => panic!("a column of type {other}: how can it be altered?"),
        };
        for seal in [1, 3, 4] {
            let which = match table.as_str() {
                "seals" => format!("number = {seal}"),
                _ => format!("position = {}", log.row(seal)),
            };
            let found = log
                .found(&sql(format!("update {table} set {column} = {other} where {which}")))
                .await;
            assert!(!found.is_empty(), "{table}.{column} of seal {seal}");
        }
    }
}
