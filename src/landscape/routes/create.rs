//! `POST /cards`.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::AppState,
    auth::{Allowed, api_key::scope, right},
    card::{CardDraft, CardView, Tier},
    error::{Error, Result, ViolationCode},
    http::{
        extract::{JsonObject, NoQuery},
        fields::Fields,
        write::{Answer, WriteRequest},
    },
    landscape::{NewEdge, Reference, Writer},
    relationship::{EdgeDraft, RelationshipView},
};
use axum::extract::State;

/// A card as clients send it.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body, which is read field by field so that all violations come back at once"
)]
#[schema(example = json!({
    "type": "Application", "name": "Customer Portal", "tags": ["web"], "technical_fit": 3, "business_criticality": "Tier 2",
    "lifecycle": {"active": "2021-04-01"}, "attributes": {"hosting_type": "SaaS"}
}))]
pub struct CardBody {
    /// What is the card's own.
    #[serde(flatten)]
    contents: CardContents,
    /// Relationships of the new card, `{"type", "target"}` or `{"type", "source"}`, where the other
    /// end is an id or `{"type", "name"}`, with `valid_from`, `valid_to`, `description`, `allocation_pct`, `attributes`.
    #[schema(value_type = Option<Vec<Object>>)]
    relationships: Option<Vec<Value>>,
}

/// A card as clients send it to be there under an id of theirs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({
    "type": "Application", "name": "Customer Portal", "tags": ["web"], "technical_fit": 3, "business_criticality": "Tier 2",
    "lifecycle": {"active": "2021-04-01"}, "attributes": {"hosting_type": "SaaS"}
}))]
pub struct PutCard {
    /// What is the card's own.
    #[serde(flatten)]
    contents: CardContents,
    /// The id of the path again, or nothing.
    id: Option<Uuid>,
}

/// What is a card's own.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes parts of bodies, which are read field by field")]
pub struct CardContents {
    /// A card type of the metamodel.
    #[schema(example = "Application")]
    r#type: String,
    /// 1 to 255 characters, unique per type (among siblings for capabilities and organisations).
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Markdown, at most 2,000 characters.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// At most 50, each of at most 60 characters.
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
    /// `plan` ≤ `phase_in` ≤ `active` ≤ `phase_out` ≤ `eol`, each optional.
    lifecycle: Option<crate::card::LifecycleView>,
    /// 1 (unreasonable) to 4 (perfect); applications only.
    #[schema(minimum = 1, maximum = 4)]
    functional_fit: Option<i32>,
    /// 1 (unreasonable) to 4 (perfect); applications only.
    #[schema(minimum = 1, maximum = 4)]
    technical_fit: Option<i32>,
    /// `Tier 1` to `Tier 4`; applications only.
    business_criticality: Option<Tier>,
    /// Governed by the rules of the card type; see `/config/metamodel/{card_type}`.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// The changes of a card: a merge patch. What is not named stays, null removes, the type stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"technical_fit": 2, "attributes": {"owner": null}, "change_reason": "reviewed"}))]
pub struct CardPatch {
    /// Cannot be changed; may be repeated.
    r#type: Option<String>,
    /// 1 to 255 characters, unique per type (among siblings for capabilities and organisations).
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Markdown, at most 2,000 characters.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Replaces all tags: at most 50, each of at most 60 characters.
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
    /// Merged: `plan` ≤ `phase_in` ≤ `active` ≤ `phase_out` ≤ `eol`.
    lifecycle: Option<crate::card::LifecycleView>,
    /// 1 (unreasonable) to 4 (perfect); applications only.
    #[schema(minimum = 1, maximum = 4)]
    functional_fit: Option<i32>,
    /// 1 (unreasonable) to 4 (perfect); applications only.
    #[schema(minimum = 1, maximum = 4)]
    technical_fit: Option<i32>,
    /// `Tier 1` to `Tier 4`; applications only.
    business_criticality: Option<Tier>,
    /// Merged, at any depth; governed by the rules of the card type.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// A card and the relationships made with it.
#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    card: &'a CardView,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    relationships: &'a [RelationshipView],
}

/// Takes the reason for a change out of a body.
pub fn change_reason(body: &mut Map<String, Value>) -> Result<Option<String>> {
    let mut fields = Fields::new(
        body.remove("change_reason")
            .map(|r| Map::from_iter([("change_reason".to_owned(), r)]))
            .unwrap_or_default(),
    );
    let reason = fields.text("change_reason", 500);
    fields.done()?;
    Ok(reason)
}

/// Create a card
///
/// All violations come back at once. `relationships` are made in the same transaction: all or nothing.
#[utoipa::path(
    post, path = "/cards", tag = "Cards", operation_id = "create_card",
    request_body = CardBody,
    responses(
        (status = 201, description = "Created", body = CardView, headers(("Location" = String), ("ETag" = String), ("X-Arc-Position" = String))),
        (status = 404, description = "An end of a relationship does not exist"),
        (status = 409, description = "The name is taken, or a relationship breaks a cardinality"),
        (status = 422, description = "The card type is deprecated, or a relationship is not allowed"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("create")))
)]
pub async fn create_card(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::Create>,
    request: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let metamodel = state.metamodel.load_full();
    let mut fields = Fields::new(body);
    let author = request.author(fields.text("change_reason", 500));
    let edges = read_relationships(&mut fields);
    let draft = CardDraft::read(&metamodel, &mut fields);
    fields.done()?;
    if !edges.is_empty() {
        caller.require_scope(scope::WRITE_RELATIONSHIPS)?;
    }
    let on = state.clock.today();
    let (state, author, caller, draft, edges) = (&state, &author, &caller, &draft, &edges);
    let outcome = request
        .run(state, &sent, |conn, _| {
            Box::pin(async move {
                let mut writer = Writer::new(state, conn, author, caller);
                let row = writer.create_card(None, draft).await?;
                let mut made = Vec::new();
                for (index, (edge_type, other, outgoing, edge)) in edges.iter().enumerate() {
                    let at = |error: Error| {
                        let field = error.field.clone().map_or(String::new(), |f| format!(".{f}"));
                        error.at(format!("relationships[{index}]{field}"))
                    };
                    let other = writer.resolve(other, &[]).await.map_err(at)?;
                    let (source, target) = if *outgoing { (row.id, other) } else { (other, row.id) };
                    let edge = NewEdge {
                        id: None,
                        edge_type: edge_type.clone(),
                        source,
                        target,
                        draft: edge.clone(),
                    };
                    made.push(RelationshipView::from(
                        writer.create_relationship(&edge).await.map_err(at)?,
                    ));
                }
                writer.finish().await?;
                let (id, version) = (row.id, row.version);
                let card = CardView::new(row, on);
                Ok(Answer::json(
                    StatusCode::CREATED,
                    &Created {
                        card: &card,
                        relationships: &made,
                    },
                )?
                .versioned(version)
                .located(format!("/api/v1/cards/{id}")))
            })
        })
        .await;
    match outcome {
        Ok(answer) => {
            tracing::info!(card_type = %draft.card_type, "Card created");
            Ok(answer)
        }
        Err(error) => Err(name_holder(state, error).await),
    }
}

