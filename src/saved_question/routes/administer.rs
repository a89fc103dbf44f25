//! Making, reading, changing and removing questions.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{missing, seen};
use crate::{
    app::AppState,
    auth::{Allowed, Permission, Principal, right},
    error::{Code, Error, ErrorEnvelope, Result},
    http::{
        etag::{IfMatch, validated},
        extract::{Both, JsonObject, NoQuery, Path, Query},
        page::{Page, Paging, Place, decode_cursor, encode_cursor, list_identity},
        write::{Answer, WriteRequest},
    },
    metamodel::routes::patched,
    saved_question::{
        Column, Parameter, SavedQuestion, Visibility,
        body::{self, Surroundings},
        role_names, store,
    },
};

/// The most questions that one person owns.
const MOST: i64 = 1_000;

/// A question as clients send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(as = SavedQuestionBody, example = json!({
    "name": "Applications on a vendor's components", "slug": "applications-by-vendor", "visibility": "everyone",
    "query": {"types": ["Application"], "where": {"related": {"type": "RELIES_ON", "to": "ITComponent", "where": {"vendor": {"$param": "vendor"}}}}},
    "parameters": [{"name": "vendor", "type": "text", "default": "Oracle"}],
    "columns": [{"field": "name", "title": "Application"}, {"field": "business_criticality", "title": "Tier"}]
}))]
pub struct QuestionBody {
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Its name in addresses; made of the name when absent.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,79}$")]
    slug: Option<String>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// `private` (default), `everyone`, or `roles`.
    visibility: Option<Visibility>,
    /// With visibility `roles`: the names of these roles.
    #[schema(max_items = 50)]
    roles: Option<Vec<String>>,
    /// As the body of `POST /cards/query`, without paging, `fields` and `include`; any value may be `{"$param": "<name>"}`.
    #[schema(value_type = Object)]
    query: Map<String, Value>,
    /// What it takes in the query string of its results.
    #[schema(max_items = 30)]
    parameters: Option<Vec<Parameter>>,
    /// What its answers show; default id, type, name and lifecycle phase.
    #[schema(max_items = 100)]
    columns: Option<Vec<Column>>,
    /// Whose it is; default the caller. Only those who manage users name somebody else.
    owner_id: Option<Uuid>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// The changes of a question: a merge patch of its outermost members.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(as = SavedQuestionPatch, example = json!({"description": "For the vendor review", "visibility": "everyone"}))]
pub struct QuestionPatch {
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Its name in addresses.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,79}$")]
    slug: Option<String>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Who else may see and run it.
    visibility: Option<Visibility>,
    /// With visibility `roles`: the names of these roles.
    #[schema(max_items = 50)]
    roles: Option<Vec<String>>,
    /// The whole query: it replaces the old one.
    #[schema(value_type = Option<Object>)]
    query: Option<Map<String, Value>>,
    /// What it takes.
    #[schema(max_items = 30)]
    parameters: Option<Vec<Parameter>>,
    /// What its answers show.
    #[schema(max_items = 100)]
    columns: Option<Vec<Column>>,
    /// Whose it is; only those who manage users give it to somebody else.
    owner_id: Option<Uuid>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// Which questions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QuestionFilter {
    /// Only the caller's own.
    mine: Option<bool>,
}

/// List saved questions
///
/// Those that exist for the caller, by slug: their own, shared ones, and for those who manage users all.
#[utoipa::path(
    get, path = "/questions", tag = "Saved questions", operation_id = "list_questions",
    params(QuestionFilter, Paging, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Questions", body = Page<SavedQuestion>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_questions(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(filter, paging)): Query<Both<QuestionFilter, Paging>>,
) -> Result<Response> {
    let request = paging.validate()?;
    let mine = filter.mine.unwrap_or(false);
    let identity = list_identity(&["questions", if mine { "mine" } else { "" }]);
    let after: Option<String> = match &request.position {
        Place::Cursor(Some(cursor)) => Some(decode_cursor(&identity, cursor)?),
        _ => None,
    };
    let roles = role_names(&caller);
    let listed = store::Listed {
        caller: caller.user_id,
        roles: &roles,
        all: caller.may(Permission::ManageUsers),
        mine,
    };
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut conn = state.db.acquire().await?;
    let (skip, limit) = (whole(request.offset()), whole(request.limit + 1));
    let found = store::list(&mut conn, &listed, after.as_deref(), skip, limit).await?;
    let total = if request.count {
        Some(store::count(&mut conn, &listed).await?)
    } else {
        None
    };
    let page = Page::build(found, &request, total, &uri, |question| {
        encode_cursor(&identity, &question.slug)
    });
    validated(&headers, None, &page)
}

/// Read a saved question
///
/// The question itself; its answer is at `/questions/{id}/results`.
#[utoipa::path(
    get, path = "/questions/{id}", tag = "Saved questions", operation_id = "get_question",
    params(("id" = String, Path, description = "Its id or slug"), ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "The question", body = SavedQuestion, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such question, or it is not shared with you", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_question(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let question = seen(&mut conn, &caller, &id).await?;
    validated(&headers, Some(question.version), &question)
}

