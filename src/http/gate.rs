//! What answers before the server can: the port is open at once, so that probes get an answer while the database is
//! waited for and the graph is loaded.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{Router, extract::Request, routing::get};
use tower::{ServiceExt, service_fn};

use super::health::{self, Readiness};
use crate::{
    config::TelemetryConfig,
    error::{Code, Error},
};

/// A router that is replaced when the server is ready.
#[derive(Clone)]
pub struct Gate {
    current: Arc<ArcSwap<Router>>,
    reason: Arc<ArcSwap<String>>,
}

impl Gate {
    /// A gate that answers probes and turns everything else away.
    #[must_use]
    pub fn closed(config: &TelemetryConfig) -> Self {
        let reason = Arc::new(ArcSwap::from_pointee("the server is starting".to_owned()));
        let current = Arc::new(ArcSwap::from_pointee(starting(config, &reason)));
        Self { current, reason }
    }

    /// Says what the server is waiting for.
    pub fn wait_for(&self, reason: String) {
        self.reason.store(Arc::new(reason));
    }

    /// From now on `router` answers.
    pub fn open(&self, router: Router) {
        self.current.store(Arc::new(router));
    }

    /// What the listener serves.
    pub fn router(&self) -> Router {
        let current = self.current.clone();
        Router::new().fallback_service(service_fn(move |request: Request| {
            let router = Router::clone(&current.load());
            router.oneshot(request)
        }))
    }
}

fn starting(config: &TelemetryConfig, reason: &Arc<ArcSwap<String>>) -> Router {
    let unavailable = reason.clone();
    let router = Router::new().fallback(move || async move {
        Error::new(
            Code::ServiceUnavailable,
            format!("Not ready yet: {}", unavailable.load()),
        )
        .retry_after(1)
    });
    if !config.health_check_enabled {
        return router;
    }
    let own = &config.health_check_path;
    let mut paths: Vec<(String, bool)> = [("/live", true), ("/ready", false)]
        .map(|(path, live)| (path.to_owned(), live))
        .into();
    for base in ["/health", own].into_iter().take(if own == "/health" { 1 } else { 2 }) {
        paths.push((format!("{base}/live"), true));
        paths.push((format!("{base}/ready"), false));
    }
    paths.into_iter().fold(router, |router, (path, live)| {
        let reason = reason.clone();
        if live {
            router.route(&path, get(health::alive))
        } else {
            router.route(
                &path,
                get(move || async move { Readiness::of(vec![reason.load().to_string()]) }),
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;

    use super::*;
    use crate::config::Config;

    async fn ask(router: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn probes_are_answered_before_the_server_is_ready() {
        let vars = [("DATABASE_URL", "postgres://a@b/c"), ("HEALTH_CHECK_PATH", "/status")];
        let gate = Gate::closed(&Config::from_vars(vars).unwrap().telemetry);
        let router = gate.router();
        gate.wait_for("2 of 5 migrations are not applied".into());
        for path in ["/live", "/health/live", "/status/live"] {
            assert_eq!(
                ask(&router, path).await,
                (200, r#"{"status":"alive"}"#.into()),
                "{path}"
            );
        }
        for path in ["/ready", "/health/ready", "/status/ready"] {
            let (status, body) = ask(&router, path).await;
            assert_eq!(
                (status, body.as_str()),
                (
                    503,
                    r#"{"status":"not ready","reasons":["2 of 5 migrations are not applied"]}"#
                )
            );
        }
        let (status, body) = ask(&router, "/api/v1/cards").await;
        assert!(
            status == 503 && body.contains("SERVICE_UNAVAILABLE") && body.contains("2 of 5"),
            "{body}"
        );

        gate.open(Router::new().route("/api/v1/cards", get(|| async { "cards" })));
        assert_eq!(ask(&router, "/api/v1/cards").await, (200, "cards".into()));
    }
}
