//! Creating and reading cards.

use std::time::{Duration, Instant};

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::TestApp,
    probe::{rows, violation, violations},
};

fn whole_application() -> Value {
    json!({
        "type": "Application", "name": "  Customer Portal ", "description": "Where customers **serve themselves**",
        "tags": [" web ", "crm", "web", "  "],
        "lifecycle": {"plan": "2019-01-01", "phase_in": "2020-01-01", "active": "2020-06-01", "phase_out": "2098-01-01", "eol": "2099-01-01"},
        "functional_fit": 4, "technical_fit": 2, "business_criticality": "Tier 1",
        "attributes": {
            "hosting_type": "Cloud Native", "vendor": "In-house", "users_total": 900, "users_active": 900,
            "financials": {"estimated_annual_cost": 125_000.5, "currency": "EUR"},
            "external_ids": [{"system": "cmdb", "id": "APP-1"}, {"system": "sap", "id": "APP-1"}],
            "bia": {"operational": 3, "legal": 2}, "cloud_readiness": {"state": 7.5}, "our_own_field": [1, {"x": null, "y": true}]
        },
        "change_reason": "first entry"
    })
}

#[tokio::test]
async fn a_card_is_created_with_all_its_fields() {
    let app = TestApp::start().await;
    let (user, email) = app.user(&[Role::Editor]).await;
    let editor = app.login_as(&email).await;
    let created = editor.post("/cards", whole_application()).await.expect(201);
    let id = created.id();
    assert_eq!(created.header("location"), format!("/api/v1/cards/{id}"));
    assert!(created.header("etag").starts_with("W/\"1-"), "{:?}", created.headers);
    assert!(
        created.header("x-arc-position").starts_with("1-"),
        "{:?}",
        created.headers
    );
    assert_eq!(id.get_version_num(), 7);
    let body = &created.body;
    let sent = whole_application();
    assert_eq!(body["name"], "Customer Portal");
    assert_eq!(body["tags"], json!(["web", "crm"]));
    for field in [
        "type",
        "description",
        "lifecycle",
        "functional_fit",
        "technical_fit",
        "business_criticality",
        "attributes",
    ] {
        assert_eq!(body[field], sent[field], "{field}");
    }
    assert_eq!(body["criticality_source"], "manual");
    assert_eq!(body["lifecycle_phase"], "Active");
    assert_eq!((&body["version"], &body["quality_score"]), (&json!(1), &json!(100)));
    assert_eq!((&body["created_by"], &body["updated_by"]), (&json!(user), &json!(user)));
    assert_eq!(body["created_at"], body["updated_at"]);

    let read = editor
        .get(&format!("/{}", created.header("location")))
        .await
        .expect(200);
    assert_eq!(read.body, created.body, "reading gives what creating answered");
    assert_eq!(read.header("etag"), created.header("etag"));
}

#[tokio::test]
async fn every_type_can_be_created_with_what_its_rules_require() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let types = editor.get("/config/card-types").await.expect(200);
    let names: Vec<&str> = types.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 19, "{names:?}");
    for name in names {
        let id = editor.card(name, "One").await;
        assert_eq!(editor.get(&format!("/cards/{id}")).await.expect(200).body["type"], name);
    }
}

