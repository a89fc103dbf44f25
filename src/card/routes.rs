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
    query_routes, sparse, store,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Error, Result},
    http::{
        etag::validated,
        extract::{Both, Path, Query},
        page::{Page, PageRequest, Paging, Place, decode_cursor, encode_cursor, list_identity},
        write::POSITION_HEADER,
    },
    metamodel,
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
    include: Option<String>,
    /// Only these fields, comma-separated; `attributes.<path>` for one attribute.
    fields: Option<String>,
    /// The date for `lifecycle_phase` and computed values; default today (UTC).
    #[serde(default, deserialize_with = "crate::http::fields::strict_date")]
    target_date: Option<chrono::NaiveDate>,
}

/// List cards
///
/// Filters combine with and; a repeated filter means any of its values. Pages by `page` and `limit`, or walk a list of
/// any length with `cursor`.
#[utoipa::path(
    get, path = "/cards", tag = "Cards", operation_id = "list_cards",
    params(CardFilter, Paging, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Cards", body = Page<CardView>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
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
    let query = filter.check(&state.metamodel.load(), caller.visible(), state.clock.today())?;
    let mut conn = state.db.acquire().await?;
    let page = page_of(&mut conn, &query, &request, &fields, &include, &uri).await?;
    validated(&headers, None, &page)
}

/// One page of a query, as the list and `POST /cards/query` answer it.
pub(super) async fn page_of(
    conn: &mut sqlx::PgConnection,
    query: &CardQuery,
    request: &PageRequest,
    fields: &[&str],
    include: &[&str],
    uri: &axum::http::Uri,
) -> Result<Page<Value>> {
    let found = query.run(conn, request).await?;
    let edges = if include.contains(&"relationships") {
        let ids: Vec<Uuid> = found.rows.iter().map(|r| r.id).collect();
        relationships_of(conn, &ids).await?
    } else {
        Vec::new()
    };
    let mut items = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        let id = row.id;
        let mut item = serde_json::to_value(CardView::new(row.clone(), query.on)).map_err(Error::internal)?;
        if include.contains(&"relationships") {
            let own: Vec<Value> = edges
                .iter()
                .filter(|(card, _)| *card == id)
                .map(|(_, edge)| edge.clone())
                .collect();
            item["relationships"] = Value::Array(own);
        }
        items.push((
            id,
            if fields.is_empty() {
                item
            } else {
                sparse(&item, fields)?
            },
        ));
    }
    let page = Page::build(items, request, found.total, uri, |(id, _)| found.cursor_after(*id));
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
    responses((status = 200, description = "The card", body = CardView, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_card(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(parameters): Query<CardParameters>,
) -> Result<Response> {
    let include = list::names(parameters.include.as_deref());
    list::check_names("include", &include, &["relationships", "history", "violations"])?;
    let fields = list::names(parameters.fields.as_deref());
    list::check_names("fields", &fields, list::FIELDS)?;
    let on = parameters.target_date.unwrap_or_else(|| state.clock.today());
    let position = match headers.get(POSITION_HEADER) {
        Some(value) => Some(value.to_str().unwrap_or_default().parse()?),
        None => None,
    };
    state.tail.at_least(&state, position).await?;
    let view = state
        .graph
        .card(id, on)
        .filter(|card| card.deleted_at.is_none())
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
            let edges = relationships_of(&mut conn, &[id]).await?;
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

/// Active edges around cards, as (card, edge) pairs.
async fn relationships_of(conn: &mut sqlx::PgConnection, ids: &[Uuid]) -> Result<Vec<(Uuid, Value)>> {
    let rows = sqlx::query!(
        r#"select ends.card_id as "card_id!", (ends.card_id = r.source_id) as "outgoing!", r.id, r.type as edge_type, r.valid_from, r.valid_to,
                  o.id as other_id, o.type as other_type, o.name as other_name
           from relationships r
           cross join lateral (values (r.source_id), (r.target_id)) as ends(card_id)
           join cards o on o.id = case when ends.card_id = r.source_id then r.target_id else r.source_id end
           where ends.card_id = any($1) and (r.source_id = any($1) or r.target_id = any($1)) and r.status = 'active'
           order by r.type, o.name_key, r.id"#,
        ids
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
    _: Allowed<right::View>,
    OriginalUri(uri): OriginalUri,
    Path(id): Path<Uuid>,
    Query(paging): Query<Paging>,
) -> Result<axum::Json<Page<VersionView>>> {
    let request = paging.validate()?;
    let mut conn = state.db.acquire().await?;
    let card: Option<CardRow> = store::find_card(&mut conn, id).await?;
    let card = card.ok_or_else(|| Error::not_found("card", id))?;
    let identity = list_identity(&["history", &id.to_string()]);
    let (before, skip) = match &request.position {
        Place::Cursor(Some(cursor)) => (Some(decode_cursor::<i64>(&identity, cursor)?), 0),
        _ => (None, request.offset()),
    };
    let limit = i64::try_from(request.limit + 1 + skip).unwrap_or(i64::MAX);
    let versions: Vec<VersionView> = history::versions(&mut conn, "card", id, before, limit)
        .await?
        .into_iter()
        .skip(skip as usize)
        .collect();
    let total = request.count.then(|| u64::try_from(card.version).unwrap_or(0));
    Ok(axum::Json(Page::build(versions, &request, total, &uri, |v| {
        encode_cursor(&identity, &v.position)
    })))
}
