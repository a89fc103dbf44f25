//! One value against one rule.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::{DataType, Rule, reference::CURRENCIES, suggestions, tidy_number};
use crate::{
    error::{Violation, ViolationCode},
    http::fields::parse_date,
};

/// The longest address.
const MAX_URL: usize = 2_048;
/// The longest text without a limit of its own, in characters.
const MAX_TEXT: u32 = 20_000;
/// As many options as an error message lists.
const SHOWN_OPTIONS: usize = 60;

/// Everything wrong with `value` under `rule`; `field` is what the violations call it. Absent values are not its matter.
#[must_use]
pub fn validate_value(rule: &Rule, value: &Value, field: &str) -> Vec<Violation> {
    let check = Check { rule, field };
    let mut found = Vec::new();
    check.value(value, &mut found);
    found
}

/// Whether a text is an instant written `YYYY-MM-DDTHH:MM:SSZ`, with up to nine decimals of a second.
#[must_use]
pub fn is_instant(text: &str) -> bool {
    let Some(body) = text.strip_suffix('Z') else {
        return false;
    };
    let (seconds, fraction) = body.split_once('.').unwrap_or((body, "0"));
    seconds.len() == 19
        && seconds.as_bytes().get(10) == Some(&b'T')
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && DateTime::parse_from_rfc3339(text).is_ok()
}

struct Check<'a> {
    rule: &'a Rule,
    field: &'a str,
}

