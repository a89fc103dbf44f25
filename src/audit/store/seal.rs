//! Closing a stretch of the log: one transaction, so a sealer that dies half-way has done nothing.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use super::{COLUMNS, row};
use crate::{
    audit::{
        Newest,
        digest::{Row, RowsDigest, SealHead},
        keys::Key,
    },
    error::Result,
    store::{log::Snapshot, seal::Seal},
};

/// How many rows are held in memory at a time.
const BATCH: usize = 1_000;

/// Where the chain ends.
pub(super) struct End {
    pub(super) number: i64,
    epoch: i32,
    snapshot: Snapshot,
    recorded_at: DateTime<Utc>,
    digest: Vec<u8>,
}

/// Only one closes the log at a time. Without `wait` this tells at once whether somebody else does.
pub async fn claim(conn: &mut PgConnection, wait: bool) -> Result<bool> {
    let statement = if wait {
        "select true from (select pg_advisory_xact_lock(hashtextextended('archzero.sealing', 0))) taken"
    } else {
        "select pg_try_advisory_xact_lock(hashtextextended('archzero.sealing', 0))"
    };
    Ok(sqlx::query_scalar(statement).fetch_one(conn).await?)
}

/// Closes what was committed since the last seal, in the caller's transaction, which has [`claim`]ed; none when there is
/// nothing new.
pub async fn close(conn: &mut PgConnection, key: &Key) -> Result<Option<(Seal, Newest)>> {
    let end = end(conn).await?;
    let condition = unsealed(conn, end.as_ref()).await?;
    let epoch: i32 = sqlx::query_scalar("select coalesce(max(number), 1) from log_epochs")
        .fetch_one(&mut *conn)
        .await?;
    let mut positions = Positions::open(conn, &condition).await?;
    let mut batch = positions.next(conn).await?;
    if batch.is_empty() {
        positions.close(conn).await?;
        return Ok(None);
    }
    let number = end.as_ref().map_or(1, |end| end.number + 1);
    let mut digests = RowsDigest::default();
    let mut count = 0;
    while !batch.is_empty() {
        let rows = rows(conn, &batch).await?;
        count += rows.len() as i64;
        cover(conn, key, number, &rows, &mut digests).await?;
        batch = positions.next(conn).await?;
    }
    let snapshot = positions.close(conn).await?;
    // From here to the commit readers of this very moment wait: what they are told must stay true.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('archzero.recording', 0))")
        .execute(&mut *conn)
        .await?;
    let recorded_at: DateTime<Utc> =
        sqlx::query_scalar("select greatest(clock_timestamp(), $1::timestamptz + interval '1 microsecond')")
            .bind(end.as_ref().map(|end| end.recorded_at))
            .fetch_one(&mut *conn)
            .await?;
    let head = SealHead {
        number,
        epoch,
        snapshot,
        recorded_at,
        count,
    };
    let previous = end.as_ref().map(|end| end.digest.as_slice());
    let digest = head.digest(key, &digests.finish(), previous);
    sqlx::query!(
        "insert into seals (number, epoch, snapshot, recorded_at, count, key_id, digest)
         values ($1, $2, $3::text::pg_snapshot, $4, $5, $6, $7)",
        number,
        epoch,
        head.snapshot,
        recorded_at,
        count,
        key.id,
        digest,
    )
    .execute(conn)
    .await?;
    let seal = Seal {
        number,
        epoch,
        snapshot: head.snapshot.parse()?,
        recorded_at,
    };
    Ok(Some((
        seal,
        Newest {
            number,
            digest,
            recorded_at,
        },
    )))
}

/// Whether there is something to close, without a transaction.
pub async fn is_due(conn: &mut PgConnection) -> Result<bool> {
    let end = end(conn).await?;
    let condition = unsealed(conn, end.as_ref()).await?;
    // Ordered by `tx` so that its index is walked, whatever the statistics say.
    let due = sqlx::query(AssertSqlSafe(format!(
        "select 1 from changes c where {condition} order by c.tx limit 1"
    )))
    .persistent(false)
    .fetch_optional(conn)
    .await?;
    Ok(due.is_some())
}

pub(super) async fn end(conn: &mut PgConnection) -> Result<Option<End>> {
    let row = sqlx::query!(
        r#"select number, epoch, snapshot::text as "snapshot!", recorded_at, digest from seals order by number desc limit 1"#
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(End {
            number: row.number,
            epoch: row.epoch,
            snapshot: row.snapshot.parse()?,
            recorded_at: row.recorded_at,
            digest: row.digest,
        })
    })
    .transpose()
}

