//! Which relationships there are. What has a shape - trees, hubs, stacks, rings - comes first; the rest is spread over the
//! rows of the ontology by weight.
//!
//! Failures spread along hard edges. For an ordinary card to bring down tens or hundreds and not everything, applications
//! rely on less than one other application on average, and components stand in stacks of their own.

use std::ops::Range;

use super::{
    card::pair_rng,
    dates::{handover, validity},
    edge::{Edge, Edges, Traits},
    hubs::{degree, first_ordinary, hubs, is_hub},
    plan::{Kind, Plan},
};
use crate::relationship::Validity;

use Kind::{
    Application, ArchitecturePolicy, ArchitecturePrinciple, BusinessCapability, BusinessProcess, ComplianceRequirement,
    DataObject, Exception, ITComponent, Initiative, Interface, Location, Objective, Organization, Platform, Provider,
    Risk, TechCategory, TechnologyStandard,
};

/// How the edges of a row are drawn.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// From any source to any target, on average at most this many hundredths per source.
    Many(usize),
    /// Every source has at most one target at a time.
    OneTarget,
    /// Every target has at most one source at a time.
    OneSource,
    /// From later to earlier cards of one type, so that no cycle closes.
    Backwards,
    /// Every card has at most one before and one behind it.
    Chain,
    /// For every other source two alternatives.
    Redundant,
    /// Every source is part of one target at a time; a pair of components is part of the same.
    Parts,
}

struct Row {
    weight: u32,
    source: Kind,
    kind: &'static str,
    target: Kind,
    shape: Shape,
}

const fn row(weight: u32, source: Kind, kind: &'static str, target: Kind, shape: Shape) -> Row {
    Row {
        weight,
        source,
        kind,
        target,
        shape,
    }
}

const ROWS: &[Row] = &[
    row(360, ITComponent, "CATEGORIZED_BY", TechCategory, Shape::OneTarget),
    row(330, ITComponent, "PROVIDED_BY", Provider, Shape::OneTarget),
    row(150, ITComponent, "LOCATED_AT", Location, Shape::OneTarget),
    row(120, ITComponent, "PART_OF", Platform, Shape::Parts),
    row(90, Application, "PROVIDED_BY", Provider, Shape::OneTarget),
    row(12, Platform, "PROVIDED_BY", Provider, Shape::OneTarget),
    row(150, Application, "PROVIDES", Interface, Shape::OneSource),
    row(60, TechnologyStandard, "STANDARDIZES", ITComponent, Shape::OneSource),
    row(15, TechnologyStandard, "STANDARDIZES", Application, Shape::OneSource),
    row(4, TechnologyStandard, "STANDARDIZES", Platform, Shape::OneSource),
    row(360, Application, "RELIES_ON", ITComponent, Shape::Redundant),
    row(100, Application, "RELIES_ON", Application, Shape::Many(60)),
    row(140, Application, "HOSTED_ON", Platform, Shape::Redundant),
    row(120, Interface, "RELIES_ON", ITComponent, Shape::Many(150)),
    row(28, Platform, "RELIES_ON", ITComponent, Shape::Many(300)),
    row(22, Platform, "LOCATED_AT", Location, Shape::Many(200)),
    row(400, Application, "CONSUMES", Interface, Shape::Many(2_000)),
    row(250, Interface, "TRANSFERS", DataObject, Shape::Many(1_000)),
    row(400, Application, "USES_DATA", DataObject, Shape::Many(2_000)),
    row(80, BusinessCapability, "USES_DATA", DataObject, Shape::Many(1_000)),
    row(240, Application, "SUPPORTS", BusinessCapability, Shape::Many(500)),
    row(150, Application, "SUPPORTS", BusinessProcess, Shape::Many(500)),
    row(190, Application, "OWNED_BY", Organization, Shape::Many(300)),
    row(260, Application, "USED_BY", Organization, Shape::Many(1_500)),
    row(80, BusinessProcess, "REALIZES", BusinessCapability, Shape::Many(400)),
    row(
        60,
        Organization,
        "RESPONSIBLE_FOR",
        BusinessCapability,
        Shape::Many(500),
    ),
    row(50, Organization, "LOCATED_AT", Location, Shape::Many(400)),
    row(15, Objective, "IMPROVES", BusinessCapability, Shape::Many(1_000)),
    row(25, Application, "SUCCESSOR_OF", Application, Shape::Backwards),
    row(15, Initiative, "DEPENDS_ON", Initiative, Shape::Backwards),
    row(5, TechnologyStandard, "SUPERSEDES", TechnologyStandard, Shape::Chain),
    row(3, Exception, "EXEMPTS_FROM", ArchitecturePolicy, Shape::OneTarget),
    row(3, Exception, "APPLIES_TO", Application, Shape::OneTarget),
    row(40, ArchitecturePrinciple, "GUIDES", Application, Shape::Many(10_000)),
    row(
        8,
        ArchitecturePrinciple,
        "APPLIES_TO",
        BusinessCapability,
        Shape::Many(5_000),
    ),
    row(
        2,
        ArchitecturePolicy,
        "ENFORCES",
        ArchitecturePrinciple,
        Shape::Many(300),
    ),
    row(10, ArchitecturePolicy, "APPLIES_TO", ITComponent, Shape::Many(5_000)),
    row(10, ArchitecturePolicy, "APPLIES_TO", Application, Shape::Many(5_000)),
    row(40, Initiative, "IMPACTS", Application, Shape::Many(2_000)),
    row(30, Initiative, "IMPACTS", ITComponent, Shape::Many(2_000)),
    row(15, Initiative, "ACHIEVES", Objective, Shape::Many(300)),
    row(35, Risk, "THREATENS", Application, Shape::Many(1_000)),
    row(25, Risk, "THREATENS", ITComponent, Shape::Many(1_000)),
    row(15, Risk, "MITIGATED_BY", Initiative, Shape::Many(300)),
    row(20, ComplianceRequirement, "APPLIES_TO", Application, Shape::Many(5_000)),
    row(10, ComplianceRequirement, "APPLIES_TO", DataObject, Shape::Many(5_000)),
];

