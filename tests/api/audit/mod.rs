//! The audit trail: seals, the trail itself, its verification, blanking.

mod blank;
mod rights;
mod seals;
mod tamper;
mod trail;
