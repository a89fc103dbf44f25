//! Generated landscapes, as rows of the tables, and what is asked of them.

use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

const TYPES: [&str; 11] = [
    "Application",
    "BusinessCapability",
    "ITComponent",
    "Platform",
    "Interface",
    "Location",
    "Provider",
    "DataObject",
    "Organization",
    "BusinessProcess",
    "Initiative",
];

/// How often each type is drawn.
const WEIGHTS: [u32; 11] = [8, 4, 6, 3, 3, 2, 1, 2, 1, 1, 1];

/// Edges that may be, and how often each is drawn.
const EDGES: [(&str, &str, &str, u32); 33] = [
    ("BusinessCapability", "PARENT_OF", "BusinessCapability", 2),
    ("Application", "PARENT_OF", "Application", 1),
    ("Location", "PARENT_OF", "Location", 2),
    ("Organization", "PARENT_OF", "Organization", 1),
    ("Organization", "LOCATED_AT", "Location", 1),
    ("BusinessProcess", "REALIZES", "BusinessCapability", 1),
    ("Application", "SUPPORTS", "BusinessCapability", 8),
    ("Application", "SUPPORTS", "BusinessProcess", 1),
    ("Application", "OWNED_BY", "Organization", 1),
    ("Application", "USED_BY", "Organization", 1),
    ("Application", "RELIES_ON", "ITComponent", 7),
    ("Application", "RELIES_ON", "Application", 6),
    ("Application", "HOSTED_ON", "Platform", 3),
    ("Application", "PROVIDES", "Interface", 4),
    ("Application", "CONSUMES", "Interface", 4),
    ("Application", "SUCCESSOR_OF", "Application", 1),
    ("Application", "USES_DATA", "DataObject", 2),
    ("Application", "PROVIDED_BY", "Provider", 1),
    ("Platform", "PROVIDED_BY", "Provider", 1),
    ("ITComponent", "PROVIDED_BY", "Provider", 1),
    ("Interface", "TRANSFERS", "DataObject", 1),
    ("Interface", "RELIES_ON", "ITComponent", 1),
    ("Platform", "RELIES_ON", "ITComponent", 2),
    ("ITComponent", "RELIES_ON", "ITComponent", 4),
    ("ITComponent", "PART_OF", "Platform", 6),
    ("ITComponent", "LOCATED_AT", "Location", 2),
    ("Platform", "LOCATED_AT", "Location", 3),
    ("BusinessCapability", "USES_DATA", "DataObject", 1),
    ("Organization", "RESPONSIBLE_FOR", "BusinessCapability", 1),
    ("Initiative", "IMPACTS", "Application", 1),
    ("Initiative", "DEPENDS_ON", "Initiative", 1),
    ("Platform", "PARENT_OF", "Platform", 1),
    ("BusinessProcess", "PARENT_OF", "BusinessProcess", 1),
];

/// Types of edges that mean nothing for failure and take no `dependency`.
const MEANINGLESS: [&str; 7] = [
    "OWNED_BY",
    "SUCCESSOR_OF",
    "TRANSFERS",
    "RESPONSIBLE_FOR",
    "IMPACTS",
    "Organization PARENT_OF",
    "BusinessCapability USES_DATA",
];

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, 1).unwrap()
}

fn day(offset: i64) -> NaiveDate {
    today() + TimeDelta::days(offset)
}

/// Rows as they are inserted, and what is asked of them.
#[derive(Clone, Debug)]
pub struct World {
    pub cards: Vec<Value>,
    pub edges: Vec<Value>,
    /// Cards that are not deleted, by place.
    pub alive: Vec<Uuid>,
    pub ask: Ask,
}

#[derive(Clone, Debug)]
pub struct Ask {
    pub date: NaiveDate,
    pub roots: Vec<Uuid>,
    pub depth: u32,
    pub max_depth: Option<u32>,
    pub soft_depth: u32,
    pub direction: usize,
    pub kinds: Vec<&'static str>,
    pub walkable: Vec<&'static str>,
}

/// An id whose order has nothing to do with the card's place.
fn scattered(place: usize, salt: u64) -> Uuid {
    let high = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
    Uuid::from_u64_pair(high, place as u64)
}

fn weighted(weights: impl IntoIterator<Item = u32>) -> impl Strategy<Value = usize> {
    let choices = weights.into_iter().enumerate().map(|(at, weight)| (weight, Just(at)));
    proptest::strategy::Union::new_weighted(choices.collect())
}

/// Mostly no dates; else some of the five, not decreasing, within three days of the date asked.
fn lifecycle() -> impl Strategy<Value = [Option<i64>; 5]> {
    let some = (
        prop::array::uniform5(-3i64..=3),
        prop::array::uniform5(prop::bool::weighted(0.4)),
    );
    let dated = some.prop_map(|(mut offsets, given)| {
        offsets.sort_unstable();
        std::array::from_fn(|at| given[at].then_some(offsets[at]))
    });
    prop_oneof![3 => Just([None; 5]), 1 => dated]
}

