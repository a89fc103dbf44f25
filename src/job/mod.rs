//! Work that outlives a request: one durable queue in Postgres.
//!
//! A job is a row; a *kind* says what to do for it ([`Work`]), one step at a time. Each step is one transaction that holds
//! its effects, the job's progress and the proof that this process still holds the job. Whoever lost it, because it was
//! killed, hung, or cut off from the database, cannot commit anything for it any more; whoever takes it over goes on
//! from the last step that was committed. So every step has its effect exactly once.
//!
//! Jobs are put into the queue in the caller's own transaction ([`enqueue`]), taken with `SKIP LOCKED` by any instance
//! ([`worker`]), and asked for by the clock ([`schedule`]).

mod news;
mod routes;
pub mod schedule;
pub mod store;
pub mod worker;

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

pub use news::{CHANNEL, News};
pub use routes::routes;
pub use schedule::Schedule;
pub use store::{depths, enqueue, forget_finished};

use crate::{
    app::AppState,
    error::{Code, Error, Result},
};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its turn, or for the time of its next try.
    Queued,
    /// An instance works on it.
    Running,
    /// Done; `result` tells what came of it.
    Succeeded,
    /// Given up; `errors` tells why.
    Failed,
    /// Stopped because somebody asked for it. What it had done until then stays.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// As stored, and as clients see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How far a job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Progress {
    /// How many things are dealt with; never becomes less.
    pub done: i64,
    /// How many there are, once that is known.
    pub total: Option<i64>,
    /// What it is at, for people.
    pub message: Option<String>,
}

/// What went wrong in one try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// When.
    pub at: DateTime<Utc>,
    /// The how-manieth try since the last step that was done.
    pub attempt: i32,
    /// The name to program against, as in error answers.
    pub code: String,
    /// What happened, for people.
    pub message: String,
}

/// A job as the queue holds it.
#[derive(Clone, Debug)]
pub struct Job {
    /// Identifies it.
    pub id: Uuid,
    /// Which [`Work`] does it.
    pub kind: String,
    /// What to do, in the terms of its kind.
    pub payload: Value,
    /// Where it stands.
    pub state: State,
    /// Jobs of one kind with the same key do not pile up and do not run at once.
    pub key: Option<String>,
    /// Higher goes first.
    pub priority: i16,
    /// Not before.
    pub run_at: DateTime<Utc>,
    /// Tries since the last step that was done, the present one included.
    pub attempts: i32,
    /// So many tries without a step and it is given up.
    pub max_attempts: i32,
    /// How far it has come.
    pub progress: Progress,
    /// Where the next step goes on; none before the first.
    pub checkpoint: Option<Value>,
    /// What came of it.
    pub result: Option<Value>,
    /// What went wrong, the last ten.
    pub errors: Vec<JobError>,
    /// Who asked for it; none for the system itself.
    pub created_by: Option<Uuid>,
    /// Which process works on it, or did last.
    pub holder: Option<String>,
    /// Somebody asked for it to stop.
    pub cancel_requested: bool,
    /// +1 with every change.
    pub revision: i64,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was first taken up.
    pub started_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Job {
    /// The payload in the terms of its kind; one that does not fit will never do.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.payload).map_err(|error| {
            let mut unfit = Error::new(
                Code::UnprocessableEntity,
                "The payload is not what this kind of job takes",
            );
            unfit.source = Some(error.into());
            unfit
        })
    }

    /// Where to go on; the default before the first step.
    pub fn checkpoint<T: DeserializeOwned + Default>(&self) -> Result<T> {
        match &self.checkpoint {
            None => Ok(T::default()),
            Some(kept) => T::deserialize(kept).map_err(Error::internal),
        }
    }
}

/// A job to be put into the queue.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub(crate) kind: &'static str,
    pub(crate) payload: Value,
    pub(crate) key: Option<String>,
    pub(crate) delay: std::time::Duration,
    pub(crate) created_by: Option<Uuid>,
}

impl NewJob {
    /// A job of this kind with this payload.
    #[must_use]
    pub fn new(kind: &'static str, payload: Value) -> Self {
        Self {
            kind,
            payload,
            key: None,
            delay: std::time::Duration::ZERO,
            created_by: None,
        }
    }

    /// One that waits already under the same key stands for this one as well.
    #[must_use]
    pub fn coalesced(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Not before this time has passed.
    #[must_use]
    pub fn after(mut self, delay: std::time::Duration) -> Self {
        self.delay = delay;
        self
    }

    /// On behalf of this user, who may follow and cancel it.
    #[must_use]
    pub fn by(mut self, user: Uuid) -> Self {
        self.created_by = Some(user);
        self
    }
}

/// What a step came to.
#[derive(Clone, Debug)]
pub enum Step {
    /// There is more to do, from here on.
    More {
        /// Where the next step goes on.
        checkpoint: Value,
        /// How far it has come.
        progress: Progress,
    },
    /// That was all.
    Done {
        /// What came of it.
        result: Value,
        /// How far it has come.
        progress: Progress,
    },
}

/// What is done for the jobs of one kind.
///
/// A step does a bounded amount of work, well under the statement timeout, and all of it in the transaction of `conn`:
/// what it writes is committed together with the job's progress, or not at all. It may be begun several times. An error
/// that a client would be to blame for (4xx) ends the job; any other is tried again.
pub trait Work: Send + Sync + 'static {
    /// Does the next step.
    fn step<'a>(&'a self, state: &'a AppState, conn: &'a mut PgConnection, job: &'a Job)
    -> BoxFuture<'a, Result<Step>>;
}

/// The kinds of jobs that an instance can do. Jobs of other kinds are left to others.
#[derive(Clone, Default)]
pub struct Kinds(Arc<BTreeMap<&'static str, Arc<dyn Work>>>);

impl Kinds {
    /// These kinds and one more.
    #[must_use]
    pub fn with(mut self, kind: &'static str, work: impl Work) -> Self {
        Arc::make_mut(&mut self.0).insert(kind, Arc::new(work));
        self
    }

    /// What is done for this kind.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Work>> {
        self.0.get(kind)
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.keys().map(|&name| name.to_owned()).collect()
    }
}

impl std::fmt::Debug for Kinds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
