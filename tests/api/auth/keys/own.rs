use std::time::Duration;

use archzero::auth::Role;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ALL, key, made, secret, standing};
use crate::{
    auth::{eventually, id_of, log_of, whole_log},
    harness::TestApp,
};

#[tokio::test]
async fn a_key_is_shown_once_and_kept_nowhere() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Editor).await;
    let answer = made(
        &owner,
        &["graph:read", "cards:read"],
        json!({"name": "  Inventory sync ", "description": "Nightly", "allowed_networks": ["127.0.0.7/8", "::1"]}),
    )
    .await;
    let key = secret(&answer);
    assert!(
        key.starts_with(answer.body["prefix"].as_str().unwrap()),
        "{:?}",
        answer.body
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.header("location"),
        format!("/api/v1/auth/api-keys/{}", answer.id())
    );
    let body = &answer.body;
    assert_eq!(body["name"], "Inventory sync");
    assert_eq!(body["scopes"], json!(["cards:read", "graph:read"]));
    assert_eq!(body["allowed_networks"], json!(["127.0.0.0/8", "::1/128"]));
    assert_eq!(body["rate_limits"], json!({}));
    assert_eq!(body["status"], "active");
    assert_eq!(body["last_used_at"], Value::Null);
    let expires: DateTime<Utc> = body["expires_at"].as_str().unwrap().parse().unwrap();
    assert!((expires - app.clock.now() - TimeDelta::days(365)).abs() < TimeDelta::minutes(1));

    // In both headers.
    assert_eq!(standing(&app, &key).await, 200);
    app.anonymous()
        .header("x-api-key", &key)
        .get("/cards")
        .await
        .expect(200);
    app.with_token(&key)
        .header("x-api-key", &key)
        .get("/cards")
        .await
        .expect(200);
    let both = owner
        .header("x-api-key", &key)
        .get("/cards")
        .await
        .expect_error(401, "INVALID_TOKEN");
    assert_eq!(both.body["error"]["details"]["reason"], "ambiguous");
    // Never in the address.
    for name in ["api_key", "access_token", "key", "token"] {
        let refused = app.anonymous().get(&format!("/cards?{name}={key}")).await;
        assert!([400, 401].contains(&refused.status.as_u16()), "{}", refused.body);
    }

    let listed = owner.get("/auth/api-keys").await.expect(200);
    let read = owner.get(&format!("/auth/api-keys/{}", answer.id())).await.expect(200);
    let hidden = &key[16..];
    for seen in [&listed.bytes, &read.bytes] {
        let text = String::from_utf8_lossy(seen);
        assert!(text.contains(&key[..15]) && !text.contains(hidden), "{text}");
    }
    let stored: String = sqlx::query_scalar("select to_jsonb(k)::text from api_keys k")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert!(!stored.contains(hidden), "{stored}");
    assert!(!whole_log(&app).await.contains(hidden));
    let logged: Vec<_> = log_of(&app, answer.id())
        .await
        .into_iter()
        .map(|(action, _)| action)
        .collect();
    assert_eq!(logged, ["created"]);
}

#[tokio::test]
async fn last_use_is_noted() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Viewer).await;
    let answer = made(&owner, &["cards:read"], json!({})).await;
    assert_eq!(standing(&app, &secret(&answer)).await, 200);
    eventually(Duration::from_secs(5), async || {
        let read = owner.get(&format!("/auth/api-keys/{}", answer.id())).await;
        read.body["last_used_ip"] == "127.0.0.1" && read.body["last_used_at"].is_string()
    })
    .await;
}

#[tokio::test]
async fn everything_wrong_with_a_key_is_named_at_once() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Viewer).await;
    let far = app.clock.now() + TimeDelta::days(366);
    let answer = owner
        .post(
            "/auth/api-keys",
            json!({"name": "a\nb", "description": "x".repeat(501), "scopes": ["cards:read", "cards:*", 7], "expires_at": far,
                "allowed_networks": ["10.0.0.0/8", "everywhere"], "rate_limits": {"standard": {"count": 0, "window_seconds": 1}},
                "colour": "red"}),
        )
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let mut found: Vec<&str> = answer.body["error"]["details"]["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["field"].as_str().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "allowed_networks[1]",
            "colour",
            "description",
            "expires_at",
            "name",
            "rate_limits.standard.count",
            "scopes[1]",
            "scopes[2]"
        ]
    );
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": "a"}), "scopes"),
        (json!({"name": "a", "scopes": []}), "scopes"),
        (json!({"name": "a", "scopes": null}), "scopes"),
        (json!({"name": "a", "scopes": "cards:read"}), "scopes"),
        (
            json!({"name": "a", "scopes": ["cards:read"], "expires_at": "tomorrow"}),
            "expires_at",
        ),
        (
            json!({"name": "a", "scopes": ["cards:read"], "expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at",
        ),
        (
            json!({"name": "a", "scopes": ["cards:read"], "expires_at": 5}),
            "expires_at",
        ),
        (json!({"name": "a\u{0}", "scopes": ["cards:read"]}), "name"),
        (json!({"name": "a".repeat(101), "scopes": ["cards:read"]}), "name"),
        (
            json!({"name": "a", "scopes": ["cards:read"], "allowed_networks": vec!["10.0.0.0/8"; 51]}),
            "allowed_networks",
        ),
    ] {
        let answer = owner
            .post("/auth/api-keys", body.clone())
            .await
            .expect_error(400, "VALIDATION_ERROR");
        assert_eq!(answer.body["error"]["field"], field, "{body}");
    }
    // An instant with another offset is the same instant; the last one that is allowed is allowed.
    let last = (app.clock.now() + TimeDelta::days(365))
        .format("%Y-%m-%dT%H:%M:%S+00:00")
        .to_string();
    made(&owner, &["cards:read"], json!({"expires_at": last})).await;
}

