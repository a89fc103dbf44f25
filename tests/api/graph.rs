//! The questions over HTTP, on a small landscape whose answers can be worked out by eye.
//!
//! ```text
//! Enterprise ─┬─ Sales ◄── CRM (tier 1), Portal            CRM ─► Oracle 1        Portal ─► Cloud (hosted)
//!             └─ Billing ◄ ERP (tier 2), Legacy (ended)    ERP ─► Oracle 1 until 2027, Oracle 2 from 2028
//! Cloud = Oracle 1 + Oracle 2, provided by Acme            Berlin ─ Rack 7: Oracle 1, Router; Oracle 2 in Berlin itself
//! CRM provides Orders API, which transfers Customer; Portal consumes it       Loop A ⇄ Loop B
//! ```

use std::collections::BTreeMap;

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

/// The date most questions are asked about.
const DATE: &str = "2026-06-01";

struct Landscape(BTreeMap<String, Uuid>);

impl Landscape {
    fn id(&self, name: &str) -> Uuid {
        self.0[name]
    }

    async fn build(caller: &Caller<'_>) -> Self {
        let cost = |amount: f64, currency: &str| json!({"estimated_annual_cost": amount, "currency": currency});
        let oracle = json!({"attributes": {"sub_category": "Database", "vendor": "Oracle"}});
        let cards = [
            ("BusinessCapability", "Enterprise", json!({})),
            ("BusinessCapability", "Sales", json!({})),
            ("BusinessCapability", "Billing", json!({})),
            (
                "Application",
                "CRM",
                json!({"business_criticality": "Tier 1", "technical_fit": 4, "attributes": {"financials": cost(100.10, "EUR")}}),
            ),
            ("Application", "Portal", json!({"technical_fit": 2, "tags": ["web"]})),
            (
                "Application",
                "ERP",
                json!({"business_criticality": "Tier 2", "attributes": {"financials": cost(50.5, "USD")}}),
            ),
            (
                "Application",
                "Legacy",
                json!({"lifecycle": {"active": "2010-01-01", "eol": "2024-01-01"}}),
            ),
            ("Application", "Future", json!({"lifecycle": {"plan": "2030-01-01"}})),
            ("Application", "Loop A", json!({})),
            ("Application", "Loop B", json!({})),
            ("ITComponent", "Oracle 1", oracle.clone()),
            ("ITComponent", "Oracle 2", oracle),
            ("ITComponent", "Router", json!({})),
            ("Platform", "Cloud", json!({})),
            ("Provider", "Acme", json!({})),
            ("Location", "Berlin", json!({})),
            ("Location", "Rack 7", json!({})),
            ("Interface", "Orders API", json!({})),
            ("DataObject", "Customer", json!({})),
            ("Organization", "Finance", json!({})),
        ];
        let mut land = Self(BTreeMap::new());
        for (card_type, name, more) in cards {
            let id = caller.card_with(card_type, name, more).await;
            land.0.insert(name.to_owned(), id);
        }
        for (source, kind, target, more) in [
            ("Enterprise", "PARENT_OF", "Sales", json!({})),
            ("Enterprise", "PARENT_OF", "Billing", json!({})),
            ("CRM", "SUPPORTS", "Sales", json!({})),
            ("Portal", "SUPPORTS", "Sales", json!({})),
            ("ERP", "SUPPORTS", "Billing", json!({})),
            ("Legacy", "SUPPORTS", "Billing", json!({})),
            ("CRM", "RELIES_ON", "Oracle 1", json!({})),
            (
                "ERP",
                "RELIES_ON",
                "Oracle 1",
                json!({"valid_from": "2020-01-01", "valid_to": "2027-12-31"}),
            ),
            (
                "ERP",
                "RELIES_ON",
                "Oracle 2",
                json!({"valid_from": "2028-01-01", "description": "after the move"}),
            ),
            ("Portal", "HOSTED_ON", "Cloud", json!({})),
            ("Oracle 1", "PART_OF", "Cloud", json!({})),
            ("Oracle 2", "PART_OF", "Cloud", json!({})),
            ("Cloud", "PROVIDED_BY", "Acme", json!({})),
            ("Berlin", "PARENT_OF", "Rack 7", json!({})),
            ("Router", "LOCATED_AT", "Rack 7", json!({})),
            ("Oracle 1", "LOCATED_AT", "Rack 7", json!({})),
            ("Oracle 2", "LOCATED_AT", "Berlin", json!({})),
            ("CRM", "PROVIDES", "Orders API", json!({})),
            ("Portal", "CONSUMES", "Orders API", json!({})),
            ("Orders API", "TRANSFERS", "Customer", json!({})),
            (
                "CRM",
                "USES_DATA",
                "Customer",
                json!({"attributes": {"access": "create"}}),
            ),
            (
                "Portal",
                "USES_DATA",
                "Customer",
                json!({"attributes": {"access": ["read"]}}),
            ),
            ("CRM", "OWNED_BY", "Finance", json!({})),
            ("ERP", "USED_BY", "Finance", json!({})),
            ("Loop A", "RELIES_ON", "Loop B", json!({})),
            ("Loop B", "RELIES_ON", "Loop A", json!({})),
        ] {
            caller.link_with(land.id(source), kind, land.id(target), more).await;
        }
        land
    }
}

