//! What a person may write of a card, read and checked whole.

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::{CardRow, Lifecycle, MAX_DESCRIPTION, MAX_NAME, MAX_TAG, MAX_TAGS};
use crate::{
    error::{Code, Error, Result, Violation, ViolationCode},
    http::fields::Fields,
    metamodel::{self, CardType, Metamodel, QualityFacts, name_key},
};

/// How critical an application is to the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tier(u8);

impl Tier {
    const NAMES: [(&'static str, Self); 4] = [
        ("Tier 1", Self(1)),
        ("Tier 2", Self(2)),
        ("Tier 3", Self(3)),
        ("Tier 4", Self(4)),
    ];

    /// `Tier 1` … `Tier 4`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.0) - 1].0
    }

    /// The tier of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, tier)| *tier)
    }
}

impl utoipa::PartialSchema for Tier {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("How critical an application is to the business."))
            .enum_values(Some(Self::NAMES.map(|(name, _)| name)))
            .into()
    }
}

impl utoipa::ToSchema for Tier {
    fn name() -> std::borrow::Cow<'static, str> {
        "BusinessCriticality".into()
    }
}

/// The writable fields of a card, valid against the metamodel.
#[derive(Clone, Debug, PartialEq)]
pub struct CardDraft {
    /// Its type.
    pub card_type: String,
    /// Its name, trimmed.
    pub name: String,
    /// The name as compared and sorted.
    pub name_key: String,
    /// Markdown.
    pub description: Option<String>,
    /// Trimmed, without repetitions, in the order sent.
    pub tags: Vec<String>,
    /// The five dates.
    pub lifecycle: Lifecycle,
    /// 1..4, applications only.
    pub functional_fit: Option<i16>,
    /// 1..4, applications only.
    pub technical_fit: Option<i16>,
    /// Applications only.
    pub business_criticality: Option<Tier>,
    /// Governed by the rules of the type.
    pub attributes: Map<String, Value>,
}

/// Fields of a card's answer that only the server writes.
const READ_ONLY: &[&str] = &[
    "quality_score",
    "lifecycle_phase",
    "criticality_source",
    "version",
    "created_at",
    "updated_at",
    "deleted_at",
    "created_by",
    "updated_by",
    "computed",
];

const WRITABLE: &[&str] = &[
    "type",
    "name",
    "description",
    "tags",
    "lifecycle",
    "functional_fit",
    "technical_fit",
    "business_criticality",
    "attributes",
];

impl CardDraft {
    /// Reads a card from a request's fields. Everything wrong is left in `fields`; the draft is only good if nothing
    /// was.
    pub fn read(metamodel: &Metamodel, fields: &mut Fields) -> Self {
        let card_type = read_type(metamodel, fields);
        let type_name = card_type.map(|t| t.name.clone()).unwrap_or_default();
        fields.read_only(READ_ONLY);

        let name = metamodel_name(&fields.required_text("name", MAX_NAME));
        let description = fields.text("description", MAX_DESCRIPTION).filter(|d| !d.is_empty());
        let tags = read_tags(fields);
        let lifecycle = read_lifecycle(fields);
        let applies = type_name == "Application" || type_name.is_empty();
        let fit = |fields: &mut Fields, name| {
            only_applications(fields, name, applies);
            fields.integer(name, 1, 4).and_then(|n| i16::try_from(n).ok())
        };
        let functional_fit = fit(fields, "functional_fit");
        let technical_fit = fit(fields, "technical_fit");
        only_applications(fields, "business_criticality", applies);
        let business_criticality = fields.choice("business_criticality", &Tier::NAMES);
        let mut attributes = fields.object("attributes").unwrap_or_default();
        attributes.values_mut().for_each(as_stored);
        if let Some(card_type) = card_type {
            fields.extend(metamodel::validate_attributes(metamodel, card_type, &attributes));
        }
        Self {
            card_type: type_name,
            name_key: name_key(&name),
            name,
            description,
            tags,
            lifecycle,
            functional_fit,
            technical_fit,
            business_criticality,
            attributes,
        }
    }

