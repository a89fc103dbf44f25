//! `POST /cards/{id}/duplicate`.

use axum::{extract::State, http::StatusCode};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::create::{change_reason, name_holder};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    card::{self, CardDraft, CardView, MAX_NAME},
    error::{Error, Result},
    http::{
        extract::{JsonObject, NoQuery, Path},
        fields::Fields,
        write::{Answer, WriteRequest},
    },
    landscape::Writer,
    metamodel::name_key,
};

/// What the copy is called.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"name": "CRM (trial)"}))]
pub struct DuplicateCard {
    /// The copy's name; by default the original's with " (copy)".
    #[schema(max_length = 255)]
    name: Option<String>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// Copy a card
///
/// Copies the card's own fields, without its relationships and without its identifiers in other systems.
#[utoipa::path(
    post, path = "/cards/{id}/duplicate", tag = "Cards", operation_id = "duplicate_card",
    params(("id" = Uuid, Path, description = "The card's id")),
    request_body = DuplicateCard,
    responses(
        (status = 201, description = "Created", body = CardView, headers(("Location" = String), ("ETag" = String))),
        (status = 404, description = "There is no such card"),
        (status = 409, description = "The name is taken"),
        (status = 422, description = "The card type is deprecated"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("create")))
)]
pub async fn duplicate_card(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Create>,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let mut body = body;
    let author = request.author(change_reason(&mut body)?);
    let mut fields = Fields::new(body);
    let name = if fields.has("name") {
        Some(fields.required_text("name", MAX_NAME))
    } else {
        None
    };
    fields.done()?;
    let (state, author, caller, name) = (&state, &author, &caller, &name);
    let outcome = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let original = card::store::find_card(writer.conn(), id)
                    .await?
                    .filter(|c| c.deleted_at.is_none() && caller.visible().covers(&c.card_type));
                let original = original.ok_or_else(|| Error::not_found("card", id))?;
                let mut draft = CardDraft::from(&original);
                draft.name = match name {
                    Some(name) => name.trim().to_owned(),
                    None => copy_name(&original.name),
                };
                draft.name_key = name_key(&draft.name);
                draft.attributes.remove("external_ids");
                let row = writer.create_card(None, &draft).await?;
                writer.finish().await?;
                let (id, version) = (row.id, row.version);
                Ok(
                    Answer::json(StatusCode::CREATED, &CardView::new(row, state.clock.today()))?
                        .versioned(version)
                        .located(format!("/api/v1/cards/{id}")),
                )
            })
        })
        .await;
    match outcome {
        Ok(answer) => Ok(answer),
        Err(error) => Err(name_holder(state, error).await),
    }
}

fn copy_name(original: &str) -> String {
    const SUFFIX: &str = " (copy)";
    original
        .chars()
        .take(MAX_NAME - SUFFIX.len())
        .chain(SUFFIX.chars())
        .collect()
}
