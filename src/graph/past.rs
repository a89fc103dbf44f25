//! Landscapes as they were recorded: put together from the change log when a question asks for one, and kept for a while.
//! The same seal gives the same graph, card by card in the same place, on every instance: rows come in order of id.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgPool, QueryBuilder};
use tokio::sync::{OnceCell, Semaphore, mpsc};
use uuid::Uuid;

use super::{
    CardInput, EdgeInput, Graph, GraphBuilder, Tier,
    embedded::{meaning, small, source},
};
use crate::{
    error::{Error, Result},
    metamodel::{self, Metamodel},
    relationship::ontology::{self, Ontology},
    store::{
        past::{Past, rows, tables},
        timed,
    },
};

/// Rows read at a time; as many as are sorted in memory.
const CHUNK: usize = 5_000;
/// Cards of all kept graphs together, beyond which the oldest go.
const MOST_CARDS: usize = 500_000;
/// Metamodels are small.
const DEFINITIONS: u64 = 64;

/// What cards and relationships meant.
#[derive(Debug)]
pub struct Definitions {
    /// Card types and their rules.
    pub metamodel: Arc<Metamodel>,
    /// Which edges might be.
    pub ontology: Arc<Ontology>,
}

type Loaded = Arc<OnceCell<Arc<Graph>>>;

/// The pasts that were asked for last.
pub struct PastLandscapes {
    graphs: Mutex<VecDeque<(i64, Loaded)>>,
    most: usize,
    loading: Arc<Semaphore>,
    definitions: moka::sync::Cache<i64, Arc<Definitions>>,
}

impl PastLandscapes {
    /// Keeps at most so many graphs.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            graphs: Mutex::default(),
            most: most.max(1),
            loading: Arc::new(Semaphore::new(1)),
            definitions: moka::sync::Cache::new(DEFINITIONS),
        }
    }

    /// The metamodel and the ontology as they were recorded.
    pub async fn definitions(&self, db: &PgPool, past: &Past) -> Result<Arc<Definitions>> {
        if let Some(known) = self.definitions.get(&past.seal.number) {
            return Ok(known);
        }
        let mut conn = db.acquire().await?;
        let metamodel = metamodel::store::load_at(&mut conn, past).await?;
        let ontology = ontology::store::load_at(&mut conn, past, &metamodel).await?;
        let found = Arc::new(Definitions {
            metamodel: Arc::new(metamodel),
            ontology: Arc::new(ontology),
        });
        self.definitions.insert(past.seal.number, Arc::clone(&found));
        Ok(found)
    }

    /// The graph as it was recorded. Whoever asks for one that is being loaded waits for it; the load goes on when they
    /// give up.
    pub async fn graph(&self, db: &PgPool, past: &Past) -> Result<Arc<Graph>> {
        let cell = self.cell(past.seal.number);
        if let Some(graph) = cell.get() {
            return Ok(Arc::clone(graph));
        }
        let definitions = self.definitions(db, past).await?;
        let (db, past, loading) = (db.clone(), past.clone(), Arc::clone(&self.loading));
        let load = async move {
            let graph = cell
                .get_or_try_init(|| async {
                    // One at a time: each takes a processor and the memory of a whole landscape.
                    let _turn = loading.acquire().await.map_err(Error::internal)?;
                    timed("load_past_graph", load(&db, &past, definitions))
                        .await
                        .map(Arc::new)
                })
                .await?;
            Ok(Arc::clone(graph))
        };
        let graph = tokio::spawn(load).await.map_err(Error::internal)?;
        self.make_room();
        graph
    }

    /// Forgets all of it, here and in the tables of past states, because rows of the log were blanked: what is put together
    /// from now on does not know them.
    pub async fn forget(&self, db: &PgPool) -> Result<()> {
        self.graphs.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.definitions.invalidate_all();
        tables::forget(db).await
    }

    fn cell(&self, seal: i64) -> Loaded {
        let mut graphs = self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
        let at = graphs.iter().position(|(known, _)| *known == seal);
        let entry = at
            .and_then(|at| graphs.remove(at))
            .unwrap_or_else(|| (seal, Loaded::default()));
        let cell = Arc::clone(&entry.1);
        graphs.push_front(entry);
        graphs.truncate(self.most);
        cell
    }

    fn make_room(&self) {
        let mut graphs = self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
        let cards = |graphs: &VecDeque<(i64, Loaded)>| -> usize {
            let sizes = graphs.iter().filter_map(|(_, cell)| cell.get());
            sizes.map(|graph| graph.card_count()).sum()
        };
        while graphs.len() > 1 && cards(&graphs) > MOST_CARDS {
            graphs.pop_back();
        }
    }
}

