//! Blanking: a payload goes, the chain holds, the log tells.

use archzero::{
    audit::{self, seal_now},
    auth::Role,
    store::migrate,
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::harness::{Caller, TestApp};

async fn verify(admin: &Caller<'_>) -> Value {
    admin.get("/audit/verify").await.expect(200).body
}

async fn rows_about(admin: &Caller<'_>, id: Uuid) -> Vec<Value> {
    let body = admin
        .get(&format!("/audit?entity_id={id}&entity=card&order=asc"))
        .await
        .expect(200)
        .body;
    body["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_blanked_row_says_nothing_and_the_chain_holds() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = admin
        .card_with("Application", "Erika's list", json!({"description": "of Erika Muster"}))
        .await;
    admin
        .patch(
            &format!("/cards/{id}"),
            json!({"description": "nobody", "change_reason": "Erika Muster asked"}),
        )
        .await
        .expect(200);
    let rows = rows_about(&admin, id).await;
    let position = rows[1]["position"].as_i64().unwrap();
    let done = admin
        .post(&format!("/audit/{position}/blank"), json!({"reason": "article 17"}))
        .await
        .expect(200);
    assert!(!done.header("x-arc-position").is_empty());
    assert_eq!(
        (&done.body["blanked"], &done.body["positions"]),
        (&json!(1), &json!([position]))
    );
    let again = admin
        .post(&format!("/audit/{position}/blank"), json!({"reason": "article 17"}))
        .await
        .expect(200);
    assert_eq!(again.body["blanked"], 0, "it was blank already");

    let rows = rows_about(&admin, id).await;
    let row = &rows[1];
    assert_eq!(
        (&row["blanked"], &row["blanked_by"]),
        (&json!(true), &done.body["told_at"][0])
    );
    assert!(
        row["before"].is_null() && row["after"].is_null() && row["reason"].is_null(),
        "{row}"
    );
    assert_eq!(
        (&row["version"], &row["action"]),
        (&json!(2), &json!("updated")),
        "who, when and which stay"
    );
    assert!(rows[0]["after"].is_object(), "other rows stay");
    let told = admin
        .get(&format!("/audit?entity=change&entity_id={id}"))
        .await
        .expect(200)
        .body;
    assert_eq!(told["data"][0]["action"], "blanked");
    assert_eq!(
        (&told["data"][0]["reason"], &told["data"][0]["after"]["positions"]),
        (&json!("article 17"), &json!([position]))
    );

    let whole = admin
        .post("/audit/blank", json!({"entity_id": id, "reason": "article 17"}))
        .await
        .expect(200)
        .body;
    assert!(
        whole["blanked"].as_i64().unwrap() >= 1
            && whole["positions"].as_array().unwrap().contains(&rows[0]["position"])
    );
    seal_now(&app.state).await.unwrap();
    let report = verify(&admin).await;
    assert_eq!(report["ok"], true, "{report}");
    assert_eq!(
        report["blanked"].as_i64().unwrap(),
        1 + whole["blanked"].as_i64().unwrap()
    );
    // Not a trace of her, in any column.
    for table in ["changes", "change_digests"] {
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select count(*) from {table} t where t::text like '%Erika%' or t::text like '%Muster%'"
        )))
        .fetch_one(app.db())
        .await
        .unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let history = admin.get(&format!("/cards/{id}/history")).await.expect(200).body;
    assert_eq!(history["data"][0]["blanked"], true, "{history}");
    assert_eq!(history["data"][0]["changes"], json!([]));
    app.state.tail.catch_up(&app.state).await.unwrap();
    assert_eq!(
        admin.get(&format!("/cards/{id}")).await.expect(200).body["description"],
        "nobody"
    );
}

