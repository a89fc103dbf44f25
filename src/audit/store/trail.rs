//! The trail: rows of the log with what changed in them, filtered.

use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    auth::TypeScope,
    card::history::{FieldChange, diff},
    error::{Error, Result},
    http::page::{PageRequest, Place, decode_cursor, encode_cursor, list_identity},
    store::timed,
};

/// Which rows of the log.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// What kind of thing changed: `card`, `relationship`, `score`, `user`, `session`, `card_type` …; repeat for several.
    #[serde(default)]
    pub entity: Vec<String>,
    /// Which one.
    pub entity_id: Option<Uuid>,
    /// Its type, for example `Application`; repeat for several.
    #[serde(default)]
    pub entity_type: Vec<String>,
    /// What happened: `created`, `updated`, `deleted` …; repeat for several.
    #[serde(default)]
    pub action: Vec<String>,
    /// Who made the change.
    pub actor_id: Option<Uuid>,
    /// The request that made it, as in `X-Request-Id`.
    pub request_id: Option<String>,
    /// Happened at or after this instant.
    pub since: Option<DateTime<Utc>>,
    /// Happened before this instant.
    pub until: Option<DateTime<Utc>>,
    /// From this position of the log on.
    #[param(minimum = 0)]
    pub from_position: Option<i64>,
    /// Up to this position of the log, itself included.
    #[param(minimum = 0)]
    pub to_position: Option<i64>,
    /// The reason contains this text, in upper or lower case.
    #[param(max_length = 200)]
    pub reason: Option<String>,
    /// Only rows whose payload was blanked, or only those that still have it.
    pub blanked: Option<bool>,
    /// `desc` (default): newest first; `asc`: oldest first.
    #[param(pattern = "^(asc|desc)$")]
    pub order: Option<String>,
}

/// One row of the log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Orders the log; gaps are normal.
    pub position: i64,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// The seal that vouches for the row; null for a moment until one does.
    pub seal: Option<i64>,
    /// When that seal was recorded.
    pub recorded_at: Option<DateTime<Utc>>,
    /// Who made the change; null for the system itself.
    pub actor_id: Option<Uuid>,
    /// The request that made it.
    pub request_id: Option<String>,
    /// Why, in the words of who made it.
    pub reason: Option<String>,
    /// What kind of thing changed.
    pub entity: String,
    /// Which one.
    pub entity_id: Uuid,
    /// Its type.
    pub entity_type: Option<String>,
    /// What happened.
    pub action: String,
    /// The version it has since.
    pub version: i32,
    /// Whether reason, before and after were blanked.
    pub blanked: bool,
    /// The row of the log that tells of the blanking.
    pub blanked_by: Option<i64>,
    /// What changed, field by field, as in the history of a card.
    pub changes: Vec<FieldChange>,
    /// The whole state before.
    pub before: Option<Value>,
    /// The whole state after.
    pub after: Option<Value>,
}

#[derive(FromRow)]
struct EntryRow {
    position: i64,
    occurred_at: DateTime<Utc>,
    seal: Option<i64>,
    recorded_at: Option<DateTime<Utc>>,
    actor_id: Option<Uuid>,
    request_id: Option<String>,
    reason: Option<String>,
    entity: String,
    entity_id: Uuid,
    entity_type: Option<String>,
    action: String,
    version: i32,
    blanked_by: Option<i64>,
    before: Option<Value>,
    after: Option<Value>,
}

impl From<EntryRow> for AuditEntry {
    fn from(row: EntryRow) -> Self {
        Self {
            changes: diff(row.before.as_ref(), row.after.as_ref()),
            blanked: row.blanked_by.is_some(),
            position: row.position,
            occurred_at: row.occurred_at,
            seal: row.seal,
            recorded_at: row.recorded_at,
            actor_id: row.actor_id,
            request_id: row.request_id,
            reason: row.reason,
            entity: row.entity,
            entity_id: row.entity_id,
            entity_type: row.entity_type,
            action: row.action,
            version: row.version,
            blanked_by: row.blanked_by,
            before: row.before,
            after: row.after,
        }
    }
}

