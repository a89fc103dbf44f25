//! Impact: what breaks if these cards fail.
//!
//! * The roots are *down* at depth 0. An ungrouped hard dependency on a card that is down at depth d takes the dependent
//!   down at d + 1. A redundancy group takes its dependent down when all its members are down, at 1 + the largest depth
//!   among them, by the path through that member (ties: smallest id). Each card takes the smallest depth offered, and
//!   among the paths offered at that depth the one whose ids come first.
//! * *Degraded* is what stands but has a soft dependency on something down, or a group some of whose members are down.
//!   Each of those is one soft step; with `soft_depth` above 1 further soft dependencies chain from degraded cards.
//!   A card takes the fewest soft steps, then the smallest depth, then the path whose ids come first.
//! * Nothing beyond `max_depth` is looked at: what fails only there counts as standing.
//! * *Alternatives* are the groups, of dependents that stand, of which some members are down and some are not.
//!
//! The summary counts everything found, also what a limit left out. Roots are in its cost, not in its counts.
//!
//! Reads: the dependents of everything down (or degraded, while soft steps remain) within `max_depth`, and all hard
//! dependencies of each card that has one of them in a group.

mod spread;
mod summary;

use std::collections::HashSet;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use spread::{Outcome, spread};
pub use summary::{Amount, DepthCount, Summary, TierCount, TypeCount};

use super::{
    CardRef, DEFAULT_LIMIT, Label, MAX_LIMIT, Metadata, PathStep,
    reach::{Reached, Room, in_order},
};
use crate::graph::{BoundView, Graph, NodeIx, Tier, View, view::Group};

/// What to ask.
#[derive(Clone, Debug)]
pub struct Params {
    /// What fails.
    pub roots: Vec<NodeIx>,
    /// The longest chain to follow; none for all.
    pub max_depth: Option<u32>,
    /// How many soft steps may chain, 1 unless asked otherwise; 0 leaves degraded cards out.
    pub soft_depth: u32,
    /// At most this many cards, those down first.
    pub limit_nodes: usize,
}

impl Params {
    /// Everything that follows from these failures.
    #[must_use]
    pub fn of(roots: Vec<NodeIx>) -> Self {
        Self {
            roots,
            max_depth: None,
            soft_depth: 1,
            limit_nodes: DEFAULT_LIMIT,
        }
    }
}

/// What breaks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Impact {
    /// What was taken to fail, by (type, id).
    pub roots: Vec<CardRef>,
    /// What goes down with it, by (depth, type, id).
    pub down: Vec<DownCard>,
    /// What is impaired, by (depth, type, id).
    pub degraded: Vec<DegradedCard>,
    /// Where something else stands in, by dependent (type, id).
    pub alternatives: Vec<Alternative>,
    /// Roll-ups of everything found.
    pub summary: Summary,
    /// How the answer came about.
    pub metadata: Metadata,
}

/// A card that goes down.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DownCard {
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
    /// Steps from a root.
    pub depth: u32,
    /// From a root to the card.
    pub path: Vec<PathStep>,
}

/// A card that is impaired.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DegradedCard {
    /// The card, and how it was reached.
    #[serde(flatten)]
    pub card: DownCard,
    /// Why.
    pub reason: Reason,
}

/// Why a card is degraded.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reason {
    /// A soft dependency, or a redundancy group that lost a member.
    pub kind: ReasonKind,
    /// What it depends on that is down (or degraded).
    pub on: CardRef,
    /// The relationship type.
    #[schema(value_type = String)]
    pub relationship: Label,
    /// The group that lost a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The kinds of reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// It depends softly on something down.
    SoftDependency,
    /// Some of its alternatives are down.
    RedundancyGroup,
}

/// A redundancy group that lost some of its members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alternative {
    /// Who depends on the group.
    pub dependent: CardRef,
    /// The group: its name, or the relationship type (and sub-category) that makes it.
    pub group: String,
    /// The members that are down, by id; the first 50.
    pub failed: Vec<CardRef>,
    /// How many are down.
    pub failed_count: usize,
    /// The members that stand, by id; the first 50.
    pub surviving: Vec<CardRef>,
    /// How many stand.
    pub surviving_count: usize,
}

/// A group of thousands is told by its first members and its size.
const MEMBERS_SHOWN: usize = 50;

