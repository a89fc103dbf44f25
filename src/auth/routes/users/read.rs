//! Listing and reading users.

use axum::{
    extract::{OriginalUri, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    app::AppState,
    auth::{
        Allowed, RoleBook, RoleName, right,
        routes::view::UserView,
        store::{self, Deleted, UserFilter, UserPlace, UserSort},
        user::Status,
    },
    error::{Error, ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{Both, Path, Query},
        page::{Page, Paging, Place, decode_cursor, encode_cursor, list_identity},
    },
};

/// Which users to list, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserParameters {
    /// Part of the name or e-mail address.
    search: Option<String>,
    /// Only users with this role.
    #[param(pattern = "^(viewer|editor|architect|admin|auditor|system)$")]
    role: Option<String>,
    /// Only users with this status: `invited`, `active`, `deactivated`, `anonymized`.
    #[param(pattern = "^(invited|active|deactivated|anonymized)$")]
    status: Option<String>,
    /// `include`: also deleted users; `only`: no others.
    #[param(pattern = "^(include|only)$")]
    deleted: Option<String>,
    /// `email` (default), `name` or `created_at`.
    #[param(pattern = "^(email|name|created_at)$")]
    sort: Option<String>,
    /// `asc` (default) or `desc`.
    #[param(pattern = "^(asc|desc)$")]
    order: Option<String>,
}

impl UserParameters {
    fn check(&self, book: &RoleBook) -> Result<(UserFilter, UserSort, bool)> {
        let filter = UserFilter {
            search: self.search.clone().filter(|s| !s.is_empty()),
            role: self.role.as_deref().map(|name| known_role(name, book)).transpose()?,
            status: choice("status", self.status.as_deref(), &Status::ALL.map(|s| (s.name(), s)))?,
            deleted: choice(
                "deleted",
                self.deleted.as_deref(),
                &[("include", Deleted::Include), ("only", Deleted::Only)],
            )?
            .unwrap_or_default(),
        };
        let sorts = [
            ("email", UserSort::Email),
            ("name", UserSort::Name),
            ("created_at", UserSort::CreatedAt),
        ];
        let sort = choice("sort", self.sort.as_deref(), &sorts)?.unwrap_or(UserSort::Email);
        let descending = choice("order", self.order.as_deref(), &[("asc", false), ("desc", true)])?.unwrap_or(false);
        Ok((filter, sort, descending))
    }
}

fn known_role(name: &str, book: &RoleBook) -> Result<RoleName> {
    let role = RoleName::new(name);
    if book.knows(&role) {
        return Ok(role);
    }
    let names = book.names();
    let shown: Vec<&str> = names.iter().map(RoleName::as_str).collect();
    Err(Error::invalid(format!("role must be one of {}", shown.join(", ")))
        .at("role")
        .with(json!({ "accepted": names })))
}

fn choice<T: Copy>(name: &'static str, value: Option<&str>, options: &[(&str, T)]) -> Result<Option<T>> {
    let Some(value) = value else { return Ok(None) };
    if let Some((_, chosen)) = options.iter().find(|(option, _)| *option == value) {
        return Ok(Some(*chosen));
    }
    let names: Vec<&str> = options.iter().map(|(n, _)| *n).collect();
    Err(Error::invalid(format!("{name} must be one of {}", names.join(", ")))
        .at(name)
        .with(json!({ "accepted": names })))
}

/// List users
///
/// In order of e-mail address, name or creation; deleted users only when asked for.
#[utoipa::path(
    get, path = "/admin/users", tag = "Users", operation_id = "list_users",
    params(UserParameters, Paging),
    responses((status = 200, description = "Users", body = Page<UserView>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn list_users(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(parameters, paging)): Query<Both<UserParameters, Paging>>,
) -> Result<Response> {
    let request = paging.validate()?;
    let mut conn = state.db.acquire().await?;
    let book = store::load_roles(&mut conn).await?;
    let (filter, sort, descending) = parameters.check(&book)?;
    let identity = list_identity(&["users", &format!("{filter:?} {sort:?} {descending}")]);
    let after = match &request.position {
        Place::Cursor(Some(cursor)) => Some(decode_cursor(&identity, cursor)?),
        _ => None,
    };
    let place = UserPlace {
        sort,
        descending,
        after,
        limit: request.limit as i64 + 1,
        offset: request.offset() as i64,
    };
    let users = store::list_users(&mut conn, &filter, &place).await?;
    let total = if request.count {
        Some(store::count_users(&mut conn, &filter).await?)
    } else {
        None
    };
    drop(conn);
    let page = Page::build(users, &request, total, &uri, |user| {
        encode_cursor(&identity, &(sort.key(user), user.id))
    });
    let page = Page {
        data: page
            .data
            .iter()
            .map(|user| UserView::new(user, &book.grant(&user.roles)))
            .collect(),
        pagination: page.pagination,
    };
    validated(&headers, None, &page)
}

/// Read a user
///
/// With the roles and everything they allow. Users who were deleted stay readable.
#[utoipa::path(
    get, path = "/admin/users/{id}", tag = "Users", operation_id = "get_user",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The user, be they deleted", body = UserView, headers(("ETag" = String))),
        (status = 304, description = "You have it already"),
        (status = 404, description = "There is no such user", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn get_user(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let user = store::find_user(&mut conn, id)
        .await?
        .ok_or_else(|| Error::not_found("user", id))?;
    let granted = store::grant(&mut conn, &user.roles).await?;
    drop(conn);
    validated(&headers, Some(user.version), &UserView::new(&user, &granted))
}
