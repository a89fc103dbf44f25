//! A card of the graph as conditions see it: the same values that the SQL of a list would compare.

use std::{borrow::Cow, cell::OnceCell};

use chrono::SecondsFormat;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    condition::{self, Condition, Related, Subject, attribute},
    graph::{BoundView, Direction, Graph, NodeIx, View},
};

/// A card as one view shows it. Its attributes are parsed when a condition first asks for one that is there.
pub struct CardInView<'a> {
    bound: &'a BoundView<'a>,
    card: NodeIx,
    attributes: OnceCell<Map<String, Value>>,
}

impl<'a> CardInView<'a> {
    /// The card as it is on the view's date.
    pub fn new(bound: &'a BoundView<'a>, card: NodeIx) -> Self {
        Self {
            bound,
            card,
            attributes: OnceCell::new(),
        }
    }

    fn attribute(&self, path: &str) -> Option<Cow<'_, Value>> {
        let card = self.bound.graph().card(self.card);
        let first = path.strip_prefix("attributes.")?.split('.').next()?;
        // A name that JSON writes as it is must occur in the text; looking for it is far cheaper than parsing.
        let plain = first.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain && self.attributes.get().is_none() && !card.attributes_json().contains(first) {
            return None;
        }
        attribute(self.attributes.get_or_init(|| card.attributes()), path)
    }
}

impl Subject for CardInView<'_> {
    fn value(&self, path: &str) -> Option<Cow<'_, Value>> {
        if path.starts_with("attributes.") {
            return self.attribute(path);
        }
        let card = self.bound.graph().card(self.card);
        let date = |at: usize| card.lifecycle.dates()[at].map(|date| date.to_string().into());
        let instant = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true).into();
        let value: Option<Value> = match path {
            "type" => Some(self.bound.graph().type_name(card.card_type).to_string().into()),
            "name" => Some(card.name().into()),
            "description" => card.description().map(Value::from),
            "tags" => Some(
                card.tags
                    .iter()
                    .map(|tag| self.bound.graph().word(*tag).to_string())
                    .collect(),
            ),
            "lifecycle.plan" => date(0),
            "lifecycle.phase_in" => date(1),
            "lifecycle.active" => date(2),
            "lifecycle.phase_out" => date(3),
            "lifecycle.eol" => date(4),
            "lifecycle_phase" => Some(self.bound.phase(self.card).as_str().into()),
            "functional_fit" => card.functional_fit.map(Value::from),
            "technical_fit" => card.technical_fit.map(Value::from),
            "business_criticality" => card.business_criticality.map(|tier| tier.as_str().into()),
            "quality_score" => card.quality_score.map(Value::from),
            "created_at" => Some(instant(card.created_at)),
            "updated_at" => Some(instant(card.updated_at)),
            _ => None,
        };
        value.map(Cow::Owned)
    }

    fn id(&self) -> Option<Uuid> {
        Some(self.bound.graph().id(self.card))
    }

    /// Only along relationships in force, to cards that count in the view.
    fn related(&self, related: &Related) -> Option<Vec<Box<dyn Subject + '_>>> {
        let graph = self.bound.graph();
        let Some(kind) = graph.find_type(&related.kind) else {
            return Some(Vec::new());
        };
        let direction = match related.direction {
            condition::Direction::Out => Direction::Out,
            condition::Direction::In => Direction::In,
            condition::Direction::Both => Direction::Both,
        };
        let to = |card: NodeIx| {
            let name = graph.type_name(graph.card_type(card));
            related.to.is_empty() || related.to.iter().any(|wanted| **wanted == **name)
        };
        let links = self
            .bound
            .links(self.card, direction)
            .filter(|link| link.record.kind == kind && to(link.other));
        let mut cards: Vec<NodeIx> = links.map(|link| link.other).collect();
        cards.sort_unstable();
        cards.dedup();
        let subjects = cards
            .into_iter()
            .map(|card| Box::new(Self::new(self.bound, card)) as Box<dyn Subject>);
        Some(subjects.collect())
    }
}

