//! The SQL of relationships. Every write is one statement that changes the row and appends to the change log.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{FromRow, PgConnection, types::Json};
use uuid::Uuid;

use super::{EdgeDraft, Validity};
use crate::{
    auth::TypeScope,
    error::Result,
    store::{Author, timed},
};

/// A relationship's row, as the table and the change log hold it.
#[derive(Clone, Debug, FromRow, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the columns are described in relationships.md and the migration"
)]
pub struct RelationshipRow {
    pub id: Uuid,
    pub rule_id: Uuid,
    #[sqlx(rename = "type")]
    #[serde(rename = "type")]
    pub edge_type: String,
    pub source_id: Uuid,
    pub source_type: String,
    pub target_id: Uuid,
    pub target_type: String,
    pub valid_from: Option<NaiveDate>,
    pub valid_to: Option<NaiveDate>,
    pub status: String,
    pub description: Option<String>,
    #[serde(with = "rust_decimal::serde::float_option")]
    pub allocation_pct: Option<Decimal>,
    pub attributes: Json<Map<String, Value>>,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub created_by: Option<Uuid>,
    pub updated_by: Option<Uuid>,
    pub deletion_id: Option<Uuid>,
}

impl RelationshipRow {
    /// When it holds.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity {
            from: self.valid_from,
            to: self.valid_to,
        }
    }

    /// Whether both its ends exist for somebody who sees these types.
    #[must_use]
    pub fn is_visible(&self, visible: &TypeScope) -> bool {
        visible.covers(&self.source_type) && visible.covers(&self.target_type)
    }

    /// Whether it is not archived.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// The columns of [`RelationshipRow`], for queries put together at run time over `relationships r`.
pub const COLUMNS: &str = "r.id, r.rule_id, r.type, r.source_id, r.source_type, r.target_id, r.target_type, r.valid_from, r.valid_to, \
     r.status, r.description, r.allocation_pct, r.attributes, r.version, r.created_at, r.updated_at, r.created_by, r.updated_by, r.deletion_id";

/// A checked query whose result is [`RelationshipRow`]s: `$before` and `$after` give `r`.
macro_rules! edge_rows {
    ($before:tt, $after:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            RelationshipRow,
            $before
                + r#" select r.id as "id!", r.rule_id as "rule_id!", r.type as "edge_type!", r.source_id as "source_id!", r.source_type as "source_type!",
                    r.target_id as "target_id!", r.target_type as "target_type!", r.valid_from, r.valid_to, r.status as "status!", r.description,
                    r.allocation_pct, r.attributes as "attributes!: Json<Map<String, Value>>", r.version as "version!",
                    r.created_at as "created_at!", r.updated_at as "updated_at!", r.created_by, r.updated_by, r.deletion_id "#
                + $after
            $(, $argument)*
        )
    };
}

/// The relationship, archived or not.
pub async fn find_relationship(conn: &mut PgConnection, id: Uuid) -> Result<Option<RelationshipRow>> {
    Ok(edge_rows!("", "from relationships r where r.id = $1", id)
        .fetch_optional(conn)
        .await?)
}

/// The relationship, locked against other writers.
pub async fn lock_relationship(conn: &mut PgConnection, id: Uuid) -> Result<Option<RelationshipRow>> {
    Ok(
        edge_rows!("", "from relationships r where r.id = $1 for no key update", id)
            .fetch_optional(conn)
            .await?,
    )
}

/// Every active edge that starts or ends at one of these cards, locked in order of id.
pub async fn lock_active_around(conn: &mut PgConnection, cards: &[Uuid]) -> Result<Vec<RelationshipRow>> {
    Ok(edge_rows!(
        "",
        "from relationships r where r.status = 'active' and (r.source_id = any($1) or r.target_id = any($1)) order by r.id for no key update",
        cards
    )
    .fetch_all(conn)
    .await?)
}

/// The edges that a deletion archived, in order of id.
pub async fn archived_by(conn: &mut PgConnection, deletion_id: Uuid) -> Result<Vec<RelationshipRow>> {
    Ok(edge_rows!(
        "",
        "from relationships r where r.deletion_id = $1 order by r.id for no key update",
        deletion_id
    )
    .fetch_all(conn)
    .await?)
}

