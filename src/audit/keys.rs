//! The keys of the seals.

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
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
        // As HMAC has it: what is longer than a block is hashed, what is shorter filled up with zeros.
        let mut block = [0; 64];
        let hashed = Sha256::digest(secret.as_bytes());
        let bytes = if secret.len() > block.len() {
            &hashed[..]
        } else {
            secret.as_bytes()
        };
        block[..bytes.len()].copy_from_slice(bytes);
        let fresh = Keyed::new(&block.into());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231, and a key longer than a block.
    #[test]
    fn keyed_digests_are_hmac_sha_256() {
        let sign =
            |secret: &str, text: &str| hex::encode(Key::new(secret).begin().chain_update(text).finalize().into_bytes());
        assert_eq!(
            sign("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(sign(&"k".repeat(100), "text"), LONG);
        assert_ne!(Key::new("a").id, Key::new("b").id);
    }

    const LONG: &str = "5964a5c58b736800917a8e85cf03892e9ab8a997a15175b1d876119624a9b699";
}