async fn world(app: &TestApp) -> (Caller<'_>, Landscape) {
    let architect = app.login(Role::Architect).await;
    let land = Landscape::build(&architect).await;
    (architect, land)
}

/// The names in a list of cards, with depths where they have one: `CRM 1, ERP 1`.
fn named(list: &Value) -> String {
    let cards = list.as_array().unwrap_or_else(|| panic!("not a list: {list}")).iter();
    let text = |card: &Value| match card["depth"].as_u64() {
        Some(depth) => format!("{} {depth}", card["name"].as_str().unwrap()),
        None => card["name"].as_str().unwrap().to_owned(),
    };
    cards.map(text).collect::<Vec<_>>().join(", ")
}

/// A path as text: `Oracle 1 -RELIES_ON- CRM`.
fn path(steps: &Value) -> String {
    let mut text = String::new();
    for step in steps.as_array().unwrap() {
        if let Some(via) = step["via"].as_str() {
            text += &format!(" -{via}- ");
        }
        text += step["name"].as_str().unwrap();
    }
    text
}

fn card<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|card| card["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

/// The fields of all violations.
fn violations(answer: &Answer) -> Vec<&str> {
    let list = answer.body["error"]["details"]["violations"].as_array();
    let list = list.unwrap_or_else(|| panic!("no violations in {:?}", answer.body));
    list.iter().map(|v| v["field"].as_str().unwrap()).collect()
}

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

#[tokio::test]
async fn dependencies_fans_and_hierarchy() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let ask = async |path: String| {
        let joint = if path.contains('?') { '&' } else { '?' };
        caller
            .get(&format!("/graph/{path}{joint}target_date={DATE}"))
            .await
            .expect(200)
            .body
    };
    let portal = ask(format!("dependencies/{}", land.id("Portal"))).await;
    assert_eq!(
        named(&portal["dependencies"]),
        "Customer 1, Orders API 1, Cloud 1, CRM 2, Oracle 1 2, Oracle 2 2, Acme 2, Berlin 3, Rack 7 3"
    );
    let oracle = card(&portal["dependencies"], "Oracle 1");
    assert_eq!(
        (oracle["strength"].as_str(), oracle["group"].as_str()),
        (Some("hard"), Some("PART_OF Database"))
    );
    assert_eq!(card(&portal["dependencies"], "CRM")["strength"], "soft");
    let near = ask(format!("dependencies/{}?max_depth=1&soft=false", land.id("Portal"))).await;
    assert_eq!(named(&near["dependencies"]), "Cloud 1");

    let fan_in = ask(format!("fan-in/{}", land.id("CRM"))).await;
    assert_eq!(
        (fan_in["count"].as_u64(), fan_in["level"].as_str()),
        (Some(2), Some("low"))
    );
    assert_eq!(named(&fan_in["cards"]), "Portal, Sales");
    assert_eq!(fan_in["by_type"], json!({"Application": 1, "BusinessCapability": 1}));
    let fan_out = ask(format!("fan-out/{}", land.id("CRM"))).await;
    assert_eq!(named(&fan_out["cards"]), "Customer, Oracle 1");
    let ranked = ask("fan-in?type=ITComponent".into()).await;
    let counts: Vec<_> = ranked["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["count"].as_u64().unwrap())
        .collect();
    assert_eq!(
        (named(&ranked["items"]), counts),
        ("Oracle 1, Oracle 2, Router".into(), vec![3, 1, 0])
    );
    let first = ask("fan-out?limit=1".into()).await;
    assert_eq!(named(&first["items"]), "Portal");
    assert_eq!(first["items"][0]["count"], 3);
    assert_eq!(first["metadata"]["truncated"], true);

    let tree = ask("hierarchy".into()).await;
    assert_eq!(named(&tree["roots"]), "Enterprise 0");
    assert_eq!(named(&tree["roots"][0]["children"]), "Billing 1, Sales 1");
    let locations = ask(format!("hierarchy?type=Location&root_id={}", land.id("Berlin"))).await;
    assert_eq!(named(&locations["roots"][0]["children"]), "Rack 7 1");
    let top = ask("hierarchy?type=BusinessCapability&limit_nodes=2".into()).await;
    assert_eq!(named(&top["roots"][0]["children"]), "Billing 1");
    assert_eq!(
        (
            top["roots"][0]["child_count"].as_u64(),
            top["metadata"]["truncated"].as_bool()
        ),
        (Some(2), Some(true))
    );
    assert_eq!(ask("hierarchy?type=Objective".into()).await["roots"], json!([]));
}

#[tokio::test]
async fn paths_between_two_cards() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let ask = async |more: &str| {
        let (from, to) = (land.id("Portal"), land.id("Oracle 1"));
        let answer = caller
            .get(&format!("/graph/paths?from={from}&to={to}&target_date={DATE}{more}"))
            .await;
        let answer = answer.expect(200).body;
        let paths = answer["paths"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| path(&p["steps"]))
            .collect::<Vec<_>>();
        (answer, paths)
    };
    let (answer, paths) = ask("&max_hops=3").await;
    assert_eq!(
        path(&answer["shortest"]["steps"]),
        "Portal -HOSTED_ON- Cloud -PART_OF- Oracle 1"
    );
    assert_eq!(answer["shortest"]["length"], 2);
    assert_eq!(
        paths,
        [
            "Portal -HOSTED_ON- Cloud -PART_OF- Oracle 1",
            "Portal -SUPPORTS- Sales -SUPPORTS- CRM -RELIES_ON- Oracle 1",
            "Portal -CONSUMES- Orders API -PROVIDES- CRM -RELIES_ON- Oracle 1",
            "Portal -USES_DATA- Customer -USES_DATA- CRM -RELIES_ON- Oracle 1",
        ]
    );
    let (answer, paths) = ask("&max_hops=3&limit=2").await;
    assert_eq!(
        (paths.len(), answer["metadata"]["truncated"].as_bool()),
        (2, Some(true))
    );
    let (answer, paths) = ask("&direction=out").await;
    assert_eq!((paths.len(), &answer["shortest"]), (0, &Value::Null));
    let (answer, paths) = ask("&relations=SUPPORTS&relations=RELIES_ON&max_hops=1").await;
    assert_eq!((paths.len(), answer["shortest"]["length"].as_u64()), (0, Some(3)));
}

