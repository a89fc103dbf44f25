//! Changing cards: PUT, PATCH, preconditions, duplicates and history.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::TestApp,
    probe::{by_cursor, by_page, rows, violations},
};

fn interface(name: &str) -> Value {
    json!({"type": "Interface", "name": name})
}

#[tokio::test]
async fn put_creates_under_an_id_of_ones_own_and_replaces() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = Uuid::new_v4();
    let path = format!("/cards/{id}");
    let whole = json!({"type": "Application", "name": "CRM", "description": "d", "tags": ["t"], "technical_fit": 2,
        "lifecycle": {"active": "2020-01-01"}, "attributes": {"hosting_type": "SaaS", "vendor": "V"}, "id": id});
    editor
        .header("if-match", "\"1\"")
        .put(&path, whole.clone())
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    let created = editor.put(&path, whole.clone()).await.expect(201);
    assert_eq!(created.header("location"), format!("/api/v1{path}"));
    assert_eq!((created.id(), &created.body["version"]), (id, &json!(1)));
    editor
        .put(&path, whole.clone())
        .await
        .expect_error(428, "PRECONDITION_REQUIRED");
    let same = editor.header("if-match", "\"1\"").put(&path, whole).await.expect(200);
    assert_eq!(same.body["version"], 1, "replacing a card by itself changes nothing");

    let less = json!({"type": "Application", "name": "CRM", "attributes": {"hosting_type": "PaaS"}});
    let replaced = editor
        .header("if-match", created.header("etag"))
        .put(&path, less)
        .await
        .expect(200);
    assert_eq!(replaced.body["version"], 2);
    assert_eq!(
        replaced.body["attributes"],
        json!({"hosting_type": "PaaS"}),
        "what is not sent is emptied"
    );
    for empty in ["description", "technical_fit"] {
        assert!(replaced.body[empty].is_null(), "{empty}");
    }
    assert_eq!(
        (&replaced.body["tags"], &replaced.body["lifecycle"]),
        (&json!([]), &json!({}))
    );
    assert_eq!(editor.get(&path).await.expect(200).body, replaced.body);

    let other = json!({"type": "Interface", "name": "CRM"});
    let answer = editor
        .header("if-match", "*")
        .put(&path, other)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    assert_eq!(violations(&answer), [("type".into(), "READ_ONLY".into())]);
    let mut wrong_id = interface("I");
    wrong_id["id"] = json!(Uuid::now_v7());
    let answer = editor
        .put(&format!("/cards/{}", Uuid::now_v7()), wrong_id)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    assert_eq!(violations(&answer), [("id".into(), "READ_ONLY".into())]);
}

#[tokio::test]
async fn an_id_belongs_to_its_card_even_when_deleted() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = architect.card("Interface", "I").await;
    let path = format!("/cards/{id}");
    architect.header("if-match", "*").delete(&path).await.expect(200);
    let answer = architect
        .header("if-match", "*")
        .put(&path, interface("J"))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(
        answer.body["error"]["details"],
        json!({"existing_id": id, "deleted": true})
    );
    architect
        .patch(&path, json!({"name": "J"}))
        .await
        .expect_error(404, "NOT_FOUND");
    architect.get(&path).await.expect_error(404, "NOT_FOUND");
    let create = json!({"operations": [{"op": "create", "card": {"id": id, "type": "Interface", "name": "J"}}]});
    architect
        .post("/cards/bulk", create)
        .await
        .expect_error(409, "CONFLICT");
}

