//! Input that means harm or nonsense: always a clear refusal in the envelope of errors, never a 5xx, nothing half-written.

mod fuzz;
mod places;
mod rules;
mod values;

use archzero::auth::Role;
use axum::{
    body::Body,
    http::{Method, Request},
};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Answer, Caller, TestApp},
    probe::{rows, violation, violations},
};

/// The answer, if it is a client error with all that an error has to say.
#[track_caller]
fn refused(answer: &Answer) -> &str {
    let shown = String::from_utf8_lossy(&answer.bytes);
    let shown: String = shown.chars().take(600).collect();
    assert!(answer.status.is_client_error(), "{} {shown}", answer.status);
    assert_eq!(answer.header("content-type"), "application/json", "{shown}");
    let error = &answer.body["error"];
    assert!(!answer.code().is_empty(), "{shown}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|m| !m.is_empty() && m.len() < 2000),
        "{shown}"
    );
    assert_eq!(error["request_id"], answer.header("x-request-id"));
    assert!(answer.bytes.len() < 64 * 1024, "an answer as large as the question");
    answer.code()
}

struct World {
    app: TestApp,
    token: String,
    card: Uuid,
    edge: Uuid,
}

impl World {
    async fn new() -> Self {
        Self::limited(16 * 1024 * 1024).await
    }

    async fn limited(max_body: usize) -> Self {
        let app = TestApp::start_with(|config| config.server.max_body_size = max_body).await;
        let architect = app.login(Role::Architect).await;
        let card = architect.card("Application", "CRM").await;
        let db = architect.card("ITComponent", "DB").await;
        let edge = architect.link(card, "RELIES_ON", db).await;
        let token = architect.token.clone().unwrap();
        Self { app, token, card, edge }
    }