#[tokio::test]
async fn what_is_wrong_anywhere() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let ask = async |path: &str| {
        let joint = if path.contains('?') { '&' } else { '?' };
        caller
            .get(&format!("/graph/{path}{joint}target_date={DATE}"))
            .await
            .expect(200)
            .body
    };
    let spof = ask("spof").await;
    assert_eq!(named(&spof["single_points"]), "Berlin, ERP, Oracle 1, Rack 7");
    assert_eq!(
        (
            spof["capabilities_assessed"].as_u64(),
            spof["capabilities_at_risk"].as_u64()
        ),
        (Some(2), Some(2))
    );
    let berlin = &spof["single_points"][0];
    assert_eq!(
        (berlin["capability_count"].as_u64(), named(&berlin["capabilities"])),
        (Some(2), "Sales, Billing".into())
    );
    assert_eq!(
        (
            berlin["by_tier"]["tier_1"].as_u64(),
            berlin["by_tier"]["tier_2"].as_u64()
        ),
        (Some(1), Some(1))
    );
    let sales = ask(&format!("spof?capability_id={}", land.id("Sales"))).await;
    assert_eq!(
        (named(&sales["single_points"]), sales["capability"]["name"].as_str()),
        ("Berlin".into(), Some("Sales"))
    );
    let first = ask("spof?limit=1").await;
    assert_eq!(
        (
            named(&first["single_points"]),
            first["metadata"]["omitted_nodes"].as_u64()
        ),
        ("Berlin".into(), Some(3))
    );

    let cycles = ask("cycles").await;
    assert_eq!(cycles["cycles"].as_array().unwrap().len(), 1);
    assert_eq!(named(&cycles["cycles"][0]["cards"]), "Loop A, Loop B");
    assert_eq!(
        path(&cycles["cycles"][0]["cycle"]),
        "Loop A -RELIES_ON- Loop B -RELIES_ON- Loop A"
    );
    assert_eq!(ask("cycles?hard_only=true").await["cycles"][0]["size"], 2);

    let orphans = ask("orphans").await;
    let kinds: Vec<_> = orphans["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| (kind["kind"].as_str().unwrap(), named(&kind["cards"])))
        .collect();
    assert_eq!(
        kinds,
        [
            ("applications_supporting_nothing", "Loop A, Loop B"),
            ("applications_without_owner", "Portal, ERP, Loop A, Loop B"),
            ("capabilities_without_application", "Enterprise"),
            ("interfaces_without_consumer", ""),
            ("interfaces_without_provider", ""),
            ("components_used_by_nobody", "Router"),
            ("data_objects_without_user", ""),
            ("unconnected", ""),
        ]
        .map(|(kind, cards)| (kind, cards.to_owned()))
    );
    let some = ask("orphans?kind=applications_without_owner&kind=components_used_by_nobody&limit=1").await;
    assert_eq!(some["kinds"].as_array().unwrap().len(), 2);
    assert_eq!(
        (some["kinds"][0]["count"].as_u64(), named(&some["kinds"][0]["cards"])),
        (Some(4), "Portal".into())
    );
    assert_eq!(some["metadata"]["truncated"], true);
}

