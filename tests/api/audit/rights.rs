//! The trail of somebody who may not view every type of card.

use archzero::{audit::seal_now, auth::Role};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Caller, TestApp};

/// The rows of a list, all of them counted.
async fn rows(caller: &Caller<'_>, query: &str) -> Vec<Value> {
    let body = caller.get(&format!("/audit?limit=200&{query}")).await.expect(200).body;
    let rows = body["data"].as_array().unwrap().clone();
    assert_eq!(body["pagination"]["total_items"], rows.len(), "{query}");
    rows
}

fn position(row: &Value) -> i64 {
    row["position"].as_i64().unwrap()
}

struct World {
    seen: Uuid,
    hidden: Uuid,
    edge: Uuid,
    kept: Uuid,
}

/// An application and a secret unit with an edge between them, and an edge between applications; changed and deleted.
async fn world(admin: &Caller<'_>) -> World {
    let seen = admin.card("Application", "Seen").await;
    let hidden = admin
        .card_with("Organization", "Secret", json!({"description": "Secret plans"}))
        .await;
    let other = admin.card("Application", "Other").await;
    let edge = admin.link(seen, "OWNED_BY", hidden).await;
    let kept = admin.link(seen, "RELIES_ON", other).await;
    let patch = json!({"description": "More secret plans", "change_reason": "Secret reason"});
    admin.patch(&format!("/cards/{hidden}"), patch).await.expect(200);
    let anyway = admin.header("if-match", "*");
    // Takes the edge along.
    anyway.delete(&format!("/cards/{hidden}")).await.expect(200);
    anyway
        .post(&format!("/cards/{hidden}/restore"), json!({}))
        .await
        .expect(200);
    World {
        seen,
        hidden,
        edge,
        kept,
    }
}

#[tokio::test]
async fn rows_about_hidden_cards_are_in_no_list_count_or_file() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let world = world(&admin).await;
    let auditor = app
        .login_with_role(json!({"view": ["Application"], "read_audit": true}))
        .await;
    let last = rows(&admin, "entity=card").await.iter().map(position).max().unwrap();
    let told = format!("entity=card&entity=relationship&entity=score&to_position={last}");
    let (mine, all) = (rows(&auditor, &told).await, rows(&admin, &told).await);
    let secret = |row: &&Value| row["entity_id"] == json!(world.hidden) || row["entity_id"] == json!(world.edge);
    assert!(all.iter().filter(secret).count() >= 6, "{all:?}");
    let expected: Vec<&Value> = all.iter().filter(|row| !secret(row)).collect();
    assert_eq!(mine.iter().collect::<Vec<_>>(), expected);
    for id in [world.seen, world.kept] {
        assert!(mine.iter().any(|row| row["entity_id"] == json!(id)));
    }
    for query in [
        format!("entity_id={}", world.hidden),
        format!("entity_id={}", world.edge),
        "entity_type=Organization&entity=card".to_owned(),
        "reason=secret".to_owned(),
        "entity=relationship&entity_type=OWNED_BY".to_owned(),
    ] {
        assert!(!rows(&admin, &query).await.is_empty(), "{query}");
        assert_eq!(rows(&auditor, &query).await, [json!(null); 0], "{query}");
    }
    for form in ["ndjson", "csv"] {
        let path = format!("/audit/export?{told}&format={form}");
        let (mine, all) = (auditor.get(&path).await.expect(200), admin.get(&path).await.expect(200));
        let [mine, all] = [mine, all].map(|answer| String::from_utf8(answer.bytes).unwrap());
        for secret in [world.hidden.to_string(), world.edge.to_string(), "Secret".to_owned()] {
            assert!(all.contains(&secret) && !mine.contains(&secret), "{form}: {secret}");
        }
        assert!(mine.contains(&world.kept.to_string()), "{form}");
    }
    // Other things are shown to everybody who may read the trail; a role that views nothing sees nothing of cards.
    assert!(!rows(&auditor, "entity=role").await.is_empty());
    let blind = app.login_with_role(json!({"view": [], "read_audit": true})).await;
    assert_eq!(rows(&blind, &told).await, [json!(null); 0]);
    // Verifying is about the whole log, and names nothing of it.
    seal_now(&app.state).await.unwrap();
    let whole = auditor.get("/audit/verify").await.expect(200).body;
    assert_eq!(whole["ok"], true);
    assert!(!whole.to_string().contains(&world.hidden.to_string()));
}

#[tokio::test]
async fn rows_about_hidden_cards_cannot_be_blanked() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let world = world(&admin).await;
    // Blanking reads nothing: managing people is enough.
    let caller = app
        .login_with_role(json!({"view": ["Application"], "manage_users": true}))
        .await;
    caller.get("/audit").await.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let hidden = rows(&admin, &format!("entity_id={}", world.hidden)).await;
    let edge = rows(&admin, &format!("entity_id={}", world.edge)).await;
    let seen = rows(&admin, &format!("entity_id={}&entity=card", world.seen)).await;
    let why = json!({"reason": "article 17"});
    for row in hidden.iter().chain(&edge) {
        let one = format!("/audit/{}/blank", position(row));
        caller.post(&one, why.clone()).await.expect_error(404, "NOT_FOUND");
        let both = json!({"positions": [position(&seen[0]), position(row)], "reason": "article 17"});
        let refused = caller.post("/audit/blank", both).await.expect_error(404, "NOT_FOUND");
        assert_eq!(refused.body["error"]["details"]["id"], position(row).to_string());
    }
    for id in [world.hidden, world.edge, Uuid::nil()] {
        let nothing = caller
            .post("/audit/blank", json!({"entity_id": id, "reason": "article 17"}))
            .await;
        assert_eq!(
            nothing.expect(200).body,
            json!({"blanked": 0, "positions": [], "told_at": []}),
            "{id}"
        );
    }
    assert_eq!(
        rows(&admin, &format!("entity_id={}", world.hidden)).await.len(),
        hidden.len()
    );
    assert_eq!(rows(&admin, "blanked=true").await, [json!(null); 0]);

    // What may be seen may be blanked; and the blanking of what is hidden is hidden.
    let about = |id: Uuid| json!({"entity_id": id, "reason": "article 17"});
    let done = caller.post("/audit/blank", about(world.seen)).await.expect(200).body;
    assert_eq!(done["positions"].as_array().unwrap().len(), done["blanked"]);
    assert!(
        done["positions"].as_array().unwrap().contains(&seen[0]["position"]),
        "{done}"
    );
    admin.post("/audit/blank", about(world.hidden)).await.expect(200);
    let mixed = json!({"positions": [position(&edge[0]), position(&rows(&admin, &format!("entity_id={}", world.kept)).await[0])], "reason": "both"});
    admin.post("/audit/blank", mixed).await.expect(200);
    let auditor = app
        .login_with_role(json!({"view": ["Application"], "read_audit": true}))
        .await;
    assert_eq!(rows(&admin, "entity=change").await.len(), 3);
    let told = rows(&auditor, "entity=change").await;
    assert_eq!(
        told.iter().map(|row| &row["entity_id"]).collect::<Vec<_>>(),
        [&json!(world.seen)]
    );
    assert_eq!(admin.get("/audit/verify").await.expect(200).body["ok"], true);
}