/// The active edges of a type between two cards.
pub async fn active_between(
    conn: &mut PgConnection,
    source: Uuid,
    edge_type: &str,
    target: Uuid,
) -> Result<Vec<RelationshipRow>> {
    Ok(edge_rows!(
        "",
        "from relationships r where r.source_id = $1 and r.type = $2 and r.target_id = $3 and r.status = 'active' order by r.valid_from nulls first, r.id",
        source,
        edge_type,
        target
    )
    .fetch_all(conn)
    .await?)
}

/// The active edges of an ontology row that start at a card.
pub async fn active_from(conn: &mut PgConnection, source: Uuid, rule: Uuid) -> Result<Vec<RelationshipRow>> {
    Ok(edge_rows!(
        "",
        "from relationships r where r.source_id = $1 and r.rule_id = $2 and r.status = 'active' order by r.id",
        source,
        rule
    )
    .fetch_all(conn)
    .await?)
}

/// The active edges of an ontology row that end at a card.
pub async fn active_to(conn: &mut PgConnection, target: Uuid, rule: Uuid) -> Result<Vec<RelationshipRow>> {
    Ok(edge_rows!(
        "",
        "from relationships r where r.target_id = $1 and r.rule_id = $2 and r.status = 'active' order by r.id",
        target,
        rule
    )
    .fetch_all(conn)
    .await?)
}

/// The active edges at a card that carry an explicit cost share.
pub async fn active_shares(conn: &mut PgConnection, card: Uuid) -> Result<Vec<RelationshipRow>> {
    Ok(edge_rows!(
        "",
        "from relationships r where (r.source_id = $1 or r.target_id = $1) and r.status = 'active' and r.allocation_pct is not null order by r.id",
        card
    )
    .fetch_all(conn)
    .await?)
}

/// One step along the active edges of an ontology row: (from, to) pairs.
pub async fn step(conn: &mut PgConnection, rule: Uuid, from: &[Uuid]) -> Result<Vec<(Uuid, Uuid)>> {
    let rows = sqlx::query!(
        "select source_id, target_id from relationships where rule_id = $1 and source_id = any($2) and status = 'active' order by source_id, target_id",
        rule,
        from
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|r| (r.source_id, r.target_id)).collect())
}

/// Where an edge leads, and under which row of the ontology.
#[derive(Clone, Debug)]
pub struct Ends {
    /// The row of the ontology.
    pub rule_id: Uuid,
    /// The edge's type.
    pub edge_type: String,
    /// Source card.
    pub source_id: Uuid,
    /// Its type.
    pub source_type: String,
    /// Target card.
    pub target_id: Uuid,
    /// Its type.
    pub target_type: String,
}

/// Inserts an edge at version 1.
pub async fn insert(
    conn: &mut PgConnection,
    author: &Author,
    id: Uuid,
    ends: &Ends,
    draft: &EdgeDraft,
) -> Result<RelationshipRow> {
    let row = timed("insert_relationship", edge_rows!(
        "with r as (
             insert into relationships (id, rule_id, type, source_id, source_type, target_id, target_type, valid_from, valid_to, description,
                 allocation_pct, attributes, created_by, updated_by)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
             returning *
         ), logged as (
             insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, after)
             select $13, $14, $15, 'relationship', r.id, r.type, 'created', r.version, to_jsonb(r) from r
         )",
        "from r",
        id,
        ends.rule_id,
        ends.edge_type,
        ends.source_id,
        ends.source_type,
        ends.target_id,
        ends.target_type,
        draft.validity.from,
        draft.validity.to,
        draft.description,
        draft.allocation_pct,
        Json(&draft.attributes) as _,
        author.actor_id,
        author.request_id,
        author.reason,
    )
    .fetch_one(conn))
    .await?;
    Ok(row)
}

