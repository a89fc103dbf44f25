//! Upserts: what is named by id, external id, or type and name is changed if it is there and created if not.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Done, Status, own_id, read_edge};
use crate::{
    auth::Permission,
    card::{self, CardDraft},
    error::{Code, Error, Result},
    http::etag::IfMatch,
    landscape::{NewEdge, Reference, Writer, siblings},
    metamodel::parse_path,
    relationship::{self, EdgeDraft, RelationshipRow},
};

/// Creates the card, or merges the given fields into the one with the same id, external id, or type and name.
pub(super) async fn upsert_card(
    writer: &mut Writer<'_>,
    mut body: Map<String, Value>,
    ids: &[Option<Uuid>],
) -> Result<Done> {
    let id = own_id(&mut body)?;
    if let Some(existing) = find_existing(writer, id, &body, ids).await? {
        return merge_card(writer, existing, body).await;
    }
    let path = path_of(&body);
    if path.is_some() {
        // Names among siblings have no index to stop a second one: look again as the only one who adds any.
        siblings::lock(writer.conn).await?;
        if let Some(existing) = find_existing(writer, id, &body, ids).await? {
            return merge_card(writer, existing, body).await;
        }
    }
    let mut parent = None;
    if let Some((path, card_type)) = path.zip(body.get("type").and_then(Value::as_str)) {
        if path.len() > 1 {
            let above = crate::metamodel::format_path(&path[..path.len() - 1]);
            parent = writer.find_named(card_type, &above).await?;
        }
        if path.len() == 1 || parent.is_some() {
            body.insert("name".into(), json!(path[path.len() - 1]));
        }
    }
    let draft = CardDraft::parse(&writer.metamodel, body)?;
    refuse_taken(writer, &draft).await?;
    if let Some(id) = id {
        writer.refuse_known_id(id).await?;
    }
    // The name and the ids were free a moment ago: whoever took them now is to be found by another try.
    let row = writer.create_card(id, &draft).await.map_err(|error| match error.code {
        Code::Conflict => Error::lost_race(error),
        _ => error,
    })?;
    if let Some(parent) = parent {
        let edge = NewEdge {
            id: None,
            edge_type: "PARENT_OF".into(),
            source: parent,
            target: row.id,
            draft: EdgeDraft::default(),
        };
        writer.create_relationship(&edge).await?;
    }
    Ok(Done {
        status: Status::Created,
        id: row.id,
        version: Some(row.version),
    })
}

async fn merge_card(writer: &mut Writer<'_>, existing: Uuid, mut body: Map<String, Value>) -> Result<Done> {
    let path = path_of(&body);
    let found = card::store::find_card(writer.conn, existing).await?;
    let found = found
        .filter(|card| writer.sees(&card.card_type))
        .ok_or_else(|| Error::not_found("card", existing))?;
    writer.require(Permission::Edit, &found.card_type)?;
    // A path says where the card is, not what it is to be called.
    if let Some(path) = path {
        let name = if path.len() > 1 { &found.name } else { &path[0] };
        body.insert("name".into(), json!(name));
    }
    // Without a lock when nothing would change: the common case of loading the same data again.
    let own = CardDraft::from(&found);
    if found.deleted_at.is_none() && own.patched(&writer.metamodel, &body)? == own {
        return Ok(Done::card((found, false)));
    }
    let before = writer.lock_card(existing, IfMatch::Any).await?;
    writer.patch_card(before, &body).await.map(Done::card)
}

/// The steps of the path by which a body names a capability or an organisation.
fn path_of(body: &Map<String, Value>) -> Option<Vec<String>> {
    let card_type = body.get("type").and_then(Value::as_str)?;
    let name = body.get("name").and_then(Value::as_str)?;
    let path = parse_path(name);
    (crate::metamodel::hierarchical(card_type) && !path.is_empty()).then_some(path)
}

