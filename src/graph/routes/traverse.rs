//! `POST /graph/traverse`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::NaiveDate;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    ask::{Question, Reach},
    subject::matcher,
};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Result, ViolationCode},
    graph::{
        Direction,
        question::{
            DEFAULT_LIMIT, MAX_LIMIT, Predicate,
            traverse::{self, Params, Roots, Traversal},
        },
    },
    http::{
        extract::{JsonObject, NoQuery},
        fields::Fields,
    },
};

/// Where to start, how far to go, and what counts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(examples(
    json!({"root_id": "0190a6c0-0000-7000-8000-000000000001", "depth": 3, "direction": "out", "relations": ["RELIES_ON", "HOSTED_ON"]}),
    json!({"root_type": "BusinessCapability", "root_filter": {"strategic_importance": "High"}, "depth": 2, "direction": "in",
        "relations": ["SUPPORTS"], "target_date": "2027-01-01", "filter": {"field": "technical_fit", "op": "le", "value": 2}})
))]
pub struct TraverseBody {
    /// Start from this card. Without it and without `root_type`: from every card.
    root_id: Option<Uuid>,
    /// Start from all cards of this type.
    #[schema(example = "Application")]
    root_type: Option<String>,
    /// A condition that cards of `root_type` must meet to be started from.
    #[schema(value_type = Option<Object>)]
    root_filter: Option<Value>,
    /// How many steps.
    #[schema(minimum = 1, maximum = 10, default = 2)]
    depth: Option<u32>,
    /// `out` from source to target, `in` from target to source, or `both`.
    #[schema(default = "both")]
    direction: Option<Direction>,
    /// Only along these relationship types; empty or absent: along all.
    #[schema(example = json!(["RELIES_ON"]))]
    relations: Option<Vec<String>>,
    /// A condition: cards that do not meet it are neither returned nor walked through. Roots are exempt.
    #[schema(value_type = Option<Object>)]
    filter: Option<Value>,
    /// A condition: cards that do not meet it are walked through, but not returned.
    #[schema(value_type = Option<Object>)]
    return_filter: Option<Value>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// Count cards that are not present on the date too.
    #[schema(default = false)]
    include_absent: Option<bool>,
    /// Whether each node carries `metadata` (depth, phase, criticality, fits, tags …).
    #[schema(default = true)]
    include_metadata: Option<bool>,
    /// At most this many cards, the nearest first.
    #[schema(minimum = 1, maximum = 50_000, default = 5_000)]
    limit_nodes: Option<u32>,
}

/// Traverse
///
/// What lies around a card, around the cards of a type, or everything: nodes and links, ready to draw. Nodes come by
/// (depth, type, id); links are all relationships of the asked types between two returned nodes, in force on the date. A
/// truncated answer says so and how many cards of which types it left out.
#[utoipa::path(
    post, path = "/graph/traverse", tag = "Graph", operation_id = "traverse_graph",
    request_body = TraverseBody,
    params(("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "Nodes and links", body = Traversal, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such root")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn traverse(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    _: NoQuery,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let question = Question::fresh(&state, &asker).await?;
    let mut fields = Fields::new(body);
    let view = question.view(&mut fields);
    if fields.is_given("root_id") {
        for (with, message) in [
            ("root_type", "give root_id or root_type, not both"),
            ("root_filter", "selects among root_type"),
        ] {
            if fields.is_given(with) {
                fields.refuse(with, ViolationCode::NotAllowedHere, message, None);
            }
        }
    }
    let root_id = fields.uuid("root_id");
    let root_type = question.card_type(&mut fields, "root_type");
    let depth = fields.integer("depth", 1, 10).unwrap_or(2) as u32;
    let direction = direction(&mut fields);
    let relations = question.relations(&mut fields);
    let root_filter = question.condition(&mut fields, "root_filter", root_type.as_slice());
    let filter = question.condition(&mut fields, "filter", &[]);
    let return_filter = question.condition(&mut fields, "return_filter", &[]);
    let include_metadata = fields.boolean("include_metadata").unwrap_or(true);
    let limit_nodes = limit_nodes(&mut fields);
    fields.done()?;
    let roots = match (root_id, &root_type) {
        (Some(id), _) => Roots::Cards(vec![question.card(&view, id).map_err(|error| error.at("root_id"))?]),
        (None, Some(name)) => Roots::OfType(question.graph.find_type(name)),
        (None, None) => Roots::All,
    };
    let reach = if root_id.is_some() {
        Reach::Around
    } else {
        Reach::Everything
    };
    let palette = question.palette();
    question
        .answer(&headers, "traverse", reach, move |graph| {
            let [filter, return_filter, root_filter] =
                [&filter, &return_filter, &root_filter].map(|condition| condition.as_ref().map(|c| matcher(c, &view)));
            let params = Params {
                roots,
                depth,
                direction,
                relations,
                filter: filter.as_ref().map(|f| f as Predicate<'_>),
                return_filter: return_filter.as_ref().map(|f| f as Predicate<'_>),
                root_filter: root_filter.as_ref().map(|f| f as Predicate<'_>),
                limit_nodes,
                include_metadata,
            };
            traverse::traverse(graph, &view, &params, &palette)
        })
        .await
}

/// Takes `direction`.
pub fn direction(fields: &mut Fields) -> Direction {
    let options = [
        ("out", Direction::Out),
        ("in", Direction::In),
        ("both", Direction::Both),
    ];
    fields.choice("direction", &options).unwrap_or_default()
}

/// Takes `limit_nodes`.
pub fn limit_nodes(fields: &mut Fields) -> usize {
    let given = fields.integer("limit_nodes", 1, MAX_LIMIT as i64);
    given.map_or(DEFAULT_LIMIT, |limit| limit as usize)
}
