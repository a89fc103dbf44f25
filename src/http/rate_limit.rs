//! Rate limits: generic cell rate algorithm (GCRA) with the whole quota as burst, per class and subject. The subject
//! is the authenticated user, or the client's address when there is none. A role or an API key may bring quotas of its
//! own; a key that does is a subject of its own for that class, otherwise it shares its owner's quota: more keys are
//! not more requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use moka::{Expiry, sync::Cache};
use serde_json::json;

use super::middleware::ClientIp;
use crate::{
    app::AppState,
    auth::Authentication,
    config::{Quota, RateLimitConfig},
    error::{Code, Error, Result},
};

/// Classes of requests, each with its own quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Everything not named below.
    Standard,
    /// Graph questions and reports.
    Expensive,
    /// Log-in and what goes with it, per account and address.
    Auth,
    /// The same, per address alone: wider, so that an office behind one address is not shut out.
    AuthAddress,
    /// API keys that are none, per address; as wide as the former and apart from it, so that a program with a wrong key
    /// keeps nobody from logging in.
    Keys,
    /// Bulk writes.
    Bulk,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Expensive => "expensive",
            Self::Auth | Self::AuthAddress | Self::Keys => "auth",
            Self::Bulk => "bulk",
        }
    }

    /// The class of a route, by its template.
    fn of(method: &Method, route: &str) -> Option<Self> {
        let route = route.strip_prefix("/api/v1")?;
        Some(match route {
            "/health" | "/openapi.json" => return None,
            "/auth/login"
            | "/auth/refresh"
            | "/auth/reset-password"
            | "/auth/accept-invite"
            | "/auth/change-password" => Self::AuthAddress,
            _ if route.ends_with("/bulk") && method == Method::POST => Self::Bulk,
            "/audit/verify" | "/audit/export" => Self::Expensive,
            _ if route.starts_with("/graph/") => Self::Expensive,
            _ => Self::Standard,
        })
    }
}

/// Where a subject stands after one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests allowed per window.
    pub limit: u32,
    /// Requests left now.
    pub remaining: u32,
    /// Seconds until the whole quota is there again.
    pub reset_seconds: u64,
    /// Seconds until the next request is allowed; 0 when this one was.
    pub retry_seconds: u64,
}

/// Where a subject stands with a class of requests.
struct Cell {
    // The theoretical arrival time of the next request, in nanoseconds of the process clock.
    arrival: AtomicI64,
    // After so long without a request the whole quota is there again, so there is nothing to remember.
    window: Duration,
}

/// The limiter of one process.
pub struct Limiter {
    config: RateLimitConfig,
    cells: Cache<(Class, String), Arc<Cell>>,
    start: std::time::Instant,
}

/// How many subjects are remembered at a time; beyond, the longest idle are forgotten.
const SUBJECTS: u64 = 200_000;

/// Forgets each cell after its own window.
struct AfterWindow;

impl Expiry<(Class, String), Arc<Cell>> for AfterWindow {
    fn expire_after_create(&self, _: &(Class, String), cell: &Arc<Cell>, _: std::time::Instant) -> Option<Duration> {
        Some(cell.window)
    }

    fn expire_after_read(
        &self,
        _: &(Class, String),
        cell: &Arc<Cell>,
        _: std::time::Instant,
        _: Option<Duration>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(cell.window)
    }
}

