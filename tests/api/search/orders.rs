//! A search in another order than by relevance is sorted in memory: as the database sorts.

use archzero::auth::Role;
use serde_json::json;

use super::names;
use crate::harness::{Caller, TestApp};

/// All of a list by cursor, a few at a time.
async fn walk(caller: &Caller<'_>, list: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("{list}&limit=2&cursor={cursor}")).await.expect(200);
        all.extend(names(&page));
        match page.body["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return all,
        }
    }
}

#[tokio::test]
async fn every_order_of_a_search_is_that_of_the_list() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let dates = [
        json!({}),
        json!({"plan": "2024-01-01", "active": "2025-01-01"}),
        json!({"active": "2025-01-01", "eol": "2030-01-01"}),
        json!({"plan": "2023-01-01", "phase_in": "2024-02-01", "active": "2024-03-01", "phase_out": "2029-01-01", "eol": "2031-01-01"}),
        json!({"active": "2024-03-01"}),
    ];
    for (n, lifecycle) in dates.iter().cycle().take(11).enumerate() {
        let name = format!("{} Feed {n}", ["Ä", "b", "C"][n % 3]);
        let mut more = json!({"lifecycle": lifecycle});
        if n % 2 == 0 {
            more["description"] = json!("Described, so that its quality differs.");
        }
        editor.card_with("Interface", &name, more).await;
    }
    let orders = [
        "name",
        "type",
        "created_at",
        "updated_at",
        "quality_score",
        "lifecycle.plan",
        "lifecycle.phase_in",
        "lifecycle.active",
        "lifecycle.phase_out",
        "lifecycle.eol",
        "attributes.protocol",
    ];
    for sort in orders {
        for order in ["asc", "desc"] {
            let tail = format!("type=Interface&sort={sort}&order={order}");
            let whole = editor.get(&format!("/cards?{tail}&limit=100")).await.expect(200);
            let expected = names(&whole);
            assert_eq!(expected.len(), 11);
            let found = editor
                .get(&format!("/cards?search=feed&{tail}&limit=100"))
                .await
                .expect(200);
            assert_eq!(names(&found), expected, "{tail}");
            assert_eq!(found.body["pagination"]["total_items"], 11);
            assert_eq!(
                walk(&editor, &format!("/cards?search=feed&{tail}")).await,
                expected,
                "{tail}"
            );
            let third = editor
                .get(&format!("/cards?search=feed&{tail}&limit=4&page=3"))
                .await
                .expect(200);
            assert_eq!(names(&third), expected[8..], "{tail}");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_an_order_holds_what_that_order_sorts_by() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    for n in 0..3 {
        editor.card("Interface", &format!("Feed {n}")).await;
    }
    let list = "/cards?search=feed&sort=updated_at&limit=1";
    let first = editor.get(&format!("{list}&cursor=")).await.expect(200);
    let cursor = first.body["pagination"]["next_cursor"].as_str().unwrap();
    let given: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
    for value in [json!("yesterday"), json!(null), json!([1]), json!(1.5), json!({"a": 1})] {
        let mut forged = given.clone();
        forged["k"][0] = value;
        let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
        let answer = editor.get(&format!("{list}&cursor={forged}")).await;
        answer.expect_error(400, "CURSOR_MISMATCH");
    }
    let mut earliest = given;
    earliest["k"][0] = json!(i64::MIN);
    let earliest = URL_SAFE_NO_PAD.encode(earliest.to_string());
    let answer = editor.get(&format!("{list}&cursor={earliest}")).await.expect(200);
    assert_eq!(names(&answer), ["Feed 0"]);
}
