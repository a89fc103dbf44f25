//! The trail: filters, cursors, files, and who may read what.

use archzero::{
    audit::{seal_now, store::trail::AuditFilter},
    auth::{Role, TypeScope},
    http::page::Paging,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Caller, TestApp};

async fn positions(caller: &Caller<'_>, query: &str) -> Vec<i64> {
    let body = caller.get(&format!("/audit?{query}")).await.expect(200).body;
    body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["position"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn the_trail_tells_who_changed_what_when_and_why() {
    let app = TestApp::start().await;
    let (user, email) = app.user(&[Role::Editor]).await;
    let editor = app.login_as(&email).await.header("x-request-id", "a-request-of-mine");
    let auditor = app.login(Role::Auditor).await;
    let id = editor.card("Application", "CRM").await;
    editor
        .patch(
            &format!("/cards/{id}"),
            json!({"description": "new", "change_reason": "Audit of May"}),
        )
        .await
        .expect(200);
    let fresh = auditor
        .get(&format!("/audit?entity_id={id}&entity=card"))
        .await
        .expect(200)
        .body;
    let row = &fresh["data"][0];
    assert_eq!(
        (&row["seal"], &row["recorded_at"]),
        (&Value::Null, &Value::Null),
        "not sealed yet"
    );
    seal_now(&app.state).await.unwrap();
    let body = auditor
        .get(&format!("/audit?entity_id={id}&entity=card"))
        .await
        .expect(200)
        .body;
    assert_eq!(body["pagination"]["total_items"], 2);
    let row = &body["data"][0];
    assert_eq!(row["actor_id"], json!(user));
    assert_eq!(row["request_id"], "a-request-of-mine");
    assert_eq!(row["reason"], "Audit of May");
    assert_eq!(
        (&row["entity"], &row["entity_type"]),
        (&json!("card"), &json!("Application"))
    );
    assert_eq!(
        (&row["action"], &row["version"], &row["blanked"]),
        (&json!("updated"), &json!(2), &json!(false))
    );
    assert_eq!(
        row["changes"][0],
        json!({"field": "description", "before": null, "after": "new"})
    );
    assert_eq!(row["after"]["description"], "new");
    assert_eq!(row["seal"], 1);
    assert!(row["recorded_at"].as_str().unwrap() > row["occurred_at"].as_str().unwrap());
}

#[tokio::test]
async fn filters_narrow_and_name_what_is_wrong() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let auditor = app.login(Role::Auditor).await;
    let a = editor.card("Application", "A").await;
    let b = editor.card("Interface", "B").await;
    editor.link(a, "PROVIDES", b).await;
    editor
        .patch(
            &format!("/cards/{a}"),
            json!({"description": "x", "change_reason": "50% of it_all"}),
        )
        .await
        .expect(200);
    let all = positions(&auditor, "limit=200").await;
    let middle = all[all.len() / 2];
    let instant: chrono::DateTime<chrono::Utc> =
        sqlx::query_scalar("select occurred_at from changes where position = $1")
            .bind(middle)
            .fetch_one(app.db())
            .await
            .unwrap();
    let instant = instant.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let in_log = async |condition: &str| -> Vec<i64> {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select position from changes where {condition} order by position desc limit 200"
        )))
        .fetch_all(app.db())
        .await
        .unwrap()
    };
    for (query, condition) in [
        ("entity=card".to_owned(), "entity = 'card'".to_owned()),
        (
            "entity=card&entity=relationship".to_owned(),
            "entity in ('card', 'relationship')".to_owned(),
        ),
        (
            "entity_type=Interface".to_owned(),
            "entity_type = 'Interface'".to_owned(),
        ),
        ("action=updated".to_owned(), "action = 'updated'".to_owned()),
        (format!("entity_id={a}"), format!("entity_id = '{a}'")),
        (
            "reason=50%25%20OF".to_owned(),
            "reason is not null and entity = 'card' and version = 2".to_owned(),
        ),
        ("reason=it_all".to_owned(), "reason like '50%'".to_owned()),
        ("reason=itXall".to_owned(), "false".to_owned()),
        (format!("since={instant}"), format!("occurred_at >= '{instant}'")),
        (format!("until={instant}"), format!("occurred_at < '{instant}'")),
        (format!("from_position={middle}"), format!("position >= {middle}")),
        (format!("to_position={middle}"), format!("position <= {middle}")),
        ("blanked=true".to_owned(), "false".to_owned()),
        ("request_id=nobody-s-request".to_owned(), "false".to_owned()),
        (format!("actor_id={}", Uuid::nil()), "false".to_owned()),
    ] {
        assert_eq!(
            positions(&auditor, &format!("limit=200&{query}")).await,
            in_log(&condition).await,
            "{query}"
        );
    }
    let mut oldest_first = positions(&auditor, "limit=200&order=asc&entity=card").await;
    oldest_first.reverse();
    assert_eq!(oldest_first, in_log("entity = 'card'").await);
    for (query, field) in [
        ("order=up", "order"),
        ("since=2026-05-01T00:00:00Z&until=2026-04-01T00:00:00Z", "since"),
        ("colour=red", "colour"),
        ("limit=0", "limit"),
    ] {
        let refused = auditor
            .get(&format!("/audit?{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
        assert_eq!(refused.body["error"]["field"], field, "{query}");
    }
    for query in [
        "entity_id=nothing",
        "since=yesterday",
        "since=-262143-01-01T00:00:00Z",
        "until=%2B262142-01-01T00:00:00Z",
        "from_position=x",
        "blanked=perhaps",
    ] {
        auditor
            .get(&format!("/audit?{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    let long = "x".repeat(201);
    auditor
        .get(&format!("/audit?reason={long}"))
        .await
        .expect_error(400, "INVALID_REQUEST");
    let many = "entity=card&".repeat(51);
    auditor
        .get(&format!("/audit?{many}"))
        .await
        .expect_error(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn cursors_walk_the_whole_trail_while_it_grows() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    for n in 0..6 {
        editor.card("Interface", &format!("I{n}")).await;
    }
    let auditor = app.login(Role::Auditor).await;
    let all: Vec<i64> = sqlx::query_scalar("select position from changes order by position desc")
        .fetch_all(app.db())
        .await
        .unwrap();
    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let body = auditor
            .get(&format!("/audit?limit=7&cursor={cursor}"))
            .await
            .expect(200)
            .body;
        walked.extend(
            body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["position"].as_i64().unwrap()),
        );
        editor.card("Interface", &format!("More{}", walked.len())).await;
        match body["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(walked, all, "newest first, each once, nothing that came later");
    auditor
        .get(&format!("/audit?entity=card&cursor={cursor}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
}

#[tokio::test]
async fn only_auditors_and_administrators_read_it() {
    let app = TestApp::start().await;
    for role in [Role::Viewer, Role::Editor, Role::Architect, Role::System] {
        let caller = app.login(role).await;
        for path in ["/audit", "/audit/export", "/audit/verify"] {
            caller.get(path).await.expect_error(403, "INSUFFICIENT_PERMISSIONS");
        }
    }
    for role in [Role::Auditor, Role::Admin] {
        let caller = app.login(role).await;
        for path in ["/audit", "/audit/export", "/audit/verify"] {
            caller.get(path).await.expect(200);
        }
    }
}

#[tokio::test]
async fn rows_about_hidden_cards_do_not_exist() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let seen = editor.card("Application", "Seen").await;
    let hidden = editor.card("Interface", "Hidden").await;
    let edge = editor.link(seen, "PROVIDES", hidden).await;
    let (one, two) = (
        editor.card("Application", "P").await,
        editor.card("Application", "Q").await,
    );
    let kept = editor.link(one, "SUCCESSOR_OF", two).await;
    let mut conn = app.db().acquire().await.unwrap();
    let request = Paging {
        limit: Some(200),
        ..Paging::default()
    }
    .validate()
    .unwrap();
    // The reference data's own rows would fill the page.
    let filter = || AuditFilter {
        entity: ["card", "score", "relationship", "session"].map(str::to_owned).to_vec(),
        ..AuditFilter::default()
    };
    let read = async |scope: TypeScope, conn: &mut sqlx::PgConnection| {
        let trail = filter().check(&scope).unwrap();
        trail.page(conn, &request).await.unwrap()
    };
    let (entries, total) = read(TypeScope::only(["Application"]), &mut conn).await;
    assert_eq!(total, Some(entries.len() as u64), "not counted either");
    let about: Vec<Uuid> = entries.iter().map(|entry| entry.entity_id).collect();
    assert!(about.contains(&seen) && about.contains(&kept));
    assert!(!about.contains(&hidden) && !about.contains(&edge));
    let text = serde_json::to_string(&entries).unwrap();
    assert!(!text.contains("Hidden") && !text.contains(&hidden.to_string()));
    let (none, _) = read(TypeScope::none(), &mut conn).await;
    assert!(
        none.iter()
            .all(|e| !["card", "score", "relationship"].contains(&e.entity.as_str()))
    );
    let (all, _) = read(TypeScope::All, &mut conn).await;
    assert!(all.iter().any(|entry| entry.entity_id == edge));
}

#[tokio::test]
async fn the_whole_trail_as_files() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let admin = app.login(Role::Admin).await;
    // More than one piece of a stream.
    sqlx::query("insert into changes (entity, entity_id, action, version, reason) select 'test', gen_random_uuid(), 'made', n, '=SUM(1), \"x\"' from generate_series(1, 1200) n")
        .execute(app.db())
        .await
        .unwrap();
    editor
        .card_with("Interface", "Ünï", json!({"description": "a,\"b\"\nc"}))
        .await;
    let all: Vec<i64> = sqlx::query_scalar("select position from changes order by position")
        .fetch_all(app.db())
        .await
        .unwrap();
    let lines = admin.get("/audit/export?order=asc").await.expect(200);
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let read: Vec<i64> = String::from_utf8(lines.bytes)
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["position"]
                .as_i64()
                .unwrap()
        })
        .collect();
    assert_eq!(read, all);
    let table = admin
        .get("/audit/export?format=csv&entity=test&order=asc")
        .await
        .expect(200);
    assert!(table.header("content-type").starts_with("text/csv"));
    assert!(table.header("content-disposition").contains("audit.csv"));
    let text = String::from_utf8(table.bytes).unwrap();
    let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1201);
    assert!(lines[0].starts_with("position,occurred_at,seal,"));
    assert!(lines[1].contains(",\"'=SUM(1), \"\"x\"\"\",test,"), "{}", lines[1]);
    let refused = admin
        .get("/audit/export?format=xml")
        .await
        .expect_error(400, "INVALID_REQUEST");
    assert_eq!(refused.body["error"]["field"], "format");
    assert_eq!(
        admin
            .get("/audit/export?format=csv&entity=nothing")
            .await
            .expect(200)
            .bytes
            .split(|b| *b == b'\n')
            .count(),
        2
    );
}

#[tokio::test]
async fn verification_over_http_says_what_it_did() {
    let app = TestApp::start().await;
    let auditor = app.login(Role::Auditor).await;
    let empty = auditor.get("/audit/verify").await.expect(200).body;
    assert_eq!(
        (&empty["ok"], &empty["complete"], &empty["newest"]),
        (&json!(true), &json!(true), &Value::Null)
    );
    assert!(empty["unsealed"].as_i64().unwrap() > 0, "{empty}");
    seal_now(&app.state).await.unwrap();
    let report = auditor.get("/audit/verify").await.expect(200).body;
    assert_eq!(
        (&report["ok"], &report["seals"], &report["verified_up_to"]),
        (&json!(true), &json!(1), &json!(1))
    );
    let mark = format!("1:{}", report["newest"]["digest"].as_str().unwrap());
    assert_eq!(
        auditor
            .get(&format!("/audit/verify?expected={mark}"))
            .await
            .expect(200)
            .body["ok"],
        true
    );
    let other = format!("1:{}", "0".repeat(64));
    let report = auditor
        .get(&format!("/audit/verify?expected={other}"))
        .await
        .expect(200)
        .body;
    assert_eq!(report["findings"][0]["kind"], "seal_changed", "{report}");
    let later = format!("9:{}", "0".repeat(64));
    let report = auditor
        .get(&format!("/audit/verify?expected={later}"))
        .await
        .expect(200)
        .body;
    assert_eq!(report["findings"][0]["kind"], "cut_off", "{report}");
    for query in [
        "from=0",
        "to=-1",
        "from=2&to=1",
        "expected=1",
        "expected=x:y",
        "expected=1:00",
        "from=9223372036854775808",
    ] {
        auditor
            .get(&format!("/audit/verify?{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    auditor.get("/audit/verify?from=9223372036854775807").await.expect(200);
}
