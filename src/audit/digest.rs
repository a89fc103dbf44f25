//! What the digests of rows and seals cover, byte for byte. Whoever has the key can compute them with any tool;
//! docs/api/audit.md describes the form.

use chrono::{DateTime, Utc};
use hmac::Mac;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::keys::{Key, Keyed};

/// A row of the log as its digest covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Orders the log.
    pub position: i64,
    /// The transaction that wrote it.
    pub tx: String,
    /// When it was written.
    pub occurred_at: DateTime<Utc>,
    /// Who made the change.
    pub actor_id: Option<Uuid>,
    /// The request that made it.
    pub request_id: Option<String>,
    /// What kind of thing changed.
    pub entity: String,
    /// Which one.
    pub entity_id: Uuid,
    /// Its type.
    pub entity_type: Option<String>,
    /// What happened.
    pub action: String,
    /// The version it has since.
    pub version: i32,
    /// What it says of the world.
    pub payload: Payload,
    /// The row that tells of the blanking of this one.
    pub blanked_by: Option<i64>,
}

/// What a row says of the world, as Postgres writes it: the part that can be blanked, for it may speak of people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Why, in the words of who made the change.
    pub reason: Option<String>,
    /// The state before.
    pub before: Option<String>,
    /// The state after.
    pub after: Option<String>,
}

impl Payload {
    /// The salted digest: SHA-256 of the salt and the three texts.
    #[must_use]
    pub fn digest(&self, salt: &[u8]) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(salt);
        for text in [&self.reason, &self.before, &self.after] {
            Digest::update(&mut hash, [u8::from(text.is_some())]);
            let bytes = text.as_deref().unwrap_or_default().as_bytes();
            Digest::update(&mut hash, (bytes.len() as u64).to_be_bytes());
            Digest::update(&mut hash, bytes);
        }
        hash.finalize().to_vec()
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }
}

impl Row {
    /// The keyed digest of the row as part of a seal.
    #[must_use]
    pub fn digest(&self, key: &Key, seal: i64, payload: &[u8]) -> Vec<u8> {
        let mut mac = key.begin();
        field(&mut mac, Some(b"row"));
        field(&mut mac, Some(&seal.to_be_bytes()));
        field(&mut mac, Some(&self.position.to_be_bytes()));
        field(&mut mac, Some(self.tx.as_bytes()));
        field(&mut mac, Some(&self.occurred_at.timestamp_micros().to_be_bytes()));
        field(&mut mac, self.actor_id.as_ref().map(|id| &id.as_bytes()[..]));
        field(&mut mac, self.request_id.as_deref().map(str::as_bytes));
        field(&mut mac, Some(self.entity.as_bytes()));
        field(&mut mac, Some(self.entity_id.as_bytes()));
        field(&mut mac, self.entity_type.as_deref().map(str::as_bytes));
        field(&mut mac, Some(self.action.as_bytes()));
        field(&mut mac, Some(&self.version.to_be_bytes()));
        field(&mut mac, Some(payload));
        mac.finalize().into_bytes().to_vec()
    }
}

/// The digest of a seal in the making: rows are added one by one, what is known last comes last.
pub struct SealDigest(Keyed);

impl SealDigest {
    /// Begins with the seal before.
    #[must_use]
    pub fn begin(key: &Key, number: i64, epoch: i32, snapshot: &str, previous: Option<&[u8]>) -> Self {
        let mut mac = key.begin();
        field(&mut mac, Some(b"seal"));
        field(&mut mac, Some(&number.to_be_bytes()));
        field(&mut mac, Some(&epoch.to_be_bytes()));
        field(&mut mac, Some(snapshot.as_bytes()));
        field(&mut mac, previous);
        Self(mac)
    }

    /// Adds the digest of the next row.
    pub fn row(&mut self, digest: &[u8]) {
        field(&mut self.0, Some(digest));
    }

    /// The digest.
    #[must_use]
    pub fn finish(mut self, recorded_at: DateTime<Utc>, count: i64) -> Vec<u8> {
        field(&mut self.0, Some(&recorded_at.timestamp_micros().to_be_bytes()));
        field(&mut self.0, Some(&count.to_be_bytes()));
        self.0.finalize().into_bytes().to_vec()
    }
}

/// Every part says whether it is there and how long it is, so that no two different rows read alike.
fn field(mac: &mut Keyed, bytes: Option<&[u8]>) {
    let present = bytes.is_some();
    let bytes = bytes.unwrap_or_default();
    mac.update(&[u8::from(present)]);
    mac.update(&(bytes.len() as u64).to_be_bytes());
    mac.update(bytes);
}
