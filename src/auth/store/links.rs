//! One-time links: invitations and password resets. Only the digest of the secret is kept.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{auth::secret, error::Result};

/// What a one-time link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To choose a first password and begin.
    Invite,
    /// To choose a new password.
    Reset,
}

impl Purpose {
    /// As stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Reset => "reset",
        }
    }

    /// How long a link is good.
    #[must_use]
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Invite => Duration::days(7),
            Self::Reset => Duration::hours(1),
        }
    }
}

/// A link as stored.
#[derive(Clone, Copy, Debug)]
pub struct StoredLink {
    /// Whom it is for.
    pub user_id: Uuid,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

/// Makes a link and returns its secret; earlier ones of the same purpose that were not used are void. The caller holds
/// the lock on the user, so that of two links made at once one stays.
pub async fn replace_link(
    conn: &mut PgConnection,
    user: Uuid,
    purpose: Purpose,
    created_by: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(String, DateTime<Utc>)> {
    sqlx::query!(
        "delete from one_time_tokens where user_id = $1 and purpose = $2 and used_at is null",
        user,
        purpose.name()
    )
    .execute(&mut *conn)
    .await?;
    let token = secret::generate();
    let expires_at = now + purpose.lifetime();
    sqlx::query!(
        "insert into one_time_tokens (token_hash, user_id, purpose, created_by, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)",
        secret::digest(&token),
        user,
        purpose.name(),
        created_by,
        now,
        expires_at,
    )
    .execute(conn)
    .await?;
    Ok((token, expires_at))
}

/// The link with this secret.
pub async fn find_link(conn: &mut PgConnection, token: &str, purpose: Purpose) -> Result<Option<StoredLink>> {
    let link = sqlx::query_as!(
        StoredLink,
        "select user_id, expires_at, used_at from one_time_tokens where token_hash = $1 and purpose = $2",
        secret::digest(token),
        purpose.name(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(link)
}

/// Uses the link up; none if somebody else has, or it has ended. Other links of the user end with it.
pub async fn use_link(
    conn: &mut PgConnection,
    token: &str,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>> {
    let user = sqlx::query_scalar!(
        "update one_time_tokens set used_at = $3 where token_hash = $1 and purpose = $2 and used_at is null and expires_at > $3
         returning user_id",
        secret::digest(token),
        purpose.name(),
        now,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(user) = user {
        void_links(conn, user).await?;
    }
    Ok(user)
}

/// Makes void whatever links of the user are out.
pub async fn void_links(conn: &mut PgConnection, user: Uuid) -> Result<()> {
    sqlx::query!(
        "delete from one_time_tokens where user_id = $1 and used_at is null",
        user
    )
    .execute(conn)
    .await?;
    Ok(())
}
