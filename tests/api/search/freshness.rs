//! What was committed is found at once, on every instance, and what is gone is not.

use archzero::auth::Role;
use serde_json::json;

use super::found;
use crate::harness::TestApp;

#[tokio::test]
async fn every_change_counts_at_once_on_every_instance() {
    let app = TestApp::start().await;
    let other = TestApp::on(app.url.clone(), |_| {}).await;
    let here = app.login(Role::Architect).await;
    let there = other.login(Role::Viewer).await;
    let both = async |words: &str| {
        let (one, two) = (found(&here, words).await, found(&there, words).await);
        assert_eq!(one, two, "{words}");
        one
    };
    let id = here
        .card_with("Application", "Alpha Portal", json!({"tags": ["blue"]}))
        .await;
    assert_eq!(both("portal").await, ["Alpha Portal"]);
    let path = format!("/cards/{id}");
    here.patch(&path, json!({"name": "Alpha Gateway", "description": "once a harbour"}))
        .await
        .expect(200);
    assert!(both("portal").await.is_empty());
    assert_eq!(both("gateway harbour blue").await, ["Alpha Gateway"]);
    here.patch(&path, json!({"tags": ["green"], "attributes": {"vendor": "Acme"}}))
        .await
        .expect(200);
    assert!(both("blue").await.is_empty());
    assert_eq!(both("green acme").await, ["Alpha Gateway"]);
    here.header("if-match", "*").delete(&path).await.expect(200);
    assert!(both("gateway").await.is_empty());
    assert_eq!(
        here.get("/cards?search=gateway&deleted=only").await.expect(200).body["pagination"]["total_items"],
        1
    );
    here.post(&format!("{path}/restore"), json!({})).await.expect(200);
    assert_eq!(both("gateway").await, ["Alpha Gateway"]);
    // A change of what words mean to the graph loads it anew, index and all.
    let admin = app.login(Role::Admin).await;
    let card_type = json!({"name": "Gadget", "label": "Gadget", "layer": "C", "color": "#336699"});
    admin.post("/config/card-types", card_type).await.expect(201);
    here.card("Gadget", "Alpha Gadget").await;
    assert_eq!(both("alpha").await, ["Alpha Gadget", "Alpha Gateway"]);
}

#[tokio::test]
async fn many_changes_leave_the_index_as_if_it_were_new() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let words = ["red", "green", "blue", "reader", "grain"];
    let word = |n: usize| words[n % words.len()];
    let mut ids = Vec::new();
    for batch in 0..6 {
        let operations: Vec<_> = (0..30)
            .map(|n| json!({"op": "create", "card": {"type": "Interface", "name": format!("{} {batch}-{n}", word(batch + n)), "tags": [word(n)]}}))
            .collect();
        let answer = architect
            .post("/cards/bulk", json!({"operations": operations}))
            .await
            .expect(200);
        let results = answer.body["results"].as_array().unwrap();
        ids.extend(results.iter().map(|result| result["id"].as_str().unwrap().to_owned()));
        // Reading makes the next change a segment of its own.
        found(&architect, "red").await;
        for (n, id) in ids.iter().enumerate().skip(batch * 7).step_by(5) {
            let change = json!({"name": format!("{} {batch}-{n} again", word(n * 3)), "description": word(n + 1)});
            architect.patch(&format!("/cards/{id}"), change).await.expect(200);
        }
    }
    let fresh = TestApp::on(app.url.clone(), |_| {}).await;
    let reader = fresh.login(Role::Viewer).await;
    for query in [
        "re",
        "red",
        "gr",
        "green -blue",
        "again",
        "red again",
        "blue grain",
        "raeder",
        "\"red 0 0 again\"",
        "0",
    ] {
        let path = format!("/cards?search={}&limit=200", crate::probe::encode(query));
        let (kept, new) = (
            architect.get(&path).await.expect(200),
            reader.get(&path).await.expect(200),
        );
        assert_eq!(kept.body, new.body, "{query}");
        assert!(!new.body["data"].as_array().unwrap().is_empty(), "{query}");
    }
}