/// Which rows of `changes c` the seals up to `end` do not cover. A row that they should have covered and do not is not
/// among them: somebody put it there afterwards, and it must never be vouched for. Nor is one whose transaction was
/// altered so that it looks new.
async fn unsealed(conn: &mut PgConnection, end: Option<&End>) -> Result<String> {
    let new = new_since(conn, end).await?;
    Ok(format!("({new}) and {UNCOVERED}"))
}

/// No seal covers `changes c`.
pub(super) const UNCOVERED: &str = "not exists (select 1 from change_digests d where d.position = c.position)";

/// Which rows of `changes c` were not there when the seal was made.
pub(super) async fn new_since(conn: &mut PgConnection, end: Option<&End>) -> Result<String> {
    let Some(end) = end else {
        return Ok("true".to_owned());
    };
    let epochs: Vec<(i32, i64)> =
        sqlx::query_as("select number, boundary from log_epochs where number >= $1 order by number limit 2")
            .bind(end.epoch)
            .fetch_all(conn)
            .await?;
    let boundary = |epoch: i32| {
        epochs
            .iter()
            .find(|(number, _)| *number == epoch)
            .map(|(_, boundary)| *boundary)
    };
    Ok(since(
        &end.snapshot,
        boundary(end.epoch).unwrap_or(0),
        boundary(end.epoch + 1),
    ))
}

/// Rows not covered by a seal of this snapshot, taken in the epoch that began after position `from` and ended with
/// position `to`. The snapshot says nothing about transactions of other epochs. `position + 0` can use no index: while
/// an epoch lasts, new rows are found by `tx`.
fn since(snapshot: &Snapshot, from: i64, to: Option<i64>) -> String {
    let xmin = snapshot.xmin();
    let within = format!("c.tx >= '{xmin}'::xid8 and not pg_visible_in_snapshot(c.tx, '{snapshot}'::pg_snapshot)");
    match to {
        None => format!("{within} and c.position + 0 > {from}"),
        Some(to) => format!("c.position > {from} and (c.position > {to} or ({within}))"),
    }
}

/// The positions to be closed, in order, a batch at a time: nobody knows how many there are.
struct Positions {
    snapshot: String,
}

impl Positions {
    async fn open(conn: &mut PgConnection, condition: &str) -> Result<Self> {
        // However long the first look at a log of many years takes: no seal would mean none for ever.
        sqlx::query("set local statement_timeout = 0")
            .execute(&mut *conn)
            .await?;
        sqlx::query("set local cursor_tuple_fraction = 1")
            .execute(&mut *conn)
            .await?;
        let statement = format!(
            "declare unsealed no scroll cursor for
             with s as materialized (select pg_current_snapshot() as now)
             select c.position, s.now::text from s cross join changes c where {condition} order by c.position + 0"
        );
        sqlx::query(AssertSqlSafe(statement))
            .persistent(false)
            .execute(conn)
            .await?;
        Ok(Self {
            snapshot: String::new(),
        })
    }

    async fn next(&mut self, conn: &mut PgConnection) -> Result<Vec<i64>> {
        let rows = sqlx::query(AssertSqlSafe(format!("fetch {BATCH} from unsealed")))
            .persistent(false)
            .fetch_all(conn)
            .await?;
        if let Some(first) = rows.first() {
            self.snapshot = first.try_get(1)?;
        }
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Ends the reading; the snapshot it was made in.
    async fn close(self, conn: &mut PgConnection) -> Result<String> {
        sqlx::query("close unsealed").persistent(false).execute(conn).await?;
        Ok(self.snapshot)
    }
}

async fn rows(conn: &mut PgConnection, positions: &[i64]) -> Result<Vec<Row>> {
    let statement = format!("select {COLUMNS} from changes c where c.position = any($1) order by c.position");
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(positions)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|r| Ok(row(r)?)).collect()
}

/// Keeps the digests of these rows and adds them to those of the seal.
async fn cover(conn: &mut PgConnection, key: &Key, seal: i64, rows: &[Row], sum: &mut RowsDigest) -> Result<()> {
    let positions: Vec<i64> = rows.iter().map(|row| row.position).collect();
    let (mut salts, mut payloads, mut digests) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let salt = rand::random::<[u8; 16]>().to_vec();
        let payload = row.payload.digest(&salt);
        let digest = row.digest(key, seal, &payload);
        sum.add(&digest);
        salts.push(salt);
        payloads.push(payload);
        digests.push(digest);
    }
    sqlx::query!(
        "insert into change_digests (position, seal, salt, payload, digest)
         select p, $2, s, d, r from unnest($1::bigint[], $3::bytea[], $4::bytea[], $5::bytea[]) as t (p, s, d, r)",
        &positions,
        seal,
        &salts,
        &payloads,
        &digests,
    )
    .execute(conn)
    .await?;
    Ok(())
}
