//! Writes across cards and relationships: everything that creates, changes, deletes or restores them goes through a
//! [`Writer`], so that the rules between them hold whichever route was used.

mod bulk;
mod deletion;
mod reference;
mod routes;
mod siblings;
pub mod sunset;
mod writer;

pub use bulk::{BulkRequest, MAX_OPERATIONS};
pub use deletion::{DeletionReport, RestoreReport};
pub use reference::{CardReference, Reference};
pub use routes::routes;
pub use writer::{NewEdge, Writer};
