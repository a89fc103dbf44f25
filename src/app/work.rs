//! What instances do in the background by way of jobs: which kinds there are, and which run by the clock.

use serde_json::json;

use super::retention::{RETENTION, Retention};
use crate::{
    config::Config,
    job::{Kinds, Schedule},
    landscape::sunset::{SUNSET, Sunset},
    metamodel::recompute::{RECOMPUTE, Recompute},
};

/// Every kind of job that this program can do.
#[must_use]
pub fn kinds() -> Kinds {
    Kinds::default()
        .with(RECOMPUTE, Recompute)
        .with(SUNSET, Sunset)
        .with(RETENTION, Retention)
}

/// What runs by the clock, at the times of the configuration.
#[must_use]
pub fn schedules(config: &Config) -> Vec<Schedule> {
    let schedule = |name, cron: &Option<String>| Schedule {
        name,
        kind: name,
        payload: json!({}),
        cron: cron.clone(),
    };
    vec![
        schedule(RETENTION, &config.jobs.retention_schedule),
        schedule(SUNSET, &config.jobs.sunset_schedule),
    ]
}
