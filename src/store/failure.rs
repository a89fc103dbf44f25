//! What the database refuses, in words of the API. Constraints that a client can run into are named here once.

use std::time::Duration;

use serde_json::json;
use sqlx::error::DatabaseError;

use crate::error::{Code, Error};

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => database(db.as_ref()).unwrap_or_else(|| Error::internal(error)),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
                Error::unavailable("database", Some(error.into()))
            }
            _ => Error::internal(error),
        }
    }
}

fn database(error: &dyn DatabaseError) -> Option<Error> {
    let code = error.code()?;
    if let Some(constraint) = error.constraint()
        && let Some(mapped) = by_constraint(constraint)
    {
        return Some(mapped);
    }
    match code.as_ref() {
        // Too many connections, starting up, shutting down, connection lost: the service, not the request, is at fault.
        "53300" | "57P01" | "57P02" | "57P03" | "08000" | "08003" | "08006" => {
            Some(Error::unavailable("database", Some(message(error))))
        }
        "57014" => {
            let mut timeout = Error::new(
                Code::Timeout,
                "The database needed longer than the server allows for one request",
            );
            timeout.source = Some(message(error));
            Some(timeout)
        }
        "40001" | "40P01" => Some(Error::lost_race(message(error))),
        // A text with NUL or an invalid escape that slipped past validation, a number or date out of range.
        "22021" | "22P05" | "22003" | "22008" | "22007" | "22P02" => {
            let mut invalid = Error::invalid(
                "A value in the request cannot be stored: check for NUL characters, numbers or dates out of range",
            );
            invalid.source = Some(message(error));
            Some(invalid)
        }
        _ => None,
    }
}

fn by_constraint(name: &str) -> Option<Error> {
    let text = match name {
        "cards_name_unique" => "A card of this type with this name exists already",
        "cards_pkey" => "A card with this id exists already",
        "relationships_pkey" => "A relationship with this id exists already",
        "card_external_ids_pkey" => "Another card carries this external id already",
        "users_email" => "A user with this e-mail address exists already",
        "card_types_name_key" => "A card type with this name exists already",
        "metamodel_rules_card_type_key_key" => "This card type has a rule for this key already",
        _ => return None,
    };
    Some(Error::new(Code::Conflict, text).with(json!({ "constraint": name })))
}

fn message(error: &dyn DatabaseError) -> Box<dyn std::error::Error + Send + Sync> {
    error.to_string().into()
}

/// Whether the transaction lost a race and may simply be run again.
#[must_use]
pub fn is_retryable(error: &Error) -> bool {
    error.code == Code::ServiceUnavailable && error.details.as_ref().is_some_and(|d| d["retryable"] == true)
}

/// Whether a raw database error is the violation of this constraint.
#[must_use]
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    matches!(error, sqlx::Error::Database(db) if db.constraint() == Some(constraint))
}

/// How long a request waits for a lock that a twin of it holds.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(5);
