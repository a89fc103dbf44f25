//! The SQL of cards. Every write is one statement that changes the row, keeps its score and appends to the change log.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{FromRow, PgConnection, types::Json};
use uuid::Uuid;

use super::{CardDraft, Lifecycle, draft::Tier};
use crate::{
    auth::TypeScope,
    error::{Code, Error, Result},
    store::{Author, timed, violates},
};

/// A card's row, as the table and the change log hold it.
#[derive(Clone, Debug, FromRow, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns are described in metamodel.md and the migration")]
pub struct CardRow {
    pub id: Uuid,
    #[sqlx(rename = "type")]
    #[serde(rename = "type")]
    pub card_type: String,
    pub name: String,
    pub name_key: String,
    pub description: Option<String>,
    pub tags: Vec<String>,
    pub lifecycle_plan: Option<NaiveDate>,
    pub lifecycle_phase_in: Option<NaiveDate>,
    pub lifecycle_active: Option<NaiveDate>,
    pub lifecycle_phase_out: Option<NaiveDate>,
    pub lifecycle_eol: Option<NaiveDate>,
    pub functional_fit: Option<i16>,
    pub technical_fit: Option<i16>,
    pub business_criticality: Option<String>,
    pub criticality_source: Option<String>,
    pub attributes: Json<Map<String, Value>>,
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_by: Option<Uuid>,
    pub updated_by: Option<Uuid>,
    pub deletion_id: Option<Uuid>,
    #[serde(default)]
    pub quality_score: Option<i16>,
    #[serde(default)]
    pub computed: Option<Json<Map<String, Value>>>,
}

impl CardRow {
    /// The five dates.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        Lifecycle::new([
            self.lifecycle_plan,
            self.lifecycle_phase_in,
            self.lifecycle_active,
            self.lifecycle_phase_out,
            self.lifecycle_eol,
        ])
    }
}

/// The columns of [`CardRow`], for queries put together at run time over `cards c left join card_scores s`.
pub const COLUMNS: &str = "c.id, c.type, c.name, c.name_key, c.description, c.tags, c.lifecycle_plan, c.lifecycle_phase_in, \
     c.lifecycle_active, c.lifecycle_phase_out, c.lifecycle_eol, c.functional_fit, c.technical_fit, c.business_criticality, \
     c.criticality_source, c.attributes, c.version, c.created_at, c.updated_at, c.deleted_at, c.created_by, c.updated_by, \
     c.deletion_id, s.quality_score, s.computed";

/// A checked query whose result is [`CardRow`]s: `$with` gives `c` (a card's columns) and `s` (its score).
macro_rules! card_rows {
    ($before:tt, $after:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            CardRow,
            $before
                + r#" select c.id as "id!", c.type as "card_type!", c.name as "name!", c.name_key as "name_key!", c.description, c.tags as "tags!",
                    c.lifecycle_plan, c.lifecycle_phase_in, c.lifecycle_active, c.lifecycle_phase_out, c.lifecycle_eol, c.functional_fit,
                    c.technical_fit, c.business_criticality, c.criticality_source, c.attributes as "attributes!: Json<Map<String, Value>>",
                    c.version as "version!", c.created_at as "created_at!", c.updated_at as "updated_at!", c.deleted_at, c.created_by,
                    c.updated_by, c.deletion_id, s.quality_score as "quality_score?", s.computed as "computed?: Json<Map<String, Value>>" "#
                + $after
            $(, $argument)*
        )
    };
}

/// The card, deleted or not.
pub async fn find_card(conn: &mut PgConnection, id: Uuid) -> Result<Option<CardRow>> {
    Ok(card_rows!(
        "",
        "from cards c left join card_scores s on s.card_id = c.id where c.id = $1",
        id
    )
    .fetch_optional(conn)
    .await?)
}

/// The card, locked against other writers until the end of the transaction.
pub async fn lock_card(conn: &mut PgConnection, id: Uuid) -> Result<Option<CardRow>> {
    Ok(card_rows!(
        "",
        "from cards c left join card_scores s on s.card_id = c.id where c.id = $1 for no key update of c",
        id
    )
    .fetch_optional(conn)
    .await?)
}

