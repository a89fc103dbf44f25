//! Every route of the document, with every role and with every kind of bad token. A route that forgot to ask for a right
//! fails here.

use std::collections::BTreeSet;

use archzero::{
    app,
    auth::{Permission, Role},
};
use axum::http::Method;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::TestApp;

struct Operation {
    method: Method,
    path: String,
    permission: String,
    takes_body: bool,
}

fn operations() -> Vec<Operation> {
    let document = app::openapi();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            if !operation.is_object() || operation["responses"].is_null() {
                continue;
            }
            operations.push(Operation {
                permission: operation["x-permission"].as_str().unwrap_or_default().to_owned(),
                takes_body: !operation["requestBody"].is_null(),
                path: fill(path),
                method,
            });
        }
    }
    assert!(operations.len() > 55, "only {} operations found", operations.len());
    operations
}

/// A path with its parameters filled in: ids that do not exist.
fn fill(path: &str) -> String {
    path.split('/')
        .map(|step| {
            if step.starts_with('{') {
                if step.contains("id") {
                    Uuid::nil().to_string()
                } else {
                    "Nothing".into()
                }
            } else {
                step.to_owned()
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

fn permission(name: &str) -> Option<Permission> {
    Role::Admin.permissions().iter().copied().find(|p| p.name() == name)
}

async fn status(app: &TestApp, operation: &Operation, token: Option<&str>) -> (u16, Value) {
    let caller = token.map_or_else(|| app.anonymous(), |t| app.with_token(t));
    let body = operation.takes_body.then(|| json!({}));
    let answer = caller
        .send(operation.method.clone(), &format!("/{}", operation.path), body)
        .await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn every_operation_says_what_it_demands() {
    for operation in operations() {
        let known = ["public", "authenticated"].contains(&operation.permission.as_str())
            || permission(&operation.permission).is_some();
        assert!(
            known,
            "{} {} has x-permission '{}'",
            operation.method, operation.path, operation.permission
        );
    }
}

/// Tries every operation as somebody with these permissions; the permissions for want of which any was refused.
async fn walk(app: &TestApp, token: &str, who: &str, permissions: &[String]) -> BTreeSet<String> {
    let mut refused = BTreeSet::new();
    for operation in operations() {
        // Logging out ends the session this walk needs.
        if operation.path.ends_with("/auth/logout")
            || operation.path.ends_with("/auth/sessions") && operation.method == Method::DELETE
        {
            continue;
        }
        let (status, body) = status(app, &operation, Some(token)).await;
        let allowed = permission(&operation.permission).is_none_or(|p| permissions.iter().any(|name| name == p.name()));
        let what = format!("{} {} as {who}: {status} {body}", operation.method, operation.path);
        if allowed {
            assert!(
                status != 403 && !(status == 401 && operation.permission != "public"),
                "{what}"
            );
            assert!(status < 500, "{what}");
        } else {
            assert_eq!(status, 403, "{what}");
            assert_eq!(body["error"]["code"], "INSUFFICIENT_PERMISSIONS", "{what}");
            assert_eq!(
                body["error"]["details"]["required_permission"],
                operation.permission.as_str(),
                "{what}"
            );
            refused.insert(operation.permission.clone());
        }
    }
    refused
}

#[tokio::test]
async fn every_route_with_every_role() {
    let app = TestApp::start().await;
    let mut refused = BTreeSet::new();
    for role in Role::ALL {
        let token = app.login(role).await.token.unwrap();
        let permissions: Vec<String> = role.permissions().iter().map(|p| p.name().to_owned()).collect();
        refused.extend(walk(&app, &token, role.name(), &permissions).await);
    }
    let expected: BTreeSet<String> = [
        "create",
        "edit",
        "delete",
        "manage_integrations",
        "manage_metamodel",
        "manage_users",
        "read_audit",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(refused, expected);
}

/// A role of the installation's own carries a permission when it holds for any card type, and those it names, no others.
#[tokio::test]
async fn every_route_with_roles_of_ones_own() {
    let app = TestApp::start().await;
    for (role, permissions) in [
        (json!({"view": []}), vec![]),
        (json!({"view": ["Application"]}), vec!["view"]),
        (json!({"view": ["*"], "edit": ["Application"]}), vec!["view", "edit"]),
        (
            json!({"view": ["Application"], "create": ["Application"], "delete": ["Application"]}),
            vec!["view", "create", "delete"],
        ),
        (json!({"view": [], "manage_users": true}), vec!["manage_users"]),
        (json!({"view": [], "manage_metamodel": true}), vec!["manage_metamodel"]),
        (
            json!({"view": [], "manage_governance": true, "read_audit": true, "manage_integrations": true}),
            vec!["manage_governance", "read_audit", "manage_integrations"],
        ),
    ] {
        let caller = app.login_with_role(role.clone()).await;
        let me = caller.get("/auth/me").await.expect(200);
        assert_eq!(me.body["permissions"], json!(permissions), "{role}");
        let permissions: Vec<String> = permissions.into_iter().map(str::to_owned).collect();
        walk(&app, &caller.token.unwrap(), &role.to_string(), &permissions).await;
    }
}

#[tokio::test]
async fn every_route_without_and_with_bad_tokens() {
    let app = TestApp::start().await;
    let good = app.login(Role::Admin).await.token.unwrap();
    let revoked = app.login(Role::Admin).await;
    revoked.post("/auth/logout", json!({})).await;
    let expired = forged(
        &good,
        |claims| claims["exp"] = json!(claims["iat"].as_i64().unwrap() - 600),
        None,
    );
    let wrong_audience = forged(&good, |claims| claims["aud"] = json!("somebody-else"), None);
    let wrong_issuer = forged(&good, |claims| claims["iss"] = json!("somebody-else"), None);
    let wrong_key = forged(&good, |_| {}, Some("another secret that is long enough to be one"));
    let tampered = tamper(&good);
    let bad = [
        (None, "missing"),
        (Some(revoked.token.unwrap()), "revoked"),
        (Some(expired), "expired"),
        (Some(wrong_audience), "wrong audience"),
        (Some(wrong_issuer), ""),
        (Some(wrong_key), "bad signature"),
        (Some(tampered), "bad signature"),
        (Some(unsigned(&good)), ""),
        (Some("not-a-token".to_owned()), ""),
    ];
    for operation in operations().iter().filter(|o| o.permission != "public") {
        for (token, reason) in &bad {
            let (status, body) = status(&app, operation, token.as_deref()).await;
            let what = format!("{} {} with token '{reason}': {body}", operation.method, operation.path);
            assert_eq!(status, 401, "{what}");
            assert_eq!(body["error"]["code"], "INVALID_TOKEN", "{what}");
            if !reason.is_empty() {
                assert_eq!(body["error"]["details"]["reason"], *reason, "{what}");
            }
        }
    }
    app.with_token(&good).get("/auth/me").await.expect(200);
}

const SECRET: &str = "a secret that signs nothing but the tokens of tests";

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The same token with other claims, signed with the right secret or another.
fn forged(token: &str, change: impl FnOnce(&mut Value), secret: Option<&str>) -> String {
    let mut claims = claims(token);
    change(&mut claims);
    let header = Header {
        kid: jsonwebtoken::decode_header(token).unwrap().kid,
        ..Header::default()
    };
    jsonwebtoken::encode(
        &header,
        &claims,
        &EncodingKey::from_secret(secret.unwrap_or(SECRET).as_bytes()),
    )
    .unwrap()
}

/// The same signature under a payload that names an admin session of somebody else.
fn tamper(token: &str) -> String {
    let mut claims = claims(token);
    claims["sub"] = json!(Uuid::now_v7());
    let parts: Vec<&str> = token.split('.').collect();
    format!(
        "{}.{}.{}",
        parts[0],
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        parts[2]
    )
}

/// `alg: none`.
fn unsigned(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string());
    format!("{header}.{}.", token.split('.').nth(1).unwrap())
}
