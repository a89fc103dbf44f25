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
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

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
    /// From now on this instance is not ready: load balancers should send requests elsewhere.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    async fn report(&self, db: &PgPool, version: &str, now: DateTime<Utc>) -> HealthReport {
        let check = async {
            let database = self.database(db, now).await;
            let checks = Checks { database, neo4j: Check::embedded(), redis: Check::embedded() };
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
        let error = match tokio::time::timeout(PATIENCE, sqlx::query("select 1").execute(db)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
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
        let stopping = self.stopping.load(Ordering::Acquire).then(|| "the server is shutting down".to_owned());
        let schema = if self.migrated.load(Ordering::Acquire) { None } else { self.schema.get(self.schema(db)).await };
        stopping.into_iter().chain(schema).collect()
    }

    async fn schema(&self, db: &PgPool) -> Option<String> {
        let status = async { migrate::status(&mut *db.acquire().await?).await };
        match tokio::time::timeout(PATIENCE, status).await {
            Ok(Ok(status)) if status.pending() == 0 => {
                self.migrated.store(true, Ordering::Release);
                None
            }
            Ok(Ok(status)) => Some(format!("{} of {} migrations are not applied", status.pending(), status.steps.len())),
            Ok(Err(_)) | Err(_) => Some("the database does not answer".to_owned()),
        }
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

/// How well the whole instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Everything answers.
    Healthy,
    /// A store that the service can do without does not answer.
    Degraded,
    /// The database does not answer.
    Unhealthy,
}

/// How well one store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// It answers.
    Up,
    /// It does not answer.
    Down,
    /// It is not configured; the process does its work itself.
    Embedded,
}

/// The check of one store.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Check {
    /// How well it is.
    pub status: CheckStatus,
    /// How long it took to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time_ms: Option<f64>,
    /// Since when it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// The cause in full; only on the metrics port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub error: Option<String>,
}

impl Check {
    fn up(took: Duration) -> Self {
        let millis = (took.as_secs_f64() * 100_000.0).round() / 100.0;
        Self { status: CheckStatus::Up, response_time_ms: Some(millis), since: None, error: None }
    }

    fn down(since: DateTime<Utc>, error: String) -> Self {
        Self { status: CheckStatus::Down, response_time_ms: None, since: Some(since), error: Some(error) }
    }

    fn embedded() -> Self {
        Self { status: CheckStatus::Embedded, response_time_ms: None, since: None, error: None }
    }
}

/// The stores.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Checks {
    /// Postgres.
    pub database: Check,
    /// The graph database.
    pub neo4j: Check,
    /// The shared cache.
    pub redis: Check,
}

impl Checks {
    fn overall(&self) -> HealthStatus {
        if self.database.status == CheckStatus::Down {
            HealthStatus::Unhealthy
        } else if [&self.neo4j, &self.redis].into_iter().any(|check| check.status == CheckStatus::Down) {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        }
    }
}

/// The full check.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HealthReport {
    /// How well the whole instance is.
    pub status: HealthStatus,
    /// The version of the program.
    pub version: String,
    /// When the check was made.
    pub timestamp: DateTime<Utc>,
    /// How long this instance has been running.
    pub uptime_seconds: u64,
    /// One check per store.
    pub checks: Checks,
}

impl HealthReport {
    /// The report for everybody: what exactly went wrong may name hosts and users.
    fn without_causes(mut self) -> Self {
        for check in [&mut self.checks.database, &mut self.checks.neo4j, &mut self.checks.redis] {
            check.error = None;
        }
        self
    }

