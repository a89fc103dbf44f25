//! States of the past in tables, for lists. Made when first asked for, by one statement from the log; the least recently
//! used are thrown away. Readers check and read in one snapshot, so nothing is thrown away under them.

use std::{
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Transaction, pool::PoolConnection};
use tokio::sync::Mutex;

use super::{Past, rows};
use crate::{
    error::{Error, Result},
    store::{timed, transaction},
};

/// How many states of each kind are kept.
const KEPT: i64 = 8;
/// States are made one at a time by an instance: each costs the database a processor for seconds in a large landscape.
static MAKING: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
/// Two instances make the same state only once.
const LOCK: i32 = 0x5041_5354;
/// Whoever makes a state shares this; whoever throws all away has it alone.
const ALL: i32 = -1;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Cards and their scores.
    Cards,
    /// Relationships.
    Relationships,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Cards => "card",
            Self::Relationships => "relationship",
        }
    }
}

/// A connection to read the present from, or a snapshot in which a past state is at hand.
pub enum Reading {
    /// The present.
    Present(PoolConnection<Postgres>),
    /// A past state.
    Past(Transaction<'static, Postgres>),
}

impl Deref for Reading {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match self {
            Self::Present(conn) => conn,
            Self::Past(tx) => tx,
        }
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match self {
            Self::Present(conn) => conn,
            Self::Past(tx) => tx,
        }
    }
}

/// A connection for statements that begin with [`super::begin`] of the same past and name tables of these kinds.
pub async fn open(db: &PgPool, past: Option<&Past>, kinds: &[Kind]) -> Result<Reading> {
    let Some(past) = past else {
        return Ok(Reading::Present(db.acquire().await?));
    };
    touch(db, past).await?;
    // Between making and reading a state could be thrown away, if many others are asked for at that instant.
    for _ in 0..5 {
        let mut tx = db.begin().await?;
        sqlx::query("set transaction isolation level repeatable read")
            .execute(&mut *tx)
            .await?;
        let mut missing = Vec::new();
        for kind in kinds {
            if !is_made(&mut tx, past, *kind).await? {
                missing.push(*kind);
            }
        }
        if missing.is_empty() {
            return Ok(Reading::Past(tx));
        }
        tx.rollback().await?;
        for kind in missing {
            let (db, past) = (db.clone(), past.clone());
            // Goes on when the caller gives up: whoever asks again finds it made.
            tokio::spawn(async move { make(&db, &past, kind).await })
                .await
                .map_err(Error::internal)??;
        }
    }
    Err(Error::unavailable("database", None))
}

async fn is_made(conn: &mut PgConnection, past: &Past, kind: Kind) -> Result<bool> {
    let made = sqlx::query_scalar!(
        r#"select exists (select from past_states where seal = $1 and entity = $2) as "made!""#,
        past.seal.number,
        kind.name()
    );
    Ok(made.fetch_one(conn).await?)
}

async fn make(db: &PgPool, past: &Past, kind: Kind) -> Result<()> {
    let _making = MAKING.lock().await;
    transaction(db, |conn, _| Box::pin(make_in(conn, past, kind))).await
}

async fn make_in(conn: &mut PgConnection, past: &Past, kind: Kind) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock_shared($1, $2)", LOCK, ALL)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("select pg_advisory_xact_lock($1, $2)", LOCK, kind as i32)
        .execute(&mut *conn)
        .await?;
    if is_made(conn, past, kind).await? {
        return Ok(());
    }
    sqlx::query("set local statement_timeout = '5min'")
        .execute(&mut *conn)
        .await?;
    throw_away(conn, kind).await?;
    let mut sql = match kind {
        Kind::Cards => cards(past),
        Kind::Relationships => relationships(past),
    };
    rows::take_memory(conn).await?;
    timed("make_past_state", sql.build().persistent(false).execute(&mut *conn)).await?;
    // Without knowing how the rows spread, a page would be found by sorting all of them. (Only the owner of the tables may;
    // for others the statement does nothing, and statistics come later.)
    sqlx::query(match kind {
        Kind::Cards => "analyze past_cards",
        Kind::Relationships => "analyze past_relationships",
    })
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "insert into past_states (seal, entity) values ($1, $2)",
        past.seal.number,
        kind.name()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Throws every state away, because rows of the log were blanked. Waits for those that are being made: they may have read
/// what is gone now.
pub async fn forget(db: &PgPool) -> Result<()> {
    transaction(db, |conn, _| {
        Box::pin(async move {
            sqlx::query!("select pg_advisory_xact_lock($1, $2)", LOCK, ALL)
                .execute(&mut *conn)
                .await?;
            sqlx::query!("delete from past_states").execute(&mut *conn).await?;
            sqlx::query!("delete from past_cards").execute(&mut *conn).await?;
            sqlx::query!("delete from past_relationships")
                .execute(&mut *conn)
                .await?;
            Ok(())
        })
    })
    .await
}

async fn throw_away(conn: &mut PgConnection, kind: Kind) -> Result<()> {
    let old = sqlx::query_scalar!(
        "delete from past_states where entity = $1 and seal in
             (select seal from past_states where entity = $1 order by used_at desc, seal desc offset $2) returning seal",
        kind.name(),
        KEPT - 1,
    )
    .fetch_all(&mut *conn)
    .await?;
    if old.is_empty() {
        return Ok(());
    }
    match kind {
        Kind::Cards => sqlx::query!("delete from past_cards where seal = any($1)", &old),
        Kind::Relationships => sqlx::query!("delete from past_relationships where seal = any($1)", &old),
    }
    .execute(conn)
    .await?;
    Ok(())
}

/// A card's score is in the latest row that carries one: its own, or one of its score alone.
fn cards(past: &Past) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("insert into past_cards select ");
    sql.push_bind(past.seal.number).push(
        ", c.*, coalesce(case when s.position > h.position then s.after -> 'quality_score' end, h.after -> 'quality_score', \
         (select q.after -> 'quality_score' from changes q where q.entity_id = h.entity_id and q.entity in ('card', 'score') \
          and q.after ? 'quality_score' and ",
    );
    past.seal.push_saw(&mut sql, "q");
    sql.push(" order by q.position desc limit 1))::smallint, coalesce(s.after -> 'computed', '{}') from ");
    rows::push(&mut sql, past, "card");
    sql.push(" h left join ");
    rows::push(&mut sql, past, "score");
    sql.push(
        " s on s.entity_id = h.entity_id cross join lateral jsonb_populate_record(null::cards, h.after) c where h.after is not null",
    );
    sql
}

fn relationships(past: &Past) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("insert into past_relationships select ");
    sql.push_bind(past.seal.number).push(", r.* from ");
    rows::push(&mut sql, past, "relationship");
    sql.push(" h cross join lateral jsonb_populate_record(null::relationships, h.after) r where h.after is not null");
    sql
}

/// Remembers that a state is still wanted, at most once a minute.
async fn touch(db: &PgPool, past: &Past) -> Result<()> {
    sqlx::query!(
        "update past_states set used_at = clock_timestamp() where seal = $1 and used_at < clock_timestamp() - interval '1 minute'",
        past.seal.number
    )
    .execute(db)
    .await?;
    Ok(())
}
