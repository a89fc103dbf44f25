//! Where values come from: the process environment, `.env.$APP_ENV`, `.env`, in this order of precedence.

use std::{ffi::OsString, io::ErrorKind, path::Path};

use super::{
    application::Environment,
    dotenv, keys,
    reader::{Given, Origin, Problem, Vars},
};

/// Values from everywhere, and what was wrong on the way.
#[derive(Default)]
pub(super) struct Sources {
    pub vars: Vars,
    pub problems: Vec<Problem>,
    pub warnings: Vec<String>,
}

impl Sources {
    /// The process environment over the files in `directory`.
    pub fn collect(environment: impl IntoIterator<Item = (OsString, OsString)>, directory: &Path) -> Self {
        let mut sources = Self::default();
        for (key, value) in environment {
            let Ok(key) = key.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    sources.vars.insert(
                        key,
                        Given {
                            value,
                            origin: Origin::Environment,
                        },
                    );
                }
                Err(_) if keys::find(&key).is_some() => {
                    sources.problems.push(Problem {
                        key,
                        given: None,
                        reason: "the value is not valid UTF-8".to_owned(),
                    });
                }
                Err(_) => {}
            }
        }
        let base = sources.read_file(directory, ".env");
        let chosen = sources
            .vars
            .get("APP_ENV")
            .or_else(|| base.get("APP_ENV"))
            .map(|given| given.value.trim());
        let chosen = match chosen {
            None | Some("") => Some(Environment::Development),
            // A wrong value is reported when the section reads it.
            Some(other) => Environment::parse(other),
        };
        if let Some(chosen) = chosen {
            let name = format!(".env.{chosen}");
            let specific = sources.read_file(directory, &name);
            if let Some(given) = specific.get("APP_ENV")
                && Environment::parse(given.value.trim()) != Some(chosen)
            {
                let reason = format!("{name} was chosen by APP_ENV={chosen} and sets another APP_ENV");
                sources.problems.push(Problem {
                    key: "APP_ENV".to_owned(),
                    given: Some(format!("{:?}", given.value)),
                    reason,
                });
            }
            sources.add_missing(specific);
        }
        sources.add_missing(base);
        sources
    }

    /// Values as if they stood in the environment, for tests and tools.
    pub fn of(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let vars = vars
            .into_iter()
            .map(|(key, value)| {
                (
                    key,
                    Given {
                        value,
                        origin: Origin::Environment,
                    },
                )
            })
            .collect();
        Self {
            vars,
            ..Self::default()
        }
    }

    fn add_missing(&mut self, lower: Vars) {
        for (key, given) in lower {
            // A secret and its `_FILE` are one setting: a file below must not contradict what is set above.
            let twin = key
                .strip_suffix("_FILE")
                .map_or_else(|| format!("{key}_FILE"), str::to_owned);
            let is_secret = keys::find(key.strip_suffix("_FILE").unwrap_or(&key)).is_some_and(|key| key.secret);
            if is_secret
                && self
                    .vars
                    .get(&twin)
                    .is_some_and(|above| above.origin != given.origin && outranks(above, &given))
            {
                continue;
            }
            self.vars.entry(key).or_insert(given);
        }
    }

    fn read_file(&mut self, directory: &Path, name: &str) -> Vars {
        let mut vars = Vars::new();
        let text = match std::fs::read_to_string(directory.join(name)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return vars,
            Err(error) => {
                let reason = format!("the file cannot be read: {error}");
                self.problems.push(Problem {
                    key: name.to_owned(),
                    given: None,
                    reason,
                });
                return vars;
            }
        };
        let (assignments, bad_lines) = dotenv::parse(&text);
        for bad in bad_lines {
            let key = format!("{name} line {}", bad.line);
            self.problems.push(Problem {
                key,
                given: None,
                reason: bad.reason.to_owned(),
            });
        }
        for assignment in assignments {
            let origin = Origin::Line(name.to_owned(), assignment.line);
            let given = Given {
                value: assignment.value,
                origin,
            };
            if let Some(earlier) = vars.insert(assignment.key.clone(), given) {
                let (key, line) = (&assignment.key, assignment.line);
                self.warnings.push(format!(
                    "{key} is set twice: {} and {name} line {line}, which counts",
                    earlier.origin
                ));
            }
        }
        vars
    }

    /// Warns of keys that look like ours and are not.
    pub fn warn_of_unknown_keys(&mut self) {
        for (name, given) in &self.vars {
            let known = keys::find(name).is_some() || keys::LATER.contains(&name.as_str());
            let secret_file = name
                .strip_suffix("_FILE")
                .and_then(keys::find)
                .is_some_and(|key| key.secret);
            if known || secret_file {
                continue;
            }
            let prefixed = keys::PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            let closest = keys::all().map(|key| (distance(name, key.name), key.name)).min();
            // Only files are ours alone: elsewhere a name that merely resembles a key may belong to anybody.
            let ours = prefixed || matches!(given.origin, Origin::Line(..));
            let origin = &given.origin;
            match closest {
                Some((edits, meant)) if ours && edits <= (name.len() / 6).clamp(1, 3) => {
                    self.warnings
                        .push(format!("unknown key {name} ({origin}): did you mean {meant}?"));
                }
                _ if prefixed => self.warnings.push(format!("unknown key {name} ({origin}) is ignored")),
                _ => {}
            }
        }
    }
}

fn outranks(above: &Given, below: &Given) -> bool {
    !matches!((&above.origin, &below.origin), (Origin::Line(a, _), Origin::Line(b, _)) if a == b)
        && !above.value.trim().is_empty()
}

/// Edits (insert, delete, replace, swap neighbours) that turn one name into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, edits) in [
            ("", "", 0),
            ("API_PORT", "API_PORT", 0),
            ("API_PROT", "API_PORT", 1),
            ("A", "", 1),
            ("AB", "CD", 2),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }
}
