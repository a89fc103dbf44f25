//! What answers of saved questions hold: what owner and caller may both see, what a search finds, what was recorded.

use archzero::{audit::seal_now, auth::Role};
use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, TestApp};

/// Everything recorded so far; the instant, as a client writes it.
async fn sealed(app: &TestApp) -> String {
    let closed = seal_now(&app.state).await.unwrap().expect("something to close");
    closed.recorded_at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

async fn ask(caller: &Caller<'_>, slug: &str, query: &str) -> Answer {
    caller.get(&format!("/questions/{slug}/results?{query}")).await
}

/// The names of an answer, as JSON tells them.
async fn names(caller: &Caller<'_>, slug: &str, query: &str) -> Vec<String> {
    let answer = ask(caller, slug, query).await.expect(200).body;
    let rows = answer["data"].as_array().unwrap();
    assert_eq!(answer["pagination"]["total_items"], rows.len());
    rows.iter()
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The names of an answer, as CSV tells them.
async fn names_in_file(caller: &Caller<'_>, slug: &str, query: &str) -> Vec<String> {
    let path = format!("/questions/{slug}/results.csv?{query}");
    let text = String::from_utf8(caller.get(&path).await.expect(200).bytes).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().unwrap(), "name");
    lines.collect()
}

fn question(name: &str, query: Value) -> Value {
    json!({"name": name, "visibility": "everyone", "query": query, "columns": ["name"]})
}

#[tokio::test]
async fn what_both_the_owner_and_the_caller_may_see() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let (shop, part) = (
        admin.card("Application", "Shop").await,
        admin.card("ITComponent", "Database").await,
    );
    let unit = admin.card("Organization", "Unit").await;
    admin.card("Provider", "Vendor").await;
    admin.link(shop, "RELIES_ON", part).await;
    admin.link(shop, "OWNED_BY", unit).await;
    let owner = app
        .login_with_role(json!({"view": ["Application", "ITComponent", "Provider"]}))
        .await;
    let caller = app
        .login_with_role(json!({"view": ["Application", "ITComponent", "Organization"]}))
        .await;
    let related = |edge: &str| json!({"where": {"related": {"type": edge}}});
    let absent =
        |edge: &str| json!({"types": ["Application"], "where": {"related": {"type": edge, "quantifier": "none"}}});
    for (name, query) in [
        ("Everything", json!({})),
        ("Relying", related("RELIES_ON")),
        ("Owned", related("OWNED_BY")),
        ("Not owned", absent("OWNED_BY")),
        (
            "Searched",
            json!({"search": "unit database vendor shop", "sort": "name"}),
        ),
        ("By one letter", json!({"search": "u"})),
    ] {
        owner.post("/questions", question(name, query)).await.expect(201);
    }
    for (slug, its_owner, the_caller, everybody) in [
        // Never the unit, which the owner may not see; never the vendor, which the caller may not.
        (
            "everything",
            vec!["Database", "Shop", "Vendor"],
            vec!["Database", "Shop"],
            vec!["Database", "Shop", "Vendor"],
        ),
        ("relying", vec!["Shop"], vec!["Shop"], vec!["Shop"]),
        ("owned", vec![], vec![], vec![]),
        ("not-owned", vec!["Shop"], vec!["Shop"], vec!["Shop"]),
        ("by-one-letter", vec![], vec![], vec![]),
    ] {
        for (who, expected) in [(&owner, &its_owner), (&caller, &the_caller), (&admin, &everybody)] {
            assert_eq!(names(who, slug, "").await, *expected, "{slug}");
            assert_eq!(names_in_file(who, slug, "").await, *expected, "{slug}");
        }
    }
    let instant = sealed(&app).await;
    for at in [String::new(), format!("known_at={instant}")] {
        assert_eq!(names(&caller, "everything", &at).await, ["Database", "Shop"]);
        assert_eq!(names_in_file(&caller, "everything", &at).await, ["Database", "Shop"]);
        assert_eq!(names_in_file(&caller, "owned", &at).await, [""; 0]);
    }
    // Whose file it is, its validator tells.
    let tag = |answer: Answer| answer.header("etag").to_owned();
    let path = "/questions/everything/results.csv";
    assert_ne!(tag(owner.get(path).await), tag(caller.get(path).await));
}

