//! Reverting a card, and the history that shows it.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

async fn revert(caller: &Caller<'_>, id: Uuid, version: i32, body: Value) -> Answer {
    let demand = format!("\"{version}\"");
    caller
        .header("If-Match", demand)
        .post(&format!("/cards/{id}/revert"), body)
        .await
}

#[tokio::test]
async fn a_card_gets_the_fields_it_had() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let fields = json!({"description": "first", "tags": ["a", "b"], "technical_fit": 2, "business_criticality": "Tier 2",
        "lifecycle": {"active": "2020-01-01"}, "attributes": {"vendor": "V", "external_ids": [{"system": "s", "id": "1"}]}});
    let id = editor.card_with("Application", "CRM", fields).await;
    let path = format!("/cards/{id}");
    let first = editor.get(&path).await.expect(200).body;
    let patch = json!({"name": "CRM 2", "description": null, "tags": [], "technical_fit": null, "lifecycle": {"active": null, "plan": "2030-01-01"},
        "business_criticality": null, "attributes": {"vendor": null, "external_ids": null, "other": 1}});
    editor.patch(&path, patch).await.expect(200);
    editor.get("/cards?filter=attributes.vendor:eq:V").await.expect(200);

    let body = json!({"version": 1, "change_reason": "wrong import"});
    editor
        .post(&format!("{path}/revert"), body.clone())
        .await
        .expect_error(428, "PRECONDITION_REQUIRED");
    revert(&editor, id, 1, body.clone())
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    let answer = revert(&editor, id, 2, body.clone()).await.expect(200);
    assert!(answer.header("etag").starts_with("W/\"3-"));
    let now = editor.get(&path).await.expect(200).body;
    for field in [
        "name",
        "description",
        "tags",
        "technical_fit",
        "business_criticality",
        "lifecycle",
        "attributes",
        "quality_score",
    ] {
        assert_eq!(now[field], first[field], "{field}");
    }
    assert_eq!(now["version"], 3);
    let history = editor.get(&format!("{path}/history")).await.expect(200).body;
    let newest = &history["data"][0];
    assert_eq!(
        (&newest["version"], &newest["action"], &newest["reason"]),
        (&json!(3), &json!("updated"), &json!("wrong import"))
    );
    assert!(newest["changed_by"].is_string() && newest["changed_at"].is_string());
    let fields: Vec<_> = newest["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["field"].as_str().unwrap())
        .collect();
    assert!(
        fields.contains(&"name") && fields.contains(&"attributes.vendor") && fields.contains(&"lifecycle.plan"),
        "{fields:?}"
    );
    // Once more changes nothing; the identifier in the other system is held again.
    assert_eq!(revert(&editor, id, 3, body).await.expect(200).body["version"], 3);
    let taken = json!({"type": "Application", "name": "X", "attributes": {"hosting_type": "SaaS", "external_ids": [{"system": "s", "id": "1"}]}});
    editor.post("/cards", taken).await.expect_error(409, "CONFLICT");
}

