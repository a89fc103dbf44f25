//! `DELETE /cards/{id}` and `POST /cards/{id}/restore`.

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Error, Result},
    http::{
        etag::IfMatch,
        extract::{Path, Query},
        write::{Answer, WriteRequest},
    },
    landscape::{DeletionReport, RestoreReport, Writer},
};

/// Why a card is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteParameters {
    /// Why, for the history; at most 500 characters.
    #[param(max_length = 500)]
    change_reason: Option<String>,
}

/// How a card is brought back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RestoreParameters {
    /// Restore what can be, and list what cannot.
    force: Option<bool>,
    /// Why, for the history; at most 500 characters.
    #[param(max_length = 500)]
    change_reason: Option<String>,
}

fn reason(text: Option<String>) -> Result<Option<String>> {
    match text {
        Some(text) if text.chars().count() > 500 => {
            Err(Error::invalid("change_reason has more than 500 characters").at("change_reason"))
        }
        other => Ok(other),
    }
}

/// Delete a card
///
/// A soft delete: with an application its interfaces go, all relationships around are archived, and `restore` brings all
/// of it back as one unit. Needs `If-Match`.
#[utoipa::path(
    delete, path = "/cards/{id}", tag = "Cards", operation_id = "delete_card",
    params(("id" = Uuid, Path, description = "The card's id"), DeleteParameters, ("If-Match" = Option<String>, Header, description = "The version you read, the ETag as given, or *")),
    responses(
        (status = 200, description = "Deleted, with what went with it", body = DeletionReport),
        (status = 404, description = "There is no such card"),
        (status = 409, description = "Others depend on it"),
        (status = 412, description = "Changed since you read it"),
        (status = 428, description = "If-Match is missing"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("delete")))
)]
pub async fn delete_card(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Delete>,
    request: WriteRequest,
    demand: IfMatch,
    Path(id): Path<Uuid>,
    Query(parameters): Query<DeleteParameters>,
) -> Result<Answer> {
    let author = request.author(reason(parameters.change_reason)?);
    let (state, author, caller) = (&state, &author, &caller);
    let answer = request
        .run(state, &json!(null), |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let card = writer.lock_card(id, IfMatch::Any).await?;
                demand.required()?.check(card.version)?;
                let report = writer.delete_card(&card).await?;
                writer.finish().await?;
                Answer::json(StatusCode::OK, &report)
            })
        })
        .await?;
    tracing::info!(card_id = %id, "Card deleted");
    Ok(answer)
}

/// Bring a deleted card back
///
/// Undoes the deletion as one unit: same ids, same relationships. 409 lists everything that stands in the way.
#[utoipa::path(
    post, path = "/cards/{id}/restore", tag = "Cards", operation_id = "restore_card",
    params(("id" = Uuid, Path, description = "The card's id"), RestoreParameters),
    responses(
        (status = 200, description = "Restored", body = RestoreReport),
        (status = 404, description = "There never was such a card"),
        (status = 409, description = "Something stands in the way: a taken name, a filled cardinality slot, a missing end, a cycle"),
        (status = 422, description = "The card is not deleted"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("delete")))
)]
pub async fn restore_card(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Delete>,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    Query(parameters): Query<RestoreParameters>,
) -> Result<Answer> {
    let force = parameters.force.unwrap_or(false);
    let author = request.author(reason(parameters.change_reason)?);
    let (state, author, caller) = (&state, &author, &caller);
    let answer = request
        .run(state, &json!(null), |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let report = writer.restore_card(id, force).await?;
                writer.finish().await?;
                Answer::json(StatusCode::OK, &report)
            })
        })
        .await?;
    tracing::info!(card_id = %id, "Card restored");
    Ok(answer)
}
