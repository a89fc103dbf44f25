//! `GET /graph/fan-in[/{id}]` and `/graph/fan-out[/{id}]`.

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
    graph::question::fan::{self, Fan, FanOfCard, FanRanking, Thresholds},
    http::{
        extract::{Path, QueryFields},
        fields::Fields,
    },
};

/// Which cards are ranked.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct RankingParameters {
    /// Only cards of this type.
    #[param(example = "Application")]
    r#type: Option<String>,
    /// At most this many cards.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
}

/// When, and how much of it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct FanParameters {
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
    /// At most this many cards are listed; all are counted.
    #[param(minimum = 1, maximum = 50_000, default = 5_000)]
    limit_nodes: Option<u32>,
}

/// The cards on which most others depend
///
/// Ranked by the number of distinct cards that directly depend on each, hard or soft. An application's own interfaces do
/// not count; their consumers do instead. 0 to 5 low, 6 to 19 moderate, 20 to 49 high, 50 and more critical.
#[utoipa::path(
    get, path = "/graph/fan-in", tag = "Graph", operation_id = "rank_fan_in",
    params(RankingParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Cards, the largest count first", body = FanRanking, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn rank_fan_in(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(fields, _): QueryFields<RankingParameters>,
) -> Result<Response> {
    ranking(&state, &asker, &headers, fields, Fan::In).await
}

/// The cards that depend on most others
///
/// Ranked by the number of distinct cards on which each directly depends, hard or soft.
#[utoipa::path(
    get, path = "/graph/fan-out", tag = "Graph", operation_id = "rank_fan_out",
    params(RankingParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Cards, the largest count first", body = FanRanking, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn rank_fan_out(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(fields, _): QueryFields<RankingParameters>,
) -> Result<Response> {
    ranking(&state, &asker, &headers, fields, Fan::Out).await
}

/// What directly depends on a card
///
/// The cards that lead directly to this one, by relationship type, with their number however many there are.
#[utoipa::path(
    get, path = "/graph/fan-in/{id}", tag = "Graph", operation_id = "get_fan_in",
    params(("id" = Uuid, Path, description = "The card"), FanParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "The cards that depend on it", body = FanOfCard, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn fan_in_of_card(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    QueryFields(fields, _): QueryFields<FanParameters>,
) -> Result<Response> {
    of_card(&state, &asker, &headers, id, fields, Fan::In).await
}

/// What a card directly depends on
///
/// The cards that this one leads to directly, by relationship type, with their number however many there are.
#[utoipa::path(
    get, path = "/graph/fan-out/{id}", tag = "Graph", operation_id = "get_fan_out",
    params(("id" = Uuid, Path, description = "The card"), FanParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "The cards on which it depends", body = FanOfCard, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn fan_out_of_card(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    QueryFields(fields, _): QueryFields<FanParameters>,
) -> Result<Response> {
    of_card(&state, &asker, &headers, id, fields, Fan::Out).await
}

async fn ranking(
    state: &AppState,
    asker: &Allowed<right::View>,
    headers: &HeaderMap,
    mut fields: Fields,
    fan: Fan,
) -> Result<Response> {
    let question = Question::of(state, asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let card_type = question.card_type(&mut fields, "type");
    let limit = fields.integer("limit", 1, 1000).map_or(50, |limit| limit as usize);
    fields.done()?;
    let of_type = card_type.map(|name| question.graph.find_type(&name));
    question
        .answer(headers, "fan_ranking", Reach::Everything, move |graph| {
            fan::fan_ranking(graph, &view, of_type, fan, Thresholds::default(), limit)
        })
        .await
}

async fn of_card(
    state: &AppState,
    asker: &Allowed<right::View>,
    headers: &HeaderMap,
    id: Uuid,
    mut fields: Fields,
    fan: Fan,
) -> Result<Response> {
    let question = Question::of(state, asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let limit = limit_nodes(&mut fields);
    fields.done()?;
    let card = question.card(&view, id)?;
    question
        .answer(headers, "fan", Reach::Around, move |graph| {
            fan::fan_of_card(graph, &view, card, fan, Thresholds::default(), limit)
        })
        .await
}
