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

/// The digests of a seal's rows, in order of position, folded into one.
#[derive(Clone, Default)]
pub struct RowsDigest(Sha256);

impl RowsDigest {
    /// Adds the digest of the next row.
    pub fn add(&mut self, digest: &[u8]) {
        Digest::update(&mut self.0, (digest.len() as u64).to_be_bytes());
        Digest::update(&mut self.0, digest);
    }

    /// The one digest.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

/// The columns of a seal as its digest covers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealHead {
    /// Counts from 1 without gaps.
    pub number: i64,
    /// The epoch of the log.
    pub epoch: i32,
    /// What was committed, as Postgres writes a snapshot.
    pub snapshot: String,
    /// When it was closed.
    pub recorded_at: DateTime<Utc>,
    /// How many rows it covers.
    pub count: i64,
}

impl SealHead {
    /// The keyed digest of the seal over its rows and the seal before.
    #[must_use]
    pub fn digest(&self, key: &Key, rows: &[u8], previous: Option<&[u8]>) -> Vec<u8> {
        let mut mac = key.begin();
        field(&mut mac, Some(b"seal"));
        field(&mut mac, Some(&self.number.to_be_bytes()));
        field(&mut mac, Some(&self.epoch.to_be_bytes()));
        field(&mut mac, Some(self.snapshot.as_bytes()));
        field(&mut mac, Some(&self.recorded_at.timestamp_micros().to_be_bytes()));
        field(&mut mac, Some(&self.count.to_be_bytes()));
        field(&mut mac, Some(rows));
        field(&mut mac, previous);
        mac.finalize().into_bytes().to_vec()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> Row {
        Row {
            position: 7,
            tx: "812".into(),
            occurred_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            actor_id: Some(Uuid::from_u128(1)),
            request_id: Some("request-1".into()),
            entity: "card".into(),
            entity_id: Uuid::from_u128(2),
            entity_type: Some("Application".into()),
            action: "updated".into(),
            version: 3,
            payload: Payload {
                reason: None,
                before: Some("{}".into()),
                after: Some("{\"a\": 1}".into()),
            },
            blanked_by: None,
        }
    }

    /// Whoever kept a log years ago must be able to verify it: the form never changes.
    #[test]
    fn the_form_is_fixed() {
        let key = Key::new("a key for tests");
        let payload = row().payload.digest(b"0123456789abcdef");
        let digest = row().digest(&key, 4, &payload);
        let mut rows = RowsDigest::default();
        rows.add(&digest);
        let head = SealHead {
            number: 4,
            epoch: 1,
            snapshot: "810:813:811".into(),
            recorded_at: row().occurred_at,
            count: 1,
        };
        let seal = head.digest(&key, &rows.finish(), Some(b"the seal before"));
        insta::assert_snapshot!([&key.id, &payload, &digest, &seal].map(hex::encode).join("\n"));
    }

    #[test]
    fn every_column_counts() {
        let key = Key::new("k");
        let digest = |row: &Row| row.digest(&key, 1, &row.payload.digest(b"salt"));
        let mut altered: Vec<Row> = vec![row(); 14];
        altered[0].position += 1;
        altered[1].tx = "813".into();
        altered[2].occurred_at += chrono::TimeDelta::microseconds(1);
        altered[3].actor_id = None;
        altered[4].request_id = None;
        altered[5].entity = "cards".into();
        altered[6].entity_id = Uuid::nil();
        altered[7].entity_type = None;
        altered[8].action = "deleted".into();
        altered[9].version = 4;
        altered[10].payload.reason = Some(String::new());
        altered[11].payload.before = None;
        altered[12].payload.after = Some("{\"a\": 2}".into());
        altered[13].payload = Payload {
            before: row().payload.after,
            after: row().payload.before,
            reason: None,
        };
        for (n, other) in altered.iter().enumerate() {
            assert_ne!(digest(other), digest(&row()), "{n}");
        }
        let payload = row().payload.digest(b"salt");
        assert_ne!(row().digest(&key, 2, &payload), digest(&row()), "another seal");
        assert_ne!(row().digest(&Key::new("l"), 1, &payload), digest(&row()), "another key");
        assert_ne!(row().payload.digest(b"tlas"), payload, "another salt");
    }

    proptest! {
        /// Moving text from one part to the next does not go unnoticed.
        #[test]
        fn payloads_are_told_apart(one in prop::array::uniform3(prop::option::of("[ab]{0,3}")), two in prop::array::uniform3(prop::option::of("[ab]{0,3}"))) {
            let payload = |[reason, before, after]: [Option<String>; 3]| Payload { reason, before, after };
            let (one, two) = (payload(one), payload(two));
            prop_assert_eq!(one == two, one.digest(b"s") == two.digest(b"s"));
        }
    }
}