/// Several cards, locked in order of id so that two writers never wait for each other in a circle.
pub async fn lock_cards(conn: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<CardRow>> {
    Ok(card_rows!(
        "",
        "from cards c left join card_scores s on s.card_id = c.id where c.id = any($1) order by c.id for no key update of c",
        ids
    )
    .fetch_all(conn)
    .await?)
}

/// The undeleted cards of a type with this name (several only for types that are unique among siblings).
pub async fn find_named(conn: &mut PgConnection, card_type: &str, name_key: &str) -> Result<Vec<CardRow>> {
    Ok(card_rows!(
        "",
        "from cards c left join card_scores s on s.card_id = c.id
         where c.type = $1 and c.name_key = $2 and c.deleted_at is null order by c.id limit 20",
        card_type,
        name_key
    )
    .fetch_all(conn)
    .await?)
}

/// The undeleted card that carries this identifier of another system, and its type.
pub async fn find_by_external_id(conn: &mut PgConnection, system: &str, id: &str) -> Result<Option<(Uuid, String)>> {
    let found = sqlx::query!(
        "select e.card_id, c.type as card_type from card_external_ids e join cards c on c.id = e.card_id
         where e.system = $1 and e.external_id = $2",
        system,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|row| (row.card_id, row.card_type)))
}

/// Which of these cards do not exist, are deleted, or are not `visible`.
pub async fn missing_cards(conn: &mut PgConnection, ids: &[Uuid], visible: &TypeScope) -> Result<Vec<Uuid>> {
    Ok(sqlx::query_scalar!(
        r#"select id as "id!" from unnest($1::uuid[]) as wanted(id)
           where not exists (select 1 from cards c where c.id = wanted.id and c.deleted_at is null
               and ($2::text[] is null or c.type = any($2)))"#,
        ids,
        visible.to_sql() as Option<Vec<String>>,
    )
    .fetch_all(conn)
    .await?)
}

/// Inserts a card at version 1.
pub async fn insert(
    conn: &mut PgConnection,
    author: &Author,
    id: Uuid,
    draft: &CardDraft,
    quality: i16,
) -> Result<CardRow> {
    let [plan, phase_in, active, phase_out, eol] = draft.lifecycle.dates();
    let inserted = timed("insert_card", card_rows!(
        "with c as (
             insert into cards (id, type, name, name_key, description, tags, lifecycle_plan, lifecycle_phase_in, lifecycle_active,
                 lifecycle_phase_out, lifecycle_eol, functional_fit, technical_fit, business_criticality, criticality_source, attributes,
                 created_by, updated_by)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)
             returning *
         ), s as (
             insert into card_scores (card_id, quality_score) select c.id, $18 from c returning quality_score, computed
         ), logged as (
             insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, after)
             select $17, $19, $20, 'card', c.id, c.type, 'created', c.version, to_jsonb(c) || jsonb_build_object('quality_score', $18)
             from c
         )",
        "from c, s",
        id,
        draft.card_type,
        draft.name,
        draft.name_key,
        draft.description,
        &draft.tags,
        plan,
        phase_in,
        active,
        phase_out,
        eol,
        draft.functional_fit,
        draft.technical_fit,
        draft.business_criticality.map(Tier::name),
        draft.business_criticality.map(|_| "manual"),
        Json(&draft.attributes) as _,
        author.actor_id,
        quality,
        author.request_id,
        author.reason,
    )
    .fetch_one(&mut *conn))
    .await;
    match inserted {
        Ok(row) => {
            set_external_ids(conn, id, &[], &draft.external_ids()).await?;
            Ok(row)
        }
        Err(error) if violates(&error, "cards_name_unique") => Err(name_taken(&draft.card_type, &draft.name)),
        Err(error) => Err(error.into()),
    }
}

/// The error for a name that another card of the type holds. After a failed statement the transaction cannot be asked
/// which card it is; [`name_holder`] fills that in.
#[must_use]
pub fn name_taken(card_type: &str, name: &str) -> Error {
    Error::new(
        Code::Conflict,
        format!("There is already a card of type {card_type} called '{name}'"),
    )
    .at("name")
    .with(serde_json::json!({ "type": card_type, "name": name }))
}