#[tokio::test]
async fn what_tells_of_a_blanking_stays() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let id = admin.card("Interface", "One").await;
    let position = rows_about(&admin, id).await[0]["position"].clone();
    let done = admin
        .post("/audit/blank", json!({"positions": [position], "reason": "r"}))
        .await
        .expect(200)
        .body;
    let told = done["told_at"][0].as_i64().unwrap();
    admin
        .post(&format!("/audit/{told}/blank"), json!({"reason": "r"}))
        .await
        .expect_error(422, "UNPROCESSABLE_ENTITY");
    let report = admin
        .post("/audit/blank", json!({"positions": [told], "reason": "r"}))
        .await
        .expect(200)
        .body;
    assert_eq!(report["blanked"], 0);
    assert_eq!(verify(&admin).await["ok"], true);
}

#[tokio::test]
async fn blanking_is_for_administrators_and_says_what_is_wrong() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    for role in [Role::Viewer, Role::Architect, Role::Auditor] {
        let caller = app.login(role).await;
        for path in ["/audit/1/blank", "/audit/blank"] {
            caller
                .post(path, json!({"reason": "r"}))
                .await
                .expect_error(403, "INSUFFICIENT_PERMISSIONS");
        }
    }
    let id = Uuid::now_v7();
    for (path, body, status, code) in [
        ("/audit/999999/blank", json!({"reason": "r"}), 404, "NOT_FOUND"),
        ("/audit/nothing/blank", json!({"reason": "r"}), 400, "INVALID_REQUEST"),
        ("/audit/-1/blank", json!({"reason": "r"}), 400, "INVALID_REQUEST"),
        (
            "/audit/99999999999999999999/blank",
            json!({"reason": "r"}),
            400,
            "INVALID_REQUEST",
        ),
        ("/audit/1/blank", json!({}), 400, "VALIDATION_ERROR"),
        ("/audit/1/blank", json!({"reason": "  "}), 400, "VALIDATION_ERROR"),
        (
            "/audit/1/blank",
            json!({"reason": "x".repeat(501)}),
            400,
            "VALIDATION_ERROR",
        ),
        ("/audit/1/blank", json!({"reason": "a\u{0}b"}), 400, "VALIDATION_ERROR"),
        (
            "/audit/1/blank",
            json!({"reason": "r", "more": 1}),
            400,
            "VALIDATION_ERROR",
        ),
        ("/audit/blank", json!({"reason": "r"}), 400, "VALIDATION_ERROR"),
        (
            "/audit/blank",
            json!({"reason": "r", "positions": []}),
            400,
            "VALIDATION_ERROR",
        ),
        (
            "/audit/blank",
            json!({"reason": "r", "positions": "1"}),
            400,
            "VALIDATION_ERROR",
        ),
        (
            "/audit/blank",
            json!({"reason": "r", "positions": [1.5]}),
            400,
            "VALIDATION_ERROR",
        ),
        (
            "/audit/blank",
            json!({"reason": "r", "positions": vec![1; 1001]}),
            400,
            "VALIDATION_ERROR",
        ),
        (
            "/audit/blank",
            json!({"reason": "r", "positions": [1], "entity_id": id}),
            400,
            "VALIDATION_ERROR",
        ),
        (
            "/audit/blank",
            json!({"reason": "r", "positions": [999_999]}),
            404,
            "NOT_FOUND",
        ),
    ] {
        admin.post(path, body.clone()).await.expect_error(status, code);
    }
    let nothing = admin
        .post("/audit/blank", json!({"reason": "r", "entity_id": id}))
        .await
        .expect(200)
        .body;
    assert_eq!(nothing["blanked"], 0);
}

