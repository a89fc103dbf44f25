//! Worlds to ask: a hand-made one by names for tables, and generated ones for properties.

mod answers;
mod generated;
mod oracle;
mod properties;
mod rules;
mod similar;
mod texts;
mod updates;

use chrono::NaiveDate;
use uuid::Uuid;

use super::{question::CardRef, *};

/// The date every test asks about.
fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 6, 15).unwrap()
}

fn day(offset: i64) -> NaiveDate {
    today() + chrono::TimeDelta::days(offset)
}

/// The rows of the ontology the tests use: type, who depends on whom, hard.
const ROWS: [(&str, Dependent, bool); 9] = [
    ("RELIES_ON", Dependent::Source, true),
    ("SUPPORTS", Dependent::Target, true),
    ("PART_OF", Dependent::Target, true),
    ("LOCATED_AT", Dependent::Source, true),
    ("CONSUMES", Dependent::Source, false),
    ("PROVIDES", Dependent::Target, true),
    ("PARENT_OF", Dependent::Source, false),
    ("OWNED_BY", Dependent::None, false),
    ("USES_DATA", Dependent::Source, false),
];

fn row_id(kind: &str) -> Uuid {
    let at = ROWS.iter().position(|row| row.0 == kind).unwrap_or(ROWS.len());
    Uuid::from_u128(0xf000 + at as u128)
}

fn rows() -> impl Iterator<Item = RelationshipRule> {
    ROWS.into_iter().map(|(kind, dependent, hard)| RelationshipRule {
        id: row_id(kind),
        dependent,
        hard,
    })
}

/// Cards by name (an id is made from it, in the order of names) and edges as `source TYPE target`.
struct World {
    cards: Vec<CardInput>,
    edges: Vec<EdgeInput>,
}

/// Names of up to sixteen letters, so that the order of ids is the order of names.
fn id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

impl World {
    fn new(cards: &[(&str, &[&str])]) -> Self {
        let card = |card_type: &str, name: &str| CardInput {
            id: id(name),
            card_type: card_type.to_owned(),
            name: name.to_owned(),
            name_key: name.to_owned(),
            version: 1,
            ..CardInput::default()
        };
        let cards = cards
            .iter()
            .flat_map(|(card_type, names)| names.iter().map(|name| card(card_type, name)));
        Self {
            cards: cards.collect(),
            edges: Vec::new(),
        }
    }

    fn card(mut self, name: &str, change: impl FnOnce(&mut CardInput)) -> Self {
        change(self.cards.iter_mut().find(|card| card.id == id(name)).unwrap());
        self
    }

    fn edge(self, line: &str) -> Self {
        self.edge_with(line, |_| ())
    }

    fn edges(self, lines: &[&str]) -> Self {
        lines.iter().fold(self, |world, line| world.edge(line))
    }

    fn edge_with(mut self, line: &str, change: impl FnOnce(&mut EdgeInput)) -> Self {
        let [source, kind, target] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let mut edge = EdgeInput {
            id: Uuid::from_u128(0xe000 + self.edges.len() as u128),
            rule_id: row_id(kind),
            kind: kind.to_owned(),
            source_id: id(source),
            target_id: id(target),
            active: true,
            version: 1,
            ..EdgeInput::default()
        };
        change(&mut edge);
        self.edges.push(edge);
        self
    }

    /// An edge with attributes.
    fn said(self, line: &str, attributes: &str) -> Self {
        self.edge_with(line, |edge| attributes.clone_into(&mut edge.attributes))
    }

    fn graph(&self) -> Graph {
        let mut builder = GraphBuilder::new();
        rows().for_each(|row| builder.rule(row));
        self.cards.iter().for_each(|card| builder.card(card));
        self.edges.iter().for_each(|edge| builder.edge(edge.clone()));
        builder.build()
    }
}

fn at(graph: &Graph, name: &str) -> NodeIx {
    graph.find(id(name)).unwrap()
}

/// Enough cards for most tables.
const PEOPLE: &[(&str, &[&str])] = &[
    ("Application", &["crm", "erp", "web"]),
    ("BusinessCapability", &["sales", "trade"]),
    ("ITComponent", &["db1", "db2", "os1"]),
    ("Platform", &["cloud"]),
    ("Interface", &["api"]),
    ("Location", &["berlin", "bonn", "rack"]),
    ("DataObject", &["order"]),
];

fn world(edges: &[&str]) -> World {
    World::new(PEOPLE).edges(edges)
}

fn names(cards: &[CardRef]) -> String {
    cards
        .iter()
        .map(|card| card.name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}
