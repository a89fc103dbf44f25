//! What a field is compared with: typed when the condition is read, so that evaluating never meets a wrong type.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, SubsecRound, Utc};
use serde_json::{Number, Value};

use super::Kind;
use crate::{
    error::{Violation, ViolationCode},
    http::fields::parse_date,
    metamodel::{name_key, suggestions},
};

/// The longest text that anything is compared with, in characters.
const MAX_TEXT: usize = 2_000;

/// The operand as `kind` compares it; `part` tells that it is part of a text, so that options do not bind it.
pub(super) fn typed(kind: &Kind, value: &Value, part: bool) -> Result<Value, Violation> {
    let wrong = || {
        Violation::new("", ViolationCode::WrongType, format!("must be {}", kind.name()))
            .provided(value)
            .accepts("expected", kind.name())
    };
    if value.is_null() {
        let message = "a comparison needs a value; to ask whether a field is missing use exists with false";
        return Err(Violation::new("", ViolationCode::Required, message));
    }
    if let Some(text) = value.as_str() {
        storable(text, value)?;
    }
    match kind {
        Kind::Text => value.as_str().map(|_| value.clone()).ok_or_else(wrong),
        Kind::Name => value.as_str().map(|text| Value::from(name_key(text))).ok_or_else(wrong),
        Kind::Choice(_) if part => value.as_str().map(|_| value.clone()).ok_or_else(wrong),
        Kind::Choice(options) | Kind::List(Some(options)) => {
            let text = value.as_str().ok_or_else(wrong)?;
            if options.iter().any(|option| option == text) {
                Ok(value.clone())
            } else {
                Err(no_option(text, options))
            }
        }
        Kind::Number => value.is_number().then(|| value.clone()).ok_or_else(wrong),
        Kind::Boolean => value.is_boolean().then(|| value.clone()).ok_or_else(wrong),
        Kind::Date => value
            .as_str()
            .and_then(parse_date)
            .map(|_| value.clone())
            .ok_or_else(wrong),
        Kind::Instant => value
            .as_str()
            .and_then(parse_instant)
            .map(|at| Value::from(write_instant(at)))
            .ok_or_else(wrong),
        Kind::Card => value
            .as_str()
            .and_then(|id| uuid::Uuid::try_parse(id).ok())
            .map(|id| Value::from(id.to_string()))
            .ok_or_else(wrong),
        Kind::List(None) | Kind::Untyped => {
            if value.is_object() || value.is_array() {
                Err(wrong())
            } else {
                Ok(value.clone())
            }
        }
        Kind::Whole => Err(wrong()),
    }
}

fn storable(text: &str, value: &Value) -> Result<(), Violation> {
    if text.contains('\0') {
        return Err(Violation::new(
            "",
            ViolationCode::PatternMismatch,
            "holds the NUL character, which no card can hold",
        ));
    }
    if text.chars().count() > MAX_TEXT {
        let violation = Violation::new("", ViolationCode::TooLong, format!("has at most {MAX_TEXT} characters"));
        return Err(violation.provided(value).accepts("max_length", MAX_TEXT));
    }
    Ok(())
}

fn no_option(text: &str, options: &[String]) -> Violation {
    let close = suggestions(text, options.iter().map(String::as_str));
    let message = match close.first() {
        Some(one) => format!("is not one of the {} options; did you mean {one}?", options.len()),
        None => format!("is not one of the {} options", options.len()),
    };
    let shown: Vec<_> = options.iter().take(60).cloned().collect();
    Violation::new("", ViolationCode::NotInOptions, message)
        .provided(&Value::from(text))
        .accepts("allowed_values", shown)
}

/// An instant in RFC 3339, or a date as its first instant in UTC; microseconds are what the database keeps.
fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    if let Some(date) = parse_date(text) {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let instant = DateTime::parse_from_rfc3339(text)
        .ok()?
        .with_timezone(&Utc)
        .trunc_subsecs(6);
    let years = NaiveDate::from_ymd_opt(1, 1, 1)?..=NaiveDate::from_ymd_opt(9999, 12, 31)?;
    years.contains(&instant.date_naive()).then_some(instant)
}

/// Instants as operands: always as long, so that their texts compare like what they mean.
fn write_instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true).replace('Z', "000")
}

/// The operand as the database takes it.
pub(super) fn instant(operand: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(&format!("{}Z", operand.as_str()?))
        .ok()
        .map(|at| at.with_timezone(&Utc))
}

/// An instant of a fixed field, in RFC 3339, in the form of operands.
pub(super) fn fixed_instant_key(text: &str) -> Option<String> {
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|at| write_instant(at.with_timezone(&Utc).trunc_subsecs(6)))
}

/// An instant of an attribute in the form of operands: by its shape alone, as the database does it.
pub(super) fn instant_key(text: &str) -> Option<String> {
    let body = text.strip_suffix('Z')?;
    let (seconds, fraction) = body.split_once('.').unwrap_or((body, "0"));
    let shape = "0000-00-00T00:00:00";
    let shaped =
        has_shape(seconds, shape) && (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    shaped.then(|| format!("{seconds}.{fraction:0<9}"))
}

/// Whether a text looks like a date, existing or not.
pub(super) fn is_date_shaped(text: &str) -> bool {
    has_shape(text, "0000-00-00")
}

fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(b, s)| if s == b'0' { b.is_ascii_digit() } else { b == s })
}

/// Numbers by value: 1 equals 1.0, and large whole numbers are compared exactly.
pub(super) fn compare_numbers(a: &Number, b: &Number) -> Option<std::cmp::Ordering> {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_compare_as_texts() {
        let key = |text: &str| instant_key(text).unwrap();
        assert!(key("2026-01-01T00:00:05Z") < key("2026-01-01T00:00:05.5Z"));
        assert_eq!(key("2026-01-01T00:00:10Z"), key("2026-01-01T00:00:10.000Z"));
        let operand = typed(&Kind::Instant, &Value::from("2026-01-01T02:00:10+02:00"), false).unwrap();
        assert_eq!(operand, Value::from(key("2026-01-01T00:00:10Z")));
        assert_eq!(instant(&operand).unwrap().to_rfc3339(), "2026-01-01T00:00:10+00:00");
        assert_eq!(
            typed(&Kind::Instant, &Value::from("2026-01-01"), false).unwrap(),
            Value::from(key("2026-01-01T00:00:00Z"))
        );
        assert!(instant_key("2026-01-01T00:00:10+02:00").is_none());
    }
}
