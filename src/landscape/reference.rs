//! Naming a card in a request: by id, by type and name, by an identifier of another system, or by the place of an
//! earlier operation in the same batch.

use serde_json::Value;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use super::siblings;
use crate::{
    card,
    error::{Code, Error, Result, ViolationCode},
    http::fields::{Fields, kind},
    metamodel::{self, name_key, parse_path},
};

/// A card, named in one of four ways.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum CardReference {
    /// By id.
    Id(Uuid),
    /// By what an earlier operation of the same batch was about.
    Operation(OperationPlace),
    /// By type and name.
    Named(NamedCard),
    /// By the identifier another system gave it.
    External(ExternalCard),
}

/// `$n`: what operation `n` of the batch, from 0, was about. Only within a batch.
#[derive(ToSchema)]
#[schema(pattern = r"^\$[0-9]{1,4}$", example = "$0")]
#[expect(dead_code, reason = "describes what is read by hand")]
pub struct OperationPlace(String);

/// A card by type and name; for capabilities and organisations the name may be a path `A / B / C`.
#[derive(ToSchema)]
#[schema(example = json!({"type": "Application", "name": "CRM"}))]
#[expect(dead_code, reason = "describes what is read by hand")]
pub struct NamedCard {
    /// Card type.
    r#type: String,
    /// Name or path.
    name: String,
}

/// A card by an entry of its `external_ids`.
#[derive(ToSchema)]
#[schema(example = json!({"system": "inventory", "id": "A-17"}))]
#[expect(dead_code, reason = "describes what is read by hand")]
pub struct ExternalCard {
    /// The other system.
    system: String,
    /// The identifier there.
    id: String,
}

/// A card, named in one of the four ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// By id.
    Id(Uuid),
    /// By type and name; for capabilities and organisations the name may be a path `A / B / C`.
    Named {
        /// Card type.
        card_type: String,
        /// Name or path.
        name: String,
    },
    /// By the identifier another system gave it.
    External {
        /// The other system.
        system: String,
        /// The identifier there.
        id: String,
    },
    /// `$n`: what operation `n` of the batch (from 0) was about.
    Operation(usize),
}

impl Reference {
    /// Reads the reference at `name`; what is wrong is left in `fields`.
    pub fn read(fields: &mut Fields, name: &'static str) -> Option<Self> {
        let value = fields.value(name)?;
        let reference = match &value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(number) => number.parse().ok().map(Self::Operation),
                None => text.parse().ok().map(Self::Id),
            },
            Value::Object(object) => {
                let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
                let only = |keys: &[&str]| object.keys().all(|k| keys.contains(&k.as_str()));
                if only(&["type", "name"]) {
                    text("type")
                        .zip(text("name"))
                        .map(|(card_type, name)| Self::Named { card_type, name })
                } else if only(&["system", "id"]) {
                    text("system")
                        .zip(text("id"))
                        .map(|(system, id)| Self::External { system, id })
                } else {
                    None
                }
            }
            _ => None,
        };
        if reference.is_none() {
            let message = format!(
                "must name a card as its id, {{\"type\", \"name\"}}, {{\"system\", \"id\"}} or \"$n\" for operation n, not {}",
                kind(&value)
            );
            fields.refuse(name, ViolationCode::WrongType, message, Some(&value));
        }
        reference
    }
}

/// The undeleted card with this type and name or path.
pub async fn resolve_name(conn: &mut PgConnection, card_type: &str, name: &str) -> Result<Option<Uuid>> {
    if metamodel::hierarchical(card_type) {
        let by_path = walk(conn, card_type, &parse_path(name)).await?;
        if let Some(found) = unambiguous(card_type, name, by_path)? {
            return Ok(Some(found));
        }
    }
    let by_name = card::store::find_named(conn, card_type, &name_key(name)).await?;
    let by_name = by_name.into_iter().map(|card| (card.id, card.name)).collect();
    unambiguous(card_type, name, by_name)
}

/// The cards at a path: a root of that name, below it a child of the next name, and so on.
async fn walk(conn: &mut PgConnection, card_type: &str, path: &[String]) -> Result<Vec<(Uuid, String)>> {
    let Some((root, below)) = path.split_first() else {
        return Ok(Vec::new());
    };
    let mut level = siblings::roots(conn, card_type, &name_key(root)).await?;
    for step in below {
        let parents: Vec<Uuid> = level.into_iter().map(|(id, _)| id).collect();
        if parents.is_empty() {
            return Ok(Vec::new());
        }
        level = siblings::children(conn, &parents, &name_key(step)).await?;
    }
    Ok(level)
}

fn unambiguous(card_type: &str, name: &str, mut found: Vec<(Uuid, String)>) -> Result<Option<Uuid>> {
    if found.len() > 1 {
        let candidates: Vec<_> = found
            .iter()
            .map(|(id, name)| serde_json::json!({ "id": id, "name": name }))
            .collect();
        return Err(Error::new(
            Code::Conflict,
            format!(
                "Several cards of type {card_type} are called '{name}'; name the one by its path (A / B / C) or id"
            ),
        )
        .with(serde_json::json!({ "candidates": candidates })));
    }
    Ok(found.pop().map(|(id, _)| id))
}
