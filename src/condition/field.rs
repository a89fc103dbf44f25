//! The fields a condition can speak of, and what kind of values they hold.

use serde_json::Value;

use super::Scope;
use crate::{
    error::{Violation, ViolationCode},
    metamodel::{CardType, DataType, Rule, suggestions},
};

/// A field of a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    path: String,
    pub(super) place: Place,
    pub(super) kind: Kind,
}

impl Field {
    /// The field that `path` names, checked against the metamodel.
    pub fn resolve(path: &str, scope: Scope<'_>) -> Result<Self, Violation> {
        resolve(path, scope)
    }

    /// The steps below `attributes`, if it is an attribute with values that can be counted.
    #[must_use]
    pub fn countable_attribute(&self) -> Option<&[String]> {
        match &self.place {
            Place::Attribute(steps) if self.kind != Kind::Whole => Some(steps),
            _ => None,
        }
    }

    /// The full path: `name`, `lifecycle.active`, `attributes.vendor`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Where a field lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Fixed(Fixed),
    /// The steps of the path below `attributes`.
    Attribute(Vec<String>),
}

/// The fields that are columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fixed {
    Type,
    Name,
    Description,
    Tags,
    Plan,
    PhaseIn,
    Active,
    PhaseOut,
    EndOfLife,
    Phase,
    FunctionalFit,
    TechnicalFit,
    Criticality,
    Quality,
    CreatedAt,
    UpdatedAt,
}

impl Fixed {
    const ALL: [(&'static str, Self); 16] = [
        ("type", Self::Type),
        ("name", Self::Name),
        ("description", Self::Description),
        ("tags", Self::Tags),
        ("lifecycle.plan", Self::Plan),
        ("lifecycle.phase_in", Self::PhaseIn),
        ("lifecycle.active", Self::Active),
        ("lifecycle.phase_out", Self::PhaseOut),
        ("lifecycle.eol", Self::EndOfLife),
        ("lifecycle_phase", Self::Phase),
        ("functional_fit", Self::FunctionalFit),
        ("technical_fit", Self::TechnicalFit),
        ("business_criticality", Self::Criticality),
        ("quality_score", Self::Quality),
        ("created_at", Self::CreatedAt),
        ("updated_at", Self::UpdatedAt),
    ];

    fn kind(self, scope: Scope<'_>) -> Kind {
        let choice = |options: &[&str]| Kind::Choice(options.iter().map(|&o| o.to_owned()).collect());
        match self {
            Self::Type => Kind::Choice(scope.metamodel.card_types().map(|t| t.name.clone()).collect()),
            Self::Name => Kind::Name,
            Self::Description => Kind::Text,
            Self::Tags => Kind::List(None),
            Self::Plan | Self::PhaseIn | Self::Active | Self::PhaseOut | Self::EndOfLife => Kind::Date,
            Self::Phase => choice(&["Plan", "Phase In", "Active", "Phase Out", "End of Life", "Undefined"]),
            Self::Criticality => choice(&["Tier 1", "Tier 2", "Tier 3", "Tier 4"]),
            Self::FunctionalFit | Self::TechnicalFit | Self::Quality => Kind::Number,
            Self::CreatedAt | Self::UpdatedAt => Kind::Instant,
        }
    }
}

/// What kind of values a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Text, compared exactly.
    Text,
    /// The card's name, compared by its key.
    Name,
    /// One of the options.
    Choice(Vec<String>),
    Number,
    Boolean,
    Date,
    Instant,
    /// A list of texts, of the options if there are any.
    List(Option<Vec<String>>),
    /// The id of a card.
    Card,
    /// An object or something else that can only be there or not.
    Whole,
    /// Nobody said: what it is compared with decides.
    Untyped,
}

impl Kind {
    fn of(rule: &Rule) -> Self {
        match rule.data_type {
            DataType::String | DataType::Text | DataType::Url => Self::Text,
            DataType::Integer | DataType::Number => Self::Number,
            DataType::Boolean => Self::Boolean,
            DataType::Date => Self::Date,
            DataType::Datetime => Self::Instant,
            DataType::Enum => Self::Choice(rule.options.clone().unwrap_or_default()),
            DataType::MultiEnum => Self::List(rule.options.clone()),
            DataType::Card => Self::Card,
            DataType::Money | DataType::Object => Self::Whole,
            DataType::Array if rule.key == "external_ids" => Self::Whole,
            DataType::Array => Self::List(None),
        }
    }

