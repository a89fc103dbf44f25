//! `POST /cards/query` and facets: paging, errors that point into the query, hidden types, hostile input; facets agree with
//! lists, and those counted in memory with those counted by the database.

use archzero::{
    auth::{Role, TypeScope},
    card::query::Asked,
    http::fields::Fields,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Caller, TestApp};

fn names(answer: &Value) -> Vec<String> {
    let name = |card: &Value| card["name"].as_str().unwrap().to_owned();
    answer["data"].as_array().unwrap().iter().map(name).collect()
}

async fn landscape(architect: &Caller<'_>) {
    let oracle = architect
        .card_with("ITComponent", "DB", json!({"attributes": {"vendor": "Oracle"}}))
        .await;
    let other = architect
        .card_with("ITComponent", "Queue", json!({"attributes": {"vendor": "Red Hat"}}))
        .await;
    for n in 0..12 {
        let more = json!({
            "tags": (0..n % 3).map(|t| format!("t{t}")).collect::<Vec<_>>(),
            "technical_fit": if n % 4 == 0 { Value::Null } else { json!(n % 4) },
            "business_criticality": (n % 2 == 0).then(|| format!("Tier {}", 1 + n % 4)),
            "lifecycle": if n % 5 == 0 { json!({}) } else { json!({"active": format!("20{}-01-01", 20 + n)}) },
            "attributes": {"hosting_type": if n % 3 == 0 { "SaaS" } else { "On-Premise" }, "vendor": format!("v{}", n % 4), "users_total": n},
        });
        let app = architect.card_with("Application", &format!("A{n:02}"), more).await;
        if n % 2 == 0 {
            architect.link(app, "RELIES_ON", oracle).await;
        }
        if n % 3 == 0 {
            architect.link(app, "RELIES_ON", other).await;
        }
    }
}

fn relying_on(vendor: &str) -> Value {
    json!({"related": {"type": "RELIES_ON", "to": "ITComponent", "where": {"vendor": vendor}}})
}

#[tokio::test]
async fn pages_cursors_and_validators() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    landscape(&architect).await;
    let body = json!({"types": ["Application"], "where": relying_on("Oracle"), "order": "desc", "fields": ["name"], "limit": 4});
    let first = architect.post("/cards/query", body.clone()).await.expect(200);
    assert_eq!(names(&first.body), ["A10", "A08", "A06", "A04"]);
    let pagination = &first.body["pagination"];
    assert_eq!(
        (&pagination["total_items"], &pagination["next_url"]),
        (&json!(6), &Value::Null)
    );
    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body
    };
    let second = architect.post("/cards/query", with("page", json!(2))).await.expect(200);
    assert_eq!(names(&second.body), ["A02", "A00"]);
    let beyond = architect.post("/cards/query", with("page", json!(9))).await.expect(200);
    assert_eq!(beyond.body["pagination"]["total_items"], 6);
    let cursor = pagination["next_cursor"].clone();
    let mut walked = with("cursor", cursor.clone());
    walked["include_total"] = json!(true);
    let walked = architect.post("/cards/query", walked).await.expect(200);
    assert_eq!(names(&walked.body), ["A02", "A00"]);
    assert_eq!(walked.body["pagination"]["total_items"], 6);
    for (name, value) in [
        ("where", relying_on("SAP")),
        ("types", json!([])),
        ("include_absent", json!(true)),
        ("target_date", json!("2020-01-01")),
        ("order", json!("asc")),
    ] {
        let mut other = with(name, value);
        other["cursor"] = cursor.clone();
        architect
            .post("/cards/query", other)
            .await
            .expect_error(400, "CURSOR_MISMATCH");
    }
    let etag = first.header("etag").to_owned();
    architect
        .header("if-none-match", etag)
        .post("/cards/query", body)
        .await
        .expect(304);
    let all = architect.post("/cards/query", json!({})).await.expect(200);
    assert_eq!(all.body["pagination"]["total_items"], 14);
}

