//! What keys may be used for, and which route asks for what. This is the only place where the two meet: the extractor
//! of [`Principal`](crate::auth::Principal) asks here, and so does the OpenAPI document (`x-scope`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth::{Permission, Rights, TypeScope};

/// What a key may be used for. None contains another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Read cards: lists, queries, search, histories, and the metamodel.
    #[serde(rename = "cards:read")]
    CardsRead,
    /// Create, change, delete and restore cards.
    #[serde(rename = "cards:write")]
    CardsWrite,
    /// Read, create, change and delete relationships.
    #[serde(rename = "relationships:*")]
    Relationships,
    /// Ask the graph, and read relationships.
    #[serde(rename = "graph:read")]
    GraphRead,
    /// Read reports and results of the engines.
    #[serde(rename = "reports:read")]
    ReportsRead,
    /// Governance: principles, standards, policies, exceptions, risks.
    #[serde(rename = "governance:*")]
    Governance,
    /// Import and export.
    #[serde(rename = "exchange:*")]
    Exchange,
    /// Read the audit trail.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// Administer: users, roles, keys, the metamodel, operations.
    #[serde(rename = "admin:*")]
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::CardsRead,
        Self::CardsWrite,
        Self::Relationships,
        Self::GraphRead,
        Self::ReportsRead,
        Self::Governance,
        Self::Exchange,
        Self::AuditRead,
        Self::Admin,
    ];

    /// The name clients see, for example `cards:read`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CardsRead => "cards:read",
            Self::CardsWrite => "cards:write",
            Self::Relationships => "relationships:*",
            Self::GraphRead => "graph:read",
            Self::ReportsRead => "reports:read",
            Self::Governance => "governance:*",
            Self::Exchange => "exchange:*",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin:*",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// What a route asks of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the route is open to everyone.
    Open,
    /// A person's session: no key will do.
    Session,
    /// One of these scopes.
    AnyOf(&'static [Scope]),
}

impl Need {
    /// The scopes of which one is needed; empty when none helps.
    #[must_use]
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::AnyOf(scopes) => scopes,
            Self::Open | Self::Session => &[],
        }
    }
}

/// Reading relationships: the graph would tell of them as well.
pub const READ_RELATIONSHIPS: &[Scope] = &[Scope::Relationships, Scope::GraphRead];
/// Writing relationships.
pub const WRITE_RELATIONSHIPS: &[Scope] = &[Scope::Relationships];
/// Writing cards.
pub const WRITE_CARDS: &[Scope] = &[Scope::CardsWrite];
const READ_CARDS: &[Scope] = &[Scope::CardsRead];
/// Whoever works with the landscape must be able to read what is allowed in it.
const READ_METAMODEL: &[Scope] = &[
    Scope::CardsRead,
    Scope::CardsWrite,
    Scope::Relationships,
    Scope::GraphRead,
    Scope::Exchange,
    Scope::Admin,
];
/// Whatever starts a job must be able to see it end; whose jobs are seen is the job's own matter.
const FOLLOW_JOBS: &[Scope] = &[
    Scope::CardsWrite,
    Scope::Relationships,
    Scope::ReportsRead,
    Scope::Governance,
    Scope::Exchange,
    Scope::Admin,
];

/// What the route with this template asks of a key. None: nobody has decided, which keys find closed; a test wants a
/// decision for every operation of the document.
#[must_use]
pub fn needed(method: &str, template: &str) -> Option<Need> {
    let Some(route) = template.strip_prefix("/api/v1/") else {
        return template.starts_with("/health").then_some(Need::Open);
    };
    let reads = matches!(method, "GET" | "HEAD");
    let mut steps = route.split('/');
    let (first, last) = (steps.next()?, route.rsplit('/').next()?);
    // Questions that are too long for an address.
    let asks = reads || matches!(last, "query" | "facets" | "similar" | "search");
    let either = |read: &'static [Scope], write: &'static [Scope]| Need::AnyOf(if asks { read } else { write });
    Some(match first {
        "health" | "openapi.json" => Need::Open,
        "auth" => match last {
            "login" | "refresh" | "forgot-password" | "reset-password" | "accept-invite" => Need::Open,
            // Passwords, sessions and keys are for people: whoever finds a key must not turn it into more.
            _ => Need::Session,
        },
        "admin" => match last {
            // Secrets with which somebody logs in.
            "invite-link" | "reset-link" => Need::Session,
            _ => Need::AnyOf(&[Scope::Admin]),
        },
        "config" => match steps.next() {
            Some("webhooks") => Need::AnyOf(&[Scope::Admin]),
            _ => either(READ_METAMODEL, &[Scope::Admin]),
        },
        "cards" => match last {
            "relationships" => either(READ_RELATIONSHIPS, WRITE_RELATIONSHIPS),
            "import" => Need::AnyOf(&[Scope::Exchange]),
            _ => either(READ_CARDS, WRITE_CARDS),
        },
        "relationships" => either(READ_RELATIONSHIPS, WRITE_RELATIONSHIPS),
        "search" => Need::AnyOf(READ_CARDS),
        "questions" | "saved-questions" => match last {
            "run" | "ask" | "answer" => Need::AnyOf(READ_CARDS),
            _ => either(READ_CARDS, WRITE_CARDS),
        },
        "graph" | "whatif" => Need::AnyOf(&[Scope::GraphRead]),
        "reports" | "dashboard" | "explain" => Need::AnyOf(&[Scope::ReportsRead]),
        "governance" => Need::AnyOf(&[Scope::Governance]),
        "imports" | "exports" | "exchange" => Need::AnyOf(&[Scope::Exchange]),
        // The trail is read; whatever changes it is for administrators.
        "audit" => either(&[Scope::AuditRead], &[Scope::Admin]),
        "jobs" => Need::AnyOf(FOLLOW_JOBS),
        _ => return None,
    })
}

