//! What health checks answer.

use std::time::Duration;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

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
    pub(super) fn up(took: Duration) -> Self {
        let millis = (took.as_secs_f64() * 100_000.0).round() / 100.0;
        Self {
            status: CheckStatus::Up,
            response_time_ms: Some(millis),
            since: None,
            error: None,
        }
    }

    pub(super) fn down(since: DateTime<Utc>, error: String) -> Self {
        Self {
            status: CheckStatus::Down,
            response_time_ms: None,
            since: Some(since),
            error: Some(error),
        }
    }

    pub(super) fn embedded() -> Self {
        Self {
            status: CheckStatus::Embedded,
            response_time_ms: None,
            since: None,
            error: None,
        }
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
    pub(super) fn overall(&self) -> HealthStatus {
        if self.database.status == CheckStatus::Down {
            HealthStatus::Unhealthy
        } else if [&self.neo4j, &self.redis]
            .into_iter()
            .any(|check| check.status == CheckStatus::Down)
        {
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
    pub(super) fn without_causes(mut self) -> Self {
        for check in [
            &mut self.checks.database,
            &mut self.checks.neo4j,
            &mut self.checks.redis,
        ] {
            check.error = None;
        }
        self
    }

    pub(super) fn code(&self) -> StatusCode {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            let checks = Checks {
                database,
                neo4j: Check::embedded(),
                redis: Check::embedded(),
            };
            HealthReport {
                status: checks.overall(),
                version: "1.0.0".into(),
                timestamp: at(0),
                uptime_seconds: 7,
                checks,
            }
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
        assert_eq!(
            public["checks"]["database"],
            json!({ "status": "down", "since": "1970-01-01T00:00:05Z" })
        );
        assert_eq!(
            serde_json::to_value(Readiness {
                status: "ready",
                reasons: Vec::new()
            })
            .unwrap(),
            json!({ "status": "ready" })
        );
    }
}
