//! Tests that speak HTTP to the real router over a real database: one binary, mirroring the slices.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "tests fail by panicking"
)]
#![allow(
    clippy::needless_pass_by_value,
    clippy::float_cmp,
    clippy::type_complexity,
    clippy::duration_suboptimal_units,
    clippy::cloned_ref_to_slice_refs,
    clippy::nonminimal_bool,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::assigning_clones,
    reason = "tests read better as they are"
)]

mod architecture;
mod audit;
mod auth;
mod authorization;
mod bulk;
mod card_changes;
mod card_deletion;
mod card_lists;
mod card_names;
mod cards;
mod concurrency;
mod condition;
mod document;
mod graph;
mod harness;
mod hostile;
mod hostile_requests;
mod idempotency;
mod jobs;
mod log;
mod metamodel;
mod ontology;
mod openapi;
mod oracle;
mod probe;
mod query;
mod query_document;
mod related;
mod relationship_changes;
mod relationships;
mod saved_question_answers;
mod saved_questions;
mod search;
mod seed;
mod time;
mod visibility;
