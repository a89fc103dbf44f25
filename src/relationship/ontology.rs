//! The ontology: which edges may exist between which types of cards, and what an edge means for failure. Like the
//! metamodel it is data that an admin extends; everybody else reads an immutable snapshot, the [`Ontology`].

pub mod reference;
pub mod store;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::{Violation, ViolationCode},
    metamodel::{Metamodel, suggestions},
};

/// How many edges of a row may be in force at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Cardinality {
    /// Any number.
    #[serde(rename = "M:N")]
    ManyToMany,
    /// A target has at most one source.
    #[serde(rename = "1:N")]
    OneToMany,
    /// A source has at most one target.
    #[serde(rename = "M:1")]
    ManyToOne,
    /// Both.
    #[serde(rename = "1:1")]
    OneToOne,
}

impl Cardinality {
    const ALL: [(Self, &'static str); 4] = [
        (Self::ManyToMany, "M:N"),
        (Self::OneToMany, "1:N"),
        (Self::ManyToOne, "M:1"),
        (Self::OneToOne, "1:1"),
    ];

    /// As it is written: `M:N`, `1:N`, `M:1`, `1:1`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(c, _)| *c == self)
            .map_or("M:N", |(_, name)| name)
    }

    /// The cardinality written so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(c, _)| *c)
    }

    /// Whether a target has at most one source.
    #[must_use]
    pub fn one_source(self) -> bool {
        matches!(self, Self::OneToMany | Self::OneToOne)
    }

    /// Whether a source has at most one target.
    #[must_use]
    pub fn one_target(self) -> bool {
        matches!(self, Self::ManyToOne | Self::OneToOne)
    }
}

/// Which end of an edge depends on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dependent {
    /// The source depends on the target.
    Source,
    /// The target depends on the source.
    Target,
    /// Neither.
    None,
}

impl Dependent {
    /// The name used in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::None => "none",
        }
    }

    /// The variant of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Source, Self::Target, Self::None]
            .into_iter()
            .find(|d| d.name() == name)
    }
}

/// What happens to the dependent when the other end fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// It is down.
    Hard,
    /// It is degraded.
    Soft,
}

impl Strength {
    /// The name used in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }

    /// The variant of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Hard, Self::Soft].into_iter().find(|s| s.name() == name)
    }
}

/// An attribute that edges of a row may carry, typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeAttribute {
    /// The values to choose from.
    pub options: Vec<String>,
    /// Whether a list of options is taken as well as one.
    #[serde(default)]
    pub several: bool,
    /// What its absence means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A row of the ontology: edges of one type from one source type. Cardinality and acyclicity hold across all targets of
/// the row.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RelationshipType {
    /// Its id, which edges carry as `rule_id`.
    pub id: Uuid,
    /// The card type at the start.
    pub source_type: String,
    /// The type of the edge, for example `RELIES_ON`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The card types at the end; empty means any.
    pub target_types: Vec<String>,
    /// How many.
    pub cardinality: Cardinality,
    /// Whether its edges may not form a cycle.
    pub acyclic: bool,
    /// How the edge reads from its end; for display only.
    pub inverse_label: String,
    /// Who depends on whom.
    pub dependent: Dependent,
    /// How strongly; absent where nobody depends.
    pub strength: Option<Strength>,
    /// Attributes that its edges may carry, typed.
    pub attributes: BTreeMap<String, EdgeAttribute>,
    /// Came with the software.
    pub builtin: bool,
    /// No new edges of this row.
    pub deprecated: bool,
    /// Order in lists.
    pub position: i32,
    /// +1 with every change.
    pub version: i32,
}

/// The longest name of a redundancy group.
const MAX_GROUP: usize = 100;

impl RelationshipType {
    /// Everything wrong with the attributes of an edge of this row; fields are called `attributes.<name>`. Attributes that
    /// nobody typed are kept.
    #[must_use]
    pub fn validate_attributes(&self, attributes: &Map<String, Value>) -> Vec<Violation> {
        let mut found = Vec::new();
        for (name, value) in attributes.iter().filter(|(_, value)| !value.is_null()) {
            let field = format!("attributes.{name}");
            match name.as_str() {
                "dependency" | "redundancy_group" if self.dependent == Dependent::None => {
                    let message = format!("has no meaning here: neither end of {} depends on the other", self.kind);
                    found.push(Violation::new(field, ViolationCode::NotAllowedHere, message).provided(value));
                }
                "dependency" => one_option(&field, value, &["hard", "soft", "none"].map(str::to_owned), &mut found),
                "redundancy_group" => group(&field, value, &mut found),
                _ => {
                    if let Some(typed) = self.attributes.get(name) {
                        typed.validate(&field, value, &mut found);
                    }
                }
            }
        }
        found
    }
}

impl EdgeAttribute {
    fn validate(&self, field: &str, value: &Value, found: &mut Vec<Violation>) {
        match value.as_array() {
            Some(items) if self.several => {
                if items.is_empty() {
                    found.push(
                        Violation::new(field, ViolationCode::Required, "an empty list says nothing").provided(value),
                    );
                }
                for (index, item) in items.iter().enumerate() {
                    one_option(&format!("{field}.{index}"), item, &self.options, found);
                }
            }
            _ => one_option(field, value, &self.options, found),
        }
    }
}