    /// What an attribute is that two card types define differently.
    fn merge(self, other: Self) -> Self {
        let united = |mut a: Vec<String>, b: Vec<String>| {
            for option in b {
                if !a.contains(&option) {
                    a.push(option);
                }
            }
            a
        };
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Choice(a), Self::Choice(b)) => Self::Choice(united(a, b)),
            (Self::List(Some(a)), Self::List(Some(b))) => Self::List(Some(united(a, b))),
            (Self::List(_), Self::List(_)) => Self::List(None),
            (Self::Text | Self::Choice(_) | Self::Card, Self::Text | Self::Choice(_) | Self::Card) => Self::Text,
            _ => Self::Untyped,
        }
    }

    /// What a person calls a value of this kind.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Text | Self::Name => "a text",
            Self::Choice(_) => "one of the options, as text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date that exists, written YYYY-MM-DD",
            Self::Instant => "an instant written YYYY-MM-DDTHH:MM:SSZ, or a date",
            Self::List(_) => "a text that the list may hold",
            Self::Card => "the id of a card, a UUID in lower case",
            Self::Whole => "nothing: it can only be there or not",
            Self::Untyped => "a text, a number, true or false",
        }
    }

    /// The operators that fit.
    pub(super) fn operators(&self) -> &'static [&'static str] {
        match self {
            Self::Text | Self::Choice(_) => &["eq", "ne", "in", "contains", "starts_with", "exists"],
            Self::Name | Self::Untyped => &[
                "eq",
                "ne",
                "lt",
                "le",
                "gt",
                "ge",
                "in",
                "contains",
                "starts_with",
                "exists",
                "between",
            ],
            Self::Number | Self::Date | Self::Instant => {
                &["eq", "ne", "lt", "le", "gt", "ge", "in", "exists", "between"]
            }
            Self::Boolean | Self::Card => &["eq", "ne", "in", "exists"],
            Self::List(_) => &["contains", "in", "exists"],
            Self::Whole => &["exists"],
        }
    }
}

/// Finds the field that `path` names; a bare name that is not a field of every card is an attribute.
pub(super) fn resolve(path: &str, scope: Scope<'_>) -> Result<Field, Violation> {
    if let Some((name, fixed)) = Fixed::ALL.into_iter().find(|(name, _)| *name == path) {
        return Ok(Field {
            path: name.to_owned(),
            place: Place::Fixed(fixed),
            kind: fixed.kind(scope),
        });
    }
    let (below, bare) = path
        .strip_prefix("attributes.")
        .map_or((path, true), |below| (below, false));
    let steps: Vec<String> = below.split('.').map(str::to_owned).collect();
    let written = path.len() <= 200 && steps.len() <= 10 && steps.iter().all(|s| !s.is_empty()) && !path.contains('\0');
    if !written {
        let message = "is not the path of a field: names separated by dots, at most 200 characters and 10 steps";
        return Err(Violation::new("", ViolationCode::PatternMismatch, message).provided(&Value::from(path)));
    }
    if bare && matches!(path, "attributes" | "lifecycle") {
        return Err(unknown(path, "name a part of it", scope));
    }
    let kind = match kind_of(below, scope) {
        Some(kind) => kind,
        None if types(scope).all(|t| t.strict) => {
            return Err(unknown(
                path,
                "no rule describes it, and these cards take no other attributes",
                scope,
            ));
        }
        // A bare name next to a known one is a typing error rather than an attribute that nobody described.
        None if bare && !similar(path, scope).is_empty() => {
            return Err(unknown(
                path,
                &format!("write attributes.{path} for an attribute that no rule describes"),
                scope,
            ));
        }
        None => Kind::Untyped,
    };
    Ok(Field {
        path: format!("attributes.{below}"),
        place: Place::Attribute(steps),
        kind,
    })
}

fn types(scope: Scope<'_>) -> impl Iterator<Item = &CardType> {
    scope
        .metamodel
        .card_types()
        .filter(move |t| scope.types.is_empty() || scope.types.contains(&t.name))
}

fn kind_of(path: &str, scope: Scope<'_>) -> Option<Kind> {
    let kinds = types(scope).filter_map(|card_type| {
        if let Some(rule) = scope.metamodel.rule(&card_type.name, path) {
            return Some(Kind::of(rule));
        }
        if let Some((parent, part)) = path.rsplit_once('.')
            && scope
                .metamodel
                .rule(&card_type.name, parent)
                .is_some_and(|rule| rule.data_type == DataType::Money)
        {
            return match part {
                "amount" => Some(Kind::Number),
                "currency" => Some(Kind::Text),
                _ => None,
            };
        }
        let governs = |rule: &Rule| rule.key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        scope
            .metamodel
            .rules(&card_type.name)
            .iter()
            .any(governs)
            .then_some(Kind::Whole)
    });
    kinds.reduce(Kind::merge)
}

fn similar(path: &str, scope: Scope<'_>) -> Vec<String> {
    let keys = types(scope)
        .flat_map(|t| scope.metamodel.rules(&t.name))
        .map(|rule| rule.key.as_str());
    let path = path.strip_prefix("attributes.").unwrap_or(path);
    suggestions(path, Fixed::ALL.iter().map(|(name, _)| *name).chain(keys))
}

fn unknown(path: &str, why: &str, scope: Scope<'_>) -> Violation {
    let mut close = similar(path, scope);
    if close.is_empty() && path == "lifecycle" {
        close = Fixed::ALL
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| name.starts_with("lifecycle."))
            .collect();
    }
    let message = match close.first() {
        Some(one) => format!("there is no field {path}; did you mean {one}? Else {why}"),
        None => format!("there is no field {path}: {why}"),
    };
    Violation::new("", ViolationCode::UnknownField, message)
        .provided(&Value::from(path))
        .accepts("did_you_mean", close)
}
