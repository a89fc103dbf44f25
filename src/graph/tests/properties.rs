//! Every question against the oracle, on generated worlds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::{
    ROWS,
    generated::{Plain, TYPES, world},
    oracle::{Oracle, Path},
    rows, today,
};
use crate::graph::{
    Direction, Graph, GraphBuilder, NodeIx, TypeSet, View,
    question::{
        Palette, PathStep, cycles, dependencies,
        fan::{self, Fan},
        hierarchy, impact, orphans, paths, spof, traverse,
    },
};

pub(super) fn graph(world: &Plain) -> Graph {
    let mut builder = GraphBuilder::new();
    rows().for_each(|row| builder.rule(row));
    world.card_inputs().iter().for_each(|card| builder.card(card));
    world.edge_inputs().into_iter().for_each(|edge| builder.edge(edge));
    builder.build()
}

pub(super) fn places(graph: &Graph, world: &Plain, cards: &[usize]) -> Vec<NodeIx> {
    cards
        .iter()
        .map(|card| graph.find(world.cards[*card].id).unwrap())
        .collect()
}

fn ids(path: &[PathStep]) -> Vec<Uuid> {
    path.iter().map(|step| step.id).collect()
}

/// Roots that are not deleted: the routes refuse others.
fn alive(world: &Plain, roots: &[usize]) -> Vec<usize> {
    let mut roots: Vec<usize> = roots.iter().map(|root| root % world.cards.len()).collect();
    roots.sort_unstable();
    roots.dedup();
    roots.retain(|root| world.cards[*root].state != 4);
    roots
}

/// Cards with their paths, in the order of an answer.
fn in_order(oracle: &Oracle<'_>, found: &BTreeMap<usize, Path>, roots: &[usize]) -> Vec<(Uuid, u32, Vec<Uuid>)> {
    let mut cards: Vec<usize> = found.keys().copied().filter(|card| !roots.contains(card)).collect();
    cards.sort_by_key(|card| (found[card].len(), oracle.card_type(*card), oracle.id(*card)));
    cards
        .into_iter()
        .map(|card| {
            (
                oracle.id(card),
                found[&card].len() as u32 - 1,
                oracle.ids(&found[&card]),
            )
        })
        .collect()
}

fn check_impact(world: &Plain, roots: &[usize], max_depth: Option<u32>, soft_depth: u32) {
    let (graph, view) = (graph(world), View::on(today()));
    let params = impact::Params {
        max_depth,
        soft_depth,
        ..impact::Params::of(places(&graph, world, roots))
    };
    let answer = impact::impact(&graph, &view, &params);
    let oracle = Oracle::new(world, roots);
    let most = max_depth.map_or(100, |max| max as usize);
    let down = oracle.down(roots, most);
    let degraded = oracle.degraded(&down, soft_depth as usize, most);
    let got = |card: &impact::DownCard| (card.id, card.depth, ids(&card.path));
    assert_eq!(
        answer.down.iter().map(got).collect::<Vec<_>>(),
        in_order(&oracle, &down, roots),
        "down"
    );
    let got: Vec<_> = answer.degraded.iter().map(|card| got(&card.card)).collect();
    assert_eq!(got, in_order(&oracle, &degraded, roots), "degraded");

    let mut alternatives = BTreeSet::new();
    for card in oracle.cards().filter(|card| !down.contains_key(card)) {
        for members in oracle.groups(card).into_values() {
            let (failed, surviving): (Vec<_>, Vec<_>) =
                members.into_iter().partition(|member| down.contains_key(member));
            // What fails at the last depth is not followed.
            let noticed = failed.iter().any(|member| down[member].len() <= most);
            if noticed && !surviving.is_empty() {
                let sorted = |cards: Vec<usize>| oracle.ids(&cards).into_iter().collect::<BTreeSet<_>>();
                alternatives.insert((oracle.id(card), sorted(failed), sorted(surviving)));
            }
        }
    }
    let refs = |cards: &[crate::graph::question::CardRef]| cards.iter().map(|card| card.id).collect::<BTreeSet<_>>();
    let got = answer
        .alternatives
        .iter()
        .map(|group| (group.dependent.id, refs(&group.failed), refs(&group.surviving)));
    assert_eq!(got.collect::<BTreeSet<_>>(), alternatives, "alternatives");
    assert_eq!(
        (answer.summary.down, answer.summary.degraded),
        (answer.down.len(), answer.degraded.len())
    );
}

