//! Single points of failure: X is one for capability C when X's failure alone takes down every application that supports
//! C (its SUPPORTS edges in force, whatever their group or strength). A capability without an application has none; the
//! only application that supports a capability is one itself.
//!
//! Let S(v) be the cards whose failure alone takes v down: the least solution of S(v) = {v} ∪ the S of each ungrouped
//! hard dependency ∪, for each group, the intersection of its members' S. The single points of C are the intersection of
//! S over its applications. How the sets are computed for a whole landscape stands in `sets`.
//!
//! Ranked by how many capabilities they would take down, those of tier 1 first, then of tier 2, and so on; a capability
//! has the highest tier among its applications. Ties by (type, id).
//!
//! Reads: SUPPORTS into the capabilities, and everything their applications transitively depend on by hard dependencies.

mod sets;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CardRef, Label, MAX_LIMIT, Metadata, NodeSet};
use crate::graph::{BoundView, Graph, NodeIx, Tier, View};
use sets::Sets;

/// How many capabilities each single point names.
const CAPABILITIES_SHOWN: usize = 20;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Params {
    /// Of one capability; none for the whole landscape.
    pub capability: Option<NodeIx>,
    /// At most this many single points.
    pub limit: usize,
}

/// Single points of failure.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SinglePoints {
    /// The capability asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<CardRef>,
    /// How many capabilities have an application and were looked at.
    pub capabilities_assessed: usize,
    /// How many of those have a single point of failure.
    pub capabilities_at_risk: usize,
    /// Worst first.
    pub single_points: Vec<SinglePoint>,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// A card whose failure alone takes down all applications of some capability.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SinglePoint {
    /// The card.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its card type.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub card_type: Label,
    /// Of applications.
    pub business_criticality: Option<Tier>,
    /// How many capabilities it takes down.
    pub capability_count: usize,
    /// How many of them are of each tier.
    pub by_tier: TierCounts,
    /// The first 20 of them, by (tier, id).
    pub capabilities: Vec<CardRef>,
}

/// Capabilities by the highest tier among their applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct TierCounts {
    /// Mission critical.
    pub tier_1: u32,
    /// Business critical.
    pub tier_2: u32,
    /// Operational.
    pub tier_3: u32,
    /// Administrative.
    pub tier_4: u32,
    /// None of its applications is assessed.
    pub unassessed: u32,
}

impl TierCounts {
    fn add(&mut self, tier: Option<Tier>) {
        *match tier {
            Some(Tier::One) => &mut self.tier_1,
            Some(Tier::Two) => &mut self.tier_2,
            Some(Tier::Three) => &mut self.tier_3,
            Some(Tier::Four) => &mut self.tier_4,
            None => &mut self.unassessed,
        } += 1;
    }

    fn total(self) -> usize {
        [self.tier_1, self.tier_2, self.tier_3, self.tier_4, self.unassessed]
            .iter()
            .map(|count| *count as usize)
            .sum()
    }
}

/// A capability with the applications that support it.
struct Supported {
    capability: NodeIx,
    applications: Vec<NodeIx>,
    tier: Option<Tier>,
}

