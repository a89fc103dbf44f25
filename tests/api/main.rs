//! Tests that speak HTTP to the real router over a real database: one binary, mirroring the slices.
#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests")]

mod architecture;
mod auth;
mod authorization;
mod card_changes;
mod card_deletion;
mod card_lists;
mod card_names;
mod cards;
mod condition;
mod graph;
mod harness;
mod log;
mod metamodel;
mod openapi;
mod oracle;
mod probe;
mod seed;