fn check_traverse(
    world: &Plain,
    roots: &[usize],
    depth: usize,
    direction: Direction,
    row: Option<usize>,
    modulus: usize,
) {
    let (graph, view) = (graph(world), View::on(today()));
    let number: BTreeMap<Uuid, usize> = world.cards.iter().enumerate().map(|(n, card)| (card.id, n)).collect();
    let filter = |graph: &Graph, ix: NodeIx| number[&graph.id(ix)] % 5 != modulus;
    let shown = |graph: &Graph, ix: NodeIx| number[&graph.id(ix)] % 7 != modulus;
    let relations = row.map_or(TypeSet::All, |row| TypeSet::of(&graph, [ROWS[row].0]));
    let params = traverse::Params {
        roots: traverse::Roots::Cards(places(&graph, world, roots)),
        depth: depth as u32,
        direction,
        relations,
        filter: Some(&filter),
        return_filter: Some(&shown),
        limit_nodes: 7,
        ..traverse::Params::around(NodeIx(0))
    };
    let answer = traverse::traverse(&graph, &view, &params, &Palette::default());

    let oracle = Oracle::new(world, roots);
    let (out, inc) = (direction != Direction::In, direction != Direction::Out);
    let mut depths: BTreeMap<usize, usize> = roots.iter().map(|root| (*root, 0)).collect();
    for step in 1..=depth {
        let last: Vec<usize> = depths
            .iter()
            .filter(|(_, depth)| **depth == step - 1)
            .map(|(card, _)| *card)
            .collect();
        let next = last.into_iter().flat_map(|card| oracle.next(card, out, inc, row));
        for card in next.filter(|card| card % 5 != modulus).collect::<Vec<_>>() {
            depths.entry(card).or_insert(step);
        }
    }
    let mut found: Vec<usize> = depths.keys().copied().filter(|card| card % 7 != modulus).collect();
    found.sort_by_key(|card| (depths[card], oracle.card_type(*card), oracle.id(*card)));
    // The walk ends with the depth at which the limit is passed.
    let last = found.get(7).map(|card| depths[card]);
    let omitted = found.iter().skip(7).filter(|card| Some(depths[*card]) == last).count();
    assert_eq!(answer.cut_at_depth, last.map(|depth| depth as u32));
    found.truncate(7);
    assert_eq!(
        answer.nodes.iter().map(|node| node.id).collect::<Vec<_>>(),
        oracle.ids(&found)
    );
    assert_eq!(
        (answer.metadata.truncated, answer.metadata.omitted_nodes),
        (omitted > 0, omitted)
    );
    let between = oracle
        .edges()
        .filter(|edge| found.contains(&edge.source) && found.contains(&edge.target));
    let between = between.filter(|edge| row.is_none_or(|row| edge.row == row));
    let links: BTreeSet<Uuid> = answer.links.iter().map(|link| link.id).collect();
    assert_eq!(
        (links.len(), links),
        (answer.links.len(), between.map(|edge| edge.id).collect::<BTreeSet<_>>())
    );
}

fn check_paths(world: &Plain, from: usize, to: usize, hops: usize) {
    let (graph, view) = (graph(world), View::on(today()));
    let [start, end] = places(&graph, world, &[from, to])[..] else {
        return;
    };
    let params = paths::Params {
        max_hops: hops as u32,
        ..paths::Params::between(start, end)
    };
    let answer = paths::paths(&graph, &view, &params);
    let oracle = Oracle::new(world, &[from, to]);
    let expected: Vec<Vec<Uuid>> = oracle
        .paths(from, to, hops)
        .iter()
        .map(|path| oracle.ids(path))
        .collect();
    assert_eq!(
        answer.paths.iter().map(|path| ids(&path.steps)).collect::<Vec<_>>(),
        expected
    );
    let shortest = oracle
        .paths(from, to, world.cards.len())
        .first()
        .map(|path| oracle.ids(path));
    assert_eq!(answer.shortest.map(|path| ids(&path.steps)), shortest);
    assert!(!answer.metadata.truncated);
}

