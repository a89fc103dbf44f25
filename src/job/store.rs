//! The SQL of the queue. Every time is the database's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder, types::Json};
use uuid::Uuid;

use super::{
    Job, JobError, NewJob, Progress, State, Step,
    news::{CHANNEL, QUEUED},
};
use crate::{
    error::{Error, Result},
    store::violates,
};

/// As many errors as a job remembers.
const ERRORS: i32 = 10;

/// A job's row.
#[derive(FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    payload: Value,
    state: String,
    key: Option<String>,
    priority: i16,
    run_at: DateTime<Utc>,
    attempts: i32,
    max_attempts: i32,
    done: i64,
    total: Option<i64>,
    message: Option<String>,
    checkpoint: Option<Value>,
    result: Option<Value>,
    errors: Json<Vec<JobError>>,
    created_by: Option<Uuid>,
    holder: Option<String>,
    cancel_requested: bool,
    revision: i64,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Job {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            state: State::parse(&row.state).ok_or_else(|| Error::internal("a job in an unknown state"))?,
            id: row.id,
            kind: row.kind,
            payload: row.payload,
            key: row.key,
            priority: row.priority,
            run_at: row.run_at,
            attempts: row.attempts,
            max_attempts: row.max_attempts,
            progress: Progress {
                done: row.done,
                total: row.total,
                message: row.message,
            },
            checkpoint: row.checkpoint,
            result: row.result,
            errors: row.errors.0,
            created_by: row.created_by,
            holder: row.holder,
            cancel_requested: row.cancel_requested,
            revision: row.revision,
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
        })
    }
}

const COLUMNS: &str = "id, kind, payload, state, key, priority, run_at, attempts, max_attempts, done, total, message, checkpoint, \
     result, errors, created_by, holder, cancel_requested, revision, created_at, started_at, updated_at, finished_at";

/// A duration as Postgres takes it.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Puts a job into the queue, in the caller's transaction: it is there when that is committed, and only then. With a key,
/// one that waits for its first run already stands for this one too; it will then run no earlier than this one would.
pub async fn enqueue(conn: &mut PgConnection, job: NewJob) -> Result<Uuid> {
    let id = sqlx::query_scalar!(
        "insert into jobs (id, kind, payload, key, run_at, created_by)
         values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5), $6)
         on conflict (kind, key) where state = 'queued' and started_at is null and key is not null
         do update set run_at = greatest(jobs.run_at, excluded.run_at), updated_at = clock_timestamp(), revision = jobs.revision + 1
         returning id",
        Uuid::now_v7(),
        job.kind,
        job.payload,
        job.key,
        seconds(job.delay),
        job.created_by,
    )
    .fetch_one(&mut *conn)
    .await?;
    // Delivered when the transaction is committed. It makes commits that ask for jobs queue for a moment, and no others.
    sqlx::query!("select pg_notify($1, $2)", CHANNEL, QUEUED)
        .fetch_one(conn)
        .await?;
    Ok(id)
}

/// The right to work on a job, until somebody else takes it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The job as it was taken.
    pub job: Job,
    /// What proves the right.
    pub token: Uuid,
}