#[tokio::test]
async fn everything_wrong_is_told_at_once_with_every_code() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let before = rows(&app).await;
    let answer = editor
        .post(
            "/cards",
            json!({
                "type": "Application", "description": "x".repeat(2001), "tags": ["ok", 7, "y".repeat(61)],
                "functional_fit": 5, "technical_fit": "3", "business_criticality": "Tier 9", "quality_score": 100, "colour": "red",
                "lifecycle": {"plan": "2026-02-30", "active": "2025-01-01", "eol": "2024-01-01", "born": "2020-01-01"},
                "attributes": {
                    "cost_center": "KST-1", "users_total": 1.5, "is_commodity": "yes", "technical_debt_pct": 1.01,
                    "data_classification": "Secret", "rationalization_score": 3, "vendor": "v".repeat(101),
                    "financials": {"estimated_annual_cost": -1, "currency": "Euro"}, "bia": {"legal": 9}, "note": "a\u{0}b"
                }
            }),
        )
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let found = violations(&answer);
    for (field, code) in [
        ("name", "REQUIRED"),
        ("description", "TOO_LONG"),
        ("tags[1]", "WRONG_TYPE"),
        ("tags[2]", "TOO_LONG"),
        ("functional_fit", "OUT_OF_RANGE"),
        ("technical_fit", "WRONG_TYPE"),
        ("business_criticality", "NOT_IN_OPTIONS"),
        ("quality_score", "READ_ONLY"),
        ("colour", "UNKNOWN_FIELD"),
        ("lifecycle.plan", "WRONG_TYPE"),
        ("lifecycle.eol", "DATES_OUT_OF_ORDER"),
        ("lifecycle.born", "UNKNOWN_FIELD"),
        ("attributes.hosting_type", "REQUIRED"),
        ("attributes.cost_center", "PATTERN_MISMATCH"),
        ("attributes.users_total", "WRONG_TYPE"),
        ("attributes.is_commodity", "WRONG_TYPE"),
        ("attributes.technical_debt_pct", "OUT_OF_RANGE"),
        ("attributes.data_classification", "NOT_IN_OPTIONS"),
        ("attributes.rationalization_score", "READ_ONLY"),
        ("attributes.vendor", "TOO_LONG"),
        ("attributes.financials.estimated_annual_cost", "OUT_OF_RANGE"),
        ("attributes.financials.currency", "NOT_IN_OPTIONS"),
        ("attributes.bia.legal", "OUT_OF_RANGE"),
        ("attributes.note", "PATTERN_MISMATCH"),
    ] {
        assert!(
            found.contains(&(field.into(), code.into())),
            "{field} {code} in {found:?}"
        );
    }
    assert_eq!(answer.body["error"]["details"]["total"], found.len());
    assert_eq!(answer.body["error"]["field"], found[0].0);
    assert!(!answer.body["error"]["request_id"].as_str().unwrap().is_empty());
    let hosting = violation(&answer, "attributes.hosting_type");
    assert!(hosting["allowed_values"].as_array().unwrap().contains(&json!("SaaS")));
    assert!(hosting["rule_id"].as_str().unwrap().parse::<Uuid>().is_ok());
    let cost_center = violation(&answer, "attributes.cost_center");
    assert_eq!(cost_center["required_pattern"], r"^CC-[A-Z]{2,4}-\d{2}$");
    assert_eq!(cost_center["provided_value"], "KST-1");
    let fit = violation(&answer, "functional_fit");
    assert_eq!(
        (&fit["min"], &fit["max"], &fit["provided_value"]),
        (&json!(1), &json!(4), &json!(5))
    );
    assert_eq!(rows(&app).await, before, "nothing was written");
}

