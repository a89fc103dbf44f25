//! A graph grown change by change, in any order, is the graph loaded whole; and older snapshots do not notice.

use crate::card::Lifecycle;
use proptest::prelude::*;

use super::{
    generated::{Plain, world},
    properties::{graph, places},
    *,
};
use crate::graph::question::{Palette, impact, traverse};

/// What two graphs must agree on: every card around, every edge, and what fails, whatever their inner numbering.
fn picture(graph: &Graph, view: &View, roots: &[NodeIx]) -> String {
    let everything = traverse::Params {
        roots: traverse::Roots::All,
        depth: 0,
        ..traverse::Params::around(NodeIx(0))
    };
    let mut whole = traverse::traverse(graph, view, &everything, &Palette::default());
    // An edge of an overlay has no id, so edges are compared without.
    whole.links.iter_mut().for_each(|link| link.id = Uuid::nil());
    whole.links.sort_by_key(|link| {
        (
            link.source,
            link.target,
            link.kind.clone(),
            link.valid_from,
            link.valid_to,
        )
    });
    let failing = impact::impact(
        graph,
        view,
        &impact::Params {
            soft_depth: 2,
            ..impact::Params::of(roots.to_vec())
        },
    );
    let failing = failing
        .down
        .iter()
        .chain(failing.degraded.iter().map(|degraded| &degraded.card));
    let failing: Vec<_> = failing.map(|card| (card.id, card.depth)).collect();
    serde_json::to_string(&(whole.nodes, whole.links, failing)).unwrap()
}

fn same(a: (&Graph, &View), b: (&Graph, &View), world: &Plain) {
    for card in (0..world.cards.len()).filter(|card| world.cards[*card].state != 4) {
        let [left, right] = [a, b].map(|(graph, view)| picture(graph, view, &places(graph, world, &[card])));
        assert_eq!(left, right);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 10_000 }))]

    #[test]
    fn any_order_of_changes_gives_the_same_graph(
        world in world(10, 25), order in prop::collection::vec(any::<u32>(), 120), stale in any::<u64>(),
    ) {
        enum Change { Rule(RelationshipRule), Card(Box<CardInput>), Edge(Box<EdgeInput>) }
        let mut changes: Vec<Change> = rows().map(Change::Rule).collect();
        for (n, card) in world.card_inputs().into_iter().enumerate() {
            let (older, newer) = (CardInput { name: "old".into(), lifecycle: [None; 5], ..card.clone() }, CardInput { version: 2, ..card });
            changes.push(Change::Card(Box::new(newer)));
            if stale >> (n % 64) & 1 == 1 {
                changes.push(Change::Card(Box::new(older)));
            }
        }
        for (n, edge) in world.edge_inputs().into_iter().enumerate() {
            let older = EdgeInput {
                active: false, target_id: edge.source_id, source_id: edge.target_id, attributes: String::new(), ..edge.clone()
            };
            changes.push(Change::Edge(Box::new(EdgeInput { version: 2, ..edge })));
            if stale >> (n % 64) & 2 == 2 {
                changes.push(Change::Edge(Box::new(older)));
            }
        }
        let mut order: Vec<(u32, usize)> = order.into_iter().cycle().take(changes.len()).zip(0..).collect();
        order.sort_unstable();
        let mut grown = Graph::new();
        let mut snapshots = Vec::new();
        for (_, change) in order {
            let view = View::on(today());
            snapshots.push((grown.clone(), picture(&grown, &view, &[])));
            match &changes[change] {
                Change::Rule(rule) => grown.upsert_rule(*rule),
                Change::Card(card) => _ = grown.upsert_card(card),
                Change::Edge(edge) => _ = grown.upsert_edge((**edge).clone()),
            }
        }
        prop_assert_eq!(grown.pending_count(), 0);
        let loaded = {
            let mut builder = GraphBuilder::new();
            rows().for_each(|row| builder.rule(row));
            world.card_inputs().into_iter().for_each(|card| builder.card(&CardInput { version: 2, ..card }));
            world.edge_inputs().into_iter().for_each(|edge| builder.edge(EdgeInput { version: 2, ..edge }));
            builder.build()
        };
        let view = View::on(today());
        same((&grown, &view), (&loaded, &view), &world);
        for (snapshot, before) in snapshots {
            prop_assert_eq!(picture(&snapshot, &view, &[]), before);
        }
    }

    #[test]
    fn an_overlay_is_as_good_as_the_change_itself(
        world in world(10, 30), gone_cards in any::<u16>(), gone_edges in any::<u32>(), added in any::<u32>(), dates in any::<u16>(),
    ) {
        // The base has the edges but the added ones; the changed world has what the overlay leaves.
        let bit = |bits: u32, n: usize| n < 32 && bits >> n & 1 == 1;
        let (mut base, mut changed) = (world.clone(), world.clone());
        let is_added = |n: usize| bit(added, n) && world.edges[n].state != 6;
        base.edges = world.edges.iter().enumerate().filter(|(n, _)| !is_added(*n)).map(|(_, edge)| edge.clone()).collect();
        let is_gone = |n: usize| bit(gone_edges, n) && n.is_multiple_of(3) && !is_added(n);
        changed.edges = world.edges.iter().enumerate().filter(|(n, _)| !is_gone(*n)).map(|(_, edge)| edge.clone()).collect();
        let (before, full) = (graph(&base), graph(&world));
        let mut view = View::on(today());
        for n in 0..world.edges.len() {
            let record = full.edge(full.find_edge(world.edges[n].id).unwrap());
            if is_gone(n) {
                view.overlay.remove_edge(before.find_edge(world.edges[n].id).unwrap());
            } else if is_added(n) && let Some(kind) = before.find_type(ROWS[world.edges[n].row].0) {
                // A group's word must be one the base knows; the edge keeps its default group otherwise.
                let edge = AddedEdge {
                    source: record.source, target: record.target, kind, dependency: record.dependency,
                    dependent_is_source: record.dependent_is_source, group: None,
                    valid_from: record.valid_from(), valid_to: record.valid_to(),
                };
                view.overlay.add_edge(&before, edge);
                if let Some(held) = changed.edges.iter_mut().find(|edge| edge.id == world.edges[n].id) {
                    held.group = 0;
                }
            } else if is_added(n) {
                changed.edges.retain(|edge| edge.id != world.edges[n].id);
            }
        }
        for n in 0..world.cards.len() {
            let ix = places(&before, &world, &[n])[0];
            if bit(gone_cards.into(), n) && n.is_multiple_of(3) {
                view.overlay.remove_card(ix);
                changed.cards[n].state = 4;
            } else if bit(dates.into(), n) && world.cards[n].state != 4 {
                view.overlay.set_lifecycle(ix, Lifecycle::new([None, None, Some(day(1)), None, None]));
                changed.cards[n].state = 2;
            }
        }
        let after = graph(&changed);
        let plain = View::on(today());
        for n in (0..world.cards.len()).filter(|n| changed.cards[*n].state != 4) {
            let left = picture(&before, &view, &places(&before, &world, &[n]));
            // Phases agree because both say Plan for what begins tomorrow.
            prop_assert_eq!(left, picture(&after, &plain, &places(&after, &world, &[n])));
        }
    }
}

