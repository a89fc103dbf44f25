//! Changing and listing relationships.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Caller, TestApp},
    probe::{by_cursor, by_page, ids, rows, violations},
};

async fn edge(caller: &Caller<'_>, more: Value) -> (Uuid, Uuid, Uuid) {
    let (crm, db) = (
        caller.card("Application", "CRM").await,
        caller.card("ITComponent", "DB").await,
    );
    (crm, db, caller.link_with(crm, "RELIES_ON", db, more).await)
}

#[tokio::test]
async fn a_patch_merges_and_ends_and_type_stay() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let more = json!({"valid_from": "2020-01-01", "description": "d", "allocation_pct": 0.5, "attributes": {"dependency": "soft", "own": {"a": 1, "b": 2}}});
    let (crm, db, id) = edge(&editor, more).await;
    let path = format!("/relationships/{id}");
    let patch = json!({"valid_to": "2030-01-01", "description": null, "attributes": {"dependency": null, "own": {"a": null}}, "change_reason": "why"});
    let changed = editor
        .header("content-type", "application/merge-patch+json")
        .patch(&path, patch)
        .await
        .expect(200);
    assert!(changed.header("etag").starts_with("W/\"2-"));
    let body = &changed.body;
    assert_eq!(
        (&body["valid_from"], &body["valid_to"]),
        (&json!("2020-01-01"), &json!("2030-01-01"))
    );
    assert_eq!(
        (&body["description"], &body["allocation_pct"]),
        (&json!(null), &json!(0.5))
    );
    assert_eq!(body["attributes"], json!({"own": {"b": 2}}));
    assert_eq!(editor.get(&path).await.expect(200).body, *body);
    let before = rows(&app).await;
    for same in [
        json!({}),
        json!({"allocation_pct": 0.5, "type": "RELIES_ON", "source_id": crm, "target_id": db, "attributes": {"own": {"b": 2}}}),
    ] {
        assert_eq!(editor.patch(&path, same).await.expect(200).body, *body);
    }
    let patch = json!({"type": "HOSTED_ON", "source_id": db, "target_id": null, "version": 5, "status": null, "colour": null, "valid_to": "2019-01-01"});
    let answer = editor.patch(&path, patch).await.expect_error(400, "VALIDATION_ERROR");
    let mut found = violations(&answer);
    found.sort();
    let expected = [
        ("colour", "UNKNOWN_FIELD"),
        ("source_id", "READ_ONLY"),
        ("status", "READ_ONLY"),
        ("target_id", "READ_ONLY"),
        ("type", "READ_ONLY"),
        ("valid_to", "DATES_OUT_OF_ORDER"),
        ("version", "READ_ONLY"),
    ];
    assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code.to_owned())));
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn if_match_guards_relationships() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let (_, _, id) = edge(&architect, json!({})).await;
    let path = format!("/relationships/{id}");
    architect
        .header("if-match", "\"1\"")
        .patch(&path, json!({"description": "x"}))
        .await
        .expect(200);
    let answer = architect
        .header("if-match", "\"1\"")
        .patch(&path, json!({"description": "y"}))
        .await;
    assert_eq!(
        answer.expect_error(412, "PRECONDITION_FAILED").body["error"]["details"]["current_version"],
        2
    );
    architect.delete(&path).await.expect_error(428, "PRECONDITION_REQUIRED");
    architect
        .header("if-match", "\"1\"")
        .delete(&path)
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    app.login(Role::Editor)
        .await
        .header("if-match", "*")
        .delete(&path)
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let gone = architect.header("if-match", "\"2\"").delete(&path).await.expect(204);
    assert!(gone.bytes.is_empty() && !gone.header("x-arc-position").is_empty());
    let archived = architect.get(&path).await.expect(200).body;
    assert_eq!(
        (&archived["status"], &archived["version"]),
        (&json!("archived"), &json!(3))
    );
    architect
        .header("if-match", "*")
        .delete(&path)
        .await
        .expect_error(404, "NOT_FOUND");
    architect
        .patch(&path, json!({"description": "z"}))
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn lists_filter_and_walk() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let mut cards = Vec::new();
    for n in 0..6 {
        cards.push(architect.card("Application", &format!("A{n}")).await);
    }
    let db = architect.card("ITComponent", "DB").await;
    // (id, source, target, type, from, to, active)
    let mut edges = Vec::new();
    for (n, &source) in cards.iter().enumerate() {
        for (target, kind) in [
            (db, "RELIES_ON"),
            (cards[(n + 1) % 6], "RELIES_ON"),
            (cards[(n + 2) % 6], "SUCCESSOR_OF"),
        ] {
            if kind == "SUCCESSOR_OF" && n >= 4 {
                continue; // would close a cycle
            }
            let (from, to) = [
                (None, None),
                (Some("2020-01-01"), Some("2020-12-31")),
                (Some("2021-01-01"), None),
            ][edges.len() % 3];
            let id = architect
                .link_with(source, kind, target, json!({"valid_from": from, "valid_to": to}))
                .await;
            let archived = edges.len() % 5 == 4;
            if archived {
                architect
                    .header("if-match", "*")
                    .delete(&format!("/relationships/{id}"))
                    .await
                    .expect(204);
            }
            edges.push((id, source, target, kind, from, to, !archived));
        }
    }
    let on = |date: &'static str| {
        move |from: Option<&str>, to: Option<&str>| from.is_none_or(|f| f <= date) && to.is_none_or(|t| t >= date)
    };
    let always = |_: Option<&str>, _: Option<&str>| true;
    let mut questions: Vec<(String, Vec<Uuid>)> = Vec::new();
    for card in [cards[0], cards[3], db] {
        for kind in [None, Some("RELIES_ON"), Some("SUCCESSOR_OF")] {
            for status in [None, Some("archived"), Some("any")] {
                for end in ["card_id", "source_id", "target_id"] {
                    let matching = edges.iter().filter(|(_, source, target, k, _, _, active)| {
                        let at = match end {
                            "card_id" => *source == card || *target == card,
                            "source_id" => *source == card,
                            _ => *target == card,
                        };
                        at && kind.is_none_or(|kind| kind == *k) && status.map_or(*active, |s| s == "any" || !*active)
                    });
                    let kind = kind.map_or(String::new(), |k| format!("&type={k}"));
                    let status = status.map_or(String::new(), |s| format!("&status={s}"));
                    questions.push((format!("{end}={card}{kind}{status}"), matching.map(|e| e.0).collect()));
                }
            }
        }
    }
    for date in ["2019-12-31", "2020-01-01", "2020-12-31", "2021-01-01"] {
        let matching = edges
            .iter()
            .filter(|e| e.6 && on(date)(e.4, e.5))
            .map(|e| e.0)
            .collect();
        questions.push((format!("target_date={date}"), matching));
    }
    let all = edges.iter().filter(|e| e.6 && always(e.4, e.5)).map(|e| e.0).collect();
    questions.push(("type=RELIES_ON&type=SUCCESSOR_OF&status=active".into(), all));
    let mut told = 0;
    for (query, expected) in questions {
        let path = format!("/relationships?{query}");
        let mut expected = expected;
        expected.sort();
        told += expected.len();
        assert_eq!(ids(&by_page(&architect, &path, 4).await), expected, "{query}");
        assert_eq!(ids(&by_cursor(&architect, &path, 3).await), expected, "{query}");
    }
    assert!(told > 100, "{told}");
    let list = architect.get("/relationships?limit=2").await.expect(200);
    architect
        .header("if-none-match", list.header("etag"))
        .get("/relationships?limit=2")
        .await
        .expect(304);
    let cursor = list.body["pagination"]["next_cursor"].as_str().unwrap();
    architect
        .get(&format!("/relationships?type=RELIES_ON&cursor={cursor}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
    for bad in [
        "card_id=x",
        "status=gone",
        "target_date=2020-13-01",
        "target_date=2020-1-1",
        "colour=1",
        "limit=201",
    ] {
        architect
            .get(&format!("/relationships?{bad}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn the_relationships_of_a_card_are_grouped() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let crm = architect.card("Application", "CRM").await;
    let (erp, bi) = (
        architect.card("Application", "erp").await,
        architect.card("Application", "BI").await,
    );
    let db = architect.card("ITComponent", "DB").await;
    let out = architect.link(crm, "RELIES_ON", db).await;
    let to_erp = architect
        .link_with(crm, "RELIES_ON", erp, json!({"valid_to": "2020-12-31"}))
        .await;
    let from_erp = architect.link(erp, "RELIES_ON", crm).await;
    let from_bi = architect
        .link_with(bi, "RELIES_ON", crm, json!({"valid_from": "2021-01-01"}))
        .await;
    let successor = architect.link(crm, "SUCCESSOR_OF", bi).await;
    let gone = architect.link(crm, "RELIES_ON", bi).await;
    architect
        .header("if-match", "*")
        .delete(&format!("/relationships/{gone}"))
        .await
        .expect(204);
    let groups = async |query: &str| {
        let answer = architect
            .get(&format!("/cards/{crm}/relationships{query}"))
            .await
            .expect(200);
        let groups = answer.body["groups"].as_array().unwrap().clone();
        let told: Vec<_> = groups
            .iter()
            .map(|g| {
                let text = |name: &str| g[name].as_str().unwrap().to_owned();
                (
                    text("type"),
                    text("direction"),
                    text("inverse_label"),
                    ids(g["relationships"].as_array().unwrap()),
                )
            })
            .collect();
        assert_eq!(answer.body["total"], told.iter().map(|g| g.3.len()).sum::<usize>());
        (told, groups)
    };
    let group = |kind: &str, direction: &str, inverse: &str, ids: &[Uuid]| {
        (kind.to_owned(), direction.to_owned(), inverse.to_owned(), ids.to_vec())
    };
    let (told, whole) = groups("").await;
    assert_eq!(
        told,
        [
            group("RELIES_ON", "in", "SUPPORTS_APP", &[from_bi, from_erp]),
            group("RELIES_ON", "out", "SUPPORTS_APP", &[out, to_erp]),
            group("SUCCESSOR_OF", "out", "PREDECESSOR_OF", &[successor]),
        ]
    );
    assert_eq!(
        whole[0]["relationships"][0]["card"],
        json!({"id": bi, "type": "Application", "name": "BI"})
    );
    assert_eq!(whole[0]["relationships"][0]["valid_from"], "2021-01-01");
    let (told, _) = groups("?target_date=2020-06-01").await;
    assert_eq!(told[0].3, [from_erp]);
    let (told, _) = groups("?target_date=2021-06-01").await;
    assert_eq!((&told[0].3, &told[1].3), (&vec![from_bi, from_erp], &vec![out]));
}
