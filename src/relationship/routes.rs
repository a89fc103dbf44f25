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

use super::{RelationshipView, list::RelationshipFilter, store};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    card,
    error::{Error, Result},
    http::{
        etag::validated,
        extract::{Both, NoQuery, Path, Query},
        page::{Page, Paging},
    },
};

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_relationships))
        .routes(routes!(get_relationship))
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
    responses((status = 200, description = "Relationships", body = Page<RelationshipView>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_relationships(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(filter, paging)): Query<Both<RelationshipFilter, Paging>>,
) -> Result<Response> {
    let request = paging.validate()?;
    let mut conn = state.db.acquire().await?;
    let found = filter.run(&mut conn, &request).await?;
    let views: Vec<RelationshipView> = found.rows.into_iter().map(Into::into).collect();
    let page = Page::build(views, &request, found.total, &uri, |view| filter.cursor_after(view.id));
    validated(&headers, None, &page)
}

/// Read a relationship
///
/// Archived ones too: what was deleted stays readable with `status` `archived`.
#[utoipa::path(
    get, path = "/relationships/{id}", tag = "Relationships", operation_id = "get_relationship",
    params(("id" = Uuid, Path, description = "The relationship's id"), ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "The relationship", body = RelationshipView, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such relationship")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_relationship(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let row = store::find_relationship(&mut conn, id)
        .await?
        .ok_or_else(|| Error::not_found("relationship", id))?;
    let version = row.version;
    validated(&headers, Some(version), &RelationshipView::from(row))
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
    responses((status = 200, description = "Relationships by type and direction", body = Around, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_around(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(parameters): Query<AroundParameters>,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    card::store::find_card(&mut conn, id)
        .await?
        .filter(|c| c.deleted_at.is_none())
        .ok_or_else(|| Error::not_found("card", id))?;
    let found = store::around(&mut conn, id, parameters.target_date).await?;
    let total = found.len();
    let ontology = state.ontology.load();
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
    validated(&headers, None, &Around { groups, total })
}

/// Which of a card's relationships.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AroundParameters {
    /// Only those in force on this date; default: all that are not archived.
    #[serde(default, deserialize_with = "crate::http::fields::strict_date")]
    target_date: Option<chrono::NaiveDate>,
}
