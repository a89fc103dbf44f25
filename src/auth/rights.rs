//! What a caller may do at this moment: which card types they may view, create, edit and delete, and what else they may
//! manage. Whoever reads cards for a caller leaves out the types that [`Rights::view`] does not cover, as if those cards
//! did not exist.

use std::{collections::BTreeSet, sync::Arc};

use super::role::{Permission, Role};

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

    /// What these built-in roles allow together: each right for every card type or for none.
    #[must_use]
    pub fn of(roles: &[Role]) -> Self {
        let permissions: BTreeSet<_> = roles.iter().flat_map(|role| role.permissions()).copied().collect();
        let scope = |permission| {
            if permissions.contains(&permission) {
                TypeScope::All
            } else {
                TypeScope::none()
            }
        };
        Self {
            view: scope(Permission::View),
            create: scope(Permission::Create),
            edit: scope(Permission::Edit),
            delete: scope(Permission::Delete),
            permissions,
        }
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
    fn built_in_roles_cover_every_type_or_none() {
        let rights = Rights::of(&[Role::Editor]);
        assert_eq!(rights.view, TypeScope::All);
        assert_eq!(rights.edit, TypeScope::All);
        assert!(rights.delete.is_empty());
        assert_eq!(Rights::of(&[]), Rights::none());
    }
}
