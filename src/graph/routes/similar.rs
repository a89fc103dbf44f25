//! `GET /cards/{id}/similar`.

use axum::{extract::State, http::HeaderMap, response::Response};
use chrono::NaiveDate;
use utoipa::IntoParams;
use uuid::Uuid;

use super::ask::{Question, Reach};
use crate::{
    app::AppState,
    auth::{Allowed, right},
    error::{Result, ViolationCode},
    graph::question::similar::{self, Asked, SimilarCards},
    http::{
        extract::{Path, QueryFields},
        fields::Fields,
    },
};

/// Which cards are compared.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters, which are read field by field")]
pub struct SimilarParameters {
    /// Card types to look among; default the card's own. Repeat for several.
    #[param(example = json!(["Application"]))]
    types: Vec<String>,
    /// At most this many cards.
    #[param(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// No card with a lower score.
    #[param(minimum = 0, maximum = 1, default = 0.1)]
    min_score: Option<f64>,
    /// The date the landscape is looked at; default today (UTC).
    target_date: Option<NaiveDate>,
    /// Compare with cards that are not present on the date too.
    #[param(default = false)]
    include_absent: Option<bool>,
}

/// Cards like this one
///
/// The score is 70 % tags (shared of all that either has), 20 % attributes (equal of all that either has) and 10 % neighbours (the
/// same card by the same relationship in the same direction, of all that either has), each part shown. `suggestions` are
/// relationships that at least two of the similar cards have and this one could have.
#[utoipa::path(
    get, path = "/cards/{id}/similar", tag = "Cards", operation_id = "list_similar_cards",
    params(("id" = Uuid, Path, description = "The card"), SimilarParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses((status = 200, description = "The most similar first", body = SimilarCards, headers(("ETag" = String))), (status = 304, description = "You have it already"), (status = 404, description = "There is no such card")),
    security(("access_token" = [])), extensions(("x-permission" = json!("view")))
)]
pub async fn list_similar_cards(
    State(state): State<AppState>,
    asker: Allowed<right::View>,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    QueryFields(mut fields, _): QueryFields<SimilarParameters>,
) -> Result<Response> {
    let question = Question::fresh(&state, &asker).await?;
    let view = question.view(&mut fields);
    let names = question.types(&mut fields);
    let limit = fields.integer("limit", 1, 100).map_or(10, |limit| limit as usize);
    let min_score = score(&mut fields);
    fields.done()?;
    let card = question.card(&view, id)?;
    let types = if names.is_empty() {
        let own = question.graph.type_name(question.graph.card_type(card)).to_string();
        question.type_set(&[own])
    } else {
        question.type_set(&names)
    };
    let asked = Asked {
        types,
        limit,
        min_score,
    };
    let ontology = state.ontology.load_full();
    question
        .answer(&headers, "similar", Reach::Everything, move |graph| {
            similar::similar(graph, &view, card, &asked, |source, kind, target| {
                ontology.lookup(source, kind, target).is_some_and(|row| !row.deprecated)
            })
        })
        .await
}

/// Takes `min_score`.
fn score(fields: &mut Fields) -> f64 {
    let Some(given) = fields.value("min_score") else {
        return 0.1;
    };
    let read = given.as_str().and_then(|text| text.parse::<f64>().ok());
    if let Some(score) = read.filter(|score| (0.0..=1.0).contains(score)) {
        return score;
    }
    let message = "must be a number from 0 to 1";
    fields.refuse("min_score", ViolationCode::OutOfRange, message, Some(&given));
    0.1
}
