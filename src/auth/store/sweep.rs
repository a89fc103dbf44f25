//! Removing what is long over: sessions, tokens, failed log-ins. Some at a time; each says how many it removed.

use sqlx::PgConnection;

use crate::{auth::lockout, error::Result};

/// Refresh tokens that ended more than `days` ago, or whose session did.
pub async fn forget_refresh_tokens(conn: &mut PgConnection, days: i32, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from refresh_tokens where token_hash in (
             select t.token_hash from refresh_tokens t join sessions s on s.id = t.session_id
             where t.expires_at < now() - make_interval(days => $1)
                or s.expires_at < now() - make_interval(days => $1) or s.revoked_at < now() - make_interval(days => $1)
             limit $2 for update of t skip locked)",
        days,
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Sessions that ended more than `days` ago and have no tokens left.
pub async fn forget_sessions(conn: &mut PgConnection, days: i32, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from sessions where id in (
             select s.id from sessions s
             where (s.expires_at < now() - make_interval(days => $1) or s.revoked_at < now() - make_interval(days => $1))
               and not exists (select 1 from refresh_tokens t where t.session_id = s.id)
             limit $2 for update skip locked)",
        days,
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Links that were used or ended more than `days` ago.
pub async fn forget_links(conn: &mut PgConnection, days: i32, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from one_time_tokens where token_hash in (
             select token_hash from one_time_tokens
             where least(used_at, expires_at) < now() - make_interval(days => $1) limit $2 for update skip locked)",
        days,
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Failed log-ins that no longer count.
pub async fn forget_failures(conn: &mut PgConnection, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from login_failures where (account, address) in (
             select account, address from login_failures
             where window_start < now() - make_interval(secs => $1) and coalesce(locked_until < now(), true)
             limit $2 for update skip locked)",
        lockout::window().as_seconds_f64(),
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
