//! Gauges that are read when somebody asks for the metrics.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::gauge;

use super::AppState;
use crate::{
    error::Result,
    store::counts,
    telemetry::{
        Collectors,
        metrics::{
            AUDIT_SEAL_AGE_SECONDS, AUDIT_SEAL_NUMBER, CARDS_TOTAL, DATABASE_CONNECTIONS_ACTIVE,
            DATABASE_CONNECTIONS_IDLE, DATABASE_CONNECTIONS_MAX, RELATIONSHIPS_TOTAL,
        },
    },
};

/// The gauges of this instance: its pool, and what the database holds.
#[must_use]
pub fn collectors(state: &AppState) -> Collectors {
    let (pool, sealed, counted) = (state.clone(), state.clone(), state.clone());
    let known = Arc::new(Mutex::new(BTreeSet::new()));
    Collectors::new()
        .cheap(move || pool_size(&pool))
        .cheap(move || seal_age(&sealed))
        .costly("counts", move || {
            let (state, known) = (counted.clone(), known.clone());
            async move {
                if let Err(error) = count(&state, &known).await {
                    tracing::warn!(%error, "cards and relationships cannot be counted");
                }
            }
        })
}

fn pool_size(state: &AppState) {
    let (open, idle) = (f64::from(state.db.size()), state.db.num_idle() as f64);
    gauge!(DATABASE_CONNECTIONS_IDLE).set(idle);
    // The two numbers are read one after the other.
    gauge!(DATABASE_CONNECTIONS_ACTIVE).set((open - idle).max(0.0));
    gauge!(DATABASE_CONNECTIONS_MAX).set(f64::from(state.config.database.max_connections));
}

fn seal_age(state: &AppState) {
    if let Some(newest) = state.audit.newest() {
        let age = state.clock.now() - newest.recorded_at;
        gauge!(AUDIT_SEAL_NUMBER).set(newest.number as f64);
        gauge!(AUDIT_SEAL_AGE_SECONDS).set(age.as_seconds_f64().max(0.0));
    }
}

/// Sets one gauge per type; a type that has become empty is set to 0 instead of keeping its last value.
async fn count(state: &AppState, known: &Mutex<BTreeSet<(&'static str, String)>>) -> Result<()> {
    let mut conn = state.db.acquire().await?;
    let cards = counts::cards(&mut conn).await?;
    let relationships = counts::relationships(&mut conn).await?;
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    for (metric, label) in known.iter() {
        gauge!(*metric, "type" => label.clone()).set(0.0);
    }
    for (metric, counts) in [(CARDS_TOTAL, cards), (RELATIONSHIPS_TOTAL, relationships)] {
        for (label, count) in counts {
            gauge!(metric, "type" => label.clone()).set(count as f64);
            known.insert((metric, label));
        }
    }
    Ok(())
}
