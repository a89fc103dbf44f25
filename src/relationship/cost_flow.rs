//! Which way costs flow along an edge: from what is used to what uses it.

/// Whose cost flows along an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostGiver {
    /// The source hands its cost to the target.
    Source,
    /// The target hands its cost to the source.
    Target,
}

/// The giver of an edge of this type between these card types; none where no cost flows.
#[must_use]
pub fn cost_giver(edge_type: &str, source_type: &str, target_type: &str) -> Option<CostGiver> {
    use CostGiver::{Source, Target};
    Some(match (edge_type, source_type, target_type) {
        ("PROVIDED_BY" | "RELIES_ON" | "HOSTED_ON" | "PROVIDES", ..)
        | ("PARENT_OF", "BusinessCapability" | "Application" | "BusinessProcess" | "Platform", _) => Target,
        ("PART_OF", "ITComponent", _) | ("SUPPORTS" | "REALIZES", ..) => Source,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_flow_from_what_is_used_to_what_uses_it() {
        for (edge, source, target, giver) in [
            ("PROVIDED_BY", "Application", "Provider", Some(CostGiver::Target)),
            ("PART_OF", "ITComponent", "Platform", Some(CostGiver::Source)),
            ("HOSTED_ON", "Application", "Platform", Some(CostGiver::Target)),
            ("PROVIDES", "Application", "Interface", Some(CostGiver::Target)),
            ("SUPPORTS", "Application", "BusinessCapability", Some(CostGiver::Source)),
            (
                "PARENT_OF",
                "BusinessCapability",
                "BusinessCapability",
                Some(CostGiver::Target),
            ),
            ("PARENT_OF", "Organization", "Organization", None),
            ("OWNED_BY", "Application", "Organization", None),
        ] {
            assert_eq!(cost_giver(edge, source, target), giver, "{source} {edge} {target}");
        }
    }
}
