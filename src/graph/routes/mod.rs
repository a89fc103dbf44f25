//! The questions over HTTP. Each reads its parameters and hands a closure to [`ask::Question::answer`]; what the answers
//! mean is the business of [`question`](super::question).

mod around;
mod ask;
mod diff;
mod fan;
mod impact;
mod overview;
mod paths;
mod similar;
mod subject;
mod traverse;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::AppState;

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(traverse::traverse))
        .routes(routes!(impact::impact_of_card))
        .routes(routes!(impact::impact_of_many))
        .routes(routes!(around::list_dependencies))
        .routes(routes!(paths::list_paths))
        .routes(routes!(fan::rank_fan_in))
        .routes(routes!(fan::rank_fan_out))
        .routes(routes!(fan::fan_in_of_card))
        .routes(routes!(fan::fan_out_of_card))
        .routes(routes!(around::read_hierarchy))
        .routes(routes!(overview::list_single_points))
        .routes(routes!(overview::list_cycles))
        .routes(routes!(overview::list_orphans))
        .routes(routes!(around::read_lineage))
        .routes(routes!(diff::diff_dates))
        .routes(routes!(similar::list_similar_cards))
}
