//! A card that the caller may not see can stand in the way of what they do. They are told that, and not which it is.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

/// The answer, if it names neither a hidden card nor a relationship of one.
#[track_caller]
fn silent(answer: Answer, secrets: &[&dyn ToString]) -> Answer {
    let text = String::from_utf8_lossy(&answer.bytes).into_owned();
    for secret in secrets {
        assert!(
            !text.contains(&secret.to_string()),
            "{} is named in {text}",
            secret.to_string()
        );
    }
    answer
}

/// Somebody who may do everything to applications, components and capabilities, and sees nothing else.
async fn restricted(app: &TestApp) -> Caller<'_> {
    let own = json!(["Application", "ITComponent", "BusinessCapability"]);
    app.login_with_role(json!({"view": own, "create": own, "edit": own, "delete": own}))
        .await
        .header("if-match", "*")
}

#[tokio::test]
async fn ids_and_identifiers_of_hidden_cards_are_taken_without_a_word_more() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let caller = restricted(&app).await;
    let other = json!([{"system": "cmdb", "id": "77"}]);
    let hidden = admin
        .card_with(
            "Organization",
            "Secret Unit",
            json!({"attributes": {"external_ids": other}}),
        )
        .await;
    let body = json!({"type": "ITComponent", "name": "Mine", "attributes": {"category": "Software"}});
    let taken = caller.put(&format!("/cards/{hidden}"), body.clone()).await;
    let taken = silent(
        taken.expect_error(409, "CONFLICT"),
        &[&"Secret Unit", &"Organization", &"deleted"],
    );
    assert!(taken.body["error"]["details"]["existing_id"].is_null());

    let mut with_id = body.clone();
    with_id["id"] = json!(hidden);
    for op in ["create", "upsert"] {
        let batch = json!({"atomic": false, "operations": [{"op": op, "card": with_id}]});
        let answer = silent(
            caller.post("/cards/bulk", batch).await.expect(200),
            &[&hidden, &"Secret Unit"],
        );
        assert_eq!(answer.body["results"][0]["error"]["code"], "CONFLICT", "{op}");
    }
    let mut with_external = body.clone();
    with_external["attributes"]["external_ids"] = other.clone();
    for op in ["create", "upsert"] {
        let batch = json!({"atomic": false, "operations": [{"op": op, "card": with_external}]});
        let answer = silent(
            caller.post("/cards/bulk", batch).await.expect(200),
            &[&hidden, &"Secret Unit"],
        );
        let error = &answer.body["results"][0]["error"];
        assert_eq!(
            (&error["code"], &error["details"]["hidden"]),
            (&json!("CONFLICT"), &json!(true)),
            "{op}: {error}"
        );
    }
    // Naming it by what another system calls it finds nothing either.
    let by_other = json!({"operations": [{"op": "tag", "id": {"system": "cmdb", "id": "77"}, "tags": ["x"]}]});
    silent(
        caller
            .post("/cards/bulk", by_other)
            .await
            .expect_error(404, "NOT_FOUND"),
        &[&hidden],
    );
    let by_name = json!({"operations": [{"op": "delete", "id": {"type": "Organization", "name": "Secret Unit"}}]});
    silent(
        caller.post("/cards/bulk", by_name).await.expect_error(404, "NOT_FOUND"),
        &[&hidden],
    );
}