/// What is read, on its way to where the graph is built.
enum Piece {
    Scores(Vec<ScoreRow>),
    Cards(Vec<StateRow>),
    Edges(Vec<StateRow>),
}

/// Position, the state as JSON text, and the score of a card whose own state does not carry it.
type StateRow = (i64, Option<String>, Option<i16>);
type ScoreRow = (Uuid, i64, Option<i16>, Option<String>);

async fn load(db: &PgPool, past: &Past, definitions: Arc<Definitions>) -> Result<Graph> {
    let (send, receive) = mpsc::channel(4);
    let building = tokio::task::spawn_blocking(move || build(&definitions.ontology, receive));
    let mut tx = db.begin().await?;
    sqlx::query("set local statement_timeout = 0").execute(&mut *tx).await?;
    rows::take_memory(&mut tx).await?;
    let fed = feed(&mut tx, past, &send).await;
    drop(send);
    let built = building.await.map_err(Error::internal)?;
    // What could not be read is the cause of what could not be built.
    fed?;
    let graph = built?;
    tracing::info!(
        seal = past.seal.number,
        cards = graph.card_count(),
        relationships = graph.edge_count(),
        "graph of the past loaded"
    );
    Ok(graph)
}

async fn feed(conn: &mut PgConnection, past: &Past, send: &mpsc::Sender<Piece>) -> Result<()> {
    let gone = |_| Error::internal("the graph of the past could not be built");
    let mut sql = QueryBuilder::new(
        "select s.entity_id, s.position, (s.after -> 'quality_score')::smallint, (s.after -> 'computed')::text from ",
    );
    rows::push(&mut sql, past, "score");
    sql.push(" s");
    let scores = sql.build_query_as().persistent(false).fetch_all(&mut *conn).await?;
    send.send(Piece::Scores(scores)).await.map_err(gone)?;
    for entity in ["card", "relationship"] {
        let positions = rows::positions(conn, past, entity).await?;
        for chunk in positions.chunks(CHUNK) {
            let rows = states(conn, past, chunk).await?;
            let piece = if entity == "card" {
                Piece::Cards(rows)
            } else {
                Piece::Edges(rows)
            };
            send.send(piece).await.map_err(gone)?;
        }
    }
    Ok(())
}

async fn states(conn: &mut PgConnection, past: &Past, positions: &[i64]) -> Result<Vec<StateRow>> {
    let mut sql = QueryBuilder::new(
        "select h.position, h.after::text, case when h.entity = 'card' and not h.after ? 'quality_score' then \
         (select (q.after -> 'quality_score')::smallint from changes q where q.entity_id = h.entity_id \
          and q.entity in ('card', 'score') and q.after ? 'quality_score' and ",
    );
    past.seal.push_saw(&mut sql, "q");
    sql.push(" order by q.position desc limit 1) end from unnest(")
        .push_bind(positions)
        .push("::bigint[]) with ordinality as p (position, n) join changes h on h.position = p.position order by p.n");
    Ok(sql.build_query_as().fetch_all(conn).await?)
}

