//! Routes of saved questions.

mod administer;
mod results;

use sqlx::PgConnection;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{SavedQuestion, store};
use crate::{
    app::AppState,
    auth::Principal,
    error::{Error, Result},
};

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(administer::list_questions, administer::create_question))
        .routes(routes!(
            administer::get_question,
            administer::update_question,
            administer::delete_question
        ))
        .routes(routes!(results::get_results))
        .routes(routes!(results::get_results_csv))
}

/// The question, if it exists for the caller.
async fn seen(conn: &mut PgConnection, caller: &Principal, id_or_slug: &str) -> Result<SavedQuestion> {
    let found = store::find(conn, id_or_slug).await?;
    found
        .filter(|question| question.is_seen_by(caller))
        .ok_or_else(|| missing(id_or_slug))
}

fn missing(id_or_slug: &str) -> Error {
    let shown: String = id_or_slug.chars().take(80).collect();
    Error::not_found("question", shown)
}