    /// Reads a whole body; all violations come back in one error.
    pub fn parse(metamodel: &Metamodel, body: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(body);
        let draft = Self::read(metamodel, &mut fields);
        fields.done()?;
        Ok(draft)
    }

    /// The draft as a request body: what a merge patch is applied to.
    #[must_use]
    pub fn to_body(&self) -> Map<String, Value> {
        let [plan, phase_in, active, phase_out, eol] = self.lifecycle.dates();
        let mut lifecycle = Map::new();
        for (name, date) in [
            ("plan", plan),
            ("phase_in", phase_in),
            ("active", active),
            ("phase_out", phase_out),
            ("eol", eol),
        ] {
            if let Some(date) = date {
                lifecycle.insert(name.into(), json!(date));
            }
        }
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                body.insert(name.to_owned(), value);
            }
        };
        put("type", json!(self.card_type));
        put("name", json!(self.name));
        put("description", json!(self.description));
        put("tags", json!(self.tags));
        put("lifecycle", Value::Object(lifecycle));
        put("functional_fit", json!(self.functional_fit));
        put("technical_fit", json!(self.technical_fit));
        put("business_criticality", json!(self.business_criticality.map(Tier::name)));
        put("attributes", Value::Object(self.attributes.clone()));
        body
    }

    /// The draft with a merge patch (RFC 7396) applied, checked whole.
    pub fn patched(&self, metamodel: &Metamodel, patch: &Map<String, Value>) -> Result<Self> {
        let mut body = Value::Object(self.to_body());
        merge(&mut body, &Value::Object(patch.clone()));
        let Value::Object(body) = body else {
            return Err(Error::internal("a merged object is an object"));
        };
        let mut fields = Fields::new(body);
        fields.refuse_nulls(patch, WRITABLE, READ_ONLY);
        let draft = Self::read(metamodel, &mut fields);
        self.same_type(&draft, &mut fields);
        fields.done()?;
        Ok(draft)
    }

    /// Refuses a change of type.
    pub fn same_type(&self, new: &Self, fields: &mut Fields) {
        if new.card_type != self.card_type && !new.card_type.is_empty() {
            fields.refuse(
                "type",
                ViolationCode::ReadOnly,
                format!("a card's type cannot change; this is a {}", self.card_type),
                Some(&json!(new.card_type)),
            );
        }
    }

    /// The quality score of a card with these fields.
    #[must_use]
    pub fn quality(&self, metamodel: &Metamodel) -> i16 {
        i16::from(metamodel::quality_score(
            metamodel,
            &QualityFacts {
                card_type: &self.card_type,
                name: &self.name,
                description: self.description.as_deref(),
                has_tags: !self.tags.is_empty(),
                has_lifecycle: self.lifecycle.dates().iter().any(Option::is_some),
                has_functional_fit: self.functional_fit.is_some(),
                has_technical_fit: self.technical_fit.is_some(),
                has_business_criticality: self.business_criticality.is_some(),
                attributes: &self.attributes,
            },
        ))
    }

    /// The identifiers in other systems, as (system, id).
    #[must_use]
    pub fn external_ids(&self) -> Vec<(String, String)> {
        let list = self.attributes.get("external_ids").and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(|entry| Some((entry["system"].as_str()?.to_owned(), entry["id"].as_str()?.to_owned())))
            .collect()
    }

    /// Refuses a new card of a type that is deprecated.
    pub fn check_creatable(&self, metamodel: &Metamodel) -> Result<()> {
        match metamodel.card_type(&self.card_type) {
            Some(card_type) if card_type.deprecated => Err(Error::new(
                Code::TypeDeprecated,
                format!("The card type {} is deprecated: no new cards", self.card_type),
            )
            .at("type")),
            _ => Ok(()),
        }
    }
}

