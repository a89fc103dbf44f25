//! The audit trail: the change log, closed by seals ([`sealer`]) that a key outside of the database makes.
//!
//! A seal covers the digests of its rows in order of position and the seal before it. A row's digest covers its columns
//! and a salted digest of its *payload* - what it says of the world: reason, before, after. So a payload can be blanked,
//! together with its salt, and the chain still verifies.

pub mod digest;
pub mod export;
pub mod keys;
pub mod routes;
pub mod sealer;
pub mod store;
pub mod verify;

use std::sync::{Mutex, PoisonError};

use sqlx::PgConnection;

pub use keys::Keys;
pub use routes::routes;
pub use sealer::seal_now;

use crate::{config::AuditConfig, error::Result};

/// What an instance knows of the seals.
pub struct Audit {
    /// The keys that make and verify them.
    pub keys: Keys,
    newest: Mutex<Option<Newest>>,
}

/// The newest seal that this instance has seen: a log that has none of this number any more was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its number.
    pub number: i64,
    /// Its digest.
    pub digest: Vec<u8>,
    /// When it was recorded.
    pub recorded_at: chrono::DateTime<chrono::Utc>,
}

impl Audit {
    /// Takes the keys from the configuration. Without one, the installation makes its own at the first start and keeps
    /// it in the database, where all instances find it.
    pub async fn new(config: &AuditConfig, conn: &mut PgConnection) -> Result<Self> {
        Ok(Self {
            keys: Keys::load(config, conn).await?,
            newest: Mutex::new(store::newest(conn).await?),
        })
    }

    /// The newest seal that this instance has seen.
    #[must_use]
    pub fn newest(&self) -> Option<Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a seal, unless a newer one was seen.
    pub fn saw(&self, seal: Newest) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.as_ref().is_none_or(|known| known.number < seal.number) {
            *newest = Some(seal);
        }
    }
}
