//! People and what they may do: passwords, tokens, sessions, roles, and the [`Principal`] that handlers take as an
//! argument.
//!
//! A request's token says which session it belongs to ([`Tokens`]); what that session may do is the database's word,
//! remembered in [`SessionCache`] and forgotten when the change log says so. Programs may send an [`api_key`] instead. Rules are pure: [`password`], [`lockout`],
//! [`refresh`], [`user`]; all SQL is in [`store`].

pub mod api_key;
pub mod attempt;
mod authenticate;
mod custom_role;
mod limits;
pub mod lockout;
pub mod password;
mod principal;
pub mod refresh;
mod rights;
mod role;
mod routes;
pub mod secret;
mod session;
pub mod store;
mod token;
pub mod user;

pub use api_key::{ApiKey, KeyCache, Scope};
pub use authenticate::{authenticate, caller};
pub use custom_role::{CustomRole, Granted, RoleBook, roles_named_in};
pub use limits::{RateLimit, RateLimits};
pub use principal::{Allowed, Authentication, Principal};
pub use rights::{EVERY_TYPE, Rights, TypeScope};
pub use role::{Permission, Role, RoleName, right};
pub use routes::routes;
pub use session::{Remembered, SessionCache, Standing};
pub use token::{Claims, Tokens};
