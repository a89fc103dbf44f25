//! The relationship as clients read it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::RelationshipRow;

/// A relationship.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RelationshipView {
    /// Its id.
    pub id: Uuid,
    /// Its type, for example `RELIES_ON`.
    #[serde(rename = "type")]
    pub edge_type: String,
    /// Where it starts.
    pub source_id: Uuid,
    /// The type of the card where it starts.
    pub source_type: String,
    /// Where it leads.
    pub target_id: Uuid,
    /// The type of the card where it leads.
    pub target_type: String,
    /// First day on which it holds; absent: always did.
    pub valid_from: Option<NaiveDate>,
    /// Last day on which it holds; absent: open.
    pub valid_to: Option<NaiveDate>,
    /// `active`, or `archived` when it was deleted.
    pub status: String,
    /// Free text.
    pub description: Option<String>,
    /// Share of the giver's cost that flows along it, 0 to 1.
    pub allocation_pct: Option<f64>,
    /// `dependency` (hard, soft, none), `redundancy_group`, and whatever else.
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// Starts at 1, +1 with every change.
    pub version: i32,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: Option<Uuid>,
    /// Who last changed it.
    pub updated_by: Option<Uuid>,
}

impl From<RelationshipRow> for RelationshipView {
    fn from(row: RelationshipRow) -> Self {
        Self {
            id: row.id,
            edge_type: row.edge_type,
            source_id: row.source_id,
            source_type: row.source_type,
            target_id: row.target_id,
            target_type: row.target_type,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            status: row.status,
            description: row.description,
            allocation_pct: row.allocation_pct.and_then(|share| f64::try_from(share).ok()),
            attributes: row.attributes.0,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            created_by: row.created_by,
            updated_by: row.updated_by,
        }
    }
}
