//! Holding the log against its seals: what is wrong, and where. Pure; [`super::store::verify`] reads.

use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    digest::{Row, RowsDigest, SealHead},
    keys::{Key, Keys},
};
use crate::error::{Error, Result};

/// What somebody did to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TamperKind)]
pub enum Kind {
    /// A row is not what was sealed.
    RowChanged,
    /// A row that was sealed is not there.
    RowRemoved,
    /// A row that claims to be older than a seal which does not cover it.
    RowInserted,
    /// Rows stand in each other's place.
    RowReordered,
    /// A payload was taken away without the log telling of it.
    RowBlanked,
    /// A seal is not what was recorded, or what it covers is not.
    SealChanged,
    /// A number is missing in the chain of seals.
    SealRemoved,
    /// The last seals are missing.
    CutOff,
    /// A seal was made with a key that is not configured: `AUDIT_KEY` is wrong, or the seal is forged.
    WrongKey,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// What somebody did.
    pub kind: Kind,
    /// The seal it concerns.
    pub seal: Option<i64>,
    /// The row it concerns.
    pub position: Option<i64>,
    /// What exactly, in words.
    pub detail: String,
}

/// More is not listed: a wrong key would list the whole log.
pub const MOST_FINDINGS: usize = 100;

/// A seal as it stands in the database.
#[derive(Clone, Debug)]
pub struct StoredSeal {
    /// What its digest covers.
    pub head: SealHead,
    /// Which key made it.
    pub key_id: Vec<u8>,
    /// Its digest.
    pub digest: Vec<u8>,
}

/// A row of a seal as it stands in the database.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// Its position according to the seal.
    pub position: i64,
    /// The salt of the payload's digest; none once blanked.
    pub salt: Option<Vec<u8>>,
    /// The payload's digest.
    pub payload: Vec<u8>,
    /// The row's digest.
    pub digest: Vec<u8>,
    /// The row itself, if it is there.
    pub row: Option<Row>,
    /// Whether the row that is said to tell of the blanking does.
    pub told: bool,
}

/// The outcome of a verification.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Report {
    /// Whether everything that was compared is as it was sealed.
    pub ok: bool,
    /// Whether all was compared that was asked for; if not, go on from `next`.
    pub complete: bool,
    /// The first seal that was compared.
    pub verified_from: i64,
    /// The last seal that was compared; absent when there was none.
    pub verified_up_to: Option<i64>,
    /// What to send as `from` to go on.
    pub next: Option<i64>,
    /// Seals that were compared.
    pub seals: u64,
    /// Rows that were compared.
    pub rows: u64,
    /// Rows among them whose payload was blanked, as the log tells.
    pub blanked: u64,
    /// Rows that no seal covers yet; only when the walk reached the newest seal.
    pub unsealed: Option<i64>,
    /// The newest seal: keep it elsewhere and send it as `expected` next time.
    pub newest: Option<SealMark>,
    /// What is wrong, in order of seal and position; at most 100.
    pub findings: Vec<Finding>,
    /// Whether more is wrong than is listed.
    pub truncated: bool,
}

/// A seal as an auditor writes it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SealMark {
    /// Its number.
    pub number: i64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Its digest, in hexadecimal.
    pub digest: String,
}

/// Reads a seal that an auditor wrote down as `number:digest`.
pub fn mark(text: &str) -> Result<(i64, Vec<u8>)> {
    let bad =
        || Error::invalid("A seal is expected as number:digest, the digest in 64 hexadecimal digits").at("expected");
    let (number, digest) = text.split_once(':').ok_or_else(bad)?;
    let number: i64 = number.parse().map_err(|_| bad())?;
    let digest = hex::decode(digest).map_err(|_| bad())?;
    if number < 1 || digest.len() != 32 {
        return Err(bad());
    }
    Ok((number, digest))
}

/// What is to be verified.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The first seal; by default the first one there is.
    pub from: Option<i64>,
    /// The last seal; by default the newest.
    pub to: Option<i64>,
    /// Seals that must be there, by number and digest.
    pub expected: Vec<(i64, Vec<u8>)>,
    /// When to stop, at the end of a seal.
    pub deadline: Option<Instant>,
}

