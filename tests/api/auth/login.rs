use archzero::auth::Role;
use axum::http::Method;
use serde_json::json;

use super::{text, tokens, try_log_in, whole_log};
use crate::harness::{PASSWORD, TestApp};

#[tokio::test]
async fn a_log_in_gives_tokens_and_the_user() {
    let app = TestApp::start().await;
    let (id, email) = app.user(&[Role::Editor, Role::Auditor]).await;
    let answer = try_log_in(&app, &format!("  {} ", email.to_uppercase()), PASSWORD)
        .await
        .expect(200);
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 3600);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.headers.get("set-cookie").is_none());
    let user = &answer.body["user"];
    assert_eq!(user["id"], id.to_string());
    assert_eq!(user["email"], email);
    assert_eq!(user["roles"], json!(["editor", "auditor"]));
    assert_eq!(user["permissions"], json!(["view", "create", "edit", "read_audit"]));

    let me = app
        .with_token(&text(&answer, "access_token"))
        .get("/auth/me")
        .await
        .expect(200);
    assert_eq!(me.body["email"], email);
    assert!(me.body["last_login_at"].is_string());
}

#[tokio::test]
async fn wrong_password_and_unknown_address_read_the_same() {
    let app = TestApp::start().await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let mut wrong = try_log_in(&app, &email, "Not-The-Password-7")
        .await
        .expect_error(401, "INVALID_CREDENTIALS");
    let mut unknown = try_log_in(&app, "nobody@example.com", "Not-The-Password-7")
        .await
        .expect_error(401, "INVALID_CREDENTIALS");
    for answer in [&mut wrong, &mut unknown] {
        answer.body["error"]["request_id"].take();
        answer.headers.remove("x-request-id");
    }
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(wrong.headers, unknown.headers);
}

#[tokio::test]
async fn who_was_shut_out_cannot_tell_that_they_exist() {
    let app = TestApp::start().await;
    for status in ["invited", "deactivated"] {
        let (id, email) = app.user(&[Role::Viewer]).await;
        sqlx::query("update users set status = $2 where id = $1")
            .bind(id)
            .bind(status)
            .execute(app.db())
            .await
            .unwrap();
        try_log_in(&app, &email, PASSWORD)
            .await
            .expect_error(401, "INVALID_CREDENTIALS");
    }
}

#[tokio::test]
async fn a_malformed_log_in_names_everything_at_once_and_echoes_no_password() {
    let app = TestApp::start().await;
    let answer = app
        .anonymous()
        .post("/auth/login", json!({"password": 4711, "cookie": "yes", "extra": 1}))
        .await;
    let answer = answer.expect_error(400, "VALIDATION_ERROR");
    let fields: Vec<_> = answer.body["error"]["details"]["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["field"].clone())
        .collect();
    assert_eq!(fields, ["email", "password", "cookie", "extra"]);
    assert!(!answer.body.to_string().contains("4711"));
    for hostile in ["\u{0}", "' or 1=1 --", &"x".repeat(10_000), "\u{202e}"] {
        let answer = try_log_in(&app, hostile, hostile).await;
        assert!(
            [400, 401].contains(&answer.status.as_u16()),
            "{hostile:?}: {:?}",
            answer.body
        );
    }
    app.anonymous()
        .raw(Method::POST, "/auth/login", Some(b"{\"email\":\"\\ud800\"}".to_vec()))
        .await
        .expect_error(400, "INVALID_REQUEST");
    app.anonymous()
        .header("content-type", "text/plain")
        .post("/auth/login", json!({}))
        .await
        .expect(415);
}

#[tokio::test]
async fn a_password_longer_than_bcrypt_reads_is_wrong() {
    let app = TestApp::start().await;
    let (id, email) = app.user(&[Role::Viewer]).await;
    let password = format!("Aa1-{}", "x".repeat(68));
    sqlx::query("update users set password_hash = $2 where id = $1")
        .bind(id)
        .bind(bcrypt::hash(&password, 4).unwrap())
        .execute(app.db())
        .await
        .unwrap();
    try_log_in(&app, &email, &password).await.expect(200);
    try_log_in(&app, &email, &(password + "y"))
        .await
        .expect_error(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_hash_of_another_cost_is_renewed_at_log_in() {
    let app = TestApp::start_with(|config| config.auth.password_hash_cost = 5).await;
    let (id, email) = app.user(&[Role::Viewer]).await;
    try_log_in(&app, &email, PASSWORD).await.expect(200);
    let hash: String = sqlx::query_scalar("select password_hash from users where id = $1")
        .bind(id)
        .fetch_one(app.db())
        .await
        .unwrap();
    assert!(hash.starts_with("$2b$05$"), "{hash}");
    try_log_in(&app, &email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn instances_without_a_configured_secret_agree_on_one() {
    let first = TestApp::start_with(|config| config.auth.jwt_secret = None).await;
    let second = TestApp::on(first.url.clone(), |config| config.auth.jwt_secret = None).await;
    let (_, email) = first.user(&[Role::Viewer]).await;
    let (access, _) = tokens(&first, &email).await;
    second.with_token(&access).get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn logs_of_people_hold_no_personal_data() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let user = admin
        .post(
            "/admin/users",
            json!({"email": "greta.unique@example.com", "name": "Greta Unique", "roles": ["viewer"]}),
        )
        .await;
    let id = user.expect(201).id();
    let link = admin
        .post(&format!("/admin/users/{id}/invite-link"), json!({}))
        .await
        .expect(201);
    let token = text(&link, "token");
    let accepted = app
        .anonymous()
        .post(
            "/auth/accept-invite",
            json!({"token": token, "password": PASSWORD, "name": "Greta Renamed"}),
        )
        .await;
    let greta = app.with_token(&text(&accepted.expect(200), "access_token"));
    greta
        .patch(
            "/auth/me",
            json!({"name": "Greta Again", "preferences": {"pet": "heron"}}),
        )
        .await
        .expect(200);
    try_log_in(&app, "greta.unique@example.com", "Wrong-Password-7")
        .await
        .expect(401);
    admin
        .post(&format!("/admin/users/{id}/anonymize"), json!({}))
        .await
        .expect(200);
    let log = whole_log(&app).await;
    for personal in ["greta", "Greta", "heron", "@example.com", &token] {
        assert!(!log.contains(personal), "{personal} is in the log: {log}");
    }
}
