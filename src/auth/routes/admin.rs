//! The administration of users.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::view::UserView;
use crate::{
    app::AppState,
    auth::{
        Allowed, Role, right,
        store::{self, Deleted, NewUser, UserFilter, UserPlace, UserSort},
        user::{Status, User, email_key, name_from, take_email, take_name, take_roles},
    },
    error::{Code, Error, ErrorEnvelope, Result, ViolationCode},
    http::{
        etag::{IfMatch, validated},
        extract::{Both, JsonObject, Path, Query},
        fields::Fields,
        page::{Page, Paging, Place, decode_cursor, encode_cursor, list_identity},
        write::{Answer, WriteRequest},
    },
    store::Author,
};

/// Which users to list, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserParameters {
    /// Part of the name or e-mail address.
    search: Option<String>,
    /// Only users with this role.
    role: Option<String>,
    /// Only users with this status: `invited`, `active`, `deactivated`, `anonymized`.
    status: Option<String>,
    /// `include`: also deleted users; `only`: no others.
    deleted: Option<String>,
    /// `email` (default), `name` or `created_at`.
    sort: Option<String>,
    /// `asc` (default) or `desc`.
    order: Option<String>,
}

impl UserParameters {
    fn check(&self) -> Result<(UserFilter, UserSort, bool)> {
        let filter = UserFilter {
            search: self.search.clone().filter(|s| !s.is_empty()),
            role: choice("role", self.role.as_deref(), &Role::ALL.map(|r| (r.name(), r)))?,
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
    let (filter, sort, descending) = parameters.check()?;
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
    let mut conn = state.db.acquire().await?;
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
        data: page.data.iter().map(UserView::from).collect(),
        pagination: page.pagination,
    };
    validated(&headers, None, &page)
}

/// Read a user
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
    drop(conn);
    validated(&headers, Some(user.version), &UserView::from(&user))
}

/// A person to invite.
#[derive(Clone, ToSchema)]
pub struct CreateUser {
    /// The e-mail address; no two users have the same, whatever the capitals.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// The name; by default what stands before the @.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// What the person may do; at least one.
    #[schema(min_items = 1)]
    roles: Vec<Role>,
    /// The organisation they belong to.
    org_id: Option<Uuid>,
}

impl CreateUser {
    fn read(object: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(object);
        for name in ["email", "roles"] {
            if !fields.has(name) {
                fields.refuse(name, ViolationCode::Required, "is required", None);
            }
        }
        refuse_null(&mut fields, &["email", "roles"]);
        let email = take_email(&mut fields, "email");
        let name = take_name(&mut fields, "name");
        let roles = take_roles(&mut fields, "roles");
        let org_id = fields.uuid("org_id");
        fields.done()?;
        Ok(Self {
            email: email.unwrap_or_default(),
            name,
            roles: roles.unwrap_or_default(),
            org_id,
        })
    }
}

/// Null is not a value for these.
fn refuse_null(fields: &mut Fields, names: &[&str]) {
    for name in names {
        if fields.is_null(name) {
            fields.refuse(name, ViolationCode::Required, "must not be null", None);
        }
    }
}

