//! `/config/metamodel/rules`.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    current, list_in_memory, patched, refuse_builtin,
    rule_body::{FIXED, RuleBody, RulePatch, read},
    settle,
};
use crate::{
    app::AppState,
    auth::{Allowed, Principal, right},
    error::{Code, Error, Result, Violation},
    http::{
        etag::{IfMatch, validated},
        extract::{Both, JsonObject, NoQuery, Path, Query},
        page::{Page, Paging},
        write::{Answer, WriteRequest},
    },
    metamodel::{Metamodel, Rule, recompute, store, violations_of},
};

/// As many violating cards as a dry run shows.
const EXAMPLES: usize = 20;
/// Cards read at a time by a dry run.
const BATCH: i64 = 1_000;

/// Which rules.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RuleFilter {
    /// Only those of this card type.
    card_type: Option<String>,
}

/// Whether to write.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// Only tells how many cards would violate the rule.
    #[serde(default)]
    dry_run: bool,
}

/// What a rule would mean for the cards there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trial {
    /// Nothing was written.
    pub dry_run: bool,
    /// How many cards of the type there are.
    pub checked: u64,
    /// How many of them violate the rule.
    pub violating: u64,
    /// The first twenty of those.
    pub examples: Vec<Violator>,
}

/// A card that violates a rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct Violator {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
}

/// The changed rule, or what the change would mean.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    clippy::large_enum_variant,
    reason = "describes an answer that is one or the other; nobody makes one"
)]
pub enum RuleOrTrial {
    /// Without `dry_run`.
    Rule(Rule),
    /// With `dry_run=true`.
    Trial(Trial),
}

/// Tries a rule on the cards that exist for the caller.
async fn try_out(conn: &mut PgConnection, caller: &Principal, rule: &Rule) -> Result<Trial> {
    let mut trial = Trial {
        dry_run: true,
        checked: 0,
        violating: 0,
        examples: Vec::new(),
    };
    if !caller.visible().covers(&rule.card_type) {
        return Ok(trial);
    }
    let mut after = Uuid::nil();
    loop {
        let cards = store::attributes_of(conn, &rule.card_type, after, BATCH).await?;
        let Some(last) = cards.last() else { return Ok(trial) };
        after = last.id;
        for card in cards {
            trial.checked += 1;
            let violations = violations_of(rule, &card.attributes);
            if violations.is_empty() {
                continue;
            }
            trial.violating += 1;
            if trial.examples.len() < EXAMPLES {
                trial.examples.push(Violator {
                    id: card.id,
                    name: card.name,
                    violations,
                });
            }
        }
    }
}

fn missing(id: Uuid) -> Error {
    Error::not_found("metamodel rule", id)
}

/// Refuses a second rule for the same key.
fn refuse_twin(metamodel: &Metamodel, new: &Rule) -> Result<()> {
    match metamodel
        .rules(&new.card_type)
        .iter()
        .find(|other| other.key == new.key && other.id != new.id)
    {
        None => Ok(()),
        Some(other) => {
            let message = format!("{} has a rule for {} already; change that one", new.card_type, new.key);
            Err(Error::new(Code::Conflict, message)
                .at("key")
                .with(json!({ "existing_id": other.id })))
        }
    }
}

/// List rules
///
/// The rules of all card types or of one, in order of card type and position.
#[utoipa::path(
    get, path = "/config/metamodel/rules", tag = "Metamodel", operation_id = "list_metamodel_rules", params(RuleFilter, Paging, ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "Rules", body = Page<Rule>, headers(("ETag" = String))), (status = 304, description = "You have it already")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_rules(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(filter, paging)): Query<Both<RuleFilter, Paging>>,
) -> Result<Response> {
    current(&state, &headers).await?;
    let metamodel = state.metamodel.load();
    let wanted = filter.card_type.as_deref();
    let rules: Vec<Rule> = metamodel
        .all_rules()
        .filter(|rule| wanted.is_none_or(|name| rule.card_type == name))
        .cloned()
        .collect();
    let key = |rule: &Rule| format!("{}/{:010}/{}", rule.card_type, rule.position, rule.key);
    validated(
        &headers,
        None,
        &list_in_memory(rules, key, &["rules", wanted.unwrap_or_default()], &paging, &uri)?,
    )
}

