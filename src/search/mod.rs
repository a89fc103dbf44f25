//! Search across everything.
