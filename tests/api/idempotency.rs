//! The same request with the same Idempotency-Key has its effect once and reads the first answer again.

use archzero::auth::Role;
use axum::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    probe::rows,
};

fn interface(name: &str) -> Value {
    json!({"type": "Interface", "name": name})
}

/// Everything of an answer that a replay must repeat.
fn face(answer: &Answer) -> (u16, &[u8], [&str; 4]) {
    let headers = ["etag", "location", "x-arc-position", "content-type"].map(|name| answer.header(name));
    (answer.status.as_u16(), &answer.bytes, headers)
}

#[tokio::test]
async fn every_kind_of_write_is_replayed() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = architect.card("Application", "CRM").await;
    let db = architect.card("ITComponent", "DB").await;
    let own = uuid::Uuid::new_v4();
    let edge = json!({"source_id": id, "type": "RELIES_ON", "target_id": db});
    let operation = json!({"operations": [{"op": "create", "card": interface("Bulk")}]});
    let steps: Vec<(Method, String, Option<Value>, u16)> = vec![
        (Method::POST, "/cards".into(), Some(interface("I")), 201),
        (Method::PUT, format!("/cards/{own}"), Some(interface("Own")), 201),
        (Method::PATCH, format!("/cards/{id}"), Some(json!({"tags": ["t"]})), 200),
        (Method::POST, format!("/cards/{id}/duplicate"), Some(json!({})), 201),
        (Method::POST, "/relationships".into(), Some(edge), 201),
        (Method::POST, "/cards/bulk".into(), Some(operation), 200),
        (Method::DELETE, format!("/cards/{id}"), None, 200),
        (Method::POST, format!("/cards/{id}/restore"), None, 200),
    ];
    for (n, (method, path, body, status)) in steps.into_iter().enumerate() {
        let keyed = architect.header("idempotency-key", format!("step-{n}"));
        let keyed = if method == Method::DELETE {
            keyed.header("if-match", "*")
        } else {
            keyed
        };
        let first = keyed.send(method.clone(), &path, body.clone()).await.expect(status);
        assert_eq!(first.header("idempotent-replayed"), "");
        let before = rows(&app).await;
        let again = keyed.send(method.clone(), &path, body.clone()).await;
        assert_eq!(face(&again), face(&first), "{method} {path}");
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(rows(&app).await, before, "{method} {path}");
    }
    // The answer is the first one even after the thing has changed.
    let keyed = architect.header("idempotency-key", "step-2");
    architect
        .patch(&format!("/cards/{id}"), json!({"tags": ["other"]}))
        .await
        .expect(200);
    let again = keyed
        .patch(&format!("/cards/{id}"), json!({"tags": ["t"]}))
        .await
        .expect(200);
    assert_eq!(again.body["tags"], json!(["t"]));
    assert_eq!(
        architect.get(&format!("/cards/{id}")).await.body["tags"],
        json!(["other"])
    );
}

#[tokio::test]
async fn a_deleted_relationship_is_deleted_once() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let (crm, db) = (
        architect.card("Application", "CRM").await,
        architect.card("ITComponent", "DB").await,
    );
    let edge = architect.link(crm, "RELIES_ON", db).await;
    let keyed = architect.header("idempotency-key", "k").header("if-match", "\"1\"");
    let first = keyed.delete(&format!("/relationships/{edge}")).await.expect(204);
    let again = keyed.delete(&format!("/relationships/{edge}")).await.expect(204);
    assert_eq!(face(&again), face(&first));
    assert!(again.bytes.is_empty());
}

