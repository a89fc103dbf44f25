//! The routes of people: logging in and out, one's own sessions and profile, and the administration of users.

mod api_keys;
mod client;
mod links;
mod login;
mod me;
mod password;
mod refresh;
mod roles;
mod sessions;
mod users;
mod view;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::AppState;

/// The routes of this room.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(login::log_in))
        .routes(routes!(refresh::refresh))
        .routes(routes!(refresh::log_out))
        .routes(routes!(password::change_password))
        .routes(routes!(links::accept_invite))
        .routes(routes!(links::reset_password))
        .routes(routes!(sessions::list_sessions, sessions::revoke_sessions))
        .routes(routes!(sessions::revoke_session))
        .routes(routes!(api_keys::own::list_api_keys, api_keys::create::create_api_key))
        .routes(routes!(api_keys::own::get_api_key, api_keys::own::revoke_api_key))
        .routes(routes!(api_keys::admin::list_all_api_keys))
        .routes(routes!(api_keys::admin::list_users_api_keys))
        .routes(routes!(
            api_keys::admin::get_any_api_key,
            api_keys::admin::update_api_key,
            api_keys::admin::revoke_any_api_key
        ))
        .routes(routes!(me::get_me, me::update_me))
        .routes(routes!(users::read::list_users, users::write::create_user))
        .routes(routes!(
            users::read::get_user,
            users::write::update_user,
            users::write::delete_user
        ))
        .routes(routes!(users::actions::deactivate_user))
        .routes(routes!(users::actions::anonymize_user))
        .routes(routes!(users::actions::unlock_user))
        .routes(routes!(roles::read::list_roles, roles::write::create_role))
        .routes(routes!(
            roles::read::get_role,
            roles::write::update_role,
            roles::write::delete_role
        ))
        .routes(routes!(links::create_invite_link))
        .routes(routes!(links::create_reset_link))
}
