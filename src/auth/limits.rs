//! Quotas of a caller's own, in place of the installation's: a role or an API key may carry them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    config::Quota,
    error::ViolationCode,
    http::{
        fields::{Fields, kind},
        rate_limit::Class,
    },
};

/// The largest count of a quota.
const MOST: i64 = 100_000_000;
/// The longest window, 31 days in seconds, as for the installation's own quotas.
const LONGEST: i64 = 31 * 24 * 3600;

/// So many requests in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OwnRateLimit)]
pub struct RateLimit {
    /// Requests that the window allows.
    #[schema(minimum = 1, maximum = 100_000_000, example = 50_000)]
    pub count: u32,
    /// Length of the window in seconds, at most 31 days.
    #[schema(minimum = 1, maximum = 2_678_400, example = 3600)]
    pub window_seconds: u32,
}

impl RateLimit {
    /// The same as the limiter counts it.
    #[must_use]
    pub fn quota(self) -> Quota {
        Quota {
            count: self.count,
            window: Duration::from_secs(self.window_seconds.into()),
        }
    }

    /// Whether this allows more requests per second than the other, or as many with a larger burst.
    fn exceeds(self, other: Self) -> bool {
        let rate = |one: Self, two: Self| u64::from(one.count) * u64::from(two.window_seconds);
        (rate(self, other), self.count) > (rate(other, self), other.count)
    }
}

/// Quotas by class of request; a class that is absent has the installation's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OwnRateLimits)]
pub struct RateLimits {
    /// Ordinary requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<RateLimit>,
    /// Graph questions and reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expensive: Option<RateLimit>,
    /// Bulk writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<RateLimit>,
}

impl RateLimits {
    /// Whether no class has a quota of its own.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Of two, per class the more generous one that is given.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let better = |one: Option<RateLimit>, two: Option<RateLimit>| match (one, two) {
            (Some(one), Some(two)) => Some(if two.exceeds(one) { two } else { one }),
            (one, two) => one.or(two),
        };
        Self {
            standard: better(self.standard, other.standard),
            expensive: better(self.expensive, other.expensive),
            bulk: better(self.bulk, other.bulk),
        }
    }

    /// These, and the other's for classes that these do not name: a key's own come before its owner's, be they smaller.
    #[must_use]
    pub fn over(self, other: Self) -> Self {
        Self {
            standard: self.standard.or(other.standard),
            expensive: self.expensive.or(other.expensive),
            bulk: self.bulk.or(other.bulk),
        }
    }

    /// The quota of a class; none when the installation's applies.
    #[must_use]
    pub fn quota(self, class: Class) -> Option<Quota> {
        let limit = match class {
            Class::Standard => self.standard,
            Class::Expensive => self.expensive,
            Class::Bulk => self.bulk,
            Class::Auth | Class::AuthAddress | Class::Keys => None,
        };
        limit.map(RateLimit::quota)
    }

    /// Takes the object at `name`; what is wrong with it is left in `fields`. Null is the same as none at all.
    pub fn take(fields: &mut Fields, name: &'static str) -> Option<Self> {
        if fields.is_null(name) {
            fields.value(name);
            return Some(Self::default());
        }
        let mut inner = Fields::within(name, fields.object(name)?);
        let mut class = |class: &'static str| match inner.value(class)? {
            Value::Object(object) => {
                let mut quota = Fields::within(&format!("{name}.{class}"), object);
                for part in ["count", "window_seconds"] {
                    if !quota.is_given(part) {
                        quota.refuse(part, ViolationCode::Required, "is required", None);
                    }
                }
                let count = quota.integer("count", 1, MOST);
                let window = quota.integer("window_seconds", 1, LONGEST);
                inner.extend(quota.finish());
                Some(RateLimit {
                    count: u32::try_from(count?).ok()?,
                    window_seconds: u32::try_from(window?).ok()?,
                })
            }
            other => {
                let message = format!("must be an object with count and window_seconds, not {}", kind(&other));
                inner.refuse(class, ViolationCode::WrongType, message, Some(&other));
                None
            }
        };
        let limits = Self {
            standard: class("standard"),
            expensive: class("expensive"),
            bulk: class("bulk"),
        };
        fields.extend(inner.finish());
        Some(limits)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limit(count: u32, window_seconds: u32) -> RateLimit {
        RateLimit { count, window_seconds }
    }

    #[test]
    fn the_more_generous_of_two_holds_per_class() {
        let one = RateLimits {
            standard: Some(limit(100, 60)),
            bulk: Some(limit(10, 3600)),
            ..RateLimits::default()
        };
        let two = RateLimits {
            standard: Some(limit(1_000, 3600)),
            expensive: Some(limit(5, 1)),
            bulk: Some(limit(20, 7200)),
        };
        let both = RateLimits {
            standard: Some(limit(100, 60)),
            expensive: Some(limit(5, 1)),
            bulk: Some(limit(20, 7200)),
        };
        assert_eq!((one.or(two), two.or(one)), (both, both));
        assert!(RateLimits::default().is_empty() && !one.is_empty());
    }

    #[test]
    fn those_of_a_key_come_before_those_of_its_owner() {
        let key = RateLimits {
            standard: Some(limit(1, 60)),
            ..RateLimits::default()
        };
        let owner = RateLimits {
            standard: Some(limit(100, 60)),
            bulk: Some(limit(10, 3600)),
            ..RateLimits::default()
        };
        let both = key.over(owner);
        assert_eq!(
            (both.standard, both.expensive, both.bulk),
            (key.standard, None, owner.bulk)
        );
        assert_eq!(both.quota(Class::Bulk), owner.bulk.map(RateLimit::quota));
        assert_eq!(both.quota(Class::Expensive), None);
        assert_eq!(both.quota(Class::AuthAddress), None);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        let read = |body: Value| {
            let mut fields = Fields::new(body.as_object().unwrap().clone());
            let limits = RateLimits::take(&mut fields, "rate_limits");
            let wrong: Vec<String> = fields.finish().into_iter().map(|v| v.field).collect();
            (limits, wrong)
        };
        let good = json!({"rate_limits": {"bulk": {"count": 5, "window_seconds": 60}, "standard": null}});
        let expected = RateLimits {
            bulk: Some(limit(5, 60)),
            ..RateLimits::default()
        };
        assert_eq!(read(good), (Some(expected), vec![]));
        assert_eq!(read(json!({})), (None, vec![]));
        assert_eq!(
            read(json!({"rate_limits": null})),
            (Some(RateLimits::default()), vec![])
        );
        let (_, wrong) = read(json!({"rate_limits": {
            "standard": {"count": 0, "window_seconds": 1}, "expensive": 7, "bulk": {"count": 1, "per": "h"}, "auth": {}}}));
        assert_eq!(
            wrong,
            [
                "rate_limits.standard.count",
                "rate_limits.expensive",
                "rate_limits.bulk.window_seconds",
                "rate_limits.bulk.per",
                "rate_limits.auth"
            ]
        );
    }
}
