//! Upserts: found by id, external id, name or path, and left alone when nothing differs.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{atomic, edge, id, statuses, upsert};
use crate::{harness::TestApp, probe::rows};

#[tokio::test]
async fn an_upsert_finds_by_id_by_external_id_and_by_name() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let own = Uuid::new_v4();
    let mut by_id = upsert("Interface", "One");
    by_id["card"]["id"] = json!(own);
    let mut by_external = upsert("Interface", "Two");
    by_external["card"]["attributes"] = json!({"external_ids": [{"system": "cmdb", "id": "2"}], "protocol": "HTTPS"});
    let operations = [
        by_id,
        by_external,
        upsert("Interface", "Three"),
        edge("upsert", "$3", "PROVIDES", "$0"),
        upsert("Application", "App"),
    ];
    let operations = [
        operations[0].clone(),
        operations[1].clone(),
        operations[2].clone(),
        operations[4].clone(),
        operations[3].clone(),
    ];
    let first = atomic(&editor, &operations).await.expect(200);
    assert_eq!(statuses(&first), ["created"; 5]);
    assert_eq!(id(&first, 0), own);
    let before = rows(&app).await;
    let again = atomic(&editor, &operations).await.expect(200);
    assert_eq!(statuses(&again), ["unchanged"; 5]);
    for index in 0..5 {
        assert_eq!(
            (id(&again, index), &again.body["results"][index]["version"]),
            (id(&first, index), &json!(1))
        );
    }
    assert_eq!(rows(&app).await, before, "no new version, nothing logged");

    // By id and by external id a card can be renamed; what is not sent stays.
    let mut renamed = upsert("Interface", "Uno");
    renamed["card"]["id"] = json!(own);
    let mut moved = upsert("Interface", "Dos");
    moved["card"]["attributes"] = json!({"external_ids": [{"system": "cmdb", "id": "2"}]});
    let report = atomic(
        &editor,
        &[
            renamed,
            moved,
            json!({"op": "upsert", "card": {"type": "Interface", "name": "three", "description": "d"}}),
        ],
    )
    .await
    .expect(200);
    assert_eq!(statuses(&report), ["updated"; 3]);
    assert_eq!((id(&report, 1), id(&report, 2)), (id(&first, 1), id(&first, 2)));
    let two = editor.get(&format!("/cards/{}", id(&first, 1))).await.expect(200).body;
    assert_eq!(
        (&two["name"], &two["attributes"]["protocol"]),
        (&json!("Dos"), &json!("HTTPS"))
    );

    // Relationships by source, type, target and valid_from.
    let mut dated = edge("upsert", id(&first, 3).to_string(), "PROVIDES", own.to_string());
    dated["relationship"]["description"] = json!("new");
    let report = atomic(&editor, &[dated.clone()]).await.expect(200);
    assert_eq!((statuses(&report), id(&report, 0)), (vec!["updated"], id(&first, 4)));
    dated["relationship"]["valid_from"] = json!("2030-01-01");
    atomic(&editor, &[dated])
        .await
        .expect_error(409, "DUPLICATE_RELATIONSHIP");
}

#[tokio::test]
async fn upserts_of_capabilities_go_by_path() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let operations: Vec<Value> = [
        "Sales",
        "Sales / Planning",
        "Service",
        "Service / Planning",
        r"R\/D",
        r"R\/D / Planning",
        "Sales / Planning / Deep",
    ]
    .iter()
    .map(|name| upsert("BusinessCapability", name))
    .collect();
    let first = atomic(&editor, &operations).await.expect(200);
    assert_eq!(statuses(&first), ["created"; 7]);
    let names: Vec<_> = {
        let mut names = Vec::new();
        for index in 0..7 {
            names.push(
                editor.get(&format!("/cards/{}", id(&first, index))).await.body["name"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
            );
        }
        names
    };
    assert_eq!(
        names,
        ["Sales", "Planning", "Service", "Planning", "R/D", "Planning", "Deep"]
    );
    let parent = editor
        .get(&format!("/cards/{}?include=relationships", id(&first, 3)))
        .await
        .expect(200)
        .body;
    assert_eq!(parent["relationships"][0]["card"]["name"], "Service");
    let before = rows(&app).await;
    let again = atomic(&editor, &operations).await.expect(200);
    assert_eq!(statuses(&again), ["unchanged"; 7]);
    assert_eq!(
        (0..7).map(|n| id(&again, n)).collect::<Vec<_>>(),
        (0..7).map(|n| id(&first, n)).collect::<Vec<_>>()
    );
    assert_eq!(rows(&app).await, before);
    let answer = atomic(&editor, &[upsert("BusinessCapability", "Planning")])
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(
        answer.body["error"]["details"]["candidates"].as_array().unwrap().len(),
        3
    );
}
