//! What lies around cards.

use serde_json::{Value, json};

use super::{DATE, card, named, world};
use crate::harness::TestApp;

#[tokio::test]
async fn traverse() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let ask = async |body: Value| {
        let mut body = body;
        if body.get("target_date").is_none() {
            body["target_date"] = json!(DATE);
        }
        caller.post("/graph/traverse", body).await.expect(200).body
    };
    let crm = land.id("CRM");

    let around = ask(json!({"root_id": crm, "depth": 1})).await;
    assert_eq!(
        named(&around["nodes"]),
        "CRM, Sales, Customer, Oracle 1, Orders API, Finance"
    );
    assert_eq!(around["links"].as_array().unwrap().len(), 6);
    let node = card(&around["nodes"], "CRM");
    let (group, color) = (&node["group"], &node["color"]);
    assert_eq!(
        (node["type"].as_str(), group.as_str(), color.as_str()),
        (Some("Application"), Some("B"), Some("#0072B2"))
    );
    assert_eq!(node["metadata"]["depth"], 0);
    assert_eq!(node["metadata"]["business_criticality"], "Tier 1");
    assert_eq!(node["metadata"]["lifecycle_phase"], "Undefined");
    let metadata = &around["metadata"];
    assert_eq!(metadata["query_date"], DATE);
    assert_eq!(
        (metadata["total_nodes"].as_u64(), metadata["total_edges"].as_u64()),
        (Some(6), Some(6))
    );
    assert_eq!(
        (metadata["truncated"].as_bool(), metadata["engine"].as_str()),
        (Some(false), Some("embedded"))
    );
    assert!(metadata["execution_time_ms"].as_f64().is_some());

    // Directions, types and depths.
    let out =
        ask(json!({"root_id": crm, "direction": "out", "relations": ["RELIES_ON", "LOCATED_AT"], "depth": 3})).await;
    assert_eq!(named(&out["nodes"]), "CRM, Oracle 1, Rack 7");
    let inward = ask(json!({"root_id": land.id("Oracle 2"), "direction": "in", "depth": 1})).await;
    assert_eq!(named(&inward["nodes"]), "Oracle 2");
    let later =
        ask(json!({"root_id": land.id("Oracle 2"), "direction": "in", "depth": 1, "target_date": "2028-01-01"})).await;
    assert_eq!(named(&later["nodes"]), "Oracle 2, ERP");
    assert_eq!(later["links"][0]["description"], "after the move");
    assert_eq!(later["links"][0]["valid_from"], "2028-01-01");
    assert_eq!(later["links"][0]["source"], json!(land.id("ERP")));

    // From a type, with conditions on what starts, what is walked and what is shown.
    let typed = ask(json!({"root_type": "Application", "depth": 1, "relations": ["SUPPORTS"]})).await;
    assert_eq!(
        named(&typed["nodes"]),
        "CRM, Portal, ERP, Loop A, Loop B, Sales, Billing"
    );
    let selected = ask(json!({"root_type": "Application", "root_filter": {"field": "technical_fit", "op": "ge", "value": 2}, "depth": 1, "relations": ["SUPPORTS"]})).await;
    assert_eq!(named(&selected["nodes"]), "CRM, Portal, Sales");
    let walked = ask(json!({"root_id": land.id("Sales"), "filter": {"not": {"field": "tags", "op": "contains", "value": "web"}}, "depth": 2, "direction": "in", "relations": ["SUPPORTS", "PARENT_OF"]})).await;
    assert_eq!(named(&walked["nodes"]), "Sales, CRM, Enterprise");
    let shown = ask(json!({"root_id": land.id("Oracle 1"), "return_filter": {"type": ["BusinessCapability"]}, "depth": 2, "relations": ["SUPPORTS", "RELIES_ON"], "include_metadata": false})).await;
    assert_eq!(named(&shown["nodes"]), "Sales, Billing");
    assert!(shown["nodes"][0].get("metadata").is_none());

    // Absent cards count when asked for, or as the root.
    let legacy = ask(json!({"root_id": land.id("Legacy"), "depth": 1})).await;
    assert_eq!(named(&legacy["nodes"]), "Legacy, Billing");
    let past =
        ask(json!({"root_id": land.id("Billing"), "depth": 1, "relations": ["SUPPORTS"], "target_date": "2023-06-01"}))
            .await;
    assert_eq!(named(&past["nodes"]), "Billing, ERP, Legacy");
    let absent =
        ask(json!({"root_id": land.id("Billing"), "depth": 1, "relations": ["SUPPORTS"], "include_absent": true}))
            .await;
    assert_eq!(named(&absent["nodes"]), "Billing, ERP, Legacy");

    // A cut answer keeps its order and says what it left out.
    let cut = ask(json!({"root_id": crm, "depth": 1, "limit_nodes": 3})).await;
    assert_eq!(named(&cut["nodes"]), "CRM, Sales, Customer");
    assert_eq!(
        (
            cut["metadata"]["truncated"].as_bool(),
            cut["metadata"]["omitted_nodes"].as_u64()
        ),
        (Some(true), Some(3))
    );
    assert_eq!(
        cut["omitted_by_type"],
        json!({"ITComponent": 1, "Interface": 1, "Organization": 1})
    );

    let everything = ask(json!({"depth": 1})).await;
    assert_eq!(everything["metadata"]["total_nodes"], 18);
}
