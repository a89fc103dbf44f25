//! Keys that are none.

use archzero::auth::{Role, api_key::format};
use serde_json::json;

use super::{counting, key, standing};
use crate::harness::{Answer, PASSWORD, TestApp};

/// The same key with another secret, its checksum right.
fn wrong_secret(good: &str) -> String {
    let other = format::generate();

    let body = format!("{}_{}", &good[..15], &other[16..59]);
    format!("{body}{}", format::checksum(&body))
}

#[tokio::test]
async fn unknown_and_wrong_read_the_same() {
    let app = TestApp::start().await;
    let good = key(&app.login(Role::Viewer).await, &["cards:read"]).await;
    let said = async |key: &str| {
        let mut answer = app
            .with_token(key)
            .get("/cards")
            .await
            .expect_error(401, "INVALID_TOKEN");
        answer.body["error"]["request_id"] = json!(null);
        answer.body
    };
    assert_eq!(standing(&app, &good).await, 200);
    let unknown = said(&format::generate()).await;
    assert_eq!(unknown["error"]["details"]["reason"], "unknown");
    assert_eq!(said(&wrong_secret(&good)).await, unknown);
    assert_eq!(standing(&app, &good).await, 200);
}

#[tokio::test]
async fn what_is_no_key_is_refused_everywhere() {
    let app = TestApp::start().await;
    let good = key(&app.login(Role::Viewer).await, &["cards:read"]).await;
    let mut swapped = good.clone().into_bytes();
    swapped.swap(20, 21);
    let typo = if swapped == good.as_bytes() {
        good.replace(&good[20..21], "-")
    } else {
        String::from_utf8(swapped).unwrap()
    };
    for bad in [
        "az_".to_owned(),
        "az_x".to_owned(),
        good[..64].to_owned(),
        format!("{good}x"),
        format!("{good}{good}"),
        good.replace('_', "-"),
        good.to_lowercase() + "A",
        typo,
        format!("az_{}", "x".repeat(16_000)),
        format!("az_' or 1=1 --{}", &good[14..]),
    ] {
        for caller in [app.with_token(&bad), app.anonymous().header("x-api-key", &bad)] {
            let answer = caller.get("/cards").await.expect_error(401, "INVALID_TOKEN");
            let reason = &answer.body["error"]["details"]["reason"];
            assert!(reason == "malformed" || reason == "bad signature", "{bad}: {reason}");
            assert!(!String::from_utf8_lossy(&answer.bytes).contains(&bad[..bad.len().min(20)]) || bad.len() < 5);
        }
    }
    // A token where a key belongs, and bytes that are no text.
    let token = app.login(Role::Viewer).await.token.unwrap();
    app.anonymous()
        .header("x-api-key", &token)
        .get("/cards")
        .await
        .expect_error(401, "INVALID_TOKEN");
    let request = axum::http::Request::get("/api/v1/cards")
        .header(
            "x-api-key",
            axum::http::HeaderValue::from_bytes(b"az_\xff\xfe").unwrap(),
        )
        .body(axum::body::Body::empty());
    app.send(request.unwrap()).await.expect_error(401, "INVALID_TOKEN");
}

#[tokio::test]
async fn guesses_are_counted_per_address_and_lock_nobody_out() {
    // Ten log-ins per account and address, so a hundred guesses per address.
    let app = TestApp::start_with(counting(100_000, 10)).await;
    let (_, email) = app.user(&[Role::Viewer]).await;
    let from = |address: &str| app.anonymous().header("x-forwarded-for", address);
    let owner = app.login_as(&email).await;
    let (used, unused) = (key(&owner, &["cards:read"]).await, key(&owner, &["cards:read"]).await);
    let ask = async |address: &str, key: &str| -> Answer { from(address).header("x-api-key", key).get("/cards").await };
    ask("192.0.2.1", &used).await.expect(200);
    let mut guesses = 0;
    let refused = loop {
        let guess = if guesses % 2 == 0 {
            format::generate()
        } else {
            "az_nonsense".to_owned()
        };
        let answer = ask("192.0.2.1", &guess).await;
        if answer.status == 429 {
            break answer;
        }
        answer.expect_error(401, "INVALID_TOKEN");
        guesses += 1;
        assert!(guesses <= 101, "nobody counts");
    };
    assert!(guesses >= 99, "{guesses}");
    assert_eq!(refused.body["error"]["details"]["category"], "auth");
    assert!(!refused.header("retry-after").is_empty());
    // From there nothing is looked up any more, be it right; keys that are in use go on, and so does everything else.
    ask("192.0.2.1", &unused).await.expect_error(429, "RATE_LIMIT_EXCEEDED");
    ask("192.0.2.1", &used).await.expect(200);
    ask("192.0.2.2", &unused).await.expect(200);
    ask("192.0.2.1", &unused).await.expect(200);
    from("192.0.2.1")
        .post("/auth/login", json!({"email": email, "password": PASSWORD}))
        .await
        .expect(200);
    from("192.0.2.1").get("/cards").await.expect_error(401, "INVALID_TOKEN");
}
