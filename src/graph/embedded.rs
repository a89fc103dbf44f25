//! The graph in this process: loaded from Postgres at start, kept current from the change log. Readers take an immutable
//! snapshot and hold no lock; a batch of changes makes the next one, sharing with it all that did not change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::NaiveDate;
use futures_util::TryStreamExt;
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::{Acquire, PgConnection, PgPool};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    CardInput, CardRecord, CriticalitySource, Dependent, EdgeInput, Graph, GraphBuilder, RelationshipRule, Tier,
    find::apart,
};
use crate::{
    card::{self, CardRow, CardView},
    error::Result,
    relationship::{
        RelationshipRow,
        ontology::{self, Ontology, Strength},
    },
    store::log::{self, Change, Snapshot},
};

/// The graph in this process.
pub struct Embedded {
    current: ArcSwap<Graph>,
    // One writer at a time; the tail is the only one, but nothing here relies on it.
    writing: Mutex<()>,
    columns: Arc<super::facets::Columns>,
}

impl Embedded {
    /// Loads everything in one snapshot, from which the change log is then followed.
    pub async fn load(db: &PgPool, ontology: &Ontology) -> Result<(Self, Snapshot)> {
        let mut conn = db.acquire().await?;
        let mut tx = conn.begin().await?;
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *tx)
            .await?;
        sqlx::query("set local statement_timeout = 0").execute(&mut *tx).await?;
        let snapshot = log::current_snapshot(&mut tx).await?;
        let mut builder = GraphBuilder::new();
        for row in ontology.rows() {
            builder.rule(meaning(row));
        }
        cards(&mut tx, &mut builder).await?;
        edges(&mut tx, &mut builder).await?;
        tx.commit().await?;
        let graph = apart(move || builder.build().with_texts()).await?;
        tracing::info!(
            cards = graph.card_count(),
            relationships = graph.edge_count(),
            "graph loaded"
        );
        Ok((
            Self {
                current: ArcSwap::from_pointee(graph),
                writing: Mutex::new(()),
                columns: Arc::default(),
            },
            snapshot,
        ))
    }

    /// The graph as it is now; it never changes under the reader.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Graph> {
        self.current.load_full()
    }

    pub(super) fn columns(&self) -> &Arc<super::facets::Columns> {
        &self.columns
    }

    /// Takes over a graph that was loaded anew.
    pub fn replace(&self, other: Self) {
        self.current.store(other.current.into_inner());
    }

    /// Applies rows of the change log, in their order. Applying one again, or an older one, changes nothing.
    pub async fn apply(&self, changes: &[Change]) {
        let _writing = self.writing.lock().await;
        let mut next: Option<Graph> = None;
        for change in changes {
            let Some(after) = &change.after else { continue };
            if !matches!(change.entity.as_str(), "card" | "relationship" | "score") {
                continue;
            }
            let graph = next.get_or_insert_with(|| (**self.current.load()).clone());
            if let Err(error) = apply_one(graph, &change.entity, change.entity_id, after) {
                // A row this program cannot read (written by a newer one) must not stop the others.
                tracing::error!(position = change.position, entity = %change.entity, id = %change.entity_id, %error, "a change could not be applied to the graph");
            }
        }
        if let Some(mut graph) = next {
            graph.index_texts();
            self.current.store(Arc::new(graph));
        }
    }

    /// A card as clients read it, with the phase and computed values of a date; deleted ones too.
    #[must_use]
    pub fn card(&self, id: Uuid, on: NaiveDate) -> Option<CardView> {
        let graph = self.current.load();
        let ix = graph.find(id)?;
        Some(view(&graph, graph.card(ix), on))
    }
}

/// What an edge of this row of the ontology means for failure.
pub(super) fn meaning(row: &ontology::RelationshipType) -> RelationshipRule {
    RelationshipRule {
        id: row.id,
        dependent: match row.dependent {
            ontology::Dependent::Source => Dependent::Source,
            ontology::Dependent::Target => Dependent::Target,
            ontology::Dependent::None => Dependent::None,
        },
        hard: row.strength == Some(Strength::Hard),
    }
}

fn apply_one(graph: &mut Graph, entity: &str, id: Uuid, after: &Value) -> std::result::Result<(), serde_json::Error> {
    match entity {
        "card" => {
            let row: CardRow = serde_json::from_value(after.clone())?;
            graph.upsert_card(&card_input(row));
        }
        "relationship" => {
            let row: RelationshipRow = serde_json::from_value(after.clone())?;
            graph.upsert_edge(edge_input(row));
        }
        _ => {
            let quality = after["quality_score"].as_u64().and_then(|q| u8::try_from(q).ok());
            let computed = after.get("computed").map(Value::to_string);
            graph.set_scores(id, quality, computed.as_deref());
        }
    }
    Ok(())
}

pub(super) fn small(value: Option<i16>) -> Option<u8> {
    value.and_then(|v| u8::try_from(v).ok())
}

pub(super) fn source(name: &str) -> CriticalitySource {
    if name == "derived" {
        CriticalitySource::Derived
    } else {
        CriticalitySource::Manual
    }
}

