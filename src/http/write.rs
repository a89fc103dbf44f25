//! Writes: one transaction, retried when it loses a race, with its answer kept under the idempotency key (if there is
//! one) in that same transaction. So a repeated request has its effect once and reads the first answer again.

use std::marker::PhantomData;

use axum::{
    body::Body,
    extract::{FromRequestParts, OriginalUri},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::{
    app::AppState,
    auth::Principal,
    error::{Code, Error, Result},
    http::etag,
    store::{self, Author, Lent, log::Position},
};

/// The answer to a write, in a form that can be kept and replayed.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Bytes,
}

impl Answer {
    /// An answer with a JSON body.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        Ok(Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        })
    }

    /// An answer without a body: 204.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// Adds the validator of a versioned body.
    #[must_use]
    pub fn versioned(mut self, version: i32) -> Self {
        let etag = etag::of(Some(version), &self.body);
        self.headers.push((header::ETAG, etag));
        self
    }

    /// Adds where the new thing is to be found.
    #[must_use]
    pub fn located(mut self, path: String) -> Self {
        self.headers.push((header::LOCATION, path));
        self
    }
}

/// Header under which a write tells its place in the change log.
pub const POSITION_HEADER: HeaderName = HeaderName::from_static("x-arc-position");

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        if !self.body.is_empty() {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// What a write knows of its request: who, which, under which idempotency key. An extractor.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    subject: String,
    actor_id: uuid::Uuid,
    method: Method,
    path: String,
    key: Option<String>,
    demands: String,
}

impl FromRequestParts<AppState> for WriteRequest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let principal = Principal::from_request_parts(parts, state).await?;
        let OriginalUri(uri) = OriginalUri::from_request_parts(parts, state)
            .await
            .map_err(Error::internal)?;
        let key = match parts.headers.get("idempotency-key") {
            None => None,
            Some(value) => {
                let key = value.to_str().unwrap_or_default().trim();
                if key.is_empty() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(
                        Error::invalid("Idempotency-Key must be 1 to 255 visible ASCII characters")
                            .at("Idempotency-Key"),
                    );
                }
                Some(key.to_owned())
            }
        };
        let demands = format!(
            "{}\n{}",
            uri.query().unwrap_or_default(),
            parts
                .headers
                .get(header::IF_MATCH)
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
        );
        Ok(Self {
            // A key's own: what it may repeat, another key of the same person may not be allowed to read.
            subject: principal
                .key
                .as_ref()
                .map_or(principal.user_id, |key| key.id)
                .to_string(),
            actor_id: principal.user_id,
            method: parts.method.clone(),
            path: uri.path().to_owned(),
            key,
            demands,
        })
    }
}

impl WriteRequest {
    /// Whether the request carries an idempotency key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// The author of the changes this request makes.
    #[must_use]
    pub fn author(&self, reason: Option<String>) -> Author {
        Author {
            actor_id: Some(self.actor_id),
            request_id: Some(super::request_id()),
            reason,
        }
    }

    /// Runs `work` in one transaction. `body` is what the caller sent: the same key with another body is refused.
    pub async fn run<'a, F>(&self, state: &AppState, body: &Value, work: F) -> Result<Answer>
    where
        F: for<'c> Fn(&'c mut PgConnection, Lent<'c, 'a>) -> BoxFuture<'c, Result<Answer>> + Send + Sync,
    {
        let work = &work;
        let epoch = state.tail.epoch().number;
        let answer = store::transaction(&state.db, |conn, _| {
            Box::pin(async move {
                if let Some(kept) = self.claim(conn, body).await? {
                    return Ok(kept);
                }
                let mut answer = work(&mut *conn, PhantomData).await?;
                let tx = store::log::current_tx(conn).await?;
                answer
                    .headers
                    .push((POSITION_HEADER, Position { epoch, tx }.to_string()));
                self.keep(conn, &answer).await?;
                Ok(answer)
            })
        })
        .await?;
        state.tail.wrote();
        Ok(answer)
    }

    fn fingerprint(&self, body: &Value) -> Vec<u8> {
        let mut hasher = Sha256::new();
        hasher.update(&self.demands);
        hasher.update([0]);
        hasher.update(body.to_string());
        hasher.finalize().to_vec()
    }

    /// Takes the key, or returns the answer kept under it. A twin that is still running is waited for.
    async fn claim(&self, conn: &mut PgConnection, body: &Value) -> Result<Option<Answer>> {
        let Some(key) = &self.key else { return Ok(None) };
        let fingerprint = self.fingerprint(body);
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "set local lock_timeout = {}",
            store::LOCK_PATIENCE.as_millis()
        )))
        .execute(&mut *conn)
        .await?;
        let claimed = sqlx::query!(
            "insert into idempotency_keys (subject, method, path, key, request_hash, status, headers, body)
             values ($1, $2, $3, $4, $5, 0, '[]', '') on conflict do nothing",
            self.subject,
            self.method.as_str(),
            self.path,
            key,
            fingerprint,
        )
        .execute(&mut *conn)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(db) if db.code().as_deref() == Some("55P03") => Error::new(
                Code::IdempotencyInProgress,
                "A request with this Idempotency-Key is still running",
            )
            .retry_after(5),
            _ => error.into(),
        })?;
        sqlx::query("set local lock_timeout = default")
            .execute(&mut *conn)
            .await?;
        if claimed.rows_affected() == 1 {
            return Ok(None);
        }
        let kept = sqlx::query!(
            "select request_hash, status, headers, body from idempotency_keys where subject = $1 and method = $2 and path = $3 and key = $4",
            self.subject,
            self.method.as_str(),
            self.path,
            key,
        )
        .fetch_one(conn)
        .await?;
        if kept.request_hash != fingerprint {
            return Err(Error::new(
                Code::IdempotencyMismatch,
                "This Idempotency-Key was used with another request; use a new key",
            )
            .at("Idempotency-Key"));
        }
        let mut headers: Vec<(HeaderName, String)> = serde_json::from_value::<Map<String, Value>>(kept.headers)
            .map_err(Error::internal)?
            .into_iter()
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.as_str()?.to_owned())))
            .collect();
        headers.push((HeaderName::from_static("idempotent-replayed"), "true".into()));
        let status = u16::try_from(kept.status)
            .ok()
            .and_then(|s| StatusCode::from_u16(s).ok())
            .unwrap_or(StatusCode::OK);
        Ok(Some(Answer {
            status,
            headers,
            body: kept.body.into(),
        }))
    }

    async fn keep(&self, conn: &mut PgConnection, answer: &Answer) -> Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        let headers: Map<String, Value> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), json!(value)))
            .collect();
        sqlx::query!(
            "update idempotency_keys set status = $5, headers = $6, body = $7
             where subject = $1 and method = $2 and path = $3 and key = $4",
            self.subject,
            self.method.as_str(),
            self.path,
            key,
            i16::try_from(answer.status.as_u16()).unwrap_or(200),
            Value::Object(headers),
            &answer.body[..],
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
