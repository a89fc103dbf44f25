//! Reading the log and its seals for the verification, in pieces: neither memory nor a transaction grows with the log.

use std::{collections::VecDeque, time::Instant};

use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgRow};

use super::{COLUMNS, row, seal};
use crate::{
    audit::{
        Newest,
        digest::SealHead,
        keys::Keys,
        verify::{Kind, MOST_FINDINGS, Report, Request, SealMark, StoredRow, StoredSeal, Walk},
    },
    error::Result,
};

/// How many seals are read at a time.
const SEALS: i64 = 500;
/// How many rows are read at a time.
const ROWS: i64 = 1_000;

/// Compares the log with its seals.
pub async fn run(conn: &mut PgConnection, keys: &Keys, request: &Request) -> Result<Report> {
    let newest = super::newest(conn).await?;
    let last = newest.as_ref().map_or(0, |newest| newest.number);
    let from = request.from.unwrap_or(1);
    let to = request.to.unwrap_or(last).min(last);
    let previous = digest(conn, from - 1).await?;
    let lost = from > 1 && previous.is_none();
    let mut walk = Walk::new(keys, previous.map(|seal| seal.digest));
    if lost {
        walk.missing(from - 1, from - 1);
    }
    if let Some(beyond) = request.to.filter(|to| *to > last) {
        walk.find(
            Kind::CutOff,
            Some(beyond),
            None,
            format!("There is no such seal; the last one is {last}"),
        );
    }
    for (number, expected) in &request.expected {
        match digest(conn, *number).await? {
            None => {
                let text = format!("This seal was recorded and is not there any more; the last one is {last}");
                walk.find(Kind::CutOff, Some(*number), None, text);
            }
            Some(found) if found.digest != *expected => {
                let text = "It had another digest when it was recorded";
                walk.find(Kind::SealChanged, Some(*number), None, text);
            }
            Some(_) => {}
        }
    }
    let reached = follow(conn, &mut walk, from, to, request.deadline).await?;
    let complete = reached >= to;
    let at_the_end = complete && to == last;
    let unsealed = if at_the_end {
        strays(conn, &mut walk).await?;
        Some(open(conn).await?)
    } else {
        None
    };
    walk.finish();
    Ok(Report {
        ok: walk.findings.is_empty(),
        complete,
        verified_from: from,
        verified_up_to: (reached >= from).then_some(reached),
        next: (!complete).then_some(reached + 1),
        seals: walk.seals,
        rows: walk.rows,
        blanked: walk.blanked,
        unsealed,
        newest: newest.map(|newest| SealMark {
            number: newest.number,
            recorded_at: newest.recorded_at,
            digest: hex::encode(newest.digest),
        }),
        findings: walk.findings,
        truncated: walk.truncated,
    })
}

/// Walks from seal to seal; the last one that was compared.
async fn follow(
    conn: &mut PgConnection,
    walk: &mut Walk<'_>,
    from: i64,
    to: i64,
    deadline: Option<Instant>,
) -> Result<i64> {
    let mut next = from;
    let mut reached = from - 1;
    loop {
        let batch = seals(conn, next, to).await?;
        let Some(end) = batch.last().map(|seal| seal.head.number) else {
            return Ok(reached.max(to));
        };
        let mut rows = Rows {
            waiting: VecDeque::new(),
            after: (next, i64::MIN),
            to: end,
            ended: false,
        };
        for seal in batch {
            let number = seal.head.number;
            if number > next {
                walk.missing(next, number - 1);
            }
            walk.seal(seal);
            while let Some(row) = rows.of(conn, number).await? {
                walk.row(row);
            }
            reached = number;
            next = number + 1;
            if number < to && deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Ok(reached);
            }
        }
    }
}

/// The rows of some seals, read ahead a piece at a time.
struct Rows {
    waiting: VecDeque<(i64, StoredRow)>,
    after: (i64, i64),
    to: i64,
    ended: bool,
}

impl Rows {
    /// The next row of this seal. Rows of earlier seals, which are missing, are passed over.
    async fn of(&mut self, conn: &mut PgConnection, seal: i64) -> Result<Option<StoredRow>> {
        loop {
            match self.waiting.front() {
                Some((of, _)) if *of > seal => return Ok(None),
                Some((of, _)) => {
                    let mine = *of == seal;
                    let row = self.waiting.pop_front();
                    if mine {
                        return Ok(row.map(|(_, row)| row));
                    }
                }
                None if self.ended => return Ok(None),
                None => {
                    let piece = rows(conn, self.after, self.to).await?;
                    self.ended = (piece.len() as i64) < ROWS;
                    if let Some((seal, row)) = piece.last() {
                        self.after = (*seal, row.position);
                    }
                    self.waiting.extend(piece);
                }
            }
        }
    }
}

