//! The relationship: a typed, dated edge between two cards. The [`ontology`] says which edges may be; [`rules`] keeps
//! cardinality, acyclicity and cost shares, safe against concurrent writers.

mod cost_flow;
mod draft;
pub mod list;
pub mod ontology;
mod ontology_routes;
pub mod past;
mod routes;
pub mod rules;
pub mod store;
mod view;

pub use cost_flow::{CostGiver, cost_giver};
pub use draft::{EdgeDraft, READ_ONLY, Validity};
pub use routes::routes;
pub use store::RelationshipRow;
pub use view::RelationshipView;