#[tokio::test]
async fn questions_that_search() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    for (card_type, name, description) in [
        ("Application", "Billing", "Writes invoices"),
        ("Application", "Archive", "Keeps what Billing wrote"),
        ("Platform", "Billing Platform", "Runs it"),
        ("Application", "Portal", "Something else"),
    ] {
        admin
            .card_with(card_type, name, json!({"description": description}))
            .await;
    }
    let words = json!([{"name": "words", "type": "text"}, {"name": "only", "type": "text", "list": true, "default": ["Application", "Platform"]}]);
    let query = json!({"search": {"$param": "words"}, "types": {"$param": "only"}});
    let mut asked = question("Find", query.clone());
    asked["parameters"] = words.clone();
    admin.post("/questions", asked).await.expect(201);
    // The best first, in pages as well.
    assert_eq!(
        names(&admin, "find", "words=billing").await,
        ["Billing", "Billing Platform", "Archive"]
    );
    let first = ask(&admin, "find", "words=billing&cursor=&limit=2")
        .await
        .expect(200)
        .body;
    let next = first["pagination"]["next_url"]
        .as_str()
        .unwrap()
        .strip_prefix("/api/v1")
        .unwrap();
    let rest = admin.get(next).await.expect(200).body;
    assert_eq!(rest["data"], json!([{"name": "Archive"}]));
    let cursor = first["pagination"]["next_cursor"].as_str().unwrap();
    ask(&admin, "find", &format!("words=portal&cursor={cursor}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
    // A file holds the same cards, in the order that the question names.
    assert_eq!(
        names_in_file(&admin, "find", "words=billing").await,
        ["Archive", "Billing", "Billing Platform"]
    );
    // Typos are forgiven where nothing is found otherwise, under all filters, in both.
    for found in [
        names(&admin, "find", "words=wrties").await,
        names_in_file(&admin, "find", "words=wrties").await,
        names(&admin, "find", "words=invoces&only=Application").await,
        names_in_file(&admin, "find", "words=invoces&only=Application").await,
    ] {
        assert_eq!(found, ["Billing"]);
    }
    admin
        .card_with("Platform", "Other", json!({"description": "wrties"}))
        .await;
    assert_eq!(names_in_file(&admin, "find", "words=wrties").await, ["Other"]);
    assert_eq!(
        names_in_file(&admin, "find", "words=wrties&only=Application").await,
        names(&admin, "find", "words=wrties&only=Application").await
    );
    assert_eq!(
        names(&admin, "find", "words=wrties&only=Application").await,
        ["Billing"]
    );
    // Words are wrong as they are in every search; the parameter is named.
    for path in ["results", "results.csv"] {
        let answer = admin.get(&format!("/questions/find/{path}?words=-without")).await;
        assert_eq!(
            answer.expect_error(400, "INVALID_REQUEST").body["error"]["field"],
            "words"
        );
    }
    // The validator of a file changes with what it finds.
    let path = "/questions/find/results.csv?words=billing";
    let known = admin.header("if-none-match", admin.get(path).await.expect(200).header("etag"));
    known.get(path).await.expect(304);
    admin.card("Application", "Billing Desk").await;
    known.get(path).await.expect(200);
}

#[tokio::test]
async fn answers_about_the_past() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await.header("if-match", "*");
    let part = admin
        .card_with("ITComponent", "Database", json!({"attributes": {"vendor": "Oracle"}}))
        .await;
    let shop = admin.card("Application", "Shop").await;
    admin.link(shop, "RELIES_ON", part).await;
    let query = json!({"where": {"related": {"type": "RELIES_ON", "where": {"vendor": {"$param": "vendor"}}}}});
    let mut on_vendor = question("On vendor", query);
    on_vendor["parameters"] = json!([{"name": "vendor", "type": "text", "default": "Oracle"}]);
    on_vendor["columns"] = json!(["name"]);
    admin.post("/questions", on_vendor.clone()).await.expect(201);
    admin
        .post("/questions", question("Search", json!({"search": "shop"})))
        .await
        .expect(201);
    let before = sealed(&app).await;
    admin
        .patch(&format!("/cards/{shop}"), json!({"name": "Store"}))
        .await
        .expect(200);
    admin
        .patch(&format!("/cards/{part}"), json!({"attributes": {"vendor": "SAP"}}))
        .await
        .expect(200);
    let after = sealed(&app).await;
    let at = |instant: &str, more: &str| format!("known_at={instant}{more}");
    for (query, expected) in [
        (String::new(), vec![]),
        ("vendor=SAP".to_owned(), vec!["Store"]),
        (at(&before, ""), vec!["Shop"]),
        (at(&before, "&vendor=SAP"), vec![]),
        (at(&after, "&vendor=SAP"), vec!["Store"]),
    ] {
        assert_eq!(names(&admin, "on-vendor", &query).await, expected, "{query}");
        assert_eq!(names_in_file(&admin, "on-vendor", &query).await, expected, "{query}");
    }
    assert_eq!(names(&admin, "search", &at(&before, "")).await, ["Shop"]);
    assert_eq!(names_in_file(&admin, "search", &at(&before, "")).await, ["Shop"]);
    assert_eq!(names_in_file(&admin, "search", &at(&after, "")).await, [""; 0]);

    // The answer names its seal and keeps its bytes and its validator, whatever is written.
    for path in ["results", "results.csv"] {
        let path = format!("/questions/on-vendor/{path}?known_at={before}");
        let first = admin.get(&path).await.expect(200);
        assert!(first.header("x-arc-known-at").starts_with(&before), "{path}");
        admin.card("Application", &format!("New {}", path.len())).await;
        let again = admin.get(&path).await.expect(200);
        assert_eq!(
            (&again.bytes, again.header("etag")),
            (&first.bytes, first.header("etag"))
        );
        let unchanged = admin
            .header("if-none-match", first.header("etag"))
            .get(&path)
            .await
            .expect(304);
        assert!(unchanged.header("x-arc-known-at").starts_with(&before), "{path}");
        let now = admin.get(path.split('?').next().unwrap()).await.expect(200);
        assert_eq!(now.header("x-arc-known-at"), "");
    }
    let csv = admin.header("accept", "text/csv");
    let negotiated = ask(&csv, "on-vendor", &at(&before, "")).await.expect(200);
    assert_eq!(String::from_utf8(negotiated.bytes.clone()).unwrap(), "name\r\nShop\r\n");
    assert!(negotiated.header("x-arc-known-at").starts_with(&before));

    // A list of the past is walked within it.
    admin.post("/questions", question("All", json!({}))).await.expect(201);
    let first = ask(&admin, "all", &at(&before, "&cursor=&limit=1"))
        .await
        .expect(200)
        .body;
    assert_eq!(first["data"], json!([{"name": "Database"}]));
    let cursor = first["pagination"]["next_cursor"].as_str().unwrap();
    let next = ask(&admin, "all", &at(&before, &format!("&cursor={cursor}")))
        .await
        .expect(200);
    assert_eq!(next.body["data"], json!([{"name": "Shop"}]));
    for other in [at(&after, &format!("&cursor={cursor}")), format!("cursor={cursor}")] {
        ask(&admin, "all", &other).await.expect_error(400, "CURSOR_MISMATCH");
    }

    for path in ["results", "results.csv"] {
        for (instant, status, code) in [
            ("", 400, "VALIDATION_ERROR"),
            ("2026-11-21", 400, "VALIDATION_ERROR"),
            ("yesterday", 400, "VALIDATION_ERROR"),
            ("9999-01-01T00:00:00Z", 400, "INVALID_REQUEST"),
            ("1999-01-01T00:00:00Z", 422, "UNPROCESSABLE_ENTITY"),
        ] {
            let answer = admin.get(&format!("/questions/all/{path}?known_at={instant}")).await;
            assert_eq!(
                answer.expect_error(status, code).body["error"]["field"],
                "known_at",
                "{instant}"
            );
        }
        let twice = format!("/questions/all/{path}?known_at={before}&known_at={before}");
        admin.get(&twice).await.expect_error(400, "INVALID_REQUEST");
    }
    on_vendor["name"] = json!("Taken");
    on_vendor["parameters"][0]["name"] = json!("known_at");
    on_vendor["query"] = json!({});
    let refused = admin
        .post("/questions", on_vendor)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    assert_eq!(refused.body["error"]["field"], "parameters[0].name");
}

#[tokio::test]
async fn a_question_that_did_not_fit_then_says_so() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let before = sealed(&app).await;
    let kind = json!({"name": "Gadget", "label": "Gadget", "layer": "A", "color": "#112233"});
    admin.post("/config/card-types", kind).await.expect(201);
    admin
        .post("/questions", question("Gadgets", json!({"types": ["Gadget"]})))
        .await
        .expect(201);
    assert_eq!(names(&admin, "gadgets", "").await, [""; 0]);
    for path in ["results", "results.csv"] {
        let path = format!("/questions/gadgets/{path}?known_at={before}");
        let answer = admin.get(&path).await.expect_error(422, "UNPROCESSABLE_ENTITY");
        assert!(
            answer.body["error"]["message"]
                .as_str()
                .unwrap()
                .contains("of that instant")
        );
    }
}
