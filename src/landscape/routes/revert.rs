//! `POST /cards/{id}/revert`.

use axum::{extract::State, http::StatusCode};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{create::name_holder, update::answer};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    card::{self, CardDraft, CardView},
    error::{Code, Error, Result, ViolationCode},
    http::{
        etag::IfMatch,
        extract::{JsonObject, NoQuery, Path},
        fields::Fields,
        write::{Answer, WriteRequest},
    },
    landscape::Writer,
};

/// Which version.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"version": 3, "change_reason": "the import was wrong"}))]
pub struct RevertBody {
    /// The version whose fields the card gets again.
    #[schema(minimum = 1)]
    version: i32,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// Give a card the fields it had
///
/// Makes a new version with the fields of an earlier one; nothing is removed from the history. Relationships stay as they
/// are. The fields must satisfy the rules of today. A card that has these fields already keeps its version.
#[utoipa::path(
    post, path = "/cards/{id}/revert", tag = "Cards", operation_id = "revert_card",
    params(("id" = Uuid, Path, description = "The card's id"), ("If-Match" = String, Header, description = "The version you read, the ETag as given, or *")),
    request_body = RevertBody,
    responses(
        (status = 200, description = "The card with the fields of that version", body = CardView),
        (status = 400, description = "The fields of that version break a rule of today; `details.violations` names each"),
        (status = 404, description = "There is no such card, or it never had such a version"),
        (status = 409, description = "The name or an external id was taken meanwhile, or the card is deleted"),
        (status = 412, description = "Changed since you read it"),
        (status = 428, description = "If-Match is missing"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("edit")))
)]
pub async fn revert_card(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Edit>,
    request: WriteRequest,
    demand: IfMatch,
    Path(id): Path<Uuid>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let demand = demand.required()?;
    let sent = Value::Object(body.clone());
    let mut fields = Fields::new(body);
    let reason = fields.text("change_reason", 500);
    if !fields.is_given("version") {
        fields.refuse("version", ViolationCode::Required, "is required", None);
    }
    let version = fields.integer("version", 1, i64::from(i32::MAX));
    fields.done()?;
    let version = i32::try_from(version.unwrap_or_default()).unwrap_or_default();
    let author = request.author(reason.or_else(|| Some(format!("reverted to version {version}"))));
    let (state, author, caller) = (&state, &author, &caller);
    let outcome = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let before = card::store::lock_card(writer.conn(), id)
                    .await?
                    .filter(|card| caller.visible().covers(&card.card_type))
                    .ok_or_else(|| Error::not_found("card", id))?;
                if before.deleted_at.is_some() {
                    return Err(Error::new(Code::Conflict, "This card is deleted; restore it first")
                        .with(json!({ "existing_id": id, "deleted": true })));
                }
                demand.check(before.version)?;
                let old = card::past::version(writer.conn(), id, version).await?.ok_or_else(|| {
                    Error::not_found("version", version)
                        .at("version")
                        .with(json!({ "kind": "version", "current_version": before.version }))
                })?;
                let draft = CardDraft::parse(&state.metamodel.load(), CardDraft::from(&old).to_body())?;
                let (row, _) = writer.update_card(before, &draft).await?;
                writer.finish().await?;
                answer(state, StatusCode::OK, row)
            })
        })
        .await;
    match outcome {
        Ok(answer) => {
            tracing::info!(card_id = %id, version, "Card reverted");
            Ok(answer)
        }
        Err(error) => Err(name_holder(state, error).await),
    }
}
