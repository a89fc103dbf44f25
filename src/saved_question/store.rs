//! Saved questions in the database. Every change appends to the change log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{Column, Parameter, SavedQuestion, Visibility};
use crate::{
    auth::{self, Rights, user::User},
    error::{Code, Error, Result},
    store::{
        Author,
        log::{self, NewChange},
        violates,
    },
};

struct Row {
    id: Uuid,
    slug: String,
    name: String,
    description: Option<String>,
    owner_id: Uuid,
    visibility: String,
    roles: Vec<String>,
    query: Json<Map<String, Value>>,
    parameters: Json<Vec<Parameter>>,
    columns: Json<Vec<Column>>,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    created_by: Option<Uuid>,
    updated_by: Option<Uuid>,
}

impl From<Row> for SavedQuestion {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            slug: row.slug,
            name: row.name,
            description: row.description,
            owner_id: row.owner_id,
            // What a newer program wrote is nobody else's.
            visibility: Visibility::parse(&row.visibility).unwrap_or(Visibility::Private),
            roles: row.roles,
            query: row.query.0,
            parameters: row.parameters.0,
            columns: row.columns.0,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            created_by: row.created_by,
            updated_by: row.updated_by,
        }
    }
}

/// The question of that id or slug.
pub async fn find(conn: &mut PgConnection, id_or_slug: &str) -> Result<Option<SavedQuestion>> {
    let id: Option<Uuid> = id_or_slug.parse().ok();
    let row = sqlx::query_as!(
        Row,
        r#"select id, slug, name, description, owner_id, visibility, roles, query "query: Json<Map<String, Value>>",
                  parameters "parameters: Json<Vec<Parameter>>", columns "columns: Json<Vec<Column>>", version, created_at,
                  updated_at, created_by, updated_by
           from saved_questions where id = $1 or slug = $2"#,
        id,
        id_or_slug
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Into::into))
}

/// [`find`], and nobody else changes it until the transaction ends.
pub async fn lock(conn: &mut PgConnection, id_or_slug: &str) -> Result<Option<SavedQuestion>> {
    let Some(found) = find(conn, id_or_slug).await? else {
        return Ok(None);
    };
    sqlx::query!(
        "select id from saved_questions where id = $1 for no key update",
        found.id
    )
    .fetch_optional(&mut *conn)
    .await?;
    find(conn, &found.id.to_string()).await
}

/// Whose questions a list holds.
pub struct Listed<'a> {
    /// Who asks.
    pub caller: Uuid,
    /// The caller's roles.
    pub roles: &'a [String],
    /// Whether all exist for the caller.
    pub all: bool,
    /// Only the caller's own.
    pub mine: bool,
}

/// The questions that exist for a caller, by slug: behind a slug, and some of them skipped.
pub async fn list(
    conn: &mut PgConnection,
    listed: &Listed<'_>,
    after: Option<&str>,
    skip: i64,
    limit: i64,
) -> Result<Vec<SavedQuestion>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, slug, name, description, owner_id, visibility, roles, query "query: Json<Map<String, Value>>",
                  parameters "parameters: Json<Vec<Parameter>>", columns "columns: Json<Vec<Column>>", version, created_at,
                  updated_at, created_by, updated_by
           from saved_questions
           where (owner_id = $1 or not $4 and ($3 or visibility = 'everyone' or visibility = 'roles' and roles && $2))
             and ($5::text is null or slug > $5)
           order by slug limit $6 offset $7"#,
        listed.caller,
        listed.roles,
        listed.all,
        listed.mine,
        after,
        limit,
        skip
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How many there are in such a list.
pub async fn count(conn: &mut PgConnection, listed: &Listed<'_>) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) "count!" from saved_questions
           where owner_id = $1 or not $4 and ($3 or visibility = 'everyone' or visibility = 'roles' and roles && $2)"#,
        listed.caller,
        listed.roles,
        listed.all,
        listed.mine
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// How many questions a person owns.
pub async fn owned_by(conn: &mut PgConnection, owner: Uuid) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) "count!" from saved_questions where owner_id = $1"#,
        owner
    );
    Ok(count.fetch_one(conn).await?)
}

/// Adds a question.
pub async fn insert(conn: &mut PgConnection, author: &Author, new: &SavedQuestion) -> Result<()> {
    sqlx::query!(
        "insert into saved_questions (id, slug, name, description, owner_id, visibility, roles, query, parameters, columns, version,
                created_at, updated_at, created_by, updated_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        new.id,
        new.slug,
        new.name,
        new.description,
        new.owner_id,
        new.visibility.name(),
        &new.roles,
        Value::Object(new.query.clone()),
        json!(new.parameters),
        json!(new.columns),
        new.version,
        new.created_at,
        new.updated_at,
        new.created_by,
        new.updated_by,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, &new.slug))?;
    record(conn, author, "created", None, Some(new)).await
}

/// Writes a question's new state.
pub async fn update(
    conn: &mut PgConnection,
    author: &Author,
    before: &SavedQuestion,
    after: &SavedQuestion,
) -> Result<()> {
    sqlx::query!(
        "update saved_questions set slug = $2, name = $3, description = $4, owner_id = $5, visibility = $6, roles = $7, query = $8,
                parameters = $9, columns = $10, version = $11, updated_at = $12, updated_by = $13 where id = $1",
        after.id,
        after.slug,
        after.name,
        after.description,
        after.owner_id,
        after.visibility.name(),
        &after.roles,
        Value::Object(after.query.clone()),
        json!(after.parameters),
        json!(after.columns),
        after.version,
        after.updated_at,
        after.updated_by,
    )
    .execute(&mut *conn)
    .await
    .map_err(|error| taken(error, &after.slug))?;
    record(conn, author, "updated", Some(before), Some(after)).await
}

/// Removes a question.
pub async fn delete(conn: &mut PgConnection, author: &Author, old: &SavedQuestion) -> Result<()> {
    sqlx::query!("delete from saved_questions where id = $1", old.id)
        .execute(&mut *conn)
        .await?;
    record(conn, author, "deleted", Some(old), None).await
}

fn taken(error: sqlx::Error, slug: &str) -> Error {
    if violates(&error, "saved_questions_slug") {
        let message = format!("Another question has the address '{slug}'; choose another slug");
        return Error::new(Code::Conflict, message).at("slug");
    }
    error.into()
}

async fn record(
    conn: &mut PgConnection,
    author: &Author,
    action: &str,
    before: Option<&SavedQuestion>,
    after: Option<&SavedQuestion>,
) -> Result<()> {
    let Some(subject) = after.or(before) else { return Ok(()) };
    let change = NewChange {
        entity: "saved_question",
        entity_id: subject.id,
        entity_type: None,
        action,
        version: after.map_or(subject.version + 1, |a| a.version),
        before: before.map(|state| json!(state)),
        after: after.map(|state| json!(state)),
    };
    log::append(conn, author, change).await
}

/// What a person may do at this moment; none when they are gone or may not log in.
pub async fn rights_of(conn: &mut PgConnection, user: Uuid) -> Result<Option<Arc<Rights>>> {
    let user = auth::store::find_user(conn, user).await?;
    Ok(user
        .filter(User::is_active)
        .map(|user| Arc::new(Rights::of(&user.roles))))
}
