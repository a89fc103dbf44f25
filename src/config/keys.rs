//! The table of all keys: what each is called, accepts, defaults to and means. The sections read through it, so what
//! is not in the table cannot be read; `.env.example` and the table in `docs/configuration.md` are made from it.

use std::time::Duration;

use super::values::Readable;

/// One key of the configuration.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub accepts: Accepts,
    pub default: Fallback,
    pub meaning: &'static str,
    /// Never shown, and may be given as a file by `<name>_FILE`.
    pub secret: bool,
}

/// What applies when a key is not set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// This text, as if it had been set.
    Text(&'static str),
    /// Something that depends on other keys or on the machine, in words.
    Depends(&'static str),
    /// Nothing: the feature behind the key is off or not restricted.
    Unset,
    /// Nothing: the program does not start.
    Required,
}

/// What a key accepts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Accepts {
    Flag,
    Integer { min: u64, max: u64 },
    Duration { min: Duration, max: Duration },
    Size { min: u64, max: u64 },
    Quota,
    Words(&'static [&'static str]),
    Text(&'static str),
}

impl Accepts {
    /// In words, as an error message and the documentation say it.
    pub fn describe(&self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Duration { min, max } => {
                format!(
                    "a duration from {} to {}, such as 30, 30s, 5m or 1h",
                    Readable(*min),
                    Readable(*max)
                )
            }
            Self::Size { min, max } => format!("bytes from {min} to {max}, such as 10485760, 512KiB or 10MB"),
            Self::Quota => "requests per window of 1 s to 31 d, such as 1000, 1000/h, 10/15min or 1200/min".to_owned(),
            Self::Words(words) => match words {
                [first, last] => format!("{first} or {last}"),
                words => format!("one of {}", words.join(", ")),
            },
            Self::Text(text) => (*text).to_owned(),
        }
    }
}

/// The keys of one concern, under one heading.
#[derive(Debug)]
pub(super) struct Section {
    pub title: &'static str,
    pub keys: &'static [Key],
}

/// Keys that begin like this are ours; one that is not in the table is probably a mistake.
pub(super) const PREFIXES: [&str; 15] = [
    "APP_",
    "LOG_",
    "API_",
    "DATABASE_",
    "JWT_",
    "AUDIT_",
    "PASSWORD_HASH_",
    "CORS_",
    "RATE_LIMIT_",
    "METRICS_",
    "HEALTH_CHECK_",
    "JOBS_",
    "SCHEDULE_",
    "RETENTION_",
    "KNOWN_AT_",
];

/// Keys with one of our prefixes that the specification knows and this version does not read yet.
pub(super) const LATER: [&str; 5] = [
    "DATABASE_DIRECT_URL",
    "DATABASE_POOLER",
    "DATABASE_READ_URL",
    "RETENTION_NOTIFICATIONS_DAYS",
    "RETENTION_DELETED_USERS_DAYS",
];

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Every key, in the order of the documentation.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

const fn key(name: &'static str, accepts: Accepts, default: Fallback, meaning: &'static str) -> Key {
    Key {
        name,
        accepts,
        default,
        meaning,
        secret: false,
    }
}

const fn secret(name: &'static str, accepts: Accepts, default: Fallback, meaning: &'static str) -> Key {
    Key {
        name,
        accepts,
        default,
        meaning,
        secret: true,
    }
}

const fn integer(min: u64, max: u64) -> Accepts {
    Accepts::Integer { min, max }
}

const fn seconds(min: u64, max: u64) -> Accepts {
    Accepts::Duration {
        min: Duration::from_secs(min),
        max: Duration::from_secs(max),
    }
}

use Accepts::{Flag, Quota, Size, Text as Is, Words};
use Fallback::{Depends, Required, Text, Unset};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const CRON: Accepts = Is("a cron expression of five fields such as 0 1 * * *, or off");
const POSTGRES_URL: Accepts = Is("postgres://user:password@host:5432/database");