#[tokio::test]
async fn hidden_relationships_stand_in_the_way_without_a_name() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let caller = app
        .login_with_role(json!({"view": ["Application", "Interface", "ITComponent"], "edit": ["Application"]}))
        .await;
    let (one, two) = (
        admin.card("Application", "One").await,
        admin.card("Application", "Two").await,
    );
    let interface = admin.card("Interface", "Feed").await;
    admin.link(one, "PROVIDES", interface).await;
    let cardinality = json!({"source_id": two, "type": "PROVIDES", "target_id": interface});
    let named = caller
        .post("/relationships", cardinality.clone())
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    assert_eq!(named.body["error"]["details"]["source_id"], json!(one));

    let hidden = admin.card("Organization", "Secret Unit").await;
    let edge = admin.link(one, "OWNED_BY", hidden).await;
    for path in [format!("/relationships/{edge}"), format!("/cards/{hidden}")] {
        silent(
            caller.get(&path).await.expect_error(404, "NOT_FOUND"),
            &[&"Secret Unit"],
        );
    }
    let end = json!({"source_id": two, "type": "OWNED_BY", "target_id": hidden});
    let refused = silent(
        caller.post("/relationships", end).await.expect_error(404, "NOT_FOUND"),
        &[&"Secret Unit"],
    );
    assert_eq!(refused.body["error"]["details"]["end"], "target_id");
    let itself = json!({"source_id": hidden, "type": "OWNED_BY", "target_id": hidden});
    silent(
        caller.post("/relationships", itself).await,
        &[&"Secret Unit", &"Organization"],
    );
    let upsert = json!({"operations": [{"op": "upsert", "entity": "relationship",
        "relationship": {"source": one, "type": "OWNED_BY", "target": hidden}}]});
    silent(
        caller.post("/cards/bulk", upsert).await.expect_error(404, "NOT_FOUND"),
        &[&edge, &"Secret Unit"],
    );
    let change = json!({"description": "seen"});
    caller
        .patch(&format!("/relationships/{edge}"), change)
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_cardinality_that_a_hidden_card_fills_is_not_explained() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    // Cardinality holds per row of the ontology: what stands in the way is of another type where a card may have one
    // target out of several types.
    let caller = app
        .login_with_role(json!({"view": ["Application", "Organization"], "edit": ["Application"]}))
        .await;
    let body = json!({"source_type": "Application", "type": "KEPT_BY", "target_types": ["Organization", "Provider"],
        "cardinality": "M:1", "inverse_label": "KEEPS", "dependent": "none"});
    admin.post("/config/relationship-types", body).await.expect(201);
    let (kind, hidden_type) = ("KEPT_BY", "Provider");
    let application = admin.card("Application", "One").await;
    let hidden = admin.card(hidden_type, "Secret Keeper").await;
    let edge = admin.link(application, kind, hidden).await;
    let organization = admin.card("Organization", "Open Unit").await;
    let body = json!({"source_id": application, "type": kind, "target_id": organization});
    let refused = caller
        .post("/relationships", body)
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    let refused = silent(refused, &[&hidden, &edge, &"Secret Keeper", &hidden_type]);
    assert_eq!(refused.body["error"]["details"], json!({"hidden": true}));
}

#[tokio::test]
async fn what_goes_with_a_deletion_must_be_ones_own_to_delete() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await.header("if-match", "*");
    let blind = restricted(&app).await;
    let all = json!(["Application", "Interface"]);
    let seeing = app
        .login_with_role(json!({"view": all, "edit": ["Application"], "delete": ["Application"]}))
        .await
        .header("if-match", "*");
    let application = admin.card("Application", "Provider").await;
    let interface = admin.card("Interface", "Secret Feed").await;
    admin.link(application, "PROVIDES", interface).await;
    let organization = admin.card("Organization", "Secret Unit").await;
    let owned = admin.link(application, "OWNED_BY", organization).await;
    let path = format!("/cards/{application}");

    let refused = silent(
        blind.delete(&path).await.expect_error(409, "HAS_DEPENDENTS"),
        &[&"Secret", &interface],
    );
    assert_eq!(refused.body["error"]["details"]["hidden"], true);
    let refused = seeing.delete(&path).await.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    assert_eq!(refused.body["error"]["details"]["card_type"], "Interface");

    admin.delete(&path).await.expect(200);
    let restore = format!("{path}/restore");
    let refused = silent(
        blind.post(&restore, json!({})).await.expect_error(409, "CONFLICT"),
        &[&"Secret", &interface],
    );
    let obstacles = refused.body["error"]["details"]["obstacles"].as_array().unwrap();
    assert!(
        obstacles
            .iter()
            .all(|o| o["id"].is_null() && o["details"]["hidden"] == true),
        "{obstacles:?}"
    );
    let forced = blind
        .post(&format!("{restore}?force=true"), json!({}))
        .await
        .expect(200);
    let forced = silent(forced, &[&"Secret", &interface, &owned]);
    assert_eq!(forced.body["restored_cards"][0]["id"], json!(application));
    assert!(!forced.body["left"].as_array().unwrap().is_empty());
    // The relationship to a card that only others see came back all the same.
    let around = admin.get(&format!("/relationships?card_id={organization}")).await;
    assert_eq!(around.body["data"][0]["id"], json!(owned));

    let gone = silent(blind.delete(&path).await.expect(200), &[&"Secret", &owned]);
    assert_eq!(gone.body["archived_relationships"], json!([]));
}