#[tokio::test]
async fn errors_point_into_the_query() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let body = json!({
        "types": ["Application", "Aplication"], "colour": 1, "limit": 0, "fields": "name", "include_absent": "no",
        "where": {"all": [{"related": {"type": "RELYS_ON", "to": "ITComponent", "where": {"vendr": "x"}}}, {"technical_fit": "2"}]},
    });
    let answer = viewer
        .post("/cards/query", body)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let violations = answer.body["error"]["details"]["violations"]
        .as_array()
        .unwrap()
        .clone();
    let fields: Vec<&str> = violations.iter().map(|v| v["field"].as_str().unwrap()).collect();
    for expected in [
        "types[1]",
        "colour",
        "limit",
        "fields",
        "include_absent",
        "/where/all/0/related/type",
        "/where/all/0/related/where/vendr",
        "/where/all/1/technical_fit",
    ] {
        assert!(fields.contains(&expected), "{expected} is not among {fields:?}");
    }
    let typo = violations
        .iter()
        .find(|v| v["field"] == "/where/all/0/related/where/vendr")
        .unwrap();
    assert_eq!(typo["did_you_mean"][0], "vendor");
    for (body, field) in [
        (json!({"sort": "colour"}), "sort"),
        (json!({"deleted": "yes"}), "deleted"),
        (json!({"fields": ["colour"]}), "fields"),
        (json!({"page": 1, "cursor": ""}), "page"),
        (json!({"limit": 500}), "limit"),
    ] {
        let answer = viewer
            .post("/cards/query", body.clone())
            .await
            .expect_error(400, "INVALID_REQUEST");
        assert_eq!(answer.body["error"]["field"], field, "{body}");
    }
    viewer
        .post("/cards/query?limit=1", json!({}))
        .await
        .expect_error(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn hostile_queries_get_a_clear_refusal() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    for path in ["/cards/query", "/cards/facets"] {
        let deep = format!(
            "{{\"where\":{}{}{}}}",
            "{\"not\":".repeat(1_000),
            "{\"name\":\"x\"}",
            "}".repeat(1_000)
        );
        let answer = viewer
            .raw(axum::http::Method::POST, path, Some(deep.into_bytes()))
            .await;
        let answer = answer.expect_error(400, "INVALID_REQUEST");
        assert!(
            answer.body["error"]["message"]
                .as_str()
                .unwrap()
                .contains("nests deeper")
        );
        let mut deep = json!({"name": "x"});
        for _ in 0..50 {
            deep = json!({"not": deep});
        }
        let answer = viewer
            .post(path, json!({"where": deep}))
            .await
            .expect_error(400, "VALIDATION_ERROR");
        assert_eq!(answer.body["error"]["details"]["violations"][0]["max_depth"], 32);
        for bad in [
            json!([]),
            json!("x"),
            json!({"name": "a\u{0}"}),
            json!({"name": "x".repeat(100_000)}),
            json!({"x\u{0}": 1}),
            json!({"any": vec![json!({"name": "x"}); 2_000]}),
            json!({"any": vec![json!({"related": {"type": "RELIES_ON"}}); 100]}),
            json!({"related": {"type": "RELIES_ON", "min": -1}}),
            json!({"related": {"type": "RELIES_ON", "min": 1.5}}),
            json!({"related": {"type": {"$ne": 1}}}),
        ] {
            viewer
                .post(path, json!({"where": bad}))
                .await
                .expect_error(400, "VALIDATION_ERROR");
        }
    }
    let most = json!({"where": {"related": {"type": "RELIES_ON", "min": u64::MAX}}});
    let found = viewer.post("/cards/query", most).await.expect(200);
    assert_eq!(found.body["pagination"]["total_items"], 0);
    let most = json!({"where": {"related": {"type": "RELIES_ON", "min": 0, "max": u64::MAX}}});
    viewer.post("/cards/query", most).await.expect(200);
    for cursor in ["x", "e30", "bnVsbA", "eyJsIjoxLCJrIjoyfQ"] {
        viewer
            .post("/cards/query", json!({"cursor": cursor}))
            .await
            .expect_error(400, "CURSOR_MISMATCH");
    }
}

