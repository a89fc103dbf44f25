//! `POST /cards/bulk` and `POST /relationships/bulk`: the same batch language, under the name a client looks for.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::{extract::State, http::StatusCode};
use serde_json::Value;
use utoipa::ToSchema;

use super::create::name_holder;
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::Result,
    http::{
        extract::{JsonObject, NoQuery},
        write::{Answer, WriteRequest},
    },
    landscape::{
        BulkRequest, CardReference, Writer,
        bulk::{self, BulkReport, Entity, Op},
    },
};

/// A batch of operations.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read item by item")]
#[schema(example = json!({"atomic": true, "operations": [
    {"op": "upsert", "entity": "card", "card": {"type": "Application", "name": "CRM", "attributes": {"hosting_type": "SaaS"}}},
    {"op": "upsert", "entity": "card", "card": {"type": "ITComponent", "name": "Postgres", "attributes": {"category": "Software"}}},
    {"op": "upsert", "entity": "relationship", "relationship": {"source": "$0", "type": "RELIES_ON", "target": "$1"}}
]}))]
pub struct BulkBody {
    /// All or nothing (the default), or each operation for itself.
    atomic: Option<bool>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
    /// Up to 2,000 operations, in order.
    #[schema(max_items = 2000)]
    operations: Vec<BulkOperation>,
}

/// One operation of a batch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub struct BulkOperation {
    /// What is to be done: `create`, `update` (a merge patch), `upsert` (by id, external id, or type and name; relationships by source,
    /// type, target and `valid_from`), `delete`, `tag`, `untag`.
    op: Op,
    /// `card` (the default) or `relationship`.
    #[schema(default = "card")]
    entity: Option<Entity>,
    /// The card's fields (create, update, upsert).
    #[schema(value_type = Option<Object>)]
    card: Option<Value>,
    /// The relationship's fields; `source` and `target` as id, `{"type", "name"}`, `{"system", "id"}` or `"$n"`.
    #[schema(value_type = Option<Object>)]
    relationship: Option<Value>,
    /// What is changed, deleted or tagged: an id, `{"type", "name"}`, `{"system", "id"}` or `"$n"` of operation n.
    id: Option<CardReference>,
    /// The version it must have.
    #[schema(minimum = 1)]
    version: Option<i32>,
    /// The tags to add or remove.
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
}

async fn bulk(
    state: &AppState,
    allowed: &Allowed<right::Edit>,
    request: &WriteRequest,
    body: serde_json::Map<String, Value>,
) -> Result<Answer> {
    let sent = if request.is_keyed() {
        Value::Object(body.clone())
    } else {
        Value::Null
    };
    let batch = BulkRequest::read(body)?;
    let author = request.author(batch.reason.clone());
    let attempts = AtomicU32::new(0);
    let (author, batch, attempts, caller) = (&author, &batch, &attempts, &allowed.0);
    let answer = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                bulk::queue(conn, attempts.fetch_add(1, Ordering::Relaxed)).await?;
                let mut writer = Writer::new(state, conn, author, caller);
                let report: BulkReport = batch.run(&mut writer, caller).await?;
                writer.finish().await?;
                Answer::json(StatusCode::OK, &report)
            })
        })
        .await;
    match answer {
        Ok(answer) => {
            tracing::info!("Batch written");
            Ok(answer)
        }
        Err(error) => Err(name_holder(state, error).await),
    }
}

/// Many writes at once
///
/// Cards and relationships, created, changed, upserted or deleted in order, referring to each other. With `atomic` the
/// first refusal undoes everything and its `field` names the operation; without, each item has its own result.
#[utoipa::path(
    post, path = "/cards/bulk", tag = "Cards", operation_id = "bulk_cards",
    request_body = BulkBody,
    responses(
        (status = 200, description = "The result of each operation", body = BulkReport),
        (status = 404, description = "A card an operation names does not exist (atomic)"),
        (status = 409, description = "An operation meets a conflict (atomic)"),
        (status = 412, description = "Changed since you read it (atomic)"),
        (status = 422, description = "An operation is impossible (atomic)"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("edit")))
)]
pub async fn bulk_cards(
    State(state): State<AppState>,
    allowed: Allowed<right::Edit>,
    request: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    bulk(&state, &allowed, &request, body).await
}

/// Many writes at once, for clients that look for it among relationships
///
/// The same as `POST /cards/bulk`.
#[utoipa::path(
    post, path = "/relationships/bulk", tag = "Relationships", operation_id = "bulk_relationships",
    request_body = BulkBody,
    responses(
        (status = 200, description = "The result of each operation", body = BulkReport),
        (status = 404, description = "A card an operation names does not exist (atomic)"),
        (status = 409, description = "An operation meets a conflict (atomic)"),
        (status = 412, description = "Changed since you read it (atomic)"),
        (status = 422, description = "An operation is impossible (atomic)"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("edit")))
)]
pub async fn bulk_relationships(
    State(state): State<AppState>,
    allowed: Allowed<right::Edit>,
    request: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    bulk(&state, &allowed, &request, body).await
}
