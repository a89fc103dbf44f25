//! The card as clients read it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CardRow, Lifecycle, Phase};
use crate::{
    error::{Error, Result},
    http::fields::parse_date,
};

/// The five dates of a card's life; those that are not known are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct LifecycleView {
    /// Thought of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<NaiveDate>,
    /// Being introduced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_in: Option<NaiveDate>,
    /// In use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<NaiveDate>,
    /// Being retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_out: Option<NaiveDate>,
    /// The first day without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eol: Option<NaiveDate>,
}

impl From<Lifecycle> for LifecycleView {
    fn from(lifecycle: Lifecycle) -> Self {
        let [plan, phase_in, active, phase_out, eol] = lifecycle.dates();
        Self {
            plan,
            phase_in,
            active,
            phase_out,
            eol,
        }
    }
}

/// A card.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CardView {
    /// Its id.
    pub id: Uuid,
    /// Its card type, for example `Application`.
    #[serde(rename = "type")]
    pub card_type: String,
    /// Its name.
    pub name: String,
    /// What it is, in Markdown.
    pub description: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// The dates of its life.
    pub lifecycle: LifecycleView,
    /// The phase these dates give on the date asked for (today).
    pub lifecycle_phase: Phase,
    /// Functional fit, 1 (unreasonable) to 4 (perfect); applications only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functional_fit: Option<i16>,
    /// Technical fit, 1 (unreasonable) to 4 (perfect); applications only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technical_fit: Option<i16>,
    /// `Tier 1` (mission critical) to `Tier 4` (administrative); applications only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub business_criticality: Option<String>,
    /// `manual` when a person set the tier, `derived` when the BIA engine did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criticality_source: Option<String>,
    /// How complete the card is, 0 to 100; computed, not part of the version.
    pub quality_score: Option<i16>,
    /// Everything else, governed by the rules of the card type.
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    /// Values computed on reading, for example `eol_risk_level` of a component or `risk_score` of a risk.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub computed: Map<String, Value>,
    /// Starts at 1, +1 with every change.
    pub version: i32,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted; absent while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// Who created it.
    pub created_by: Option<Uuid>,
    /// Who last changed it.
    pub updated_by: Option<Uuid>,
}

impl CardView {
    /// The view of a row, with the phase and the computed values of a date.
    #[must_use]
    pub fn new(row: CardRow, on: NaiveDate) -> Self {
        let lifecycle = row.lifecycle();
        let mut computed = computed(&row.card_type, &row.attributes.0, on);
        computed.extend(row.computed.map(|c| c.0).unwrap_or_default());
        Self {
            id: row.id,
            card_type: row.card_type,
            name: row.name,
            description: row.description,
            tags: row.tags,
            lifecycle: lifecycle.into(),
            lifecycle_phase: lifecycle.phase(on),
            functional_fit: row.functional_fit,
            technical_fit: row.technical_fit,
            business_criticality: row.business_criticality,
            criticality_source: row.criticality_source,
            quality_score: row.quality_score,
            attributes: row.attributes.0,
            computed,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            created_by: row.created_by,
            updated_by: row.updated_by,
        }
    }
}

/// Values that follow from the attributes and a date.
#[must_use]
pub fn computed(card_type: &str, attributes: &Map<String, Value>, on: NaiveDate) -> Map<String, Value> {
    let mut values = Map::new();
    match card_type {
        "ITComponent" => {
            let support_ends = attributes
                .get("vendor_support_eol")
                .and_then(Value::as_str)
                .and_then(parse_date);
            values.insert("eol_risk_level".into(), json!(eol_risk_level(support_ends, on)));
        }
        "Risk" => {
            let factor = |name: &str| attributes.get(name).and_then(Value::as_i64);
            if let (Some(likelihood), Some(impact)) = (factor("likelihood"), factor("impact")) {
                values.insert("risk_score".into(), json!(likelihood * impact));
            }
        }
        _ => {}
    }
    values
}

fn eol_risk_level(support_ends: Option<NaiveDate>, on: NaiveDate) -> &'static str {
    match support_ends.map(|end| (end - on).num_days()) {
        None => "Unknown",
        Some(days) if days <= 0 => "Critical",
        Some(days) if days < 365 => "High",
        Some(days) if days < 730 => "Medium",
        Some(_) => "Low",
    }
}

/// Keeps only the named fields of an answer (`attributes.x` keeps that attribute alone) and always `id`.
pub fn sparse(view: &impl Serialize, fields: &[&str]) -> Result<Value> {
    let whole = serde_json::to_value(view).map_err(Error::internal)?;
    let Value::Object(whole) = whole else { return Ok(whole) };
    let mut kept = Map::new();
    if let Some(id) = whole.get("id") {
        kept.insert("id".into(), id.clone());
    }
    for field in fields {
        match field.split_once('.') {
            None => {
                if let Some(value) = whole.get(*field) {
                    kept.insert((*field).to_owned(), value.clone());
                }
            }
            Some((parent, inner)) => {
                let Some(value) = whole
                    .get(parent)
                    .and_then(|p| inner.split('.').try_fold(p, |v, step| v.get(step)))
                else {
                    continue;
                };
                if let Value::Object(target) = kept.entry(parent).or_insert_with(|| Value::Object(Map::new())) {
                    place(target, inner, value.clone());
                }
            }
        }
    }
    Ok(Value::Object(kept))
}

fn place(target: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            target.insert(path.to_owned(), value);
        }
        Some((step, rest)) => {
            if let Value::Object(inner) = target.entry(step).or_insert_with(|| Value::Object(Map::new())) {
                place(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_support_is_rated_by_the_days_left() {
        let on = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        for (days, expected) in [
            (-1, "Critical"),
            (0, "Critical"),
            (1, "High"),
            (364, "High"),
            (365, "Medium"),
            (729, "Medium"),
            (730, "Low"),
        ] {
            assert_eq!(
                eol_risk_level(Some(on + chrono::Duration::days(days)), on),
                expected,
                "{days}"
            );
        }
        assert_eq!(eol_risk_level(None, on), "Unknown");
    }

    #[test]
    fn sparse_answers_keep_the_id_and_what_was_asked_for() {
        let whole = json!({"id": 1, "name": "n", "attributes": {"a": {"b": 2, "c": 3}, "d": 4}});
        assert_eq!(
            sparse(&whole, &["attributes.a.b"]).unwrap(),
            json!({"id": 1, "attributes": {"a": {"b": 2}}})
        );
        assert_eq!(
            sparse(&whole, &["name", "nothing"]).unwrap(),
            json!({"id": 1, "name": "n"})
        );
    }
}