/// All sections.
pub(super) const SECTIONS: [Section; 10] = [
    Section {
        title: "Application",
        keys: &[
            key(
                "APP_ENV",
                Words(&["development", "staging", "production", "test"]),
                Text("development"),
                "The kind of installation. production refuses insecure settings; it also chooses the file .env.<APP_ENV>.",
            ),
            key(
                "APP_NAME",
                Is("a text of 1 to 100 characters"),
                Text("Arc Zero"),
                "The name that log lines and documents carry.",
            ),
            key(
                "APP_VERSION",
                Is("a text of 1 to 100 characters"),
                Depends("the version of the program"),
                "The version that log lines and health answers carry.",
            ),
            key(
                "LOG_LEVEL",
                Words(&["trace", "debug", "info", "warn", "error"]),
                Text("info"),
                "The least severe level that is logged. Libraries log from warn on (from info on when this is debug or trace).",
            ),
            key(
                "LOG_FORMAT",
                Words(&["json", "pretty"]),
                Depends("json in production, otherwise pretty"),
                "json: one flat object a line. pretty: for people.",
            ),
            key(
                "RUST_LOG",
                Is("a filter such as archzero=info,axum=warn"),
                Unset,
                "A filter by target and level; wins over LOG_LEVEL.",
            ),
            key(
                "LOG_REQUESTS",
                Words(&["auto", "all", "errors", "none"]),
                Text("auto"),
                "Which requests get a log line. auto: as the level has it (all at info; at warn only 5xx and what took longer than 1 s). \
                 errors: only 5xx and what took longer than 1 s.",
            ),
            key(
                "ALLOW_INSECURE",
                Flag,
                Text("false"),
                "Start in production with settings that are otherwise refused there; each of them becomes a warning.",
            ),
        ],
    },
    Section {
        title: "Server",
        keys: &[
            key(
                "API_HOST",
                Is("an IP address or localhost"),
                Depends("0.0.0.0; 127.0.0.1 in development and test"),
                "The address that the API listens on.",
            ),
            key(
                "API_PORT",
                integer(0, 65535),
                Text("8080"),
                "The port that the API listens on; 0 takes any free one.",
            ),
            key(
                "API_BASE_URL",
                Is("an http:// or https:// address without query"),
                Depends("http://localhost:<API_PORT>"),
                "The address under which clients reach the API, for links.",
            ),
            key(
                "API_WORKERS",
                integer(1, 1024),
                Depends("the number of processor cores"),
                "Threads that answer requests.",
            ),
            key(
                "API_REQUEST_TIMEOUT",
                seconds(1, HOUR),
                Text("30"),
                "A request that takes longer is answered with 504 TIMEOUT.",
            ),
            key(
                "API_MAX_BODY_SIZE",
                Size {
                    min: 1024,
                    max: 1 << 30,
                },
                Text("10485760"),
                "The largest request body; a larger one is answered with 413 PAYLOAD_TOO_LARGE.",
            ),
            key(
                "TRUSTED_PROXIES",
                Is("a comma-separated list of addresses, networks such as 10.0.0.0/8, or the word private"),
                Unset,
                "Proxies whose X-Forwarded-For is believed. Not set: the peer of the connection is the client.",
            ),
            key(
                "SHUTDOWN_GRACE",
                seconds(0, 600),
                Text("25"),
                "How long a shutdown waits for requests that are being answered.",
            ),
        ],
    },
    Section {
        title: "Postgres",
        keys: &[
            secret("DATABASE_URL", POSTGRES_URL, Required, "The database."),
            secret(
                "DATABASE_PASSWORD",
                Is("a text"),
                Unset,
                "Replaces the password in DATABASE_URL, without percent-encoding.",
            ),
            secret(
                "DATABASE_MIGRATE_URL",
                POSTGRES_URL,
                Depends("DATABASE_URL"),
                "The same database as the role that owns the schema, for migrations.",
            ),
            key(
                "DATABASE_MAX_CONNECTIONS",
                integer(1, 1000),
                Text("50"),
                "Connections at most, per process. All processes together should stay under 80 % of the server's max_connections.",
            ),
            key(
                "DATABASE_MIN_CONNECTIONS",
                integer(0, 1000),
                Depends("10, or DATABASE_MAX_CONNECTIONS when that is less"),
                "Connections that are kept open.",
            ),
            key(
                "DATABASE_CONNECT_TIMEOUT",
                seconds(1, 300),
                Text("10"),
                "How long opening a connection may take.",
            ),
            key(
                "DATABASE_ACQUIRE_TIMEOUT",
                seconds(1, 300),
                Text("5"),
                "How long a request waits for a free connection before it is answered with 503.",
            ),
            key(
                "DATABASE_IDLE_TIMEOUT",
                seconds(1, DAY),
                Text("600"),
                "An idle connection is closed after this time.",
            ),
            key(
                "DATABASE_MAX_LIFETIME",
                seconds(1, 7 * DAY),
                Text("3600"),
                "Any connection is closed after this time.",
            ),
            key(
                "DATABASE_STATEMENT_TIMEOUT",
                seconds(1, HOUR),
                Depends("API_REQUEST_TIMEOUT"),
                "A statement that takes longer is cancelled; at most API_REQUEST_TIMEOUT.",
            ),
            key(
                "DATABASE_SSL_MODE",
                Words(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
                Depends("sslmode in DATABASE_URL, else prefer"),
                "TLS to the database, as libpq has it.",
            ),
            key(
                "DATABASE_SSL_CERT",
                Is("the path of a PEM file"),
                Depends("sslrootcert in DATABASE_URL, else the system's"),
                "Certificate authorities for verify-ca and verify-full.",
            ),
        ],
    },
    Section {
        title: "Authentication",
        keys: &[
            secret(
                "JWT_SECRET",
                Is("a random text of at least 32 bytes (openssl rand -hex 32)"),
                Depends("required in production, otherwise made at the first start"),
                "Signs access tokens.",
            ),
            secret(
                "JWT_PREVIOUS_SECRETS",
                Is("a comma-separated list of secrets"),
                Unset,
                "Secrets that still verify tokens but sign none, while JWT_SECRET is being replaced.",
            ),
            key(
                "JWT_ACCESS_TOKEN_EXPIRY",
                seconds(1, DAY),
                Text("3600"),
                "How long an access token is valid.",
            ),
            key(
                "JWT_REFRESH_TOKEN_EXPIRY",
                seconds(1, 366 * DAY),
                Text("604800"),
                "How long a session lasts without being refreshed; longer than JWT_ACCESS_TOKEN_EXPIRY.",
            ),
            key(
                "JWT_ISSUER",
                Is("a text of 1 to 200 characters"),
                Text("archzero-auth-service"),
                "The issuer that tokens name and must name.",
            ),
            key(
                "JWT_AUDIENCE",
                Is("a text of 1 to 200 characters"),
                Text("archzero-api"),
                "The audience that tokens name and must name.",
            ),
            key(
                "PASSWORD_HASH_COST",
                integer(4, 14),
                Text("12"),
                "Cost of bcrypt, from 10 to 14: each step doubles the time of a log-in. 4 to 9 only with APP_ENV=test.",
            ),
            key(
                "API_KEY_MAX_LIFETIME",
                seconds(3600, 3660 * DAY),
                Text("365d"),
                "The longest time for which an API key can be made; one that names no end gets this one.",
            ),
        ],
    },
    Section {
        title: "Audit",
        keys: &[
            secret(
                "AUDIT_KEY",
                Is("a random text of at least 32 bytes (openssl rand -hex 32)"),
                Depends(
                    "made at the first start and kept in the database, where whoever can alter the log can read it",
                ),
                "Seals the change log. Keep a copy elsewhere: without it nobody can verify what it sealed.",
            ),
            secret(
                "AUDIT_PREVIOUS_KEYS",
                Is("a comma-separated list of secrets"),
                Unset,
                "Keys that sealed the log before AUDIT_KEY was replaced; they verify and seal nothing.",
            ),
        ],
    },
    Section {
        title: "CORS",
        keys: &[
            key(
                "CORS_ALLOWED_ORIGINS",
                Is("* or a comma-separated list of origins such as https://app.example.com"),
                Depends("http://localhost:3000 in development, otherwise none"),
                "Origins whose pages may call the API.",
            ),
            key(
                "CORS_ALLOWED_METHODS",
                Is("a comma-separated list of HTTP methods"),
                Text("GET,POST,PUT,PATCH,DELETE,OPTIONS"),
                "Methods that they may use.",
            ),
            key(
                "CORS_ALLOWED_HEADERS",
                Is("a comma-separated list of header names"),
                Text(
                    "Content-Type,Authorization,If-Match,If-None-Match,Idempotency-Key,X-Request-Id,traceparent,X-Arc-Position",
                ),
                "Headers that they may send.",
            ),
            key(
                "CORS_MAX_AGE",
                seconds(0, DAY),
                Text("3600"),
                "How long a browser remembers these answers.",
            ),
        ],
    },
    Section {
        title: "Rate limits",
        keys: &[
            key(
                "RATE_LIMIT_ENABLED",
                Flag,
                Text("true"),
                "Whether requests are limited at all.",
            ),
            key(
                "RATE_LIMIT_STANDARD",
                Quota,
                Text("1000/h"),
                "Ordinary requests, per user, or per address without one.",
            ),
            key(
                "RATE_LIMIT_EXPENSIVE",
                Quota,
                Text("100/h"),
                "Graph questions and reports.",
            ),
            key(
                "RATE_LIMIT_AUTH",
                Quota,
                Text("10/15min"),
                "Log-ins and the like, per account and address.",
            ),
            key("RATE_LIMIT_BULK", Quota, Text("5/h"), "Bulk requests."),
        ],
    },
    Section {
        title: "Background work",
        keys: &[
            key(
                "JOBS_CONCURRENCY",
                integer(0, 64),
                Text("2"),
                "Jobs that a process works on at a time; 0: none, the other processes do.",
            ),
            key(
                "JOBS_LEASE",
                seconds(1, HOUR),
                Text("30"),
                "A job whose process has been silent for this long is taken up by another.",
            ),
            key(
                "SCHEDULE_RETENTION",
                CRON,
                Text("20 * * * *"),
                "When what is no longer needed is removed, UTC.",
            ),
            key(
                "SCHEDULE_SUNSET",
                CRON,
                Text("0 1 * * *"),
                "When components whose support ends within 365 days are moved to Sunset, UTC.",
            ),
            key(
                "RETENTION_SESSIONS_DAYS",
                integer(1, 3650),
                Text("90"),
                "Days that sessions, their tokens and one-time links are kept after they ended.",
            ),
            key(
                "RETENTION_JOBS_DAYS",
                integer(1, 3650),
                Text("30"),
                "Days that jobs are kept after they ended.",
            ),
        ],
    },
    Section {
        title: "Time travel",
        keys: &[
            key(
                "KNOWN_AT_GRAPHS",
                integer(1, 64),
                Text("4"),
                "Graphs of the past that an instance keeps in memory, the last ones asked for. Each takes as much as the present one; together they hold at most 500,000 cards.",
            ),
            key(
                "KNOWN_AT_CHECKPOINT_EVERY",
                integer(1_000, 100_000_000),
                Text("50000"),
                "Changes after which a checkpoint is made, from which the past is put together. Fewer: faster answers about the past; each checkpoint takes about 4 bytes for every card and relationship there is.",
            ),
        ],
    },
    Section {
        title: "Telemetry",
        keys: &[
            key(
                "METRICS_ENABLED",
                Flag,
                Text("true"),
                "Whether metrics are collected and served.",
            ),
            key(
                "METRICS_HOST",
                Is("an IP address or localhost"),
                Depends("API_HOST"),
                "The address that metrics are served on.",
            ),
            key(
                "METRICS_PORT",
                integer(0, 65535),
                Text("9090"),
                "The port that metrics are served on; 0 takes any free one.",
            ),
            key(
                "METRICS_PATH",
                Is("a path such as /metrics"),
                Text("/metrics"),
                "The path that metrics are served under.",
            ),
            key(
                "HEALTH_CHECK_ENABLED",
                Flag,
                Text("true"),
                "Whether the health routes exist.",
            ),
            key(
                "HEALTH_CHECK_PATH",
                Is("/health, or a path not below /api, /health, /ready or /live"),
                Text("/health"),
                "The path of the full check, with /ready and /live below it. The usual paths exist as well.",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_no_name_is_another_ones_file() {
        let names: Vec<_> = all().map(|key| key.name).collect();
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), unique.len());
        for key in all().filter(|key| key.secret) {
            assert!(find(&format!("{}_FILE", key.name)).is_none());
        }
        assert!(
            LATER.iter().all(|name| find(name).is_none()),
            "a key that is read now is not a later one"
        );
    }
}