/// [`name_taken`], with the card that holds the name.
#[must_use]
pub fn name_taken_by(holder: Uuid, card_type: &str, name: &str) -> Error {
    name_taken(card_type, name).with(serde_json::json!({ "type": card_type, "name": name, "existing_id": holder }))
}

/// The error for an identifier of another system that another card carries; a card that the caller may not see is not
/// named.
#[must_use]
pub fn external_id_taken((holder, card_type): &(Uuid, String), visible: &TypeScope, system: &str, id: &str) -> Error {
    let details = if visible.covers(card_type) {
        serde_json::json!({ "existing_id": holder, "system": system, "id": id })
    } else {
        serde_json::json!({ "hidden": true, "system": system, "id": id })
    };
    Error::new(
        Code::Conflict,
        format!("Another card carries the id '{id}' of '{system}' already"),
    )
    .at("attributes.external_ids")
    .with(details)
}

/// Adds to a name conflict which card holds the name. To be called outside of the failed transaction.
pub async fn name_holder(conn: &mut PgConnection, mut error: Error) -> Error {
    let Some(details) = error.details.as_mut().filter(|_| error.code == Code::Conflict) else {
        return error;
    };
    let (Some(card_type), Some(name), true) = (
        details["type"].as_str(),
        details["name"].as_str(),
        details["existing_id"].is_null(),
    ) else {
        return error;
    };
    let key = crate::metamodel::name_key(name);
    if let Ok(found) = find_named(conn, card_type, &key).await
        && let Some(card) = found.first()
    {
        details["existing_id"] = serde_json::json!(card.id);
    }
    error
}

/// Writes the fields of a card that the caller has locked, as its next version.
pub async fn update(
    conn: &mut PgConnection,
    author: &Author,
    before: &CardRow,
    draft: &CardDraft,
    quality: i16,
) -> Result<CardRow> {
    let [plan, phase_in, active, phase_out, eol] = draft.lifecycle.dates();
    let tier = draft.business_criticality.map(Tier::name);
    // A tier that a person writes is theirs; one that merely stays keeps its source.
    let source = match tier {
        None => None,
        Some(tier) if before.business_criticality.as_deref() == Some(tier) => {
            before.criticality_source.as_deref().or(Some("manual"))
        }
        Some(_) => Some("manual"),
    };
    let updated = timed("update_card", card_rows!(
        "with old as (select cards.*, card_scores.quality_score from cards left join card_scores on card_id = id where id = $1),
         c as (
             update cards set name = $2, name_key = $3, description = $4, tags = $5, lifecycle_plan = $6, lifecycle_phase_in = $7,
                 lifecycle_active = $8, lifecycle_phase_out = $9, lifecycle_eol = $10, functional_fit = $11, technical_fit = $12,
                 business_criticality = $13, criticality_source = $14, attributes = $15, updated_by = $16, version = version + 1,
                 updated_at = greatest(now(), updated_at)
             where id = $1
             returning *
         ), s as (
             insert into card_scores (card_id, quality_score) select c.id, $17 from c
             on conflict (card_id) do update set quality_score = excluded.quality_score
             returning quality_score, computed
         ), logged as (
             insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after)
             select $16, $18, $19, 'card', c.id, c.type, 'updated', c.version, to_jsonb(old), to_jsonb(c) || jsonb_build_object('quality_score', $17)
             from c, old
         )",
        "from c, s",
        before.id,
        draft.name,
        draft.name_key,
        draft.description,
        &draft.tags,
        plan,
        phase_in,
        active,
        phase_out,
        eol,
        draft.functional_fit,
        draft.technical_fit,
        tier,
        source,
        Json(&draft.attributes) as _,
        author.actor_id,
        quality,
        author.request_id,
        author.reason,
    )
    .fetch_one(&mut *conn))
    .await;
    match updated {
        Ok(row) => {
            set_external_ids(
                conn,
                before.id,
                &CardDraft::from(before).external_ids(),
                &draft.external_ids(),
            )
            .await?;
            Ok(row)
        }
        Err(error) if violates(&error, "cards_name_unique") => Err(name_taken(&draft.card_type, &draft.name)),
        Err(error) => Err(error.into()),
    }
}

