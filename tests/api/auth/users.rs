use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{id_of, standing, tokens, try_log_in};
use crate::harness::{Caller, PASSWORD, TestApp};

async fn create(admin: &Caller<'_>, email: &str) -> Uuid {
    admin
        .post("/admin/users", json!({"email": email, "roles": ["viewer"]}))
        .await
        .expect(201)
        .id()
}

#[tokio::test]
async fn users_are_entered_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let org = Uuid::now_v7();
    let created = admin
        .post(
            "/admin/users",
            json!({"email": " Greta.Berg@Example.com", "roles": ["editor", "viewer"], "org_id": org}),
        )
        .await
        .expect(201);
    assert_eq!(created.body["name"], "Greta.Berg");
    assert_eq!(created.body["roles"], json!(["viewer", "editor"]));
    let path = format!("/admin/users/{}", created.id());
    assert_eq!(created.header("location"), format!("/api/v1{path}"));
    let etag = created.header("etag").to_owned();

    let read = admin.get(&path).await.expect(200);
    assert_eq!((&read.body, read.header("etag")), (&created.body, etag.as_str()));
    admin.header("if-none-match", &etag).get(&path).await.expect(304);

    let changed = admin
        .header("if-match", &etag)
        .patch(&path, json!({"name": "Greta", "org_id": null, "roles": ["architect"]}))
        .await
        .expect(200);
    assert_eq!(
        (changed.body["version"].as_i64(), &changed.body["org_id"]),
        (Some(2), &Value::Null)
    );
    admin
        .header("if-match", &etag)
        .patch(&path, json!({"name": "Hanna"}))
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    admin
        .header("if-match", "\"1\"")
        .delete(&path)
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    let fields: Value = sqlx::query_scalar("select after from changes where entity_id = $1 and version = 2")
        .bind(created.id())
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(fields, json!({"fields": ["name", "roles", "org_id"]}));

    admin.header("if-match", "\"2\"").delete(&path).await.expect(204);
    admin.delete(&path).await.expect_error(404, "NOT_FOUND");
    admin.patch(&path, json!({"name": "Ida"})).await.expect(404);
    assert!(admin.get(&path).await.expect(200).body["deleted_at"].is_string());
    // The address is free again.
    create(&admin, "greta.berg@example.com").await;
}

