//! What all questions share: validators, freshness, refusals.

use archzero::auth::Role;
use serde_json::json;
use uuid::Uuid;

use super::{DATE, named, violations, world};
use crate::harness::TestApp;

#[tokio::test]
async fn an_unchanged_answer_is_not_sent_again() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let erp = land.id("ERP");
    let gets = [
        format!("/graph/impact/{}?target_date={DATE}", land.id("Oracle 1")),
        format!("/graph/dependencies/{erp}"),
        format!("/graph/fan-in/{erp}"),
        "/graph/fan-out".into(),
        "/graph/hierarchy".into(),
        "/graph/spof".into(),
        "/graph/cycles".into(),
        "/graph/orphans".into(),
        format!("/graph/paths?from={erp}&to={}", land.id("CRM")),
        format!("/graph/lineage/{}", land.id("Customer")),
    ];
    for path in &gets {
        let first = caller.get(path).await.expect(200);
        assert!(first.header("etag").starts_with("W/\""), "{path}");
        assert_eq!(first.header("cache-control"), "private, no-cache", "{path}");
        let again = caller
            .header("if-none-match", first.header("etag"))
            .get(path)
            .await
            .expect(304);
        assert!(again.bytes.is_empty(), "{path}");
    }
    for (path, body) in [
        ("/graph/traverse", json!({"root_id": erp})),
        ("/graph/impact", json!({"ids": [erp]})),
        ("/graph/diff", json!({"from_date": "2020-01-01"})),
    ] {
        let first = caller.post(path, body.clone()).await.expect(200);
        caller
            .header("if-none-match", first.header("etag"))
            .post(path, body)
            .await
            .expect(304);
    }
    let before = caller.get(&gets[0]).await.expect(200);
    caller.link(land.id("Router"), "RELIES_ON", land.id("Oracle 1")).await;
    let after = caller
        .header("if-none-match", before.header("etag"))
        .get(&gets[0])
        .await
        .expect(200);
    assert_ne!(before.header("etag"), after.header("etag"));
    assert_eq!(
        named(&after.body["down"]),
        "CRM 1, ERP 1, Router 1, Billing 2, Orders API 2"
    );
}

