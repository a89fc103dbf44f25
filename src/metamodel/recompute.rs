//! Computes quality scores anew after a rule has changed: a job per card type.

use std::{collections::HashMap, time::Duration};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Metamodel, QualityFacts, quality_score, store};
use crate::{
    app::AppState,
    error::{Error, Result},
    job::{self, Job, NewJob, Progress, Step, Work},
    store::Author,
};

/// The kind of job.
pub const RECOMPUTE: &str = "quality_recompute";

/// Cards per step.
const BATCH: usize = 500;
/// Not at once: other instances may still be writing cards with scores by the old rules.
const DELAY: Duration = Duration::from_secs(1);

/// Asks for the quality scores of a card type's cards to be computed anew. A computation under way goes on, and this one
/// follows it.
pub async fn request(conn: &mut PgConnection, card_type: &str) -> Result<Uuid> {
    let job = NewJob::new(RECOMPUTE, json!({ "card_type": card_type }));
    job::enqueue(conn, job.coalesced(card_type).after(DELAY)).await
}

/// Computes the scores of one card type's cards.
#[derive(Clone, Copy, Debug)]
pub struct Recompute;

#[derive(Deserialize)]
struct Wanted {
    card_type: String,
}

/// Where a computation goes on, and what it did so far.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Course {
    after: Uuid,
    total: i64,
    done: i64,
    changed: u64,
}

impl Work for Recompute {
    fn step<'a>(&'a self, _: &'a AppState, conn: &'a mut PgConnection, job: &'a Job) -> BoxFuture<'a, Result<Step>> {
        Box::pin(async move {
            let wanted: Wanted = job.payload()?;
            let mut course: Course = job.checkpoint()?;
            if job.checkpoint.is_none() {
                course.total = count(conn, &wanted.card_type).await?;
            }
            let more = batch(conn, &wanted.card_type, &mut course).await?;
            let progress = Progress {
                done: course.done,
                // Cards may have come since they were counted.
                total: Some(course.total.max(course.done)),
                message: None,
            };
            Ok(if more {
                let checkpoint = serde_json::to_value(course).map_err(Error::internal)?;
                Step::More { checkpoint, progress }
            } else {
                let result = json!({ "card_type": wanted.card_type, "cards": course.done, "changed": course.changed });
                Step::Done { result, progress }
            })
        })
    }
}

async fn count(conn: &mut PgConnection, card_type: &str) -> Result<i64> {
    let count = sqlx::query_scalar!(r#"select count(*) "count!" from cards where type = $1"#, card_type);
    Ok(count.fetch_one(conn).await?)
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

/// Computes the next cards' scores and moves the course behind them; whether there may be more.
async fn batch(conn: &mut PgConnection, card_type: &str, course: &mut Course) -> Result<bool> {
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
        card_type,
        course.after,
        BATCH as i64,
    )
    .fetch_all(&mut *conn)
    .await?;
    let stale: Vec<Uuid> = cards
        .iter()
        .filter(|card| Some(card.score(&metamodel, card_type)) != card.quality_score)
        .map(|card| card.id)
        .collect();
    if !stale.is_empty() {
        course.changed += renew(conn, &metamodel, card_type, &stale).await?;
    }
    course.done += cards.len() as i64;
    if let Some(last) = cards.last() {
        course.after = last.id;
    }
    Ok(cards.len() == BATCH)
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
