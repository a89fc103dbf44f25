//! People.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::{PgConnection, Postgres, QueryBuilder, types::Json};
use uuid::Uuid;

use crate::{
    auth::{
        role::RoleName,
        user::{self, Status, User},
    },
    error::{Code, Error, Result},
    store::{
        Author,
        log::{self, NewChange},
    },
};

/// A row of `users`.
#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    email: String,
    name: String,
    status: String,
    roles: Vec<String>,
    org_id: Option<Uuid>,
    preferences: Json<Map<String, Value>>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    last_login_at: Option<DateTime<Utc>>,
    has_password: bool,
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            // The table's own check allows no other.
            status: Status::parse(&row.status).unwrap_or(Status::Deactivated),
            roles: sorted(row.roles),
            org_id: row.org_id,
            preferences: row.preferences.0,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            last_login_at: row.last_login_at,
            has_password: row.has_password,
        }
    }
}

/// The person with this id, whatever their status.
pub async fn find_user(conn: &mut PgConnection, id: Uuid) -> Result<Option<User>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, email, name, status, roles, org_id, preferences as "preferences: Json<Map<String, Value>>", version,
                  created_at, updated_at, deleted_at, last_login_at, (password_hash is not null) as "has_password!"
           from users where id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Into::into))
}

/// [`find_user`], and nobody else changes them until the transaction ends.
pub async fn lock_user(conn: &mut PgConnection, id: Uuid) -> Result<Option<User>> {
    sqlx::query!("select id from users where id = $1 for no key update", id)
        .fetch_optional(&mut *conn)
        .await?;
    find_user(conn, id).await
}

/// What it takes to log in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Who.
    pub user_id: Uuid,
    /// Whether they may log in at all.
    pub is_active: bool,
    /// The hash of their password, if they have one.
    pub password_hash: Option<String>,
}

/// The credentials that belong to an address.
pub async fn find_credentials(conn: &mut PgConnection, email_key: &str) -> Result<Option<Credentials>> {
    let row = sqlx::query!(
        "select id, status, password_hash from users where email_key = $1 and deleted_at is null",
        email_key
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|r| Credentials {
        user_id: r.id,
        is_active: r.status == Status::Active.name(),
        password_hash: r.password_hash,
    }))
}

