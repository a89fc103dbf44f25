//! What happens to a refresh token that is presented. Each is good for one exchange; one that comes back betrays that
//! two parties hold it, and nobody can tell which is the thief: the session ends. Two tabs of one browser that refresh
//! at the same moment are no thieves, so for a short while a used token still buys a sibling.

use chrono::{DateTime, Duration, Utc};

/// How long after its first use a token still buys a sibling.
#[must_use]
pub fn grace() -> Duration {
    Duration::seconds(30)
}

/// A refresh token and what belongs to it, as stored.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// When it was first used.
    pub used_at: Option<DateTime<Utc>>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// Whether neither the session was revoked nor the user shut out.
    pub alive: bool,
}

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Issue a new one for the same session.
    Renew,
    /// Somebody else has it too: end the session.
    EndSession,
    /// It is of no use, in a word.
    Refuse(&'static str),
}

/// Decides at `now`.
#[must_use]
pub fn decide(token: Presented, now: DateTime<Utc>) -> Decision {
    if !token.alive {
        return Decision::Refuse("revoked");
    }
    if token.expires_at <= now {
        return Decision::Refuse("expired");
    }
    match token.used_at {
        Some(used) if now > used + grace() => Decision::EndSession,
        _ => Decision::Renew,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_a_token_can_stand() {
        let at = |seconds: i64| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        for (used, now, alive, expected) in [
            (None, 0, true, Decision::Renew),
            (None, 999, true, Decision::Renew),
            (None, 1000, true, Decision::Refuse("expired")),
            (Some(10), 11, true, Decision::Renew),
            (Some(10), 40, true, Decision::Renew),
            (Some(10), 41, true, Decision::EndSession),
            (Some(10), 1000, true, Decision::Refuse("expired")),
            (None, 0, false, Decision::Refuse("revoked")),
            (Some(10), 41, false, Decision::Refuse("revoked")),
        ] {
            let token = Presented {
                used_at: used.map(at),
                expires_at: at(1000),
                alive,
            };
            assert_eq!(
                decide(token, at(now)),
                expected,
                "used {used:?}, now {now}, alive {alive}"
            );
        }
    }
}
