//! Sessions and their refresh tokens.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    auth::{
        refresh::{self, Decision, Presented},
        role::RoleName,
        secret,
        session::Standing,
        user::Status,
    },
    error::Result,
    store::{
        Author,
        log::{self, NewChange},
    },
};

/// A session to begin.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Whose it is.
    pub user_id: Uuid,
    /// The program that asked, in its own words.
    pub user_agent: Option<&'a str>,
    /// Where the request came from.
    pub ip: &'a str,
    /// When it begins.
    pub now: DateTime<Utc>,
    /// When it ends unless refreshed.
    pub expires_at: DateTime<Utc>,
}

/// Begins a session; returns its id and its first refresh token.
pub async fn insert_session(
    conn: &mut PgConnection,
    author: &Author,
    session: NewSession<'_>,
) -> Result<(Uuid, String)> {
    let id = Uuid::now_v7();
    sqlx::query!(
        "insert into sessions (id, user_id, created_at, last_active_at, expires_at, user_agent, ip) values ($1, $2, $3, $3, $4, $5, $6)",
        id,
        session.user_id,
        session.now,
        session.expires_at,
        session.user_agent,
        session.ip,
    )
    .execute(&mut *conn)
    .await?;
    let token = insert_refresh_token(conn, id, session.now, session.expires_at).await?;
    log_session(conn, author, id, session.user_id, "created").await?;
    Ok((id, token))
}