/// Marks a card as deleted by the deletion `deletion_id`.
pub async fn soft_delete(conn: &mut PgConnection, author: &Author, id: Uuid, deletion_id: Uuid) -> Result<CardRow> {
    let row = timed("delete_card", card_rows!(
        "with old as (select * from cards where id = $1),
         c as (
             update cards set deleted_at = now(), deletion_id = $2, updated_by = $3, version = version + 1,
                 updated_at = greatest(now(), updated_at)
             where id = $1 returning *
         ), released as (
             delete from card_external_ids where card_id = $1
         ), logged as (
             insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after)
             select $3, $4, $5, 'card', c.id, c.type, 'deleted', c.version, to_jsonb(old), to_jsonb(c) from c, old
         )",
        "from c left join card_scores s on s.card_id = c.id",
        id,
        deletion_id,
        author.actor_id,
        author.request_id,
        author.reason,
    )
    .fetch_one(conn))
    .await?;
    Ok(row)
}

/// Brings a deleted card back. The name may have been taken meanwhile.
pub async fn restore(conn: &mut PgConnection, author: &Author, card: &CardRow) -> Result<CardRow> {
    let restored = card_rows!(
        "with old as (select * from cards where id = $1),
         c as (
             update cards set deleted_at = null, deletion_id = null, updated_by = $2, version = version + 1,
                 updated_at = greatest(now(), updated_at)
             where id = $1 returning *
         ), logged as (
             insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after)
             select $2, $3, $4, 'card', c.id, c.type, 'restored', c.version, to_jsonb(old), to_jsonb(c) from c, old
         )",
        "from c left join card_scores s on s.card_id = c.id",
        card.id,
        author.actor_id,
        author.request_id,
        author.reason,
    )
    .fetch_one(&mut *conn)
    .await;
    match restored {
        Ok(row) => {
            set_external_ids(conn, row.id, &[], &CardDraft::from(&row).external_ids()).await?;
            Ok(row)
        }
        Err(error) if violates(&error, "cards_name_unique") => Err(name_taken(&card.card_type, &card.name)),
        Err(error) => Err(error.into()),
    }
}

async fn set_external_ids(
    conn: &mut PgConnection,
    card: Uuid,
    before: &[(String, String)],
    after: &[(String, String)],
) -> Result<()> {
    if before == after {
        return Ok(());
    }
    sqlx::query!("delete from card_external_ids where card_id = $1", card)
        .execute(&mut *conn)
        .await?;
    let (systems, ids): (Vec<String>, Vec<String>) = after.iter().cloned().unzip();
    sqlx::query!(
        "insert into card_external_ids (system, external_id, card_id) select t.system, t.id, $3 from unnest($1::text[], $2::text[]) as t(system, id)",
        &systems,
        &ids,
        card
    )
    .execute(conn)
    .await
    .map_err(|error| {
        if violates(&error, "card_external_ids_pkey") {
            Error::new(Code::Conflict, "Another card carries one of these external ids already").at("attributes.external_ids")
        } else {
            error.into()
        }
    })?;
    Ok(())
}

/// Keeps computed values beside a card, merged into those already there; logged, because they changed.
pub async fn set_computed(
    conn: &mut PgConnection,
    author: &Author,
    id: Uuid,
    values: &Map<String, Value>,
) -> Result<()> {
    sqlx::query!(
        "with old as (select * from card_scores where card_id = $1),
         s as (
             update card_scores set computed = jsonb_strip_nulls(computed || $2) where card_id = $1 returning *
         )
         insert into changes (actor_id, request_id, reason, entity, entity_id, entity_type, action, version, before, after)
         select $3, $4, $5, 'score', s.card_id, c.type, 'updated', c.version, to_jsonb(old), to_jsonb(s)
         from s join old on old.card_id = s.card_id join cards c on c.id = s.card_id",
        id,
        Json(values) as _,
        author.actor_id,
        author.request_id,
        author.reason,
    )
    .execute(conn)
    .await?;
    Ok(())
}
