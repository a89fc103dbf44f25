//! The installation's own roles.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use crate::{
    auth::{
        Principal,
        custom_role::{CustomRole, Granted, MOST_ROLES, RoleBook},
        limits::RateLimits,
        rights::{Rights, TypeScope},
        role::{Permission, RoleName},
    },
    error::{Code, Error, Result},
    store::{
        Author,
        log::{self, NewChange},
        violates,
    },
};

struct Row {
    id: Uuid,
    name: String,
    description: Option<String>,
    view_types: Vec<String>,
    create_types: Vec<String>,
    edit_types: Vec<String>,
    delete_types: Vec<String>,
    permissions: Vec<String>,
    rate_limits: Json<RateLimits>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for CustomRole {
    fn from(row: Row) -> Self {
        let stored = |permission: &Permission| row.permissions.iter().any(|name| name == permission.name());
        Self {
            id: row.id,
            name: RoleName::new(row.name),
            description: row.description,
            view: TypeScope::from_names(row.view_types),
            create: TypeScope::from_names(row.create_types),
            edit: TypeScope::from_names(row.edit_types),
            delete: TypeScope::from_names(row.delete_types),
            permissions: Permission::MANAGEMENT.into_iter().filter(stored).collect(),
            rate_limits: row.rate_limits.0,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

macro_rules! role_rows {
    ($after:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select id, name, description, view_types, create_types, edit_types, delete_types, permissions,
                      rate_limits as "rate_limits: Json<RateLimits>", version, created_at, updated_at from roles "#
                + $after
            $(, $argument)*
        )
    };
}

/// All of the installation's own roles.
pub async fn load_roles(conn: &mut PgConnection) -> Result<RoleBook> {
    let rows = role_rows!("order by id").fetch_all(conn).await?;
    Ok(RoleBook::new(rows.into_iter().map(CustomRole::from)))
}

/// What somebody with these roles may do. Built-in roles cost no query.
pub async fn grant(conn: &mut PgConnection, roles: &[RoleName]) -> Result<Granted> {
    let own: Vec<String> = roles
        .iter()
        .filter(|name| name.built_in().is_none())
        .map(|name| name.as_str().to_owned())
        .collect();
    if own.is_empty() {
        return Ok(RoleBook::default().grant(roles));
    }
    let rows = role_rows!("where name = any($1)", &own).fetch_all(conn).await?;
    Ok(RoleBook::new(rows.into_iter().map(CustomRole::from)).grant(roles))
}

/// Refuses a caller who would give away, or take charge of, rights that their own roles do not give them. That is asked of
/// the database, not of memory, and of the roles, not of the key that may stand in for a log-in.
pub async fn require_all_of(conn: &mut PgConnection, caller: &Principal, wanted: &Rights, message: &str) -> Result<()> {
    let lacking = grant(conn, &caller.roles).await?.rights.lacks(wanted);
    let Some(first) = lacking.first().and_then(|lack| lack.split(':').next()) else {
        return Ok(());
    };
    let details = json!({ "required_permission": first, "lacking": lacking, "user_roles": caller.roles });
    Err(Error::new(Code::InsufficientPermissions, message).with(details))
}

/// The role with this id.
pub async fn find_role(conn: &mut PgConnection, id: Uuid) -> Result<Option<CustomRole>> {
    let row = role_rows!("where id = $1", id).fetch_optional(conn).await?;
    Ok(row.map(Into::into))
}

/// [`find_role`], and nobody else changes it, or gives it to anybody, until the transaction ends.
pub async fn lock_role(conn: &mut PgConnection, id: Uuid) -> Result<Option<CustomRole>> {
    let row = role_rows!("where id = $1 for update", id).fetch_optional(conn).await?;
    Ok(row.map(Into::into))
}

/// Keeps these roles from being renamed or deleted until the transaction ends, and answers those that are gone already.
pub async fn hold_roles(conn: &mut PgConnection, roles: &[RoleName]) -> Result<Vec<RoleName>> {
    let own: Vec<&RoleName> = roles.iter().filter(|name| name.built_in().is_none()).collect();
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = own.iter().map(|name| name.as_str().to_owned()).collect();
    let held = sqlx::query_scalar!(
        "select name from roles where name = any($1) order by id for share",
        &names
    )
    .fetch_all(conn)
    .await?;
    let gone = own.into_iter().filter(|name| !held.iter().any(|h| h == name.as_str()));
    Ok(gone.cloned().collect())
}

/// How many people, deleted ones left out, carry the role.
pub async fn count_bearers(conn: &mut PgConnection, name: &RoleName) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from users where roles @> array[$1] and deleted_at is null"#,
        name.as_str()
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// How many people, deleted ones left out, carry each role.
pub async fn count_all_bearers(conn: &mut PgConnection) -> Result<std::collections::HashMap<String, i64>> {
    let rows = sqlx::query!(
        r#"select role as "role!", count(*) as "count!" from users, unnest(roles) as role where deleted_at is null group by role"#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.role, row.count)).collect())
}

/// Makes a role.
pub async fn insert_role(conn: &mut PgConnection, author: &Author, role: &CustomRole) -> Result<()> {
    // One at a time, so that the count holds; roles are not made every day.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('archzero.roles', 0))")
        .execute(&mut *conn)
        .await?;
    let there = sqlx::query_scalar!(r#"select count(*) as "count!" from roles"#)
        .fetch_one(&mut *conn)
        .await?;
    if usize::try_from(there).unwrap_or(usize::MAX) >= MOST_ROLES {
        return Err(Error::new(
            Code::Conflict,
            format!("There are {MOST_ROLES} roles already; delete one that nobody needs"),
        )
        .with(json!({ "max_roles": MOST_ROLES })));
    }
    let record = role.record();
    sqlx::query!(
        "insert into roles (id, name, description, view_types, create_types, edit_types, delete_types, permissions, rate_limits,
             version, created_at, updated_at, created_by, updated_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $12)",
        role.id,
        role.name.as_str(),
        role.description,
        &role.view.to_names(),
        &role.create.to_names(),
        &role.edit.to_names(),
        &role.delete.to_names(),
        &names(&role.permissions),
        Json(role.rate_limits) as _,
        role.version,
        role.created_at,
        author.actor_id,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, role))?;
    log_role(conn, author, role, "created", None, Some(json!(record))).await
}

/// Writes a locked role's next version. Under a new name its bearers carry it under that name, each a version on.
pub async fn save_role(
    conn: &mut PgConnection,
    author: &Author,
    before: &CustomRole,
    after: CustomRole,
    now: DateTime<Utc>,
) -> Result<CustomRole> {
    if after == *before {
        return Ok(after);
    }
    let after = CustomRole {
        version: before.version + 1,
        updated_at: now,
        ..after
    };
    sqlx::query!(
        "update roles set name = $2, description = $3, view_types = $4, create_types = $5, edit_types = $6, delete_types = $7,
                permissions = $8, rate_limits = $9, version = $10, updated_at = $11, updated_by = $12
         where id = $1",
        after.id,
        after.name.as_str(),
        after.description,
        &after.view.to_names(),
        &after.create.to_names(),
        &after.edit.to_names(),
        &after.delete.to_names(),
        &names(&after.permissions),
        Json(after.rate_limits) as _,
        after.version,
        now,
        author.actor_id,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, &after))?;
    if after.name != before.name {
        rename_at_users(conn, author, &before.name, &after.name, now).await?;
    }
    let (old, new) = (json!(before.record()), json!(after.record()));
    log_role(conn, author, &after, "updated", Some(old), Some(new)).await?;
    Ok(after)
}

/// Deletes a locked role that nobody carries. Deleted people keep no name that could come to mean something else.
pub async fn delete_role(conn: &mut PgConnection, author: &Author, role: &CustomRole) -> Result<()> {
    sqlx::query!(
        "update users set roles = array_remove(roles, $1) where roles @> array[$1] and deleted_at is not null",
        role.name.as_str()
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("delete from roles where id = $1", role.id)
        .execute(&mut *conn)
        .await?;
    let gone = CustomRole {
        version: role.version + 1,
        ..role.clone()
    };
    log_role(conn, author, &gone, "deleted", Some(json!(role.record())), None).await
}

async fn rename_at_users(
    conn: &mut PgConnection,
    author: &Author,
    old: &RoleName,
    new: &RoleName,
    now: DateTime<Utc>,
) -> Result<()> {
    let renamed = sqlx::query!(
        "with bearers as (select id from users where roles @> array[$1] order by id for no key update)
         update users set roles = array_replace(roles, $1, $2), version = version + 1, updated_at = $3
         from bearers where users.id = bearers.id returning users.id, users.version",
        old.as_str(),
        new.as_str(),
        now,
    )
    .fetch_all(&mut *conn)
    .await?;
    for user in renamed {
        super::log_user(conn, author, user.id, "updated", user.version, &["roles"]).await?;
    }
    Ok(())
}

async fn log_role(
    conn: &mut PgConnection,
    author: &Author,
    role: &CustomRole,
    action: &str,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
) -> Result<()> {
    let change = NewChange {
        entity: "role",
        entity_id: role.id,
        entity_type: None,
        action,
        version: role.version,
        before,
        after,
    };
    log::append(conn, author, change).await
}

fn names(permissions: &[Permission]) -> Vec<String> {
    permissions.iter().map(|p| p.name().to_owned()).collect()
}

fn taken(error: sqlx::Error, role: &CustomRole) -> Error {
    if violates(&error, "roles_name_unique") {
        name_taken(&role.name)
    } else {
        error.into()
    }
}

/// The error for a name that another role has.
#[must_use]
pub fn name_taken(name: &RoleName) -> Error {
    Error::new(
        Code::Conflict,
        format!("There is a role called '{}' already", name.as_str()),
    )
    .at("name")
}
