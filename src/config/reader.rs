//! Hands values to the sections and collects everything that is wrong, so that one start names every mistake.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use secrecy::SecretString;

use super::{
    keys::{self, Accepts, Fallback, Key},
    values::{self, Quota},
};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Environment,
    Line(String, usize),
    SecretFile(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => write!(f, "environment"),
            Self::Line(file, line) => write!(f, "{file} line {line}"),
            Self::SecretFile(path) => write!(f, "file {path}"),
        }
    }
}

/// A value as it was given.
#[derive(Clone)]
pub(super) struct Given {
    pub value: String,
    pub origin: Origin,
}

/// All values, by key; a later source has already replaced an earlier one.
pub(super) type Vars = BTreeMap<String, Given>;

/// One thing that is wrong with the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key at fault, or the file and line.
    pub key: String,
    /// What was given, masked if secret, with its origin; `None` if nothing was.
    pub given: Option<String>,
    /// What is wrong or what is accepted.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            Some(given) => write!(f, "{} = {given}: {}", self.key, self.reason),
            None => write!(f, "{}: {}", self.key, self.reason),
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const MASK: &str = "********";

/// Reads keys of the table and remembers what was wrong with them.
pub(super) struct Reader {
    vars: Vars,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    /// Keys that already have a problem: a second one about the same key is seldom news.
    bad: BTreeSet<&'static str>,
    /// Keys that some section has read; a test compares them with the table.
    asked: BTreeSet<&'static str>,
    strict: Option<Strict>,
}

/// Whether settings that are unfit for production are refused.
#[derive(Clone, Copy)]
struct Strict {
    insecure_allowed: bool,
}

impl Reader {
    pub fn new(vars: Vars, problems: Vec<Problem>, warnings: Vec<String>) -> Self {
        Self {
            vars,
            problems,
            warnings,
            bad: BTreeSet::new(),
            asked: BTreeSet::new(),
            strict: None,
        }
    }

    /// From now on [`Self::refuse`] refuses, or warns if that was asked for.
    pub fn be_strict(&mut self, insecure_allowed: bool) {
        self.strict = Some(Strict { insecure_allowed });
    }

    pub fn finish(self) -> (Vec<Problem>, Vec<String>, BTreeSet<&'static str>) {
        (self.problems, self.warnings, self.asked)
    }

    /// The text of a key, or of its default; empty text counts as not given, as container files tend to have it.
    fn text(&mut self, key: &'static Key) -> Option<String> {
        self.given(key).or(match key.default {
            Fallback::Text(text) => Some(text.to_owned()),
            Fallback::Depends(_) | Fallback::Unset | Fallback::Required => None,
        })
    }

    fn given(&mut self, key: &'static Key) -> Option<String> {
        self.asked.insert(key.name);
        if key.secret {
            self.read_secret_file(key);
        }
        let value = self.vars.get(key.name)?.value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Replaces `<name>_FILE` by the content of the file it names.
    fn read_secret_file(&mut self, key: &'static Key) {
        let Some(file) = self.vars.remove(&format!("{}_FILE", key.name)) else {
            return;
        };
        let path = file.value.trim().to_owned();
        if path.is_empty() {
            return;
        }
        if self
            .vars
            .get(key.name)
            .is_some_and(|given| !given.value.trim().is_empty())
        {
            self.problem(key.name, &format!("{0} and {0}_FILE are both set; keep one", key.name));
            return;
        }
        match std::fs::read_to_string(&path) {
            Ok(content) if content.trim().is_empty() => {
                self.problem(key.name, &format!("{}_FILE names {path}, which is empty", key.name));
            }
            Ok(content) => {
                let value = content.trim().to_owned();
                self.vars.insert(
                    key.name.to_owned(),
                    Given {
                        value,
                        origin: Origin::SecretFile(path),
                    },
                );
            }
            Err(error) => {
                self.problem(
                    key.name,
                    &format!("{}_FILE names {path}, which cannot be read: {error}", key.name),
                );
            }
        }
    }

    /// Whether something is wrong with one of these keys, so that comparing them makes no sense.
    pub fn any_bad(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.bad.contains(name))
    }

