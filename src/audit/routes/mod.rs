//! The trail over HTTP: lists and files, its verification, and blanking.

mod blank;
mod trail;
mod verify;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::AppState;

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(trail::list_audit))
        .routes(routes!(trail::export_audit))
        .routes(routes!(verify::verify_audit))
        .routes(routes!(blank::blank_change))
        .routes(routes!(blank::blank_changes))
}