#[tokio::test]
async fn references_to_hidden_cards_stay_and_cannot_be_made() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let rule = json!({"card_type": "Application", "key": "keeper", "label": "Keeper", "data_type": "card"});
    admin.post("/config/metamodel/rules", rule).await.expect(201);
    let caller = restricted(&app).await;
    let keeper = admin.card("Organization", "Secret Unit").await;
    let kept = admin
        .card_with("Application", "Kept", json!({"attributes": {"keeper": keeper}}))
        .await;
    let free = admin.card("Application", "Free").await;
    let refused = caller
        .patch(&format!("/cards/{free}"), json!({"attributes": {"keeper": keeper}}))
        .await;
    let refused = refused.expect_error(400, "VALIDATION_ERROR");
    assert_eq!(
        refused.body["error"]["details"]["violations"][0]["code"],
        json!("UNKNOWN_REFERENCE")
    );
    let changed = caller
        .patch(&format!("/cards/{kept}"), json!({"description": "still kept"}))
        .await
        .expect(200);
    assert_eq!(changed.body["attributes"]["keeper"], json!(keeper));
}

#[tokio::test]
async fn a_trial_of_a_rule_tells_only_of_visible_cards() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    admin.card("Application", "Secret One").await;
    admin.card("Provider", "Open One").await;
    let caller = app
        .login_with_role(json!({"view": ["Provider"], "manage_metamodel": true}))
        .await;
    for (card_type, checked) in [("Provider", 1), ("Application", 0)] {
        let rule = json!({"card_type": card_type, "key": "wanted", "label": "Wanted", "data_type": "string", "is_required": true});
        let trial = caller
            .post("/config/metamodel/rules?dry_run=true", rule)
            .await
            .expect(200);
        let trial = silent(trial, &[&"Secret"]);
        assert_eq!(
            (&trial.body["checked"], &trial.body["violating"]),
            (&json!(checked), &json!(checked))
        );
    }
}

#[tokio::test]
async fn one_who_sees_nothing_gets_empty_lists() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id: Uuid = admin.card("Application", "One").await;
    let nobody = app.login_with_role(json!({"view": [], "read_audit": true})).await;
    let refused = nobody.get("/cards").await.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    assert_eq!(refused.body["error"]["details"]["required_permission"], "view");
    let elsewhere = app.login_with_role(json!({"view": ["Risk"]})).await;
    let list = elsewhere.get("/cards?include_total=true&cursor=").await.expect(200);
    assert_eq!(
        (&list.body["data"], &list.body["pagination"]["total_items"]),
        (&json!([]), &json!(0))
    );
    elsewhere
        .get(&format!("/cards/{id}"))
        .await
        .expect_error(404, "NOT_FOUND");
    assert_eq!(
        elsewhere.get("/graph/orphans").await.expect(200).body["kinds"][0]["count"],
        Value::from(0)
    );
}
