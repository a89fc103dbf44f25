//! The administration of users.

pub mod actions;
pub mod read;
pub mod write;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::view::UserView;
use crate::{
    app::AppState,
    auth::{
        store,
        user::{User, email_key},
    },
    error::{Code, Error, Result},
    http::{
        etag::IfMatch,
        write::{Answer, WriteRequest},
    },
    store::Author,
};

fn answer(user: &User) -> Result<Answer> {
    Ok(Answer::json(StatusCode::OK, &UserView::from(user))?.versioned(user.version))
}

/// A change of one user.
struct Change {
    author: Author,
    if_match: IfMatch,
    id: Uuid,
    action: &'static str,
    now: DateTime<Utc>,
}

impl Change {
    fn new(state: &AppState, write: &WriteRequest, if_match: IfMatch, id: Uuid, action: &'static str) -> Self {
        Self {
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
        self.if_match.check(user.version)?;
        Ok(user)
    }

    /// Applies a change; whoever cannot log in afterwards loses their sessions and keys.
    async fn write(&self, conn: &mut PgConnection, apply: impl Fn(&mut User)) -> Result<User> {
        let before = self.lock(conn).await?;
        let mut after = before.clone();
        apply(&mut after);
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
