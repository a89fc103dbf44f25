//! The questions over HTTP, on a small landscape whose answers can be worked out by eye.
//!
//! ```text
//! Enterprise ─┬─ Sales ◄── CRM (tier 1), Portal            CRM ─► Oracle 1        Portal ─► Cloud (hosted)
//!             └─ Billing ◄ ERP (tier 2), Legacy (ended)    ERP ─► Oracle 1 until 2027, Oracle 2 from 2028
//! Cloud = Oracle 1 + Oracle 2, provided by Acme            Berlin ─ Rack 7: Oracle 1, Router; Oracle 2 in Berlin itself
//! CRM provides Orders API, which transfers Customer; Portal consumes it       Loop A ⇄ Loop B
//! ```

use std::collections::BTreeMap;

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

mod answers;
mod impact;
mod requests;
mod traverse;

/// The date most questions are asked about.
const DATE: &str = "2026-06-01";

struct Landscape(BTreeMap<String, Uuid>);

impl Landscape {
    fn id(&self, name: &str) -> Uuid {
        self.0[name]
    }

    async fn build(caller: &Caller<'_>) -> Self {
        let cost = |amount: f64, currency: &str| json!({"estimated_annual_cost": amount, "currency": currency});
        let oracle = json!({"attributes": {"sub_category": "Database", "vendor": "Oracle"}});
        let cards = [
            ("BusinessCapability", "Enterprise", json!({})),
            ("BusinessCapability", "Sales", json!({})),
            ("BusinessCapability", "Billing", json!({})),
            (
                "Application",
                "CRM",
                json!({"business_criticality": "Tier 1", "technical_fit": 4, "attributes": {"financials": cost(100.10, "EUR")}}),
            ),
            ("Application", "Portal", json!({"technical_fit": 2, "tags": ["web"]})),
            (
                "Application",
                "ERP",
                json!({"business_criticality": "Tier 2", "attributes": {"financials": cost(50.5, "USD")}}),
            ),
            (
                "Application",
                "Legacy",
                json!({"lifecycle": {"active": "2010-01-01", "eol": "2024-01-01"}}),
            ),
            ("Application", "Future", json!({"lifecycle": {"plan": "2030-01-01"}})),
            ("Application", "Loop A", json!({})),
            ("Application", "Loop B", json!({})),
            ("ITComponent", "Oracle 1", oracle.clone()),
            ("ITComponent", "Oracle 2", oracle),
            ("ITComponent", "Router", json!({})),
            ("Platform", "Cloud", json!({})),
            ("Provider", "Acme", json!({})),
            ("Location", "Berlin", json!({})),
            ("Location", "Rack 7", json!({})),
            ("Interface", "Orders API", json!({})),
            ("DataObject", "Customer", json!({})),
            ("Organization", "Finance", json!({})),
        ];
        let mut land = Self(BTreeMap::new());
        for (card_type, name, more) in cards {
            let id = caller.card_with(card_type, name, more).await;
            land.0.insert(name.to_owned(), id);
        }
        for (source, kind, target, more) in [
            ("Enterprise", "PARENT_OF", "Sales", json!({})),
            ("Enterprise", "PARENT_OF", "Billing", json!({})),
            ("CRM", "SUPPORTS", "Sales", json!({})),
            ("Portal", "SUPPORTS", "Sales", json!({})),
            ("ERP", "SUPPORTS", "Billing", json!({})),
            ("Legacy", "SUPPORTS", "Billing", json!({})),
            ("CRM", "RELIES_ON", "Oracle 1", json!({})),
            (
                "ERP",
                "RELIES_ON",
                "Oracle 1",
                json!({"valid_from": "2020-01-01", "valid_to": "2027-12-31"}),
            ),
            (
                "ERP",
                "RELIES_ON",
                "Oracle 2",
                json!({"valid_from": "2028-01-01", "description": "after the move"}),
            ),
            ("Portal", "HOSTED_ON", "Cloud", json!({})),
            ("Oracle 1", "PART_OF", "Cloud", json!({})),
            ("Oracle 2", "PART_OF", "Cloud", json!({})),
            ("Cloud", "PROVIDED_BY", "Acme", json!({})),
            ("Berlin", "PARENT_OF", "Rack 7", json!({})),
            ("Router", "LOCATED_AT", "Rack 7", json!({})),
            ("Oracle 1", "LOCATED_AT", "Rack 7", json!({})),
            ("Oracle 2", "LOCATED_AT", "Berlin", json!({})),
            ("CRM", "PROVIDES", "Orders API", json!({})),
            ("Portal", "CONSUMES", "Orders API", json!({})),
            ("Orders API", "TRANSFERS", "Customer", json!({})),
            (
                "CRM",
                "USES_DATA",
                "Customer",
                json!({"attributes": {"access": "create"}}),
            ),
            (
                "Portal",
                "USES_DATA",
                "Customer",
                json!({"attributes": {"access": ["read"]}}),
            ),
            ("CRM", "OWNED_BY", "Finance", json!({})),
            ("ERP", "USED_BY", "Finance", json!({})),
            ("Loop A", "RELIES_ON", "Loop B", json!({})),
            ("Loop B", "RELIES_ON", "Loop A", json!({})),
        ] {
            caller.link_with(land.id(source), kind, land.id(target), more).await;
        }
        land
    }
}

async fn world(app: &TestApp) -> (Caller<'_>, Landscape) {
    let architect = app.login(Role::Architect).await;
    let land = Landscape::build(&architect).await;
    (architect, land)
}

/// The names in a list of cards, with depths where they have one: `CRM 1, ERP 1`.
fn named(list: &Value) -> String {
    let cards = list.as_array().unwrap_or_else(|| panic!("not a list: {list}")).iter();
    let text = |card: &Value| match card["depth"].as_u64() {
        Some(depth) => format!("{} {depth}", card["name"].as_str().unwrap()),
        None => card["name"].as_str().unwrap().to_owned(),
    };
    cards.map(text).collect::<Vec<_>>().join(", ")
}

/// A path as text: `Oracle 1 -RELIES_ON- CRM`.
fn path(steps: &Value) -> String {
    let mut text = String::new();
    for step in steps.as_array().unwrap() {
        if let Some(via) = step["via"].as_str() {
            text.extend([" -", via, "- "]);
        }
        text += step["name"].as_str().unwrap();
    }
    text
}

fn card<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|card| card["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

/// The fields of all violations.
fn violations(answer: &Answer) -> Vec<&str> {
    let list = answer.body["error"]["details"]["violations"].as_array();
    let list = list.unwrap_or_else(|| panic!("no violations in {:?}", answer.body));
    list.iter().map(|v| v["field"].as_str().unwrap()).collect()
}
