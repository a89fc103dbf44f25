//! Rights per card type in every write: what the type allows is done, what it does not is refused with the permission,
//! the type and the caller's roles.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

#[track_caller]
fn refused(answer: Answer, permission: &str, card_type: &str) {
    let answer = answer.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let details = &answer.body["error"]["details"];
    assert_eq!(
        (&details["required_permission"], &details["card_type"]),
        (&json!(permission), &json!(card_type)),
        "{details}"
    );
    assert_eq!(details["user_roles"], json!(["Application owner"]), "{details}");
}

/// Edits applications, creates interfaces and deletes components; sees those and providers.
async fn owner(app: &TestApp) -> Caller<'_> {
    app.login_with_role(json!({
        "name": "Application owner",
        "view": ["Application", "Interface", "ITComponent", "Provider"],
        "create": ["Interface"], "edit": ["Application"], "delete": ["ITComponent"],
    }))
    .await
    .header("if-match", "*")
}

fn component(name: &str) -> Value {
    json!({"type": "ITComponent", "name": name, "attributes": {"category": "Software"}})
}

#[tokio::test]
async fn cards() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await.header("if-match", "*");
    let owner = owner(&app).await;
    let (application, part) = (
        admin.card("Application", "Shop").await,
        admin.card("ITComponent", "Database").await,
    );
    let hidden = admin.card("Organization", "Unit").await;
    let [shop, database, unit] = [application, part, hidden].map(|id| format!("/cards/{id}"));

    owner
        .post("/cards", json!({"type": "Interface", "name": "Feed"}))
        .await
        .expect(201);
    refused(owner.post("/cards", component("New")).await, "create", "ITComponent");
    refused(
        owner
            .post("/cards", json!({"type": "Organization", "name": "New"}))
            .await,
        "create",
        "Organization",
    );

    owner.patch(&shop, json!({"description": "Sells"})).await.expect(200);
    refused(
        owner.patch(&database, json!({"description": "Keeps"})).await,
        "edit",
        "ITComponent",
    );
    // Also when nothing would change.
    refused(
        owner.patch(&database, json!({"name": "Database"})).await,
        "edit",
        "ITComponent",
    );
    owner
        .patch(&unit, json!({"description": "Who?"}))
        .await
        .expect_error(404, "NOT_FOUND");

    let body = json!({"type": "Application", "name": "Shop", "attributes": {"hosting_type": "SaaS"}});
    owner.put(&shop, body).await.expect(200);
    refused(owner.put(&database, component("Database")).await, "edit", "ITComponent");
    refused(
        owner.put(&format!("/cards/{}", Uuid::now_v7()), component("New")).await,
        "create",
        "ITComponent",
    );

    refused(
        owner.post(&format!("{shop}/duplicate"), json!({})).await,
        "create",
        "Application",
    );
    owner
        .post(&format!("{unit}/duplicate"), json!({}))
        .await
        .expect_error(404, "NOT_FOUND");

    refused(owner.delete(&shop).await, "delete", "Application");
    owner.delete(&unit).await.expect_error(404, "NOT_FOUND");
    owner.delete(&database).await.expect(200);
    owner.post(&format!("{database}/restore"), json!({})).await.expect(200);
    admin.delete(&shop).await.expect(200);
    admin.delete(&unit).await.expect(200);
    refused(
        owner.post(&format!("{shop}/restore"), json!({})).await,
        "delete",
        "Application",
    );
    owner
        .post(&format!("{unit}/restore"), json!({}))
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn relationships_belong_to_their_source() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await.header("if-match", "*");
    let owner = owner(&app).await;
    let application = admin.card("Application", "Shop").await;
    let (part, provider) = (
        admin.card("ITComponent", "Database").await,
        admin.card("Provider", "Vendor").await,
    );

    let made = owner.link(application, "RELIES_ON", part).await;
    let path = format!("/relationships/{made}");
    owner.patch(&path, json!({"valid_to": "2030-12-31"})).await.expect(200);
    refused(owner.delete(&path).await, "delete", "Application");

    let other = json!({"source_id": part, "type": "PROVIDED_BY", "target_id": provider});
    refused(owner.post("/relationships", other).await, "edit", "ITComponent");
    let theirs = admin.link(part, "PROVIDED_BY", provider).await;
    let path = format!("/relationships/{theirs}");
    refused(
        owner.patch(&path, json!({"description": "Bought"})).await,
        "edit",
        "ITComponent",
    );
    refused(owner.patch(&path, json!({})).await, "edit", "ITComponent");
    // Deleting goes by the source as well: components may be deleted, so their relationships may.
    owner.delete(&path).await.expect(204);

    // A new card's relationships are no exception.
    let with_edge =
        json!({"type": "Interface", "name": "Feed", "relationships": [{"type": "PROVIDES", "source": application}]});
    owner.post("/cards", with_edge).await.expect(201);
    let kind = json!({"source_type": "Interface", "type": "SERVED_BY", "target_types": ["ITComponent"], "cardinality": "M:1",
        "inverse_label": "SERVES", "dependent": "none"});
    admin.post("/config/relationship-types", kind).await.expect(201);
    let with_edge =
        json!({"type": "Interface", "name": "Other", "relationships": [{"type": "SERVED_BY", "target": part}]});
    refused(owner.post("/cards", with_edge).await, "edit", "Interface");
}

