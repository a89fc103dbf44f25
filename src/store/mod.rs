//! Everything that all slices need of Postgres: the pool, the migrator, transactions with retry, the mapping of
//! constraint names to client errors, and the change log ([`log`]).

pub mod counts;
mod failure;
pub mod lease;
pub mod log;
pub mod migrate;
pub mod past;
mod pool;
mod reach;
pub mod seal;

pub use failure::{LOCK_PATIENCE, is_retryable, violates};
pub use pool::{connect, connect_options, migration_options};
pub use reach::{place, reach};

use std::{
    marker::PhantomData,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::{error::Result, telemetry};

/// Who writes, in which request, and why: goes into every row of the change log.
#[derive(Clone, Debug, Default)]
pub struct Author {
    /// The user on whose behalf the change is made; none for the system itself.
    pub actor_id: Option<Uuid>,
    /// The request that made it.
    pub request_id: Option<String>,
    /// What the person gave as a reason.
    pub reason: Option<String>,
}

impl Author {
    /// The system itself, for background work; `reason` says which.
    #[must_use]
    pub fn system(reason: &str) -> Self {
        Self {
            actor_id: None,
            request_id: None,
            reason: Some(reason.to_owned()),
        }
    }
}

/// How often a transaction that lost a deadlock or serialization race is tried before the caller is told.
const ATTEMPTS: u32 = 4;

/// Says that what a closure borrows (`'a`) outlives the connection it is lent (`'c`). Closures ignore the value; without
/// it the compiler cannot prove that the futures of borrowing closures are `Send`.
pub type Lent<'c, 'a> = PhantomData<&'c &'a ()>;

/// Runs `work` in a transaction and commits it; a lost deadlock or serialization race is tried again. Call it as
/// `transaction(pool, |conn, _| Box::pin(async move { … }))` with what it uses borrowed beforehand.
pub async fn transaction<'a, T, F>(pool: &PgPool, mut work: F) -> Result<T>
where
    F: for<'c> FnMut(&'c mut PgConnection, Lent<'c, 'a>) -> BoxFuture<'c, Result<T>> + Send,
{
    let mut attempt = 1;
    loop {
        let outcome = try_once(pool, &mut work).await;
        match outcome {
            Err(error) if attempt < ATTEMPTS && is_retryable(&error) => {
                tokio::time::sleep(Duration::from_millis(u64::from(
                    5 * attempt + rand::random_range(0..10),
                )))
                .await;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Measures a statement under a name of its own: `database_query_duration_seconds{query}`.
pub async fn timed<T>(query: &'static str, statement: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let outcome = statement.await;
    metrics::histogram!(telemetry::metrics::DATABASE_QUERY_DURATION_SECONDS, "query" => query)
        .record(started.elapsed().as_secs_f64());
    outcome
}

async fn try_once<'a, T, F>(pool: &PgPool, work: &mut F) -> Result<T>
where
    F: for<'c> FnMut(&'c mut PgConnection, Lent<'c, 'a>) -> BoxFuture<'c, Result<T>> + Send,
{
    let mut tx: Transaction<'static, Postgres> = pool.begin().await?;
    let value = work(&mut tx, PhantomData).await?;
    tx.commit().await?;
    Ok(value)
}
