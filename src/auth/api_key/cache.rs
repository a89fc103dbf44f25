//! Keys that this instance has seen. Whether they still live is [`SessionCache`](crate::auth::SessionCache)'s matter;
//! what can change here is quotas, and the change log says when.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use moka::sync::Cache;
use uuid::Uuid;

use super::ApiKey;

/// See the module's description.
pub struct KeyCache {
    // By the SHA-256 of the whole key: whoever has no key cannot aim at an entry, so nothing is learnt from how long
    // a look-up takes. Which id belongs to a key never changes.
    ids: Cache<[u8; 32], Uuid>,
    keys: Cache<Uuid, Arc<ApiKey>>,
    // Counts what was forgotten, as in `SessionCache`.
    forgotten: AtomicU64,
}

/// How many keys are remembered.
const KEYS: u64 = 100_000;
/// Known keys stay known while they are in use: they are not counted as guesses.
const IDLE: std::time::Duration = std::time::Duration::from_hours(24);
/// Nothing that may change is remembered for longer, should ever a word of the change log be missed.
const LIFETIME: std::time::Duration = std::time::Duration::from_mins(10);

impl Default for KeyCache {
    fn default() -> Self {
        Self {
            ids: Cache::builder().max_capacity(KEYS).time_to_idle(IDLE).build(),
            keys: Cache::builder().max_capacity(KEYS).time_to_live(LIFETIME).build(),
            forgotten: AtomicU64::new(0),
        }
    }
}

impl KeyCache {
    /// The id of the key with this digest, if it was seen before.
    #[must_use]
    pub fn id(&self, digest: &[u8; 32]) -> Option<Uuid> {
        self.ids.get(digest)
    }

    /// What is remembered of the key.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<Arc<ApiKey>> {
        self.keys.get(&id)
    }

    /// To be taken before the database is asked, and given to [`keep`](Self::keep) with the answer.
    #[must_use]
    pub fn ticket(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// Remembers a key whose secret was right, unless something was forgotten since the ticket was taken.
    pub fn keep(&self, ticket: u64, digest: [u8; 32], key: &Arc<ApiKey>) {
        self.ids.insert(digest, key.id);
        if self.ticket() != ticket {
            return;
        }
        self.keys.insert(key.id, key.clone());
        if self.ticket() != ticket {
            self.keys.invalidate(&key.id);
        }
    }

    /// Forgets a key: it changed.
    pub fn forget(&self, id: Uuid) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.keys.invalidate(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::limits::RateLimits;

    fn key(n: u128) -> Arc<ApiKey> {
        Arc::new(ApiKey {
            id: Uuid::from_u128(n),
            user_id: Uuid::nil(),
            prefix: "az_000000000000".into(),
            scopes: [].into(),
            networks: Vec::new(),
            limits: RateLimits::default(),
        })
    }

    #[test]
    fn what_changed_is_forgotten_but_the_key_stays_known() {
        let cache = KeyCache::default();
        let one = key(1);
        assert_eq!(cache.id(&[1; 32]), None);
        cache.keep(cache.ticket(), [1; 32], &one);
        assert_eq!(cache.id(&[1; 32]), Some(one.id));
        assert_eq!(cache.get(one.id), Some(one.clone()));
        cache.forget(one.id);
        assert_eq!(cache.get(one.id), None);
        assert_eq!(cache.id(&[1; 32]), Some(one.id));
    }

    #[test]
    fn an_answer_older_than_what_was_forgotten_is_not_kept() {
        let cache = KeyCache::default();
        let (one, ticket) = (key(1), cache.ticket());
        cache.forget(one.id);
        cache.keep(ticket, [1; 32], &one);
        assert_eq!(cache.get(one.id), None);
    }
}