#[tokio::test]
async fn what_no_longer_holds_is_refused() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = admin
        .card_with(
            "Application",
            "CRM",
            json!({"attributes": {"external_ids": [{"system": "s", "id": "1"}]}}),
        )
        .await;
    let path = format!("/cards/{id}");
    admin
        .patch(
            &path,
            json!({"name": "CRM 2", "attributes": {"external_ids": null, "exit": "2027-01-01"}}),
        )
        .await
        .expect(200);
    for (body, field) in [
        (json!({}), "version"),
        (json!({"version": 0}), "version"),
        (json!({"version": 1.5}), "version"),
        (json!({"version": 4_294_967_297i64}), "version"),
        (json!({"version": 1, "force": true}), "force"),
        (json!({"version": 1, "change_reason": "x".repeat(501)}), "change_reason"),
    ] {
        let answer = revert(&admin, id, 2, body).await.expect_error(400, "VALIDATION_ERROR");
        assert_eq!(answer.body["error"]["field"], field);
    }
    let answer = revert(&admin, id, 2, json!({"version": 9}))
        .await
        .expect_error(404, "NOT_FOUND");
    assert_eq!(answer.body["error"]["details"]["kind"], "version");
    revert(&admin, Uuid::now_v7(), 1, json!({"version": 1}))
        .await
        .expect_error(404, "NOT_FOUND");

    // The name is taken, then the identifier, then a rule was added.
    let holder = admin.card("Application", "CRM").await;
    let answer = revert(&admin, id, 2, json!({"version": 1}))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(answer.body["error"]["details"]["existing_id"], json!(holder));
    admin
        .patch(
            &format!("/cards/{holder}"),
            json!({"name": "Holder", "attributes": {"external_ids": [{"system": "s", "id": "1"}]}}),
        )
        .await
        .expect(200);
    revert(&admin, id, 2, json!({"version": 1}))
        .await
        .expect_error(409, "CONFLICT");
    admin
        .patch(
            &format!("/cards/{holder}"),
            json!({"attributes": {"external_ids": null}}),
        )
        .await
        .expect(200);
    let rule =
        json!({"card_type": "Application", "key": "exit", "label": "Exit", "data_type": "date", "is_required": true});
    admin.post("/config/metamodel/rules", rule).await.expect(201);
    let answer = revert(&admin, id, 2, json!({"version": 1}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    assert_eq!(
        answer.body["error"]["details"]["violations"][0]["field"],
        "attributes.exit"
    );
    assert_eq!(admin.get(&path).await.expect(200).body["version"], 2);

    let viewer = app.login(Role::Viewer).await;
    revert(&viewer, id, 2, json!({"version": 1}))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    admin.header("If-Match", "*").delete(&path).await.expect(200);
    let answer = revert(&admin, id, 3, json!({"version": 2}))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(answer.body["error"]["details"]["deleted"], true);
}

#[tokio::test]
async fn the_same_key_reverts_once() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Application", "CRM").await;
    editor
        .patch(&format!("/cards/{id}"), json!({"name": "CRM 2"}))
        .await
        .expect(200);
    let keyed = editor.header("Idempotency-Key", "once");
    let first = revert(&keyed, id, 2, json!({"version": 1})).await.expect(200);
    let again = revert(&keyed, id, 2, json!({"version": 1})).await.expect(200);
    assert_eq!(
        (again.header("idempotent-replayed"), &again.bytes),
        ("true", &first.bytes)
    );
    assert_eq!(editor.get(&format!("/cards/{id}")).await.body["version"], 3);
}

#[tokio::test]
async fn relationships_have_a_history_too() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Architect).await;
    let [crm, db] = [
        editor.card("Application", "CRM").await,
        editor.card("ITComponent", "DB").await,
    ];
    let edge = editor.link(crm, "RELIES_ON", db).await;
    let path = format!("/relationships/{edge}");
    editor
        .patch(
            &path,
            json!({"valid_to": "2030-01-01", "change_reason": "contract ends"}),
        )
        .await
        .expect(200);
    editor.header("If-Match", "*").delete(&path).await.expect(204);
    let page = editor.get(&format!("{path}/history?limit=2")).await.expect(200).body;
    assert_eq!(page["pagination"]["total_items"], 3);
    let line = |v: &Value| {
        (
            v["version"].clone(),
            v["action"].clone(),
            v["changes"][0]["field"].clone(),
        )
    };
    assert_eq!(line(&page["data"][0]), (json!(3), json!("archived"), json!("status")));
    assert_eq!(line(&page["data"][1]), (json!(2), json!("updated"), json!("valid_to")));
    assert_eq!(page["data"][1]["reason"], "contract ends");
    let next = page["pagination"]["next_url"].as_str().unwrap();
    let rest = editor.get(next.trim_start_matches("/api/v1")).await.expect(200).body;
    assert_eq!(rest["data"][0]["action"], "created");
    editor
        .get(&format!("/relationships/{}/history", Uuid::now_v7()))
        .await
        .expect_error(404, "NOT_FOUND");
}
