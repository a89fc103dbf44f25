//! Reading a question from a request: field by field, then tried with example values against the metamodel.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Column, Parameter, ParameterType, SavedQuestion, Visibility, template};
use crate::{
    auth::TypeScope,
    card::{list, query::Asked},
    condition::{Field, Scope},
    error::{Error, Result, Violation, ViolationCode},
    http::fields::Fields,
    metamodel::Metamodel,
};

/// Members that the server alone writes.
pub const FIXED: [&str; 6] = ["id", "version", "created_at", "updated_at", "created_by", "updated_by"];
/// Names that mean something else in the query string of the results.
const RESERVED: [&str; 7] = ["page", "limit", "cursor", "include_total", "bom", "format", "known_at"];
/// What an answer shows when nobody chose.
const USUAL: [(&str, &str); 4] = [
    ("id", "id"),
    ("type", "type"),
    ("name", "name"),
    ("lifecycle_phase", "lifecycle_phase"),
];

/// What a question is checked against.
pub struct Surroundings<'a> {
    /// The metamodel.
    pub metamodel: &'a Metamodel,
    /// The types of relationships there are.
    pub relations: &'a BTreeSet<String>,
    /// Who writes.
    pub caller: Uuid,
    /// Whether the caller may give questions to others.
    pub may_give: bool,
    /// When.
    pub now: DateTime<Utc>,
}

/// Reads a whole question; on top of `before` where it exists. Also gives the `change_reason`.
pub fn read(
    object: Map<String, Value>,
    before: Option<&SavedQuestion>,
    around: &Surroundings<'_>,
) -> Result<(SavedQuestion, Option<String>)> {
    let mut fields = Fields::new(object);
    fields.read_only(&FIXED);
    let name = fields.required_text("name", 200);
    let slug = slug(&mut fields, &name, before);
    let description = fields.text("description", 2_000);
    let visibility = fields
        .choice("visibility", &Visibility::ALL)
        .unwrap_or(Visibility::Private);
    let roles = fields.texts("roles", 50, 60).unwrap_or_default();
    if (visibility == Visibility::Roles) == roles.is_empty() {
        let message = "goes with visibility roles: name at least one there, and none elsewhere";
        fields.refuse("roles", ViolationCode::NotAllowedHere, message, None);
    }
    let owner_id = owner(&mut fields, before, around);
    let sent = fields.is_given("query");
    let query = fields.object("query").unwrap_or_default();
    if !sent {
        let message = "is required: what POST /cards/query takes; {} means all cards";
        fields.refuse("query", ViolationCode::Required, message, None);
    }
    let parameters = parameters(&mut fields);
    let columns = columns(&mut fields, around);
    let reason = fields.text("change_reason", 500);
    let mut wrong = fields.finish();
    if wrong.is_empty() {
        wrong = tried(&query, &parameters, around);
    }
    if !wrong.is_empty() {
        return Err(Error::validation(wrong));
    }
    let question = SavedQuestion {
        id: before.map_or_else(Uuid::now_v7, |b| b.id),
        slug,
        name,
        description,
        owner_id,
        visibility,
        roles,
        query,
        parameters,
        columns,
        version: before.map_or(1, |b| b.version + 1),
        created_at: before.map_or(around.now, |b| b.created_at),
        updated_at: around.now,
        created_by: before.map_or(Some(around.caller), |b| b.created_by),
        updated_by: Some(around.caller),
    };
    Ok((question, reason))
}

