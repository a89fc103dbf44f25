//! The state as it was recorded at an instant: what the last seal at or before it saw.
//!
//! Three ways lead there, all from the change log alone, so that the same seal always gives the same rows:
//! * [`begin_around`] and [`latest`] look single things up by the log's index on entity, whatever the log's length;
//! * [`rows`] puts a whole state together from a [checkpoint] and what was written after it;
//! * [`tables`] keeps whole states in tables for a while, so that lists of the past filter, sort and page as those of the
//!   present do: their statements begin with [`begin`], which puts the past in the place of the present.

pub mod checkpoint;
pub mod rows;
pub mod tables;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{log::Change, seal};
use crate::error::{Code, Error, Result};

/// The end of an epoch that has none yet.
const OPEN: i64 = i64::MAX;

/// What a seal saw of the log: rows of its own epoch by its snapshot, of earlier ones all, of later ones none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The seal's number.
    pub number: i64,
    /// When it was closed.
    pub recorded_at: DateTime<Utc>,
    snapshot: String,
    /// Rows up to this position were there before its epoch.
    before_epoch: i64,
    /// Rows beyond this position came after its epoch.
    end_of_epoch: i64,
}

impl Scope {
    /// The scope of a seal.
    pub async fn of(conn: &mut PgConnection, seal: i64) -> Result<Self> {
        let row = sqlx::query!(
            r#"select s.number, s.recorded_at, s.snapshot::text as "snapshot!", e.boundary as before_epoch,
                      (select n.boundary from log_epochs n where n.number > s.epoch order by n.number limit 1) as end_of_epoch
               from seals s join log_epochs e on e.number = s.epoch where s.number = $1"#,
            seal
        )
        .fetch_one(conn)
        .await?;
        Ok(Self {
            number: row.number,
            recorded_at: row.recorded_at,
            snapshot: row.snapshot,
            before_epoch: row.before_epoch,
            end_of_epoch: row.end_of_epoch.unwrap_or(OPEN),
        })
    }

    /// Pushes the test whether the seal saw the row `alias` of the log.
    pub fn push_saw(&self, sql: &mut QueryBuilder<Postgres>, alias: &str) {
        sql.push("(")
            .push(alias)
            .push(".position <= ")
            .push_bind(self.before_epoch);
        sql.push(" or (")
            .push(alias)
            .push(".position <= ")
            .push_bind(self.end_of_epoch);
        sql.push(" and pg_visible_in_snapshot(").push(alias).push(".tx, ");
        sql.push_bind(self.snapshot.clone()).push("::text::pg_snapshot)))");
    }

    /// Pushes a test that holds for every row the seal did not see, and that an index can answer.
    fn push_may_be_new(&self, sql: &mut QueryBuilder<Postgres>, alias: &str) {
        sql.push("(").push(alias).push(".tx >= pg_snapshot_xmin(");
        sql.push_bind(self.snapshot.clone()).push("::text::pg_snapshot)");
        if self.end_of_epoch != OPEN {
            sql.push(" or ")
                .push(alias)
                .push(".position > ")
                .push_bind(self.end_of_epoch);
        }
        sql.push(")");
    }

    /// The snapshot and the bounds of the epoch, for checked queries: `position <= $2 or (position <= $3 and
    /// pg_visible_in_snapshot(tx, $1::text::pg_snapshot))`.
    #[must_use]
    pub fn bounds(&self) -> (&str, i64, i64) {
        (&self.snapshot, self.before_epoch, self.end_of_epoch)
    }
}

/// An instant of recorded time, settled: no later write changes what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// What was recorded.
    pub seal: Scope,
    /// The checkpoint to start from.
    base: Option<Scope>,
}

/// Which seal an answer about the past comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KnownAt {
    /// Number of the seal.
    pub seal: i64,
    /// When it was closed: every instant from here until the next seal gives this same answer.
    pub recorded_at: DateTime<Utc>,
}

/// Header under which an answer about the past tells its seal: `<recorded at>; seal=<number>`.
pub const KNOWN_AT_HEADER: &str = "x-arc-known-at";

impl Past {
    /// What was recorded at the instant. Refuses the future, and what lies before the first seal.
    pub async fn at(db: &PgPool, instant: DateTime<Utc>) -> Result<Self> {
        let mut conn = db.acquire().await?;
        let Some(found) = seal::at(&mut conn, instant).await? else {
            return Err(before_the_first(&mut conn).await?);
        };
        let seal = Scope::of(&mut conn, found.number).await?;
        let base = match checkpoint::before(&mut conn, found.number).await? {
            Some(number) => Some(Scope::of(&mut conn, number).await?),
            None => None,
        };
        Ok(Self { seal, base })
    }

