use archzero::auth::Role;
use axum::http::Method;
use chrono::Duration;
use serde_json::json;

use super::{refresh, standing, text, tokens, try_log_in};
use crate::harness::{PASSWORD, TestApp};

#[tokio::test]
async fn logging_out_ends_the_session_at_once() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let (access, renewal) = tokens(&app, &email).await;
    let (other, _) = tokens(&app, &email).await;
    app.with_token(&access)
        .send(Method::POST, "/auth/logout", None)
        .await
        .expect(204);
    let refused = app
        .with_token(&access)
        .get("/auth/me")
        .await
        .expect_error(401, "INVALID_TOKEN");
    assert_eq!(refused.body["error"]["details"]["reason"], "revoked");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    refresh(&app, &renewal).await.expect(401);
    assert_eq!(standing(&app, &other).await, 200);
}

#[tokio::test]
async fn a_refresh_token_is_enough_to_log_out() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let (access, renewal) = tokens(&app, &email).await;
    app.clock.advance(Duration::hours(2));
    let late = app.with_token(&access);
    late.send(Method::POST, "/auth/logout", None)
        .await
        .expect_error(401, "INVALID_TOKEN");
    late.post("/auth/logout", json!({"refresh_token": "unknown"}))
        .await
        .expect_error(401, "INVALID_TOKEN");
    late.post("/auth/logout", json!({"refresh_token": renewal}))
        .await
        .expect(204);
    refresh(&app, &renewal).await.expect(401);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let log_in = app.anonymous().header("user-agent", "Harness/1 (\u{e9})");
    let first = log_in
        .post("/auth/login", json!({"email": email, "password": PASSWORD}))
        .await
        .expect(200);
    let me = app.with_token(&text(&first, "access_token"));
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(tokens(&app, &email).await.0);
    }
    let stranger = app.login(Role::Admin).await;

    let list = me.get("/auth/sessions").await.expect(200);
    assert_eq!(list.body["pagination"]["total_items"], 4);
    let sessions = list.body["data"].as_array().unwrap();
    let current: Vec<_> = sessions.iter().filter(|s| s["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["ip"], "127.0.0.1");
    assert!(current[0]["device"].as_str().unwrap().starts_with("Harness/1"));

    let mut seen = Vec::new();
    let mut path = "/auth/sessions?limit=3&cursor=".to_owned();
    loop {
        let page = me.get(&path).await.expect(200);
        seen.extend(page.body["data"].as_array().unwrap().iter().map(|s| s["id"].clone()));
        let Some(next) = page.body["pagination"]["next_url"].as_str() else {
            break;
        };
        path = next.trim_start_matches("/api/v1").to_owned();
    }
    assert_eq!(seen, sessions.iter().map(|s| s["id"].clone()).collect::<Vec<_>>());

    let victim = sessions.iter().find(|s| s["current"] == false).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    stranger
        .delete(&format!("/auth/sessions/{victim}"))
        .await
        .expect_error(404, "NOT_FOUND");
    me.delete(&format!("/auth/sessions/{victim}")).await.expect(204);
    me.delete(&format!("/auth/sessions/{victim}")).await.expect(404);
    me.delete("/auth/sessions/not-an-id")
        .await
        .expect_error(400, "INVALID_REQUEST");
    let mut alive = 0;
    for other in &others {
        alive += i32::from(standing(&app, other).await == 200);
    }
    assert_eq!(alive, 2);

    me.delete("/auth/sessions").await.expect(204);
    for other in &others {
        assert_eq!(standing(&app, other).await, 401);
    }
    let list = me.get("/auth/sessions").await.expect(200);
    assert_eq!(list.body["pagination"]["total_items"], 1);
    stranger.get("/auth/me").await.expect(200);

    me.delete("/auth/sessions?include_current=true").await.expect(204);
    me.get("/auth/me").await.expect(401);
}

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let app = TestApp::start().await;
    let (id, email) = app.user(&[Role::Viewer]).await;
    let (access, renewal) = tokens(&app, &email).await;
    let (other, other_renewal) = tokens(&app, &email).await;
    assert_eq!(standing(&app, &other).await, 200);
    let me = app.with_token(&access);
    let change = |current: &str, new: &str| {
        me.post(
            "/auth/change-password",
            json!({"current_password": current, "new_password": new}),
        )
    };

    let weak = change(PASSWORD, "short").await.expect_error(400, "VALIDATION_ERROR");
    assert_eq!(weak.body["error"]["details"]["total"], 4);
    assert!(!weak.body.to_string().contains(PASSWORD));
    let wrong = change("Not-The-Password-7", "Another-Horse-8")
        .await
        .expect_error(401, "INVALID_CREDENTIALS");
    assert_eq!(wrong.body["error"]["field"], "current_password");
    assert_eq!(standing(&app, &other).await, 200);

    change(PASSWORD, "Another-Horse-8").await.expect(204);
    assert_eq!(standing(&app, &other).await, 401);
    refresh(&app, &other_renewal).await.expect(401);
    assert_eq!(standing(&app, &access).await, 200);
    refresh(&app, &renewal).await.expect(200);
    try_log_in(&app, &email, PASSWORD).await.expect(401);
    try_log_in(&app, &email, "Another-Horse-8").await.expect(200);
    assert_eq!(
        super::log_of(&app, id).await,
        [("password_changed".to_owned(), Some(id))]
    );
}

