//! Whole states of the past: which rows of the log were the latest of their thing when a seal was closed.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::Past;
use crate::error::Result;

/// Pushes a subquery of the rows of `changes` that hold the state of every thing of this kind: those of the checkpoint
/// that were not overtaken, and the latest of what was written after it.
pub fn push(sql: &mut QueryBuilder<Postgres>, past: &Past, entity: &str) {
    sql.push(
        "(with since as materialized (select h.entity_id, max(h.position) as position from changes h where h.entity = ",
    )
    .push_bind(entity.to_owned())
    .push(" and ");
    past.seal.push_saw(sql, "h");
    let Some(base) = &past.base else {
        sql.push(" group by h.entity_id) select h.* from since join changes h on h.position = since.position)");
        return;
    };
    sql.push(" and ");
    base.push_may_be_new(sql, "h");
    sql.push(" and not ");
    base.push_saw(sql, "h");
    sql.push(
        " group by h.entity_id) select h.* from checkpoints k cross join lateral unnest(k.positions) as p (position) \
         join changes h on h.position = p.position where k.entity = ",
    );
    sql.push_bind(entity.to_owned())
        .push(" and k.seal = ")
        .push_bind(base.number);
    sql.push(
        " and not exists (select from since where since.entity_id = h.entity_id) \
         union all select h.* from since join changes h on h.position = since.position)",
    );
}

/// The positions of those rows, in order of the things' ids.
pub async fn positions(conn: &mut PgConnection, past: &Past, entity: &str) -> Result<Vec<i64>> {
    let mut sql = QueryBuilder::new("select s.position from ");
    push(&mut sql, past, entity);
    sql.push(" s order by s.entity_id");
    Ok(sql.build_query_scalar().persistent(false).fetch_all(conn).await?)
}