/// Takes a job of these kinds for a while: one whose holder is gone first, else the next in the queue.
pub async fn claim(conn: &mut PgConnection, kinds: &[String], holder: &str, lease: Duration) -> Result<Option<Claim>> {
    let abandoned = "select id from jobs where state = 'running' and lease_until < now() and kind = any($1)
                     order by lease_until for update skip locked limit 1";
    let next = "select id from jobs j where state = 'queued' and run_at <= now() and kind = any($1)
                  and not exists (select 1 from jobs r where r.kind = j.kind and r.key = j.key and r.state = 'running')
                order by priority desc, run_at, id for update skip locked limit 1";
    for wanted in [abandoned, next] {
        let token = Uuid::new_v4();
        let mut query = QueryBuilder::<Postgres>::new(
            "update jobs set state = 'running', attempts = attempts + 1, lease_token = $2, holder = $3,
                 lease_until = clock_timestamp() + make_interval(secs => $4),
                 started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp(), revision = revision + 1
             where id = (",
        );
        query.push(wanted).push(") returning ").push(COLUMNS);
        let taken = query
            .build_query_as::<Row>()
            .bind(kinds)
            .bind(token)
            .bind(holder)
            .bind(seconds(lease))
            .fetch_optional(&mut *conn)
            .await;
        match taken {
            Ok(Some(row)) => {
                return Ok(Some(Claim {
                    job: row.try_into()?,
                    token,
                }));
            }
            Ok(None) => {}
            // Somebody took another job with the same key at this very moment.
            Err(error) if violates(&error, "jobs_running_key") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Whether a job is still held by the token, and whether it is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is.
    Kept,
    /// It is, and somebody asked for it to stop.
    StopRequested,
    /// Somebody else has it, or it ended.
    Lost,
}

fn hold(cancel_requested: Option<bool>) -> Hold {
    match cancel_requested {
        None => Hold::Lost,
        Some(false) => Hold::Kept,
        Some(true) => Hold::StopRequested,
    }
}

/// Writes what a step came to, at the end of the step's transaction. When the job is lost nothing is written, and the
/// caller rolls back: this is what keeps the effects of one who was taken for dead from being committed.
pub async fn finish_step(conn: &mut PgConnection, id: Uuid, token: Uuid, step: &Step, lease: Duration) -> Result<Hold> {
    let (checkpoint, result, progress) = match step {
        Step::More { checkpoint, progress } => (Some(checkpoint), None, progress),
        Step::Done { result, progress } => (None, Some(result), progress),
    };
    let held = sqlx::query_scalar!(
        "update jobs set
             state = case when $3 then 'succeeded' else 'running' end,
             checkpoint = $4, result = $5, done = greatest(done, $6), total = $7, message = $8,
             attempts = case when $3 then attempts else 1 end,
             lease_token = case when $3 then null else lease_token end,
             lease_until = case when $3 then null else clock_timestamp() + make_interval(secs => $9) end,
             finished_at = case when $3 then clock_timestamp() end,
             updated_at = clock_timestamp(), revision = revision + 1
         where id = $1 and lease_token = $2 returning cancel_requested",
        id,
        token,
        result.is_some(),
        checkpoint,
        result,
        progress.done,
        progress.total,
        progress.message,
        seconds(lease),
    )
    .fetch_optional(conn)
    .await?;
    Ok(hold(held))
}

/// Keeps a job for longer while a step is under way.
pub async fn renew(conn: &mut PgConnection, id: Uuid, token: Uuid, lease: Duration) -> Result<Hold> {
    let held = sqlx::query_scalar!(
        "update jobs set lease_until = clock_timestamp() + make_interval(secs => $3)
         where id = $1 and lease_token = $2 returning cancel_requested",
        id,
        token,
        seconds(lease),
    )
    .fetch_optional(conn)
    .await?;
    Ok(hold(held))
}

/// What becomes of a job that its holder lets go without a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It goes back into the queue as if this try had not been made.
    HandBack,
    /// It is tried again after a while.
    Retry(Duration),
    /// It is given up.
    Fail,
    /// It stops because somebody asked for it.
    Cancel,
}

/// Lets a job go. Says whether it was still held.
pub async fn release(
    conn: &mut PgConnection,
    id: Uuid,
    token: Uuid,
    release: Release,
    error: Option<(&str, &str)>,
) -> Result<bool> {
    let (state, delay) = match release {
        Release::HandBack => (State::Queued, Duration::ZERO),
        Release::Retry(delay) => (State::Queued, delay),
        Release::Fail => (State::Failed, Duration::ZERO),
        Release::Cancel => (State::Cancelled, Duration::ZERO),
    };
    let (code, message) = error.unzip();
    let done = sqlx::query!(
        "update jobs set state = $3, run_at = clock_timestamp() + make_interval(secs => $4),
             attempts = attempts - case when $5 then 1 else 0 end, lease_token = null, lease_until = null,
             finished_at = case when $6 then clock_timestamp() end, updated_at = clock_timestamp(), revision = revision + 1,
             errors = case when $7::text is null then errors else
                 (case when jsonb_array_length(errors) >= $9 then errors - 0 else errors end)
                 || jsonb_build_array(jsonb_build_object(
                        'at', clock_timestamp(), 'attempt', attempts, 'code', $7::text, 'message', left($8::text, 1000))) end
         where id = $1 and lease_token = $2",
        id,
        token,
        state.name(),
        seconds(delay),
        release == Release::HandBack,
        state.has_ended(),
        code,
        message,
        ERRORS,
    )
    .execute(&mut *conn)
    .await?;
    if state == State::Queued && done.rows_affected() > 0 {
        sqlx::query!("select pg_notify($1, $2)", CHANNEL, QUEUED)
            .fetch_one(conn)
            .await?;
    }
    Ok(done.rows_affected() > 0)
}

/// The job.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Job>> {
    fetch(conn, id, "").await
}

/// The job, locked until the end of the transaction.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<Job>> {
    fetch(conn, id, " for update").await
}

