//! People and what they may do: passwords, tokens, sessions, roles, and the [`Principal`] that handlers take as an
//! argument.

mod principal;
mod role;

pub use principal::{Allowed, Authentication, Principal};
pub use role::{Permission, Role, right};
