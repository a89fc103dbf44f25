//! Taking payloads away.

use sqlx::{PgConnection, QueryBuilder};
use uuid::Uuid;

use super::trail::push_visible;
use crate::{
    auth::TypeScope,
    error::Result,
    store::{Author, timed},
};

/// How many rows one row of the log tells of.
const PIECE: usize = 1_000;

/// What became of rows that were to be blanked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blanked {
    /// Rows that are blank now and were not.
    pub positions: Vec<i64>,
    /// The rows of the log that tell of it.
    pub told_at: Vec<i64>,
}

/// The entity and the id that a row is about, and whether a seal covers it; none when there is no such row.
pub async fn subject(conn: &mut PgConnection, position: i64) -> Result<Option<(String, String, Uuid, bool)>> {
    let row = sqlx::query!(
        r#"select c.entity, c.action, c.entity_id, d.position is not null as "sealed!"
           from changes c left join change_digests d on d.position = c.position where c.position = $1"#,
        position
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.entity, row.action, row.entity_id, row.sealed)))
}

/// Which of these rows there are, and what they are about, in order.
pub async fn subjects(conn: &mut PgConnection, positions: &[i64]) -> Result<Vec<(i64, Uuid)>> {
    let rows = sqlx::query!(
        "select position, entity_id from changes where position = any($1) order by position",
        positions
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.position, row.entity_id)).collect())
}

/// The rows about one thing that have a payload, in order.
pub async fn about(conn: &mut PgConnection, entity: Option<&str>, id: Uuid) -> Result<Vec<i64>> {
    let positions = sqlx::query_scalar!(
        "select position from changes where entity_id = $1 and ($2::text is null or entity = $2) and blanked_by is null
           and not (entity = 'change' and action = 'blanked') order by position",
        id,
        entity
    )
    .fetch_all(conn)
    .await?;
    Ok(positions)
}

/// Those of these rows that exist for a caller who may view these types, in order.
pub async fn visible(conn: &mut PgConnection, positions: &[i64], types: &TypeScope) -> Result<Vec<i64>> {
    let mut sql = QueryBuilder::new("select c.position from changes c where c.position = any(");
    sql.push_bind(positions.to_vec()).push(")");
    push_visible(&mut sql, types);
    sql.push(" order by c.position");
    Ok(timed("visible_changes", sql.build_query_scalar().fetch_all(conn)).await?)
}

/// Blanks these rows, as far as they are sealed and not blank yet, and tells of it in the log.
pub async fn blank(conn: &mut PgConnection, author: &Author, subject: Uuid, positions: &[i64]) -> Result<Blanked> {
    let mut done = Blanked::default();
    for piece in positions.chunks(PIECE) {
        let row = sqlx::query!(
            r#"select told_at, blanked as "blanked!" from blank_changes($1, $2, $3, $4, $5)"#,
            piece,
            author.actor_id,
            author.request_id,
            author.reason,
            subject,
        )
        .fetch_one(&mut *conn)
        .await?;
        done.positions.extend(row.blanked);
        done.told_at.extend(row.told_at);
    }
    Ok(done)
}
