use std::collections::{BTreeMap, BTreeSet};

use archzero::{app, auth::Role};
use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ALL, key};
use crate::harness::TestApp;

struct Operation {
    method: Method,
    path: String,
    permission: String,
    scopes: BTreeSet<String>,
    keyed: bool,
    takes_body: bool,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(app::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            if operation["responses"].is_null() {
                continue;
            }
            let scopes = operation["x-scope"].as_array().unwrap_or_else(|| {
                panic!("{method} {path} says nothing of scopes: auth::api_key::scope::needed decides")
            });
            let filled: Vec<String> = path
                .split('/')
                .map(|step| match step {
                    step if step.starts_with('{') && step.contains("id") => Uuid::nil().to_string(),
                    step if step.starts_with('{') => "Nothing".to_owned(),
                    step => step.to_owned(),
                })
                .collect();
            operations.push(Operation {
                method,
                path: filled.join("/"),
                permission: operation["x-permission"].as_str().unwrap_or_default().to_owned(),
                scopes: scopes.iter().map(|s| s.as_str().unwrap().to_owned()).collect(),
                keyed: operation["security"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one.get("api_key").is_some())),
                takes_body: !operation["requestBody"].is_null(),
            });
        }
    }
    operations
}

#[tokio::test]
async fn every_operation_says_which_scope_it_asks_for() {
    for operation in operations() {
        let what = format!("{} {}", operation.method, operation.path);
        for scope in &operation.scopes {
            assert!(ALL.contains(&scope.as_str()), "{what}: {scope}");
        }
        assert_eq!(operation.keyed, !operation.scopes.is_empty(), "{what}");
        if operation.permission == "public" {
            assert!(operation.scopes.is_empty(), "{what}");
        }
        if operation.path.starts_with("/api/v1/auth/") {
            assert!(operation.scopes.is_empty(), "{what}: keys are not for this");
        }
        // Whatever needs a permission beyond being logged in can be reached by some key, except what hands out passwords.
        if !["public", "authenticated"].contains(&operation.permission.as_str()) && !operation.path.ends_with("-link") {
            assert!(!operation.scopes.is_empty(), "{what}");
        }
    }
}

/// An administrator's keys, one for each scope: a route answers those that it asks for, and no other.
#[tokio::test]
async fn every_route_with_every_scope() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Admin).await;
    let mut answered: BTreeMap<&str, usize> = BTreeMap::new();
    for scope in ALL {
        let key = key(&owner, &[scope]).await;
        for operation in operations() {
            let body = operation.takes_body.then(|| json!({}));
            let answer = app
                .with_token(&key)
                .send(operation.method.clone(), &format!("/{}", operation.path), body)
                .await;
            let status = answer.status.as_u16();
            let what = format!(
                "{} {} with {scope}: {status} {}",
                operation.method, operation.path, answer.body
            );
            let refusal = &answer.body["error"]["details"]["key_scopes"];
            if operation.permission == "public" || operation.scopes.contains(scope) {
                assert!(refusal.is_null() && status != 403 && status < 500, "{what}");
                assert!(status != 401 || operation.permission == "public", "{what}");
                *answered.entry(scope).or_default() += 1;
            } else {
                assert_eq!(answer.code(), "INSUFFICIENT_PERMISSIONS", "{what}");
                assert_eq!(*refusal, json!([scope]), "{what}");
                let named: BTreeSet<String> =
                    serde_json::from_value(answer.body["error"]["details"]["required_scopes"].clone()).unwrap();
                assert_eq!(named, operation.scopes, "{what}");
            }
        }
        // What it may not, it has not done: the owner is still logged in and the key still good.
        owner.get("/auth/me").await.expect(200);
    }
    assert!(answered["cards:read"] > 5 && answered["admin:*"] > 5, "{answered:?}");
}

/// With every scope a key may do what its owner may, at this moment.
#[tokio::test]
async fn never_more_than_the_owner() {
    let app = TestApp::start().await;
    let (user, email) = app.user(&[Role::Viewer]).await;
    let owner = app.login_as(&email).await;
    let key = key(&owner, &ALL).await;
    let program = app.with_token(&key);
    let card = json!({"type": "Platform", "name": "From a program"});
    program.get("/cards").await.expect(200);
    let refused = program
        .post("/cards", card.clone())
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    assert_eq!(refused.body["error"]["details"]["required_permission"], "create");
    program
        .get("/admin/users")
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");

    let admin = app.login(Role::Admin).await;
    let roles = async |roles: Value| {
        let path = format!("/admin/users/{user}");
        admin.patch(&path, json!({ "roles": roles })).await
    };
    roles(json!(["editor"])).await.expect(200);
    let made = program.post("/cards", card).await.expect(201).id();
    // The change is the owner's.
    let author: Uuid = sqlx::query_scalar("select actor_id from changes where entity_id = $1")
        .bind(made)
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(author, user);
    roles(json!(["viewer"])).await.expect(200);
    program
        .patch(&format!("/cards/{made}"), json!({"name": "Again"}))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
}

