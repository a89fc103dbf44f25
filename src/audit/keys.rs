//! The keys of the seals.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use sqlx::PgConnection;

use crate::{auth, config::AuditConfig, error::Result};

/// A keyed digest in the making.
pub type Keyed = Hmac<Sha256>;

/// One key.
#[derive(Clone)]
pub struct Key {
    /// Recognises the key and tells nothing about it.
    pub id: Vec<u8>,
    fresh: Keyed,
}

impl Key {
    /// The key that a secret is.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let fresh = Keyed::new_from_slice(secret.as_bytes()).expect("a key of any length");
        let id = fresh.clone().chain_update(b"archzero audit key").finalize();
        Self {
            id: id.into_bytes()[..8].to_vec(),
            fresh,
        }
    }

    /// A keyed digest of nothing yet.
    #[must_use]
    pub fn begin(&self) -> Keyed {
        self.fresh.clone()
    }
}

/// The key that seals, and those that sealed before it.
#[derive(Clone)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// The key that seals first, then those that only verify.
    #[must_use]
    pub fn new(current: &SecretString, previous: &[SecretString]) -> Self {
        let all = std::iter::once(current).chain(previous);
        Self(all.map(|secret| Key::new(secret.expose_secret())).collect())
    }

    /// The configured keys; without one, the one the installation made for itself. A configured key stands alone: what
    /// lies in the database can be replaced by whoever alters the log.
    pub async fn load(config: &AuditConfig, conn: &mut PgConnection) -> Result<Self> {
        let current = match &config.key {
            Some(key) => key.clone(),
            None => SecretString::from(auth::store::setting(conn, "audit_key", &auth::secret::generate()).await?),
        };
        Ok(Self::new(&current, &config.previous_keys))
    }

    /// The key that seals.
    #[must_use]
    pub fn current(&self) -> &Key {
        &self.0[0]
    }

    /// The key of this id, if it is one of ours.
    #[must_use]
    pub fn find(&self, id: &[u8]) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}
