//! What a new database starts with: the [reference data](mod@reference) that everything needs, and sample landscapes to
//! explore ([`demo`]) or to measure with ([`synthetic`]). All of it may be repeated; what is there already is left alone.

pub mod demo;
pub mod reference;
pub mod synthetic;