fn build(ontology: &Ontology, mut pieces: mpsc::Receiver<Piece>) -> Result<Graph> {
    let mut builder = GraphBuilder::new();
    for row in ontology.rows() {
        builder.rule(meaning(row));
    }
    let mut scores = HashMap::new();
    while let Some(piece) = pieces.blocking_recv() {
        match piece {
            Piece::Scores(rows) => {
                scores.extend(
                    rows.into_iter()
                        .map(|(card, at, quality, computed)| (card, (at, quality, computed))),
                );
            }
            Piece::Cards(rows) => {
                for (position, state, earlier) in rows {
                    let Some(state) = state else { continue };
                    let card: PastCard<'_> = serde_json::from_str(&state).map_err(Error::internal)?;
                    let mut input = card.input(earlier);
                    if let Some((at, quality, computed)) = scores.get(&input.id) {
                        if *at > position {
                            input.quality_score = small(*quality);
                        }
                        input.computed.clone_from(computed);
                    }
                    builder.card(&input);
                }
            }
            Piece::Edges(rows) => {
                for (_, state, _) in rows {
                    let Some(state) = state else { continue };
                    let edge: PastEdge<'_> = serde_json::from_str(&state).map_err(Error::internal)?;
                    builder.edge(edge.input());
                }
            }
        }
    }
    Ok(builder.build())
}

/// A card's row as the log holds it; attributes stay text.
#[derive(Deserialize)]
struct PastCard<'a> {
    id: Uuid,
    r#type: String,
    name: String,
    name_key: String,
    description: Option<String>,
    tags: Vec<String>,
    lifecycle_plan: Option<NaiveDate>,
    lifecycle_phase_in: Option<NaiveDate>,
    lifecycle_active: Option<NaiveDate>,
    lifecycle_phase_out: Option<NaiveDate>,
    lifecycle_eol: Option<NaiveDate>,
    functional_fit: Option<i16>,
    technical_fit: Option<i16>,
    business_criticality: Option<String>,
    criticality_source: Option<String>,
    #[serde(borrow)]
    attributes: &'a RawValue,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    created_by: Option<Uuid>,
    updated_by: Option<Uuid>,
    quality_score: Option<i16>,
}

impl PastCard<'_> {
    fn input(self, earlier_score: Option<i16>) -> CardInput {
        CardInput {
            id: self.id,
            card_type: self.r#type,
            name: self.name,
            name_key: self.name_key,
            description: self.description,
            tags: self.tags,
            lifecycle: [
                self.lifecycle_plan,
                self.lifecycle_phase_in,
                self.lifecycle_active,
                self.lifecycle_phase_out,
                self.lifecycle_eol,
            ],
            functional_fit: small(self.functional_fit),
            technical_fit: small(self.technical_fit),
            business_criticality: self.business_criticality.as_deref().and_then(Tier::parse),
            criticality_source: self.criticality_source.as_deref().map(source),
            attributes: self.attributes.get().to_owned(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            deleted_at: self.deleted_at,
            created_by: self.created_by,
            updated_by: self.updated_by,
            quality_score: small(self.quality_score.or(earlier_score)),
            computed: None,
        }
    }
}

/// A relationship's row as the log holds it; attributes stay text.
#[derive(Deserialize)]
struct PastEdge<'a> {
    id: Uuid,
    rule_id: Uuid,
    r#type: String,
    source_id: Uuid,
    target_id: Uuid,
    valid_from: Option<NaiveDate>,
    valid_to: Option<NaiveDate>,
    status: String,
    description: Option<String>,
    #[serde(with = "rust_decimal::serde::float_option")]
    allocation_pct: Option<Decimal>,
    #[serde(borrow)]
    attributes: &'a RawValue,
    version: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl PastEdge<'_> {
    fn input(self) -> EdgeInput {
        EdgeInput {
            id: self.id,
            rule_id: self.rule_id,
            kind: self.r#type,
            source_id: self.source_id,
            target_id: self.target_id,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            active: self.status == "active",
            description: self.description,
            allocation_pct: self.allocation_pct,
            attributes: self.attributes.get().to_owned(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
