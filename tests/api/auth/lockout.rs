use archzero::auth::Role;
use chrono::Duration;
use serde_json::json;

use super::{behind_proxy, id_of, try_log_in};
use crate::harness::{Answer, PASSWORD, TestApp};

const WRONG: &str = "Not-The-Password-7";

async fn from(app: &TestApp, address: &str, email: &str, password: &str) -> Answer {
    app.anonymous()
        .header("x-forwarded-for", address)
        .post("/auth/login", json!({"email": email, "password": password}))
        .await
}

#[tokio::test]
async fn the_fifth_failure_locks_the_pair_and_nobody_else() {
    let app = behind_proxy().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    for email in [email.as_str(), "nobody@example.com"] {
        for _ in 0..4 {
            from(&app, "192.0.2.1", email, WRONG)
                .await
                .expect_error(401, "INVALID_CREDENTIALS");
        }
        let locked = from(&app, "192.0.2.1", email, WRONG)
            .await
            .expect_error(423, "ACCOUNT_LOCKED");
        assert_eq!(locked.header("retry-after"), "900");
    }
    let locked = from(&app, "192.0.2.1", &email, PASSWORD)
        .await
        .expect_error(423, "ACCOUNT_LOCKED");
    assert!(locked.header("retry-after").parse::<u32>().unwrap() <= 900);
    from(&app, "192.0.2.2", &email, PASSWORD).await.expect(200);
    from(&app, "192.0.2.1", &email, PASSWORD).await.expect(423);
    app.clock.advance(Duration::minutes(15));
    from(&app, "192.0.2.1", &email, WRONG).await.expect(401);
    from(&app, "192.0.2.1", &email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_success_and_a_quarter_of_an_hour_clear_the_count() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    for _ in 0..3 {
        for _ in 0..4 {
            try_log_in(&app, &email, WRONG).await.expect(401);
        }
        try_log_in(&app, &email, PASSWORD).await.expect(200);
    }
    for _ in 0..3 {
        for _ in 0..4 {
            try_log_in(&app, &email, WRONG).await.expect(401);
        }
        app.clock.advance(Duration::minutes(15));
    }
}

#[tokio::test]
async fn tries_at_the_same_time_are_counted_one_by_one() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let answers = futures_util::future::join_all((0..20).map(|_| try_log_in(&app, &email, WRONG))).await;
    let count = |status| answers.iter().filter(|a| a.status == status).count();
    assert_eq!((count(401), count(423)), (4, 16));
}

#[tokio::test]
async fn right_passwords_at_the_same_time_all_succeed() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let answers = futures_util::future::join_all((0..20).map(|_| try_log_in(&app, &email, PASSWORD))).await;
    assert!(
        answers.iter().all(|a| a.status == 200),
        "{:?}",
        answers.iter().map(|a| a.status).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn strangers_at_the_same_address_do_not_lock_out_who_is_logged_in() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let owner = app.login_as(&email).await;
    for _ in 0..5 {
        try_log_in(&app, &email, WRONG).await;
    }
    try_log_in(&app, &email, PASSWORD).await.expect(423);
    owner.get("/auth/me").await.expect(200);
    owner
        .post("/auth/login", json!({"email": email, "password": PASSWORD}))
        .await
        .expect(200);
    owner
        .post(
            "/auth/change-password",
            json!({"current_password": PASSWORD, "new_password": "Another-Horse-8"}),
        )
        .await
        .expect(204);
    // Who holds a session is counted too, by themselves.
    for _ in 0..4 {
        owner
            .post(
                "/auth/change-password",
                json!({"current_password": WRONG, "new_password": "Another-Horse-9"}),
            )
            .await
            .expect(401);
    }
    owner
        .post("/auth/login", json!({"email": email, "password": WRONG}))
        .await
        .expect(423);
    // Somebody else's session is no help.
    let (_, other) = app.user(&[Role::Viewer]).await;
    let other = app.login_as(&other).await;
    other
        .post("/auth/login", json!({"email": email, "password": PASSWORD}))
        .await
        .expect(423);
}

#[tokio::test]
async fn an_administrator_lifts_a_lock() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let (id, email) = app.user(&[Role::Viewer]).await;
    for _ in 0..5 {
        try_log_in(&app, &email, WRONG).await;
    }
    try_log_in(&app, &email, PASSWORD).await.expect(423);
    admin
        .post(&format!("/admin/users/{id}/unlock"), json!({}))
        .await
        .expect(200);
    try_log_in(&app, &email, PASSWORD).await.expect(200);
    let log = super::log_of(&app, id).await;
    assert_eq!(log, [("unlocked".to_owned(), Some(id_of(&admin).await))]);
}

#[tokio::test]
async fn the_limit_of_log_ins_is_per_account_and_address() {
    let app = TestApp::start_with(|config| config.rate_limit.enabled = true).await;
    let (_, one) = app.user(&[Role::Viewer]).await;
    let (_, two) = app.user(&[Role::Viewer]).await;
    for left in (0..10).rev() {
        let answer = try_log_in(&app, &one, PASSWORD).await.expect(200);
        assert_eq!(
            (
                answer.header("x-ratelimit-limit"),
                answer.header("x-ratelimit-remaining")
            ),
            ("10", left.to_string().as_str())
        );
    }
    let refused = try_log_in(&app, &one, PASSWORD)
        .await
        .expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.header("x-ratelimit-limit"), "10");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() <= 90);
    assert!(refused.body["error"]["details"]["reset_at"].is_i64());
    try_log_in(&app, &two, PASSWORD).await.expect(200);
}
