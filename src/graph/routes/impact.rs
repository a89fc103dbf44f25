//! `GET /graph/impact/{id}` and `POST /graph/impact`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ask::{Question, Reach},
    subject::matcher,
    traverse::limit_nodes,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Error, Result, ViolationCode},
    graph::{
        BoundView, Graph, NodeIx, View,
        question::{
            impact::{self, Impact, Params},
            roots,
        },
    },
    http::{
        extract::{JsonObject, NoQuery, Path, QueryFields},
        fields::Fields,
    },
};

/// How many cards can be named as failing in one question.
const MOST_IDS: usize = 1_000;

/// How far a failure is followed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct ImpactParameters {
    /// The longest chain to follow; default: to the end.
    #[param(minimum = 1, maximum = 100)]
    max_depth: Option<u32>,
    /// How many soft steps may chain beyond what is down; 0 leaves degraded cards out.
    #[param(minimum = 0, maximum = 10, default = 1)]
    soft_depth: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
    /// At most this many cards, those down first; the summary counts all.
    #[param(minimum = 1, maximum = 50_000, default = 5_000)]
    limit_nodes: Option<u32>,
}

/// What fails: any of these, united. At least one must be given.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(examples(
    json!({"ids": ["0190a6c0-0000-7000-8000-000000000001"], "max_depth": 5}),
    json!({"at_location": "0190a6c0-0000-7000-8000-000000000002", "target_date": "2027-01-01"}),
    json!({"by_filter": {"all": [{"type": "ITComponent"}, {"vendor": "Oracle"}, {"field": "vendor_support_eol", "op": "lt", "value": "2026-01-01"}]}})
))]
pub struct ImpactBody {
    /// These cards, present on the date or not.
    #[schema(max_items = 1000)]
    ids: Option<Vec<Uuid>>,
    /// The components and platforms at this location or one below it.
    at_location: Option<Uuid>,
    /// What this provider provides.
    of_provider: Option<Uuid>,
    /// This platform, its parts, and what is hosted on it.
    on_platform: Option<Uuid>,
    /// The cards, present on the date, that meet this condition.
    #[schema(value_type = Option<Object>)]
    by_filter: Option<Value>,
    /// The longest chain to follow; default: to the end.
    #[schema(minimum = 1, maximum = 100)]
    max_depth: Option<u32>,
    /// How many soft steps may chain beyond what is down; 0 leaves degraded cards out.
    #[schema(minimum = 0, maximum = 10, default = 1)]
    soft_depth: Option<u32>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    known_at: Option<DateTime<Utc>>,
    /// Count cards that are not present on the date too.
    #[schema(default = false)]
    include_absent: Option<bool>,
    /// At most this many cards, those down first; the summary counts all.
    #[schema(minimum = 1, maximum = 50_000, default = 5_000)]
    limit_nodes: Option<u32>,
}

/// What breaks if a card fails
///
/// `down`: everything reached by hard dependencies, redundancy groups respected. `degraded`: one soft step from something
/// down, or with some but not all alternatives left. `alternatives` name what stands in. Each card comes with its
/// shortest path from the failure. `summary` counts everything, also what a limit left out.
#[utoipa::path(
    get, path = "/graph/impact/{id}", tag = "Graph", operation_id = "get_impact",
    params(("id" = Uuid, Path, description = "The card that fails"), ImpactParameters,
        ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "What breaks", body = Impact, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn impact_of_card(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    QueryFields(mut fields, _): QueryFields<ImpactParameters>,
) -> Result<Response> {
    let question = Question::of(&state, &asker, &mut fields).await?;
    let view = question.view(&mut fields);
    let params = params(&mut fields);
    fields.done()?;
    let roots = vec![question.card(&view, id)?];
    question
        .answer(&headers, "impact", Reach::Around, move |graph| {
            impact::impact(graph, &view, &Params { roots, ..params })
        })
        .await
}

/// What breaks if several cards fail together
///
/// Cards by id, a location, a provider, a platform, or whatever meets a condition, all at once. The answer is that of
/// `GET /graph/impact/{id}`.
#[utoipa::path(
    post, path = "/graph/impact", tag = "Graph", operation_id = "query_impact",
    request_body = ImpactBody,
    params(("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "What breaks", body = Impact, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins"), (status = 404, description = "There is no such card; details.missing lists ids")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn impact_of_many(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let mut fields = Fields::new(body);
    let question = Question::of(&state, &asker, &mut fields).await?;
    let named = ["ids", "at_location", "of_provider", "on_platform", "by_filter"];
    if !named.iter().any(|name| fields.is_given(name)) {
        let message = "say what fails: ids, at_location, of_provider, on_platform or by_filter";
        fields.refuse("ids", ViolationCode::Required, message, None);
    }
    let view = question.view(&mut fields);
    let ids = ids(&mut fields);
    let [at_location, of_provider, on_platform] =
        ["at_location", "of_provider", "on_platform"].map(|name| fields.uuid(name));
    let filter = question.condition(&mut fields, "by_filter", &[]);
    let params = params(&mut fields);
    fields.done()?;
    let mut failing = found(&question, &view, &ids)?;
    let card_of = |field, id: Option<Uuid>, of| id.map(|id| question.card_of(&view, field, id, of)).transpose();
    let location = card_of("at_location", at_location, "Location")?;
    let provider = card_of("of_provider", of_provider, "Provider")?;
    let platform = card_of("on_platform", on_platform, "Platform")?;
    let work = move |graph: &Graph| {
        let named: Vec<NodeIx> = [location, provider, platform].into_iter().flatten().collect();
        let bound = BoundView::new(graph, &view, &named);
        failing.extend(location.into_iter().flat_map(|card| roots::at_location(&bound, card)));
        failing.extend(provider.into_iter().flat_map(|card| roots::of_provider(&bound, card)));
        failing.extend(platform.into_iter().flat_map(|card| roots::on_platform(&bound, card)));
        if let Some(condition) = &filter {
            let bound = BoundView::new(graph, &view, &[]);
            failing.extend(roots::matching(&bound, &matcher(condition, &view)));
        }
        impact::impact(
            graph,
            &view,
            &Params {
                roots: failing,
                ..params
            },
        )
    };
    question
        .answer(&headers, "impact_of_many", Reach::Everything, work)
        .await
}

fn params(fields: &mut Fields) -> Params {
    let max_depth = fields.integer("max_depth", 1, 100).map(|depth| depth as u32);
    let soft_depth = fields.integer("soft_depth", 0, 10).map_or(1, |depth| depth as u32);
    Params {
        roots: Vec::new(),
        max_depth,
        soft_depth,
        limit_nodes: limit_nodes(fields),
    }
}

fn ids(fields: &mut Fields) -> Vec<Uuid> {
    let texts = fields.texts("ids", MOST_IDS, 60).unwrap_or_default();
    let mut ids = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(id) => ids.push(id),
            Err(_) => fields.refuse(
                &format!("ids[{at}]"),
                ViolationCode::WrongType,
                "must be a UUID",
                Some(&Value::from(text.as_str())),
            ),
        }
    }
    ids
}

fn found(question: &Question<'_>, view: &View, ids: &[Uuid]) -> Result<Vec<NodeIx>> {
    let (mut found, mut missing) = (Vec::with_capacity(ids.len()), Vec::new());
    for id in ids {
        match question.card(view, *id) {
            Ok(card) => found.push(card),
            Err(_) => missing.push(*id),
        }
    }
    match missing.first() {
        None => Ok(found),
        Some(first) => Err(Error::not_found("card", first)
            .at("ids")
            .with(json!({ "kind": "card", "id": first, "missing": missing }))),
    }
}
