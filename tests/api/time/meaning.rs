//! What an instant means, and which instants have none.

use archzero::{
    auth::Role,
    card::{self, CardDraft},
    store::Author,
};
use axum::http::StatusCode;
use chrono::{Duration, FixedOffset, SecondsFormat};
use serde_json::json;
use uuid::Uuid;

use super::{Asked, seal, shown};
use crate::harness::TestApp;

const NEVER: &str = "0190a6c0-0000-7000-8000-000000000000";

#[tokio::test]
async fn instants_are_read_strictly_and_offsets_understood() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Application", "CRM").await;
    let instant = seal(&app).await;
    editor
        .patch(&format!("/cards/{id}"), json!({"name": "CRM 2"}))
        .await
        .expect(200);
    seal(&app).await;
    let utc: chrono::DateTime<chrono::Utc> = instant.parse().unwrap();
    for hours in [-11, 0, 2, 14] {
        let offset = FixedOffset::east_opt(hours * 3600).unwrap();
        let text = utc.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::Micros, false);
        for text in [text.replace('+', "%2B"), text] {
            let answer = editor.get(&format!("/cards/{id}?known_at={text}")).await.expect(200);
            assert_eq!(answer.body["name"], "CRM", "{text}");
        }
    }
    for bad in [
        "2026-11-21",
        "yesterday",
        "2026-11-21T10:00:00",
        "1763719200",
        "2026-02-30T00:00:00Z",
        "%00",
        "",
        "+",
    ] {
        for path in [
            format!("/cards?known_at={bad}"),
            format!("/cards/{id}?known_at={bad}"),
            format!("/cards/{id}/relationships?known_at={bad}"),
            format!("/relationships?known_at={bad}"),
            format!("/relationships/{NEVER}?known_at={bad}"),
            format!("/graph/fan-in?known_at={bad}"),
        ] {
            let answer = editor.get(&path).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {:?}", answer.body);
        }
    }
    for bad in [json!(5), json!({}), json!("2026-11-21"), json!("x".repeat(10_000))] {
        editor
            .post("/graph/traverse", json!({"known_at": bad}))
            .await
            .expect_error(400, "VALIDATION_ERROR");
        let answer = editor.post("/graph/diff", json!({"from": {"known_at": bad}})).await;
        let answer = answer.expect_error(400, "VALIDATION_ERROR");
        assert_eq!(answer.body["error"]["field"], "from.known_at");
    }
}

#[tokio::test]
async fn the_future_and_what_lies_before_the_record_are_refused() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let long_ago = "2001-01-01T00:00:00Z";
    let unrecorded = viewer.get(&format!("/cards?known_at={long_ago}")).await;
    unrecorded.expect_error(422, "UNPROCESSABLE_ENTITY");
    let first = seal(&app).await;
    for path in ["/cards", "/relationships", "/graph/orphans"] {
        let answer = Asked::get(path)
            .at(&viewer, long_ago)
            .await
            .expect_error(422, "UNPROCESSABLE_ENTITY");
        let since: chrono::DateTime<chrono::Utc> = answer.body["error"]["details"]["since"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(shown(since), first, "{path}");
        let tomorrow = shown(app.clock.now() + Duration::days(1));
        let answer = Asked::get(path)
            .at(&viewer, &tomorrow)
            .await
            .expect_error(400, "INVALID_REQUEST");
        assert_eq!(answer.body["error"]["field"], "known_at");
        // Exactly the instant of the first seal is recorded.
        Asked::get(path).at(&viewer, &first).await.expect(200);
    }
}

#[tokio::test]
async fn a_transaction_that_commits_late_changes_no_answer() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    editor.card("Application", "Early").await;
    let body = json!({"type": "Application", "name": "Late", "attributes": {"hosting_type": "SaaS"}});
    let draft = CardDraft::parse(&app.state.metamodel.load(), body.as_object().unwrap().clone()).unwrap();
    let mut open = app.db().begin().await.unwrap();
    card::store::insert(&mut open, &Author::default(), Uuid::now_v7(), &draft, 50)
        .await
        .unwrap();
    let first = seal(&app).await;
    editor.card("Application", "Next").await;
    let second = seal(&app).await;
    let list = Asked::get("/cards?include=relationships");
    let graph = Asked::post("/graph/traverse", json!({}));
    let mut before = Vec::new();
    for instant in [&first, &second] {
        for asked in [&list, &graph] {
            before.push(asked.at(&editor, instant).await.expect(200).bytes);
        }
    }
    open.commit().await.unwrap();
    let third = seal(&app).await;
    let mut after = Vec::new();
    for instant in [&first, &second] {
        for asked in [&list, &graph] {
            after.push(asked.at(&editor, instant).await.expect(200).bytes);
        }
    }
    assert_eq!(before, after);
    // Put together anew, elsewhere, it is still the same.
    sqlx::query("delete from past_states").execute(app.db()).await.unwrap();
    sqlx::query("delete from past_cards").execute(app.db()).await.unwrap();
    let other = TestApp::on(app.url.clone(), |_| {}).await;
    let caller = other.with_token(&editor.token.clone().unwrap());
    for (at, (instant, asked)) in [(&first, &list), (&first, &graph), (&second, &list), (&second, &graph)]
        .into_iter()
        .enumerate()
    {
        assert!(
            asked.at(&caller, instant).await.bytes == before[at],
            "{asked:?} at {instant}"
        );
    }
    let counts: Vec<_> = [first, second, third].into_iter().collect();
    for (instant, expected) in counts.iter().zip([1, 2, 3]) {
        let answer = list.at(&editor, instant).await.expect(200);
        assert_eq!(answer.body["pagination"]["total_items"], expected);
    }
}

