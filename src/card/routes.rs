//! Routes that read cards.

use axum::{
    extract::{OriginalUri, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    CardRow, CardView, facet_routes,
    history::{self, VersionView},
    list::{self, CardFilter, CardQuery},
    moment::Moment,
    past, query_routes,
    search::CardItem,
    sparse, store,
};
use crate::{
    app::AppState,
    auth::{Allowed, Principal, TypeScope, api_key::scope, right},
    error::{Error, Result},
    http::{
        etag::validated,
        extract::{Both, Path, Query},
        known::known,
        page::{Page, PageRequest, Paging},
        write::POSITION_HEADER,
    },
    metamodel,
    store::past::Past,
};

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_cards))
        .routes(routes!(query_routes::query_cards))
        .routes(routes!(facet_routes::count_facets, facet_routes::count_facets_of_query))
        .routes(routes!(get_card))
        .routes(routes!(get_history))
}

/// What comes along with a card.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CardParameters {
    /// Comma-separated: `relationships` (active ones), `history` (the last 20 versions), `violations` (of today's rules).
    #[param(pattern = "^(relationships|history|violations)(,(relationships|history|violations))*$")]
    include: Option<String>,
    /// Only these fields, comma-separated; `attributes.<path>` for one attribute.
    fields: Option<String>,
    /// The date for `lifecycle_phase` and computed values; default today (UTC).
    #[serde(default, deserialize_with = "crate::http::fields::strict_date")]
    target_date: Option<chrono::NaiveDate>,
    /// The card as it was recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    #[serde(default, deserialize_with = "crate::http::fields::strict_instant")]
    #[param(example = "2026-01-01T00:00:00Z")]
    known_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Relationships that come along need the scope of relationships.
pub(super) fn check_scope(caller: &Principal, include: &[&str]) -> Result<()> {
    if include.contains(&"relationships") {
        caller.require_scope(scope::READ_RELATIONSHIPS)?;
    }
    Ok(())
}

/// List cards
///
/// Filters combine with and; a repeated filter means any of its values. Pages by `page` and `limit`, or walk a list of
/// any length with `cursor`.
#[utoipa::path(
    get, path = "/cards", tag = "Cards", operation_id = "list_cards",
    params(CardFilter, Paging, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Cards", body = Page<CardItem>, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_cards(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(filter, paging)): Query<Both<CardFilter, Paging>>,
) -> Result<Response> {
    let request = paging.validate()?;
    let fields = filter.fields.clone();
    let fields = list::names(fields.as_deref());
    list::check_names("fields", &fields, list::FIELDS)?;
    let include = filter.include.clone();
    let include = list::names(include.as_deref());
    list::check_names("include", &include, &["relationships"])?;
    check_scope(&caller, &include)?;
    let moment = Moment::of(&state, filter.known_at).await?;
    let query = moment.check(filter, caller.visible())?;
    let page = page_of(&state, query, &request, &fields, &include, &uri).await?;
    Ok(known(moment.past.as_ref(), validated(&headers, None, &page)?))
}

/// One page of a query, as the list and `POST /cards/query` answer it.
pub(super) async fn page_of(
    state: &AppState,
    query: CardQuery,
    request: &PageRequest,
    fields: &[&str],
    include: &[&str],
    uri: &axum::http::Uri,
) -> Result<Page<Value>> {
    let highlight = fields.is_empty() || fields.contains(&"highlights");
    let (visible, past) = (query.visible().clone(), query.past.clone());
    let listed = query.list(state, request, highlight).await?;
    let edges = if include.contains(&"relationships") {
        let ids: Vec<Uuid> = listed.items.iter().map(|item| item.card.id).collect();
        let mut conn = state.db.acquire().await?;
        match &past {
            None => relationships_of(&mut conn, &ids, &visible).await?,
            Some(past) => past::relationships_of(&mut conn, past, &visible, &ids).await?,
        }
    } else {
        Vec::new()
    };
    let mut items = Vec::with_capacity(listed.items.len());
    for card in listed.items {
        let mut item = serde_json::to_value(&card).map_err(Error::internal)?;
        if include.contains(&"relationships") {
            let id = card.card.id;
            let own = edges.iter().filter(|(card, _)| *card == id);
            item["relationships"] = own.map(|(_, edge)| edge.clone()).collect();
        }
        let item = if fields.is_empty() {
            item
        } else {
            sparse(&item, fields)?
        };
        items.push((card.cursor, item));
    }
    let page = Page::build(items, request, listed.total, uri, |(cursor, _)| cursor.clone());
    Ok(Page {
        data: page.data.into_iter().map(|(_, item)| item).collect::<Vec<Value>>(),
        pagination: page.pagination,
    })
}

