//! The routes of jobs: whoever asked for one follows it, operators see and steer all of them.

mod admin;
mod events;
mod own;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{Job, JobError, Progress, State, store};
use crate::{
    app::AppState,
    auth::{Permission, Principal},
    error::{Code, Error, Result},
    http::write::WriteRequest,
    store::log::{self, NewChange},
};

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(own::get_job))
        .routes(routes!(own::cancel_job))
        .routes(routes!(events::follow_job))
        .routes(routes!(admin::list_jobs))
        .routes(routes!(admin::retry_job))
        .routes(routes!(admin::cancel_any_job))
        .routes(routes!(admin::list_schedules))
        .routes(routes!(admin::run_schedule))
}

/// What operators of the queue may do.
const OPERATE: Permission = Permission::ManageIntegrations;

/// A job, as its owner and operators see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JobView {
    /// Identifies it.
    pub id: Uuid,
    /// What is done, for example `quality_recompute`.
    #[schema(example = "quality_recompute")]
    pub kind: String,
    /// Where it stands.
    pub state: State,
    /// How far it has come.
    pub progress: Progress,
    /// What came of it, once it has succeeded; its form depends on the kind.
    pub result: Option<Value>,
    /// What went wrong, the last ten tries; also of a job that succeeded in the end.
    pub errors: Vec<JobError>,
    /// Tries since the last step that was done, the present one included.
    pub attempts: i32,
    /// So many tries without a step and it is given up.
    pub max_attempts: i32,
    /// It was asked to stop and will before its next step.
    pub cancel_requested: bool,
    /// Who asked for it; null when the system did.
    pub created_by: Option<Uuid>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Not before: when it, or its next try, may begin.
    pub run_at: DateTime<Utc>,
    /// When it was first taken up.
    pub started_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            state: job.state,
            progress: job.progress,
            result: job.result,
            errors: job.errors,
            attempts: job.attempts,
            max_attempts: job.max_attempts,
            cancel_requested: job.cancel_requested,
            created_by: job.created_by,
            created_at: job.created_at,
            run_at: job.run_at,
            started_at: job.started_at,
            updated_at: job.updated_at,
            finished_at: job.finished_at,
        }
    }
}

/// Where a job is to be found.
fn location(id: Uuid) -> String {
    format!("/api/v1/jobs/{id}")
}

/// The job, if there is one for the caller: their own, or any for operators.
async fn visible(conn: &mut PgConnection, caller: &Principal, id: Uuid) -> Result<Job> {
    store::find(conn, id)
        .await?
        .filter(|job| job.created_by == Some(caller.user_id) || caller.may(OPERATE))
        .ok_or_else(|| Error::not_found("job", id))
}

/// Asks a job that `may` allows to stop; repeating it changes nothing. The change log says who did.
async fn cancel(
    conn: &mut PgConnection,
    request: &WriteRequest,
    id: Uuid,
    may: impl FnOnce(&Job) -> bool,
) -> Result<JobView> {
    let before = store::lock(conn, id)
        .await?
        .filter(may)
        .ok_or_else(|| Error::not_found("job", id))?;
    if before.state == State::Cancelled || before.cancel_requested && !before.state.has_ended() {
        return Ok(before.into());
    }
    if before.state.has_ended() {
        return Err(ended(&before));
    }
    store::cancel(conn, id).await?;
    changed(conn, request, &before, "cancelled").await
}

fn ended(job: &Job) -> Error {
    let text = format!("The job has {} already", job.state.name());
    Error::new(Code::Conflict, text).with(serde_json::json!({ "state": job.state }))
}

/// Logs what a person did to a locked job, and shows what it is now.
async fn changed(conn: &mut PgConnection, request: &WriteRequest, before: &Job, action: &str) -> Result<JobView> {
    let after = store::find(conn, before.id)
        .await?
        .ok_or_else(|| Error::not_found("job", before.id))?;
    let change = NewChange {
        entity: "job",
        entity_id: before.id,
        entity_type: Some(&before.kind),
        action,
        version: i32::try_from(after.revision).unwrap_or(i32::MAX),
        before: Some(store::logged(before)),
        after: Some(store::logged(&after)),
    };
    log::append(conn, &request.author(None), change).await?;
    Ok(after.into())
}
