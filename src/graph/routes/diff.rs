//! `POST /graph/diff`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    ask::{Question, Reach, instant},
    subject::matcher,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Result, ViolationCode},
    graph::question::{
        DEFAULT_LIMIT, MAX_LIMIT, Predicate,
        diff::{self, Diff, Params},
    },
    http::{
        extract::{JsonObject, NoQuery},
        fields::Fields,
    },
    store::past::Past,
};

/// Which two looks, and at what.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"from": {"known_at": "2026-01-01T00:00:00Z", "target_date": "2027-01-01"}, "to": {"target_date": "2027-01-01"},
    "types": ["Application"], "relations": ["SUPPORTS"]}))]
pub struct DiffBody {
    /// The first look. Either this or `from_date` is required.
    from: Option<Look>,
    /// The second look; default: the present, today (UTC).
    to: Option<Look>,
    /// Short for `from.target_date`.
    from_date: Option<NaiveDate>,
    /// Short for `to.target_date`.
    to_date: Option<NaiveDate>,
    /// Only cards of these types; empty or absent: of all. Relationships count between cards that do.
    types: Option<Vec<String>>,
    /// Only relationships of these types; empty or absent: of all.
    relations: Option<Vec<String>>,
    /// A condition on cards; what depends on a date is taken on the date of the second look.
    #[schema(value_type = Option<Object>)]
    filter: Option<Value>,
    /// Count cards that are not present on the date too.
    #[schema(default = false)]
    include_absent: Option<bool>,
    /// At most this many entries in each of the lists; `totals` count all.
    #[schema(minimum = 1, maximum = 50_000, default = 5_000)]
    limit: Option<u32>,
}

/// One look: at which date, as recorded when.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(as = DiffLook)]
pub struct Look {
    /// The date; default today (UTC), or the day of the record with `known_at`.
    target_date: Option<NaiveDate>,
    /// The landscape as it was recorded at this instant (RFC 3339); default: as it is recorded now.
    known_at: Option<DateTime<Utc>>,
}

struct Asked {
    date: Option<NaiveDate>,
    known_at: Option<DateTime<Utc>>,
}

/// Takes a look, long or short.
fn look(fields: &mut Fields, long: &'static str, short: &'static str) -> Result<Asked> {
    if fields.is_given(long) && fields.is_given(short) {
        let message = format!("is short for {long}.target_date; give one of them");
        fields.refuse(short, ViolationCode::NotAllowedHere, message, None);
    }
    let short = fields.date(short);
    let mut inner = Fields::within(long, fields.object(long).unwrap_or_default());
    let date = inner.date("target_date").or(short);
    let known_at = match inner.value("known_at") {
        None => None,
        Some(value) => {
            let mut one = Fields::new(Map::from_iter([("known_at".to_owned(), value)]));
            instant(&mut one).map_err(|error| error.within(long))?
        }
    };
    fields.extend(inner.finish());
    Ok(Asked { date, known_at })
}

/// What differs between two looks
///
/// Two dates, two instants of the record, or both: what was planned for a date as it was known then and as it is known
/// now. Cards and relationships that are there only at the second look (`added`), only at the first (`removed`), or at
/// both but different (`changed`: a card's phase, for example).
#[utoipa::path(
    post, path = "/graph/diff", tag = "Graph", operation_id = "diff_graph",
    request_body = DiffBody,
    params(("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "What differs", body = Diff, headers(("ETag" = String), ("X-Arc-Known-At" = String, description = "With `to.known_at`: the seal that answered, `<recorded at>; seal=<number>`"))), (status = 304, description = "You have it already"), (status = 422, description = "Nothing was recorded yet at `known_at`; `details.since` tells when the record begins")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn diff_dates(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let mut fields = Fields::new(body);
    if !fields.is_given("from_date") && !fields.is_given("from") {
        fields.refuse("from_date", ViolationCode::Required, "is required, or from", None);
    }
    let from = look(&mut fields, "from", "from_date")?;
    let to = look(&mut fields, "to", "to_date")?;
    let old = question(&state, &asker, &from)
        .await
        .map_err(|error| error.within("from"))?;
    let new = question(&state, &asker, &to)
        .await
        .map_err(|error| error.within("to"))?;
    let types = new.types(&mut fields);
    let relations = new.relation_names(&mut fields);
    let filter = new.condition(&mut fields, "filter", &types);
    let include_absent = fields.boolean("include_absent").unwrap_or(false);
    let limit = fields.integer("limit", 1, MAX_LIMIT as i64);
    fields.done()?;
    let date = to.date.unwrap_or_else(|| new.today());
    let before = old.view_on(from.date.unwrap_or_else(|| old.today()), include_absent);
    let after = new.view_on(date, include_absent);
    let [from_known_at, to_known_at] = [&old, &new].map(|question| question.past().map(Past::known_at));
    let types = [&old, &new].map(|question| question.type_set(&types));
    let relations = [old.type_set(&relations), new.type_set(&relations)];
    let old = old.graph;
    new.answer(&headers, "diff", Reach::Everything, move |graph| {
        let filter = filter.as_ref().map(|condition| matcher(condition, &after));
        let params = Params {
            types,
            relations,
            filter: filter.as_ref().map(|f| f as Predicate<'_>),
            limit: limit.map_or(DEFAULT_LIMIT, |limit| limit as usize),
        };
        Diff {
            from_known_at,
            to_known_at,
            ..diff::diff((&old, &before), (graph, &after), &params)
        }
    })
    .await
}

async fn question<'s>(state: &'s AppState, asker: &Allowed<right::View>, asked: &Asked) -> Result<Question<'s>> {
    match asked.known_at {
        None => Question::fresh(state, asker).await,
        Some(instant) => Question::known_at(state, asker, Past::at(&state.db, instant).await?).await,
    }
}
