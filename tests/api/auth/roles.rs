//! Roles of the installation's own: their administration, and that they take effect.

use std::time::Duration;

use archzero::auth::{Role, RoleName};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{eventually, tokens};
use crate::harness::{Answer, TestApp};

const A_SECOND: Duration = Duration::from_secs(1);

fn fields(answer: &Answer) -> Vec<String> {
    let violations = answer.body["error"]["details"]["violations"].as_array().unwrap();
    let text = |v: &Value| format!("{} {}", v["field"].as_str().unwrap(), v["code"].as_str().unwrap());
    violations.iter().map(text).collect()
}

#[tokio::test]
async fn a_role_from_its_making_to_its_end() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let body = json!({
        "name": "  Application   owner ", "description": "Keeps applications current", "view": ["Interface", "Application"],
        "edit": ["Application"], "read_audit": true, "rate_limits": {"standard": {"count": 50, "window_seconds": 60}},
    });
    let made = admin.post("/admin/roles", body).await.expect(201);
    let path = format!("/admin/roles/{}", made.id());
    assert_eq!(made.header("location"), format!("/api/v1{path}"));
    for (field, value) in [
        ("name", json!("Application owner")),
        ("built_in", json!(false)),
        ("view", json!(["Application", "Interface"])),
        ("create", json!([])),
        ("edit", json!(["Application"])),
        ("read_audit", json!(true)),
        ("manage_users", json!(false)),
        ("rate_limits", json!({"standard": {"count": 50, "window_seconds": 60}})),
        ("user_count", json!(0)),
        ("version", json!(1)),
    ] {
        assert_eq!(made.body[field], value, "{field}");
    }
    assert_eq!(admin.get(&path).await.expect(200).body, made.body);

    let stale = admin.header("if-match", "\"7\"");
    stale
        .patch(&path, json!({"description": null}))
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    let patch = json!({"description": null, "edit": ["*"], "view": ["*"], "rate_limits": {"standard": null, "bulk": {"count": 9, "window_seconds": 1}}});
    let changed = admin.patch(&path, patch).await.expect(200);
    assert_eq!(
        (&changed.body["view"], &changed.body["edit"]),
        (&json!(["*"]), &json!(["*"]))
    );
    assert_eq!(
        changed.body["rate_limits"],
        json!({"bulk": {"count": 9, "window_seconds": 1}})
    );
    assert_eq!(
        (&changed.body["description"], &changed.body["version"]),
        (&Value::Null, &json!(2))
    );
    // Nothing changed: no new version.
    assert_eq!(
        admin.patch(&path, json!({"edit": ["*"]})).await.expect(200).body["version"],
        2
    );

    // A bearer keeps it from going.
    let (user, email) = app.user(&[RoleName::new("Application owner")]).await;
    let kept = admin.delete(&path).await.expect_error(409, "CONFLICT");
    assert_eq!(kept.body["error"]["details"]["user_count"], 1);
    // Under another name they carry it under that one.
    admin.patch(&path, json!({"name": "Portfolio owner"})).await.expect(200);
    let bearer = admin.get(&format!("/admin/users/{user}")).await.expect(200);
    assert_eq!(
        (&bearer.body["roles"], &bearer.body["version"]),
        (&json!(["Portfolio owner"]), &json!(2))
    );
    app.login_as(&email).await.get("/cards").await.expect(200);
    admin
        .patch(&format!("/admin/users/{user}"), json!({"roles": ["viewer"]}))
        .await
        .expect(200);
    admin.delete(&path).await.expect(204);
    admin.get(&path).await.expect_error(404, "NOT_FOUND");
    let gone = admin
        .patch(&format!("/admin/users/{user}"), json!({"roles": ["Portfolio owner"]}))
        .await;
    assert_eq!(
        fields(&gone.expect_error(400, "VALIDATION_ERROR")),
        ["roles NOT_IN_OPTIONS"]
    );

    let log: Vec<(String, i32, Option<Value>)> =
        sqlx::query_as("select action, version, after from changes where entity = 'role' order by position")
            .fetch_all(app.db())
            .await
            .unwrap();
    let actions: Vec<(&str, i32)> = log
        .iter()
        .map(|(action, version, _)| (action.as_str(), *version))
        .collect();
    assert_eq!(
        actions,
        [("created", 1), ("updated", 2), ("updated", 3), ("deleted", 4)]
    );
    assert_eq!(log[1].2.as_ref().unwrap()["edit"], json!(["*"]));
}

