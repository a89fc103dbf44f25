//! Whoever may not see some card types gets, from every read, the answer that an all-seeing caller gets from a landscape
//! in which those cards and their relationships were never there.
//!
//! The landscape is generated. For each set of hidden types it is copied, and from the copy the hidden cards are removed
//! physically. Every request of [`samples`] is then asked of both. A new operation needs a line there, or the test fails.

mod places;
mod refusals;
mod samples;
mod writes;

use std::collections::BTreeSet;

use archzero::{app, audit::seal_now, auth::Role, seed::synthetic};
use axum::http::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::harness::{Answer, Caller, TestApp, copy, database};
use places::Places;
use samples::{NOT_COMPARED, SAMPLES, WITHOUT_CARDS};

/// Types that are hidden together.
const CASES: &[&[&str]] = &[
    &["Application"],
    &["ITComponent", "Interface", "Organization"],
    &["BusinessCapability", "DataObject", "Platform", "Provider", "Location"],
];

/// What the permissions of the operations that are tried are called.
const TRIED: [&str; 2] = ["view", "read_audit"];

/// A landscape with some history, sealed in between: cards changed, deleted and restored, relationships ended; and with saved
/// questions. Nobody is connected to it.
async fn landscape(seed: u64) -> String {
    let app = TestApp::on(database().await, |_| {}).await;
    let size = synthetic::Parameters {
        cards: 260,
        relationships: 1_200,
        seed,
    };
    synthetic::load(app.db(), size).await.unwrap();
    seal_now(&app.state).await.unwrap().expect("something to close");
    let admin = app.login(Role::Admin).await.header("if-match", "*");
    let ids = |query: &'static str| sqlx::query_scalar::<_, uuid::Uuid>(query).fetch_all(app.db());
    let one_of_each = "select distinct on (type) id from cards order by type, id";
    for (n, id) in ids(one_of_each).await.unwrap().iter().enumerate() {
        let patch = json!({"description": format!("Described in step {n}"), "change_reason": "a step"});
        admin.patch(&format!("/cards/{id}"), patch).await.expect(200);
    }
    let deletable = "select distinct on (type) id from cards
         where type in ('Application', 'ITComponent', 'Interface', 'DataObject', 'Platform', 'Provider') order by type, id desc";
    for (n, id) in ids(deletable).await.unwrap().iter().enumerate() {
        admin.delete(&format!("/cards/{id}")).await.expect(200);
        if n % 3 == 0 {
            admin.post(&format!("/cards/{id}/restore"), json!({})).await.expect(200);
        }
    }
    seal_now(&app.state).await.unwrap().expect("something to close");
    for id in ids(one_of_each).await.unwrap() {
        let patch = json!({"tags": ["afterwards"], "description": "Described anew"});
        // Some are deleted.
        admin.patch(&format!("/cards/{id}"), patch).await;
    }
    let some_of_each =
        "select distinct on (type, source_type, target_type) id from relationships where status = 'active'
         and type <> 'PARENT_OF' order by type, source_type, target_type, id desc";
    for id in ids(some_of_each).await.unwrap() {
        admin.delete(&format!("/relationships/{id}")).await.expect(204);
    }
    for question in questions() {
        admin.post("/questions", question).await.expect(201);
    }
    seal_now(&app.state).await.unwrap().expect("something to close");
    let url = app.url.clone();
    app.state.db.close().await;
    url
}

