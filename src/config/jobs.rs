//! Background work: how much at a time, when, and how long things are kept.

use std::{str::FromStr, time::Duration};

use super::reader::Reader;

/// Background work: how much at a time, when, and how long things are kept.
#[derive(Clone, Debug)]
pub struct JobsConfig {
    /// Jobs that this process works on at a time; 0: none, others do.
    pub concurrency: usize,
    /// How long a process that is silent keeps a job before another takes it.
    pub lease: Duration,
    /// When what is no longer needed is removed: a cron expression in UTC; none: never by itself.
    pub retention_schedule: Option<String>,
    /// When components whose support ends are moved to Sunset.
    pub sunset_schedule: Option<String>,
    /// How long sessions are kept after they ended.
    pub retention_sessions_days: i32,
    /// How long jobs are kept after they ended.
    pub retention_jobs_days: i32,
}

impl JobsConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut schedule = |name| reader.parsed(name, cron).unwrap_or_default();
        let (retention_schedule, sunset_schedule) = (schedule("SCHEDULE_RETENTION"), schedule("SCHEDULE_SUNSET"));
        Self {
            concurrency: reader.integer("JOBS_CONCURRENCY").unwrap_or(2),
            lease: reader.duration("JOBS_LEASE").unwrap_or(Duration::from_secs(30)),
            retention_schedule,
            sunset_schedule,
            retention_sessions_days: reader.integer("RETENTION_SESSIONS_DAYS").unwrap_or(90),
            retention_jobs_days: reader.integer("RETENTION_JOBS_DAYS").unwrap_or(30),
        }
    }
}

/// A cron expression of five fields, or `off`.
#[expect(clippy::option_option, reason = "the outer one says whether the text is valid")]
fn cron(text: &str) -> Option<Option<String>> {
    if text.eq_ignore_ascii_case("off") {
        return Some(None);
    }
    let valid = text.len() <= 100 && text.split_whitespace().count() == 5 && croner::Cron::from_str(text).is_ok();
    valid.then(|| Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_cron_expressions_or_off() {
        for good in ["0 1 * * *", "*/15 * * * *", "0 2 * * MON-FRI", "30 4 1,15 * *"] {
            assert_eq!(cron(good), Some(Some(good.to_owned())), "{good}");
        }
        assert_eq!(cron("OFF"), Some(None));
        for bad in [
            "",
            "daily",
            "* * * *",
            "0 0 1 * * *",
            "61 * * * *",
            "0 25 * * *",
            "a b c d e",
        ] {
            assert_eq!(cron(bad), None, "{bad}");
        }
    }
}
