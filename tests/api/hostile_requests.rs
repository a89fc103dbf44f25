//! Hostile addresses: paths, query strings and headers that mean harm or nonsense.

use archzero::auth::Role;
use axum::http::{Method, StatusCode};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use uuid::Uuid;

use crate::{
    harness::{Answer, TestApp},
    probe::encode,
};

#[track_caller]
fn refused(answer: &Answer) -> &str {
    let shown = String::from_utf8_lossy(&answer.bytes);
    assert!(answer.status.is_client_error(), "{} {shown:.600}", answer.status);
    assert_eq!(
        answer.body["error"]["request_id"],
        answer.header("x-request-id"),
        "{shown:.600}"
    );
    assert!(!answer.body["error"]["message"].as_str().unwrap().is_empty());
    assert!(answer.bytes.len() < 16 * 1024, "an answer as large as the question");
    answer.code()
}

#[tokio::test]
async fn ids_that_are_none() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await.header("if-match", "*");
    for id in [
        "x",
        "0",
        "-1",
        "null",
        "%00",
        "%ff",
        "%2e%2e",
        "..%2f..%2fetc",
        "00000000-0000-0000-0000-00000000000g",
        "🙂",
        "%20",
        "'%20or%201=1--",
        &"a".repeat(5000),
    ] {
        let id = if id.is_ascii() { id.to_owned() } else { encode(id) };
        for path in [
            format!("/cards/{id}"),
            format!("/relationships/{id}"),
            format!("/cards/{id}/history"),
            format!("/cards/{id}/relationships"),
        ] {
            assert_eq!(refused(&architect.get(&path).await), "INVALID_REQUEST", "{path}");
        }
        assert_eq!(
            refused(&architect.delete(&format!("/cards/{id}")).await),
            "INVALID_REQUEST"
        );
        assert_eq!(
            refused(&architect.patch(&format!("/cards/{id}"), json!({})).await),
            "INVALID_REQUEST"
        );
        assert_eq!(
            refused(&architect.put(&format!("/cards/{id}"), json!({})).await),
            "INVALID_REQUEST"
        );
        assert_eq!(
            refused(&architect.post(&format!("/cards/{id}/restore"), json!({})).await),
            "INVALID_REQUEST"
        );
    }
    for id in [Uuid::nil(), Uuid::max()] {
        for path in [format!("/cards/{id}"), format!("/relationships/{id}")] {
            assert_eq!(refused(&architect.get(&path).await), "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn routes_and_methods_that_are_none() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = Uuid::now_v7();
    for path in [
        "/nothing",
        "/cards/",
        "//",
        "//api/v2/cards",
        &format!("/cards/{id}/nothing"),
        "/cards//",
        "/Cards",
        "/cards;x=1",
        "/%2e%2e/cards",
        "/.env",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = architect.send(method.clone(), path, None).await;
            assert_eq!(
                (refused(&answer), answer.status),
                ("NOT_FOUND", StatusCode::NOT_FOUND),
                "{method} {path}"
            );
        }
    }
    for (path, allowed) in [
        ("/cards".to_owned(), vec!["GET", "HEAD", "POST"]),
        (format!("/cards/{id}"), vec!["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
        (format!("/cards/{id}/restore"), vec!["POST"]),
        (format!("/cards/{id}/history"), vec!["GET", "HEAD"]),
        ("/cards/bulk".to_owned(), vec!["POST"]),
        ("/relationships".to_owned(), vec!["GET", "HEAD", "POST"]),
        (format!("/relationships/{id}"), vec!["DELETE", "GET", "HEAD", "PATCH"]),
    ] {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW", "get",
        ] {
            if allowed.contains(&method) || (path == "/cards/bulk" && method != "BREW") {
                continue; // /cards/bulk is also /cards/{id} with another method
            }
            let answer = architect
                .send(Method::from_bytes(method.as_bytes()).unwrap(), &path, None)
                .await;
            assert_eq!(
                (refused(&answer), answer.status.as_u16()),
                ("METHOD_NOT_ALLOWED", 405),
                "{method} {path}"
            );
            let mut allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
            allow.sort_unstable();
            assert_eq!(allow, allowed, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn query_strings_that_are_too_much() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let id = architect.card("Application", "CRM").await;
    let long = "x".repeat(50_000);
    let filters = "filter=name:eq:x&".repeat(2_000);
    let list = vec!["x"; 5_000].join(",");
    for query in [
        format!("search={long}"),
        format!("{long}=1"),
        format!("filter={long}"),
        format!("filter=name:eq:{long}"),
        format!("filter={long}:eq:1"),
        format!("filter=attributes.{}:exists", "a.".repeat(5_000)),
        format!("filter=name:in:{list}"),
        filters,
        format!("sort=attributes.{long}"),
        format!("fields={long}"),
        format!("cursor={long}"),
        "type=Application&".repeat(2_000),
        "tags=x&".repeat(2_000),
        format!("target_date={long}"),
        format!("updated_since={long}"),
        format!("limit={}", "9".repeat(10_000)),
        format!("page={}", "9".repeat(30)),
        "search=%00".into(),
        "tags=a%00b".into(),
        "filter=name:eq:%00".into(),
        "%00=1".into(),
        "search=%ff".into(),
        "tags=%c3%28".into(),
        "filter=quality_score:eq:1e999".into(),
        "filter=created_at:gt:9999999-01-01".into(),
        "filter=attributes.own:regex:(a+)+$".into(),
        "updated_since=2026-01-01".into(),
        "updated_since=2026-02-30T00:00:00Z".into(),
    ] {
        let answer = architect.get(&format!("/cards?{query}")).await;
        assert_ne!(answer.status, 200, "{query:.60}");
        assert!(
            ["INVALID_REQUEST", "VALIDATION_ERROR", "CURSOR_MISMATCH"].contains(&refused(&answer)),
            "{query:.60}"
        );
    }
    for query in [
        "updated_since=%2B262142-12-31T23:59:59Z",
        "updated_since=-262142-01-01T00:00:00Z",
        "updated_since=0001-01-01T00:00:00Z",
        "filter=attributes.own:eq:1e308",
        "filter=technical_fit:eq:99999999999999999999999999",
        "filter=attributes.a.b.c.d.e.f.g.h.i:exists:false",
        "search=%25%5C_",
        "sort=attributes.a.b.c.d&order=desc&cursor=",
        "filter=name:starts_with:%25",
        "filter=name:contains:%5C",
    ] {
        let answer = architect.get(&format!("/cards?{query}")).await;
        assert!(answer.status == 200 || !refused(&answer).is_empty(), "{query}");
    }
    for query in [
        "limit=1&limit=2",
        "page=1&page=1",
        "sort=name&sort=type",
        "order=asc&order=desc",
        "search=a&search=b",
        "cursor=&cursor=",
        "fields=id&fields=name",
        "deleted=only&deleted=include",
        "quality_min=1&quality_min=2",
    ] {
        let answer = architect.get(&format!("/cards?{query}")).await;
        assert_eq!(refused(&answer), "INVALID_REQUEST", "{query}");
    }
    for path in [
        format!("/cards/{id}?fields=id&fields=name"),
        format!("/cards/{id}?colour=1"),
        format!("/cards/{id}/history?page=x"),
        format!("/relationships?card_id={id}&card_id={id}"),
    ] {
        assert_eq!(refused(&architect.get(&path).await), "INVALID_REQUEST", "{path}");
    }
    for path in ["/cards?x=1", "/cards/bulk?x=1", "/relationships?x=1"] {
        assert_eq!(
            refused(&architect.post(path, json!({})).await),
            "INVALID_REQUEST",
            "{path}"
        );
    }
    let any = architect.header("if-match", "*");
    assert_eq!(
        refused(&any.delete(&format!("/cards/{id}?force=true")).await),
        "INVALID_REQUEST"
    );
    assert_eq!(
        refused(
            &architect
                .post(&format!("/cards/{id}/restore?force=maybe"), json!({}))
                .await
        ),
        "INVALID_REQUEST"
    );
}

#[tokio::test]
async fn cursors_that_were_made_up() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let editor = app.login(Role::Editor).await;
    for n in 0..3 {
        editor.card("Interface", &format!("I{n}")).await;
    }
    for sort in [
        "name",
        "created_at",
        "quality_score",
        "lifecycle.plan",
        "attributes.own",
    ] {
        let page = viewer
            .get(&format!("/cards?limit=1&cursor=&sort={sort}"))
            .await
            .expect(200);
        let cursor = page.body["pagination"]["next_cursor"].as_str().unwrap();
        let real: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
        let id = real["k"][1].clone();
        for key in [
            json!([null, id]),
            json!(["\u{0}", id]),
            json!(["not a value", id]),
            json!(["9".repeat(3000), id]),
            json!(["{\"deep\":".repeat(300), id]),
            json!(["infinity", id]),
            json!(["1e99999", id]),
            json!([5, id]),
            json!(["x"]),
            json!("x"),
            json!([null, "x"]),
            json!(null),
        ] {
            let forged = URL_SAFE_NO_PAD.encode(json!({"l": real["l"], "k": key}).to_string());
            let answer = viewer.get(&format!("/cards?cursor={forged}&sort={sort}")).await;
            assert!(
                answer.status == 200 || answer.status.is_client_error(),
                "{sort} {key}: {:?}",
                answer.body
            );
            if answer.status != 200 {
                refused(&answer);
            }
        }
    }
}

#[tokio::test]
async fn headers_that_are_nonsense() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Interface", "I").await;
    for (name, value) in [
        ("if-none-match", "W/\"".repeat(2000)),
        ("if-none-match", "ü".to_owned()),
        ("accept", "text/html".to_owned()),
        ("accept-encoding", "gzip;q=x, \u{fc}".to_owned()),
        ("x-request-id", "\" or 1=1".to_owned()),
        ("x-forwarded-for", "1.1.1.1, ,,evil".to_owned()),
        ("x-http-method-override", "DELETE".to_owned()),
        ("range", "bytes=0-1".to_owned()),
    ] {
        let answer = editor.header(name, &value).get(&format!("/cards/{id}")).await;
        assert_eq!(answer.status, 200, "{name}: {value:.40}");
        assert!(answer.header("x-request-id").len() >= 8);
    }
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        "Bearer a.b.c",
        "bearer x",
        &format!("Bearer {}", "x".repeat(20_000)),
        "ü",
    ] {
        let answer = app.anonymous().header("authorization", value).get("/cards").await;
        assert_eq!(
            (refused(&answer), answer.status.as_u16()),
            ("INVALID_TOKEN", 401),
            "{value:.40}"
        );
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}
