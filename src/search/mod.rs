//! Search across everything: cards by their type, tags, relationships, card types, relationship types and, for those who
//! manage them, people. Short answers, for a search box that asks while somebody types.

mod answer;
mod routes;

pub use answer::{Asked, End, Group, Item, Kind, Model, SearchAnswer, answer};
pub use routes::routes;
