//! The ontology the software comes with.

use std::collections::BTreeMap;

use super::{Cardinality, Dependent, EdgeAttribute, RelationshipType, Strength};
use crate::metamodel::reference::builtin_id;

/// Source types, type, target types (none: any), cardinality, acyclic, inverse label, who depends, how strongly.
type Row = (
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
    Cardinality,
    bool,
    &'static str,
    Dependent,
    Option<Strength>,
);

const MANY: Cardinality = Cardinality::ManyToMany;
const ONE_SOURCE: Cardinality = Cardinality::OneToMany;
const ONE_TARGET: Cardinality = Cardinality::ManyToOne;
const ONE_ONE: Cardinality = Cardinality::OneToOne;
const SOURCE: Dependent = Dependent::Source;
const TARGET: Dependent = Dependent::Target;
const NOBODY: Dependent = Dependent::None;
const HARD: Option<Strength> = Some(Strength::Hard);
const SOFT: Option<Strength> = Some(Strength::Soft);

/// Stands for the type at the start of the edge.
const SAME: &[&str] = &["="];
const ANY: &[&str] = &[];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    (&["BusinessCapability"], "PARENT_OF", SAME, ONE_SOURCE, true, "IS_CHILD_OF", SOURCE, SOFT),
    (&["Organization"], "PARENT_OF", SAME, ONE_SOURCE, true, "IS_CHILD_OF", NOBODY, None),
    (&["Application"], "PARENT_OF", SAME, ONE_SOURCE, true, "IS_PART_OF", SOURCE, SOFT),
    (&["BusinessProcess", "Platform"], "PARENT_OF", SAME, ONE_SOURCE, true, "IS_CHILD_OF", SOURCE, SOFT),
    (&["Location"], "PARENT_OF", SAME, ONE_SOURCE, true, "IS_CHILD_OF", TARGET, HARD),
    (&["DataObject", "Objective", "Initiative"], "PARENT_OF", SAME, ONE_SOURCE, true, "IS_CHILD_OF", NOBODY, None),
    (&["Organization"], "RESPONSIBLE_FOR", &["BusinessCapability"], MANY, false, "IS_RESPONSIBILITY_OF", NOBODY, None),
    (&["Organization"], "LOCATED_AT", &["Location"], MANY, false, "HOUSES", SOURCE, SOFT),
    (&["Objective"], "IMPROVES", &["BusinessCapability"], MANY, false, "IMPROVED_BY", NOBODY, None),
    (&["BusinessProcess"], "REALIZES", &["BusinessCapability"], MANY, false, "REALIZED_BY", TARGET, SOFT),
    (&["BusinessCapability"], "USES_DATA", &["DataObject"], MANY, false, "USED_BY_CAPABILITY", NOBODY, None),
    (&["Application"], "SUPPORTS", &["BusinessCapability", "BusinessProcess"], MANY, false, "SUPPORTED_BY", TARGET, HARD),
    (&["Application"], "OWNED_BY", &["Organization"], MANY, false, "OWNS_APP", NOBODY, None),
    (&["Application"], "USED_BY", &["Organization"], MANY, false, "USES_APP", TARGET, SOFT),
    (&["Application"], "RELIES_ON", &["ITComponent", "Application"], MANY, false, "SUPPORTS_APP", SOURCE, HARD),
    (&["Application"], "HOSTED_ON", &["Platform"], MANY, false, "HOSTS", SOURCE, HARD),
    (&["Application"], "PROVIDES", &["Interface"], ONE_SOURCE, false, "PROVIDED_BY_APP", TARGET, HARD),
    (&["Application"], "CONSUMES", &["Interface"], MANY, false, "CONSUMED_BY", SOURCE, SOFT),
    (&["Application"], "SUCCESSOR_OF", &["Application"], MANY, true, "PREDECESSOR_OF", NOBODY, None),
    (&["Application"], "USES_DATA", &["DataObject"], MANY, false, "USED_BY_APP", SOURCE, SOFT),
    (&["Application", "Platform"], "PROVIDED_BY", &["Provider"], ONE_TARGET, false, "PROVIDES_SERVICE", SOURCE, HARD),
    (&["Interface"], "TRANSFERS", &["DataObject"], MANY, false, "TRANSFERRED_VIA", NOBODY, None),
    (&["Interface"], "RELIES_ON", &["ITComponent"], MANY, false, "SUPPORTS_INTERFACE", SOURCE, HARD),
    (&["Platform"], "RELIES_ON", &["ITComponent"], MANY, false, "SUPPORTS_PLATFORM", SOURCE, HARD),
    (&["ITComponent"], "RELIES_ON", &["ITComponent"], MANY, true, "SUPPORTS_COMPONENT", SOURCE, HARD),
    (&["ITComponent"], "PART_OF", &["Platform"], ONE_TARGET, false, "CONSISTS_OF", TARGET, HARD),
    (&["ITComponent"], "PROVIDED_BY", &["Provider"], ONE_TARGET, false, "PROVIDES_TECH", SOURCE, SOFT),
    (&["ITComponent"], "CATEGORIZED_BY", &["TechCategory"], ONE_TARGET, false, "CLASSIFIES", NOBODY, None),
    (&["ITComponent"], "LOCATED_AT", &["Location"], ONE_TARGET, false, "HOUSES", SOURCE, HARD),
    (&["Platform"], "LOCATED_AT", &["Location"], MANY, false, "HOUSES", SOURCE, HARD),
    (&["ArchitecturePrinciple"], "GUIDES", &["Application"], MANY, false, "GUIDED_BY", NOBODY, None),
    (&["ArchitecturePrinciple"], "APPLIES_TO", &["BusinessCapability"], MANY, false, "GOVERNED_BY", NOBODY, None),
    (&["TechnologyStandard"], "STANDARDIZES", &["ITComponent", "Application", "Platform"], ONE_SOURCE, false, "FOLLOWS_STANDARD", NOBODY, None),
    (&["TechnologyStandard"], "SUPERSEDES", &["TechnologyStandard"], ONE_ONE, true, "SUPERSEDED_BY", NOBODY, None),
    (&["ArchitecturePolicy"], "ENFORCES", &["ArchitecturePrinciple"], MANY, false, "ENFORCED_BY", NOBODY, None),
    (&["ArchitecturePolicy"], "APPLIES_TO", ANY, MANY, false, "SUBJECT_TO_POLICY", NOBODY, None),
    (&["Exception"], "EXEMPTS_FROM", &["ArchitecturePolicy"], ONE_TARGET, false, "HAS_EXCEPTION", NOBODY, None),
    (&["Exception"], "APPLIES_TO", ANY, ONE_TARGET, false, "EXEMPTED_BY", NOBODY, None),
    (&["Initiative"], "IMPACTS", ANY, MANY, false, "IMPACTED_BY", NOBODY, None),
    (&["Initiative"], "ACHIEVES", &["Objective"], MANY, false, "SERVED_BY_INITIATIVE", NOBODY, None),
    (&["Initiative"], "DEPENDS_ON", &["Initiative"], MANY, true, "PREREQUISITE_FOR", SOURCE, HARD),
    (&["Risk"], "THREATENS", ANY, MANY, false, "HAS_RISK", NOBODY, None),
    (&["Risk"], "MITIGATED_BY", &["Initiative"], MANY, false, "MITIGATES", NOBODY, None),
    (&["ComplianceRequirement"], "APPLIES_TO", &["Application", "DataObject", "ITComponent", "BusinessProcess"], MANY, false, "MUST_COMPLY_WITH", NOBODY, None),
];

