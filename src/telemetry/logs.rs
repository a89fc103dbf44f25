//! Starts the log: which events are kept, how they look, where they go.

use std::{
    io::{self, IsTerminal},
    panic,
};

use tracing_subscriber::{
    EnvFilter, fmt::writer::BoxMakeWriter, layer::SubscriberExt, util::SubscriberInitExt, util::TryInitError,
};

use super::line::{Lines, Origin};
use crate::config::{ApplicationConfig, Config, LogFormat, LogLevel, LogRequests};

/// The target of the one line per request: `LOG_REQUESTS` filters by it. Requests are logged at info, those that
/// failed on our side or took longer than a second at warn.
pub const REQUESTS: &str = "archzero::http::request";

/// Starts the log on standard output, sends panics there, and writes the configuration's warnings as its first lines.
///
/// # Errors
/// When this process has a log already.
pub fn init(config: &Config) -> Result<(), TryInitError> {
    start(config, BoxMakeWriter::new(io::stdout), io::stdout().is_terminal())
}

/// Like [`init`], on standard error: for programs whose output is their result.
///
/// # Errors
/// When this process has a log already.
pub fn init_on_stderr(config: &Config) -> Result<(), TryInitError> {
    start(config, BoxMakeWriter::new(io::stderr), io::stderr().is_terminal())
}

fn start(config: &Config, writer: BoxMakeWriter, terminal: bool) -> Result<(), TryInitError> {
    let application = &config.application;
    let origin = Origin {
        app: application.name.clone(),
        env: application.env.to_string(),
        version: application.version.clone(),
    };
    let colours = terminal && application.log_format == LogFormat::Pretty;
    let lines = Lines::new(application.log_format, colours, origin, writer);
    tracing_subscriber::registry()
        .with(filter(application))
        .with(lines)
        .try_init()?;
    log_panics();
    for warning in &config.warnings {
        tracing::warn!(target: "archzero::config", "{warning}");
    }
    Ok(())
}

fn filter(application: &ApplicationConfig) -> EnvFilter {
    EnvFilter::builder().parse_lossy(directives(application))
}

/// The filter as text. Libraries are quieter than the program: their info lines are seldom news to an operator.
fn directives(application: &ApplicationConfig) -> String {
    let mut directives = application.rust_log.clone().unwrap_or_else(|| {
        let level = application.log_level.name();
        let libraries = match application.log_level {
            LogLevel::Trace | LogLevel::Debug => "info",
            LogLevel::Info | LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        };
        // Programs are crates of their own, so their own events carry their names.
        let own = ["archzero", "server", "migrate", "seed", "admin"].map(|name| format!("{name}={level}"));
        format!("{libraries},{}", own.join(","))
    });
    let requests = match application.log_requests {
        LogRequests::Auto => None,
        LogRequests::All => Some("info"),
        LogRequests::Errors => Some("warn"),
        LogRequests::None => Some("off"),
    };
    if let Some(level) = requests
        && !directives.contains(REQUESTS)
    {
        directives = format!("{directives},{REQUESTS}={level}");
    }
    directives
}

/// A panic becomes a log line like any other, instead of free text on standard error.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no text)");
        let location = panic.location().map(ToString::to_string);
        // Captured only when RUST_BACKTRACE asks for it.
        let backtrace = std::backtrace::Backtrace::capture();
        let backtrace =
            (backtrace.status() == std::backtrace::BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(target: "archzero::panic", location, backtrace, "panic: {message}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directives_of(vars: &[(&str, &str)]) -> String {
        let vars = vars.iter().copied().chain([("DATABASE_URL", "postgres://a@b/c")]);
        let application = Config::from_vars(vars).unwrap().application;
        assert!(EnvFilter::builder().parse(directives(&application)).is_ok());
        directives(&application)
    }

    #[test]
    fn filters() {
        assert_eq!(
            directives_of(&[]),
            "warn,archzero=info,server=info,migrate=info,seed=info,admin=info"
        );
        assert!(directives_of(&[("LOG_LEVEL", "debug")]).starts_with("info,archzero=debug,"));
        assert!(
            directives_of(&[("LOG_LEVEL", "warn"), ("LOG_REQUESTS", "all")]).ends_with(",archzero::http::request=info")
        );
        assert_eq!(
            directives_of(&[
                ("LOG_LEVEL", "debug"),
                ("RUST_LOG", "archzero=trace,axum=warn"),
                ("LOG_REQUESTS", "none")
            ]),
            "archzero=trace,axum=warn,archzero::http::request=off"
        );
        let explicit = "archzero::http::request=debug";
        assert_eq!(
            directives_of(&[("RUST_LOG", explicit), ("LOG_REQUESTS", "none")]),
            explicit,
            "RUST_LOG wins"
        );
    }
}
