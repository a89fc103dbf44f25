//! The metamodel the software comes with. Seeding writes it to the database, where an admin may change it.

mod applications;
mod business;
mod codes;
mod draft;
mod governance;
mod technology;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Variant, Version};

use self::draft::{Draft, date, flag, line, list, number, one_of};
use super::{CardType, Layer, Metamodel, Rule};

pub use codes::{COUNTRIES, CURRENCIES};

/// The pattern of cost centres.
const COST_CENTER: &str = r"^CC-[A-Z]{2,4}-\d{2}$";

/// The id of something built in: the same on every installation, so that seeding can be repeated.
#[must_use]
pub fn builtin_id(kind: &str, name: &str) -> Uuid {
    let digest = Sha256::digest(format!("arc zero/{kind}/{name}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_bytes(bytes)
        .with_version(Version::Custom)
        .with_variant(Variant::RFC4122)
        .into_uuid()
}

/// The built-in card types. Colours are Okabe and Ito's palette and shades of it, which colour-blind people tell apart.
#[must_use]
pub fn card_types() -> Vec<CardType> {
    const TYPES: &[(&str, &str, Layer, &str, &str, &str)] = &[
        (
            "Objective",
            "Objective",
            Layer::A,
            "#CC79A7",
            "target",
            "What the enterprise wants to reach, with a measure and a date.",
        ),
        (
            "BusinessCapability",
            "Business capability",
            Layer::A,
            "#E69F00",
            "layers",
            "What the enterprise is able to do, whoever does it and however.",
        ),
        (
            "BusinessProcess",
            "Business process",
            Layer::A,
            "#F5C95C",
            "workflow",
            "How work is done, step after step.",
        ),
        (
            "Organization",
            "Organization",
            Layer::A,
            "#8C6D1F",
            "users",
            "A department, subsidiary, vendor or partner.",
        ),
        (
            "Application",
            "Application",
            Layer::B,
            "#0072B2",
            "app-window",
            "Software that serves people or other software, as one thing that is owned, paid for and retired.",
        ),
        (
            "Interface",
            "Interface",
            Layer::B,
            "#56B4E9",
            "plug",
            "What an application offers for others to call or read.",
        ),
        (
            "DataObject",
            "Data object",
            Layer::B,
            "#7A9CC6",
            "database",
            "Information the business speaks of: customer, order, invoice.",
        ),
        (
            "ITComponent",
            "IT component",
            Layer::C,
            "#009E73",
            "cpu",
            "Software, hardware or a service that applications are built on.",
        ),
        (
            "Platform",
            "Platform",
            Layer::C,
            "#4DB6A0",
            "server",
            "Components run together as one place to host applications.",
        ),
        (
            "Provider",
            "Provider",
            Layer::C,
            "#66A61E",
            "building",
            "Who supplies applications, components or platforms.",
        ),
        (
            "TechCategory",
            "Technology category",
            Layer::C,
            "#A6C36F",
            "tag",
            "A shelf of the technology catalogue.",
        ),
        (
            "Location",
            "Location",
            Layer::C,
            "#6B7A8F",
            "map-pin",
            "A country, city, site or data centre.",
        ),
        (
            "ArchitecturePrinciple",
            "Architecture principle",
            Layer::D,
            "#D55E00",
            "compass",
            "How we decide, and why.",
        ),
        (
            "TechnologyStandard",
            "Technology standard",
            Layer::D,
            "#F0A36B",
            "badge-check",
            "Which technologies to adopt, hold or leave.",
        ),
        (
            "ArchitecturePolicy",
            "Architecture policy",
            Layer::D,
            "#B34700",
            "shield",
            "A rule that cards must keep, checked with every change.",
        ),
        (
            "Exception",
            "Exception",
            Layer::D,
            "#F0E442",
            "shield-off",
            "Leave, for a while, from a policy.",
        ),
        (
            "Initiative",
            "Initiative",
            Layer::D,
            "#882255",
            "rocket",
            "A project that changes the landscape.",
        ),
        (
            "Risk",
            "Risk",
            Layer::D,
            "#AA3377",
            "triangle-alert",
            "What may go wrong, how likely and how bad.",
        ),
        (
            "ComplianceRequirement",
            "Compliance requirement",
            Layer::D,
            "#7F5B83",
            "scale",
            "What a law or a framework demands.",
        ),
    ];
    let types = TYPES
        .iter()
        .zip(1..)
        .map(|(&(name, label, layer, color, icon, description), place)| CardType {
            id: builtin_id("card_type", name),
            name: name.to_owned(),
            label: label.to_owned(),
            layer,
            description: Some(description.to_owned()),
            color: color.to_owned(),
            icon: Some(icon.to_owned()),
            strict: false,
            builtin: true,
            deprecated: false,
            position: place * 10,
            version: 1,
        });
    types.collect()
}

/// The built-in rules of every built-in type.
#[must_use]
pub fn rules() -> Vec<Rule> {
    card_types()
        .iter()
        .flat_map(|card_type| rules_of(&card_type.name))
        .collect()
}

/// The rules that every card type carries, one that an admin adds included.
#[must_use]
pub fn common_rules(card_type: &str) -> Vec<Rule> {
    build(card_type, common(), 1_000)
}

/// The built-in metamodel as a snapshot.
#[must_use]
pub fn metamodel() -> Metamodel {
    Metamodel::new(0, card_types(), rules())
}

fn rules_of(card_type: &str) -> Vec<Rule> {
    let own = match card_type {
        "Objective" => business::objective(),
        "BusinessCapability" => business::capability(),
        "BusinessProcess" => business::process(),
        "Organization" => business::organization(),
        "Application" => applications::application(),
        "Interface" => applications::interface(),
        "DataObject" => applications::data_object(),
        "ITComponent" => technology::component(),
        "Platform" => technology::platform(),
        "Provider" => technology::provider(),
        "TechCategory" => technology::category(),
        "Location" => technology::location(),
        "ArchitecturePrinciple" => governance::principle(),
        "TechnologyStandard" => governance::standard(),
        "ArchitecturePolicy" => governance::policy(),
        "Exception" => governance::exception(),
        "Initiative" => governance::initiative(),
        "Risk" => governance::risk(),
        "ComplianceRequirement" => governance::requirement(),
        _ => Vec::new(),
    };
    let mut rules = build(card_type, own, 0);
    rules.extend(common_rules(card_type));
    if matches!(card_type, "Application" | "ITComponent" | "Platform" | "Provider") {
        rules.extend(build(card_type, contract(), 2_000));
    }
    rules
}

fn build(card_type: &str, drafts: Vec<Draft>, after: i32) -> Vec<Rule> {
    drafts
        .into_iter()
        .zip(1..)
        .map(|(draft, place)| draft.build(card_type, after + place * 10))
        .collect()
}

fn common() -> Vec<Draft> {
    vec![
        line("owner", "Owner", 100).help("Who answers for it."),
        number("financials.estimated_annual_cost", "Estimated annual cost")
            .not_negative()
            .help("What it costs a year, in the currency beside it."),
        one_of("financials.currency", "Currency", CURRENCIES)
            .hint("EUR")
            .help("ISO 4217; required where a cost is given."),
        list("external_ids", "Identifiers in other systems")
            .help("A list of {system, id}; an id is unique within its system."),
    ]
}

fn contract() -> Vec<Draft> {
    vec![
        date("contract.end_date", "Contract ends"),
        date("contract.notice_date", "Notice by").help("The last day on which the contract can be terminated."),
        flag("contract.auto_renew", "Renews by itself"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_stable_and_unique() {
        let ids: HashSet<_> = card_types()
            .iter()
            .map(|t| t.id)
            .chain(rules().iter().map(|r| r.id))
            .collect();
        assert_eq!(ids.len(), card_types().len() + rules().len());
        // Installations hold these ids: changing the scheme would duplicate everything built in.
        assert_eq!(
            builtin_id("card_type", "Application").to_string(),
            "19e06445-c31a-8378-937b-dada8602c583"
        );
    }

    #[test]
    fn every_rule_keeps_the_rules_of_rules() {
        let metamodel = metamodel();
        for rule in rules() {
            let wrong = rule.check(metamodel.rules(&rule.card_type));
            assert!(wrong.is_empty(), "{}.{}: {wrong:?}", rule.card_type, rule.key);
        }
        for card_type in card_types() {
            assert!(card_type.check().is_empty(), "{}", card_type.name);
            assert!(metamodel.rules(&card_type.name).len() >= 4, "{}", card_type.name);
        }
    }

    #[test]
    fn required_attributes_are_those_of_the_contract() {
        let required: Vec<_> = rules()
            .iter()
            .filter(|r| r.demands())
            .map(|r| format!("{}.{}", r.card_type, r.key))
            .collect();
        assert_eq!(
            required,
            [
                "Application.hosting_type",
                "ITComponent.category",
                "ArchitecturePrinciple.statement",
                "ArchitecturePrinciple.category",
                "TechnologyStandard.category",
                "TechnologyStandard.status",
                "ArchitecturePolicy.rule_json",
                "ArchitecturePolicy.severity",
                "ArchitecturePolicy.enforcement",
                "Exception.justification",
                "Exception.duration",
                "Risk.likelihood",
                "Risk.impact",
                "ComplianceRequirement.framework",
            ]
        );
    }
}
