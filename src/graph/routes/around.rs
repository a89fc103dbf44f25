//! `GET /graph/dependencies/{id}`, `/graph/hierarchy`, `/graph/lineage/{id}`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, NaiveDate, Utc};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    ask::{Question, Reach},
    traverse::limit_nodes,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::Result,
    graph::question::{
        dependencies::{self, Dependencies},
        hierarchy::{self, Hierarchy, Top},
        lineage::{self, Lineage},
    },
    http::extract::{Path, QueryFields},
};

/// How far dependencies are followed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct DependencyParameters {
    /// The longest chain to follow; default: to the end.
    #[param(minimum = 1, maximum = 100)]
    max_depth: Option<u32>,
    /// Follow soft dependencies too.
    #[param(default = true)]
    soft: Option<bool>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
    /// At most this many cards, the nearest first.
    #[param(minimum = 1, maximum = 50_000, default = 5_000)]
    limit_nodes: Option<u32>,
}

/// What a card depends on
///
/// Everything it transitively depends on, each with its shortest path and whether hard dependencies alone lead there.
/// Alternatives of a redundancy group are depended on too; `group` names theirs.
#[utoipa::path(
    get, path = "/graph/dependencies/{id}", tag = "Graph", operation_id = "list_dependencies",
    params(("id" = Uuid, Path, description = "The card that depends"), DependencyParameters,
        ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "What it depends on", body = Dependencies, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_dependencies(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    QueryFields(mut fields, _): QueryFields<DependencyParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let max_depth = fields.integer("max_depth", 1, 100).map(|depth| depth as u32);
    let soft = fields.boolean("soft").unwrap_or(true);
    let limit_nodes = limit_nodes(&mut fields);
    fields.done()?;
    let params = dependencies::Params {
        root: question.card(&view, id)?,
        max_depth,
        soft,
        limit_nodes,
    };
    question
        .answer(&headers, "dependencies", Reach::Around, move |graph| {
            dependencies::dependencies(graph, &view, &params)
        })
        .await
}

/// Which tree.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct HierarchyParameters {
    /// The trees of this card type; default `BusinessCapability`.
    #[param(example = "Organization")]
    r#type: Option<String>,
    /// Only the tree below this card.
    root_id: Option<Uuid>,
    /// How many levels below the top.
    #[param(minimum = 1, maximum = 50, default = 50)]
    max_depth: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
    /// At most this many cards, the upper levels first.
    #[param(minimum = 1, maximum = 50_000, default = 5_000)]
    limit_nodes: Option<u32>,
}

/// A tree of cards
///
/// The PARENT_OF tree of a card type, or below one card. A card whose parent is absent on the date stands at the top;
/// siblings come by name.
#[utoipa::path(
    get, path = "/graph/hierarchy", tag = "Graph", operation_id = "get_hierarchy",
    params(HierarchyParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Trees", body = Hierarchy, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such root")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn read_hierarchy(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(mut fields, _): QueryFields<HierarchyParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let card_type = question.card_type(&mut fields, "type");
    let root = fields.uuid("root_id");
    let max_depth = fields.integer("max_depth", 1, 50).unwrap_or(50) as u32;
    let limit_nodes = limit_nodes(&mut fields);
    fields.done()?;
    let top = match (root, card_type.as_deref()) {
        (Some(id), Some(name)) => Top::Card(question.card_of(&view, "root_id", id, name)?),
        (Some(id), None) => Top::Card(question.card(&view, id).map_err(|error| error.at("root_id"))?),
        (None, name) => Top::OfType(question.graph.find_type(name.unwrap_or("BusinessCapability"))),
    };
    let params = hierarchy::Params {
        top,
        max_depth,
        limit_nodes,
    };
    let reach = if root.is_some() {
        Reach::Around
    } else {
        Reach::Everything
    };
    question
        .answer(&headers, "hierarchy", reach, move |graph| {
            hierarchy::hierarchy(graph, &view, &params)
        })
        .await
}

/// How a data object is looked at.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct LineageParameters {
    /// Seen from this card: `upstream` is where it gets the object from, `downstream` who gets it from there. Default:
    /// seen from where the object comes from.
    of: Option<Uuid>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
    /// At most this many entries in each list.
    #[param(minimum = 1, maximum = 10_000, default = 1_000)]
    limit: Option<u32>,
}

/// Where data comes from and goes to
///
/// Who creates, changes, reads and deletes a data object, over which interfaces it moves, and what lies up- and
/// downstream.
#[utoipa::path(
    get, path = "/graph/lineage/{id}", tag = "Graph", operation_id = "get_lineage",
    params(("id" = Uuid, Path, description = "The data object"), LineageParameters,
        ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Users and flows", body = Lineage, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn read_lineage(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    QueryFields(mut fields, _): QueryFields<LineageParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let of = fields.uuid("of");
    let limit = fields.integer("limit", 1, 10_000).map_or(1_000, |limit| limit as usize);
    fields.done()?;
    let params = lineage::Params {
        data_object: question.card_of(&view, "id", id, "DataObject")?,
        of: of
            .map(|id| question.card(&view, id).map_err(|error| error.at("of")))
            .transpose()?,
        limit,
    };
    question
        .answer(&headers, "lineage", Reach::Around, move |graph| {
            lineage::lineage(graph, &view, &params)
        })
        .await
}
