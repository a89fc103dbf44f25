//! Names: unique per type, among siblings for capabilities and organisations, and as a way to refer to a card.

use archzero::auth::Role;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

async fn named(caller: &Caller<'_>, card_type: &str, name: &str) -> Answer {
    let attributes = if card_type == "Application" {
        json!({"hosting_type": "SaaS"})
    } else {
        json!({})
    };
    caller
        .post(
            "/cards",
            json!({"type": card_type, "name": name, "attributes": attributes}),
        )
        .await
}

/// Which card `{type, name}` means, found by making an edge to it from a new organisation.
async fn resolve(caller: &Caller<'_>, name: &str) -> Answer {
    let organization = caller.card("Organization", &Uuid::now_v7().to_string()).await;
    let target = json!({"type": "BusinessCapability", "name": name});
    caller
        .post(
            "/relationships",
            json!({"source_id": organization, "type": "RESPONSIBLE_FOR", "target": target}),
        )
        .await
}

#[tokio::test]
async fn names_that_look_alike_are_the_same_within_a_type() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    for (name, alike) in [
        ("SAP  ERP", &["sap erp", "SAP\u{a0}ERP", " Sap \t Erp "][..]),
        ("Straße", &["STRASSE", "strasse"]),
        ("ﬁnance", &["Finance", "FINANCE"]),
        ("Café", &["CAFE\u{301}", "café"]),
        ("Ａｐｐ １", &["App 1", "app ①"]),
        ("İstanbul", &["i\u{307}stanbul"]),
        ("ΣΊΣΥΦΟΣ", &["σίσυφος", "Σίσυφοσ"]),
    ] {
        let first = named(&editor, "Application", name).await.expect(201).id();
        for other in alike {
            let answer = named(&editor, "Application", other).await.expect_error(409, "CONFLICT");
            assert_eq!(answer.body["error"]["field"], "name", "{other}");
            assert_eq!(
                answer.body["error"]["details"]["existing_id"],
                json!(first),
                "{other} is taken by {name}"
            );
        }
        named(&editor, "Interface", name).await.expect(201);
    }
    // Letters of other scripts that merely look alike are other letters.
    named(&editor, "Application", "СRM").await.expect(201);
    named(&editor, "Application", "CRM").await.expect(201);
}

#[tokio::test]
async fn a_name_is_taken_for_renaming_and_free_again_after_deletion() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let crm = architect.card("Application", "CRM").await;
    let erp = architect.card("Application", "ERP").await;
    let path = format!("/cards/{erp}");
    let answer = architect
        .patch(&path, json!({"name": "crm"}))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(answer.body["error"]["details"]["existing_id"], json!(crm));
    let whole = json!({"type": "Application", "name": "CRM", "attributes": {"hosting_type": "SaaS"}});
    architect
        .header("if-match", "*")
        .put(&path, whole)
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(architect.get(&path).await.expect(200).body["version"], 1);
    // Another spelling of its own name is a change, not a conflict.
    let renamed = architect.patch(&path, json!({"name": "Erp"})).await.expect(200);
    assert_eq!(
        (&renamed.body["name"], &renamed.body["version"]),
        (&json!("Erp"), &json!(2))
    );
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{crm}"))
        .await
        .expect(200);
    architect.patch(&path, json!({"name": "CRM"})).await.expect(200);
}

#[tokio::test]
async fn siblings_have_different_names_and_others_need_not() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    for card_type in ["BusinessCapability", "Organization"] {
        let sales = architect.card(card_type, "Sales").await;
        let service = architect.card(card_type, "Service").await;
        let answer = named(&architect, card_type, "SALES")
            .await
            .expect_error(409, "CONFLICT");
        assert_eq!(
            answer.body["error"]["details"]["existing_id"],
            json!(sales),
            "roots are siblings"
        );
        let child = |parent: Uuid, name: &str| json!({"type": card_type, "name": name, "relationships": [{"type": "PARENT_OF", "source": parent}]});
        let first = architect
            .post("/cards", child(sales, "Planning"))
            .await
            .expect(201)
            .id();
        let answer = architect
            .post("/cards", child(sales, "planning"))
            .await
            .expect_error(409, "CONFLICT");
        assert_eq!(answer.body["error"]["details"]["existing_id"], json!(first));
        let other = architect
            .post("/cards", child(service, "Planning"))
            .await
            .expect(201)
            .id();
        named(&architect, card_type, "Planning").await.expect(201);
        // Renaming and moving are checked, too.
        let third = architect
            .post("/cards", child(sales, "Forecast"))
            .await
            .expect(201)
            .id();
        architect
            .patch(&format!("/cards/{third}"), json!({"name": "PLANNING"}))
            .await
            .expect_error(409, "CONFLICT");
        let edges = architect
            .get(&format!("/relationships?target_id={other}"))
            .await
            .expect(200);
        let edge = edges.body["data"][0]["id"].as_str().unwrap();
        let path = format!("/relationships/{edge}");
        let answer = architect.header("if-match", "*").delete(&path).await;
        answer.expect_error(409, "CONFLICT"); // it would become a root beside the root Planning
        architect.get(&path).await.expect(200);
    }
}

