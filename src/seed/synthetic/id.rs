//! Ids in the shape of UUIDv7: a time, here one millisecond after the other from the base date on, and numbers of the seed.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use uuid::{Builder, Uuid};

use super::{
    dates::BASE,
    plan::Plan,
    rng::{Rng, Stream},
};

/// When the `n`-th card or relationship was created.
pub(super) fn created_at(n: u32) -> DateTime<Utc> {
    BASE.and_time(NaiveTime::MIN).and_utc() + TimeDelta::milliseconds(i64::from(n))
}

/// The id of a card.
pub(super) fn card_id(plan: &Plan, card: u32) -> Uuid {
    id(plan.seed, Stream::CardId, plan.created(card))
}

/// The id of the `n`-th relationship.
pub(super) fn edge_id(seed: u64, n: u32) -> Uuid {
    id(seed, Stream::EdgeId, n)
}

fn id(seed: u64, stream: Stream, n: u32) -> Uuid {
    let mut rng = Rng::new(seed, stream, u64::from(n));
    let mut random = [0; 10];
    random[..8].copy_from_slice(&rng.next().to_be_bytes());
    random[8..].copy_from_slice(&rng.next().to_be_bytes()[..2]);
    let millis = u64::try_from(created_at(n).timestamp_millis()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_seven_in_order_and_of_their_seed() {
        let ids: Vec<Uuid> = (0..100).map(|n| edge_id(1, n)).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert_ne!(edge_id(1, 5), edge_id(2, 5));
        assert_eq!(edge_id(1, 0).to_string(), "019b76da-a800-7823-8006-95afbd5ef5c7");
    }
}
