//! Seals give an instant its meaning: what was recorded at T is what the last seal recorded at or before T had seen.
//! `change_digests.seal` says which seal covers a row: what was known at seal N is the rows with `seal <= N`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::log::Snapshot;
use crate::error::{Error, Result};

/// A closed stretch of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Counts from 1 without gaps.
    pub number: i64,
    /// The epoch of the log in which it was closed.
    pub epoch: i32,
    /// What was committed when it was closed.
    pub snapshot: Snapshot,
    /// When it was closed; later than the seal before.
    pub recorded_at: DateTime<Utc>,
}

/// The last seal recorded at or before the instant; none when the log is younger than that. The same instant has the
/// same answer for ever: an instant that has not come yet is refused, and a seal that is being recorded is waited for
/// (a few milliseconds). Not for use within a repeatable-read transaction, which cannot see what it waited for.
pub async fn at(conn: &mut PgConnection, instant: DateTime<Utc>) -> Result<Option<Seal>> {
    // Seals are recorded one after the other, so behind the newest one nothing can change any more.
    let place = sqlx::query!(
        r#"select coalesce((select recorded_at > $1 from seals order by number desc limit 1), false) as "settled!",
                  $1 > clock_timestamp() as "future!""#,
        instant
    )
    .fetch_one(&mut *conn)
    .await?;
    if place.future {
        return Err(Error::invalid("That instant lies in the future").at("known_at"));
    }
    if !place.settled {
        sqlx::query("select await_recording_seal()").execute(&mut *conn).await?;
    }
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