    fn caller(&self) -> Caller<'_> {
        self.app.with_token(&self.token).header("if-match", "*")
    }

    /// Every route that takes a body about cards and relationships.
    fn writes(&self) -> Vec<(Method, String)> {
        vec![
            (Method::POST, "/cards".into()),
            (Method::PUT, format!("/cards/{}", Uuid::now_v7())),
            (Method::PUT, format!("/cards/{}", self.card)),
            (Method::PATCH, format!("/cards/{}", self.card)),
            (Method::POST, format!("/cards/{}/duplicate", self.card)),
            (Method::POST, "/cards/bulk".into()),
            (Method::POST, "/relationships".into()),
            (Method::PATCH, format!("/relationships/{}", self.edge)),
            (Method::POST, "/relationships/bulk".into()),
        ]
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_objects() {
    let world = World::new().await;
    let caller = world.caller();
    let before = rows(&world.app).await;
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    for (method, path) in world.writes() {
        for body in [
            "",
            "{",
            "nul",
            "{\"name\": 1e400}",
            "{\"name\": -1e999}",
            "{\"name\": NaN}",
            "{\"name\": 01}",
            "{\"name\": \"\\ud800\"}",
            "{\"name\": \"\\udc00\\ud800\"}",
            "{\"\\udfff\": 1}",
            "{\"name\": \"a\nb\"}",
            "{\"name\": 'x'}",
            "{} {}",
            "\u{feff}{}",
            &deep("[", "]"),
            &deep("{\"a\":", "}"),
            &deep("{\"attributes\":[", "]}"),
        ] {
            let answer = caller.raw(method.clone(), &path, Some(body.as_bytes().to_vec())).await;
            assert_eq!(refused(&answer), "INVALID_REQUEST", "{method} {path} {body:.40}");
            let details = &answer.body["error"]["details"];
            assert!(
                details["line"].is_number() && details["column"].is_number(),
                "{details}"
            );
        }
        for body in ["null", "[]", "[1, 2]", "\"text\"", "5", "true"] {
            let answer = caller.raw(method.clone(), &path, Some(body.as_bytes().to_vec())).await;
            assert_eq!(refused(&answer), "INVALID_REQUEST", "{method} {path} {body}");
        }
        for bytes in [
            &b"{\"name\": \"\xff\"}"[..],
            b"\xff\xfe{\0}\0",
            b"{\"\xc0\x80\": 1}",
            b"\0",
            b"{\"name\": \"\xed\xa0\x80\"}",
        ] {
            let answer = caller.raw(method.clone(), &path, Some(bytes.to_vec())).await;
            assert_eq!(refused(&answer), "INVALID_REQUEST", "{method} {path} {bytes:?}");
        }
    }
    assert_eq!(rows(&world.app).await, before);
}

#[tokio::test]
async fn bodies_of_the_wrong_kind_or_size() {
    let world = World::limited(100_000).await;
    let caller = world.caller();
    let before = rows(&world.app).await;
    for (method, path) in world.writes() {
        for kind in [
            "",
            "text/plain",
            "application/jsonx",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "json",
            "*/*",
        ] {
            let answer = caller
                .header("content-type", kind)
                .raw(method.clone(), &path, Some(b"{}".to_vec()))
                .await;
            assert_eq!(
                (refused(&answer), answer.status.as_u16()),
                ("UNSUPPORTED_MEDIA_TYPE", 415),
                "{method} {path} {kind}"
            );
        }
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(100_000)).into_bytes();
        let answer = caller.raw(method.clone(), &path, Some(large.clone())).await;
        assert_eq!(
            (refused(&answer), answer.status.as_u16()),
            ("PAYLOAD_TOO_LARGE", 413),
            "{method} {path}"
        );
        assert_eq!(answer.body["error"]["details"]["max_bytes"], 100_000);
        let announced = caller
            .header("content-length", large.len())
            .raw(method.clone(), &path, Some(large))
            .await;
        assert_eq!(refused(&announced), "PAYLOAD_TOO_LARGE", "{method} {path}");
        // One that never ends and never says how long it is.
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1024])));
        let request = Request::builder()
            .method(method.clone())
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", world.token))
            .header("content-type", "application/json");
        let answer = world.app.send(request.body(Body::from_stream(endless)).unwrap()).await;
        assert_eq!(refused(&answer), "PAYLOAD_TOO_LARGE", "{method} {path}");
        // One that breaks off.
        let broken = futures_util::stream::iter([
            Ok(Bytes::from_static(b"{\"name\":")),
            Err(std::io::Error::other("gone")),
        ]);
        let request = Request::builder()
            .method(method.clone())
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", world.token))
            .header("content-type", "application/json");
        let answer = world.app.send(request.body(Body::from_stream(broken)).unwrap()).await;
        assert_eq!(refused(&answer), "INVALID_REQUEST", "{method} {path}");
    }
    assert_eq!(rows(&world.app).await, before);
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/merge-patch+json",
    ] {
        caller
            .header("content-type", kind)
            .patch(&format!("/cards/{}", world.card), json!({}))
            .await
            .expect(200);
    }
}

