//! `GET /graph/paths`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, NaiveDate, Utc};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    ask::{Question, Reach},
    traverse::direction,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Result, ViolationCode},
    graph::{
        Direction,
        question::paths::{self, MAX_HOPS, MAX_PATHS, Params, Paths},
    },
    http::{extract::QueryFields, fields::Fields},
};

/// Between which cards, and along what.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct PathParameters {
    /// The card where paths start.
    from: Uuid,
    /// The card where they end.
    to: Uuid,
    /// How many hops a listed path may have.
    #[param(minimum = 1, maximum = 10, default = 6)]
    max_hops: Option<u32>,
    /// Which way relationships are walked: `out`, `in` or `both`.
    #[param(inline, default = "both")]
    direction: Option<Direction>,
    /// Only along this relationship type; repeat for several. Default: along all.
    relations: Option<Vec<String>>,
    /// At most this many paths.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
}

/// The ways between two cards
///
/// The shortest path of any length, and all simple paths of at most `max_hops`, shortest first. Work is bounded: an
/// answer that could not list them all says `metadata.truncated`.
#[utoipa::path(
    get, path = "/graph/paths", tag = "Graph", operation_id = "list_paths",
    params(PathParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Paths", body = Paths, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_paths(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(mut fields, _): QueryFields<PathParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let (from, to) = (end(&mut fields, "from"), end(&mut fields, "to"));
    let max_hops = fields.integer("max_hops", 1, MAX_HOPS.into()).unwrap_or(6) as u32;
    let direction = direction(&mut fields);
    let relations = question.relations(&mut fields);
    let limit = fields.integer("limit", 1, MAX_PATHS as i64);
    fields.done()?;
    let params = Params {
        from: question.card(&view, from).map_err(|error| error.at("from"))?,
        to: question.card(&view, to).map_err(|error| error.at("to"))?,
        max_hops,
        direction,
        relations,
        limit: limit.map_or(MAX_PATHS, |limit| limit as usize),
    };
    question
        .answer(&headers, "paths", Reach::Around, move |graph| {
            paths::paths(graph, &view, &params)
        })
        .await
}

/// A card that must be named; the nil id stands in until the violations are told.
fn end(fields: &mut Fields, name: &'static str) -> Uuid {
    if !fields.is_given(name) {
        fields.refuse(name, ViolationCode::Required, "is required", None);
    }
    fields.uuid(name).unwrap_or_default()
}