#[tokio::test]
async fn a_patch_merges() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let more = json!({"description": "d", "tags": ["a", "b"], "business_criticality": "Tier 2",
        "lifecycle": {"plan": "2020-01-01", "active": "2021-01-01"},
        "attributes": {"vendor": "V", "financials": {"estimated_annual_cost": 5, "currency": "EUR"}, "own": {"deep": {"a": 1, "b": 2}, "list": [1, 2]}}});
    let id = editor.card_with("Application", "CRM", more).await;
    let path = format!("/cards/{id}");
    let patch = json!({"tags": ["c"], "description": null, "lifecycle": {"plan": null, "eol": "2030-01-01"},
        "attributes": {"vendor": null, "financials": {"estimated_annual_cost": 7}, "own": {"deep": {"a": null, "c": 3}, "list": [3]}}});
    let patched = editor
        .header("content-type", "application/merge-patch+json")
        .patch(&path, patch)
        .await
        .expect(200)
        .body;
    assert_eq!(patched["version"], 2);
    assert_eq!(
        (&patched["description"], &patched["tags"]),
        (&json!(null), &json!(["c"]))
    );
    assert_eq!(
        patched["lifecycle"],
        json!({"active": "2021-01-01", "eol": "2030-01-01"})
    );
    assert_eq!(patched["business_criticality"], "Tier 2");
    let attributes = json!({"hosting_type": "SaaS", "financials": {"estimated_annual_cost": 7, "currency": "EUR"},
        "own": {"deep": {"b": 2, "c": 3}, "list": [3]}});
    assert_eq!(patched["attributes"], attributes);
    assert_eq!(editor.get(&path).await.expect(200).body, patched);

    let answer = editor
        .patch(&path, json!({"colour": null, "version": null, "lifecycle": {"eol": "2010-01-01"}, "attributes": {"hosting_type": null}}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let found = violations(&answer);
    for (field, code) in [
        ("colour", "UNKNOWN_FIELD"),
        ("version", "READ_ONLY"),
        ("lifecycle.eol", "DATES_OUT_OF_ORDER"),
        ("attributes.hosting_type", "REQUIRED"),
    ] {
        assert!(found.contains(&(field.into(), code.into())), "{field} in {found:?}");
    }
    assert_eq!(editor.get(&path).await.expect(200).body, patched);
}

#[tokio::test]
async fn a_patch_that_changes_nothing_writes_nothing() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let numbers = json!({"a": 1.0, "b": 1e2, "c": 1e17, "d": 1e25, "e": -0.0, "f": 9_223_372_036_854_775_808_u64, "g": 1e-9, "h": 0.1, "i": 123_456_789.25});
    let id = editor
        .card_with(
            "Application",
            "CRM",
            json!({"tags": ["a"], "attributes": {"numbers": numbers}}),
        )
        .await;
    let path = format!("/cards/{id}");
    let before = rows(&app).await;
    let first = editor.get(&path).await.expect(200);
    for patch in [
        json!({}),
        json!({"change_reason": "none"}),
        json!({"name": " CRM ", "tags": [" a ", "a"], "description": null, "lifecycle": {}, "functional_fit": null}),
        json!({"attributes": {"numbers": numbers, "hosting_type": "SaaS", "nothing": null}}),
        json!({"description": ""}),
    ] {
        let answer = editor.patch(&path, patch.clone()).await.expect(200);
        assert_eq!(answer.body, first.body, "{patch}");
        assert_eq!(answer.header("etag"), first.header("etag"));
    }
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn if_match_guards_every_change() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = architect.card("Interface", "I").await;
    let path = format!("/cards/{id}");
    let first = architect.get(&path).await.expect(200).header("etag").to_owned();
    architect
        .header("if-match", &first)
        .patch(&path, json!({"tags": ["1"]}))
        .await
        .expect(200);
    for stale in [first.as_str(), "\"1\"", "\"7\"", "W/\"1-whatever\""] {
        let answer = architect
            .header("if-match", stale)
            .patch(&path, json!({"tags": ["2"]}))
            .await;
        let answer = answer.expect_error(412, "PRECONDITION_FAILED");
        assert_eq!(answer.body["error"]["details"]["current_version"], 2);
        architect
            .header("if-match", stale)
            .put(&path, interface("I"))
            .await
            .expect_error(412, "PRECONDITION_FAILED");
        architect
            .header("if-match", stale)
            .delete(&path)
            .await
            .expect_error(412, "PRECONDITION_FAILED");
    }
    for bad in ["2", "\"x\"", "", "W/\"\"", "\"2\", \"3\""] {
        architect
            .header("if-match", bad)
            .patch(&path, json!({"tags": ["2"]}))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    architect.delete(&path).await.expect_error(428, "PRECONDITION_REQUIRED");
    architect
        .put(&path, interface("I"))
        .await
        .expect_error(428, "PRECONDITION_REQUIRED");
    assert_eq!(architect.get(&path).await.expect(200).body["version"], 2);
    architect
        .header("if-match", "*")
        .patch(&path, json!({"tags": ["3"]}))
        .await
        .expect(200);
    architect.patch(&path, json!({"tags": ["4"]})).await.expect(200);
    architect.header("if-match", "\"4\"").delete(&path).await.expect(200);
}

#[tokio::test]
async fn the_source_of_a_tier_is_kept() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Application", "CRM").await;
    let path = format!("/cards/{id}");
    assert!(editor.get(&path).await.body["criticality_source"].is_null());
    let set = editor
        .patch(&path, json!({"business_criticality": "Tier 3"}))
        .await
        .expect(200);
    assert_eq!(set.body["criticality_source"], "manual");
    let cleared = editor
        .patch(&path, json!({"business_criticality": null}))
        .await
        .expect(200);
    assert!(cleared.body["criticality_source"].is_null() && cleared.body["business_criticality"].is_null());
    let answer = editor
        .patch(&path, json!({"criticality_source": "derived"}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    assert_eq!(violations(&answer), [("criticality_source".into(), "READ_ONLY".into())]);
}

#[tokio::test]
async fn external_ids_are_unique_per_system() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let with = |entries: Value| json!({"attributes": {"external_ids": entries}});
    let first = architect
        .card_with(
            "Interface",
            "A",
            with(json!([{"system": "cmdb", "id": "1"}, {"system": "sap", "id": "1"}])),
        )
        .await;
    let second = architect
        .card_with("Interface", "B", with(json!([{"system": "cmdb", "id": "2"}])))
        .await;
    let path = format!("/cards/{second}");
    let answer = architect
        .patch(&path, with(json!([{"system": "sap", "id": "1"}])))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(answer.body["error"]["field"], "attributes.external_ids");
    assert_eq!(architect.get(&path).await.body["version"], 1);
    let mut taken = interface("C");
    taken["attributes"] = json!({"external_ids": [{"system": "cmdb", "id": "1"}]});
    architect
        .post("/cards", taken.clone())
        .await
        .expect_error(409, "CONFLICT");
    let twice = architect
        .patch(
            &path,
            with(json!([{"system": "x", "id": "1"}, {"system": "x", "id": "1"}])),
        )
        .await;
    twice.expect_error(400, "VALIDATION_ERROR");
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{first}"))
        .await
        .expect(200);
    architect.post("/cards", taken).await.expect(201);
    let answer = architect
        .post(&format!("/cards/{first}/restore"), json!({}))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(answer.body["error"]["details"]["obstacles"][0]["id"], json!(first));
}

#[tokio::test]
async fn a_duplicate_has_the_fields_but_neither_edges_nor_foreign_ids() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let more = json!({"description": "d", "tags": ["t"], "functional_fit": 3, "lifecycle": {"active": "2020-01-01"},
        "attributes": {"vendor": "V", "external_ids": [{"system": "cmdb", "id": "1"}]}});
    let id = editor.card_with("Application", "CRM", more).await;
    let db = editor.card("ITComponent", "DB").await;
    editor.link(id, "RELIES_ON", db).await;
    let path = format!("/cards/{id}/duplicate");
    let copy = editor.post(&path, json!({})).await.expect(201);
    assert_eq!(copy.header("location"), format!("/api/v1/cards/{}", copy.id()));
    assert_eq!(copy.body["name"], "CRM (copy)");
    assert_eq!(copy.body["attributes"], json!({"hosting_type": "SaaS", "vendor": "V"}));
    for field in ["description", "tags", "functional_fit", "lifecycle", "quality_score"] {
        assert_eq!(
            copy.body[field],
            editor.get(&format!("/cards/{id}")).await.body[field],
            "{field}"
        );
    }
    assert_eq!(
        editor
            .get(&format!("/cards/{}/relationships", copy.id()))
            .await
            .expect(200)
            .body["total"],
        0
    );
    editor.post(&path, json!({})).await.expect_error(409, "CONFLICT");
    editor
        .post(&path, json!({"name": "crm"}))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(
        editor.post(&path, json!({"name": " CRM 2 "})).await.expect(201).body["name"],
        "CRM 2"
    );
    for bad in [
        json!({"name": ""}),
        json!({"name": null}),
        json!({"name": 5}),
        json!({"title": "x"}),
        json!({"name": "x".repeat(256)}),
    ] {
        editor.post(&path, bad).await.expect_error(400, "VALIDATION_ERROR");
    }
    let long = editor.card("Interface", &"é".repeat(255)).await;
    let copy = editor
        .post(&format!("/cards/{long}/duplicate"), json!({}))
        .await
        .expect(201);
    let name = copy.body["name"].as_str().unwrap();
    assert!(name.chars().count() == 255 && name.ends_with(" (copy)"), "{name}");
}

