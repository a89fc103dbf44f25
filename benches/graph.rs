//! How fast the in-memory graph answers: builds a landscape of 100,000 cards and 500,000 edges (hubs of 5,000 edges,
//! cycles, redundancy groups, validity) and prints, per question, the size of its answers and the time they took.
//!
//! `cargo bench --bench graph`

#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::time::Instant;

use archzero::graph::{
    CardInput, Dependent, Direction, EdgeInput, Graph, GraphBuilder, NodeIx, RelationshipRule, Tier, TypeSet, View,
    question::{
        Palette, cycles, dependencies, diff,
        fan::{self, Fan},
        hierarchy, impact, orphans, paths, spof, traverse,
    },
};
use chrono::NaiveDate;
use uuid::Uuid;

/// A type and how many cards of it there are.
const CARDS: [(&str, usize); 10] = [
    ("Application", 25_000),
    ("ITComponent", 30_000),
    ("Interface", 20_000),
    ("DataObject", 10_000),
    ("BusinessProcess", 5_000),
    ("BusinessCapability", 3_000),
    ("Organization", 3_000),
    ("Platform", 2_000),
    ("Location", 1_000),
    ("Provider", 1_000),
];

/// Source, type, target, how many edges, who depends on whom, hard, and how far the target lies from the source's place
/// (in thousandths of all cards of its type): landscapes are made of neighbourhoods.
#[rustfmt::skip]
const EDGES: [(&str, &str, &str, usize, Dependent, bool, usize); 19] = [
    ("Application", "SUPPORTS", "BusinessCapability", 50_000, Dependent::Target, true, 5),
    ("Application", "SUPPORTS", "BusinessProcess", 20_000, Dependent::Target, true, 5),
    ("Application", "RELIES_ON", "ITComponent", 70_000, Dependent::Source, true, 5),
    ("Application", "RELIES_ON", "Application", 8_000, Dependent::Source, true, 2),
    ("Application", "OWNED_BY", "Organization", 25_000, Dependent::None, false, 5),
    ("Application", "USED_BY", "Organization", 30_000, Dependent::Target, false, 20),
    ("Application", "HOSTED_ON", "Platform", 10_000, Dependent::Source, true, 5),
    ("Application", "PROVIDES", "Interface", 20_000, Dependent::Target, true, 1),
    ("Application", "CONSUMES", "Interface", 60_000, Dependent::Source, false, 20),
    ("Application", "USES_DATA", "DataObject", 50_000, Dependent::Source, false, 5),
    ("Interface", "TRANSFERS", "DataObject", 20_000, Dependent::None, false, 5),
    ("BusinessProcess", "REALIZES", "BusinessCapability", 7_000, Dependent::Target, false, 5),
    ("ITComponent", "RELIES_ON", "ITComponent", 20_000, Dependent::Source, true, 1),
    ("ITComponent", "PART_OF", "Platform", 20_000, Dependent::Target, true, 5),
    ("ITComponent", "PROVIDED_BY", "Provider", 20_000, Dependent::Source, false, 100),
    ("ITComponent", "LOCATED_AT", "Location", 10_000, Dependent::Source, true, 5),
    ("Platform", "LOCATED_AT", "Location", 4_000, Dependent::Source, true, 5),
    ("BusinessCapability", "PARENT_OF", "BusinessCapability", 3_000, Dependent::Source, false, 0),
    ("Organization", "PARENT_OF", "Organization", 3_000, Dependent::None, false, 0),
];

const HUBS: usize = 10;
const EDGES_OF_A_HUB: usize = 5_000;

/// Reproducible numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.below(usize::MAX) as u64, self.below(usize::MAX) as u64)
    }
}

struct Landscape {
    graph: Graph,
    hubs: Vec<NodeIx>,
    of: Vec<(&'static str, Vec<NodeIx>)>,
}

impl Landscape {
    fn cards(&self, of: &str) -> &[NodeIx] {
        self.of
            .iter()
            .find(|(name, _)| *name == of)
            .map_or(&[], |(_, cards)| cards)
    }
}

fn date(year: i32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year, 7, 1)
}

