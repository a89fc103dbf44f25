//! The landscape against the rules that the database and the writer would hold it to, written down a second time.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::{
    Landscape, Parameters,
    dates::BASE,
    edge::Edge,
    hubs::{degree, hubs},
    id::{card_id, edge_id},
    plan::Kind,
};
use crate::{
    card::{CardDraft, Phase},
    metamodel::{card_references, reference},
    relationship::{
        CostGiver, Validity, cost_giver,
        ontology::{Cardinality, Dependent, Ontology, RelationshipType, reference::relationship_types},
    },
};

fn landscape(cards: u32, relationships: u32, seed: u64) -> Landscape {
    Landscape::new(Parameters {
        cards,
        relationships,
        seed,
    })
    .unwrap()
}

fn middling() -> Landscape {
    landscape(2_000, 10_000, 1)
}

fn ontology() -> Ontology {
    Ontology::new(1, relationship_types(), &reference::metamodel())
}

/// The edges of each row of the ontology.
fn by_row<'l>(landscape: &'l Landscape, ontology: &Ontology) -> Vec<(RelationshipType, Vec<&'l Edge>)> {
    let mut rows: HashMap<_, (RelationshipType, Vec<&Edge>)> = HashMap::new();
    for edge in &landscape.edges {
        let (source, target) = (
            landscape.plan.kind(edge.source).name(),
            landscape.plan.kind(edge.target).name(),
        );
        let row = ontology.lookup(source, edge.kind, target);
        let row = row.unwrap_or_else(|| panic!("{source} {} {target} is not allowed", edge.kind));
        rows.entry(row.id)
            .or_insert_with(|| (row.clone(), Vec::new()))
            .1
            .push(edge);
    }
    rows.into_values().collect()
}

fn assert_disjoint(what: &str, mut intervals: Vec<Validity>) {
    intervals.sort_by_key(|validity| validity.from.unwrap_or(NaiveDate::MIN));
    for pair in intervals.windows(2) {
        assert!(
            pair[0].to.is_some_and(|to| pair[1].from.is_some_and(|from| to < from)),
            "{what}: {intervals:?}"
        );
    }
}

fn digest(landscape: &Landscape) -> String {
    let mut hash = Sha256::new();
    for card in &landscape.plan.order {
        let body = serde_json::Value::Object(landscape.card(*card).to_body());
        hash.update(format!("{} {body}\n", card_id(&landscape.plan, *card)));
    }
    for (n, edge) in landscape.edges.iter().enumerate() {
        let (id, body) = (
            edge_id(landscape.plan.seed, n as u32),
            serde_json::Value::Object(edge.draft().to_body()),
        );
        let [source, target] = [edge.source, edge.target].map(|card| card_id(&landscape.plan, card));
        hash.update(format!("{id} {source} {} {target} {body}\n", edge.kind));
    }
    hex::encode(hash.finalize())
}

#[test]
fn a_seed_always_gives_the_same_landscape() {
    let digests = [1, 1, 2].map(|seed| digest(&landscape(500, 2_500, seed)));
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    // Measurements of different versions compare only while this holds.
    assert_eq!(
        digests[0],
        "b3f4ac59124c280b9e53e6496b8b0ce8eec04c157c10acf3df93b9d16e5e4761"
    );
}

#[test]
fn cards_pass_the_checks_of_the_api() {
    let (landscape, metamodel) = (middling(), reference::metamodel());
    let ids: HashSet<_> = landscape
        .plan
        .order
        .iter()
        .map(|card| card_id(&landscape.plan, *card))
        .collect();
    assert_eq!(ids.len(), 2_000);
    let (mut names, mut external) = (HashSet::new(), HashSet::new());
    let mut quality = HashSet::new();
    for card in 0..2_000 {
        let draft = landscape.card(card);
        let read = CardDraft::parse(&metamodel, draft.to_body()).unwrap_or_else(|error| panic!("{draft:?}: {error:?}"));
        assert_eq!(read, draft);
        for (field, id) in card_references(&metamodel, &draft.card_type, &draft.attributes) {
            assert!(ids.contains(&id), "{field} of {}", draft.name);
        }
        for id in draft.external_ids() {
            assert!(external.insert(id.clone()), "{id:?}");
        }
        quality.insert(draft.quality(&metamodel));
        let siblings = landscape
            .plan
            .place(card)
            .filter(|_| crate::metamodel::hierarchical(&draft.card_type))
            .map(|p| p.parent);
        assert!(
            names.insert((draft.card_type, draft.name_key, siblings)),
            "{}",
            draft.name
        );
    }
    assert!(quality.len() > 5 && external.len() > 100);
}