/// The built-in rows, one per source type.
#[must_use]
pub fn relationship_types() -> Vec<RelationshipType> {
    let each = ROWS
        .iter()
        .flat_map(|row| row.0.iter().map(move |source| (*source, row)));
    each.zip(1..)
        .map(
            |((source, &(_, kind, targets, cardinality, acyclic, inverse, dependent, strength)), place)| {
                RelationshipType {
                    id: builtin_id("relationship_type", &format!("{source}/{kind}")),
                    source_type: source.to_owned(),
                    kind: kind.to_owned(),
                    target_types: targets
                        .iter()
                        .map(|&t| if t == SAME[0] { source } else { t }.to_owned())
                        .collect(),
                    cardinality,
                    acyclic,
                    inverse_label: inverse.to_owned(),
                    dependent,
                    strength,
                    attributes: edge_attributes(source, kind),
                    builtin: true,
                    deprecated: false,
                    position: place * 10,
                    version: 1,
                }
            },
        )
        .collect()
}

fn edge_attributes(source: &str, kind: &str) -> BTreeMap<String, EdgeAttribute> {
    let (name, options, several, default): (_, &[&str], _, _) = match (source, kind) {
        ("Application", "USES_DATA") => ("access", &["create", "read", "update", "delete"], true, None),
        ("Interface", "TRANSFERS") => (
            "direction",
            &["provider_to_consumer", "consumer_to_provider", "both"],
            false,
            Some("provider_to_consumer"),
        ),
        _ => return BTreeMap::new(),
    };
    let options = options.iter().map(|&o| o.to_owned()).collect();
    BTreeMap::from([(
        name.to_owned(),
        EdgeAttribute {
            options,
            several,
            default: default.map(str::to_owned),
        },
    )])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        metamodel::{Metamodel, reference},
        relationship::ontology::Ontology,
    };

    fn ontology() -> Ontology {
        Ontology::new(1, relationship_types(), &reference::metamodel())
    }

    #[test]
    fn rows_are_whole() {
        let metamodel = reference::metamodel();
        let rows = relationship_types();
        let ids: std::collections::HashSet<_> = rows.iter().map(|r| r.id).collect();
        assert_eq!((rows.len(), ids.len()), (48, 48));
        for row in &rows {
            assert!(metamodel.card_type(&row.source_type).is_some(), "{}", row.source_type);
            assert!(
                row.target_types.iter().all(|t| metamodel.card_type(t).is_some()),
                "{:?}",
                row.target_types
            );
            assert_eq!(
                row.dependent == Dependent::None,
                row.strength.is_none(),
                "{} {}",
                row.source_type,
                row.kind
            );
        }
    }

    #[test]
    fn lookups_follow_the_table() {
        let ontology = ontology();
        for (source, kind, target, allowed) in [
            ("Application", "RELIES_ON", "ITComponent", true),
            ("Application", "RELIES_ON", "Interface", false),
            ("Platform", "PARENT_OF", "Platform", true),
            ("Platform", "PARENT_OF", "BusinessProcess", false),
            ("Risk", "THREATENS", "Location", true),
            ("Risk", "THREATENS", "Initiative", true),
            ("Risk", "THREATENS", "TechnologyStandard", true),
            ("Risk", "THREATENS", "Risk", false),
            ("Risk", "THREATENS", "DataCenter", false),
            ("ArchitecturePolicy", "APPLIES_TO", "ArchitecturePrinciple", false),
            ("Application", "SUPPORTED_BY", "BusinessCapability", false),
        ] {
            assert_eq!(
                ontology.lookup(source, kind, target).is_some(),
                allowed,
                "{source} {kind} {target}"
            );
        }
        let between: Vec<_> = ontology
            .allowed_between("Application", "Interface")
            .iter()
            .map(|r| r.kind.as_str())
            .collect();
        assert_eq!(between, ["PROVIDES", "CONSUMES"]);
        assert_eq!(ontology.similar_kinds("RELYS_ON"), ["RELIES_ON"]);
    }

    #[test]
    fn any_covers_what_an_admin_added() {
        let mut types = reference::card_types();
        let mut added = types[0].clone();
        (added.name, added.builtin, added.layer) = ("DataCenter".into(), false, crate::metamodel::Layer::D);
        types.push(added);
        let metamodel = Metamodel::new(2, types, Vec::new());
        let ontology = Ontology::new(2, relationship_types(), &metamodel);
        assert!(ontology.lookup("Risk", "THREATENS", "DataCenter").is_some());
    }

    #[test]
    fn edge_attributes_are_typed() {
        let ontology = ontology();
        for (source, kind, target, attributes, fields) in [
            (
                "Application",
                "USES_DATA",
                "DataObject",
                json!({"access": "read", "note": 1}),
                vec![],
            ),
            (
                "Application",
                "USES_DATA",
                "DataObject",
                json!({"access": ["create", "read"]}),
                vec![],
            ),
            (
                "Application",
                "USES_DATA",
                "DataObject",
                json!({"access": ["creat", 1]}),
                vec!["attributes.access.0", "attributes.access.1"],
            ),
            (
                "Application",
                "USES_DATA",
                "DataObject",
                json!({"access": [], "dependency": "none"}),
                vec!["attributes.access"],
            ),
            (
                "Interface",
                "TRANSFERS",
                "DataObject",
                json!({"direction": ["both"]}),
                vec!["attributes.direction"],
            ),
            (
                "Interface",
                "TRANSFERS",
                "DataObject",
                json!({"dependency": "hard"}),
                vec!["attributes.dependency"],
            ),
            (
                "Application",
                "HOSTED_ON",
                "Platform",
                json!({"redundancy_group": "", "dependency": "firm"}),
                vec!["attributes.dependency", "attributes.redundancy_group"],
            ),
            (
                "Application",
                "HOSTED_ON",
                "Platform",
                json!({"redundancy_group": "a", "dependency": "soft"}),
                vec![],
            ),
        ] {
            let row = ontology.lookup(source, kind, target).unwrap();
            let map = attributes.as_object().cloned().unwrap();
            let mut found: Vec<_> = row.validate_attributes(&map).into_iter().map(|v| v.field).collect();
            found.sort();
            assert_eq!(found, fields, "{attributes}");
        }
    }
}
