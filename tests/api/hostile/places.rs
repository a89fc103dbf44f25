//! Places in lists and in the change log that were never given out, or belong elsewhere.

use archzero::auth::Role;
use axum::http::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{
    document::{Document, Operation},
    harness::TestApp,
};

#[tokio::test]
async fn cursors_of_other_lists() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let mut cards = Vec::new();
    for n in 0..3 {
        cards.push(admin.card("Application", &format!("A{n}")).await);
        app.user(&[Role::Viewer]).await;
    }
    let database = admin.card("ITComponent", "DB").await;
    for card in &cards {
        admin.link(*card, "RELIES_ON", database).await;
    }
    admin
        .patch(&format!("/cards/{database}"), json!({"tags": ["x"]}))
        .await
        .expect(200);
    let document = Document::new();
    let lists: Vec<Operation> = document
        .operations()
        .into_iter()
        .filter(|o| o.method == Method::GET && document.parameters(o).iter().any(|p| p["name"] == "cursor"))
        .collect();
    assert!(lists.len() >= 7, "{}", lists.len());
    let me = admin.get("/auth/me").await.expect(200).id();
    let edge = admin.get("/relationships?limit=1").await.expect(200).body["data"][0]["id"].clone();
    let question = admin
        .post(
            "/questions",
            json!({"name": "All", "query": {}, "columns": [{"field": "name"}]}),
        )
        .await
        .expect(201)
        .id();
    let address = |list: &Operation| {
        let subject = match list
            .path
            .split('/')
            .find(|step| ["users", "relationships", "questions"].contains(step))
        {
            Some("users") => me.to_string(),
            Some("relationships") => edge.as_str().unwrap().to_owned(),
            Some(_) => question.to_string(),
            None => database.to_string(),
        };
        list.address(&[&subject])
    };
    let mut cursors = Vec::new();
    for list in &lists {
        let page = admin
            .get(&format!("{}?limit=1&cursor=", address(list)))
            .await
            .expect(200);
        if let Some(cursor) = page.body["pagination"]["next_cursor"].as_str() {
            cursors.push((list.id.clone(), cursor.to_owned()));
        }
    }
    assert!(cursors.len() >= 5, "{cursors:?}");
    for list in &lists {
        for (of, cursor) in &cursors {
            let mut tried = vec![
                cursor[..cursor.len() / 2].to_owned(),
                format!("{cursor}AAAA"),
                cursor.to_lowercase(),
                "%00".into(),
            ];
            if *of != list.id {
                tried.push(cursor.clone());
            }
            for cursor in tried {
                let answer = admin.get(&format!("{}?cursor={cursor}", address(list))).await;
                let code = if cursor == "%00" {
                    "INVALID_REQUEST"
                } else {
                    "CURSOR_MISMATCH"
                };
                assert_eq!(
                    (answer.status.as_u16(), answer.code()),
                    (400, code),
                    "{} with that of {of}: {}",
                    list.name(),
                    answer.body
                );
            }
        }
    }
    // The same list under another filter or sort.
    let (_, cursor) = cursors.iter().find(|(of, _)| of == "list_cards").unwrap();
    for query in ["type=ITComponent", "sort=created_at", "order=desc", "deleted=include"] {
        let answer = admin.get(&format!("/cards?cursor={cursor}&{query}")).await;
        answer.expect_error(400, "CURSOR_MISMATCH");
    }
}

#[tokio::test]
async fn positions_that_no_server_gave_out() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let card = admin.card("Application", "CRM").await.to_string();
    let document = Document::new();
    let readers: Vec<Operation> = document
        .operations()
        .into_iter()
        .filter(|o| document.takes(o, "X-Arc-Position"))
        .collect();
    assert!(readers.len() >= 9, "{}", readers.len());
    for reader in readers {
        for position in [
            "",
            "x",
            "1",
            "-",
            "1-",
            "-1",
            "1--1",
            "1-1-1",
            "1-1e9",
            "1-99999999999999999999999",
            "+1-+1",
            " 1 - 1 ",
            "1-\u{661}",
            "99999999999-1",
        ] {
            let answer = admin
                .header("x-arc-position", position)
                .get(&reader.address(&[&card]))
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, "INVALID_REQUEST"),
                "{} '{position}': {}",
                reader.name(),
                answer.body
            );
            assert_eq!(answer.body["error"]["field"], "X-Arc-Position", "{}", reader.name());
        }
        // One that lies ahead of everything there is.
        for position in ["1-900000000000000000", "999-1"] {
            let answer = admin
                .header("x-arc-position", position)
                .get(&reader.address(&[&card]))
                .await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (400, "INVALID_REQUEST"),
                "{} '{position}': {}",
                reader.name(),
                answer.body
            );
        }
    }
    let id: Uuid = card.parse().unwrap();
    admin.get(&format!("/cards/{id}")).await.expect(200);
}
