//! Roles that an installation makes for itself, and what a set of role names allows.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    limits::RateLimits,
    rights::{Rights, TypeScope},
    role::{Permission, Role, RoleName},
};
use crate::store::log::Change;

/// At most this many roles of its own has an installation.
pub const MOST_ROLES: usize = 500;
/// The longest name of a role.
pub const LONGEST_ROLE_NAME: usize = 60;
/// The longest description of a role.
pub const LONGEST_ROLE_DESCRIPTION: usize = 2000;

/// A role of the installation's own, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomRole {
    /// Identifies it for ever.
    pub id: Uuid,
    /// What users carry.
    pub name: RoleName,
    /// What it is for.
    pub description: Option<String>,
    /// Card types whose cards exist for its bearers.
    pub view: TypeScope,
    /// Card types of which they may create cards.
    pub create: TypeScope,
    /// Card types whose cards they may change.
    pub edit: TypeScope,
    /// Card types whose cards they may delete and restore.
    pub delete: TypeScope,
    /// What else they may do, in order: [`Permission::MANAGEMENT`].
    pub permissions: Vec<Permission>,
    /// Quotas of their own.
    pub rate_limits: RateLimits,
    /// Counts the changes.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a role says, as the change log keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoleRecord {
    /// The name.
    pub name: String,
    description: Option<String>,
    view: Vec<String>,
    create: Vec<String>,
    edit: Vec<String>,
    delete: Vec<String>,
    permissions: Vec<String>,
    rate_limits: RateLimits,
}

impl CustomRole {
    /// What the role allows.
    #[must_use]
    pub fn rights(&self) -> Rights {
        Rights::new(
            self.view.clone(),
            [&self.create, &self.edit, &self.delete].map(Clone::clone),
            self.permissions.iter().copied(),
        )
    }

    /// What the change log keeps of it.
    #[must_use]
    pub fn record(&self) -> RoleRecord {
        RoleRecord {
            name: self.name.as_str().to_owned(),
            description: self.description.clone(),
            view: self.view.to_names(),
            create: self.create.to_names(),
            edit: self.edit.to_names(),
            delete: self.delete.to_names(),
            permissions: self.permissions.iter().map(|p| p.name().to_owned()).collect(),
            rate_limits: self.rate_limits,
        }
    }
}

/// The names under which a change of a role concerns its bearers: the one before, and the one since.
#[must_use]
pub fn roles_named_in(change: &Change) -> Vec<RoleName> {
    let named = [&change.before, &change.after];
    let names = named.into_iter().flatten().filter_map(|row| row["name"].as_str());
    names.map(RoleName::new).collect()
}

/// What somebody may do by their roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The roles.
    pub roles: Arc<[RoleName]>,
    /// What they allow together.
    pub rights: Arc<Rights>,
    /// Of their quotas, per class the most generous.
    pub rate_limits: RateLimits,
}

/// The installation's own roles, by name.
#[derive(Clone, Debug, Default)]
pub struct RoleBook(HashMap<RoleName, CustomRole>);

impl RoleBook {
    /// A book of these roles.
    pub fn new(roles: impl IntoIterator<Item = CustomRole>) -> Self {
        Self(roles.into_iter().map(|role| (role.name.clone(), role)).collect())
    }

    /// The roles, in no order.
    pub fn roles(&self) -> impl Iterator<Item = &CustomRole> {
        self.0.values()
    }

    /// Every name there is, built-in ones first.
    #[must_use]
    pub fn names(&self) -> Vec<RoleName> {
        let mut names: Vec<RoleName> = Role::ALL.map(RoleName::from).to_vec();
        names.extend(self.0.keys().cloned());
        names.sort_unstable();
        names
    }

    /// Whether there is a role of this name.
    #[must_use]
    pub fn knows(&self, name: &RoleName) -> bool {
        name.built_in().is_some() || self.0.contains_key(name)
    }

    /// What a role allows; nothing when there is none of this name.
    #[must_use]
    pub fn rights_of(&self, name: &RoleName) -> Rights {
        match name.built_in() {
            Some(role) => Rights::of_role(role),
            None => self.0.get(name).map_or_else(Rights::none, CustomRole::rights),
        }
    }

    /// What these roles allow together.
    #[must_use]
    pub fn grant(&self, roles: &[RoleName]) -> Granted {
        let rights = roles
            .iter()
            .fold(Rights::none(), |all, name| all.or(&self.rights_of(name)));
        let limits = roles.iter().filter_map(|name| Some(self.0.get(name)?.rate_limits));
        Granted {
            roles: roles.into(),
            rights: Arc::new(rights),
            rate_limits: limits.fold(RateLimits::default(), RateLimits::or),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::limits::RateLimit;

    fn role(name: &str, view: &[&str], edit: &[&str], count: u32) -> CustomRole {
        CustomRole {
            id: Uuid::nil(),
            name: RoleName::new(name),
            description: None,
            view: TypeScope::only(view.iter().copied()),
            create: TypeScope::none(),
            edit: TypeScope::only(edit.iter().copied()),
            delete: TypeScope::none(),
            permissions: vec![Permission::ReadAudit],
            rate_limits: RateLimits {
                bulk: Some(RateLimit {
                    count,
                    window_seconds: 60,
                }),
                ..RateLimits::default()
            },
            version: 1,
            created_at: DateTime::default(),
            updated_at: DateTime::default(),
        }
    }

    #[test]
    fn several_roles_allow_what_any_of_them_allows() {
        let book = RoleBook::new([role("One", &["A", "B"], &["A"], 5), role("Two", &["B", "C"], &["C"], 9)]);
        let names = |names: &[&str]| names.iter().map(|n| RoleName::new(*n)).collect::<Vec<_>>();
        let both = book.grant(&names(&["One", "Two"]));
        assert_eq!(both.rights.view, TypeScope::only(["A", "B", "C"]));
        assert_eq!(both.rights.edit, TypeScope::only(["A", "C"]));
        assert_eq!(both.rate_limits.bulk.map(|l| l.count), Some(9));
        let with_built_in = book.grant(&names(&["viewer", "One", "nobody knows it"]));
        assert_eq!(with_built_in.rights.view, TypeScope::All);
        assert_eq!(with_built_in.rights.edit, TypeScope::only(["A"]));
        assert_eq!(*book.grant(&names(&["nobody knows it"])).rights, Rights::none());
        assert!(book.knows(&RoleName::new("admin")) && !book.knows(&RoleName::new("one")));
    }

    #[test]
    fn names_come_built_in_first() {
        let book = RoleBook::new([role("Aaa", &[], &[], 1)]);
        let names: Vec<String> = book.names().iter().map(|n| n.as_str().to_owned()).collect();
        assert_eq!(
            names,
            ["viewer", "editor", "architect", "admin", "auditor", "system", "Aaa"]
        );
    }
}
