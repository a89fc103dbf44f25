//! Numbers that look random and are the same for ever: SplitMix64 (Steele, Lea and Flood, 2014), because the generators
//! of libraries may change with their versions, and the landscape of a seed may not.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a stream of numbers is for; streams of one seed know nothing of each other, so that a new one changes no other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    Order = 1,
    Tree,
    Card,
    Product,
    Pair,
    Siblings,
    CardId,
    Edge,
    EdgeId,
}

#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// The `n`-th generator of a stream.
    pub(super) fn new(seed: u64, stream: Stream, n: u64) -> Self {
        let start = mix(seed.wrapping_add(GOLDEN)) ^ mix((stream as u64).wrapping_mul(GOLDEN));
        Self(mix(start.wrapping_add(n.wrapping_mul(GOLDEN))))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `n`; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        // The high half of a product: without the division, and with a bias far below anything that shows.
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u32
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = u32::try_from(high - low + 1).unwrap_or(1);
        low + i64::from(self.below(span))
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        // Reference values of SplitMix64 started at 0.
        let mut rng = Rng(0);
        assert_eq!([rng.next(), rng.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        let mut first = Rng::new(1, Stream::Card, 0);
        let mut other = Rng::new(1, Stream::Card, 1);
        assert_ne!(first.next(), other.next());
    }

    #[test]
    fn ranges_are_kept() {
        let mut rng = Rng::new(7, Stream::Order, 0);
        for _ in 0..1_000 {
            assert!(rng.below(3) < 3);
            assert!((-2..=2).contains(&rng.between(-2, 2)));
        }
        assert_eq!(rng.below(0), 0);
        let mut list: Vec<u32> = (0..100).collect();
        rng.shuffle(&mut list);
        assert_ne!(list, (0..100).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..100).collect::<Vec<_>>());
    }
}
