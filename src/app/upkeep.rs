//! What is thrown away when nobody needs it any more.

use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::AppState;
use crate::error::Result;

/// How often to look.
const INTERVAL: Duration = Duration::from_hours(1);
/// How long the answer to a request with an idempotency key is kept.
const IDEMPOTENCY_KEYS: TimeDelta = TimeDelta::hours(24);

/// Works until `stop`.
pub async fn follow(state: AppState, stop: CancellationToken) {
    loop {
        match forget_idempotency_keys(&state).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "idempotency keys older than a day forgotten"),
            Err(error) => tracing::warn!(%error, "idempotency keys cannot be forgotten now; trying again in an hour"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn forget_idempotency_keys(state: &AppState) -> Result<u64> {
    let before = state.clock.now() - IDEMPOTENCY_KEYS;
    let deleted = sqlx::query!("delete from idempotency_keys where created_at < $1", before)
        .execute(&state.db)
        .await?;
    Ok(deleted.rows_affected())
}