/// The address of an active user, as it is counted, and the hash of their password.
pub async fn find_password_hash(conn: &mut PgConnection, id: Uuid) -> Result<Option<(String, String)>> {
    let row = sqlx::query!(
        r#"select email_key, password_hash as "password_hash!" from users
           where id = $1 and status = 'active' and deleted_at is null and password_hash is not null"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|r| (r.email_key, r.password_hash)))
}

/// Notes a log-in. Says no if the user was shut out or the password changed since it was checked; otherwise both stay
/// as they are until the transaction ends.
pub async fn record_login(conn: &mut PgConnection, id: Uuid, password_hash: &str, now: DateTime<Utc>) -> Result<bool> {
    let done = sqlx::query!(
        "update users set last_login_at = $3 where id = $1 and password_hash = $2 and status = 'active' and deleted_at is null",
        id,
        password_hash,
        now,
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets or removes the password; links by which it could have been set otherwise are void, and sessions but `except`
/// end. The caller logs the change of the user.
pub async fn set_password(
    conn: &mut PgConnection,
    id: Uuid,
    hash: Option<&str>,
    except: Option<Uuid>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update users set password_hash = $2, updated_at = $3 where id = $1",
        id,
        hash,
        now
    )
    .execute(&mut *conn)
    .await?;
    super::void_links(conn, id).await?;
    super::revoke_other_sessions(conn, id, except, reason, now).await?;
    Ok(())
}

/// Sets a new password for somebody who lost theirs: all their sessions end, a lock is lifted, the log knows.
pub async fn reset_password(
    conn: &mut PgConnection,
    author: &Author,
    user: &User,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    set_password(conn, user.id, Some(hash), None, "password reset", now).await?;
    super::unlock(conn, &user::email_key(&user.email)).await?;
    log_user(conn, author, user.id, "password_reset", user.version, &["password"]).await
}

/// Replaces the hash by one of the same password at another cost.
pub async fn upgrade_password(conn: &mut PgConnection, id: Uuid, old: &str, new: &str) -> Result<()> {
    sqlx::query!(
        "update users set password_hash = $3 where id = $1 and password_hash = $2",
        id,
        old,
        new
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A person to enter.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// What they may do.
    pub roles: Vec<RoleName>,
    /// Their organisation.
    pub org_id: Option<Uuid>,
    /// With one they are active, without they are invited.
    pub password_hash: Option<String>,
}

/// Enters a person. An address that somebody has already is a conflict that names them.
pub async fn create_user(conn: &mut PgConnection, author: &Author, new: NewUser, now: DateTime<Utc>) -> Result<User> {
    let id = Uuid::now_v7();
    let key = user::email_key(&new.email);
    let status = if new.password_hash.is_some() {
        Status::Active
    } else {
        Status::Invited
    };
    let done = sqlx::query!(
        "insert into users (id, email, email_key, name, password_hash, status, roles, org_id, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         on conflict (email_key) where deleted_at is null do nothing",
        id,
        new.email,
        key,
        new.name,
        new.password_hash,
        status.name(),
        &names(&new.roles)[..],
        new.org_id,
        now,
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() == 0 {
        let existing = find_credentials(conn, &key).await?.map(|c| c.user_id);
        return Err(
            Error::new(Code::Conflict, "A user with this e-mail address exists already")
                .at("email")
                .with(json!({ "existing_id": existing })),
        );
    }
    log_user(conn, author, id, "created", 1, &["email", "name", "roles", "status"]).await?;
    find_user(conn, id)
        .await?
        .ok_or_else(|| Error::internal("a user just entered is not there"))
}

/// Writes what differs from `before` as a new version, and logs which fields. Nothing differs: nothing is written.
pub async fn save_user(
    conn: &mut PgConnection,
    author: &Author,
    action: &str,
    before: &User,
    after: User,
    now: DateTime<Utc>,
) -> Result<User> {
    let changed = after.changed_since(before);
    if changed.is_empty() {
        return Ok(after);
    }
    let after = User {
        version: before.version + 1,
        updated_at: now,
        ..after
    };
    sqlx::query!(
        "update users set email = $2, email_key = $3, name = $4, status = $5, roles = $6, org_id = $7, preferences = $8, version = $9,
                updated_at = $10, deleted_at = $11
         where id = $1",
        after.id,
        after.email,
        user::email_key(&after.email),
        after.name,
        after.status.name(),
        &names(&after.roles)[..],
        after.org_id,
        Json(&after.preferences) as _,
        after.version,
        now,
        after.deleted_at,
    )
    .execute(&mut *conn)
    .await?;
    log_user(conn, author, after.id, action, after.version, &changed).await?;
    Ok(after)
}

/// Appends to the change log what happened to a user: which fields, never what they say.
pub async fn log_user(
    conn: &mut PgConnection,
    author: &Author,
    id: Uuid,
    action: &str,
    version: i32,
    fields: &[&str],
) -> Result<()> {
    let change = NewChange {
        entity: "user",
        entity_id: id,
        entity_type: None,
        action,
        version,
        before: None,
        after: Some(json!({ "fields": fields })),
    };
    log::append(conn, author, change).await
}

/// Refuses to go on when nobody but `leaving` is an active administrator. Changes that can take one away take turns
/// here, so that of the last two not each can count on the other.
pub async fn keep_an_admin(conn: &mut PgConnection, leaving: Uuid) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('archzero.administrators', 0))")
        .execute(&mut *conn)
        .await?;
    let others = sqlx::query_scalar!(
        r#"select exists (select 1 from users
               where id <> $1 and status = 'active' and deleted_at is null and 'admin' = any (roles)) as "others!""#,
        leaving
    )
    .fetch_one(conn)
    .await?;
    if others { Ok(()) } else { Err(user::last_admin()) }
}

fn names(roles: &[RoleName]) -> Vec<String> {
    roles.iter().map(|role| role.as_str().to_owned()).collect()
}

fn sorted(names: Vec<String>) -> Vec<RoleName> {
    let mut roles: Vec<RoleName> = names.into_iter().map(RoleName::new).collect();
    roles.sort_unstable();
    roles
}

/// Which people a list shows.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Part of the name or address.
    pub search: Option<String>,
    /// Having this role.
    pub role: Option<RoleName>,
    /// Having this status.
    pub status: Option<Status>,
    /// None: those that are not deleted; some: only those that are, or are not.
    pub deleted: Deleted,
}

