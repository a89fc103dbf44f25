//! The administration of users.

pub mod actions;
pub mod read;
pub mod write;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::view::UserView;
use crate::{
    app::AppState,
    auth::{
        Principal, RoleName, store,
        user::{User, email_key},
    },
    error::{Code, Error, Result, Violation, ViolationCode},
    http::{
        etag::IfMatch,
        write::{Answer, WriteRequest},
    },
    store::Author,
};

async fn answer(conn: &mut PgConnection, user: &User) -> Result<Answer> {
    let granted = store::grant(conn, &user.roles).await?;
    Ok(Answer::json(StatusCode::OK, &UserView::new(user, &granted))?.versioned(user.version))
}

/// Refuses a caller who would administer somebody who may do more than they may themselves: whoever can give such a
/// person a new password, or take their roles away, has all that they have.
pub async fn may_administer(conn: &mut PgConnection, caller: &Principal, user: &User) -> Result<()> {
    let granted = store::grant(conn, &user.roles).await?;
    let message = "This user may do things that your own roles do not allow";
    store::require_all_of(conn, caller, &granted.rights, message).await
}

/// Refuses roles that are gone by now, and those that allow more than the caller may; those that remain cannot be
/// renamed or deleted until the transaction ends.
async fn may_give(conn: &mut PgConnection, caller: &Principal, roles: &[RoleName]) -> Result<()> {
    if let Some(gone) = store::hold_roles(conn, roles).await?.first() {
        let violation = Violation::new("roles", ViolationCode::NotInOptions, "there is no such role any more");
        return Err(Error::validation(vec![violation.provided(&json!(gone))]));
    }
    let granted = store::grant(conn, roles).await?;
    let message = "Nobody can give roles that allow more than their own do";
    store::require_all_of(conn, caller, &granted.rights, message).await
}

/// A change of one user.
struct Change {
    caller: Principal,
    author: Author,
    if_match: IfMatch,
    id: Uuid,
    action: &'static str,
    now: DateTime<Utc>,
}

impl Change {
    fn new(
        state: &AppState,
        caller: Principal,
        write: &WriteRequest,
        if_match: IfMatch,
        id: Uuid,
        action: &'static str,
    ) -> Self {
        Self {
            caller,
            author: write.author(None),
            if_match,
            id,
            action,
            now: state.clock.now(),
        }
    }

    /// Makes this instance forget at once what the others will read of in the change log.
    fn done(&self, state: &AppState, outcome: Result<Answer>) -> Result<Answer> {
        state.sessions.forget_user(self.id);
        outcome
    }

    /// The user, unless they are deleted or were changed since the caller read them; locked.
    async fn lock(&self, conn: &mut PgConnection) -> Result<User> {
        let user = store::lock_user(conn, self.id)
            .await?
            .filter(|user| user.deleted_at.is_none());
        let user = user.ok_or_else(|| Error::not_found("user", self.id))?;
        may_administer(conn, &self.caller, &user).await?;
        self.if_match.check(user.version)?;
        Ok(user)
    }

    /// Applies a change; whoever cannot log in afterwards loses their sessions and keys.
    async fn write(&self, conn: &mut PgConnection, apply: impl Fn(&mut User)) -> Result<User> {
        let before = self.lock(conn).await?;
        let mut after = before.clone();
        apply(&mut after);
        if after.roles != before.roles {
            may_give(conn, &self.caller, &after.roles).await?;
        }
        if before.is_active_admin() && !after.is_active_admin() {
            store::keep_an_admin(conn, self.id).await?;
        }
        if before.is_active() && !after.is_active() {
            let reason = format!("user {}", self.action);
            store::revoke_other_sessions(conn, self.id, None, &reason, self.now).await?;
            store::revoke_keys_of(conn, &self.author, self.id, &reason, self.now).await?;
        }
        if email_key(&before.email) != email_key(&after.email)
            || before.status != after.status
            || after.deleted_at.is_some()
        {
            // Whatever link is on its way was meant for another address or another situation.
            store::void_links(conn, self.id).await?;
        }
        let saved = store::save_user(conn, &self.author, self.action, &before, after, self.now).await;
        saved.map_err(|error| {
            if error.code == Code::Conflict {
                error.at("email")
            } else {
                error
            }
        })
    }

    /// Removes the person and leaves the id.
    async fn forget(&self, conn: &mut PgConnection) -> Result<User> {
        let before = store::lock_user(conn, self.id)
            .await?
            .ok_or_else(|| Error::not_found("user", self.id))?;
        may_administer(conn, &self.caller, &before).await?;
        self.if_match.check(before.version)?;
        if before.is_active_admin() {
            store::keep_an_admin(conn, self.id).await?;
        }
        let mut after = before.clone();
        after.forget(self.now);
        store::unlock(conn, &email_key(&before.email)).await?;
        store::set_password(conn, self.id, None, None, "user anonymized", self.now).await?;
        store::forget_devices(conn, self.id).await?;
        store::revoke_keys_of(conn, &self.author, self.id, "user anonymized", self.now).await?;
        store::forget_keys(conn, self.id).await?;
        store::save_user(conn, &self.author, self.action, &before, after, self.now).await
    }
}
