//! The workers of an instance: take jobs, do them step by step, let them go when they are told to stop.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Job, Kinds, Step, Work,
    store::{self, Claim, Hold, Release},
};
use crate::{
    app::AppState,
    error::{Code, Error, Result},
    store::transaction,
    telemetry::metrics::{JOB_DURATION_SECONDS, JOBS_TOTAL},
};

/// How often to look for jobs that nobody told of: their time has come, or who had them is gone.
const POLL: Duration = Duration::from_secs(1);
/// How long a step under way may take once the instance is to stop; longer ones are given back half-way and undone.
const LAST_STEP: Duration = Duration::from_secs(10);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// How a worker's time with a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Succeeded,
    /// It is given up.
    Failed,
    /// It stopped because somebody asked for it.
    Cancelled,
    /// It failed this time and waits for its next try.
    Retried,
    /// The instance stops; another goes on.
    HandedBack,
    /// Another instance has taken it.
    Lost,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Retried => "retried",
            Self::HandedBack => "handed_back",
            Self::Lost => "lost",
        }
    }
}

/// Works until `stop`, on as many jobs at a time as the configuration allows.
pub async fn follow(state: AppState, kinds: Kinds, stop: CancellationToken) {
    let slots = state.config.jobs.concurrency;
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        let free = running.len() < slots;
        if free {
            match take(&state, &kinds).await {
                Ok(Some(claim)) => {
                    let (state, kinds, stop) = (state.clone(), kinds.clone(), stop.clone());
                    running.spawn(async move { run(&state, &kinds, claim, &stop).await });
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "jobs cannot be taken now; trying again"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = state.jobs.queued(), if free => {}
            () = tokio::time::sleep(POLL) => {}
            Some(_) = running.join_next() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Takes a job and does it, if there is one; says which, and how it ended.
pub async fn run_next(
    state: &AppState,
    kinds: &Kinds,
    stop: &CancellationToken,
) -> Result<Option<(uuid::Uuid, Outcome)>> {
    let Some(claim) = take(state, kinds).await? else {
        return Ok(None);
    };
    let id = claim.job.id;
    Ok(Some((id, Box::pin(run(state, kinds, claim, stop)).await)))
}

async fn take(state: &AppState, kinds: &Kinds) -> Result<Option<Claim>> {
    let mut conn = state.db.acquire().await?;
    let lease = state.config.jobs.lease;
    crate::store::timed("claim_job", store::claim(&mut conn, &kinds.names(), &HOLDER, lease)).await
}

/// Which process this is, for people.
static HOLDER: LazyLock<String> = LazyLock::new(|| {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), std::process::id())
});

/// Does a job until it ends, fails, is lost, or the instance is to stop.
async fn run(state: &AppState, kinds: &Kinds, claim: Claim, stop: &CancellationToken) -> Outcome {
    let (id, kind) = (claim.job.id, claim.job.kind.clone());
    // Of the highest level, so that lines of every level carry the job's id whatever the filter.
    let span = tracing::error_span!("job", job_id = %id, kind = %kind);
    let started = Instant::now();
    async {
        tracing::info!(attempt = claim.job.attempts, "job taken");
        let outcome = match kinds.get(&kind) {
            Some(work) => work_on(state, work, claim, stop).await,
            None => Outcome::Lost,
        };
        let took = started.elapsed();
        metrics::counter!(JOBS_TOTAL, "kind" => kind.clone(), "outcome" => outcome.name()).increment(1);
        metrics::histogram!(JOB_DURATION_SECONDS, "kind" => kind.clone()).record(took.as_secs_f64());
        let duration_ms = took.as_millis() as u64;
        tracing::info!(outcome = outcome.name(), duration_ms, "job let go");
        state.jobs.changed(&state.db).await;
        outcome
    }
    .instrument(span)
    .await
}

async fn work_on(state: &AppState, work: &Arc<dyn Work>, claim: Claim, stop: &CancellationToken) -> Outcome {
    let Claim { mut job, token } = claim;
    let at = At { state, token };
    if job.attempts > job.max_attempts {
        let text = format!(
            "Given up: the process that worked on it ended {} times without finishing a step",
            job.max_attempts
        );
        return at
            .release(&job, Release::Fail, Some(("SERVICE_UNAVAILABLE", &text)))
            .await;
    }
    let mut cancelled = job.cancel_requested;
    loop {
        if cancelled {
            return at.release(&job, Release::Cancel, None).await;
        }
        if stop.is_cancelled() {
            return at.release(&job, Release::HandBack, None).await;
        }
        let ended = tokio::select! {
            biased;
            ended = at.step(work, &job) => ended,
            () = at.keep(&job) => return Outcome::Lost,
            () = overdue(stop) => return at.release(&job, Release::HandBack, None).await,
        };
        match ended {
            Ok((Step::Done { .. }, Hold::Kept | Hold::StopRequested)) => return Outcome::Succeeded,
            Ok((Step::More { checkpoint, progress }, hold)) if hold != Hold::Lost => {
                state.jobs.changed(&state.db).await;
                job.checkpoint = Some(checkpoint);
                job.progress = progress;
                job.attempts = 1;
                cancelled = hold == Hold::StopRequested;
            }
            Ok(_) | Err(Broken::Lost) => return Outcome::Lost,
            Err(Broken::Panic(text)) => {
                tracing::error!(panic = text, "a step of a job panicked");
                let text = "A defect of the server: a step panicked; the log has more under this job's id";
                return at
                    .release(&job, Release::Fail, Some(("INTERNAL_SERVER_ERROR", text)))
                    .await;
            }
            Err(Broken::Error(error)) => return at.failed(&job, &error).await,
        }
    }
}

/// Never, unless the instance is to stop and a step takes too long for that.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_STEP).await;
}

/// Why a step came to nothing.
enum Broken {
    Error(Error),
    Panic(String),
    Lost,
}

/// A job in the hands of this worker.
struct At<'a> {
    state: &'a AppState,
    token: uuid::Uuid,
}

