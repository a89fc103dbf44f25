//! The connection pool.

use std::{str::FromStr, time::Duration};

use secrecy::ExposeSecret;
use sqlx::{
    Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
};

use crate::{
    config::{DatabaseConfig, Login, SslMode},
    error::{Error, Result},
};

/// A connection that was in use this short a time ago is taken to be alive: asking it would cost every request one more
/// round trip.
const FRESH: Duration = Duration::from_secs(1);

/// How one connection is made, from the configuration alone.
pub fn connect_options(config: &DatabaseConfig) -> Result<PgConnectOptions> {
    options(config, config.application(), "DATABASE_URL")
}

/// How migrations connect: as the owner of the schema, if the configuration names one.
pub fn migration_options(config: &DatabaseConfig) -> Result<PgConnectOptions> {
    options(config, config.migration(), "DATABASE_MIGRATE_URL")
}

fn options(config: &DatabaseConfig, login: Login<'_>, key: &str) -> Result<PgConnectOptions> {
    let mut options = PgConnectOptions::from_str(login.url.expose_secret())
        .map_err(|_| Error::invalid(format!("{key} is not a Postgres connection URL")))?
        .application_name("archzero")
        .statement_cache_capacity(256);
    if let Some(password) = login.password {
        options = options.password(password.expose_secret());
    }
    options = options.ssl_mode(match config.ssl_mode {
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Allow => PgSslMode::Allow,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        SslMode::VerifyFull => PgSslMode::VerifyFull,
    });
    if let Some(certificate) = &config.ssl_cert {
        options = options.ssl_root_cert(certificate);
    }
    let statement_timeout = config.statement_timeout.as_millis().to_string();
    Ok(options.options([
        ("statement_timeout", statement_timeout.as_str()),
        ("idle_in_transaction_session_timeout", "60000"),
        ("timezone", "UTC"),
    ]))
}

/// Opens the pool. It connects lazily: a database that is down at start shows in `/health`, not in a crash loop.
pub fn connect(config: &DatabaseConfig) -> Result<PgPool> {
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .min_connections(config.min_connections)
        .acquire_timeout(config.acquire_timeout.min(Duration::from_mins(1)))
        .idle_timeout(config.idle_timeout)
        .max_lifetime(config.max_lifetime)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for > FRESH {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(connect_options(config)?))
}
