//! The operators' view of the queue.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{JobView, State as JobState, cancel, changed, location};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Code, Error, ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{Both, NoQuery, Path, Query},
        page::{Page, Paging, Place, decode_cursor, encode_cursor, list_identity, single},
        write::{Answer, WriteRequest},
    },
    job::{
        schedule::{self, Planned},
        store::{self, JobFilter},
    },
};

/// Which jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobsFilter {
    /// Only those in this state.
    state: Option<JobState>,
    /// Only those of this kind.
    #[param(max_length = 100)]
    kind: Option<String>,
}

/// A job, and what an operator wants to know of it besides.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueuedJob {
    #[serde(flatten)]
    job: JobView,
    /// Jobs of one kind with the same key do not pile up and do not run at once.
    key: Option<String>,
    /// Higher goes first.
    priority: i16,
    /// What it was asked to do.
    payload: Value,
    /// The process that works on it, or did last.
    holder: Option<String>,
}

impl From<super::Job> for QueuedJob {
    fn from(job: super::Job) -> Self {
        Self {
            key: job.key.clone(),
            priority: job.priority,
            payload: job.payload.clone(),
            holder: job.holder.clone(),
            job: job.into(),
        }
    }
}

/// List jobs
///
/// The newest first. Those that ended are kept for `RETENTION_JOBS_DAYS`.
#[utoipa::path(
    get, path = "/admin/jobs", tag = "Jobs", operation_id = "list_jobs", params(JobsFilter, Paging),
    responses(
        (status = 200, description = "Jobs", body = Page<QueuedJob>, headers(("ETag" = String))),
        (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_integrations")))
)]
pub async fn list_jobs(
    State(state): State<AppState>,
    _: Allowed<right::ManageIntegrations>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(wanted, paging)): Query<Both<JobsFilter, Paging>>,
) -> Result<Response> {
    let request = paging.validate()?;
    if wanted.kind.as_ref().is_some_and(|kind| kind.chars().count() > 100) {
        return Err(Error::invalid("kind is longer than 100 characters").at("kind"));
    }
    if wanted.kind.as_ref().is_some_and(|kind| kind.contains('\0')) {
        return Err(Error::invalid("kind must not contain NUL").at("kind"));
    }
    let by_state = wanted.state.map_or("", JobState::name);
    let identity = list_identity(&["jobs", by_state, wanted.kind.as_deref().unwrap_or_default()]);
    let before: Option<(DateTime<Utc>, Uuid)> = match &request.position {
        Place::Cursor(Some(cursor)) => Some(decode_cursor(&identity, cursor)?),
        _ => None,
    };
    let filter = JobFilter {
        state: wanted.state,
        kind: wanted.kind,
        before,
    };
    let (limit, offset) = (request.limit as i64 + 1, request.offset() as i64);
    let mut conn = state.db.acquire().await?;
    let jobs = store::list(&mut conn, &filter, limit, offset).await?;
    let total = if request.count {
        Some(store::count(&mut conn, &filter).await?)
    } else {
        None
    };
    drop(conn);
    let views: Vec<QueuedJob> = jobs.into_iter().map(QueuedJob::from).collect();
    let cursor = |last: &QueuedJob| encode_cursor(&identity, &(last.job.created_at, last.job.id));
    validated(&headers, None, &Page::build(views, &request, total, &uri, cursor))
}

/// Retry a job
///
/// One that failed or was cancelled goes into the queue again and goes on from the last step it had done.
#[utoipa::path(
    post, path = "/admin/jobs/{id}/retry", tag = "Jobs", operation_id = "retry_job",
    params(("id" = Uuid, Path, description = "The job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 202, description = "It waits for its turn", body = JobView, headers(("Location" = String))),
        (status = 404, description = "There is no such job", body = ErrorEnvelope),
        (status = 409, description = "It neither failed nor was cancelled", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_integrations")))
)]
pub async fn retry_job(
    State(state): State<AppState>,
    _: Allowed<right::ManageIntegrations>,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Answer> {
    let request = &request;
    let answer = request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
                let before = store::lock(conn, id)
                    .await?
                    .ok_or_else(|| Error::not_found("job", id))?;
                if !matches!(before.state, JobState::Failed | JobState::Cancelled) {
                    let text = format!(
                        "The job is {}: only one that failed or was cancelled is tried again",
                        before.state.name()
                    );
                    return Err(Error::new(Code::Conflict, text).with(json!({ "state": before.state })));
                }
                store::retry(conn, id).await?;
                let view = changed(conn, request, &before, "retried").await?;
                Ok(Answer::json(StatusCode::ACCEPTED, &view)?.located(location(id)))
            })
        })
        .await?;
    state.jobs.changed(&state.db).await;
    Ok(answer)
}

