//! Relationships as they were recorded.

use chrono::NaiveDate;
use sqlx::{FromRow, PgConnection, Row};
use uuid::Uuid;

use super::{RelationshipRow, routes::Other, store};
use crate::{
    auth::TypeScope,
    error::{Error, Result},
    store::past::{self, Past},
};

/// The relationship as the seal saw it, archived or not.
pub async fn find_relationship(conn: &mut PgConnection, past: &Past, id: Uuid) -> Result<Option<RelationshipRow>> {
    let state = past::latest(conn, past, "relationship", id).await?;
    state
        .map(|state| serde_json::from_value(state).map_err(Error::internal))
        .transpose()
}

/// The relationships that were active around a card, with the card at the other end, in order of type and name; those in
/// force on the date, if one is given. Cards outside `visible` are left out.
pub async fn around(
    conn: &mut PgConnection,
    past: &Past,
    visible: &TypeScope,
    card: Uuid,
    on: Option<NaiveDate>,
) -> Result<Vec<(RelationshipRow, Other)>> {
    let mut sql = past::begin_around(past, &[card]);
    sql.push("select ")
        .push(store::COLUMNS)
        .push(
            ", o.id as other_id, o.type as other_type, o.name as other_name from relationships r \
             join cards o on o.id = case when r.source_id = ",
        )
        .push_bind(card)
        .push(" then r.target_id else r.source_id end where r.status = 'active'");
    if let Some(on) = on {
        sql.push(" and coalesce(r.valid_from <= ")
            .push_bind(on)
            .push(", true) and coalesce(r.valid_to >= ")
            .push_bind(on)
            .push(", true)");
    }
    if let Some(names) = visible.names() {
        sql.push(" and o.type = any(")
            .push_bind(names.iter().cloned().collect::<Vec<_>>())
            .push(")");
    }
    // As in the present, where names are compared after reading: by bytes.
    sql.push(" order by r.type collate \"C\", o.name_key collate \"C\", r.id");
    let rows = sql.build().fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let other = Other {
                id: row.try_get("other_id")?,
                r#type: row.try_get("other_type")?,
                name: row.try_get("other_name")?,
            };
            Ok((RelationshipRow::from_row(row)?, other))
        })
        .collect()
}
