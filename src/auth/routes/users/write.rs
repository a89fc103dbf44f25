//! Entering, changing and deleting users.

use axum::{extract::State, http::StatusCode};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Change, answer, may_give};
use crate::{
    app::AppState,
    auth::{
        Allowed, RoleBook, RoleName, right,
        routes::view::UserView,
        store::{self, NewUser},
        user::{Status, User, name_from, take_email, take_name, take_roles},
    },
    error::{ErrorEnvelope, Result, ViolationCode},
    http::{
        etag::IfMatch,
        extract::{JsonObject, Path},
        fields::Fields,
        write::{Answer, WriteRequest},
    },
};

/// A person to invite.
#[derive(Clone, ToSchema)]
#[schema(example = json!({"email": "anna@example.com", "name": "Anna Berg", "roles": ["editor"]}))]
pub struct CreateUser {
    /// The e-mail address; no two users have the same, whatever the capitals.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// The name; by default what stands before the @.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// What the person may do; at least one.
    #[schema(min_items = 1)]
    roles: Vec<RoleName>,
    /// The organisation they belong to.
    org_id: Option<Uuid>,
}

impl CreateUser {
    fn read(object: Map<String, Value>, book: &RoleBook) -> Result<Self> {
        let mut fields = Fields::new(object);
        for name in ["email", "roles"] {
            if !fields.has(name) {
                fields.refuse(name, ViolationCode::Required, "is required", None);
            }
        }
        refuse_null(&mut fields, &["email", "roles"]);
        let email = take_email(&mut fields, "email");
        let name = take_name(&mut fields, "name");
        let roles = take_roles(&mut fields, "roles", book);
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

async fn known_roles(state: &AppState) -> Result<RoleBook> {
    let mut conn = state.db.acquire().await?;
    store::load_roles(&mut conn).await
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
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let request = CreateUser::read(body, &known_roles(&state).await?)?;
    let (author, now) = (write.author(None), state.clock.now());
    let (request, author, caller) = (&request, &author, &caller);
    let work = write.run(&state, &sent, |conn, _| {
        Box::pin(async move {
            let CreateUser {
                email,
                name,
                roles,
                org_id,
            } = request.clone();
            let name = name.unwrap_or_else(|| name_from(&email));
            may_give(conn, caller, &roles).await?;
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
            let granted = store::grant(conn, &user.roles).await?;
            Ok(Answer::json(StatusCode::CREATED, &UserView::new(&user, &granted))?
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
#[schema(example = json!({"roles": ["architect"], "name": "Anna Berg"}))]
pub struct UpdateUser {
    /// The e-mail address.
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
    /// The name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// All roles from now on.
    #[schema(min_items = 1)]
    roles: Option<Vec<RoleName>>,
    /// The organisation; null removes.
    org_id: Option<Uuid>,
    #[schema(ignore)]
    clears_org: bool,
    /// Whether the user is let in.
    status: Option<Access>,
}

impl UpdateUser {
    fn read(object: Map<String, Value>, book: &RoleBook) -> Result<Self> {
        let mut fields = Fields::new(object);
        refuse_null(&mut fields, &["email", "name", "roles", "status"]);
        let clears_org = fields.is_null("org_id");
        let request = Self {
            email: take_email(&mut fields, "email"),
            name: take_name(&mut fields, "name"),
            roles: take_roles(&mut fields, "roles", book),
            org_id: fields.uuid("org_id"),
            clears_org,
            status: fields.choice(
                "status",
                &[("active", Access::Active), ("deactivated", Access::Deactivated)],
            ),
        };
        fields.read_only(&[
            "id",
            "version",
            "permissions",
            "rights",
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
        if self.clears_org || self.org_id.is_some() {
            user.org_id = self.org_id;
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
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    JsonObject(body): JsonObject,
) -> Result<Answer> {
    let sent = Value::Object(body.clone());
    let request = UpdateUser::read(body, &known_roles(&state).await?)?;
    let (change, request) = (&Change::new(&state, caller, &write, if_match, id, "updated"), &request);
    let work = write.run(&state, &sent, |conn, _| {
        Box::pin(async move {
            let user = change.write(conn, |user| request.apply(user)).await?;
            answer(conn, &user).await
        })
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
    Allowed(caller, _): Allowed<right::ManageUsers>,
    write: WriteRequest,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<Answer> {
    let change = &Change::new(&state, caller, &write, if_match, id, "deleted");
    let work = write.run(&state, &Value::Null, |conn, _| {
        Box::pin(async move {
            change.write(conn, |user| user.deleted_at = Some(change.now)).await?;
            Ok(Answer::empty())
        })
    });
    change.done(&state, work.await)
}
