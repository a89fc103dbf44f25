//! The graph room: the landscape in memory and every question asked of it.
//!
//! ```text
//! input ──► Graph (immutable snapshot, cheap to clone and to update) ──┐
//!                                                                     ├─► question::* ─► answer (serde, OpenAPI)
//!           View (date, visibility, overlay of what-if changes) ───────┘
//! ```
//!
//! * [`input`] is what a feeder hands over: plain structs that know nothing of SQL or Bolt.
//! * [`model`] is how cards and edges are kept; `store` (private) is the snapshot and its copy-on-write updates.
//! * [`view`] says what counts for one question. Every question walks through [`view::BoundView`] and nothing else, so
//!   validity, presence, visibility and the overlay are decided in one place.
//! * [`question`] holds one file per question; each is a pure function of `(&Graph, &View, parameters)`.
//! * [`Embedded`] feeds a `Graph` from Postgres and the change log; [`routes`](fn@routes) ask it over HTTP.
//!
//! The others import neither axum nor sqlx. Who feeds a `Graph` (a whole load, a change-log tail, or an engine that
//! fetches only a neighbourhood) is not its concern: each question's module doc says which neighbourhood it reads.

mod cow;
mod embedded;
mod facets;
mod interner;
mod leaves;
mod meaning;
mod past;
mod routes;
mod store;

pub mod find;
pub mod input;
pub mod model;
pub mod overlay;
pub mod question;
mod search;
pub mod view;

#[cfg(test)]
mod tests;

pub use embedded::Embedded;
pub use find::{Candidate, Found};
pub use input::{CardInput, Dependent, EdgeInput, RelationshipRule};
pub use interner::{TypeId, Word};
pub use model::{CardRecord, CriticalitySource, Dependency, EdgeDetail, EdgeIx, EdgeRecord, NodeIx, Tier};
pub use overlay::{AddedEdge, Overlay};
pub use past::{Definitions, PastLandscapes};
pub use routes::routes;
pub use store::{Graph, GraphBuilder};
pub use view::{BoundView, Direction, TypeSet, View};