    /// Something is wrong with this key. The value, its origin and the mask for secrets are added here.
    pub fn problem(&mut self, name: &str, reason: &str) {
        let key = keys::find(name);
        if let Some(key) = key
            && !self.bad.insert(key.name)
        {
            return;
        }
        let given = self.vars.get(name).map(|given| {
            let shown = if key.is_none_or(|key| key.secret) {
                MASK.to_owned()
            } else {
                shortened(&given.value)
            };
            format!("{shown} ({})", given.origin)
        });
        self.problems.push(Problem {
            key: name.to_owned(),
            given,
            reason: reason.to_owned(),
        });
    }

    /// Worth a line in the log, no reason not to start.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Unfit for production: a problem there, a warning with `ALLOW_INSECURE`, fine everywhere else.
    pub fn refuse(&mut self, name: &'static str, reason: &str) {
        match self.strict {
            None => {}
            Some(Strict { insecure_allowed: true }) => {
                self.warn(format!("{name}: {reason} (allowed by ALLOW_INSECURE)"));
            }
            Some(Strict {
                insecure_allowed: false,
            }) => {
                self.problem(
                    name,
                    &format!("refused in production (unless ALLOW_INSECURE=true): {reason}"),
                );
            }
        }
    }

    /// A value read by `parse`; `None` if it is not set or not accepted.
    pub fn parsed<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let key = keys::find(name)?;
        let text = self.text(key)?;
        let value = parse(&text);
        if value.is_none() {
            self.problem(name, &format!("expected {}", key.accepts.describe()));
            // The default stands in, so that the other sections can be checked against something.
            return match key.default {
                Fallback::Text(default) => parse(default),
                Fallback::Depends(_) | Fallback::Unset | Fallback::Required => None,
            };
        }
        value
    }

    /// A text of at most `longest` characters without control characters.
    pub fn name(&mut self, name: &'static str, longest: usize) -> Option<String> {
        self.parsed(name, |text| {
            (text.chars().count() <= longest && !text.chars().any(char::is_control)).then(|| text.to_owned())
        })
    }

    pub fn flag(&mut self, name: &'static str) -> bool {
        self.parsed(name, values::flag).unwrap_or_default()
    }

    pub fn integer<T: TryFrom<u64>>(&mut self, name: &'static str) -> Option<T> {
        let (min, max) = match accepts(name) {
            Some(Accepts::Integer { min, max }) => (min, max),
            _ => (0, u64::MAX),
        };
        self.parsed(name, |text| {
            let number = values::digits::<u64>(text).filter(|number| (min..=max).contains(number))?;
            T::try_from(number).ok()
        })
    }

    pub fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let (min, max) = match accepts(name) {
            Some(Accepts::Duration { min, max }) => (min, max),
            _ => (Duration::ZERO, Duration::MAX),
        };
        self.parsed(name, |text| {
            values::duration(text).filter(|duration| (min..=max).contains(duration))
        })
    }

    pub fn size(&mut self, name: &'static str) -> Option<usize> {
        let (min, max) = match accepts(name) {
            Some(Accepts::Size { min, max }) => (min, max),
            _ => (0, u64::MAX),
        };
        self.parsed(name, |text| {
            let bytes = values::size(text).filter(|bytes| (min..=max).contains(bytes))?;
            usize::try_from(bytes).ok()
        })
    }

    /// A quota; a bare number keeps the window of the default.
    pub fn quota(&mut self, name: &'static str) -> Quota {
        let default = match keys::find(name).map(|key| key.default) {
            Some(Fallback::Text(text)) => Quota::parse(text, Duration::from_hours(1)),
            _ => None,
        };
        let default = default.unwrap_or(Quota {
            count: 1,
            window: Duration::from_hours(1),
        });
        self.parsed(name, |text| Quota::parse(text, default.window))
            .unwrap_or(default)
    }

    pub fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        self.parsed(name, |text| Some(SecretString::from(text)))
    }
}

fn accepts(name: &str) -> Option<Accepts> {
    keys::find(name).map(|key| key.accepts)
}

/// Quoted, without control characters, and cut: a message is no place for a page of text.
fn shortened(value: &str) -> String {
    const LONGEST: usize = 80;
    let cut: String = value.chars().take(LONGEST).collect();
    if cut.len() < value.len() {
        format!("{cut:?} …")
    } else {
        format!("{cut:?}")
    }
}