/// Saved questions, shared with everyone.
fn questions() -> Vec<Value> {
    let columns = json!(["id", "type", "name", "tags", "quality_score", "lifecycle_phase"]);
    let question =
        |name: &str, query: Value| json!({"name": name, "visibility": "everyone", "query": query, "columns": columns});
    let words = json!([{"name": "words", "type": "text", "default": "cl"}]);
    let mut by_words = question("By words", json!({"search": {"$param": "words"}}));
    by_words["parameters"] = words.clone();
    let mut by_words_sorted = question(
        "By words sorted",
        json!({"search": {"$param": "words"}, "deleted": "include", "sort": "updated_at",
            "where": {"related": {"type": "RELIES_ON", "direction": "both"}}}),
    );
    by_words_sorted["parameters"] = words;
    vec![
        question("Everything", json!({"sort": "type", "deleted": "include"})),
        question(
            "Relying on much",
            json!({"where": {"related": {"type": "RELIES_ON", "min": 2}}, "sort": "quality_score", "order": "desc"}),
        ),
        question(
            "Relying on nothing",
            json!({"where": {"not": {"related": {"type": "RELIES_ON"}}}}),
        ),
        by_words,
        by_words_sorted,
    ]
}

/// Removes the cards of some types and whatever touches them, as if they had never been.
async fn remove(db: &PgPool, types: &[&str]) {
    let list = types
        .iter()
        .map(|name| format!("'{name}'"))
        .collect::<Vec<_>>()
        .join(", ");
    let statements = format!(
        "alter table changes disable trigger user;
         delete from relationships where source_type in ({list}) or target_type in ({list});
         delete from changes where entity = 'relationship' and entity_id not in (select id from relationships);
         delete from card_external_ids where card_id in (select id from cards where type in ({list}));
         delete from card_scores where card_id in (select id from cards where type in ({list}));
         delete from cards where type in ({list});
         delete from changes where entity in ('card', 'score') and entity_id not in (select id from cards);
         alter table changes enable trigger user;"
    );
    db.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.unwrap();
}

/// What an answer says, without what differs from one asking to the next.
fn said(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    if body.is_null() {
        body = String::from_utf8_lossy(&answer.bytes).into();
    }
    if let Some(groups) = body.get_mut("groups").and_then(Value::as_array_mut) {
        // Types are no cards. A search leaves out those that the caller may not view; the metamodel tells of all.
        groups.retain(|group| group["kind"] != "card_type" && group["kind"] != "relationship_type");
        let total: u64 = groups.iter().filter_map(|group| group["total"].as_u64()).sum();
        body["total"] = json!(total);
    }
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        // That something was left out may be told.
        metadata.remove("hidden");
        metadata.remove("execution_time_ms");
    }
    if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("request_id");
        error.remove("timestamp");
    }
    json!({ "status": answer.status.as_u16(), "body": body })
}

/// Where two answers first differ, and how.
fn difference(mine: &Value, theirs: &Value) -> Option<String> {
    match (mine, theirs) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            let differs = |name: &String| difference(&mine[name], &theirs[name]).map(|text| format!("{name}.{text}"));
            names.into_iter().find_map(differs)
        }
        (Value::Array(one), Value::Array(other)) => (0..one.len().max(other.len()))
            .find_map(|at| difference(&mine[at], &theirs[at]).map(|text| format!("{at}.{text}"))),
        _ if mine == theirs => None,
        _ => Some(format!(" {mine} instead of {theirs}")),
    }
}

async fn ask(caller: &Caller<'_>, request: &str) -> Answer {
    let mut parts = request.splitn(3, ' ');
    let method: Method = parts.next().unwrap().parse().unwrap();
    let path = parts.next().unwrap();
    let body = parts.next().map(|body| serde_json::from_str(body).unwrap());
    caller.send(method, path, body).await
}

/// The restricted caller, an all-seeing one beside them, and an all-seeing one where nothing hidden ever was.
struct Walk<'a> {
    restricted: Caller<'a>,
    all_seeing: Caller<'a>,
    oracle: Caller<'a>,
    hidden: &'a [&'a str],
    asked: usize,
}