/// Whether a list shows deleted people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deleted {
    /// It does not.
    #[default]
    Exclude,
    /// It does.
    Include,
    /// It shows no others.
    Only,
}

/// In which order a list shows people; ties are resolved by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserSort {
    /// By address.
    Email,
    /// By name.
    Name,
    /// By when they were entered.
    CreatedAt,
}

impl UserSort {
    fn column(self) -> &'static str {
        match self {
            Self::Email => "email_key",
            Self::Name => "name",
            Self::CreatedAt => "created_at",
        }
    }

    /// What a cursor behind this person remembers.
    #[must_use]
    pub fn key(self, user: &User) -> String {
        match self {
            Self::Email => user::email_key(&user.email),
            Self::Name => user.name.clone(),
            Self::CreatedAt => user.created_at.to_rfc3339(),
        }
    }
}

/// Where in a list to read.
#[derive(Clone, Debug)]
pub struct UserPlace {
    /// In which order.
    pub sort: UserSort,
    /// Whether from the end.
    pub descending: bool,
    /// Only those behind this sort key and id.
    pub after: Option<(String, Uuid)>,
    /// How many.
    pub limit: i64,
    /// How many to skip.
    pub offset: i64,
}

/// People, filtered and in order.
pub async fn list_users(conn: &mut PgConnection, filter: &UserFilter, place: &UserPlace) -> Result<Vec<User>> {
    let mut query = QueryBuilder::<Postgres>::new(
        "select id, email, name, status, roles, org_id, preferences, version, created_at, updated_at, deleted_at, last_login_at,
                (password_hash is not null) as has_password
         from users where true",
    );
    filtered(&mut query, filter);
    let column = place.sort.column();
    let direction = if place.descending { "desc" } else { "asc" };
    if let Some((key, id)) = &place.after {
        query.push(format!(
            " and ({column}, id) {} (",
            if place.descending { "<" } else { ">" }
        ));
        query.push_bind(key.clone());
        query.push(if place.sort == UserSort::CreatedAt {
            "::timestamptz, "
        } else {
            ", "
        });
        query.push_bind(*id);
        query.push(")");
    }
    query.push(format!(" order by {column} {direction}, id {direction} limit "));
    query.push_bind(place.limit);
    query.push(" offset ");
    query.push_bind(place.offset);
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How many people the filter leaves.
pub async fn count_users(conn: &mut PgConnection, filter: &UserFilter) -> Result<u64> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) from users where true");
    filtered(&mut query, filter);
    let count: i64 = query.build_query_scalar().fetch_one(conn).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn filtered(query: &mut QueryBuilder<Postgres>, filter: &UserFilter) {
    match filter.deleted {
        Deleted::Exclude => _ = query.push(" and deleted_at is null"),
        Deleted::Only => _ = query.push(" and deleted_at is not null"),
        Deleted::Include => {}
    }
    if let Some(role) = &filter.role {
        query
            .push(" and roles @> array[")
            .push_bind(role.as_str().to_owned())
            .push("]");
    }
    if let Some(status) = filter.status {
        query.push(" and status = ").push_bind(status.name());
    }
    if let Some(text) = &filter.search {
        // A position, not a pattern: nothing in the text has a meaning of its own.
        query
            .push(" and (position(")
            .push_bind(text.to_lowercase())
            .push(" in lower(name)) > 0");
        query
            .push(" or position(")
            .push_bind(text.to_lowercase())
            .push(" in email_key) > 0)");
    }
}