/// Completes a name conflict with the id of the card that holds the name.
pub async fn name_holder(state: &AppState, error: Error) -> Error {
    let incomplete = error.code == crate::error::Code::Conflict
        && error
            .details
            .as_ref()
            .is_some_and(|d| d["name"].is_string() && d["existing_id"].is_null());
    if !incomplete {
        return error;
    }
    match state.db.acquire().await {
        Ok(mut conn) => crate::card::store::name_holder(&mut conn, error).await,
        Err(_) => error,
    }
}

type EdgeOfCard = (String, Reference, bool, EdgeDraft);

fn read_relationships(fields: &mut Fields) -> Vec<EdgeOfCard> {
    let items = match fields.value("relationships") {
        None => return Vec::new(),
        Some(Value::Array(items)) if items.len() <= 200 => items,
        Some(Value::Array(_)) => {
            fields.refuse(
                "relationships",
                ViolationCode::TooLong,
                "at most 200 at a time; use /cards/bulk for more",
                None,
            );
            return Vec::new();
        }
        Some(other) => {
            fields.refuse(
                "relationships",
                ViolationCode::WrongType,
                "must be a list",
                Some(&other),
            );
            return Vec::new();
        }
    };
    let mut edges = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let prefix = format!("relationships[{index}]");
        let Value::Object(item) = item else {
            fields.refuse(&prefix, ViolationCode::WrongType, "must be an object", None);
            continue;
        };
        let mut inner = Fields::within(&prefix, item);
        let edge_type = inner.required_text("type", 60);
        let target = Reference::read(&mut inner, "target");
        let source = Reference::read(&mut inner, "source");
        if target.is_some() == source.is_some() {
            inner.refuse(
                "target",
                ViolationCode::Required,
                "give either target or source; the other end is the new card",
                None,
            );
        }
        let draft = EdgeDraft::read(&mut inner);
        let outgoing = target.is_some();
        if let Some(other) = target.or(source) {
            edges.push((edge_type, other, outgoing, draft));
        }
        fields.extend(inner.finish());
    }
    edges
}
