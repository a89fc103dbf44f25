//! One's own sessions.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::by;
use crate::{
    app::AppState,
    auth::{
        Principal,
        store::{self, SessionFilter, SessionRow},
    },
    error::{Error, ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{Path, Query},
        page::{Page, Paging, Place, decode_cursor, encode_cursor, list_identity},
    },
    store::transaction,
};

/// One of the caller's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Identifies the session.
    id: Uuid,
    /// Whether it is the one that asks.
    current: bool,
    /// The program that began it, in its own words.
    device: Option<String>,
    /// The address it was begun from.
    ip: Option<String>,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it was last in use, to five minutes.
    last_active_at: DateTime<Utc>,
    /// When it ends unless it is refreshed.
    expires_at: DateTime<Utc>,
}

impl SessionView {
    fn new(row: SessionRow, current: Uuid) -> Self {
        Self {
            current: row.id == current,
            id: row.id,
            device: row.user_agent,
            ip: row.ip,
            created_at: row.created_at,
            last_active_at: row.last_active_at,
            expires_at: row.expires_at,
        }
    }
}

/// List one's sessions
///
/// The living ones, newest first.
#[utoipa::path(
    get, path = "/auth/sessions", tag = "Authentication", operation_id = "list_sessions",
    params(Paging),
    responses((status = 200, description = "Sessions", body = Page<SessionView>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn list_sessions(
    State(state): State<AppState>,
    caller: Principal,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    let request = paging.validate()?;
    let identity = list_identity(&["sessions", &caller.user_id.to_string()]);
    let before = match &request.position {
        Place::Cursor(Some(cursor)) => Some(decode_cursor(&identity, cursor)?),
        _ => None,
    };
    let filter = SessionFilter {
        user_id: caller.user_id,
        before,
    };
    let (limit, offset) = (request.limit as i64 + 1, request.offset() as i64);
    let mut conn = state.db.acquire().await?;
    let (rows, total) = store::list_sessions(&mut conn, filter, state.clock.now(), limit, offset).await?;
    drop(conn);
    let views = rows
        .into_iter()
        .map(|row| SessionView::new(row, caller.session_id))
        .collect();
    let total = request.count.then_some(total);
    validated(
        &headers,
        None,
        &Page::build(views, &request, total, &uri, |view: &SessionView| {
            encode_cursor(&identity, &view.id)
        }),
    )
}

/// End one of one's sessions
///
/// Ends one session of the caller, by the id that the list of sessions gives. It is refused within a second on every
/// instance.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "Authentication", operation_id = "revoke_session",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 204, description = "The session has ended"), (status = 404, description = "You have no such living session", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn revoke_session(
    State(state): State<AppState>,
    caller: Principal,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let user = caller.user_id;
    transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let own = store::find_standing(conn, id)
                .await?
                .is_some_and(|s| s.user_id == user && s.expires_at > now);
            if own && store::revoke_session(conn, &by(user), id, "revoked by its owner", now).await? {
                return Ok(());
            }
            Err(Error::not_found("session", id))
        })
    })
    .await?;
    state.sessions.forget(id);
    state.tail.wrote();
    Ok(StatusCode::NO_CONTENT)
}

/// Which sessions to end.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Extent {
    /// Also the session that asks. Default false.
    include_current: Option<bool>,
}

/// End all one's other sessions
///
/// Ends all sessions of the caller but the one that asks. They are refused within a second on every instance.
#[utoipa::path(
    delete, path = "/auth/sessions", tag = "Authentication", operation_id = "revoke_sessions",
    params(Extent),
    responses((status = 204, description = "The sessions have ended")),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn revoke_sessions(
    State(state): State<AppState>,
    caller: Principal,
    Query(extent): Query<Extent>,
) -> Result<StatusCode> {
    let now = state.clock.now();
    let except = if extent.include_current == Some(true) {
        None
    } else {
        Some(caller.session_id)
    };
    let id = caller.user_id;
    transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let user = store::lock_user(conn, id)
                .await?
                .ok_or_else(|| Error::not_found("user", id))?;
            store::revoke_other_sessions(conn, id, except, "revoked by its owner", now).await?;
            store::log_user(conn, &by(id), id, "sessions_revoked", user.version, &[]).await
        })
    })
    .await?;
    state.sessions.forget_user(id);
    state.tail.wrote();
    Ok(StatusCode::NO_CONTENT)
}
