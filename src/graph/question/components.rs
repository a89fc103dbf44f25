//! Strongly connected components of a list of arrows, without recursion: chains can be as long as the landscape.

/// Arrows from each of `0..len`, in one array.
#[derive(Debug, Default)]
pub(super) struct Arrows {
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl Arrows {
    pub(super) fn new() -> Self {
        Self {
            starts: vec![0],
            ends: Vec::new(),
        }
    }

    /// Adds the next vertex with its arrows.
    pub(super) fn push(&mut self, to: impl IntoIterator<Item = u32>) {
        self.ends.extend(to);
        self.starts.push(self.ends.len() as u32);
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn of(&self, vertex: u32) -> &[u32] {
        &self.ends[self.starts[vertex as usize] as usize..self.starts[vertex as usize + 1] as usize]
    }
}

/// The component of each vertex and how many there are. Components are numbered so that arrows between two of them lead
/// from the larger number to the smaller (Tarjan's order).
pub(super) fn components(arrows: &Arrows) -> (Vec<u32>, usize) {
    const UNSEEN: u32 = u32::MAX;
    let count = arrows.len();
    let (mut index, mut low) = (vec![UNSEEN; count], vec![0; count]);
    let mut component = vec![UNSEEN; count];
    let (mut next, mut found) = (0, 0);
    // Vertices whose component is open, and the walk: a vertex and how many of its arrows were followed.
    let (mut open, mut walk): (Vec<u32>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
    for root in 0..count as u32 {
        if index[root as usize] != UNSEEN {
            continue;
        }
        walk.push((root, 0));
        while let Some((vertex, followed)) = walk.last_mut() {
            let at = *vertex as usize;
            if *followed == 0 {
                (index[at], low[at]) = (next, next);
                next += 1;
                open.push(*vertex);
            }
            if let Some(&to) = arrows.of(*vertex).get(*followed) {
                *followed += 1;
                if index[to as usize] == UNSEEN {
                    walk.push((to, 0));
                } else if component[to as usize] == UNSEEN {
                    low[at] = low[at].min(index[to as usize]);
                }
                continue;
            }
            if low[at] == index[at] {
                while let Some(member) = open.pop() {
                    component[member as usize] = found;
                    if member as usize == at {
                        break;
                    }
                }
                found += 1;
            }
            walk.pop();
            if let Some((before, _)) = walk.last() {
                low[*before as usize] = low[*before as usize].min(low[at]);
            }
        }
    }
    (component, found as usize)
}
