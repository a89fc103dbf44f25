//! Which card is what: how many of each type, which of them form trees, in which order they come.

use std::ops::Range;

use super::rng::{Rng, Stream};

/// The types of cards, with their share of ten thousand. What is left over becomes components.
macro_rules! kinds {
    ($($name:ident $share:literal),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kind { $($name),* }

        impl Kind {
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];

            /// The card type.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            fn share(self) -> u64 {
                match self { $(Self::$name => $share),* }
            }
        }
    };
}

kinds! {
    Location 200,
    Organization 400,
    BusinessCapability 400,
    BusinessProcess 600,
    Provider 100,
    TechCategory 20,
    Platform 150,
    Application 1_800,
    Interface 1_400,
    DataObject 800,
    Objective 50,
    Initiative 150,
    Risk 200,
    ComplianceRequirement 30,
    ArchitecturePrinciple 10,
    TechnologyStandard 50,
    ArchitecturePolicy 10,
    Exception 30,
    ITComponent 0,
}

/// Trees of a type: levels at most, and how many in a hundred cards have a parent.
fn tree_shape(kind: Kind) -> Option<(u8, u32)> {
    Some(match kind {
        Kind::BusinessCapability => (10, 100),
        Kind::Organization => (8, 100),
        Kind::Location => (5, 100),
        Kind::BusinessProcess => (5, 90),
        Kind::DataObject | Kind::Initiative => (3, 40),
        Kind::Objective => (3, 80),
        Kind::Platform => (3, 35),
        Kind::Application => (3, 10),
        _ => return None,
    })
}

/// A card's place in the tree of its type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The card above.
    pub(super) parent: Option<u32>,
    /// 1 at the top.
    pub(super) level: u8,
    /// Which child of its parent it is, from 0; of the roots which root.
    pub(super) sibling: u32,
}

/// Cards are numbered type by type; numbers, unlike ids, do not show outside.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    ranges: Vec<Range<u32>>,
    trees: Vec<Vec<Place>>,
    /// The numbers in the order in which the cards were created.
    pub(super) order: Vec<u32>,
    created: Vec<u32>,
}

impl Plan {
    pub(super) fn new(cards: u32, seed: u64) -> Self {
        let mut ranges = Vec::with_capacity(Kind::ALL.len());
        let mut next = 0;
        for kind in Kind::ALL {
            let count = match kind {
                Kind::ITComponent => cards - next,
                other => ((u64::from(cards) * other.share() / 10_000) as u32).max(1),
            };
            ranges.push(next..next + count);
            next += count;
        }
        let trees = Kind::ALL
            .iter()
            .zip(&ranges)
            .map(|(kind, range)| tree_shape(*kind).map_or_else(Vec::new, |shape| tree(seed, range, shape)))
            .collect();
        // An enterprise does not record its cards type by type.
        let mut order: Vec<u32> = (0..cards).collect();
        Rng::new(seed, Stream::Order, 0).shuffle(&mut order);
        let mut created = vec![0; order.len()];
        for (at, card) in order.iter().enumerate() {
            created[*card as usize] = at as u32;
        }
        Self {
            seed,
            ranges,
            trees,
            order,
            created,
        }
    }

    /// The numbers of the cards of a type.
    pub(super) fn all(&self, kind: Kind) -> Range<u32> {
        self.ranges[kind as usize].clone()
    }

    pub(super) fn kind(&self, card: u32) -> Kind {
        let at = self.ranges.partition_point(|range| range.end <= card);
        Kind::ALL[at.min(Kind::ALL.len() - 1)]
    }

    /// As which one the card was created, from 0.
    pub(super) fn created(&self, card: u32) -> u32 {
        self.created[card as usize]
    }

    /// The card's place in the tree of its type; none for types without.
    pub(super) fn place(&self, card: u32) -> Option<Place> {
        let kind = self.kind(card);
        self.trees[kind as usize]
            .get((card - self.all(kind).start) as usize)
            .copied()
    }

    /// A card of a type that stands as far along its type as `card` does along its own, give or take: what belongs
    /// together in an enterprise is near, and one in ten is anywhere.
    pub(super) fn near(&self, rng: &mut Rng, card: u32, kind: Kind) -> u32 {
        let own = self.all(self.kind(card));
        let range = self.all(kind);
        let length = range.end - range.start;
        if rng.chance(10) {
            return range.start + rng.below(length);
        }
        let at = u64::from(card - own.start) * u64::from(length) / u64::from(own.end - own.start);
        let reach = (length / 50).max(4).min(length);
        let from = (at as u32).saturating_sub(reach / 2).min(length - reach);
        range.start + from + rng.below(reach)
    }
}

/// Every card that has a parent takes one with a smaller number, so there is no way round in a circle.
fn tree(seed: u64, range: &Range<u32>, (levels, with_parent): (u8, u32)) -> Vec<Place> {
    let count = range.end - range.start;
    let roots = if with_parent == 100 {
        (count / 300).clamp(1, 12)
    } else {
        1
    };
    let mut places: Vec<Place> = Vec::with_capacity(count as usize);
    let mut children: Vec<u32> = vec![0; count as usize];
    let mut top = 0;
    for n in 0..count {
        let mut rng = Rng::new(seed, Stream::Tree, u64::from(range.start + n));
        let parent = if n < roots || !rng.chance(with_parent) {
            None
        } else if with_parent == 100 && n < roots + u32::from(levels) - 1 {
            // One branch goes all the way down, whatever chance says.
            Some(if n == roots { 0 } else { n - 1 })
        } else {
            Some(parent_for(&mut rng, &places, levels))
        };
        let place = match parent {
            None => {
                top += 1;
                Place {
                    parent: None,
                    level: 1,
                    sibling: top - 1,
                }
            }
            Some(above) => {
                let sibling = children[above as usize];
                children[above as usize] += 1;
                Place {
                    parent: Some(range.start + above),
                    level: places[above as usize].level + 1,
                    sibling,
                }
            }
        };
        places.push(place);
    }
    places
}

fn parent_for(rng: &mut Rng, places: &[Place], levels: u8) -> u32 {
    loop {
        // The first card is a root, so this ends.
        let candidate = rng.below(places.len() as u32);
        if places[candidate as usize].level < levels {
            return candidate;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_has_one_type() {
        for cards in [100, 1_000, 2_017, 50_000] {
            let plan = Plan::new(cards, 3);
            let total: u32 = Kind::ALL.iter().map(|kind| plan.all(*kind).len() as u32).sum();
            assert_eq!(total, cards);
            for card in [0, 1, cards / 2, cards - 1] {
                assert!(plan.all(plan.kind(card)).contains(&card));
                assert_eq!(plan.order[plan.created(card) as usize], card);
            }
            let components = plan.all(Kind::ITComponent).len();
            assert!(Kind::ALL.iter().all(|kind| plan.all(*kind).len() <= components));
        }
    }

    #[test]
    fn capabilities_are_ten_levels_deep_and_no_deeper() {
        let plan = Plan::new(5_000, 1);
        let levels = |kind| {
            plan.all(kind)
                .filter_map(|card| plan.place(card))
                .map(|place| place.level)
                .max()
        };
        assert_eq!(levels(Kind::BusinessCapability), Some(10));
        assert_eq!(levels(Kind::Organization), Some(8));
        assert_eq!(levels(Kind::Provider), None);
    }
}