fn card(dice: &mut Dice, card_type: &str, n: usize) -> CardInput {
    let sub_category = ["Database", "Operating System", "Middleware", "Server"][dice.below(4)];
    let attributes = match card_type {
        "Application" => format!(
            r#"{{"hosting_type":"SaaS","data_classification":"Internal","pace_layer":"System of Record","vendor":"Vendor {}","users_total":{},"financials":{{"estimated_annual_cost":{},"currency":"EUR"}}}}"#,
            dice.below(200),
            dice.below(5_000),
            dice.below(1_000_000)
        ),
        "ITComponent" => format!(
            r#"{{"category":"Software","sub_category":"{sub_category}","vendor":"Vendor {}","version":"{}.1","vendor_support_eol":"2027-03-31"}}"#,
            dice.below(200),
            dice.below(20)
        ),
        _ => r#"{"owner":"Somebody"}"#.to_owned(),
    };
    let mut lifecycle = [None; 5];
    lifecycle[2] = date(2010 + dice.below(14) as i32);
    if dice.below(20) == 0 {
        lifecycle[4] = date(2024 + dice.below(8) as i32);
    }
    CardInput {
        id: dice.id(),
        card_type: card_type.to_owned(),
        name: format!("{card_type} number {n}"),
        name_key: format!("{} number {n}", card_type.to_lowercase()),
        description: Some(format!(
            "What {card_type} {n} is for, in a sentence as people write them."
        )),
        tags: vec![format!("tag-{}", dice.below(100)), format!("team-{}", dice.below(300))],
        lifecycle,
        business_criticality: (card_type == "Application")
            .then(|| [Tier::One, Tier::Two, Tier::Three, Tier::Four][dice.below(4)]),
        quality_score: Some(dice.below(101) as u8),
        attributes,
        version: 1,
        ..CardInput::default()
    }
}

fn build() -> Landscape {
    let mut dice = Dice(1);
    let before = resident();
    let started = Instant::now();
    let mut builder = GraphBuilder::new();
    for (rule, (.., dependent, hard, _)) in EDGES.iter().enumerate() {
        builder.rule(RelationshipRule {
            id: Uuid::from_u128(rule as u128),
            dependent: *dependent,
            hard: *hard,
        });
    }
    let mut ids: Vec<(&'static str, Vec<Uuid>)> = Vec::new();
    for (of, count) in CARDS {
        let mut made = Vec::with_capacity(count);
        for n in 0..count {
            let card = card(&mut dice, of, n);
            made.push(card.id);
            builder.card(&card);
        }
        ids.push((of, made));
    }
    let with_cards = resident();
    each_edge(&mut dice, &ids, |edge| builder.edge(edge));
    let graph = builder.build();
    let (cards, edges) = (graph.card_count(), graph.edge_count());
    println!(
        "{cards} cards, {edges} edges, made and loaded in {:.0?}",
        started.elapsed()
    );
    if let (Some(before), Some(with_cards), Some(after)) = (before, with_cards, resident()) {
        let (card, edge) = ((with_cards - before) / cards, (after - with_cards) / edges);
        println!(
            "memory: {} MB; {card} bytes per card, {edge} per edge",
            (after - before) / 1_048_576
        );
    }
    let of = |name: &str| ids.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, ids)| ids);
    let hubs = (0..HUBS)
        .filter_map(|hub| graph.find(of("ITComponent")[hub * 2_500]))
        .collect();
    let of = ids
        .iter()
        .map(|(of, ids)| (*of, ids.iter().filter_map(|id| graph.find(*id)).collect()))
        .collect();
    Landscape { graph, hubs, of }
}

fn each_edge(dice: &mut Dice, ids: &[(&str, Vec<Uuid>)], mut take: impl FnMut(EdgeInput)) {
    let of = |name: &str| ids.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, ids)| ids);
    for (rule, (source, kind, target, count, _, _, spread)) in EDGES.iter().enumerate() {
        let (sources, targets) = (of(source), of(target));
        for n in 0..*count {
            let from = if *spread == 0 { n / 4 } else { n % sources.len() };
            let near = from * targets.len() / sources.len();
            let to = match spread {
                0 => n + 1,
                // Components rely on components before them, so that those have no cycles.
                1 if source == target => near.saturating_sub(1 + dice.below(targets.len() / 1_000)),
                _ => near + dice.below(targets.len() * spread / 1_000 + 1),
            };
            if from != to || source != target {
                take(edge(
                    dice,
                    rule,
                    sources[from % sources.len()],
                    kind,
                    targets[to % targets.len()],
                ));
            }
        }
    }
    let (components, applications) = (of("ITComponent"), of("Application"));
    for hub in 0..HUBS {
        for _ in 0..EDGES_OF_A_HUB {
            let application = applications[dice.below(applications.len())];
            take(edge(dice, 2, application, "RELIES_ON", components[hub * 2_500]));
        }
    }
}

