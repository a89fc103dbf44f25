//! Leases: what only one instance at a time should do. A row and not a session's lock, so that it works behind poolers
//! and passes to another instance when its holder dies. A lease spares work; what must never happen twice is guarded
//! where it happens, for a holder that was suspended may believe in a lease it lost.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;

/// Takes the lease, or keeps it, for `ttl` from now; false when somebody else has it.
pub async fn take(conn: &mut PgConnection, name: &str, holder: Uuid, ttl: Duration) -> Result<bool> {
    let taken = sqlx::query!(
        "insert into leases (name, holder, until) values ($1, $2, clock_timestamp() + make_interval(secs => $3))
         on conflict (name) do update set holder = excluded.holder, until = excluded.until
         where leases.holder = excluded.holder or leases.until < clock_timestamp()",
        name,
        holder,
        ttl.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Gives the lease back, if it is still this holder's.
pub async fn release(conn: &mut PgConnection, name: &str, holder: Uuid) -> Result<()> {
    sqlx::query!("delete from leases where name = $1 and holder = $2", name, holder)
        .execute(conn)
        .await?;
    Ok(())
}
