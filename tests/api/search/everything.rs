//! `GET /search`.

use archzero::auth::Role;
use serde_json::{Value, json};

use super::{highlights, marked};
use crate::{
    harness::{Answer, TestApp},
    probe::{encode, violation},
};

/// The groups as (kind, type, total, names).
fn groups(answer: &Answer) -> Vec<(String, String, u64, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let groups = answer.body["groups"].as_array().unwrap().iter();
    let all = groups.map(|group| {
        let items = group["items"].as_array().unwrap().iter();
        let names = items.map(|item| text(&item["name"])).collect();
        (
            text(&group["kind"]),
            text(&group["type"]),
            group["total"].as_u64().unwrap(),
            names,
        )
    });
    all.collect()
}

#[tokio::test]
async fn everything_is_searched_and_grouped() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let crm = editor
        .card_with("Application", "Customer Portal", json!({"tags": ["customer", "web"]}))
        .await;
    editor
        .card_with(
            "Application",
            "Billing",
            json!({"description": "for every customer", "tags": ["customer"]}),
        )
        .await;
    let data = editor.card("DataObject", "Customer").await;
    let edge = editor
        .link_with(
            crm,
            "USES_DATA",
            data,
            json!({"description": "reads customer addresses"}),
        )
        .await;
    editor
        .card_with("Interface", "Feed", json!({"attributes": {"note": "customers"}}))
        .await;
    let answer = editor.get("/search?q=customer").await.expect(200);
    let card = |name: &str, count, names: &[&str]| {
        (
            "card".to_owned(),
            name.to_owned(),
            count,
            names.iter().map(|n| (*n).to_owned()).collect(),
        )
    };
    let other = |kind: &str, count, names: &[&str]| {
        (
            kind.to_owned(),
            String::new(),
            count,
            names.iter().map(|n| (*n).to_owned()).collect(),
        )
    };
    assert_eq!(
        groups(&answer),
        [
            card("DataObject", 1, &["Customer"]),
            card("Application", 2, &["Customer Portal", "Billing"]),
            card("Interface", 1, &["Feed"]),
            other("tag", 1, &["customer"]),
            other("relationship", 1, &["USES_DATA"]),
            other("card_type", 1, &["DataObject"]),
        ]
    );
    assert_eq!(answer.body["total"], 7);
    let group = |at: usize| &answer.body["groups"][at];
    assert_eq!(group(0)["label"], "Data object");
    assert_eq!(
        highlights(&group(1)["items"][0]),
        ["name: [Customer] Portal", "tags: [customer]"]
    );
    assert_eq!(group(3)["items"][0]["count"], 2);
    let relationship = &group(4)["items"][0];
    assert_eq!(relationship["id"], json!(edge));
    assert_eq!(
        (&relationship["source"]["id"], &relationship["target"]["name"]),
        (&json!(crm), &json!("Customer"))
    );
    assert_eq!(
        marked(&relationship["highlights"][0]),
        "description: reads [customer] addresses"
    );

    let short = editor
        .get("/search?q=customer&limit=1&types=Application&types=tag")
        .await
        .expect(200);
    assert_eq!(
        groups(&short),
        [
            card("Application", 2, &["Customer Portal"]),
            other("tag", 1, &["customer"])
        ]
    );
    let types = editor.get("/search?q=capability&types=card_type").await.expect(200);
    assert_eq!(groups(&types)[0].3, ["BusinessCapability"]);
    let kinds = editor.get("/search?q=relies&types=relationship_type").await.expect(200);
    assert_eq!(groups(&kinds)[0].3, ["RELIES_ON"]);
    let typo = editor
        .get("/search?q=custmoer&types=tag&types=relationship&types=DataObject")
        .await
        .expect(200);
    assert_eq!(groups(&typo).len(), 3);
    assert!(
        typo.body["groups"]
            .as_array()
            .unwrap()
            .iter()
            .all(|group| group["typos"] == true)
    );

    let etag = answer.header("etag");
    editor
        .header("if-none-match", etag)
        .get("/search?q=customer")
        .await
        .expect(304);
    let architect = app.login(Role::Architect).await;
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{data}"))
        .await
        .expect(200);
    let gone = groups(&editor.get("/search?q=customer").await.expect(200));
    assert!(
        !gone
            .iter()
            .any(|group| group.1 == "DataObject" || group.0 == "relationship"),
        "{gone:?}"
    );
}

#[tokio::test]
async fn people_are_found_by_those_who_manage_them() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let body = json!({"email": "ada.lovelace@example.com", "name": "Ada Lovelace", "roles": ["viewer"]});
    admin.post("/admin/users", body).await.expect(201);
    let found = groups(&admin.get("/search?q=lovelace").await.expect(200));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0.as_str(), found[0].2), ("user", 1));
    assert_eq!(found[0].3, ["Ada Lovelace <ada.lovelace@example.com>"]);
    for odd in ["%", "_", "' or 1=1 --", "\\"] {
        let answer = admin
            .get(&format!("/search?q={}&types=user", encode(odd)))
            .await
            .expect(200);
        assert_eq!(answer.body["total"], 0, "{odd}");
    }
    let viewer = app.login(Role::Viewer).await;
    assert_eq!(viewer.get("/search?q=lovelace").await.expect(200).body["total"], 0);
    viewer
        .get("/search?q=lovelace&types=user")
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let wrong = viewer
        .get("/search?q=%20&limit=0&types=Aplication&types=tag")
        .await
        .expect_error(400, "VALIDATION_ERROR");
    assert_eq!(violation(&wrong, "q")["code"], "REQUIRED");
    assert_eq!(violation(&wrong, "limit")["code"], "OUT_OF_RANGE");
    assert_eq!(
        violation(&wrong, "types[0]")["did_you_mean"][0],
        "Application",
        "{wrong:?}"
    );
    viewer.get("/search").await.expect_error(400, "VALIDATION_ERROR");
    viewer
        .get(&format!("/search?q={}", "x".repeat(10_000)))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    viewer
        .get(&format!("/search?q={}", "a+".repeat(30)))
        .await
        .expect_error(400, "INVALID_REQUEST");
    viewer
        .get("/search?q=a&colour=1")
        .await
        .expect_error(400, "INVALID_REQUEST");
    viewer.get("/search?q=%00").await.expect_error(400, "INVALID_REQUEST");
    viewer.get("/search?q=%ff").await.expect_error(400, "INVALID_REQUEST");
    for odd in ["\"", "-", "%", "🦀", "\u{301}", "\u{202e}\u{200f}", "()[]{}^$.*+?\\|"] {
        let answer = viewer.get(&format!("/search?q={}", encode(odd))).await.expect(200);
        assert_eq!(answer.body, json!({"total": 0, "groups": []}), "{odd}");
    }
}