/// What is left of the owner's rights. The routes ask for scopes already; this holds should one route do two things.
#[must_use]
pub fn narrow(rights: &Rights, scopes: &BTreeSet<Scope>) -> Rights {
    let any = |wanted: &[Scope]| wanted.iter().any(|scope| scopes.contains(scope));
    let writes = any(&[
        Scope::CardsWrite,
        Scope::Relationships,
        Scope::Governance,
        Scope::Exchange,
    ]);
    let mut left = rights.clone();
    if !writes {
        left.create = TypeScope::none();
        left.edit = TypeScope::none();
        left.delete = TypeScope::none();
    }
    left.permissions.retain(|permission| match permission {
        Permission::View => true,
        Permission::Create | Permission::Edit | Permission::Delete => writes,
        Permission::ManageGovernance => any(&[Scope::Governance]),
        Permission::ReadAudit => any(&[Scope::AuditRead]),
        Permission::ManageMetamodel | Permission::ManageUsers | Permission::ManageIntegrations => any(&[Scope::Admin]),
    });
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;

    #[test]
    fn names_go_both_ways() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.name()), Some(scope));
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        for bad in ["", "*", "cards:*", "relationships:read", "CARDS:READ", "cards:read "] {
            assert_eq!(Scope::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn routes_and_what_they_ask_for() {
        use Scope as S;
        let any = Need::AnyOf;
        for (method, route, expected) in [
            ("GET", "/cards", any(&[S::CardsRead])),
            ("HEAD", "/cards/{id}", any(&[S::CardsRead])),
            ("POST", "/cards", any(&[S::CardsWrite])),
            ("POST", "/cards/bulk", any(&[S::CardsWrite])),
            ("POST", "/cards/query", any(&[S::CardsRead])),
            ("POST", "/cards/{id}/revert", any(&[S::CardsWrite])),
            ("GET", "/cards/{id}/relationships", any(READ_RELATIONSHIPS)),
            ("GET", "/relationships", any(READ_RELATIONSHIPS)),
            ("DELETE", "/relationships/{id}", any(&[S::Relationships])),
            ("POST", "/graph/traverse", any(&[S::GraphRead])),
            ("GET", "/config/metamodel", any(READ_METAMODEL)),
            ("POST", "/config/metamodel/rules", any(&[S::Admin])),
            ("GET", "/config/webhooks", any(&[S::Admin])),
            ("GET", "/admin/users", any(&[S::Admin])),
            ("POST", "/admin/users/{id}/reset-link", Need::Session),
            ("GET", "/audit", any(&[S::AuditRead])),
            ("POST", "/audit/blank", any(&[S::Admin])),
            ("GET", "/questions/{id}/results.csv", any(&[S::CardsRead])),
            ("POST", "/questions", any(&[S::CardsWrite])),
            ("GET", "/jobs/{id}/events", any(FOLLOW_JOBS)),
            ("POST", "/auth/login", Need::Open),
            ("POST", "/auth/logout", Need::Session),
            ("GET", "/auth/api-keys", Need::Session),
            ("POST", "/auth/change-password", Need::Session),
        ] {
            assert_eq!(
                needed(method, &format!("/api/v1{route}")),
                Some(expected),
                "{method} {route}"
            );
        }
        assert_eq!(needed("GET", "/health/live"), Some(Need::Open));
        assert_eq!(needed("GET", "/api/v1/something-new"), None);
        assert_eq!(needed("GET", ""), None);
    }

    #[test]
    fn scopes_take_away_and_never_add() {
        let admin = Rights::of(&[Role::Admin]);
        let all: BTreeSet<Scope> = Scope::ALL.into();
        assert_eq!(narrow(&admin, &all), admin);
        assert_eq!(narrow(&Rights::none(), &all), Rights::none());
        let reader = narrow(&admin, &[Scope::CardsRead].into());
        assert_eq!(reader, Rights::of(&[Role::Viewer]));
        for scope in Scope::ALL {
            let left = narrow(&admin, &[scope].into());
            assert!(left.permissions.is_subset(&admin.permissions), "{scope:?}");
        }
    }
}