impl Walk<'_> {
    /// Asks everywhere, page after page; says whether the right made a difference, if anybody wants to know.
    async fn compare(&mut self, request: &str, wondering: bool) -> bool {
        let mut request = request.to_owned();
        let mut differs = false;
        for _ in 0..6 {
            let (got, expected) = tokio::join!(ask(&self.restricted, &request), ask(&self.oracle, &request));
            assert!(expected.status.as_u16() < 500, "{request}: {:?}", expected.body);
            let (mine, theirs) = (said(&got), said(&expected));
            if let Some(difference) = difference(&mine, &theirs) {
                panic!("without {:?}: {request}: {difference}", self.hidden);
            }
            differs |= wondering && !differs && said(&ask(&self.all_seeing, &request).await) != mine;
            self.asked += 1;
            let Some(next) = got.body["pagination"]["next_url"].as_str() else {
                break;
            };
            request = format!("GET {}", next.strip_prefix("/api/v1").unwrap_or(next));
        }
        differs
    }
}

#[tokio::test]
async fn hidden_cards_are_as_if_they_had_never_been() {
    let original = landscape(11).await;
    let mut copies = Vec::new();
    for hidden in CASES {
        copies.push((*hidden, copy(&original).await));
    }
    let here = TestApp::on(original, |_| {}).await;
    let places = Places::of(here.db()).await;
    // Operations to which the right made a difference; without one the comparison would prove nothing.
    let mut proven = BTreeSet::new();
    for (hidden, url) in copies {
        // Before the instance starts: it holds the landscape in memory.
        let db = PgPool::connect(&url).await.unwrap();
        remove(&db, hidden).await;
        db.close().await;
        let there = TestApp::on(url, |_| {}).await;
        let types: Vec<String> = sqlx::query_scalar("select name from card_types order by name")
            .fetch_all(here.db())
            .await
            .unwrap();
        let view: Vec<&String> = types.iter().filter(|name| !hidden.contains(&name.as_str())).collect();
        let mut walk = Walk {
            restricted: here.login_with_role(json!({"view": view, "read_audit": true})).await,
            all_seeing: here.login(Role::Auditor).await,
            oracle: there.login(Role::Auditor).await,
            hidden,
            asked: 0,
        };
        for (operation, requests) in SAMPLES {
            for request in requests.iter().flat_map(|request| places.fill(request)) {
                if walk.compare(&request, !proven.contains(operation)).await {
                    proven.insert(*operation);
                }
            }
        }
        for request in WITHOUT_CARDS.iter().flat_map(|(_, requests)| *requests) {
            for request in places.fill(request) {
                let differs = walk.compare(&request, true).await;
                assert!(!differs, "{request} tells of cards: it belongs among SAMPLES");
            }
        }
        assert!(walk.asked > 400, "only {} requests", walk.asked);
    }
    let tame: Vec<_> = SAMPLES
        .iter()
        .map(|(operation, _)| *operation)
        .filter(|o| !proven.contains(o))
        .collect();
    assert!(
        tame.is_empty(),
        "hiding types made no difference to {tame:?}: their samples are too tame"
    );
}

#[test]
fn every_operation_that_views_has_a_sample() {
    let document = serde_json::to_value(app::openapi()).unwrap();
    let mut viewing = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            if TRIED.iter().any(|permission| operation["x-permission"] == **permission) {
                viewing.insert(operation["operationId"].as_str().unwrap().to_owned());
            }
        }
    }
    let sampled = SAMPLES.iter().chain(WITHOUT_CARDS).map(|(operation, requests)| {
        assert!(!requests.is_empty(), "{operation} has no request");
        *operation
    });
    let skipped = NOT_COMPARED.iter().map(|(operation, reason)| {
        assert!(!reason.is_empty(), "{operation}: why?");
        *operation
    });
    let known: BTreeSet<String> = sampled.chain(skipped).map(str::to_owned).collect();
    let missing: Vec<_> = viewing.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "These operations have an x-permission of {TRIED:?} and no sample that proves that hidden cards stay hidden; add a line to \
         tests/api/visibility/samples.rs for each: {missing:?}"
    );
    let gone: Vec<_> = known.difference(&viewing).collect();
    assert!(
        gone.is_empty(),
        "There are samples of operations that no longer are: {gone:?}"
    );
}