fn one_option(field: &str, value: &Value, options: &[String], found: &mut Vec<Violation>) {
    let (code, message) = match value.as_str() {
        Some(text) if options.iter().any(|o| o == text) => return,
        Some(_) => (
            ViolationCode::NotInOptions,
            format!("must be one of {}", options.join(", ")),
        ),
        None => (
            ViolationCode::WrongType,
            format!("must be a text, one of {}", options.join(", ")),
        ),
    };
    found.push(
        Violation::new(field, code, message)
            .provided(value)
            .accepts("allowed_values", options.to_vec()),
    );
}

fn group(field: &str, value: &Value, found: &mut Vec<Violation>) {
    match value.as_str() {
        None => found.push(Violation::new(field, ViolationCode::WrongType, "must be a text").provided(value)),
        Some(name) if name.trim().is_empty() => {
            found.push(Violation::new(field, ViolationCode::Required, "may not be blank"));
        }
        Some(name) if name.chars().count() > MAX_GROUP => found.push(
            Violation::new(
                field,
                ViolationCode::TooLong,
                format!("has at most {MAX_GROUP} characters"),
            )
            .accepts("max_length", MAX_GROUP),
        ),
        Some(_) => {}
    }
}

/// The rows as they were at one version: never changes, cheap to share.
#[derive(Debug, Default)]
pub struct Ontology {
    version: i64,
    rows: Vec<RelationshipType>,
    by_id: HashMap<Uuid, usize>,
    by_source: HashMap<String, Vec<usize>>,
    any_targets: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Ontology {
    /// A snapshot of these rows; the metamodel says which types `any` covers.
    #[must_use]
    pub fn new(version: i64, mut rows: Vec<RelationshipType>, metamodel: &Metamodel) -> Self {
        // Rows that name their targets come before those that take any: the precise one decides.
        rows.sort_by(|a, b| {
            (a.target_types.is_empty(), a.position, &a.source_type, &a.kind, a.id).cmp(&(
                b.target_types.is_empty(),
                b.position,
                &b.source_type,
                &b.kind,
                b.id,
            ))
        });
        let mut by_source: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            by_source.entry(row.source_type.clone()).or_default().push(index);
        }
        let any_targets = metamodel
            .card_types()
            .filter(|t| metamodel.is_any_target(&t.name))
            .map(|t| t.name.clone())
            .collect();
        Self {
            version,
            by_id: rows.iter().enumerate().map(|(index, row)| (row.id, index)).collect(),
            kinds: rows.iter().map(|row| row.kind.clone()).collect(),
            by_source,
            any_targets,
            rows,
        }
    }

    /// The metamodel's version that it belongs to.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// All rows.
    #[must_use]
    pub fn rows(&self) -> &[RelationshipType] {
        &self.rows
    }

    /// The row of that id.
    #[must_use]
    pub fn row(&self, id: Uuid) -> Option<&RelationshipType> {
        self.by_id.get(&id).and_then(|index| self.rows.get(*index))
    }

    /// The row that allows an edge of this type between these card types; deprecated rows are found as well.
    #[must_use]
    pub fn lookup(&self, source_type: &str, kind: &str, target_type: &str) -> Option<&RelationshipType> {
        self.from_source(source_type)
            .find(|row| row.kind == kind && self.takes(row, target_type))
    }

    /// The rows that allow an edge between these card types.
    #[must_use]
    pub fn allowed_between(&self, source_type: &str, target_type: &str) -> Vec<&RelationshipType> {
        self.from_source(source_type)
            .filter(|row| self.takes(row, target_type))
            .collect()
    }

    /// The rows that start at a card type.
    pub fn from_source(&self, source_type: &str) -> impl Iterator<Item = &RelationshipType> {
        self.by_source
            .get(source_type)
            .into_iter()
            .flatten()
            .filter_map(|index| self.rows.get(*index))
    }

    /// Whether edges of the row may end at cards of this type.
    #[must_use]
    pub fn takes(&self, row: &RelationshipType, target_type: &str) -> bool {
        if row.target_types.is_empty() {
            self.any_targets.contains(target_type)
        } else {
            row.target_types.iter().any(|t| t == target_type)
        }
    }

    /// The card types at which edges of the row may end, `any` written out.
    #[must_use]
    pub fn targets(&self, row: &RelationshipType) -> Vec<String> {
        if row.target_types.is_empty() {
            self.any_targets.iter().cloned().collect()
        } else {
            row.target_types.clone()
        }
    }

    /// The names of all edge types.
    #[must_use]
    pub fn kinds(&self) -> &BTreeSet<String> {
        &self.kinds
    }

    /// The edge types closest to what was written, for an error message.
    #[must_use]
    pub fn similar_kinds(&self, kind: &str) -> Vec<String> {
        suggestions(kind, self.kinds.iter().map(String::as_str))
    }
}
