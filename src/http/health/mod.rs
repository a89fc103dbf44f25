//! Whether this instance is well (`/health`), ready for requests (`/health/ready`) and alive (`/health/live`). Probes
//! come often and from many: answers are kept for a second, and of several askers at once one does the work.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    routing::get,
};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection, PgPool};
use utoipa_axum::{router::OpenApiRouter, routes};

mod report;

pub use report::{Check, CheckStatus, Checks, HealthReport, HealthStatus, Liveness, Readiness};

use crate::{
    app::AppState,
    config::TelemetryConfig,
    error::{Code, Error, Result},
    store::migrate,
};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(1);
/// How long a check may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What health checks remember of this instance.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    report: Kept<HealthReport>,
    schema: Kept<Option<String>>,
    /// Migrations are never taken back, so once they are applied nobody needs to ask again.
    migrated: AtomicBool,
    stopping: AtomicBool,
    database_down_since: Mutex<Option<DateTime<Utc>>>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            report: Kept::default(),
            schema: Kept::default(),
            migrated: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            database_down_since: Mutex::new(None),
        }
    }
}

impl Health {
    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// From now on this instance is not ready: load balancers should send requests elsewhere.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    async fn report(&self, db: &PgPool, version: &str, now: DateTime<Utc>) -> HealthReport {
        let check = async {
            let database = self.database(db, now).await;
            let checks = Checks {
                database,
                neo4j: Check::embedded(),
                redis: Check::embedded(),
            };
            HealthReport {
                status: checks.overall(),
                version: version.to_owned(),
                timestamp: now,
                uptime_seconds: self.started.elapsed().as_secs(),
                checks,
            }
        };
        self.report.get(check).await
    }

    async fn database(&self, db: &PgPool, now: DateTime<Utc>) -> Check {
        let asked = Instant::now();
        let error = ask(db).await.err();
        let mut down_since = self.database_down_since.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            None => {
                if let Some(since) = down_since.take() {
                    tracing::info!(down_since = %since, "the database answers again");
                }
                Check::up(asked.elapsed())
            }
            Some(error) => {
                if down_since.is_none() {
                    tracing::error!(error, "the database does not answer");
                }
                Check::down(*down_since.get_or_insert(now), error)
            }
        }
    }

    /// Why this instance should get no requests; empty when it is ready. The graph needs no word here: there is no
    /// state to ask before it is loaded.
    async fn unready(&self, db: &PgPool) -> Vec<String> {
        let stopping = self
            .stopping
            .load(Ordering::Acquire)
            .then(|| "the server is shutting down".to_owned());
        let schema = if self.migrated.load(Ordering::Acquire) {
            None
        } else {
            self.schema.get(self.schema(db)).await
        };
        stopping.into_iter().chain(schema).collect()
    }

    async fn schema(&self, db: &PgPool) -> Option<String> {
        let status = async { migrate::status(&mut *db.acquire().await?).await };
        match tokio::time::timeout(PATIENCE, status).await {
            Ok(Ok(status)) if status.pending() == 0 => {
                self.migrated.store(true, Ordering::Release);
                None
            }
            Ok(Ok(status)) => Some(format!(
                "{} of {} migrations are not applied",
                status.pending(),
                status.steps.len()
            )),
            Ok(Err(_)) | Err(_) => Some("the database does not answer".to_owned()),
        }
    }
}

/// Asks the database within [`PATIENCE`].
async fn ask(db: &PgPool) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE * 3 / 4, sqlx::query("select 1").execute(db)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => {}
        Ok(Err(error)) => return Err(error.to_string()),
    }
    // The pool keeps trying without a word of why, or all its connections are busy, which is not the database's fault:
    // ask once without it.
    match tokio::time::timeout(PATIENCE / 4, PgConnection::connect_with(&db.connect_options())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// A value that is computed at most once a second. Held while computing: who comes meanwhile waits and gets it too.
#[derive(Debug)]
struct Kept<T>(tokio::sync::Mutex<Option<(Instant, T)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(tokio::sync::Mutex::new(None))
    }
}

impl<T: Clone> Kept<T> {
    async fn get(&self, compute: impl Future<Output = T>) -> T {
        let mut kept = self.0.lock().await;
        match &*kept {
            Some((at, value)) if at.elapsed() < KEPT => value.clone(),
            _ => kept.insert((Instant::now(), compute.await)).1.clone(),
        }
    }
}

/// An answer that no cache may keep.
type Answer<T> = (StatusCode, [(HeaderName, &'static str); 1], Json<T>);

fn answer<T>(status: StatusCode, body: T) -> Answer<T> {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body))
}

/// The process answers: also true of one that is starting.
pub(super) async fn alive() -> Answer<Liveness> {
    answer(StatusCode::OK, Liveness { status: "alive" })
}

impl Readiness {
    /// Ready if nothing speaks against it.
    pub(super) fn of(reasons: Vec<String>) -> Answer<Self> {
        if reasons.is_empty() {
            answer(
                StatusCode::OK,
                Self {
                    status: "ready",
                    reasons,
                },
            )
        } else {
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                Self {
                    status: "not ready",
                    reasons,
                },
            )
        }
    }
}

