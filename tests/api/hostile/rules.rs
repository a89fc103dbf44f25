//! Rules that mean harm, names that only look different, addresses and validators that are odd.

use std::time::{Duration, Instant};

use archzero::auth::Role;
use axum::http::Method;
use serde_json::json;

use crate::{harness::TestApp, probe::encode};

#[tokio::test]
async fn patterns_that_explode() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let rule = |key: &str, regex: &str| json!({"card_type": "Interface", "key": key, "label": "L", "data_type": "string", "regex": regex});
    // Too large once compiled, or of a kind that takes more than linear time.
    for (n, regex) in [
        "(?:a{1000}){1000}",
        "((((((a{10}){10}){10}){10}){10}){10}){10}",
        "\\p{L}{100000}",
        "(a)\\1",
        "(?=a)b",
        "(?<!a)b",
        "[",
        "(",
        "a{2,1}",
        "*",
    ]
    .iter()
    .enumerate()
    {
        let began = Instant::now();
        let answer = admin
            .post("/config/metamodel/rules", rule(&format!("bad_{n}"), regex))
            .await;
        answer.expect_error(400, "VALIDATION_ERROR");
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{regex}: {:?}",
            began.elapsed()
        );
    }
    let long = rule("long", &"a?".repeat(5_000));
    admin
        .post("/config/metamodel/rules", long)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    // Those that bring other engines to their knees are harmless here: they are taken, and matching stays quick.
    for (n, regex) in ["^(a+)+$", "^(a|a)*$", "^(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"]
        .iter()
        .enumerate()
    {
        let key = format!("slow_{n}");
        admin
            .post("/config/metamodel/rules", rule(&key, regex))
            .await
            .expect(201);
        let text = format!("{}!", "a".repeat(200));
        let began = Instant::now();
        let body = json!({"type": "Interface", "name": key, "attributes": {key: text}});
        admin.post("/cards", body).await.expect_error(400, "VALIDATION_ERROR");
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{regex}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn names_that_look_alike() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let name = |name: &str| json!({"type": "Interface", "name": name});
    // The same text in another normalisation form, width, case or spacing is the same name.
    editor.post("/cards", name("Café Zürich 1")).await.expect(201);
    for same in [
        "Cafe\u{301} Zu\u{308}rich 1",
        "CAFÉ  ZÜRICH 1",
        " café\u{a0}zürich\t1 ",
        "Café Zürich \u{ff11}",
    ] {
        let answer = editor.post("/cards", name(same)).await;
        assert_eq!(answer.code(), "CONFLICT", "{same:?}: {}", answer.body);
        assert!(
            answer.body["error"]["details"]["existing_id"].is_string(),
            "{}",
            answer.body
        );
    }
    // Letters of other alphabets that look the same are other letters; both cards are found by their own name.
    let cyrillic = "\u{421}\u{430}f\u{435}";
    let [latin, other] = [
        editor.post("/cards", name("Cafe")).await.expect(201),
        editor.post("/cards", name(cyrillic)).await.expect(201),
    ];
    for (answer, asked) in [(&latin, "Cafe"), (&other, cyrillic)] {
        let found = editor
            .get(&format!("/cards?filter=name:eq:{}", encode(asked)))
            .await
            .expect(200);
        assert_eq!(found.body["data"].as_array().unwrap().len(), 1, "{}", found.body);
        assert_eq!(found.body["data"][0]["id"], answer.body["id"]);
    }
    // What shows nothing, or turns the line around, neither breaks anything nor passes for an empty name.
    for odd in [
        "\u{200b}",
        "\u{202e}evil\u{202c}",
        "a\u{300}\u{301}\u{302}\u{303}\u{304}",
        "\u{feff}x",
    ] {
        let answer = editor.post("/cards", name(odd)).await;
        assert!(
            answer.status == 201 || answer.status == 400,
            "{odd:?}: {} {}",
            answer.status,
            answer.body
        );
    }
}

#[tokio::test]
async fn validators_that_are_odd() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let card = editor.card("Interface", "I").await;
    let path = format!("/cards/{card}");
    for odd in [
        "",
        "1",
        "\"\"",
        "\"x\"",
        "\"1",
        "1\"",
        "\"1\", \"2\"",
        "\"-1\"",
        "\"+1\"",
        "\" 1\"",
        "\"1e0\"",
        "\"99999999999\"",
        "w/\"1\"",
        "W/1",
        "W/W/\"1\"",
        "**",
        "*, \"1\"",
        "\"1 - x\"",
        "\"\u{661}\"",
    ] {
        let answer = editor
            .header("if-match", odd)
            .patch(&path, json!({"tags": ["x"]}))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "INVALID_REQUEST"),
            "'{odd}': {}",
            answer.body
        );
    }
    let read = editor.get(&path).await.expect(200);
    assert_eq!(read.body["version"], 1);
    for good in [
        read.header("etag").to_owned(),
        "\"2\"".into(),
        "*".into(),
        " \"4\" ".into(),
    ] {
        let tag = format!("by {good}").replace('"', "'");
        editor
            .header("if-match", &good)
            .patch(&path, json!({"tags": [tag]}))
            .await
            .expect(200);
    }
    // Two of them say two things; which holds is not ours to choose.
    let both = editor.header("if-match", "\"5\"").header("if-match", "\"1\"");
    both.patch(&path, json!({"tags": ["y"]}))
        .await
        .expect_error(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn another_method_or_media_type_than_it_looks() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let card = admin.card("Interface", "I").await;
    let path = format!("/cards/{card}");
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
    ] {
        admin.header(name, value).get(&path).await.expect(200);
        let answer = admin
            .header(name, value)
            .header("if-match", "*")
            .post(&path, json!({}))
            .await;
        answer.expect_error(405, "METHOD_NOT_ALLOWED");
    }
    admin
        .get(&format!("{path}?_method=DELETE"))
        .await
        .expect_error(400, "INVALID_REQUEST");
    admin.get(&path).await.expect(200);
    for kind in [
        "application/json, text/plain",
        "text/plain; application/json",
        "application/json\u{a0}",
        "application/json+xml",
        "application/vnd.api+json",
        "application/ json",
        "multipart/form-data; boundary=application/json",
    ] {
        let answer = admin
            .header("content-type", kind)
            .post("/cards", json!({"type": "Interface", "name": "J"}))
            .await;
        assert_eq!(answer.code(), "UNSUPPORTED_MEDIA_TYPE", "{kind}: {}", answer.body);
    }
    // Bytes of another encoding, or packed, whatever the header says.
    let utf16: Vec<u8> = "{\"type\": \"Interface\", \"name\": \"J\"}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for kind in ["application/json", "application/json; charset=utf-16"] {
        let answer = admin
            .header("content-type", kind)
            .raw(Method::POST, "/cards", Some(utf16.clone()))
            .await;
        assert_eq!(answer.code(), "INVALID_REQUEST", "{}", answer.body);
    }
}