/// Read a rule
///
/// What one attribute of a card type must look like.
#[utoipa::path(
    get, path = "/config/metamodel/rules/{id}", tag = "Metamodel", operation_id = "get_metamodel_rule",
    params(("id" = Uuid, Path, description = "Its id"), ("X-Arc-Position" = Option<String>, Header, description = "A position that a write returned")),
    responses((status = 200, description = "The rule", body = Rule, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such rule")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn get_rule(
    State(state): State<AppState>,
    _: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Response> {
    current(&state, &headers).await?;
    let metamodel = state.metamodel.load();
    let rule = metamodel.rule_by_id(id).ok_or_else(|| missing(id))?;
    validated(&headers, Some(rule.version), rule)
}

/// Add a rule
///
/// It holds for what is written from now on; cards that violate it stay as they are. With `dry_run=true` nothing is
/// written and the answer tells how many cards would violate it.
#[utoipa::path(
    post, path = "/config/metamodel/rules", tag = "Metamodel", operation_id = "create_metamodel_rule", params(DryRun), request_body = RuleBody,
    responses(
        (status = 201, description = "The rule", body = Rule, headers(("ETag" = String), ("Location" = String))),
        (status = 200, description = "With `dry_run=true`: what it would mean", body = Trial),
        (status = 409, description = "The card type has a rule for that key"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn create_rule(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageMetamodel>,
    request: WriteRequest,
    Query(parameters): Query<DryRun>,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    if parameters.dry_run {
        let mut conn = state.db.acquire().await?;
        let metamodel = store::load(&mut conn).await?;
        let (rule, _) = read(body, None, &metamodel)?;
        refuse_twin(&metamodel, &rule)?;
        return Ok(Answer::json(StatusCode::OK, &try_out(&mut conn, &caller, &rule).await?)?.into_response());
    }
    let (request, body) = (&request, &body);
    let answer = request
        .run(&state, &Value::Object(body.clone()), |conn, _| {
            Box::pin(async move {
                store::hold(conn).await?;
                let metamodel = store::load(conn).await?;
                let (rule, reason) = read(body.clone(), None, &metamodel)?;
                refuse_twin(&metamodel, &rule)?;
                store::bump(conn).await?;
                store::insert_rule(conn, &request.author(reason), &rule).await?;
                recompute::request(conn, &rule.card_type).await?;
                let path = format!("/api/v1/config/metamodel/rules/{}", rule.id);
                Ok(Answer::json(StatusCode::CREATED, &rule)?
                    .versioned(rule.version)
                    .located(path))
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer.into_response())
}

/// Change a rule
///
/// A merge patch; card type and key stay. Cards are never rewritten. With `dry_run=true` nothing is written and the
/// answer tells how many cards would violate it.
#[utoipa::path(
    patch, path = "/config/metamodel/rules/{id}", tag = "Metamodel", operation_id = "update_metamodel_rule",
    params(("id" = Uuid, Path, description = "Its id"), DryRun, ("If-Match" = Option<String>, Header, description = "The version you read")),
    request_body(content((RulePatch = "application/merge-patch+json"), (RulePatch = "application/json"))),
    responses(
        (status = 200, description = "The rule; with `dry_run=true` what the change would mean", body = RuleOrTrial, headers(("ETag" = String))),
        (status = 404, description = "There is no such rule"),
        (status = 412, description = "Changed since you read it"),
    ),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn update_rule(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ManageMetamodel>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    Query(parameters): Query<DryRun>,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let change = |metamodel: &Metamodel| {
        let before = metamodel.rule_by_id(id).ok_or_else(|| missing(id))?;
        if_match.check(before.version)?;
        let state = json!(before).as_object().cloned().unwrap_or_default();
        let (after, reason) = read(patched(state, &body, FIXED)?, Some(before), metamodel)?;
        Ok::<_, Error>((before.clone(), after, reason))
    };
    if parameters.dry_run {
        let mut conn = state.db.acquire().await?;
        let (_, after, _) = change(&store::load(&mut conn).await?)?;
        return Ok(Answer::json(StatusCode::OK, &try_out(&mut conn, &caller, &after).await?)?.into_response());
    }
    let (request, change) = (&request, &change);
    let answer = request
        .run(&state, &Value::Object(body.clone()), |conn, _| {
            Box::pin(async move {
                store::hold(conn).await?;
                let (before, after, reason) = change(&store::load(conn).await?)?;
                if after
                    == (Rule {
                        version: after.version,
                        ..before.clone()
                    })
                {
                    return Ok(Answer::json(StatusCode::OK, &before)?.versioned(before.version));
                }
                store::bump(conn).await?;
                store::update_rule(conn, &request.author(reason), &before, &after).await?;
                recompute::request(conn, &after.card_type).await?;
                Ok(Answer::json(StatusCode::OK, &after)?.versioned(after.version))
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer.into_response())
}

/// Remove a rule
///
/// Only one that was added; the cards keep their attribute. Built-in rules can be deprecated.
#[utoipa::path(
    delete, path = "/config/metamodel/rules/{id}", tag = "Metamodel", operation_id = "delete_metamodel_rule",
    params(("id" = Uuid, Path, description = "Its id"), ("If-Match" = Option<String>, Header, description = "The version you read")),
    responses((status = 204, description = "Removed"), (status = 404, description = "There is no such rule"), (status = 409, description = "It came with the software"), (status = 412, description = "Changed since you read it")),
    security(("access_token" = [])), extensions(("x-permission" = json!("manage_metamodel")))
)]
pub async fn delete_rule(
    State(state): State<AppState>,
    _: Allowed<right::ManageMetamodel>,
    if_match: IfMatch,
    request: WriteRequest,
    Path(id): Path<Uuid>,
    _: NoQuery,
) -> Result<Answer> {
    let request = &request;
    let answer = request
        .run(&state, &Value::Null, |conn, _| {
            Box::pin(async move {
                store::hold(conn).await?;
                let metamodel = store::load(conn).await?;
                let old = metamodel.rule_by_id(id).ok_or_else(|| missing(id))?;
                if_match.check(old.version)?;
                if old.builtin {
                    return Err(refuse_builtin("rule"));
                }
                store::bump(conn).await?;
                store::delete_rule(conn, &request.author(None), old).await?;
                recompute::request(conn, &old.card_type).await?;
                Ok(Answer::empty())
            })
        })
        .await?;
    settle(&state).await;
    Ok(answer)
}