/// The condition as a test of cards in the view.
pub fn matcher<'v>(condition: &'v Condition, view: &'v View) -> impl Fn(&Graph, NodeIx) -> bool + 'v {
    move |graph, card| {
        let bound = BoundView::new(graph, view, &[]);
        condition.holds(&CardInView::new(&bound, card))
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use serde_json::json;

    use super::*;
    use crate::{
        condition::Scope,
        graph::{CardInput, GraphBuilder, Tier},
        metamodel::reference,
    };

    #[test]
    fn every_field_has_its_value() {
        let date = |year| NaiveDate::from_ymd_opt(year, 1, 1);
        let mut builder = GraphBuilder::new();
        builder.card(&CardInput {
            id: Uuid::from_u128(1),
            card_type: "Application".into(),
            name: "Sales  CRM".into(),
            name_key: "sales crm".into(),
            description: Some("What sales works with".into()),
            tags: vec!["core".into(), "sales".into()],
            lifecycle: [date(2020), date(2021), date(2022), date(2026), date(2028)],
            functional_fit: Some(3),
            technical_fit: Some(2),
            business_criticality: Some(Tier::Two),
            attributes: json!({"hosting_type": "SaaS", "users_total": 10, "financials": {"currency": "EUR"}})
                .to_string(),
            quality_score: Some(93),
            created_at: "2025-01-01T10:00:00.5Z".parse().unwrap(),
            updated_at: "2025-02-01T10:00:00Z".parse().unwrap(),
            version: 1,
            ..CardInput::default()
        });
        let graph = builder.build();
        let card = graph.find(Uuid::from_u128(1)).unwrap();
        let metamodel = reference::metamodel();
        let holds = |condition: Value, year| {
            let condition = Condition::parse(&condition, Scope::new(&metamodel), "").unwrap();
            let view = View::on(date(year).unwrap());
            condition.evaluate(&CardInView::new(&BoundView::new(&graph, &view, &[]), card))
        };
        for yes in [
            json!({"type": "Application"}),
            json!({"name": "sales crm"}),
            json!({"field": "description", "op": "contains", "value": "sales"}),
            json!({"field": "tags", "op": "contains", "value": "sales"}),
            json!({"field": "lifecycle.plan", "op": "eq", "value": "2020-01-01"}),
            json!({"field": "lifecycle.phase_in", "op": "gt", "value": "2020-12-31"}),
            json!({"field": "lifecycle.active", "op": "le", "value": "2022-01-01"}),
            json!({"field": "lifecycle.phase_out", "op": "lt", "value": "2027-01-01"}),
            json!({"field": "lifecycle.eol", "op": "exists", "value": true}),
            json!({"lifecycle_phase": "Active"}),
            json!({"functional_fit": 3}),
            json!({"technical_fit": 2}),
            json!({"business_criticality": "Tier 2"}),
            json!({"field": "quality_score", "op": "ge", "value": 93}),
            json!({"field": "created_at", "op": "lt", "value": "2025-01-01T10:00:01Z"}),
            json!({"field": "updated_at", "op": "ge", "value": "2025-02-01"}),
            json!({"hosting_type": "SaaS"}),
            json!({"field": "users_total", "op": "gt", "value": 9}),
            json!({"field": "attributes.financials.currency", "op": "eq", "value": "EUR"}),
        ] {
            assert_eq!(holds(yes.clone(), 2025), Some(true), "{yes}");
        }
        assert_eq!(holds(json!({"lifecycle_phase": "Phase Out"}), 2027), Some(true));
        assert_eq!(holds(json!({"vendor": "Oracle"}), 2025), None);
        assert_eq!(holds(json!({"requires": ["vendor"]}), 2025), Some(false));
    }
}
