//! Names that are unique among siblings: capabilities and organisations. Checked at the end of the transaction, so that
//! a batch may pass through states that would not do.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    auth::TypeScope,
    error::{Code, Error, Result},
};

/// The undeleted cards of this type and name that have no parent.
pub async fn roots(conn: &mut PgConnection, card_type: &str, name_key: &str) -> Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!(
        "select id, name from cards c
         where type = $1 and name_key = $2 and deleted_at is null and not exists (
             select 1 from relationships p where p.target_id = c.id and p.type = 'PARENT_OF' and p.status = 'active')
         order by id",
        card_type,
        name_key
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|r| (r.id, r.name)).collect())
}

/// The undeleted children of this name below these cards, at any time.
pub async fn children(conn: &mut PgConnection, parents: &[Uuid], name_key: &str) -> Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!(
        "select distinct c.id, c.name from relationships p join cards c on c.id = p.target_id
         where p.source_id = any($1) and p.type = 'PARENT_OF' and p.status = 'active'
           and c.name_key = $2 and c.deleted_at is null
         order by c.id",
        parents,
        name_key
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|r| (r.id, r.name)).collect())
}

/// One writer of names among siblings at a time, until the end of the transaction.
pub async fn lock(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(hashtext('archzero sibling names'))")
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Refuses two siblings of one name at the same time. One writer of such names at a time from here to the end of the
/// transaction, so that two of them cannot each see the other's name as free.
pub async fn check(conn: &mut PgConnection, touched: &[Uuid], visible: &TypeScope) -> Result<()> {
    if touched.is_empty() {
        return Ok(());
    }
    lock(conn).await?;
    let clash = sqlx::query!(
        r#"select c.id, c.type as card_type, c.name, o.id as other
           from cards c
           join cards o on o.type = c.type and o.name_key = c.name_key and o.id <> c.id and o.deleted_at is null
           where c.id = any($1) and c.deleted_at is null and c.type in ('BusinessCapability', 'Organization') and (
               (not exists (select 1 from relationships p where p.target_id = c.id and p.type = 'PARENT_OF' and p.status = 'active')
                and not exists (select 1 from relationships p where p.target_id = o.id and p.type = 'PARENT_OF' and p.status = 'active'))
               or exists (
                   select 1 from relationships a join relationships b on b.source_id = a.source_id
                   where a.target_id = c.id and b.target_id = o.id
                     and a.type = 'PARENT_OF' and b.type = 'PARENT_OF' and a.status = 'active' and b.status = 'active'
                     and daterange(a.valid_from, a.valid_to, '[]') && daterange(b.valid_from, b.valid_to, '[]')
               )
           )
           order by c.id, o.id limit 1"#,
        touched
    )
    .fetch_optional(conn)
    .await?;
    match clash {
        None => Ok(()),
        // A child that a deletion makes a root may be of a type that whoever deletes does not see.
        Some(clash) if !visible.covers(&clash.card_type) => Err(Error::new(
            Code::Conflict,
            "Two cards that you may not see would share a name under the same parent",
        )
        .with(json!({ "hidden": true }))),
        Some(clash) => Err(Error::new(
            Code::Conflict,
            format!(
                "There is already a card of type {} called '{}' under the same parent at the same time",
                clash.card_type, clash.name
            ),
        )
        .at("name")
        .with(json!({ "type": clash.card_type, "name": clash.name, "existing_id": clash.other, "id": clash.id }))),
    }
}
