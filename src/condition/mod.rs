//! The one filter language: policies, rules of engines, graph filters and list filters all read a [`Condition`].
//!
//! It is parsed from JSON ([`Condition::parse`]) or a query string ([`Condition::parse_filter`]) and type-checked against
//! the metamodel, then evaluated on a [`Subject`] or pushed into SQL, with the same answer: true, false or unknown. A
//! comparison with a missing value is unknown, and so is its negation; `exists` and `requires` always know.

mod evaluate;
mod field;
mod operand;
mod parse;
mod parse_related;
mod query_string;
mod sql;
mod sql_related;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use chrono::NaiveDate;
use serde_json::{Map, Value};
use uuid::Uuid;

pub use field::Field;
use field::{Fixed, Kind, Place};

use crate::{
    auth::TypeScope,
    error::Violation,
    metamodel::{Metamodel, lookup},
};

/// The deepest that conditions nest.
pub const MAX_DEPTH: usize = 32;
/// The most conditions within one.
pub const MAX_CONDITIONS: usize = 500;
/// The most values of one `in`.
pub const MAX_VALUES: usize = 1_000;

/// The most conditions on related cards within one, one within a range (`min` and `max`) counted twice.
pub const MAX_RELATED: usize = 24;
/// The most steps that conditions on related cards lead away from the card.
pub const MAX_STEPS: usize = 4;

/// What a condition may speak of.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    metamodel: &'a Metamodel,
    types: &'a [String],
    relations: Option<&'a BTreeSet<String>>,
}

impl<'a> Scope<'a> {
    /// Cards of any type, by themselves: conditions on related cards are refused.
    #[must_use]
    pub fn new(metamodel: &'a Metamodel) -> Self {
        Self {
            metamodel,
            types: &[],
            relations: None,
        }
    }

    /// Only cards of these types; none means any.
    #[must_use]
    pub fn of_types(self, types: &'a [String]) -> Self {
        Self { types, ..self }
    }

    /// Conditions on related cards too; `kinds` are the types of relationships there are.
    #[must_use]
    pub fn with_related(self, kinds: &'a BTreeSet<String>) -> Self {
        Self {
            relations: Some(kinds),
            ..self
        }
    }
}

/// How a condition looks at the landscape.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The date for lifecycle phases, relationships and the presence of related cards.
    pub on: NaiveDate,
    /// The card types that exist for the caller: related cards of others count for nothing.
    pub visible: &'a TypeScope,
    /// Whether related cards that are not present on the date count too.
    pub include_absent: bool,
    /// The types that the cards asked about are of; empty means any. Only a hint: it is not checked.
    pub types: &'a [String],
}

impl Reading<'static> {
    /// Everything, as it is on a date.
    #[must_use]
    pub fn everything_on(on: NaiveDate) -> Self {
        Self {
            on,
            visible: &TypeScope::All,
            include_absent: false,
            types: &[],
        }
    }
}

/// A condition on a card, type-checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    node: Node,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Test(Test),
    Related(Related),
}

#[derive(Clone, Debug, PartialEq)]
struct Test {
    field: Field,
    check: Check,
}

impl Node {
    /// Whether the card itself is asked for the field.
    fn looks_at(&self, fixed: Fixed) -> bool {
        match self {
            Self::All(inner) | Self::Any(inner) => inner.iter().any(|node| node.looks_at(fixed)),
            Self::Not(inner) => inner.looks_at(fixed),
            Self::Test(test) => test.field.place == Place::Fixed(fixed),
            Self::Related(_) => false,
        }
    }
}

/// What is asked of a field. `ne`, `between` and `requires` are made of these.
#[derive(Clone, Debug, PartialEq)]
enum Check {
    /// Present, and neither blank nor empty.
    Filled,
    /// Equal to one of the values.
    In(Vec<Value>),
    Order(Order, Value),
    Contains(String),
    StartsWith(String),
    /// A list with at least one of the values.
    Has(Vec<Value>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Order {
    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }
}

/// The side from which a relationship is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the card outwards.
    Out,
    /// Into the card.
    In,
    /// Either.
    Both,
}

