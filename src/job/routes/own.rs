//! One's own jobs.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::Value;
use uuid::Uuid;

use super::{JobView, cancel, visible};
use crate::{
    app::AppState,
    auth::Principal,
    error::{ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{NoQuery, Path},
        write::{Answer, WriteRequest},
    },
};

/// Read a job
///
/// One that you asked for; operators (`manage_integrations`) read any. The `Location` of a 202 answer leads here. To wait
/// for the end, follow `/jobs/{id}/events`, or ask every few seconds with `If-None-Match`.
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "Jobs", operation_id = "get_job",
    params(("id" = Uuid, Path, description = "The job's id")),
    responses(
        (status = 200, description = "The job", body = JobView, headers(("ETag" = String))),
        (status = 304, description = "You have it already"),
        (status = 404, description = "There is no such job, or it is somebody else's", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn get_job(
    State(state): State<AppState>,
    caller: Principal,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let job = visible(&mut conn, &caller, id).await?;
    drop(conn);
    validated(&headers, None, &JobView::from(job))
}

/// Cancel a job
///
/// One that you asked for. One that waits is cancelled at once; one that runs stops before its next step, and what it has
/// done until then stays. Asking again changes nothing.
#[utoipa::path(
    post, path = "/jobs/{id}/cancel", tag = "Jobs", operation_id = "cancel_job",
    params(("id" = Uuid, Path, description = "The job's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "The job as it is now: `cancelled`, or `running` with `cancel_requested`", body = JobView),
        (status = 404, description = "There is no such job, or it is somebody else's", body = ErrorEnvelope),
        (status = 409, description = "It has ended otherwise already", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn cancel_job(
    State(state): State<AppState>,
    caller: Principal,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Answer> {
    let (request, caller) = (&request, &caller);
    let answer = request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
                let own = |job: &super::Job| job.created_by == Some(caller.user_id) || caller.may(super::OPERATE);
                Answer::json(StatusCode::OK, &cancel(conn, request, id, own).await?)
            })
        })
        .await?;
    state.jobs.changed(&state.db).await;
    Ok(answer)
}