#[tokio::test]
async fn a_repeated_request_makes_another_key() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Viewer).await.header("idempotency-key", "only-once");
    let (one, two) = (key(&owner, &["cards:read"]).await, key(&owner, &["cards:read"]).await);
    assert_ne!(one, two);
    let kept: i64 = sqlx::query_scalar("select count(*) from idempotency_keys")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn expiry() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Viewer).await;
    let at = app.clock.now() + TimeDelta::minutes(10);
    let answer = made(&owner, &["cards:read"], json!({"expires_at": at})).await;
    let key = secret(&answer);
    assert_eq!(standing(&app, &key).await, 200);
    app.clock.advance(TimeDelta::minutes(10));
    let refused = app
        .with_token(&key)
        .get("/cards")
        .await
        .expect_error(401, "INVALID_TOKEN");
    assert_eq!(refused.body["error"]["details"]["reason"], "expired");
    let read = owner.get(&format!("/auth/api-keys/{}", answer.id())).await.expect(200);
    assert_eq!(read.body["status"], "expired");
}

#[tokio::test]
async fn lists_of_keys_and_other_peoples() {
    let app = TestApp::start().await;
    let (owner, other, admin) = (
        app.login(Role::Viewer).await,
        app.login(Role::Editor).await,
        app.login(Role::Admin).await,
    );
    let user = id_of(&owner).await;
    let mut ids: Vec<Uuid> = Vec::new();
    for _ in 0..5 {
        ids.push(made(&owner, &["cards:read"], json!({})).await.id());
    }
    ids.reverse();
    let foreign = made(&other, &["cards:read"], json!({})).await.id();
    owner.delete(&format!("/auth/api-keys/{}", ids[1])).await.expect(204);
    owner
        .delete(&format!("/auth/api-keys/{}", ids[1]))
        .await
        .expect_error(404, "NOT_FOUND");

    let listed = async |path: &str| -> Vec<String> {
        let caller = if path.starts_with("/admin") { &admin } else { &owner };
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = caller
                .get(&format!("{path}{separator}limit=2&cursor={cursor}"))
                .await
                .expect(200);
            found.extend(
                page.body["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|k| k["id"].as_str().unwrap().to_owned()),
            );
            match page.body["pagination"]["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return found,
            }
        }
    };
    let texts = |ids: &[Uuid]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let living = [ids[0], ids[2], ids[3], ids[4]];
    assert_eq!(listed("/auth/api-keys").await, texts(&living));
    assert_eq!(listed("/auth/api-keys?include_revoked=true").await, texts(&ids));
    assert_eq!(listed(&format!("/admin/users/{user}/api-keys")).await, texts(&living));
    assert_eq!(listed(&format!("/admin/api-keys?user_id={user}")).await, texts(&living));
    assert_eq!(
        listed("/admin/api-keys").await,
        texts(&[&[foreign], &living[..]].concat())
    );
    let page = owner.get("/auth/api-keys?limit=3").await.expect(200);
    assert_eq!(page.body["pagination"]["total_items"], 4);
    let cursor = owner.get("/auth/api-keys?limit=2&cursor=").await.body["pagination"]["next_cursor"].clone();
    owner
        .get(&format!(
            "/auth/api-keys?include_revoked=true&cursor={}",
            cursor.as_str().unwrap()
        ))
        .await
        .expect_error(400, "CURSOR_MISMATCH");

    // Somebody else's key does not exist, not even for an admin under their own.
    for caller in [&other, &admin] {
        caller
            .get(&format!("/auth/api-keys/{}", ids[0]))
            .await
            .expect_error(404, "NOT_FOUND");
        caller
            .delete(&format!("/auth/api-keys/{}", ids[0]))
            .await
            .expect_error(404, "NOT_FOUND");
    }
    other
        .get("/admin/api-keys")
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let read = admin.get(&format!("/admin/api-keys/{}", ids[1])).await.expect(200);
    assert_eq!(read.body["status"], "revoked");
    assert_eq!(read.body["revoked_reason"], "revoked by its owner");
    for path in ["/admin/api-keys", "/auth/api-keys"] {
        admin
            .get(&format!("{path}/{}", Uuid::nil()))
            .await
            .expect_error(404, "NOT_FOUND");
        admin
            .delete(&format!("{path}/{}", Uuid::nil()))
            .await
            .expect_error(404, "NOT_FOUND");
    }
    admin
        .get(&format!("/admin/users/{}/api-keys", Uuid::nil()))
        .await
        .expect_error(404, "NOT_FOUND");
    // A key's id is no session's.
    owner
        .delete(&format!("/auth/sessions/{}", ids[0]))
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn nobody_has_more_than_a_hundred() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Viewer).await;
    let last = made(&owner, &ALL, json!({})).await.id();
    sqlx::query(
        "insert into api_keys (id, user_id, prefix, key_hash, name, scopes, created_at, expires_at)
         select gen_random_uuid(), user_id, 'n' || n, key_hash, name, scopes, created_at, expires_at
         from api_keys, generate_series(1, 98) n",
    )
    .execute(app.db())
    .await
    .unwrap();
    // Two at the same moment: one of them is too many.
    let body = json!({"name": "Test", "scopes": ["cards:read"]});
    let (one, two) = tokio::join!(
        owner.post("/auth/api-keys", body.clone()),
        owner.post("/auth/api-keys", body.clone())
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
    owner.delete(&format!("/auth/api-keys/{last}")).await.expect(204);
    owner.post("/auth/api-keys", body).await.expect(201);
}