fn check_fan(world: &Plain) {
    let (graph, view) = (graph(world), View::on(today()));
    let oracle = Oracle::new(world, &[]);
    let row = |kind: &str| ROWS.iter().position(|row| row.0 == kind).unwrap();
    let (provides, consumes) = (row("PROVIDES"), row("CONSUMES"));
    let fan_in = |card: usize| {
        let own = if oracle.card_type(card) == "Application" {
            oracle.next(card, true, false, Some(provides))
        } else {
            BTreeSet::new()
        };
        let direct = oracle.deps.iter().filter(|dep| dep.on == card).map(|dep| dep.dependent);
        let users = oracle
            .deps
            .iter()
            .filter(|dep| own.contains(&dep.on) && dep.row == consumes)
            .map(|dep| dep.dependent);
        let all: BTreeSet<usize> = direct
            .chain(users)
            .filter(|other| *other != card && !own.contains(other))
            .collect();
        all
    };
    let fan_out = |card: usize| {
        let own = if oracle.card_type(card) == "Application" {
            oracle.next(card, true, false, Some(provides))
        } else {
            BTreeSet::new()
        };
        let direct = oracle.deps.iter().filter(|dep| dep.dependent == card).map(|dep| dep.on);
        direct.filter(|other| !own.contains(other)).collect::<BTreeSet<_>>()
    };
    for direction in [Fan::In, Fan::Out] {
        let count = |card: usize| {
            if direction == Fan::In {
                fan_in(card)
            } else {
                fan_out(card)
            }
        };
        let mut expected: Vec<usize> = oracle.cards().collect();
        expected.sort_by_key(|card| {
            (
                std::cmp::Reverse(count(*card).len()),
                oracle.card_type(*card),
                oracle.id(*card),
            )
        });
        let answer = fan::fan_ranking(&graph, &view, None, direction, fan::Thresholds::default(), 100);
        let got: Vec<(Uuid, usize)> = answer.items.iter().map(|item| (item.id, item.count)).collect();
        assert_eq!(
            got,
            expected
                .iter()
                .map(|card| (oracle.id(*card), count(*card).len()))
                .collect::<Vec<_>>()
        );
        for card in oracle.cards() {
            let ix = places(&graph, world, &[card])[0];
            let answer = fan::fan_of_card(&graph, &view, ix, direction, fan::Thresholds::default(), 100);
            let got: Vec<Uuid> = answer.cards.iter().map(|card| card.id).collect();
            assert_eq!(got, oracle.ids(&oracle.by_type(count(card))));
        }
    }
}

fn check_spof(world: &Plain) {
    let (graph, view) = (graph(world), View::on(today()));
    let oracle = Oracle::new(world, &[]);
    let supports = ROWS.iter().position(|row| row.0 == "SUPPORTS").unwrap();
    let of_type = |name: &str| {
        oracle
            .cards()
            .filter(|card| oracle.card_type(*card) == name)
            .collect::<Vec<_>>()
    };
    let mut expected: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
    let applications = of_type("Application");
    for card in oracle.cards() {
        let down = oracle.down(&[card], 100);
        for capability in of_type("BusinessCapability") {
            let by = oracle.next(capability, false, true, Some(supports));
            let mut by = by.into_iter().filter(|by| applications.contains(by)).peekable();
            if by.peek().is_some() && by.all(|by| down.contains_key(&by)) {
                expected
                    .entry(oracle.id(card))
                    .or_default()
                    .insert(oracle.id(capability));
            }
        }
    }
    let named = |answer: &spof::SinglePoints| {
        let points = answer.single_points.iter();
        points
            .map(|point| (point.id, point.capabilities.iter().map(|card| card.id).collect()))
            .collect::<BTreeMap<_, BTreeSet<_>>>()
    };
    let answer = spof::single_points(
        &graph,
        &view,
        &spof::Params {
            capability: None,
            limit: 100,
        },
    );
    assert_eq!(named(&answer), expected);
    assert!(
        answer
            .single_points
            .is_sorted_by_key(|point| std::cmp::Reverse(point.capability_count))
    );
    for capability in of_type("BusinessCapability") {
        let params = spof::Params {
            capability: Some(places(&graph, world, &[capability])[0]),
            limit: 100,
        };
        let answer = spof::single_points(&graph, &view, &params);
        let id = oracle.id(capability);
        let of_it = expected
            .iter()
            .filter(|(_, of)| of.contains(&id))
            .map(|(point, _)| (*point, BTreeSet::from([id])));
        assert_eq!(named(&answer), of_it.collect());
    }
}

fn check_cycles(world: &Plain) {
    let (graph, view) = (graph(world), View::on(today()));
    let oracle = Oracle::new(world, &[]);
    let reach = oracle.reach();
    let mut expected: Vec<(BTreeSet<Uuid>, Vec<Uuid>)> = Vec::new();
    for card in oracle.cards().filter(|card| reach[*card].contains(card)) {
        let circle: BTreeSet<usize> = reach[card]
            .iter()
            .copied()
            .filter(|other| reach[*other].contains(&card))
            .collect();
        let mut cycle = oracle.shortest_cycle(&circle);
        cycle.push(cycle[0]);
        let circle: BTreeSet<Uuid> = circle.into_iter().map(|card| oracle.id(card)).collect();
        if expected.iter().all(|(known, _)| *known != circle) {
            expected.push((circle, oracle.ids(&cycle)));
        }
    }
    expected.sort_by_key(|(circle, _)| (std::cmp::Reverse(circle.len()), circle.first().copied()));
    let answer = cycles::cycles(
        &graph,
        &view,
        &cycles::Params {
            hard_only: false,
            limit: 100,
        },
    );
    let got = answer
        .cycles
        .iter()
        .map(|circle| (circle.cards.iter().map(|card| card.id).collect(), ids(&circle.cycle)));
    assert_eq!(got.collect::<Vec<_>>(), expected);
}

