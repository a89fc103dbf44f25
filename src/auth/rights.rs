//! What a caller may do at this moment: which card types they may view, create, edit and delete, and what else they may
//! manage. Whoever reads cards for a caller leaves out the types that [`Rights::view`] does not cover, as if those cards
//! did not exist.

use std::{collections::BTreeSet, sync::Arc};

use super::role::{Permission, Role};

/// Stands for every card type in a list of them.
pub const EVERY_TYPE: &str = "*";

/// The card types a right covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeScope {
    /// Every type, also those still to come.
    All,
    /// These, by name.
    Only(Arc<BTreeSet<String>>),
}

impl TypeScope {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::Only(Arc::default())
    }

    /// These types.
    #[must_use]
    pub fn only<T: Into<String>>(types: impl IntoIterator<Item = T>) -> Self {
        Self::Only(Arc::new(types.into_iter().map(Into::into).collect()))
    }

    /// Whether the type is covered.
    #[must_use]
    pub fn covers(&self, card_type: &str) -> bool {
        self.names().is_none_or(|names| names.contains(card_type))
    }

    /// Whether nothing is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names().is_some_and(BTreeSet::is_empty)
    }

    /// The types by name; none when all are covered.
    #[must_use]
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::All => None,
            Self::Only(names) => Some(names),
        }
    }

    /// Whether everything that the other covers is covered.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Only(_), Self::All) => false,
            (Self::Only(own), Self::Only(others)) => others.is_subset(own),
        }
    }

    /// As requests and the database write it: names, or `*` alone.
    #[must_use]
    pub fn to_names(&self) -> Vec<String> {
        self.names()
            .map_or_else(|| vec![EVERY_TYPE.to_owned()], |names| names.iter().cloned().collect())
    }

    /// The reverse of [`to_names`](Self::to_names).
    #[must_use]
    pub fn from_names(names: Vec<String>) -> Self {
        if names.iter().any(|name| name == EVERY_TYPE) {
            Self::All
        } else {
            Self::only(names)
        }
    }

    /// The types as a statement takes them; none when all are covered.
    #[must_use]
    pub fn to_sql(&self) -> Option<Vec<String>> {
        self.names().map(|names| names.iter().cloned().collect())
    }

    /// What either covers.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(one), Self::Only(two)) => Self::only(one.union(two).cloned()),
            _ => Self::All,
        }
    }

    /// What both cover.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, narrower) | (narrower, Self::All) => narrower.clone(),
            (Self::Only(one), Self::Only(two)) => Self::only(one.intersection(two).cloned()),
        }
    }
}

/// See the module's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Cards that exist for the caller.
    pub view: TypeScope,
    /// Cards the caller may create.
    pub create: TypeScope,
    /// Cards the caller may change.
    pub edit: TypeScope,
    /// Cards the caller may delete and restore.
    pub delete: TypeScope,
    /// Every permission, those that hold for some card types only included.
    pub permissions: BTreeSet<Permission>,
}

