//! Reading a JSON object field by field, so that one answer names everything that is wrong with it: unknown fields and
//! wrong types included, which serde would report one at a time.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{Error, Result, Violation, ViolationCode};

/// The words for a JSON value's type.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// An object being read. Take the fields one by one, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Fields {
    object: Map<String, Value>,
    prefix: String,
    violations: Vec<Violation>,
    known: Vec<&'static str>,
}

impl Fields {
    /// Begins to read an object.
    #[must_use]
    pub fn new(object: Map<String, Value>) -> Self {
        Self::within("", object)
    }

    /// Begins to read an object that stands at `prefix` in the request.
    #[must_use]
    pub fn within(prefix: &str, object: Map<String, Value>) -> Self {
        Self {
            object,
            prefix: prefix.to_owned(),
            violations: Vec::new(),
            known: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }

    /// Records a violation at `name`.
    pub fn refuse(&mut self, name: &str, code: ViolationCode, message: impl Into<String>, value: Option<&Value>) {
        let violation = Violation::new(self.path(name), code, message);
        self.violations.push(match value {
            Some(value) => violation.provided(value),
            None => violation,
        });
    }

    /// Records violations found elsewhere.
    pub fn extend(&mut self, violations: impl IntoIterator<Item = Violation>) {
        self.violations.extend(violations);
    }

    /// Whether the field was sent, be it as null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether the field was sent as null.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    /// Whether the field was sent as something other than null, and not taken yet.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a field as it is; null counts as absent.
    pub fn value(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.remove(name).filter(|v| !v.is_null())
    }

    fn typed<T>(&mut self, name: &'static str, expected: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.value(name)?;
        let read = read(&value);
        if read.is_none() {
            let message = format!("must be {expected}, not {}", kind(&value));
            self.refuse(name, ViolationCode::WrongType, message, Some(&value));
        }
        read
    }

    /// A text of at most `max` characters without NUL.
    pub fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        let text = self.typed(name, "a text", |v| v.as_str().map(str::to_owned))?;
        self.check_text(name, text, max)
    }

    fn check_text(&mut self, name: &str, text: String, max: usize) -> Option<String> {
        let length = text.chars().count();
        if length > max {
            let violation = Violation::new(
                self.path(name),
                ViolationCode::TooLong,
                format!("has {length} characters, at most {max} are allowed"),
            )
            .provided(&Value::String(text))
            .accepts("max_length", max);
            self.violations.push(violation);
            return None;
        }
        if text.contains('\0') {
            self.refuse(
                name,
                ViolationCode::PatternMismatch,
                "must not contain NUL characters",
                None,
            );
            return None;
        }
        Some(text)
    }

    /// A text that must be there and not be blank.
    pub fn required_text(&mut self, name: &'static str, max: usize) -> String {
        let sent = self.is_given(name);
        match self.text(name, max) {
            Some(text) if !text.trim().is_empty() => text,
            Some(_) => {
                self.refuse(name, ViolationCode::Required, "must not be blank", None);
                String::new()
            }
            None => {
                if !sent {
                    self.refuse(name, ViolationCode::Required, "is required", None);
                }
                String::new()
            }
        }
    }

