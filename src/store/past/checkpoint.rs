//! Checkpoints: for one seal, the positions of the rows that were current. Made in the background by whichever instance
//! gets there first, whenever enough was written since the last one; never changed.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, QueryBuilder};
use tokio_util::sync::CancellationToken;

use super::{Past, Scope, rows};
use crate::{
    error::Result,
    store::{timed, transaction},
};

/// Whoever makes a checkpoint holds this lock.
const LOCK: i64 = 0x6172_635a_4348_4b50;
/// How often to look whether one is due.
const INTERVAL: Duration = Duration::from_secs(15);
/// Positions in one row.
const PART: i64 = 20_000;
/// What a checkpoint knows; everything else is little.
const ENTITIES: [&str; 3] = ["card", "relationship", "score"];

/// The last checkpoint at or before a seal.
pub async fn before(conn: &mut PgConnection, seal: i64) -> Result<Option<i64>> {
    let found = sqlx::query_scalar!(
        "select seal from checkpoint_marks where seal <= $1 order by seal desc limit 1",
        seal
    );
    Ok(found.fetch_optional(conn).await?)
}

/// Works until `stop`: makes a checkpoint after every so many changes.
pub async fn follow(db: PgPool, every: u64, stop: CancellationToken) {
    loop {
        match make(&db, every).await {
            Ok(Some(seal)) => tracing::info!(seal, "checkpoint made"),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "no checkpoint can be made now; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Makes a checkpoint at the last seal, if so much was written since the one before and nobody else is at it.
pub async fn make(db: &PgPool, every: u64) -> Result<Option<i64>> {
    let every = i64::try_from(every).unwrap_or(i64::MAX);
    transaction(db, |conn, _| Box::pin(make_in(conn, every))).await
}

async fn make_in(conn: &mut PgConnection, every: i64) -> Result<Option<i64>> {
    let free = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "free!""#, LOCK)
        .fetch_one(&mut *conn)
        .await?;
    if !free {
        return Ok(None);
    }
    let due = sqlx::query!(
        r#"select (select max(number) from seals) as seal, (select max(seal) from checkpoint_marks) as last,
                  coalesce((select max(position) from changes), 0) as "position!",
                  coalesce((select max(position) from checkpoint_marks), 0) as "marked!""#
    )
    .fetch_one(&mut *conn)
    .await?;
    let Some(seal) = due.seal.filter(|seal| due.last.is_none_or(|last| last < *seal)) else {
        return Ok(None);
    };
    if due.position - due.marked < every {
        return Ok(None);
    }
    sqlx::query("set local statement_timeout = 0")
        .execute(&mut *conn)
        .await?;
    let base = match due.last {
        Some(last) => Some(Scope::of(conn, last).await?),
        None => None,
    };
    let past = Past {
        seal: Scope::of(conn, seal).await?,
        base,
    };
    rows::take_memory(conn).await?;
    for entity in ENTITIES {
        timed("make_checkpoint", write(conn, &past, entity)).await?;
    }
    sqlx::query!(
        "insert into checkpoint_marks (seal, position) values ($1, $2)",
        seal,
        due.position
    )
    .execute(conn)
    .await?;
    Ok(Some(seal))
}

async fn write(conn: &mut PgConnection, past: &Past, entity: &str) -> Result<()> {
    let mut sql = QueryBuilder::new("insert into checkpoints (seal, entity, part, positions) select ");
    sql.push_bind(past.seal.number).push(", ").push_bind(entity.to_owned());
    sql.push(", n.part, array_agg(n.position order by n.position) from (select s.position, ((row_number() over (order by s.position) - 1) / ")
        .push_bind(PART)
        .push(")::integer as part from ");
    rows::push_latest(&mut sql, past, entity);
    sql.push(" s) n group by n.part");
    sql.build().persistent(false).execute(conn).await?;
    Ok(())
}
