//! The keys that seal the change log.

use secrecy::SecretString;

use super::{application::Environment, auth::check_secret, reader::Reader, values};

/// The keys that seal the change log.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// Seals and verifies; without it one is made at the first start and kept in the database.
    pub key: Option<SecretString>,
    /// Keys that still verify but seal nothing.
    pub previous_keys: Vec<SecretString>,
}

impl AuditConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            key: reader.secret("AUDIT_KEY"),
            previous_keys: reader
                .parsed("AUDIT_PREVIOUS_KEYS", |text| {
                    Some(values::list(text).map(SecretString::from).collect())
                })
                .unwrap_or_default(),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader, env: Environment) {
        match &self.key {
            Some(key) => check_secret(reader, "AUDIT_KEY", key, env),
            None if env.is_production() => reader.warn(
                "AUDIT_KEY is not set: the key that seals the change log lies in the database beside it, so whoever can alter \
                 the log can seal it anew (openssl rand -hex 32)"
                    .to_owned(),
            ),
            None => {}
        }
        for key in &self.previous_keys {
            check_secret(reader, "AUDIT_PREVIOUS_KEYS", key, env);
        }
    }
}
