//! Reading a row of the ontology from a request: field by field, then as a whole.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    error::{Error, Result, Violation, ViolationCode},
    http::fields::Fields,
    metamodel::{Metamodel, routes::MAX_REASON},
    relationship::ontology::{Cardinality, Dependent, EdgeAttribute, Ontology, RelationshipType, Strength},
};

/// Members that stay as they are, or that the server alone writes.
pub const FIXED: &[&str] = &["id", "source_type", "type", "builtin", "version"];
/// Attribute names with a meaning of their own on every edge.
const RESERVED: [&str; 2] = ["dependency", "redundancy_group"];

/// A relationship type as clients send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"source_type": "Application", "type": "BACKED_UP_TO", "target_types": ["Location"], "cardinality": "M:N", "inverse_label": "KEEPS_BACKUP_OF", "dependent": "none"}))]
pub struct RelationshipTypeBody {
    /// The card type at the start.
    source_type: String,
    /// The type of the edge.
    #[schema(pattern = "^[A-Z][A-Z0-9_]{0,59}$")]
    r#type: String,
    /// Everything that can be changed later.
    #[serde(flatten)]
    rest: RelationshipTypePatch,
}

/// The changes of a relationship type: a merge patch. Source type and type stay.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({"inverse_label": "KEEPS_BACKUP_OF", "deprecated": true}))]
pub struct RelationshipTypePatch {
    /// The card types at the end; an empty list means any.
    #[schema(max_items = 100)]
    target_types: Option<Vec<String>>,
    /// `M:N` (default); `1:N` a target has at most one source; `M:1` a source has at most one target; `1:1` both.
    cardinality: Option<Cardinality>,
    /// Whether its edges may not form a cycle; only where source and target can be of the same type.
    acyclic: Option<bool>,
    /// How the edge reads from its end.
    #[schema(max_length = 100)]
    inverse_label: Option<String>,
    /// Which end depends on the other; default `none`.
    dependent: Option<Dependent>,
    /// How strongly; exactly where one end depends.
    strength: Option<Strength>,
    /// Typed attributes of its edges.
    attributes: Option<BTreeMap<String, EdgeAttribute>>,
    /// No new edges of this type.
    deprecated: Option<bool>,
    /// Order in lists.
    #[schema(minimum = 0, maximum = 1_000_000)]
    position: Option<i32>,
    /// Why, for the history.
    #[schema(max_length = 500)]
    change_reason: Option<String>,
}

/// Reads a whole row; on top of `before` where it exists. Also gives the `change_reason`.
pub fn read(
    object: Map<String, Value>,
    before: Option<&RelationshipType>,
    metamodel: &Metamodel,
    ontology: &Ontology,
) -> Result<(RelationshipType, Option<String>)> {
    let mut fields = Fields::new(object);
    let (source_type, kind) = if let Some(row) = before {
        (row.source_type.clone(), row.kind.clone())
    } else {
        fields.read_only(&["id", "builtin", "version"]);
        let source_type = fields.required_text("source_type", 60);
        known_type("source_type", &source_type, metamodel, &mut fields);
        (source_type, kind(&mut fields))
    };
    let any_was_said = fields.has("target_types");
    let target_types = fields.texts("target_types", 100, 60).unwrap_or_default();
    if !any_was_said && before.is_none() {
        fields.refuse(
            "target_types",
            ViolationCode::Required,
            "is required; an empty list means any",
            None,
        );
    }
    for (index, target) in target_types.iter().enumerate() {
        known_type(&format!("target_types[{index}]"), target, metamodel, &mut fields);
        if target_types[..index].contains(target) {
            fields.refuse(
                &format!("target_types[{index}]"),
                ViolationCode::NotAllowedHere,
                "is listed twice",
                None,
            );
        }
    }
    let cardinalities = [
        Cardinality::ManyToMany,
        Cardinality::OneToMany,
        Cardinality::ManyToOne,
        Cardinality::OneToOne,
    ];
    let last = ontology.rows().iter().map(|row| row.position).max().unwrap_or(0);
    let row = RelationshipType {
        id: before.map_or_else(Uuid::now_v7, |b| b.id),
        source_type,
        kind,
        target_types,
        cardinality: fields
            .choice("cardinality", &cardinalities.map(|c| (c.name(), c)))
            .unwrap_or(Cardinality::ManyToMany),
        acyclic: fields.boolean("acyclic").unwrap_or(false),
        inverse_label: fields.required_text("inverse_label", 100),
        dependent: fields
            .choice(
                "dependent",
                &[Dependent::Source, Dependent::Target, Dependent::None].map(|d| (d.name(), d)),
            )
            .unwrap_or(Dependent::None),
        strength: fields.choice("strength", &[Strength::Hard, Strength::Soft].map(|s| (s.name(), s))),
        attributes: attributes(&mut fields),
        builtin: before.is_some_and(|b| b.builtin),
        deprecated: fields.boolean("deprecated").unwrap_or(false),
        position: fields
            .integer("position", 0, 1_000_000)
            .and_then(|p| i32::try_from(p).ok())
            .unwrap_or(last + 10),
        version: before.map_or(1, |b| b.version + 1),
    };
    let reason = fields.text("change_reason", MAX_REASON);
    if (row.dependent == Dependent::None) != row.strength.is_none() {
        let (code, message) = match row.strength {
            Some(_) => (
                ViolationCode::NotAllowedHere,
                "has no meaning where neither end depends on the other",
            ),
            None => (
                ViolationCode::Required,
                "is required where one end depends on the other: hard or soft",
            ),
        };
        fields.refuse("strength", code, message, None);
    }
    if row.acyclic && !ontology.takes(&row, &row.source_type) {
        let message = "has no meaning where source and target are never of the same type";
        fields.refuse("acyclic", ViolationCode::NotAllowedHere, message, None);
    }
    let wrong = fields.finish();
    if wrong.is_empty() {
        Ok((row, reason))
    } else {
        Err(Error::validation(wrong))
    }
}

