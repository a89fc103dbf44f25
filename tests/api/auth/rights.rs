use std::time::Duration;

use archzero::{
    app::{self, AppState, Clock},
    auth::Role,
    config::Config,
};
use axum::{body::Body, http::Request};
use serde_json::json;
use tower::ServiceExt;

use super::{eventually, standing, tokens};
use crate::harness::TestApp;

const A_SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_change_of_roles_takes_effect_within_a_second_on_every_instance() {
    let here = TestApp::start().await;
    let there = TestApp::on(here.url.clone(), |_| {}).await;
    let admin = here.login(Role::Admin).await;
    let (id, email) = here.user(&[Role::Viewer]).await;
    let (token, _) = tokens(&here, &email).await;
    let may = async |app: &TestApp| app.with_token(&token).get("/admin/users").await.status == 200;
    assert!(!may(&here).await && !may(&there).await);
    admin
        .patch(&format!("/admin/users/{id}"), json!({"roles": ["admin"]}))
        .await
        .expect(200);
    assert!(may(&here).await);
    eventually(A_SECOND, async || may(&there).await).await;
    admin
        .patch(&format!("/admin/users/{id}"), json!({"roles": ["viewer"]}))
        .await
        .expect(200);
    assert!(!may(&here).await);
    eventually(A_SECOND, async || !may(&there).await).await;
}

#[tokio::test]
async fn the_end_of_a_session_is_known_within_a_second_on_every_instance() {
    let here = TestApp::start().await;
    let there = TestApp::on(here.url.clone(), |_| {}).await;
    let admin = here.login(Role::Admin).await;
    let (id, email) = here.user(&[Role::Viewer]).await;
    let (one, _) = tokens(&here, &email).await;
    let (two, _) = tokens(&here, &email).await;
    assert_eq!((standing(&there, &one).await, standing(&there, &two).await), (200, 200));
    here.with_token(&one).post("/auth/logout", json!({})).await.expect(204);
    eventually(A_SECOND, async || standing(&there, &one).await == 401).await;
    assert_eq!(standing(&there, &two).await, 200);
    admin
        .post(&format!("/admin/users/{id}/deactivate"), json!({}))
        .await
        .expect(200);
    assert_eq!(standing(&here, &two).await, 401);
    eventually(A_SECOND, async || standing(&there, &two).await == 401).await;
    // Let in again, the old sessions stay ended.
    admin
        .patch(&format!("/admin/users/{id}"), json!({"status": "active"}))
        .await
        .expect(200);
    assert_eq!(standing(&here, &two).await, 401);
    assert_eq!(standing(&there, &two).await, 401);
    tokens(&there, &email).await;
}

/// An instance that does not follow the change log trusts its memory for five seconds, then asks the database, and
/// without that answers nobody.
#[tokio::test]
async fn an_instance_without_news_asks_and_without_an_answer_refuses() {
    let app = TestApp::start().await;
    let (id, email) = app.user(&[Role::Viewer]).await;
    let (token, _) = tokens(&app, &email).await;
    let deaf = AppState::start(Config::for_tests(&app.url), Clock::default())
        .await
        .unwrap();
    let router = app::router(&deaf);
    let ask = async || {
        let request = Request::get("/api/v1/auth/me")
            .header("authorization", format!("Bearer {token}"))
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
    sqlx::query("update sessions set revoked_at = now() where user_id = $1")
        .bind(id)
        .execute(app.db())
        .await
        .unwrap();
    assert_eq!(ask().await, 200);
    eventually(Duration::from_secs(7), async || ask().await == 401).await;
    sqlx::query("update sessions set revoked_at = null where user_id = $1")
        .bind(id)
        .execute(app.db())
        .await
        .unwrap();
    assert_eq!(ask().await, 200);
    deaf.db.close().await;
    assert_eq!(ask().await, 503);
}

#[tokio::test]
async fn a_token_of_a_session_that_never_was_is_refused() {
    let app = TestApp::start().await;
    let (id, _) = app.user(&[Role::Admin]).await;
    let mut conn = app.db().acquire().await.unwrap();
    let user = archzero::auth::store::find_user(&mut conn, id).await.unwrap().unwrap();
    drop(conn);
    let invented = app
        .state
        .tokens
        .issue(&user, uuid::Uuid::now_v7(), app.clock.now())
        .unwrap();
    for _ in 0..2 {
        let answer = app
            .with_token(&invented)
            .get("/auth/me")
            .await
            .expect_error(401, "INVALID_TOKEN");
        assert_eq!(answer.body["error"]["details"]["reason"], "revoked");
    }
    // A session of somebody else.
    let (_, email) = app.user(&[Role::Viewer]).await;
    tokens(&app, &email).await;
    let session = sqlx::query_scalar("select id from sessions")
        .fetch_one(app.db())
        .await
        .unwrap();
    let crossed = app.state.tokens.issue(&user, session, app.clock.now()).unwrap();
    assert_eq!(standing(&app, &crossed).await, 401);
}
