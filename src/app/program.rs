//! What the programs in `src/bin` do alike: read the configuration, run, say what went wrong.

use std::{error::Error as _, fmt::Write as _, io::Write as _, process::ExitCode};

use crate::{
    config::Config,
    error::{Error, Result},
};

/// The exit code for a configuration or arguments that do not hold; any other failure is 1.
const MISUSED: u8 = 2;

/// The configuration of the environment, or the exit code after everything wrong with it was said.
pub fn configuration() -> std::result::Result<Config, ExitCode> {
    // Two backends of the TLS library could be linked one day; the first to be installed is the one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Config::load().map_err(|error| {
        eprintln!("{error}");
        ExitCode::from(MISUSED)
    })
}

/// Runs a program of one thread to its end. Its log goes to standard error, for its output is its result.
pub fn run(program: impl AsyncFnOnce(Config) -> Result<()>) -> ExitCode {
    let config = match configuration() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let start = || {
        crate::telemetry::init_on_stderr(&config).map_err(Error::internal)?;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)
    };
    finish(start().and_then(|runtime| runtime.block_on(program(config))))
}

/// Writes a line of a program's result. Whether anybody reads it to the end is not the program's concern.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Says what went wrong, if something did, and gives the exit code.
#[must_use]
pub fn finish(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The whole error, for the operator: the message, everything that is wrong, and the causes.
#[must_use]
pub fn explain(error: &Error) -> String {
    let mut text = error.message.clone();
    let violations = error
        .details
        .as_ref()
        .and_then(|details| details["violations"].as_array());
    for violation in violations.into_iter().flatten() {
        let part = |name: &str| violation[name].as_str().unwrap_or_default().to_owned();
        let _ = write!(text, "\n  {}: {}", part("field"), part("message"));
    }
    let mut cause = error.source();
    let mut said = String::new();
    while let Some(error) = cause {
        // Some errors repeat their cause in their own words.
        let words = error.to_string();
        if !said.contains(&words) {
            let _ = write!(text, "\n  because: {words}");
            said = words;
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Violation, ViolationCode};

    #[test]
    fn everything_is_said_once() {
        let violations = ["name", "type"].map(|field| Violation::new(field, ViolationCode::Required, "is required"));
        let text = explain(&Error::validation(violations.to_vec()));
        assert!(text.ends_with("\n  name: is required\n  type: is required"), "{text}");
        let text = explain(&Error::unavailable("database", Some(sqlx::Error::PoolTimedOut.into())));
        assert!(
            text.starts_with("The database does not answer") && text.contains("\n  because: pool timed out"),
            "{text}"
        );
    }
}
