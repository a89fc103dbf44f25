use archzero::auth::Role;
use chrono::Duration;
use serde_json::json;

use super::{log_of, standing, text, tokens, try_log_in, whole_log};
use crate::harness::{Answer, Caller, PASSWORD, TestApp};

const NEW: &str = "Another-Horse-8";

async fn invite(admin: &Caller<'_>, email: &str) -> uuid::Uuid {
    let user = admin
        .post("/admin/users", json!({"email": email, "roles": ["editor"]}))
        .await
        .expect(201);
    assert_eq!(user.body["status"], "invited");
    user.id()
}

async fn link(admin: &Caller<'_>, id: uuid::Uuid, kind: &str) -> String {
    let link = admin
        .post(&format!("/admin/users/{id}/{kind}-link"), json!({}))
        .await
        .expect(201);
    assert_eq!(
        (link.body["purpose"].as_str(), link.header("cache-control")),
        (Some(kind), "no-store")
    );
    text(&link, "token")
}

async fn accept(app: &TestApp, token: &str) -> Answer {
    app.anonymous()
        .post("/auth/accept-invite", json!({"token": token, "password": NEW}))
        .await
}

async fn reset(app: &TestApp, token: &str) -> Answer {
    app.anonymous()
        .post("/auth/reset-password", json!({"token": token, "password": NEW}))
        .await
}

fn refused(answer: Answer, reason: &str) {
    let answer = answer.expect_error(401, "INVALID_TOKEN");
    assert_eq!(answer.body["error"]["details"]["reason"], reason);
}

#[tokio::test]
async fn an_invitation_works_once_and_logs_in() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = invite(&admin, "Greta@Example.com").await;
    try_log_in(&app, "greta@example.com", NEW).await.expect(401);
    let token = link(&admin, id, "invite").await;

    let weak = app
        .anonymous()
        .post(
            "/auth/accept-invite",
            json!({"token": token, "password": "Password123!"}),
        )
        .await;
    weak.expect_error(400, "VALIDATION_ERROR");
    let body = json!({"token": token, "password": NEW, "name": "Greta Berg"});
    let accepted = app.anonymous().post("/auth/accept-invite", body).await.expect(200);
    assert_eq!(accepted.body["user"]["name"], "Greta Berg");
    assert_eq!(accepted.body["user"]["email"], "Greta@Example.com");
    assert_eq!(standing(&app, &text(&accepted, "access_token")).await, 200);
    refused(accept(&app, &token).await, "used");
    try_log_in(&app, "greta@example.com", NEW).await.expect(200);

    let me = super::id_of(&admin).await;
    let actions: Vec<_> = log_of(&app, id).await;
    let expected =
        [("created", me), ("invite_link_created", me), ("invite_accepted", id)].map(|(a, by)| (a.to_owned(), Some(by)));
    assert_eq!(actions, expected);
    assert!(!whole_log(&app).await.contains(&token));
    admin
        .post(&format!("/admin/users/{id}/invite-link"), json!({}))
        .await
        .expect_error(422, "UNPROCESSABLE_ENTITY");
}

#[tokio::test]
async fn of_many_who_use_a_link_at_once_one_succeeds() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = invite(&admin, "greta@example.com").await;
    let token = link(&admin, id, "invite").await;
    let answers = futures_util::future::join_all((0..8).map(|_| accept(&app, &token))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 401).count(), 7);
    let token = link(&admin, id, "reset").await;
    let answers = futures_util::future::join_all((0..8).map(|_| reset(&app, &token))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 204).count(), 1);
    assert_eq!(answers.iter().filter(|a| a.status == 401).count(), 7);
}

#[tokio::test]
async fn links_end() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = invite(&admin, "greta@example.com").await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let user = admin
        .get(&format!("/admin/users?search={email}"))
        .await
        .expect(200)
        .body["data"][0]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (invitation, renewal) = (link(&admin, id, "invite").await, link(&admin, user, "reset").await);
    // A link is for one purpose only.
    refused(accept(&app, &renewal).await, "unknown");
    refused(reset(&app, &invitation).await, "unknown");
    refused(reset(&app, "nonsense").await, "unknown");
    app.clock.advance(Duration::hours(1));
    refused(reset(&app, &renewal).await, "expired");
    app.clock.advance(Duration::days(7) - Duration::hours(1));
    refused(accept(&app, &invitation).await, "expired");
}

#[tokio::test]
async fn a_new_link_makes_earlier_ones_void() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = invite(&admin, "greta@example.com").await;
    let old = link(&admin, id, "invite").await;
    let made = futures_util::future::join_all((0..4).map(|_| link(&admin, id, "invite"))).await;
    refused(accept(&app, &old).await, "unknown");
    let mut accepted = 0;
    for token in &made {
        accepted += i32::from(accept(&app, token).await.status == 200);
    }
    assert_eq!(accepted, 1, "of links made at once one stays");
}

#[tokio::test]
async fn a_reset_ends_all_sessions_and_lifts_a_lock() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let (id, email) = app.user(&[Role::Viewer]).await;
    let (access, renewal) = tokens(&app, &email).await;
    for _ in 0..5 {
        try_log_in(&app, &email, "Not-The-Password-7").await;
    }
    try_log_in(&app, &email, PASSWORD).await.expect(423);
    let token = link(&admin, id, "reset").await;
    assert_eq!(standing(&app, &access).await, 200);
    reset(&app, &token).await.expect(204);
    refused(reset(&app, &token).await, "used");
    assert_eq!(standing(&app, &access).await, 401);
    super::refresh(&app, &renewal).await.expect(401);
    try_log_in(&app, &email, PASSWORD).await.expect(401);
    try_log_in(&app, &email, NEW).await.expect(200);
}

#[tokio::test]
async fn what_happens_to_the_user_happens_to_their_links() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let one = invite(&admin, "one@example.com").await;
    let token = link(&admin, one, "invite").await;
    admin
        .post(&format!("/admin/users/{one}/deactivate"), json!({}))
        .await
        .expect(200);
    refused(accept(&app, &token).await, "unknown");
    admin
        .post(&format!("/admin/users/{one}/invite-link"), json!({}))
        .await
        .expect_error(422, "UNPROCESSABLE_ENTITY");

    let (two, email) = app.user(&[Role::Viewer]).await;
    let token = link(&admin, two, "reset").await;
    let user = app.login_as(&email).await;
    user.post(
        "/auth/change-password",
        json!({"current_password": PASSWORD, "new_password": "A-Third-Horse-9"}),
    )
    .await
    .expect(204);
    refused(reset(&app, &token).await, "unknown");

    let token = link(&admin, two, "reset").await;
    admin.delete(&format!("/admin/users/{two}")).await.expect(204);
    refused(reset(&app, &token).await, "unknown");
    admin
        .post(&format!("/admin/users/{two}/reset-link"), json!({}))
        .await
        .expect(404);
}

#[tokio::test]
async fn an_idempotency_key_does_not_repeat_a_secret() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = invite(&admin, "greta@example.com").await;
    let keyed = admin.header("idempotency-key", "same-key");
    let (one, two) = (link(&keyed, id, "invite").await, link(&keyed, id, "invite").await);
    assert_ne!(one, two);
    let kept: i64 = sqlx::query_scalar("select count(*) from idempotency_keys")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(kept, 0);
}
