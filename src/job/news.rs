//! What this process hears of the queue: that there is work, and that something changed. Only hints: whoever waits looks
//! by itself now and then as well.

use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore, watch};

/// The channel of Postgres on which instances tell each other.
pub const CHANNEL: &str = "archzero_jobs";
/// Somebody asked for a job.
pub const QUEUED: &str = "queued";
/// A job changed.
pub const CHANGED: &str = "changed";
/// Event streams that one instance keeps open at a time.
const STREAMS: usize = 512;

/// See the module's description.
#[derive(Debug)]
pub struct News {
    queued: Notify,
    changed: watch::Sender<u64>,
    /// Places for event streams.
    pub(super) streams: std::sync::Arc<Semaphore>,
}

impl Default for News {
    fn default() -> Self {
        Self {
            queued: Notify::new(),
            changed: watch::Sender::new(0),
            streams: std::sync::Arc::new(Semaphore::new(STREAMS)),
        }
    }
}

impl News {
    /// Takes in what another instance, or this one, said on the channel.
    pub fn heard(&self, word: &str) {
        if word == QUEUED {
            self.queued.notify_one();
        }
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits until somebody asked for a job.
    pub(super) async fn queued(&self) {
        self.queued.notified().await;
    }

    /// Tells when anything changes from now on.
    pub(super) fn follow(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells everybody that a job changed; not in the step's own transaction, where NOTIFY would make commits queue.
    pub(super) async fn changed(&self, db: &PgPool) {
        self.heard(CHANGED);
        let told = sqlx::query("select pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(CHANGED)
            .execute(db)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "other instances will find the change by polling");
        }
    }
}
