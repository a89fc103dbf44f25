//! Running a question: a page of its answer as JSON, or all of it as CSV, streamed.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use sqlx::{Connection, FromRow, PgPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use utoipa::ToSchema;

use super::seen;
use crate::{
    app::AppState,
    auth::{Allowed, Permission, Principal, TypeScope, right},
    card::{CardRow, CardView, list::CardQuery, moment::Moment},
    error::{Code, Error, ErrorEnvelope, Result},
    http::{
        etag::{self, validated},
        extract::{AnyQuery, Path, refuse_unknown},
        fields::Fields,
        known::known,
        page::{Page, PageRequest, Paging},
    },
    saved_question::{Column, SavedQuestion, csv, store, template},
    store::past::Past,
};

/// How many answers are written as CSV at a time: each holds a connection.
const WRITERS: usize = 4;
/// How long a reader may let a piece wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the whole may take.
const LONGEST: Duration = Duration::from_mins(10);
/// About how large the pieces of an answer are.
const PIECE: usize = 64 * 1024;
/// How spreadsheets tell UTF-8 from their own code page.
const BOM: &str = "\u{feff}";
/// What the query string of a page takes beside the question's own parameters.
const OF_A_PAGE: [&str; 5] = ["page", "limit", "cursor", "include_total", KNOWN_AT];
/// What that of the whole answer takes.
const OF_THE_WHOLE: [&str; 2] = ["bom", KNOWN_AT];
const KNOWN_AT: &str = "known_at";

static WRITING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(WRITERS)));

/// A row of an answer: a member per column, under its title.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object, example = json!({"Application": "Freight Desk", "Tier": "Tier 1"}))]
pub struct AnswerRow(Map<String, Value>);

