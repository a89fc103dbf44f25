//! Loading a whole landscape.

use std::sync::Arc;

use super::{Graph, NO_EDGES};
use crate::graph::{
    input::{CardInput, EdgeInput, RelationshipRule},
    model::{EdgeIx, EdgeRecord, NodeIx, Step},
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
        let out = self.lists(|edge| (edge.source, edge.target));
        let inc = self.lists(|edge| (edge.target, edge.source));
        for at in 0..nodes {
            if let Some(node) = self.graph.nodes.get_mut(at) {
                (node.out, node.inc) = (out.of(at), inc.of(at));
            }
        }
        self.graph
    }

    /// The steps of every card in one direction, given which end of an edge is the card and which the other.
    fn lists(&self, ends: fn(&EdgeRecord) -> (NodeIx, NodeIx)) -> Lists {
        let nodes = self.graph.nodes.len();
        let mut starts = vec![0u32; nodes + 1];
        for edge in self.graph.edges.iter() {
            starts[ends(edge).0.at() + 1] += 1;
        }
        for at in 0..nodes {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let nothing = Step {
            edge: EdgeIx(0),
            other: NodeIx(0),
        };
        let mut steps = vec![nothing; self.graph.edges.len()];
        for (edge, record) in (0..).map(EdgeIx).zip(self.graph.edges.iter()) {
            let (card, other) = ends(record);
            let slot = &mut next[card.at()];
            steps[*slot as usize] = Step { edge, other };
            *slot += 1;
        }
        Lists { starts, steps }
    }
}

struct Lists {
    starts: Vec<u32>,
    steps: Vec<Step>,
}

impl Lists {
    fn of(&self, at: usize) -> Arc<[Step]> {
        match &self.steps[self.starts[at] as usize..self.starts[at + 1] as usize] {
            [] => Arc::clone(&NO_EDGES),
            steps => steps.into(),
        }
    }
}
