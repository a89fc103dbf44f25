use std::time::Duration;

use archzero::{
    app::{self, AppState, Clock},
    auth::Role,
    config::Config,
};
use axum::{body::Body, http::Request};
use serde_json::json;
use tower::ServiceExt;
use uuid::Uuid;

use super::{key, made, secret, standing};
use crate::{
    auth::{eventually, log_of, refresh, tokens, whole_log},
    harness::{Caller, PASSWORD, TestApp},
};

const A_SECOND: Duration = Duration::from_secs(1);

async fn two() -> (TestApp, TestApp) {
    let here = TestApp::start().await;
    let there = TestApp::on(here.url.clone(), |_| {}).await;
    (here, there)
}

/// Refused here at once, and there within a second, for this reason.
async fn dead(here: &TestApp, there: &TestApp, key: &str) {
    let refused = here
        .with_token(key)
        .get("/cards")
        .await
        .expect_error(401, "INVALID_TOKEN");
    assert_eq!(refused.body["error"]["details"]["reason"], "revoked");
    eventually(A_SECOND, async || standing(there, key).await == 401).await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second_on_every_instance() {
    let (here, there) = two().await;
    let (owner, admin) = (here.login(Role::Viewer).await, here.login(Role::Admin).await);
    for (revoker, path) in [(&owner, "/auth/api-keys"), (&admin, "/admin/api-keys")] {
        let answer = made(&owner, &["cards:read"], json!({})).await;
        let key = secret(&answer);
        // Good everywhere at once: there is nothing to wait for.
        assert_eq!((standing(&there, &key).await, standing(&here, &key).await), (200, 200));
        revoker.delete(&format!("{path}/{}", answer.id())).await.expect(204);
        dead(&here, &there, &key).await;
        let logged: Vec<_> = log_of(&here, answer.id())
            .await
            .into_iter()
            .map(|(action, _)| action)
            .collect();
        assert_eq!(logged, ["created", "revoked"]);
    }
    // The owner's session has nothing to do with it.
    owner.get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn keys_end_with_their_owner() {
    let (here, there) = two().await;
    let admin = here.login(Role::Admin).await;
    let shut_out = async |caller: &Caller<'_>, how: &str, id: Uuid| match how {
        "delete" => caller.delete(&format!("/admin/users/{id}")).await.expect(204),
        "patch" => caller
            .patch(&format!("/admin/users/{id}"), json!({"status": "deactivated"}))
            .await
            .expect(200),
        how => caller
            .post(&format!("/admin/users/{id}/{how}"), json!({}))
            .await
            .expect(200),
    };
    for how in ["deactivate", "patch", "anonymize", "delete"] {
        let (id, email) = here.user(&[Role::Viewer]).await;
        let owner = here.login_as(&email).await;
        let answer = made(
            &owner,
            &["cards:read"],
            json!({"name": "Anna's laptop", "description": "Anna", "allowed_networks": ["127.0.0.1"]}),
        )
        .await;
        let key = secret(&answer);
        assert_eq!((standing(&there, &key).await, standing(&here, &key).await), (200, 200));
        shut_out(&admin, how, id).await;
        dead(&here, &there, &key).await;
        if how == "deactivate" {
            // Let in again, the old keys stay revoked.
            admin
                .patch(&format!("/admin/users/{id}"), json!({"status": "active"}))
                .await
                .expect(200);
            dead(&here, &there, &key).await;
            here.login_as(&email).await;
        }
        if how == "anonymize" {
            let stored: String = sqlx::query_scalar("select to_jsonb(k)::text from api_keys k where id = $1")
                .bind(answer.id())
                .fetch_one(here.db())
                .await
                .unwrap();
            assert!(!stored.contains("Anna") && !stored.contains("127.0.0.1"), "{stored}");
            assert!(!whole_log(&here).await.contains("Anna"));
        }
    }
}

#[tokio::test]
async fn a_change_of_the_owners_roles_reaches_the_keys() {
    let (here, there) = two().await;
    let admin = here.login(Role::Admin).await;
    let (id, email) = here.user(&[Role::Admin]).await;
    let key = key(&here.login_as(&email).await, &["admin:*", "cards:read"]).await;
    let may = async |app: &TestApp| app.with_token(&key).get("/admin/users").await.status == 200;
    assert!(may(&here).await && may(&there).await);
    admin
        .patch(&format!("/admin/users/{id}"), json!({"roles": ["viewer"]}))
        .await
        .expect(200);
    assert!(!may(&here).await);
    eventually(A_SECOND, async || !may(&there).await).await;
    assert_eq!(standing(&there, &key).await, 200);
}

#[tokio::test]
async fn a_changed_password_ends_sessions_and_leaves_keys() {
    let (here, there) = two().await;
    let (_, email) = here.user(&[Role::Viewer]).await;
    let (other, refresh_token) = tokens(&here, &email).await;
    let own = here.login_as(&email).await;
    let key = key(&own, &["cards:read"]).await;
    assert_eq!(
        (standing(&there, &other).await, standing(&there, &key).await),
        (200, 200)
    );
    own.post(
        "/auth/change-password",
        json!({"current_password": PASSWORD, "new_password": "Another-Horse-8-Staple"}),
    )
    .await
    .expect(204);
    assert_eq!(standing(&here, &other).await, 401);
    eventually(A_SECOND, async || standing(&there, &other).await == 401).await;
    refresh(&there, &refresh_token).await.expect(401);
    own.get("/auth/me").await.expect(200);
    assert_eq!((standing(&here, &key).await, standing(&there, &key).await), (200, 200));
}

/// An instance that does not follow the change log trusts its memory for five seconds, then asks the database, and
/// without that answers nobody: also not keys.
#[tokio::test]
async fn an_instance_without_news_asks_and_without_an_answer_refuses() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Viewer).await;
    let key = key(&owner, &["cards:read"]).await;
    let deaf = AppState::start(Config::for_tests(&app.url), Clock::default())
        .await
        .unwrap();
    let router = app::router(&deaf);
    let ask = async || {
        let request = Request::get("/api/v1/cards?limit=1")
            .header("x-api-key", &key)
            .body(Body::empty());
        router
            .clone()
            .oneshot(request.unwrap())
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(ask().await, 200);
    // Not in the change log: only who asks the database can know.
    let set = async |value: &str| {
        let statement = format!("update api_keys set revoked_at = {value}");
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(app.db())
            .await
            .unwrap();
    };
    set("now()").await;
    assert_eq!(ask().await, 200);
    eventually(Duration::from_secs(7), async || ask().await == 401).await;
    set("null").await;
    assert_eq!(ask().await, 200);
    deaf.db.close().await;
    assert_eq!(ask().await, 503);
}
