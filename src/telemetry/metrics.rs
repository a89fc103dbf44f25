//! The metrics of this program: their names, buckets and meanings in one table, and the recorder that collects them.

use std::sync::{Mutex, PoisonError};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Requests answered, by `method`, `route` (the template) and `status`.
pub const HTTP_REQUESTS_TOTAL: &str = "http_requests_total";
/// Seconds from the request's head to the answer's head, by `method` and `route`.
pub const HTTP_REQUEST_DURATION_SECONDS: &str = "http_request_duration_seconds";
/// Requests being answered now.
pub const HTTP_REQUESTS_IN_FLIGHT: &str = "http_requests_in_flight";
/// Error answers, by `code` and `route`.
pub const ERRORS_TOTAL: &str = "errors_total";
/// Connections to Postgres that are in use.
pub const DATABASE_CONNECTIONS_ACTIVE: &str = "database_connections_active";
/// Connections to Postgres that wait for work.
pub const DATABASE_CONNECTIONS_IDLE: &str = "database_connections_idle";
/// Connections to Postgres that this process may open.
pub const DATABASE_CONNECTIONS_MAX: &str = "database_connections_max";
/// Seconds that Postgres took, by `query`.
pub const DATABASE_QUERY_DURATION_SECONDS: &str = "database_query_duration_seconds";
/// Seconds that a question to the graph took, by `engine` and `question`.
pub const GRAPH_QUERY_DURATION_SECONDS: &str = "graph_query_duration_seconds";
/// Questions to the graph being answered now.
pub const GRAPH_QUERIES_IN_FLIGHT: &str = "graph_queries_in_flight";
/// Requests refused by a rate limit, by `category`.
pub const RATE_LIMIT_HITS_TOTAL: &str = "rate_limit_hits_total";
/// Log-ins and tokens refused, by `reason`.
pub const AUTH_FAILURES_TOTAL: &str = "auth_failures_total";
/// Cards that exist, by `type`.
pub const CARDS_TOTAL: &str = "cards_total";
/// Relationships that exist, by `type`.
pub const RELATIONSHIPS_TOTAL: &str = "relationships_total";
/// The number of the newest seal of the change log; kept elsewhere, it betrays a log that was cut off.
pub const AUDIT_SEAL_NUMBER: &str = "audit_seal_number";
/// Seconds since the newest seal was recorded.
pub const AUDIT_SEAL_AGE_SECONDS: &str = "audit_seal_age_seconds";
/// Verifications of the change log that found something wrong.
pub const AUDIT_VERIFY_FAILURES_TOTAL: &str = "audit_verify_failures_total";
/// Always 1; its `version` says which program this is.
pub const BUILD_INFO: &str = "build_info";

enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

struct Metric {
    name: &'static str,
    kind: Kind,
    unit: Unit,
    meaning: &'static str,
}

const fn metric(name: &'static str, kind: Kind, unit: Unit, meaning: &'static str) -> Metric {
    Metric {
        name,
        kind,
        unit,
        meaning,
    }
}

/// For whole requests; alert rules ask about .05, .2, .5 and 1 s.
const REQUEST_BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// For parts of requests, which take a fraction of a millisecond.
const QUERY_BUCKETS: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

const METRICS: [Metric; 18] = [
    metric(HTTP_REQUESTS_TOTAL, Kind::Counter, Unit::Count, "Requests answered."),
    metric(
        HTTP_REQUEST_DURATION_SECONDS,
        Kind::Histogram(&REQUEST_BUCKETS),
        Unit::Seconds,
        "Time from the request's head to the answer's head.",
    ),
    metric(
        HTTP_REQUESTS_IN_FLIGHT,
        Kind::Gauge,
        Unit::Count,
        "Requests being answered now.",
    ),
    metric(ERRORS_TOTAL, Kind::Counter, Unit::Count, "Error answers."),
    metric(
        DATABASE_CONNECTIONS_ACTIVE,
        Kind::Gauge,
        Unit::Count,
        "Connections to Postgres that are in use.",
    ),
    metric(
        DATABASE_CONNECTIONS_IDLE,
        Kind::Gauge,
        Unit::Count,
        "Connections to Postgres that wait for work.",
    ),
    metric(
        DATABASE_CONNECTIONS_MAX,
        Kind::Gauge,
        Unit::Count,
        "Connections to Postgres that this process may open.",
    ),
    metric(
        DATABASE_QUERY_DURATION_SECONDS,
        Kind::Histogram(&QUERY_BUCKETS),
        Unit::Seconds,
        "Time that Postgres took for a query.",
    ),
    metric(
        GRAPH_QUERY_DURATION_SECONDS,
        Kind::Histogram(&QUERY_BUCKETS),
        Unit::Seconds,
        "Time that an engine took for a question to the graph.",
    ),
    metric(
        GRAPH_QUERIES_IN_FLIGHT,
        Kind::Gauge,
        Unit::Count,
        "Questions to the graph being answered now.",
    ),
    metric(
        RATE_LIMIT_HITS_TOTAL,
        Kind::Counter,
        Unit::Count,
        "Requests refused by a rate limit.",
    ),
    metric(
        AUTH_FAILURES_TOTAL,
        Kind::Counter,
        Unit::Count,
        "Log-ins and tokens refused.",
    ),
    metric(CARDS_TOTAL, Kind::Gauge, Unit::Count, "Cards that exist."),
    metric(
        RELATIONSHIPS_TOTAL,
        Kind::Gauge,
        Unit::Count,
        "Relationships that exist.",
    ),
    metric(
        AUDIT_SEAL_NUMBER,
        Kind::Gauge,
        Unit::Count,
        "Number of the newest seal of the change log.",
    ),
    metric(
        AUDIT_SEAL_AGE_SECONDS,
        Kind::Gauge,
        Unit::Seconds,
        "Time since the newest seal was recorded.",
    ),
    metric(
        AUDIT_VERIFY_FAILURES_TOTAL,
        Kind::Counter,
        Unit::Count,
        "Verifications of the change log that found something wrong.",
    ),
    metric(BUILD_INFO, Kind::Gauge, Unit::Count, "The program; always 1."),
];

