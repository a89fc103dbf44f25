//! How often a caller may ask.

use super::{reader::Reader, values::Quota};

/// How often a caller may ask, by class of request.
#[derive(Clone, Debug)]
pub struct RateLimitConfig {
    /// Whether requests are limited at all.
    pub enabled: bool,
    /// Ordinary requests.
    pub standard: Quota,
    /// Graph questions and reports.
    pub expensive: Quota,
    /// Log-ins and the like.
    pub auth: Quota,
    /// Bulk requests.
    pub bulk: Quota,
}

impl RateLimitConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            enabled: reader.flag("RATE_LIMIT_ENABLED"),
            standard: reader.quota("RATE_LIMIT_STANDARD"),
            expensive: reader.quota("RATE_LIMIT_EXPENSIVE"),
            auth: reader.quota("RATE_LIMIT_AUTH"),
            bulk: reader.quota("RATE_LIMIT_BULK"),
        }
    }
}
