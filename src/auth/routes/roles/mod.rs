//! The administration of roles.

mod body;
pub mod read;
pub mod write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::{CustomRole, Permission, RateLimits, Rights, Role, RoleName},
    error::{Error, Result},
};

/// A role.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the permissions have a field each, as clients send them"
)]
pub struct RoleView {
    /// Identifies it.
    pub id: Uuid,
    /// What users carry in `roles`.
    pub name: RoleName,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it came with the software: then it is the same everywhere and cannot be changed.
    pub built_in: bool,
    /// Card types whose cards exist for its bearers; `*` alone stands for all, also those still to come.
    #[schema(example = json!(["Application", "Interface"]))]
    pub view: Vec<String>,
    /// Card types of which they may create cards.
    #[schema(example = json!([]))]
    pub create: Vec<String>,
    /// Card types whose cards they may change, outgoing relationships included.
    #[schema(example = json!(["Application"]))]
    pub edit: Vec<String>,
    /// Card types whose cards they may delete and restore, outgoing relationships included.
    #[schema(example = json!([]))]
    pub delete: Vec<String>,
    /// They decide on exceptions, standards, policies.
    pub manage_governance: bool,
    /// They change card types, metamodel rules and relationship types.
    pub manage_metamodel: bool,
    /// They administer users and roles, within what they may do themselves.
    pub manage_users: bool,
    /// They read the whole audit trail.
    pub read_audit: bool,
    /// They configure webhooks and other integrations.
    pub manage_integrations: bool,
    /// Quotas of their own, in place of the installation's.
    pub rate_limits: RateLimits,
    /// How many users carry it, deleted ones left out.
    pub user_count: i64,
    /// Counts the changes.
    pub version: i32,
    /// When it was made; absent for built-in ones.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed; absent for built-in ones.
    pub updated_at: Option<DateTime<Utc>>,
}

impl RoleView {
    fn of(id: Uuid, name: RoleName, rights: &Rights, user_count: i64) -> Self {
        let may = |permission| rights.permissions.contains(&permission);
        Self {
            id,
            built_in: name.built_in().is_some(),
            name,
            description: None,
            view: rights.view.to_names(),
            create: rights.create.to_names(),
            edit: rights.edit.to_names(),
            delete: rights.delete.to_names(),
            manage_governance: may(Permission::ManageGovernance),
            manage_metamodel: may(Permission::ManageMetamodel),
            manage_users: may(Permission::ManageUsers),
            read_audit: may(Permission::ReadAudit),
            manage_integrations: may(Permission::ManageIntegrations),
            rate_limits: RateLimits::default(),
            user_count,
            version: 1,
            created_at: None,
            updated_at: None,
        }
    }

    fn built_in(role: Role, user_count: i64) -> Self {
        Self {
            description: Some(role.description().to_owned()),
            ..Self::of(role.id(), role.into(), &Rights::of_role(role), user_count)
        }
    }

    fn own(role: &CustomRole, user_count: i64) -> Self {
        Self {
            description: role.description.clone(),
            rate_limits: role.rate_limits,
            version: role.version,
            created_at: Some(role.created_at),
            updated_at: Some(role.updated_at),
            ..Self::of(role.id, role.name.clone(), &role.rights(), user_count)
        }
    }
}

/// The built-in role of this id.
fn built_in(id: Uuid) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.id() == id)
}

fn found<T>(id: Uuid, role: Option<T>) -> Result<T> {
    role.ok_or_else(|| Error::not_found("role", id))
}
