//! Tests that speak HTTP to the real router over a real database: one binary, mirroring the slices.
#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests")]

mod auth;
mod authorization;
mod condition;
mod harness;
mod log;
mod metamodel;
mod openapi;
mod seed;
