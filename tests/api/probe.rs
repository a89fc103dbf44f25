//! What tests look at: the violations in an answer, the rows in the database, the pages of a list.

use serde_json::Value;
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

/// The violations of a validation error as (field, code), in the order of the answer.
#[track_caller]
pub fn violations(answer: &Answer) -> Vec<(String, String)> {
    let list = answer.body["error"]["details"]["violations"].as_array();
    let list = list.unwrap_or_else(|| panic!("no violations in {}", answer.body));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(|v| (text(&v["field"]), text(&v["code"]))).collect()
}

/// The one violation at `field`.
#[track_caller]
pub fn violation<'a>(answer: &'a Answer, field: &str) -> &'a Value {
    let list = answer.body["error"]["details"]["violations"].as_array();
    let mut found = list.into_iter().flatten().filter(|v| v["field"] == field);
    found
        .next()
        .unwrap_or_else(|| panic!("no violation at {field} in {}", answer.body))
}

/// How many rows the tables hold that cards and relationships are kept in: compared before and after a refusal.
pub async fn rows(app: &TestApp) -> [i64; 6] {
    let mut counts = [0; 6];
    let tables = [
        "cards",
        "card_scores",
        "card_external_ids",
        "relationships",
        "changes",
        "idempotency_keys",
    ];
    for (count, table) in counts.iter_mut().zip(tables) {
        let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        *count = sqlx::query_scalar(sql).fetch_one(app.db()).await.unwrap();
    }
    counts
}

/// Percent-encodes a query value.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The items of a list, page by page; checks the envelope on the way.
pub async fn by_page(caller: &Caller<'_>, path: &str, limit: usize) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut items = Vec::new();
    for page in 1.. {
        let answer = caller
            .get(&format!("{path}{separator}limit={limit}&page={page}"))
            .await
            .expect(200);
        let pagination = &answer.body["pagination"];
        items.extend(answer.body["data"].as_array().unwrap().iter().cloned());
        let total = pagination["total_items"].as_u64().unwrap() as usize;
        assert_eq!(pagination["page"], page);
        assert_eq!(pagination["limit"], limit);
        assert_eq!(pagination["total_pages"], total.div_ceil(limit));
        assert_eq!(pagination["has_prev"], page > 1);
        assert_eq!(pagination["has_next"], items.len() < total, "{pagination}");
        assert_eq!(pagination["next_url"].is_null(), items.len() == total);
        if items.len() >= total {
            assert_eq!(items.len(), total);
            break;
        }
    }
    items
}

/// The items of a list, by cursor to the end.
pub async fn by_cursor(caller: &Caller<'_>, path: &str, limit: usize) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut items = Vec::new();
    let mut url = format!("{path}{separator}limit={limit}&cursor=");
    loop {
        let answer = caller.get(&url).await.expect(200);
        let pagination = &answer.body["pagination"];
        assert!(
            pagination["page"].is_null() && pagination["total_items"].is_null(),
            "{pagination}"
        );
        items.extend(answer.body["data"].as_array().unwrap().iter().cloned());
        match pagination["next_url"].as_str() {
            None => break,
            Some(next) => {
                assert_eq!(pagination["has_next"], true);
                url = next.strip_prefix("/api/v1").unwrap().to_owned();
            }
        }
    }
    items
}

/// The ids of items.
pub fn ids(items: &[Value]) -> Vec<Uuid> {
    items
        .iter()
        .map(|i| i["id"].as_str().unwrap().parse().unwrap())
        .collect()
}
