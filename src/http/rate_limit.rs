//! Rate limits: generic cell rate algorithm (GCRA) with the whole quota as burst, per class and subject. The subject
//! is the authenticated user, or the client's address when there is none.

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
use moka::sync::Cache;
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
    /// Bulk writes.
    Bulk,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Expensive => "expensive",
            Self::Auth | Self::AuthAddress => "auth",
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

/// The limiter of one process.
pub struct Limiter {
    config: RateLimitConfig,
    // The theoretical arrival time of each subject's next request, in nanoseconds of the process clock.
    arrivals: Cache<(Class, String), Arc<AtomicI64>>,
    start: std::time::Instant,
}

/// How many subjects are remembered at a time; beyond, the longest idle are forgotten.
const SUBJECTS: u64 = 200_000;

impl Limiter {
    /// A limiter with these quotas.
    #[must_use]
    pub fn new(config: &RateLimitConfig) -> Self {
        let longest = [config.standard, config.expensive, config.auth, config.bulk]
            .iter()
            .map(|q| q.window)
            .max()
            .unwrap_or_default();
        Self {
            config: config.clone(),
            arrivals: Cache::builder()
                .max_capacity(SUBJECTS)
                .time_to_idle(longest.max(Duration::from_mins(1)))
                .build(),
            start: std::time::Instant::now(),
        }
    }

    fn quota(&self, class: Class) -> Quota {
        match class {
            Class::Standard => self.config.standard,
            Class::Expensive => self.config.expensive,
            Class::Auth => self.config.auth,
            Class::AuthAddress => Quota {
                count: self.config.auth.count.saturating_mul(10),
                window: self.config.auth.window,
            },
            Class::Bulk => self.config.bulk,
        }
    }

    /// Counts one request of `subject`; an error when the quota is used up.
    pub fn admit(&self, class: Class, subject: &str) -> Result<Option<Standing>> {
        if !self.config.enabled {
            return Ok(None);
        }
        let now = i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let quota = self.quota(class);
        let cell = self
            .arrivals
            .get_with((class, subject.to_owned()), || Arc::new(AtomicI64::new(0)));
        let standing = advance(&cell, quota, now);
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

    /// Gives back nine tenths of a request that cost next to nothing (304).
    fn refund(&self, class: Class, subject: &str) {
        if let Some(cell) = self.arrivals.get(&(class, subject.to_owned())) {
            let interval = interval(self.quota(class));
            cell.fetch_sub(interval / 10 * 9, Ordering::Relaxed);
        }
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
    let seconds = |nanos: i64| u64::try_from(nanos.max(0)).unwrap_or(0).div_ceil(1_000_000_000);
    Standing {
        limit: quota.count,
        remaining: u32::try_from((window - (arrival - now)).max(0) / interval.max(1))
            .unwrap_or(u32::MAX)
            .min(quota.count),
        reset_seconds: seconds(arrival - now),
        retry_seconds: if wait > 0 { seconds(wait).max(1) } else { 0 },
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
    let subject = match request.extensions().get::<Authentication>() {
        Some(Authentication::Valid(principal)) if class != Class::AuthAddress => principal.user_id.to_string(),
        _ => address,
    };
    limited(&state, class, &subject, next.run(request)).await
}

/// Counts one request of `subject`; unless its quota is used up, makes the answer. Either way the answer tells where the
/// subject stands, unless something further in has told of a quota of its own: a handler that knows more of the subject
/// than the layer does can count again.
pub async fn limited(
    state: &AppState,
    class: Class,
    subject: &str,
    answer: impl Future<Output = Response>,
) -> Response {
    let now = state.clock.now().timestamp();
    match state.limiter.admit(class, subject) {
        Ok(standing) => {
            let mut response = answer.await;
            if response.status() == StatusCode::NOT_MODIFIED {
                state.limiter.refund(class, subject);
            }
            if let Some(standing) = standing {
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