/// A checked [`AuditFilter`], for what one caller may see.
#[derive(Clone, Debug)]
pub struct Trail {
    filter: AuditFilter,
    visible: TypeScope,
    ascending: bool,
    identity: String,
}

/// More values of one parameter than anybody means.
const MOST_VALUES: usize = 50;

impl AuditFilter {
    /// Checks what the types do not.
    pub fn check(self, visible: &TypeScope) -> Result<Trail> {
        let ascending = match self.order.as_deref() {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err(Error::invalid("order must be asc or desc").at("order")),
        };
        for (name, values) in [
            ("entity", &self.entity),
            ("entity_type", &self.entity_type),
            ("action", &self.action),
        ] {
            if values.len() > MOST_VALUES {
                return Err(Error::invalid(format!("At most {MOST_VALUES} values")).at(name));
            }
        }
        if self.reason.as_ref().is_some_and(|text| text.chars().count() > 200) {
            return Err(Error::invalid("reason has more than 200 characters").at("reason"));
        }
        for (name, position) in [("from_position", self.from_position), ("to_position", self.to_position)] {
            if position.is_some_and(|position| position < 0) {
                return Err(Error::invalid(format!("{name} must not be negative")).at(name));
            }
        }
        for (name, instant) in [("since", self.since), ("until", self.until)] {
            if instant.is_some_and(|instant| !(1..=9999).contains(&instant.year())) {
                return Err(Error::invalid("An instant of the years 1 to 9999 is expected").at(name));
            }
        }
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since > until
        {
            return Err(Error::invalid("since is later than until").at("since"));
        }
        let identity = list_identity(&["audit", &format!("{self:?}")]);
        Ok(Trail {
            filter: self,
            visible: visible.clone(),
            ascending,
            identity,
        })
    }
}

impl Trail {
    /// The cursor behind a row.
    #[must_use]
    pub fn cursor_after(&self, position: i64) -> String {
        encode_cursor(&self.identity, &position)
    }

    /// One page, up to one row more than the limit, and how many rows there are when that was asked for.
    pub async fn page(&self, conn: &mut PgConnection, request: &PageRequest) -> Result<(Vec<AuditEntry>, Option<u64>)> {
        let after = match &request.position {
            Place::Cursor(Some(cursor)) => Some(decode_cursor::<i64>(&self.identity, cursor)?),
            _ => None,
        };
        let rows = self.rows(conn, after, request.limit + 1, request.offset()).await?;
        let total = if request.count {
            let mut sql = QueryBuilder::new("select count(*) from changes c");
            self.push_conditions(&mut sql);
            let count: i64 = timed("count_audit", sql.build_query_scalar().fetch_one(conn)).await?;
            u64::try_from(count).ok()
        } else {
            None
        };
        Ok((rows, total))
    }

