//! A rule governs one attribute of one card type.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// What kind of value an attribute holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// One line of text.
    String,
    /// Text of several lines.
    Text,
    /// A whole number that fits 64 bits.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DDTHH:MM:SSZ`, always UTC.
    Datetime,
    /// One of the options.
    Enum,
    /// A list of texts; each one of the options where there are any.
    MultiEnum,
    /// `{amount, currency}` with a currency of ISO 4217.
    Money,
    /// An `http` or `https` address.
    Url,
    /// The id of a card.
    Card,
    /// An object; rules with keys below it govern its members.
    Object,
    /// A list.
    Array,
}

/// How a form shows the attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Widget {
    /// A line of text.
    Text,
    /// Several lines.
    Textarea,
    /// Choose one.
    Select,
    /// Choose several.
    Multiselect,
    /// A number.
    Number,
    /// An amount with a currency.
    Currency,
    /// A date.
    Date,
    /// On or off.
    Checkbox,
    /// Choose a card.
    Card,
}

macro_rules! named {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// The name used in JSON and in the database.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The variant of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

named!(DataType {
    String => "string", Text => "text", Integer => "integer", Number => "number", Boolean => "boolean", Date => "date",
    Datetime => "datetime", Enum => "enum", MultiEnum => "multi_enum", Money => "money", Url => "url", Card => "card",
    Object => "object", Array => "array",
});
named!(Widget {
    Text => "text", Textarea => "textarea", Select => "select", Multiselect => "multiselect", Number => "number",
    Currency => "currency", Date => "date", Checkbox => "checkbox", Card => "card",
});

/// A regular expression, compiled once: linear-time engine, bounded size. `\d` means ASCII digits, as in browsers.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    /// The longest expression accepted, in characters.
    pub const MAX_SOURCE: usize = 1_000;

    /// Compiles `source`; the error says what is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        if source.chars().count() > Self::MAX_SOURCE {
            return Err(format!(
                "a regular expression has at most {} characters",
                Self::MAX_SOURCE
            ));
        }
        let regex = RegexBuilder::new(&ascii_digits(source))
            .size_limit(1 << 20)
            .dfa_size_limit(1 << 20)
            .nest_limit(50)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "the regular expression is too large once compiled".to_owned(),
                other => other.to_string(),
            })?;
        Ok(Self {
            source: source.to_owned(),
            regex,
        })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches anywhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

fn ascii_digits(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some(escaped) => out.extend(['\\', escaped]),
            None => out.push('\\'),
        }
    }
    out
}

/// A rule of the metamodel.
#[expect(clippy::struct_excessive_bools, reason = "independent properties, each a column")]
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Rule {
    /// Its id.
    pub id: Uuid,
    /// The card type it belongs to.
    pub card_type: String,
    /// Dotted path of the attribute, for example `financials.estimated_annual_cost`; a last step `*` means every
    /// member of the object, as in `bia.*`.
    pub key: String,
    /// What a person reads.
    pub label: String,
    /// What kind of value it holds.
    pub data_type: DataType,
    /// A card without it is refused.
    pub is_required: bool,
    /// The values to choose from.
    pub options: Option<Vec<String>>,
    /// What a text (or each text of a list) must match.
    #[schema(value_type = Option<String>)]
    pub regex: Option<Pattern>,
    /// Smallest number, or amount.
    #[serde(serialize_with = "tidy")]
    pub min: Option<f64>,
    /// Largest number, or amount.
    #[serde(serialize_with = "tidy")]
    pub max: Option<f64>,
    /// Most characters of a text, most items of a list.
    pub max_length: Option<u32>,
    /// What forms start with; the server never writes it.
    pub default_value: Option<Value>,
    /// How a form shows it.
    pub widget: Option<Widget>,
    /// What an empty field shows.
    pub placeholder: Option<String>,
    /// What it means.
    pub help_text: Option<String>,
    /// Computed by the server, never accepted from a client.
    pub is_computed: bool,
    /// Still checked, no longer required or offered.
    pub deprecated: bool,
    /// Came with the software.
    pub builtin: bool,
    /// Order in forms.
    pub position: i32,
    /// +1 with every change.
    pub version: i32,
}

impl Rule {
    /// Whether a card must have it.
    #[must_use]
    pub fn demands(&self) -> bool {
        self.is_required && !self.is_computed && !self.deprecated
    }

    /// The object whose every member it governs, for a key that ends in `*`.
    #[must_use]
    pub fn wildcard_parent(&self) -> Option<&str> {
        self.key.strip_suffix(".*")
    }
}

/// Bounds are held as floats; whole ones read better without `.0`.
#[must_use]
pub fn tidy_number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn tidy<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    number.map(tidy_number).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_ascii_and_the_source_is_kept() {
        let pattern = Pattern::new(r"^CC-[A-Z]{2,4}-\d{2}$").unwrap();
        assert!(pattern.is_match("CC-IT-01"));
        assert!(!pattern.is_match("CC-IT-٠١"));
        assert!(!pattern.is_match("CC-IT-01\n"));
        assert_eq!(pattern.source(), r"^CC-[A-Z]{2,4}-\d{2}$");
        assert!(Pattern::new(r"[\d_]+\\d").unwrap().is_match(r"7\d"));
    }

    #[test]
    fn bad_and_exploding_expressions_are_refused() {
        for source in [
            "(",
            "(a",
            r"\",
            "(?=x)",
            r"(\w{1000}){1000}",
            &"a".repeat(1_001),
            &"(".repeat(60),
        ] {
            assert!(Pattern::new(source).is_err(), "{source}");
        }
    }

    #[test]
    fn names_match_serde() {
        for data_type in ["multi_enum", "datetime", "card"] {
            let parsed = DataType::from_name(data_type).unwrap();
            assert_eq!(serde_json::to_value(parsed).unwrap(), data_type);
        }
        assert_eq!(
            serde_json::to_value(Widget::Multiselect).unwrap(),
            Widget::Multiselect.name()
        );
    }
}