async fn find_existing(
    writer: &mut Writer<'_>,
    id: Option<Uuid>,
    body: &Map<String, Value>,
    ids: &[Option<Uuid>],
) -> Result<Option<Uuid>> {
    if let Some(id) = id {
        let found = card::store::find_card(writer.conn, id).await?;
        let found = found.filter(|c| c.deleted_at.is_none() && writer.sees(&c.card_type));
        return Ok(found.map(|c| c.id));
    }
    let external = body
        .get("attributes")
        .and_then(|a| a.get("external_ids"))
        .and_then(Value::as_array);
    for entry in external.into_iter().flatten() {
        if let (Some(system), Some(external)) = (entry["system"].as_str(), entry["id"].as_str()) {
            let reference = Reference::External {
                system: system.to_owned(),
                id: external.to_owned(),
            };
            match writer.resolve(&reference, ids).await {
                Ok(found) => return Ok(Some(found)),
                Err(error) if error.code == Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    let (Some(card_type), Some(name)) = (
        body.get("type").and_then(Value::as_str),
        body.get("name").and_then(Value::as_str),
    ) else {
        return Ok(None);
    };
    writer.find_named(card_type, name).await
}

/// Creates the relationship, or merges the given fields into the one with the same ends, type and `valid_from`.
pub(super) async fn upsert_edge(
    writer: &mut Writer<'_>,
    body: Map<String, Value>,
    ids: &[Option<Uuid>],
) -> Result<Done> {
    let given: Map<String, Value> = body
        .iter()
        .filter(|(name, _)| !["id", "type", "source", "target", "source_id", "target_id"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let edge = read_edge(writer, body, ids).await?;
    if let Some(same) = find_edge(writer, &edge).await? {
        return merge_edge(writer, same, &given).await;
    }
    match writer.create_relationship(&edge).await {
        Ok(row) => Ok(Done {
            status: Status::Created,
            id: row.id,
            version: Some(row.version),
        }),
        // Somebody else made it between our look and our lock; now nobody else can.
        Err(error) if error.code == Code::DuplicateRelationship => match find_edge(writer, &edge).await? {
            Some(same) => merge_edge(writer, same, &given).await,
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

async fn find_edge(writer: &mut Writer<'_>, edge: &NewEdge) -> Result<Option<RelationshipRow>> {
    let all = relationship::store::active_between(writer.conn, edge.source, &edge.edge_type, edge.target).await?;
    let same = |e: &RelationshipRow| e.valid_from == edge.draft.validity.from && e.is_visible(writer.visible());
    Ok(all.into_iter().find(same))
}

async fn merge_edge(writer: &mut Writer<'_>, same: RelationshipRow, given: &Map<String, Value>) -> Result<Done> {
    writer.require(Permission::Edit, &same.source_type)?;
    // Without a lock when nothing would change: the common case of loading the same data again.
    let own = Value::Object(EdgeDraft::from(&same).to_body());
    let mut merged = own.clone();
    card::merge(&mut merged, &Value::Object(given.clone()));
    if merged == own {
        return Ok(Done::edge((same, false)));
    }
    let before = writer.lock_relationship(same.id, IfMatch::Any).await?;
    writer.patch_relationship(before, given).await.map(Done::edge)
}

/// Finds a taken name, id or external id before the database does: a failed statement would end the whole batch.
pub(super) async fn refuse_taken(writer: &mut Writer<'_>, draft: &CardDraft) -> Result<()> {
    writer.require(Permission::Create, &draft.card_type)?;
    if !crate::metamodel::hierarchical(&draft.card_type) {
        let holders = card::store::find_named(writer.conn, &draft.card_type, &draft.name_key).await?;
        if let Some(holder) = holders.first() {
            return Err(card::store::name_taken_by(holder.id, &draft.card_type, &draft.name));
        }
    }
    for (system, id) in draft.external_ids() {
        if let Some(holder) = card::store::find_by_external_id(writer.conn, &system, &id).await? {
            return Err(card::store::external_id_taken(&holder, writer.visible(), &system, &id));
        }
    }
    Ok(())
}