/// Bodies with `value` in every place for a text, each with the field that must be named.
fn texts(world: &World, value: &str) -> Vec<(Method, String, Value)> {
    let interface = |field: &str, value: Value| {
        let mut body = json!({"type": "Interface", "name": "I"});
        body[field] = value;
        body
    };
    let edge = |field: &str, value: Value| {
        let mut body = json!({"source_id": world.card, "type": "RELIES_ON", "target": {"type": "ITComponent", "name": "DB"}, "valid_to": "2001-01-01"});
        body[field] = value;
        body
    };
    let card = format!("/cards/{}", world.card);
    let mut bodies = vec![
        (Method::POST, "/cards".to_owned(), interface("name", json!(value))),
        (Method::POST, "/cards".to_owned(), interface("type", json!(value))),
        (
            Method::POST,
            "/cards".to_owned(),
            interface("description", json!(value)),
        ),
        (Method::POST, "/cards".to_owned(), interface("tags", json!([value]))),
        (
            Method::POST,
            "/cards".to_owned(),
            interface("change_reason", json!(value)),
        ),
        (
            Method::POST,
            "/cards".to_owned(),
            interface("attributes", json!({"protocol": value})),
        ),
        (
            Method::POST,
            "/cards".to_owned(),
            interface("attributes", json!({"auth_method": value})),
        ),
        (
            Method::POST,
            "/cards".to_owned(),
            interface("attributes", json!({"external_ids": [{"system": value, "id": "1"}]})),
        ),
        (
            Method::POST,
            "/cards".to_owned(),
            interface("attributes", json!({"external_ids": [{"system": "s", "id": value}]})),
        ),
        (
            Method::POST,
            "/cards".to_owned(),
            interface("relationships", json!([{"type": value, "source": world.card}])),
        ),
        (
            Method::POST,
            "/cards".to_owned(),
            interface(
                "relationships",
                json!([{"type": "PROVIDES", "source": {"type": "Application", "name": value}}]),
            ),
        ),
        (
            Method::POST,
            "/cards".to_owned(),
            interface(
                "relationships",
                json!([{"type": "PROVIDES", "source": {"type": value, "name": "CRM"}}]),
            ),
        ),
        (Method::PATCH, card.clone(), json!({"name": value})),
        (Method::PATCH, card.clone(), json!({"attributes": {"vendor": value}})),
        (Method::PATCH, card.clone(), json!({"business_criticality": value})),
        (Method::PATCH, card.clone(), json!({"lifecycle": {"plan": value}})),
        (Method::POST, format!("{card}/duplicate"), json!({"name": value})),
        (Method::POST, "/relationships".to_owned(), edge("type", json!(value))),
        (
            Method::POST,
            "/relationships".to_owned(),
            edge("description", json!(value)),
        ),
        (
            Method::POST,
            "/relationships".to_owned(),
            edge("target", json!({"type": "ITComponent", "name": value})),
        ),
        (
            Method::POST,
            "/relationships".to_owned(),
            edge("target", json!({"system": value, "id": "1"})),
        ),
        (
            Method::POST,
            "/relationships".to_owned(),
            edge("target", json!({"system": "s", "id": value})),
        ),
        (Method::POST, "/relationships".to_owned(), edge("target", json!(value))),
        (
            Method::POST,
            "/relationships".to_owned(),
            edge("attributes", json!({"redundancy_group": value})),
        ),
        (
            Method::PATCH,
            format!("/relationships/{}", world.edge),
            json!({"description": value}),
        ),
    ];
    for operation in [
        json!({"op": value}),
        json!({"op": "tag", "id": world.card, "tags": [value]}),
        json!({"op": "delete", "id": {"type": "Application", "name": value}}),
        json!({"op": "delete", "id": value}),
        json!({"op": "upsert", "card": {"type": "BusinessCapability", "name": "x", "description": value}}),
    ] {
        bodies.push((Method::POST, "/cards/bulk".into(), json!({"operations": [operation]})));
    }
    bodies
}

#[tokio::test]
async fn texts_that_cannot_be_stored() {
    let world = World::new().await;
    let caller = world.caller();
    let before = rows(&world.app).await;
    for (method, path, body) in texts(&world, "a\u{0}b") {
        refused(&caller.send(method, &path, Some(body)).await);
    }
    // The names of attributes, at any depth; what is within untyped ones.
    for attributes in [
        json!({"a\u{0}": 1}),
        json!({"a": {"b\u{0}": 1}}),
        json!({"a": [["\u{0}"]]}),
        json!({"a": {"b": [{"c": "\u{0}"}]}}),
    ] {
        let answer = caller
            .post(
                "/cards",
                json!({"type": "Interface", "name": "I", "attributes": attributes}),
            )
            .await;
        assert_eq!(refused(&answer), "VALIDATION_ERROR");
        let answer = caller
            .patch(
                &format!("/relationships/{}", world.edge),
                json!({"attributes": attributes}),
            )
            .await;
        assert_eq!(refused(&answer), "VALIDATION_ERROR");
        assert_eq!(violations(&answer)[0].1, "PATTERN_MISMATCH");
    }
    // In batches that go on, too: the item fails, nothing else.
    let body = json!({"atomic": false, "operations": [
        {"op": "delete", "id": {"type": "Application", "name": "\u{0}"}},
        {"op": "create", "card": {"type": "Interface", "name": "\u{0}"}},
    ]});
    let report = caller.post("/cards/bulk", body).await.expect(200);
    assert_eq!(report.body["summary"]["failed"], 2);
    assert_eq!(rows(&world.app).await, before);
}

