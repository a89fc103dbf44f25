//! What runs here and what it logs.

use std::fmt;

use super::reader::Reader;

/// The kind of installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A person's machine.
    Development,
    /// Like production, with data that may be lost.
    Staging,
    /// Refuses settings that are unfit for the real thing.
    Production,
    /// Automatic tests.
    Test,
}

impl Environment {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "development" => Some(Self::Development),
            "staging" => Some(Self::Staging),
            "production" => Some(Self::Production),
            "test" => Some(Self::Test),
            _ => None,
        }
    }

    /// Whether this is the real thing.
    #[must_use]
    pub fn is_production(self) -> bool {
        self == Self::Production
    }

    /// Whether only this machine is meant to reach the server.
    pub(super) fn is_local(self) -> bool {
        matches!(self, Self::Development | Self::Test)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Test => "test",
        })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One flat JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The least severe level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps a developer.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What went wrong.
    Error,
}

impl LogLevel {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Some(Self::Trace),
            "debug" => Some(Self::Debug),
            "info" => Some(Self::Info),
            "warn" => Some(Self::Warn),
            "error" => Some(Self::Error),
            _ => None,
        }
    }

    /// The level as filters write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Which requests get a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRequests {
    /// As the level has it.
    Auto,
    /// All, whatever the level.
    All,
    /// Those that failed on our side or took longer than a second.
    Errors,
    /// No request at all.
    None,
}

/// What runs here and what it logs.
#[derive(Clone, Debug)]
pub struct ApplicationConfig {
    /// The kind of installation.
    pub env: Environment,
    /// The name that log lines carry.
    pub name: String,
    /// The version that log lines and health answers carry.
    pub version: String,
    /// The least severe level that is logged.
    pub log_level: LogLevel,
    /// How log lines look.
    pub log_format: LogFormat,
    /// A filter by target and level that wins over `log_level`.
    pub rust_log: Option<String>,
    /// Which requests get a log line.
    pub log_requests: LogRequests,
    /// Whether production starts with settings that it otherwise refuses.
    pub allow_insecure: bool,
}

impl ApplicationConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let env = reader
            .parsed("APP_ENV", Environment::parse)
            .unwrap_or(Environment::Development);
        let format = reader.parsed("LOG_FORMAT", |text| match text.to_ascii_lowercase().as_str() {
            "json" => Some(LogFormat::Json),
            "pretty" => Some(LogFormat::Pretty),
            _ => None,
        });
        let requests = reader.parsed("LOG_REQUESTS", |text| match text.to_ascii_lowercase().as_str() {
            "auto" => Some(LogRequests::Auto),
            "all" => Some(LogRequests::All),
            "errors" => Some(LogRequests::Errors),
            "none" => Some(LogRequests::None),
            _ => None,
        });
        let application = Self {
            env,
            name: reader.name("APP_NAME", 100).unwrap_or_default(),
            version: reader
                .name("APP_VERSION", 100)
                .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            log_level: reader.parsed("LOG_LEVEL", LogLevel::parse).unwrap_or(LogLevel::Info),
            log_format: format.unwrap_or(if env.is_production() {
                LogFormat::Json
            } else {
                LogFormat::Pretty
            }),
            rust_log: reader.parsed("RUST_LOG", |text| {
                tracing_subscriber::EnvFilter::builder()
                    .parse(text)
                    .is_ok()
                    .then(|| text.to_owned())
            }),
            log_requests: requests.unwrap_or(LogRequests::Auto),
            allow_insecure: reader.flag("ALLOW_INSECURE"),
        };
        if env.is_production() {
            reader.be_strict(application.allow_insecure);
        }
        application
    }
}
