//! The whole metamodel in one answer. It stands here, not with card types and rules, because it needs the ontology too.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Error, Result},
    http::{
        etag::validated,
        extract::{NoQuery, Path},
    },
    metamodel::{CardType, Metamodel, Rule, routes::current},
    relationship::ontology::RelationshipType,
};

/// Card types with their rules, and the relationship types between them.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeMetamodel {
    /// Grows with every change.
    pub metamodel_version: i64,
    /// In order of position.
    pub card_types: Vec<RuledType>,
    /// The ontology.
    pub relationship_types: Vec<RelationshipType>,
}

/// A card type with its rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuledType {
    /// The type.
    #[serde(flatten)]
    pub card_type: CardType,
    /// Its rules in form order.
    pub rules: Vec<Rule>,
}

/// A card type with its rules and the relationship types that may start or end at it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TypeMetamodel {
    /// Grows with every change.
    pub metamodel_version: i64,
    /// The type.
    #[serde(flatten)]
    pub card_type: RuledType,
    /// Relationships that may start here.
    pub outgoing: Vec<RelationshipType>,
    /// Relationships that may end here.
    pub incoming: Vec<RelationshipType>,
}

fn ruled(metamodel: &Metamodel, card_type: &CardType) -> RuledType {
    RuledType {
        card_type: card_type.clone(),
        rules: metamodel.rules(&card_type.name).to_vec(),
    }
}

/// The whole metamodel
///
/// Every card type with its rules, and every relationship type: what a form or an importer needs to know. It changes
/// rarely: keep it and send `If-None-Match`.
#[utoipa::path(
    get, path = "/config/metamodel", tag = "Metamodel", operation_id = "get_metamodel",
    params(("If-None-Match" = Option<String>, Header, description = "The ETag you have"), ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "Card types, rules and relationship types", body = WholeMetamodel, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_metamodel(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Response> {
    current(&state, &headers).await?;
    let (metamodel, ontology) = (state.metamodel.load(), state.ontology.load());
    let mut card_types: Vec<RuledType> = metamodel
        .card_types()
        .map(|card_type| ruled(&metamodel, card_type))
        .collect();
    card_types.sort_by_key(|t| t.card_type.position);
    let mut relationship_types = ontology.rows().to_vec();
    relationship_types.sort_by_key(|row| row.position);
    // The ontology is read a moment later; the newer of the two versions covers both.
    let metamodel_version = metamodel.version().max(ontology.version());
    validated(
        &headers,
        None,
        &WholeMetamodel {
            metamodel_version,
            card_types,
            relationship_types,
        },
    )
}

/// The metamodel of one card type
///
/// What cards of this type carry and what they may be connected with: its rules, and the relationship types that may
/// start or end here.
#[utoipa::path(
    get, path = "/config/metamodel/{card_type}", tag = "Metamodel", operation_id = "get_metamodel_of_type",
    params(("card_type" = String, Path, description = "The card type, for example `Application`"), ("If-None-Match" = Option<String>, Header, description = "The ETag you have"), ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "The card type, its rules and its relationship types", body = TypeMetamodel, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such card type")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_metamodel_of_type(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    Path(name): Path<String>,
    _: NoQuery,
) -> Result<Response> {
    current(&state, &headers).await?;
    let (metamodel, ontology) = (state.metamodel.load(), state.ontology.load());
    let Some(card_type) = metamodel.card_type(&name) else {
        let shown: String = name.chars().take(100).collect();
        let close = metamodel.similar_types(&shown);
        return Err(Error::not_found("card type", &shown)
            .with(json!({ "kind": "card type", "id": shown, "did_you_mean": close })));
    };
    let answer = TypeMetamodel {
        metamodel_version: metamodel.version().max(ontology.version()),
        card_type: ruled(&metamodel, card_type),
        outgoing: ontology.from_source(&name).cloned().collect(),
        incoming: ontology
            .rows()
            .iter()
            .filter(|row| ontology.takes(row, &name))
            .cloned()
            .collect(),
    };
    validated(&headers, None, &answer)
}
