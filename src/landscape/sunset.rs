//! The nightly move to Sunset: a component whose vendor's support ends within a year leaves Emerging, Growth, Mature or
//! Sustain. It is moved once for each end of support, which is remembered: a phase set by hand afterwards stays.

use chrono::NaiveDate;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Writer;
use crate::{
    app::AppState,
    card::{self, CardDraft, CardRow},
    error::{Error, Result},
    job::{Job, Progress, Step, Work},
    metamodel::{self, Metamodel},
    store::Author,
};

/// The kind of job, and the name of its schedule.
pub const SUNSET: &str = "sunset";

/// Cards per step.
const BATCH: usize = 200;
/// So many days before support ends.
const DAYS: i32 = 365;
const COMPONENT: &str = "ITComponent";
const PHASE: &str = "technology_lifecycle_phase";
const END: &str = "vendor_support_eol";
const TARGET: &str = "Sunset";
const MOVED_FROM: [&str; 4] = ["Emerging", "Growth", "Mature", "Sustain"];

/// Moves the components whose time has come.
#[derive(Clone, Copy, Debug)]
pub struct Sunset;

/// Where the move goes on, and what it did so far.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Course {
    after: Uuid,
    total: i64,
    moved: i64,
    skipped: i64,
}

impl Work for Sunset {
    fn step<'a>(
        &'a self,
        state: &'a AppState,
        conn: &'a mut PgConnection,
        job: &'a Job,
    ) -> BoxFuture<'a, Result<Step>> {
        Box::pin(async move {
            let mut course: Course = job.checkpoint()?;
            if !is_phase(&metamodel::store::load(conn).await?) {
                let result =
                    json!({ "moved": 0, "skipped": 0, "reason": format!("{PHASE} of {COMPONENT} has no {TARGET}") });
                return Ok(Step::Done {
                    result,
                    progress: Progress::default(),
                });
            }
            if job.checkpoint.is_none() {
                course.total = count(conn).await?;
            }
            let due = due(conn, course.after).await?;
            for card in card::store::lock_cards(conn, &due).await? {
                if move_card(state, conn, card).await? {
                    course.moved += 1;
                } else {
                    course.skipped += 1;
                }
            }
            if let Some(last) = due.last() {
                course.after = *last;
            }
            let done = course.moved + course.skipped;
            let progress = Progress {
                done,
                total: Some(course.total.max(done)),
                message: None,
            };
            Ok(if due.len() == BATCH {
                let checkpoint = serde_json::to_value(course).map_err(Error::internal)?;
                Step::More { checkpoint, progress }
            } else {
                let result = json!({ "moved": course.moved, "skipped": course.skipped });
                Step::Done { result, progress }
            })
        })
    }
}

/// Whether the metamodel still has the phase: rules can be changed.
fn is_phase(metamodel: &Metamodel) -> bool {
    metamodel.rules(COMPONENT).iter().any(|rule| {
        let offered = rule
            .options
            .as_ref()
            .is_none_or(|options| options.iter().any(|option| option == TARGET));
        rule.key == PHASE && !rule.deprecated && offered
    })
}

/// The next cards that are due. Dates are compared as the texts they are stored as, which sort alike.
async fn due(conn: &mut PgConnection, after: Uuid) -> Result<Vec<Uuid>> {
    let due = sqlx::query_scalar!(
        r#"select c.id from cards c
           where c.type = $1 and c.deleted_at is null and c.id > $2 and c.attributes ->> $3 = any($4)
             and c.attributes ->> $5 ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' and c.attributes ->> $5 <= to_char(current_date + $6::int, 'YYYY-MM-DD')
             and not exists (select 1 from sunset_moves m
                             where m.card_id = c.id and to_char(m.vendor_support_eol, 'YYYY-MM-DD') = c.attributes ->> $5)
           order by c.id limit $7"#,
        COMPONENT,
        after,
        PHASE,
        &MOVED_FROM.map(str::to_owned)[..],
        END,
        DAYS,
        BATCH as i64,
    );
    Ok(due.fetch_all(conn).await?)
}

async fn count(conn: &mut PgConnection) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) "count!" from cards c
           where c.type = $1 and c.deleted_at is null and c.attributes ->> $2 = any($3)
             and c.attributes ->> $4 ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' and c.attributes ->> $4 <= to_char(current_date + $5::int, 'YYYY-MM-DD')
             and not exists (select 1 from sunset_moves m
                             where m.card_id = c.id and to_char(m.vendor_support_eol, 'YYYY-MM-DD') = c.attributes ->> $4)"#,
        COMPONENT,
        PHASE,
        &MOVED_FROM.map(str::to_owned)[..],
        END,
        DAYS,
    );
    Ok(count.fetch_one(conn).await?)
}

/// Moves a locked card, if it is still due now that nobody else can write it.
async fn move_card(state: &AppState, conn: &mut PgConnection, card: CardRow) -> Result<bool> {
    let text = |key| card.attributes.get(key).and_then(Value::as_str);
    let (Some(phase), Some(end)) = (text(PHASE), text(END)) else {
        return Ok(false);
    };
    let Ok(end) = end.parse::<NaiveDate>() else {
        return Ok(false);
    };
    if card.deleted_at.is_some() || !MOVED_FROM.contains(&phase) {
        return Ok(false);
    }
    let reason = format!("{phase} → {TARGET}: the vendor's support ends on {end}, within {DAYS} days (nightly job)");
    let mut draft = CardDraft::from(&card);
    draft.attributes.insert(PHASE.to_owned(), json!(TARGET));
    let id = card.id;
    // A savepoint: what is wrong with one card is no matter of the others.
    let mut part = conn.begin().await?;
    match write(state, &mut part, card, &draft, end, &reason).await {
        Ok(moved) => {
            part.commit().await?;
            Ok(moved)
        }
        // Such as a reference to a card that was deleted since. The card's owner has to mend that.
        Err(error) if error.code.status().is_client_error() => {
            tracing::warn!(card_id = %id, %error, "a component cannot be moved to Sunset");
            part.rollback().await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn write(
    state: &AppState,
    conn: &mut PgConnection,
    card: CardRow,
    draft: &CardDraft,
    end: NaiveDate,
    reason: &str,
) -> Result<bool> {
    if !remember(conn, card.id, end).await? {
        return Ok(false);
    }
    let author = Author::system(reason);
    let mut writer = Writer::new(state, conn, &author);
    writer.update_card(card, draft).await?;
    writer.finish().await?;
    Ok(true)
}

/// Whether the card is due for this end of support, and was not moved for it before; from now on it was.
async fn remember(conn: &mut PgConnection, id: Uuid, end: NaiveDate) -> Result<bool> {
    let done = sqlx::query!(
        "insert into sunset_moves (card_id, vendor_support_eol) select $1, $2::date where $2::date <= current_date + $3::int
         on conflict do nothing",
        id,
        end,
        DAYS,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
