//! The rules that card types and rules themselves must keep.

use super::{CardType, DataType, Rule, Widget, is_filled, value::validate_value};
use crate::error::{Violation, ViolationCode};

const MAX_OPTIONS: usize = 500;

impl CardType {
    /// Everything wrong with it.
    #[must_use]
    pub fn check(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut letters = self.name.bytes();
        if !letters.next().is_some_and(|b| b.is_ascii_uppercase())
            || !letters.all(|b| b.is_ascii_alphanumeric())
            || self.name.len() > 60
        {
            let pattern = "^[A-Z][A-Za-z0-9]{0,59}$";
            found.push(
                Violation::new("name", ViolationCode::PatternMismatch, format!("must match {pattern}"))
                    .accepts("required_pattern", pattern),
            );
        }
        if self.color.len() != 7
            || !self.color.starts_with('#')
            || !self.color.bytes().skip(1).all(|b| b.is_ascii_hexdigit())
        {
            found.push(
                Violation::new("color", ViolationCode::PatternMismatch, "must be written #rrggbb")
                    .accepts("required_pattern", "^#[0-9a-fA-F]{6}$"),
            );
        }
        words("label", Some(&self.label), 1, 100, &mut found);
        words("description", self.description.as_deref(), 0, 2_000, &mut found);
        words("icon", self.icon.as_deref(), 0, 100, &mut found);
        found
    }
}

impl Rule {
    /// Everything wrong with it, given the other rules of its card type.
    #[must_use]
    pub fn check(&self, others: &[Rule]) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check_key(others, &mut found);
        words("label", Some(&self.label), 1, 100, &mut found);
        words("placeholder", self.placeholder.as_deref(), 0, 200, &mut found);
        words("help_text", self.help_text.as_deref(), 0, 1_000, &mut found);
        self.check_options(&mut found);
        self.check_limits(&mut found);
        if self.is_required && (self.is_computed || self.wildcard_parent().is_some()) {
            let message = "neither a computed attribute nor the members of an object can be required";
            found.push(Violation::new("is_required", ViolationCode::NotAllowedHere, message));
        }
        if let Some(widget) = self.widget.filter(|widget| !fits(*widget, self.data_type)) {
            let message = format!("{} does not show a {}", widget.name(), self.data_type.name());
            found.push(Violation::new("widget", ViolationCode::NotAllowedHere, message));
        }
        if let Some(value) = self.default_value.as_ref().filter(|value| !value.is_null()) {
            if is_filled(value) {
                found.extend(validate_value(self, value, "default_value"));
            } else {
                found
                    .push(Violation::new("default_value", ViolationCode::Required, "may not be empty").provided(value));
            }
        }
        found
    }

    fn check_key(&self, others: &[Rule], found: &mut Vec<Violation>) {
        let steps: Vec<&str> = self.key.split('.').collect();
        let named = |step: &str| {
            step.starts_with(|c: char| c.is_ascii_alphabetic())
                && step.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let last = steps.len() - 1;
        if !steps
            .iter()
            .enumerate()
            .all(|(i, step)| named(step) || (i == last && i > 0 && *step == "*"))
        {
            let message =
                "is a dotted path of names made of letters, digits and _; its last step may be * for every member";
            found.push(
                Violation::new("key", ViolationCode::PatternMismatch, message)
                    .accepts("example", "financials.estimated_annual_cost"),
            );
        }
        if self.key.len() > 200 || steps.len() > 8 {
            found.push(
                Violation::new("key", ViolationCode::TooLong, "has at most 200 characters and 8 steps")
                    .accepts("max_length", 200),
            );
        }
        for other in others
            .iter()
            .filter(|other| other.id != self.id && other.card_type == self.card_type)
        {
            let (above, below) = if self.key.len() < other.key.len() {
                (self, other)
            } else {
                (other, self)
            };
            let nested = below
                .key
                .strip_prefix(&above.key)
                .is_some_and(|rest| rest.starts_with('.'));
            if nested && above.data_type != DataType::Object {
                let message = format!(
                    "{} cannot have members: its data type is {}",
                    above.key,
                    above.data_type.name()
                );
                found.push(
                    Violation::new("key", ViolationCode::NotAllowedHere, message).accepts("rule", other.id.to_string()),
                );
            }
        }
    }

    fn check_options(&self, found: &mut Vec<Violation>) {
        let Some(options) = &self.options else {
            if self.data_type == DataType::Enum {
                found.push(Violation::new(
                    "options",
                    ViolationCode::Required,
                    "an enum has options to choose from",
                ));
            }
            return;
        };
        if !matches!(self.data_type, DataType::Enum | DataType::MultiEnum) {
            found.push(Violation::new(
                "options",
                ViolationCode::NotAllowedHere,
                "belong to enum and multi_enum",
            ));
        }
        if options.is_empty() {
            found.push(Violation::new("options", ViolationCode::Required, "may not be empty"));
        }
        if options.len() > MAX_OPTIONS {
            let message = format!("at most {MAX_OPTIONS} options");
            found.push(Violation::new("options", ViolationCode::TooLong, message).accepts("max_length", MAX_OPTIONS));
        }
        for (index, option) in options.iter().enumerate() {
            let field = format!("options.{index}");
            if options[..index].contains(option) {
                found.push(Violation::new(
                    &field,
                    ViolationCode::NotAllowedHere,
                    format!("{option} is listed twice"),
                ));
            }
            words(&field, Some(option), 1, 200, found);
        }
    }

    fn check_limits(&self, found: &mut Vec<Violation>) {
        let numeric = matches!(self.data_type, DataType::Integer | DataType::Number | DataType::Money);
        let textual = matches!(self.data_type, DataType::String | DataType::Text | DataType::Url);
        let listed = matches!(self.data_type, DataType::MultiEnum | DataType::Array);
        for (field, given, fitting) in [
            ("min", self.min.is_some(), numeric),
            ("max", self.max.is_some(), numeric),
            ("max_length", self.max_length.is_some(), textual || listed),
            (
                "regex",
                self.regex.is_some(),
                textual || (self.data_type == DataType::MultiEnum && self.options.is_none()),
            ),
        ] {
            if given && !fitting {
                let message = format!("does not apply to {}", self.data_type.name());
                found.push(Violation::new(field, ViolationCode::NotAllowedHere, message));
            }
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            found.push(
                Violation::new("max", ViolationCode::OutOfRange, "is below min")
                    .accepts("min", super::tidy_number(min)),
            );
        }
        if self.max_length.is_some_and(|length| length == 0 || length > 50_000) {
            let message = "must be between 1 and 50000";
            found.push(
                Violation::new("max_length", ViolationCode::OutOfRange, message)
                    .accepts("min", 1)
                    .accepts("max", 50_000),
            );
        }
    }
}

