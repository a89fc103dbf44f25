//! What breaks.

use serde_json::{Value, json};

use super::{DATE, card, named, path, world};
use crate::harness::TestApp;

#[tokio::test]
async fn impact_of_a_card() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let oracle = land.id("Oracle 1");
    let ask = async |query: &str| {
        caller
            .get(&format!("/graph/impact/{oracle}?{query}"))
            .await
            .expect(200)
            .body
    };

    let impact = ask(&format!("target_date={DATE}")).await;
    assert_eq!(named(&impact["roots"]), "Oracle 1");
    assert_eq!(named(&impact["down"]), "CRM 1, ERP 1, Billing 2, Orders API 2");
    assert_eq!(
        named(&impact["degraded"]),
        "Cloud 1, Sales 2, Finance 2, Portal 3, Enterprise 3"
    );
    assert_eq!(
        path(&card(&impact["down"], "Billing")["path"]),
        "Oracle 1 -RELIES_ON- ERP -SUPPORTS- Billing"
    );
    assert_eq!(card(&impact["down"], "CRM")["business_criticality"], "Tier 1");
    let reason = &card(&impact["degraded"], "Sales")["reason"];
    assert_eq!(
        (reason["kind"].as_str(), reason["on"]["name"].as_str()),
        (Some("redundancy_group"), Some("CRM"))
    );
    let reason = &card(&impact["degraded"], "Portal")["reason"];
    assert_eq!(
        (reason["kind"].as_str(), reason["relationship"].as_str()),
        (Some("soft_dependency"), Some("CONSUMES"))
    );
    let alternatives: Vec<String> = impact["alternatives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| {
            format!(
                "{}: {} / {}",
                a["dependent"]["name"].as_str().unwrap(),
                named(&a["failed"]),
                named(&a["surviving"])
            )
        })
        .collect();
    assert_eq!(alternatives, ["Sales: CRM / Portal", "Cloud: Oracle 1 / Oracle 2"]);
    let summary = &impact["summary"];
    assert_eq!(
        summary["by_depth"],
        json!([{"depth": 1, "down": 2, "degraded": 1}, {"depth": 2, "down": 2, "degraded": 2}, {"depth": 3, "down": 0, "degraded": 2}])
    );
    assert_eq!(
        summary["by_tier"],
        json!([{"tier": "Tier 1", "down": 1, "degraded": 0}, {"tier": "Tier 2", "down": 1, "degraded": 0}, {"tier": "Unassessed", "down": 0, "degraded": 1}])
    );
    assert_eq!(
        (
            summary["capabilities_down"].as_u64(),
            summary["capabilities_degraded"].as_u64()
        ),
        (Some(1), Some(2))
    );
    assert_eq!(
        summary["annual_cost"],
        json!([{"currency": "EUR", "amount": 100.1}, {"currency": "USD", "amount": 50.5}])
    );

    // After the move of ERP only CRM fails; before Legacy ended it kept billing alive.
    let later = ask("target_date=2029-01-01").await;
    assert_eq!(named(&later["down"]), "CRM 1, Orders API 2");
    let earlier = ask("target_date=2023-06-01").await;
    assert_eq!(named(&earlier["down"]), "CRM 1, ERP 1, Orders API 2");
    assert_eq!(
        named(&earlier["degraded"]),
        "Cloud 1, Sales 2, Billing 2, Finance 2, Portal 3"
    );

    // Depths and limits.
    let near = ask(&format!("target_date={DATE}&max_depth=1")).await;
    assert_eq!(
        (named(&near["down"]), named(&near["degraded"])),
        ("CRM 1, ERP 1".into(), "Cloud 1".into())
    );
    let hard = ask(&format!("target_date={DATE}&soft_depth=0")).await;
    assert_eq!(named(&hard["degraded"]), "");
    let soft = ask(&format!("target_date={DATE}&soft_depth=3")).await;
    assert_eq!(
        named(&soft["degraded"]),
        "Cloud 1, Sales 2, Finance 2, Portal 3, Enterprise 3"
    );
    let cut = ask(&format!("target_date={DATE}&limit_nodes=5")).await;
    assert_eq!(
        (named(&cut["down"]), named(&cut["degraded"])),
        (named(&impact["down"]), "Cloud 1".into())
    );
    assert_eq!(
        (
            cut["metadata"]["truncated"].as_bool(),
            cut["metadata"]["omitted_nodes"].as_u64()
        ),
        (Some(true), Some(4))
    );
    assert_eq!(cut["summary"], impact["summary"]);
}

#[tokio::test]
async fn impact_of_places_providers_platforms_and_filters() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let ask = async |body: Value| {
        let mut body = body;
        body["target_date"] = json!(DATE);
        let answer = caller.post("/graph/impact", body).await.expect(200).body;
        [
            named(&answer["roots"]),
            named(&answer["down"]),
            named(&answer["degraded"]),
        ]
    };
    let all_down = "CRM 1, ERP 1, Cloud 1, Portal 2, Billing 2, Orders API 2, Sales 3";
    assert_eq!(
        ask(json!({"at_location": land.id("Berlin")})).await,
        ["Oracle 1, Oracle 2, Router", all_down, "Finance 2, Enterprise 3"]
    );
    assert_eq!(
        ask(json!({"at_location": land.id("Rack 7")})).await,
        [
            "Oracle 1, Router",
            "CRM 1, ERP 1, Billing 2, Orders API 2",
            "Cloud 1, Sales 2, Finance 2, Portal 3, Enterprise 3"
        ]
    );
    assert_eq!(
        ask(json!({"of_provider": land.id("Acme")})).await,
        ["Cloud", "Portal 1", "Sales 2"]
    );
    assert_eq!(
        ask(json!({"on_platform": land.id("Cloud")})).await,
        [
            "Portal, Oracle 1, Oracle 2, Cloud",
            "CRM 1, ERP 1, Sales 2, Billing 2, Orders API 2",
            "Finance 2, Enterprise 3"
        ]
    );
    let vendor = json!({"all": [{"type": "ITComponent"}, {"vendor": "Oracle"}]});
    assert_eq!(
        ask(json!({"by_filter": vendor})).await,
        ["Oracle 1, Oracle 2", all_down, "Finance 2, Enterprise 3"]
    );
    assert_eq!(
        ask(json!({"ids": [land.id("ERP")], "of_provider": land.id("Acme")})).await,
        ["ERP, Cloud", "Portal 1, Billing 1", "Finance 1, Enterprise 2, Sales 2"]
    );
    let nothing = json!({"by_filter": {"field": "name", "op": "eq", "value": "nothing"}});
    assert_eq!(ask(nothing).await, ["", "", ""]);
}
