//! Orders of cards by one value that memory knows as the database does: values first, the highest first if descending, then
//! the cards without one; among equals by id, in the same direction.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What cards are sorted by, and in which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// The highest first.
    pub descending: bool,
}

/// What cards are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// The name as compared.
    Name,
    /// When it was made.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// The quality score.
    Quality,
    /// One of the five dates: 0 is plan, 4 end of life.
    Lifecycle(usize),
}

/// Where a list was left: the value and the id of its last card.
pub type Mark = (Option<Held>, Uuid);

/// A value that outlives its card, as a cursor carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    /// A score, a day, or an instant in microseconds.
    Number(i64),
    /// A text.
    Text(String),
}

/// A value that a card is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value<'a> {
    /// A score, a day, or an instant in microseconds.
    Number(i64),
    /// A text.
    Text(&'a str),
}

impl<'a> From<&'a Held> for Value<'a> {
    fn from(held: &'a Held) -> Self {
        match held {
            Held::Number(number) => Self::Number(*number),
            Held::Text(text) => Self::Text(text),
        }
    }
}

impl Value<'_> {
    /// The value for itself.
    #[must_use]
    pub fn own(self) -> Held {
        match self {
            Self::Number(number) => Held::Number(number),
            Self::Text(text) => Held::Text(text.to_owned()),
        }
    }
}

impl Order {
    /// Whether a mark can be of this order; others are of somebody's own making.
    #[must_use]
    pub fn fits(self, (value, _): &Mark) -> bool {
        match value {
            Some(Held::Text(_)) => self.by == OrderBy::Name,
            Some(Held::Number(_)) => self.by != OrderBy::Name,
            None => matches!(self.by, OrderBy::Quality | OrderBy::Lifecycle(_)),
        }
    }

    /// Which of two cards, each by its value and id, comes first.
    #[must_use]
    pub fn compare(self, (a, a_id): &(Option<Value<'_>>, Uuid), (b, b_id): &(Option<Value<'_>>, Uuid)) -> Ordering {
        let turned = |order: Ordering| if self.descending { order.reverse() } else { order };
        let values = match (a, b) {
            (Some(a), Some(b)) => turned(a.cmp(b)),
            _ => a.is_none().cmp(&b.is_none()),
        };
        values.then_with(|| turned(a_id.cmp(b_id)))
    }
}