fn known_type(field: &str, name: &str, metamodel: &Metamodel, fields: &mut Fields) {
    if !name.is_empty() && metamodel.card_type(name).is_none() {
        let violation = Violation::new(field, ViolationCode::UnknownReference, "there is no such card type")
            .provided(&Value::from(name))
            .accepts("did_you_mean", metamodel.similar_types(name));
        fields.extend([violation]);
    }
}

fn kind(fields: &mut Fields) -> String {
    let kind = fields.required_text("type", 60);
    let written = kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !kind.is_empty() && !written {
        let pattern = "^[A-Z][A-Z0-9_]{0,59}$";
        let violation = Violation::new("type", ViolationCode::PatternMismatch, format!("must match {pattern}"))
            .provided(&Value::from(kind.as_str()))
            .accepts("required_pattern", pattern);
        fields.extend([violation]);
    }
    kind
}

fn attributes(fields: &mut Fields) -> BTreeMap<String, EdgeAttribute> {
    let mut typed = BTreeMap::new();
    let given = fields.object("attributes").unwrap_or_default();
    if given.len() > 50 {
        fields.refuse("attributes", ViolationCode::TooLong, "has at most 50 names", None);
        return typed;
    }
    for (name, value) in given {
        let field = format!("attributes.{}", name.chars().take(60).collect::<String>());
        let named = name.len() <= 60
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !named {
            fields.refuse(
                &field,
                ViolationCode::PatternMismatch,
                "is a name of letters, digits and _, at most 60",
                None,
            );
        } else if RESERVED.contains(&name.as_str()) {
            fields.refuse(
                &field,
                ViolationCode::NotAllowedHere,
                "has its own meaning on every relationship",
                None,
            );
        } else {
            typed.extend(attribute(&field, &value, fields).map(|attribute| (name, attribute)));
        }
    }
    typed
}

fn attribute(field: &str, value: &Value, fields: &mut Fields) -> Option<EdgeAttribute> {
    let Some(object) = value.as_object() else {
        fields.refuse(
            field,
            ViolationCode::WrongType,
            "must be {options, several, default}",
            Some(value),
        );
        return None;
    };
    let mut inner = Fields::within(field, object.clone());
    let attribute = EdgeAttribute {
        options: inner.texts("options", 100, 100).unwrap_or_default(),
        several: inner.boolean("several").unwrap_or(false),
        default: inner.text("default", 100),
    };
    if attribute.options.is_empty() || attribute.options.iter().any(|option| option.trim().is_empty()) {
        inner.refuse(
            "options",
            ViolationCode::Required,
            "are required, and none may be blank",
            None,
        );
    } else if attribute
        .default
        .as_ref()
        .is_some_and(|default| !attribute.options.contains(default))
    {
        inner.refuse(
            "default",
            ViolationCode::NotInOptions,
            "is not one of the options",
            None,
        );
    }
    let wrong = inner.finish();
    let good = wrong.is_empty();
    fields.extend(wrong);
    good.then_some(attribute)
}