    /// A list of texts: at most `max_items`, each at most `max` characters.
    pub fn texts(&mut self, name: &'static str, max_items: usize, max: usize) -> Option<Vec<String>> {
        let items = self.typed(name, "a list of texts", |v| v.as_array().cloned())?;
        if items.len() > max_items {
            let violation = Violation::new(
                self.path(name),
                ViolationCode::TooLong,
                format!("has {} items, at most {max_items} are allowed", items.len()),
            )
            .accepts("max_items", max_items);
            self.violations.push(violation);
            return None;
        }
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let at = format!("{name}[{index}]");
            match item {
                Value::String(text) => texts.extend(self.check_text(&at, text, max)),
                other => self.refuse(
                    &at,
                    ViolationCode::WrongType,
                    format!("must be a text, not {}", kind(&other)),
                    Some(&other),
                ),
            }
        }
        Some(texts)
    }

    /// A whole number within a range.
    pub fn integer(&mut self, name: &'static str, min: i64, max: i64) -> Option<i64> {
        let value = self.value(name)?;
        match value.as_i64() {
            Some(number) if (min..=max).contains(&number) => Some(number),
            None if !value.is_number() || value.is_f64() => {
                let message = format!(
                    "must be a whole number, not {}",
                    if value.is_f64() { "a fraction" } else { kind(&value) }
                );
                self.refuse(name, ViolationCode::WrongType, message, Some(&value));
                None
            }
            _ => {
                let violation = Violation::new(
                    self.path(name),
                    ViolationCode::OutOfRange,
                    format!("must be from {min} to {max}"),
                )
                .provided(&value)
                .accepts("min", min)
                .accepts("max", max);
                self.violations.push(violation);
                None
            }
        }
    }

    /// True or false.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", Value::as_bool)
    }

    /// An object.
    pub fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        self.typed(name, "an object", |v| v.as_object().cloned())
    }

    /// An identifier.
    pub fn uuid(&mut self, name: &'static str) -> Option<Uuid> {
        self.typed(name, "a UUID", |v| v.as_str().and_then(|s| s.parse().ok()))
    }

    /// A calendar date, strictly `YYYY-MM-DD`.
    pub fn date(&mut self, name: &'static str) -> Option<NaiveDate> {
        let value = self.value(name)?;
        if let Some(date) = value.as_str().and_then(parse_date) {
            Some(date)
        } else {
            self.refuse(
                name,
                ViolationCode::WrongType,
                "must be a calendar date as YYYY-MM-DD",
                Some(&value),
            );
            None
        }
    }

    /// An instant, RFC 3339.
    pub fn instant(&mut self, name: &'static str) -> Option<DateTime<Utc>> {
        let value = self.value(name)?;
        let read = value.as_str().and_then(parse_instant);
        if read.is_none() {
            self.refuse(name, ViolationCode::WrongType, INSTANT, Some(&value));
        }
        read
    }

    /// One of a closed set of names.
    pub fn choice<T: Copy>(&mut self, name: &'static str, options: &[(&str, T)]) -> Option<T> {
        let value = self.value(name)?;
        if let Some((_, chosen)) = value
            .as_str()
            .and_then(|s| options.iter().find(|(option, _)| *option == s))
        {
            return Some(*chosen);
        }
        let code = if value.is_string() {
            ViolationCode::NotInOptions
        } else {
            ViolationCode::WrongType
        };
        let names: Vec<&str> = options.iter().map(|(n, _)| *n).collect();
        let violation = Violation::new(self.path(name), code, format!("must be one of {}", names.join(", ")))
            .provided(&value)
            .accepts("allowed_values", names);
        self.violations.push(violation);
        None
    }

    /// Refuses fields that only the server writes, if they were sent.
    pub fn read_only(&mut self, names: &[&'static str]) {
        for name in names {
            if let Some(value) = self.object.remove(*name) {
                self.refuse(
                    name,
                    ViolationCode::ReadOnly,
                    "is written by the server only",
                    Some(&value),
                );
            }
        }
    }

    /// Refuses nulls that a merge patch has for fields which do not exist or only the server writes: they would vanish in
    /// the merge without a word.
    pub fn refuse_nulls(&mut self, patch: &Map<String, Value>, known: &[&'static str], read_only: &[&'static str]) {
        for (name, _) in patch
            .iter()
            .filter(|(name, value)| value.is_null() && !known.contains(&name.as_str()))
        {
            if read_only.contains(&name.as_str()) {
                self.refuse(
                    name,
                    ViolationCode::ReadOnly,
                    "is written by the server only",
                    Some(&Value::Null),
                );
                continue;
            }
            let shown: String = name.chars().take(60).collect();
            let violation = Violation::new(
                self.path(&shown),
                ViolationCode::UnknownField,
                "there is no such field here",
            )
            .accepts("allowed_values", known.to_vec());
            self.violations.push(violation);
        }
    }

    /// Ends the reading: everything not taken by now is an unknown field. Gives back all violations.
    #[must_use]
    pub fn finish(mut self) -> Vec<Violation> {
        let unknown: Vec<String> = self.object.keys().cloned().collect();
        for name in unknown {
            let shown: String = name.chars().take(60).collect();
            let violation = Violation::new(
                self.path(&shown),
                ViolationCode::UnknownField,
                "there is no such field here",
            )
            .accepts("allowed_values", self.known.clone());
            self.violations.push(violation);
        }
        self.violations
    }

    /// [`finish`](Self::finish), as a result.
    pub fn done(self) -> Result<()> {
        let violations = self.finish();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Error::validation(violations))
        }
    }
}

