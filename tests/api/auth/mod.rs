//! People: logging in, sessions, passwords, one-time links, the administration of users.

mod keys;
mod links;
mod lockout;
mod login;
mod program;
mod refresh;
mod rights;
mod roles;
mod sessions;
mod users;

use std::time::{Duration, Instant};

use archzero::config::Config;
use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Caller, PASSWORD, TestApp};

/// A log-in that need not succeed.
async fn try_log_in(app: &TestApp, email: &str, password: &str) -> Answer {
    app.anonymous()
        .post("/auth/login", json!({"email": email, "password": password}))
        .await
}

/// The tokens of a new session of this user.
async fn tokens(app: &TestApp, email: &str) -> (String, String) {
    let answer = try_log_in(app, email, PASSWORD).await.expect(200);
    (text(&answer, "access_token"), text(&answer, "refresh_token"))
}

fn text(answer: &Answer, field: &str) -> String {
    answer.body[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {:?}", answer.body))
        .to_owned()
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.anonymous()
        .post("/auth/refresh", json!({"refresh_token": token}))
        .await
}

/// The status of a request with this access token.
async fn standing(app: &TestApp, token: &str) -> u16 {
    app.with_token(token).get("/auth/me").await.status.as_u16()
}

/// An application that believes what `X-Forwarded-For` says, so that a test can come from anywhere.
async fn behind_proxy() -> TestApp {
    TestApp::start_with(|config| {
        let url = "postgres://nobody@localhost/none";
        let trusting = Config::from_vars([
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("APP_ENV", "test"),
            ("DATABASE_URL", url),
        ]);
        config.server.trusted_proxies = trusting.unwrap().server.trusted_proxies;
    })
    .await
}

/// Waits until the condition holds; gives up after `limit`.
async fn eventually(limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < limit, "still not so after {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Everything the change log holds, as text.
async fn whole_log(app: &TestApp) -> String {
    let rows: Vec<Value> = sqlx::query_scalar("select to_jsonb(c) from changes c order by position")
        .fetch_all(app.db())
        .await
        .unwrap();
    serde_json::to_string(&rows).unwrap()
}

/// What the change log holds of one entity: action and author.
async fn log_of(app: &TestApp, id: Uuid) -> Vec<(String, Option<Uuid>)> {
    sqlx::query_as("select action, actor_id from changes where entity_id = $1 order by position")
        .bind(id)
        .fetch_all(app.db())
        .await
        .unwrap()
}

async fn id_of(caller: &Caller<'_>) -> Uuid {
    caller.send(Method::GET, "/auth/me", None).await.expect(200).id()
}
