//! The other questions.

use serde_json::{Value, json};

use super::{DATE, card, named, path, world};
use crate::harness::TestApp;

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