impl From<&CardRow> for CardDraft {
    fn from(row: &CardRow) -> Self {
        Self {
            card_type: row.card_type.clone(),
            name: row.name.clone(),
            name_key: row.name_key.clone(),
            description: row.description.clone(),
            tags: row.tags.clone(),
            lifecycle: row.lifecycle(),
            functional_fit: row.functional_fit,
            technical_fit: row.technical_fit,
            business_criticality: row.business_criticality.as_deref().and_then(Tier::parse),
            attributes: row.attributes.0.clone(),
        }
    }
}

/// Outer white space is never part of a name.
fn metamodel_name(name: &str) -> String {
    name.trim().to_owned()
}

fn read_type<'a>(metamodel: &'a Metamodel, fields: &mut Fields) -> Option<&'a CardType> {
    let name = fields.required_text("type", 60);
    if name.is_empty() {
        return None;
    }
    let found = metamodel.card_type(&name);
    if found.is_none() {
        let near = metamodel.similar_types(&name);
        let hint = if near.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", near.join(" or "))
        };
        let known: Vec<&str> = metamodel.card_types().map(|t| t.name.as_str()).collect();
        fields.extend([Violation::new(
            "type",
            ViolationCode::NotInOptions,
            format!("there is no such card type{hint}"),
        )
        .provided(&json!(name))
        .accepts("allowed_values", known)]);
    }
    found
}

fn only_applications(fields: &mut Fields, name: &'static str, applies: bool) {
    if !applies && let Some(value) = fields.value(name) {
        fields.refuse(
            name,
            ViolationCode::NotAllowedHere,
            "only applications have this field",
            Some(&value),
        );
    }
}

