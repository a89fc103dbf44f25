//! Relationships: every refusal with its code, changes, lists and the grouped view.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Answer, Caller, TestApp},
    probe::{rows, violations},
};

async fn link(caller: &Caller<'_>, source: Uuid, kind: &str, target: Uuid, more: Value) -> Answer {
    let mut body = json!({"source_id": source, "type": kind, "target_id": target});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    caller.post("/relationships", body).await
}

fn during(from: &str, to: &str) -> Value {
    let mut interval = json!({});
    for (name, date) in [("valid_from", from), ("valid_to", to)] {
        if !date.is_empty() {
            interval[name] = json!(date);
        }
    }
    interval
}

#[tokio::test]
async fn a_relationship_is_created_with_all_its_fields() {
    let app = TestApp::start().await;
    let (user, email) = app.user(&[Role::Editor]).await;
    let editor = app.login_as(&email).await;
    let (crm, db) = (
        editor.card("Application", "CRM").await,
        editor.card("ITComponent", "DB").await,
    );
    let body = json!({
        "source": {"type": "Application", "name": "crm"}, "type": "RELIES_ON", "target_id": db, "valid_from": "2020-01-01",
        "valid_to": "2020-01-01", "description": "holds all", "allocation_pct": 0.25, "change_reason": "found",
        "attributes": {"dependency": "soft", "redundancy_group": "g", "own": {"x": [1]}}
    });
    let created = editor.post("/relationships", body.clone()).await.expect(201);
    let id = created.id();
    assert_eq!(created.header("location"), format!("/api/v1/relationships/{id}"));
    assert!(created.header("etag").starts_with("W/\"1-"));
    assert!(!created.header("x-arc-position").is_empty());
    for field in [
        "type",
        "target_id",
        "valid_from",
        "valid_to",
        "description",
        "allocation_pct",
        "attributes",
    ] {
        assert_eq!(created.body[field], body[field], "{field}");
    }
    assert_eq!(
        (&created.body["source_id"], &created.body["status"]),
        (&json!(crm), &json!("active"))
    );
    assert_eq!(
        (&created.body["created_by"], &created.body["version"]),
        (&json!(user), &json!(1))
    );
    let read = editor.get(&format!("/relationships/{id}")).await.expect(200);
    assert_eq!(
        (&read.body, read.header("etag")),
        (&created.body, created.header("etag"))
    );
    editor
        .header("if-none-match", created.header("etag"))
        .get(&format!("/relationships/{id}"))
        .await
        .expect(304);
    editor
        .get(&format!("/relationships/{}", Uuid::now_v7()))
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_not_in_the_ontology_is_refused_with_what_is() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let (crm, db) = (
        editor.card("Application", "CRM").await,
        editor.card("ITComponent", "DB").await,
    );
    let before = rows(&app).await;
    for kind in ["HOSTED_ON", "SUPPORTS_APP", "relies_on", "RELIES_ON ", "NO_SUCH_TYPE"] {
        let answer = link(&editor, crm, kind, db, json!({}))
            .await
            .expect_error(422, "RELATIONSHIP_NOT_ALLOWED");
        let details = &answer.body["error"]["details"];
        assert_eq!(details["allowed_types"], json!(["RELIES_ON"]), "{kind}");
        assert_eq!(
            (&details["source_type"], &details["target_type"]),
            (&json!("Application"), &json!("ITComponent"))
        );
    }
    let answer = link(&editor, db, "RELIES_ON", crm, json!({}))
        .await
        .expect_error(422, "RELATIONSHIP_NOT_ALLOWED");
    let details = &answer.body["error"]["details"];
    assert_eq!(
        (&details["allowed_types"], &details["allowed_types_in_reverse"]),
        (&json!([]), &json!(["RELIES_ON"]))
    );
    link(&editor, crm, "RELIES_ON", crm, json!({}))
        .await
        .expect_error(422, "SELF_RELATIONSHIP");
    link(&editor, db, "NO_SUCH_TYPE", db, json!({}))
        .await
        .expect_error(422, "SELF_RELATIONSHIP");
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn a_missing_end_is_named() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let (crm, gone) = (
        architect.card("Application", "CRM").await,
        architect.card("Application", "Gone").await,
    );
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{gone}"))
        .await
        .expect(200);
    for missing in [gone, Uuid::now_v7()] {
        for (source, target, end) in [(crm, missing, "target_id"), (missing, crm, "source_id")] {
            let answer = link(&architect, source, "RELIES_ON", target, json!({}))
                .await
                .expect_error(404, "NOT_FOUND");
            let error = &answer.body["error"];
            assert_eq!(
                (&error["details"]["id"], &error["details"]["end"]),
                (&json!(missing), &json!(end))
            );
            assert_eq!(error["field"], end);
        }
    }
    let name = json!({"source_id": crm, "type": "RELIES_ON", "target": {"type": "Application", "name": "Gone"}});
    let answer = architect
        .post("/relationships", name)
        .await
        .expect_error(404, "NOT_FOUND");
    assert_eq!(answer.body["error"]["field"], "target");
}

