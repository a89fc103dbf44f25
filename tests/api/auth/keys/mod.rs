//! API keys: made, used, limited, revoked, probed.

mod limits;
mod own;
mod probed;
mod revocation;
mod scopes;

use archzero::config::Config;
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, TestApp};

/// A key with these scopes and more fields; the answer that shows it.
async fn made(owner: &Caller<'_>, scopes: &[&str], more: Value) -> Answer {
    let mut body = json!({"name": "Test", "scopes": scopes});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    owner.post("/auth/api-keys", body).await.expect(201)
}

fn secret(answer: &Answer) -> String {
    super::text(answer, "key")
}

/// A new key with these scopes.
async fn key(owner: &Caller<'_>, scopes: &[&str]) -> String {
    secret(&made(owner, scopes, json!({})).await)
}

const ALL: [&str; 9] = [
    "cards:read",
    "cards:write",
    "relationships:*",
    "graph:read",
    "reports:read",
    "governance:*",
    "exchange:*",
    "audit:read",
    "admin:*",
];

/// The status of a request with this key that `cards:read` allows.
async fn standing(app: &TestApp, key: &str) -> u16 {
    app.with_token(key).get("/cards?limit=1").await.status.as_u16()
}

/// Believes `X-Forwarded-For`, counts requests by these quotas.
fn counting(standard: u32, auth: u32) -> impl FnOnce(&mut Config) {
    move |config| {
        let vars = [
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("APP_ENV", "test"),
            ("DATABASE_URL", "postgres://nobody@localhost/none"),
        ];
        config.server.trusted_proxies = Config::from_vars(vars).unwrap().server.trusted_proxies;
        config.rate_limit.enabled = true;
        config.rate_limit.standard.count = standard;
        config.rate_limit.expensive.count = standard;
        config.rate_limit.auth.count = auth;
    }
}