impl At<'_> {
    async fn step(&self, work: &Arc<dyn Work>, job: &Job) -> Result<(Step, Hold), Broken> {
        let (state, token, lease) = (self.state, self.token, self.state.config.jobs.lease);
        let attempt = transaction(&state.db, |conn, _| {
            Box::pin(async move {
                let step = work.step(state, conn, job).await?;
                match store::finish_step(conn, job.id, token, &step, lease).await? {
                    // An error, so that nothing of the step is kept.
                    Hold::Lost => Err(lost()),
                    hold => Ok((step, hold)),
                }
            })
        });
        let ended = match AssertUnwindSafe(attempt).catch_unwind().await {
            Ok(ended) => ended,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                return Err(Broken::Panic(text.unwrap_or_default()));
            }
        };
        match ended {
            Ok(done) => {
                state.tail.wrote();
                Ok(done)
            }
            Err(error) if error.message == LOST => Err(Broken::Lost),
            Err(error) => Err(Broken::Error(error)),
        }
    }

    /// Keeps the job while a step is under way; ends when somebody else has it.
    async fn keep(&self, job: &Job) {
        let lease = self.state.config.jobs.lease;
        loop {
            tokio::time::sleep(lease / 3).await;
            let renewed = async {
                let mut conn = self.state.db.acquire().await?;
                store::renew(&mut conn, job.id, self.token, lease).await
            };
            match renewed.await {
                Ok(Hold::Lost) => return,
                Ok(_) => {}
                // The step's own transaction will tell whether the job is still ours.
                Err(error) => tracing::warn!(%error, "the hold on a job cannot be renewed now"),
            }
        }
    }

    async fn failed(&self, job: &Job, error: &Error) -> Outcome {
        let source = error.source.as_deref().map(tracing::field::display);
        let hopeless = error.code.status().is_client_error() || job.attempts >= job.max_attempts;
        tracing::warn!(%error, cause = source, hopeless, "a step of a job failed");
        let release = if hopeless {
            Release::Fail
        } else {
            Release::Retry(pause(job.attempts, rand::random_range(0.5..1.0)))
        };
        let message = match error.code {
            Code::InternalServerError => "A defect of the server; the log has more under this job's id",
            _ => &error.message,
        };
        self.release(job, release, Some((&error.code.name(), message))).await
    }

    async fn release(&self, job: &Job, release: Release, error: Option<(&str, &str)>) -> Outcome {
        let done = async {
            let mut conn = self.state.db.acquire().await?;
            store::release(&mut conn, job.id, self.token, release, error).await
        };
        match done.await {
            Ok(true) => match release {
                Release::HandBack => Outcome::HandedBack,
                Release::Retry(_) => Outcome::Retried,
                Release::Fail => Outcome::Failed,
                Release::Cancel => Outcome::Cancelled,
            },
            Ok(false) => Outcome::Lost,
            Err(error) => {
                tracing::warn!(%error, "a job cannot be let go now; it will be taken up when its lease ends");
                Outcome::Lost
            }
        }
    }
}

const LOST: &str = "The job was taken by another instance";

fn lost() -> Error {
    Error::new(Code::Conflict, LOST)
}

/// How long to wait before the next try: doubling from two seconds, and each job a little differently.
fn pause(attempts: i32, jitter: f64) -> Duration {
    let doubled = 2_u64.saturating_pow(attempts.clamp(1, 20) as u32);
    Duration::from_secs(doubled).min(LONGEST_PAUSE).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let seconds = |attempts| pause(attempts, 1.0).as_secs();
        assert_eq!(
            [1, 2, 3, 9, 10, 1000, i32::MAX].map(seconds),
            [2, 4, 8, 512, 600, 600, 600]
        );
        assert_eq!(pause(1, 0.5), Duration::from_secs(1));
    }
}