/// The given slug, or one made of the name.
fn slug(fields: &mut Fields, name: &str, before: Option<&SavedQuestion>) -> String {
    let given = fields.text("slug", 80);
    if let Some(slug) = &given {
        let written = slug
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !written || slug.is_empty() || slug.starts_with('-') {
            let message = "is written in small letters, digits and dashes, and begins with a letter or digit";
            fields.refuse(
                "slug",
                ViolationCode::PatternMismatch,
                message,
                Some(&slug.as_str().into()),
            );
        }
        if slug.parse::<Uuid>().is_ok() {
            let message = "must not look like an id";
            fields.refuse(
                "slug",
                ViolationCode::PatternMismatch,
                message,
                Some(&slug.as_str().into()),
            );
        }
    }
    given.or_else(|| before.map(|b| b.slug.clone())).unwrap_or_else(|| {
        let mut made = String::new();
        for c in name.to_lowercase().chars() {
            if c.is_ascii_alphanumeric() {
                made.push(c);
            } else if !made.is_empty() && !made.ends_with('-') {
                made.push('-');
            }
            if made.len() == 60 {
                break;
            }
        }
        let made = made.trim_end_matches('-');
        // A name without a Latin letter, or one that reads like an id.
        if made.is_empty() || made.parse::<Uuid>().is_ok() {
            format!("question-{}", Uuid::now_v7().simple())
        } else {
            made.to_owned()
        }
    })
}

fn owner(fields: &mut Fields, before: Option<&SavedQuestion>, around: &Surroundings<'_>) -> Uuid {
    let current = before.map_or(around.caller, |b| b.owner_id);
    let given = fields.uuid("owner_id").unwrap_or(current);
    if given != current && !around.may_give {
        let message = "only those who manage users give questions to others";
        fields.refuse("owner_id", ViolationCode::NotAllowedHere, message, None);
    }
    given
}

fn parameters(fields: &mut Fields) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for (at, item) in list_of(fields, "parameters", 30).into_iter().enumerate() {
        let place = format!("parameters[{at}]");
        let Some(object) = item.as_object() else {
            fields.refuse(&place, ViolationCode::WrongType, "must be an object", Some(&item));
            continue;
        };
        let mut inner = Fields::within(&place, object.clone());
        let name = inner.required_text("name", 40);
        let written = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !name.is_empty() && !written {
            let message = "is written in small letters, digits and _, and begins with a letter";
            inner.refuse(
                "name",
                ViolationCode::PatternMismatch,
                message,
                Some(&name.as_str().into()),
            );
        }
        if RESERVED.contains(&name.as_str()) || parameters.iter().any(|other| other.name == name) {
            let message = "is taken: it means something else in the query string, or is the name of another parameter";
            inner.refuse(
                "name",
                ViolationCode::NotAllowedHere,
                message,
                Some(&name.as_str().into()),
            );
        }
        let kind = inner.choice("type", &ParameterType::ALL).unwrap_or(ParameterType::Text);
        let list = inner.boolean("list").unwrap_or(false);
        let allowed = inner.value("allowed").map(|value| match value {
            Value::Array(items) => items,
            other => vec![other],
        });
        let allowed = allowed.unwrap_or_default();
        let default = inner.value("default");
        let one = |value: &Value| kind.takes(value) && (allowed.is_empty() || allowed.contains(value));
        if allowed.len() > 200 || !allowed.iter().all(|value| kind.takes(value)) {
            inner.refuse(
                "allowed",
                ViolationCode::WrongType,
                "is a list of at most 200 values of the type",
                None,
            );
        }
        let fits = default.as_ref().is_none_or(|value| match value {
            Value::Array(items) if list => items.len() <= 200 && items.iter().all(one),
            value => !list && one(value),
        });
        if !fits {
            let message = "is not a value that the parameter takes (a list of them where it is a list)";
            inner.refuse("default", ViolationCode::WrongType, message, default.as_ref());
        }
        let label = inner.text("label", 200);
        fields.extend(inner.finish());
        parameters.push(Parameter {
            name,
            kind,
            label,
            list,
            default,
            allowed,
        });
    }
    parameters
}

