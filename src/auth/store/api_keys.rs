//! API keys: digests, what they are for, and what is said of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{PgConnection, Postgres, QueryBuilder, types::Json};
use uuid::Uuid;

use crate::{
    auth::{
        api_key::{self, ApiKey, Scope},
        limits::RateLimits,
    },
    error::Result,
    store::{
        Author,
        log::{self, NewChange},
    },
};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Whose it will be.
    pub user_id: Uuid,
    /// The public part.
    pub prefix: String,
    /// The SHA-256 of the whole.
    pub digest: [u8; 32],
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Networks it may be used from.
    pub networks: Vec<String>,
    /// Quotas of its own.
    pub rate_limits: RateLimits,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A key as people see it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct KeyRow {
    /// Identifies it.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The public part.
    pub prefix: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it may be used for, by name.
    pub scopes: Vec<String>,
    /// Networks it may be used from.
    pub networks: Vec<String>,
    /// Quotas of its own.
    pub rate_limits: Json<RateLimits>,
    /// Counts the changes.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Why.
    pub revoked_reason: Option<String>,
    /// When it was last used, to some minutes.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From where.
    pub last_used_ip: Option<String>,
}

const COLUMNS: &str = "id, user_id, prefix, name, description, scopes, networks, rate_limits, version, created_at, \
                       expires_at, revoked_at, revoked_reason, last_used_at, last_used_ip";

fn parsed(names: &[String]) -> BTreeSet<Scope> {
    names.iter().filter_map(|name| Scope::parse(name)).collect()
}

impl KeyRow {
    /// What it may be used for.
    #[must_use]
    pub fn scopes(&self) -> BTreeSet<Scope> {
        parsed(&self.scopes)
    }
}

/// The id of the key with this public prefix, and the digest that the whole must have; when there is none, an id and a
/// digest of nothing, so that the database and whoever asks it do the same work.
pub async fn find_key_digest(conn: &mut PgConnection, prefix: &str) -> Result<(Uuid, [u8; 32])> {
    let row = sqlx::query!(
        r#"select coalesce(k.id, '00000000-0000-0000-0000-000000000000') as "id!",
                  coalesce(k.key_hash, decode(repeat('00', 32), 'hex')) as "key_hash!"
           from (select 1) one left join api_keys k on k.prefix = $1"#,
        prefix
    )
    .fetch_one(conn)
    .await?;
    // The table's own check allows no other length.
    Ok((row.id, row.key_hash.try_into().unwrap_or([0; 32])))
}

/// The key with this id, for who has shown its secret.
pub async fn find_api_key(conn: &mut PgConnection, id: Uuid) -> Result<Option<ApiKey>> {
    let row = sqlx::query!(
        r#"select user_id, prefix, scopes, networks, rate_limits as "rate_limits: Json<RateLimits>"
           from api_keys where id = $1"#,
        id
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| ApiKey {
        id,
        user_id: row.user_id,
        prefix: row.prefix,
        scopes: parsed(&row.scopes),
        networks: row.networks.iter().filter_map(|text| api_key::network(text)).collect(),
        limits: row.rate_limits.0,
    }))
}

/// Makes a key.
pub async fn insert_key(conn: &mut PgConnection, author: &Author, key: &NewKey, now: DateTime<Utc>) -> Result<KeyRow> {
    let id = Uuid::now_v7();
    let scopes: Vec<String> = key.scopes.iter().map(|scope| scope.name().to_owned()).collect();
    sqlx::query!(
        "insert into api_keys (id, user_id, prefix, key_hash, name, description, scopes, networks, rate_limits, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id,
        key.user_id,
        key.prefix,
        &key.digest[..],
        key.name,
        key.description,
        &scopes,
        &key.networks,
        Json(key.rate_limits) as _,
        now,
        key.expires_at,
    )
    .execute(&mut *conn)
    .await?;
    let said = json!({
        "user_id": key.user_id, "prefix": key.prefix, "scopes": scopes, "expires_at": key.expires_at,
        "restricted_to_networks": !key.networks.is_empty(), "rate_limits": key.rate_limits,
    });
    log_key(conn, author, id, "created", 1, None, Some(said)).await?;
    let row = find_key(conn, id).await?;
    row.ok_or_else(|| crate::error::Error::not_found("API key", id))
}

/// What the log says of keys names neither their secret nor what people call them.
async fn log_key(
    conn: &mut PgConnection,
    author: &Author,
    id: Uuid,
    action: &str,
    version: i32,
    before: Option<Value>,
    after: Option<Value>,
) -> Result<()> {
    let change = NewChange {
        entity: "api_key",
        entity_id: id,
        entity_type: None,
        action,
        version,
        before,
        after,
    };
    log::append(conn, author, change).await
}