#[tokio::test]
async fn siblings_at_different_times_may_share_a_name() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let parent = editor.card("BusinessCapability", "Sales").await;
    let child = |from: &str, to: &str| {
        let mut edge = json!({"type": "PARENT_OF", "source": parent});
        for (name, date) in [("valid_from", from), ("valid_to", to)] {
            if !date.is_empty() {
                edge[name] = json!(date);
            }
        }
        json!({"type": "BusinessCapability", "name": "Planning", "relationships": [edge]})
    };
    editor.post("/cards", child("", "2025-12-31")).await.expect(201);
    let second = editor.post("/cards", child("2026-01-01", "")).await.expect(201).id();
    editor
        .post("/cards", child("2025-06-01", "2025-06-01"))
        .await
        .expect_error(409, "CONFLICT");
    let edges = editor
        .get(&format!("/relationships?target_id={second}"))
        .await
        .expect(200);
    let path = format!("/relationships/{}", edges.body["data"][0]["id"].as_str().unwrap());
    editor
        .patch(&path, json!({"valid_from": "2025-12-31"}))
        .await
        .expect_error(409, "CONFLICT");
    editor
        .patch(&path, json!({"valid_from": "2026-03-01"}))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_path_names_a_card_and_a_bare_name_only_an_unambiguous_one() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let parents = ["Sales", "Service", r"R/D \ Lab"];
    let mut children = Vec::new();
    for parent in parents {
        let parent = editor.card("BusinessCapability", parent).await;
        let relationships = json!([{"type": "PARENT_OF", "source": parent}]);
        let child = editor
            .card_with(
                "BusinessCapability",
                "Planning",
                json!({"relationships": relationships}),
            )
            .await;
        let relationships = json!([{"type": "PARENT_OF", "source": child}]);
        editor
            .card_with(
                "BusinessCapability",
                "Short term",
                json!({"relationships": relationships}),
            )
            .await;
        children.push(child);
    }
    let unique = editor.card("BusinessCapability", "Only / Once").await;
    for (name, expected) in [
        ("Sales / Planning", children[0]),
        ("SALES/planning", children[0]),
        (" Service  /  Planning ", children[1]),
        (r"R\/D \\ Lab / Planning", children[2]),
        // No such path, but a card of that very name.
        ("only / once", unique),
        (r"Only \/ Once", unique),
    ] {
        let edge = resolve(&editor, name).await.expect(201);
        assert_eq!(edge.body["target_id"], json!(expected), "{name}");
    }
    let answer = resolve(&editor, "Planning").await.expect_error(409, "CONFLICT");
    let candidates = answer.body["error"]["details"]["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 3);
    for child in children {
        assert!(candidates.iter().any(|c| c["id"] == json!(child)), "{candidates:?}");
    }
    resolve(&editor, "Sales / Nothing").await.expect_error(404, "NOT_FOUND");
    resolve(&editor, "Sales / Planning / Short term").await.expect(201);
    resolve(&editor, "Planning / Short term")
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_path_is_found_among_many_cards_of_the_same_name() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let mut operations = Vec::new();
    for n in 0..30 {
        operations.push(json!({"op": "create", "card": {"type": "BusinessCapability", "name": format!("P{n}")}}));
        operations
            .push(json!({"op": "create", "card": {"type": "BusinessCapability", "name": format!("Reporting {n}")}}));
        let edge = json!({"source": format!("${}", 3 * n), "type": "PARENT_OF", "target": format!("${}", 3 * n + 1)});
        operations.push(json!({"op": "create", "entity": "relationship", "relationship": edge}));
    }
    for n in 0..30 {
        let id = format!("${}", 3 * n + 1);
        operations.push(json!({"op": "update", "id": id, "card": {"name": "Reporting"}}));
    }
    let report = editor
        .post("/cards/bulk", json!({"operations": operations}))
        .await
        .expect(200);
    for n in [0, 15, 29] {
        let edge = resolve(&editor, &format!("P{n} / Reporting")).await.expect(201);
        assert_eq!(edge.body["target_id"], report.body["results"][3 * n + 1]["id"]);
    }
    let answer = resolve(&editor, "Reporting").await.expect_error(409, "CONFLICT");
    assert!(answer.body["error"]["details"]["candidates"].as_array().unwrap().len() >= 20);
}

#[tokio::test]
async fn a_batch_may_pass_through_names_that_would_not_do() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let a = editor.card("BusinessCapability", "A").await;
    let b = editor.card("BusinessCapability", "B").await;
    let swap = json!({"operations": [
        {"op": "update", "id": a, "card": {"name": "B"}},
        {"op": "update", "id": b, "card": {"name": "A"}},
    ]});
    editor.post("/cards/bulk", swap).await.expect(200);
    assert_eq!(editor.get(&format!("/cards/{a}")).await.body["name"], "B");
    let clash = json!({"operations": [{"op": "update", "id": a, "card": {"name": "A"}}]});
    editor
        .post("/cards/bulk", clash.clone())
        .await
        .expect_error(409, "CONFLICT");
    let mut each = clash;
    each["atomic"] = json!(false);
    each["operations"]
        .as_array_mut()
        .unwrap()
        .push(json!({"op": "create", "card": {"type": "Interface", "name": "I"}}));
    let report = editor.post("/cards/bulk", each).await.expect(200).body;
    assert_eq!(
        report["results"][0]["error"]["code"], "CONFLICT",
        "each operation for itself: {report}"
    );
    assert_eq!(report["results"][1]["status"], "created");
    assert_eq!(editor.get(&format!("/cards/{a}")).await.body["name"], "B");
}