impl Limiter {
    /// A limiter with these quotas.
    #[must_use]
    pub fn new(config: &RateLimitConfig) -> Self {
        Self {
            config: config.clone(),
            cells: Cache::builder()
                .max_capacity(SUBJECTS)
                .expire_after(AfterWindow)
                .build(),
            start: std::time::Instant::now(),
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    fn quota(&self, class: Class) -> Quota {
        match class {
            Class::Standard => self.config.standard,
            Class::Expensive => self.config.expensive,
            Class::Auth => self.config.auth,
            Class::AuthAddress | Class::Keys => Quota {
                count: self.config.auth.count.saturating_mul(10),
                window: self.config.auth.window,
            },
            Class::Bulk => self.config.bulk,
        }
    }

    /// Counts one request of `subject` against its own quota, if it has one, or that of the installation; an error when
    /// it is used up.
    pub fn admit(&self, class: Class, subject: &str, own: Option<Quota>) -> Result<Option<Standing>> {
        if !self.config.enabled {
            return Ok(None);
        }
        let quota = own.unwrap_or_else(|| self.quota(class));
        let cell = self.cells.get_with((class, subject.to_owned()), || {
            Arc::new(Cell {
                arrival: AtomicI64::new(0),
                window: quota.window,
            })
        });
        let standing = advance(&cell.arrival, quota, self.now());
        if standing.retry_seconds == 0 {
            return Ok(Some(standing));
        }
        metrics::counter!("rate_limit_hits_total", "category" => class.name()).increment(1);
        Err(Error::new(
            Code::RateLimitExceeded,
            format!(
                "Too many requests of class '{}'; try again in {} seconds",
                class.name(),
                standing.retry_seconds
            ),
        )
        .with(json!({
            "category": class.name(),
            "limit": standing.limit,
            "window": quota.window.as_secs(),
            "remaining": 0,
            "retry_after_seconds": standing.retry_seconds,
            "reset_in_seconds": standing.reset_seconds,
        }))
        .retry_after(standing.retry_seconds))
    }

    /// Whether the next request of `subject` would be refused. Counts nothing.
    #[must_use]
    pub fn is_spent(&self, class: Class, subject: &str) -> bool {
        self.config.enabled
            && self.cells.get(&(class, subject.to_owned())).is_some_and(|cell| {
                let copy = AtomicI64::new(cell.arrival.load(Ordering::Acquire));
                advance(&copy, self.quota(class), self.now()).retry_seconds > 0
            })
    }

    /// Gives back nine tenths of a request that cost next to nothing (304); where the subject stands then.
    fn refund(&self, class: Class, subject: &str, own: Option<Quota>, standing: Standing) -> Standing {
        let Some(cell) = self.cells.get(&(class, subject.to_owned())) else {
            return standing;
        };
        let quota = own.unwrap_or_else(|| self.quota(class));
        let refund = interval(quota) / 10 * 9;
        let arrival = cell.arrival.fetch_sub(refund, Ordering::AcqRel) - refund;
        standing_at(arrival, quota, self.now())
    }
}

fn interval(quota: Quota) -> i64 {
    i64::try_from(quota.window.as_nanos() / u128::from(quota.count.max(1))).unwrap_or(i64::MAX / 4)
}

/// One GCRA step: the cell holds the theoretical arrival time.
fn advance(cell: &AtomicI64, quota: Quota, now: i64) -> Standing {
    let interval = interval(quota);
    let window = i64::try_from(quota.window.as_nanos()).unwrap_or(i64::MAX / 4);
    let mut outcome = (0, 0);
    let _ = cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, |arrival| {
        let arrival = arrival.max(now);
        let next = arrival + interval;
        let wait = next - now - window;
        if wait > 0 {
            outcome = (arrival, wait);
            None
        } else {
            outcome = (next, 0);
            Some(next)
        }
    });
    let (arrival, wait) = outcome;
    Standing {
        retry_seconds: if wait > 0 { seconds(wait).max(1) } else { 0 },
        ..standing_at(arrival, quota, now)
    }
}

fn seconds(nanos: i64) -> u64 {
    u64::try_from(nanos.max(0)).unwrap_or(0).div_ceil(1_000_000_000)
}

/// What is left at `now`, when the next request is due at `arrival`.
fn standing_at(arrival: i64, quota: Quota, now: i64) -> Standing {
    let window = i64::try_from(quota.window.as_nanos()).unwrap_or(i64::MAX / 4);
    Standing {
        limit: quota.count,
        remaining: u32::try_from((window - (arrival - now)).max(0) / interval(quota).max(1))
            .unwrap_or(u32::MAX)
            .min(quota.count),
        reset_seconds: seconds(arrival - now),
        retry_seconds: 0,
    }
}

/// The layer: counts the request, adds the headers.
pub async fn limit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|p| p.as_str().to_owned())
        .unwrap_or_default();
    // Unknown routes and foreign methods count as standard: probing is not free.
    let Some(class) = Class::of(request.method(), &route).or_else(|| (route.is_empty()).then_some(Class::Standard))
    else {
        return next.run(request).await;
    };
    let address = request
        .extensions()
        .get::<ClientIp>()
        .map(|ip| ip.0.to_string())
        .unwrap_or_default();
    let (subject, own) = match request.extensions().get::<Authentication>() {
        Some(Authentication::Valid(principal)) if class != Class::AuthAddress => principal.counted_as(class),
        _ => (address, None),
    };
    limited(&state, class, &subject, own, next.run(request)).await
}

