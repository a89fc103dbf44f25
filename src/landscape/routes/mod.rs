//! Routes that write cards and relationships.

mod bulk;
mod create;
mod delete;
mod duplicate;
mod relationships;
mod revert;
mod update;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::AppState;

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create_card))
        .routes(routes!(update::put_card, update::patch_card, delete::delete_card))
        .routes(routes!(delete::restore_card))
        .routes(routes!(duplicate::duplicate_card))
        .routes(routes!(revert::revert_card))
        .routes(routes!(bulk::bulk_cards))
        .routes(routes!(bulk::bulk_relationships))
        .routes(routes!(relationships::create_relationship))
        .routes(routes!(
            relationships::patch_relationship,
            relationships::delete_relationship
        ))
}
