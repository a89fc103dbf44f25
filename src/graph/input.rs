//! What a feeder hands to the graph: plain structs that know nothing of where they were read.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::model::{CriticalitySource, Tier};

/// Who depends on whom along a relationship, by its row of the ontology.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dependent {
    /// The source depends on the target.
    Source,
    /// The target depends on the source.
    Target,
    /// Neither depends on the other.
    #[default]
    None,
}

/// The dependency meaning of one row of the ontology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelationshipRule {
    /// The row.
    pub id: Uuid,
    /// Who depends on whom.
    pub dependent: Dependent,
    /// Whether the dependent is down with the other (hard) or degraded (soft); without meaning when nobody depends.
    pub hard: bool,
}

/// One card as recorded, deleted or not.
#[derive(Clone, Debug, Default)]
pub struct CardInput {
    /// The card.
    pub id: Uuid,
    /// Its card type.
    pub card_type: String,
    /// Its name.
    pub name: String,
    /// The name as compared and sorted.
    pub name_key: String,
    /// Markdown.
    pub description: Option<String>,
    /// In the order kept.
    pub tags: Vec<String>,
    /// Plan, phase-in, active, phase-out, end of life.
    pub lifecycle: [Option<NaiveDate>; 5],
    /// 1..4, applications only.
    pub functional_fit: Option<u8>,
    /// 1..4, applications only.
    pub technical_fit: Option<u8>,
    /// Applications only.
    pub business_criticality: Option<Tier>,
    /// Who set the tier.
    pub criticality_source: Option<CriticalitySource>,
    /// A JSON object as text; empty for none.
    pub attributes: String,
    /// The card's version: a lower one than the one held is ignored.
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
    /// 0..100, computed; takes no part in the version. None keeps the score that is held.
    pub quality_score: Option<u8>,
    /// Further computed values, a JSON object as text. None keeps what is held.
    pub computed: Option<String>,
}

/// One relationship as recorded, archived or not.
#[derive(Clone, Debug, Default)]
pub struct EdgeInput {
    /// The relationship.
    pub id: Uuid,
    /// The row of the ontology it was made under.
    pub rule_id: Uuid,
    /// Its type.
    pub kind: String,
    /// The card it starts from.
    pub source_id: Uuid,
    /// The card it leads to.
    pub target_id: Uuid,
    /// The first day with it.
    pub valid_from: Option<NaiveDate>,
    /// The last day with it.
    pub valid_to: Option<NaiveDate>,
    /// Active, not archived.
    pub active: bool,
    /// Free text.
    pub description: Option<String>,
    /// 0.0..1.0, the share of cost.
    pub allocation_pct: Option<Decimal>,
    /// A JSON object as text; empty for none.
    pub attributes: String,
    /// The edge's version: a lower one than the one held is ignored.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}
