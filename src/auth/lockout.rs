//! How often a password may be tried. Tries are counted per account and address, so that strangers cannot shut out the
//! owner of an account who sits elsewhere; an unknown account is counted like a known one, so that nothing shows.
//!
//! A try is counted *before* its password is checked and the count is cleared by a success. So tries at the same time
//! cannot be more than tries one after the other, whatever the number of instances, and one that is broken off counts.

use chrono::{DateTime, Duration, Utc};
use sha2::{Digest, Sha256};

/// Tries that may fail before the pair of account and address is locked.
pub const TRIES: i32 = 5;

/// How long failures are remembered, and how long the lock holds.
#[must_use]
pub fn window() -> Duration {
    Duration::minutes(15)
}

/// What an account is counted under: a digest, so that unknown addresses leave no e-mail behind.
#[must_use]
pub fn account(email_key: &str) -> Vec<u8> {
    Sha256::new()
        .chain_update("account:")
        .chain_update(email_key)
        .finalize()
        .to_vec()
}

/// What is remembered of one account and address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Tries since `since` that failed or are under way.
    pub tries: i32,
    /// When the first of them began.
    pub since: DateTime<Utc>,
    /// Until when no further try is accepted.
    pub locked_until: Option<DateTime<Utc>>,
}

/// Whether a password may be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes, as the try of this number; `record` is to be kept.
    Try {
        /// Counts from 1.
        number: i32,
        /// What is remembered from now on.
        record: Record,
    },
    /// No, as many tries as are allowed are under way or were broken off. It depends on how those under way end; none of
    /// them counts beyond this time.
    Wait(DateTime<Utc>),
    /// No, not before this time.
    Locked(DateTime<Utc>),
}

/// Decides on a try at `now`.
#[must_use]
pub fn admit(record: Record, now: DateTime<Utc>) -> Admission {
    match record.locked_until {
        Some(until) if until > now => return Admission::Locked(until),
        None if now < record.since + window() && record.tries > 0 => {
            if record.tries >= TRIES {
                return Admission::Wait(record.since + window());
            }
            let number = record.tries + 1;
            return Admission::Try {
                number,
                record: Record {
                    tries: number,
                    ..record
                },
            };
        }
        _ => {}
    }
    Admission::Try {
        number: 1,
        record: Record {
            tries: 1,
            since: now,
            locked_until: None,
        },
    }
}

/// Seconds that the try of this number is held back.
#[must_use]
pub fn delay(number: i32) -> u32 {
    match number {
        ..=2 => 0,
        3 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn fresh() -> Record {
        Record {
            tries: 0,
            since: at(0),
            locked_until: None,
        }
    }

    #[test]
    fn five_tries_in_fifteen_minutes() {
        let mut record = fresh();
        for expected in 1..=5 {
            let Admission::Try { number, record: next } = admit(record, at(i64::from(expected) * 10)) else {
                panic!("{expected}")
            };
            assert_eq!(number, expected);
            record = next;
        }
        assert_eq!(record.since, at(10));
        assert_eq!(admit(record, at(899)), Admission::Wait(at(910)));
        assert!(matches!(admit(record, at(910)), Admission::Try { number: 1, record } if record.since == at(910)));
    }

    #[test]
    fn a_lock_holds_until_its_end_and_leaves_nothing() {
        let locked = Record {
            tries: 5,
            since: at(0),
            locked_until: Some(at(1000)),
        };
        assert_eq!(admit(locked, at(999)), Admission::Locked(at(1000)));
        assert_eq!(
            admit(locked, at(1000)),
            Admission::Try {
                number: 1,
                record: Record {
                    tries: 1,
                    since: at(1000),
                    locked_until: None
                }
            }
        );
    }

    #[test]
    fn the_later_tries_are_held_back() {
        assert_eq!([1, 2, 3, 4, 5].map(delay), [0, 0, 1, 2, 2]);
    }

    #[test]
    fn accounts_are_told_apart() {
        assert_ne!(account("a@example.com"), account("b@example.com"));
    }
}
