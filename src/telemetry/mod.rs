//! What the program tells about itself: log lines ([`logs`]) and metrics ([`metrics`]).

mod line;
pub mod logs;
pub mod metrics;
mod process;
mod scrape;

pub use logs::{REQUESTS, init, init_on_stderr};
pub use metrics::install;
pub use scrape::{Collectors, metrics_router, upkeep};
