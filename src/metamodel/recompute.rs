//! Computes quality scores anew after a rule has changed: in the background, in batches, on whichever instance gets
//! there first, and from where it was left when a process ends.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool, types::Json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Metamodel, QualityFacts, quality_score, store};
use crate::{
    app::AppState,
    error::Result,
    store::{Author, transaction},
};

/// Cards per transaction.
const BATCH: usize = 500;
/// How often to look for work when there is none.
const IDLE: Duration = Duration::from_millis(500);
/// How long to wait after something went wrong.
const PAUSE: Duration = Duration::from_secs(5);

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is nothing to compute, or another instance is at it.
    Idle,
    /// A batch is done, so many scores changed; there may be more.
    Batch(u64),
}

/// Works until `stop`.
pub async fn follow(state: AppState, stop: CancellationToken) {
    loop {
        let pause = match step(&state.db).await {
            Ok(Step::Batch(changed)) => {
                if changed > 0 {
                    state.tail.wrote();
                }
                Duration::ZERO
            }
            Ok(Step::Idle) => IDLE,
            Err(error) => {
                tracing::warn!(%error, "quality scores cannot be computed now; trying again");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Computes one batch, if somebody asked for it and nobody else is at it.
pub async fn step(db: &PgPool) -> Result<Step> {
    let Some(claim) = claim(db).await? else {
        return Ok(Step::Idle);
    };
    let claim = &claim;
    let changed = transaction(db, |conn, _| Box::pin(batch(conn, claim))).await?;
    Ok(Step::Batch(changed))
}

struct Claim {
    card_type: String,
    lease: DateTime<Utc>,
}

/// Takes a request for a while. One that is younger than a second is left alone: other instances may still be writing
/// cards with scores by the old rules.
async fn claim(db: &PgPool) -> Result<Option<Claim>> {
    let claim = sqlx::query_as!(
        Claim,
        r#"update quality_recomputes set lease_until = clock_timestamp() + interval '30 seconds'
           where card_type = (
               select card_type from quality_recomputes
               where coalesce(lease_until <= clock_timestamp(), true) and requested_at < clock_timestamp() - interval '1 second'
               order by requested_at for update skip locked limit 1)
           returning card_type, lease_until "lease!""#
    );
    Ok(claim.fetch_optional(db).await?)
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of another field whether it is filled"
)]
struct CardFacts {
    id: Uuid,
    name: String,
    description: Option<String>,
    has_tags: bool,
    has_lifecycle: bool,
    has_functional_fit: bool,
    has_technical_fit: bool,
    has_business_criticality: bool,
    attributes: Json<Map<String, Value>>,
    quality_score: Option<i16>,
}

impl CardFacts {
    fn score(&self, metamodel: &Metamodel, card_type: &str) -> i16 {
        i16::from(quality_score(
            metamodel,
            &QualityFacts {
                card_type,
                name: &self.name,
                description: self.description.as_deref(),
                has_tags: self.has_tags,
                has_lifecycle: self.has_lifecycle,
                has_functional_fit: self.has_functional_fit,
                has_technical_fit: self.has_technical_fit,
                has_business_criticality: self.has_business_criticality,
                attributes: &self.attributes,
            },
        ))
    }
}

async fn batch(conn: &mut PgConnection, claim: &Claim) -> Result<u64> {
    // Holding the row keeps a new request, and whoever takes over an expired lease, away until this batch is committed.
    let progress = sqlx::query!(
        "select after_id from quality_recomputes where card_type = $1 and lease_until = $2 for update",
        claim.card_type,
        claim.lease
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(progress) = progress else { return Ok(0) };
    let metamodel = store::load(conn).await?;
    let cards = sqlx::query_as!(
        CardFacts,
        r#"select c.id, c.name, c.description, cardinality(c.tags) > 0 "has_tags!",
                  coalesce(c.lifecycle_plan, c.lifecycle_phase_in, c.lifecycle_active, c.lifecycle_phase_out, c.lifecycle_eol)
                      is not null "has_lifecycle!",
                  c.functional_fit is not null "has_functional_fit!", c.technical_fit is not null "has_technical_fit!",
                  c.business_criticality is not null "has_business_criticality!",
                  c.attributes "attributes: Json<Map<String, Value>>", s.quality_score "quality_score?"
           from cards c left join card_scores s on s.card_id = c.id
           where c.type = $1 and c.id > $2 order by c.id limit $3"#,
        claim.card_type,
        progress.after_id.unwrap_or_else(Uuid::nil),
        BATCH as i64,
    )
    .fetch_all(&mut *conn)
    .await?;
    let stale: Vec<Uuid> = cards
        .iter()
        .filter(|card| Some(card.score(&metamodel, &claim.card_type)) != card.quality_score)
        .map(|card| card.id)
        .collect();
    let changed = if stale.is_empty() {
        0
    } else {
        renew(conn, &metamodel, &claim.card_type, &stale).await?
    };
    match cards.last() {
        Some(last) if cards.len() == BATCH => {
            // The lease ends here, so that the next step, on any instance, goes on.
            sqlx::query!(
                "update quality_recomputes set after_id = $2, lease_until = null where card_type = $1",
                claim.card_type,
                last.id
            )
            .execute(&mut *conn)
            .await?;
        }
        _ => {
            sqlx::query!("delete from quality_recomputes where card_type = $1", claim.card_type)
                .execute(&mut *conn)
                .await?;
        }
    }
    Ok(changed)
}

/// Writes the scores that differ. The cards are locked and read again: their writers score them as well.
async fn renew(conn: &mut PgConnection, metamodel: &Metamodel, card_type: &str, ids: &[Uuid]) -> Result<u64> {
    let cards = sqlx::query_as!(
        CardFacts,
        r#"select c.id, c.name, c.description, cardinality(c.tags) > 0 "has_tags!",
                  coalesce(c.lifecycle_plan, c.lifecycle_phase_in, c.lifecycle_active, c.lifecycle_phase_out, c.lifecycle_eol)
                      is not null "has_lifecycle!",
                  c.functional_fit is not null "has_functional_fit!", c.technical_fit is not null "has_technical_fit!",
                  c.business_criticality is not null "has_business_criticality!",
                  c.attributes "attributes: Json<Map<String, Value>>", null::smallint "quality_score?"
           from cards c where c.id = any($1) order by c.id for no key update"#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let scores: HashMap<Uuid, i16> = cards
        .iter()
        .map(|card| (card.id, card.score(metamodel, card_type)))
        .collect();
    let (ids, scores): (Vec<Uuid>, Vec<i16>) = scores.into_iter().unzip();
    let author = Author::system("rules of the metamodel changed");
    let written = sqlx::query!(
        "with new as (select * from unnest($1::uuid[], $2::smallint[]) as n (card_id, quality_score)),
         old as (select s.* from card_scores s join new using (card_id)),
         renewed as (
             insert into card_scores as s (card_id, quality_score) select card_id, quality_score from new order by card_id
             on conflict (card_id) do update set quality_score = excluded.quality_score
             where s.quality_score <> excluded.quality_score returning *)
         insert into changes (reason, entity, entity_id, entity_type, action, version, before, after)
         select $3, 'score', r.card_id, c.type, 'updated', c.version, to_jsonb(old), to_jsonb(r)
         from renewed r join cards c on c.id = r.card_id left join old on old.card_id = r.card_id",
        &ids,
        &scores,
        author.reason,
    )
    .execute(conn)
    .await?;
    Ok(written.rows_affected())
}
