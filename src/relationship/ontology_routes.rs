//! The administration of the ontology, and the whole metamodel with it.

mod body;
mod whole;

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use self::body::{FIXED, RelationshipTypeBody, RelationshipTypePatch, read};
use super::ontology::{Ontology, RelationshipType, store};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Code, Error, Result},
    http::{
        etag::{IfMatch, validated},
        extract::{Both, JsonObject, NoQuery, Path, Query},
        page::{Page, Paging},
        write::{Answer, WriteRequest},
    },
    metamodel::{
        self,
        routes::{current, list_in_memory, patched, refuse_builtin, settle},
    },
};

/// The routes of the ontology.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(whole::get_metamodel))
        .routes(routes!(whole::get_metamodel_of_type))
        .routes(routes!(list_relationship_types, create_relationship_type))
        .routes(routes!(
            get_relationship_type,
            update_relationship_type,
            delete_relationship_type
        ))
}

/// Which relationship types.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RelationshipTypeFilter {
    /// Only those that start at this card type.
    source_type: Option<String>,
    /// Only those that may end at this card type.
    target_type: Option<String>,
    /// Only those of this name, for example `RELIES_ON`.
    r#type: Option<String>,
}

fn missing(id: Uuid) -> Error {
    Error::not_found("relationship type", id)
}

/// Refuses a second row for the same edge between the same types.
fn refuse_overlap(ontology: &Ontology, new: &RelationshipType) -> Result<()> {
    let shared = |other: &RelationshipType| -> Vec<String> {
        // Naming a type that `any` covers makes it precise, and is no contradiction.
        if other.target_types.is_empty() == new.target_types.is_empty() {
            ontology
                .targets(other)
                .into_iter()
                .filter(|t| ontology.takes(new, t))
                .collect()
        } else {
            Vec::new()
        }
    };
    let twins = ontology
        .from_source(&new.source_type)
        .filter(|other| other.kind == new.kind && other.id != new.id);
    for other in twins {
        let targets = shared(other);
        if !targets.is_empty() {
            let message = format!(
                "There is a relationship type {} from {} to {} already; change that one",
                new.kind,
                new.source_type,
                targets.join(", ")
            );
            return Err(
                Error::new(Code::Conflict, message).with(json!({ "existing_id": other.id, "target_types": targets }))
            );
        }
    }
    Ok(())
}

/// What edges there are must stay possible: a row in use does not become stricter.
async fn refuse_stricter(
    conn: &mut sqlx::PgConnection,
    ontology: &Ontology,
    before: &RelationshipType,
    after: &RelationshipType,
) -> Result<()> {
    let mut stricter = Vec::new();
    let tightened = (after.cardinality.one_source() && !before.cardinality.one_source())
        || (after.cardinality.one_target() && !before.cardinality.one_target());
    if tightened {
        stricter.push("cardinality");
    }
    if after.acyclic && !before.acyclic {
        stricter.push("acyclic");
    }
    if ontology
        .targets(before)
        .iter()
        .any(|target| !ontology.takes(after, target))
    {
        stricter.push("target_types");
    }
    if !stricter.is_empty() && store::is_used(conn, before.id).await? {
        let message = format!(
            "There are relationships of this type: {} cannot become stricter. Deprecate it and add another",
            stricter.join(", ")
        );
        return Err(Error::new(Code::HasDependents, message).with(json!({ "fields": stricter })));
    }
    Ok(())
}

