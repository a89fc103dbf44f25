//! What people see of API keys.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::{Scope, limits::RateLimits, store::KeyRow};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Good, as long as its owner is.
    Active,
    /// Ended by itself.
    Expired,
    /// Ended by somebody, for ever.
    Revoked,
}

/// An API key, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApiKeyView {
    /// Identifies the key.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What its owner calls it.
    #[schema(example = "Inventory sync")]
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// How the key begins, to recognise it by; not secret.
    #[schema(example = "az_k3Jd8fQ2LmPx")]
    pub prefix: String,
    /// What it may be used for, within its owner's rights.
    pub scopes: BTreeSet<Scope>,
    /// Networks it may be used from; from everywhere when empty.
    #[schema(example = json!(["203.0.113.0/24"]))]
    pub allowed_networks: Vec<String>,
    /// Quotas of its own, by class; for the others it shares its owner's.
    pub rate_limits: RateLimits,
    /// Whether it is good.
    pub status: KeyStatus,
    /// Counts the changes.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to five minutes.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The address it was last used from.
    pub last_used_ip: Option<String>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<String>,
}

impl ApiKeyView {
    /// What is seen at `now`.
    pub fn new(row: KeyRow, now: DateTime<Utc>) -> Self {
        let status = if row.revoked_at.is_some() {
            KeyStatus::Revoked
        } else if row.expires_at <= now {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        };
        Self {
            scopes: row.scopes(),
            id: row.id,
            user_id: row.user_id,
            name: row.name,
            description: row.description,
            prefix: row.prefix,
            allowed_networks: row.networks,
            rate_limits: row.rate_limits.0,
            status,
            version: row.version,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            last_used_ip: row.last_used_ip,
            revoked_at: row.revoked_at,
            revoked_reason: row.revoked_reason,
        }
    }
}

/// A new API key. This is the only time that it is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewApiKey {
    /// The key itself. Keep it like a password; only its digest is stored.
    #[schema(min_length = 65, max_length = 65, pattern = "^az_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$")]
    pub key: String,
    /// What is known of it from now on.
    #[serde(flatten)]
    pub about: ApiKeyView,
}
