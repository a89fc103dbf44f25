//! The first connection of a program, and what an operator can do when there is none.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, error::DatabaseError, postgres::PgConnectOptions};

use crate::error::{Code, Error, Result};

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(250);

/// Opens a connection; waits up to `patience` for a server that is just starting. Only what may pass by itself is a
/// [`Code::ServiceUnavailable`].
pub async fn reach(options: &PgConnectOptions, patience: Duration) -> Result<PgConnection> {
    let began = Instant::now();
    loop {
        let left = patience.saturating_sub(began.elapsed()).max(PAUSE);
        let error = match tokio::time::timeout(left, PgConnection::connect_with(options)).await {
            Ok(Ok(conn)) => return Ok(conn),
            Ok(Err(error)) => explain(options, error),
            Err(_) => unanswered(options, None),
        };
        if error.code != Code::ServiceUnavailable || began.elapsed() + PAUSE >= patience {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Where the database is, for messages.
#[must_use]
pub fn place(options: &PgConnectOptions) -> String {
    let name = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{name} on {}", server(options))
}

fn server(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn unanswered(options: &PgConnectOptions, source: Option<sqlx::Error>) -> Error {
    let mut error = Error::unavailable("database", source.map(Into::into));
    error.message = format!("No Postgres answers at {}", server(options));
    error
}

fn explain(options: &PgConnectOptions, error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(refusal) => refused(options, refusal),
        sqlx::Error::Io(_) => unanswered(options, Some(error)),
        sqlx::Error::Tls(_) => {
            let text = format!(
                "No TLS connection to {}; see DATABASE_SSL_MODE and DATABASE_SSL_CERT",
                server(options)
            );
            caused(text, error)
        }
        other => caused(format!("Cannot connect to {}", place(options)), other),
    }
}

fn refused(options: &PgConnectOptions, refusal: Box<dyn DatabaseError>) -> Error {
    let (role, state) = (options.get_username(), refusal.code().unwrap_or_default().into_owned());
    let text = match state.as_str() {
        "3D000" => format!(
            "There is no database {}; `migrate --create-database` makes it",
            place(options)
        ),
        "28P01" | "28000" => {
            format!(
                "{} does not let the role {role} in; see DATABASE_URL and DATABASE_PASSWORD",
                server(options)
            )
        }
        "42501" => format!(
            "The role {role} may not connect to {}; its owner can grant it",
            place(options)
        ),
        // Starting, shutting down, or out of connections: it passes.
        "57P01" | "57P02" | "57P03" | "53300" => {
            let mut error = unanswered(options, Some(sqlx::Error::Database(refusal)));
            error.message = format!("Postgres at {} takes no connections now", server(options));
            return error;
        }
        _ => format!("Cannot connect to {}", place(options)),
    };
    caused(text, sqlx::Error::Database(refusal))
}

fn caused(text: String, cause: sqlx::Error) -> Error {
    let mut error = Error::new(Code::UnprocessableEntity, text);
    error.source = Some(cause.into());
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_at_home_is_said_after_the_patience() {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(1)
            .username("a")
            .database("arc");
        let began = Instant::now();
        let error = reach(&options, Duration::from_millis(600)).await.unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert_eq!(error.message, "No Postgres answers at 127.0.0.1:1");
        assert!(began.elapsed() >= Duration::from_millis(250), "tried once only");
        assert_eq!(place(&options), "arc on 127.0.0.1:1");
    }
}