fn check_orphans(world: &Plain) {
    let (graph, view) = (graph(world), View::on(today()));
    let oracle = Oracle::new(world, &[]);
    let answer = orphans::orphans(&graph, &view, orphans::KINDS, 100);
    for (kind, got) in orphans::KINDS.iter().zip(answer.kinds) {
        let lacks = |card: &usize| {
            let any = kind.any_of.iter().any(|(name, direction)| {
                let row = ROWS.iter().position(|row| row.0 == *name);
                let out = *direction == Direction::Out;
                row.is_some_and(|row| !oracle.next(*card, out, !out, Some(row)).is_empty())
            });
            let unconnected = kind.any_of.is_empty() && !oracle.next(*card, true, true, None).is_empty();
            kind.card_type.is_none_or(|of| of == oracle.card_type(*card)) && !any && !unconnected
        };
        let expected = oracle.ids(&oracle.by_type(oracle.cards().filter(lacks)));
        assert_eq!(
            got.cards.iter().map(|card| card.id).collect::<Vec<_>>(),
            expected,
            "{}",
            kind.name
        );
    }
}

fn check_dependencies(world: &Plain, root: usize) {
    let (graph, view) = (graph(world), View::on(today()));
    let oracle = Oracle::new(world, &[root]);
    let mut params = dependencies::Params::of(places(&graph, world, &[root])[0]);
    let answer = dependencies::dependencies(&graph, &view, &params);
    let mut expected = oracle.reach()[root].clone();
    expected.remove(&root);
    let got: BTreeSet<Uuid> = answer.dependencies.iter().map(|card| card.id).collect();
    assert_eq!(got, expected.iter().map(|card| oracle.id(*card)).collect());
    params.soft = false;
    let hard = dependencies::dependencies(&graph, &view, &params);
    let strong = answer
        .dependencies
        .iter()
        .filter(|card| card.strength == dependencies::Strength::Hard);
    let hard: BTreeSet<Uuid> = hard.dependencies.iter().map(|card| card.id).collect();
    assert_eq!(strong.map(|card| card.id).collect::<BTreeSet<_>>(), hard);
}

fn check_hierarchy(world: &Plain) {
    let (graph, view) = (graph(world), View::on(today()));
    for of in TYPES {
        let top = hierarchy::Top::OfType(graph.find_type(of));
        let answer = hierarchy::hierarchy(&graph, &view, &hierarchy::Params::below(top));
        let mut open: Vec<&hierarchy::TreeNode> = answer.roots.iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(node) = open.pop() {
            assert!(seen.insert(node.id), "each card once");
            assert_eq!(node.child_count, node.children.len());
            open.extend(&node.children);
        }
        assert_eq!(seen.len(), answer.metadata.total_nodes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 20_000 }))]

    #[test]
    fn impact_is_the_least_fixpoint(
        world in world(14, 70), roots in prop::collection::vec(0..14usize, 1..4),
        max_depth in prop::option::of(0..5u32), soft_depth in 0..4u32,
    ) {
        let roots = alive(&world, &roots);
        check_impact(&world, &roots, max_depth, soft_depth);
    }

    #[test]
    fn traverse_finds_what_lies_around(
        world in world(14, 40), roots in prop::collection::vec(0..14usize, 1..4), depth in 0..5usize,
        direction in prop::sample::select(vec![Direction::Out, Direction::In, Direction::Both]),
        row in prop::option::weighted(0.3, 0..ROWS.len()), modulus in 0..9usize,
    ) {
        let roots = alive(&world, &roots);
        check_traverse(&world, &roots, depth, direction, row, modulus);
    }

    #[test]
    fn paths_are_all_simple_paths(world in world(8, 16), from in 0..8usize, to in 0..8usize, hops in 0..6usize) {
        if let [from, to] = [from, to].map(|end| end % world.cards.len())
            && world.cards[from].state != 4 && world.cards[to].state != 4
        {
            check_paths(&world, from, to, hops);
        }
    }

    #[test]
    fn fans_count_distinct_cards(world in world(12, 40)) {
        check_fan(&world);
    }

    #[test]
    fn single_points_take_down_every_supporter(world in world(14, 90)) {
        check_spof(&world);
    }

    #[test]
    fn cycles_are_components_with_a_shortest_cycle(world in world(9, 30)) {
        check_cycles(&world);
    }

    #[test]
    fn orphans_lack_every_edge_of_the_kind(world in world(14, 20)) {
        check_orphans(&world);
    }

    #[test]
    fn dependencies_are_everything_reachable(world in world(12, 30), root in 0..12usize) {
        if let [root] = alive(&world, &[root])[..] {
            check_dependencies(&world, root);
        }
    }

    #[test]
    fn hierarchies_hold_each_card_once(world in world(14, 40)) {
        check_hierarchy(&world);
    }
}
