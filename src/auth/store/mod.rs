//! All the SQL of people, their sessions and their secrets. Free functions on a connection; whoever calls them owns the
//! transaction. The `admin` program uses the same ones as the routes.

mod api_keys;
mod failures;
mod links;
mod roles;
mod sessions;
mod sweep;
mod users;

pub use api_keys::{
    KeyFilter, KeyRow, NewKey, count_keys, count_living_keys, find_api_key, find_key, find_key_digest, forget_keys,
    insert_key, limit_key, list_keys, lock_key, note_key_use, revoke_key, revoke_keys_of,
};
pub use failures::{clear_failures, lock_out, release_try, reserve_try, sweep_failures, unlock};
pub use links::{Purpose, StoredLink, find_link, replace_link, use_link, void_links};
pub use roles::{
    count_all_bearers, count_bearers, delete_role, find_role, grant, hold_roles, insert_role, load_roles, lock_role,
    name_taken, require_all_of, save_role,
};
pub use sessions::{
    NewSession, Rotation, SessionFilter, SessionRow, find_standing, forget_devices, insert_session, list_sessions,
    note_activity, revoke_other_sessions, revoke_session, rotate, session_of_refresh_token,
};
pub use sweep::{forget_failures, forget_links, forget_refresh_tokens, forget_sessions};
pub use users::{
    Credentials, Deleted, NewUser, UserFilter, UserPlace, UserSort, count_users, create_user, find_credentials,
    find_password_hash, find_user, keep_an_admin, list_users, lock_user, log_user, record_login, reset_password,
    save_user, set_password, upgrade_password,
};

use sqlx::PgConnection;

use crate::error::Result;

/// The value of a setting that the installation makes for itself; `fresh` if there is none yet. Instances that start
/// together agree on the first one's.
pub async fn setting(conn: &mut PgConnection, name: &str, fresh: &str) -> Result<String> {
    sqlx::query!(
        "insert into settings (name, value) values ($1, $2) on conflict (name) do nothing",
        name,
        fresh
    )
    .execute(&mut *conn)
    .await?;
    let value = sqlx::query_scalar!("select value from settings where name = $1", name)
        .fetch_one(conn)
        .await?;
    Ok(value)
}