#[tokio::test]
async fn the_day_of_the_record_is_the_date_by_default() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let today = app.clock.today();
    let end = today + Duration::days(2);
    let id = editor
        .card_with(
            "Application",
            "CRM",
            json!({"lifecycle": {"active": "2020-01-01", "eol": end}}),
        )
        .await;
    let other = editor.card("Application", "Other").await;
    let instant = seal(&app).await;
    let asked = [
        Asked::get(format!("/cards/{id}")),
        Asked::get("/cards"),
        Asked::get("/cards?lifecycle_phase=Active"),
        Asked::post("/graph/traverse", json!({"root_id": other})),
        Asked::get("/graph/orphans"),
        Asked::post("/graph/diff", json!({"from": {}, "to": {}})),
    ];
    let mut before = Vec::new();
    for question in &asked {
        before.push(question.at(&editor, &instant).await.expect(200).bytes);
    }
    let phase = |body: &serde_json::Value| body["lifecycle_phase"].clone();
    assert_eq!(phase(&asked[0].now(&editor).await.body), "Active");
    app.clock.advance(Duration::days(5));
    let editor = app.login(Role::Editor).await;
    assert_eq!(phase(&asked[0].now(&editor).await.body), "End of Life");
    for (question, bytes) in asked.iter().zip(&before) {
        let answer = question.at(&editor, &instant).await.expect(200);
        assert!(answer.bytes == *bytes, "{question:?}");
        let known = editor.header("If-None-Match", answer.header("etag"));
        assert_eq!(question.at(&known, &instant).await.status, 304, "{question:?}");
        assert!(
            !String::from_utf8_lossy(&answer.bytes).contains("execution_time_ms"),
            "{question:?}"
        );
    }
    let answer = asked[3].at(&editor, &instant).await;
    assert_eq!(answer.body["metadata"]["query_date"], json!(today));
    assert_eq!(
        answer.body["metadata"]["known_at"]["recorded_at"]
            .as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap(),
        instant.parse::<chrono::DateTime<chrono::Utc>>().unwrap()
    );
}

#[tokio::test]
async fn a_walk_through_the_past_is_not_disturbed() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Architect).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(editor.card("Application", &format!("A {n:02}")).await);
    }
    let instant = seal(&app).await;
    let mut names = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        let answer = editor
            .get(&format!("/cards?known_at={instant}&limit=5&cursor={cursor}"))
            .await
            .expect(200);
        names.extend(
            answer.body["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c["name"].as_str().unwrap().to_owned()),
        );
        // Between the pages everything moves.
        editor
            .header("If-Match", "*")
            .delete(&format!("/cards/{}", ids[page]))
            .await
            .expect(200);
        editor
            .patch(
                &format!("/cards/{}", ids[11 - page]),
                json!({"name": format!("0 {page}")}),
            )
            .await
            .expect(200);
        match answer.body["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<String> = (0..12).map(|n| format!("A {n:02}")).collect();
    assert_eq!(names, expected);
    let other = seal(&app).await;
    editor
        .get(&format!("/cards?known_at={other}&limit=5&cursor={cursor}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
}

/// Tables of past states hold the columns of the present ones, in their order: a migration may not forget them.
#[tokio::test]
async fn past_tables_have_the_columns_of_the_present() {
    let app = TestApp::start().await;
    let columns = async |table: &str| -> Vec<(String, String)> {
        sqlx::query_as(
            "select attname::text, format_type(atttypid, atttypmod) from pg_attribute
             where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum",
        )
        .bind(table)
        .fetch_all(app.db())
        .await
        .unwrap()
    };
    let past = columns("past_cards").await;
    assert_eq!(past[1..past.len() - 2], columns("cards").await);
    assert_eq!(columns("past_relationships").await[1..], columns("relationships").await);
}

/// Whoever asks to be forgotten is forgotten in what is kept of the past, too.
#[tokio::test]
async fn blanked_rows_leave_the_past() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Application", "Ada's laptop").await;
    editor.card("Application", "Other").await;
    let instant = seal(&app).await;
    editor
        .patch(&format!("/cards/{id}"), json!({"name": "A laptop"}))
        .await
        .expect(200);
    let asked = [Asked::get("/cards"), Asked::post("/graph/traverse", json!({}))];
    let tells = async || {
        let mut found = Vec::new();
        for question in &asked {
            let answer = question.at(&editor, &instant).await.expect(200);
            found.push(String::from_utf8_lossy(&answer.bytes).contains("Ada"));
        }
        found
    };
    assert_eq!(tells().await, [true, true]);
    let admin = app.login(Role::Admin).await;
    let done = admin
        .post("/audit/blank", json!({"entity_id": id, "reason": "article 17"}))
        .await
        .expect(200);
    assert!(done.body["blanked"].as_i64().unwrap() >= 1, "{:?}", done.body);
    app.state.tail.catch_up(&app.state).await.unwrap();
    assert_eq!(tells().await, [false, false]);
    Asked::get(format!("/cards/{id}"))
        .at(&editor, &instant)
        .await
        .expect_error(404, "NOT_FOUND");
    assert_eq!(
        editor.get(&format!("/cards/{id}")).await.expect(200).body["name"],
        "A laptop"
    );
}