/// Finds the single points of failure.
#[must_use]
pub fn single_points(graph: &Graph, view: &View, params: &Params) -> SinglePoints {
    let roots = Vec::from_iter(params.capability);
    let bound = BoundView::new(graph, view, &roots);
    let supported = supported(&bound, params.capability);
    let applications = supported
        .iter()
        .flat_map(|supported| supported.applications.iter().copied());
    let mut sets = Sets::of(&bound, applications);
    let wanted: Vec<Vec<u32>> = supported
        .iter()
        .map(|supported| sets.rows(&supported.applications))
        .collect();

    let mut counts = vec![TierCounts::default(); sets.row_count()];
    let mut at_risk = vec![false; supported.len()];
    let every_row: Vec<u32> = (0..sets.row_count() as u32).collect();
    sets.common(&every_row, &wanted, |which, row| {
        counts[row as usize].add(supported[which].tier);
        at_risk[which] = true;
    });
    let mut ranked: Vec<(NodeIx, u32)> = sets
        .cards()
        .filter(|(_, row)| counts[*row as usize] != TierCounts::default())
        .collect();
    let found = ranked.len();
    // The derived order of the counts is the ranking: by tier 1, then tier 2 …
    ranked.sort_by_cached_key(|(card, row)| (std::cmp::Reverse(counts[*row as usize]), bound.type_key(*card)));
    ranked.truncate(params.limit.min(MAX_LIMIT));

    // Which capabilities: a second look, at the rows of the answer only.
    let mut rows: Vec<u32> = ranked.iter().map(|(_, row)| *row).collect();
    rows.sort_unstable();
    rows.dedup();
    let mut named: Vec<Vec<NodeIx>> = vec![Vec::new(); sets.row_count()];
    sets.common(&rows, &wanted, |which, row| {
        let named = &mut named[row as usize];
        if named.len() < CAPABILITIES_SHOWN {
            named.push(supported[which].capability);
        }
    });
    let written = ranked.iter().map(|(card, row)| {
        let CardRef { id, name, card_type } = bound.card_ref(*card);
        let by_tier = counts[*row as usize];
        let business_criticality = graph.card(*card).business_criticality;
        let capabilities = named[*row as usize]
            .iter()
            .map(|capability| bound.card_ref(*capability))
            .collect();
        let capability_count = by_tier.total();
        SinglePoint {
            id,
            name,
            card_type,
            business_criticality,
            capability_count,
            by_tier,
            capabilities,
        }
    });
    SinglePoints {
        capability: params.capability.map(|capability| bound.card_ref(capability)),
        capabilities_assessed: supported.len(),
        capabilities_at_risk: at_risk.iter().filter(|risk| **risk).count(),
        single_points: written.collect(),
        metadata: Metadata::new(&bound, ranked.len(), 0, found - ranked.len()),
    }
}

/// Capabilities that some application supports, by (tier, id).
fn supported(bound: &BoundView<'_>, capability: Option<NodeIx>) -> Vec<Supported> {
    let graph = bound.graph();
    let [of, application, supports] =
        ["BusinessCapability", "Application", "SUPPORTS"].map(|name| graph.find_type(name));
    let capabilities = graph
        .cards()
        .filter(|ix| Some(graph.card_type(*ix)) == of && bound.accepts(*ix));
    let asked = capabilities.filter(|ix| capability.is_none_or(|only| only == *ix));
    let mut supported: Vec<Supported> = asked
        .filter_map(|capability| {
            let links = bound.inc(capability).filter(|link| Some(link.record.kind) == supports);
            let applications = links
                .map(|link| link.other)
                .filter(|ix| Some(graph.card_type(*ix)) == application);
            let applications: Vec<NodeIx> = applications.collect();
            let tier = applications
                .iter()
                .filter_map(|ix| graph.card(*ix).business_criticality)
                .min();
            (!applications.is_empty()).then_some(Supported {
                capability,
                applications,
                tier,
            })
        })
        .collect();
    let key = |supported: &Supported| (supported.tier.is_none(), supported.tier, graph.id(supported.capability));
    supported.sort_by_cached_key(key);
    supported
}

/// Everything the cards transitively depend on by hard dependencies, themselves included.
fn closure(bound: &BoundView<'_>, from: impl Iterator<Item = NodeIx>) -> Vec<NodeIx> {
    let seen = NodeSet::new(bound.graph());
    let mut cards: Vec<NodeIx> = from.filter(|card| seen.insert(*card)).collect();
    let mut next = 0;
    while let Some(card) = cards.get(next).copied() {
        next += 1;
        let hard = bound
            .dependencies(card)
            .filter(|dep| dep.hard && seen.insert(dep.other));
        let hard: Vec<NodeIx> = hard.map(|dep| dep.other).collect();
        cards.extend(hard);
    }
    cards
}
