//! Trying a password, with everything that keeps it from being tried too often.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::{
    lockout::{self, Admission},
    password, store,
};
use crate::{
    app::AppState,
    error::{Code, Error, Result},
    store::transaction,
    telemetry::metrics::AUTH_FAILURES_TOTAL,
};

/// What tries are counted under.
#[derive(Clone, Debug)]
pub struct Counter {
    /// The digest of the account.
    pub account: Vec<u8>,
    /// Where the tries come from.
    pub address: String,
}

impl Counter {
    /// For the account with this address key.
    #[must_use]
    pub fn new(email_key: &str, ip: &str) -> Self {
        Self {
            account: lockout::account(email_key),
            address: ip.to_owned(),
        }
    }

    /// For somebody who already holds a living session of that account: counted by themselves, so that no stranger
    /// behind the same address can lock them out.
    #[must_use]
    pub fn known(email_key: &str, session: Uuid) -> Self {
        Self {
            account: lockout::account(email_key),
            address: format!("session {session}"),
        }
    }
}

/// How long a try waits for others to end, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// One in so many tries also clears away what no longer counts.
const SWEEP_EVERY: u32 = 256;

/// Whether the password belongs to the hash (none: to nobody, found out just as slowly). A wrong one has been counted;
/// the one too many is the error that locks. After a right one the caller clears the counter in the transaction of what
/// it allows.
pub async fn try_password(state: &AppState, counter: &Counter, password: String, hash: Option<String>) -> Result<bool> {
    let number = admission(state, counter).await?;
    let cost = state.config.auth.password_hash_cost;
    let held_back = pace(cost) * lockout::delay(number);
    if !held_back.is_zero() {
        tokio::time::sleep(held_back).await;
    }
    let matches = match password::verify(password, hash, cost).await {
        Ok(matches) => matches,
        Err(error) => {
            let mut conn = state.db.acquire().await?;
            store::release_try(&mut conn, &counter.account, &counter.address).await?;
            return Err(error);
        }
    };
    if matches {
        return Ok(true);
    }
    metrics::counter!(AUTH_FAILURES_TOTAL, "reason" => "wrong password").increment(1);
    if number >= lockout::TRIES {
        let now = state.clock.now();
        let until = now + lockout::window();
        let mut conn = state.db.acquire().await?;
        store::lock_out(&mut conn, &counter.account, &counter.address, until).await?;
        return Err(locked(until, now));
    }
    Ok(false)
}

/// A second, but nothing where passwords are hashed so cheaply that no more than a test can be at stake: the
/// configuration allows that in tests only.
fn pace(cost: u32) -> Duration {
    if cost < 10 {
        Duration::ZERO
    } else {
        Duration::from_secs(1)
    }
}

/// The number of this try. No connection is held while it waits for others.
async fn admission(state: &AppState, counter: &Counter) -> Result<i32> {
    let began = Instant::now();
    loop {
        let now = state.clock.now();
        let admission = transaction(&state.db, |conn, _| {
            Box::pin(async move {
                if rand::random_ratio(1, SWEEP_EVERY) {
                    store::sweep_failures(conn, now).await?;
                }
                store::reserve_try(conn, &counter.account, &counter.address, now).await
            })
        })
        .await?;
        match admission {
            Admission::Try { number, .. } => return Ok(number),
            Admission::Wait(_) if began.elapsed() < PATIENCE => tokio::time::sleep(LOOK_EVERY).await,
            Admission::Wait(until) | Admission::Locked(until) => return Err(locked(until, now)),
        }
    }
}

fn locked(until: DateTime<Utc>, now: DateTime<Utc>) -> Error {
    metrics::counter!(AUTH_FAILURES_TOTAL, "reason" => "locked").increment(1);
    let seconds = u64::try_from((until - now).num_seconds()).unwrap_or(0).max(1);
    Error::new(
        Code::AccountLocked,
        format!("Too many failed attempts from here; try again in {} minutes, or ask an administrator to unlock the account", seconds.div_ceil(60)),
    )
    .with(json!({ "retry_after_seconds": seconds, "locked_until": until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true) }))
    .retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_costs_are_never_without_delay() {
        assert_eq!(pace(4), Duration::ZERO);
        for cost in 10..=14 {
            assert_eq!(pace(cost) * lockout::delay(4), Duration::from_secs(2));
        }
    }

    #[test]
    fn a_known_session_is_counted_apart() {
        let (stranger, owner) = (Counter::new("a@b", "::1"), Counter::known("a@b", Uuid::nil()));
        assert_eq!(stranger.account, owner.account);
        assert_ne!(stranger.address, owner.address);
    }
}
