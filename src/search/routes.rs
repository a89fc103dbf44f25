//! `GET /search`.

use axum::{extract::State, http::HeaderMap, response::Response};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::answer::{Asked, Group, Item, Kind, Model, SearchAnswer, answer};
use crate::{
    app::AppState,
    auth::{
        Allowed, Permission, Principal, TypeScope, right,
        store::{self, UserFilter, UserPlace, UserSort},
    },
    error::{Error, Result, Violation, ViolationCode},
    http::{etag::validated, extract::QueryFields, fields::Fields},
    metamodel::Metamodel,
    text::{MAX_LENGTH, Query},
};

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(search))
}

/// What to look for, and where.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct SearchParameters {
    /// Words, each as the beginning of a word; `"a phrase"`, `-without`.
    #[param(min_length = 1, max_length = 200, example = "customer portal")]
    q: String,
    /// Card types, or `tag`, `relationship`, `card_type`, `relationship_type`, `user`; repeat for several. Default everything the caller may
    /// see.
    types: Vec<String>,
    /// At most this many of each group; all are counted.
    #[param(minimum = 1, maximum = 50, default = 5)]
    limit: Option<u32>,
}

/// Search across everything
///
/// Grouped by type with counts and the best of each, for a search box: cards by name, tags, description and attributes, tags,
/// relationships by description, card types, relationship types, and people for those who manage users. All words must
/// be found, each as the beginning of a word; typos are forgiven in a kind where nothing is found otherwise.
#[utoipa::path(
    get, path = "/search", tag = "Search", operation_id = "search",
    params(SearchParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "What was found", body = SearchAnswer, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn search(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    QueryFields(mut fields, _): QueryFields<SearchParameters>,
) -> Result<Response> {
    let model = Model {
        metamodel: state.metamodel.load_full(),
        ontology: state.ontology.load_full(),
    };
    let text = fields.required_text("q", MAX_LENGTH);
    let limit = fields.integer("limit", 1, 50).map_or(5, |limit| limit as usize);
    let (cards, mut kinds) = places(&mut fields, &model.metamodel, &caller);
    fields.done()?;
    let query = Query::parse(&text).map_err(|error| error.at("q"))?;
    let people = kinds.contains(&Kind::User) && !query.is_empty();
    if people {
        caller.require(Permission::ManageUsers)?;
        kinds.retain(|kind| *kind != Kind::User);
    }
    state.tail.catch_up(&state).await?;
    let graph = state.graph.snapshot();
    let asked = Asked {
        query,
        cards,
        kinds,
        visible: caller.visible().clone(),
        limit,
    };
    let mut found = state.graph.apart(move || answer(&graph, &model, &asked)).await?;
    if people && let Some(group) = users(&state, &text, limit).await? {
        found.total += group.total;
        found.groups.push(group);
    }
    validated(&headers, None, &found)
}

/// Takes `types`: the card types and the other kinds to look among.
fn places(fields: &mut Fields, metamodel: &Metamodel, caller: &Principal) -> (TypeScope, Vec<Kind>) {
    let names = fields.texts("types", 200, 60).unwrap_or_default();
    if names.is_empty() {
        let allowed = |kind: &Kind| *kind != Kind::User || caller.may(Permission::ManageUsers);
        return (TypeScope::All, Kind::OTHERS.into_iter().filter(allowed).collect());
    }
    let mut cards = Vec::new();
    let mut kinds = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        if let Some(kind) = Kind::OTHERS.into_iter().find(|kind| kind.name() == name) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        } else if metamodel.card_type(&name).is_some() {
            cards.push(name);
        } else {
            let message =
                "there is no such card type, nor is it tag, relationship, card_type, relationship_type or user";
            let violation = Violation::new(format!("types[{at}]"), ViolationCode::NotInOptions, message);
            let similar = metamodel.similar_types(&name);
            fields.extend([violation.provided(&name.into()).accepts("did_you_mean", similar)]);
        }
    }
    kinds.sort_unstable();
    (TypeScope::only(cards), kinds)
}

/// People whose name or address contains the text.
async fn users(state: &AppState, text: &str, limit: usize) -> Result<Option<Group>> {
    let filter = UserFilter {
        search: Some(text.trim().to_owned()),
        ..UserFilter::default()
    };
    let place = UserPlace {
        sort: UserSort::Name,
        descending: false,
        after: None,
        limit: i64::try_from(limit).map_err(Error::internal)?,
        offset: 0,
    };
    let mut conn = state.db.acquire().await?;
    let total = store::count_users(&mut conn, &filter).await?;
    if total == 0 {
        return Ok(None);
    }
    let items = store::list_users(&mut conn, &filter, &place).await?.into_iter();
    Ok(Some(Group {
        kind: Kind::User,
        card_type: None,
        label: "Users".to_owned(),
        total: usize::try_from(total).map_err(Error::internal)?,
        typos: false,
        items: items
            .map(|user| Item {
                id: Some(user.id),
                name: format!("{} <{}>", user.name, user.email),
                ..Item::default()
            })
            .collect(),
    }))
}
