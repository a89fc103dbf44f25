//! The short hand in which the built-in rules are written.

use serde_json::Value;
use uuid::Uuid;

use super::builtin_id;
use crate::metamodel::{DataType, Pattern, Rule, Widget};

/// A rule in the making.
pub(super) struct Draft(Rule);

fn draft(key: &str, label: &str, data_type: DataType, widget: Option<Widget>) -> Draft {
    Draft(Rule {
        id: Uuid::nil(),
        card_type: String::new(),
        key: key.to_owned(),
        label: label.to_owned(),
        data_type,
        is_required: false,
        options: None,
        regex: None,
        min: None,
        max: None,
        max_length: None,
        default_value: None,
        widget,
        placeholder: None,
        help_text: None,
        is_computed: false,
        deprecated: false,
        builtin: true,
        position: 0,
        version: 1,
    })
}

/// A line of text of at most `max_length` characters.
pub(super) fn line(key: &str, label: &str, max_length: u32) -> Draft {
    let mut made = draft(key, label, DataType::String, Some(Widget::Text));
    made.0.max_length = Some(max_length);
    made
}

/// Several lines of text of at most `max_length` characters.
pub(super) fn text(key: &str, label: &str, max_length: u32) -> Draft {
    let mut made = draft(key, label, DataType::Text, Some(Widget::Textarea));
    made.0.max_length = Some(max_length);
    made
}

/// One of the options.
pub(super) fn one_of(key: &str, label: &str, options: &[&str]) -> Draft {
    draft(key, label, DataType::Enum, Some(Widget::Select)).options(options)
}

/// Any of the options.
pub(super) fn any_of(key: &str, label: &str, options: &[&str]) -> Draft {
    draft(key, label, DataType::MultiEnum, Some(Widget::Multiselect)).options(options)
}

/// A list of texts, at most 100.
pub(super) fn texts(key: &str, label: &str) -> Draft {
    let mut made = draft(key, label, DataType::MultiEnum, Some(Widget::Multiselect));
    made.0.max_length = Some(100);
    made
}

/// A whole number.
pub(super) fn integer(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Integer, Some(Widget::Number))
}

/// A number.
pub(super) fn number(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Number, Some(Widget::Number))
}

/// An amount with a currency.
pub(super) fn money(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Money, Some(Widget::Currency))
}

/// A date.
pub(super) fn date(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Date, Some(Widget::Date))
}

/// An instant.
pub(super) fn instant(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Datetime, None)
}

/// Yes or no.
pub(super) fn flag(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Boolean, Some(Widget::Checkbox))
}

/// A web address.
pub(super) fn url(key: &str, label: &str) -> Draft {
    let mut made = draft(key, label, DataType::Url, Some(Widget::Text));
    made.0.max_length = Some(2_000);
    made.hint("https://…")
}

/// The id of another card.
pub(super) fn card(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Card, Some(Widget::Card))
}

/// An object.
pub(super) fn object(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Object, None)
}

/// A list.
pub(super) fn list(key: &str, label: &str) -> Draft {
    draft(key, label, DataType::Array, None)
}

impl Draft {
    fn options(mut self, options: &[&str]) -> Self {
        self.0.options = Some(options.iter().map(|&o| o.to_owned()).collect());
        self
    }

    /// A card must have it.
    pub(super) fn required(mut self) -> Self {
        self.0.is_required = true;
        self
    }

    /// The server computes it.
    pub(super) fn computed(mut self) -> Self {
        self.0.is_computed = true;
        self.0.widget = None;
        self
    }

    /// What forms start with.
    pub(super) fn starts_as(mut self, value: impl Into<Value>) -> Self {
        self.0.default_value = Some(value.into());
        self
    }

    /// Smallest and largest number.
    pub(super) fn between(mut self, min: f64, max: f64) -> Self {
        (self.0.min, self.0.max) = (Some(min), Some(max));
        self
    }

    /// Not negative.
    pub(super) fn not_negative(mut self) -> Self {
        self.0.min = Some(0.0);
        self
    }

    /// What the text must match.
    ///
    /// # Panics
    /// When the expression is wrong, which the tests would have shown.
    pub(super) fn like(mut self, regex: &str) -> Self {
        self.0.regex = Pattern::new(regex).ok();
        debug_assert!(self.0.regex.is_some(), "{regex}");
        self
    }

    /// What an empty field shows.
    pub(super) fn hint(mut self, placeholder: &str) -> Self {
        self.0.placeholder = Some(placeholder.to_owned());
        self
    }

    /// What it means.
    pub(super) fn help(mut self, help: &str) -> Self {
        self.0.help_text = Some(help.to_owned());
        self
    }

    /// The rule of a card type, at its place in the form.
    pub(super) fn build(mut self, card_type: &str, position: i32) -> Rule {
        self.0.id = builtin_id("metamodel_rule", &format!("{card_type}/{}", self.0.key));
        card_type.clone_into(&mut self.0.card_type);
        self.0.position = position;
        self.0
    }
}
