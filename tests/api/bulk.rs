//! Many writes in one request.

mod upserts;

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Answer, Caller, TestApp},
    probe::{by_cursor, rows, violations},
};

fn create(card_type: &str, name: &str) -> Value {
    json!({"op": "create", "card": card(card_type, name)})
}

fn upsert(card_type: &str, name: &str) -> Value {
    json!({"op": "upsert", "card": card(card_type, name)})
}

fn card(card_type: &str, name: &str) -> Value {
    let attributes = if card_type == "Application" {
        json!({"hosting_type": "SaaS"})
    } else {
        json!({})
    };
    json!({"type": card_type, "name": name, "attributes": attributes})
}

fn edge(op: &str, source: impl Into<Value>, kind: &str, target: impl Into<Value>) -> Value {
    json!({"op": op, "entity": "relationship", "relationship": {"source": source.into(), "type": kind, "target": target.into()}})
}

async fn atomic(caller: &Caller<'_>, operations: &[Value]) -> Answer {
    caller.post("/cards/bulk", json!({"operations": operations})).await
}

async fn each(caller: &Caller<'_>, operations: &[Value]) -> Answer {
    caller
        .post("/cards/bulk", json!({"atomic": false, "operations": operations}))
        .await
}

fn statuses(answer: &Answer) -> Vec<&str> {
    answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect()
}