#[tokio::test]
async fn of_two_changes_of_the_password_at_once_one_wins() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let (one, two) = (app.login_as(&email).await, app.login_as(&email).await);
    let (first, second) = tokio::join!(
        one.post(
            "/auth/change-password",
            json!({"current_password": PASSWORD, "new_password": "Another-Horse-8"})
        ),
        two.post(
            "/auth/change-password",
            json!({"current_password": PASSWORD, "new_password": "Another-Horse-9"})
        ),
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 401]);
    let (works, fails) = if first.status == 204 {
        ("Another-Horse-8", "Another-Horse-9")
    } else {
        ("Another-Horse-9", "Another-Horse-8")
    };
    try_log_in(&app, &email, works).await.expect(200);
    try_log_in(&app, &email, fails).await.expect(401);
}

#[tokio::test]
async fn the_profile() {
    let app = TestApp::start().await;
    let me = app.login(Role::Viewer).await;
    let before = me.get("/auth/me").await.expect(200);
    let etag = before.header("etag").to_owned();
    assert!(etag.starts_with("W/\"1-"), "{etag}");
    me.header("if-none-match", &etag).get("/auth/me").await.expect(304);
    assert!(before.body.get("password_hash").is_none());

    let after = me
        .header("if-match", &etag)
        .patch(
            "/auth/me",
            json!({"name": " Anna ", "preferences": {"a": {"b": 1}, "c": 2}}),
        )
        .await
        .expect(200);
    assert_eq!(
        (after.body["name"].as_str(), after.body["version"].as_i64()),
        (Some("Anna"), Some(2))
    );
    let merged = me
        .patch("/auth/me", json!({"preferences": {"a": {"b": null, "d": 3}}}))
        .await
        .expect(200);
    assert_eq!(merged.body["preferences"], json!({"a": {"d": 3}, "c": 2}));
    let same = me.patch("/auth/me", json!({"name": "Anna"})).await.expect(200);
    assert_eq!(same.body["version"], 3, "nothing changed");
    let stale = me
        .header("if-match", &etag)
        .patch("/auth/me", json!({"name": "Berta"}))
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    assert_eq!(stale.body["error"]["details"]["current_version"], 3);

    let refused = me
        .patch(
            "/auth/me",
            json!({"name": "", "roles": ["admin"], "email": "other@example.com"}),
        )
        .await;
    let refused = refused.expect_error(400, "VALIDATION_ERROR");
    assert_eq!(refused.body["error"]["details"]["total"], 3);
    me.patch("/auth/me", json!({"preferences": {"x": "y".repeat(20_000)}}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    me.patch("/auth/me", json!({"preferences": {"x": "\u{0}"}}))
        .await
        .expect(400);
}
