//! Whole states of the past: which rows of the log were the latest of their thing when a seal was closed.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::Past;
use crate::error::Result;

/// Pushes a subquery of `entity_id` and `position`: for everything of this kind the row of `changes` that holds its state.
/// It is the highest of those in the checkpoint and those written after it. Nothing is joined with what was written after:
/// how much that is, the planner has no way to know, and a wrong guess would cost minutes.
pub fn push_latest(sql: &mut QueryBuilder<Postgres>, past: &Past, entity: &str) {
    sql.push("(select k.entity_id, max(k.position) as position from (select h.entity_id, h.position from changes h where h.entity = ")
        .push_bind(entity.to_owned())
        .push(" and ");
    past.seal.push_saw(sql, "h");
    if let Some(base) = &past.base {
        sql.push(" and ");
        base.push_may_be_new(sql, "h");
        sql.push(" and not ");
        base.push_saw(sql, "h");
        sql.push(
            " union all select h.entity_id, h.position from checkpoints c cross join lateral unnest(c.positions) as p (position) \
             join changes h on h.position = p.position where c.entity = ",
        );
        sql.push_bind(entity.to_owned())
            .push(" and c.seal = ")
            .push_bind(base.number);
    }
    sql.push(") k group by k.entity_id)");
}

/// Pushes a subquery of the rows of `changes` that hold the state of everything of this kind.
pub fn push(sql: &mut QueryBuilder<Postgres>, past: &Past, entity: &str) {
    sql.push("(select h.* from ");
    push_latest(sql, past, entity);
    sql.push(" m join changes h on h.position = m.position)");
}

/// Lets the caller's transaction sort and hash a whole state in memory.
pub async fn take_memory(conn: &mut PgConnection) -> Result<()> {
    sqlx::query("set local work_mem = '64MB'").execute(conn).await?;
    Ok(())
}

/// The positions of those rows, in order of the things' ids.
pub async fn positions(conn: &mut PgConnection, past: &Past, entity: &str) -> Result<Vec<i64>> {
    let mut sql = QueryBuilder::new("select s.position from ");
    push_latest(&mut sql, past, entity);
    sql.push(" s order by s.entity_id");
    Ok(sql.build_query_scalar().persistent(false).fetch_all(conn).await?)
}
