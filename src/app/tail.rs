//! Follows the change log and keeps everything that this instance holds in memory current: the graph, the metamodel,
//! the ontology, sessions and rights.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::{Mutex, Notify};
use tokio_util::sync::CancellationToken;

use super::AppState;
use crate::{
    auth,
    error::Result,
    graph, job, metamodel,
    relationship::ontology,
    store::{
        log::{self, Change, Cursor, Epoch, Position, Snapshot},
        timed,
    },
};

/// How often the log is read when nobody says that there is something new (behind a pooler nobody can).
const POLL: Duration = Duration::from_millis(250);
/// How many changes are held in memory at a time.
const BATCH: usize = 2_000;
const CHANNEL: &str = "archzero_changes";

/// The reader of the change log.
pub struct Tail {
    db: PgPool,
    epoch: Epoch,
    // Held while reading: one reader at a time, and whoever waited for it is served by the next.
    reading: Mutex<()>,
    seen: ArcSwap<Seen>,
    // Writes committed by this instance, to let its own readers see them at once.
    writes: AtomicU64,
    announce: Notify,
}

/// Up to where this instance has applied the log.
struct Seen {
    cursor: Cursor,
    started: Instant,
    writes: u64,
}

impl Tail {
    /// A reader that has seen everything up to `snapshot`.
    #[must_use]
    pub fn new(db: PgPool, epoch: Epoch, snapshot: Snapshot) -> Self {
        let seen = Seen {
            cursor: Cursor {
                epoch: epoch.number,
                snapshot,
            },
            started: Instant::now(),
            writes: 0,
        };
        Self {
            db,
            epoch,
            reading: Mutex::new(()),
            seen: ArcSwap::from_pointee(seen),
            writes: AtomicU64::new(0),
            announce: Notify::new(),
        }
    }

    /// The epoch the log is in.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How long ago the log was last read; beyond a few seconds this instance cannot vouch for rights.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.seen.load().started.elapsed()
    }

    /// Tells that a write of this instance was committed.
    pub fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::Release);
        self.announce.notify_one();
    }

    /// Brings memory up to everything that was committed before this call.
    pub async fn catch_up(&self, state: &AppState) -> Result<()> {
        let arrived = Instant::now();
        let _reading = self.reading.lock().await;
        if self.seen.load().started > arrived {
            return Ok(());
        }
        let started = Instant::now();
        let writes = self.writes.load(Ordering::Acquire);
        let last = self.seen.load_full();
        let mut conn = self.db.acquire().await?;
        let mut reader = log::Reader::open(&mut conn, self.epoch, &last.cursor)?;
        // A failure half-way leaves the cursor where it was; applying a change again changes nothing.
        loop {
            let changes = timed("read_changes", reader.next_batch(BATCH)).await?;
            if changes.is_empty() {
                break;
            }
            apply(state, &changes).await?;
        }
        let cursor = reader.into_cursor();
        drop(conn);
        self.seen.store(std::sync::Arc::new(Seen {
            cursor,
            started,
            writes,
        }));
        Ok(())
    }

    /// Brings memory up to this instance's own writes and, if given, to `position`; without either it may be up to a
    /// second old.
    pub async fn at_least(&self, state: &AppState, position: Option<Position>) -> Result<()> {
        let seen = self.seen.load();
        let own = seen.writes >= self.writes.load(Ordering::Acquire);
        let asked = position.is_none_or(|p| p.is_seen_by(&seen.cursor));
        if own && asked && seen.started.elapsed() < Duration::from_secs(1) {
            return Ok(());
        }
        drop(seen);
        self.catch_up(state).await?;
        // Whoever was told of a position was told after its write was committed, so by now it has been seen.
        match position {
            Some(position) if !position.is_seen_by(&self.seen.load().cursor) => Err(Position::unknown()),
            _ => Ok(()),
        }
    }

    /// Runs until `stop`: reads when told, and at least every quarter of a second.
    pub async fn follow(state: AppState, stop: CancellationToken) {
        let tail = &state.tail;
        let mut listener = None;
        loop {
            if listener.is_none() {
                listener = listen(&tail.db).await;
            }
            let news = async {
                match listener.as_mut() {
                    Some(l) => match l.try_recv().await {
                        Ok(Some(news)) => {
                            if news.channel() == job::CHANNEL {
                                state.jobs.heard(news.payload());
                            }
                            true
                        }
                        _ => false,
                    },
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
                alive = news => if !alive { listener = None },
            }
            if let Err(error) = tail.catch_up(&state).await {
                tracing::warn!(%error, "the change log cannot be read; trying again");
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Runs until `stop`: tells other instances of this one's writes, at most fifty times a second. Not in the writes'
    /// own transactions: NOTIFY would make their commits wait for each other.
    pub async fn announce(state: AppState, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = state.tail.announce.notified() => {}
            }
            if let Err(error) = sqlx::query("select pg_notify($1, '')")
                .bind(CHANNEL)
                .execute(&state.db)
                .await
            {
                tracing::debug!(%error, "other instances will find the change by polling");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn listen(db: &PgPool) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(db).await.ok()?;
    listener.listen_all([CHANNEL, job::CHANNEL]).await.ok()?;
    Some(listener)
}

async fn apply(state: &AppState, changes: &[Change]) -> Result<()> {
    let touched = |entity: &str| changes.iter().any(|c| c.entity == entity);
    for change in changes {
        match change.entity.as_str() {
            "user" => state.sessions.forget_user(change.entity_id),
            "session" => state.sessions.forget(change.entity_id),
            "role" => state.sessions.forget_roles(&auth::roles_named_in(change)),
            "api_key" => {
                state.sessions.forget(change.entity_id);
                state.keys.forget(change.entity_id);
            }
            _ => {}
        }
    }
    if touched("card_type") || touched("metamodel_rule") {
        let mut conn = state.db.acquire().await?;
        state.metamodel.store(metamodel::store::load(&mut conn).await?.into());
    }
    if touched("relationship_type") || touched("card_type") {
        let mut conn = state.db.acquire().await?;
        state.ontology.store(ontology::store::load(&mut conn).await?.into());
        drop(conn);
        // What an edge means may have changed for any number of edges: read them all again. The rows applied below are
        // then older than what was loaded, and ignored by their versions.
        let (graph, _) = graph::Embedded::load(&state.db, &state.ontology.load()).await?;
        state.graph.replace(graph);
    }
    state.graph.apply(changes).await;
    if changes.iter().any(|c| c.entity == "change" && c.action == "blanked") {
        state.past.forget(&state.db).await?;
    }
    Ok(())
}
