//! Brings the landscape into the database: by COPY, in batches of one transaction each. A batch is there whole or not at
//! all, so whoever was interrupted starts again and goes on where it ended.

use std::ops::Range;

use serde_json::json;
use sqlx::{Executor, PgConnection, PgPool};
use uuid::Uuid;

use super::{
    Landscape, Parameters,
    copy::Rows,
    id::{card_id, created_at, edge_id},
    plan::Kind,
};
use crate::{
    card::Tier,
    error::{Code, Error, Result},
    metamodel::{self, Metamodel},
    relationship::ontology::{self, Ontology},
};

/// Rows of one transaction: enough that the commits cost nothing, few enough that a running server, which reads them from
/// the change log, can keep up.
const BATCH: u32 = 25_000;

/// Where the database remembers which landscape it holds.
const MARKER: &str = "synthetic_landscape";

const REASON: &str = "synthetic sample";

/// What loading did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Cards written; those that were there before do not count.
    pub cards: u32,
    /// Relationships written.
    pub relationships: u32,
}

/// Loads the landscape. Repeating it changes nothing, also where people have changed or deleted cards since; a database
/// holds one synthetic landscape and refuses a second.
pub async fn load(db: &PgPool, parameters: Parameters) -> Result<Outcome> {
    parameters.validate()?;
    let mut outcome = Outcome {
        cards: 0,
        relationships: 0,
    };
    if claim(db, parameters).await? {
        return Ok(outcome);
    }
    let landscape = Landscape::new(parameters)?;
    let mut conn = db.acquire().await?;
    let metamodel = metamodel::store::load(&mut conn).await?;
    let ontology = ontology::store::load(&mut conn).await?;
    drop(conn);
    for batch in batches(parameters.cards) {
        let mut tx = db.begin().await?;
        outcome.cards += insert_cards(&mut tx, &landscape, &metamodel, batch)
            .await
            .map_err(explain)?;
        tx.commit().await?;
    }
    for batch in batches(parameters.relationships) {
        let mut tx = db.begin().await?;
        outcome.relationships += insert_edges(&mut tx, &landscape, &ontology, batch)
            .await
            .map_err(explain)?;
        tx.commit().await?;
    }
    mark(db, parameters, true).await?;
    // Fresh statistics, and the pending parts of the full indexes put in their place.
    let mut conn = db.acquire().await?;
    conn.execute("set statement_timeout = 0").await?;
    conn.execute("vacuum (analyze) cards, card_scores, card_external_ids, relationships, changes")
        .await?;
    // The settings of this connection are not those of the pool any more.
    conn.close().await?;
    Ok(outcome)
}

fn batches(count: u32) -> impl Iterator<Item = Range<u32>> {
    (0..count.div_ceil(BATCH)).map(move |n| n * BATCH..((n + 1) * BATCH).min(count))
}

fn explain(error: Error) -> Error {
    if error.code != Code::Conflict {
        return error;
    }
    let text = format!(
        "{}: the synthetic landscape does not fit into this database; give it one of its own",
        error.message
    );
    Error { message: text, ..error }
}

/// Whether the database has this landscape already, whole; refuses when it has another.
async fn claim(db: &PgPool, parameters: Parameters) -> Result<bool> {
    let held = sqlx::query_scalar!("select value from settings where name = $1", MARKER)
        .fetch_optional(db)
        .await?;
    let Some(held) = held else {
        mark(db, parameters, false).await?;
        return Ok(false);
    };
    if held == marker(parameters, true) {
        return Ok(true);
    }
    if held == marker(parameters, false) {
        return Ok(false);
    }
    Err(Error::new(
        Code::Conflict,
        format!("The database holds another synthetic landscape ({held}); repeat that one, or use an empty database"),
    ))
}

fn marker(parameters: Parameters, complete: bool) -> String {
    let Parameters {
        cards,
        relationships,
        seed,
    } = parameters;
    json!({ "cards": cards, "relationships": relationships, "seed": seed, "complete": complete }).to_string()
}

