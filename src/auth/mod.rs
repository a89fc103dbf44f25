//! People and what they may do: passwords, tokens, sessions, roles, and the [`Principal`] that handlers take as an
//! argument.
//!
//! A request's token says which session it belongs to ([`Tokens`]); what that session may do is the database's word,
//! remembered in [`SessionCache`] and forgotten when the change log says so. Rules are pure: [`password`], [`lockout`],
//! [`refresh`], [`user`]; all SQL is in [`store`].

pub mod attempt;
mod authenticate;
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

pub use authenticate::{authenticate, caller};
pub use principal::{Allowed, Authentication, Principal};
pub use rights::{Rights, TypeScope};
pub use role::{Permission, Role, right};
pub use routes::routes;
pub use session::{Remembered, SessionCache, Standing};
pub use token::{Claims, Tokens};
