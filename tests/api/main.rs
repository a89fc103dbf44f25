//! Tests that speak HTTP to the real router over a real database: one binary, mirroring the slices.
#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests")]

mod authorization;
mod graph;
mod harness;
mod log;
mod openapi;
mod oracle;