#[tokio::test]
async fn fields_of_other_types_and_unknown_cards_are_named() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let answer = editor
        .post("/cards", json!({"type": "Interface", "name": "I", "functional_fit": 3, "technical_fit": 3, "business_criticality": "Tier 1"}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    for field in ["functional_fit", "technical_fit", "business_criticality"] {
        assert_eq!(violation(&answer, field)["code"], "NOT_ALLOWED_HERE");
    }
    let nobody = Uuid::now_v7();
    let order = json!({"type": "DataObject", "name": "Order", "attributes": {"golden_source_id": nobody}});
    let answer = editor.post("/cards", order).await.expect_error(400, "VALIDATION_ERROR");
    assert_eq!(
        violations(&answer),
        [("attributes.golden_source_id".to_owned(), "UNKNOWN_REFERENCE".to_owned())]
    );
    assert_eq!(
        violation(&answer, "attributes.golden_source_id")["provided_value"],
        json!(nobody)
    );
    let crm = editor.card("Application", "CRM").await;
    editor
        .card_with("DataObject", "Order", json!({"attributes": {"golden_source_id": crm}}))
        .await;

    let answer = editor
        .post("/cards", json!({"type": "Aplication", "name": "A"}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let wrong = violation(&answer, "type");
    assert_eq!(wrong["code"], "NOT_IN_OPTIONS");
    assert!(wrong["message"].as_str().unwrap().contains("Application"), "{wrong}");
    assert!(
        wrong["allowed_values"]
            .as_array()
            .unwrap()
            .contains(&json!("Application"))
    );
}

#[tokio::test]
async fn limits_count_characters_and_hold_at_their_edge() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let tags: Vec<String> = (0..50).map(|n| format!("{n:0>2}{}", "ü".repeat(58))).collect();
    let body = json!({"type": "Interface", "name": "é".repeat(255), "description": "𝄞".repeat(2000), "tags": tags});
    let card = editor.post("/cards", body).await.expect(201);
    assert_eq!(card.body["tags"].as_array().unwrap().len(), 50);
    for (field, value) in [
        ("name", json!("é".repeat(256))),
        ("description", json!("𝄞".repeat(2001))),
        ("tags", json!(vec!["t"; 51])),
        ("change_reason", json!("r".repeat(501))),
    ] {
        let mut body = json!({"type": "Interface", "name": "Fine"});
        body[field] = value;
        let answer = editor.post("/cards", body).await.expect_error(400, "VALIDATION_ERROR");
        assert_eq!(violations(&answer), [(field.to_owned(), "TOO_LONG".to_owned())]);
    }
}

#[tokio::test]
async fn a_bad_reason_is_told_with_everything_else() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let answer = editor
        .post("/cards", json!({"type": "Interface", "change_reason": 5}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let mut found = violations(&answer);
    found.sort();
    assert_eq!(
        found,
        [
            ("change_reason".into(), "WRONG_TYPE".into()),
            ("name".into(), "REQUIRED".into())
        ]
    );
}

#[tokio::test]
async fn quality_scores_are_those_of_the_contract() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let mut body = whole_application();
    body.as_object_mut().unwrap().remove("functional_fit");
    let card = editor.post("/cards", body).await.expect(201);
    assert_eq!(card.body["quality_score"], 93);
    let id = card.id();
    for (patch, score) in [
        (json!({"functional_fit": 1}), 100),
        (json!({"functional_fit": null, "technical_fit": null}), 86),
        (
            json!({"description": null, "tags": [], "lifecycle": null, "business_criticality": null}),
            57,
        ),
    ] {
        let answer = editor.patch(&format!("/cards/{id}"), patch.clone()).await.expect(200);
        assert_eq!(answer.body["quality_score"], score, "{patch}");
        assert_eq!(editor.get(&format!("/cards/{id}")).await.body["quality_score"], score);
    }
    let interface = editor
        .post("/cards", json!({"type": "Interface", "name": "I"}))
        .await
        .expect(201);
    assert_eq!(interface.body["quality_score"], 25);
    let risk = editor.card("Risk", "R").await;
    assert_eq!(
        editor.get(&format!("/cards/{risk}")).await.body["quality_score"],
        63,
        "12.5 + 50, half up"
    );
}

#[tokio::test]
async fn the_phase_follows_the_date() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let all = json!({"plan": "2020-01-01", "phase_in": "2021-01-01", "active": "2022-01-01", "phase_out": "2023-01-01", "eol": "2024-01-01"});
    let whole = editor.card_with("Interface", "Whole", json!({"lifecycle": all})).await;
    let ending = editor
        .card_with("Interface", "Ending", json!({"lifecycle": {"eol": "2024-01-01"}}))
        .await;
    let coming = editor
        .card_with("Interface", "Coming", json!({"lifecycle": {"active": "2022-01-01"}}))
        .await;
    let never = editor.card("Interface", "Never").await;
    for (id, date, phase) in [
        (whole, "2019-12-31", "Plan"),
        (whole, "2020-01-01", "Plan"),
        (whole, "2021-01-01", "Phase In"),
        (whole, "2022-12-31", "Active"),
        (whole, "2023-01-01", "Phase Out"),
        (whole, "2023-12-31", "Phase Out"),
        (whole, "2024-01-01", "End of Life"),
        (ending, "2023-12-31", "Active"),
        (ending, "2024-01-01", "End of Life"),
        (coming, "2021-12-31", "Plan"),
        (coming, "2022-01-01", "Active"),
        (never, "2022-01-01", "Undefined"),
    ] {
        let card = editor.get(&format!("/cards/{id}?target_date={date}")).await.expect(200);
        assert_eq!(card.body["lifecycle_phase"], phase, "{} on {date}", card.body["name"]);
        let listed = editor
            .get(&format!(
                "/cards?target_date={date}&filter=name:eq:{}",
                card.body["name"].as_str().unwrap()
            ))
            .await
            .expect(200);
        assert_eq!(listed.body["data"][0]["lifecycle_phase"], phase);
    }
    let risky = editor
        .card_with(
            "ITComponent",
            "DB",
            json!({"attributes": {"vendor_support_eol": "2030-01-01"}}),
        )
        .await;
    for (date, level) in [
        ("2026-01-01", "Low"),
        ("2028-06-01", "Medium"),
        ("2029-06-01", "High"),
        ("2030-01-01", "Critical"),
    ] {
        let card = editor
            .get(&format!("/cards/{risky}?target_date={date}"))
            .await
            .expect(200);
        assert_eq!(card.body["computed"]["eol_risk_level"], level, "{date}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_instance_reads_a_write_at_once_with_its_position_and_soon_without() {
    let one = TestApp::start().await;
    let two = TestApp::on(one.url.clone(), |_| {}).await;
    let writer = one.login(Role::Editor).await;
    let reader = two.with_token(writer.token.as_deref().unwrap());
    for round in 0..20 {
        let created = writer
            .post("/cards", json!({"type": "Interface", "name": format!("I{round}")}))
            .await
            .expect(201);
        let path = format!("/cards/{}", created.id());
        let positioned = reader.header("x-arc-position", created.header("x-arc-position"));
        positioned.get(&path).await.expect(200);
        let changed = writer.patch(&path, json!({"description": "new"})).await.expect(200);
        assert_eq!(
            writer.get(&path).await.expect(200).body["version"],
            2,
            "the writer's own instance needs no position"
        );
        let positioned = reader.header("x-arc-position", changed.header("x-arc-position"));
        assert_eq!(positioned.get(&path).await.expect(200).body["description"], "new");
        let removed = one
            .login(Role::Architect)
            .await
            .header("if-match", "*")
            .delete(&path)
            .await
            .expect(200);
        let positioned = reader.header("x-arc-position", removed.header("x-arc-position"));
        positioned.get(&path).await.expect_error(404, "NOT_FOUND");
    }
    let id = writer.card("Interface", "Last").await;
    let deadline = Instant::now() + Duration::from_secs(2);
    while reader.get(&format!("/cards/{id}")).await.status != 200 {
        assert!(Instant::now() < deadline, "at most a second old");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for bad in ["x", "1", "1-", "1-x", "-1--1", "99999999999-1"] {
        reader
            .header("x-arc-position", bad)
            .get(&format!("/cards/{id}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn a_reader_who_has_the_card_gets_304() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Interface", "I").await;
    let path = format!("/cards/{id}");
    let first = editor.get(&path).await.expect(200);
    let etag = first.header("etag").to_owned();
    for known in [
        etag.clone(),
        etag.trim_start_matches("W/").to_owned(),
        "*".into(),
        format!("\"x\", {etag}"),
    ] {
        let again = editor.header("if-none-match", &known).get(&path).await.expect(304);
        assert!(again.bytes.is_empty());
        assert_eq!(again.header("etag"), etag);
    }
    editor
        .header("if-none-match", "W/\"1-0000000000000000\"")
        .get(&path)
        .await
        .expect(200);
    let changed = editor.patch(&path, json!({"tags": ["t"]})).await.expect(200);
    assert!(changed.header("etag").starts_with("W/\"2-"));
    let read = editor.header("if-none-match", &etag).get(&path).await.expect(200);
    assert_eq!(read.header("etag"), changed.header("etag"));
    let list = editor.get("/cards").await.expect(200);
    editor
        .header("if-none-match", list.header("etag"))
        .get("/cards")
        .await
        .expect(304);
}

#[tokio::test]
async fn answers_can_be_sparse_and_bring_more_along() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.post("/cards", whole_application()).await.expect(201).id();
    let db = editor.card("ITComponent", "Postgres").await;
    let edge = editor.link(id, "RELIES_ON", db).await;
    let only = json!({"id": id, "name": "Customer Portal", "attributes": {"financials": {"currency": "EUR"}, "vendor": "In-house"}});
    let fields = "fields=name,attributes.vendor,attributes.financials.currency,attributes.nothing";
    assert_eq!(
        editor.get(&format!("/cards/{id}?{fields}")).await.expect(200).body,
        only
    );
    assert_eq!(
        editor
            .get(&format!("/cards?type=Application&{fields}"))
            .await
            .expect(200)
            .body["data"],
        json!([only])
    );

    let expected = json!([{"id": edge, "type": "RELIES_ON", "direction": "out", "valid_from": null, "valid_to": null,
        "card": {"id": db, "type": "ITComponent", "name": "Postgres"}}]);
    let whole = editor
        .get(&format!("/cards/{id}?include=relationships,history,violations"))
        .await
        .expect(200)
        .body;
    assert_eq!(whole["relationships"], expected);
    assert_eq!(whole["violations"], json!([]));
    assert_eq!(whole["history"][0]["reason"], "first entry");
    let listed = editor
        .get("/cards?include=relationships&fields=name,relationships")
        .await
        .expect(200)
        .body;
    assert_eq!(listed["data"][0]["relationships"], expected);
    assert_eq!(listed["data"][1]["relationships"][0]["direction"], "in");
    assert_eq!(listed["data"][1]["relationships"][0]["card"]["id"], json!(id));

    for bad in ["fields=colour", "include=everything", "fields=name,x"] {
        editor
            .get(&format!("/cards/{id}?{bad}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
        editor
            .get(&format!("/cards?{bad}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = Uuid::now_v7();
    for path in ["", "/history", "/relationships"] {
        let answer = architect
            .get(&format!("/cards/{id}{path}"))
            .await
            .expect_error(404, "NOT_FOUND");
        assert_eq!(answer.body["error"]["details"]["id"], json!(id.to_string()));
    }
    architect
        .patch(&format!("/cards/{id}"), json!({"name": "x"}))
        .await
        .expect_error(404, "NOT_FOUND");
    architect
        .delete(&format!("/cards/{id}"))
        .await
        .expect_error(404, "NOT_FOUND");
    architect
        .post(&format!("/cards/{id}/restore"), json!({}))
        .await
        .expect_error(404, "NOT_FOUND");
    architect
        .post(&format!("/cards/{id}/duplicate"), json!({}))
        .await
        .expect_error(404, "NOT_FOUND");
}