/// The key with this id, be it revoked.
pub async fn find_key(conn: &mut PgConnection, id: Uuid) -> Result<Option<KeyRow>> {
    let mut query = QueryBuilder::<Postgres>::new(format!("select {COLUMNS} from api_keys where id = "));
    query.push_bind(id);
    Ok(query.build_query_as().fetch_optional(conn).await?)
}

/// The same, locked.
pub async fn lock_key(conn: &mut PgConnection, id: Uuid) -> Result<Option<KeyRow>> {
    let mut query = QueryBuilder::<Postgres>::new(format!("select {COLUMNS} from api_keys where id = "));
    query.push_bind(id).push(" for update");
    Ok(query.build_query_as().fetch_optional(conn).await?)
}

/// How many keys of a person are neither revoked nor expired.
pub async fn count_living_keys(conn: &mut PgConnection, user: Uuid, now: DateTime<Utc>) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from api_keys where user_id = $1 and revoked_at is null and expires_at > $2"#,
        user,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Gives a key quotas of its own.
pub async fn limit_key(conn: &mut PgConnection, author: &Author, key: &KeyRow, limits: RateLimits) -> Result<()> {
    let version = sqlx::query_scalar!(
        "update api_keys set rate_limits = $2, version = version + 1 where id = $1 returning version",
        key.id,
        Json(limits) as _
    )
    .fetch_one(&mut *conn)
    .await?;
    let said = |limits: RateLimits| Some(json!({ "user_id": key.user_id, "rate_limits": limits }));
    let (before, after) = (said(key.rate_limits.0), said(limits));
    log_key(conn, author, key.id, "limits_changed", version, before, after).await
}

/// Revokes a key for ever; with `owner` only if it is theirs. Says whether it was not revoked before.
pub async fn revoke_key(
    conn: &mut PgConnection,
    author: &Author,
    id: Uuid,
    owner: Option<Uuid>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let revoked = sqlx::query!(
        "update api_keys set revoked_at = $3, revoked_reason = $4, version = version + 1
         where id = $1 and ($2::uuid is null or user_id = $2) and revoked_at is null returning user_id, version",
        id,
        owner,
        now,
        reason,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(revoked) = revoked else { return Ok(false) };
    let author = Author {
        reason: Some(reason.to_owned()),
        ..author.clone()
    };
    let said = Some(json!({ "user_id": revoked.user_id }));
    log_key(conn, &author, id, "revoked", revoked.version, None, said).await?;
    Ok(true)
}

/// Revokes all keys of somebody who is shut out, each with a row in the log.
pub async fn revoke_keys_of(
    conn: &mut PgConnection,
    author: &Author,
    user: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    let living = sqlx::query_scalar!(
        "select id from api_keys where user_id = $1 and revoked_at is null order by id for update",
        user
    )
    .fetch_all(&mut *conn)
    .await?;
    for id in living {
        revoke_key(conn, author, id, None, reason, now).await?;
    }
    Ok(())
}

/// Removes what keys tell of a person: names, descriptions, addresses.
pub async fn forget_keys(conn: &mut PgConnection, user: Uuid) -> Result<()> {
    sqlx::query!(
        "update api_keys set name = 'Deleted', description = null, networks = '{}', last_used_ip = null where user_id = $1",
        user
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a key was in use.
pub async fn note_key_use(conn: &mut PgConnection, id: Uuid, ip: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update api_keys set last_used_at = $2, last_used_ip = $3
         where id = $1 and revoked_at is null and (last_used_at is null or last_used_at < $2)",
        id,
        now,
        ip
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Which keys a list shows, newest first.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct KeyFilter {
    /// Whose; everybody's if none.
    pub user_id: Option<Uuid>,
    /// Also those that were revoked.
    pub revoked: bool,
    /// Only those made before this one.
    pub before: Option<Uuid>,
}

fn filtered(query: &mut QueryBuilder<Postgres>, filter: KeyFilter) {
    if let Some(user) = filter.user_id {
        query.push(" and user_id = ").push_bind(user);
    }
    if !filter.revoked {
        query.push(" and revoked_at is null");
    }
}

/// Keys, newest first.
pub async fn list_keys(conn: &mut PgConnection, filter: KeyFilter, limit: i64, offset: i64) -> Result<Vec<KeyRow>> {
    let mut query = QueryBuilder::<Postgres>::new(format!("select {COLUMNS} from api_keys where true"));
    filtered(&mut query, filter);
    if let Some(before) = filter.before {
        query.push(" and id < ").push_bind(before);
    }
    query.push(" order by id desc limit ").push_bind(limit);
    query.push(" offset ").push_bind(offset);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// How many there are.
pub async fn count_keys(conn: &mut PgConnection, filter: KeyFilter) -> Result<u64> {
    let mut query = QueryBuilder::<Postgres>::new("select count(*) from api_keys where true");
    filtered(&mut query, filter);
    let count: i64 = query.build_query_scalar().fetch_one(conn).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}
