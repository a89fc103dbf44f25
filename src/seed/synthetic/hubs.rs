//! The few cards that thousands depend on: the log-in, the integration bus, the database cluster of every real landscape.

use super::plan::{Kind, Plan};

/// Edges into one hub at most.
const MOST: usize = 5_000;
/// One in this many relationships leads into each hub, until it has [`MOST`].
const SHARE: usize = 100;

const COMPONENTS: u32 = 5;
const APPLICATIONS: u32 = 2;

/// A hub, and who relies on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hub {
    pub(super) card: u32,
    pub(super) dependents: Kind,
    /// Which of the possible dependents comes first; hubs of one redundancy group have the same ones.
    pub(super) offset: usize,
    pub(super) redundancy_group: Option<&'static str>,
}

pub(super) fn hubs(plan: &Plan) -> [Hub; (COMPONENTS + APPLICATIONS) as usize] {
    let (component, application) = (plan.all(Kind::ITComponent).start, plan.all(Kind::Application).start);
    let hub = |card, dependents, offset| Hub {
        card,
        dependents,
        offset,
        redundancy_group: None,
    };
    // What so many components stand on has a spare, or nothing at all would survive its failure.
    let mirrored = |card| Hub {
        redundancy_group: Some("mirror"),
        ..hub(card, Kind::ITComponent, 0)
    };
    [
        hub(component, Kind::Application, 0),
        hub(component + 1, Kind::Application, 1),
        hub(component + 2, Kind::Interface, 0),
        mirrored(component + 3),
        mirrored(component + 4),
        hub(application, Kind::Application, 2),
        hub(application + 1, Kind::Application, 3),
    ]
}

/// Whether the card is a hub: those are always there, and rely on no other of their type.
pub(super) fn is_hub(plan: &Plan, card: u32) -> bool {
    let is_among_first = |kind, count| (plan.all(kind).start..plan.all(kind).start + count).contains(&card);
    is_among_first(Kind::ITComponent, COMPONENTS) || is_among_first(Kind::Application, APPLICATIONS)
}

/// The first component that is no hub.
pub(super) fn first_ordinary(plan: &Plan, kind: Kind) -> u32 {
    plan.all(kind).start
        + match kind {
            Kind::ITComponent => COMPONENTS,
            Kind::Application => APPLICATIONS,
            _ => 0,
        }
}

/// How many edges lead into a hub.
pub(super) fn degree(plan: &Plan, hub: &Hub, relationships: u32) -> usize {
    let candidates = plan.all(hub.dependents).end - first_ordinary(plan, hub.dependents);
    (relationships as usize / SHARE).min(MOST).min(candidates as usize / 2)
}
