//! Saved questions: who may do what with them, their parameters, and their answers as JSON and CSV.

use archzero::auth::Role;
use serde_json::{Value, json};

use crate::harness::{Caller, TestApp};

fn by_vendor() -> Value {
    json!({
        "name": "Applications by vendor", "visibility": "everyone",
        "query": {
            "types": ["Application"], "sort": "name", "target_date": {"$param": "on"},
            "where": {"all": [
                {"related": {"type": "RELIES_ON", "to": "ITComponent", "where": {"vendor": {"$param": "vendor"}}}},
                {"field": "hosting_type", "op": "in", "value": {"$param": "hosting"}},
            ]},
        },
        "parameters": [
            {"name": "vendor", "type": "text", "label": "Vendor"},
            {"name": "on", "type": "date", "default": "2026-01-01"},
            {"name": "hosting", "type": "text", "list": true, "default": ["SaaS", "PaaS"]},
        ],
        "columns": [{"field": "name", "title": "Application"}, {"field": "tags", "title": "Tags"}, "attributes.users_total",
            {"field": "description", "title": "What"}],
    })
}

async fn landscape(architect: &Caller<'_>) {
    let oracle = architect
        .card_with("ITComponent", "DB", json!({"attributes": {"vendor": "Oracle"}}))
        .await;
    for (n, what) in ["plain", "=cmd|' /C calc'!A0", "a \"quoted\", text"]
        .into_iter()
        .enumerate()
    {
        let more = json!({"description": what, "tags": ["x", "y"], "attributes": {"users_total": n}});
        let app = architect.card_with("Application", &format!("A{n}"), more).await;
        architect.link(app, "RELIES_ON", oracle).await;
    }
}