async fn fetch(conn: &mut PgConnection, id: Uuid, lock: &str) -> Result<Option<Job>> {
    let mut query = QueryBuilder::<Postgres>::new("select ");
    query
        .push(COLUMNS)
        .push(" from jobs where id = ")
        .push_bind(id)
        .push(lock);
    let row = query.build_query_as::<Row>().fetch_optional(conn).await?;
    row.map(Job::try_from).transpose()
}

/// Asks a locked job to stop: one that waits stops at once, one that runs before its next step.
pub async fn cancel(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    sqlx::query!(
        "update jobs set cancel_requested = true, updated_at = clock_timestamp(), revision = revision + 1,
             state = case when state = 'queued' then 'cancelled' else state end,
             finished_at = case when state = 'queued' then clock_timestamp() end
         where id = $1 and state in ('queued', 'running')",
        id
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Puts a locked job that failed or was cancelled into the queue again; it goes on from its last step.
pub async fn retry(conn: &mut PgConnection, id: Uuid) -> Result<()> {
    sqlx::query!(
        "update jobs set state = 'queued', run_at = clock_timestamp(), attempts = 0, cancel_requested = false,
             finished_at = null, started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp(),
             revision = revision + 1
         where id = $1 and state in ('failed', 'cancelled')",
        id
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("select pg_notify($1, $2)", CHANNEL, QUEUED)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Which jobs.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Older than the job of this id.
    pub before: Option<(DateTime<Utc>, Uuid)>,
}

fn filtered(query: &mut QueryBuilder<Postgres>, filter: &JobFilter) {
    query.push(" where true");
    if let Some(state) = filter.state {
        query.push(" and state = ").push_bind(state.name());
    }
    if let Some(kind) = &filter.kind {
        query.push(" and kind = ").push_bind(kind.clone());
    }
}

/// Jobs, the newest first.
pub async fn list(conn: &mut PgConnection, filter: &JobFilter, limit: i64, offset: i64) -> Result<Vec<Job>> {
    let mut query = QueryBuilder::<Postgres>::new("select ");
    query.push(COLUMNS).push(" from jobs");
    filtered(&mut query, filter);
    if let Some((at, id)) = filter.before {
        query.push(" and (created_at, id) < (").push_bind(at).push(", ");
        query.push_bind(id).push(")");
    }
    query.push(" order by created_at desc, id desc limit ").push_bind(limit);
    query.push(" offset ").push_bind(offset);
    let rows = query.build_query_as::<Row>().fetch_all(conn).await?;
    rows.into_iter().map(Job::try_from).collect()
}

/// How many there are.
pub async fn count(conn: &mut PgConnection, filter: &JobFilter) -> Result<u64> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) from jobs");
    filtered(&mut query, filter);
    let count: i64 = query.build_query_scalar().fetch_one(conn).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How many jobs of a kind wait and run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// The kind.
    pub kind: String,
    /// So many wait.
    pub queued: i64,
    /// So many run.
    pub running: i64,
}

/// What there is to do, by kind, and for how many seconds the oldest job has been waiting for a free worker.
pub async fn depths(conn: &mut PgConnection) -> Result<(Vec<Depth>, f64)> {
    let depths = sqlx::query_as!(
        Depth,
        r#"select kind, count(*) filter (where state = 'queued') "queued!", count(*) filter (where state = 'running') "running!"
           from jobs where state in ('queued', 'running') group by kind"#
    )
    .fetch_all(&mut *conn)
    .await?;
    let oldest = sqlx::query_scalar!(
        r#"select coalesce(max(extract(epoch from now() - run_at)), 0)::float8 "age!"
           from jobs where state = 'queued' and run_at <= now()"#
    )
    .fetch_one(conn)
    .await?;
    Ok((depths, oldest))
}

/// Removes some of the jobs that ended more than `days` ago; how many.
pub async fn forget_finished(conn: &mut PgConnection, days: i32, limit: i64) -> Result<u64> {
    let done = sqlx::query!(
        "delete from jobs where id in (
             select id from jobs where finished_at < now() - make_interval(days => $1) order by finished_at limit $2
             for update skip locked)",
        days,
        limit
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The job as the change log holds it: what was asked of it, not what it does.
#[must_use]
pub fn logged(job: &Job) -> Value {
    json!({ "kind": job.kind, "state": job.state, "key": job.key, "cancel_requested": job.cancel_requested })
}
