//! The table of keys as text: `.env.example` and the table of `docs/configuration.md`. A test keeps both files as the
//! table has it; `UPDATE_DOCS=1 cargo test config::documents` writes them.

use std::fmt::Write as _;

use super::keys::{Fallback, Key, SECTIONS};

/// The text of `.env.example`: every key, commented out, with its meaning, its default and what it accepts.
#[must_use]
pub fn env_example() -> String {
    let mut text = String::from(
        "# Every key of the configuration. Copy this file to .env and uncomment what you change.\n\
         # What the environment sets wins over .env.<APP_ENV>, and that over .env.\n\
         # Values may contain spaces without quotes; nothing is expanded. A secret NAME may also be given as NAME_FILE,\n\
         # the path of a file that contains it. Made from src/config/keys.rs: UPDATE_DOCS=1 cargo test config::documents\n",
    );
    for section in &SECTIONS {
        let _ = writeln!(text, "\n# ---- {} ----", section.title);
        for key in section.keys {
            text.push('\n');
            for line in wrapped(&explanation(key), 116) {
                let _ = writeln!(text, "# {line}");
            }
            let value = match key.default {
                Fallback::Text(value) => value,
                Fallback::Depends(_) | Fallback::Unset | Fallback::Required => "",
            };
            let _ = writeln!(text, "#{}={value}", key.name);
        }
    }
    text
}

/// The table of `docs/configuration.md`, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    for section in &SECTIONS {
        let _ = writeln!(
            text,
            "\n### {}\n\n| key | default | accepts | meaning |\n|---|---|---|---|",
            section.title
        );
        for key in section.keys {
            let secret = if key.secret { " (secret)" } else { "" };
            let default = match key.default {
                Fallback::Text(value) => format!("`{value}`"),
                Fallback::Depends(words) => cell(words),
                Fallback::Unset => "not set".to_owned(),
                Fallback::Required => "required".to_owned(),
            };
            let row = format!(
                "| `{}`{secret} | {default} | {} | {} |\n",
                key.name,
                cell(&key.accepts.describe()),
                cell(key.meaning)
            );
            text.push_str(&row);
        }
    }
    text
}

fn explanation(key: &Key) -> String {
    let default = match key.default {
        Fallback::Text(_) | Fallback::Unset => String::new(),
        Fallback::Depends(words) => format!(" Default: {words}."),
        Fallback::Required => " Required.".to_owned(),
    };
    let secret = if key.secret { " Secret." } else { "" };
    format!("{}{default} Accepts {}.{secret}", key.meaning, key.accepts.describe())
}

/// A table cell: neither a bar nor an angle bracket may be read as markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('*', "\\*")
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
            } else if line.len() + 1 + word.len() <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::config::{Config, dotenv, keys};

    const BEGIN: &str = "<!-- keys: made from src/config/keys.rs -->\n";
    const END: &str = "\n<!-- end of keys -->";

    fn file(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
    }

    fn read(name: &str) -> String {
        fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the program")]
    fn keep(name: &str, expected: &str) {
        if std::env::vars_os().any(|(key, value)| key == "UPDATE_DOCS" && value == "1") {
            fs::write(file(name), expected).unwrap();
        }
        assert!(
            read(name) == expected,
            "{name} is out of step with src/config/keys.rs: UPDATE_DOCS=1 cargo test config::documents"
        );
    }

    #[test]
    fn env_example_is_current() {
        keep(".env.example", &env_example());
    }

    #[test]
    fn reference_in_docs_is_current() {
        let name = "docs/configuration.md";
        let page = read(name);
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        keep(name, &format!("{before}{BEGIN}{}{END}{after}", reference()));
    }

    #[test]
    fn env_example_uncommented_is_the_default_configuration() {
        let example = env_example();
        let uncommented: Vec<_> = example
            .lines()
            .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
            .collect();
        let (assignments, bad) = dotenv::parse(&uncommented.join("\n"));
        assert_eq!(bad, []);
        assert_eq!(assignments.len(), keys::all().count());
        let vars = assignments
            .into_iter()
            .map(|assignment| (assignment.key, assignment.value));
        let url = ("DATABASE_URL".to_owned(), "postgres://a@b/c".to_owned());
        let config = Config::from_vars(vars.chain([url.clone()])).unwrap();
        assert_eq!(
            format!("{config:?}"),
            format!("{:?}", Config::from_vars([url]).unwrap())
        );
    }

    #[test]
    fn the_overrides_of_each_environment_load() {
        for (name, secrets) in [("development", false), ("staging", true), ("production", true)] {
            let (assignments, bad) = dotenv::parse(&read(&format!(".env.{name}.example")));
            assert_eq!(bad, [], "{name}");
            let mut vars: Vec<_> = assignments
                .into_iter()
                .map(|assignment| (assignment.key, assignment.value))
                .collect();
            vars.push((
                "DATABASE_URL".to_owned(),
                "postgres://arc:c0ffee5a1ad0@db/arc".to_owned(),
            ));
            if secrets {
                for secret in ["JWT_SECRET", "AUDIT_KEY"] {
                    vars.push((secret.to_owned(), "5e0c1f0a9d7b4c3e8f2a6b1d0c9e8f7a".to_owned()));
                }
            }
            let config = Config::from_vars(vars).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(config.application.env.to_string(), name);
            assert_eq!(config.warnings, Vec::<String>::new(), "{name}");
        }
    }
}