    /// Rows behind a position, in the list's order.
    pub async fn rows(
        &self,
        conn: &mut PgConnection,
        after: Option<i64>,
        limit: u64,
        offset: u64,
    ) -> Result<Vec<AuditEntry>> {
        // The seal of a row is looked up for the rows of the page only.
        let mut sql = QueryBuilder::new(
            "with page as materialized (select c.position, c.occurred_at, c.actor_id, c.request_id, c.reason, c.entity, \
             c.entity_id, c.entity_type, c.action, c.version, c.blanked_by, c.before, c.after from changes c",
        );
        self.push_conditions(&mut sql);
        if let Some(after) = after {
            sql.push(if self.ascending {
                " and c.position > "
            } else {
                " and c.position < "
            })
            .push_bind(after);
        }
        sql.push(if self.ascending {
            " order by c.position"
        } else {
            " order by c.position desc"
        });
        sql.push(" limit ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
        sql.push(" offset ")
            .push_bind(i64::try_from(offset).unwrap_or(i64::MAX));
        sql.push(
            ") select page.*, d.seal, s.recorded_at from page left join change_digests d using (position) \
             left join seals s on s.number = d.seal order by page.position",
        );
        if !self.ascending {
            sql.push(" desc");
        }
        let rows: Vec<EntryRow> = timed("list_audit", sql.build_query_as().fetch_all(conn)).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn push_conditions(&self, sql: &mut QueryBuilder<Postgres>) {
        let filter = &self.filter;
        sql.push(" where true");
        for (column, values) in [
            ("entity", &filter.entity),
            ("entity_type", &filter.entity_type),
            ("action", &filter.action),
        ] {
            match &values[..] {
                [] => {}
                [one] => {
                    sql.push(format!(" and c.{column} = ")).push_bind(one.clone());
                }
                several => {
                    sql.push(format!(" and c.{column} = any("))
                        .push_bind(several.to_vec())
                        .push(")");
                }
            }
        }
        if let Some(id) = filter.entity_id {
            sql.push(" and c.entity_id = ").push_bind(id);
        }
        if let Some(id) = filter.actor_id {
            sql.push(" and c.actor_id = ").push_bind(id);
        }
        if let Some(id) = &filter.request_id {
            sql.push(" and c.request_id = ").push_bind(id.clone());
        }
        for (condition, instant) in [
            (" and c.occurred_at >= ", filter.since),
            (" and c.occurred_at < ", filter.until),
        ] {
            if let Some(instant) = instant {
                sql.push(condition).push_bind(instant);
            }
        }
        for (condition, position) in [
            (" and c.position >= ", filter.from_position),
            (" and c.position <= ", filter.to_position),
        ] {
            if let Some(position) = position {
                sql.push(condition).push_bind(position);
            }
        }
        if let Some(text) = &filter.reason {
            let pattern = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            sql.push(" and c.reason ilike ").push_bind(format!("%{pattern}%"));
        }
        if let Some(blanked) = filter.blanked {
            sql.push(if blanked {
                " and c.blanked_by is not null"
            } else {
                " and c.blanked_by is null"
            });
        }
        push_visible(sql, &self.visible);
    }
}

/// Pushes the test whether the row `c` of the log exists for a caller who may view these types. Hidden cards do not, what
/// was computed of them, edges that end at one, and the blanking of any such row.
pub(super) fn push_visible(sql: &mut QueryBuilder<Postgres>, visible: &TypeScope) {
    let Some(names) = visible.names() else { return };
    let names: Vec<String> = names.iter().cloned().collect();
    sql.push(
        " and case when c.entity = 'change' then not exists (select 1 from changes b where b.position in \
              (select p.value::bigint from jsonb_array_elements_text(c.after -> 'positions') p) and not ",
    );
    push_of_visible_cards(sql, "b", &names);
    sql.push(") else ");
    push_of_visible_cards(sql, "c", &names);
    sql.push(" end");
}

/// Pushes the test whether the row `alias` of the log is about nothing but cards of these types, if it is about cards.
fn push_of_visible_cards(sql: &mut QueryBuilder<Postgres>, alias: &str, names: &[String]) {
    sql.push("case when ")
        .push(alias)
        .push(".entity in ('card', 'score') then ");
    sql.push(alias).push(".entity_type = any(").push_bind(names.to_vec());
    sql.push(") when ").push(alias).push(
        ".entity = 'relationship' then exists (select 1 from relationships r join cards source on source.id = r.source_id \
         join cards target on target.id = r.target_id where r.id = ",
    );
    sql.push(alias)
        .push(".entity_id and source.type = any(")
        .push_bind(names.to_vec());
    sql.push(") and target.type = any(").push_bind(names.to_vec());
    sql.push(")) else true end");
}
