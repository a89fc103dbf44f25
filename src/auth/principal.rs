//! Who is calling, as an argument of the handler. The authentication layer leaves its verdict in the request's
//! extensions; a handler that takes neither [`Principal`] nor [`Allowed`] is open to everyone.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::request::Parts,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    api_key::{
        ApiKey,
        scope::{self, Need, Scope},
    },
    limits::RateLimits,
    rights::{Rights, TypeScope},
    role::{Permission, RoleName, right::Right},
};
use crate::{
    app::AppState,
    config::Quota,
    error::{Code, Error, Result},
    http::rate_limit::Class,
};

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user_id: Uuid,
    /// The session the token belongs to, or the key that stands in for one.
    pub session_id: Uuid,
    /// The user's roles at this moment, as the database has them.
    pub roles: Arc<[RoleName]>,
    /// What they may do at this moment.
    pub rights: Arc<Rights>,
    /// Quotas of their own, in place of the installation's.
    pub rate_limits: RateLimits,
    /// The key that the caller sent instead of a token.
    pub key: Option<Arc<ApiKey>>,
}

impl Principal {
    /// Whether the caller has the permission, be it for some card types only.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.rights.permissions.contains(&permission)
    }

    /// The card types whose cards exist for the caller.
    #[must_use]
    pub fn visible(&self) -> &TypeScope {
        &self.rights.view
    }

    /// Under which name the caller's requests of a class are counted, and against which quota of their own. A key shares
    /// its owner's quota unless it brings one.
    #[must_use]
    pub fn counted_as(&self, class: Class) -> (String, Option<Quota>) {
        let own = self.rate_limits.quota(class);
        match &self.key {
            Some(key) if key.limits.quota(class).is_some() => (key.id.to_string(), own),
            _ => (self.user_id.to_string(), own),
        }
    }

    /// The same caller by a key: no more than its scopes allow, its own quotas first.
    #[must_use]
    pub(super) fn by_key(mut self, key: Arc<ApiKey>) -> Self {
        self.rights = Arc::new(scope::narrow(&self.rights, &key.scopes));
        self.rate_limits = key.limits.over(self.rate_limits);
        self.key = Some(key);
        self
    }

    /// Refuses a key that has none of these scopes, for requests that do more than their route says. Whoever is logged in
    /// needs none.
    pub fn require_scope(&self, any_of: &[Scope]) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        if any_of.iter().any(|scope| key.scopes.contains(scope)) {
            return Ok(());
        }
        let names: Vec<_> = any_of.iter().map(|scope| scope.name()).collect();
        let text = match &names[..] {
            [] => "No API key may do this: log in and send an access token".to_owned(),
            names => format!(
                "This API key does not allow this: it needs the scope {}",
                names.join(" or ")
            ),
        };
        Err(Error::new(Code::InsufficientPermissions, text)
            .with(json!({ "required_scopes": names, "key_scopes": key.scopes })))
    }

    /// Refuses a key for what its route asks for. Routes that nobody has decided about are closed to keys.
    fn check_scope(&self, parts: &Parts) -> Result<()> {
        if self.key.is_none() {
            return Ok(());
        }
        let need = parts
            .extensions
            .get::<MatchedPath>()
            .and_then(|path| scope::needed(parts.method.as_str(), path.as_str()));
        match need {
            Some(Need::Open) => Ok(()),
            Some(need) => self.require_scope(need.scopes()),
            None => self.require_scope(&[]),
        }
    }

    /// Refuses a caller without the permission.
    pub fn require(&self, permission: Permission) -> Result<()> {
        if self.may(permission) {
            return Ok(());
        }
        Err(Error::new(
            Code::InsufficientPermissions,
            format!("Your roles do not allow this: it needs '{}'", permission.name()),
        )
        .with(json!({ "required_permission": permission.name(), "user_roles": self.roles })))
    }

    /// Refuses a caller without the permission for cards of a type.
    pub fn require_for(&self, permission: Permission, card_type: &str) -> Result<()> {
        if self.rights.allow(permission, card_type) {
            return Ok(());
        }
        let name = permission.name();
        Err(Error::new(
            Code::InsufficientPermissions,
            format!("Your roles do not allow this: it needs '{name}' for cards of type {card_type}"),
        )
        .with(json!({ "required_permission": name, "card_type": card_type, "user_roles": self.roles })))
    }
}

/// The verdict of the authentication layer.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// A valid token of a living session.
    Valid(Principal),
    /// Why not: `missing`, `expired`, `bad signature`, `revoked`, `wrong audience` …
    Invalid(&'static str),
    /// It could not be found out: the database does not answer and the last word of revocations is too old.
    Unknown,
}

impl FromRequestParts<AppState> for Principal {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        match parts.extensions.get::<Authentication>() {
            Some(Authentication::Valid(principal)) => {
                principal.check_scope(parts)?;
                Ok(principal.clone())
            }
            Some(Authentication::Unknown) => Err(Error::unavailable("database", None)),
            Some(Authentication::Invalid(reason)) => Err(invalid_token(reason)),
            None => Err(invalid_token("missing")),
        }
    }
}

fn invalid_token(reason: &str) -> Error {
    let text = if reason == "missing" {
        "Log in and send the access token as 'Authorization: Bearer …', or send an API key".to_owned()
    } else {
        format!("The access token or API key is not accepted: {reason}")
    };
    Error::new(Code::InvalidToken, text).with(json!({ "reason": reason }))
}

/// A caller with the right `R`; a handler that takes it cannot be reached without.
#[derive(Clone, Debug)]
pub struct Allowed<R>(pub Principal, pub PhantomData<R>);

impl<R: Right> FromRequestParts<AppState> for Allowed<R> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let principal = Principal::from_request_parts(parts, state).await?;
        principal.require(R::PERMISSION)?;
        Ok(Self(principal, PhantomData))
    }
}
