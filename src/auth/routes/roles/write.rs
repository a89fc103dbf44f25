//! Making, changing and deleting roles.

use axum::{extract::State, http::StatusCode};
use chrono::SubsecRound;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    RoleView,
    body::{Draft, RoleBody, RolePatch},
    built_in, found,
};
use crate::{
    app::AppState,
    auth::{Allowed, CustomRole, Principal, RateLimits, Rights, Role, RoleName, TypeScope, right, store},
    error::{Code, Error, ErrorEnvelope, Result},
    http::{
        etag::IfMatch,
        extract::{JsonObject, NoQuery, Path},
        write::{Answer, WriteRequest},
    },
};

/// Nobody makes, changes or deletes a role that allows more than they may themselves; quotas are for those who may
/// everything.
async fn may_handle(conn: &mut PgConnection, caller: &Principal, role: &CustomRole, before: RateLimits) -> Result<()> {
    let message = "Nobody can make or change a role that allows more than their own roles do";
    store::require_all_of(conn, caller, &role.rights(), message).await?;
    if role.rate_limits == before {
        return Ok(());
    }
    let everything = Rights::of_role(Role::Admin);
    let message = "Quotas are set by those who may do everything";
    store::require_all_of(conn, caller, &everything, message).await
}

fn fixed(role: Role) -> Error {
    let name = role.name();
    Error::new(
        Code::Conflict,
        format!("'{name}' is a built-in role and stays as it is; make one of your own"),
    )
    .with(json!({ "kind": "role", "built_in": true, "name": name }))
}

/// Make a role
///
/// What its bearers cannot see (`view`) does not exist for them, in any answer. The role may not allow more than the
/// caller may.
#[utoipa::path(
    post, path = "/admin/roles", tag = "Users", operation_id = "create_role",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    request_body = RoleBody,
    responses(
        (status = 201, description = "The role", body = RoleView, headers(("ETag" = String), ("Location" = String))),
        (status = 409, description = "There is a role of this name, or there are too many", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn create_role(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let now = state.clock.now().trunc_subsecs(6);
    let nothing = CustomRole {
        id: Uuid::now_v7(),
        name: RoleName::new(""),
        description: None,
        view: TypeScope::none(),
        create: TypeScope::none(),
        edit: TypeScope::none(),
        delete: TypeScope::none(),
        permissions: Vec::new(),
        rate_limits: RateLimits::default(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let role = read(&state, |unknown| Draft::read(body, unknown))?.applied_to(&nothing);
    let (role, caller, author) = (&role, &caller, &write.author(None));
    let work = write.run(&state, &sent, |conn, _| {
        Box::pin(async move {
            may_handle(conn, caller, role, RateLimits::default()).await?;
            store::insert_role(conn, author, role).await?;
            Ok(Answer::json(StatusCode::CREATED, &RoleView::own(role, 0))?
                .versioned(role.version)
                .located(format!("/api/v1/admin/roles/{}", role.id)))
        })
    });
    work.await
}

/// Reads a body against the card types there are.
fn read(state: &AppState, body: impl FnOnce(&dyn Fn(&str) -> Option<Vec<String>>) -> Result<Draft>) -> Result<Draft> {
    let metamodel = state.metamodel.load();
    body(&|name: &str| match metamodel.card_type(name) {
        Some(_) => None,
        None => Some(metamodel.similar_types(name)),
    })
}

/// Change a role
///
/// A merge patch. Takes effect within a second for everybody who carries the role, on every instance.
#[utoipa::path(
    patch, path = "/admin/roles/{id}", tag = "Users", operation_id = "update_role",
    params(("id" = Uuid, Path, description = "The role's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    request_body(content((RolePatch = "application/merge-patch+json"), (RolePatch = "application/json"))),
    responses(
        (status = 200, description = "The role", body = RoleView, headers(("ETag" = String))),
        (status = 404, description = "There is no such role", body = ErrorEnvelope),
        (status = 409, description = "There is a role of this name, or this one is built in", body = ErrorEnvelope),
        (status = 412, description = "The role was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn update_role(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    if let Some(role) = built_in(id) {
        return Err(fixed(role));
    }
    let sent = Value::Object(body.clone());
    let now = state.clock.now().trunc_subsecs(6);
    let (app, caller, author, patch) = (&state, &caller, &write.author(None), &body);
    let work = write.run(&state, &sent, |conn, _| {
        Box::pin(async move {
            let before = found(id, store::lock_role(conn, id).await?)?;
            may_handle(conn, caller, &before, before.rate_limits).await?;
            if_match.check(before.version)?;
            let after = changed(app, &before, patch)?;
            may_handle(conn, caller, &after, before.rate_limits).await?;
            let after = store::save_role(conn, author, &before, after, now).await?;
            app.sessions.forget_roles(&[before.name, after.name.clone()]);
            let bearers = store::count_bearers(conn, &after.name).await?;
            Ok(Answer::json(StatusCode::OK, &RoleView::own(&after, bearers))?.versioned(after.version))
        })
    });
    let answer = work.await;
    forget_bearers(&state, id).await;
    answer
}

fn changed(state: &AppState, before: &CustomRole, patch: &Map<String, Value>) -> Result<CustomRole> {
    let draft = read(state, |unknown| Draft::patch(before, patch, unknown))?;
    Ok(draft.applied_to(before))
}

/// Makes this instance forget, once the change is committed, what the others will read of in the change log.
async fn forget_bearers(state: &AppState, id: Uuid) {
    let role = async {
        let mut conn = state.db.acquire().await?;
        store::find_role(&mut conn, id).await
    };
    match role.await {
        Ok(Some(role)) => state.sessions.forget_roles(&[role.name]),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a changed role takes effect with the change log"),
    }
}

/// Delete a role
///
/// Only one that nobody carries.
#[utoipa::path(
    delete, path = "/admin/roles/{id}", tag = "Users", operation_id = "delete_role",
    params(("id" = Uuid, Path, description = "The role's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 204, description = "The role is deleted"),
        (status = 404, description = "There is no such role", body = ErrorEnvelope),
        (status = 409, description = "Somebody carries it (details.user_count), or it is built in", body = ErrorEnvelope),
        (status = 412, description = "The role was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn delete_role(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Answer> {
    if let Some(role) = built_in(id) {
        return Err(fixed(role));
    }
    let (caller, author) = (&caller, &write.author(None));
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move {
            let role = found(id, store::lock_role(conn, id).await?)?;
            may_handle(conn, caller, &role, role.rate_limits).await?;
            if_match.check(role.version)?;
            let bearers = store::count_bearers(conn, &role.name).await?;
            if bearers > 0 {
                let name = role.name.as_str();
                let message = format!("'{name}' is carried by users ({bearers}); give them another role first");
                return Err(Error::new(Code::Conflict, message)
                    .with(json!({ "kind": "role", "id": id, "user_count": bearers })));
            }
            store::delete_role(conn, author, &role).await?;
            Ok(Answer::empty())
        })
    });
    work.await
}