/// List relationship types
///
/// Which types of cards may be connected, how many of them at a time, and what that means to the graph. All filters
/// must hold.
#[utoipa::path(
    get, path = "/config/relationship-types", tag = "Metamodel", operation_id = "list_relationship_types", params(RelationshipTypeFilter, Paging, ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "Relationship types", body = Page<RelationshipType>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_relationship_types(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(filter, paging)): Query<Both<RelationshipTypeFilter, Paging>>,
) -> Result<Response> {
    current(&state, &headers).await?;
    let ontology = state.ontology.load();
    let fits = |row: &&RelationshipType| {
        filter
            .source_type
            .as_ref()
            .is_none_or(|source| row.source_type == *source)
            && filter
                .target_type
                .as_ref()
                .is_none_or(|target| ontology.takes(row, target))
            && filter.r#type.as_ref().is_none_or(|kind| row.kind == *kind)
    };
    let rows: Vec<RelationshipType> = ontology.rows().iter().filter(fits).cloned().collect();
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    let parts = [
        part(&filter.source_type),
        part(&filter.target_type),
        part(&filter.r#type),
    ];
    let key = |row: &RelationshipType| format!("{:010}/{}", row.position, row.id);
    let identity = ["relationship types", &parts[0], &parts[1], &parts[2]];
    validated(&headers, None, &list_in_memory(rows, key, &identity, &paging, &uri)?)
}

/// Read a relationship type
///
/// Between which types of cards it may lead, and what it means to the graph.
#[utoipa::path(
    get, path = "/config/relationship-types/{id}", tag = "Metamodel", operation_id = "get_relationship_type",
    params(("id" = Uuid, Path, description = "Its id"), ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "The relationship type", body = RelationshipType, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such relationship type")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_relationship_type(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Response> {
    current(&state, &headers).await?;
    let ontology = state.ontology.load();
    let row = ontology.row(id).ok_or_else(|| missing(id))?;
    validated(&headers, Some(row.version), row)
}

/// Add a relationship type
///
/// One row of the ontology: from one card type to some, or to any. Cardinality and acyclicity hold per row.
#[utoipa::path(
    post, path = "/config/relationship-types", tag = "Metamodel", operation_id = "create_relationship_type", request_body = RelationshipTypeBody,
    responses((status = 201, description = "The relationship type", body = RelationshipType, headers(("ETag" = String), ("Location" = String))), (status = 409, description = "There is one between these types")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn create_relationship_type(
    State(state): State<AppState>,
    _: Allowed<right::ManageMetamodel>,
    request: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let (request, body) = (&request, &body);
    let answer = request
        .run(&state, &Value::Object(body.clone()), |conn, _| {
            Box::pin(async move {
                metamodel::store::hold(conn).await?;
                let (metamodel, ontology) = (metamodel::store::load(conn).await?, store::load(conn).await?);
                let (new, reason) = read(body.clone(), None, &metamodel, &ontology)?;
                refuse_overlap(&ontology, &new)?;
                metamodel::store::bump(conn).await?;
                store::insert(conn, &request.author(reason), &new).await?;
                let path = format!("/api/v1/config/relationship-types/{}", new.id);
                Ok(Answer::json(StatusCode::CREATED, &new)?
                    .versioned(new.version)
                    .located(path))
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer)
}

/// Change a relationship type
///
/// A merge patch; source type and type stay. `deprecated` keeps its relationships and refuses new ones. What would make
/// existing relationships impossible is refused.
#[utoipa::path(
    patch, path = "/config/relationship-types/{id}", tag = "Metamodel", operation_id = "update_relationship_type",
    params(("id" = Uuid, Path, description = "Its id"), ("If-Match" = Option<String>, Header, description = "The version you read")),
    request_body(content((RelationshipTypePatch = "application/merge-patch+json"), (RelationshipTypePatch = "application/json"))),
    responses((status = 200, description = "The relationship type", body = RelationshipType, headers(("ETag" = String))), (status = 404, description = "There is no such relationship type"), (status = 409, description = "It is in use and would become stricter"), (status = 412, description = "Changed since you read it")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn update_relationship_type(
    State(state): State<AppState>,
    _: Allowed<right::ManageMetamodel>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let (request, body) = (&request, &body);
    let answer = request
        .run(&state, &Value::Object(body.clone()), |conn, _| {
            Box::pin(async move {
                metamodel::store::hold(conn).await?;
                let (metamodel, ontology) = (metamodel::store::load(conn).await?, store::load(conn).await?);
                let before = ontology.row(id).ok_or_else(|| missing(id))?;
                if_match.check(before.version)?;
                let state = json!(before).as_object().cloned().unwrap_or_default();
                let (after, reason) = read(patched(state, body, FIXED)?, Some(before), &metamodel, &ontology)?;
                if after
                    == (RelationshipType {
                        version: after.version,
                        ..before.clone()
                    })
                {
                    return Ok(Answer::json(StatusCode::OK, before)?.versioned(before.version));
                }
                refuse_overlap(&ontology, &after)?;
                refuse_stricter(conn, &ontology, before, &after).await?;
                metamodel::store::bump(conn).await?;
                store::update(conn, &request.author(reason), before, &after).await?;
                Ok(Answer::json(StatusCode::OK, &after)?.versioned(after.version))
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer)
}

/// Remove a relationship type
///
/// Only one that was added and has no relationships, archived ones included: others can be deprecated.
#[utoipa::path(
    delete, path = "/config/relationship-types/{id}", tag = "Metamodel", operation_id = "delete_relationship_type",
    params(("id" = Uuid, Path, description = "Its id"), ("If-Match" = Option<String>, Header, description = "The version you read")),
    responses((status = 204, description = "Removed"), (status = 404, description = "There is no such relationship type"), (status = 409, description = "It is in use, or came with the software"), (status = 412, description = "Changed since you read it")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn delete_relationship_type(
    State(state): State<AppState>,
    _: Allowed<right::ManageMetamodel>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Answer> {
    let request = &request;
    let answer = request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
                metamodel::store::hold(conn).await?;
                let ontology = store::load(conn).await?;
                let old = ontology.row(id).ok_or_else(|| missing(id))?;
                if_match.check(old.version)?;
                if old.builtin {
                    return Err(refuse_builtin("relationship type"));
                }
                if store::is_used(conn, id).await? {
                    let message =
                        "There are relationships of this type, be they archived. Mark it as deprecated instead";
                    return Err(Error::new(Code::HasDependents, message));
                }
                metamodel::store::bump(conn).await?;
                store::delete(conn, &request.author(None), old).await?;
                Ok(Answer::empty())
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer)
}
