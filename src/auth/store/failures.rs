//! Failed log-ins per account and address.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::{
    auth::lockout::{self, Admission, Record},
    error::Result,
};

/// Counts a try before its password is checked, and says whether it may be made. Run it in a transaction: the row is
/// locked, so that tries at the same time are counted one by one.
pub async fn reserve_try(
    conn: &mut PgConnection,
    account: &[u8],
    address: &str,
    now: DateTime<Utc>,
) -> Result<Admission> {
    // The update changes nothing; it takes the lock on a row that is there already.
    let row = sqlx::query!(
        "insert into login_failures as f (account, address, failures, window_start) values ($1, $2, 0, $3)
         on conflict (account, address) do update set failures = f.failures
         returning failures, window_start, locked_until",
        account,
        address,
        now,
    )
    .fetch_one(&mut *conn)
    .await?;
    let admission = lockout::admit(
        Record {
            tries: row.failures,
            since: row.window_start,
            locked_until: row.locked_until,
        },
        now,
    );
    if let Admission::Try { record, .. } = admission {
        sqlx::query!(
            "update login_failures set failures = $3, window_start = $4, locked_until = $5 where account = $1 and address = $2",
            account,
            address,
            record.tries,
            record.since,
            record.locked_until,
        )
        .execute(conn)
        .await?;
    }
    Ok(admission)
}

/// Takes back a try whose password could not be checked.
pub async fn release_try(conn: &mut PgConnection, account: &[u8], address: &str) -> Result<()> {
    sqlx::query!(
        "update login_failures set failures = greatest(failures - 1, 0) where account = $1 and address = $2",
        account,
        address
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks the pair, if no success has cleared it in the meantime.
pub async fn lock_out(conn: &mut PgConnection, account: &[u8], address: &str, until: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update login_failures set locked_until = $3 where account = $1 and address = $2 and failures >= $4",
        account,
        address,
        until,
        lockout::TRIES,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the failures of one account from one address.
pub async fn clear_failures(conn: &mut PgConnection, account: &[u8], address: &str) -> Result<()> {
    sqlx::query!(
        "delete from login_failures where account = $1 and address = $2",
        account,
        address
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the failures of one account from everywhere.
pub async fn unlock(conn: &mut PgConnection, email_key: &str) -> Result<()> {
    sqlx::query!(
        "delete from login_failures where account = $1",
        lockout::account(email_key)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes some of what no longer counts.
pub async fn sweep_failures(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "delete from login_failures where (account, address) in (
             select account, address from login_failures
             where window_start < $1 and (locked_until is null or locked_until < $2)
             limit 1000 for update skip locked)",
        now - lockout::window(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