#[tokio::test]
async fn built_in_roles_are_listed_and_stay() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    for name in ["Zebra", "apple"] {
        admin
            .post("/admin/roles", json!({"name": name, "view": ["*"]}))
            .await
            .expect(201);
    }
    let list = admin.get("/admin/roles").await.expect(200);
    let names: Vec<&str> = list.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "viewer",
            "editor",
            "architect",
            "admin",
            "auditor",
            "system",
            "Zebra",
            "apple"
        ]
    );
    let editor = &list.body["data"][1];
    assert_eq!(
        (&editor["built_in"], &editor["edit"], &editor["delete"]),
        (&json!(true), &json!(["*"]), &json!([]))
    );
    assert_eq!(list.body["data"][3]["user_count"], 1);
    let walked = admin.get("/admin/roles?limit=3&cursor=").await.expect(200);
    assert_eq!(walked.body["data"].as_array().unwrap().len(), 3);

    let path = format!("/admin/roles/{}", editor["id"].as_str().unwrap());
    assert_eq!(&admin.get(&path).await.expect(200).body, editor);
    admin
        .patch(&path, json!({"delete": ["*"]}))
        .await
        .expect_error(409, "CONFLICT");
    admin.delete(&path).await.expect_error(409, "CONFLICT");
    admin
        .get(&format!("/admin/roles/{}", Uuid::nil()))
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_named_at_once() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let body = json!({
        "name": "Editor", "view": ["Aplication", "ITComponent", 7], "edit": ["Interface"], "manage_users": "yes",
        "rate_limits": {"bulk": {"count": 0}}, "colour": "red", "version": 3,
    });
    let wrong = admin
        .post("/admin/roles", body)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let mut found = fields(&wrong);
    found.sort();
    let named = |start: &str| found.iter().any(|f| f.starts_with(start));
    for start in [
        "name NOT_ALLOWED_HERE",
        "view",
        "manage_users WRONG_TYPE",
        "rate_limits.bulk.",
        "colour UNKNOWN_FIELD",
        "version READ_ONLY",
    ] {
        assert!(named(start), "{start} in {found:?}");
    }
    let unknown = admin
        .post(
            "/admin/roles",
            json!({"name": "R", "view": ["Aplication"], "delete": ["Risk"]}),
        )
        .await;
    let unknown = unknown.expect_error(400, "VALIDATION_ERROR");
    assert_eq!(fields(&unknown), ["view[0] NOT_IN_OPTIONS", "delete NOT_ALLOWED_HERE"]);
    assert_eq!(
        unknown.body["error"]["details"]["violations"][0]["did_you_mean"][0],
        "Application"
    );
    assert_eq!(
        fields(&admin.post("/admin/roles", json!({})).await),
        ["name REQUIRED", "view REQUIRED"]
    );

    admin
        .post("/admin/roles", json!({"name": "Straße Ⅸ", "view": []}))
        .await
        .expect(201);
    for twin in ["straße ix", "STRAßE  Ⅸ"] {
        admin
            .post("/admin/roles", json!({"name": twin, "view": []}))
            .await
            .expect_error(409, "CONFLICT");
    }
    for name in ["a\u{0}b", "a\u{7}b", &"x".repeat(61), "  "] {
        admin
            .post("/admin/roles", json!({"name": name, "view": []}))
            .await
            .expect_error(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn both_kinds_of_role_work_wherever_roles_are_named() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    admin
        .post("/admin/roles", json!({"name": "Cost clerk", "view": ["Provider"], "edit": ["Provider"], "rate_limits": {"expensive": {"count": 7, "window_seconds": 60}}}))
        .await
        .expect(201);
    let body = json!({"email": "clerk@example.com", "roles": ["Cost clerk", "auditor", "Cost clerk"]});
    let user = admin.post("/admin/users", body).await.expect(201);
    assert_eq!(user.body["roles"], json!(["auditor", "Cost clerk"]));
    assert_eq!(user.body["permissions"], json!(["view", "edit", "read_audit"]));
    assert_eq!(
        user.body["rights"],
        json!({"view": ["*"], "create": [], "edit": ["Provider"], "delete": []})
    );
    let link = admin
        .post(&format!("/admin/users/{}/invite-link", user.id()), json!({}))
        .await
        .expect(201);
    let accepted = json!({"token": link.body["token"], "password": crate::harness::PASSWORD});
    let logged_in = app.anonymous().post("/auth/accept-invite", accepted).await.expect(200);
    assert_eq!(logged_in.body["user"]["roles"], json!(["auditor", "Cost clerk"]));
    let token = logged_in.body["access_token"].as_str().unwrap();
    let claims: Value = {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    };
    assert_eq!(claims["roles"], json!(["auditor", "Cost clerk"]));
    let me = app.with_token(token).get("/auth/me").await.expect(200);
    assert_eq!(me.body["rights"]["edit"], json!(["Provider"]));
    assert_eq!(me.body["rate_limits"]["expensive"]["count"], 7);
    let bearers = admin.get("/admin/users?role=Cost%20clerk").await.expect(200);
    assert_eq!(bearers.body["pagination"]["total_items"], 1);
    admin
        .get("/admin/users?role=Nobody")
        .await
        .expect_error(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_changed_role_takes_effect_within_a_second_on_every_instance() {
    let here = TestApp::start().await;
    let there = TestApp::on(here.url.clone(), |_| {}).await;
    let admin = here.login(Role::Admin).await;
    let role = admin
        .post("/admin/roles", json!({"name": "Reader", "view": ["Provider"]}))
        .await
        .expect(201);
    let path = format!("/admin/roles/{}", role.id());
    let card = admin.card("Application", "Shop").await;
    let (user, email) = here.user(&[RoleName::new("Reader")]).await;
    let (token, _) = tokens(&here, &email).await;
    let sees = async |app: &TestApp| app.with_token(&token).get(&format!("/cards/{card}")).await.status == 200;
    assert!(!sees(&here).await && !sees(&there).await);
    // The definition.
    admin
        .patch(&path, json!({"view": ["Provider", "Application"]}))
        .await
        .expect(200);
    assert!(sees(&here).await);
    eventually(A_SECOND, async || sees(&there).await).await;
    admin.patch(&path, json!({"view": ["Provider"]})).await.expect(200);
    assert!(!sees(&here).await);
    eventually(A_SECOND, async || !sees(&there).await).await;
    // The assignment, under a new name.
    admin
        .patch(&path, json!({"name": "Other reader", "view": ["*"]}))
        .await
        .expect(200);
    eventually(A_SECOND, async || sees(&here).await).await;
    eventually(A_SECOND, async || sees(&there).await).await;
    let other = admin
        .post("/admin/roles", json!({"name": "Reader", "view": ["Risk"]}))
        .await
        .expect(201);
    assert_ne!(other.id(), role.id());
    assert!(
        sees(&there).await,
        "a new role of the old name is nothing to those who carried the old one"
    );
    admin
        .patch(&format!("/admin/users/{user}"), json!({"roles": ["Reader"]}))
        .await
        .expect(200);
    assert!(!sees(&here).await);
    eventually(A_SECOND, async || !sees(&there).await).await;
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let desk = app
        .login_with_role(
            json!({"name": "Desk", "view": ["Application", "Provider"], "edit": ["Provider"], "manage_users": true}),
        )
        .await;
    let beyond = |answer: Answer, lacking: Value| {
        let answer = answer.expect_error(403, "INSUFFICIENT_PERMISSIONS");
        assert_eq!(answer.body["error"]["details"]["lacking"], lacking);
    };
    // Roles.
    let made = desk
        .post(
            "/admin/roles",
            json!({"name": "Within", "view": ["Provider"], "edit": ["Provider"]}),
        )
        .await
        .expect(201);
    let wider = json!({"name": "Wider", "view": ["Provider", "Risk"], "edit": ["Risk"], "read_audit": true});
    beyond(
        desk.post("/admin/roles", wider).await,
        json!(["view:Risk", "edit:Risk", "read_audit"]),
    );
    let within = format!("/admin/roles/{}", made.id());
    beyond(desk.patch(&within, json!({"view": ["*"]})).await, json!(["view"]));
    let quotas = json!({"rate_limits": {"bulk": {"count": 99, "window_seconds": 1}}});
    desk.patch(&within, quotas.clone())
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    admin.patch(&within, quotas).await.expect(200);
    desk.patch(&within, json!({"description": "may still be described"}))
        .await
        .expect(200);
    let strong = admin
        .post("/admin/roles", json!({"name": "Strong", "view": ["Risk"]}))
        .await
        .expect(201);
    let strong = format!("/admin/roles/{}", strong.id());
    beyond(desk.patch(&strong, json!({"view": []})).await, json!(["view:Risk"]));
    beyond(desk.delete(&strong).await, json!(["view:Risk"]));
    // People.
    let invite = |roles: Value| json!({"email": format!("{}@example.com", Uuid::now_v7()), "roles": roles});
    desk.post("/admin/users", invite(json!(["Within"]))).await.expect(201);
    let all = [
        "view",
        "create",
        "edit",
        "delete",
        "manage_governance",
        "manage_metamodel",
        "read_audit",
        "manage_integrations",
    ];
    beyond(desk.post("/admin/users", invite(json!(["admin"]))).await, json!(all));
    beyond(
        desk.post("/admin/users", invite(json!(["Strong"]))).await,
        json!(["view:Risk"]),
    );
    let (peer, _) = app.user(&[RoleName::new("Within")]).await;
    desk.patch(&format!("/admin/users/{peer}"), json!({"roles": ["Desk"]}))
        .await
        .expect(200);
    beyond(
        desk.patch(&format!("/admin/users/{peer}"), json!({"roles": ["viewer"]}))
            .await,
        json!(["view"]),
    );
    // Whoever may do more is not theirs to touch: not their roles, not their password.
    let (chief, _) = app.user(&[Role::Admin]).await;
    let path = format!("/admin/users/{chief}");
    beyond(desk.patch(&path, json!({"name": "Nobody"})).await, json!(all));
    beyond(desk.delete(&path).await, json!(all));
    for action in ["deactivate", "anonymize", "unlock", "reset-link"] {
        beyond(desk.post(&format!("{path}/{action}"), json!({})).await, json!(all));
    }
}