fn words(field: &str, text: Option<&str>, least: usize, most: usize, found: &mut Vec<Violation>) {
    let Some(text) = text else { return };
    if text.contains('\0') {
        found.push(Violation::new(
            field,
            ViolationCode::PatternMismatch,
            "holds the NUL character, which cannot be stored",
        ));
    }
    if least > 0 && text.trim().is_empty() {
        found.push(Violation::new(field, ViolationCode::Required, "may not be blank"));
    }
    if text.chars().count() > most {
        found.push(
            Violation::new(field, ViolationCode::TooLong, format!("has at most {most} characters"))
                .accepts("max_length", most),
        );
    }
}

fn fits(widget: Widget, data_type: DataType) -> bool {
    match widget {
        Widget::Text | Widget::Textarea => !matches!(data_type, DataType::Boolean | DataType::Money),
        Widget::Select => matches!(data_type, DataType::Enum | DataType::Boolean | DataType::String),
        Widget::Multiselect => matches!(data_type, DataType::MultiEnum | DataType::Array),
        Widget::Number => matches!(data_type, DataType::Integer | DataType::Number),
        Widget::Currency => matches!(data_type, DataType::Integer | DataType::Number | DataType::Money),
        Widget::Date => matches!(data_type, DataType::Date | DataType::Datetime),
        Widget::Checkbox => data_type == DataType::Boolean,
        Widget::Card => data_type == DataType::Card,
    }
}