#[tokio::test]
async fn batches() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let owner = owner(&app).await;
    let application = admin.card("Application", "Shop").await;
    let part = admin.card("ITComponent", "Database").await;
    let unit = admin.card("Organization", "Unit").await;
    let hosting = json!({"hosting_type": "SaaS"});
    let relies = json!({"source": application, "type": "RELIES_ON", "target": part});
    let operations = [
        (
            json!({"op": "create", "card": {"type": "Interface", "name": "Feed"}}),
            "created",
        ),
        (json!({"op": "create", "card": component("New")}), "create ITComponent"),
        (
            json!({"op": "update", "id": application, "card": {"description": "Sells"}}),
            "updated",
        ),
        (
            json!({"op": "update", "id": part, "card": {"description": "Keeps"}}),
            "edit ITComponent",
        ),
        (json!({"op": "tag", "id": application, "tags": ["core"]}), "updated"),
        (json!({"op": "tag", "id": part, "tags": ["core"]}), "edit ITComponent"),
        (json!({"op": "tag", "id": unit, "tags": ["core"]}), "NOT_FOUND"),
        // An upsert takes the right to what it turns out to do.
        (
            json!({"op": "upsert", "card": {"type": "Application", "name": "Shop", "technical_fit": 3}}),
            "updated",
        ),
        (
            json!({"op": "upsert", "card": {"type": "Application", "name": "Shop"}}),
            "unchanged",
        ),
        (
            json!({"op": "upsert", "card": {"type": "Application", "name": "Nowhere", "attributes": hosting}}),
            "create Application",
        ),
        (
            json!({"op": "upsert", "card": {"type": "Interface", "name": "Second"}}),
            "created",
        ),
        (
            json!({"op": "upsert", "card": {"type": "Interface", "name": "Second"}}),
            "edit Interface",
        ),
        (
            json!({"op": "upsert", "card": component("Database")}),
            "edit ITComponent",
        ),
        (
            json!({"op": "upsert", "card": {"type": "Organization", "name": "Unit"}}),
            "create Organization",
        ),
        (
            json!({"op": "upsert", "entity": "relationship", "relationship": relies}),
            "created",
        ),
        (
            json!({"op": "upsert", "entity": "relationship", "relationship": relies}),
            "unchanged",
        ),
        (
            json!({"op": "delete", "entity": "relationship", "id": "$14"}),
            "delete Application",
        ),
        (json!({"op": "delete", "id": application}), "delete Application"),
        (json!({"op": "delete", "id": unit}), "NOT_FOUND"),
        (json!({"op": "delete", "id": part}), "deleted"),
    ];
    let sent: Vec<&Value> = operations.iter().map(|(operation, _)| operation).collect();
    let answer = owner
        .post("/cards/bulk", json!({"atomic": false, "operations": sent}))
        .await
        .expect(200);
    let happened: Vec<String> = answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| {
            let (error, details) = (&result["error"], &result["error"]["details"]);
            match (result["status"].as_str().unwrap(), details["card_type"].as_str()) {
                ("failed", Some(of)) => format!("{} {of}", details["required_permission"].as_str().unwrap()),
                ("failed", None) => error["code"].as_str().unwrap().to_owned(),
                (status, _) => status.to_owned(),
            }
        })
        .collect();
    let expected: Vec<&str> = operations.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(happened, expected);
}
