//! Routes that read relationships, and the administration of the ontology.

use axum::{
    extract::{OriginalUri, State},
    http::HeaderMap,
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{RelationshipView, list::RelationshipFilter, past, store};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    card::{
        self,
        history::{self, VersionView},
    },
    error::{Error, Result},
    http::{
        etag::validated,
        extract::{Both, Path, Query},
        known::known,
        page::{Page, Paging},
    },
    store::past::{
        Past,
        tables::{self, Kind},
    },
};

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_relationships))
        .routes(routes!(get_relationship))
        .routes(routes!(get_relationship_history))
        .routes(routes!(list_around))
        .merge(super::ontology_routes::routes())
}

/// List relationships
///
/// In order of creation. Filters combine with and; a repeated `type` means any of them. Pages by `page` and `limit`,
/// or walk a list of any length with `cursor`.
#[utoipa::path(
    get, path = "/relationships", tag = "Relationships", operation_id = "list_relationships",
    params(RelationshipFilter, Paging, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Relationships", body = Page<RelationshipView>, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_relationships(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(filter, paging)): Query<Both<RelationshipFilter, Paging>>,
) -> Result<Response> {
    let request = paging.validate()?;
    let past = Past::of(&state.db, filter.known_at).await?;
    let mut conn = tables::open(&state.db, past.as_ref(), &[Kind::Relationships]).await?;
    let found = filter.run(&mut conn, caller.visible(), past.as_ref(), &request).await?;
    let views: Vec<RelationshipView> = found.rows.into_iter().map(Into::into).collect();
    let page = Page::build(views, &request, found.total, &uri, |view| filter.cursor_after(view.id));
    Ok(known(past.as_ref(), validated(&headers, None, &page)?))
}

/// Read a relationship
///
/// Archived ones too: what was deleted stays readable with `status` `archived`.
#[utoipa::path(
    get, path = "/relationships/{id}", tag = "Relationships", operation_id = "get_relationship",
    params(("id" = Uuid, Path, description = "The relationship's id"), RelationshipParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "The relationship", body = RelationshipView, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such relationship"),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_relationship(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(parameters): Query<RelationshipParameters>,
) -> Result<Response> {
    let past = Past::of(&state.db, parameters.known_at).await?;
    let mut conn = state.db.acquire().await?;
    let found = match &past {
        None => store::find_relationship(&mut conn, id).await?,
        Some(past) => past::find_relationship(&mut conn, past, id).await?,
    };
    let row = found
        .filter(|row| row.is_visible(caller.visible()))
        .ok_or_else(|| Error::not_found("relationship", id))?;
    let version = row.version;
    let response = validated(&headers, Some(version), &RelationshipView::from(row))?;
    Ok(known(past.as_ref(), response))
}

/// When a relationship is looked at.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RelationshipParameters {
    /// The relationship as it was recorded at this instant (RFC 3339).
    #[serde(default, deserialize_with = "crate::http::fields::strict_instant")]
    #[param(example = "2026-01-01T00:00:00Z")]
    known_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Versions of a relationship
