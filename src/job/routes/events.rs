//! A job as a stream of server-sent events, to its end.

use std::{convert::Infallible, net::IpAddr, time::Duration};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Job, JobView, visible};
use crate::{
    app::AppState,
    auth::{self, Principal},
    error::{Error, ErrorEnvelope, Result},
    http::{
        extract::{NoQuery, Path},
        middleware::ClientIp,
    },
};

/// How often to look when nobody says that something changed.
const POLL: Duration = Duration::from_secs(1);
/// How often to look at most, however much changes.
const PACE: Duration = Duration::from_millis(200);
/// How often to send something even so, to keep proxies from hanging up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long one stream lasts; the client comes back with `Last-Event-ID`.
const LONGEST: Duration = Duration::from_mins(30);
/// How long a client waits before it comes back.
const COME_BACK: Duration = Duration::from_secs(2);

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the events, which are written field by field")]
pub struct JobEvent {
    /// To come back with, as `Last-Event-ID`.
    #[schema(pattern = "^[0-9]{1,18}$")]
    id: String,
    /// `finished` is the last one.
    #[schema(pattern = "^(progress|finished)$")]
    event: String,
    /// The job as JSON.
    data: String,
    /// Milliseconds after which to come back when the connection is lost.
    #[schema(minimum = 0)]
    retry: u32,
}

/// Follow a job
///
/// Server-sent events: `progress` whenever the job has changed, `finished` when it has ended, both with the job as data;
/// then the stream ends. The first event comes at once. A comment every 15 seconds keeps the connection alive. A client
/// that lost the connection comes back with `Last-Event-ID` and gets what it missed, as one event; when it has seen the
/// end already the answer is 204, which tells browsers to stop coming back.
#[utoipa::path(
    get, path = "/jobs/{id}/events", tag = "Jobs", operation_id = "follow_job",
    params(("id" = Uuid, Path, description = "The job's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen; browsers send it by themselves", example = "17")),
    responses(
        (status = 200, description = "Events, each `id: <n>`, `event: progress` or `finished`, `data: <the job as JSON>`", body = JobEvent, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended, and you have seen that"),
        (status = 400, description = "`Last-Event-ID` is not an id of these events", body = ErrorEnvelope),
        (status = 404, description = "There is no such job, or it is somebody else's", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn follow_job(
    State(state): State<AppState>,
    caller: Principal,
    Extension(ClientIp(address)): Extension<ClientIp>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Response> {
    let seen = last_event_id(&headers)?;
    // Before the first look, so that nothing falls in between.
    let news = state.jobs.follow();
    let mut conn = state.db.acquire().await?;
    let job = visible(&mut conn, &caller, id).await?;
    drop(conn);
    if job.state.has_ended() && seen == Some(job.revision) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = state.jobs.streams.clone().try_acquire_owned().map_err(|_| {
        let mut busy = Error::unavailable("event stream", None).retry_after(5);
        busy.message = "Too many event streams are open; ask for the job itself now and then instead".into();
        busy
    })?;
    let first = (seen != Some(job.revision)).then_some(job);
    let follower = Follower {
        state,
        headers,
        address,
        id,
        news,
        seen,
        first,
        looked: Instant::now(),
        until: Instant::now() + LONGEST,
        _place: place,
    };
    let events = stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        let job = follower.next().await?;
        let ended = job.state.has_ended();
        let event = event(job);
        Some((Ok::<_, Infallible>(event), (!ended).then_some(follower)))
    })
    // What keeps the connection alive asks once more after the end.
    .fuse();
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still there"));
    let mut response = stream.into_response();
    // Some proxies hold back answers until they are complete.
    response.headers_mut().insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    match value.to_str().map(str::trim) {
        Ok("") => Ok(None),
        Ok(text) if text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 18 => {
            Ok(Some(text.parse().map_err(Error::internal)?))
        }
        _ => Err(Error::invalid("Last-Event-ID must be the id of an event of this job").at("Last-Event-ID")),
    }
}

fn event(job: Job) -> Event {
    let name = if job.state.has_ended() { "finished" } else { "progress" };
    let id = job.revision.to_string();
    let data = serde_json::to_string(&JobView::from(job)).unwrap_or_default();
    Event::default().event(name).id(id).retry(COME_BACK).data(data)
}

/// One client that follows one job.
struct Follower {
    state: AppState,
    headers: HeaderMap,
    address: IpAddr,
    id: Uuid,
    news: watch::Receiver<u64>,
    seen: Option<i64>,
    first: Option<Job>,
    looked: Instant,
    until: Instant,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The job when it has changed; none when the stream is to end.
    async fn next(&mut self) -> Option<Job> {
        if let Some(job) = self.first.take() {
            self.seen = Some(job.revision);
            return Some(job);
        }
        loop {
            let _ = tokio::time::timeout(POLL, self.news.changed()).await;
            tokio::time::sleep_until(self.looked + PACE).await;
            self.looked = Instant::now();
            if Instant::now() >= self.until || self.state.health.is_stopping() {
                return None;
            }
            // What the caller may do can change while the stream is open.
            let caller = auth::caller(&self.state, &self.headers, self.address).await?;
            let found = async {
                let mut conn = self.state.db.acquire().await?;
                visible(&mut conn, &caller, self.id).await
            };
            match found.await {
                Ok(job) if Some(job.revision) != self.seen => {
                    self.seen = Some(job.revision);
                    return Some(job);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "an event stream ends early; its client comes back");
                    return None;
                }
            }
        }
    }
}
