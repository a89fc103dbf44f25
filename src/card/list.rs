//! Lists of cards: filters, sort, keyset. Put together at run time with bound values, because a plan for "any of twenty
//! optional filters" would scan the whole table.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder, Row};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    CardRow, Phase, Tier,
    order::{Order, OrderBy},
    store,
};
use crate::{
    auth::TypeScope,
    condition::{Condition, Reading, Scope},
    error::{Error, Result},
    http::page::{PageRequest, Place, decode_cursor, encode_cursor, list_identity},
    metamodel::Metamodel,
    store::{
        past::{
            self, Past,
            tables::{self, Kind},
        },
        timed,
    },
    text::Query,
};

/// Which cards, in which order.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CardFilter {
    /// Card type; repeat for several.
    #[serde(default)]
    pub r#type: Vec<String>,
    /// `Plan`, `Phase In`, `Active`, `Phase Out`, `End of Life` or `Undefined`, on `target_date`; repeat for several.
    #[serde(default)]
    #[param(inline, value_type = Vec<Phase>)]
    pub lifecycle_phase: Vec<String>,
    /// The date for everything that depends on one; default today (UTC).
    #[serde(default, deserialize_with = "crate::http::fields::strict_date")]
    pub target_date: Option<NaiveDate>,
    /// Cards as they were recorded at this instant (RFC 3339); `target_date` is then the day of that record by default.
    #[serde(default, deserialize_with = "crate::http::fields::strict_instant")]
    #[param(example = "2026-01-01T00:00:00Z")]
    pub known_at: Option<DateTime<Utc>>,
    /// A tag; repeat for several.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether a card must carry `any` (default) or `all` of the tags.
    #[param(pattern = "^(any|all)$")]
    pub tags_mode: Option<String>,
    /// Words to be found in name, tags, description or attributes, each as the beginning of a word; `"a phrase"`, `-without`.
    /// Typos are forgiven when nothing is found otherwise. Best first, with highlights.
    #[param(max_length = 200, example = "customer portal")]
    pub search: Option<String>,
    /// Quality score at least, 0 to 100.
    #[param(minimum = 0, maximum = 100)]
    pub quality_min: Option<i16>,
    /// Quality score at most, 0 to 100.
    #[param(minimum = 0, maximum = 100)]
    pub quality_max: Option<i16>,
    /// Functional fit, 1 to 4; repeat for several.
    #[serde(default)]
    #[param(inline, value_type = Vec<Fit>)]
    pub functional_fit: Vec<i16>,
    /// Technical fit, 1 to 4; repeat for several.
    #[serde(default)]
    #[param(inline, value_type = Vec<Fit>)]
    pub technical_fit: Vec<i16>,
    /// `Tier 1` to `Tier 4`; repeat for several.
    #[serde(default)]
    #[param(inline, value_type = Vec<Tier>)]
    pub business_criticality: Vec<String>,
    /// Value of `attributes.pace_layer`; repeat for several.
    #[serde(default)]
    pub pace_layer: Vec<String>,
    /// Changed at or after this instant.
    pub updated_since: Option<DateTime<Utc>>,
    /// `only` deleted cards, or `include` them; default neither.
    #[param(pattern = "^(only|include)$")]
    pub deleted: Option<String>,
    /// `path:operator:value`, for example `attributes.hosting_type:eq:SaaS`; repeat for several, all must hold.
    #[serde(default)]
    pub filter: Vec<String>,
    /// `name` (default), `type`, `created_at`, `updated_at`, `quality_score`, `lifecycle.plan` …, or `attributes.<path>`; with
    /// `search` also `relevance`, then the default.
    #[param(
        pattern = r"^(name|type|created_at|updated_at|quality_score|relevance|lifecycle\.(plan|phase_in|active|phase_out|eol)|attributes\..+)$"
    )]
    pub sort: Option<String>,
    /// `asc` (default) or `desc`; cards without a value come last either way.
    #[param(pattern = "^(asc|desc)$")]
    pub order: Option<String>,
    /// Only these fields, comma-separated; `attributes.<path>` for one attribute. `id` always comes along, `highlights` must be
    /// named.
    pub fields: Option<String>,
    /// `relationships` adds each card's active relationships.
    #[param(pattern = "^(relationships)$")]
    pub include: Option<String>,
}

