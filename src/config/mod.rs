//! The configuration: read once at the start, the only room that reads the environment. Every key is described in one
//! table (`keys`); the sections below turn the text into types and check themselves and each other. Whatever is
//! wrong is reported together, in one message.

use std::{collections::BTreeSet, fmt, path::Path};

mod application;
mod audit;
mod auth;
mod cors;
mod database;
mod documents;
mod dotenv;
mod keys;
mod known_at;
mod rate_limit;
mod reader;
mod server;
mod sources;
mod telemetry;
mod values;

#[cfg(test)]
mod tests;

pub use application::{ApplicationConfig, Environment, LogFormat, LogLevel, LogRequests};
pub use audit::AuditConfig;
pub use auth::AuthConfig;
pub use cors::{CorsConfig, Origins};
pub use database::{DatabaseConfig, Login, SslMode};
pub use documents::{env_example, reference};
pub use known_at::KnownAtConfig;
pub use rate_limit::RateLimitConfig;
pub use reader::Problem;
pub use server::ServerConfig;
pub use telemetry::TelemetryConfig;
pub use values::{Quota, TrustedProxies};

use reader::Reader;
use sources::Sources;

/// The whole configuration, valid. Secrets do not show in its `Debug` form.
#[derive(Clone, Debug)]
pub struct Config {
    /// What runs here and what it logs.
    pub application: ApplicationConfig,
    /// Where the API listens and how much it lets a request take.
    pub server: ServerConfig,
    /// The database and the pool of connections to it.
    pub database: DatabaseConfig,
    /// Tokens and passwords.
    pub auth: AuthConfig,
    /// The keys that seal the change log.
    pub audit: AuditConfig,
    /// Which web pages may call the API.
    pub cors: CorsConfig,
    /// How often a caller may ask.
    pub rate_limit: RateLimitConfig,
    /// What answers about the past may cost.
    pub known_at: KnownAtConfig,
    /// Metrics and health checks.
    pub telemetry: TelemetryConfig,
    /// What is odd but no reason not to start; logged once the log exists.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct ConfigError {
    /// What is wrong, one by one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => writeln!(f, "the configuration has a problem:")?,
            n => writeln!(f, "the configuration has {n} problems:")?,
        }
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        write!(f, "docs/configuration.md describes every key")
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the process environment, `.env.$APP_ENV` and `.env` in the working directory, in this order of
    /// precedence.
    ///
    /// # Errors
    /// Everything that is wrong, together.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn load() -> Result<Self, ConfigError> {
        Self::build(Sources::collect(std::env::vars_os(), Path::new("."))).0
    }

    /// Reads these values and nothing else.
    ///
    /// # Errors
    /// Everything that is wrong, together.
    pub fn from_vars<K: Into<String>, V: Into<String>>(
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        Self::build(Sources::of(
            vars.into_iter().map(|(key, value)| (key.into(), value.into())),
        ))
        .0
    }

    /// A configuration for tests: this database, free ports, cheap passwords, no rate limits, no metrics listener.
    ///
    /// # Panics
    /// When the address of the database is none.
    #[must_use]
    pub fn for_tests(database_url: &str) -> Self {
        let vars = [
            ("APP_ENV", "test"),
            ("LOG_LEVEL", "warn"),
            ("API_PORT", "0"),
            ("METRICS_PORT", "0"),
            ("DATABASE_URL", database_url),
            ("DATABASE_MAX_CONNECTIONS", "5"),
            ("DATABASE_MIN_CONNECTIONS", "0"),
            ("JWT_SECRET", "a secret that signs nothing but the tokens of tests"),
            ("PASSWORD_HASH_COST", "4"),
            ("RATE_LIMIT_ENABLED", "false"),
        ];
        Self::from_vars(vars).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The configuration, and the keys that were read.
    fn build(mut sources: Sources) -> (Result<Self, ConfigError>, BTreeSet<&'static str>) {
        sources.warn_of_unknown_keys();
        let mut reader = Reader::new(sources.vars, sources.problems, sources.warnings);
        let application = ApplicationConfig::read(&mut reader);
        let env = application.env;
        let server = ServerConfig::read(&mut reader, env);
        let database = DatabaseConfig::read(&mut reader, &server);
        let auth = AuthConfig::read(&mut reader);
        let audit = AuditConfig::read(&mut reader);
        let cors = CorsConfig::read(&mut reader, env);
        let rate_limit = RateLimitConfig::read(&mut reader);
        let known_at = KnownAtConfig::read(&mut reader);
        let telemetry = TelemetryConfig::read(&mut reader, &server);

        server.validate(&mut reader);
        database.validate(&mut reader, &server, env);
        auth.validate(&mut reader, env);
        audit.validate(&mut reader, env);
        cors.validate(&mut reader);
        telemetry.validate(&mut reader, &server);

        let (problems, warnings, asked) = reader.finish();
        let config = if problems.is_empty() {
            Ok(Self {
                application,
                server,
                database,
                auth,
                audit,
                cors,
                rate_limit,
                known_at,
                telemetry,
                warnings,
            })
        } else {
            Err(ConfigError { problems })
        };
        (config, asked)
    }
}