fn edge(dice: &mut Dice, rule: usize, source_id: Uuid, kind: &str, target_id: Uuid) -> EdgeInput {
    let grouped = dice.below(100) < 4;
    EdgeInput {
        id: dice.id(),
        rule_id: Uuid::from_u128(rule as u128),
        kind: kind.to_owned(),
        source_id,
        target_id,
        valid_from: (dice.below(10) == 0)
            .then(|| date(2015 + dice.below(8) as i32))
            .flatten(),
        valid_to: (dice.below(20) == 0)
            .then(|| date(2024 + dice.below(6) as i32))
            .flatten(),
        active: true,
        description: (dice.below(10) == 0).then(|| "Agreed with the owner.".to_owned()),
        attributes: if grouped {
            r#"{"redundancy_group":"main"}"#.to_owned()
        } else {
            String::new()
        },
        version: 1,
        ..EdgeInput::default()
    }
}

/// Bytes of memory this process holds, where the system tells.
fn resident() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<usize>().ok()? * 4096)
}

/// Asks each a few times less than it takes to bore, and prints one line.
fn measure<T>(question: &str, asked: &[T], mut ask: impl FnMut(&T) -> usize) {
    let mut taken = Vec::new();
    let mut sizes = Vec::new();
    for one in asked {
        let started = Instant::now();
        sizes.push(ask(one));
        taken.push(started.elapsed());
    }
    taken.sort_unstable();
    sizes.sort_unstable();
    let at = |share: usize| (asked.len() - 1) * share / 100;
    println!(
        "{question:<44} {:>4} asked  size p50 {:>6} max {:>6}   p50 {:>9.3?}  p95 {:>9.3?}  max {:>9.3?}",
        asked.len(),
        sizes[at(50)],
        sizes[at(100)],
        taken[at(50)],
        taken[at(95)],
        taken[at(100)]
    );
}