    fn code(&self) -> StatusCode {
        match self.status {
            HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
            HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Whether requests should be sent here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not ready`.
    pub status: &'static str,
    /// Why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Liveness {
    /// `alive`.
    pub status: &'static str,
}

/// An answer that no cache may keep.
type Answer<T> = (StatusCode, [(HeaderName, &'static str); 1], Json<T>);

fn answer<T>(status: StatusCode, body: T) -> Answer<T> {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body))
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
        Err(Error::new(Code::FeatureDisabled, "Health checks are switched off on this installation"))
    }
}

async fn full_report(state: &AppState) -> Result<HealthReport> {
    require_enabled(state)?;
    Ok(state.health.report(&state.db, &state.config.application.version, state.clock.now()).await)
}

/// The state of this instance and its stores.
///
/// Without the database the service cannot work: 503 and `unhealthy`. Without another store it is `degraded` and goes on. A
/// store that is not configured says `embedded`.
#[utoipa::path(get, path = "/health", tag = "Health", responses(
    (status = 200, description = "Healthy or degraded", body = HealthReport),
    (status = 503, description = "Unhealthy", body = HealthReport),
))]
async fn health(State(state): State<AppState>) -> Result<Answer<HealthReport>> {
    let report = full_report(&state).await?;
    Ok(answer(report.code(), report.without_causes()))
}

/// The state of this instance and its stores, below the API's own prefix.
#[utoipa::path(get, path = "/api/v1/health", tag = "Health", responses(
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
#[utoipa::path(get, path = "/health/ready", tag = "Health", responses(
    (status = 200, description = "Ready", body = Readiness),
    (status = 503, description = "Not ready, and why", body = Readiness),
))]
async fn ready(State(state): State<AppState>) -> Result<Answer<Readiness>> {
    require_enabled(&state)?;
    let reasons = state.health.unready(&state.db).await;
    Ok(if reasons.is_empty() {
        answer(StatusCode::OK, Readiness { status: "ready", reasons })
    } else {
        answer(StatusCode::SERVICE_UNAVAILABLE, Readiness { status: "not ready", reasons })
    })
}

/// Whether the process answers at all.
///
/// Looks at nothing else: a restart helps against nothing that another store does. Also at `/live`.
#[utoipa::path(get, path = "/health/live", tag = "Health", responses(
    (status = 200, description = "Alive", body = Liveness),
))]
async fn live(State(state): State<AppState>) -> Result<Answer<Liveness>> {
    require_enabled(&state)?;
    Ok(answer(StatusCode::OK, Liveness { status: "alive" }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use serde_json::json;

    use super::*;

    /// A database that nobody listens for: port 1 of this machine.
    fn absent() -> PgPool {
        PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/none").unwrap()
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn only_the_database_is_vital() {
        let up = || Check::up(Duration::from_micros(1234));
        let down = || Check::down(at(0), "refused".into());
        for (database, neo4j, redis, status) in [
            (up(), Check::embedded(), Check::embedded(), HealthStatus::Healthy),
            (up(), up(), up(), HealthStatus::Healthy),
            (up(), down(), up(), HealthStatus::Degraded),
            (up(), up(), down(), HealthStatus::Degraded),
            (down(), up(), up(), HealthStatus::Unhealthy),
            (down(), down(), down(), HealthStatus::Unhealthy),
        ] {
            assert_eq!(Checks { database, neo4j, redis }.overall(), status);
        }
    }

    #[test]
    fn the_report_has_the_documented_shape_and_no_causes() {
        let report = |database| {
            let checks = Checks { database, neo4j: Check::embedded(), redis: Check::embedded() };
            HealthReport { status: checks.overall(), version: "1.0.0".into(), timestamp: at(0), uptime_seconds: 7, checks }
        };
        assert_eq!(
            serde_json::to_value(report(Check::up(Duration::from_micros(1234))).without_causes()).unwrap(),
            json!({
                "status": "healthy", "version": "1.0.0", "timestamp": "1970-01-01T00:00:00Z", "uptime_seconds": 7,
                "checks": {
                    "database": { "status": "up", "response_time_ms": 1.23 },
                    "neo4j": { "status": "embedded" },
                    "redis": { "status": "embedded" },
                },
            })
        );
        let failed = report(Check::down(at(5), "no such host db.internal".into()));
        assert_eq!(failed.code(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(serde_json::to_string(&failed).unwrap().contains("db.internal"));
        let public = serde_json::to_value(failed.without_causes()).unwrap();
        assert_eq!(public["checks"]["database"], json!({ "status": "down", "since": "1970-01-01T00:00:05Z" }));
        assert_eq!(
            serde_json::to_value(Readiness { status: "ready", reasons: Vec::new() }).unwrap(),
            json!({ "status": "ready" })
        );
    }

    #[tokio::test]
    async fn a_database_that_is_gone_is_down_since_the_first_failure() {
        let (health, db) = (Health::default(), absent());
        for now in [at(10), at(20)] {
            let check = health.database(&db, now).await;
            assert_eq!((check.status, check.since), (CheckStatus::Down, Some(at(10))));
            assert!(check.error.is_some());
        }
        assert_eq!(health.report(&db, "1.0.0", at(30)).await.status, HealthStatus::Unhealthy);
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