async fn mark(db: &PgPool, parameters: Parameters, complete: bool) -> Result<()> {
    sqlx::query!(
        "insert into settings (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value",
        MARKER,
        marker(parameters, complete)
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One loader at a time, without the limits that requests are under.
async fn enter(conn: &mut PgConnection) -> Result<()> {
    conn.execute("set local statement_timeout = 0").await?;
    conn.execute("select pg_advisory_xact_lock(hashtext('archzero synthetic landscape'))")
        .await?;
    Ok(())
}

async fn insert_cards(
    conn: &mut PgConnection,
    landscape: &Landscape,
    metamodel: &Metamodel,
    batch: Range<u32>,
) -> Result<u32> {
    let plan = &landscape.plan;
    let numbers = &plan.order[batch.start as usize..batch.end as usize];
    let ids: Vec<Uuid> = numbers.iter().map(|card| card_id(plan, *card)).collect();
    enter(conn).await?;
    if sqlx::query_scalar!(r#"select exists (select from cards where id = $1) "there!""#, ids[0])
        .fetch_one(&mut *conn)
        .await?
    {
        return Ok(0);
    }
    let (mut cards, mut scores, mut external) = (Rows::default(), Rows::default(), Rows::default());
    for (number, id) in numbers.iter().zip(&ids) {
        let draft = landscape.card(*number);
        let at = created_at(plan.created(*number)).to_rfc3339();
        cards
            .value(id)
            .value(&draft.card_type)
            .value(&draft.name)
            .value(&draft.name_key)
            .optional(draft.description.as_ref());
        cards.texts(&draft.tags);
        for date in draft.lifecycle.dates() {
            cards.optional(date);
        }
        let tier = draft.business_criticality.map(Tier::name);
        cards
            .optional(draft.functional_fit)
            .optional(draft.technical_fit)
            .optional(tier)
            .optional(tier.map(|_| "manual"));
        cards.value(json!(draft.attributes)).value(&at).value(&at).end_row();
        scores.value(id).value(draft.quality(metamodel)).end_row();
        for (system, key) in draft.external_ids() {
            external.value(system).value(key).value(id).end_row();
        }
    }
    let columns = "copy cards (id, type, name, name_key, description, tags, lifecycle_plan, lifecycle_phase_in, lifecycle_active, \
                   lifecycle_phase_out, lifecycle_eol, functional_fit, technical_fit, business_criticality, criticality_source, \
                   attributes, created_at, updated_at) from stdin";
    cards.send(&mut *conn, columns).await?;
    scores
        .send(&mut *conn, "copy card_scores (card_id, quality_score) from stdin")
        .await?;
    external
        .send(
            &mut *conn,
            "copy card_external_ids (system, external_id, card_id) from stdin",
        )
        .await?;
    // As every other write of a card logs it, so that history and restored states know no difference.
    sqlx::query!(
        "insert into changes (reason, entity, entity_id, entity_type, action, version, after)
         select $1, 'card', c.id, c.type, 'created', c.version, to_jsonb(c) || jsonb_build_object('quality_score', s.quality_score)
         from cards c join card_scores s on s.card_id = c.id where c.id = any($2) order by c.id",
        REASON,
        &ids
    )
    .execute(conn)
    .await?;
    Ok(batch.len() as u32)
}

async fn insert_edges(
    conn: &mut PgConnection,
    landscape: &Landscape,
    ontology: &Ontology,
    batch: Range<u32>,
) -> Result<u32> {
    let plan = &landscape.plan;
    let ids: Vec<Uuid> = batch.clone().map(|n| edge_id(plan.seed, n)).collect();
    enter(conn).await?;
    if sqlx::query_scalar!(
        r#"select exists (select from relationships where id = $1) "there!""#,
        ids[0]
    )
    .fetch_one(&mut *conn)
    .await?
    {
        return Ok(0);
    }
    let mut rows = Rows::default();
    for (n, id) in batch.clone().zip(&ids) {
        let edge = &landscape.edges[n as usize];
        let (source_type, target_type) = (Kind::name(plan.kind(edge.source)), Kind::name(plan.kind(edge.target)));
        let rule = ontology.lookup(source_type, edge.kind, target_type).ok_or_else(|| {
            let text = format!(
                "This installation knows no {} from {source_type} to {target_type}",
                edge.kind
            );
            Error::new(Code::RelationshipNotAllowed, text)
        })?;
        let draft = edge.draft();
        let at = created_at(n).to_rfc3339();
        rows.value(id).value(rule.id).value(edge.kind);
        rows.value(card_id(plan, edge.source))
            .value(source_type)
            .value(card_id(plan, edge.target))
            .value(target_type);
        rows.optional(draft.validity.from)
            .optional(draft.validity.to)
            .optional(draft.description.as_ref());
        rows.optional(draft.allocation_pct)
            .value(json!(draft.attributes))
            .value(&at)
            .value(&at)
            .end_row();
    }
    let columns = "copy relationships (id, rule_id, type, source_id, source_type, target_id, target_type, valid_from, valid_to, \
                   description, allocation_pct, attributes, created_at, updated_at) from stdin";
    rows.send(&mut *conn, columns).await?;
    sqlx::query!(
        "insert into changes (reason, entity, entity_id, entity_type, action, version, after)
         select $1, 'relationship', r.id, r.type, 'created', r.version, to_jsonb(r)
         from relationships r where r.id = any($2) order by r.id",
        REASON,
        &ids
    )
    .execute(conn)
    .await?;
    Ok(batch.len() as u32)
}