#[tokio::test]
async fn the_same_edge_may_exist_at_other_times_only() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let (crm, db) = (
        editor.card("Application", "CRM").await,
        editor.card("ITComponent", "DB").await,
    );
    let first = link(&editor, crm, "RELIES_ON", db, during("2021-01-01", "2021-12-31"))
        .await
        .expect(201)
        .id();
    for (from, to) in [
        ("", ""),
        ("2021-12-31", ""),
        ("", "2021-01-01"),
        ("2021-06-01", "2021-06-01"),
        ("2020-01-01", "2030-01-01"),
    ] {
        let answer = link(&editor, crm, "RELIES_ON", db, during(from, to))
            .await
            .expect_error(409, "DUPLICATE_RELATIONSHIP");
        let details = &answer.body["error"]["details"];
        assert_eq!(
            (&details["existing_id"], &details["valid_to"]),
            (&json!(first), &json!("2021-12-31")),
            "{from}..{to}"
        );
    }
    let later = link(&editor, crm, "RELIES_ON", db, during("2022-01-01", ""))
        .await
        .expect(201)
        .id();
    link(&editor, crm, "RELIES_ON", db, during("", "2020-12-31"))
        .await
        .expect(201);
    // Changing an interval is checked like making one; its own interval does not stand in its way.
    let path = format!("/relationships/{later}");
    editor
        .patch(&path, json!({"valid_from": "2021-12-31"}))
        .await
        .expect_error(409, "DUPLICATE_RELATIONSHIP");
    editor
        .patch(&path, json!({"valid_from": null}))
        .await
        .expect_error(409, "DUPLICATE_RELATIONSHIP");
    editor
        .patch(&path, json!({"valid_from": "2022-02-01", "valid_to": "2022-03-01"}))
        .await
        .expect(200);
}

#[tokio::test]
async fn cardinality_counts_what_overlaps() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let (db, v1, v2) = (
        editor.card("ITComponent", "DB").await,
        editor.card("Provider", "V1").await,
        editor.card("Provider", "V2").await,
    );
    let old = link(&editor, db, "PROVIDED_BY", v1, during("", "2025-12-31"))
        .await
        .expect(201)
        .id();
    let answer = link(&editor, db, "PROVIDED_BY", v2, during("2025-12-31", ""))
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    assert_eq!(answer.body["error"]["details"]["existing_id"], json!(old));
    let new = link(&editor, db, "PROVIDED_BY", v2, during("2026-01-01", ""))
        .await
        .expect(201)
        .id();
    editor
        .patch(&format!("/relationships/{old}"), json!({"valid_to": null}))
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    editor
        .patch(&format!("/relationships/{new}"), json!({"valid_from": "2025-06-01"}))
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    // 1:1 counts both ways.
    let mut standards = Vec::new();
    for n in 0..3 {
        standards.push(editor.card("TechnologyStandard", &format!("S{n}")).await);
    }
    link(
        &editor,
        standards[0],
        "SUPERSEDES",
        standards[1],
        during("", "2020-12-31"),
    )
    .await
    .expect(201);
    link(&editor, standards[0], "SUPERSEDES", standards[2], json!({}))
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    link(&editor, standards[2], "SUPERSEDES", standards[1], json!({}))
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    link(
        &editor,
        standards[0],
        "SUPERSEDES",
        standards[2],
        during("2021-01-01", ""),
    )
    .await
    .expect(201);
    // An archived edge fills no slot.
    let architect = app.login(Role::Architect).await;
    architect
        .header("if-match", "*")
        .delete(&format!("/relationships/{old}"))
        .await
        .expect(204);
    link(&editor, db, "PROVIDED_BY", v1, during("", "2025-12-31"))
        .await
        .expect(201);
}

