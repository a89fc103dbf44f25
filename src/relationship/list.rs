//! Lists of relationships.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use utoipa::IntoParams;
use uuid::Uuid;

use super::{RelationshipRow, store};
use crate::{
    auth::TypeScope,
    error::{Error, Result},
    http::page::{PageRequest, Place, decode_cursor, encode_cursor, list_identity},
    store::{
        past::{self, Past},
        timed,
    },
};

/// Which relationships.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RelationshipFilter {
    /// Starts or ends at this card.
    pub card_id: Option<Uuid>,
    /// Starts at this card.
    pub source_id: Option<Uuid>,
    /// Ends at this card.
    pub target_id: Option<Uuid>,
    /// Relationship type; repeat for several.
    #[serde(default)]
    pub r#type: Vec<String>,
    /// In force on this date.
    #[serde(default, deserialize_with = "crate::http::fields::strict_date")]
    pub target_date: Option<NaiveDate>,
    /// Relationships as they were recorded at this instant (RFC 3339).
    #[serde(default, deserialize_with = "crate::http::fields::strict_instant")]
    #[param(example = "2026-01-01T00:00:00Z")]
    pub known_at: Option<DateTime<Utc>>,
    /// `active` (default), `archived` or `any`.
    #[param(pattern = "^(active|archived|any)$")]
    pub status: Option<String>,
}

/// Rows of a page and, when asked for, how many there are in all.
pub struct Found {
    /// Up to one more than the limit, in order of id.
    pub rows: Vec<RelationshipRow>,
    /// How many there are in all.
    pub total: Option<u64>,
}

impl RelationshipFilter {
    fn identity(&self) -> String {
        list_identity(&["relationships", &format!("{self:?}")])
    }

    /// The cursor behind a row.
    #[must_use]
    pub fn cursor_after(&self, id: Uuid) -> String {
        encode_cursor(&self.identity(), &id)
    }

    /// Runs the query for one page, in order of id (which is the order of creation); of a past on a connection of
    /// [`tables::open`](crate::store::past::tables::open). Edges at cards outside `visible` do not exist.
    pub async fn run(
        &self,
        conn: &mut PgConnection,
        visible: &TypeScope,
        past: Option<&Past>,
        request: &PageRequest,
    ) -> Result<Found> {
        let mut sql = past::begin(past);
        sql.push("select ").push(store::COLUMNS);
        self.push_from(&mut sql, visible)?;
        if let Place::Cursor(Some(cursor)) = &request.position {
            sql.push(" and r.id > ")
                .push_bind(decode_cursor::<Uuid>(&self.identity(), cursor)?);
        }
        sql.push(" order by r.id limit ")
            .push_bind(i64::try_from(request.limit + 1).unwrap_or(i64::MAX));
        sql.push(" offset ")
            .push_bind(i64::try_from(request.offset()).unwrap_or(i64::MAX));
        let rows = timed("list_relationships", sql.build_query_as().fetch_all(&mut *conn)).await?;
        let total = if request.count {
            let mut sql = past::begin(past);
            sql.push("select count(*)");
            self.push_from(&mut sql, visible)?;
            let count: i64 = timed("count_relationships", sql.build_query_scalar().fetch_one(conn)).await?;
            u64::try_from(count).ok()
        } else {
            None
        };
        Ok(Found { rows, total })
    }

    fn push_from(&self, sql: &mut QueryBuilder<Postgres>, visible: &TypeScope) -> Result<()> {
        sql.push(" from relationships r where ");
        match self.status.as_deref() {
            None | Some("active") => sql.push("r.status = 'active'"),
            Some("archived") => sql.push("r.status = 'archived'"),
            Some("any") => sql.push("true"),
            Some(_) => return Err(Error::invalid("status must be active, archived or any").at("status")),
        };
        if let Some(names) = visible.to_sql() {
            sql.push(" and r.source_type = any(").push_bind(names.clone());
            sql.push(") and r.target_type = any(").push_bind(names).push(")");
        }
        if let Some(card) = self.card_id {
            sql.push(" and (r.source_id = ")
                .push_bind(card)
                .push(" or r.target_id = ")
                .push_bind(card)
                .push(")");
        }
        if let Some(source) = self.source_id {
            sql.push(" and r.source_id = ").push_bind(source);
        }
        if let Some(target) = self.target_id {
            sql.push(" and r.target_id = ").push_bind(target);
        }
        if !self.r#type.is_empty() {
            sql.push(" and r.type = any(").push_bind(self.r#type.clone()).push(")");
        }
        if let Some(date) = self.target_date {
            sql.push(" and (r.valid_from is null or r.valid_from <= ")
                .push_bind(date);
            sql.push(") and (r.valid_to is null or r.valid_to >= ")
                .push_bind(date)
                .push(")");
        }
        Ok(())
    }
}