#[tokio::test]
async fn keys_stay_away_from_passwords_sessions_and_keys() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Admin).await;
    let key = key(&owner, &ALL).await;
    let program = app.with_token(&key);
    let user = crate::auth::id_of(&owner).await;
    for answer in [
        program.get("/auth/me").await,
        program.get("/auth/sessions").await,
        program.delete("/auth/sessions").await,
        program.get("/auth/api-keys").await,
        program
            .post("/auth/api-keys", json!({"name": "More", "scopes": ["admin:*"]}))
            .await,
        program.post("/auth/change-password", json!({})).await,
        program
            .post(&format!("/admin/users/{user}/reset-link"), json!({}))
            .await,
        program
            .post(&format!("/admin/users/{user}/invite-link"), json!({}))
            .await,
    ] {
        let answer = answer.expect_error(403, "INSUFFICIENT_PERMISSIONS");
        assert_eq!(answer.body["error"]["details"]["required_scopes"], json!([]));
    }
    program
        .post("/auth/logout", json!({}))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    owner.get("/auth/me").await.expect(200);
    // What admin:* allows.
    let listed = program.get("/admin/api-keys").await.expect(200);
    assert_eq!(listed.body["data"].as_array().unwrap().len(), 1);
    program
        .delete(&format!(
            "/admin/api-keys/{}",
            listed.body["data"][0]["id"].as_str().unwrap()
        ))
        .await
        .expect(204);
    program.get("/admin/api-keys").await.expect_error(401, "INVALID_TOKEN");
}

/// Some requests touch both cards and relationships, whatever their address says.
#[tokio::test]
async fn mixed_requests_need_both_scopes() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Architect).await;
    let platform = owner.card("Platform", "Kubernetes").await;
    let (cards, edges, both) = (
        key(&owner, &["cards:read", "cards:write"]).await,
        key(&owner, &["relationships:*"]).await,
        key(&owner, &["cards:write", "relationships:*"]).await,
    );
    let card = |name: &str| json!({"op": "create", "card": {"type": "Application", "name": name, "attributes": {"hosting_type": "SaaS"}}});
    let edge = json!({"op": "create", "entity": "relationship", "relationship":
        {"source": {"type": "Application", "name": "Shop"}, "type": "HOSTED_ON", "target_id": platform}});
    let batch = |operations: Value| json!({ "operations": operations });
    for path in ["/cards/bulk", "/relationships/bulk"] {
        let mixed = batch(json!([card("Shop"), edge]));
        let scope = if path == "/cards/bulk" { &cards } else { &edges };
        let refused = app
            .with_token(scope)
            .post(path, mixed)
            .await
            .expect_error(403, "INSUFFICIENT_PERMISSIONS");
        assert!(
            refused.body["error"]["field"]
                .as_str()
                .unwrap()
                .starts_with("operations["),
            "{:?}",
            refused.body
        );
    }
    app.with_token(&cards)
        .post("/cards/bulk", batch(json!([card("Alone")])))
        .await
        .expect(200);
    app.with_token(&both)
        .post("/cards/bulk", batch(json!([card("Shop"), edge])))
        .await
        .expect(200);

    let with_edge = json!({"type": "Application", "name": "Desk", "attributes": {"hosting_type": "SaaS"},
        "relationships": [{"type": "HOSTED_ON", "target": platform}]});
    let refused = app.with_token(&cards).post("/cards", with_edge.clone()).await;
    refused.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    app.with_token(&both).post("/cards", with_edge).await.expect(201);

    let reader = app.with_token(&cards);
    for path in [
        format!("/cards/{platform}?include=relationships"),
        "/cards?include=relationships".to_owned(),
        format!("/cards/{platform}/relationships"),
    ] {
        reader.get(&path).await.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    }
    reader
        .get(&format!("/cards/{platform}?include=history"))
        .await
        .expect(200);
    // Who may ask the graph may read its edges, and write none.
    let graph = key(&owner, &["graph:read"]).await;
    let graph = app.with_token(&graph);
    let listed = graph.get("/relationships").await.expect(200);
    let id = listed.body["data"][0]["id"].as_str().unwrap();
    graph.get(&format!("/cards/{platform}/relationships")).await.expect(200);
    graph.get(&format!("/graph/impact/{platform}")).await.expect(200);
    graph
        .header("if-match", "*")
        .delete(&format!("/relationships/{id}"))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
}

/// What one key may have repeated, another of the same person may not read.
#[tokio::test]
async fn an_idempotency_key_belongs_to_the_api_key() {
    let app = TestApp::start().await;
    let owner = app.login(Role::Editor).await;
    let (one, two) = (key(&owner, &["cards:write"]).await, key(&owner, &["cards:write"]).await);
    let body = json!({"type": "Platform", "name": "Kubernetes"});
    let send = async |key: &str| {
        let caller = app.with_token(key).header("idempotency-key", "the-same-key");
        caller.post("/cards", body.clone()).await
    };
    let first = send(&one).await.expect(201);
    let again = send(&one).await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), again.id()), ("true", first.id()));
    send(&two).await.expect_error(409, "CONFLICT");
}