#[tokio::test]
async fn cycles_are_refused_whatever_the_dates() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let (a, b, c) = (
        architect.card("ITComponent", "A").await,
        architect.card("ITComponent", "B").await,
        architect.card("ITComponent", "C").await,
    );
    link(&architect, a, "RELIES_ON", b, during("", "2010-12-31"))
        .await
        .expect(201);
    let middle = link(&architect, b, "RELIES_ON", c, during("2015-01-01", ""))
        .await
        .expect(201)
        .id();
    let answer = link(&architect, c, "RELIES_ON", a, during("2020-01-01", ""))
        .await
        .expect_error(422, "CYCLE_DETECTED");
    let steps = json!([{"id": a, "name": "A"}, {"id": b, "name": "B"}, {"id": c, "name": "C"}]);
    assert_eq!(answer.body["error"]["details"]["existing_path"], steps);
    link(&architect, b, "RELIES_ON", a, json!({}))
        .await
        .expect_error(422, "CYCLE_DETECTED");
    architect
        .header("if-match", "*")
        .delete(&format!("/relationships/{middle}"))
        .await
        .expect(204);
    link(&architect, c, "RELIES_ON", a, json!({})).await.expect(201);
}

#[tokio::test]
async fn shares_of_a_cost_add_up_to_one_at_most_at_any_time() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let db = editor.card("ITComponent", "DB").await;
    let mut apps = Vec::new();
    for n in 0..4 {
        apps.push(editor.card("Application", &format!("A{n}")).await);
    }
    let share = |pct: f64, from: &str, to: &str| {
        let mut body = during(from, to);
        body["allocation_pct"] = json!(pct);
        body
    };
    // The component hands its cost to those that rely on it.
    link(&editor, apps[0], "RELIES_ON", db, share(0.6, "", "2025-12-31"))
        .await
        .expect(201);
    let second = link(&editor, apps[1], "RELIES_ON", db, share(0.4, "2025-07-01", ""))
        .await
        .expect(201)
        .id();
    let answer = link(&editor, apps[2], "RELIES_ON", db, share(0.1, "2025-12-31", ""))
        .await
        .expect_error(422, "ALLOCATION_EXCEEDED");
    let details = &answer.body["error"]["details"];
    assert_eq!(
        (&details["giver_id"], &details["total"], &details["on"]),
        (&json!(db), &json!("1.1"), &json!("2025-12-31"))
    );
    link(&editor, apps[2], "RELIES_ON", db, share(0.6, "2026-01-01", ""))
        .await
        .expect(201);
    let path = format!("/relationships/{second}");
    editor
        .patch(&path, json!({"allocation_pct": 0.41}))
        .await
        .expect_error(422, "ALLOCATION_EXCEEDED");
    editor.patch(&path, json!({"allocation_pct": 0.39})).await.expect(200);
    link(&editor, apps[3], "RELIES_ON", db, share(0.0, "", ""))
        .await
        .expect(201);
    // Ten tenths are one, not a hair more.
    let server = editor.card("ITComponent", "Server").await;
    for n in 0..10 {
        let part = editor.card("ITComponent", &format!("Part {n}")).await;
        link(&editor, part, "RELIES_ON", server, share(0.1, "", ""))
            .await
            .expect(201);
    }
    for (bad, code) in [
        (json!(1.01), "OUT_OF_RANGE"),
        (json!(-0.1), "OUT_OF_RANGE"),
        (json!("0.5"), "WRONG_TYPE"),
        (json!(1e300), "OUT_OF_RANGE"),
    ] {
        let answer = link(&editor, apps[3], "RELIES_ON", server, json!({"allocation_pct": bad}))
            .await
            .expect_error(400, "VALIDATION_ERROR");
        assert_eq!(violations(&answer), [("allocation_pct".into(), code.into())]);
    }
}