#[tokio::test]
async fn what_is_wrong_with_a_user_is_said_at_once() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let fields = |answer: crate::harness::Answer| {
        let answer = answer.expect_error(400, "VALIDATION_ERROR");
        let violations = answer.body["error"]["details"]["violations"]
            .as_array()
            .unwrap()
            .clone();
        violations
            .iter()
            .map(|v| format!("{} {}", v["field"].as_str().unwrap(), v["code"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let answer = admin
        .post(
            "/admin/users",
            json!({"email": "nonsense", "name": "\u{7}", "roles": ["boss"], "org_id": 7, "password": "x"}),
        )
        .await;
    let expected = [
        "email PATTERN_MISMATCH",
        "name PATTERN_MISMATCH",
        "roles NOT_IN_OPTIONS",
        "org_id WRONG_TYPE",
        "password UNKNOWN_FIELD",
    ];
    assert_eq!(fields(answer), expected);
    assert_eq!(
        fields(admin.post("/admin/users", json!({})).await),
        ["email REQUIRED", "roles REQUIRED"]
    );
    assert_eq!(
        fields(admin.post("/admin/users", json!({"email": "a@b", "roles": []})).await),
        ["roles REQUIRED"]
    );
    let id = create(&admin, "a@example.com").await;
    let answer = admin
        .patch(
            &format!("/admin/users/{id}"),
            json!({"name": null, "status": "invited", "version": 7}),
        )
        .await;
    assert_eq!(
        fields(answer),
        ["name REQUIRED", "status NOT_IN_OPTIONS", "version READ_ONLY"]
    );
    admin
        .get("/admin/users?role=boss")
        .await
        .expect_error(400, "INVALID_REQUEST");
    admin
        .get("/admin/users?colour=red")
        .await
        .expect_error(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn an_address_is_taken_once_whatever_its_capitals() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let body = |email: &str| json!({"email": email, "roles": ["viewer"]});
    let answers = futures_util::future::join_all((0..6).map(|n| {
        let email = if n % 2 == 0 {
            "same@example.com"
        } else {
            "SAME@Example.com"
        };
        admin.post("/admin/users", body(email))
    }))
    .await;
    let made: Vec<_> = answers.iter().filter(|a| a.status == 201).collect();
    assert_eq!(made.len(), 1);
    for refused in answers.iter().filter(|a| a.status != 201) {
        assert_eq!((refused.status.as_u16(), refused.code()), (409, "CONFLICT"));
        assert_eq!(refused.body["error"]["details"]["existing_id"], made[0].body["id"]);
    }
    let other = create(&admin, "other@example.com").await;
    let taken = admin
        .patch(&format!("/admin/users/{other}"), json!({"email": "Same@example.com"}))
        .await
        .expect_error(409, "CONFLICT");
    assert_eq!(taken.body["error"]["field"], "email");
}

#[tokio::test]
async fn the_same_key_enters_one_user() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await.header("idempotency-key", "k-1");
    let body = json!({"email": "once@example.com", "roles": ["viewer"]});
    let (one, two) = (
        admin.post("/admin/users", body.clone()).await.expect(201),
        admin.post("/admin/users", body).await.expect(201),
    );
    assert_eq!(one.body, two.body);
    assert_eq!(two.header("idempotent-replayed"), "true");
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_walked() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    for n in 0..7 {
        let body = json!({"email": format!("walker-{n}@example.com"), "name": format!("Walker {}", 9 - n), "roles": [if n < 3 { "editor" } else { "viewer" }]});
        admin.post("/admin/users", body).await.expect(201);
    }
    let names = |page: &crate::harness::Answer| {
        page.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|u| u["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let page = admin
        .get("/admin/users?search=WALKER&sort=name&limit=3")
        .await
        .expect(200);
    assert_eq!(names(&page), ["Walker 3", "Walker 4", "Walker 5"]);
    assert_eq!(page.body["pagination"]["total_items"], 7);
    let page = admin
        .get("/admin/users?search=walker&role=editor&order=desc")
        .await
        .expect(200);
    assert_eq!(names(&page), ["Walker 7", "Walker 8", "Walker 9"]);
    let page = admin.get("/admin/users?search=walker&status=active").await.expect(200);
    assert_eq!(page.body["pagination"]["total_items"], 0);
    // Nothing in a search text has a meaning of its own.
    assert_eq!(
        admin.get("/admin/users?search=%25").await.expect(200).body["pagination"]["total_items"],
        0
    );

    for sort in ["email", "name", "created_at"] {
        for order in ["asc", "desc"] {
            let mut seen = Vec::new();
            let mut path = format!("/admin/users?search=walker&sort={sort}&order={order}&limit=2&cursor=");
            loop {
                let page = admin.get(&path).await.expect(200);
                seen.extend(names(&page));
                let Some(next) = page.body["pagination"]["next_url"].as_str() else {
                    break;
                };
                path = next.trim_start_matches("/api/v1").to_owned();
            }
            let mut expected: Vec<String> = (3..10).map(|n| format!("Walker {n}")).collect();
            if (sort == "name") != (order == "asc") {
                expected.reverse();
            }
            assert_eq!(seen, expected, "{sort} {order}");
        }
    }
    let first = admin
        .get("/admin/users?search=walker&limit=2&cursor=")
        .await
        .expect(200);
    let cursor = first.body["pagination"]["next_cursor"].as_str().unwrap();
    admin
        .get(&format!("/admin/users?limit=2&cursor={cursor}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
}

#[tokio::test]
async fn deactivation_shuts_out_and_can_be_taken_back() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let (id, email) = app.user(&[Role::Editor]).await;
    let (access, renewal) = tokens(&app, &email).await;
    assert_eq!(standing(&app, &access).await, 200);
    let answer = admin
        .post(&format!("/admin/users/{id}/deactivate"), json!({}))
        .await
        .expect(200);
    assert_eq!(answer.body["status"], "deactivated");
    assert_eq!(standing(&app, &access).await, 401);
    super::refresh(&app, &renewal).await.expect(401);
    try_log_in(&app, &email, PASSWORD).await.expect(401);
    let answer = admin
        .patch(&format!("/admin/users/{id}"), json!({"status": "active"}))
        .await
        .expect(200);
    assert_eq!(answer.body["status"], "active");
    try_log_in(&app, &email, PASSWORD).await.expect(200);
    // Who never had a password goes back to being invited.
    let id = create(&admin, "new@example.com").await;
    admin
        .post(&format!("/admin/users/{id}/deactivate"), json!({}))
        .await
        .expect(200);
    let answer = admin
        .patch(&format!("/admin/users/{id}"), json!({"status": "active"}))
        .await
        .expect(200);
    assert_eq!(answer.body["status"], "invited");
}

#[tokio::test]
async fn an_anonymized_person_is_gone_and_their_id_stays() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let (id, email) = app.user(&[Role::Editor]).await;
    let (access, _) = tokens(&app, &email).await;
    app.with_token(&access)
        .patch("/auth/me", json!({"name": "Greta Berg", "preferences": {"a": 1}}))
        .await
        .expect(200);
    try_log_in(&app, &email, "Not-The-Password-7").await;
    let answer = admin
        .post(&format!("/admin/users/{id}/anonymize"), json!({}))
        .await
        .expect(200);
    assert_eq!(answer.body["email"], format!("deleted-{id}@example.com"));
    assert_eq!(
        (answer.body["name"].as_str(), answer.body["status"].as_str()),
        (Some("Deleted User"), Some("anonymized"))
    );
    assert_eq!(standing(&app, &access).await, 401);
    try_log_in(&app, &email, PASSWORD).await.expect(401);
    let left: Vec<Value> = sqlx::query_scalar(
        "select to_jsonb(u) from users u where id = $1 union all select to_jsonb(s) from sessions s where user_id = $1",
    )
    .bind(id)
    .fetch_all(app.db())
    .await
    .unwrap();
    let left = serde_json::to_string(&left).unwrap();
    for gone in [email.as_str(), "Greta", "127.0.0.1", "$2b$"] {
        assert!(!left.contains(gone), "{gone} is left: {left}");
    }
    // Again changes nothing; a deleted person can be forgotten too.
    let again = admin
        .post(&format!("/admin/users/{id}/anonymize"), json!({}))
        .await
        .expect(200);
    assert_eq!(again.body["version"], answer.body["version"]);
    let other = create(&admin, "other@example.com").await;
    admin.delete(&format!("/admin/users/{other}")).await.expect(204);
    admin
        .post(&format!("/admin/users/{other}/anonymize"), json!({}))
        .await
        .expect(200);
    assert!(
        admin.get("/admin/users").await.expect(200).body["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|u| u["status"] != "anonymized")
    );
    assert_eq!(
        admin
            .get("/admin/users?deleted=only&status=anonymized")
            .await
            .expect(200)
            .body["pagination"]["total_items"],
        2
    );
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let me = id_of(&admin).await;
    let path = format!("/admin/users/{me}");
    // Neither somebody shut out nor somebody invited can take over.
    let (gone, _) = app.user(&[Role::Admin]).await;
    admin
        .post(&format!("/admin/users/{gone}/deactivate"), json!({}))
        .await
        .expect(200);
    admin
        .post(
            "/admin/users",
            json!({"email": "later@example.com", "roles": ["admin"]}),
        )
        .await
        .expect(201);
    admin
        .patch(&path, json!({"roles": ["viewer"]}))
        .await
        .expect_error(409, "CONFLICT");
    admin
        .patch(&path, json!({"status": "deactivated"}))
        .await
        .expect_error(409, "CONFLICT");
    admin
        .post(&format!("{path}/deactivate"), json!({}))
        .await
        .expect_error(409, "CONFLICT");
    admin
        .post(&format!("{path}/anonymize"), json!({}))
        .await
        .expect_error(409, "CONFLICT");
    admin.delete(&path).await.expect_error(409, "CONFLICT");
    admin
        .patch(&path, json!({"roles": ["admin", "auditor"], "name": "Chief"}))
        .await
        .expect(200);
    let other = app.login(Role::Admin).await;
    admin.patch(&path, json!({"roles": ["viewer"]})).await.expect(200);
    admin.get("/admin/users").await.expect(403);
    other.get("/admin/users").await.expect(200);
}

#[tokio::test]
async fn two_administrators_who_remove_each_other_do_not_both_succeed() {
    let app = TestApp::start().await;
    for round in 0..6 {
        let (one, two) = (app.login(Role::Admin).await, app.login(Role::Admin).await);
        let (first, second) = (id_of(&one).await, id_of(&two).await);
        sqlx::query("update users set status = 'deactivated' where id <> all ($1)")
            .bind([first, second])
            .execute(app.db())
            .await
            .unwrap();
        let (remove_two, remove_one) = (format!("/admin/users/{second}"), format!("/admin/users/{first}"));
        let (a, b) = if round % 2 == 0 {
            tokio::join!(
                one.patch(&remove_two, json!({"roles": ["viewer"]})),
                two.delete(&remove_one)
            )
        } else {
            tokio::join!(
                one.patch(&remove_one, json!({"roles": ["viewer"]})),
                two.patch(&remove_two, json!({"status": "deactivated"}))
            )
        };
        let done = [&a, &b].into_iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(done, 1, "{:?} {:?}", a.body, b.body);
        let left: i64 = sqlx::query_scalar(
            "select count(*) from users where status = 'active' and deleted_at is null and 'admin' = any (roles)",
        )
        .fetch_one(app.db())
        .await
        .unwrap();
        assert_eq!(left, 1);
    }
}