fn columns(fields: &mut Fields, around: &Surroundings<'_>) -> Vec<Column> {
    let given = list_of(fields, "columns", 100);
    if given.is_empty() {
        let usual = USUAL.map(|(field, title)| Column {
            field: field.into(),
            title: title.into(),
        });
        return usual.to_vec();
    }
    let mut columns: Vec<Column> = Vec::new();
    for (at, item) in given.into_iter().enumerate() {
        let place = format!("columns[{at}]");
        // A bare name is a column under that name.
        let object = match &item {
            Value::String(field) => Map::from_iter([("field".to_owned(), Value::from(field.as_str()))]),
            Value::Object(object) => object.clone(),
            other => {
                fields.refuse(&place, ViolationCode::WrongType, "must be {field, title}", Some(other));
                continue;
            }
        };
        let mut inner = Fields::within(&place, object);
        let field = inner.required_text("field", 220);
        let field = match card_field(&field, around) {
            Ok(field) => field,
            Err(violation) if !field.is_empty() => {
                inner.extend([violation.within(&format!("{place}.field"))]);
                field
            }
            Err(_) => field,
        };
        let title = inner.text("title", 200).unwrap_or_else(|| field.clone());
        if title.trim().is_empty() || columns.iter().any(|other| other.title == title) {
            let message = "is required, and no two columns have the same";
            inner.refuse(
                "title",
                ViolationCode::NotAllowedHere,
                message,
                Some(&title.as_str().into()),
            );
        }
        fields.extend(inner.finish());
        columns.push(Column { field, title });
    }
    columns
}

/// The field of a card as answers spell it.
fn card_field(name: &str, around: &Surroundings<'_>) -> Result<String, Violation> {
    let first = name.split('.').next().unwrap_or_default();
    // What only lists show is no part of a card.
    let shown_elsewhere = ["attributes", "relationships", "highlights"].contains(&first);
    let known = !shown_elsewhere && list::FIELDS.contains(&first);
    if known || name == "attributes" {
        return Ok(name.to_owned());
    }
    Field::resolve(name, Scope::new(around.metamodel)).map(|field| field.path().to_owned())
}

fn list_of(fields: &mut Fields, name: &'static str, most: usize) -> Vec<Value> {
    match fields.value(name) {
        None => Vec::new(),
        Some(Value::Array(items)) if items.len() <= most => items,
        Some(other) => {
            let message = format!("must be a list of at most {most}");
            fields.refuse(name, ViolationCode::WrongType, message, Some(&other));
            Vec::new()
        }
    }
}

/// What is wrong with the query, its placeholders filled with examples.
fn tried(query: &Map<String, Value>, parameters: &[Parameter], around: &Surroundings<'_>) -> Vec<Violation> {
    let mut examples = Map::new();
    let mut made_up = BTreeSet::new();
    for parameter in parameters {
        let (value, invented) = parameter.example();
        examples.insert(parameter.name.clone(), value);
        if invented {
            made_up.insert(parameter.name.as_str());
        }
    }
    let filled = match template::fill(query, &examples) {
        Ok(filled) => filled,
        Err(unknown) => {
            let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
            let violation = |(at, name): (String, String)| {
                let message = "is not the name of one of the parameters";
                Violation::new(format!("/query{at}"), ViolationCode::UnknownReference, message)
                    .provided(&Value::from(name))
                    .accepts("parameters", names.clone())
            };
            return unknown.into_iter().map(violation).collect();
        }
    };
    let mut fields = Fields::new(filled.query.clone());
    let asked = Asked::take(&mut fields, around.metamodel, around.relations);
    let mut wrong = fields.finish();
    // An example that nobody gave need not be one of a field's options.
    wrong.retain(|violation| {
        let own = filled.parameter_at(&violation.field);
        !(violation.code == ViolationCode::NotInOptions && own.is_some_and(|name| made_up.contains(name)))
    });
    if wrong.is_empty()
        && let Err(error) = asked.check(around.metamodel, &TypeScope::All, around.now.date_naive())
    {
        let field = error.field.clone().unwrap_or_default();
        wrong.push(Violation::new(field, ViolationCode::NotAllowedHere, error.message));
    }
    for violation in &mut wrong {
        violation.field = if violation.field.starts_with('/') {
            format!("/query{}", violation.field)
        } else {
            format!("query.{}", violation.field)
        };
    }
    wrong
}