#[tokio::test]
async fn the_key_with_another_request_is_refused() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let keyed = architect.header("idempotency-key", "k");
    let id = keyed.post("/cards", interface("I")).await.expect(201).id();
    let before = rows(&app).await;
    keyed
        .post("/cards", interface("J"))
        .await
        .expect_error(422, "IDEMPOTENCY_MISMATCH");
    keyed
        .post("/cards", json!({"name": "I", "type": "Interface"}))
        .await
        .expect(201); // the same, written otherwise
    let path = format!("/cards/{id}");
    keyed.patch(&path, json!({"tags": ["t"]})).await.expect(200);
    keyed
        .header("if-match", "\"1\"")
        .patch(&path, json!({"tags": ["t"]}))
        .await
        .expect_error(422, "IDEMPOTENCY_MISMATCH");
    keyed.header("if-match", "*").delete(&path).await.expect(200);
    keyed
        .header("if-match", "*")
        .delete(&format!("{path}?change_reason=x"))
        .await
        .expect_error(422, "IDEMPOTENCY_MISMATCH");
    // Keys of another person, method or path are others.
    app.login(Role::Editor)
        .await
        .header("idempotency-key", "k")
        .post("/cards", interface("I"))
        .await
        .expect(201);
    let [cards, _, _, _, changes, keys] = rows(&app).await;
    assert_eq!((cards, keys), (before[0] + 1, before[5] + 3));
    assert_eq!(
        changes,
        before[4] + 3 + 1,
        "a patch, a deletion, a card, and the log-in"
    );
}

#[tokio::test]
async fn failures_are_not_recorded() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let holder = architect.card("Interface", "I").await;
    let keyed = architect.header("idempotency-key", "k");
    let before = rows(&app).await;
    keyed.post("/cards", interface("I")).await.expect_error(409, "CONFLICT");
    keyed
        .post("/cards", json!({"type": "Interface"}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    assert_eq!(rows(&app).await, before);
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{holder}"))
        .await
        .expect(200);
    keyed.post("/cards", interface("I")).await.expect(201);
}

#[tokio::test]
async fn keys_are_visible_characters_and_not_endless() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    for bad in ["", "   ", "ü", &"k".repeat(256)] {
        let answer = editor
            .header("idempotency-key", bad)
            .post("/cards", interface("I"))
            .await
            .expect_error(400, "INVALID_REQUEST");
        assert_eq!(answer.body["error"]["field"], "Idempotency-Key");
    }
    editor
        .header("idempotency-key", "k".repeat(255))
        .post("/cards", interface("I"))
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_twins_have_one_effect_and_the_same_answer() {
    let app = TestApp::start_with(|config| config.database.max_connections = 12).await;
    let editor = app.login(Role::Editor).await;
    for round in 0..5 {
        let keyed = editor.header("idempotency-key", format!("round-{round}"));
        let before = rows(&app).await;
        let answers = join_all((0..8).map(|_| keyed.post("/cards", interface(&format!("I{round}"))))).await;
        for answer in &answers {
            assert_eq!(answer.status, 201, "{:?}", answer.body);
            assert_eq!(face(answer), face(&answers[0]));
        }
        let replayed = answers
            .iter()
            .filter(|a| a.header("idempotent-replayed") == "true")
            .count();
        assert_eq!(replayed, 7);
        assert_eq!(rows(&app).await[0], before[0] + 1);
    }
    // The twin of one that fails has its own try.
    let holder = editor.card("Interface", "Taken").await;
    let keyed = editor.header("idempotency-key", "failing");
    for answer in join_all((0..4).map(|_| keyed.post("/cards", interface("Taken")))).await {
        let answer = answer.expect_error(409, "CONFLICT");
        assert_eq!(answer.body["error"]["details"]["existing_id"], json!(holder));
    }
}

#[tokio::test]
async fn the_twin_of_a_slow_one_is_told_to_come_back() {
    let app = TestApp::start().await;
    let (user, email) = app.user(&[Role::Editor]).await;
    let editor = app.login_as(&email).await;
    let mut slow = app.db().begin().await.unwrap();
    sqlx::query("insert into idempotency_keys (subject, method, path, key, request_hash, status, headers, body) values ($1, 'POST', '/api/v1/cards', 'k', '', 0, '[]', '')")
        .bind(user.to_string())
        .execute(&mut *slow)
        .await
        .unwrap();
    let keyed = editor.header("idempotency-key", "k");
    let answer = keyed
        .post("/cards", interface("I"))
        .await
        .expect_error(409, "IDEMPOTENCY_IN_PROGRESS");
    assert_eq!(answer.header("retry-after"), "5");
    slow.rollback().await.unwrap();
    keyed.post("/cards", interface("I")).await.expect(201);
}
