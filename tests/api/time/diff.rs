//! Differences over both axes of time.

use archzero::auth::Role;
use serde_json::{Value, json};

use super::seal;
use crate::harness::TestApp;

fn names(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|card| card["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn two_instants_two_dates_and_both() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Architect).await;
    let crm = editor
        .card_with(
            "Application",
            "CRM",
            json!({"lifecycle": {"active": "2020-01-01", "eol": "2030-01-01"}}),
        )
        .await;
    let gone = editor.card("Application", "Gone").await;
    let db = editor.card("ITComponent", "DB").await;
    editor.link(crm, "RELIES_ON", db).await;
    let first = seal(&app).await;
    editor
        .patch(
            &format!("/cards/{crm}"),
            json!({"name": "CRM 2", "lifecycle": {"eol": "2028-01-01"}}),
        )
        .await
        .expect(200);
    editor
        .header("If-Match", "*")
        .delete(&format!("/cards/{gone}"))
        .await
        .expect(200);
    // A type that the first graph never met shifts the numbers of types in the second.
    let home = editor.card("BusinessCapability", "Sales").await;
    editor.link(crm, "SUPPORTS", home).await;
    let second = seal(&app).await;
    let body = json!({"from": {"known_at": first, "target_date": "2029-01-01"}, "to": {"known_at": second, "target_date": "2029-01-01"}});
    let answer = editor.post("/graph/diff", body.clone()).await.expect(200);
    assert_eq!(names(&answer.body["nodes"]["added"]), ["Sales"]);
    assert_eq!(
        names(&answer.body["nodes"]["removed"]),
        ["CRM", "Gone"],
        "what was to live until 2030 is to end in 2028"
    );
    assert_eq!(answer.body["totals"]["links_removed"], 1);
    let (from, to) = (&answer.body["from_known_at"], &answer.body["to_known_at"]);
    assert!(from["seal"].as_i64().unwrap() < to["seal"].as_i64().unwrap());
    // The same later, byte for byte.
    editor.card("Application", "Later").await;
    seal(&app).await;
    assert!(editor.post("/graph/diff", body).await.expect(200).bytes == answer.bytes);

    let narrowed = |from: &Value, to: &Value| json!({"from": from, "to": to, "types": ["Application"]});
    let now = editor
        .post(
            "/graph/diff",
            narrowed(
                &json!({"known_at": first, "target_date": "2027-01-01"}),
                &json!({"target_date": "2027-01-01"}),
            ),
        )
        .await
        .expect(200);
    assert_eq!(names(&now.body["nodes"]["added"]), ["Later"]);
    assert_eq!(names(&now.body["nodes"]["removed"]), ["Gone"]);
    assert_eq!(names(&now.body["nodes"]["changed"]), ["CRM 2"]);
    assert!(now.body.get("to_known_at").is_none() && now.body["metadata"]["execution_time_ms"].is_number());
    let relations = editor
        .post(
            "/graph/diff",
            json!({"from": {"known_at": first, "target_date": "2027-01-01"}, "to": {"known_at": second, "target_date": "2027-01-01"}, "relations": ["SUPPORTS"]}),
        )
        .await
        .expect(200);
    assert_eq!(relations.body["totals"]["links_added"], 1);
    assert_eq!(relations.body["links"]["removed"], json!([]));

    // Dates alone, long and short, are the same question.
    let long = editor
        .post(
            "/graph/diff",
            json!({"from": {"target_date": "2027-01-01"}, "to": {"target_date": "2029-01-01"}}),
        )
        .await
        .expect(200);
    let short = editor
        .post(
            "/graph/diff",
            json!({"from_date": "2027-01-01", "to_date": "2029-01-01"}),
        )
        .await
        .expect(200);
    assert_eq!(long.header("etag"), short.header("etag"));
    assert_eq!(names(&short.body["nodes"]["removed"]), ["CRM 2"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_look_is_said() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let cases = [
        (json!({}), "from_date"),
        (json!({"from": 5}), "from"),
        (json!({"from": {"date": "2026-01-01"}}), "from.date"),
        (json!({"from": {"target_date": "2026-02-30"}}), "from.target_date"),
        (
            json!({"from": {"target_date": "2026-02-01"}, "from_date": "2026-02-01"}),
            "from_date",
        ),
        (
            json!({"from_date": "2026-02-01", "to": {"target_date": "2026-02-01"}, "to_date": "2026-02-01"}),
            "to_date",
        ),
    ];
    for (body, field) in cases {
        let answer = viewer
            .post("/graph/diff", body.clone())
            .await
            .expect_error(400, "VALIDATION_ERROR");
        let violations = answer.body["error"]["details"]["violations"].as_array().unwrap();
        assert!(violations.iter().any(|v| v["field"] == field), "{body}: {violations:?}");
    }
    let answer = viewer
        .post(
            "/graph/diff",
            json!({"from_date": "2026-01-01", "to": {"known_at": "2001-01-01T00:00:00Z"}}),
        )
        .await
        .expect_error(422, "UNPROCESSABLE_ENTITY");
    assert_eq!(answer.body["error"]["field"], "to.known_at");
}