/// Mostly open ends; else within two days of the date asked.
fn validity() -> impl Strategy<Value = [Option<i64>; 2]> {
    let some = (-2i64..=2, -2i64..=2, any::<(bool, bool)>());
    let dated = some.prop_map(|(a, b, (from, to))| [from.then_some(a.min(b)), to.then_some(a.max(b))]);
    prop_oneof![3 => Just([None; 2]), 1 => dated]
}

/// An edge as drawn: its type, its ends, its validity, what it says of itself, whether it is archived.
type Drawn = (usize, (usize, usize, u8), [Option<i64>; 2], usize, usize, u8);

pub fn world() -> impl Strategy<Value = World> {
    let card = (weighted(WEIGHTS), lifecycle(), 0..12u8, 0..3usize, 0..5usize);
    let edge = (
        weighted(EDGES.map(|edge| edge.3)),
        (0..64usize, 0..64usize, 0..4u8),
        validity(),
        0..14usize,
        0..8usize,
        0..10u8,
    );
    let ask = (
        -2i64..=2,
        prop::collection::vec(0..64usize, 1..=3),
        1..=10u32,
        prop::option::weighted(0.3, 1..=4u32),
        0..=3u32,
        0..3usize,
        prop::sample::subsequence(
            vec!["RELIES_ON", "SUPPORTS", "PART_OF", "PROVIDES", "CONSUMES", "PARENT_OF"],
            0..=4,
        ),
        prop::sample::subsequence(
            vec!["Application", "ITComponent", "BusinessCapability", "Interface"],
            0..=3,
        ),
    );
    let parts = (
        prop::collection::vec(card, 3..=24),
        prop::collection::vec(edge, 0..=60),
        ask,
        any::<u64>(),
    );
    parts.prop_map(|(cards, edges, ask, salt)| {
        let ids: Vec<Uuid> = (0..cards.len()).map(|place| scattered(place, salt)).collect();
        let types: Vec<&str> = cards.iter().map(|card| TYPES[card.0]).collect();
        let deleted = |place: usize| cards[place].2 == 0 && place > 0;
        let alive: Vec<Uuid> = (0..cards.len()).filter(|place| !deleted(*place)).map(|place| ids[place]).collect();
        let cards = cards.iter().enumerate().map(|(place, (_, lifecycle, _, sub_category, tier))| {
            let date = |at: usize| lifecycle[at].map(day);
            let application = types[place] == "Application";
            json!({
                "id": ids[place], "type": types[place], "name": format!("Card {place}"),
                "plan": date(0), "phase_in": date(1), "active": date(2), "phase_out": date(3), "eol": date(4),
                "tier": (application && *tier > 0).then(|| format!("Tier {tier}")),
                "attributes": if *sub_category > 0 { json!({"sub_category": format!("S{sub_category}")}) } else { json!({}) },
                "deleted": deleted(place),
            })
        });
        let cards: Vec<Value> = cards.collect();
        let edge = |(place, (kind, (from, to, hub), validity, said, group, archived)): (usize, Drawn)| {
            let (source, kind, target, _) = EDGES[kind];
            let of_type = |wanted: &str| (0..types.len()).filter(|at| types[*at] == wanted).collect::<Vec<_>>();
            let (sources, targets) = (of_type(source), of_type(target));
            // Some edges all lead to the first of their type: hubs.
            let from = *sources.get(from % sources.len().max(1))?;
            let to = *targets.get(if hub == 0 { 0 } else { to % targets.len().max(1) })?;
            let silent = MEANINGLESS.iter().any(|name| *name == kind || *name == format!("{source} {kind}"));
            let mut attributes = json!({});
            if !silent && said < 3 {
                attributes["dependency"] = json!(["hard", "soft", "none"][said]);
            }
            if !silent && group < 2 {
                attributes["redundancy_group"] = json!(["g", "h"][group]);
            }
            (from != to).then(|| {
                json!({
                    "id": scattered(place, !salt), "source": ids[from], "source_type": source, "kind": kind,
                    "target": ids[to], "target_type": target, "valid_from": validity[0].map(day), "valid_to": validity[1].map(day),
                    "archived": archived == 0, "attributes": attributes,
                })
            })
        };
        let edges = edges.into_iter().enumerate().filter_map(edge).collect();
        let (offset, roots, depth, max_depth, soft_depth, direction, kinds, walkable) = ask;
        let mut roots: Vec<Uuid> = roots.iter().map(|root| alive[root % alive.len()]).collect();
        roots.sort_unstable();
        roots.dedup();
        let ask = Ask { date: day(offset), roots, depth, max_depth, soft_depth, direction, kinds, walkable };
        World { cards, edges, alive, ask }
    })
}
