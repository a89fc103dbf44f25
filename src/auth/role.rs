//! Built-in roles and the permissions they carry, and the names by which users carry roles of either kind.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

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
    /// Those that do not depend on a card type.
    pub const MANAGEMENT: [Self; 5] = [
        Self::ManageGovernance,
        Self::ManageMetamodel,
        Self::ManageUsers,
        Self::ReadAudit,
        Self::ManageIntegrations,
    ];

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

    /// What it is for, in a sentence.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Viewer => "Reads cards, relationships and the graph",
            Self::Editor => "Also creates and changes cards and relationships",
            Self::Architect => "Also deletes and restores, and manages governance",
            Self::Admin => "Everything",
            Self::Auditor => "Reads, the whole audit trail included",
            Self::System => "Service accounts: everything about cards and relationships, nothing about people",
        }
    }

    /// The id under which it is listed; the same in every installation.
    #[must_use]
    pub fn id(self) -> Uuid {
        Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001 + self as u128)
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

/// The name of a role, built-in or the installation's own, as users carry it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "viewer", max_length = 60)]
pub struct RoleName(String);

impl RoleName {
    /// A name as it stands in the database.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name clients see.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The built-in role of this name; none when it is the installation's own.
    #[must_use]
    pub fn built_in(&self) -> Option<Role> {
        Role::parse(&self.0)
    }
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        Self(role.name().to_owned())
    }
}

/// Built-in roles first, in the order of their declaration, then the others by name.
impl Ord for RoleName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |name: &Self| (name.built_in().is_none(), name.built_in());
        key(self).cmp(&key(other)).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for RoleName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
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
        ManageIntegrations,
        ReadAudit
    );
}
