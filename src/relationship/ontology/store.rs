//! The ontology in the database. It shares version, lock and seeding with the metamodel, of which it is a part.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use sqlx::{Connection, PgConnection, types::Json};
use uuid::Uuid;

use super::{Cardinality, Dependent, EdgeAttribute, Ontology, RelationshipType, Strength, reference};
use crate::{
    error::{Error, Result},
    metamodel::{self, Metamodel},
    store::{
        Author,
        log::{self, NewChange},
        past::Past,
    },
};

struct Row {
    id: Uuid,
    source_type: String,
    kind: String,
    target_types: Vec<String>,
    cardinality: String,
    acyclic: bool,
    inverse_label: String,
    dependent: String,
    strength: Option<String>,
    attributes: Json<BTreeMap<String, EdgeAttribute>>,
    builtin: bool,
    deprecated: bool,
    position: i32,
    version: i32,
}

impl TryFrom<Row> for RelationshipType {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let unreadable = |what: &str, value: &str| {
            Error::internal(format!(
                "the database holds a {what} this program does not know: {value}"
            ))
        };
        Ok(Self {
            cardinality: Cardinality::from_name(&row.cardinality)
                .ok_or_else(|| unreadable("cardinality", &row.cardinality))?,
            dependent: Dependent::from_name(&row.dependent).ok_or_else(|| unreadable("dependent", &row.dependent))?,
            strength: match row.strength {
                None => None,
                Some(name) => Some(Strength::from_name(&name).ok_or_else(|| unreadable("strength", &name))?),
            },
            id: row.id,
            source_type: row.source_type,
            kind: row.kind,
            target_types: row.target_types,
            acyclic: row.acyclic,
            inverse_label: row.inverse_label,
            attributes: row.attributes.0,
            builtin: row.builtin,
            deprecated: row.deprecated,
            position: row.position,
            version: row.version,
        })
    }
}

/// The rows as they are committed now.
pub async fn rows(conn: &mut PgConnection) -> Result<Vec<RelationshipType>> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, source_type, type "kind", target_types, cardinality, acyclic, inverse_label, dependent, strength,
                  attributes "attributes: Json<BTreeMap<String, EdgeAttribute>>", builtin, deprecated, position, version
           from relationship_types"#
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(RelationshipType::try_from).collect()
}

/// The ontology as it is committed now.
pub async fn load(conn: &mut PgConnection) -> Result<Ontology> {
    let metamodel = metamodel::store::load(conn).await?;
    Ok(Ontology::new(metamodel.version(), rows(conn).await?, &metamodel))
}

/// The ontology as it was recorded, under the metamodel of then; it carries no version of its own.
pub async fn load_at(conn: &mut PgConnection, past: &Past, metamodel: &Metamodel) -> Result<Ontology> {
    let (snapshot, before_epoch, end_of_epoch) = past.seal.bounds();
    let rows = sqlx::query_as!(
        Row,
        r#"select t.id as "id!", t.source_type as "source_type!", t.type as "kind!", t.target_types as "target_types!",
                  t.cardinality as "cardinality!", t.acyclic as "acyclic!", t.inverse_label as "inverse_label!",
                  t.dependent as "dependent!", t.strength,
                  t.attributes as "attributes!: Json<BTreeMap<String, EdgeAttribute>>", t.builtin as "builtin!",
                  t.deprecated as "deprecated!", t.position as "position!", t.version as "version!"
           from (select distinct on (entity_id) after from changes
                 where entity = 'relationship_type'
                   and (position <= $2 or (position <= $3 and pg_visible_in_snapshot(tx, $1::text::pg_snapshot)))
                 order by entity_id, changes.position desc) l
           cross join lateral jsonb_populate_record(null::relationship_types, l.after) t where l.after is not null"#,
        snapshot,
        before_epoch,
        end_of_epoch,
    )
    .fetch_all(conn)
    .await?;
    let rows = rows
        .into_iter()
        .map(RelationshipType::try_from)
        .collect::<Result<_>>()?;
    Ok(Ontology::new(0, rows, metamodel))
}

