use std::collections::BTreeSet;

use archzero::{auth::Role, config::Origins};
use axum::http::Method;
use chrono::Duration;
use serde_json::json;

use super::{refresh, standing, text, tokens};
use crate::harness::{Answer, PASSWORD, TestApp};

async fn sessions(app: &TestApp) -> (i64, i64) {
    sqlx::query_as("select count(*), count(*) filter (where revoked_at is null) from sessions")
        .fetch_one(app.db())
        .await
        .unwrap()
}

fn revoked(answer: Answer) {
    let answer = answer.expect_error(401, "INVALID_TOKEN");
    assert_eq!(answer.body["error"]["details"]["reason"], "revoked");
}

#[tokio::test]
async fn a_refresh_renews_both_tokens_of_the_same_session() {
    let app = TestApp::start().await;
    let (id, email) = app.user(&[Role::Viewer]).await;
    let (_, first) = tokens(&app, &email).await;
    app.clock.advance(Duration::minutes(59));
    let answer = refresh(&app, &first).await.expect(200);
    assert_ne!(text(&answer, "refresh_token"), first);
    assert_eq!(answer.body["user"]["id"], id.to_string());
    assert_eq!(standing(&app, &text(&answer, "access_token")).await, 200);
    assert_eq!(sessions(&app).await, (1, 1));
}

#[tokio::test]
async fn a_session_lives_as_long_as_it_is_refreshed_within_a_week() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let (access, mut token) = tokens(&app, &email).await;
    assert_eq!(standing(&app, &access).await, 200);
    for _ in 0..3 {
        app.clock.advance(Duration::days(6));
        let answer = refresh(&app, &token).await.expect(200);
        assert_eq!(standing(&app, &text(&answer, "access_token")).await, 200);
        token = text(&answer, "refresh_token");
    }
    app.clock.advance(Duration::days(7));
    let late = refresh(&app, &token).await.expect_error(401, "INVALID_TOKEN");
    assert_eq!(late.body["error"]["details"]["reason"], "expired");
    let kept: i64 = sqlx::query_scalar("select count(*) from refresh_tokens")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert!(kept <= 2, "{kept} tokens are kept");
}

#[tokio::test]
async fn a_used_token_buys_a_sibling_for_half_a_minute_and_then_ends_the_session() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let (_, first) = tokens(&app, &email).await;
    let (other, _) = tokens(&app, &email).await;
    let second = refresh(&app, &first).await.expect(200);
    app.clock.advance(Duration::seconds(25));
    let sibling = refresh(&app, &first).await.expect(200);
    assert_eq!(sessions(&app).await, (2, 2));
    app.clock.advance(Duration::seconds(6));
    revoked(refresh(&app, &first).await);
    revoked(refresh(&app, &text(&second, "refresh_token")).await);
    revoked(refresh(&app, &text(&sibling, "refresh_token")).await);
    for answer in [&second, &sibling] {
        assert_eq!(standing(&app, &text(answer, "access_token")).await, 401);
    }
    // Another session of the same person is another family.
    assert_eq!(standing(&app, &other).await, 200);
    let reason: String =
        sqlx::query_scalar("select reason from changes where entity = 'session' and action = 'revoked'")
            .fetch_one(app.db())
            .await
            .unwrap();
    assert_eq!(reason, "refresh token reused");
}

#[tokio::test]
async fn parallel_refreshes_stay_one_family() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let (_, mut token) = tokens(&app, &email).await;
    for _ in 0..3 {
        let answers = futures_util::future::join_all((0..16).map(|_| refresh(&app, &token))).await;
        let renewed: BTreeSet<String> = answers
            .into_iter()
            .map(|a| text(&a.expect(200), "refresh_token"))
            .collect();
        assert_eq!(renewed.len(), 16, "each gets a token of its own");
        assert_eq!(sessions(&app).await, (1, 1));
        token = renewed.into_iter().next().unwrap();
    }
    let unused: i64 = sqlx::query_scalar("select count(*) from refresh_tokens where used_at is null")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(unused, 1 + 3 * 15);
    // The same race long after its first use: everybody is refused, and the session ends once.
    refresh(&app, &token).await.expect(200);
    app.clock.advance(Duration::seconds(31));
    let late = futures_util::future::join_all((0..16).map(|_| refresh(&app, &token))).await;
    for answer in late {
        revoked(answer);
    }
    assert_eq!(sessions(&app).await, (1, 0));
    let ends: i64 = sqlx::query_scalar("select count(*) from changes where action = 'revoked'")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(ends, 1);
}

#[tokio::test]
async fn refresh_and_log_out_at_the_same_time_end_logged_out() {
    let app = TestApp::start().await;
    for _ in 0..5 {
        let (_, email) = app.user(&[Role::Viewer]).await;
        let (access, token) = tokens(&app, &email).await;
        let caller = app.with_token(&access);
        let (renewed, ended) = tokio::join!(refresh(&app, &token), caller.post("/auth/logout", json!({})));
        ended.expect(204);
        if renewed.status == 200 {
            revoked(refresh(&app, &text(&renewed, "refresh_token")).await);
            assert_eq!(standing(&app, &text(&renewed, "access_token")).await, 401);
        }
    }
}