#[tokio::test]
async fn hidden_types_count_for_nothing() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    landscape(&architect).await;
    let metamodel = app.state.metamodel.load_full();
    let ontology = app.state.ontology.load_full();
    let count = async |body: Value, visible: TypeScope| {
        let mut fields = Fields::new(body.as_object().unwrap().clone());
        let asked = Asked::take(&mut fields, &metamodel, ontology.kinds());
        fields.done().unwrap();
        let query = asked.check(&metamodel, &visible, app.clock.today()).unwrap();
        let mut conn = app.db().acquire().await.unwrap();
        query.tally(&mut conn, &[], None).await.unwrap().total
    };
    let only = || TypeScope::only(["Application"]);
    let none = json!({"types": ["Application"], "where": {"related": {"type": "RELIES_ON", "quantifier": "none"}}});
    for (body, all, few) in [
        (json!({}), 14, 12),
        (json!({"types": ["ITComponent"]}), 2, 0),
        (json!({"where": relying_on("Oracle")}), 6, 0),
        (none, 4, 12),
    ] {
        assert_eq!(count(body.clone(), TypeScope::All).await, all, "{body}");
        assert_eq!(count(body.clone(), only()).await, few, "{body}, hidden");
        assert_eq!(count(body.clone(), TypeScope::none()).await, 0, "{body}, all hidden");
    }
}

/// The same counts, asked of memory and of the database; the condition always holds.
async fn both(viewer: &Caller<'_>, body: Value) -> Value {
    let mut asked = body.clone();
    let memory = viewer.post("/cards/facets", asked.clone()).await.expect(200).body;
    asked["where"] = json!({"field": "name", "op": "exists"});
    let database = viewer.post("/cards/facets", asked).await.expect(200).body;
    assert_eq!(memory, database, "{body}");
    memory
}

fn counts(answer: &Value, facet: &str) -> Vec<(Value, u64)> {
    let facets = answer["facets"].as_array().unwrap();
    let one = facets
        .iter()
        .find(|f| f["facet"] == facet)
        .unwrap_or_else(|| panic!("no {facet} in {answer}"));
    let value = |v: &Value| (v["value"].clone(), v["count"].as_u64().unwrap());
    one["values"].as_array().unwrap().iter().map(value).collect()
}

#[tokio::test]
async fn facets_count_what_lists_show() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    landscape(&architect).await;
    let usual = both(&architect, json!({})).await;
    assert_eq!(
        counts(&usual, "type"),
        [(json!("Application"), 12), (json!("ITComponent"), 2)]
    );
    let attributes = [
        "attributes.hosting_type",
        "vendor",
        "attributes.users_total",
        "attributes.nothing",
    ];
    let asked = json!({"types": ["Application"], "facets": attributes, "top": 3, "target_date": "2025-06-01"});
    let counted = both(&architect, asked).await;
    assert_eq!(
        counts(&counted, "attributes.hosting_type"),
        [(json!("On-Premise"), 8), (json!("SaaS"), 4)]
    );
    assert_eq!(counts(&counted, "attributes.vendor").len(), 3);
    assert_eq!(counted["facets"][2]["others"], json!({"values": 9, "count": 9}));
    assert_eq!(counted["facets"][3]["missing"], 12);
    // Every count is the length of the list under that value.
    for (facet, parameter) in [
        ("lifecycle_phase", "lifecycle_phase"),
        ("tags", "tags"),
        ("business_criticality", "business_criticality"),
        ("technical_fit", "technical_fit"),
        ("type", "type"),
    ] {
        let path = format!("/cards/facets?target_date=2025-06-01&facet={facet}&top=500");
        let answer = architect.get(&path).await.expect(200).body;
        let counted = counts(&answer, facet);
        assert!(!counted.is_empty());
        for (value, count) in counted {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), |v| v.replace(' ', "%20"));
            let list = format!("/cards?target_date=2025-06-01&limit=1&{parameter}={value}");
            let list = architect.get(&list).await.expect(200).body;
            assert_eq!(list["pagination"]["total_items"], count, "{facet} {value}");
        }
    }
    // What is counted in memory follows writes.
    let id: Uuid = architect
        .card_with("Application", "New", json!({"attributes": {"hosting_type": "PaaS"}}))
        .await;
    let hosting = "/cards/facets?type=Application&facet=attributes.hosting_type";
    let fresh = architect.get(hosting).await.expect(200).body;
    assert!(counts(&fresh, "attributes.hosting_type").contains(&(json!("PaaS"), 1)));
    architect
        .patch(&format!("/cards/{id}"), json!({"attributes": {"hosting_type": "SaaS"}}))
        .await
        .expect(200);
    let changed = architect.get(hosting).await.expect(200);
    assert_eq!(
        counts(&changed.body, "attributes.hosting_type"),
        [(json!("On-Premise"), 8), (json!("SaaS"), 5)]
    );
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{id}"))
        .await
        .expect(200);
    assert_eq!(architect.get(hosting).await.expect(200).body["total_items"], 12);
    architect
        .header("if-none-match", changed.header("etag"))
        .get(hosting)
        .await
        .expect(200);
}