/// What was found so far, walking from seal to seal.
pub struct Walk<'a> {
    keys: &'a Keys,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Whether more is wrong than is listed.
    pub truncated: bool,
    /// Rows that were compared.
    pub rows: u64,
    /// Rows among them that are blank.
    pub blanked: u64,
    /// Seals that were compared.
    pub seals: u64,
    /// The digests that the seal before may have had: as stored, and as computed when the two differ.
    previous: Vec<Option<Vec<u8>>>,
    open: Option<Open<'a>>,
    /// Rows that are not what was sealed, to find out whether they changed places.
    odd: Vec<(i64, StoredRow, Key)>,
    foreign: Option<(i64, i64)>,
}

/// The seal whose rows are being compared.
struct Open<'a> {
    seal: StoredSeal,
    key: Option<&'a Key>,
    stored: RowsDigest,
    computed: RowsDigest,
    count: i64,
}

impl<'a> Walk<'a> {
    /// Begins with the seal that follows one of this digest; none at the beginning of the log.
    #[must_use]
    pub fn new(keys: &'a Keys, previous: Option<Vec<u8>>) -> Self {
        Self {
            keys,
            findings: Vec::new(),
            truncated: false,
            rows: 0,
            blanked: 0,
            seals: 0,
            previous: vec![previous],
            open: None,
            odd: Vec::new(),
            foreign: None,
        }
    }

    /// Notes that something is wrong.
    pub fn find(&mut self, kind: Kind, seal: Option<i64>, position: Option<i64>, detail: impl Into<String>) {
        if self.findings.len() == MOST_FINDINGS {
            self.truncated = true;
            return;
        }
        self.findings.push(Finding {
            kind,
            seal,
            position,
            detail: detail.into(),
        });
    }

    /// The seals from `first` to `last` are not there.
    pub fn missing(&mut self, first: i64, last: i64) {
        self.close();
        let text = if first == last {
            format!("There is no seal {first}")
        } else {
            format!("There are no seals {first} to {last}")
        };
        self.find(Kind::SealRemoved, Some(first), None, text);
        // What comes next followed something that nobody knows.
        self.previous.clear();
    }

    /// The next seal, whose rows come next.
    pub fn seal(&mut self, seal: StoredSeal) {
        self.close();
        self.seals += 1;
        let key = self.keys.find(&seal.key_id);
        let number = seal.head.number;
        match (&mut self.foreign, key) {
            (Some((_, last)), None) if *last == number - 1 => *last = number,
            (_, None) => {
                self.tell_foreign();
                self.foreign = Some((number, number));
            }
            (_, Some(_)) => self.tell_foreign(),
        }
        self.open = Some(Open {
            seal,
            key,
            stored: RowsDigest::default(),
            computed: RowsDigest::default(),
            count: 0,
        });
    }

    fn tell_foreign(&mut self) {
        if let Some((first, last)) = self.foreign.take() {
            let text = format!(
                "Seals {first} to {last} were made with a key that is neither AUDIT_KEY nor among AUDIT_PREVIOUS_KEYS"
            );
            self.find(Kind::WrongKey, Some(first), None, text);
        }
    }

