//! Routes that write relationships.

use axum::{extract::State, http::StatusCode};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::create::change_reason;
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::Result,
    http::{
        etag::IfMatch,
        extract::{JsonObject, NoQuery, Path},
        write::{Answer, WriteRequest},
    },
    landscape::{CardReference, Writer, bulk::read_edge},
    relationship::{RelationshipRow, RelationshipView},
};

/// A relationship as clients send it.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body, which is read field by field so that all violations come back at once"
)]
#[schema(example = json!({"type": "RELIES_ON", "source": {"type": "Application", "name": "CRM"},
    "target": {"type": "ITComponent", "name": "Postgres"}, "valid_from": "2024-01-01"}))]
pub struct RelationshipBody {
    /// A relationship type of the ontology, for example `RELIES_ON`.
    #[schema(example = "RELIES_ON")]
    r#type: String,
    /// Where it starts, as id; or give `source`.
    source_id: Option<Uuid>,
    /// Where it starts, named in another way.
    source: Option<CardReference>,
    /// Where it leads, as id; or give `target`.
    target_id: Option<Uuid>,
    /// Where it leads, named in another way.
    target: Option<CardReference>,
    /// First day on which it holds.
    valid_from: Option<chrono::NaiveDate>,
    /// Last day on which it holds.
    valid_to: Option<chrono::NaiveDate>,
    /// At most 2,000 characters.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Share of the giver's cost that flows along it, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    allocation_pct: Option<f64>,
    /// `dependency` (hard, soft, none), `redundancy_group`, `access`, `direction` and whatever else.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// What of a relationship can change; its type and ends cannot.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"valid_to": "2027-12-31", "attributes": {"dependency": "soft"}, "change_reason": "moves to the new platform"}))]
pub struct RelationshipPatch {
    /// First day on which it holds.
    valid_from: Option<chrono::NaiveDate>,
    /// Last day on which it holds.
    valid_to: Option<chrono::NaiveDate>,
    /// At most 2,000 characters.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Share of the giver's cost, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    allocation_pct: Option<f64>,
    /// Merged into those there are.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

fn answer(status: StatusCode, row: RelationshipRow) -> Result<Answer> {
    let version = row.version;
    Ok(Answer::json(status, &RelationshipView::from(row))?.versioned(version))
}

/// Create a relationship
///
/// Between two cards, named by id or otherwise. The ontology says which types there are between which; the same edge
/// may exist several times as long as its intervals do not overlap.
/// It belongs to its source: it takes the right to edit cards of the source's type, and to view both ends.
#[utoipa::path(
    post, path = "/relationships", tag = "Relationships", operation_id = "create_relationship",
    request_body = RelationshipBody,
    responses(
        (status = 201, description = "Created", body = RelationshipView, headers(("Location" = String), ("ETag" = String), ("X-Arc-Position" = String))),
        (status = 404, description = "An end does not exist; details.end says which"),
        (status = 409, description = "The same edge exists, or a cardinality would break; details name the edge in the way"),
        (status = 422, description = "Not allowed between these types, a self-edge, a cycle, or cost shares above 1"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("edit")))
)]
pub async fn create_relationship(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Edit>,
    request: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let mut body = body;
    let author = request.author(change_reason(&mut body)?);
    let (state, author, caller, body) = (&state, &author, &caller, &body);
    let answer = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let edge = read_edge(&mut writer, body.clone(), &[]).await?;
                let row = writer.create_relationship(&edge).await?;
                writer.finish().await?;
                let location = format!("/api/v1/relationships/{}", row.id);
                Ok(answer(StatusCode::CREATED, row)?.located(location))
            })
        })
        .await?;
    tracing::info!("Relationship created");
    Ok(answer)
}

/// Change a relationship
///
/// A JSON merge patch. Type and ends cannot change: end this relationship and make another.
#[utoipa::path(
    patch, path = "/relationships/{id}", tag = "Relationships", operation_id = "patch_relationship",
    params(("id" = Uuid, Path, description = "The relationship's id"), ("If-Match" = Option<String>, Header, description = "The version you read, the ETag as given, or *")),
    request_body(content((RelationshipPatch = "application/merge-patch+json"), (RelationshipPatch = "application/json"))),
    responses(
        (status = 200, description = "Changed", body = RelationshipView, headers(("ETag" = String))),
        (status = 404, description = "There is no such relationship"),
        (status = 409, description = "The new interval meets another edge"),
        (status = 412, description = "Changed since you read it"),
        (status = 422, description = "Cost shares above 1"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("edit")))
)]
pub async fn patch_relationship(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Edit>,
    request: WriteRequest,
    demand: IfMatch,
    Path(id): Path<Uuid>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let mut body = body;
    let author = request.author(change_reason(&mut body)?);
    let (state, author, caller, body) = (&state, &author, &caller, &body);
    let answer = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let before = writer.lock_relationship(id, demand).await?;
                let (row, _) = writer.patch_relationship(before, body).await?;
                writer.finish().await?;
                answer(StatusCode::OK, row)
            })
        })
        .await?;
    tracing::info!(relationship_id = %id, "Relationship changed");
    Ok(answer)
}

/// Delete a relationship
///
/// It is archived: history and questions about the past keep it. Needs `If-Match`.
#[utoipa::path(
    delete, path = "/relationships/{id}", tag = "Relationships", operation_id = "delete_relationship",
    params(("id" = Uuid, Path, description = "The relationship's id"), ("If-Match" = Option<String>, Header, description = "The version you read, the ETag as given, or *")),
    responses(
        (status = 204, description = "Archived"),
        (status = 404, description = "There is no such relationship"),
        (status = 409, description = "Two siblings would share a name"),
        (status = 412, description = "Changed since you read it"),
        (status = 428, description = "If-Match is missing"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("delete")))
)]
pub async fn delete_relationship(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Delete>,
    request: WriteRequest,
    demand: IfMatch,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Answer> {
    let author = request.author(None);
    let (state, author, caller) = (&state, &author, &caller);
    let answer = request
        .run(state, &Value::Null, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let before = writer.lock_relationship(id, IfMatch::Any).await?;
                demand.required()?.check(before.version)?;
                writer.archive_relationship(&before).await?;
                writer.finish().await?;
                Ok(Answer::empty())
            })
        })
        .await?;
    tracing::info!(relationship_id = %id, "Relationship archived");
    Ok(answer)
}
