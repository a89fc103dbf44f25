//! `/config/card-types`.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MAX_REASON, current, list_in_memory, patched, refuse_builtin, settle};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Code, Error, Result, Violation, ViolationCode},
    http::{
        etag::{IfMatch, validated},
        extract::{JsonObject, NoQuery, Path, Query},
        fields::Fields,
        page::{Page, Paging},
        write::{Answer, WriteRequest},
    },
    metamodel::{CardType, Layer, Metamodel, reference, store},
};

/// Members that the server alone writes.
const FIXED: &[&str] = &["id", "name", "builtin", "version"];
const DEFAULT_COLOR: &str = "#6B7A8F";

/// A card type as clients send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"name": "DataCenter", "label": "Data centre", "layer": "C", "color": "#6B7A8F"}))]
pub struct CardTypeBody {
    /// The name used everywhere; it stays. `^[A-Z][A-Za-z0-9]{0,59}$`.
    #[schema(pattern = "^[A-Z][A-Za-z0-9]{0,59}$")]
    name: String,
    /// What a person reads.
    #[schema(max_length = 100)]
    label: String,
    /// `A` strategy and business, `B` applications, `C` technology, `D` governance.
    layer: Layer,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// `#rrggbb`.
    #[schema(pattern = "^#[0-9a-fA-F]{6}$")]
    color: Option<String>,
    /// Name of an icon.
    #[schema(max_length = 100)]
    icon: Option<String>,
    /// Refuses attributes without a rule.
    strict: Option<bool>,
    /// No new cards of this type.
    deprecated: Option<bool>,
    /// Order in lists.
    #[schema(minimum = 0, maximum = 1_000_000)]
    position: Option<i32>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// The changes of a card type: a merge patch. `name` stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"label": "Data centre", "description": "Where machines stand"}))]
pub struct CardTypePatch {
    /// What a person reads.
    #[schema(max_length = 100)]
    label: Option<String>,
    /// Not of a built-in type.
    layer: Option<Layer>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// `#rrggbb`.
    #[schema(pattern = "^#[0-9a-fA-F]{6}$")]
    color: Option<String>,
    /// Name of an icon.
    #[schema(max_length = 100)]
    icon: Option<String>,
    /// Refuses attributes without a rule.
    strict: Option<bool>,
    /// No new cards of this type.
    deprecated: Option<bool>,
    /// Order in lists.
    #[schema(minimum = 0, maximum = 1_000_000)]
    position: Option<i32>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// Reads a whole card type; on top of `before` where it exists.
fn read(
    object: Map<String, Value>,
    before: Option<&CardType>,
    metamodel: &Metamodel,
) -> Result<(CardType, Option<String>)> {
    let mut fields = Fields::new(object);
    if before.is_none() {
        fields.read_only(&["id", "builtin", "version"]);
    }
    let last = metamodel.card_types().map(|t| t.position).max().unwrap_or(0);
    let name = before.map_or_else(|| fields.required_text("name", 60), |b| b.name.clone());
    let label = fields.required_text("label", 100);
    let layer = fields.choice(
        "layer",
        &[("A", Layer::A), ("B", Layer::B), ("C", Layer::C), ("D", Layer::D)],
    );
    let given = CardType {
        id: before.map_or_else(Uuid::now_v7, |b| b.id),
        name,
        label,
        layer: layer.unwrap_or(Layer::A),
        description: fields.text("description", 2_000),
        color: fields.text("color", 7).unwrap_or_else(|| DEFAULT_COLOR.to_owned()),
        icon: fields.text("icon", 100),
        strict: fields.boolean("strict").unwrap_or(false),
        builtin: before.is_some_and(|b| b.builtin),
        deprecated: fields.boolean("deprecated").unwrap_or(false),
        position: fields
            .integer("position", 0, 1_000_000)
            .and_then(|p| i32::try_from(p).ok())
            .unwrap_or(last + 10),
        version: before.map_or(1, |b| b.version + 1),
    };
    let reason = fields.text("change_reason", MAX_REASON);
    let mut wrong = fields.finish();
    if layer.is_none() && !wrong.iter().any(|v| v.field == "layer") {
        wrong.push(
            Violation::new("layer", ViolationCode::Required, "is required")
                .accepts("allowed_values", vec!["A", "B", "C", "D"]),
        );
    }
    if before.is_some_and(|b| b.builtin && layer.is_some_and(|layer| layer != b.layer)) {
        wrong.push(Violation::new(
            "layer",
            ViolationCode::NotAllowedHere,
            "of a built-in type cannot be changed",
        ));
    }
    wrong.extend(
        given
            .check()
            .into_iter()
            .filter(|v| !wrong.iter().any(|w| w.field == v.field))
            .collect::<Vec<_>>(),
    );
    if wrong.is_empty() {
        Ok((given, reason))
    } else {
        Err(Error::validation(wrong))
    }
}

fn missing(metamodel: &Metamodel, name: &str) -> Error {
    let shown: String = name.chars().take(100).collect();
    Error::not_found("card type", &shown)
        .with(json!({ "kind": "card type", "id": shown, "did_you_mean": metamodel.similar_types(&shown) }))
}

/// List card types
///
/// In order of position, those that came with the software and those of this installation.
#[utoipa::path(
    get, path = "/config/card-types", tag = "Metamodel", operation_id = "list_card_types", params(Paging, ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "Card types", body = Page<CardType>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_card_types(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    current(&state, &headers).await?;
    let types: Vec<CardType> = state.metamodel.load().card_types().cloned().collect();
    let key = |t: &CardType| format!("{:010}/{}", t.position, t.name);
    validated(
        &headers,
        None,
        &list_in_memory(types, key, &["card types"], &paging, &uri)?,
    )
}

/// Read a card type
///
/// The type alone; its rules and what may lead to and from it are at `/config/metamodel/{card_type}`.
#[utoipa::path(
    get, path = "/config/card-types/{name}", tag = "Metamodel", operation_id = "get_card_type",
    params(("name" = String, Path, description = "Its name, for example `Application`"), ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "The card type", body = CardType, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such card type")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_card_type(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    Path(name): Path<String>,
    _: NoQuery,
) -> Result<Response> {
    current(&state, &headers).await?;
    let metamodel = state.metamodel.load();
    let card_type = metamodel.card_type(&name).ok_or_else(|| missing(&metamodel, &name))?;
    validated(&headers, Some(card_type.version), card_type)
}

/// Add a card type
///
/// Cards of the new type can be made at once; the ontology's `any` covers it. It comes with the rules that every type has:
/// owner, cost, identifiers in other systems.
#[utoipa::path(
    post, path = "/config/card-types", tag = "Metamodel", operation_id = "create_card_type", request_body = CardTypeBody,
    responses((status = 201, description = "The card type", body = CardType, headers(("ETag" = String), ("Location" = String))), (status = 409, description = "There is a card type of that name")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn create_card_type(
    State(state): State<AppState>,
    _: Allowed<right::ManageMetamodel>,
    request: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let (request, body) = (&request, &body);
    let answer = request
        .run(&state, &Value::Object(body.clone()), |conn, _| {
            Box::pin(async move {
                store::hold(conn).await?;
                let metamodel = store::load(conn).await?;
                let (new, reason) = read(body.clone(), None, &metamodel)?;
                if let Some(other) = metamodel.card_type(&new.name) {
                    return Err(Error::new(Code::Conflict, "There is a card type of that name")
                        .at("name")
                        .with(json!({ "existing_id": other.id })));
                }
                let author = request.author(reason);
                store::bump(conn).await?;
                store::insert_card_type(conn, &author, &new).await?;
                for rule in reference::common_rules(&new.name) {
                    store::insert_rule(conn, &author, &rule).await?;
                }
                let path = format!("/api/v1/config/card-types/{}", new.name);
                Ok(Answer::json(StatusCode::CREATED, &new)?
                    .versioned(new.version)
                    .located(path))
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer)
}

/// Change a card type
///
/// A merge patch. `deprecated` keeps its cards and refuses new ones.
#[utoipa::path(
    patch, path = "/config/card-types/{name}", tag = "Metamodel", operation_id = "update_card_type",
    params(("name" = String, Path, description = "Its name"), ("If-Match" = Option<String>, Header, description = "The version you read")),
    request_body(content((CardTypePatch = "application/merge-patch+json"), (CardTypePatch = "application/json"))),
    responses((status = 200, description = "The card type", body = CardType, headers(("ETag" = String))), (status = 404, description = "There is no such card type"), (status = 412, description = "Changed since you read it")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn update_card_type(
    State(state): State<AppState>,
    _: Allowed<right::ManageMetamodel>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(name): Path<String>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let (request, body, name) = (&request, &body, &name);
    let answer = request
        .run(&state, &Value::Object(body.clone()), |conn, _| {
            Box::pin(async move {
                store::hold(conn).await?;
                let metamodel = store::load(conn).await?;
                let before = metamodel.card_type(name).ok_or_else(|| missing(&metamodel, name))?;
                if_match.check(before.version)?;
                let state = json!(before).as_object().cloned().unwrap_or_default();
                let (after, reason) = read(patched(state, body, FIXED)?, Some(before), &metamodel)?;
                if after
                    == (CardType {
                        version: after.version,
                        ..before.clone()
                    })
                {
                    return Ok(Answer::json(StatusCode::OK, before)?.versioned(before.version));
                }
                store::bump(conn).await?;
                store::update_card_type(conn, &request.author(reason), before, &after).await?;
                Ok(Answer::json(StatusCode::OK, &after)?.versioned(after.version))
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer)
}

/// Remove a card type
///
/// Only one that was added, and that no card and no relationship type uses: others can be deprecated.
#[utoipa::path(
    delete, path = "/config/card-types/{name}", tag = "Metamodel", operation_id = "delete_card_type",
    params(("name" = String, Path, description = "Its name"), ("If-Match" = Option<String>, Header, description = "The version you read")),
    responses((status = 204, description = "Removed"), (status = 404, description = "There is no such card type"), (status = 409, description = "It is in use, or came with the software"), (status = 412, description = "Changed since you read it")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn delete_card_type(
    State(state): State<AppState>,
    _: Allowed<right::ManageMetamodel>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(name): Path<String>,
    _: NoQuery,
) -> Result<Answer> {
    let (request, name) = (&request, &name);
    let answer = request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
            store::hold(conn).await?;
            let metamodel = store::load(conn).await?;
            let old = metamodel.card_type(name).ok_or_else(|| missing(&metamodel, name))?;
            if_match.check(old.version)?;
            if old.builtin {
                return Err(refuse_builtin("card type"));
            }
            let edges = store::relationship_types_with(conn, name).await?;
            if store::is_used(conn, name).await? || !edges.is_empty() {
                let message = format!("{name} is in use: by cards (deleted ones count, they may be restored) or by relationship types. Mark it as deprecated instead");
                return Err(Error::new(Code::HasDependents, message).with(json!({ "relationship_types": edges })));
            }
            let author = request.author(None);
            store::bump(conn).await?;
            for rule in metamodel.rules(name) {
                store::delete_rule(conn, &author, rule).await?;
            }
            store::delete_card_type(conn, &author, old).await?;
            Ok(Answer::empty())
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer)
}
