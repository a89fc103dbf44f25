//! How cards and edges are kept: compact, immutable, complete (a card can be answered from here alone).

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::card::Lifecycle;

use super::{
    interner::{TypeId, Word},
    leaves,
};

/// A card's place in one graph and its later snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(pub(super) u32);

/// An edge's place in one graph and its later snapshots; edges an overlay adds have the highest bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeIx(pub(super) u32);

impl NodeIx {
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

/// Business criticality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
pub enum Tier {
    /// Mission critical.
    #[serde(rename = "Tier 1")]
    One,
    /// Business critical.
    #[serde(rename = "Tier 2")]
    Two,
    /// Operational.
    #[serde(rename = "Tier 3")]
    Three,
    /// Administrative.
    #[serde(rename = "Tier 4")]
    Four,
}

impl Tier {
    /// Reads `Tier 1` to `Tier 4`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::One, Self::Two, Self::Three, Self::Four]
            .into_iter()
            .find(|tier| tier.as_str() == text)
    }

    /// The name as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "Tier 1",
            Self::Two => "Tier 2",
            Self::Three => "Tier 3",
            Self::Four => "Tier 4",
        }
    }
}

impl AsRef<str> for Tier {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Who set the criticality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CriticalitySource {
    /// The impact analysis.
    Derived,
    /// A person.
    Manual,
}

/// A yearly cost in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// At least zero.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: Box<str>,
}

/// All of a card.
#[derive(Clone, Debug)]
pub struct CardRecord {
    /// The card.
    pub id: Uuid,
    /// Its type; [`super::Graph::type_name`] spells it.
    pub card_type: TypeId,
    /// In the order kept; [`super::Graph::word`] spells them.
    pub tags: Box<[Word]>,
    /// The five dates.
    pub lifecycle: Lifecycle,
    /// 1..4, applications only.
    pub functional_fit: Option<u8>,
    /// 1..4, applications only.
    pub technical_fit: Option<u8>,
    /// Applications only.
    pub business_criticality: Option<Tier>,
    /// Who set the tier.
    pub criticality_source: Option<CriticalitySource>,
    /// 0..100, computed.
    pub quality_score: Option<u8>,
    /// Further computed values as JSON text; few cards have any.
    pub(super) computed: Option<Box<str>>,
    /// Starts at 1.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who made it.
    pub created_by: Option<Uuid>,
    /// Who last changed it.
    pub updated_by: Option<Uuid>,
    /// `attributes.financials`, read once because roll-ups ask it of thousands of cards.
    pub annual_cost: Option<Box<Cost>>,
    pub(super) text: Text,
    /// The attributes as numbers, worked out when first compared.
    pub(super) leaves: OnceLock<Box<[(u32, u32)]>>,
}

impl CardRecord {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.part(0)
    }

    /// The name as compared and sorted.
    #[must_use]
    pub fn name_key(&self) -> &str {
        self.text.part(1)
    }

    /// Markdown.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.text.described.then(|| self.text.part(2))
    }

    /// The attributes as JSON text.
    #[must_use]
    pub fn attributes_json(&self) -> &str {
        match self.text.part(3) {
            "" => "{}",
            json => json,
        }
    }

    /// Computed values beside the quality score, parsed now.
    #[must_use]
    pub fn computed(&self) -> serde_json::Map<String, serde_json::Value> {
        self.computed
            .as_deref()
            .and_then(|json| serde_json::from_str(json).ok())
            .unwrap_or_default()
    }

    /// Path and value of every attribute as numbers, ordered by path.
    pub(super) fn leaves(&self) -> &[(u32, u32)] {
        self.leaves.get_or_init(|| leaves::leaves(&self.attributes()))
    }

    /// The attributes, parsed now.
    #[must_use]
    pub fn attributes(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(self.attributes_json()).unwrap_or_default()
    }
}

/// Name, name key, description and attributes in one allocation: at 100,000 cards the three it saves are 10 MB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    all: Box<str>,
    ends: [u32; 3],
    described: bool,
}

