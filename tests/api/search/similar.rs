//! `GET /cards/{id}/similar`.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Answer, TestApp},
    probe::violation,
};

fn similar(answer: &Answer) -> Vec<(String, f64)> {
    let all = answer.body["similar"].as_array().unwrap().iter();
    all.map(|s| {
        (
            s["card"]["name"].as_str().unwrap().to_owned(),
            s["score"].as_f64().unwrap(),
        )
    })
    .collect()
}

fn near(found: &[(String, f64)], expected: &[(&str, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((name, score), (expected_name, expected_score)) in found.iter().zip(expected) {
        assert_eq!(name, expected_name, "{found:?}");
        assert!((score - expected_score).abs() < 1e-9, "{found:?}");
    }
}

#[tokio::test]
async fn the_parts_of_a_score_add_up() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let card = async |name: &str, tags: Value, attributes: Value| {
        editor
            .card_with("Application", name, json!({"tags": tags, "attributes": attributes}))
            .await
    };
    let own = card(
        "Own",
        json!(["a", "b", "c"]),
        json!({"vendor": "SAP", "users_total": 5}),
    )
    .await;
    let twin = card(
        "Twin",
        json!(["a", "b", "c"]),
        json!({"vendor": "SAP", "users_total": 5}),
    )
    .await;
    let half = card(
        "Half",
        json!(["a", "b", "x"]),
        json!({"vendor": "SAP", "own": "y", "hosting_type": "PaaS"}),
    )
    .await;
    card("Only Attributes", json!([]), json!({"vendor": "SAP", "users_total": 5})).await;
    card("Other", json!(["z"]), json!({"hosting_type": "On-Premise"})).await;
    let old = json!({"tags": ["a", "b", "c"], "lifecycle": {"active": "2001-01-01", "eol": "2005-01-01"}});
    editor.card_with("Application", "Old", old).await;
    let (db, os) = (
        editor.card("ITComponent", "DB").await,
        editor.card("ITComponent", "OS").await,
    );
    let sales = editor.card("BusinessCapability", "Sales").await;
    for (source, kind, target) in [
        (own, "RELIES_ON", db),
        (twin, "RELIES_ON", db),
        (twin, "RELIES_ON", os),
        (half, "RELIES_ON", os),
        (half, "SUPPORTS", sales),
        (twin, "SUPPORTS", sales),
    ] {
        editor.link(source, kind, target).await;
    }
    let path = format!("/cards/{own}/similar");
    let answer = editor.get(&path).await.expect(200);
    // Half: 2 of 4 tags; 1 of 4 attributes (vendor, users_total, hosting_type, own); no neighbours.
    let expected = [
        ("Twin", 0.7 + 0.2 + 0.1 / 3.0),
        ("Half", 0.35 + 0.05),
        ("Only Attributes", 0.2),
    ];
    near(&similar(&answer), &expected);
    let parts = &answer.body["similar"][0]["parts"];
    assert_eq!(
        (&parts["neighbours"]["shared"], &parts["neighbours"]["of"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        answer.body["similar"][1]["parts"]["tags"],
        json!({"shared": 2, "of": 4, "value": 0.5, "weighted": 0.35})
    );
    let suggestions: Vec<Value> = answer.body["suggestions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| json!([s["type"], s["direction"], s["card"]["name"], s["count"]]))
        .collect();
    assert_eq!(
        suggestions,
        [
            json!(["RELIES_ON", "out", "OS", 2]),
            json!(["SUPPORTS", "out", "Sales", 2])
        ]
    );

    near(
        &similar(&editor.get(&format!("{path}?limit=1")).await.expect(200)),
        &expected[..1],
    );
    near(
        &similar(&editor.get(&format!("{path}?min_score=0.3")).await.expect(200)),
        &expected[..2],
    );
    let then = similar(&editor.get(&format!("{path}?target_date=2003-01-01")).await.expect(200));
    assert!(then.iter().any(|(name, _)| name == "Old"), "{then:?}");
    let components = editor
        .get(&format!("{path}?types=ITComponent&min_score=0"))
        .await
        .expect(200);
    assert!(similar(&components).is_empty(), "nothing in common is not alike");
    let both = similar(
        &editor
            .get(&format!("/cards/{db}/similar?types=ITComponent&types=Application"))
            .await
            .expect(200),
    );
    near(&both, &[("OS", 0.2 + 0.1 / 3.0)]);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = architect.card("Application", "A").await;
    let wrong = architect
        .get(&format!(
            "/cards/{id}/similar?limit=0&min_score=nan&types=x&target_date=2020-13-01"
        ))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    for field in ["limit", "min_score", "types[0]", "target_date"] {
        violation(&wrong, field);
    }
    for score in ["-0.1", "1.1", "inf", "1e400", ""] {
        let path = format!("/cards/{id}/similar?min_score={score}");
        let answer = architect.get(&path).await;
        assert!(answer.status == 400 || score.is_empty(), "{score}: {}", answer.status);
    }
    let alone = architect
        .get(&format!("/cards/{id}/similar?min_score=0"))
        .await
        .expect(200);
    assert_eq!(
        (&alone.body["similar"], &alone.body["suggestions"]),
        (&json!([]), &json!([]))
    );
    architect
        .get(&format!("/cards/{}/similar", Uuid::nil()))
        .await
        .expect_error(404, "NOT_FOUND");
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{id}"))
        .await
        .expect(200);
    architect
        .get(&format!("/cards/{id}/similar"))
        .await
        .expect_error(404, "NOT_FOUND");
}