/// Whether any edge belongs to the row, archived ones included.
pub async fn is_used(conn: &mut PgConnection, id: Uuid) -> Result<bool> {
    // By type first: that is what the index leads with.
    let used = sqlx::query_scalar!(
        r#"select exists (select from relationships r join relationship_types t on t.type = r.type
                          where t.id = $1 and r.rule_id = $1) "used!""#,
        id
    );
    Ok(used.fetch_one(conn).await?)
}

/// Adds a row.
pub async fn insert(conn: &mut PgConnection, author: &Author, new: &RelationshipType) -> Result<()> {
    sqlx::query!(
        "insert into relationship_types (id, source_type, type, target_types, cardinality, acyclic, inverse_label, dependent,
                strength, attributes, builtin, deprecated, position, version)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        new.id,
        new.source_type,
        new.kind,
        &new.target_types,
        new.cardinality.name(),
        new.acyclic,
        new.inverse_label,
        new.dependent.name(),
        new.strength.map(Strength::name),
        json!(new.attributes),
        new.builtin,
        new.deprecated,
        new.position,
        new.version,
    )
    .execute(&mut *conn)
    .await?;
    record(conn, author, "created", None, Some(new)).await
}

/// Writes a row's new state; id, source type and type stay.
pub async fn update(
    conn: &mut PgConnection,
    author: &Author,
    before: &RelationshipType,
    after: &RelationshipType,
) -> Result<()> {
    sqlx::query!(
        "update relationship_types set target_types = $2, cardinality = $3, acyclic = $4, inverse_label = $5, dependent = $6,
                strength = $7, attributes = $8, deprecated = $9, position = $10, version = $11 where id = $1",
        after.id,
        &after.target_types,
        after.cardinality.name(),
        after.acyclic,
        after.inverse_label,
        after.dependent.name(),
        after.strength.map(Strength::name),
        json!(after.attributes),
        after.deprecated,
        after.position,
        after.version,
    )
    .execute(&mut *conn)
    .await?;
    record(conn, author, "updated", Some(before), Some(after)).await
}

/// Removes a row that no edge belongs to.
pub async fn delete(conn: &mut PgConnection, author: &Author, old: &RelationshipType) -> Result<()> {
    sqlx::query!("delete from relationship_types where id = $1", old.id)
        .execute(&mut *conn)
        .await?;
    record(conn, author, "deleted", Some(old), None).await
}

async fn record(
    conn: &mut PgConnection,
    author: &Author,
    action: &str,
    before: Option<&RelationshipType>,
    after: Option<&RelationshipType>,
) -> Result<()> {
    let Some(subject) = after.or(before) else { return Ok(()) };
    let change = NewChange {
        entity: "relationship_type",
        entity_id: subject.id,
        entity_type: Some(&subject.kind),
        action,
        version: after.map_or(subject.version + 1, |a| a.version),
        before: before.map(|state| json!(state)),
        after: after.map(|state| json!(state)),
    };
    log::append(conn, author, change).await
}

/// Brings the built-in rows into the database, after the card types; see [`metamodel::store::seed_reference`].
pub async fn seed_reference(conn: &mut PgConnection) -> Result<usize> {
    let mut tx = conn.begin().await?;
    let written = seed(&mut tx).await?;
    tx.commit().await?;
    Ok(written)
}

async fn seed(conn: &mut PgConnection) -> Result<usize> {
    metamodel::store::lock_seeding(conn).await?;
    let author = Author::system("reference data");
    let present: HashMap<Uuid, RelationshipType> = rows(conn).await?.into_iter().map(|r| (r.id, r)).collect();
    let ids: Vec<Uuid> = present.keys().copied().collect();
    let edited = metamodel::store::edited_by_people(conn, &ids).await?;
    let mut written = 0;
    for row in reference::relationship_types() {
        match present.get(&row.id) {
            None => insert(conn, &author, &row).await?,
            Some(before) => {
                let renewed = RelationshipType {
                    version: before.version,
                    ..row
                };
                if edited.contains(&renewed.id) || renewed == *before {
                    continue;
                }
                update(
                    conn,
                    &author,
                    before,
                    &RelationshipType {
                        version: before.version + 1,
                        ..renewed
                    },
                )
                .await?;
            }
        }
        written += 1;
    }
    if written > 0 {
        metamodel::store::bump(conn).await?;
    }
    Ok(written)
}