///
/// Newest first, with what changed in each field, who, when and why. Archived relationships keep their history.
#[utoipa::path(
    get, path = "/relationships/{id}/history", tag = "Relationships", operation_id = "get_relationship_history",
    params(("id" = Uuid, Path, description = "The relationship's id"), Paging),
    responses((status = 200, description = "Versions", body = Page<VersionView>), (status = 404, description = "There never was such a relationship")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_relationship_history(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<Uuid>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<VersionView>>> {
    let request = paging.validate()?;
    let mut conn = state.db.acquire().await?;
    let row = store::find_relationship(&mut conn, id)
        .await?
        .filter(|row| row.is_visible(caller.visible()))
        .ok_or_else(|| Error::not_found("relationship", id))?;
    history::page(&mut conn, "relationship", id, row.version, &request, &uri)
        .await
        .map(axum::Json)
}

/// The relationships around a card, by type and direction.
#[derive(Debug, Serialize, ToSchema)]
pub struct Around {
    /// One group per type and direction, in order of type.
    pub groups: Vec<Group>,
    /// How many relationships in all.
    pub total: usize,
}

/// The relationships of one type and direction.
#[derive(Debug, Serialize, ToSchema)]
pub struct Group {
    /// Relationship type.
    pub r#type: String,
    /// `out` from the card or `in` to it.
    pub direction: &'static str,
    /// How it reads from the other end, for display.
    pub inverse_label: String,
    /// The relationships, with the card at the other end.
    pub relationships: Vec<Neighbour>,
}

/// A relationship and the card at its other end.
#[derive(Debug, Serialize, ToSchema)]
pub struct Neighbour {
    /// The relationship.
    #[serde(flatten)]
    pub relationship: RelationshipView,
    /// The card at the other end.
    pub card: Other,
}

/// The card at the other end of a relationship.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Other {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub r#type: String,
    /// Its name.
    pub name: String,
}

/// The relationships of a card, grouped by type and direction
///
/// What the card is connected with, one group per relationship type and direction, each with the card at the other
/// end.
#[utoipa::path(
    get, path = "/cards/{id}/relationships", tag = "Relationships", operation_id = "get_card_relationships",
    params(("id" = Uuid, Path, description = "The card's id"), AroundParameters),
    responses((status = 200, description = "Relationships by type and direction", body = Around, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such card"),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_around(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(parameters): Query<AroundParameters>,
) -> Result<Response> {
    let past = Past::of(&state.db, parameters.known_at).await?;
    let ontology = match &past {
        None => state.ontology.load_full(),
        Some(past) => state.past.definitions(&state.db, past).await?.ontology.clone(),
    };
    let mut conn = state.db.acquire().await?;
    let card = match &past {
        None => card::store::find_card(&mut conn, id).await?,
        Some(past) => card::past::find_card(&mut conn, past, id).await?,
    };
    card.filter(|c| c.deleted_at.is_none() && caller.visible().covers(&c.card_type))
        .ok_or_else(|| Error::not_found("card", id))?;
    let found = match &past {
        None => store::around(&mut conn, id, caller.visible(), parameters.target_date).await?,
        Some(past) => past::around(&mut conn, past, caller.visible(), id, parameters.target_date).await?,
    };
    drop(conn);
    let total = found.len();
    let mut groups: Vec<Group> = Vec::new();
    for (row, other) in found {
        let direction = if row.source_id == id { "out" } else { "in" };
        let inverse_label = ontology
            .row(row.rule_id)
            .map(|rule| rule.inverse_label.clone())
            .unwrap_or_default();
        let neighbour = Neighbour {
            card: other,
            relationship: row.into(),
        };
        match groups
            .iter_mut()
            .find(|g| g.r#type == neighbour.relationship.edge_type && g.direction == direction)
        {
            Some(group) => group.relationships.push(neighbour),
            None => groups.push(Group {
                r#type: neighbour.relationship.edge_type.clone(),
                direction,
                inverse_label,
                relationships: vec![neighbour],
            }),
        }
    }
    groups.sort_by(|a, b| (&a.r#type, a.direction).cmp(&(&b.r#type, b.direction)));
    let response = validated(&headers, None, &Around { groups, total })?;
    Ok(known(past.as_ref(), response))
}

/// Which of a card's relationships.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AroundParameters {
    /// Only those in force on this date; default: all that are not archived.
    #[serde(default, deserialize_with = "crate::http::fields::strict_date")]
    target_date: Option<chrono::NaiveDate>,
    /// Relationships and cards as they were recorded at this instant (RFC 3339).
    #[serde(default, deserialize_with = "crate::http::fields::strict_instant")]
    #[param(example = "2026-01-01T00:00:00Z")]
    known_at: Option<chrono::DateTime<chrono::Utc>>,
}