/// Cancel anybody's job
///
/// One that waits is cancelled at once; one that runs stops before its next step, and what it has done until then stays.
#[utoipa::path(
    post, path = "/admin/jobs/{id}/cancel", tag = "Jobs", operation_id = "cancel_any_job",
    params(("id" = Uuid, Path, description = "The job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "The job as it is now: `cancelled`, or `running` with `cancel_requested`", body = JobView),
        (status = 404, description = "There is no such job", body = ErrorEnvelope),
        (status = 409, description = "It has ended otherwise already", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_integrations")))
)]
pub async fn cancel_any_job(
    State(state): State<AppState>,
    _: Allowed<right::ManageIntegrations>,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Answer> {
    let request = &request;
    let answer = request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move { Answer::json(StatusCode::OK, &cancel(conn, request, id, |_| true).await?) })
        })
        .await?;
    state.jobs.changed(&state.db).await;
    Ok(answer)
}

/// A job that runs by the clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Identifies it.
    #[schema(example = "sunset")]
    name: String,
    /// The kind of job.
    #[schema(example = "sunset")]
    kind: String,
    /// When, as a cron expression in UTC; `off`: never by itself.
    #[schema(example = "0 1 * * *")]
    cron: String,
    /// When next.
    next_run_at: Option<DateTime<Utc>>,
    /// When last, by the clock or by hand.
    last_run_at: Option<DateTime<Utc>>,
    /// The job of that time; it may be gone by now.
    last_job_id: Option<Uuid>,
}

impl From<Planned> for ScheduleView {
    fn from(planned: Planned) -> Self {
        Self {
            name: planned.name,
            kind: planned.kind,
            cron: planned.cron,
            next_run_at: planned.next_run_at,
            last_run_at: planned.last_run_at,
            last_job_id: planned.last_job_id,
        }
    }
}

/// List schedules
///
/// What runs by the clock. The times are settings, see `SCHEDULE_…` in the configuration.
#[utoipa::path(
    get, path = "/admin/schedules", tag = "Jobs", operation_id = "list_schedules",
    responses(
        (status = 200, description = "Schedules by name, all on one page", body = Page<ScheduleView>, headers(("ETag" = String))),
        (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_integrations")))
)]
pub async fn list_schedules(
    State(state): State<AppState>,
    _: Allowed<right::ManageIntegrations>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let planned = schedule::list(&mut conn).await?;
    drop(conn);
    let views: Vec<ScheduleView> = planned.into_iter().map(ScheduleView::from).collect();
    validated(&headers, None, &single(views))
}

/// Run a schedule now
///
/// Asks for its job besides its times. If one waits already, that one is answered.
#[utoipa::path(
    post, path = "/admin/schedules/{name}/run", tag = "Jobs", operation_id = "run_schedule",
    params(("name" = String, Path, description = "The schedule's name", example = "sunset"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 202, description = "The job, which waits for its turn", body = JobView, headers(("Location" = String))),
        (status = 404, description = "There is no such schedule", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_integrations")))
)]
pub async fn run_schedule(
    State(state): State<AppState>,
    caller: Allowed<right::ManageIntegrations>,
    request: WriteRequest,
    Path(name): Path<String>,
    _: NoQuery,
) -> Result<Answer> {
    let (request, name, user) = (&request, &name, caller.0.user_id);
    let schedules = &crate::app::schedules(&state.config);
    let answer = request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
                let id = schedule::run_now(conn, schedules, name, user).await?;
                let job = store::lock(conn, id)
                    .await?
                    .ok_or_else(|| Error::not_found("job", id))?;
                let view = changed(conn, request, &job, "requested").await?;
                Ok(Answer::json(StatusCode::ACCEPTED, &view)?.located(location(id)))
            })
        })
        .await?;
    Ok(answer)
}
