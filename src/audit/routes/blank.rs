//! Taking payloads away, for a person's sake.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::AppState,
    audit::{
        seal_now,
        store::blank::{self, Blanked},
    },
    auth::{Allowed, right},
    error::{Code, Error, ErrorEnvelope, Result, ViolationCode},
    http::{
        extract::{JsonObject, Path},
        fields::Fields,
        write::{Answer, WriteRequest},
    },
};

/// Why a row is to be blanked.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"reason": "request of 3 May under article 17"}))]
pub struct BlankChange {
    /// Why; stays in the log, so name no one.
    #[schema(min_length = 1, max_length = 500, example = "request of 3 May under article 17")]
    reason: String,
}

/// Which rows are to be blanked, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"entity_id": "0190a6c0-0000-7000-8000-000000000000", "reason": "request of 3 May under article 17"}))]
pub struct BlankChanges {
    /// All rows about this card, relationship, user … Not together with `positions`.
    entity_id: Option<Uuid>,
    /// With `entity_id`: only rows of this kind, for example `card`.
    entity: Option<String>,
    /// These rows. Not together with `entity_id`.
    #[schema(min_items = 1, max_items = 1000)]
    positions: Option<Vec<i64>>,
    /// Why; stays in the log, so name no one.
    #[schema(min_length = 1, max_length = 500, example = "request of 3 May under article 17")]
    reason: String,
}

/// What was blanked.
#[derive(Debug, Serialize, ToSchema)]
pub struct BlankReport {
    /// How many rows were blanked; those that were blank already are not counted.
    blanked: usize,
    /// Which they were.
    positions: Vec<i64>,
    /// The rows of the log that tell of it.
    told_at: Vec<i64>,
}

impl From<Blanked> for BlankReport {
    fn from(done: Blanked) -> Self {
        Self {
            blanked: done.positions.len(),
            positions: done.positions,
            told_at: done.told_at,
        }
    }
}

const LONGEST_REASON: usize = 500;
const MOST_POSITIONS: usize = 1_000;

fn no_row(position: i64) -> Error {
    Error::new(Code::NotFound, "The log has no row at this position")
        .with(json!({ "kind": "change", "id": position.to_string() }))
}