    /// The next row of the seal, in order of position.
    pub fn row(&mut self, stored: StoredRow) {
        let Some(open) = &mut self.open else { return };
        let (seal, key) = (open.seal.head.number, open.key);
        open.count += 1;
        open.stored.add(&stored.digest);
        self.rows += 1;
        let position = Some(stored.position);
        let Some(row) = &stored.row else {
            open.computed.add(&stored.digest);
            self.find(Kind::RowRemoved, Some(seal), position, "The row is not there any more");
            return;
        };
        let blanked = row.blanked_by.is_some();
        self.blanked += u64::from(blanked);
        let digest = key.map(|key| row.digest(key, seal, &stored.payload));
        open.computed.add(digest.as_ref().unwrap_or(&stored.digest));
        let payload_holds = match &stored.salt {
            Some(salt) => !blanked && row.payload.digest(salt) == stored.payload,
            None => blanked && stored.told && row.payload.is_blank(),
        };
        let columns_hold = digest.is_none_or(|digest| digest == stored.digest);
        if payload_holds && columns_hold {
            return;
        }
        let blank = row.payload.is_blank();
        match (columns_hold, blank && (stored.salt.is_none() || blanked)) {
            (true, true) => self.find(
                Kind::RowBlanked,
                Some(seal),
                position,
                "The payload is gone and no row of the log tells who took it away",
            ),
            _ if self.odd.len() < MOST_FINDINGS && key.is_some() => {
                let key = key.cloned();
                self.odd.extend(key.map(|key| (seal, stored, key)));
            }
            _ => self.find(Kind::RowChanged, Some(seal), position, "The row is not what was sealed"),
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let stored_digest = Some(open.seal.digest.clone());
        let Some(key) = open.key else {
            self.previous = vec![stored_digest];
            return;
        };
        let head = &open.seal.head;
        let (stored, computed) = (open.stored.finish(), open.computed.finish());
        // What follows a seal that was removed has nobody to vouch for its beginning; its rows vouch for themselves.
        let unknown = self.previous.is_empty();
        let holds = |head: &SealHead, rows: &[u8]| {
            self.previous
                .iter()
                .any(|previous| head.digest(key, rows, previous.as_deref()) == open.seal.digest)
        };
        let first = self.previous.first().cloned().flatten();
        let mut candidates = vec![stored_digest];
        if !unknown && !holds(head, &stored) && !holds(head, &computed) {
            let counted = SealHead {
                count: open.count,
                ..head.clone()
            };
            let (number, count, found) = (head.number, head.count, open.count);
            let (kind, text) = if holds(&counted, &stored) {
                (
                    Kind::SealChanged,
                    format!("It says {count} rows and was recorded over {found}"),
                )
            } else if found < count {
                let gone = count - found;
                (
                    Kind::RowRemoved,
                    format!("{gone} of its {count} rows are gone together with their digests"),
                )
            } else if found > count {
                let more = found - count;
                (Kind::RowInserted, format!("{more} rows were added to its {count}"))
            } else {
                (
                    Kind::SealChanged,
                    "Its digest is not that of what it says and covers".to_owned(),
                )
            };
            candidates.push(Some(head.digest(key, &computed, first.as_deref())));
            self.find(kind, Some(number), None, text);
        } else if unknown && open.count != head.count {
            let (number, count, found) = (head.number, head.count, open.count);
            let kind = if found < count {
                Kind::RowRemoved
            } else {
                Kind::RowInserted
            };
            self.find(
                kind,
                Some(number),
                None,
                format!("It was recorded over {count} rows; there are {found}"),
            );
        }
        self.previous = candidates;
    }

    /// Ends the walk: says of odd rows what became of them.
    pub fn finish(&mut self) {
        self.close();
        self.tell_foreign();
        let odd = std::mem::take(&mut self.odd);
        for (seal, stored, key) in &odd {
            let Some(row) = &stored.row else { continue };
            let whole = |content: &Row| {
                content.digest(key, *seal, &stored.payload) == stored.digest
                    && stored
                        .salt
                        .as_ref()
                        .is_none_or(|salt| content.payload.digest(salt) == stored.payload)
            };
            let columns_hold = row.digest(key, *seal, &stored.payload) == stored.digest;
            // Whose content stands elsewhere? That of which, put back here, this row would be whole.
            let elsewhere = odd.iter().find(|(_, other, _)| {
                let Some(content) = other.row.as_ref().filter(|_| other.position != stored.position) else {
                    return false;
                };
                let moved = Row {
                    position: stored.position,
                    ..content.clone()
                };
                let payload = Row {
                    payload: content.payload.clone(),
                    ..row.clone()
                };
                whole(&moved) || whole(&payload)
            });
            let (kind, text) = match elsewhere {
                Some((_, other, _)) => (
                    Kind::RowReordered,
                    format!("What was sealed here stands at position {}", other.position),
                ),
                None if columns_hold => (
                    Kind::RowChanged,
                    "Reason, before or after is not what was sealed".to_owned(),
                ),
                None => (
                    Kind::RowChanged,
                    "Its columns, or its digest, are not what was sealed".to_owned(),
                ),
            };
            self.find(kind, Some(*seal), Some(stored.position), text);
        }
        self.findings
            .sort_by_key(|finding| (finding.seal, finding.position, finding.kind));
    }
}