/// Why metrics cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A histogram's buckets were refused.
    #[error("the metrics recorder cannot be built: {0}")]
    Build(#[from] metrics_exporter_prometheus::BuildError),
    /// The process has a recorder that is not ours.
    #[error("this process has another metrics recorder already")]
    Taken,
}

/// Starts collecting metrics. There is one recorder per process: later calls get the same handle.
///
/// # Errors
/// When the process has a recorder that is not ours.
pub fn install(version: &str) -> Result<PrometheusHandle, MetricsError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let recorder = builder()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Taken)?;
    describe();
    gauge!(BUILD_INFO, "version" => version.to_owned()).set(1.0);
    *installed = Some(handle.clone());
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, MetricsError> {
    let mut builder = PrometheusBuilder::new();
    for metric in &METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder)
}

fn describe() {
    for Metric {
        name,
        kind,
        unit,
        meaning,
    } in &METRICS
    {
        match kind {
            Kind::Counter => describe_counter!(*name, *unit, *meaning),
            Kind::Gauge => describe_gauge!(*name, *unit, *meaning),
            Kind::Histogram(_) => describe_histogram!(*name, *unit, *meaning),
        }
    }
}

/// One more of something that is under way, and one less when it ends - also when it is cancelled or panics.
#[derive(Debug)]
#[must_use = "dropping it at once counts nothing"]
pub struct InFlight(&'static str);

impl InFlight {
    /// Counts one more in the gauge of this name.
    pub fn enter(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metrics of this test alone: the recorder of the process belongs to all tests.
    fn rendered(work: impl FnOnce()) -> String {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            describe();
            work();
        });
        recorder.handle().render()
    }

    #[test]
    fn names_and_buckets_are_as_dashboards_expect() {
        let text = rendered(|| {
            metrics::counter!(HTTP_REQUESTS_TOTAL, "method" => "GET", "route" => "/api/v1/cards/{id}", "status" => "200").increment(2);
            metrics::histogram!(HTTP_REQUEST_DURATION_SECONDS, "method" => "GET").record(0.3);
            metrics::histogram!(GRAPH_QUERY_DURATION_SECONDS, "engine" => "embedded", "question" => "impact")
                .record(0.0002);
            gauge!(CARDS_TOTAL, "type" => "Application").set(7.0);
        });
        for expected in [
            "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n",
            "http_requests_total{method=\"GET\",route=\"/api/v1/cards/{id}\",status=\"200\"} 2\n",
            "# TYPE http_request_duration_seconds histogram\n",
            "http_request_duration_seconds_bucket{method=\"GET\",le=\"0.2\"} 0\n",
            "http_request_duration_seconds_bucket{method=\"GET\",le=\"0.5\"} 1\n",
            "graph_query_duration_seconds_bucket{engine=\"embedded\",question=\"impact\",le=\"0.00025\"} 1\n",
            "cards_total{type=\"Application\"} 7\n",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        for bound in ["0.05", "0.2", "0.5", "1"] {
            assert!(
                text.contains(&format!(
                    "http_request_duration_seconds_bucket{{method=\"GET\",le=\"{bound}\"}}"
                )),
                "{bound}"
            );
        }
    }

    #[test]
    fn what_is_under_way_ends_even_when_it_panics() {
        let text = rendered(|| {
            let _one = InFlight::enter(HTTP_REQUESTS_IN_FLIGHT);
            let panicked = std::panic::catch_unwind(|| {
                let _two = InFlight::enter(HTTP_REQUESTS_IN_FLIGHT);
                panic!("expected by this test");
            });
            assert!(panicked.is_err());
            let _three = InFlight::enter(GRAPH_QUERIES_IN_FLIGHT);
            std::mem::forget(InFlight::enter(GRAPH_QUERIES_IN_FLIGHT));
        });
        assert!(text.contains("\nhttp_requests_in_flight 0\n"), "{text}");
        assert!(text.contains("\ngraph_queries_in_flight 1\n"), "{text}");
    }

    #[test]
    fn installing_twice_gives_the_same_recorder() {
        let first = install("1.2.3").unwrap();
        let second = install("9.9.9").unwrap();
        assert!(first.render().contains("build_info{version=\"1.2.3\"} 1"));
        assert!(!second.render().contains("9.9.9"));
    }
}
