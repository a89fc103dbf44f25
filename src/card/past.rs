//! Cards as they were recorded.

use serde_json::{Value, json};
use sqlx::{PgConnection, QueryBuilder, Row, types::Json};
use uuid::Uuid;

use super::CardRow;
use crate::{
    auth::TypeScope,
    error::{Error, Result},
    store::past::{self, Past},
};

/// The card as the seal saw it, deleted or not, with the score it had.
pub async fn find_card(conn: &mut PgConnection, past: &Past, id: Uuid) -> Result<Option<CardRow>> {
    let Some(state) = past::latest(conn, past, "card", id).await? else {
        return Ok(None);
    };
    let mut row: CardRow = serde_json::from_value(state).map_err(Error::internal)?;
    let mut sql = QueryBuilder::new("select h.after -> 'quality_score' from changes h where h.entity_id = ");
    sql.push_bind(id)
        .push(" and h.entity in ('card', 'score') and h.after ? 'quality_score' and ");
    past.seal.push_saw(&mut sql, "h");
    sql.push(" order by h.position desc limit 1");
    let quality: Option<Option<Value>> = sql.build_query_scalar().fetch_optional(&mut *conn).await?;
    row.quality_score = quality
        .flatten()
        .and_then(|score| score.as_i64())
        .and_then(|score| i16::try_from(score).ok());
    let score = past::latest(conn, past, "score", id).await?;
    row.computed = score.and_then(|score| score["computed"].as_object().cloned()).map(Json);
    Ok(Some(row))
}

/// Relationships that were active around cards, as (card, edge) pairs; those that lead to cards outside `visible` are left
/// out.
pub async fn relationships_of(
    conn: &mut PgConnection,
    past: &Past,
    visible: &TypeScope,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Value)>> {
    let mut sql = past::begin_around(past, ids);
    sql.push(
        "select ends.card_id, ends.card_id = r.source_id as outgoing, r.id, r.type as edge_type, r.valid_from, r.valid_to, \
                o.id as other_id, o.type as other_type, o.name as other_name \
         from relationships r cross join lateral (values (r.source_id), (r.target_id)) as ends (card_id) \
         join cards o on o.id = case when ends.card_id = r.source_id then r.target_id else r.source_id end \
         where r.status = 'active' and ends.card_id = any(",
    );
    sql.push_bind(ids.to_vec()).push(")");
    if let Some(names) = visible.names() {
        sql.push(" and o.type = any(")
            .push_bind(names.iter().cloned().collect::<Vec<_>>())
            .push(")");
    }
    sql.push(" order by r.type, o.name_key, r.id");
    let rows = sql.build().fetch_all(conn).await?;
    rows.into_iter()
        .map(|row| {
            let outgoing: bool = row.try_get("outgoing")?;
            let date = |name: &str| row.try_get::<Option<chrono::NaiveDate>, _>(name);
            let text = |name: &str| row.try_get::<String, _>(name);
            let id = |name: &str| row.try_get::<Uuid, _>(name);
            let edge = json!({
                "id": id("id")?, "type": text("edge_type")?, "direction": if outgoing { "out" } else { "in" },
                "valid_from": date("valid_from")?, "valid_to": date("valid_to")?,
                "card": { "id": id("other_id")?, "type": text("other_type")?, "name": text("other_name")? },
            });
            Ok((id("card_id")?, edge))
        })
        .collect()
}

/// The state of a card at one of its versions.
pub async fn version(conn: &mut PgConnection, id: Uuid, version: i32) -> Result<Option<CardRow>> {
    let found = sqlx::query_scalar!(
        "select after from changes where entity = 'card' and entity_id = $1 and version = $2 order by position desc limit 1",
        id,
        version
    )
    .fetch_optional(conn)
    .await?;
    found
        .flatten()
        .map(|state| serde_json::from_value(state).map_err(Error::internal))
        .transpose()
}