#[tokio::test]
async fn an_instance_answers_with_what_another_has_just_written() {
    let here = TestApp::start().await;
    let there = TestApp::on(here.url.clone(), |_| {}).await;
    let (_, email) = here.user(&[Role::Architect]).await;
    let (writer, reader) = (here.login_as(&email).await, there.login_as(&email).await);
    let app = writer.card("Application", "Written here").await;
    for round in 1..=20 {
        let component = writer.card("ITComponent", &format!("Component {round}")).await;
        let edge = writer.link(app, "RELIES_ON", component).await;
        let impact = reader.get(&format!("/graph/impact/{component}")).await.expect(200);
        assert_eq!(named(&impact.body["down"]), "Written here 1", "round {round}");
        writer
            .header("if-match", "*")
            .delete(&format!("/relationships/{edge}"))
            .await
            .expect(204);
        let impact = reader.get(&format!("/graph/impact/{component}")).await.expect(200);
        assert_eq!(named(&impact.body["down"]), "", "round {round}");
        writer
            .header("if-match", "*")
            .delete(&format!("/cards/{component}"))
            .await
            .expect(200);
        reader
            .get(&format!("/graph/impact/{component}"))
            .await
            .expect_error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn everything_wrong_with_a_question_is_told_at_once() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let body = json!({
        "root_id": "one", "depth": 11, "direction": "up", "relations": ["RELYS_ON", 5], "target_date": "2026-02-30", "limit_nodes": 0,
        "filter": {"all": [{"field": "technical_fitt", "op": "eq", "value": 1}, {"field": "technical_fit", "op": "eq", "value": "good"}]},
        "include_metadata": "yes", "colour": "red",
    });
    let refused = caller
        .post("/graph/traverse", body)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let mut fields = violations(&refused);
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "/filter/all/0/field",
            "/filter/all/1/value",
            "colour",
            "depth",
            "direction",
            "include_metadata",
            "limit_nodes",
            "relations[0]",
            "relations[1]",
            "root_id",
            "target_date",
        ]
    );
    let all = refused.body["error"]["details"]["violations"].as_array().unwrap();
    let about = |field: &str| all.iter().find(|v| v["field"] == field).unwrap();
    assert_eq!(about("relations[0]")["did_you_mean"], json!(["RELIES_ON"]));
    assert_eq!(about("/filter/all/0/field")["did_you_mean"][0], "technical_fit");

    let card = land.id("CRM");
    for (query, expected) in [
        (
            format!("impact/{card}?max_depth=0&soft_depth=x&limit_nodes=50001&target_date=2026-6-1"),
            vec!["limit_nodes", "max_depth", "soft_depth", "target_date"],
        ),
        (
            "paths?from=nobody&max_hops=11&relations=SUPPORTED_BY".into(),
            vec!["from", "max_hops", "relations[0]", "to"],
        ),
        ("fan-in?type=Aplication&limit=0".into(), vec!["limit", "type"]),
        (
            "hierarchy?type=PARENT_OF&max_depth=51".into(),
            vec!["max_depth", "type"],
        ),
        (format!("hierarchy?type=Organization&root_id={card}"), vec!["root_id"]),
        (format!("spof?capability_id={card}"), vec!["capability_id"]),
        ("cycles?hard_only=perhaps".into(), vec!["hard_only"]),
        ("orphans?kind=aplications_without_owner".into(), vec!["kind[0]"]),
        (format!("lineage/{card}"), vec!["id"]),
        (format!("dependencies/{card}?soft=1"), vec!["soft"]),
    ] {
        let refused = caller
            .get(&format!("/graph/{query}"))
            .await
            .expect_error(400, "VALIDATION_ERROR");
        let mut fields = violations(&refused);
        fields.sort_unstable();
        assert_eq!(fields, expected, "{query}");
    }
    for (path, body, expected) in [
        ("impact", json!({}), "ids"),
        ("impact", json!({"ids": [card, "x"]}), "ids[1]"),
        ("impact", json!({"at_location": card}), "at_location"),
        (
            "impact",
            json!({"by_filter": {"related": {"type": "RELYS_ON"}}}),
            "/by_filter/related/type",
        ),
        (
            "traverse",
            json!({"root_id": card, "root_type": "Application"}),
            "root_type",
        ),
        (
            "traverse",
            json!({"root_id": card, "root_filter": {"type": "Application"}}),
            "root_filter",
        ),
        ("traverse", json!({"known_at": "2025-01-01"}), "known_at"),
        ("impact", json!({"ids": null}), "ids"),
        ("diff", json!({"from_date": null}), "from_date"),
        (
            "diff",
            json!({"from_date": "2025-01-01", "types": ["Aplication"]}),
            "types[0]",
        ),
    ] {
        let refused = caller
            .post(&format!("/graph/{path}"), body.clone())
            .await
            .expect_error(400, "VALIDATION_ERROR");
        assert_eq!(violations(&refused), [expected], "{path} {body}");
    }
    for query in [
        "spof?colour=red",
        "spof?limit=1&limit=2",
        "impact/not-a-uuid",
        "traverse?depth=1",
    ] {
        let answer = if query.starts_with("traverse") {
            caller.post(&format!("/graph/{query}"), json!({})).await
        } else {
            caller.get(&format!("/graph/{query}")).await
        };
        answer.expect_error(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn a_card_that_is_not_there_is_not_found() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let (deleted, nobody) = (land.id("Router"), Uuid::now_v7());
    caller
        .header("if-match", "*")
        .delete(&format!("/cards/{deleted}"))
        .await
        .expect(200);
    for id in [deleted, nobody] {
        for path in ["impact", "dependencies", "fan-in", "fan-out", "lineage"] {
            caller
                .get(&format!("/graph/{path}/{id}"))
                .await
                .expect_error(404, "NOT_FOUND");
        }
        for query in [
            format!("paths?from={id}&to={}", land.id("CRM")),
            format!("hierarchy?root_id={id}"),
            format!("spof?capability_id={id}"),
        ] {
            caller
                .get(&format!("/graph/{query}"))
                .await
                .expect_error(404, "NOT_FOUND");
        }
        caller
            .post("/graph/traverse", json!({"root_id": id}))
            .await
            .expect_error(404, "NOT_FOUND");
        for body in [
            json!({"of_provider": id}),
            json!({"at_location": id}),
            json!({"on_platform": id}),
        ] {
            caller.post("/graph/impact", body).await.expect_error(404, "NOT_FOUND");
        }
    }
    let many = caller
        .post("/graph/impact", json!({"ids": [land.id("CRM"), deleted, nobody]}))
        .await;
    let many = many.expect_error(404, "NOT_FOUND");
    assert_eq!(many.body["error"]["details"]["missing"], json!([deleted, nobody]));
}

#[tokio::test]
async fn questions_are_measured() {
    let metrics = archzero::telemetry::metrics::install("test").unwrap();
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    viewer.get("/graph/cycles?hard_only=true").await.expect(200);
    let text = metrics.render();
    let counted = "graph_query_duration_seconds_count{engine=\"embedded\",question=\"cycles\"}";
    assert!(text.contains(counted), "{text}");
    assert!(text.contains("graph_queries_in_flight "), "{text}");
}
