//! The audit trail: seals, the trail itself, its verification, blanking.

mod seals;
