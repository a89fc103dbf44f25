//! Serves the metrics on their own port.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, header},
    routing::get,
};
use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;

use super::process;

/// Values that cost a query are this old at most.
const KEPT: Duration = Duration::from_secs(10);
/// How long a scrape waits for them: Prometheus gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often recorded values are folded into their histograms when nobody scrapes; until then they take up memory.
const UPKEEP: Duration = Duration::from_secs(5);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Costly {
    name: &'static str,
    collect: Box<dyn Fn() -> Work + Send + Sync>,
}

/// What sets gauges when somebody asks for them.
#[derive(Default)]
pub struct Collectors {
    cheap: Vec<Box<dyn Fn() + Send + Sync>>,
    costly: Vec<Costly>,
}

impl Collectors {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one that only looks at memory; it runs at each scrape.
    #[must_use]
    pub fn cheap(mut self, collect: impl Fn() + Send + Sync + 'static) -> Self {
        self.cheap.push(Box::new(collect));
        self
    }

    /// Adds one that asks a database; it runs at most every ten seconds and is given two. `name` is for the log.
    #[must_use]
    pub fn costly<F, Fut>(mut self, name: &'static str, collect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.costly.push(Costly {
            name,
            collect: Box::new(move || Box::pin(collect())),
        });
        self
    }

    async fn run_costly(&self, patience: Duration) {
        join_all(self.costly.iter().map(async |Costly { name, collect }| {
            if tokio::time::timeout(patience, collect()).await.is_err() {
                tracing::warn!(
                    collector = name,
                    "metrics were not collected in time; the last values stand"
                );
            }
        }))
        .await;
    }
}

struct Scrape {
    handle: PrometheusHandle,
    collectors: Collectors,
    patience: Duration,
    collected: Mutex<Option<Instant>>,
}

/// The router of the metrics port. The metrics stand under `path`.
pub fn metrics_router(path: &str, handle: PrometheusHandle, collectors: Collectors) -> Router {
    router(
        path,
        Scrape {
            handle,
            collectors,
            patience: PATIENCE,
            collected: Mutex::new(None),
        },
    )
}

fn router(path: &str, scrape: Scrape) -> Router {
    Router::new().route(path, get(render)).with_state(Arc::new(scrape))
}

async fn render(State(scrape): State<Arc<Scrape>>) -> ([(HeaderName, &'static str); 1], String) {
    scrape.collectors.cheap.iter().for_each(|collect| collect());
    {
        // Held while collecting: of two scrapes at once the second waits and finds the values fresh.
        let mut collected = scrape.collected.lock().await;
        if collected.is_none_or(|at| at.elapsed() >= KEPT) {
            scrape.collectors.run_costly(scrape.patience).await;
            *collected = Some(Instant::now());
        }
    }
    let mut text = scrape.handle.render();
    text.push_str(&process::render());
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
}

/// Keeps the recorder small between scrapes. Never ends: spawn it and abort it, or select over it.
pub async fn upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::ServiceExt;

    use super::*;

    async fn scrape(router: &Router) -> String {
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert!(response.status().is_success());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn costly_values_are_kept_and_cheap_ones_are_not() {
        let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let (cheap, costly) = (counts.clone(), counts.clone());
        let collectors = Collectors::new()
            .cheap(move || {
                cheap.0.fetch_add(1, Ordering::SeqCst);
            })
            .costly("cards", move || {
                let counts = costly.clone();
                async move {
                    counts.1.fetch_add(1, Ordering::SeqCst);
                }
            });
        let router = metrics_router(
            "/metrics",
            PrometheusBuilder::new().build_recorder().handle(),
            collectors,
        );
        let (first, _) = tokio::join!(scrape(&router), scrape(&router));
        scrape(&router).await;
        assert_eq!(
            (counts.0.load(Ordering::SeqCst), counts.1.load(Ordering::SeqCst)),
            (3, 1)
        );
        #[cfg(target_os = "linux")]
        assert!(first.contains("process_open_fds"));
    }

    #[tokio::test]
    async fn a_collector_that_hangs_does_not_hang_the_scrape() {
        let collectors = Collectors::new()
            .costly("hangs", std::future::pending::<()>)
            .costly("works", || async {
                metrics::gauge!("never_scraped_here").set(1.0);
            });
        let handle = PrometheusBuilder::new().build_recorder().handle();
        let patience = Duration::from_millis(10);
        let router = router(
            "/metrics",
            Scrape {
                handle,
                collectors,
                patience,
                collected: Mutex::new(None),
            },
        );
        // Would never end without the limit.
        tokio::time::timeout(Duration::from_secs(30), scrape(&router))
            .await
            .unwrap();
    }
}