#[tokio::test]
async fn a_question_is_saved_changed_and_removed() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let made = viewer.post("/questions", by_vendor()).await.expect(201);
    assert_eq!(made.body["slug"], "applications-by-vendor");
    assert_eq!(
        made.body["columns"][2],
        json!({"field": "attributes.users_total", "title": "attributes.users_total"})
    );
    assert_eq!(made.header("location"), format!("/api/v1/questions/{}", made.id()));
    viewer
        .post("/questions", by_vendor())
        .await
        .expect_error(409, "CONFLICT");
    let path = "/questions/applications-by-vendor";
    let read = viewer.get(path).await.expect(200);
    assert_eq!(
        read.body,
        viewer.get(&format!("/questions/{}", made.id())).await.expect(200).body
    );
    viewer
        .header("if-none-match", read.header("etag"))
        .get(path)
        .await
        .expect(304);
    let patched = viewer
        .header("if-match", "\"1\"")
        .patch(path, json!({"name": "Renamed", "parameters": null}))
        .await;
    let refused = patched.expect_error(400, "VALIDATION_ERROR");
    assert_eq!(
        refused.body["error"]["field"], "/query/target_date",
        "its placeholders would name nothing"
    );
    let patched = viewer
        .header("if-match", "\"1\"")
        .patch(path, json!({"name": "Renamed"}))
        .await
        .expect(200);
    assert_eq!(
        (&patched.body["version"], &patched.body["slug"]),
        (&json!(2), &json!("applications-by-vendor"))
    );
    assert_eq!(
        viewer.patch(path, json!({"name": "Renamed"})).await.expect(200).body["version"],
        2
    );
    viewer
        .header("if-match", "\"1\"")
        .patch(path, json!({"name": "X"}))
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    viewer
        .header("if-match", "\"1\"")
        .delete(path)
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    viewer.delete(path).await.expect(204);
    viewer.get(path).await.expect_error(404, "NOT_FOUND");
    let actions: Vec<String> =
        sqlx::query_scalar("select action from changes where entity = 'saved_question' order by position")
            .fetch_all(app.db())
            .await
            .unwrap();
    assert_eq!(actions, ["created", "updated", "deleted"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_named() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut body = by_vendor();
        change(&mut body);
        body
    };
    let cases: Vec<(Value, &str)> = vec![
        (wrong(&|b| b["name"] = json!(" ")), "name"),
        (wrong(&|b| b["slug"] = json!("Über")), "slug"),
        (
            wrong(&|b| b["slug"] = json!("0190a6c0-0000-7000-8000-000000000001")),
            "slug",
        ),
        (wrong(&|b| b["visibility"] = json!("roles")), "roles"),
        (wrong(&|b| b["roles"] = json!(["viewer"])), "roles"),
        (wrong(&|b| b["query"] = Value::Null), "query"),
        (
            wrong(&|b| b["query"]["where"]["all"][1]["field"] = json!("hosting_typ")),
            "/query/where/all/1/field",
        ),
        (wrong(&|b| b["query"]["limit"] = json!(5)), "query.limit"),
        (wrong(&|b| b["query"]["sort"] = json!("colour")), "query.sort"),
        (
            wrong(&|b| b["query"]["search"] = json!({"$param": "what"})),
            "/query/search",
        ),
        (
            wrong(&|b| b["parameters"][1]["type"] = json!("number")),
            "parameters[1].default",
        ),
        (
            wrong(&|b| b["parameters"][1] = json!({"name": "on", "type": "number"})),
            "query.target_date",
        ),
        (
            wrong(&|b| b["parameters"][0]["name"] = json!("limit")),
            "parameters[0].name",
        ),
        (
            wrong(&|b| b["parameters"][0]["name"] = json!("on")),
            "parameters[1].name",
        ),
        (
            wrong(&|b| b["parameters"][2]["default"] = json!(["Moon"])),
            "/query/where/all/1/value/0",
        ),
        (wrong(&|b| b["columns"][0]["field"] = json!("nmae")), "columns[0].field"),
        (
            wrong(&|b| b["columns"][1]["title"] = json!("Application")),
            "columns[1].title",
        ),
        (wrong(&|b| b["columns"] = json!("name")), "columns"),
        (wrong(&|b| b["owner_id"] = json!(uuid::Uuid::nil())), "owner_id"),
        (wrong(&|b| b["version"] = json!(5)), "version"),
        (wrong(&|b| b["colour"] = json!(5)), "colour"),
    ];
    for (body, field) in cases {
        let answer = viewer
            .post("/questions", body)
            .await
            .expect_error(400, "VALIDATION_ERROR");
        assert_eq!(answer.body["error"]["field"], field, "{}", answer.body);
    }
}