fn id(answer: &Answer, index: usize) -> Uuid {
    answer.body["results"][index]["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn operations_refer_to_each_other_and_report_one_by_one() {
    let app = TestApp::start().await;
    let (user, email) = app.user(&[Role::Architect]).await;
    let architect = app.login_as(&email).await;
    let existing = architect.card("Application", "ERP").await;
    let operations = [
        create("Application", "CRM"),
        create("Interface", "API"),
        edge("create", "$0", "PROVIDES", "$1"),
        json!({"op": "update", "id": "$0", "card": {"description": "d"}}),
        json!({"op": "tag", "id": existing, "tags": ["x", " x ", "y"]}),
        json!({"op": "untag", "id": {"type": "Application", "name": "erp"}, "tags": ["x", "z"]}),
        edge(
            "create",
            json!({"type": "Application", "name": "erp"}),
            "RELIES_ON",
            existing.to_string(),
        ),
        json!({"op": "delete", "entity": "relationship", "id": "$2"}),
        json!({"op": "delete", "id": "$1"}),
    ];
    let report = each(&architect, &operations).await.expect(200);
    assert_eq!(
        statuses(&report),
        [
            "created", "created", "created", "updated", "updated", "updated", "failed", "deleted", "deleted"
        ]
    );
    assert_eq!(report.body["results"][6]["error"]["code"], "SELF_RELATIONSHIP");
    assert_eq!(
        report.body["summary"],
        json!({"created": 3, "updated": 3, "unchanged": 0, "deleted": 2, "failed": 1})
    );
    for (index, result) in report.body["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!(result["index"], index);
        assert_eq!(result["op"], operations[index]["op"]);
    }
    assert_eq!(
        (id(&report, 3), &report.body["results"][3]["version"]),
        (id(&report, 0), &json!(2))
    );
    assert!(!report.header("x-arc-position").is_empty());
    assert_eq!(
        architect.get(&format!("/cards/{existing}")).await.body["tags"],
        json!(["y"])
    );
    architect
        .get(&format!("/cards/{}", id(&report, 1)))
        .await
        .expect_error(404, "NOT_FOUND");
    let crm = architect
        .get(&format!("/cards/{}", id(&report, 0)))
        .await
        .expect(200)
        .body;
    assert_eq!((&crm["description"], &crm["updated_by"]), (&json!("d"), &json!(user)));

    // The same batch language under the other name.
    let answer = architect
        .post(
            "/relationships/bulk",
            json!({"operations": [edge("create", id(&report, 0).to_string(), "RELIES_ON", existing.to_string())]}),
        )
        .await;
    assert_eq!(statuses(&answer.expect(200)), ["created"]);
}

#[tokio::test]
async fn the_first_refusal_undoes_everything_and_names_the_operation() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let taken = editor.card("Interface", "Taken").await;
    let before = rows(&app).await;
    let nobody = Uuid::now_v7();
    for (bad, status, code, field) in [
        (create("Interface", "taken"), 409, "CONFLICT", "operations[1].card.name"),
        (create("Interface", "first"), 409, "CONFLICT", "operations[1].card.name"),
        (
            json!({"op": "update", "id": "$0", "card": {"name": "Taken"}}),
            409,
            "CONFLICT",
            "operations[1].card.name",
        ),
        (
            create("Interfase", "I"),
            400,
            "VALIDATION_ERROR",
            "operations[1].card.type",
        ),
        (
            json!({"op": "update", "id": nobody, "card": {}}),
            404,
            "NOT_FOUND",
            "operations[1].id",
        ),
        (
            json!({"op": "update", "id": "$1", "card": {}}),
            404,
            "NOT_FOUND",
            "operations[1].id",
        ),
        (
            json!({"op": "update", "id": "$7", "card": {}}),
            404,
            "NOT_FOUND",
            "operations[1].id",
        ),
        (
            json!({"op": "update", "id": "$0", "version": 2, "card": {}}),
            412,
            "PRECONDITION_FAILED",
            "operations[1]",
        ),
        (
            edge("create", "$0", "RELIES_ON", "$0"),
            422,
            "SELF_RELATIONSHIP",
            "operations[1].relationship.target_id",
        ),
        (
            edge("create", "$0", "RELIES_ON", taken.to_string()),
            422,
            "RELATIONSHIP_NOT_ALLOWED",
            "operations[1].relationship.type",
        ),
        (
            edge("create", "$0", "RELIES_ON", nobody.to_string()),
            404,
            "NOT_FOUND",
            "operations[1].relationship.target_id",
        ),
        (
            json!({"op": "delete", "id": taken}),
            403,
            "INSUFFICIENT_PERMISSIONS",
            "operations[1]",
        ),
        (json!({"op": "explode"}), 400, "VALIDATION_ERROR", "operations[1].op"),
        (json!({"card": {}}), 400, "VALIDATION_ERROR", "operations[1].op"),
        (json!({"op": "create"}), 400, "VALIDATION_ERROR", "operations[1].card"),
        (
            json!({"op": "tag", "tags": ["x"]}),
            400,
            "VALIDATION_ERROR",
            "operations[1].id",
        ),
        (
            json!({"op": "tag", "id": taken}),
            400,
            "VALIDATION_ERROR",
            "operations[1].tags",
        ),
        (
            json!({"op": "tag", "entity": "relationship", "id": taken, "tags": ["x"]}),
            400,
            "VALIDATION_ERROR",
            "operations[1].op",
        ),
        (json!(5), 400, "INVALID_REQUEST", "operations[1]"),
    ] {
        let answer = atomic(
            &editor,
            &[create("Interface", "First"), bad.clone(), create("Interface", "Last")],
        )
        .await;
        let answer = answer.expect_error(status, code);
        assert_eq!(answer.body["error"]["field"], field, "{bad}: {}", answer.body);
        assert_eq!(answer.body["error"]["details"]["operation"], 1);
    }
    let answer = atomic(&editor, &[create("Interface", "TAKEN")])
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(answer.body["error"]["details"]["existing_id"], json!(taken));
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn without_atomic_each_operation_stands_for_itself() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let report = each(
        &editor,
        &[
            create("Interface", "A"),
            create("Interface", "a"),
            create("Application", "X"),
            json!({"op": "update", "id": "$1", "card": {"name": "B"}}),
            json!({"op": "delete", "id": "$0"}),
            json!({"op": "update", "id": "$0", "card": {"quality_score": 5}}),
            edge("create", "$2", "PROVIDES", "$0"),
            edge("create", "$2", "PROVIDES", "$0"),
        ],
    )
    .await
    .expect(200);
    assert_eq!(
        statuses(&report),
        [
            "created", "failed", "created", "failed", "failed", "failed", "created", "failed"
        ]
    );
    let codes: Vec<_> = report.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["error"]["code"].as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "CONFLICT",
            "NOT_FOUND",
            "INSUFFICIENT_PERMISSIONS",
            "VALIDATION_ERROR",
            "DUPLICATE_RELATIONSHIP"
        ]
    );
    assert_eq!(
        report.body["results"][1]["error"]["details"]["existing_id"],
        json!(id(&report, 0))
    );
    assert_eq!(by_cursor(&editor, "/cards", 100).await.len(), 2);
    // An item that failed left nothing: no card at its first version, no external id.
    let entry = json!([{"system": "s", "id": "1"}]);
    let mut with_id = create("Interface", "C");
    with_id["card"]["attributes"]["external_ids"] = entry.clone();
    let mut bad = create("Interface", "D");
    bad["card"]["attributes"]["external_ids"] = json!([{"system": "t", "id": "1"}, {"system": "s", "id": "1"}]);
    let mut good = create("Interface", "E");
    good["card"]["attributes"]["external_ids"] = json!([{"system": "t", "id": "1"}]);
    let report = each(&editor, &[with_id, bad, good]).await.expect(200);
    assert_eq!(statuses(&report), ["created", "failed", "created"]);
    assert_eq!(by_cursor(&editor, "/cards", 100).await.len(), 4);
}