async fn insert_refresh_token(
    conn: &mut PgConnection,
    session: Uuid,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<String> {
    let token = secret::generate();
    sqlx::query!(
        "insert into refresh_tokens (token_hash, session_id, issued_at, expires_at) values ($1, $2, $3, $4)",
        secret::digest(&token),
        session,
        now,
        expires_at,
    )
    .execute(conn)
    .await?;
    Ok(token)
}

async fn log_session(conn: &mut PgConnection, author: &Author, session: Uuid, user: Uuid, action: &str) -> Result<()> {
    let change = NewChange {
        entity: "session",
        entity_id: session,
        entity_type: None,
        action,
        version: 1,
        before: None,
        after: Some(json!({ "user_id": user })),
    };
    log::append(conn, author, change).await
}

/// What the database says of a session, or of an API key that stands in for one, and the rights of its user.
pub async fn find_standing(conn: &mut PgConnection, session: Uuid) -> Result<Option<Standing>> {
    let row = sqlx::query!(
        r#"select s.user_id as "user_id!", s.expires_at as "expires_at!", s.revoked_at, u.status, u.roles, u.deleted_at
           from (select user_id, expires_at, revoked_at from sessions where id = $1
                 union all select user_id, expires_at, revoked_at from api_keys where id = $1) s
           join users u on u.id = s.user_id"#,
        session
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut roles: Vec<RoleName> = row.roles.into_iter().map(RoleName::new).collect();
    roles.sort_unstable();
    Ok(Some(Standing {
        user_id: row.user_id,
        granted: super::grant(conn, &roles).await?,
        alive: row.revoked_at.is_none() && row.deleted_at.is_none() && row.status == Status::Active.name(),
        expires_at: row.expires_at,
    }))
}

/// How the exchange of a refresh token ended.
#[derive(Clone, Debug)]
pub enum Rotation {
    /// A new token for the session.
    Renewed {
        /// The session.
        session_id: Uuid,
        /// Whose it is.
        user_id: Uuid,
        /// The new refresh token.
        token: String,
    },
    /// The token was used before: the session was ended, commit that.
    Reused {
        /// The session.
        session_id: Uuid,
    },
    /// The token is of no use, in a word.
    Refused(&'static str),
}

/// The session a refresh token belongs to and its user.
pub async fn session_of_refresh_token(conn: &mut PgConnection, token: &str) -> Result<Option<(Uuid, Uuid)>> {
    let row = sqlx::query!(
        "select s.id, s.user_id from refresh_tokens t join sessions s on s.id = t.session_id where t.token_hash = $1",
        secret::digest(token)
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|r| (r.id, r.user_id)))
}

/// Exchanges a refresh token. All exchanges of one session go one after the other: the session's row is locked.
pub async fn rotate(
    conn: &mut PgConnection,
    author: &Author,
    token: &str,
    now: DateTime<Utc>,
    lifetime: Duration,
) -> Result<Rotation> {
    let hash = secret::digest(token);
    let session = sqlx::query!(
        r#"select s.id, s.user_id, s.expires_at, s.revoked_at, u.status, u.deleted_at
           from sessions s join users u on u.id = s.user_id
           where s.id = (select session_id from refresh_tokens where token_hash = $1) for update of s"#,
        hash
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(session) = session else {
        return Ok(Rotation::Refused("unknown"));
    };
    // Read again behind the lock: a twin may have used it in the meantime.
    let presented = sqlx::query!(
        "select used_at, expires_at from refresh_tokens where token_hash = $1",
        hash
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(presented) = presented else {
        return Ok(Rotation::Refused("expired"));
    };
    let presented = Presented {
        used_at: presented.used_at,
        expires_at: presented.expires_at.min(session.expires_at),
        alive: session.revoked_at.is_none() && session.deleted_at.is_none() && session.status == Status::Active.name(),
    };
    match refresh::decide(presented, now) {
        Decision::Refuse(reason) => Ok(Rotation::Refused(reason)),
        Decision::EndSession => {
            revoke_session(conn, author, session.id, "refresh token reused", now).await?;
            Ok(Rotation::Reused { session_id: session.id })
        }
        Decision::Renew => {
            sqlx::query!(
                "update refresh_tokens set used_at = coalesce(used_at, $2) where token_hash = $1",
                hash,
                now
            )
            .execute(&mut *conn)
            .await?;
            // Those that have ended by themselves are refused anyway.
            sqlx::query!(
                "delete from refresh_tokens where session_id = $1 and expires_at <= $2",
                session.id,
                now
            )
            .execute(&mut *conn)
            .await?;
            let expires_at = now + lifetime;
            sqlx::query!(
                "update sessions set expires_at = greatest(expires_at, $2), last_active_at = $3 where id = $1",
                session.id,
                expires_at,
                now
            )
            .execute(&mut *conn)
            .await?;
            let token = insert_refresh_token(conn, session.id, now, expires_at).await?;
            Ok(Rotation::Renewed {
                session_id: session.id,
                user_id: session.user_id,
                token,
            })
        }
    }
}

/// Ends a session. Says whether it was still alive.
pub async fn revoke_session(
    conn: &mut PgConnection,
    author: &Author,
    session: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let user = sqlx::query_scalar!(
        "update sessions set revoked_at = $2, revoked_reason = $3 where id = $1 and revoked_at is null returning user_id",
        session,
        now,
        reason,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(user) = user else { return Ok(false) };
    let author = Author {
        reason: Some(reason.to_owned()),
        ..author.clone()
    };
    log_session(conn, &author, session, user, "revoked").await?;
    Ok(true)
}

/// Ends all sessions of a user but `except`; returns how many. The caller logs a change of the user, which makes every
/// instance ask for all their sessions anew.
pub async fn revoke_other_sessions(
    conn: &mut PgConnection,
    user: Uuid,
    except: Option<Uuid>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<u64> {
    let done = sqlx::query!(
        "update sessions set revoked_at = $3, revoked_reason = $4
         where user_id = $1 and id is distinct from $2 and revoked_at is null",
        user,
        except,
        now,
        reason,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Removes what tells of a user's whereabouts.
pub async fn forget_devices(conn: &mut PgConnection, user: Uuid) -> Result<()> {
    sqlx::query!(
        "update sessions set user_agent = null, ip = null where user_id = $1",
        user
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a session was in use.
pub async fn note_activity(conn: &mut PgConnection, session: Uuid, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update sessions set last_active_at = $2 where id = $1 and last_active_at < $2 and revoked_at is null",
        session,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A living session, as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Identifies it.
    pub id: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last in use, to some minutes.
    pub last_active_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// The program that began it, in its own words.
    pub user_agent: Option<String>,
    /// Where it was begun from.
    pub ip: Option<String>,
}

/// Which living sessions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SessionFilter {
    /// Whose.
    pub user_id: Uuid,
    /// Only those that began before this one.
    pub before: Option<Uuid>,
}

/// The living sessions of a user, newest first, and how many there are.
pub async fn list_sessions(
    conn: &mut PgConnection,
    filter: SessionFilter,
    now: DateTime<Utc>,
    limit: i64,
    offset: i64,
) -> Result<(Vec<SessionRow>, u64)> {
    let rows = sqlx::query_as!(
        SessionRow,
        "select id, created_at, last_active_at, expires_at, user_agent, ip from sessions
         where user_id = $1 and revoked_at is null and expires_at > $2 and ($3::uuid is null or id < $3)
         order by id desc limit $4 offset $5",
        filter.user_id,
        now,
        filter.before,
        limit,
        offset,
    )
    .fetch_all(&mut *conn)
    .await?;
    let total = sqlx::query_scalar!(
        r#"select count(*) as "count!" from sessions where user_id = $1 and revoked_at is null and expires_at > $2"#,
        filter.user_id,
        now,
    )
    .fetch_one(conn)
    .await?;
    Ok((rows, u64::try_from(total).unwrap_or(0)))
}