#[test]
fn a_card_is_held_whole() {
    let world = World::new(&[("Application", &["crm"])]).card("crm", |card| {
        card.description = Some("Customers".into());
        card.tags = vec!["core".into(), "sales".into()];
        card.attributes = r#"{"hosting_type":"SaaS"}"#.into();
        card.lifecycle[2] = Some(day(-100));
        (card.functional_fit, card.technical_fit, card.quality_score) = (Some(3), Some(1), Some(93));
        (card.business_criticality, card.criticality_source) = (Some(Tier::Two), Some(CriticalitySource::Manual));
        (card.created_by, card.updated_by) = (Some(Uuid::from_u128(5)), Some(Uuid::from_u128(6)));
    });
    let mut graph = world.graph();
    graph.set_scores(id("crm"), Some(50), None);
    let card = graph.card(at(&graph, "crm"));
    assert_eq!(
        (card.name(), card.name_key(), card.description()),
        ("crm", "crm", Some("Customers"))
    );
    assert_eq!(
        (card.attributes_json(), card.attributes().len()),
        (r#"{"hosting_type":"SaaS"}"#, 1)
    );
    assert_eq!(
        card.tags.iter().map(|tag| &**graph.word(*tag)).collect::<Vec<_>>(),
        ["core", "sales"]
    );
    assert_eq!(card.lifecycle.dates(), world.cards[0].lifecycle);
    assert_eq!(
        (card.functional_fit, card.technical_fit, card.quality_score),
        (Some(3), Some(1), Some(50))
    );
    assert_eq!(
        (card.business_criticality, card.criticality_source),
        (Some(Tier::Two), Some(CriticalitySource::Manual))
    );
    assert_eq!(
        (card.created_by, card.updated_by),
        (Some(Uuid::from_u128(5)), Some(Uuid::from_u128(6)))
    );
    assert!(!graph.upsert_card(&CardInput {
        version: 0,
        ..world.cards[0].clone()
    }));
}

#[test]
fn an_edge_waits_for_its_cards_and_a_rule_changes_its_meaning() {
    let mut graph = Graph::new();
    let world =
        World::new(&[("Application", &["crm"]), ("ITComponent", &["db1"])]).edge_with("crm RELIES_ON db1", |edge| {
            edge.description = Some("stores".into());
            edge.allocation_pct = Some("0.25".parse().unwrap());
            edge.attributes = r#"{"note":1}"#.into();
        });
    assert!(graph.upsert_edge(world.edges[0].clone()));
    assert_eq!((graph.pending_count(), graph.edge_count()), (1, 0));
    world.cards.iter().for_each(|card| _ = graph.upsert_card(card));
    assert_eq!((graph.pending_count(), graph.edge_count()), (0, 1));
    let edge = graph.find_edge(world.edges[0].id).unwrap();
    assert_eq!(
        graph.edge(edge).dependency,
        Dependency::None,
        "its row is not known yet"
    );
    let before = graph.clone();
    rows().for_each(|row| graph.upsert_rule(row));
    assert_eq!(
        (graph.edge(edge).dependency, before.edge(edge).dependency),
        (Dependency::Hard, Dependency::None)
    );
    let detail = graph.edge_detail(edge);
    assert_eq!(
        (detail.description(), detail.attributes_json()),
        (Some("stores"), r#"{"note":1}"#)
    );
    assert_eq!(
        detail.allocation_pct().map(|share| share.to_string()).as_deref(),
        Some("0.25")
    );
    assert_eq!(
        graph
            .edges_from(at(&graph, "crm"))
            .chain(graph.edges_to(at(&graph, "db1")))
            .count(),
        2
    );
}
