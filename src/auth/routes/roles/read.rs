//! Reading roles.

use axum::{
    extract::{OriginalUri, State},
    http::HeaderMap,
    response::Response,
};
use uuid::Uuid;

use super::{RoleView, built_in, found};
use crate::{
    app::AppState,
    auth::{Allowed, Role, RoleName, right, store},
    error::{ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{NoQuery, Path, Query},
        listing::list_in_memory,
        page::{Page, Paging},
    },
};

/// List roles
///
/// Built-in ones first, then the installation's own by name.
#[utoipa::path(
    get, path = "/admin/roles", tag = "Users", operation_id = "list_roles",
    params(Paging, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Roles", body = Page<RoleView>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn list_roles(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let book = store::load_roles(&mut conn).await?;
    let bearers = store::count_all_bearers(&mut conn).await?;
    drop(conn);
    let count = |name: &RoleName| bearers.get(name.as_str()).copied().unwrap_or(0);
    let mut roles: Vec<RoleView> = Role::ALL
        .into_iter()
        .map(|role| RoleView::built_in(role, count(&role.into())))
        .collect();
    roles.extend(book.roles().map(|role| RoleView::own(role, count(&role.name))));
    let place = |role: &RoleView| match role.name.built_in() {
        Some(built_in) => format!("0{}", built_in as u8),
        None => format!("1{}", role.name.as_str()),
    };
    validated(
        &headers,
        None,
        &list_in_memory(roles, place, &["roles"], &paging, &uri)?,
    )
}

/// Read a role
///
/// One of the installation's own or a built-in one, with what it allows and how many people carry it.
#[utoipa::path(
    get, path = "/admin/roles/{id}", tag = "Users", operation_id = "get_role",
    params(("id" = Uuid, Path, description = "The role's id"), ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses(
        (status = 200, description = "The role", body = RoleView, headers(("ETag" = String))),
        (status = 304, description = "You have it already"),
        (status = 404, description = "There is no such role", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn get_role(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let view = if let Some(role) = built_in(id) {
        RoleView::built_in(role, store::count_bearers(&mut conn, &role.into()).await?)
    } else {
        let role = found(id, store::find_role(&mut conn, id).await?)?;
        RoleView::own(&role, store::count_bearers(&mut conn, &role.name).await?)
    };
    drop(conn);
    validated(&headers, Some(view.version), &view)
}