/// Components in a stack.
const STACK: u32 = 48;

const ACCESS: [&[&str]; 6] = [
    &["read"],
    &["read"],
    &["create", "read"],
    &["update"],
    &["create", "update", "delete"],
    &["delete"],
];
const DIRECTIONS: [&str; 3] = ["provider_to_consumer", "consumer_to_provider", "both"];

/// The edges between the cards of a plan; fewer than asked for when so many do not fit.
pub(super) fn edges(plan: &Plan, relationships: u32) -> Vec<Edge> {
    let mut edges = Edges::new(plan, relationships as usize);
    trees(&mut edges);
    hub_edges(&mut edges, relationships);
    rings(&mut edges);
    stacks(&mut edges, relationships);

    let left = relationships as usize - edges.len();
    let weights: usize = ROWS.iter().map(|row| row.weight as usize).sum();
    for row in ROWS {
        spread(&mut edges, row, left * row.weight as usize / weights);
    }
    fill(&mut edges, relationships);
    edges.finish()
}

fn trees(edges: &mut Edges) {
    for kind in Kind::ALL {
        for card in edges.plan.all(*kind) {
            if let Some(parent) = edges.plan.place(card).and_then(|place| place.parent) {
                edges.add_lasting(parent, "PARENT_OF", card, Traits::default());
            }
        }
    }
}

fn hub_edges(edges: &mut Edges, relationships: u32) {
    for hub in hubs(edges.plan) {
        let first = first_ordinary(edges.plan, hub.dependents);
        let candidates = (edges.plan.all(hub.dependents).end - first) as usize;
        let degree = degree(edges.plan, &hub, relationships);
        let traits = Traits {
            redundancy_group: hub.redundancy_group,
            ..Traits::default()
        };
        for n in 0..degree {
            let source = first + ((n * (candidates / degree) + hub.offset) % candidates) as u32;
            edges.add_lasting(source, "RELIES_ON", hub.card, traits);
        }
    }
}

/// Applications that rely on each other in a circle: two to six of them, and here and there forty.
fn rings(edges: &mut Edges) {
    let last = edges.plan.all(Application).end;
    let mut first = first_ordinary(edges.plan, Application);
    let mut size = 2;
    while first + size <= last {
        for at in 0..size {
            edges.add_lasting(first + at, "RELIES_ON", first + (at + 1) % size, Traits::default());
        }
        first += 300;
        size = match size {
            2..6 => size + 1,
            6 if last - first > 1_000 => 40,
            _ => 2,
        };
    }
}

/// Every component but the first of its stack relies on an earlier one of it: a chain, a tree or a comb.
fn stacks(edges: &mut Edges, relationships: u32) {
    let first = first_ordinary(edges.plan, ITComponent);
    let components = edges.plan.all(ITComponent).end - first;
    let size = STACK.min(components);
    let until = edges.len() + relationships as usize * 8 / 100;
    for stack in 0..components / size {
        let bottom = first + stack * size;
        for at in 1..size {
            let below = match stack % 3 {
                0 => at - 1,
                1 => (at - 1) / 2,
                _ => at.saturating_sub(if at % 4 == 0 { 4 } else { 1 }),
            };
            edges.add_lasting(bottom + at, "RELIES_ON", bottom + below, Traits::default());
            if at % 16 == 15 {
                // A second leg to stand on.
                edges.add(bottom + at, "RELIES_ON", bottom + at / 2 - 1, Traits::default());
            }
        }
        if edges.len() > until {
            return;
        }
    }
}