#[tokio::test]
async fn history_tells_what_changed_who_when_and_why() {
    let app = TestApp::start().await;
    let (user, email) = app.user(&[Role::Architect]).await;
    let architect = app.login_as(&email).await.header("x-request-id", "history-test-1");
    let card =
        json!({"type": "Interface", "name": "I", "attributes": {"protocol": "HTTPS"}, "change_reason": "found it"});
    let id = architect.post("/cards", card).await.expect(201).id();
    let path = format!("/cards/{id}");
    let patch = json!({"name": "J", "tags": ["t"], "lifecycle": {"eol": "2030-01-01"}, "attributes": {"protocol": null, "own": {"x": 1}}, "change_reason": "corrected"});
    architect.patch(&path, patch).await.expect(200);
    architect
        .header("if-match", "*")
        .delete(&format!("{path}?change_reason=gone"))
        .await
        .expect(200);
    architect
        .post(&format!("{path}/restore?change_reason=back"), json!({}))
        .await
        .expect(200);

    let history = architect.get(&format!("{path}/history")).await.expect(200).body;
    let versions = history["data"].as_array().unwrap();
    let told: Vec<_> = versions
        .iter()
        .map(|v| {
            (
                v["version"].as_i64().unwrap(),
                v["action"].as_str().unwrap(),
                v["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (4, "restored", "back"),
            (3, "deleted", "gone"),
            (2, "updated", "corrected"),
            (1, "created", "found it")
        ]
    );
    for version in versions {
        assert_eq!(
            (&version["changed_by"], &version["request_id"]),
            (&json!(user), &json!("history-test-1"))
        );
        assert!(version["changed_at"].as_str().unwrap().ends_with('Z'));
    }
    let change = |field: &str, before: Value, after: Value| json!({"field": field, "before": before, "after": after});
    assert_eq!(
        versions[2]["changes"],
        json!([
            change("attributes.own.x", json!(null), json!(1)),
            change("attributes.protocol", json!("HTTPS"), json!(null)),
            change("lifecycle.eol", json!(null), json!("2030-01-01")),
            change("name", json!("I"), json!("J")),
            change("quality_score", json!(25), json!(75)),
            change("tags", json!([]), json!(["t"])),
        ])
    );
    for (version, fields) in [
        (0, vec!["deleted_at"]),
        (1, vec!["deleted_at"]),
        (3, vec!["attributes.protocol", "name", "quality_score", "type"]),
    ] {
        let told: Vec<_> = versions[version]["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["field"].as_str().unwrap())
            .collect();
        assert_eq!(told, fields);
    }
}

#[tokio::test]
async fn history_is_a_list_like_any_other() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let policy = architect.card("ArchitecturePolicy", "P").await;
    let exception = architect.card("Exception", "E").await;
    architect.link(exception, "EXEMPTS_FROM", policy).await;
    let path = format!("/cards/{exception}");
    for n in 0..6 {
        architect
            .patch(&path, json!({"tags": [n.to_string()]}))
            .await
            .expect(200);
    }
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{policy}"))
        .await
        .expect(200);
    let history = format!("{path}/history");
    let pages = by_page(&architect, &history, 3).await;
    assert_eq!(by_cursor(&architect, &history, 2).await, pages);
    let versions: Vec<_> = pages
        .iter()
        .filter(|v| v["action"] != "scored")
        .map(|v| v["version"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, [7, 6, 5, 4, 3, 2, 1]);
}
