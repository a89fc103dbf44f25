//! The sealer: one instance closes what was committed, at most every 250 ms.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store;
use crate::{
    app::AppState,
    error::Result,
    store::{lease, seal::Seal, transaction},
};

/// How often the log is closed.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long another instance waits for one that says nothing.
const LEASE: Duration = Duration::from_secs(5);
/// How often the lease is renewed, or asked for.
const RENEWAL: Duration = Duration::from_millis(1500);
/// How often the log tells the newest seal: kept elsewhere, it betrays a log that was cut off.
const NOTICE: Duration = Duration::from_mins(1);
const NAME: &str = "sealer";

/// Closes what was committed so far; none when there is nothing new. Waits for a sealer that is at work.
pub async fn seal_now(state: &AppState) -> Result<Option<Seal>> {
    close(state, true).await
}

async fn close(state: &AppState, wait: bool) -> Result<Option<Seal>> {
    let key = state.audit.keys.current();
    let closed = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            if !store::seal::claim(conn, wait).await? {
                return Ok(None);
            }
            store::seal::close(conn, key).await
        })
    })
    .await?;
    Ok(closed.map(|(seal, newest)| {
        state.audit.saw(newest);
        seal
    }))
}

/// Works until `stop`.
pub async fn follow(state: AppState, stop: CancellationToken) {
    let mut sealer = Sealer {
        holder: Uuid::new_v4(),
        lease: None,
        asked: None,
        told: None,
        missed: None,
    };
    warn_of_ownership(&state).await;
    loop {
        if let Err(error) = sealer.turn(&state).await {
            sealer.lease = None;
            tracing::warn!(%error, "the change log cannot be sealed; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    if sealer.lease.is_some()
        && let Ok(mut conn) = state.db.acquire().await
    {
        // The next instance need not wait until it has run out.
        let _ = lease::release(&mut conn, NAME, sealer.holder).await;
    }
}

struct Sealer {
    holder: Uuid,
    /// Since when this instance has the lease.
    lease: Option<Instant>,
    asked: Option<Instant>,
    told: Option<(Instant, i64)>,
    missed: Option<Instant>,
}

/// Triggers do not stop the owner of a table, who can drop them.
async fn warn_of_ownership(state: &AppState) {
    if !state.config.application.env.is_production() {
        return;
    }
    if let Ok(mut conn) = state.db.acquire().await
        && let Ok(true) = store::is_owner(&mut conn).await
    {
        tracing::warn!(
            "the role of DATABASE_URL owns the change log and could alter it; let DATABASE_MIGRATE_URL own it"
        );
    }
}

impl Sealer {
    async fn turn(&mut self, state: &AppState) -> Result<()> {
        let mut conn = state.db.acquire().await?;
        if self.asked.is_none_or(|asked| asked.elapsed() >= RENEWAL) {
            let asked = Instant::now();
            self.asked = Some(asked);
            let taken = lease::take(&mut conn, NAME, self.holder, LEASE).await?;
            self.lease = taken.then_some(asked);
            self.look(state, &mut conn).await?;
        }
        let due = self.lease.is_some() && store::seal::is_due(&mut conn).await?;
        drop(conn);
        if due {
            close(state, false).await?;
        }
        Ok(())
    }

    /// Learns of seals that others made.
    async fn look(&mut self, state: &AppState, conn: &mut sqlx::PgConnection) -> Result<()> {
        let newest = store::newest(conn).await?;
        let known = state.audit.newest();
        let missing = known.filter(|known| newest.as_ref().is_none_or(|n| n.number < known.number));
        if let Some(known) = missing
            && self.missed.is_none_or(|when| when.elapsed() >= NOTICE)
        {
            self.missed = Some(Instant::now());
            let found = newest.as_ref().map(|newest| newest.number);
            tracing::error!(
                known = known.number,
                found,
                "seals of the change log are missing: it was cut off"
            );
        }
        let Some(newest) = newest else { return Ok(()) };
        if self
            .told
            .is_none_or(|(when, number)| number < newest.number && when.elapsed() >= NOTICE)
        {
            self.told = Some((Instant::now(), newest.number));
            let (number, recorded_at) = (newest.number, newest.recorded_at);
            tracing::info!(number, %recorded_at, digest = hex::encode(&newest.digest), "the change log is sealed");
        }
        state.audit.saw(newest);
        Ok(())
    }
}
