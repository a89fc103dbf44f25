//! The document: what it promises is there, and it can be read without internet.

use archzero::{app, auth::Role};
use serde_json::Value;

use crate::harness::TestApp;

#[tokio::test]
async fn the_document_is_served_and_its_references_resolve() {
    let app = TestApp::start().await;
    let served = app.anonymous().get("/openapi.json").await.expect(200).body;
    assert_eq!(served["openapi"].as_str().unwrap().split('.').next(), Some("3"));
    assert_eq!(served, serde_json::to_value(app::openapi()).unwrap());
    let schemas = served["components"]["schemas"].as_object().unwrap();
    let mut missing = Vec::new();
    references(&served, &mut |name| {
        if !schemas.contains_key(name) {
            missing.push(name.to_owned());
        }
    });
    assert!(missing.is_empty(), "{missing:?}");
}

fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|r| r.strip_prefix("#/components/schemas/"))
            {
                found(name);
            }
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_operation_has_a_name_a_tag_a_summary_and_its_errors() {
    let document = serde_json::to_value(app::openapi()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, o)| o["responses"].is_object())
        {
            let what = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap_or_default();
            assert!(
                !id.is_empty() && names.insert(id.to_owned()),
                "{what}: operationId '{id}'"
            );
            assert!(
                operation["summary"].as_str().is_some_and(|s| !s.is_empty()),
                "{what} has no summary"
            );
            assert!(
                operation["tags"].as_array().is_some_and(|t| !t.is_empty()),
                "{what} has no tag"
            );
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|s| s.starts_with('2')), "{what} has no success");
            if operation["security"].is_array() {
                assert!(responses.contains_key("401") && responses.contains_key("403"), "{what}");
            }
            for (status, response) in responses.iter().filter(|(s, _)| s.as_str() >= "400") {
                assert!(
                    response["content"]["application/json"].is_object(),
                    "{what} {status} has no body"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_interactive_page_needs_no_internet() {
    let app = TestApp::start().await;
    let page = app.anonymous().get("//api/docs/").await.expect(200);
    let html = String::from_utf8(page.bytes).unwrap();
    assert!(html.contains("swagger-ui"));
    for asset in html
        .split(['"', '\''])
        .filter(|s| s.ends_with(".js") || s.ends_with(".css"))
    {
        assert!(!asset.starts_with("http"), "{asset} comes from elsewhere");
        let path = format!("//api/docs/{}", asset.trim_start_matches("./"));
        app.anonymous().get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_every_error_the_envelope() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let given = viewer
        .header("x-request-id", "my-request.0001")
        .get("/cards")
        .await
        .expect(200);
    assert_eq!(given.header("x-request-id"), "my-request.0001");
    let refused = viewer
        .header("x-request-id", "not a well-formed id")
        .get("/nowhere")
        .await;
    assert_ne!(refused.header("x-request-id"), "not a well-formed id");
    for answer in [
        viewer.get("/nowhere").await.expect_error(404, "NOT_FOUND"),
        viewer.get("//nowhere").await.expect_error(404, "NOT_FOUND"),
        viewer.delete("/cards").await.expect_error(405, "METHOD_NOT_ALLOWED"),
        viewer
            .get("/cards/not-a-uuid")
            .await
            .expect_error(400, "INVALID_REQUEST"),
        viewer
            .get("/cards?colour=red")
            .await
            .expect_error(400, "INVALID_REQUEST"),
    ] {
        assert_eq!(answer.body["error"]["request_id"], answer.header("x-request-id"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    assert!(!viewer.delete("/cards").await.header("allow").is_empty());
}
