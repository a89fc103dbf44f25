//! The metamodel: which card types exist and which rules govern their attributes. It is data that an admin changes at run
//! time; everybody else reads an immutable snapshot of it, the [`Metamodel`].

mod attributes;
mod check;
mod key;
mod quality;
pub mod recompute;
pub mod reference;
pub mod routes;
mod rule;
pub mod store;
mod suggest;
mod validate;
mod value;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use attributes::{is_filled, lookup};
pub use key::{format_path, name_key, parse_path};
pub use quality::{QualityFacts, quality_score};
pub use routes::routes;
pub use rule::{DataType, Pattern, Rule, Widget, tidy_number};
pub use suggest::suggestions;
pub use validate::{MAX_ATTRIBUTE_BYTES, MAX_ATTRIBUTE_DEPTH, card_references, validate_attributes, violations_of};
pub use value::{is_instant, validate_value};

/// Where a card type stands in the architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Layer {
    /// Strategy and business.
    A,
    /// Applications.
    B,
    /// Technology.
    C,
    /// Governance.
    D,
}

impl Layer {
    /// The letter.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        }
    }

    /// The layer of that letter.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::A, Self::B, Self::C, Self::D]
            .into_iter()
            .find(|layer| layer.name() == name)
    }
}

/// A type of card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CardType {
    /// Its id.
    pub id: Uuid,
    /// The name used everywhere, for example `ITComponent`.
    pub name: String,
    /// What a person reads.
    pub label: String,
    /// Where it stands.
    pub layer: Layer,
    /// What it is for.
    pub description: Option<String>,
    /// `#rrggbb`.
    pub color: String,
    /// Name of an icon.
    pub icon: Option<String>,
    /// Attributes without a rule are refused.
    pub strict: bool,
    /// Came with the software.
    pub builtin: bool,
    /// No new cards of this type.
    pub deprecated: bool,
    /// Order in lists.
    pub position: i32,
    /// +1 with every change.
    pub version: i32,
}

/// Card types and rules as they were at one version: never changes, cheap to share.
#[derive(Debug, Default)]
pub struct Metamodel {
    version: i64,
    types: BTreeMap<String, CardType>,
    rules: HashMap<String, RuleSet>,
}

#[derive(Debug, Default)]
struct RuleSet {
    ordered: Vec<Rule>,
    by_key: HashMap<String, usize>,
}

impl Metamodel {
    /// A snapshot of these types and rules; rules of an unknown type are left out.
    #[must_use]
    pub fn new(version: i64, types: Vec<CardType>, mut rules: Vec<Rule>) -> Self {
        let types: BTreeMap<_, _> = types.into_iter().map(|t| (t.name.clone(), t)).collect();
        rules.sort_by(|a, b| (a.position, &a.key).cmp(&(b.position, &b.key)));
        let mut sets: HashMap<String, RuleSet> = HashMap::new();
        for rule in rules.into_iter().filter(|r| types.contains_key(&r.card_type)) {
            let set = sets.entry(rule.card_type.clone()).or_default();
            set.by_key.insert(rule.key.clone(), set.ordered.len());
            set.ordered.push(rule);
        }
        Self {
            version,
            types,
            rules: sets,
        }
    }

    /// Grows with every change to types, rules or relationship types.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The card type of that name.
    #[must_use]
    pub fn card_type(&self, name: &str) -> Option<&CardType> {
        self.types.get(name)
    }

    /// All card types by name.
    pub fn card_types(&self) -> impl Iterator<Item = &CardType> {
        self.types.values()
    }

    /// The rules of a card type in form order; none for an unknown type.
    #[must_use]
    pub fn rules(&self, card_type: &str) -> &[Rule] {
        self.rules.get(card_type).map_or(&[], |set| &set.ordered)
    }

    /// The rule for an attribute path, a `parent.*` rule included.
    #[must_use]
    pub fn rule(&self, card_type: &str, path: &str) -> Option<&Rule> {
        let set = self.rules.get(card_type)?;
        let found = set.by_key.get(path).or_else(|| {
            let (parent, _) = path.rsplit_once('.')?;
            set.by_key.get(&format!("{parent}.*"))
        })?;
        set.ordered.get(*found)
    }

    /// All rules, by card type and in form order within it.
    pub fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.types.keys().flat_map(|name| self.rules(name))
    }

    /// The rule of that id.
    #[must_use]
    pub fn rule_by_id(&self, id: Uuid) -> Option<&Rule> {
        self.all_rules().find(|rule| rule.id == id)
    }

    /// The card types of that name closest to what was written, for an error message.
    #[must_use]
    pub fn similar_types(&self, name: &str) -> Vec<String> {
        suggestions(name, self.types.keys().map(String::as_str))
    }

    /// Whether the `any` of the ontology takes cards of this type as a target: layers A to C, what an admin added,
    /// initiatives and standards.
    #[must_use]
    pub fn is_any_target(&self, card_type: &str) -> bool {
        self.card_type(card_type).is_some_and(|t| {
            t.layer != Layer::D || !t.builtin || matches!(card_type, "Initiative" | "TechnologyStandard")
        })
    }
}

/// Whether names of this type are unique among siblings only, and its natural key is a path.
#[must_use]
pub fn hierarchical(card_type: &str) -> bool {
    matches!(card_type, "BusinessCapability" | "Organization")
}