/// [`parse_date`] for serde, absent when empty: chrono itself takes `2026-1-1` and the year 200000.
pub fn strict_date<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<NaiveDate>, D::Error> {
    use serde::{Deserialize, de::Error};
    match Option::<String>::deserialize(value)? {
        None => Ok(None),
        Some(text) => match parse_date(&text) {
            Some(date) => Ok(Some(date)),
            None => Err(D::Error::custom("a date that exists is expected, as YYYY-MM-DD")),
        },
    }
}

const INSTANT: &str = "must be an instant with its offset, as 2026-01-01T00:00:00Z or 2026-11-21T10:30:00+01:00";

/// [`parse_instant`] for serde. An empty one is refused: taken for absent, it would quietly ask about the present.
pub fn strict_instant<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    use serde::{Deserialize, de::Error};
    let text = String::deserialize(value)?;
    parse_instant(&text)
        .map(Some)
        .ok_or_else(|| D::Error::custom(format_args!("an instant {INSTANT}")))
}

/// An instant as RFC 3339 has it, from year 1 to 9999. The `+` of an offset that a query string turned into a space is
/// understood.
#[must_use]
pub fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    if text.len() > 40 || !text.is_ascii() {
        return None;
    }
    let mut text = text.to_owned();
    if let Some(sign) = text.len().checked_sub(6)
        && sign > 10
        && text.as_bytes()[sign] == b' '
    {
        text.replace_range(sign..=sign, "+");
    }
    let instant = DateTime::parse_from_rfc3339(&text).ok()?.with_timezone(&Utc);
    (1..=9999).contains(&instant.year()).then_some(instant)
}

/// A calendar date, strictly `YYYY-MM-DD`, from year 1 to 9999.
#[must_use]
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| {
            if i == 4 || i == 7 {
                b == b'-'
            } else {
                b.is_ascii_digit()
            }
        });
    if !shape || text.starts_with("0000") {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better in the tests")]
    fn fields(value: Value) -> Fields {
        Fields::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let mut f = fields(json!({"name": 5, "fit": 9, "when": "2026-02-30", "colour": "red", "extra": 1}));
        f.required_text("name", 10);
        f.integer("fit", 1, 4);
        f.date("when");
        f.choice("colour", &[("blue", 1)]);
        let found: Vec<_> = f.finish().into_iter().map(|v| (v.field, v.code)).collect();
        assert_eq!(
            found,
            [
                ("name".to_owned(), ViolationCode::WrongType),
                ("fit".to_owned(), ViolationCode::OutOfRange),
                ("when".to_owned(), ViolationCode::WrongType),
                ("colour".to_owned(), ViolationCode::NotInOptions),
                ("extra".to_owned(), ViolationCode::UnknownField),
            ]
        );
    }

    #[test]
    fn dates_are_strict() {
        for bad in [
            "2026-2-3",
            "2026-02-30",
            "20260203",
            "2026-02-03T00:00:00Z",
            "0000-01-01",
            "+2026-01-1",
        ] {
            assert!(parse_date(bad).is_none(), "{bad}");
        }
        assert!(parse_date("2024-02-29").is_some());
    }

    #[test]
    fn instants_carry_an_offset() {
        let noon = "2026-03-29T12:00:00Z".parse::<DateTime<Utc>>().unwrap();
        for good in [
            "2026-03-29T12:00:00Z",
            "2026-03-29t12:00:00.000z",
            "2026-03-29T14:00:00+02:00",
            "2026-03-29T14:00:00 02:00",
            "2026-03-29T13:00:00+01:00",
            "2026-03-29T06:30:00-05:30",
            "2026-03-28T12:00:00-24:00",
        ] {
            let read = parse_instant(good);
            assert!(
                read == Some(noon) || good.ends_with("-24:00") && read.is_none(),
                "{good}"
            );
        }
        for bad in [
            "",
            "2026-03-29",
            "2026-03-29T12:00:00",
            "2026-03-29T12:00Z",
            "2026-03-29T25:00:00Z",
            "2026-02-30T12:00:00Z",
            "+12026-03-29T12:00:00Z",
            "0000-03-29T12:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "2026-03-29T12:00:00+99:00",
            "yesterday",
            "2026-03-29T12:00:00\u{ff3a}",
            "1795780000",
        ] {
            assert!(parse_instant(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn whole_numbers_only() {
        for (value, code) in [
            (json!(1.5), ViolationCode::WrongType),
            (json!(u64::MAX), ViolationCode::OutOfRange),
            (json!("1"), ViolationCode::WrongType),
        ] {
            let mut f = fields(json!({"n": value}));
            assert!(f.integer("n", 0, 10).is_none());
            assert_eq!(f.finish()[0].code, code);
        }
    }
}