/// Invite a user
///
/// The user can log in once they have accepted an invitation: `POST /admin/users/{id}/invite-link` makes one.
#[utoipa::path(
    post, path = "/admin/users", tag = "Users", operation_id = "create_user",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    request_body = CreateUser,
    responses(
        (status = 201, description = "The user, invited", body = UserView, headers(("ETag" = String), ("Location" = String))),
        (status = 409, description = "A user with this address exists", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn create_user(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let request = CreateUser::read(body)?;
    let (author, now) = (write.author(None), state.clock.now());
    let (request, author) = (&request, &author);
    let work = write.run(&state, &sent, |conn, _| {
        Box::pin(async move {
            let CreateUser {
                email,
                name,
                roles,
                org_id,
            } = request.clone();
            let name = name.unwrap_or_else(|| name_from(&email));
            let user = store::create_user(
                conn,
                author,
                NewUser {
                    email,
                    name,
                    roles,
                    org_id,
                    password_hash: None,
                },
                now,
            )
            .await?;
            Ok(Answer::json(StatusCode::CREATED, &UserView::from(&user))?
                .versioned(user.version)
                .located(format!("/api/v1/admin/users/{}", user.id)))
        })
    });
    work.await
}

/// Whether a user is let in.
#[derive(Clone, Copy, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Access {
    /// Lets a deactivated user in again.
    Active,
    /// Shuts the user out.
    Deactivated,
}

/// What an administrator may change of a user.
#[derive(ToSchema)]
pub struct UpdateUser {
    /// The e-mail address.
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
    /// The name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// All roles from now on.
    #[schema(min_items = 1)]
    roles: Option<Vec<Role>>,
    /// The organisation; null removes.
    #[schema(value_type = Option<Uuid>)]
    org_id: Option<Option<Uuid>>,
    /// Whether the user is let in.
    status: Option<Access>,
}

impl UpdateUser {
    fn read(object: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(object);
        refuse_null(&mut fields, &["email", "name", "roles", "status"]);
        let clears_org = fields.is_null("org_id");
        let request = Self {
            email: take_email(&mut fields, "email"),
            name: take_name(&mut fields, "name"),
            roles: take_roles(&mut fields, "roles"),
            org_id: fields.uuid("org_id").map(Some).or(clears_org.then_some(None)),
            status: fields.choice(
                "status",
                &[("active", Access::Active), ("deactivated", Access::Deactivated)],
            ),
        };
        fields.read_only(&[
            "id",
            "version",
            "permissions",
            "created_at",
            "updated_at",
            "last_login_at",
            "deleted_at",
        ]);
        fields.done()?;
        Ok(request)
    }

    fn apply(&self, user: &mut User) {
        if let Some(email) = &self.email {
            email.clone_into(&mut user.email);
        }
        if let Some(name) = &self.name {
            name.clone_into(&mut user.name);
        }
        if let Some(roles) = &self.roles {
            roles.clone_into(&mut user.roles);
        }
        if let Some(org) = self.org_id {
            user.org_id = org;
        }
        match (self.status, user.status) {
            (Some(Access::Deactivated), Status::Active | Status::Invited) => user.status = Status::Deactivated,
            (Some(Access::Active), Status::Deactivated) => {
                user.status = if user.has_password {
                    Status::Active
                } else {
                    Status::Invited
                }
            }
            _ => {}
        }
    }
}

/// Change a user
///
/// A change of roles or status takes effect within a second on every instance.
#[utoipa::path(
    patch, path = "/admin/users/{id}", tag = "Users", operation_id = "update_user",
    params(("id" = Uuid, Path, description = "The user's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    request_body = UpdateUser,
    responses(
        (status = 200, description = "The user", body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 409, description = "The address is taken, or this is the last active administrator", body = ErrorEnvelope),
        (status = 412, description = "The user was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn update_user(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let request = UpdateUser::read(body)?;
    let (change, request) = (&Change::new(&state, &write, if_match, id, "updated"), &request);
    let work = write.run(&state, &sent, |conn, _| {
        Box::pin(async move { answer(&change.write(conn, |user| request.apply(user)).await?) })
    });
    change.done(&state, work.await)
}

/// Delete a user
///
/// The user is shut out and leaves all lists; their id keeps its meaning in the audit trail.
#[utoipa::path(
    delete, path = "/admin/users/{id}", tag = "Users", operation_id = "delete_user",
    params(("id" = Uuid, Path, description = "The user's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 204, description = "The user is deleted"),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 409, description = "This is the last active administrator", body = ErrorEnvelope),
        (status = 412, description = "The user was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn delete_user(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, &write, if_match, id, "deleted");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move {
            change.write(conn, |user| user.deleted_at = Some(change.now)).await?;
            Ok(Answer::empty())
        })
    });
    change.done(&state, work.await)
}

/// Shut a user out
///
/// Ends all their sessions. `PATCH` with status `active` lets them in again.
#[utoipa::path(
    post, path = "/admin/users/{id}/deactivate", tag = "Users", operation_id = "deactivate_user",
    params(("id" = Uuid, Path, description = "The user's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "The user", body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 409, description = "This is the last active administrator", body = ErrorEnvelope),
        (status = 412, description = "The user was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn deactivate_user(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, &write, if_match, id, "deactivated");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move { answer(&change.write(conn, |user| user.status = Status::Deactivated).await?) })
    });
    change.done(&state, work.await)
}

/// Forget a person
///
/// Replaces name and address and removes everything else that tells who it was; the id stays in the audit trail. There
/// is no way back.
#[utoipa::path(
    post, path = "/admin/users/{id}/anonymize", tag = "Users", operation_id = "anonymize_user",
    params(("id" = Uuid, Path, description = "The user's id"), ("If-Match" = Option<String>, Header, description = "The version you read"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "What remains", body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such user", body = ErrorEnvelope),
        (status = 409, description = "This is the last active administrator", body = ErrorEnvelope),
        (status = 412, description = "The user was changed meanwhile", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn anonymize_user(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, &write, if_match, id, "anonymized");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move { answer(&change.forget(conn).await?) })
    });
    change.done(&state, work.await)
}

/// Lift a lock
///
/// Forgets the user's failed log-ins, from wherever they came.
#[utoipa::path(
    post, path = "/admin/users/{id}/unlock", tag = "Users", operation_id = "unlock_user",
    params(("id" = Uuid, Path, description = "The user's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key again gives the same answer")),
    responses(
        (status = 200, description = "The user", body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such user", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_users")))
)]
pub async fn unlock_user(
    State(state): State<AppState>,
    _: Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, &write, if_match, id, "unlocked");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move {
            let user = change.lock(conn).await?;
            store::unlock(conn, &email_key(&user.email)).await?;
            store::log_user(conn, &change.author, id, change.action, user.version, &[]).await?;
            answer(&user)
        })
    });
    change.done(&state, work.await)
}