#[test]
fn edges_pass_the_checks_of_the_ontology() {
    for (cards, relationships) in [
        (100, 500),
        (1_000, 5_000),
        (2_000, 10_000),
        (3_000, 2_000),
        (500, 5_000),
    ] {
        let landscape = landscape(cards, relationships, 1);
        assert_eq!(landscape.edges.len(), relationships as usize);
        for (row, edges) in by_row(&landscape, &ontology()) {
            let what = format!("{} {} of {cards}/{relationships}", row.source_type, row.kind);
            let (mut same, mut sources, mut targets) = (HashMap::new(), HashMap::new(), HashMap::new());
            for edge in &edges {
                assert_ne!(edge.source, edge.target);
                let draft = edge.draft();
                assert!(
                    edge.validity
                        .from
                        .zip(edge.validity.to)
                        .is_none_or(|(from, to)| from <= to)
                );
                assert_eq!(row.validate_attributes(&draft.attributes), [], "{what}");
                same.entry((edge.source, edge.target))
                    .or_insert_with(Vec::new)
                    .push(edge.validity);
                sources.entry(edge.source).or_insert_with(Vec::new).push(edge.validity);
                targets.entry(edge.target).or_insert_with(Vec::new).push(edge.validity);
            }
            for intervals in same.into_values() {
                assert_disjoint(&what, intervals);
            }
            if matches!(row.cardinality, Cardinality::ManyToOne | Cardinality::OneToOne) {
                for intervals in sources.into_values() {
                    assert_disjoint(&what, intervals);
                }
            }
            if matches!(row.cardinality, Cardinality::OneToMany | Cardinality::OneToOne) {
                for intervals in targets.into_values() {
                    assert_disjoint(&what, intervals);
                }
            }
            if row.acyclic {
                assert_eq!(on_cycles(&edges), 0, "{what}");
            }
        }
    }
}

/// How many cards are left when those that nothing leads to are taken away again and again.
fn on_cycles(edges: &[&Edge]) -> usize {
    let mut into: HashMap<u32, usize> = HashMap::new();
    let mut out: HashMap<u32, Vec<u32>> = HashMap::new();
    for edge in edges {
        into.entry(edge.source).or_default();
        *into.entry(edge.target).or_default() += 1;
        out.entry(edge.source).or_default().push(edge.target);
    }
    let mut free: Vec<u32> = into
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(card, _)| *card)
        .collect();
    while let Some(card) = free.pop() {
        into.remove(&card);
        for target in out.remove(&card).unwrap_or_default() {
            let count = into.get_mut(&target).unwrap();
            *count -= 1;
            if *count == 0 {
                free.push(target);
            }
        }
    }
    into.len()
}

#[test]
fn nobody_gives_away_more_than_there_is() {
    let landscape = middling();
    let mut totals: HashMap<u32, rust_decimal::Decimal> = HashMap::new();
    for edge in &landscape.edges {
        let Some(share) = edge.draft().allocation_pct else {
            continue;
        };
        let name = |card| landscape.plan.kind(card).name();
        let giver = match cost_giver(edge.kind, name(edge.source), name(edge.target)).unwrap() {
            CostGiver::Source => edge.source,
            CostGiver::Target => edge.target,
        };
        *totals.entry(giver).or_default() += share;
    }
    assert!(totals.len() > 50);
    assert!(totals.values().all(|total| *total <= rust_decimal::Decimal::ONE));
}

#[test]
fn it_has_what_is_hard_about_real_landscapes() {
    let landscape = middling();
    let (plan, ontology) = (&landscape.plan, ontology());
    for hub in hubs(plan) {
        let into = landscape
            .edges
            .iter()
            .filter(|e| e.target == hub.card && plan.kind(e.source) == hub.dependents)
            .count();
        assert!(into >= degree(plan, &hub, 10_000) && into >= 50, "{hub:?} {into}");
        assert_eq!(landscape.card(hub.card).lifecycle.phase(BASE), Phase::Active);
    }
    let rows = by_row(&landscape, &ontology);
    let of = |source: &str, kind: &str| {
        rows.iter()
            .find(|(row, _)| row.source_type == source && row.kind == kind)
            .map(|(_, edges)| edges.as_slice())
            .unwrap()
    };
    // Applications in circles, of which the rings alone are seven.
    let among_applications: Vec<&Edge> = of("Application", "RELIES_ON")
        .iter()
        .copied()
        .filter(|e| plan.kind(e.target) == Kind::Application)
        .collect();
    assert!(on_cycles(&among_applications) >= 5);
    assert!(longest_path(of("ITComponent", "RELIES_ON")) >= 40);
    assert!(longest_path(of("BusinessCapability", "PARENT_OF")) == 9);
    let groups = landscape
        .edges
        .iter()
        .filter(|e| e.traits().redundancy_group.is_some())
        .count();
    let overrides = landscape
        .edges
        .iter()
        .filter(|e| e.traits().dependency.is_some())
        .count();
    assert!(groups > 300 && overrides > 10, "{groups} {overrides}");
    // Every row of the ontology that has its place in a landscape has edges.
    assert!(rows.len() >= 44, "{}", rows.len());
    for (row, edges) in &rows {
        let traits = edges
            .iter()
            .any(|e| e.traits().dependency.is_some() || e.traits().redundancy_group.is_some());
        assert!(!traits || row.dependent != Dependent::None);
    }
}

