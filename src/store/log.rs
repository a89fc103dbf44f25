//! The change log: append-only, read by snapshot.
//!
//! A reader's cursor is a `pg_snapshot`, not a number: what is new is what is visible now and was not in the reader's
//! last snapshot. Remembering the last position would lose rows that commit late, ordering by transaction would reverse
//! the versions of one card, and waiting for the oldest open transaction would let anyone in the cluster stop all
//! readers. Rows come back in order of position, which for one entity is the order of its versions, because its writers
//! hold its row lock while they append.
//!
//! Transaction ids belong to one cluster. After a logical restore a new [epoch](Epoch) begins: rows up to its boundary
//! are visible to everybody, and cursors of older epochs are refused.

use chrono::{DateTime, Utc};
use futures_util::{TryStreamExt, stream::BoxStream};
use serde_json::Value;
use sqlx::{PgConnection, PgPool, Row, types::Json};
use uuid::Uuid;

use crate::{
    error::{Code, Error, Result},
    store::Author,
};

/// A row to be appended.
#[derive(Clone, Debug)]
pub struct NewChange<'a> {
    /// What kind of thing changed: `card`, `relationship`, `user` …
    pub entity: &'a str,
    /// Which one.
    pub entity_id: Uuid,
    /// Its type, for cards and relationships.
    pub entity_type: Option<&'a str>,
    /// What happened: `created`, `updated`, `deleted` …
    pub action: &'a str,
    /// The version it has now.
    pub version: i32,
    /// The state before, if there was one.
    pub before: Option<Value>,
    /// The state after.
    pub after: Option<Value>,
}

/// A row as readers see it.
#[derive(Clone, Debug)]
pub struct Change {
    /// Orders the log; gaps are normal.
    pub position: i64,
    /// When the row was written.
    pub occurred_at: DateTime<Utc>,
    /// Who made the change; none for the system.
    pub actor_id: Option<Uuid>,
    /// The request that made it.
    pub request_id: Option<String>,
    /// Why, in the words of who made it.
    pub reason: Option<String>,
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
    /// The state before.
    pub before: Option<Value>,
    /// The state after.
    pub after: Option<Value>,
    /// The row that tells of the blanking of this one: its reason, before and after are gone.
    pub blanked_by: Option<i64>,
}

/// Appends one row in the caller's transaction.
pub async fn append(conn: &mut PgConnection, author: &Author, change: NewChange<'_>) -> Result<()> {
    sqlx::query!(
        "insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        author.actor_id,
        author.request_id,
        author.reason,
        change.entity,
        change.entity_id,
        change.entity_type,
        change.action,
        change.version,
        change.before,
        change.after,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What a reader has seen: an epoch and a snapshot within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch in which the snapshot was taken.
    pub epoch: i32,
    /// The snapshot.
    pub snapshot: Snapshot,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.snapshot)
    }
}

impl std::str::FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::invalid("This is not a cursor of the change log");
        let (epoch, snapshot) = text.split_once('.').ok_or_else(bad)?;
        Ok(Self {
            epoch: epoch.parse().map_err(|_| bad())?,
            snapshot: snapshot.parse()?,
        })
    }
}

/// A `pg_snapshot`: every transaction below `xmin` is over, none from `xmax` on had begun, and those in `running` were
/// under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    xmin: u64,
    xmax: u64,
    running: Vec<u64>,
}

impl Snapshot {
    /// Every transaction below this one is over.
    #[must_use]
    pub fn xmin(&self) -> u64 {
        self.xmin
    }

    /// Whether what the transaction wrote is visible in this snapshot (if it committed at all).
    #[must_use]
    pub fn contains(&self, tx: u64) -> bool {
        tx < self.xmin || (tx < self.xmax && self.running.binary_search(&tx).is_err())
    }
}

impl std::fmt::Display for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (i, tx) in self.running.iter().enumerate() {
            write!(f, "{}{tx}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Snapshot {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::invalid("This is not a snapshot of the change log");
        let mut parts = text.splitn(3, ':');
        let mut number = || {
            parts
                .next()
                .and_then(|p| p.parse::<u64>().ok())
                .filter(|n| i64::try_from(*n).is_ok())
        };
        let (xmin, xmax) = (number().ok_or_else(bad)?, number().ok_or_else(bad)?);
        let list = parts.next().ok_or_else(bad)?;
        let mut running = Vec::new();
        for part in list.split(',').filter(|p| !p.is_empty()) {
            running.push(part.parse().map_err(|_| bad())?);
        }
        let sane =
            xmin > 0 && xmin <= xmax && running.is_sorted() && running.iter().all(|tx| (xmin..xmax).contains(tx));
        if sane {
            Ok(Self { xmin, xmax, running })
        } else {
            Err(bad())
        }
    }
}

/// The place of one write in the log, as writes return it in `X-Arc-Position`: `epoch-transaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the write.
    pub epoch: i32,
    /// Its transaction.
    pub tx: u64,
}

