//! Reading a rule from a request: field by field, then as a whole.

use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::MAX_REASON;
use crate::{
    error::{Error, Result, Violation, ViolationCode},
    http::fields::{Fields, kind},
    metamodel::{DataType, Metamodel, Pattern, Rule, Widget},
};

/// Members that stay as they are, or that the server alone writes.
pub const FIXED: &[&str] = &["id", "card_type", "key", "builtin", "version"];

/// A rule as clients send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"card_type": "Application", "key": "support_level", "label": "Support level", "data_type": "enum", "options": ["Gold", "Silver"], "widget": "select"}))]
pub struct RuleBody {
    /// The card type it belongs to.
    card_type: String,
    /// Dotted path of the attribute; a last step `*` means every member of the object.
    #[schema(max_length = 200)]
    key: String,
    /// Everything that can be changed later.
    #[serde(flatten)]
    rest: RulePatch,
}

/// The changes of a rule: a merge patch. Card type and key stay.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"label": "Support level", "is_required": true}))]
pub struct RulePatch {
    /// What a person reads.
    #[schema(max_length = 100)]
    label: Option<String>,
    /// What kind of value it holds; of a built-in rule it stays.
    data_type: Option<DataType>,
    /// A card without it is refused.
    is_required: Option<bool>,
    /// The values to choose from (enum, multi_enum), at most 500.
    #[schema(max_items = 500)]
    options: Option<Vec<String>>,
    /// What a text must match; linear-time syntax without look-around and back-references.
    #[schema(max_length = 1000)]
    regex: Option<String>,
    /// Smallest number or amount.
    min: Option<f64>,
    /// Largest number or amount.
    max: Option<f64>,
    /// Most characters of a text, most items of a list.
    #[schema(minimum = 1, maximum = 50000)]
    max_length: Option<u32>,
    /// What forms start with; never written by the server.
    default_value: Option<Value>,
    /// How a form shows it.
    widget: Option<Widget>,
    /// What an empty field shows.
    #[schema(max_length = 200)]
    placeholder: Option<String>,
    /// What it means.
    #[schema(max_length = 1000)]
    help_text: Option<String>,
    /// Never accepted from a client.
    is_computed: Option<bool>,
    /// Still checked, no longer required or offered.
    deprecated: Option<bool>,
    /// Order in forms.
    #[schema(minimum = 0, maximum = 1_000_000)]
    position: Option<i32>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

const DATA_TYPES: [DataType; 14] = [
    DataType::String,
    DataType::Text,
    DataType::Integer,
    DataType::Number,
    DataType::Boolean,
    DataType::Date,
    DataType::Datetime,
    DataType::Enum,
    DataType::MultiEnum,
    DataType::Money,
    DataType::Url,
    DataType::Card,
    DataType::Object,
    DataType::Array,
];

const WIDGETS: [Widget; 9] = [
    Widget::Text,
    Widget::Textarea,
    Widget::Select,
    Widget::Multiselect,
    Widget::Number,
    Widget::Currency,
    Widget::Date,
    Widget::Checkbox,
    Widget::Card,
];

/// Reads a whole rule; on top of `before` where it exists. Also gives the `change_reason`.
pub fn read(
    object: Map<String, Value>,
    before: Option<&Rule>,
    metamodel: &Metamodel,
) -> Result<(Rule, Option<String>)> {
    let mut fields = Fields::new(object);
    let (card_type, key) = if let Some(rule) = before {
        (rule.card_type.clone(), rule.key.clone())
    } else {
        fields.read_only(&["id", "builtin", "version"]);
        (known_type(&mut fields, metamodel), fields.required_text("key", 200))
    };
    let siblings = metamodel.rules(&card_type);
    let data_type = fields.choice("data_type", &DATA_TYPES.map(|t| (t.name(), t)));
    let last = siblings.iter().map(|rule| rule.position).max().unwrap_or(0);
    let rule = Rule {
        id: before.map_or_else(Uuid::now_v7, |b| b.id),
        card_type: card_type.clone(),
        key,
        label: fields.required_text("label", 100),
        data_type: data_type.unwrap_or(DataType::String),
        is_required: fields.boolean("is_required").unwrap_or(false),
        options: fields.texts("options", 500, 200),
        regex: regex(&mut fields),
        min: number(&mut fields, "min"),
        max: number(&mut fields, "max"),
        max_length: fields
            .integer("max_length", 1, 50_000)
            .and_then(|length| u32::try_from(length).ok()),
        default_value: fields.value("default_value"),
        widget: fields.choice("widget", &WIDGETS.map(|w| (w.name(), w))),
        placeholder: fields.text("placeholder", 200),
        help_text: fields.text("help_text", 1_000),
        is_computed: fields.boolean("is_computed").unwrap_or(false),
        deprecated: fields.boolean("deprecated").unwrap_or(false),
        builtin: before.is_some_and(|b| b.builtin),
        position: fields
            .integer("position", 0, 1_000_000)
            .and_then(|p| i32::try_from(p).ok())
            .unwrap_or(last + 10),
        version: before.map_or(1, |b| b.version + 1),
    };
    let reason = fields.text("change_reason", MAX_REASON);
    let mut wrong = fields.finish();
    if data_type.is_none() && !wrong.iter().any(|v| v.field == "data_type") {
        let names: Vec<&str> = DATA_TYPES.iter().map(|t| t.name()).collect();
        wrong
            .push(Violation::new("data_type", ViolationCode::Required, "is required").accepts("allowed_values", names));
    }
    if let Some(before) = before.filter(|b| b.builtin) {
        for (name, changed) in [
            ("data_type", rule.data_type != before.data_type),
            ("is_computed", rule.is_computed != before.is_computed),
        ] {
            if changed {
                wrong.push(Violation::new(
                    name,
                    ViolationCode::NotAllowedHere,
                    "of a built-in rule cannot be changed: the software relies on it",
                ));
            }
        }
    }
    // Whatever could not be read has been named; a second complaint about the same field would only confuse.
    let about = |field: &str| field.split('.').next().unwrap_or_default().to_owned();
    let more: Vec<_> = rule
        .check(siblings)
        .into_iter()
        .filter(|v| !wrong.iter().any(|w| about(&w.field) == about(&v.field)))
        .collect();
    wrong.extend(more);
    if wrong.is_empty() {
        Ok((rule, reason))
    } else {
        Err(Error::validation(wrong))
    }
}

fn known_type(fields: &mut Fields, metamodel: &Metamodel) -> String {
    let name = fields.required_text("card_type", 60);
    if !name.is_empty() && metamodel.card_type(&name).is_none() {
        let violation = Violation::new(
            "card_type",
            ViolationCode::UnknownReference,
            "there is no such card type",
        )
        .provided(&Value::from(name.as_str()))
        .accepts("did_you_mean", metamodel.similar_types(&name));
        fields.extend([violation]);
    }
    name
}

fn regex(fields: &mut Fields) -> Option<Pattern> {
    let source = fields.text("regex", Pattern::MAX_SOURCE)?;
    match Pattern::new(&source) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            fields.refuse(
                "regex",
                ViolationCode::PatternMismatch,
                format!("is not a regular expression: {why}"),
                Some(&Value::from(source)),
            );
            None
        }
    }
}

fn number(fields: &mut Fields, name: &'static str) -> Option<f64> {
    let value = fields.value(name)?;
    if value.as_f64().is_none() {
        fields.refuse(
            name,
            ViolationCode::WrongType,
            format!("must be a number, not {}", kind(&value)),
            Some(&value),
        );
    }
    value.as_f64()
}