/// Read a card
///
/// Answered from memory: at or after `X-Arc-Position` when the request carries it, at most a second old without.
#[utoipa::path(
    get, path = "/cards/{id}", tag = "Cards", operation_id = "get_card",
    params(("id" = Uuid, Path, description = "The card's id"), CardParameters,
        ("If-None-Match" = Option<String>, Header, description = "The ETag you have"),
        ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned: the answer will contain that write")),
    responses((status = 200, description = "The card", body = CardView, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such card"),
        (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_card(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(parameters): Query<CardParameters>,
) -> Result<Response> {
    let include = list::names(parameters.include.as_deref());
    list::check_names("include", &include, &["relationships", "history", "violations"])?;
    check_scope(&caller, &include)?;
    let fields = list::names(parameters.fields.as_deref());
    list::check_names("fields", &fields, list::FIELDS)?;
    if let Some(past) = Past::of(&state.db, parameters.known_at).await? {
        let wanted = Wanted {
            visible: caller.visible(),
            include: &include,
            fields: &fields,
            on: parameters.target_date.unwrap_or_else(|| past.date()),
        };
        return card_as_known(&state, &headers, &past, id, &wanted).await;
    }
    let on = parameters.target_date.unwrap_or_else(|| state.clock.today());
    let position = match headers.get(POSITION_HEADER) {
        Some(value) => Some(value.to_str().unwrap_or_default().parse()?),
        None => None,
    };
    state.tail.at_least(&state, position).await?;
    let view = state
        .graph
        .card(id, on)
        .filter(|card| card.deleted_at.is_none() && caller.visible().covers(&card.card_type))
        .ok_or_else(|| Error::not_found("card", id))?;
    let version = view.version;
    if include.is_empty() && fields.is_empty() {
        return validated(&headers, Some(version), &view);
    }
    let mut body = serde_json::to_value(&view).map_err(Error::internal)?;
    if include.contains(&"violations") {
        let metamodel = state.metamodel.load();
        let violations = metamodel
            .card_type(&view.card_type)
            .map(|t| metamodel::validate_attributes(&metamodel, t, &view.attributes));
        body["violations"] = json!(violations.unwrap_or_default());
    }
    if include.contains(&"relationships") || include.contains(&"history") {
        let mut conn = state.db.acquire().await?;
        if include.contains(&"relationships") {
            let edges = relationships_of(&mut conn, &[id], caller.visible()).await?;
            body["relationships"] = edges.into_iter().map(|(_, edge)| edge).collect();
        }
        if include.contains(&"history") {
            body["history"] = json!(history::versions(&mut conn, "card", id, None, 20).await?);
        }
    }
    if !fields.is_empty() {
        let mut kept: Vec<&str> = fields.clone();
        kept.extend(&include);
        body = sparse(&body, &kept)?;
    }
    validated(&headers, Some(version), &body)
}

/// What of a card, for whom.
struct Wanted<'a> {
    visible: &'a TypeScope,
    include: &'a [&'a str],
    fields: &'a [&'a str],
    on: chrono::NaiveDate,
}

/// The card as it was recorded: [`get_card`] with `known_at`.
async fn card_as_known(
    state: &AppState,
    headers: &HeaderMap,
    past: &Past,
    id: Uuid,
    wanted: &Wanted<'_>,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let row = past::find_card(&mut conn, past, id)
        .await?
        .filter(|row| row.deleted_at.is_none() && wanted.visible.covers(&row.card_type))
        .ok_or_else(|| Error::not_found("card", id))?;
    let view = CardView::new(row, wanted.on);
    let version = view.version;
    if wanted.include.is_empty() && wanted.fields.is_empty() {
        return Ok(known(Some(past), validated(headers, Some(version), &view)?));
    }
    let mut body = serde_json::to_value(&view).map_err(Error::internal)?;
    if wanted.include.contains(&"violations") {
        let then = state.past.definitions(&state.db, past).await?;
        let violations = then
            .metamodel
            .card_type(&view.card_type)
            .map(|t| metamodel::validate_attributes(&then.metamodel, t, &view.attributes));
        body["violations"] = json!(violations.unwrap_or_default());
    }
    if wanted.include.contains(&"relationships") {
        let edges = past::relationships_of(&mut conn, past, wanted.visible, &[id]).await?;
        body["relationships"] = edges.into_iter().map(|(_, edge)| edge).collect();
    }
    if wanted.include.contains(&"history") {
        body["history"] = json!(history::versions_at(&mut conn, past, "card", id, 20).await?);
    }
    if !wanted.fields.is_empty() {
        body = sparse(&body, &[wanted.fields, wanted.include].concat())?;
    }
    Ok(known(Some(past), validated(headers, Some(version), &body)?))
}

/// Active edges around cards, to cards that the caller may see, as (card, edge) pairs.
async fn relationships_of(
    conn: &mut sqlx::PgConnection,
    ids: &[Uuid],
    visible: &TypeScope,
) -> Result<Vec<(Uuid, Value)>> {
    let rows = sqlx::query!(
        r#"select ends.card_id as "card_id!", (ends.card_id = r.source_id) as "outgoing!", r.id, r.type as edge_type, r.valid_from, r.valid_to,
                  o.id as other_id, o.type as other_type, o.name as other_name
           from relationships r
           cross join lateral (values (r.source_id), (r.target_id)) as ends(card_id)
           join cards o on o.id = case when ends.card_id = r.source_id then r.target_id else r.source_id end
           where ends.card_id = any($1) and (r.source_id = any($1) or r.target_id = any($1)) and r.status = 'active'
             and ($2::text[] is null or o.type = any($2))
           order by r.type, o.name_key, r.id"#,
        ids,
        visible.to_sql() as Option<Vec<String>>,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| {
            let edge = json!({
                "id": r.id, "type": r.edge_type, "direction": if r.outgoing { "out" } else { "in" },
                "valid_from": r.valid_from, "valid_to": r.valid_to,
                "card": { "id": r.other_id, "type": r.other_type, "name": r.other_name },
            });
            (r.card_id, edge)
        })
        .collect())
}

/// Versions of a card
///
/// Newest first, with what changed in each field, who, when and why. Deleted cards keep their history.
#[utoipa::path(
    get, path = "/cards/{id}/history", tag = "Cards", operation_id = "get_card_history",
    params(("id" = Uuid, Path, description = "The card's id"), Paging),
    responses((status = 200, description = "Versions", body = Page<VersionView>), (status = 404, description = "There never was such a card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_history(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<Uuid>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<VersionView>>> {
    let request = paging.validate()?;
    let mut conn = state.db.acquire().await?;
    let card: Option<CardRow> = store::find_card(&mut conn, id).await?;
    let card = card
        .filter(|card| caller.visible().covers(&card.card_type))
        .ok_or_else(|| Error::not_found("card", id))?;
    history::page(&mut conn, "card", id, card.version, &request, &uri)
        .await
        .map(axum::Json)
}
