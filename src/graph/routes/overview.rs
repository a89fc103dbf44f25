//! `GET /graph/spof`, `/graph/cycles`, `/graph/orphans`: what is wrong anywhere in the landscape.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use utoipa::IntoParams;
use uuid::Uuid;

use super::ask::{Question, Reach};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Result, Violation, ViolationCode},
    graph::question::{
        cycles::{self, Cycles},
        orphans::{self, KINDS, Kind, Orphans},
        spof::{self, SinglePoints},
    },
    http::{extract::QueryFields, fields::Fields},
    metamodel::suggestions,
};

/// Of which capability, and how many.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct SinglePointParameters {
    /// Only those of this capability.
    capability_id: Option<Uuid>,
    /// At most this many, the worst first.
    #[param(minimum = 1, maximum = 5000, default = 100)]
    limit: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
}

/// Single points of failure
///
/// Cards whose failure alone takes down every application that supports some capability, ranked by the tiers and the
/// number of capabilities. Redundancy groups are respected.
#[utoipa::path(
    get, path = "/graph/spof", tag = "Graph", operation_id = "list_single_points_of_failure",
    params(SinglePointParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Single points, the worst first", body = SinglePoints, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such capability")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_single_points(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(mut fields, _): QueryFields<SinglePointParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let capability = fields.uuid("capability_id");
    let limit = fields.integer("limit", 1, 5_000).map_or(100, |limit| limit as usize);
    fields.done()?;
    let capability = capability
        .map(|id| question.card_of(&view, "capability_id", id, "BusinessCapability"))
        .transpose()?;
    let params = spof::Params { capability, limit };
    question
        .answer(&headers, "spof", Reach::Everything, move |graph| {
            spof::single_points(graph, &view, &params)
        })
        .await
}

/// Which circles.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct CycleParameters {
    /// Only hard dependencies make a cycle.
    #[param(default = false)]
    hard_only: Option<bool>,
    /// At most this many, the largest first.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
}

/// Circles of dependency
///
/// Cards each of which depends on every other, with one example cycle: its shortest.
#[utoipa::path(
    get, path = "/graph/cycles", tag = "Graph", operation_id = "list_cycles",
    params(CycleParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Circles, the largest first", body = Cycles, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_cycles(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(mut fields, _): QueryFields<CycleParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let hard_only = fields.boolean("hard_only").unwrap_or(false);
    let limit = fields.integer("limit", 1, 1_000).map_or(100, |limit| limit as usize);
    fields.done()?;
    let params = cycles::Params { hard_only, limit };
    question
        .answer(&headers, "cycles", Reach::Everything, move |graph| {
            cycles::cycles(graph, &view, &params)
        })
        .await
}

/// Which lacks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct OrphanParameters {
    /// `applications_supporting_nothing`, `applications_without_owner`, `capabilities_without_application`,
    /// `interfaces_without_consumer`, `interfaces_without_provider`, `components_used_by_nobody`,
    /// `data_objects_without_user` or `unconnected`; repeat for several. Default: all.
    #[param(example = json!(["interfaces_without_consumer"]))]
    kind: Option<Vec<String>>,
    /// At most this many cards of each kind; all are counted.
    #[param(minimum = 1, maximum = 5000, default = 100)]
    limit: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
}

/// Cards that lack a relationship
///
/// Applications that support nothing, interfaces that nobody consumes, and the like.
#[utoipa::path(
    get, path = "/graph/orphans", tag = "Graph", operation_id = "list_orphans",
    params(OrphanParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Cards by what they lack", body = Orphans, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_orphans(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(mut fields, _): QueryFields<OrphanParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let kinds = kinds(&mut fields);
    let limit = fields.integer("limit", 1, 5_000).map_or(100, |limit| limit as usize);
    fields.done()?;
    question
        .answer(&headers, "orphans", Reach::Everything, move |graph| {
            orphans::orphans(graph, &view, kinds, limit)
        })
        .await
}

/// The kinds asked for, each once, in that order; all when none is.
fn kinds(fields: &mut Fields) -> Vec<&'static Kind> {
    let names = fields.texts("kind", KINDS.len(), 60).unwrap_or_default();
    let mut kinds: Vec<&'static Kind> = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        match KINDS.iter().find(|kind| kind.name == name) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => {
                let known = || KINDS.iter().map(|kind| kind.name);
                let violation = Violation::new(
                    format!("kind[{at}]"),
                    ViolationCode::NotInOptions,
                    "there is no such kind of orphan",
                );
                fields.extend([violation
                    .provided(&Value::from(name.as_str()))
                    .accepts("allowed_values", known().collect::<Vec<_>>())
                    .accepts("did_you_mean", suggestions(name, known()))]);
            }
        }
    }
    if kinds.is_empty() {
        KINDS.iter().collect()
    } else {
        kinds
    }
}