#[tokio::test]
async fn useless_refresh_tokens() {
    let app = TestApp::start().await;
    for (body, status) in [
        (json!({"refresh_token": "nonsense"}), 401),
        (json!({}), 401),
        (json!({"refresh_token": ""}), 400),
        (json!({"refresh_token": 7}), 400),
        (json!({"refresh_token": "a", "more": 1}), 400),
        (json!([]), 400),
    ] {
        let answer = app.anonymous().post("/auth/refresh", body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {:?}", answer.body);
    }
    app.anonymous()
        .send(Method::POST, "/auth/refresh", None)
        .await
        .expect_error(401, "INVALID_TOKEN");
}

#[tokio::test]
async fn the_cookie_of_browsers() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let answer = app
        .anonymous()
        .post(
            "/auth/login",
            json!({"email": email, "password": PASSWORD, "cookie": true}),
        )
        .await
        .expect(200);
    assert!(answer.body.get("refresh_token").is_none());
    let set = answer.header("set-cookie").to_owned();
    for part in [
        "; Path=/api/v1/auth",
        "; HttpOnly",
        "; Secure",
        "; SameSite=Strict",
        "; Max-Age=604800",
    ] {
        assert!(set.contains(part), "{part} is missing in {set}");
    }
    let cookie = set.split(';').next().unwrap().to_owned();
    let browser = app.anonymous().header("cookie", format!("theme=dark; {cookie}"));

    // A form of another site has neither the content type nor the header.
    for content_type in ["application/x-www-form-urlencoded", "text/plain"] {
        let forged = browser.header("content-type", content_type);
        forged
            .raw(Method::POST, "/auth/refresh", Some(Vec::new()))
            .await
            .expect_error(400, "INVALID_REQUEST");
        forged
            .raw(Method::POST, "/auth/logout", Some(Vec::new()))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    browser
        .send(Method::POST, "/auth/refresh", None)
        .await
        .expect_error(400, "INVALID_REQUEST");

    let renewed = browser.post("/auth/refresh", json!({})).await.expect(200);
    assert!(renewed.body.get("refresh_token").is_none());
    let cookie = renewed.header("set-cookie").split(';').next().unwrap().to_owned();
    let browser = app
        .anonymous()
        .header("cookie", cookie)
        .header("x-requested-with", "fetch");
    assert_eq!(standing(&app, &text(&renewed, "access_token")).await, 200);

    let ended = browser.send(Method::POST, "/auth/logout", None).await.expect(204);
    assert!(ended.header("set-cookie").contains("Max-Age=0"), "{:?}", ended.headers);
    assert_eq!(standing(&app, &text(&renewed, "access_token")).await, 401);
    let refused = browser.send(Method::POST, "/auth/refresh", None).await;
    assert!(refused.header("set-cookie").contains("Max-Age=0"));
    revoked(refused);
}

/// A page on another host of the same site sends the cookie along, whatever `SameSite` says.
#[tokio::test]
async fn the_cookie_is_for_pages_of_known_origins() {
    let app = TestApp::start_with(|config| {
        config.cors.allowed_origins = Origins::These(vec!["https://app.example.com".parse().unwrap()]);
        "https://arc.example.com".clone_into(&mut config.server.base_url);
    })
    .await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let body = json!({"email": email, "password": PASSWORD, "cookie": true});
    let answer = app.anonymous().post("/auth/login", body).await.expect(200);
    let mut cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let browser = |cookie: &str| app.anonymous().header("cookie", cookie).header("host", "10.0.0.7:8080");
    for (header, value) in [
        ("origin", "https://evil.example.com"),
        ("origin", "http://app.example.com"),
        ("origin", "https://app.example.com.evil.org"),
        ("origin", "null"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
    ] {
        for path in ["/auth/refresh", "/auth/logout"] {
            let refused = browser(&cookie).header(header, value).post(path, json!({})).await;
            let refused = refused.expect_error(403, "INSUFFICIENT_PERMISSIONS");
            assert_eq!(refused.body["error"]["field"], "Origin");
            assert!(refused.header("set-cookie").is_empty(), "the browser keeps its cookie");
        }
    }
    for (header, value) in [
        ("origin", "https://app.example.com"),
        ("origin", "https://arc.example.com"),
        ("origin", "http://10.0.0.7:8080"),
        ("sec-fetch-site", "same-origin"),
    ] {
        let renewed = browser(&cookie)
            .header(header, value)
            .post("/auth/refresh", json!({}))
            .await
            .expect(200);
        renewed
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .clone_into(&mut cookie);
    }
    // A token in the body is nothing that a browser sends by itself.
    let (_, token) = tokens(&app, &email).await;
    let elsewhere = app.anonymous().header("origin", "https://evil.example.com");
    elsewhere
        .post("/auth/refresh", json!({"refresh_token": token}))
        .await
        .expect(200);
}

/// `*` lets pages of all origins read public answers; none of them gets at the cookie.
#[tokio::test]
async fn with_every_origin_allowed_the_cookie_stays_at_home() {
    let app = TestApp::start_with(|config| config.cors.allowed_origins = Origins::Any).await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let body = json!({"email": email, "password": PASSWORD, "cookie": true});
    let answer = app.anonymous().post("/auth/login", body).await.expect(200);
    let cookie = answer.header("set-cookie").split(';').next().unwrap();
    let browser = app.anonymous().header("cookie", cookie);
    let foreign = browser.header("origin", "https://evil.example.com");
    foreign
        .post("/auth/refresh", json!({}))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
}
