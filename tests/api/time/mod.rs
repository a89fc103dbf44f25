//! Recorded time: what was known at an instant, asked again whenever, wherever, and whatever was committed meanwhile.

use archzero::audit::seal_now;
use axum::http::Method;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

mod diff;
mod meaning;
mod properties;
mod revert;

/// Closes everything committed so far; the instant, as a client writes it.
async fn seal(app: &TestApp) -> String {
    let closed = seal_now(&app.state).await.unwrap().expect("something to close");
    shown(closed.recorded_at)
}

fn shown(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A question, with or without an instant.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Asked {
    fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
        }
    }

    fn post(path: &str, body: Value) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            body: Some(body),
        }
    }

    async fn now(&self, caller: &Caller<'_>) -> Answer {
        caller.send(self.method.clone(), &self.path, self.body.clone()).await
    }

    async fn at(&self, caller: &Caller<'_>, instant: &str) -> Answer {
        let (mut path, mut body) = (self.path.clone(), self.body.clone());
        match &mut body {
            Some(body) if path == "/graph/diff" => {
                body["from"]["known_at"] = json!(instant);
                body["to"]["known_at"] = json!(instant);
            }
            Some(body) => body["known_at"] = json!(instant),
            None => {
                path.push(if path.contains('?') { '&' } else { '?' });
                path.push_str("known_at=");
                path.push_str(instant);
            }
        }
        caller.send(self.method.clone(), &path, body).await
    }
}

/// Everything that can be asked of a landscape, on one date.
fn questions(card: Uuid, other: Uuid, edge: Uuid) -> Vec<Asked> {
    let date = "target_date=2026-11-21";
    let body = |more: Value| {
        let mut body = json!({"target_date": "2026-11-21"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    let gets = [
        format!("/cards?{date}"),
        format!("/cards?{date}&deleted=include&sort=quality_score&order=desc&include=relationships&limit=200"),
        format!("/cards?{date}&deleted=only&sort=updated_at"),
        format!(
            "/cards?{date}&type=Application&filter=attributes.hosting_type:eq:SaaS&sort=attributes.users_total&limit=3"
        ),
        format!("/cards?{date}&lifecycle_phase=Active&quality_min=20&tags=t1&fields=name,quality_score,computed"),
        format!("/cards?{date}&search=c&cursor=&limit=5&include_total=true"),
        format!("/cards/{card}?{date}"),
        format!("/cards/{card}?{date}&include=relationships,history,violations"),
        format!("/cards/{other}?{date}&fields=name,lifecycle_phase"),
        format!("/cards/{card}/relationships"),
        format!("/cards/{card}/relationships?{date}"),
        "/relationships?limit=200".to_owned(),
        "/relationships?status=any&limit=200".to_owned(),
        format!("/relationships?card_id={card}&{date}"),
        format!("/relationships/{edge}"),
        format!("/graph/impact/{card}?{date}"),
        format!("/graph/dependencies/{card}?{date}"),
        format!("/graph/paths?from={card}&to={other}&{date}"),
        format!("/graph/fan-in?{date}"),
        format!("/graph/fan-out?{date}"),
        format!("/graph/fan-in/{card}?{date}"),
        format!("/graph/fan-out/{card}?{date}"),
        format!("/graph/hierarchy?type=BusinessCapability&{date}"),
        format!("/graph/spof?{date}"),
        format!("/graph/cycles?{date}"),
        format!("/graph/orphans?{date}"),
    ];
    let mut asked: Vec<Asked> = gets.into_iter().map(Asked::get).collect();
    asked.push(Asked::post("/graph/traverse", body(json!({}))));
    asked.push(Asked::post(
        "/graph/traverse",
        body(json!({"root_id": card, "depth": 3, "filter": {"field": "quality_score", "op": "ge", "value": 10}})),
    ));
    asked.push(Asked::post("/graph/impact", body(json!({"ids": [card, other]}))));
    asked.push(Asked::post(
        "/graph/diff",
        json!({"from": {"target_date": "2024-01-01"}, "to": {"target_date": "2030-01-01"}}),
    ));
    asked
}

/// An answer without what says when it was given, and by which way it came.
fn content(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    if let Some(object) = body.as_object_mut() {
        object.remove("from_known_at");
        object.remove("to_known_at");
        // Errors name their request.
        object.remove("error");
        for (part, names) in [
            ("metadata", &["execution_time_ms", "known_at"][..]),
            ("pagination", &["next_url", "prev_url", "next_cursor"][..]),
        ] {
            if let Some(part) = object.get_mut(part).and_then(Value::as_object_mut) {
                for name in names {
                    part.remove(*name);
                }
            }
        }
    }
    json!([answer.status.as_u16(), body])
}
