//! The state of a running instance and the only router.

mod clock;
mod gauges;
pub mod program;
mod retention;
mod router;
mod tail;
mod work;

use std::{ops::Deref, sync::Arc};

use arc_swap::ArcSwap;
use sqlx::PgPool;

pub use clock::Clock;
pub use gauges::collectors;
pub use router::{openapi, router};
pub use tail::Tail;
pub use work::{kinds, schedules};

use crate::{
    audit::Audit,
    auth,
    config::Config,
    error::Result,
    graph,
    http::{health::Health, rate_limit::Limiter},
    job,
    metamodel::{self, Metamodel},
    relationship::ontology::{self, Ontology},
    store,
};

/// What every handler can reach. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<App>);

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

/// See [`AppState`].
pub struct App {
    /// The validated configuration.
    pub config: Config,
    /// The pool of connections to Postgres.
    pub db: PgPool,
    /// The time.
    pub clock: Clock,
    /// The graph in memory.
    pub graph: graph::Embedded,
    /// Landscapes as they were recorded.
    pub past: graph::PastLandscapes,
    /// Card types and their rules, as last read.
    pub metamodel: ArcSwap<Metamodel>,
    /// Which edges may be, as last read.
    pub ontology: ArcSwap<Ontology>,
    /// Signing and verifying tokens.
    pub tokens: auth::Tokens,
    /// Living sessions and the rights of their users.
    pub sessions: auth::SessionCache,
    /// The keys of the seals, and the newest seal this instance knows of.
    pub audit: Audit,
    /// API keys that were presented here.
    pub keys: auth::KeyCache,
    /// Rate limits of this process.
    pub limiter: Limiter,
    /// What health checks remember.
    pub health: Health,
    /// What is heard of the queue of jobs.
    pub jobs: job::News,
    /// Follows the change log and keeps all of the above current.
    pub tail: Tail,
}

impl AppState {
    /// Connects, loads the graph and the metamodel. The schema must be there ([`store::migrate`]).
    pub async fn start(config: Config, clock: Clock) -> Result<Self> {
        let db = store::connect(&config.database)?;
        Self::with_pool(config, clock, db).await
    }

    /// [`start`](Self::start) on an existing pool.
    pub async fn with_pool(config: Config, clock: Clock, db: PgPool) -> Result<Self> {
        let epoch = store::log::ensure_epoch(&db).await?;
        let mut conn = db.acquire().await?;
        let metamodel = metamodel::store::load(&mut conn).await?;
        let ontology = ontology::store::load(&mut conn).await?;
        let tokens = auth::Tokens::new(&config.auth, &mut conn).await?;
        let audit = Audit::new(&config.audit, &mut conn).await?;
        drop(conn);
        let (graph, snapshot) = graph::Embedded::load(&db, &ontology).await?;
        let limiter = Limiter::new(&config.rate_limit);
        let tail = Tail::new(db.clone(), epoch, snapshot);
        Ok(Self(Arc::new(App {
            metamodel: ArcSwap::from_pointee(metamodel),
            ontology: ArcSwap::from_pointee(ontology),
            graph,
            past: graph::PastLandscapes::new(config.known_at.graphs),
            tokens,
            audit,
            sessions: auth::SessionCache::default(),
            keys: auth::KeyCache::default(),
            limiter,
            health: Health::default(),
            jobs: job::News::default(),
            tail,
            config,
            db,
            clock,
        })))
    }
}