/// Run a saved question
///
/// A page of its answer: rows with a member per column, under its title. With `Accept: text/csv` the whole answer as CSV,
/// as `/questions/{id}/results.csv`. Beside `page`, `limit`, `cursor`, `include_total` and `known_at` the query string takes what
/// the question's `parameters` say. An answer holds what both the question's owner and the caller may see.
#[utoipa::path(
    get, path = "/questions/{id}/results", tag = "Saved questions", operation_id = "get_question_results",
    params(
        ("id" = String, Path, description = "Its id or slug"),
        Paging,
        ("known_at" = Option<DateTime<Utc>>, Query, description = "Cards as they were recorded at this instant (RFC 3339); the date is then the day of that record unless the question names one", example = "2026-01-01T00:00:00Z"),
        ("parameters" = Option<std::collections::BTreeMap<String, String>>, Query, style = Form, explode, description = "The question's own parameters, each under its name"),
        ("Accept" = Option<String>, Header, description = "`text/csv` for the whole answer as CSV"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag you have")
    ),
    responses(
        (status = 200, description = "The answer", headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`")), content((Page<AnswerRow> = "application/json"), (String = "text/csv"))),
        (status = 304, description = "You have it already"),
        (status = 400, description = "A parameter is unknown, missing, or not of its type: `details.violations` names them", body = ErrorEnvelope),
        (status = 404, description = "There is no such question, or it is not shared with you", body = ErrorEnvelope),
        (status = 422, description = "The owner may not log in any more or may view nothing, or the question does not fit the metamodel (any more, or at `known_at`); or nothing was recorded yet at `known_at` (`details.since`)", body = ErrorEnvelope)
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_results(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<String>,
    AnyQuery(given): AnyQuery,
) -> Result<Response> {
    if wants_csv(&headers) {
        let mut answer = as_csv(&state, &caller, &headers, &id, given).await?;
        answer
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept"));
        return Ok(answer);
    }
    let asked = prepare(&state, &caller, &id, &given, &OF_A_PAGE).await?;
    let request = paging(&given)?;
    let listed = asked.query.list(&state, &request, false).await?;
    let mut rows: Vec<(String, AnswerRow)> = Vec::with_capacity(listed.items.len());
    for item in listed.items {
        rows.push((item.cursor, titled(&asked.question.columns, &item.card)?));
    }
    let page = Page::build(rows, &request, listed.total, &uri, |(cursor, _)| cursor.clone());
    let page = Page {
        data: page.data.into_iter().map(|(_, row)| row).collect::<Vec<_>>(),
        pagination: page.pagination,
    };
    let mut answer = known(asked.past.as_ref(), validated(&headers, None, &page)?);
    answer
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(answer)
}

/// Run a saved question as CSV
///
/// All of its answer (RFC 4180, UTF-8, a first row with titles), streamed, for spreadsheets and BI tools. Texts that a
/// spreadsheet would take for a formula are led by an apostrophe. `bom=true` begins with a byte order mark, which Excel
/// wants when it opens a file by itself. The query string takes what the question's `parameters` say.
#[utoipa::path(
    get, path = "/questions/{id}/results.csv", tag = "Saved questions", operation_id = "get_question_results_csv",
    params(
        ("id" = String, Path, description = "Its id or slug"),
        ("bom" = Option<bool>, Query, description = "Begin with a byte order mark"),
        ("known_at" = Option<DateTime<Utc>>, Query, description = "Cards as they were recorded at this instant (RFC 3339); the date is then the day of that record unless the question names one", example = "2026-01-01T00:00:00Z"),
        ("parameters" = Option<std::collections::BTreeMap<String, String>>, Query, style = Form, explode, description = "The question's own parameters, each under its name"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag you have")
    ),
    responses(
        (status = 200, description = "The whole answer", body = String, content_type = "text/csv", headers(("ETag" = String), ("Content-Disposition" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))),
        (status = 304, description = "You have it already"),
        (status = 400, description = "A parameter is unknown, missing, or not of its type: `details.violations` names them", body = ErrorEnvelope),
        (status = 404, description = "There is no such question, or it is not shared with you", body = ErrorEnvelope),
        (status = 422, description = "The owner may not log in any more or may view nothing, or the question does not fit the metamodel (any more, or at `known_at`); or nothing was recorded yet at `known_at` (`details.since`)", body = ErrorEnvelope),
        (status = 503, description = "Too many answers are being written as CSV; come back", body = ErrorEnvelope)
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_results_csv(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<String>,
    AnyQuery(given): AnyQuery,
) -> Result<Response> {
    as_csv(&state, &caller, &headers, &id, given).await
}

fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    accept.contains("text/csv") && !accept.contains("application/json")
}

/// A question about to be answered.
struct Prepared {
    question: SavedQuestion,
    query: CardQuery,
    /// The record it is asked of; none for the present.
    past: Option<Past>,
}

/// The question with its parameters filled in, of what owner and caller may both see.
async fn prepare(
    state: &AppState,
    caller: &Principal,
    id: &str,
    given: &[(String, String)],
    own: &[&str],
) -> Result<Prepared> {
    let mut conn = state.db.acquire().await?;
    let question = seen(&mut conn, caller, id).await?;
    let rights = store::rights_of(&mut conn, question.owner_id).await?;
    drop(conn);
    let names: Vec<String> = own
        .iter()
        .map(|name| (*name).to_owned())
        .chain(question.parameters.iter().map(|p| p.name.clone()))
        .collect();
    refuse_unknown(given, &names)?;
    let Some(rights) = rights.filter(|rights| rights.permissions.contains(&Permission::View)) else {
        let message = "The owner of this question may not log in any more, or may view nothing, so it answers nobody. \
                       Somebody who manages users can give it to another owner (PATCH owner_id)";
        return Err(Error::new(Code::UnprocessableEntity, message).with(json!({ "owner_id": question.owner_id })));
    };
    let moment = Moment::of(state, known_at(given)?).await?;
    let query = fill(&question, given, &moment, &rights.view.and(caller.visible()))?;
    Ok(Prepared {
        question,
        query,
        past: moment.past,
    })
}

/// The instant that the query string names.
fn known_at(given: &[(String, String)]) -> Result<Option<DateTime<Utc>>> {
    let mut named = given.iter().filter(|(name, _)| name == KNOWN_AT);
    let Some((_, text)) = named.next() else { return Ok(None) };
    if named.next().is_some() {
        return Err(Error::invalid("known_at is given more than once").at(KNOWN_AT));
    }
    let mut fields = Fields::new(Map::from_iter([(KNOWN_AT.to_owned(), Value::from(text.as_str()))]));
    let instant = fields.instant(KNOWN_AT);
    fields.done()?;
    Ok(instant)
}

/// The question as a query of this moment.
fn fill(
    question: &SavedQuestion,
    given: &[(String, String)],
    moment: &Moment,
    visible: &TypeScope,
) -> Result<CardQuery> {
    let values = template::values(&question.parameters, given).map_err(Error::validation)?;
    let stale = |error: Error| {
        let mut stale = Error::new(
            Code::UnprocessableEntity,
            match moment.past {
                None => format!(
                    "This question no longer fits the metamodel, its owner has to change it: {}",
                    error.message
                ),
                Some(_) => format!(
                    "This question does not fit the metamodel of that instant: {}",
                    error.message
                ),
            },
        );
        stale.details = error.details;
        stale
    };
    let filled = template::fill(&question.query, &values)
        .map_err(|_| stale(Error::invalid("it names a parameter that there is not")))?;
    let mut fields = Fields::new(filled.query.clone());
    let asked = moment.take(&mut fields);
    let mut wrong = fields.finish();
    if !wrong.is_empty() {
        // What a value of the caller's made wrong is named by its parameter.
        let mut callers = true;
        for violation in &mut wrong {
            match filled.parameter_at(&violation.field) {
                Some(name) => name.clone_into(&mut violation.field),
                None => callers = false,
            }
        }
        let error = Error::validation(wrong);
        return Err(if callers { error } else { stale(error) });
    }
    moment.asked(asked, visible).map_err(|error| {
        let field = error.field.clone().unwrap_or_default();
        match filled.parameter_at(&field) {
            Some(name) => error.at(name),
            None => stale(error),
        }
    })
}

fn paging(given: &[(String, String)]) -> Result<PageRequest> {
    let text = |name: &str| {
        given
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    };
    let number = |name: &'static str| {
        let read = text(name).map(str::parse::<u64>).transpose();
        read.map_err(|_| Error::invalid(format!("{name} must be a whole number")).at(name))
    };
    let total = text("include_total").map(str::parse::<bool>).transpose();
    Paging {
        page: number("page")?,
        limit: number("limit")?,
        cursor: text("cursor").map(str::to_owned),
        include_total: total.map_err(|_| Error::invalid("include_total must be true or false").at("include_total"))?,
    }
    .validate()
}

fn cells(columns: &[Column], card: &CardView) -> Result<Vec<Value>> {
    let card = serde_json::to_value(card).map_err(Error::internal)?;
    let cell = |column: &Column| {
        let value = column.field.split('.').try_fold(&card, |value, step| value.get(step));
        value.cloned().unwrap_or_default()
    };
    Ok(columns.iter().map(cell).collect())
}

fn titled(columns: &[Column], card: &CardView) -> Result<AnswerRow> {
    let cells = cells(columns, card)?;
    let members = columns.iter().map(|column| column.title.clone()).zip(cells);
    Ok(AnswerRow(members.collect()))
}

async fn as_csv(
    state: &AppState,
    caller: &Principal,
    headers: &HeaderMap,
    id: &str,
    given: Vec<(String, String)>,
) -> Result<Response> {
    let Prepared { question, query, past } = prepare(state, caller, id, &given, &OF_THE_WHOLE).await?;
    let bom = match given
        .iter()
        .find(|(name, _)| name == "bom")
        .map(|(_, value)| value.as_str())
    {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Error::invalid("bom must be true or false").at("bom")),
    };
    let query = query.found(state).await?;
    // Before the answer is read a first time: reading it a second time may find more, and then the next answer has another
    // validator, never the same.
    let mut conn = query.open(&state.db).await?;
    let (count, sum) = query.fingerprint(&mut conn).await?;
    drop(conn);
    let mut hasher = Sha256::new();
    for part in [
        &query.identity(),
        &json!(question.columns).to_string(),
        &count.to_string(),
        &sum,
        &bom.to_string(),
    ] {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let tag = format!("W/\"{}\"", hex::encode(&hasher.finalize()[..8]));
    let mut answer = Response::new(Body::empty());
    if etag::is_known(headers, &tag) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let Ok(turn) = Arc::clone(&WRITING).try_acquire_owned() else {
            let mut busy = Error::unavailable("export", None).retry_after(2);
            busy.message = format!("{WRITERS} answers are being written as CSV already; try again");
            return Err(busy);
        };
        let disposition = format!("attachment; filename=\"{}.csv\"", question.slug);
        let (send, receive) = mpsc::channel(2);
        let work = Writing {
            columns: question.columns,
            query,
            send,
            _turn: turn,
        };
        tokio::spawn(work.run(state.db.clone(), bom));
        let pieces = stream::unfold(receive, |mut receive| async move {
            receive.recv().await.map(|piece| (piece, receive))
        })
        // A connection asks once more after the end.
        .fuse();
        answer = Response::new(Body::from_stream(pieces));
        let answer = answer.headers_mut();
        answer.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
        );
        if let Ok(value) = HeaderValue::from_str(&disposition) {
            answer.insert(header::CONTENT_DISPOSITION, value);
        }
    }
    answer.headers_mut().insert(header::ETAG, etag::header(&tag));
    Ok(known(past.as_ref(), answer))
}

/// An answer being written: at most a few pieces are in memory at a time.
struct Writing {
    columns: Vec<Column>,
    query: CardQuery,
    send: mpsc::Sender<Result<Bytes>>,
    _turn: OwnedSemaphorePermit,
}

impl Writing {
    async fn run(self, db: PgPool, bom: bool) {
        let outcome = tokio::time::timeout(LONGEST, self.write(&db, bom)).await;
        let error = match outcome {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => Error::new(Code::Timeout, "writing the answer took too long"),
        };
        tracing::warn!(%error, "an answer was cut off while it was written as CSV");
        // An answer that ends with an error is one that the reader notices to be incomplete.
        let _ = self.send.send_timeout(Err(error), PATIENCE).await;
    }

    async fn write(&self, db: &PgPool, bom: bool) -> Result<()> {
        let mut piece = Vec::with_capacity(PIECE + 4096);
        if bom {
            piece.extend(BOM.bytes());
        }
        let titles: Vec<Value> = self.columns.iter().map(|c| Value::from(c.title.as_str())).collect();
        csv::row(&mut piece, &titles);
        let mut conn = self.query.open(db).await?;
        let mut tx = conn.begin().await?;
        // The statement lasts as long as the reader reads.
        sqlx::query("set transaction read only").execute(&mut *tx).await?;
        sqlx::query("set local statement_timeout = '10min'")
            .execute(&mut *tx)
            .await?;
        let mut sql = self.query.whole();
        let mut rows = sql.build().fetch(&mut *tx);
        while let Some(row) = rows.try_next().await? {
            let row = CardRow::from_row(&row)?;
            csv::row(&mut piece, &cells(&self.columns, &CardView::new(row, self.query.on))?);
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE + 4096));
                self.pass_on(full).await?;
            }
        }
        self.pass_on(piece).await
    }

    async fn pass_on(&self, piece: Vec<u8>) -> Result<()> {
        let sent = self.send.send_timeout(Ok(piece.into()), PATIENCE).await;
        sent.map_err(|_| Error::invalid("the reader went away or read too slowly"))
    }
}