#[tokio::test]
async fn lineage_and_diff() {
    let app = TestApp::start().await;
    let (caller, land) = world(&app).await;
    let lineage = caller
        .get(&format!("/graph/lineage/{}?target_date={DATE}", land.id("Customer")))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (named(&lineage["creates"]), named(&lineage["reads"])),
        ("CRM".into(), "Portal".into())
    );
    assert_eq!(lineage["flows"].as_array().unwrap().len(), 1);
    let flow = &lineage["flows"][0];
    let over = ["from", "interface", "to"].map(|end| flow[end]["name"].as_str().unwrap());
    assert_eq!(over, ["CRM", "Orders API", "Portal"]);
    assert_eq!(
        (named(&lineage["upstream"]), named(&lineage["downstream"])),
        ("CRM 0".into(), "Portal 1".into())
    );
    let seen = caller
        .get(&format!(
            "/graph/lineage/{}?of={}&target_date={DATE}",
            land.id("Customer"),
            land.id("Portal")
        ))
        .await;
    assert_eq!(named(&seen.expect(200).body["upstream"]), "CRM 1");

    let ask = async |body: Value| caller.post("/graph/diff", body).await.expect(200).body;
    let cards = ask(json!({"from_date": "2020-01-01", "to_date": "2031-01-01", "types": ["Application"]})).await;
    assert_eq!(
        (named(&cards["nodes"]["added"]), named(&cards["nodes"]["removed"])),
        ("Future".into(), "Legacy".into())
    );
    let edges = ask(json!({"from_date": "2027-12-31", "to_date": "2028-01-01"})).await;
    let ends = |list: &Value| (list.as_array().unwrap().len(), list[0]["target"].clone());
    assert_eq!(ends(&edges["links"]["added"]), (1, json!(land.id("Oracle 2"))));
    assert_eq!(ends(&edges["links"]["removed"]), (1, json!(land.id("Oracle 1"))));
    assert_eq!(edges["totals"]["nodes_added"], 0);
    let phases =
        ask(json!({"from_date": "2023-01-01", "to_date": "2031-01-01", "filter": {"lifecycle_phase": "Plan"}})).await;
    assert_eq!(
        (named(&phases["nodes"]["added"]), named(&phases["nodes"]["removed"])),
        ("Future".into(), String::new())
    );
}

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
            json!({"by_filter": {"related": {"type": "RELIES_ON"}}}),
            "/by_filter/related",
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
        ("traverse", json!({"known_at": "2025-01-01T00:00:00Z"}), "known_at"),
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