/// Counts one request of `subject`, which may have a quota of its own; unless it is used up, makes the answer. Either way the answer tells where the
/// subject stands, unless something further in has told of a quota of its own: a handler that knows more of the subject
/// than the layer does can count again.
pub async fn limited(
    state: &AppState,
    class: Class,
    subject: &str,
    own: Option<Quota>,
    answer: impl Future<Output = Response>,
) -> Response {
    let now = state.clock.now().timestamp();
    match state.limiter.admit(class, subject, own) {
        Ok(standing) => {
            let mut response = answer.await;
            if let Some(mut standing) = standing {
                if response.status() == StatusCode::NOT_MODIFIED {
                    standing = state.limiter.refund(class, subject, own, standing);
                }
                tell(&mut response, standing, now);
            }
            response
        }
        Err(mut error) => {
            let mut details = error.details.take().unwrap_or_default();
            let number = |name: &str| details[name].as_u64().unwrap_or(0);
            let standing = Standing {
                limit: u32::try_from(number("limit")).unwrap_or(u32::MAX),
                remaining: 0,
                reset_seconds: number("reset_in_seconds"),
                retry_seconds: number("retry_after_seconds"),
            };
            details["reset_at"] = json!(now + i64::try_from(standing.reset_seconds).unwrap_or(0));
            error.details = Some(details);
            let mut response = error.into_response();
            tell(&mut response, standing, now);
            response
        }
    }
}

fn tell(response: &mut Response, standing: Standing, now: i64) {
    let reset = now + i64::try_from(standing.reset_seconds).unwrap_or(0);
    for (name, value) in [
        ("x-ratelimit-limit", i64::from(standing.limit)),
        ("x-ratelimit-remaining", i64::from(standing.remaining)),
        ("x-ratelimit-reset", reset),
    ] {
        response
            .headers_mut()
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn the_whole_quota_is_the_burst_and_refills_evenly() {
        let quota = Quota {
            count: 10,
            window: Duration::from_secs(100),
        };
        let cell = AtomicI64::new(0);
        for n in (0..10).rev() {
            let standing = advance(&cell, quota, 0);
            assert_eq!((standing.remaining, standing.retry_seconds), (n, 0));
        }
        assert_eq!(advance(&cell, quota, 0).retry_seconds, 10);
        assert_eq!(advance(&cell, quota, 9 * SECOND).retry_seconds, 1);
        assert_eq!(advance(&cell, quota, 10 * SECOND).retry_seconds, 0);
        assert_eq!(advance(&cell, quota, 10 * SECOND).retry_seconds, 10);
        assert_eq!(advance(&cell, quota, 1000 * SECOND).remaining, 9);
    }

    fn limiter(standard: u32, seconds: u64) -> Limiter {
        let quota = Quota {
            count: standard,
            window: Duration::from_secs(seconds),
        };
        Limiter::new(&RateLimitConfig {
            enabled: true,
            standard: quota,
            expensive: quota,
            auth: quota,
            bulk: quota,
        })
    }

    #[test]
    fn what_was_not_modified_costs_a_tenth_of_the_quota_that_holds() {
        let limiter = limiter(1_000, 3600);
        let own = Some(Quota {
            count: 10,
            window: Duration::from_hours(1),
        });
        let mut served = 0;
        while let Ok(Some(standing)) = limiter.admit(Class::Standard, "k", own) {
            assert_eq!(standing.limit, 10);
            limiter.refund(Class::Standard, "k", own, standing);
            served += 1;
            assert!(served < 200);
        }
        // The last one needs room for a whole request before it gives nine tenths back.
        assert!((90..=100).contains(&served), "{served}");
        // Somebody else has the installation's quota.
        assert_eq!(limiter.admit(Class::Standard, "l", None).unwrap().unwrap().limit, 1_000);
    }

    #[test]
    fn looking_counts_nothing() {
        let limiter = limiter(1, 3600);
        assert!(!limiter.is_spent(Class::Keys, "a"));
        for _ in 0..10 {
            assert!(!limiter.is_spent(Class::Keys, "a"));
            limiter.admit(Class::Keys, "a", None).unwrap();
        }
        assert!(limiter.is_spent(Class::Keys, "a") && !limiter.is_spent(Class::Keys, "b"));
        assert!(!limiter.is_spent(Class::AuthAddress, "a"));
    }

    #[test]
    fn concurrent_requests_never_exceed_the_quota() {
        let quota = Quota {
            count: 100,
            window: Duration::from_hours(1),
        };
        let cell = AtomicI64::new(0);
        let admitted = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        if advance(&cell, quota, 0).retry_seconds == 0 {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(admitted.into_inner(), 100);
    }
}