/// How well an application fits, as a parameter: 1 (unreasonable) to 4 (perfect).
#[derive(ToSchema)]
#[schema(minimum = 1, maximum = 4)]
#[expect(dead_code, reason = "describes parameters that are read as plain numbers")]
struct Fit(i16);

/// A checked [`CardFilter`].
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a filter of its own that callers switch"
)]
pub struct CardQuery {
    pub(crate) visible: TypeScope,
    pub(crate) types: Vec<String>,
    pub(crate) phases: Vec<Phase>,
    /// The date for everything that depends on one.
    pub on: NaiveDate,
    pub(crate) tags: Vec<String>,
    pub(crate) all_tags: bool,
    pub(super) search: Option<Query>,
    /// The best first: the order that only a search has.
    pub(super) by_relevance: bool,
    /// Only these cards: those that a search found.
    pub(crate) among: Option<Vec<Uuid>>,
    pub(crate) filter: CardFilter,
    pub(super) conditions: Vec<Condition>,
    include_absent: bool,
    pub(super) deleted: Deleted,
    sort: Sort,
    descending: bool,
    pub(super) identity: String,
    pub(crate) past: Option<Past>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deleted {
    Without,
    Only,
    Include,
}

/// More ids than these are not handed to the database to choose from.
const MOST_IDS: usize = 3_000;

/// The columns of the five dates, in the order of the graph.
const LIFECYCLE: [&str; 5] = [
    "lifecycle_plan",
    "lifecycle_phase_in",
    "lifecycle_active",
    "lifecycle_phase_out",
    "lifecycle_eol",
];

enum Sort {
    Name,
    Type,
    CreatedAt,
    UpdatedAt,
    Quality,
    Lifecycle(&'static str),
    Attribute(Vec<String>),
}

impl Sort {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "name" => Self::Name,
            "type" => Self::Type,
            "created_at" => Self::CreatedAt,
            "updated_at" => Self::UpdatedAt,
            "quality_score" => Self::Quality,
            "lifecycle.plan" => Self::Lifecycle("lifecycle_plan"),
            "lifecycle.phase_in" => Self::Lifecycle("lifecycle_phase_in"),
            "lifecycle.active" => Self::Lifecycle("lifecycle_active"),
            "lifecycle.phase_out" => Self::Lifecycle("lifecycle_phase_out"),
            "lifecycle.eol" => Self::Lifecycle("lifecycle_eol"),
            _ => match text.strip_prefix("attributes.") {
                Some(path) if !path.is_empty() && path.len() <= 200 => {
                    Self::Attribute(path.split('.').map(str::to_owned).collect())
                }
                _ => {
                    return Err(Error::invalid(
                        "sort must be name, type, created_at, updated_at, quality_score, lifecycle.<date>, attributes.<path> or, with search, relevance",
                    )
                    .at("sort"));
                }
            },
        })
    }

    /// Whether every card has a value.
    fn total(&self) -> bool {
        matches!(self, Self::Name | Self::Type | Self::CreatedAt | Self::UpdatedAt)
    }

    fn push(&self, sql: &mut QueryBuilder<Postgres>) {
        match self {
            Self::Name => sql.push("c.name_key"),
            Self::Type => sql.push("c.type"),
            Self::CreatedAt => sql.push("c.created_at"),
            Self::UpdatedAt => sql.push("c.updated_at"),
            Self::Quality => sql.push("s.quality_score"),
            Self::Lifecycle(column) => sql.push("c.").push(column),
            Self::Attribute(path) => sql
                .push("nullif(c.attributes #> ")
                .push_bind(path.clone())
                .push(", 'null'::jsonb)"),
        };
    }

    fn cast(&self) -> &'static str {
        match self {
            Self::Name => "::text collate \"C\"",
            Self::Type => "::text",
            Self::CreatedAt | Self::UpdatedAt => "::text::timestamptz",
            Self::Quality => "::text::smallint",
            Self::Lifecycle(_) => "::text::date",
            Self::Attribute(_) => "::text::jsonb",
        }
    }
}