fn read_tags(fields: &mut Fields) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in fields.texts("tags", MAX_TAGS, MAX_TAG).unwrap_or_default() {
        let tag = tag.trim();
        if !tag.is_empty() && !tags.iter().any(|t| t == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

const PHASE_FIELDS: [&str; 5] = ["plan", "phase_in", "active", "phase_out", "eol"];

fn read_lifecycle(fields: &mut Fields) -> Lifecycle {
    let Some(object) = fields.object("lifecycle") else {
        return Lifecycle::default();
    };
    let mut inner = Fields::within("lifecycle", object);
    let dates: [Option<NaiveDate>; 5] = PHASE_FIELDS.map(|name| inner.date(name));
    let mut last: Option<(usize, NaiveDate)> = None;
    for (at, date) in dates.iter().enumerate() {
        let Some(date) = *date else { continue };
        if let Some((earlier, before)) = last
            && date < before
        {
            let text = format!(
                "{date} is before {} on {before}: lifecycle dates must not decrease",
                PHASE_FIELDS[earlier]
            );
            inner.refuse(
                PHASE_FIELDS[at],
                ViolationCode::DatesOutOfOrder,
                text,
                Some(&json!(date)),
            );
        }
        last = Some((at, last.map_or(date, |(_, before)| date.max(before))));
    }
    fields.extend(inner.finish());
    Lifecycle::new(dates)
}

/// Writes large whole numbers as the database gives them back (`1e17` as 100000000000000000), so that sending the same
/// again is seen to change nothing.
pub fn as_stored(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() >= 1e16 {
                let digits = float.to_string();
                if let Ok(whole) = digits
                    .parse::<i64>()
                    .map(Into::into)
                    .or_else(|_| digits.parse::<u64>().map(Into::into))
                {
                    *number = whole;
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_stored),
        Value::Object(members) => members.values_mut().for_each(as_stored),
        _ => {}
    }
}

/// Applies a merge patch, RFC 7396. Bodies are at most 128 levels deep: the parser sees to that.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metamodel::reference;

    #[expect(clippy::needless_pass_by_value, reason = "reads better in the tests")]
    fn parse(body: Value) -> Result<CardDraft> {
        CardDraft::parse(&reference::metamodel(), body.as_object().unwrap().clone())
    }

    fn violations(error: &Error) -> Vec<(String, String)> {
        let list = error.details.as_ref().unwrap()["violations"]
            .as_array()
            .unwrap()
            .clone();
        list.iter()
            .map(|v| {
                (
                    v["field"].as_str().unwrap().to_owned(),
                    v["code"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn everything_wrong_with_a_card_is_told_at_once() {
        let error = parse(json!({
            "type": "Interface", "name": "  ", "technical_fit": 3, "lifecycle": {"plan": "2025-01-01", "eol": "2024-01-01", "ended": 1},
            "quality_score": 3, "colour": "red", "tags": ["a", 5]
        }))
        .unwrap_err();
        let found = violations(&error);
        for expected in [
            ("quality_score", "READ_ONLY"),
            ("name", "REQUIRED"),
            ("tags[1]", "WRONG_TYPE"),
            ("lifecycle.eol", "DATES_OUT_OF_ORDER"),
            ("lifecycle.ended", "UNKNOWN_FIELD"),
            ("technical_fit", "NOT_ALLOWED_HERE"),
            ("colour", "UNKNOWN_FIELD"),
        ] {
            assert!(
                found.contains(&(expected.0.to_owned(), expected.1.to_owned())),
                "{expected:?} in {found:?}"
            );
        }
    }

    #[test]
    fn gaps_in_the_lifecycle_are_skipped() {
        assert!(
            parse(
                json!({"type": "Interface", "name": "I", "lifecycle": {"plan": "2024-01-01", "active": "2024-01-01"}})
            )
            .is_ok()
        );
        let error =
            parse(json!({"type": "Interface", "name": "I", "lifecycle": {"plan": "2024-01-02", "eol": "2024-01-01"}}))
                .unwrap_err();
        assert_eq!(violations(&error)[0].1, "DATES_OUT_OF_ORDER");
    }

    #[test]
    fn a_merge_patch_is_recursive_and_replaces_lists() {
        let card = parse(
            json!({"type": "Application", "name": "CRM", "tags": ["a", "b"], "attributes": {
            "hosting_type": "SaaS", "financials": {"estimated_annual_cost": 5, "currency": "EUR"}}}),
        )
        .unwrap();
        let patch = json!({"tags": ["c"], "attributes": {"financials": {"estimated_annual_cost": 7}, "vendor": "V"}});
        let patched = card
            .patched(&reference::metamodel(), patch.as_object().unwrap())
            .unwrap();
        assert_eq!(patched.tags, ["c"]);
        assert_eq!(
            patched.attributes["financials"],
            json!({"estimated_annual_cost": 7, "currency": "EUR"})
        );
        assert_eq!(patched.attributes["hosting_type"], "SaaS");
        let bad = json!({"colour": null, "type": "Interface", "version": 4});
        let found = violations(
            &card
                .patched(&reference::metamodel(), bad.as_object().unwrap())
                .unwrap_err(),
        );
        let fields: Vec<_> = found.iter().map(|(f, _)| f.as_str()).collect();
        assert!(
            fields.contains(&"colour") && fields.contains(&"type") && fields.contains(&"version"),
            "{fields:?}"
        );
    }

    #[test]
    fn a_draft_survives_the_way_through_a_body() {
        let card = parse(json!({"type": "Application", "name": " CRM ", "description": "d", "tags": [" x ", "x"], "technical_fit": 2,
            "business_criticality": "Tier 2", "lifecycle": {"active": "2020-01-01"}, "attributes": {"hosting_type": "SaaS"}}))
        .unwrap();
        assert_eq!(
            (card.name.as_str(), card.tags.as_slice()),
            ("CRM", &["x".to_owned()][..])
        );
        assert_eq!(CardDraft::parse(&reference::metamodel(), card.to_body()).unwrap(), card);
    }
}