/// Blank a row of the audit trail
///
/// Takes away reason, before and after of one row for good, with the salt of their digest. Who, when and which thing stay, and the chain
/// of seals still verifies. The log tells that it was done, by whom and why. Backups and the present state of cards are not touched.
/// A row about a card that the caller may not view does not exist.
#[utoipa::path(
    post, path = "/audit/{position}/blank", tag = "Audit", operation_id = "blank_change",
    request_body = BlankChange,
    params(("position" = i64, Path, description = "The row's position", minimum = 1),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "What was blanked; nothing if it was blank already", body = BlankReport),
        (status = 400, description = "The body or the position is not valid", body = ErrorEnvelope),
        (status = 404, description = "The log has no such row", body = ErrorEnvelope),
        (status = 422, description = "The row tells of a blanking: it stays", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn blank_change(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    request: WriteRequest,
    Path(position): Path<String>,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let position: i64 = position
        .parse()
        .ok()
        .filter(|position| *position >= 0)
        .ok_or_else(|| Error::invalid("A position is a whole number").at("position"))?;
    let sent = Value::Object(body.clone());
    let mut fields = Fields::new(body);
    let author = request.author(Some(fields.required_text("reason", LONGEST_REASON)));
    fields.done()?;
    seal_now(&state).await?;
    let (author, types) = (&author, caller.visible());
    request
        .run(&state, &sent, |conn, _| {
            Box::pin(async move {
                let row = blank::subject(conn, position).await?.ok_or_else(|| no_row(position))?;
                if blank::visible(conn, &[position], types).await?.is_empty() {
                    return Err(no_row(position));
                }
                let (entity, action, subject, sealed) = row;
                if entity == "change" && action == "blanked" {
                    let text = "This row tells of a blanking; it stays";
                    return Err(Error::new(Code::UnprocessableEntity, text));
                }
                if !sealed {
                    return Err(Error::new(
                        Code::UnprocessableEntity,
                        "No seal covers this row: see /audit/verify",
                    ));
                }
                let done = blank::blank(conn, author, subject, &[position]).await?;
                Answer::json(StatusCode::OK, &BlankReport::from(done))
            })
        })
        .await
}

/// Blank rows of the audit trail
///
/// As for one row, for all rows about one thing or for the rows named. Rows that tell of a blanking stay. Rows about cards that
/// the caller may not view do not exist.
#[utoipa::path(
    post, path = "/audit/blank", tag = "Audit", operation_id = "blank_changes",
    request_body = BlankChanges,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "What was blanked; rows that were blank already are left out", body = BlankReport),
        (status = 400, description = "The body is not valid", body = ErrorEnvelope),
        (status = 404, description = "The log has no such row", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn blank_changes(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    request: WriteRequest,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let (which, reason) = Which::read(Fields::new(body))?;
    let author = request.author(Some(reason));
    seal_now(&state).await?;
    let (author, which, types) = (&author, &which, caller.visible());
    request
        .run(&state, &sent, |conn, _| {
            Box::pin(async move {
                let (subject, positions) = match which {
                    Which::About(id, entity) => {
                        let found = blank::about(conn, entity.as_deref(), *id).await?;
                        (*id, blank::visible(conn, &found, types).await?)
                    }
                    Which::These(positions) => {
                        let visible = blank::visible(conn, positions, types).await?;
                        let found = blank::subjects(conn, &visible).await?;
                        let missing = |position: &&i64| found.iter().all(|(there, _)| there != *position);
                        if let Some(position) = positions.iter().find(missing) {
                            return Err(no_row(*position));
                        }
                        let subject = found.first().map(|(_, id)| *id).unwrap_or_default();
                        (subject, found.into_iter().map(|(position, _)| position).collect())
                    }
                };
                let done = blank::blank(conn, author, subject, &positions).await?;
                Answer::json(StatusCode::OK, &BlankReport::from(done))
            })
        })
        .await
}

/// The rows that are to be blanked.
enum Which {
    About(Uuid, Option<String>),
    These(Vec<i64>),
}

impl Which {
    fn read(mut fields: Fields) -> Result<(Self, String)> {
        let chosen = (fields.is_given("entity_id"), fields.is_given("positions"));
        let reason = fields.required_text("reason", LONGEST_REASON);
        let id = fields.uuid("entity_id");
        let entity = fields.text("entity", 50);
        let mut positions = None;
        if let Some(value) = fields.value("positions") {
            let read: Option<Vec<i64>> = value
                .as_array()
                .and_then(|items| items.iter().map(|item| item.as_i64().filter(|p| *p >= 0)).collect());
            match read {
                Some(read) if (1..=MOST_POSITIONS).contains(&read.len()) => positions = Some(read),
                Some(_) => {
                    let text = format!("must be 1 to {MOST_POSITIONS} positions");
                    fields.refuse("positions", ViolationCode::TooLong, text, None);
                }
                None => {
                    let text = "must be a list of positions";
                    fields.refuse("positions", ViolationCode::WrongType, text, Some(&value));
                }
            }
        }
        match chosen {
            (false, false) => {
                let text = "entity_id or positions is required";
                fields.refuse("entity_id", ViolationCode::Required, text, None);
            }
            (true, true) => {
                let text = "either entity_id or positions, not both";
                fields.refuse("positions", ViolationCode::NotAllowedHere, text, None);
            }
            _ => {}
        }
        fields.done()?;
        match (id, positions) {
            (Some(id), _) => Ok((Self::About(id, entity), reason)),
            (None, positions) => Ok((Self::These(positions.unwrap_or_default()), reason)),
        }
    }
}