/// The routes under their usual paths.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(api_health))
        .routes(routes!(ready))
        .routes(routes!(live))
        .route("/ready", get(ready))
        .route("/live", get(live))
}

/// The same routes under `HEALTH_CHECK_PATH`, if that is another one.
pub fn configured_path(config: &TelemetryConfig) -> Router<AppState> {
    let path = &config.health_check_path;
    if path == "/health" {
        return Router::new();
    }
    Router::new()
        .route(path, get(health))
        .route(&format!("{path}/ready"), get(ready))
        .route(&format!("{path}/live"), get(live))
}

/// The full check with causes, for the metrics port.
pub fn with_causes(state: AppState) -> Router {
    let path = state.config.telemetry.health_check_path.clone();
    Router::new().route(&path, get(health_with_causes)).with_state(state)
}

fn require_enabled(state: &AppState) -> Result<()> {
    if state.config.telemetry.health_check_enabled {
        Ok(())
    } else {
        Err(Error::new(
            Code::FeatureDisabled,
            "Health checks are switched off on this installation",
        ))
    }
}

async fn full_report(state: &AppState) -> Result<HealthReport> {
    require_enabled(state)?;
    Ok(state
        .health
        .report(&state.db, &state.config.application.version, state.clock.now())
        .await)
}

/// The state of this instance and its stores.
///
/// Without the database the service cannot work: 503 and `unhealthy`. Without another store it is `degraded` and goes on. A
/// store that is not configured says `embedded`.
#[utoipa::path(get, path = "/health", tag = "Health", extensions(("x-permission" = json!("public"))), responses(
    (status = 200, description = "Healthy or degraded", body = HealthReport),
    (status = 503, description = "Unhealthy", body = HealthReport),
))]
async fn health(State(state): State<AppState>) -> Result<Answer<HealthReport>> {
    let report = full_report(&state).await?;
    Ok(answer(report.code(), report.without_causes()))
}

/// The state of this instance and its stores, below the API's own prefix.
///
/// The same as `/health`: without the database 503 and `unhealthy`.
#[utoipa::path(get, path = "/api/v1/health", tag = "Health", extensions(("x-permission" = json!("public"))), responses(
    (status = 200, description = "Healthy or degraded", body = HealthReport),
    (status = 503, description = "Unhealthy", body = HealthReport),
))]
async fn api_health(state: State<AppState>) -> Result<Answer<HealthReport>> {
    health(state).await
}

async fn health_with_causes(State(state): State<AppState>) -> Result<Answer<HealthReport>> {
    let report = full_report(&state).await?;
    Ok(answer(report.code(), report))
}

/// Whether requests should be sent here.
///
/// Not before all migrations are applied and the graph is loaded, and not during a shutdown. Also at `/ready`.
#[utoipa::path(get, path = "/health/ready", tag = "Health", extensions(("x-permission" = json!("public"))), responses(
    (status = 200, description = "Ready", body = Readiness),
    (status = 503, description = "Not ready, and why", body = Readiness),
))]
async fn ready(State(state): State<AppState>) -> Result<Answer<Readiness>> {
    require_enabled(&state)?;
    Ok(Readiness::of(state.health.unready(&state.db).await))
}

/// Whether the process answers at all.
///
/// Looks at nothing else: a restart helps against nothing that another store does. Also at `/live`.
#[utoipa::path(get, path = "/health/live", tag = "Health", extensions(("x-permission" = json!("public"))), responses(
    (status = 200, description = "Alive", body = Liveness),
))]
async fn live(State(state): State<AppState>) -> Result<Answer<Liveness>> {
    require_enabled(&state)?;
    Ok(alive().await)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A database that nobody listens for: port 1 of this machine.
    fn absent() -> PgPool {
        let options = sqlx::postgres::PgPoolOptions::new().acquire_timeout(Duration::from_millis(20));
        options.connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_down_since_the_first_failure() {
        let (health, db) = (Health::default(), absent());
        for now in [at(10), at(20)] {
            let check = health.database(&db, now).await;
            assert_eq!((check.status, check.since), (CheckStatus::Down, Some(at(10))));
            assert!(check.error.is_some());
        }
        assert_eq!(
            health.report(&db, "1.0.0", at(30)).await.status,
            HealthStatus::Unhealthy
        );
    }

    #[tokio::test]
    async fn not_ready_without_a_schema_or_while_stopping() {
        let (health, db) = (Health::default(), absent());
        assert_eq!(health.unready(&db).await, ["the database does not answer"]);
        health.migrated.store(true, Ordering::Release);
        assert_eq!(health.unready(&db).await, Vec::<String>::new());
        health.stop();
        assert_eq!(health.unready(&db).await, ["the server is shutting down"]);
    }

    #[tokio::test]
    async fn many_askers_cause_one_check() {
        let kept = Kept::default();
        let checks = AtomicUsize::new(0);
        let check = || async {
            tokio::task::yield_now().await;
            checks.fetch_add(1, Ordering::SeqCst)
        };
        let (a, b) = tokio::join!(kept.get(check()), kept.get(check()));
        assert_eq!((a, b, checks.load(Ordering::SeqCst)), (0, 0, 1));
    }
}