impl Rights {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            view: TypeScope::none(),
            create: TypeScope::none(),
            edit: TypeScope::none(),
            delete: TypeScope::none(),
            permissions: BTreeSet::new(),
        }
    }

    /// What these scopes and management permissions make together. What cannot be seen can be neither made nor changed.
    #[must_use]
    pub fn new(
        view: TypeScope,
        [create, edit, delete]: [TypeScope; 3],
        management: impl IntoIterator<Item = Permission>,
    ) -> Self {
        let [create, edit, delete] = [create, edit, delete].map(|scope| scope.and(&view));
        let of_types = [
            (Permission::View, &view),
            (Permission::Create, &create),
            (Permission::Edit, &edit),
            (Permission::Delete, &delete),
        ];
        let somewhere = of_types.into_iter().filter(|(_, scope)| !scope.is_empty());
        let permissions = somewhere.map(|(permission, _)| permission).chain(management).collect();
        Self {
            view,
            create,
            edit,
            delete,
            permissions,
        }
    }

    /// What these built-in roles allow together: each right for every card type or for none.
    #[must_use]
    pub fn of(roles: &[Role]) -> Self {
        roles
            .iter()
            .map(|role| Self::of_role(*role))
            .fold(Self::none(), |one, two| one.or(&two))
    }

    /// What a built-in role allows.
    #[must_use]
    pub fn of_role(role: Role) -> Self {
        let scope = |permission| {
            if role.permissions().contains(&permission) {
                TypeScope::All
            } else {
                TypeScope::none()
            }
        };
        Self::new(
            scope(Permission::View),
            [Permission::Create, Permission::Edit, Permission::Delete].map(scope),
            role.permissions()
                .iter()
                .copied()
                .filter(|permission| Permission::MANAGEMENT.contains(permission)),
        )
    }

    /// What either allows.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            view: self.view.or(&other.view),
            create: self.create.or(&other.create),
            edit: self.edit.or(&other.edit),
            delete: self.delete.or(&other.delete),
            permissions: self.permissions.union(&other.permissions).copied().collect(),
        }
    }

    /// Whether a permission holds for cards of a type. Those that do not depend on one hold for all or none.
    #[must_use]
    pub fn allow(&self, permission: Permission, card_type: &str) -> bool {
        match permission {
            Permission::View => self.view.covers(card_type),
            Permission::Create => self.create.covers(card_type),
            Permission::Edit => self.edit.covers(card_type),
            Permission::Delete => self.delete.covers(card_type),
            other => self.permissions.contains(&other),
        }
    }

    /// What the other allows and this does not: permissions, those for some card types as `edit:Application`.
    #[must_use]
    pub fn lacks(&self, other: &Self) -> Vec<String> {
        let mut lacking = Vec::new();
        for (permission, own, wanted) in [
            (Permission::View, &self.view, &other.view),
            (Permission::Create, &self.create, &other.create),
            (Permission::Edit, &self.edit, &other.edit),
            (Permission::Delete, &self.delete, &other.delete),
        ] {
            if own.includes(wanted) {
                continue;
            }
            match wanted.names() {
                None => lacking.push(permission.name().to_owned()),
                Some(names) => lacking.extend(
                    names
                        .iter()
                        .filter(|name| !own.covers(name))
                        .map(|name| format!("{}:{name}", permission.name())),
                ),
            }
        }
        let management = other.permissions.difference(&self.permissions);
        lacking.extend(
            management
                .filter(|permission| Permission::MANAGEMENT.contains(permission))
                .map(|permission| permission.name().to_owned()),
        );
        lacking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_combine_as_sets() {
        let (ab, bc) = (TypeScope::only(["A", "B"]), TypeScope::only(["B", "C"]));
        assert_eq!(ab.and(&bc), TypeScope::only(["B"]));
        assert_eq!(ab.or(&bc), TypeScope::only(["A", "B", "C"]));
        assert_eq!(ab.and(&TypeScope::All), ab);
        assert_eq!(ab.or(&TypeScope::All), TypeScope::All);
        assert!(TypeScope::none().is_empty() && !TypeScope::All.is_empty());
        assert!(ab.covers("A") && !ab.covers("C") && TypeScope::All.covers("C"));
    }

    #[test]
    fn what_cannot_be_seen_cannot_be_changed() {
        let rights = Rights::new(
            TypeScope::only(["A", "B"]),
            [TypeScope::only(["A"]), TypeScope::All, TypeScope::only(["C"])],
            [Permission::ReadAudit],
        );
        assert_eq!(rights.edit, TypeScope::only(["A", "B"]));
        assert!(rights.delete.is_empty());
        let names: Vec<_> = rights.permissions.iter().map(|p| p.name()).collect();
        assert_eq!(names, ["view", "create", "edit", "read_audit"]);
        assert!(rights.allow(Permission::Edit, "B") && !rights.allow(Permission::Create, "B"));
    }

    #[test]
    fn what_one_lacks_of_another() {
        let own = Rights::new(
            TypeScope::only(["A", "B"]),
            [TypeScope::none(), TypeScope::only(["A"]), TypeScope::none()],
            [Permission::ManageUsers],
        );
        assert!(own.lacks(&own).is_empty() && own.lacks(&Rights::none()).is_empty());
        assert_eq!(
            own.lacks(&Rights::of(&[Role::Editor, Role::Auditor])),
            ["view", "create", "edit", "read_audit"]
        );
        let other = Rights::new(
            TypeScope::only(["A", "C"]),
            [TypeScope::none(), TypeScope::only(["A", "C"]), TypeScope::none()],
            [],
        );
        assert_eq!(own.lacks(&other), ["view:C", "edit:C"]);
        assert!(Rights::of(&[Role::Admin]).lacks(&other).is_empty());
    }

    #[test]
    fn built_in_roles_cover_every_type_or_none() {
        let rights = Rights::of(&[Role::Editor]);
        assert_eq!(rights.view, TypeScope::All);
        assert_eq!(rights.edit, TypeScope::All);
        assert!(rights.delete.is_empty());
        assert_eq!(Rights::of(&[]), Rights::none());
    }
}