impl Check<'_> {
    fn violation(&self, code: ViolationCode, message: impl Into<String>, value: &Value) -> Violation {
        Violation::new(self.field, code, message)
            .provided(value)
            .by_rule(self.rule.id)
    }

    fn wrong_type(&self, value: &Value, expected: &str) -> Violation {
        self.violation(ViolationCode::WrongType, format!("must be {expected}"), value)
            .accepts("expected", expected)
    }

    fn value(&self, value: &Value, found: &mut Vec<Violation>) {
        match self.rule.data_type {
            DataType::String | DataType::Text => match value.as_str() {
                Some(text) => self.text(text, value, found),
                None => found.push(self.wrong_type(value, "a text")),
            },
            DataType::Integer => self.integer(value, found),
            DataType::Number => match value.as_f64() {
                Some(number) => self.range(number, value, found),
                None => found.push(self.wrong_type(value, "a number")),
            },
            DataType::Boolean if !value.is_boolean() => found.push(self.wrong_type(value, "true or false")),
            DataType::Date if value.as_str().and_then(parse_date).is_none() => {
                found.push(self.wrong_type(value, "a date that exists, written YYYY-MM-DD"));
            }
            DataType::Datetime if !value.as_str().is_some_and(is_instant) => {
                found.push(self.wrong_type(value, "an instant in UTC, written YYYY-MM-DDTHH:MM:SSZ"));
            }
            DataType::Enum => match value.as_str() {
                Some(text) => self.option(text, value, found),
                None => found.push(self.wrong_type(value, "one of the options, as text")),
            },
            DataType::MultiEnum => self.texts(value, found),
            DataType::Money => self.money(value, found),
            DataType::Url => match value.as_str() {
                Some(text) if is_web_address(text) => self.text(text, value, found),
                _ => found.push(self.wrong_type(value, "a web address that starts with http:// or https://")),
            },
            DataType::Card if !value.as_str().is_some_and(is_card_id) => {
                found.push(self.wrong_type(value, "the id of a card, a UUID in lower case"));
            }
            DataType::Object if !value.is_object() => found.push(self.wrong_type(value, "an object")),
            DataType::Array => match value.as_array() {
                Some(items) => self.count(items.len(), value, found),
                None => found.push(self.wrong_type(value, "a list")),
            },
            DataType::Boolean | DataType::Date | DataType::Datetime | DataType::Card | DataType::Object => {}
        }
    }

    fn text(&self, text: &str, value: &Value, found: &mut Vec<Violation>) {
        let longest = self.rule.max_length.unwrap_or(MAX_TEXT);
        if text.chars().count() > longest as usize {
            found.push(
                self.violation(
                    ViolationCode::TooLong,
                    format!("has at most {longest} characters"),
                    value,
                )
                .accepts("max_length", longest),
            );
        } else if let Some(pattern) = self.rule.regex.as_ref().filter(|p| !p.is_match(text)) {
            found.push(
                self.violation(
                    ViolationCode::PatternMismatch,
                    format!("must match {}", pattern.source()),
                    value,
                )
                .accepts("required_pattern", pattern.source()),
            );
        }
        if self.rule.options.is_some() {
            self.option(text, value, found);
        }
    }

    fn option(&self, text: &str, value: &Value, found: &mut Vec<Violation>) {
        let options = self.rule.options.as_deref().unwrap_or_default();
        if options.iter().any(|option| option == text) {
            return;
        }
        let close = suggestions(text, options.iter().map(String::as_str));
        let message = match close.first() {
            Some(one) => format!("is not one of the {} options; did you mean {one}?", options.len()),
            None => format!("is not one of the {} options", options.len()),
        };
        let shown: Vec<_> = options.iter().take(SHOWN_OPTIONS).cloned().collect();
        found.push(
            self.violation(ViolationCode::NotInOptions, message, value)
                .accepts("allowed_values", shown),
        );
    }

    fn texts(&self, value: &Value, found: &mut Vec<Violation>) {
        let Some(items) = value.as_array() else {
            found.push(self.wrong_type(value, "a list of texts"));
            return;
        };
        self.count(items.len(), value, found);
        for (index, item) in items.iter().enumerate() {
            let at = Check {
                rule: self.rule,
                field: &format!("{}.{index}", self.field),
            };
            match item.as_str() {
                None => found.push(at.wrong_type(item, "a text")),
                Some(text) if self.rule.options.is_some() => at.option(text, item, found),
                Some(text) => {
                    if let Some(pattern) = self.rule.regex.as_ref().filter(|p| !p.is_match(text)) {
                        let message = format!("must match {}", pattern.source());
                        found.push(
                            at.violation(ViolationCode::PatternMismatch, message, item)
                                .accepts("required_pattern", pattern.source()),
                        );
                    }
                }
            }
        }
    }

    fn count(&self, items: usize, value: &Value, found: &mut Vec<Violation>) {
        if let Some(most) = self.rule.max_length.filter(|most| items > *most as usize) {
            found.push(
                self.violation(ViolationCode::TooLong, format!("has at most {most} items"), value)
                    .accepts("max_length", most),
            );
        }
    }

    fn integer(&self, value: &Value, found: &mut Vec<Violation>) {
        const LIMIT: f64 = 9_007_199_254_740_991.0;
        match value.as_f64() {
            Some(number) if number.fract() != 0.0 => found.push(self.wrong_type(value, "a whole number")),
            // Beyond this, readers of JSON no longer agree on which number it is.
            Some(number) if number.abs() > LIMIT => found.push(
                self.violation(ViolationCode::OutOfRange, "is too large for a whole number", value)
                    .accepts("min", tidy_number(-LIMIT))
                    .accepts("max", tidy_number(LIMIT)),
            ),
            Some(number) => self.range(number, value, found),
            None => found.push(self.wrong_type(value, "a whole number")),
        }
    }

    fn range(&self, number: f64, value: &Value, found: &mut Vec<Violation>) {
        let (min, max) = (self.rule.min, self.rule.max);
        if min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max) {
            return;
        }
        let message = match (min.map(tidy_number), max.map(tidy_number)) {
            (Some(min), Some(max)) => format!("must be between {min} and {max}"),
            (Some(min), None) => format!("must be at least {min}"),
            (None, Some(max)) => format!("must be at most {max}"),
            (None, None) => return,
        };
        let mut violation = self.violation(ViolationCode::OutOfRange, message, value);
        for (name, bound) in [("min", min), ("max", max)] {
            if let Some(bound) = bound {
                violation = violation.accepts(name, tidy_number(bound));
            }
        }
        found.push(violation);
    }

    fn money(&self, value: &Value, found: &mut Vec<Violation>) {
        let Some(members) = value.as_object() else {
            found.push(self.wrong_type(value, "{amount, currency}"));
            return;
        };
        let amount = Check {
            rule: self.rule,
            field: &format!("{}.amount", self.field),
        };
        match present(members, "amount") {
            None => found.push(amount.violation(ViolationCode::Required, "money has an amount", &Value::Null)),
            Some(value) => match value.as_f64() {
                Some(number) => amount.range(number, value, found),
                None => found.push(amount.wrong_type(value, "a number")),
            },
        }
        let currency = Check {
            rule: self.rule,
            field: &format!("{}.currency", self.field),
        };
        match present(members, "currency") {
            None => found.push(currency.violation(ViolationCode::Required, "money has a currency", &Value::Null)),
            Some(value) if !value.as_str().is_some_and(|code| CURRENCIES.contains(&code)) => found.push(
                currency
                    .violation(
                        ViolationCode::NotInOptions,
                        "must be a currency code of ISO 4217, such as EUR",
                        value,
                    )
                    .accepts("allowed_values", "ISO 4217"),
            ),
            Some(_) => {}
        }
        for name in members
            .keys()
            .filter(|name| !matches!(name.as_str(), "amount" | "currency"))
        {
            found.push(
                Violation::new(
                    format!("{}.{name}", self.field),
                    ViolationCode::UnknownField,
                    "money has no such part",
                )
                .by_rule(self.rule.id)
                .accepts("allowed_fields", vec!["amount", "currency"]),
            );
        }
    }
}

fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

fn is_card_id(text: &str) -> bool {
    text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase()) && uuid::Uuid::try_parse(text).is_ok()
}

fn is_web_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && text.len() <= MAX_URL
        && host.starts_with(|c: char| c.is_alphanumeric() || c == '[')
        && !text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_utc() {
        for good in ["2026-01-01T00:00:00Z", "2026-01-01T23:59:59.123456789Z"] {
            assert!(is_instant(good), "{good}");
        }
        for bad in [
            "2026-01-01T00:00:00+02:00",
            "2026-02-30T00:00:00Z",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00Z",
            "2026-01-01T00:00:00.Z",
        ] {
            assert!(!is_instant(bad), "{bad}");
        }
    }

    #[test]
    fn web_addresses_have_a_host() {
        for good in [
            "https://example.com",
            "HTTP://10.0.0.1:8080/x?y#z",
            "https://user@host/",
            "http://[::1]/",
        ] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "example.com",
            "ftp://example.com",
            "https://",
            "javascript:alert(1)",
            "https:// x",
            "https://a b",
            "http://\u{0}",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }
}