impl CardFilter {
    /// Checks every filter against the metamodel. Cards of types outside `visible` do not exist for the caller.
    pub fn check(mut self, metamodel: &Metamodel, visible: &TypeScope, today: NaiveDate) -> Result<CardQuery> {
        let phases = self
            .lifecycle_phase
            .iter()
            .map(|name| {
                Phase::parse(name).ok_or_else(|| {
                    Error::invalid(format!("There is no lifecycle phase '{}'", shown(name))).at("lifecycle_phase")
                })
            })
            .collect::<Result<_>>()?;
        for name in &self.r#type {
            if metamodel.card_type(name).is_none() {
                return Err(Error::invalid(format!("There is no card type '{}'", shown(name)))
                    .at("type")
                    .with(serde_json::json!({ "similar": metamodel.similar_types(name) })));
            }
        }
        if let Some(bad) = self
            .business_criticality
            .iter()
            .find(|name| Tier::parse(name).is_none())
        {
            return Err(
                Error::invalid(format!("There is no tier '{}'; Tier 1 to Tier 4", shown(bad)))
                    .at("business_criticality"),
            );
        }
        let ranges = [
            ("functional_fit", &self.functional_fit),
            ("technical_fit", &self.technical_fit),
        ];
        for (name, values) in ranges {
            if values.iter().any(|v| !(1..=4).contains(v)) {
                return Err(Error::invalid(format!("{name} must be from 1 to 4")).at(name));
            }
        }
        for (name, value) in [("quality_min", self.quality_min), ("quality_max", self.quality_max)] {
            if value.is_some_and(|v| !(0..=100).contains(&v)) {
                return Err(Error::invalid(format!("{name} must be from 0 to 100")).at(name));
            }
        }
        let all_tags = one_of("tags_mode", self.tags_mode.as_deref(), &[("any", false), ("all", true)])?;
        let deleted = one_of(
            "deleted",
            self.deleted.as_deref(),
            &[
                ("", Deleted::Without),
                ("only", Deleted::Only),
                ("include", Deleted::Include),
            ],
        )?;
        let descending = one_of("order", self.order.as_deref(), &[("asc", false), ("desc", true)])?;
        if self.filter.len() > 20 || self.tags.len() > 50 || self.r#type.len() > 100 {
            return Err(Error::invalid("At most 20 filters, 50 tags and 100 types at a time").at("filter"));
        }
        let conditions = self
            .filter
            .iter()
            .map(|text| {
                Condition::parse_filter(text, Scope::new(metamodel).of_types(&self.r#type)).map_err(Error::validation)
            })
            .collect::<Result<_>>()?;
        let given = self.search.as_deref().filter(|text| !text.trim().is_empty());
        let search = given
            .map(Query::parse)
            .transpose()
            .map_err(|error| error.at("search"))?;
        let by_relevance = match self.sort.as_deref() {
            None => search.is_some(),
            Some(sort) => sort == "relevance",
        };
        if by_relevance && search.is_none() {
            return Err(Error::invalid("sort=relevance needs something to search for").at("sort"));
        }
        if by_relevance && self.order.as_deref() == Some("asc") {
            return Err(Error::invalid("By relevance the best always come first; leave order out").at("order"));
        }
        let sort = Sort::parse(self.sort.as_deref().filter(|_| !by_relevance).unwrap_or("name"))?;
        let on = self.target_date.unwrap_or(today);
        let identity = list_identity(&[
            "cards",
            &format!(
                "{:?}",
                CardFilter {
                    fields: None,
                    include: None,
                    ..self.clone()
                }
            ),
        ]);
        let tags = std::mem::take(&mut self.tags);
        Ok(CardQuery {
            visible: visible.clone(),
            types: std::mem::take(&mut self.r#type),
            phases,
            on,
            tags,
            all_tags,
            search,
            by_relevance,
            among: None,
            conditions,
            include_absent: false,
            deleted,
            sort,
            descending,
            identity,
            filter: self,
            past: None,
        })
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Reads a closed set of words; absent gives the first.
fn one_of<T: Copy>(name: &str, given: Option<&str>, options: &[(&str, T)]) -> Result<T> {
    let Some(given) = given else { return Ok(options[0].1) };
    options
        .iter()
        .find(|(option, _)| *option == given && !option.is_empty())
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let words: Vec<&str> = options
                .iter()
                .map(|(option, _)| *option)
                .filter(|o| !o.is_empty())
                .collect();
            Error::invalid(format!("{name} must be {}", words.join(" or "))).at(name)
        })
}

/// Where a list was left: the sort value as text and the id.
type Mark = (Option<String>, Uuid);

/// Rows of a page, each with the text of its sort value.
pub struct Found {
    /// The cards: up to one more than the limit.
    pub rows: Vec<CardRow>,
    marks: Vec<Option<String>>,
    /// How many there are in all, when asked for.
    pub total: Option<u64>,
    identity: String,
}

impl Found {
    /// The cursor behind a row of the page.
    #[must_use]
    pub fn cursor_after(&self, id: Uuid) -> String {
        let mark = self
            .rows
            .iter()
            .position(|row| row.id == id)
            .and_then(|at| self.marks.get(at).cloned())
            .flatten();
        encode_cursor(&self.identity, &(mark, id))
    }
}

impl CardQuery {
    /// The card types whose cards exist for the caller.
    #[must_use]
    pub fn visible(&self) -> &TypeScope {
        &self.visible
    }

    /// Runs the query for one page.
    pub async fn run(&self, conn: &mut PgConnection, request: &PageRequest) -> Result<Found> {
        let mark: Option<Mark> = match &request.position {
            Place::Cursor(Some(cursor)) => Some(decode_cursor(&self.identity, cursor)?),
            _ => None,
        };
        // What related cards are is found out once for page and total; other filters are cheaper asked twice, because an
        // index ends a page early.
        let together = request.count && mark.is_none() && self.conditions.iter().any(Condition::looks_at_related);
        let mut sql = self.begin();
        if together {
            sql.push("select ")
                .push(store::COLUMNS)
                .push(", sort_value, total from (select c.id as found, (");
            self.sort.push(&mut sql);
            sql.push(")::text as sort_value, count(*) over () as total");
        } else {
            sql.push("select ").push(store::COLUMNS).push(", (");
            self.sort.push(&mut sql);
            sql.push(")::text as sort_value");
        }
        self.push_from(&mut sql, None);
        if let Some(mark) = &mark {
            self.push_after(&mut sql, mark);
        }
        self.push_order(&mut sql);
        sql.push(" limit ")
            .push_bind(i64::try_from(request.limit + 1).unwrap_or(i64::MAX));
        sql.push(" offset ")
            .push_bind(i64::try_from(request.offset()).unwrap_or(i64::MAX));
        if together {
            sql.push(") page join cards c on c.id = page.found left join card_scores s on s.card_id = c.id");
            self.push_order(&mut sql);
        }
        let fetched = timed("list_cards", sql.build().fetch_all(&mut *conn)).await?;
        let mut rows = Vec::with_capacity(fetched.len());
        let mut marks = Vec::with_capacity(fetched.len());
        for row in &fetched {
            rows.push(<CardRow as sqlx::FromRow<_>>::from_row(row)?);
            marks.push(row.try_get("sort_value")?);
        }
        let total = match fetched.first() {
            Some(row) if together => Some(u64::try_from(row.try_get::<i64, _>("total")?).unwrap_or(0)),
            _ if request.count => Some(self.count(conn).await?),
            _ => None,
        };
        Ok(Found {
            rows,
            marks,
            total,
            identity: self.identity.clone(),
        })
    }

    /// What tells this query from others: filters, conditions, sort; and what the caller may see.
    #[must_use]
    pub fn identity(&self) -> String {
        list_identity(&[&self.identity, &self.on.to_string(), &format!("{:?}", self.visible)])
    }

    /// A statement for every card it finds, in its order. Rows are [`CardRow`]s.
    #[must_use]
    pub fn whole(&self) -> QueryBuilder<Postgres> {
        let mut sql = self.begin();
        sql.push("select ").push(store::COLUMNS);
        self.push_from(&mut sql, None);
        self.push_order(&mut sql);
        sql
    }

    /// How many cards it finds, and a sum over their states that changes when one of them does.
    pub async fn fingerprint(&self, conn: &mut PgConnection) -> Result<(i64, String)> {
        let mut sql = self.begin();
        sql.push(
            "select count(*), coalesce(sum(hashtextextended(concat_ws('/', c.id, c.version, c.deleted_at, s.quality_score, \
             s.computed), 0)::numeric), 0)::text",
        );
        self.push_from(&mut sql, None);
        Ok(timed("card_fingerprint", sql.build_query_as().fetch_one(conn)).await?)
    }

    fn push_order(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(" order by ");
        self.sort.push(sql);
        let direction = if self.descending { " desc" } else { " asc" };
        sql.push(direction);
        if !self.sort.total() {
            sql.push(" nulls last");
        }
        sql.push(", c.id").push(direction);
    }

    /// Narrows the query to cards on which these conditions hold; `written` is what the caller wrote, for the cursors.
    #[must_use]
    pub fn narrowed(mut self, conditions: Vec<Condition>, include_absent: bool, written: &str) -> Self {
        self.identity = list_identity(&[&self.identity, written, if include_absent { "absent too" } else { "" }]);
        self.include_absent = include_absent;
        self.conditions.extend(conditions);
        self
    }

    /// Whether the columns of the card alone decide: no full text, no conditions, no deleted cards.
    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        self.search.is_none()
            && self.conditions.is_empty()
            && self.filter.pace_layer.is_empty()
            && self.deleted == Deleted::Without
            && self.past.is_none()
    }

    /// The same cards as they were recorded; to be run on a connection of
    /// [`tables::open`].
    #[must_use]
    pub fn as_known(self, past: Option<Past>) -> Self {
        let identity = match &past {
            // Whoever goes on with a list goes on in the same past.
            Some(past) => list_identity(&[&self.identity, "known at", &past.seal.number.to_string()]),
            None => self.identity,
        };
        Self { identity, past, ..self }
    }

    /// A connection on which the query can be asked.
    pub async fn open(&self, db: &PgPool) -> Result<tables::Reading> {
        let related = self.conditions.iter().any(Condition::looks_at_related);
        let kinds: &[Kind] = if related {
            &[Kind::Cards, Kind::Relationships]
        } else {
            &[Kind::Cards]
        };
        tables::open(db, self.past.as_ref(), kinds).await
    }

    /// Every statement of this query begins here: with the tables of the present, or with those of the past in their place.
    pub(super) fn begin(&self) -> QueryBuilder<Postgres> {
        past::begin(self.past.as_ref())
    }

    /// The order, if it is one by what the graph in memory holds as the database does.
    pub(super) fn memory_order(&self) -> Option<Order> {
        let by = match (&self.sort, self.by_relevance) {
            (_, true) | (Sort::Type | Sort::Attribute(_), _) => return None,
            (Sort::Name, _) => OrderBy::Name,
            (Sort::CreatedAt, _) => OrderBy::CreatedAt,
            (Sort::UpdatedAt, _) => OrderBy::UpdatedAt,
            (Sort::Quality, _) => OrderBy::Quality,
            (Sort::Lifecycle(column), _) => OrderBy::Lifecycle(LIFECYCLE.iter().position(|held| held == column)?),
        };
        Some(Order {
            by,
            descending: self.descending,
        })
    }

    /// Which of these cards are in the list; of many, rather which cards are at all: the database compares each card with
    /// a list of ids in the time in which it sends several.
    pub(crate) async fn ids_among(&self, conn: &mut PgConnection, ids: Vec<Uuid>) -> Result<HashSet<Uuid>> {
        let mut sql = self.begin();
        sql.push("select c.id");
        self.push_from(&mut sql, None);
        if ids.len() <= MOST_IDS {
            sql.push(" and c.id = any(").push_bind(ids).push(")");
        }
        let ids = timed("filter_found_cards", sql.build_query_scalar::<Uuid>().fetch_all(conn)).await?;
        Ok(ids.into_iter().collect())
    }

    async fn count(&self, conn: &mut PgConnection) -> Result<u64> {
        let mut sql = self.begin();
        sql.push("select count(*)");
        self.push_from(&mut sql, None);
        let count: i64 = timed("count_cards", sql.build_query_scalar().fetch_one(conn)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The tables and every filter, those on the field `but` left out.
    pub(super) fn push_from(&self, sql: &mut QueryBuilder<Postgres>, but: Option<&str>) {
        let takes = |field: &str| but != Some(field);
        sql.push(" from cards c left join card_scores s on s.card_id = c.id where ");
        sql.push(match self.deleted {
            Deleted::Without => "c.deleted_at is null",
            Deleted::Only => "c.deleted_at is not null",
            Deleted::Include => "true",
        });
        if let ([only], true) = (self.types.as_slice(), takes("type")) {
            sql.push(" and c.type = ").push_bind(only.clone());
        } else if !self.types.is_empty() && takes("type") {
            sql.push(" and c.type = any(").push_bind(self.types.clone()).push(")");
        }
        if let Some(names) = self.visible.to_sql() {
            sql.push(" and c.type = any(").push_bind(names).push(")");
        }
        if !self.tags.is_empty() && takes("tags") {
            sql.push(if self.all_tags {
                " and c.tags @> "
            } else {
                " and c.tags && "
            })
            .push_bind(self.tags.clone());
        }
        if let Some(ids) = &self.among {
            sql.push(" and c.id = any(").push_bind(ids.clone()).push(")");
        }
        if !self.phases.is_empty() && takes("lifecycle_phase") {
            self.push_phases(sql);
        }
        let filter = &self.filter;
        if let Some(min) = filter.quality_min {
            sql.push(" and s.quality_score >= ").push_bind(min);
        }
        if let Some(max) = filter.quality_max {
            sql.push(" and s.quality_score <= ").push_bind(max);
        }
        if !filter.functional_fit.is_empty() && takes("functional_fit") {
            sql.push(" and c.functional_fit = any(")
                .push_bind(filter.functional_fit.clone())
                .push(")");
        }
        if !filter.technical_fit.is_empty() && takes("technical_fit") {
            sql.push(" and c.technical_fit = any(")
                .push_bind(filter.technical_fit.clone())
                .push(")");
        }
        if !filter.business_criticality.is_empty() && takes("business_criticality") {
            sql.push(" and c.business_criticality = any(")
                .push_bind(filter.business_criticality.clone())
                .push(")");
        }
        if !filter.pace_layer.is_empty() && takes("attributes.pace_layer") {
            sql.push(" and c.attributes ->> 'pace_layer' = any(")
                .push_bind(filter.pace_layer.clone())
                .push(")");
        }
        if let Some(since) = filter.updated_since {
            sql.push(" and c.updated_at >= ").push_bind(since);
        }
        let reading = Reading {
            on: self.on,
            visible: &self.visible,
            include_absent: self.include_absent,
            types: if takes("type") { &self.types } else { &[] },
        };
        for condition in self
            .conditions
            .iter()
            .filter(|c| but.is_none_or(|field| !c.is_only_on(field)))
        {
            sql.push(" and ");
            condition.push(sql, &reading);
        }
    }

    /// Whether one of the filters is on this field alone.
    pub(super) fn filters_by(&self, field: &str) -> bool {
        let given = match field {
            "type" => !self.types.is_empty(),
            "lifecycle_phase" => !self.phases.is_empty(),
            "tags" => !self.tags.is_empty(),
            "business_criticality" => !self.filter.business_criticality.is_empty(),
            "functional_fit" => !self.filter.functional_fit.is_empty(),
            "technical_fit" => !self.filter.technical_fit.is_empty(),
            "attributes.pace_layer" => !self.filter.pace_layer.is_empty(),
            _ => false,
        };
        given || self.conditions.iter().any(|condition| condition.is_only_on(field))
    }

    fn push_phases(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(" and ");
        self.push_phase(sql);
        let names: Vec<String> = self.phases.iter().map(|p| p.as_str().to_owned()).collect();
        sql.push(" = any(").push_bind(names).push(")");
    }

    /// The phase on the date, as in [`Lifecycle::phase`](super::Lifecycle::phase).
    pub(super) fn push_phase(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("(case");
        for (column, phase) in [
            ("lifecycle_eol", Phase::EndOfLife),
            ("lifecycle_phase_out", Phase::PhaseOut),
            ("lifecycle_active", Phase::Active),
            ("lifecycle_phase_in", Phase::PhaseIn),
            ("lifecycle_plan", Phase::Plan),
        ] {
            sql.push(" when c.")
                .push(column)
                .push(" <= ")
                .push_bind(self.on)
                .push(" then '")
                .push(phase.as_str())
                .push("'");
        }
        sql.push(
            " when coalesce(c.lifecycle_plan, c.lifecycle_phase_in, c.lifecycle_active) is not null then 'Plan' \
             when coalesce(c.lifecycle_phase_out, c.lifecycle_eol) is not null then 'Active' else 'Undefined' end)",
        );
    }

    fn push_after(&self, sql: &mut QueryBuilder<Postgres>, (value, id): &Mark) {
        let beyond = if self.descending { " < " } else { " > " };
        let cast = self.sort.cast();
        sql.push(" and (");
        match value {
            None => {
                self.sort.push(sql);
                sql.push(" is null and c.id").push(beyond).push_bind(*id);
            }
            Some(value) => {
                sql.push("(");
                self.sort.push(sql);
                sql.push(", c.id)")
                    .push(beyond)
                    .push("(")
                    .push_bind(value.clone())
                    .push(cast)
                    .push(", ")
                    .push_bind(*id)
                    .push(")");
                if !self.sort.total() {
                    sql.push(" or ");
                    self.sort.push(sql);
                    sql.push(" is null");
                }
            }
        }
        sql.push(")");
    }
}

/// The names in a comma-separated `fields` or `include` parameter.
#[must_use]
pub fn names(text: Option<&str>) -> Vec<&str> {
    text.into_iter()
        .flat_map(|t| t.split(','))
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .collect()
}

/// Refuses names that are not known.
pub fn check_names(parameter: &str, given: &[&str], known: &[&str]) -> Result<()> {
    match given
        .iter()
        .find(|name| !known.contains(&name.split('.').next().unwrap_or_default()))
    {
        None => Ok(()),
        Some(bad) => Err(Error::invalid(format!(
            "{parameter} has no '{}'; it takes {}",
            shown(bad),
            known.join(", ")
        ))
        .at(parameter)),
    }
}

/// The top-level fields of a card's answer.
pub const FIELDS: &[&str] = &[
    "id",
    "type",
    "name",
    "description",
    "tags",
    "lifecycle",
    "lifecycle_phase",
    "functional_fit",
    "technical_fit",
    "business_criticality",
    "criticality_source",
    "quality_score",
    "attributes",
    "computed",
    "version",
    "created_at",
    "updated_at",
    "deleted_at",
    "created_by",
    "updated_by",
    "relationships",
    "highlights",
];