fn longest_path(edges: &[&Edge]) -> usize {
    let mut out: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut sources: Vec<u32> = Vec::new();
    for edge in edges {
        out.entry(edge.source).or_default().push(edge.target);
        sources.push(edge.source);
    }
    // Edges run one way in the numbering of the cards, whichever it is.
    sources.sort_unstable();
    sources.dedup();
    let mut longest: HashMap<u32, usize> = HashMap::new();
    let down = edges.iter().all(|e| e.target < e.source);
    assert!(down || edges.iter().all(|e| e.target > e.source));
    if !down {
        sources.reverse();
    }
    for source in &sources {
        let below = out[source]
            .iter()
            .map(|t| longest.get(t).copied().unwrap_or(0))
            .max()
            .unwrap_or(0);
        longest.insert(*source, below + 1);
    }
    longest.into_values().max().unwrap_or(0)
}

#[test]
fn past_present_and_future_differ() {
    let landscape = middling();
    let on = |year: i32| {
        let date = NaiveDate::from_ymd_opt(year, 6, 1).unwrap();
        let day = Validity {
            from: Some(date),
            to: Some(date),
        };
        let cards: Vec<bool> = (0..2_000)
            .map(|card| landscape.card(card).lifecycle.is_present(date))
            .collect();
        let edges: Vec<bool> = landscape.edges.iter().map(|e| e.validity.overlaps(day)).collect();
        (cards, edges)
    };
    let [past, present, future] = [2020, 2026, 2030].map(on);
    let differ = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    for (a, b) in [(&past, &present), (&present, &future)] {
        assert!(differ(&a.0, &b.0) > 150, "{}", differ(&a.0, &b.0));
        assert!(differ(&a.1, &b.1) > 500, "{}", differ(&a.1, &b.1));
    }
    assert!(present.0.iter().filter(|there| **there).count() > 1_500);
}

#[test]
fn an_ordinary_failure_stays_small() {
    // Along hard edges that no alternative weakens, from any application to those that fall with it.
    let landscape = landscape(10_000, 50_000, 1);
    let plan = &landscape.plan;
    let mut dependents: HashMap<u32, Vec<u32>> = HashMap::new();
    for edge in &landscape.edges {
        let traits = edge.traits();
        if edge.kind == "RELIES_ON" && traits.dependency.is_none() && traits.redundancy_group.is_none() {
            dependents.entry(edge.target).or_default().push(edge.source);
        }
    }
    let hubs: HashSet<u32> = hubs(plan).iter().map(|hub| hub.card).collect();
    let mut sizes: Vec<usize> = plan
        .all(Kind::Application)
        .filter(|a| !hubs.contains(a))
        .map(|application| {
            let mut seen = HashSet::from([application]);
            let mut open = vec![application];
            while let Some(card) = open.pop() {
                for next in dependents.get(&card).into_iter().flatten() {
                    if seen.insert(*next) {
                        open.push(*next);
                    }
                }
            }
            seen.len()
        })
        .collect();
    sizes.sort_unstable();
    assert!(
        sizes[sizes.len() / 2] <= 10 && sizes[sizes.len() * 99 / 100] < 400,
        "{:?}",
        &sizes[sizes.len() - 20..]
    );
}

#[test]
fn impossible_sizes_are_refused() {
    for (cards, relationships) in [(99, 10), (250_001, 10), (1_000, 10_001)] {
        let error = Landscape::new(Parameters {
            cards,
            relationships,
            seed: 1,
        })
        .err()
        .unwrap();
        assert!(error.message.contains(&cards.to_string()), "{}", error.message);
    }
    assert_eq!(landscape(100, 0, 1).edges.len(), 0);
}