/// The seals from one number on, in order, up to `to`.
pub async fn seals(conn: &mut PgConnection, from: i64, to: i64) -> Result<Vec<StoredSeal>> {
    let rows = sqlx::query!(
        r#"select number, epoch, snapshot::text as "snapshot!", recorded_at, count, key_id, digest from seals
           where number between $1 and $2 order by number limit $3"#,
        from,
        to,
        SEALS,
    )
    .fetch_all(conn)
    .await?;
    let seals = rows.into_iter().map(|row| StoredSeal {
        head: SealHead {
            number: row.number,
            epoch: row.epoch,
            snapshot: row.snapshot,
            recorded_at: row.recorded_at,
            count: row.count,
        },
        key_id: row.key_id,
        digest: row.digest,
    });
    Ok(seals.collect())
}

/// The digest of one seal.
pub async fn digest(conn: &mut PgConnection, number: i64) -> Result<Option<Newest>> {
    Ok(sqlx::query_as!(
        Newest,
        "select number, digest, recorded_at from seals where number = $1",
        number
    )
    .fetch_optional(conn)
    .await?)
}

/// Rows of the seals up to `to`, behind a row of a seal, in order of seal and position.
pub async fn rows(conn: &mut PgConnection, after: (i64, i64), to: i64) -> Result<Vec<(i64, StoredRow)>> {
    let statement = format!(
        "select d.seal, d.position as covered, d.salt, d.payload, d.digest, {COLUMNS}, b.position is not null as told
         from change_digests d
         left join changes c on c.position = d.position
         left join changes b on b.position = c.blanked_by and b.entity = 'change' and b.action = 'blanked'
                            and b.after -> 'positions' @> to_jsonb(c.position)
         where (d.seal, d.position) > ($1, $2) and d.seal <= $3
         order by d.seal, d.position limit {ROWS}"
    );
    let rows = sqlx::query(AssertSqlSafe(statement))
        .bind(after.0)
        .bind(after.1)
        .bind(to)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|r| Ok(stored(r)?)).collect()
}

fn stored(r: &PgRow) -> sqlx::Result<(i64, StoredRow)> {
    let present: Option<i64> = r.try_get("position")?;
    let stored = StoredRow {
        position: r.try_get("covered")?,
        salt: r.try_get("salt")?,
        payload: r.try_get("payload")?,
        digest: r.try_get("digest")?,
        row: present.map(|_| row(r)).transpose()?,
        told: r.try_get("told")?,
    };
    Ok((r.try_get("seal")?, stored))
}

/// Rows that a seal should cover and none does, and traces of seals that are not there.
pub async fn strays(conn: &mut PgConnection, walk: &mut Walk<'_>) -> Result<()> {
    let end = seal::end(conn).await?;
    let newest = end.as_ref().map_or(0, |end| end.number);
    let last: Option<i64> = sqlx::query_scalar("select max(seal) from change_digests")
        .fetch_one(&mut *conn)
        .await?;
    if let Some(last) = last.filter(|last| *last > newest) {
        let text = format!("There are digests of seals up to {last}, but the last seal is {newest}");
        walk.find(Kind::CutOff, Some(newest + 1), None, text);
    }
    let new = seal::new_since(conn, end.as_ref()).await?;
    let statement = format!(
        "select c.position from changes c where not ({new}) and {} order by c.position limit {}",
        seal::UNCOVERED,
        MOST_FINDINGS + 1
    );
    let positions: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(statement))
        .persistent(false)
        .fetch_all(conn)
        .await?;
    for position in positions {
        let text = "No seal covers it, though its transaction was over when a seal was made";
        walk.find(Kind::RowInserted, None, Some(position), text);
    }
    Ok(())
}

/// How many committed rows no seal covers yet.
pub async fn open(conn: &mut PgConnection) -> Result<i64> {
    let end = seal::end(conn).await?;
    let new = seal::new_since(conn, end.as_ref()).await?;
    let statement = format!("select count(*) from changes c where ({new}) and {}", seal::UNCOVERED);
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .persistent(false)
        .fetch_one(conn)
        .await?)
}
