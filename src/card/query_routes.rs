//! `POST /cards/query`.

use axum::{
    extract::{OriginalUri, State},
    http::HeaderMap,
    response::Response,
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    list,
    moment::Moment,
    query::take_paging,
    routes::{check_scope, page_of},
    search::CardItem,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{JsonObject, NoQuery},
        fields::Fields,
        known::known,
        page::Page,
    },
};

/// Which cards, in which order, how many and how much of them. Everything is optional.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(as = CardQuery, examples(
    json!({"types": ["Application"], "where": {"all": [{"hosting_type": "On-Premise"}, {"field": "technical_fit", "op": "le", "value": 2}]}}),
    json!({"types": ["Application"], "sort": "name", "limit": 20,
        "where": {"related": {"type": "RELIES_ON", "to": "ITComponent", "where": {"vendor": "Oracle"}}}})
))]
pub struct CardQueryBody {
    /// Only cards of these types; empty or absent: of any.
    #[schema(max_items = 100, example = json!(["Application"]))]
    types: Option<Vec<String>>,
    /// The condition, see docs/api/query.md: `{"field", "op", "value"}`, `{"all": […]}`, `{"any": […]}`, `{"not": …}`,
    /// `{"requires": […]}`, `{"related": {…}}`, or the short form `{"<field>": <value>}`.
    #[schema(value_type = Option<Object>)]
    r#where: Option<Value>,
    /// The date for lifecycle phases, relationships and the presence of related cards; default today (UTC).
    target_date: Option<NaiveDate>,
    /// Cards as they were recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    #[schema(example = "2026-01-01T00:00:00Z")]
    known_at: Option<DateTime<Utc>>,
    /// Related cards count also when they are not present on the date.
    #[schema(default = false)]
    include_absent: Option<bool>,
    /// As `search` of `GET /cards`.
    #[schema(max_length = 200)]
    search: Option<String>,
    /// `only` deleted cards, or `include` them; default neither.
    deleted: Option<String>,
    /// `name` (default), `type`, `created_at`, `updated_at`, `quality_score`, `lifecycle.plan` …, or `attributes.<path>`.
    sort: Option<String>,
    /// `asc` (default) or `desc`; cards without a value come last either way.
    order: Option<String>,
    /// Only these fields; `attributes.<path>` for one attribute. `id` always comes along.
    #[schema(max_items = 100)]
    fields: Option<Vec<String>>,
    /// `relationships` adds each card's active relationships.
    #[schema(max_items = 10)]
    include: Option<Vec<String>>,
    /// Page number from 1. Not together with `cursor`.
    #[schema(minimum = 1)]
    page: Option<u64>,
    /// Items per answer: 1 to 200 (up to 1,000 with a cursor). Default 50.
    #[schema(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u64>,
    /// Walks the answer to its end: empty to begin, then `pagination.next_cursor`.
    cursor: Option<String>,
    /// With a cursor: also count the whole.
    include_total: Option<bool>,
}

/// Query cards
///
/// The boolean filter language, related cards included. The envelope is that of the list; what follows a page is asked for
/// by the same body with `page` or with `cursor` set to `pagination.next_cursor`, so `next_url` and `prev_url` are null.
#[utoipa::path(
    post, path = "/cards/query", tag = "Cards", operation_id = "query_cards",
    request_body = CardQueryBody,
    params(("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses(
        (status = 200, description = "Cards", body = Page<CardItem>, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))),
        (status = 304, description = "You have it already"),
        (status = 400, description = "The query is not valid: `details.violations` lists everything that is wrong, each with a JSON pointer into the query (`/where/all/0/value`); or the cursor belongs to another query (`CURSOR_MISMATCH`)", body = ErrorEnvelope),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins", body = ErrorEnvelope),
        (status = 504, description = "The database needed longer than the server allows: narrow the query, by `types` first", body = ErrorEnvelope)
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn query_cards(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let mut fields = Fields::new(body);
    let moment = Moment::of(&state, fields.instant("known_at")).await?;
    let asked = moment.take(&mut fields);
    let shown = fields.texts("fields", 100, 220).unwrap_or_default();
    let include = fields.texts("include", 10, 60).unwrap_or_default();
    let paging = take_paging(&mut fields);
    fields.done()?;
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let include: Vec<&str> = include.iter().map(String::as_str).collect();
    list::check_names("fields", &shown, list::FIELDS)?;
    list::check_names("include", &include, &["relationships"])?;
    check_scope(&caller, &include)?;
    let request = paging.validate()?;
    let query = moment.asked(asked, caller.visible())?;
    let mut page = page_of(&state, query, &request, &shown, &include, &uri).await?;
    page.pagination.next_url = None;
    page.pagination.prev_url = None;
    Ok(known(moment.past.as_ref(), validated(&headers, None, &page)?))
}
