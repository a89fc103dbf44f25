//! Loading a whole landscape.

use std::sync::Arc;

use super::{Graph, NO_EDGES};
use crate::graph::{
    input::{CardInput, EdgeInput, RelationshipRule},
    model::{EdgeRecord, NodeIx},
};

/// Loads a whole landscape: the edges of a card are put together once, at the end, not grown one by one.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// Starts from nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A row of the ontology; best before the edges made under it.
    pub fn rule(&mut self, rule: RelationshipRule) {
        self.graph.upsert_rule(rule);
    }

    /// A card.
    pub fn card(&mut self, input: &CardInput) {
        self.graph.upsert_card(input);
    }

    /// An edge; best after its cards.
    pub fn edge(&mut self, input: EdgeInput) {
        let graph = &mut self.graph;
        let known = graph.find_edge(input.id);
        if known.is_some_and(|ix| graph.edge_detail(ix).version > input.version) {
            return;
        }
        match (graph.find(input.source_id), graph.find(input.target_id)) {
            (Some(source), Some(target)) => {
                graph.put_edge(known, &input, source, target);
            }
            _ => {
                graph.upsert_edge(input);
            }
        }
    }

    /// The graph, with every edge at its two cards.
    #[must_use]
    pub fn build(mut self) -> Graph {
        let nodes = self.graph.nodes.len();
        let ends = |end: fn(&EdgeRecord) -> NodeIx| {
            let mut starts = vec![0u32; nodes + 1];
            for edge in self.graph.edges.iter() {
                starts[end(edge).at() + 1] += 1;
            }
            for at in 0..nodes {
                starts[at + 1] += starts[at];
            }
            let mut next = starts.clone();
            let mut lists = vec![0u32; self.graph.edges.len()];
            for (ix, edge) in self.graph.edges.iter().enumerate() {
                let slot = &mut next[end(edge).at()];
                lists[*slot as usize] = ix as u32;
                *slot += 1;
            }
            (starts, lists)
        };
        let (out, inc) = (ends(|edge| edge.source), ends(|edge| edge.target));
        let slice = |(starts, lists): &(Vec<u32>, Vec<u32>), at: usize| -> Arc<[u32]> {
            match &lists[starts[at] as usize..starts[at + 1] as usize] {
                [] => Arc::clone(&NO_EDGES),
                edges => edges.into(),
            }
        };
        for at in 0..nodes {
            if let Some(node) = self.graph.nodes.get_mut(at) {
                (node.out, node.inc) = (slice(&out, at), slice(&inc, at));
            }
        }
        self.graph
    }
}
