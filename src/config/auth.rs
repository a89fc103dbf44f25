//! Tokens and passwords.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::{application::Environment, reader::Reader, values};

/// Tokens and passwords.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Signs access tokens; without it one is made at the first start and kept in the database.
    pub jwt_secret: Option<SecretString>,
    /// Secrets that still verify tokens but sign none.
    pub jwt_previous_secrets: Vec<SecretString>,
    /// How long an access token is valid.
    pub jwt_access_token_expiry: Duration,
    /// How long a session lasts without being refreshed.
    pub jwt_refresh_token_expiry: Duration,
    /// The issuer that tokens name and must name.
    pub jwt_issuer: String,
    /// The audience that tokens name and must name.
    pub jwt_audience: String,
    /// Cost of bcrypt.
    pub password_hash_cost: u32,
}

/// As many bytes as the digest that the signature uses.
const SHORTEST_SECRET: usize = 32;

impl AuthConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            jwt_secret: reader.secret("JWT_SECRET"),
            jwt_previous_secrets: reader
                .parsed("JWT_PREVIOUS_SECRETS", |text| {
                    Some(values::list(text).map(SecretString::from).collect())
                })
                .unwrap_or_default(),
            jwt_access_token_expiry: reader
                .duration("JWT_ACCESS_TOKEN_EXPIRY")
                .unwrap_or(Duration::from_hours(1)),
            jwt_refresh_token_expiry: reader
                .duration("JWT_REFRESH_TOKEN_EXPIRY")
                .unwrap_or(Duration::from_hours(168)),
            jwt_issuer: reader.name("JWT_ISSUER", 200).unwrap_or_default(),
            jwt_audience: reader.name("JWT_AUDIENCE", 200).unwrap_or_default(),
            password_hash_cost: reader.integer("PASSWORD_HASH_COST").unwrap_or(12),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader, env: Environment) {
        match &self.jwt_secret {
            None => reader.refuse("JWT_SECRET", "it must be set (openssl rand -hex 32)"),
            Some(secret) => check_secret(reader, "JWT_SECRET", secret, env),
        }
        for secret in &self.jwt_previous_secrets {
            check_secret(reader, "JWT_PREVIOUS_SECRETS", secret, env);
        }
        if self.jwt_refresh_token_expiry <= self.jwt_access_token_expiry
            && !reader.any_bad(&["JWT_ACCESS_TOKEN_EXPIRY", "JWT_REFRESH_TOKEN_EXPIRY"])
        {
            reader.problem(
                "JWT_REFRESH_TOKEN_EXPIRY",
                "it must be longer than JWT_ACCESS_TOKEN_EXPIRY",
            );
        }
        if self.password_hash_cost < 10 && env != Environment::Test {
            reader.problem(
                "PASSWORD_HASH_COST",
                "expected a whole number from 10 to 14 (less only with APP_ENV=test)",
            );
        }
    }
}

pub(super) fn check_secret(reader: &mut Reader, key: &'static str, secret: &SecretString, env: Environment) {
    let secret = secret.expose_secret();
    if is_placeholder(secret) {
        reader.refuse(key, "it still has a placeholder's value");
    } else if secret.len() < SHORTEST_SECRET {
        if env.is_production() {
            reader.refuse(key, "it is shorter than 32 bytes (openssl rand -hex 32)");
        } else {
            reader.warn(format!("{key} is shorter than 32 bytes, which production refuses"));
        }
    }
}

/// Whether somebody copied an example and forgot to fill it in.
pub(super) fn is_placeholder(secret: &str) -> bool {
    let letters: String = secret
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    letters.contains("changeme")
}