/// Draws about as many edges of a row as its share of the whole.
fn spread(edges: &mut Edges, row: &Row, quota: usize) {
    let plan = edges.plan;
    let (sources, targets) = (plan.all(row.source), plan.all(row.target));
    let until = edges.len() + quota;
    match row.shape {
        Shape::Many(most) => many(edges, row, edges.len() + quota.min(sources.len() * most / 100)),
        Shape::OneTarget => one_at_a_time(edges, sources, until, |edges, source, at| {
            let target = plan.near(&mut edges.rng, source, row.target);
            edges.add_at(source, row.kind, target, Traits::default(), at);
        }),
        Shape::OneSource => one_at_a_time(edges, targets, until, |edges, target, at| {
            let source = plan.near(&mut edges.rng, target, row.source);
            edges.add_at(source, row.kind, target, Traits::default(), at);
        }),
        Shape::Parts => one_at_a_time(edges, sources, until, |edges, component, at| {
            let target = plan.near(&mut pair_rng(plan, component), component, row.target);
            edges.add_at(component, row.kind, target, Traits::default(), at);
        }),
        Shape::Backwards => {
            for _ in 0..quota * 2 {
                let back = 1 + edges.rng.below(40);
                let source = sources.start + edges.rng.below(sources.len() as u32);
                if edges.len() < until && source >= sources.start + back {
                    edges.add(source, row.kind, source - back, Traits::default());
                }
            }
        }
        Shape::Chain => {
            for source in sources.skip(1).filter(|source| source % 5 != 0).take(quota) {
                edges.add_lasting(source, row.kind, source - 1, Traits::default());
            }
        }
        Shape::Redundant => redundant(edges, row, until),
    }
}

/// Gives each card one partner at a time: one for good, or one after the other.
fn one_at_a_time(edges: &mut Edges, cards: Range<u32>, until: usize, add: impl Fn(&mut Edges, u32, &[Validity])) {
    let mut cards: Vec<u32> = cards.collect();
    edges.rng.shuffle(&mut cards);
    for card in cards {
        if edges.len() >= until {
            return;
        }
        if edges.rng.chance(10) {
            for interval in handover(&mut edges.rng) {
                add(edges, card, &[interval]);
            }
        } else {
            let interval = validity(&mut edges.rng);
            add(edges, card, &[interval]);
        }
    }
}

/// Half of the sources rely on one target, half on two of which one suffices.
fn redundant(edges: &mut Edges, row: &Row, until: usize) {
    let mut sources: Vec<u32> = edges.plan.all(row.source).collect();
    for group in ["active-standby", "blue-green", "two-regions"] {
        edges.rng.shuffle(&mut sources);
        for source in &sources {
            if edges.len() >= until {
                return;
            }
            let pair = edges.rng.chance(50);
            let traits = Traits {
                redundancy_group: pair.then_some(group),
                ..Traits::default()
            };
            for _ in 0..=u32::from(pair) {
                let target = edges.plan.near(&mut edges.rng, *source, row.target);
                edges.add(*source, row.kind, target, traits);
            }
        }
    }
}

/// Draws edges until there are so many; gives up when most of those drawn are there already.
fn many(edges: &mut Edges, row: &Row, until: usize) {
    let mut patience = 20 * until.saturating_sub(edges.len());
    while edges.len() < until && !edges.is_full() && patience > 0 {
        draw(edges, row);
        patience -= 1;
    }
}

fn draw(edges: &mut Edges, row: &Row) {
    let plan = edges.plan;
    let (sources, targets) = (plan.all(row.source), plan.all(row.target));
    let source = sources.start + edges.rng.below(sources.len() as u32);
    let spreads_failure = matches!(row.kind, "RELIES_ON" | "HOSTED_ON");
    if row.source == row.target && spreads_failure && is_hub(plan, source) {
        return;
    }
    let target = if !spreads_failure && edges.rng.chance(15) {
        // Some are popular: the smaller the number, the more so.
        let among = 1 + edges.rng.below(targets.len() as u32);
        targets.start + edges.rng.below(among)
    } else {
        plan.near(&mut edges.rng, source, row.target)
    };
    let rng = &mut edges.rng;
    let traits = Traits {
        dependency: (spreads_failure && rng.chance(4)).then(|| rng.pick(&["soft", "soft", "none"])),
        access: (row.kind == "USES_DATA" && row.source == Application).then(|| rng.pick(&ACCESS)),
        direction: (row.kind == "TRANSFERS" && rng.chance(40)).then(|| rng.pick(&DIRECTIONS)),
        ..Traits::default()
    };
    edges.add(source, row.kind, target, traits);
}

/// What is still missing goes to rows along which nothing fails.
fn fill(edges: &mut Edges, relationships: u32) {
    let harmless = |row: &&Row| matches!(row.shape, Shape::Many(_)) && !matches!(row.kind, "RELIES_ON" | "HOSTED_ON");
    let rows: Vec<&Row> = ROWS.iter().filter(harmless).collect();
    let mut patience = 100 * (relationships as usize - edges.len());
    while !edges.is_full() && patience > 0 {
        let row = edges.rng.pick(&rows);
        draw(edges, row);
        patience -= 1;
    }
}
