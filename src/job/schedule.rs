//! What runs by the clock. One instance at a time looks (a lease), and asks for the jobs whose time has come; a run that
//! was missed while no instance was there is made up for once.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use croner::Cron;
use serde_json::Value;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{NewJob, store};
use crate::{
    app::AppState,
    error::{Error, Result},
    store::{lease, transaction},
};

/// How often the holder of the lease looks.
const EVERY: Duration = Duration::from_secs(1);
/// How long the lease lasts; the others take over when its holder has been silent for as long.
const LEASE: Duration = Duration::from_secs(15);
const LEASE_NAME: &str = "schedules";

/// A job that runs by the clock.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Identifies it.
    pub name: &'static str,
    /// The kind of job.
    pub kind: &'static str,
    /// Its payload.
    pub payload: Value,
    /// When, as a cron expression in UTC; none: never by itself.
    pub cron: Option<String>,
}

/// A schedule as the database has it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Identifies it.
    pub name: String,
    /// The kind of job.
    pub kind: String,
    /// Its payload.
    pub payload: Value,
    /// When; `off`: never by itself.
    pub cron: String,
    /// When next.
    pub next_run_at: Option<DateTime<Utc>>,
    /// When last.
    pub last_run_at: Option<DateTime<Utc>>,
    /// The job of that time; it may be gone by now.
    pub last_job_id: Option<Uuid>,
}

/// As a schedule that never runs by itself is stored and configured.
pub const OFF: &str = "off";

/// The first moment after `now` that the expression names; none if there will never be one.
#[must_use]
pub fn next_after(cron: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    Cron::from_str(cron).ok()?.find_next_occurrence(&now, false).ok()
}

/// Looks until `stop`.
pub async fn follow(state: AppState, schedules: Vec<Schedule>, stop: CancellationToken) {
    let holder = Uuid::new_v4();
    loop {
        if let Err(error) = tick(&state, &schedules, holder).await {
            tracing::warn!(%error, "schedules cannot be looked at now; trying again");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    if let Ok(mut conn) = state.db.acquire().await {
        let _ = lease::release(&mut conn, LEASE_NAME, holder).await;
    }
}

/// Asks for the jobs whose time has come, if nobody else does; how many.
pub async fn tick(state: &AppState, schedules: &[Schedule], holder: Uuid) -> Result<usize> {
    let mut conn = state.db.acquire().await?;
    if !lease::take(&mut conn, LEASE_NAME, holder, LEASE).await? {
        return Ok(0);
    }
    drop(conn);
    let asked = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            let now = clock(conn).await?;
            let planned = list(conn).await?;
            for schedule in schedules {
                sync(conn, schedule, planned.iter().find(|p| p.name == schedule.name), now).await?;
            }
            due(conn, schedules, now).await
        })
    })
    .await?;
    for (name, id) in &asked {
        tracing::info!(schedule = name, job_id = %id, "a schedule's time has come");
    }
    Ok(asked.len())
}

async fn clock(conn: &mut PgConnection) -> Result<DateTime<Utc>> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() "now!""#)
        .fetch_one(conn)
        .await?)
}

/// Brings the database up to what the program and its settings say. A new time counts from now on.
async fn sync(
    conn: &mut PgConnection,
    schedule: &Schedule,
    planned: Option<&Planned>,
    now: DateTime<Utc>,
) -> Result<()> {
    let cron = schedule.cron.as_deref().unwrap_or(OFF);
    let current = planned
        .is_some_and(|known| known.cron == cron && known.kind == schedule.kind && known.payload == schedule.payload);
    if current {
        return Ok(());
    }
    sqlx::query!(
        "insert into schedules as s (name, kind, payload, cron, next_run_at) values ($1, $2, $3, $4, $5)
         on conflict (name) do update set kind = excluded.kind, payload = excluded.payload, cron = excluded.cron,
             next_run_at = case when s.cron = excluded.cron then s.next_run_at else excluded.next_run_at end",
        schedule.name,
        schedule.kind,
        schedule.payload,
        cron,
        next_after(cron, now),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Asks for what is due and plans its next run. The lock and the next time are what make each time count once: the lease
/// only spares work.
async fn due(conn: &mut PgConnection, known: &[Schedule], now: DateTime<Utc>) -> Result<Vec<(&'static str, Uuid)>> {
    let names: Vec<String> = known.iter().map(|schedule| schedule.name.to_owned()).collect();
    let due = sqlx::query_scalar!(
        "select name from schedules where next_run_at <= $1 and name = any($2) order by name for update skip locked",
        now,
        &names
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut asked = Vec::new();
    for schedule in known
        .iter()
        .filter(|schedule| due.iter().any(|name| name == schedule.name))
    {
        let job = NewJob::new(schedule.kind, schedule.payload.clone()).coalesced(schedule.name);
        let id = store::enqueue(conn, job).await?;
        let next = schedule.cron.as_deref().and_then(|cron| next_after(cron, now));
        ran(conn, schedule.name, id, next).await?;
        asked.push((schedule.name, id));
    }
    Ok(asked)
}

async fn ran(conn: &mut PgConnection, name: &str, job: Uuid, next: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query!(
        "update schedules set last_run_at = clock_timestamp(), last_job_id = $2, next_run_at = $3 where name = $1",
        name,
        job,
        next,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// All schedules, by name.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Planned>> {
    let planned = sqlx::query_as!(
        Planned,
        "select name, kind, payload, cron, next_run_at, last_run_at, last_job_id from schedules order by name"
    );
    Ok(planned.fetch_all(conn).await?)
}

/// Asks for a schedule's job now, besides its times; one that waits already is as good.
pub(super) async fn run_now(
    conn: &mut PgConnection,
    schedules: &[Schedule],
    name: &str,
    created_by: Uuid,
) -> Result<Uuid> {
    let schedule = schedules
        .iter()
        .find(|schedule| schedule.name == name)
        .ok_or_else(|| Error::not_found("schedule", shown(name)))?;
    // The schedule before its job, as those who look at the clock lock them.
    sqlx::query!("select name from schedules where name = $1 for update", name)
        .fetch_optional(&mut *conn)
        .await?;
    let job = NewJob::new(schedule.kind, schedule.payload.clone())
        .coalesced(schedule.name)
        .by(created_by);
    let id = store::enqueue(conn, job).await?;
    sqlx::query!(
        "update schedules set last_run_at = clock_timestamp(), last_job_id = $2 where name = $1",
        name,
        id
    )
    .execute(conn)
    .await?;
    Ok(id)
}

/// As much of a name as a message repeats.
fn shown(name: &str) -> String {
    name.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_time_is_after_now_and_in_utc() {
        let table = [
            ("0 1 * * *", "2026-11-21T00:59:59Z", Some("2026-11-21T01:00:00Z")),
            ("0 1 * * *", "2026-11-21T01:00:00Z", Some("2026-11-22T01:00:00Z")),
            ("*/15 * * * *", "2026-11-21T01:07:00Z", Some("2026-11-21T01:15:00Z")),
            ("0 0 29 2 *", "2026-11-21T01:07:00Z", Some("2028-02-29T00:00:00Z")),
            ("0 0 30 2 *", "2026-11-21T01:07:00Z", None),
            (OFF, "2026-11-21T01:07:00Z", None),
            ("tomorrow", "2026-11-21T01:07:00Z", None),
        ];
        for (cron, now, next) in table {
            assert_eq!(next_after(cron, at(now)), next.map(at), "{cron} after {now}");
        }
    }
}
