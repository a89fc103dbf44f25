//! Built-in roles and the permissions they carry.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something a caller may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Read cards, relationships and the graph.
    View,
    /// Create cards and relationships.
    Create,
    /// Change cards and relationships.
    Edit,
    /// Delete and restore cards and relationships.
    Delete,
    /// Decide on exceptions, standards, policies.
    ManageGovernance,
    /// Change card types, metamodel rules and relationship types.
    ManageMetamodel,
    /// Administer users.
    ManageUsers,
    /// Read the whole audit trail.
    ReadAudit,
    /// Configure webhooks and other integrations.
    ManageIntegrations,
}

impl Permission {
    /// The name clients see, for example `manage_users`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Create => "create",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::ManageGovernance => "manage_governance",
            Self::ManageMetamodel => "manage_metamodel",
            Self::ManageUsers => "manage_users",
            Self::ReadAudit => "read_audit",
            Self::ManageIntegrations => "manage_integrations",
        }
    }
}

/// A built-in role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also creates and changes cards and relationships.
    Editor,
    /// Also deletes, and manages governance.
    Architect,
    /// Everything.
    Admin,
    /// Reads, the whole audit trail included.
    Auditor,
    /// Service accounts: everything about cards and relationships, nothing about people.
    System,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Viewer,
        Self::Editor,
        Self::Architect,
        Self::Admin,
        Self::Auditor,
        Self::System,
    ];

    /// The name clients see, for example `viewer`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Architect => "architect",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::System => "system",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What the role allows.
    #[must_use]
    pub fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Viewer => &[P::View],
            Self::Editor => &[P::View, P::Create, P::Edit],
            Self::Architect => &[P::View, P::Create, P::Edit, P::Delete, P::ManageGovernance],
            Self::Admin => &[
                P::View,
                P::Create,
                P::Edit,
                P::Delete,
                P::ManageGovernance,
                P::ManageMetamodel,
                P::ManageUsers,
                P::ReadAudit,
                P::ManageIntegrations,
            ],
            Self::Auditor => &[P::View, P::ReadAudit],
            Self::System => &[P::View, P::Create, P::Edit, P::Delete, P::ManageIntegrations],
        }
    }
}

/// Permissions as types, for [`Allowed`](super::Allowed).
pub mod right {
    use super::Permission;

    /// A permission that a handler demands by its type.
    pub trait Right: Send + Sync + 'static {
        /// The permission.
        const PERMISSION: Permission;
    }

    macro_rules! rights {
        ($($name:ident),*) => { $(
            #[doc = concat!("Demands [`Permission::", stringify!($name), "`].")]
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl Right for $name {
                const PERMISSION: Permission = Permission::$name;
            }
        )* };
    }
    rights!(
        View,
        Create,
        Edit,
        Delete,
        ManageMetamodel,
        ManageUsers,
        ManageIntegrations
    );
}