/// A condition on how many related cards there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    /// The type of relationship.
    pub kind: String,
    /// Which way.
    pub direction: Direction,
    /// The types of the cards at the other end; empty means any.
    pub to: Vec<String>,
    /// Only cards other than those on the way here, the one asked about included.
    other: bool,
    filter: Option<Box<Node>>,
    min: u64,
    max: Option<u64>,
}

/// Something that a condition is evaluated on.
pub trait Subject {
    /// The value of a field: `name`, `type`, `lifecycle.active`, `lifecycle_phase`, `attributes.financials.currency` … with
    /// dates as `YYYY-MM-DD` and instants in RFC 3339; none when it is missing.
    fn value(&self, path: &str) -> Option<Cow<'_, Value>>;

    /// The card's id, where it has one: `other` leaves out the cards it has met.
    fn id(&self) -> Option<Uuid> {
        None
    }

    /// The cards at the other end of the relationships that `related` names, each once; none where neighbours are not
    /// known, which leaves the condition unknown.
    fn related(&self, related: &Related) -> Option<Vec<Box<dyn Subject + '_>>> {
        let _ = related;
        None
    }
}

/// The value of a field whose path begins with `attributes.`, for subjects that hold attributes as JSON.
#[must_use]
pub fn attribute<'a>(attributes: &'a Map<String, Value>, path: &str) -> Option<Cow<'a, Value>> {
    lookup(attributes, path.strip_prefix("attributes.")?).map(Cow::Borrowed)
}

impl Condition {
    /// Reads a condition. Violations carry the place as a JSON pointer below `at`, for example `/filter/all/0/value`.
    pub fn parse(value: &Value, scope: Scope<'_>, at: &str) -> Result<Self, Vec<Violation>> {
        parse::parse(value, scope, at).map(|node| Self { node })
    }

    /// Reads the form of a query string, `path:operator:value`, for example `attributes.hosting_type:eq:SaaS`; `in` and
    /// `between` take values separated by commas (a comma within a value is written `\,`).
    pub fn parse_filter(text: &str, scope: Scope<'_>) -> Result<Self, Vec<Violation>> {
        query_string::parse(text, scope).map(|node| Self { node })
    }

    /// Holds when all of them hold; without any it always does.
    #[must_use]
    pub fn all(conditions: impl IntoIterator<Item = Self>) -> Self {
        Self {
            node: Node::All(conditions.into_iter().map(|condition| condition.node).collect()),
        }
    }

    /// True, false, or unknown.
    #[must_use]
    pub fn evaluate(&self, subject: &dyn Subject) -> Option<bool> {
        evaluate::node(&self.node, evaluate::Path::from(subject))
    }

    /// Whether it is true; unknown is not.
    #[must_use]
    pub fn holds(&self, subject: &dyn Subject) -> bool {
        self.evaluate(subject) == Some(true)
    }

    /// Whether it looks at this field of the card and at nothing else.
    #[must_use]
    pub fn is_only_on(&self, path: &str) -> bool {
        let fields = self.fields();
        fields.len() == 1 && fields.contains(path) && !self.looks_at_related()
    }

    /// The conditions that must all hold for this one to hold.
    #[must_use]
    pub fn parts(self) -> Vec<Self> {
        match self.node {
            Node::All(parts) => parts.into_iter().map(|node| Self { node }).collect(),
            node => vec![Self { node }],
        }
    }

    /// Whether it looks at related cards.
    #[must_use]
    pub fn looks_at_related(&self) -> bool {
        let mut open = vec![&self.node];
        while let Some(node) = open.pop() {
            match node {
                Node::All(inner) | Node::Any(inner) => open.extend(inner),
                Node::Not(inner) => open.push(inner),
                Node::Test(_) => {}
                Node::Related(_) => return true,
            }
        }
        false
    }

    /// The paths of all fields it looks at, those of related cards left out.
    #[must_use]
    pub fn fields(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![&self.node];
        while let Some(node) = open.pop() {
            match node {
                Node::All(inner) | Node::Any(inner) => open.extend(inner),
                Node::Not(inner) => open.push(inner),
                Node::Test(test) => {
                    found.insert(test.field.path());
                }
                Node::Related(_) => {}
            }
        }
        found
    }
}

/// A subject made of values by path, for callers that have them at hand.
impl Subject for BTreeMap<String, Value> {
    fn value(&self, path: &str) -> Option<Cow<'_, Value>> {
        self.get(path).map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests;