#[tokio::test]
async fn each_filter_narrows_both_ways_of_counting_alike() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    landscape(&architect).await;
    let facets = "facet=type&facet=tags&facet=lifecycle_phase&facet=business_criticality&facet=technical_fit&facet=attributes.vendor";
    for filter in [
        "type=Application",
        "type=Application&type=Risk",
        "lifecycle_phase=Active",
        "lifecycle_phase=Plan&target_date=2022-01-01",
        "tags=t0",
        "tags=t0&tags=t1&tags_mode=all",
        "tags=nowhere",
        "business_criticality=Tier%201&business_criticality=Tier%203",
        "technical_fit=1&technical_fit=2",
        "functional_fit=1",
        "quality_min=1",
        "quality_max=50",
        "updated_since=2020-01-01T00:00:00Z",
        "updated_since=2999-01-01T00:00:00Z",
    ] {
        for multi in ["", "&multi_select=true"] {
            let path = format!("/cards/facets?{filter}&{facets}{multi}");
            let memory = architect.get(&path).await.expect(200).body;
            let database = architect
                .get(&format!("{path}&filter=name:exists"))
                .await
                .expect(200)
                .body;
            assert_eq!(memory, database, "{path}");
            let list = architect
                .get(&format!("/cards?{filter}&limit=1"))
                .await
                .expect(200)
                .body;
            assert_eq!(memory["total_items"], list["pagination"]["total_items"], "{filter}");
        }
    }
    let path = "/cards/facets?type=Application&technical_fit=1&facet=technical_fit&facet=tags";
    let one = architect.get(path).await.expect(200).body;
    let several = architect
        .get(&format!("{path}&multi_select=true"))
        .await
        .expect(200)
        .body;
    assert_eq!(counts(&one, "technical_fit").len(), 1);
    assert_eq!(counts(&several, "technical_fit").len(), 3);
    assert_eq!(counts(&one, "tags"), counts(&several, "tags"));
    assert_eq!(one["total_items"], several["total_items"]);
    let body = json!({"types": ["Application"], "facets": ["attributes.vendor"], "multi_select": true,
        "where": {"all": [{"vendor": "v1"}, {"field": "users_total", "op": "lt", "value": 8}]}});
    let chosen = architect.post("/cards/facets", body).await.expect(200).body;
    assert_eq!(
        (counts(&chosen, "attributes.vendor").len(), &chosen["total_items"]),
        (4, &json!(2))
    );
}

#[tokio::test]
async fn facets_that_cannot_be_are_refused() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    for query in [
        "facet=name",
        "facet=vendr",
        "facet=attributes.financials",
        "facet=attributes.a..b",
        "facet=created_at",
    ] {
        let answer = viewer
            .get(&format!("/cards/facets?{query}"))
            .await
            .expect_error(400, "VALIDATION_ERROR");
        assert_eq!(answer.body["error"]["field"], "facet", "{query}");
    }
    for query in ["top=0", "top=501", "colour=1", "sort=colour"] {
        viewer
            .get(&format!("/cards/facets?{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    let many: Vec<String> = (0..21).map(|n| format!("facet=attributes.a{n}")).collect();
    viewer
        .get(&format!("/cards/facets?{}", many.join("&")))
        .await
        .expect_error(400, "INVALID_REQUEST");
    let answer = viewer
        .post("/cards/facets", json!({"facets": ["type", "vendr"], "top": 0}))
        .await;
    let answer = answer.expect_error(400, "VALIDATION_ERROR");
    let violations = answer.body["error"]["details"]["violations"].as_array().unwrap();
    let fields: Vec<&str> = violations.iter().map(|v| v["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["facets[1]", "top"]);
}