fn main() {
    let Some(today) = NaiveDate::from_ymd_opt(2025, 6, 15) else {
        return;
    };
    let landscape = build();
    let graph = &landscape.graph;
    let view = View::on(today);
    let mut dice = Dice(7);
    let mut some = |of: &str, count: usize| -> Vec<NodeIx> {
        let cards = landscape.cards(of);
        (0..count).map(|_| cards[dice.below(cards.len())]).collect()
    };
    let (applications, components) = (some("Application", 300), some("ITComponent", 300));
    let hubs = &landscape.hubs;

    let impact_of = |root: &NodeIx, limit_nodes: usize| {
        let params = impact::Params {
            max_depth: Some(5),
            limit_nodes,
            ..impact::Params::of(vec![*root])
        };
        let answer = impact::impact(graph, &view, &params);
        answer.down.len() + answer.degraded.len()
    };
    measure("impact, depth 5, application", &applications, |root| {
        impact_of(root, 1_000)
    });
    measure("impact, depth 5, component", &components, |root| impact_of(root, 1_000));
    measure("impact, depth 5, hub, first 1,000", hubs, |root| impact_of(root, 1_000));
    measure("impact, depth 5, hub, all", hubs, |root| impact_of(root, 50_000));
    let everywhere: Vec<NodeIx> = applications.iter().chain(&components).copied().collect();
    measure("impact, depth 5, 600 roots at once", &[everywhere], |roots| {
        let params = impact::Params {
            max_depth: Some(5),
            ..impact::Params::of(roots.clone())
        };
        impact::impact(graph, &view, &params).summary.down
    });

    let palette = Palette::default();
    let around = |root: &NodeIx, depth, direction, limit_nodes| {
        let params = traverse::Params {
            depth,
            direction,
            limit_nodes,
            ..traverse::Params::around(*root)
        };
        traverse::traverse(graph, &view, &params, &palette).nodes.len()
    };
    measure("traverse, depth 5, out, application", &applications, |root| {
        around(root, 5, Direction::Out, 1_000)
    });
    measure("traverse, depth 2, both, component", &components, |root| {
        around(root, 2, Direction::Both, 1_000)
    });
    measure("traverse, depth 2, both, hub, first 1,000", hubs, |root| {
        around(root, 2, Direction::Both, 1_000)
    });
    measure("traverse, depth 5, both, first 1,000", &applications, |root| {
        around(root, 5, Direction::Both, 1_000)
    });
    measure("  the same as JSON, 1,000 nodes", &applications[..50], |root| {
        let params = traverse::Params {
            depth: 5,
            limit_nodes: 1_000,
            ..traverse::Params::around(*root)
        };
        let answer = traverse::traverse(graph, &view, &params, &palette);
        serde_json::to_vec(&answer).map_or(0, |json| json.len())
    });
    measure("dependencies, application", &applications, |root| {
        dependencies::dependencies(graph, &view, &dependencies::Params::of(*root))
            .dependencies
            .len()
    });
    let pairs: Vec<(NodeIx, NodeIx)> = applications
        .iter()
        .copied()
        .zip(components.iter().copied())
        .take(30)
        .collect();
    measure("paths, 4 hops, both", &pairs, |(from, to)| {
        let params = paths::Params {
            max_hops: 4,
            ..paths::Params::between(*from, *to)
        };
        paths::paths(graph, &view, &params).paths.len()
    });
    let thresholds = fan::Thresholds::default();
    measure("fan-in, one application", &applications, |card| {
        fan::fan_of_card(graph, &view, *card, Fan::In, thresholds, 100).count
    });
    let once = [(); 5];
    measure("fan-in, ranked, everything", &once, |()| {
        fan::fan_ranking(graph, &view, None, Fan::In, thresholds, 20)
            .items
            .len()
    });
    measure("hierarchy, capabilities", &once, |()| {
        let top = hierarchy::Top::OfType(graph.find_type("BusinessCapability"));
        hierarchy::hierarchy(graph, &view, &hierarchy::Params::below(top))
            .metadata
            .total_nodes
    });
    measure("single points of failure, everything", &once, |()| {
        spof::single_points(
            graph,
            &view,
            &spof::Params {
                capability: None,
                limit: 100,
            },
        )
        .single_points
        .len()
    });
    measure(
        "single points of failure, one capability",
        landscape.cards("BusinessCapability"),
        |capability| {
            let params = spof::Params {
                capability: Some(*capability),
                limit: 100,
            };
            spof::single_points(graph, &view, &params).single_points.len()
        },
    );
    measure("cycles", &once, |()| {
        cycles::cycles(
            graph,
            &view,
            &cycles::Params {
                hard_only: false,
                limit: 100,
            },
        )
        .cycles
        .len()
    });
    measure("orphans, all kinds", &once, |()| {
        orphans::orphans(graph, &view, orphans::KINDS, 100)
            .kinds
            .iter()
            .map(|kind| kind.count)
            .sum()
    });
    measure("diff of two dates", &once, |()| {
        let later = View::on(date(2027).unwrap_or(today));
        let params = diff::Params {
            types: [TypeSet::All, TypeSet::All],
            relations: [TypeSet::All, TypeSet::All],
            filter: None,
            limit: 1_000,
        };
        diff::diff((graph, &view), (graph, &later), &params)
            .totals
            .links_removed
    });
    let mut grown = graph.clone();
    measure("change of one edge, snapshot kept", hubs, |hub| {
        let kept = grown.clone();
        let edge = kept
            .edges_to(*hub)
            .last()
            .map(|edge| (*kept.edge(edge), kept.edge_detail(edge).version));
        if let Some((edge, version)) = edge {
            let (source_id, target_id) = (kept.id(edge.source), kept.id(edge.target));
            let kind = kept.type_name(edge.kind).to_string();
            let id = Uuid::from_u128(version as u128 + u128::from(kept.card_count() as u64));
            grown.upsert_edge(EdgeInput {
                id,
                source_id,
                target_id,
                kind,
                active: true,
                version: 1,
                ..EdgeInput::default()
            });
        }
        grown.edge_count()
    });
}
