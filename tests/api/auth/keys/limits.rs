use std::time::Duration;

use archzero::auth::Role;
use serde_json::{Value, json};

use super::{counting, key, made, secret};
use crate::{
    auth::eventually,
    harness::{Answer, TestApp},
};

fn standing(answer: &Answer) -> (u32, u32) {
    let number = |name: &str| answer.header(name).parse().unwrap();
    (number("x-ratelimit-limit"), number("x-ratelimit-remaining"))
}

#[tokio::test]
async fn a_key_shares_its_owners_quota_unless_it_brings_one() {
    let app = TestApp::start_with(counting(100, 1000)).await;
    let admin = app.login(Role::Admin).await;
    let (one, two) = (
        key(&admin, &["cards:read", "graph:read"]).await,
        key(&admin, &["cards:read"]).await,
    );
    let get = async |key: &str, path: &str| app.with_token(key).get(path).await.expect(200);
    let (limit, before) = standing(&get(&one, "/cards").await);
    assert_eq!(limit, 100);
    assert_eq!(standing(&get(&two, "/cards").await), (100, before - 1));
    assert_eq!(standing(&admin.get("/cards").await), (100, before - 2));

    let own = made(
        &admin,
        &["cards:read", "graph:read"],
        json!({"rate_limits": {"standard": {"count": 5, "window_seconds": 60}}}),
    )
    .await;
    let own_key = secret(&own);
    for left in (0..5).rev() {
        assert_eq!(standing(&get(&own_key, "/cards").await), (5, left));
    }
    let refused = app
        .with_token(&own_key)
        .get("/cards")
        .await
        .expect_error(429, "RATE_LIMIT_EXCEEDED");
    let details = &refused.body["error"]["details"];
    assert_eq!(
        (details["limit"].as_u64(), details["window"].as_u64()),
        (Some(5), Some(60))
    );
    assert_eq!(refused.header("x-ratelimit-limit"), "5");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    // In a class of which the key says nothing it shares on.
    let (limit, _) = standing(&get(&own_key, "/graph/orphans").await);
    assert_eq!(limit, 100);
    // And its owner did not pay for it.
    assert_eq!(standing(&admin.get("/cards").await), (100, before - 4));
}

#[tokio::test]
async fn an_admin_sets_the_quotas_of_a_key_everywhere() {
    let here = TestApp::start_with(counting(100, 1000)).await;
    let there = TestApp::on(here.url.clone(), counting(100, 1000)).await;
    let (owner, admin) = (here.login(Role::Editor).await, here.login(Role::Admin).await);
    let limits = json!({"standard": {"count": 50_000, "window_seconds": 3600}});
    owner
        .post(
            "/auth/api-keys",
            json!({"name": "Greedy", "scopes": ["cards:read"], "rate_limits": limits}),
        )
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let answer = made(&owner, &["cards:read"], json!({"rate_limits": {}})).await;
    let (key, path) = (secret(&answer), format!("/admin/api-keys/{}", answer.id()));
    let limit = async |app: &TestApp| standing(&app.with_token(&key).get("/cards").await.expect(200)).0;
    assert_eq!((limit(&here).await, limit(&there).await), (100, 100));
    owner
        .patch(&path, json!({"rate_limits": limits}))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let set = admin
        .header("if-match", "\"1\"")
        .patch(&path, json!({"rate_limits": limits}))
        .await
        .expect(200);
    assert_eq!((&set.body["rate_limits"], &set.body["version"]), (&limits, &json!(2)));
    assert_eq!(limit(&here).await, 50_000);
    eventually(Duration::from_secs(1), async || limit(&there).await == 50_000).await;

    admin
        .header("if-match", "\"1\"")
        .patch(&path, json!({"rate_limits": null}))
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    for (body, status) in [
        (json!({}), 400),
        (json!({"rate_limits": 5}), 400),
        (json!({"rate_limits": {"auth": {"count": 1, "window_seconds": 1}}}), 400),
        (json!({"rate_limits": {}, "scopes": ["admin:*"]}), 400),
    ] {
        let answer = admin.patch(&path, body.clone()).await;
        assert_eq!(answer.status, status, "{body}");
    }
    let none = admin.patch(&path, json!({"rate_limits": null})).await.expect(200);
    assert_eq!(none.body["rate_limits"], json!({}));
    eventually(Duration::from_secs(1), async || limit(&there).await == 100).await;
    let again = admin.patch(&path, json!({"rate_limits": {}})).await.expect(200);
    assert_eq!(again.body["version"], none.body["version"], "nothing changed");
    let actions: Vec<String> = sqlx::query_scalar("select action from changes where entity_id = $1 order by position")
        .bind(answer.id())
        .fetch_all(here.db())
        .await
        .unwrap();
    assert_eq!(actions, ["created", "limits_changed", "limits_changed"]);
    admin.delete(&path).await.expect(204);
    admin
        .patch(&path, json!({"rate_limits": limits}))
        .await
        .expect_error(422, "UNPROCESSABLE_ENTITY");
}

#[tokio::test]
async fn an_answer_that_was_not_modified_costs_a_tenth() {
    let app = TestApp::start_with(counting(100, 1000)).await;
    let admin = app.login(Role::Admin).await;
    let limits = json!({"standard": {"count": 20, "window_seconds": 3600}});
    let key = secret(&made(&admin, &["cards:read"], json!({"rate_limits": limits})).await);
    let program = app.with_token(&key);
    let first = program.get("/cards").await.expect(200);
    assert_eq!(standing(&first), (20, 19));
    let again = program.header("if-none-match", first.header("etag"));
    for n in 1..=50 {
        let answer = again.get("/cards").await.expect(304);
        // A request begun counts as one: after 50 tenths six of the twenty are used.
        let used = 1.0 + f64::from(n) / 10.0;
        assert_eq!(
            standing(&answer),
            (20, (20.0 - used + 1e-6).floor() as u32),
            "after {n}"
        );
    }
    assert_eq!(standing(&program.get("/cards").await.expect(200)), (20, 13));
}

#[tokio::test]
async fn networks() {
    let app = TestApp::start_with(counting(1000, 1000)).await;
    let owner = app.login(Role::Viewer).await;
    let key = secret(
        &made(
            &owner,
            &["cards:read"],
            json!({"allowed_networks": ["203.0.113.0/24", "2001:db8::/32"]}),
        )
        .await,
    );
    let from = async |address: &str| {
        app.with_token(&key)
            .header("x-forwarded-for", address)
            .get("/cards")
            .await
    };
    for good in ["203.0.113.9", "2001:db8:1::7", "::ffff:203.0.113.1"] {
        from(good).await.expect(200);
    }
    for bad in ["203.0.114.1", "::1", "127.0.0.1"] {
        let refused = from(bad).await.expect_error(401, "INVALID_TOKEN");
        assert_eq!(refused.body["error"]["details"]["reason"], "address not allowed");
    }
    let listed: Value = owner.get("/auth/api-keys").await.expect(200).body;
    assert_eq!(
        listed["data"][0]["allowed_networks"],
        json!(["2001:db8::/32", "203.0.113.0/24"])
    );
}