fn json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn card_input(row: CardRow) -> CardInput {
    CardInput {
        lifecycle: row.lifecycle().dates(),
        id: row.id,
        card_type: row.card_type,
        name: row.name,
        name_key: row.name_key,
        description: row.description,
        tags: row.tags,
        functional_fit: small(row.functional_fit),
        technical_fit: small(row.technical_fit),
        business_criticality: row.business_criticality.as_deref().and_then(Tier::parse),
        criticality_source: row.criticality_source.as_deref().map(source),
        attributes: json_text(&row.attributes.0),
        computed: row.computed.map(|c| json_text(&c.0)),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        deleted_at: row.deleted_at,
        created_by: row.created_by,
        updated_by: row.updated_by,
        quality_score: small(row.quality_score),
    }
}

fn edge_input(row: RelationshipRow) -> EdgeInput {
    EdgeInput {
        active: row.is_active(),
        id: row.id,
        rule_id: row.rule_id,
        kind: row.edge_type,
        source_id: row.source_id,
        target_id: row.target_id,
        valid_from: row.valid_from,
        valid_to: row.valid_to,
        description: row.description,
        allocation_pct: row.allocation_pct,
        attributes: json_text(&row.attributes.0),
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// A card as clients read it.
pub(super) fn view(graph: &Graph, card: &CardRecord, on: NaiveDate) -> CardView {
    let card_type = graph.type_name(card.card_type).to_string();
    let attributes = card.attributes();
    let mut computed = card::computed(&card_type, &attributes, on);
    computed.extend(card.computed());
    CardView {
        id: card.id,
        name: card.name().to_owned(),
        description: card.description().map(str::to_owned),
        tags: card.tags.iter().map(|tag| graph.word(*tag).to_string()).collect(),
        lifecycle: card.lifecycle.into(),
        lifecycle_phase: card.lifecycle.phase(on),
        functional_fit: card.functional_fit.map(i16::from),
        technical_fit: card.technical_fit.map(i16::from),
        business_criticality: card.business_criticality.map(|tier| tier.as_str().to_owned()),
        criticality_source: card.criticality_source.map(|s| {
            if s == CriticalitySource::Derived {
                "derived"
            } else {
                "manual"
            }
            .to_owned()
        }),
        quality_score: card.quality_score.map(i16::from),
        attributes,
        computed,
        version: card.version,
        created_at: card.created_at,
        updated_at: card.updated_at,
        deleted_at: card.deleted_at,
        created_by: card.created_by,
        updated_by: card.updated_by,
        card_type,
    }
}

/// Attributes stay text: a hundred thousand of them are not parsed for nothing.
async fn cards(conn: &mut PgConnection, builder: &mut GraphBuilder) -> Result<()> {
    let mut rows = sqlx::query!(
        r#"select c.id, c.type as card_type, c.name, c.name_key, c.description, c.tags, c.lifecycle_plan, c.lifecycle_phase_in, c.lifecycle_active,
                  c.lifecycle_phase_out, c.lifecycle_eol, c.functional_fit, c.technical_fit, c.business_criticality, c.criticality_source,
                  c.attributes::text as "attributes!", s.computed::text as "computed?", c.version, c.created_at, c.updated_at, c.deleted_at,
                  c.created_by, c.updated_by, s.quality_score as "quality_score?"
           from cards c left join card_scores s on s.card_id = c.id order by c.id"#
    )
    .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        builder.card(&CardInput {
            id: row.id,
            card_type: row.card_type,
            name: row.name,
            name_key: row.name_key,
            description: row.description,
            tags: row.tags,
            lifecycle: [
                row.lifecycle_plan,
                row.lifecycle_phase_in,
                row.lifecycle_active,
                row.lifecycle_phase_out,
                row.lifecycle_eol,
            ],
            functional_fit: small(row.functional_fit),
            technical_fit: small(row.technical_fit),
            business_criticality: row.business_criticality.as_deref().and_then(Tier::parse),
            criticality_source: row.criticality_source.as_deref().map(source),
            attributes: row.attributes,
            computed: Some(row.computed.unwrap_or_default()),
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            created_by: row.created_by,
            updated_by: row.updated_by,
            quality_score: small(row.quality_score),
        });
    }
    Ok(())
}

async fn edges(conn: &mut PgConnection, builder: &mut GraphBuilder) -> Result<()> {
    let mut rows = sqlx::query!(
        r#"select id, rule_id, type as kind, source_id, target_id, valid_from, valid_to, status = 'active' as "active!", description,
                  allocation_pct as "allocation_pct: Decimal", attributes::text as "attributes!", version, created_at, updated_at
           from relationships order by id"#
    )
    .fetch(conn);
    while let Some(row) = rows.try_next().await? {
        builder.edge(EdgeInput {
            id: row.id,
            rule_id: row.rule_id,
            kind: row.kind,
            source_id: row.source_id,
            target_id: row.target_id,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            active: row.active,
            description: row.description,
            allocation_pct: row.allocation_pct,
            attributes: row.attributes,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        });
    }
    Ok(())
}