/// Writes the fields of an edge that the caller has locked, as its next version.
pub async fn update(conn: &mut PgConnection, author: &Author, id: Uuid, draft: &EdgeDraft) -> Result<RelationshipRow> {
    let row = timed("update_relationship", edge_rows!(
        "with old as (select * from relationships where id = $1),
         r as (
             update relationships set valid_from = $2, valid_to = $3, description = $4, allocation_pct = $5, attributes = $6, updated_by = $7,
                 version = version + 1, updated_at = greatest(now(), updated_at)
             where id = $1 returning *
         ), logged as (
             insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after)
             select $7, $8, $9, 'relationship', r.id, r.type, 'updated', r.version, to_jsonb(old), to_jsonb(r) from r, old
         )",
        "from r",
        id,
        draft.validity.from,
        draft.validity.to,
        draft.description,
        draft.allocation_pct,
        Json(&draft.attributes) as _,
        author.actor_id,
        author.request_id,
        author.reason,
    )
    .fetch_one(conn))
    .await?;
    Ok(row)
}

/// Archives edges, by themselves or as part of the deletion of a card.
pub async fn archive(
    conn: &mut PgConnection,
    author: &Author,
    ids: &[Uuid],
    deletion_id: Option<Uuid>,
) -> Result<Vec<RelationshipRow>> {
    set_status(conn, author, ids, "archived", "archived", deletion_id).await
}

/// Makes archived edges active again.
pub async fn reactivate(conn: &mut PgConnection, author: &Author, ids: &[Uuid]) -> Result<Vec<RelationshipRow>> {
    set_status(conn, author, ids, "active", "restored", None).await
}

async fn set_status(
    conn: &mut PgConnection,
    author: &Author,
    ids: &[Uuid],
    status: &str,
    action: &str,
    deletion_id: Option<Uuid>,
) -> Result<Vec<RelationshipRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = edge_rows!(
        "with old as (select * from relationships where id = any($1)),
         r as (
             update relationships set status = $2, deletion_id = $3, updated_by = $4, version = version + 1,
                 updated_at = greatest(now(), updated_at)
             where id = any($1) returning *
         ), logged as (
             insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after)
             select $4, $5, $6, 'relationship', r.id, r.type, $7, r.version, to_jsonb(old), to_jsonb(r)
             from r join old on old.id = r.id order by r.id
         )",
        "from r order by r.id",
        ids,
        status,
        deletion_id,
        author.actor_id,
        author.request_id,
        author.reason,
        action,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The active edges around a card with the card at the other end, if that is `visible`, in order of type and name; those
/// in force on the date, if one is given.
pub async fn around(
    conn: &mut PgConnection,
    card: Uuid,
    visible: &TypeScope,
    on: Option<NaiveDate>,
) -> Result<Vec<(RelationshipRow, super::routes::Other)>> {
    let edges = edge_rows!(
        "",
        "from relationships r where (r.source_id = $1 or r.target_id = $1) and r.status = 'active'
         and ($2::date is null or ((r.valid_from is null or r.valid_from <= $2) and (r.valid_to is null or r.valid_to >= $2)))",
        card,
        on
    )
    .fetch_all(&mut *conn)
    .await?;
    let edges: Vec<RelationshipRow> = edges.into_iter().filter(|edge| edge.is_visible(visible)).collect();
    let ids: Vec<Uuid> = edges
        .iter()
        .map(|e| if e.source_id == card { e.target_id } else { e.source_id })
        .collect();
    let names = sqlx::query!(
        "select id, type as card_type, name, name_key from cards where id = any($1)",
        &ids
    )
    .fetch_all(conn)
    .await?;
    let names: std::collections::HashMap<Uuid, _> = names.into_iter().map(|c| (c.id, c)).collect();
    let mut found: Vec<_> = edges
        .into_iter()
        .filter_map(|edge| {
            let other = names.get(if edge.source_id == card {
                &edge.target_id
            } else {
                &edge.source_id
            })?;
            let key = (edge.edge_type.clone(), other.name_key.clone(), edge.id);
            Some((
                key,
                edge,
                super::routes::Other {
                    id: other.id,
                    r#type: other.card_type.clone(),
                    name: other.name.clone(),
                },
            ))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found.into_iter().map(|(_, edge, other)| (edge, other)).collect())
}
