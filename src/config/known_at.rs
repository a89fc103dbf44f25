//! Answers about the past.

use super::reader::Reader;

/// What answers about the past may cost.
#[derive(Clone, Debug)]
pub struct KnownAtConfig {
    /// Graphs of the past that are kept in memory.
    pub graphs: usize,
    /// Changes after which a checkpoint is made.
    pub checkpoint_every: u64,
}

impl KnownAtConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            graphs: reader.integer("KNOWN_AT_GRAPHS").unwrap_or(4),
            checkpoint_every: reader.integer("KNOWN_AT_CHECKPOINT_EVERY").unwrap_or(50_000),
        }
    }
}