fn answer(user: &User) -> Result<Answer> {
    Ok(Answer::json(StatusCode::OK, &UserView::from(user))?.versioned(user.version))
}

/// A change of one user.
struct Change {
    author: Author,
    if_match: IfMatch,
    id: Uuid,
    action: &'static str,
    now: DateTime<Utc>,
}

impl Change {
    fn new(state: &AppState, write: &WriteRequest, if_match: IfMatch, id: Uuid, action: &'static str) -> Self {
        Self {
            author: write.author(None),
            if_match,
            id,
            action,
            now: state.clock.now(),
        }
    }

    /// Makes this instance forget at once what the others will read of in the change log.
    fn done(&self, state: &AppState, outcome: Result<Answer>) -> Result<Answer> {
        state.sessions.forget_user(self.id);
        outcome
    }

    /// The user, unless they are deleted or were changed since the caller read them; locked.
    async fn lock(&self, conn: &mut PgConnection) -> Result<User> {
        let user = store::lock_user(conn, self.id)
            .await?
            .filter(|user| user.deleted_at.is_none());
        let user = user.ok_or_else(|| Error::not_found("user", self.id))?;
        self.if_match.check(user.version)?;
        Ok(user)
    }

    /// Applies a change; whoever cannot log in afterwards loses their sessions.
    async fn write(&self, conn: &mut PgConnection, apply: impl Fn(&mut User)) -> Result<User> {
        let before = self.lock(conn).await?;
        let mut after = before.clone();
        apply(&mut after);
        if before.is_active_admin() && !after.is_active_admin() {
            store::keep_an_admin(conn, self.id).await?;
        }
        if before.is_active() && !after.is_active() {
            store::revoke_other_sessions(conn, self.id, None, &format!("user {}", self.action), self.now).await?;
        }
        if email_key(&before.email) != email_key(&after.email)
            || before.status != after.status
            || after.deleted_at.is_some()
        {
            // Whatever link is on its way was meant for another address or another situation.
            store::void_links(conn, self.id).await?;
        }
        let saved = store::save_user(conn, &self.author, self.action, &before, after, self.now).await;
        saved.map_err(|error| {
            if error.code == Code::Conflict {
                error.at("email")
            } else {
                error
            }
        })
    }

    /// Removes the person and leaves the id.
    async fn forget(&self, conn: &mut PgConnection) -> Result<User> {
        let before = store::lock_user(conn, self.id)
            .await?
            .ok_or_else(|| Error::not_found("user", self.id))?;
        self.if_match.check(before.version)?;
        if before.is_active_admin() {
            store::keep_an_admin(conn, self.id).await?;
        }
        let mut after = before.clone();
        after.forget(self.now);
        store::unlock(conn, &email_key(&before.email)).await?;
        store::set_password(conn, self.id, None, None, "user anonymized", self.now).await?;
        store::forget_devices(conn, self.id).await?;
        store::save_user(conn, &self.author, self.action, &before, after, self.now).await
    }
}