impl Text {
    pub(super) fn new(name: &str, name_key: &str, description: Option<&str>, attributes: &str) -> Self {
        let attributes = if attributes == "{}" { "" } else { attributes };
        let all = [name, name_key, description.unwrap_or_default(), attributes]
            .concat()
            .into_boxed_str();
        let first = name.len();
        let second = first + name_key.len();
        let third = second + description.map_or(0, str::len);
        Self {
            all,
            ends: [first as u32, second as u32, third as u32],
            described: description.is_some(),
        }
    }

    fn part(&self, part: usize) -> &str {
        let start = if part == 0 { 0 } else { self.ends[part - 1] as usize };
        let end = self.ends.get(part).map_or(self.all.len(), |end| *end as usize);
        self.all.get(start..end).unwrap_or_default()
    }
}

/// An edge of a card and the card at its other end: a walk knows where it has been without looking at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) edge: EdgeIx,
    pub(super) other: NodeIx,
}

/// What a walk needs of a card, beside its edges and the rest of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: Uuid,
    pub(super) card: Arc<CardRecord>,
    pub(super) out: Arc<[Step]>,
    pub(super) inc: Arc<[Step]>,
    pub(super) card_type: TypeId,
    /// First day present and the day from which it no longer is; an empty interval when deleted.
    pub(super) present: (i32, i32),
    pub(super) deleted: bool,
    pub(super) sub_category: Option<Word>,
    /// The [bits](Word::bit) of its tags, to know of most cards that they have none in common.
    pub(super) tag_bits: u64,
}

/// What the failure of one end does to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// Nothing.
    None,
    /// The dependent is down.
    Hard,
    /// The dependent is degraded.
    Soft,
}

/// The group a hard edge belongs to when its attributes name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DefaultGroup {
    None,
    /// Into one capability or process: it lives while one application that supports it does.
    Supports,
    /// Into one platform: components of one sub-category stand in for each other.
    Parts,
    /// A platform's sites.
    Sites,
}

/// What a walk needs of an edge: one half of a cache line.
#[derive(Clone, Copy, Debug)]
pub struct EdgeRecord {
    /// The card it starts from.
    pub source: NodeIx,
    /// The card it leads to.
    pub target: NodeIx,
    /// The relationship type.
    pub kind: TypeId,
    /// First and last day with it.
    pub(super) valid: (i32, i32),
    /// `attributes.redundancy_group`.
    pub named_group: Option<Word>,
    pub(super) rule: u16,
    /// What it means, from the ontology and `attributes.dependency`.
    pub dependency: Dependency,
    /// The source depends on the target (else the target on the source).
    pub dependent_is_source: bool,
    /// Active, not archived.
    pub active: bool,
    pub(super) stated: Option<Dependency>,
    pub(super) default_group: DefaultGroup,
}

impl EdgeRecord {
    /// The first day with it.
    #[must_use]
    pub fn valid_from(&self) -> Option<NaiveDate> {
        (self.valid.0 != i32::MIN)
            .then(|| NaiveDate::from_num_days_from_ce_opt(self.valid.0))
            .flatten()
    }

    /// The last day with it.
    #[must_use]
    pub fn valid_to(&self) -> Option<NaiveDate> {
        (self.valid.1 != i32::MAX)
            .then(|| NaiveDate::from_num_days_from_ce_opt(self.valid.1))
            .flatten()
    }
}

/// The rest of an edge.
#[derive(Clone, Debug)]
pub struct EdgeDetail {
    /// The relationship.
    pub id: Uuid,
    /// Starts at 1.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Most edges have neither text nor share nor attributes.
    pub(super) more: Option<Arc<EdgeMore>>,
}

#[derive(Debug)]
pub(super) struct EdgeMore {
    pub(super) description: Option<Box<str>>,
    pub(super) allocation_pct: Option<Decimal>,
    pub(super) attributes: Box<str>,
}

impl EdgeDetail {
    /// Free text.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.more.as_ref().and_then(|more| more.description.as_deref())
    }

    /// 0.0..1.0, the share of cost.
    #[must_use]
    pub fn allocation_pct(&self) -> Option<Decimal> {
        self.more.as_ref().and_then(|more| more.allocation_pct)
    }

    /// The attributes as JSON text.
    #[must_use]
    pub fn attributes_json(&self) -> &str {
        match self.more.as_ref().map_or("", |more| &more.attributes) {
            "" => "{}",
            json => json,
        }
    }
}
