//! What is thrown away when nobody needs it any more. The change log never is.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::AppState;
use crate::{
    auth,
    config::JobsConfig,
    error::{Error, Result},
    job::{self, Job, Progress, Step, Work},
};

/// The kind of job.
pub const RETENTION: &str = "retention";

/// Rows per step.
const BATCH: i64 = 1_000;

/// Removes what its time has come for.
#[derive(Clone, Copy, Debug)]
pub struct Retention;

/// What is removed, in this order: a session's tokens go before it.
const SWEEPS: [&str; 6] = [
    "idempotency_keys",
    "refresh_tokens",
    "one_time_tokens",
    "sessions",
    "login_failures",
    "jobs",
];

/// Where a retention goes on, and in the end what it did.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Course {
    sweep: usize,
    removed: [u64; SWEEPS.len()],
}

impl Work for Retention {
    fn step<'a>(
        &'a self,
        state: &'a AppState,
        conn: &'a mut PgConnection,
        job: &'a Job,
    ) -> BoxFuture<'a, Result<Step>> {
        Box::pin(async move {
            let mut course: Course = job.checkpoint()?;
            let Some(&sweep) = SWEEPS.get(course.sweep) else {
                return Ok(done(&course));
            };
            let removed = remove(conn, sweep, &state.config.jobs).await?;
            course.removed[course.sweep] += removed;
            if removed < BATCH as u64 {
                course.sweep += 1;
            }
            if course.sweep == SWEEPS.len() {
                return Ok(done(&course));
            }
            Ok(Step::More {
                progress: progress(&course, Some(SWEEPS[course.sweep].replace('_', " "))),
                checkpoint: serde_json::to_value(course).map_err(Error::internal)?,
            })
        })
    }
}

fn progress(course: &Course, message: Option<String>) -> Progress {
    Progress {
        done: course.removed.iter().sum::<u64>() as i64,
        total: None,
        message,
    }
}

fn done(course: &Course) -> Step {
    let removed: serde_json::Map<_, _> = SWEEPS
        .iter()
        .zip(course.removed)
        .map(|(sweep, removed)| ((*sweep).to_owned(), json!(removed)))
        .collect();
    Step::Done {
        result: json!({ "removed": removed }),
        progress: progress(course, None),
    }
}

async fn remove(conn: &mut PgConnection, sweep: &str, config: &JobsConfig) -> Result<u64> {
    let sessions = config.retention_sessions_days;
    match sweep {
        "idempotency_keys" => idempotency_keys(conn).await,
        "refresh_tokens" => auth::store::forget_refresh_tokens(conn, sessions, BATCH).await,
        "one_time_tokens" => auth::store::forget_links(conn, sessions, BATCH).await,
        "sessions" => auth::store::forget_sessions(conn, sessions, BATCH).await,
        "login_failures" => auth::store::forget_failures(conn, BATCH).await,
        _ => job::forget_finished(conn, config.retention_jobs_days, BATCH).await,
    }
}

/// The answers to requests with an idempotency key are kept for a day.
async fn idempotency_keys(conn: &mut PgConnection) -> Result<u64> {
    let done = sqlx::query!(
        "delete from idempotency_keys where (subject, method, path, key) in (
             select subject, method, path, key from idempotency_keys where created_at < now() - interval '24 hours'
             limit $1 for update skip locked)",
        BATCH
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
