//! The seals and the rows they cover, in SQL.

pub mod blank;
pub mod seal;
pub mod trail;
pub mod verify;

use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    Newest,
    digest::{Payload, Row},
};
use crate::error::Result;

/// The newest seal.
pub async fn newest(conn: &mut PgConnection) -> Result<Option<Newest>> {
    let row = sqlx::query_as!(
        Newest,
        "select number, digest, recorded_at from seals order by number desc limit 1"
    )
    .fetch_optional(conn)
    .await?;
    Ok(row)
}

/// Whether this connection's role can do to the log whatever it likes.
pub async fn is_owner(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"select pg_has_role(current_user, relowner, 'member') as "owner!" from pg_class where oid = 'changes'::regclass"#
    )
    .fetch_one(conn)
    .await?)
}

/// The columns of `changes c` that [`row`] reads.
pub(crate) const COLUMNS: &str = "c.position, c.tx::text as tx, c.occurred_at, c.actor_id, c.request_id, c.reason, c.entity, \
     c.entity_id, c.entity_type, c.action, c.version, c.before::text as before, c.after::text as after, c.blanked_by";

/// A row of the log as digests cover it, from [`COLUMNS`].
pub(crate) fn row(r: &PgRow) -> sqlx::Result<Row> {
    Ok(Row {
        position: r.try_get("position")?,
        tx: r.try_get("tx")?,
        occurred_at: r.try_get("occurred_at")?,
        actor_id: r.try_get("actor_id")?,
        request_id: r.try_get("request_id")?,
        entity: r.try_get("entity")?,
        entity_id: r.try_get("entity_id")?,
        entity_type: r.try_get("entity_type")?,
        action: r.try_get("action")?,
        version: r.try_get("version")?,
        payload: Payload {
            reason: r.try_get("reason")?,
            before: r.try_get("before")?,
            after: r.try_get("after")?,
        },
        blanked_by: r.try_get("blanked_by")?,
    })
}
