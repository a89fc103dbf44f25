//! `GET /cards/facets` and `POST /cards/facets`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    facets::{Facet, Facets, MOST, TOP, USUAL, Wanted},
    list::{self, CardFilter, CardQuery},
    moment::Moment,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    condition::Scope,
    error::{Error, ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{Both, JsonObject, NoQuery, Query},
        fields::Fields,
        known::known,
    },
    metamodel::Metamodel,
};

/// What is counted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FacetParameters {
    /// `type`, `lifecycle_phase`, `tags`, `business_criticality`, `functional_fit`, `technical_fit` or
    /// `attributes.<path>`; repeat for several (at most 20). Default: the first six.
    #[serde(default)]
    facet: Vec<String>,
    /// How many values of each facet are listed, the most frequent ones: 1 to 500. Default 20.
    #[param(minimum = 1, maximum = 500)]
    top: Option<usize>,
    /// `true` counts each facet as if the request did not filter by it, so that a person who chose one value sees what
    /// choosing a second one would add. Default `false`: counts of the cards that the list shows.
    multi_select: Option<bool>,
}

/// Count values
///
/// How many of the cards that `GET /cards` lists under the same filters have which type, phase, tag, tier, fit or
/// attribute value. `sort`, `order`, `fields` and `include` are taken, and make no difference.
#[utoipa::path(
    get, path = "/cards/facets", tag = "Cards", operation_id = "count_facets",
    params(CardFilter, FacetParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Counts", body = Facets, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn count_facets(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    Query(Both(filter, parameters)): Query<Both<CardFilter, FacetParameters>>,
) -> Result<Response> {
    list::check_names("fields", &list::names(filter.fields.as_deref()), list::FIELDS)?;
    list::check_names("include", &list::names(filter.include.as_deref()), &["relationships"])?;
    let moment = Moment::of(&state, filter.known_at).await?;
    let top = parameters.top.unwrap_or(TOP.0);
    if !(1..=TOP.1).contains(&top) {
        return Err(Error::invalid(format!("top must be from 1 to {}", TOP.1)).at("top"));
    }
    if parameters.facet.len() > MOST {
        return Err(Error::invalid(format!("At most {MOST} facets at a time")).at("facet"));
    }
    let wanted = Wanted {
        facets: facets(&parameters.facet, &moment.metamodel, &filter.r#type)
            .map_err(|(_, violation)| Error::validation(vec![violation.within("facet")]))?,
        top,
        multi_select: parameters.multi_select.unwrap_or(false),
    };
    let query = moment.check(filter, caller.visible())?;
    counted(&state, &headers, query, wanted).await
}

/// Which cards are counted by which fields.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(as = FacetQuery, examples(json!({"types": ["Application"], "facets": ["lifecycle_phase", "attributes.hosting_type"],
    "where": {"related": {"type": "RELIES_ON", "to": "ITComponent", "where": {"vendor": "Oracle"}}}})))]
pub struct FacetQueryBody {
    /// Only cards of these types; empty or absent: of any.
    #[schema(max_items = 100)]
    types: Option<Vec<String>>,
    /// The condition, as in `POST /cards/query`.
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
    /// Taken, and makes no difference.
    sort: Option<String>,
    /// Taken, and makes no difference.
    order: Option<String>,
    /// As `facet` of `GET /cards/facets`.
    #[schema(max_items = 20)]
    facets: Option<Vec<String>>,
    /// How many values of each facet are listed.
    #[schema(minimum = 1, maximum = 500, default = 20)]
    top: Option<u32>,
    /// Whether each facet is counted as if the query did not filter by it: by `types` for the facet `type`, else by those
    /// parts of the condition's outermost `all` that are about this field alone.
    #[schema(default = false)]
    multi_select: Option<bool>,
}

/// Count values under a condition
///
/// The facets of the cards that `POST /cards/query` finds with the same condition.
#[utoipa::path(
    post, path = "/cards/facets", tag = "Cards", operation_id = "count_facets_of_query",
    request_body = FacetQueryBody,
    params(("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses(
        (status = 200, description = "Counts", body = Facets, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))),
        (status = 304, description = "You have it already"),
        (status = 400, description = "The query is not valid: `details.violations` lists everything that is wrong, each with its place", body = ErrorEnvelope),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins", body = ErrorEnvelope)
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn count_facets_of_query(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let mut fields = Fields::new(body);
    let moment = Moment::of(&state, fields.instant("known_at")).await?;
    let asked = moment.take(&mut fields);
    let names = fields.texts("facets", MOST, 220).unwrap_or_default();
    let read = facets(&names, &moment.metamodel, &[]);
    if let Err((at, violation)) = &read {
        fields.extend([violation.clone().within(&format!("facets[{at}]"))]);
    }
    let top = fields.integer("top", 1, TOP.1 as i64).map_or(TOP.0, |top| top as usize);
    let multi_select = fields.boolean("multi_select").unwrap_or(false);
    fields.done()?;
    let wanted = Wanted {
        facets: read.unwrap_or_default(),
        top,
        multi_select,
    };
    let query = moment.asked(asked, caller.visible())?;
    counted(&state, &headers, query, wanted).await
}

fn facets(
    names: &[String],
    metamodel: &Metamodel,
    types: &[String],
) -> Result<Vec<Facet>, (usize, crate::error::Violation)> {
    let usual = USUAL.map(str::to_owned);
    let names = if names.is_empty() { &usual[..] } else { names };
    let mut facets = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        let facet = Facet::parse(name, Scope::new(metamodel).of_types(types)).map_err(|violation| (at, violation))?;
        if !facets.contains(&facet) {
            facets.push(facet);
        }
    }
    Ok(facets)
}

async fn counted(state: &AppState, headers: &HeaderMap, query: CardQuery, wanted: Wanted) -> Result<Response> {
    let (together, apart) = wanted.split(&query);
    let mut sets: Vec<(Option<String>, Vec<Facet>)> = vec![(None, together)];
    sets.extend(apart.into_iter().map(|facet| (Some(facet.name()), vec![facet])));
    let (on, past) = (query.on, query.past.clone());
    let query = query.searched(state).await?;
    let mut parts = Vec::with_capacity(sets.len());
    if query.is_plain() {
        state.tail.catch_up(state).await?;
        parts = state.graph.tally(query, sets).await?;
    } else {
        let mut conn = query.open(&state.db).await?;
        for (but, facets) in sets {
            let tally = query.tally(&mut conn, &facets, but.as_deref()).await?;
            parts.push((facets, tally));
        }
    }
    let total = parts.first().map_or(0, |(_, tally)| tally.total);
    let facets = Facets::new(total, on, &wanted, parts);
    Ok(known(past.as_ref(), validated(headers, None, &facets)?))
}