/// Save a question
///
/// It is tried against the metamodel with the defaults of its parameters (or made-up values of their types).
#[utoipa::path(
    post, path = "/questions", tag = "Saved questions", operation_id = "create_question", request_body = QuestionBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes repeating the request safe")),
    responses(
        (status = 201, description = "The question", body = SavedQuestion, headers(("ETag" = String), ("Location" = String))),
        (status = 400, description = "Something in it is not valid: `details.violations` lists everything", body = ErrorEnvelope),
        (status = 409, description = "Another question has this slug", body = ErrorEnvelope),
        (status = 422, description = "You own too many questions, or the idempotency key was used with another request", body = ErrorEnvelope)
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn create_question(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    request: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let (new, reason) = read(&state, &caller, body.clone(), None)?;
    let (request, new, reason, caller) = (&request, &new, &reason, &caller);
    request
        .run(&state, &Value::Object(body), |conn, _| {
            Box::pin(async move {
                check_owner(conn, caller, new).await?;
                if store::owned_by(conn, new.owner_id).await? >= MOST {
                    let message = format!("One person owns at most {MOST} questions; remove some first");
                    return Err(Error::new(Code::UnprocessableEntity, message));
                }
                store::insert(conn, &request.author(reason.clone()), new).await?;
                Ok(Answer::json(StatusCode::CREATED, new)?
                    .versioned(new.version)
                    .located(format!("/api/v1/questions/{}", new.id)))
            })
        })
        .await
}

/// Change a saved question
///
/// A merge patch of the outermost members: `query`, `parameters` and `columns` are replaced as they are. Only its owner changes a question, and those who manage users.
#[utoipa::path(
    patch, path = "/questions/{id}", tag = "Saved questions", operation_id = "update_question",
    params(("id" = String, Path, description = "Its id or slug"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating the request safe")),
    request_body(content((QuestionPatch = "application/merge-patch+json"), (QuestionPatch = "application/json"))),
    responses(
        (status = 200, description = "The question", body = SavedQuestion, headers(("ETag" = String))),
        (status = 400, description = "Something in it is not valid: `details.violations` lists everything", body = ErrorEnvelope),
        (status = 403, description = "It is somebody else's", body = ErrorEnvelope),
        (status = 404, description = "There is no such question, or it is not shared with you", body = ErrorEnvelope),
        (status = 409, description = "Another question has this slug", body = ErrorEnvelope),
        (status = 412, description = "Changed since you read it", body = ErrorEnvelope)
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn update_question(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(id): Path<String>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let app = &state;
    let (request, body, caller, id) = (&request, &body, &caller, &id);
    request
        .run(&state, &Value::Object(body.clone()), |conn, _| {
            Box::pin(async move {
                let before = changeable(conn, caller, id).await?;
                if_match.check(before.version)?;
                let whole = json!(before).as_object().cloned().unwrap_or_default();
                let (after, reason) = read(app, caller, patched(whole, body, &body::FIXED)?, Some(&before))?;
                if after.says_the_same_as(&before) {
                    return Ok(Answer::json(StatusCode::OK, &before)?.versioned(before.version));
                }
                if after.owner_id != before.owner_id {
                    check_owner(conn, caller, &after).await?;
                }
                store::update(conn, &request.author(reason), &before, &after).await?;
                Ok(Answer::json(StatusCode::OK, &after)?.versioned(after.version))
            })
        })
        .await
}

/// Remove a saved question
///
/// Its address is free again. Only its owner removes a question, and those who manage users.
#[utoipa::path(
    delete, path = "/questions/{id}", tag = "Saved questions", operation_id = "delete_question",
    params(("id" = String, Path, description = "Its id or slug"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes repeating the request safe")),
    responses(
        (status = 204, description = "Removed"),
        (status = 403, description = "It is somebody else's", body = ErrorEnvelope),
        (status = 404, description = "There is no such question, or it is not shared with you", body = ErrorEnvelope),
        (status = 412, description = "Changed since you read it", body = ErrorEnvelope)
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn delete_question(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::View>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Answer> {
    let (request, caller, id) = (&request, &caller, &id);
    request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
                let old = changeable(conn, caller, id).await?;
                if_match.check(old.version)?;
                store::delete(conn, &request.author(None), &old).await?;
                Ok(Answer::empty())
            })
        })
        .await
}

fn read(
    state: &AppState,
    caller: &Principal,
    body: Map<String, Value>,
    before: Option<&SavedQuestion>,
) -> Result<(SavedQuestion, Option<String>)> {
    let (metamodel, ontology) = (state.metamodel.load(), state.ontology.load());
    let around = Surroundings {
        metamodel: &metamodel,
        relations: ontology.kinds(),
        caller: caller.user_id,
        may_give: caller.may(Permission::ManageUsers),
        now: state.clock.now(),
    };
    body::read(body, before, &around)
}

/// The question, locked, if the caller may change it.
async fn changeable(conn: &mut PgConnection, caller: &Principal, id: &str) -> Result<SavedQuestion> {
    let question = store::lock(conn, id).await?;
    let question = question
        .filter(|question| question.is_seen_by(caller))
        .ok_or_else(|| missing(id))?;
    if question.is_changed_by(caller) {
        return Ok(question);
    }
    let message = "This question is somebody else's: save one of your own, or ask its owner";
    Err(Error::new(Code::InsufficientPermissions, message).with(json!({
        "required_permission": Permission::ManageUsers.name(), "user_roles": role_names(caller), "owner_id": question.owner_id,
    })))
}

/// Somebody else can only own it while they may log in.
async fn check_owner(conn: &mut PgConnection, caller: &Principal, question: &SavedQuestion) -> Result<()> {
    if question.owner_id != caller.user_id && store::rights_of(conn, question.owner_id).await?.is_none() {
        return Err(Error::invalid("There is no active user of that id").at("owner_id"));
    }
    Ok(())
}