    /// [`at`](Self::at) when an instant is given.
    pub async fn of(db: &PgPool, instant: Option<DateTime<Utc>>) -> Result<Option<Self>> {
        match instant {
            Some(instant) => Ok(Some(Self::at(db, instant).await?)),
            None => Ok(None),
        }
    }

    /// The day of the seal, UTC: what questions about a date take when none is given.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        self.seal.recorded_at.date_naive()
    }

    /// For the answer.
    #[must_use]
    pub fn known_at(&self) -> KnownAt {
        KnownAt {
            seal: self.seal.number,
            recorded_at: self.seal.recorded_at,
        }
    }

    /// For the answer's header.
    #[must_use]
    pub fn header(&self) -> String {
        format!("{}; seal={}", shown(self.seal.recorded_at), self.seal.number)
    }
}

fn shown(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

async fn before_the_first(conn: &mut PgConnection) -> Result<Error> {
    let since = sqlx::query_scalar!("select recorded_at from seals order by recorded_at, number limit 1")
        .fetch_optional(conn)
        .await?;
    let text = match since {
        Some(since) => format!(
            "Nothing was recorded yet at that instant; the record begins at {}",
            shown(since)
        ),
        None => "Nothing was recorded yet".to_owned(),
    };
    Ok(Error::new(Code::UnprocessableEntity, text)
        .at("known_at")
        .with(json!({ "since": since })))
}

/// Begins a statement about cards: of the present, or with the tables `cards`, `card_scores` and `relationships` as they
/// were. The past must be at hand: see [`tables::open`].
#[must_use]
pub fn begin(past: Option<&Past>) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("");
    if let Some(past) = past {
        let seal = past.seal.number;
        sql.push("with cards as not materialized (select * from past_cards where seal = ")
            .push_bind(seal);
        sql.push("), card_scores as not materialized (select id as card_id, quality_score, computed from past_cards where seal = ")
            .push_bind(seal);
        sql.push("), relationships as not materialized (select * from past_relationships where seal = ")
            .push_bind(seal);
        sql.push(") ");
    }
    sql
}

/// Begins a statement about what lies around some cards: `relationships` holds what led to and from them, `cards` the
/// cards at both ends, as they were. Relationships are never moved or removed, so today's table knows which they are.
#[must_use]
pub fn begin_around(past: &Past, cards: &[Uuid]) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(
        "with relationships as materialized (select r.* from (select distinct on (h.entity_id) h.after from changes h \
         where h.entity = 'relationship' and h.entity_id in (select id from relationships where source_id = any(",
    );
    sql.push_bind(cards.to_vec())
        .push(") union select id from relationships where target_id = any(");
    sql.push_bind(cards.to_vec()).push(")) and ");
    past.seal.push_saw(&mut sql, "h");
    sql.push(
        " order by h.entity_id, h.position desc) l cross join lateral jsonb_populate_record(null::relationships, l.after) r \
         where l.after is not null), cards as materialized (select c.* from (select distinct on (h.entity_id) h.after \
         from changes h where h.entity = 'card' and h.entity_id in (select source_id from relationships union \
         select target_id from relationships union select unnest(",
    );
    sql.push_bind(cards.to_vec()).push("::uuid[])) and ");
    past.seal.push_saw(&mut sql, "h");
    sql.push(
        " order by h.entity_id, h.position desc) l cross join lateral jsonb_populate_record(null::cards, l.after) c \
         where l.after is not null) ",
    );
    sql
}

/// What the seal saw of one thing last: its state; none when it did not exist or its state was blanked.
pub async fn latest(conn: &mut PgConnection, past: &Past, entity: &str, id: Uuid) -> Result<Option<Value>> {
    let mut sql = QueryBuilder::new("select h.after from changes h where h.entity_id = ");
    sql.push_bind(id)
        .push(" and h.entity = ")
        .push_bind(entity)
        .push(" and ");
    past.seal.push_saw(&mut sql, "h");
    sql.push(" order by h.position desc limit 1");
    let row = sql.build().fetch_optional(conn).await?;
    Ok(row.map(|row| row.try_get::<Option<Value>, _>(0)).transpose()?.flatten())
}

/// The history of one thing as far as the seal saw it, newest first.
pub async fn history(conn: &mut PgConnection, past: &Past, entity: &str, id: Uuid, limit: i64) -> Result<Vec<Change>> {
    let (snapshot, before_epoch, end_of_epoch) = past.seal.bounds();
    let rows = sqlx::query_as!(
        Change,
        "select position, occurred_at, actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after,
                blanked_by
         from changes where entity = $1 and entity_id = $2
           and (position <= $4 or (position <= $5 and pg_visible_in_snapshot(tx, $3::text::pg_snapshot)))
         order by position desc limit $6",
        entity,
        id,
        snapshot,
        before_epoch,
        end_of_epoch,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}
