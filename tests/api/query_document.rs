//! The twenty examples of docs/api/query.md, run against the demo enterprise.

use archzero::{auth::Role, seed::demo};
use serde_json::{Value, json};

use crate::harness::TestApp;

const DOCUMENT: &str = include_str!("../../docs/api/query.md");

/// The JSON blocks, each with the number said to be found.
fn examples() -> Vec<(Value, u64)> {
    let mut examples = Vec::new();
    let mut rest = DOCUMENT;
    while let Some((_, after)) = rest.split_once("```json\n") {
        let (block, after) = after.split_once("```").unwrap();
        let (_, said) = after.split_once("Finds **").unwrap();
        let (number, _) = said.split_once("**").unwrap();
        let body = serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
        examples.push((body, number.parse().unwrap()));
        rest = after;
    }
    examples
}

#[tokio::test]
async fn every_example_finds_what_the_document_says() {
    let app = TestApp::start().await;
    demo::load(app.db()).await.unwrap();
    let viewer = app.login(Role::Viewer).await;
    let examples = examples();
    assert_eq!(examples.len(), 20);
    let mut wrong = Vec::new();
    let mut empty = 0;
    for (at, (mut body, said)) in examples.into_iter().enumerate() {
        if body["target_date"].is_null() {
            body["target_date"] = json!("2026-11-20");
        }
        let answer = viewer.post("/cards/query", body).await.expect(200).body;
        let found = answer["pagination"]["total_items"].as_u64().unwrap();
        empty += usize::from(found == 0);
        if found != said {
            wrong.push(format!("example {}: finds {found}, the document says {said}", at + 1));
        }
    }
    assert!(wrong.is_empty() && empty == 0, "{wrong:#?}, {empty} without an answer");
}