/// Lets the failures spread, and writes out what they do.
#[must_use]
pub fn impact(graph: &Graph, view: &View, params: &Params) -> Impact {
    let bound = BoundView::new(graph, view, &params.roots);
    let outcome = spread(&bound, params);
    let limit = params.limit_nodes.min(MAX_LIMIT);
    let mut roots: Vec<NodeIx> = outcome.reached[..outcome.roots].iter().map(|root| root.card).collect();
    bound.sort_by_type(&mut roots);
    let mut room = Room::for_cards(limit);
    let down = in_order(&bound, &outcome.reached, outcome.roots..outcome.down);
    let degraded = in_order(&bound, &outcome.reached, outcome.down..outcome.reached.len());
    let all = down.len() + degraded.len();
    let down: Vec<DownCard> = down
        .into_iter()
        .map_while(|at| written(&bound, &outcome, at, &mut room))
        .collect();
    let degraded: Vec<DegradedCard> = degraded
        .into_iter()
        .map_while(|at| {
            let reason = reason(&bound, &outcome, at)?;
            Some(DegradedCard {
                card: written(&bound, &outcome, at, &mut room)?,
                reason,
            })
        })
        .collect();
    let shown = down.len() + degraded.len();
    let summary = summary::summarise(&bound, &outcome);
    let alternatives = alternatives(&bound, &outcome, limit);
    let metadata = Metadata::new(&bound, roots.len() + shown, shown, all - shown);
    let roots = roots.into_iter().map(|root| bound.card_ref(root)).collect();
    Impact {
        roots,
        down,
        degraded,
        alternatives,
        summary,
        metadata,
    }
}

fn written(bound: &BoundView<'_>, outcome: &Outcome, at: usize, room: &mut Room) -> Option<DownCard> {
    let path = room.path(bound, &outcome.reached, at)?;
    let Reached { card, depth, .. } = outcome.reached[at];
    let CardRef { id, name, card_type } = bound.card_ref(card);
    let business_criticality = bound.graph().card(card).business_criticality;
    Some(DownCard {
        id,
        name,
        card_type,
        business_criticality,
        depth,
        path,
    })
}

fn reason(bound: &BoundView<'_>, outcome: &Outcome, at: usize) -> Option<Reason> {
    let (from, edge) = outcome.reached[at].from?;
    let on = outcome.reached[from].card;
    let group = bound.group_of(edge);
    Some(Reason {
        kind: if group.is_some() {
            ReasonKind::RedundancyGroup
        } else {
            ReasonKind::SoftDependency
        },
        on: bound.card_ref(on),
        relationship: bound.kind_label(edge),
        group: group.map(|group| group.label(bound.graph())),
    })
}

fn alternatives(bound: &BoundView<'_>, outcome: &Outcome, limit: usize) -> Vec<Alternative> {
    let is_down: HashSet<NodeIx> = outcome.reached[..outcome.down].iter().map(|down| down.card).collect();
    let standing = outcome.groups.iter().filter(|((card, _), losses)| {
        !losses.failed.is_empty() && losses.failed.len() < losses.members && !is_down.contains(card)
    });
    let mut groups: Vec<(NodeIx, Group)> = standing.map(|(key, _)| *key).collect();
    groups.sort_by_cached_key(|(card, group)| (bound.type_key(*card), group.label(bound.graph())));
    groups.truncate(limit);
    let written = groups.into_iter().map(|(card, group)| {
        let members = bound
            .dependencies(card)
            .filter(|dep| bound.group(dep) == Some(group))
            .map(|dep| dep.other);
        let (failed, surviving): (Vec<_>, Vec<_>) = members.partition(|member| is_down.contains(member));
        let (failed, failed_count) = members_shown(bound, failed);
        let (surviving, surviving_count) = members_shown(bound, surviving);
        let (dependent, group) = (bound.card_ref(card), group.label(bound.graph()));
        Alternative {
            dependent,
            group,
            failed,
            failed_count,
            surviving,
            surviving_count,
        }
    });
    // A member that falls at the very last depth is down, but what follows from it is not looked at.
    written.filter(|alternative| alternative.surviving_count > 0).collect()
}

fn members_shown(bound: &BoundView<'_>, mut members: Vec<NodeIx>) -> (Vec<CardRef>, usize) {
    members.sort_by_cached_key(|member| bound.graph().id(*member));
    members.dedup();
    let count = members.len();
    members.truncate(MEMBERS_SHOWN);
    (
        members.into_iter().map(|member| bound.card_ref(member)).collect(),
        count,
    )
}