impl Position {
    /// What is answered to a position that is none, or lies ahead of everything that was ever written.
    #[must_use]
    pub fn unknown() -> Error {
        Error::invalid("X-Arc-Position is not one this server gave out").at("X-Arc-Position")
    }

    /// Whether a reader at `cursor` has seen the write. A position of an earlier epoch has been seen by everybody.
    #[must_use]
    pub fn is_seen_by(&self, cursor: &Cursor) -> bool {
        self.epoch < cursor.epoch || (self.epoch == cursor.epoch && cursor.snapshot.contains(self.tx))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.tx)
    }
}

impl std::str::FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (epoch, tx) = text.split_once('-').ok_or_else(Self::unknown)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(epoch) || !digits(tx) {
            return Err(Self::unknown());
        }
        let (epoch, tx) = (epoch.parse(), tx.parse());
        Ok(Self {
            epoch: epoch.map_err(|_| Self::unknown())?,
            tx: tx.map_err(|_| Self::unknown())?,
        })
    }
}

/// A stretch of the log whose transaction ids belong to one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Counts from 1.
    pub number: i32,
    /// Rows up to this position were there before the epoch began.
    pub boundary: i64,
}

/// The transaction id of the caller's transaction; assigns one if it has none yet.
pub async fn current_tx(conn: &mut PgConnection) -> Result<u64> {
    let text = sqlx::query_scalar!(r#"select pg_current_xact_id()::text as "tx!""#)
        .fetch_one(conn)
        .await?;
    text.parse().map_err(Error::internal)
}

/// The snapshot of the caller's transaction. Load state in the same repeatable-read transaction and tail from here.
pub async fn current_snapshot(conn: &mut PgConnection) -> Result<Snapshot> {
    let text = sqlx::query_scalar!(r#"select pg_current_snapshot()::text as "snapshot!""#)
        .fetch_one(conn)
        .await?;
    text.parse()
}

/// Everything committed since `cursor`, in order of position, and the cursor to ask with next. Refuses a cursor of
/// another epoch.
pub async fn read_new(conn: &mut PgConnection, epoch: Epoch, cursor: &Cursor) -> Result<(Vec<Change>, Cursor)> {
    let mut reader = Reader::open(conn, epoch, cursor)?;
    let changes = reader.next_batch(usize::MAX).await?;
    Ok((changes, reader.into_cursor()))
}

/// Reads what was committed since a cursor piece by piece, so that a reader which was away for long, or follows a bulk
/// load, holds one piece in memory and not all.
pub struct Reader<'c> {
    rows: BoxStream<'c, sqlx::Result<(Option<Change>, String)>>,
    cursor: Cursor,
}

impl<'c> Reader<'c> {
    /// Begins to read. Refuses a cursor of another epoch.
    pub fn open(conn: &'c mut PgConnection, epoch: Epoch, cursor: &Cursor) -> Result<Self> {
        if cursor.epoch != epoch.number {
            return Err(Error::new(
                Code::CursorExpired,
                "The database was restored since this cursor was given out; read the present state anew",
            ));
        }
        // One statement, so one snapshot: `now` is exactly what the rows were chosen by. The outer join returns the new
        // snapshot even when nothing is new. `position + 0` can use no index: rows above the boundary look few until the
        // table is analysed again, and walking all of them each time would be slow; new ones are found by `tx`.
        let rows = sqlx::query!(
            r#"with s as materialized (select pg_current_snapshot() as now, $1::text::pg_snapshot as last)
               select s.now::text as "now!", c.position as "position?", c.occurred_at as "occurred_at?", c.actor_id, c.request_id,
                      c.reason, c.entity as "entity?", c.entity_id as "entity_id?", c.entity_type, c.action as "action?",
                      c.version as "version?", c.before, c.after, c.blanked_by
               from s left join lateral (
                   select * from changes
                   where tx >= pg_snapshot_xmin(s.last) and pg_visible_in_snapshot(tx, s.now)
                     and not pg_visible_in_snapshot(tx, s.last) and position + 0 > $2
               ) c on true
               order by c.position"#,
            cursor.snapshot.to_string(),
            epoch.boundary,
        )
        .map(|r| {
            let change = (|| {
                Some(Change {
                    position: r.position?,
                    occurred_at: r.occurred_at?,
                    actor_id: r.actor_id,
                    request_id: r.request_id,
                    reason: r.reason,
                    entity: r.entity?,
                    entity_id: r.entity_id?,
                    entity_type: r.entity_type,
                    action: r.action?,
                    version: r.version?,
                    before: r.before,
                    after: r.after,
                    blanked_by: r.blanked_by,
                })
            })();
            (change, r.now)
        })
        .fetch(conn);
        Ok(Self {
            rows,
            cursor: cursor.clone(),
        })
    }

    /// The next changes, at most `size`; none when all were read.
    pub async fn next_batch(&mut self, size: usize) -> Result<Vec<Change>> {
        let mut batch = Vec::new();
        while batch.len() < size {
            let Some((change, now)) = self.rows.try_next().await? else {
                break;
            };
            if batch.is_empty() {
                self.cursor.snapshot = now.parse()?;
            }
            batch.extend(change);
        }
        Ok(batch)
    }

    /// The cursor to ask with next, once everything was read.
    #[must_use]
    pub fn into_cursor(self) -> Cursor {
        self.cursor
    }
}

/// One page of the history of one entity, newest first, below `before_position`.
pub async fn history(
    conn: &mut PgConnection,
    entity: &str,
    id: Uuid,
    before_position: Option<i64>,
    limit: i64,
) -> Result<Vec<Change>> {
    let rows = sqlx::query_as!(
        Change,
        "select position, occurred_at, actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after,
                blanked_by
         from changes where entity = $1 and entity_id = $2 and position < $3 order by position desc limit $4",
        entity,
        id,
        before_position.unwrap_or(i64::MAX),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The epoch the log is in. Begins a new one when the log finds itself in another cluster, on another timeline, in
/// another database or table than before, or when it holds transactions from the future: then it was restored.
pub async fn ensure_epoch(pool: &PgPool) -> Result<Epoch> {
    super::transaction(pool, |conn, _| {
        Box::pin(async move {
        sqlx::query("lock table log_epochs in exclusive mode").execute(&mut *conn).await?;
        let identity = identity(conn).await?;
        let last = sqlx::query!("select number, identity, boundary from log_epochs order by number desc limit 1").fetch_optional(&mut *conn).await?;
        let from_future: bool = sqlx::query_scalar!(
            r#"select exists (select 1 from changes where tx >= pg_snapshot_xmax(pg_current_snapshot())
                 and position > coalesce((select max(boundary) from log_epochs), 0)) as "future!""#
        )
        .fetch_one(&mut *conn)
        .await?;
        if let Some(last) = &last
            && last.identity == identity && !from_future {
                return Ok(Epoch { number: last.number, boundary: last.boundary });
            }
        let boundary: i64 = sqlx::query_scalar!(r#"select coalesce(max(position), 0) as "boundary!" from changes"#).fetch_one(&mut *conn).await?;
        // A dump made while writers were active may carry a sequence behind its rows.
        sqlx::query!("select setval('changes_position_seq', greatest($1, (select last_value from changes_position_seq), 1), true)", boundary)
            .fetch_one(&mut *conn)
            .await?;
        let epoch = Epoch { number: last.map_or(1, |l| l.number + 1), boundary };
        sqlx::query!(
            "insert into log_epochs (number, identity, boundary) values ($1, $2, $3)",
            epoch.number,
            identity,
            epoch.boundary
        )
        .execute(&mut *conn)
        .await?;
        tracing::info!(epoch = epoch.number, boundary = epoch.boundary, "a new epoch of the change log begins");
        Ok(epoch)
    })
    })
    .await
}

async fn identity(conn: &mut PgConnection) -> Result<Value> {
    let row = sqlx::query(
        "select jsonb_build_object(
            'system', (select system_identifier::text from pg_control_system()),
            'timeline', (select timeline_id from pg_control_checkpoint()),
            'database', (select oid::bigint from pg_database where datname = current_database()),
            'table', 'changes'::regclass::oid::bigint)",
    )
    .fetch_one(conn)
    .await?;
    Ok(row.try_get::<Json<Value>, _>(0)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_knows_what_it_contains() {
        let snapshot: Snapshot = "10:20:12,15".parse().unwrap();
        for (tx, seen) in [
            (9, true),
            (10, true),
            (12, false),
            (13, true),
            (15, false),
            (19, true),
            (20, false),
            (99, false),
        ] {
            assert_eq!(snapshot.contains(tx), seen, "{tx}");
        }
        assert_eq!(snapshot.to_string(), "10:20:12,15");
    }

    #[test]
    fn forged_snapshots_are_refused() {
        for bad in [
            "",
            "1:2",
            "x:2:",
            "5:2:",
            "0:2:",
            "1:9:12",
            "1:9:4,3",
            "1:9:a",
            "1:99999999999999999999:",
            "-1:2:",
        ] {
            assert!(bad.parse::<Snapshot>().is_err(), "{bad}");
        }
        assert!("1.10:20:".parse::<Cursor>().is_ok());
        assert!("10:20:".parse::<Cursor>().is_err());
    }

    #[test]
    fn positions_of_earlier_epochs_are_seen() {
        let cursor: Cursor = "3.10:20:12".parse().unwrap();
        assert!(Position { epoch: 2, tx: 999 }.is_seen_by(&cursor));
        assert!(Position { epoch: 3, tx: 11 }.is_seen_by(&cursor));
        assert!(!Position { epoch: 3, tx: 12 }.is_seen_by(&cursor));
        assert!(!Position { epoch: 4, tx: 1 }.is_seen_by(&cursor));
    }
}
