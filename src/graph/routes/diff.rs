//! `POST /graph/diff`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::NaiveDate;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    ask::{Question, Reach},
    subject::matcher,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Result, ViolationCode},
    graph::question::{
        DEFAULT_LIMIT, MAX_LIMIT, Predicate,
        diff::{self, Diff, Params},
    },
    http::{
        extract::{JsonObject, NoQuery},
        fields::Fields,
    },
};

/// Which dates, and of what.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"from_date": "2025-01-01", "to_date": "2030-01-01", "types": ["Application"], "relations": ["SUPPORTS"]}))]
pub struct DiffBody {
    /// The first look.
    from_date: NaiveDate,
    /// The second look; default today (UTC).
    to_date: Option<NaiveDate>,
    /// Only cards of these types; empty or absent: of all. Relationships count between cards that do.
    types: Option<Vec<String>>,
    /// Only relationships of these types; empty or absent: of all.
    relations: Option<Vec<String>>,
    /// A condition on cards; what depends on a date is taken on `to_date`.
    #[schema(value_type = Option<Object>)]
    filter: Option<Value>,
    /// Count cards that are not present on the date too.
    #[schema(default = false)]
    include_absent: Option<bool>,
    /// At most this many entries in each of the lists; `totals` count all.
    #[schema(minimum = 1, maximum = 50_000, default = 5_000)]
    limit: Option<u32>,
}

/// What differs between two dates
///
/// Cards and relationships that are there only on the second date (`added`), only on the first (`removed`), or on both
/// but different (`changed`: a card's phase, for example).
#[utoipa::path(
    post, path = "/graph/diff", tag = "Graph", operation_id = "diff_graph",
    request_body = DiffBody,
    params(("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "What differs", body = Diff, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn diff_dates(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let question = Question::fresh(&state, &asker).await?;
    let mut fields = Fields::new(body);
    if !fields.is_given("from_date") {
        fields.refuse("from_date", ViolationCode::Required, "is required", None);
    }
    let today = question.today();
    let [from, to] = ["from_date", "to_date"].map(|name| fields.date(name).unwrap_or(today));
    let types = question.types(&mut fields);
    let relations = question.relations(&mut fields);
    let filter = question.condition(&mut fields, "filter", &types);
    let include_absent = fields.boolean("include_absent").unwrap_or(false);
    let limit = fields.integer("limit", 1, MAX_LIMIT as i64);
    fields.done()?;
    let types = question.type_set(&types);
    let [before, after] = [from, to].map(|date| question.view_on(date, include_absent));
    question
        .answer(&headers, "diff", Reach::Everything, move |graph| {
            let filter = filter.as_ref().map(|condition| matcher(condition, &after));
            let params = Params {
                types,
                relations,
                filter: filter.as_ref().map(|f| f as Predicate<'_>),
                limit: limit.map_or(DEFAULT_LIMIT, |limit| limit as usize),
            };
            diff::diff((graph, &before), (graph, &after), &params)
        })
        .await
}
