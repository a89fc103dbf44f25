//! `PUT` and `PATCH /cards/{id}`.

use axum::{extract::State, http::StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::create::{CardPatch, PutCard, change_reason, name_holder};
use crate::{
    app::AppState,
    auth::{Allowed, Permission, right},
    card::{self, CardDraft, CardRow, CardView},
    error::{Code, Error, Result, ViolationCode},
    http::{
        etag::IfMatch,
        extract::{JsonObject, NoQuery, Path},
        fields::Fields,
        write::{Answer, WriteRequest},
    },
    landscape::Writer,
};

/// A body may repeat the id it is sent to; another one is refused.
fn check_id(fields: &mut Fields, id: Uuid) {
    if let Some(value) = fields.value("id").filter(|value| *value != json!(id)) {
        fields.refuse("id", ViolationCode::ReadOnly, "is not the id in the path", Some(&value));
    }
}

pub(super) fn answer(state: &AppState, status: StatusCode, row: CardRow) -> Result<Answer> {
    let version = row.version;
    Ok(Answer::json(status, &CardView::new(row, state.clock.today()))?.versioned(version))
}

/// Create a card under an id of your own, or replace one
///
/// Replacing needs `If-Match`; fields that are not sent are emptied. An unchanged card keeps its version.
#[utoipa::path(
    put, path = "/cards/{id}", tag = "Cards", operation_id = "put_card",
    params(("id" = Uuid, Path, description = "The card's id"), ("If-Match" = Option<String>, Header, description = "The version you read, the ETag as given, or *")),
    request_body = PutCard,
    responses(
        (status = 200, description = "Replaced", body = CardView, headers(("ETag" = String))),
        (status = 201, description = "Created", body = CardView, headers(("Location" = String), ("ETag" = String))),
        (status = 409, description = "The name is taken, or the id belongs to a deleted card"),
        (status = 412, description = "Changed since you read it"),
        (status = 422, description = "The card type is deprecated"),
        (status = 428, description = "If-Match is missing"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("edit")))
)]
pub async fn put_card(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Edit>,
    request: WriteRequest,
    demand: IfMatch,
    Path(id): Path<Uuid>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let mut fields = Fields::new(body);
    check_id(&mut fields, id);
    let author = request.author(fields.text("change_reason", 500));
    let draft = CardDraft::read(&state.metamodel.load(), &mut fields);
    fields.done()?;
    let (state, author, draft, caller) = (&state, &author, &draft, &caller);
    let outcome = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let answer = match card::store::lock_card(writer.conn(), id).await? {
                    None => {
                        caller.require_for(Permission::Create, &draft.card_type)?;
                        if let IfMatch::Version(version) = demand {
                            return Err(Error::new(Code::PreconditionFailed, "There is no such card")
                                .with(json!({ "current_version": null, "given_version": version })));
                        }
                        let row = writer.create_card(Some(id), draft).await?;
                        answer(state, StatusCode::CREATED, row)?.located(format!("/api/v1/cards/{id}"))
                    }
                    Some(before) if !caller.visible().covers(&before.card_type) => {
                        caller.require_for(Permission::Create, &draft.card_type)?;
                        return Err(Error::new(Code::Conflict, "This id belongs to another card already").at("id"));
                    }
                    Some(before) => {
                        demand.required()?;
                        if before.deleted_at.is_some() {
                            return Err(Error::new(
                                Code::Conflict,
                                "This id belongs to a deleted card; restore it instead",
                            )
                            .with(json!({ "existing_id": id, "deleted": true })));
                        }
                        demand.check(before.version)?;
                        let mut fields = Fields::new(Map::new());
                        CardDraft::from(&before).same_type(draft, &mut fields);
                        fields.done()?;
                        let (row, _) = writer.update_card(before, draft).await?;
                        answer(state, StatusCode::OK, row)?
                    }
                };
                writer.finish().await?;
                Ok(answer)
            })
        })
        .await;
    match outcome {
        Ok(answer) => {
            tracing::info!(card_id = %id, "Card written");
            Ok(answer)
        }
        Err(error) => Err(name_holder(state, error).await),
    }
}

/// Change a card
///
/// A JSON merge patch (RFC 7396): what is sent replaces, null removes, objects merge, lists are replaced. `If-Match` is
/// optional. A patch that changes nothing makes no new version.
#[utoipa::path(
    patch, path = "/cards/{id}", tag = "Cards", operation_id = "patch_card",
    params(("id" = Uuid, Path, description = "The card's id"), ("If-Match" = Option<String>, Header, description = "The version you read, the ETag as given, or *")),
    request_body(content((CardPatch = "application/merge-patch+json"), (CardPatch = "application/json"))),
    responses(
        (status = 200, description = "Changed", body = CardView, headers(("ETag" = String))),
        (status = 404, description = "There is no such card"),
        (status = 409, description = "The name is taken"),
        (status = 412, description = "Changed since you read it"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("edit")))
)]
pub async fn patch_card(
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
    let mut own = Fields::new(
        body.remove("id")
            .map(|sent| Map::from_iter([("id".to_owned(), sent)]))
            .unwrap_or_default(),
    );
    check_id(&mut own, id);
    own.done()?;
    let author = request.author(change_reason(&mut body)?);
    let (state, author, caller, body) = (&state, &author, &caller, &body);
    let outcome = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let before = writer.lock_card(id, demand).await?;
                let (row, _) = writer.patch_card(before, body).await?;
                writer.finish().await?;
                answer(state, StatusCode::OK, row)
            })
        })
        .await;
    match outcome {
        Ok(answer) => {
            tracing::info!(card_id = %id, "Card changed");
            Ok(answer)
        }
        Err(error) => Err(name_holder(state, error).await),
    }
}