#[tokio::test]
async fn texts_without_end() {
    let world = World::new().await;
    let caller = world.caller();
    let before = rows(&world.app).await;
    for (method, path, body) in texts(&world, &"ü".repeat(100_000)) {
        refused(&caller.send(method, &path, Some(body)).await);
    }
    assert_eq!(rows(&world.app).await, before);
    // Names whose comparison key is many times as long as they are.
    let long: Vec<char> = ('\u{3300}'..='\u{3357}').chain(vec!['\u{fdfa}'; 6]).collect();
    let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
    let name: String = (0..255)
        .map(|_| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            long[(dice % long.len() as u64) as usize]
        })
        .collect();
    assert!(archzero::metamodel::name_key(&name).len() > 2800);
    for card_type in ["Interface", "BusinessCapability"] {
        let answer = caller.post("/cards", json!({"type": card_type, "name": name})).await;
        assert!(answer.status == 201 || refused(&answer) == "VALIDATION_ERROR");
    }
    let worst = "\u{fdfa}".repeat(255);
    let answer = caller.post("/cards", json!({"type": "Interface", "name": worst})).await;
    assert!(answer.status == 201 || refused(&answer) == "VALIDATION_ERROR");
}

#[tokio::test]
async fn lists_without_end() {
    let world = World::new().await;
    let caller = world.caller();
    let before = rows(&world.app).await;
    let many = |item: Value| Value::Array(vec![item; 10_000]);
    for (field, value) in [
        ("tags", many(json!("t"))),
        ("relationships", many(json!({"type": "PROVIDES", "source": world.card}))),
        ("name", many(json!("n"))),
        ("attributes", many(json!(1))),
        (
            "attributes",
            json!({"external_ids": many(json!({"system": "s", "id": "1"}))}),
        ),
        ("attributes", json!({"own": many(json!("long enough to be too much"))})),
        ("lifecycle", many(json!("2020-01-01"))),
    ] {
        let mut body = json!({"type": "Interface", "name": "I"});
        body[field] = value;
        assert_eq!(
            refused(&caller.post("/cards", body).await),
            "VALIDATION_ERROR",
            "{field}"
        );
    }
    let mut wide = json!({"type": "Interface", "name": "I"});
    for n in 0..10_000 {
        wide[format!("field_{n}")] = json!(n);
    }
    let answer = caller.post("/cards", wide).await;
    assert_eq!(refused(&answer), "VALIDATION_ERROR");
    assert_eq!(answer.body["error"]["details"]["total"], 10_000);
    let report = caller
        .post("/cards/bulk", json!({"operations": many(json!({"op": "create"}))}))
        .await;
    assert_eq!(violations(&report), [("operations".to_owned(), "TOO_LONG".to_owned())]);
    let answer = caller.post("/relationships", json!({"source_id": many(json!("x")), "type": many(json!("x")), "attributes": {"own": many(json!("0123456789"))}})).await;
    assert_eq!(refused(&answer), "VALIDATION_ERROR");
    assert_eq!(rows(&world.app).await, before);
    // Attributes may nest ten levels and no more.
    let nested = |levels: usize| (0..levels - 1).fold(json!(1), |inner, _| json!({ "a": inner }));
    let body = |levels: usize| json!({"type": "Interface", "name": "Deep", "attributes": {"a": nested(levels)}});
    assert_eq!(
        violation(&caller.post("/cards", body(11)).await, "attributes")["code"],
        "TOO_LONG"
    );
    caller.post("/cards", body(10)).await.expect(201);
}