#[tokio::test]
async fn what_an_operation_does_not_take_is_refused() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = architect.card("Interface", "I").await;
    for (operation, field) in [
        (
            json!({"op": "create", "card": card("Interface", "J"), "tags": ["x"]}),
            "tags",
        ),
        (json!({"op": "create", "card": card("Interface", "J"), "id": id}), "id"),
        (
            json!({"op": "create", "card": card("Interface", "J"), "version": 1}),
            "version",
        ),
        (json!({"op": "upsert", "card": card("Interface", "J"), "id": id}), "id"),
        (json!({"op": "delete", "id": id, "card": {"name": "x"}}), "card"),
        (
            json!({"op": "tag", "id": id, "tags": ["x"], "card": {"name": "x"}}),
            "card",
        ),
        (
            json!({"op": "update", "id": id, "card": {}, "relationship": {}}),
            "relationship",
        ),
        (json!({"op": "update", "id": id, "card": {}, "colour": 1}), "colour"),
    ] {
        let answer = atomic(&architect, &[operation.clone()])
            .await
            .expect_error(400, "VALIDATION_ERROR");
        let found = violations(&answer);
        assert!(
            found.iter().any(|(f, _)| *f == format!("operations[0].{field}")),
            "{operation}: {found:?}"
        );
    }
    for body in [
        json!({}),
        json!({"operations": 5}),
        json!({"operations": {}}),
        json!({"operations": [], "mode": 1}),
        json!({"operations": [], "atomic": "yes"}),
    ] {
        architect
            .post("/cards/bulk", body)
            .await
            .expect_error(400, "VALIDATION_ERROR");
    }
    let empty = architect
        .post("/cards/bulk", json!({"operations": []}))
        .await
        .expect(200);
    assert_eq!(empty.body["results"], json!([]));
}

#[tokio::test]
async fn rights_are_asked_for_each_operation() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = architect.card("Interface", "I").await;
    let viewer = app.login(Role::Viewer).await;
    atomic(&viewer, &[json!({"op": "tag", "id": id, "tags": ["x"]})])
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let editor = app.login(Role::Editor).await;
    let report = each(
        &editor,
        &[
            json!({"op": "tag", "id": id, "tags": ["x"]}),
            json!({"op": "delete", "id": id}),
        ],
    )
    .await
    .expect(200);
    assert_eq!(statuses(&report), ["updated", "failed"]);
    assert_eq!(
        report.body["results"][1]["error"]["details"]["required_permission"],
        "delete"
    );
    let report = each(
        &architect,
        &[
            json!({"op": "delete", "id": id, "version": 1}),
            json!({"op": "delete", "id": id, "version": 2}),
        ],
    )
    .await
    .expect(200);
    assert_eq!(statuses(&report), ["failed", "deleted"]);
}

#[tokio::test]
async fn two_thousand_operations_work_and_one_more_does_not() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let mut operations: Vec<Value> = (0..1000)
        .map(|n| upsert("ITComponent", &format!("Component {n}")))
        .collect();
    for operation in &mut operations {
        operation["card"]["attributes"]["category"] = json!("Hardware");
    }
    operations.extend((1..1000).map(|n| edge("upsert", format!("${n}"), "RELIES_ON", format!("${}", n / 2))));
    operations.push(upsert("Interface", "Last"));
    assert_eq!(operations.len(), 2000);
    let report = atomic(&editor, &operations).await.expect(200);
    assert_eq!(report.body["summary"]["created"], 2000);
    assert_eq!(by_cursor(&editor, "/relationships", 1000).await.len(), 999);
    let again = atomic(&editor, &operations).await.expect(200);
    assert_eq!(again.body["summary"]["unchanged"], 2000);
    operations.push(upsert("Interface", "One more"));
    let before = rows(&app).await;
    let answer = atomic(&editor, &operations).await.expect_error(400, "VALIDATION_ERROR");
    assert_eq!(violations(&answer), [("operations".into(), "TOO_LONG".into())]);
    assert_eq!(rows(&app).await, before);
}
