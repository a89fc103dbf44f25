//! Full text: words, queries, ranking, highlights, and the index in memory that finds what a query names.
//!
//! ```text
//! text ─► fold, words ─► index (segments: sorted words, postings) ─┐
//! query ─► words, phrases, exclusions ─────────────────────────────┴─► hits with scores ─► highlights of those shown
//! ```
//!
//! What matches and what it scores is one rule, [`score`], a function of the texts and the query alone: neither other
//! texts nor the age of the index take part in it. So an answer keeps its order on every instance, what a caller may not
//! see cannot show in the order of what they may, and texts of the past are ranked without an index. [`Index`] gives the
//! same hits and scores as trying [`score`] on everything; a property test holds the two together.

mod fold;
mod highlight;
mod index;
mod query;
mod rank;
mod typo;
mod words;

pub use highlight::{Highlight, Part, highlights};
pub use index::{Corpus, Hit, Index};
pub use query::{MAX_LENGTH, MAX_WORDS, Query};
pub use rank::score;

use serde_json::Value;

/// Where a word stands. The earlier, the more it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The name.
    Name,
    /// A tag.
    Tags,
    /// The description.
    Description,
    /// A value among the attributes.
    Attributes,
}

/// The texts of one thing, as a query is held against them.
#[derive(Clone, Debug, Default)]
pub struct Texts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its tags.
    pub tags: Vec<&'a str>,
    /// What it is.
    pub description: &'a str,
    /// A JSON object as text: its values count, its keys do not. Empty for none.
    pub attributes: &'a str,
}

impl Texts<'_> {
    /// Hands every text to `each`, with its place: attributes with their path.
    fn each(&self, each: &mut dyn FnMut(Field, &str, &str)) {
        each(Field::Name, "name", self.name);
        for tag in &self.tags {
            each(Field::Tags, "tags", tag);
        }
        each(Field::Description, "description", self.description);
        if self.attributes.len() > "{}".len()
            && let Ok(value) = serde_json::from_str::<Value>(self.attributes)
        {
            values(&value, &mut String::from("attributes"), each);
        }
    }
}

/// The texts and numbers within a JSON value, with their paths.
fn values(value: &Value, path: &mut String, each: &mut dyn FnMut(Field, &str, &str)) {
    match value {
        Value::String(text) => each(Field::Attributes, path, text),
        Value::Number(number) => each(Field::Attributes, path, &number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| values(item, path, each)),
        Value::Object(members) => {
            for (key, member) in members {
                let length = path.len();
                path.push('.');
                path.push_str(key);
                values(member, path, each);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests;
