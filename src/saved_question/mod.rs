//! Saved questions: a query about cards with a name, typed parameters and columns, run at an address of its own, as JSON and
//! as CSV. What an answer holds is what both the owner and the caller may see at that moment.

mod body;
mod csv;
mod routes;
pub mod store;
mod template;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Permission, Principal};

pub use routes::routes;

/// Who may see and run a question, beside its owner and those who manage users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Nobody else.
    Private,
    /// Everyone who may view cards.
    Everyone,
    /// Whoever has one of the question's `roles`.
    Roles,
}

impl Visibility {
    const ALL: [(&'static str, Self); 3] = [
        ("private", Self::Private),
        ("everyone", Self::Everyone),
        ("roles", Self::Roles),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(_, one)| *one == self)
            .map_or("", |(name, _)| name)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(one, _)| *one == name).map(|(_, one)| one)
    }
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    /// Text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// The id of a card.
    Uuid,
}

/// A value that whoever runs the question gives in the query string; `{"$param": "<name>"}` stands for it in the query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Parameter {
    /// Its name in the query string and in placeholders.
    #[schema(pattern = "^[a-z][a-z0-9_]{0,39}$", example = "vendor")]
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: ParameterType,
    /// How a form calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether it may be given several times; the placeholder then stands for a list.
    #[serde(default)]
    pub list: bool,
    /// The value when none is given; without one the parameter is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The only values it takes; empty means any of its type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<Value>,
}

/// A column of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// A field of the card: `name`, `lifecycle.eol`, `attributes.vendor` …
    #[schema(example = "attributes.vendor")]
    pub field: String,
    /// Its heading, and the member of JSON rows.
    #[schema(example = "Vendor")]
    pub title: String,
}

/// A saved question.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SavedQuestion {
    /// Its id.
    pub id: Uuid,
    /// Its name in addresses: `/questions/{slug}/results`.
    #[schema(example = "oracle-applications")]
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it is: answers hold nothing that they may not see.
    pub owner_id: Uuid,
    /// Who else may see and run it.
    pub visibility: Visibility,
    /// With visibility `roles`: the names of these roles.
    pub roles: Vec<String>,
    /// As the body of `POST /cards/query`, without paging and fields, with placeholders for parameters.
    #[schema(value_type = Object)]
    pub query: Map<String, Value>,
    /// What it takes.
    pub parameters: Vec<Parameter>,
    /// What its answers show.
    pub columns: Vec<Column>,
    /// Starts at 1, +1 with every change.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Option<Uuid>,
    /// Who last changed it.
    pub updated_by: Option<Uuid>,
}

impl SavedQuestion {
    /// Whether it exists for the caller.
    #[must_use]
    pub fn is_seen_by(&self, caller: &Principal) -> bool {
        let shared = match self.visibility {
            Visibility::Private => false,
            Visibility::Everyone => true,
            Visibility::Roles => role_names(caller).iter().any(|role| self.roles.contains(role)),
        };
        shared || self.is_changed_by(caller)
    }

    /// Whether the caller may change and remove it: its owner, and those who manage users (for when the owner is gone).
    #[must_use]
    pub fn is_changed_by(&self, caller: &Principal) -> bool {
        self.owner_id == caller.user_id || caller.may(Permission::ManageUsers)
    }

    /// Whether two states say the same, whoever wrote them and when.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let plain = |one: &Self| Self {
            version: 0,
            updated_at: DateTime::UNIX_EPOCH,
            updated_by: None,
            ..one.clone()
        };
        plain(self) == plain(other)
    }
}

/// The caller's roles as questions name them.
fn role_names(caller: &Principal) -> Vec<String> {
    caller.roles.iter().map(|role| role.name().to_owned()).collect()
}