/// The function is the only way, also for whoever may write to the table.
#[tokio::test]
async fn nothing_else_can_be_done_to_a_row() {
    let app = TestApp::start().await;
    app.login(Role::Editor).await.card("Interface", "One").await;
    seal_now(&app.state).await.unwrap().unwrap();
    for statement in [
        "update changes set reason = null, before = null, after = null, blanked_by = 1",
        "update changes set blanked_by = position",
        "with told as (insert into changes (entity, entity_id, action, version, after) \
         values ('change', gen_random_uuid(), 'blanked', 1, '{\"positions\": [1]}') returning position) \
         update changes c set blanked_by = told.position, action = 'x' from told where c.position = 1",
        "update change_digests set salt = null",
        "update change_digests set payload = 'x'",
    ] {
        let error = app.db().execute(statement).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
}

/// In production the application has a role of its own: it seals and blanks, and can do nothing else to the log.
#[tokio::test]
async fn the_applications_role_can_seal_and_blank_and_no_more() {
    let app = TestApp::start().await;
    app.login(Role::Editor).await.card("Interface", "One").await;
    seal_now(&app.state).await.unwrap().unwrap();
    let mut conn = app.superuser().await;
    let role = format!("archzero_test_role_{}", Uuid::new_v4().simple());
    let run = async |conn: &mut PgConnection, statement: &str| {
        conn.execute(sqlx::AssertSqlSafe(statement.replace('$', &role))).await
    };
    run(&mut conn, "create role $").await.unwrap();
    migrate::grant(&mut conn, &role).await.unwrap();
    run(&mut conn, "set role $").await.unwrap();
    let mut refused = Vec::new();
    for statement in [
        "update changes set reason = 'x'",
        "delete from changes",
        "truncate changes",
        "insert into changes (position, entity, entity_id, action, version) values (0, 'x', gen_random_uuid(), 'x', 1)",
        "insert into changes (tx, entity, entity_id, action, version) values ('3', 'x', gen_random_uuid(), 'x', 1)",
        "insert into changes (occurred_at, entity, entity_id, action, version) values (now(), 'x', gen_random_uuid(), 'x', 1)",
        "update seals set count = 0",
        "delete from seals",
        "update change_digests set salt = null",
        "delete from change_digests",
        "alter table changes disable trigger all",
    ] {
        let state = run(&mut conn, statement)
            .await
            .err()
            .and_then(|e| e.into_database_error()?.code().map(std::borrow::Cow::into_owned));
        refused.push((statement, state));
    }
    let outcome = async {
        run(
            &mut conn,
            "insert into changes (entity, entity_id, action, version) values ('x', gen_random_uuid(), 'x', 1)",
        )
        .await?;
        let mut tx = conn.begin().await?;
        let sealed = audit::store::seal::close(&mut tx, app.state.audit.keys.current())
            .await
            .unwrap();
        let (told, blanked): (i64, Vec<i64>) =
            sqlx::query_as("select told_at, blanked from blank_changes(array(select position from changes where entity = 'card'), null, null, 'r', gen_random_uuid())")
                .fetch_one(&mut *tx)
                .await?;
        tx.commit().await?;
        Ok::<_, sqlx::Error>((sealed.is_some(), told > 0, blanked.len()))
    };
    let outcome = outcome.await;
    conn.execute("reset role").await.unwrap();
    run(&mut conn, "drop owned by $").await.unwrap();
    run(&mut conn, "drop role $").await.unwrap();
    for (statement, state) in refused {
        assert_eq!(state.as_deref(), Some("42501"), "{statement}");
    }
    assert_eq!(outcome.unwrap(), (true, true, 1));
}

/// Anonymising a user leaves nothing to blank: the log never held more than their id.
#[tokio::test]
async fn the_log_never_holds_a_users_name_or_address() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let made = admin
        .post(
            "/admin/users",
            json!({"email": "erika.muster@example.com", "name": "Erika Muster", "roles": ["viewer"]}),
        )
        .await
        .expect(201);
    let id = made.id();
    admin
        .patch(&format!("/admin/users/{id}"), json!({"name": "Erika M. Muster"}))
        .await
        .expect(200);
    admin.post(&format!("/admin/users/{id}/invite-link"), json!({})).await;
    admin
        .post(&format!("/admin/users/{id}/anonymize"), json!({}))
        .await
        .expect(200);
    let (rows, traces): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where entity_id = $1), count(*) filter (where c::text ilike '%muster%' or c::text ilike '%erika%') from changes c",
    )
    .bind(id)
    .fetch_one(app.db())
    .await
    .unwrap();
    assert!(rows >= 3, "what happened is there");
    assert_eq!(traces, 0, "who it was is not");
}