#[tokio::test]
async fn answers_take_parameters_and_name_wrong_ones() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    landscape(&architect).await;
    architect.post("/questions", by_vendor()).await.expect(201);
    let viewer = app.login(Role::Viewer).await;
    let path = "/questions/applications-by-vendor/results";
    let first = viewer.get(&format!("{path}?vendor=Oracle&limit=2")).await.expect(200);
    let row = json!({"Application": "A0", "Tags": ["x", "y"], "attributes.users_total": 0, "What": "plain"});
    assert_eq!(first.body["data"][0], row);
    assert_eq!(first.body["pagination"]["total_items"], 3);
    let next = first.body["pagination"]["next_url"]
        .as_str()
        .unwrap()
        .strip_prefix("/api/v1")
        .unwrap()
        .to_owned();
    assert_eq!(viewer.get(&next).await.expect(200).body["data"][0]["Application"], "A2");
    let cursor = first.body["pagination"]["next_cursor"].as_str().unwrap();
    viewer
        .get(&format!("{path}?vendor=SAP&cursor={cursor}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
    let rest = viewer
        .get(&format!("{path}?vendor=Oracle&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest.body["data"].as_array().unwrap().len(), 1);
    let none = viewer
        .get(&format!("{path}?vendor=Oracle&hosting=PaaS&hosting=IaaS"))
        .await
        .expect(200);
    assert_eq!(none.body["pagination"]["total_items"], 0);
    for (query, code, field) in [
        ("", "VALIDATION_ERROR", "vendor"),
        ("vendor=Oracle&on=2026-02-30", "VALIDATION_ERROR", "on"),
        ("vendor=Oracle&vendor=SAP", "VALIDATION_ERROR", "vendor"),
        ("vendor=Oracle&hosting=Moon", "VALIDATION_ERROR", "hosting"),
        ("vendor=Oracle&colour=red", "INVALID_REQUEST", "colour"),
        ("vendor=Oracle&limit=x", "INVALID_REQUEST", "limit"),
        ("vendor=Oracle&limit=0", "INVALID_REQUEST", "limit"),
    ] {
        let answer = viewer.get(&format!("{path}?{query}")).await.expect_error(400, code);
        assert_eq!(answer.body["error"]["field"], field, "{query}");
    }
    viewer
        .get(&format!("{path}?vendor=%00"))
        .await
        .expect_error(400, "INVALID_REQUEST");
    viewer
        .get(&format!("{path}?vendor=%ff"))
        .await
        .expect_error(400, "INVALID_REQUEST");
    viewer
        .get("/questions/nothing/results")
        .await
        .expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_whole_answer_comes_as_csv() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    landscape(&architect).await;
    architect.post("/questions", by_vendor()).await.expect(201);
    let viewer = app.login(Role::Viewer).await;
    let path = "/questions/applications-by-vendor/results.csv?vendor=Oracle";
    let answer = viewer.get(path).await.expect(200);
    assert!(answer.header("content-type").starts_with("text/csv"));
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"applications-by-vendor.csv\""
    );
    let expected = "Application,Tags,attributes.users_total,What\r\nA0,\"x; y\",0,plain\r\n\
                    A1,\"x; y\",1,\"'=cmd|' /C calc'!A0\"\r\nA2,\"x; y\",2,\"a \"\"quoted\"\", text\"\r\n";
    assert_eq!(String::from_utf8(answer.bytes.clone()).unwrap(), expected);
    let marked = viewer.get(&format!("{path}&bom=true")).await.expect(200);
    assert_eq!(
        String::from_utf8(marked.bytes.clone()).unwrap(),
        format!("\u{feff}{expected}")
    );
    let negotiated = viewer.header("accept", "text/csv");
    let negotiated = negotiated
        .get("/questions/applications-by-vendor/results?vendor=Oracle")
        .await
        .expect(200);
    assert_eq!(negotiated.bytes, answer.bytes);
    let known = viewer.header("if-none-match", answer.header("etag"));
    assert!(known.get(path).await.expect(304).bytes.is_empty());
    let id = viewer.get("/cards?search=A1").await.expect(200).body["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    architect
        .patch(&format!("/cards/{id}"), json!({"attributes": {"users_total": 9}}))
        .await
        .expect(200);
    let changed = known.get(path).await.expect(200);
    assert!(String::from_utf8(changed.bytes).unwrap().contains("A1,\"x; y\",9,"));
    for query in ["&bom=maybe", "&limit=5", "&cursor="] {
        viewer
            .get(&format!("{path}{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    // More than one piece: longer than what is held in memory at a time.
    let big = json!({"name": "All", "visibility": "everyone", "query": {"sort": "attributes.users_total"}, "columns": ["name", "description"]});
    architect.post("/questions", big).await.expect(201);
    sqlx::query(
        "insert into cards (id, type, name, name_key, description)
         select gen_random_uuid(), 'Risk', 'r' || n, 'r' || n, repeat('long ', 100) from generate_series(1, 3000) n",
    )
    .execute(app.db())
    .await
    .unwrap();
    let all = viewer.get("/questions/all/results.csv").await.expect(200);
    assert_eq!(String::from_utf8(all.bytes).unwrap().lines().count(), 3_005);
}

#[tokio::test]
async fn questions_are_shared_as_their_owner_says() {
    let app = TestApp::start().await;
    let (owner_id, email) = app.user(&[Role::Viewer]).await;
    let owner = app.login_as(&email).await;
    let other = app.login(Role::Editor).await;
    let admin = app.login(Role::Admin).await;
    let question = |name: &str, visibility: &str, roles: Value| json!({"name": name, "visibility": visibility, "roles": roles, "query": {}});
    owner
        .post("/questions", question("Mine", "private", json!([])))
        .await
        .expect(201);
    owner
        .post("/questions", question("Editors", "roles", json!(["editor", "system"])))
        .await
        .expect(201);
    owner
        .post("/questions", question("Auditors", "roles", json!(["auditor"])))
        .await
        .expect(201);
    owner
        .post("/questions", question("Ours", "everyone", json!([])))
        .await
        .expect(201);
    let slugs = async |caller: &Caller<'_>, query: &str| -> Vec<String> {
        let list = caller.get(&format!("/questions{query}")).await.expect(200).body;
        assert_eq!(
            list["pagination"]["total_items"],
            list["data"].as_array().unwrap().len()
        );
        let slug = |q: &Value| q["slug"].as_str().unwrap().to_owned();
        list["data"].as_array().unwrap().iter().map(slug).collect()
    };
    assert_eq!(slugs(&owner, "").await, ["auditors", "editors", "mine", "ours"]);
    assert_eq!(slugs(&other, "").await, ["editors", "ours"]);
    assert_eq!(slugs(&other, "?mine=true").await, [""; 0]);
    assert_eq!(slugs(&admin, "").await.len(), 4);
    let page = owner.get("/questions?cursor=&limit=3").await.expect(200);
    let next = page.body["pagination"]["next_cursor"].as_str().unwrap();
    let rest = owner.get(&format!("/questions?cursor={next}")).await.expect(200);
    assert_eq!(rest.body["data"][0]["slug"], "ours");
    for (path, status) in [("mine", 404), ("auditors", 404), ("editors", 200), ("ours", 200)] {
        other.get(&format!("/questions/{path}")).await.expect(status);
        other.get(&format!("/questions/{path}/results")).await.expect(status);
        other
            .get(&format!("/questions/{path}/results.csv"))
            .await
            .expect(status);
    }
    other
        .patch("/questions/mine", json!({"name": "X"}))
        .await
        .expect_error(404, "NOT_FOUND");
    other
        .patch("/questions/ours", json!({"name": "X"}))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    other
        .delete("/questions/ours")
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    // The owner leaves: the question answers nobody, until it is given to somebody who is there.
    admin
        .post(&format!("/admin/users/{owner_id}/deactivate"), json!({}))
        .await
        .expect(200);
    for path in ["results", "results.csv"] {
        let gone = other
            .get(&format!("/questions/ours/{path}"))
            .await
            .expect_error(422, "UNPROCESSABLE_ENTITY");
        assert_eq!(gone.body["error"]["details"]["owner_id"], owner_id.to_string());
    }
    let nobody = json!({"owner_id": uuid::Uuid::nil()});
    admin
        .patch("/questions/ours", nobody)
        .await
        .expect_error(400, "INVALID_REQUEST");
    let (heir, _) = app.user(&[Role::Viewer]).await;
    admin
        .patch("/questions/ours", json!({"owner_id": heir}))
        .await
        .expect(200);
    other.get("/questions/ours/results").await.expect(200);
}

#[tokio::test]
async fn a_question_that_no_longer_fits_says_so() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let kind = json!({"name": "Gadget", "label": "Gadget", "layer": "A", "color": "#112233"});
    admin.post("/config/card-types", kind).await.expect(201);
    let question = json!({"name": "Gadgets", "query": {"types": ["Gadget"]}});
    admin.post("/questions", question).await.expect(201);
    admin.get("/questions/gadgets/results").await.expect(200);
    admin
        .header("if-match", "*")
        .delete("/config/card-types/Gadget")
        .await
        .expect(204);
    let answer = admin
        .get("/questions/gadgets/results")
        .await
        .expect_error(422, "UNPROCESSABLE_ENTITY");
    assert_eq!(answer.body["error"]["details"]["violations"][0]["field"], "types[0]");
}
