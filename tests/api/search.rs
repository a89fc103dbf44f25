//! Full text over HTTP: lists, the search across everything, similar cards.

mod everything;
mod freshness;
mod lists;
mod orders;
mod similar;

use serde_json::Value;

use crate::{
    harness::{Answer, Caller},
    probe::encode,
};

/// The names of the cards that a search finds, in order.
async fn found(caller: &Caller<'_>, words: &str) -> Vec<String> {
    let answer = caller
        .get(&format!("/cards?search={}", encode(words)))
        .await
        .expect(200);
    names(&answer)
}

fn names(answer: &Answer) -> Vec<String> {
    let items = answer.body["data"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A highlight as text, what was found in brackets.
fn marked(highlight: &Value) -> String {
    let parts = highlight["parts"].as_array().unwrap().iter();
    let shown = parts.map(|part| {
        let text = part["text"].as_str().unwrap();
        if part["match"] == true {
            format!("[{text}]")
        } else {
            text.to_owned()
        }
    });
    format!(
        "{}: {}",
        highlight["field"].as_str().unwrap(),
        shown.collect::<String>()
    )
}

fn highlights(item: &Value) -> Vec<String> {
    item["highlights"].as_array().unwrap().iter().map(marked).collect()
}