#[tokio::test]
async fn everything_wrong_with_an_edge_is_told_at_once() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let (crm, order) = (
        editor.card("Application", "CRM").await,
        editor.card("DataObject", "Order").await,
    );
    let body = json!({"source_id": "x", "valid_from": "2021-01-01", "valid_to": "2020-01-01", "description": 5, "allocation_pct": 2,
        "status": "archived", "colour": 1, "attributes": {"note": "\u{0}"}});
    let answer = editor
        .post("/relationships", body)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let found = violations(&answer);
    for (field, code) in [
        ("source_id", "WRONG_TYPE"),
        ("target", "REQUIRED"),
        ("type", "REQUIRED"),
        ("valid_to", "DATES_OUT_OF_ORDER"),
        ("description", "WRONG_TYPE"),
        ("allocation_pct", "OUT_OF_RANGE"),
        ("status", "READ_ONLY"),
        ("colour", "UNKNOWN_FIELD"),
        ("attributes", "PATTERN_MISMATCH"),
    ] {
        assert!(found.contains(&(field.into(), code.into())), "{field} in {found:?}");
    }
    assert!(
        !found.contains(&("source".into(), "REQUIRED".into())),
        "it was given, wrongly: {found:?}"
    );
    let both = json!({"source_id": crm, "source": {"type": "Application", "name": "CRM"}, "type": "USES_DATA", "target_id": order});
    editor
        .post("/relationships", both)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    for (attributes, field, code) in [
        (json!({"access": "steal"}), "attributes.access", "NOT_IN_OPTIONS"),
        (
            json!({"access": ["read", "steal"]}),
            "attributes.access.1",
            "NOT_IN_OPTIONS",
        ),
        (json!({"access": []}), "attributes.access", "REQUIRED"),
        (json!({"dependency": "weak"}), "attributes.dependency", "NOT_IN_OPTIONS"),
        (
            json!({"redundancy_group": 5}),
            "attributes.redundancy_group",
            "WRONG_TYPE",
        ),
        (
            json!({"redundancy_group": "g".repeat(101)}),
            "attributes.redundancy_group",
            "TOO_LONG",
        ),
    ] {
        let answer = link(&editor, crm, "USES_DATA", order, json!({"attributes": attributes})).await;
        assert_eq!(
            violations(&answer.expect_error(400, "VALIDATION_ERROR")),
            [(field.into(), code.into())]
        );
    }
    let (objective, capability) = (
        editor.card("Objective", "O").await,
        editor.card("BusinessCapability", "C").await,
    );
    let answer = link(
        &editor,
        objective,
        "IMPROVES",
        capability,
        json!({"attributes": {"dependency": "hard"}}),
    )
    .await;
    assert_eq!(
        violations(&answer.expect_error(400, "VALIDATION_ERROR")),
        [("attributes.dependency".into(), "NOT_ALLOWED_HERE".into())]
    );
    let edge = link(
        &editor,
        crm,
        "USES_DATA",
        order,
        json!({"attributes": {"access": ["read", "update"], "own": 1}}),
    )
    .await
    .expect(201)
    .id();
    let path = format!("/relationships/{edge}");
    editor
        .patch(&path, json!({"attributes": {"access": "none"}}))
        .await
        .expect_error(400, "VALIDATION_ERROR");
    editor
        .patch(&path, json!({"attributes": {"access": "read"}}))
        .await
        .expect(200);
}
