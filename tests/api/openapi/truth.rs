//! What the document says of an operation is what the operation does: tried on every one of them.

use archzero::auth::Role;
use serde_json::{Value, json};

use crate::{
    document::{Document, Operation},
    harness::{Answer, Caller, TestApp},
};

/// Ends the session of whoever asks.
fn ends_the_walk(operation: &Operation) -> bool {
    ["log_out", "revoke_sessions"].contains(&operation.id.as_str())
}

/// A request that names nothing that exists, with a body that says nothing.
async fn ask(caller: &Caller<'_>, operation: &Operation, query: &str) -> Answer {
    let body = operation.takes_body().then(|| json!({}));
    let address = format!("{}{query}", operation.address(&[]));
    caller.send(operation.method.clone(), &address, body).await
}

fn operations(document: &Document) -> Vec<Operation> {
    let mut operations = document.operations();
    operations.retain(|o| !ends_the_walk(o) && !o.is_probe());
    operations
}

#[tokio::test]
async fn headers_are_read_where_the_document_says_so_and_nowhere_else() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let document = Document::new();
    let mut wrong = Vec::new();
    for operation in operations(&document) {
        if operation.permission() == "public" {
            continue;
        }
        for (header, bad) in [
            ("If-Match", "no validator"),
            ("Idempotency-Key", " "),
            ("X-Arc-Position", "no position"),
        ] {
            let answer = ask(&admin.header(header, bad), &operation, "").await;
            let refused = answer.status == 400 && answer.body["error"]["field"] == header;
            let documented = document.takes(&operation, header);
            // A body that says nothing may be refused before the header is looked at.
            let hidden = documented && answer.status == 400 && answer.code() == "VALIDATION_ERROR";
            if refused != documented && !hidden {
                wrong.push(format!(
                    "{} and {header}: documented {documented}, {} {}",
                    operation.name(),
                    answer.status,
                    answer.body
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_the_document_does_not_know_is_refused() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let document = Document::new();
    let mut wrong = Vec::new();
    for operation in operations(&document) {
        let answer = ask(&admin, &operation, "?no_such_parameter=1").await;
        let what = format!("{}: {} {}", operation.name(), answer.status, answer.body);
        // A question says itself which parameters it has; tests/api/saved_questions.rs tries it with others.
        let own_names = document.parameters(&operation).iter().any(|p| p["explode"] == true);
        if own_names && answer.status == 404 {
            continue;
        }
        if answer.status != 400 || answer.body["error"]["field"] != "no_such_parameter" {
            wrong.push(what);
        }
        if !operation.takes_body() {
            continue;
        }
        let body = Some(json!({"no_such_field": 1}));
        let answer = admin
            .header("If-Match", "*")
            .send(operation.method.clone(), &operation.address(&[]), body)
            .await;
        let what = format!("{}: {} {}", operation.name(), answer.status, answer.body);
        if answer.status == 404 {
            continue;
        }
        assert_eq!(answer.status, 400, "{what}");
        let named = |violation: &Value| violation["field"] == "no_such_field" && violation["code"] == "UNKNOWN_FIELD";
        let violations = answer.body["error"]["details"]["violations"].as_array();
        assert!(violations.is_some_and(|all| all.iter().any(named)), "{what}");
        let plain = admin.header("content-type", "text/plain");
        let answer = plain
            .send(operation.method.clone(), &operation.address(&[]), Some(json!({})))
            .await;
        assert_eq!(answer.status, 415, "{}: {}", operation.name(), answer.body);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn every_answer_is_one_of_those_described() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let document = Document::new();
    for operation in operations(&document) {
        for caller in [
            &admin,
            &app.anonymous(),
            &admin.header("If-Match", "\"7\""),
            &admin.header("If-Match", "*"),
        ] {
            let answer = ask(caller, &operation, "").await;
            let status = answer.status.as_u16().to_string();
            assert!(
                operation.can_answer(&status),
                "{}: {status} {}",
                operation.name(),
                answer.body
            );
            let response = document.resolve(&operation.spec["responses"][&status]);
            for (name, header) in response["headers"].as_object().into_iter().flatten() {
                let given = answer.header(name);
                let required = document.resolve(header)["required"] == true;
                assert!(
                    !required || !given.is_empty(),
                    "{} {status} lacks {name}",
                    operation.name()
                );
            }
            if !answer.status.is_success() {
                let schema = document.resolve(&response["content"]["application/json"]["schema"]);
                let codes = schema["properties"]["error"]["properties"]["code"]["enum"]
                    .as_array()
                    .unwrap();
                assert!(
                    codes.iter().any(|code| code == answer.code()),
                    "{}: {}",
                    operation.name(),
                    answer.body
                );
            }
        }
    }
}
