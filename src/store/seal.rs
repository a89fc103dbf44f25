//! Seals give an instant its meaning: what was recorded at T is what the last seal closed at or before T had seen.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::log::Snapshot;
use crate::error::Result;

/// A closed stretch of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Counts from 1 without gaps.
    pub number: i64,
    /// The epoch of the log in which it was closed.
    pub epoch: i32,
    /// What was committed when it was closed.
    pub snapshot: Snapshot,
    /// When it was closed.
    pub recorded_at: DateTime<Utc>,
}

/// The last seal recorded at or before the instant; none when the log is younger than that.
pub async fn at(conn: &mut PgConnection, instant: DateTime<Utc>) -> Result<Option<Seal>> {
    let row = sqlx::query!(
        r#"select number, epoch, snapshot::text as "snapshot!", recorded_at from seals
           where recorded_at <= $1 order by recorded_at desc, number desc limit 1"#,
        instant
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Seal {
            number: row.number,
            epoch: row.epoch,
            snapshot: row.snapshot.parse()?,
            recorded_at: row.recorded_at,
        })
    })
    .transpose()
}
