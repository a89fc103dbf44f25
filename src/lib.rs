//! Arc Zero: an enterprise-architecture platform's back end.
//!
//! Architects record their landscape as *cards* and typed, dated *relationships*, and ask what breaks if something
//! fails, what depends on what, what the landscape looks like on a date. Postgres is the only source of truth; every
//! write is one transaction that changes rows and appends to one change log, and everything held in memory follows that
//! log.
//!
//! The map of the house, in the order in which rooms may use each other:
//!
//! | room | what it holds |
//! |---|---|
//! | [`error`] | the one error |
//! | [`config`] | the environment, validated |
//! | [`telemetry`] | logs and metrics |
//! | [`store`] | pool, transactions, migrations, the change log |
//! | [`http`] | what all routes share |
//! | [`auth`] | people, sessions, rights |
//! | [`job`] | work that outlives a request: the queue, its workers, schedules |
//! | [`metamodel`] | card types and the rules of their attributes |
//! | [`condition`] | the one filter language |
//! | [`text`] | full text: words, queries, ranking, the index |
//! | [`card`] | the card |
//! | [`audit`] | seals of the change log, the trail, its verification |
//! | [`relationship`] | the edge, the ontology, cardinality, cycles |
//! | [`landscape`] | writes across cards and relationships |
//! | [`graph`] | the graph in memory and the questions asked of it |
//! | [`saved_question`] | questions with a name and an address |
//! | [`search`] | search across everything |
//! | [`seed`] | reference data and sample landscapes |
//! | [`app`] | the state and the only router |

pub mod app;
pub mod audit;
pub mod auth;
pub mod card;
pub mod condition;
pub mod config;
pub mod error;
pub mod graph;
pub mod http;
pub mod job;
pub mod landscape;
pub mod metamodel;
pub mod relationship;
pub mod saved_question;
pub mod search;
pub mod seed;
pub mod store;
pub mod telemetry;
pub mod text;
