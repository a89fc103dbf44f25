//! The document: what it promises is there, and it can be read without internet.

mod structure;
mod truth;

use archzero::{app, auth::Role};

use crate::harness::TestApp;

#[tokio::test]
async fn the_document_is_served_as_it_is() {
    let app = TestApp::start().await;
    let served = app.anonymous().get("/openapi.json").await.expect(200).body;
    assert_eq!(served["openapi"], "3.1.0");
    assert_eq!(served, app::openapi());
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
