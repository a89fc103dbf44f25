//! Many writes in one request: all or nothing, or each for itself.

mod upsert;

use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use upsert::{refuse_taken, upsert_card, upsert_edge};

use super::{NewEdge, Reference, Writer};
use crate::{
    auth::{Permission, Principal, api_key::scope},
    card::{self, CardDraft, CardRow, MAX_TAG, MAX_TAGS},
    error::{Code, Error, ErrorBody, Result, ViolationCode},
    http::{etag::IfMatch, extract::object, fields::Fields},
    relationship::{EdgeDraft, RelationshipRow},
};

/// Batches run beside each other until one loses a race; it then has its second try alone, because two that write the
/// same cards in different orders would only stand in each other's way again.
pub async fn queue(conn: &mut PgConnection, attempt: u32) -> Result<()> {
    let statement = if attempt == 0 {
        "select pg_advisory_xact_lock_shared(hashtext('archzero batches'))"
    } else {
        "select pg_advisory_xact_lock(hashtext('archzero batches'))"
    };
    sqlx::query(statement).execute(conn).await?;
    Ok(())
}

/// At most this many operations in one request.
pub const MAX_OPERATIONS: usize = 2000;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BulkOp)]
pub enum Op {
    /// Something new.
    Create,
    /// A merge patch.
    Update,
    /// Creates it, or merges the given fields into it.
    Upsert,
    /// Soft, with what goes along.
    Delete,
    /// Adds tags.
    Tag,
    /// Removes tags.
    Untag,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BulkEntity)]
pub enum Entity {
    /// A card.
    Card,
    /// A relationship.
    Relationship,
}

/// What became of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BulkStatus)]
pub enum Status {
    /// Something new is there.
    Created,
    /// Something was changed.
    Updated,
    /// It was like that already: no new version.
    Unchanged,
    /// Something was deleted.
    Deleted,
    /// It was refused; `error` says why.
    Failed,
}

/// The result of one operation.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemResult {
    /// Its place in the request, from 0.
    pub index: usize,
    /// What was asked.
    op: Option<Op>,
    /// Of what.
    entity: Option<Entity>,
    /// What became of it.
    pub status: Status,
    /// The card or relationship it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its version now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
}

/// The results of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkReport {
    /// One per operation, in order.
    pub results: Vec<ItemResult>,
    /// How many of each.
    pub summary: Summary,
}

/// Counts of a batch.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = BulkSummary)]
pub struct Summary {
    /// New.
    pub created: usize,
    /// Changed.
    pub updated: usize,
    /// Like that already.
    pub unchanged: usize,
    /// Deleted.
    pub deleted: usize,
    /// Refused.
    pub failed: usize,
}

/// A batch, read as far as needed to run it.
#[derive(Debug)]
pub struct BulkRequest {
    /// All or nothing.
    pub atomic: bool,
    /// Why, for the change log.
    pub reason: Option<String>,
    operations: Vec<Value>,
}

impl BulkRequest {
    /// Reads the body. The operations themselves are read when they run, so that one bad item does not hide the others.
    pub fn read(body: Map<String, Value>) -> Result<Self> {
        let mut fields = Fields::new(body);
        let atomic = fields.boolean("atomic").unwrap_or(true);
        let reason = fields.text("change_reason", 500);
        let operations = match fields.value("operations") {
            Some(Value::Array(items)) => items,
            Some(other) => {
                fields.refuse(
                    "operations",
                    ViolationCode::WrongType,
                    "must be a list of operations",
                    Some(&other),
                );
                Vec::new()
            }
            None => {
                fields.refuse("operations", ViolationCode::Required, "is required", None);
                Vec::new()
            }
        };
        if operations.len() > MAX_OPERATIONS {
            fields.refuse(
                "operations",
                ViolationCode::TooLong,
                format!("has {} items, at most {MAX_OPERATIONS} are allowed", operations.len()),
                None,
            );
        }
        fields.done()?;
        Ok(Self {
            atomic,
            reason,
            operations,
        })
    }

    /// Runs the operations in order. With `atomic` the first refusal ends the batch as an error that names its place;
    /// without, each refusal stays with its item.
    pub async fn run(&self, writer: &mut Writer<'_>, principal: &Principal) -> Result<BulkReport> {
        let mut results = Vec::with_capacity(self.operations.len());
        let mut ids: Vec<Option<Uuid>> = Vec::with_capacity(self.operations.len());
        let mut summary = Summary::default();
        for (index, item) in self.operations.iter().enumerate() {
            let mut result = ItemResult {
                index,
                op: None,
                entity: None,
                status: Status::Failed,
                id: None,
                version: None,
                error: None,
            };
            if !self.atomic {
                sqlx::query("savepoint item").execute(&mut *writer.conn).await?;
            }
            let mut outcome = run_one(writer, principal, item, &ids, &mut result).await;
            if !self.atomic
                && outcome.is_ok()
                && let Err(error) = writer.check_siblings().await
            {
                outcome = Err(error);
            }
            match outcome {
                Ok(Done { status, id, version }) => {
                    if !self.atomic {
                        sqlx::query("release savepoint item").execute(&mut *writer.conn).await?;
                    }
                    (result.status, result.id, result.version) = (status, Some(id), version);
                }
                Err(error) if self.atomic || !error.code.status().is_client_error() => {
                    return Err(at_operation(error, index));
                }
                Err(error) => {
                    sqlx::query("rollback to savepoint item")
                        .execute(&mut *writer.conn)
                        .await?;
                    writer.forget_touched();
                    let error = card::store::name_holder(writer.conn, error).await;
                    result.error = Some(error.body());
                }
            }
            ids.push(if result.status == Status::Failed {
                None
            } else {
                result.id
            });
            *match result.status {
                Status::Created => &mut summary.created,
                Status::Updated => &mut summary.updated,
                Status::Unchanged => &mut summary.unchanged,
                Status::Deleted => &mut summary.deleted,
                Status::Failed => &mut summary.failed,
            } += 1;
            results.push(result);
        }
        Ok(BulkReport { results, summary })
    }
}

/// Says which operation an error belongs to: its place leads the field and stands in the details.
fn at_operation(error: Error, index: usize) -> Error {
    let mut error = error.within(&format!("operations[{index}]"));
    let mut details = error.details.take().unwrap_or_else(|| json!({}));
    if details.is_object() {
        details["operation"] = json!(index);
    }
    error.details = Some(details);
    error
}

struct Done {
    status: Status,
    id: Uuid,
    version: Option<i32>,
}

impl Done {
    fn card((row, changed): (CardRow, bool)) -> Self {
        Self {
            status: if changed { Status::Updated } else { Status::Unchanged },
            id: row.id,
            version: Some(row.version),
        }
    }

    fn edge((row, changed): (RelationshipRow, bool)) -> Self {
        Self {
            status: if changed { Status::Updated } else { Status::Unchanged },
            id: row.id,
            version: Some(row.version),
        }
    }
}

async fn run_one(
    writer: &mut Writer<'_>,
    principal: &Principal,
    item: &Value,
    ids: &[Option<Uuid>],
    result: &mut ItemResult,
) -> Result<Done> {
    let mut fields = Fields::new(object(item.clone())?);
    let op = fields.choice(
        "op",
        &[
            ("create", Op::Create),
            ("update", Op::Update),
            ("upsert", Op::Upsert),
            ("delete", Op::Delete),
            ("tag", Op::Tag),
            ("untag", Op::Untag),
        ],
    );
    if op.is_none() && !fields.has("op") {
        fields.refuse(
            "op",
            ViolationCode::Required,
            "is required: create, update, upsert, delete, tag or untag",
            None,
        );
    }
    let entity = fields
        .choice(
            "entity",
            &[("card", Entity::Card), ("relationship", Entity::Relationship)],
        )
        .unwrap_or(Entity::Card);
    (result.op, result.entity) = (op, Some(entity));
    let Some(op) = op else {
        return Err(Error::validation(fields.finish()));
    };
    // An API key needs the scope of what an operation is about, whatever the address of the batch.
    principal.require_scope(match entity {
        Entity::Card => scope::WRITE_CARDS,
        Entity::Relationship => scope::WRITE_RELATIONSHIPS,
    })?;
    // For any card type at all; the writer asks again for that of the card.
    match (op, entity) {
        (Op::Create, Entity::Card) => principal.require(Permission::Create)?,
        (Op::Delete, _) => principal.require(Permission::Delete)?,
        // An upsert needs the right to what it turns out to do.
        (Op::Upsert, Entity::Card) => {}
        _ => principal.require(Permission::Edit)?,
    }
    let name = match entity {
        Entity::Card => "card",
        Entity::Relationship => "relationship",
    };
    expect_parts(&mut fields, op, name);
    let body = fields.object(name).unwrap_or_default();
    let target = Reference::read(&mut fields, "id");
    let demand = fields
        .integer("version", 1, i64::from(i32::MAX))
        .map_or(IfMatch::Any, |v| IfMatch::Version(v as i32));
    let tags = fields.texts("tags", MAX_TAGS, MAX_TAG).unwrap_or_default();
    fields.done()?;
    let inside = |error: Error| error.within(name);
    match (entity, op) {
        (Entity::Card, Op::Create) => create_card(writer, body).await.map_err(inside),
        (Entity::Card, Op::Upsert) => upsert_card(writer, body, ids).await.map_err(inside),
        (Entity::Card, op) => {
            let reference = target.ok_or_else(|| Error::invalid("id is required"))?;
            let id = writer.resolve(&reference, ids).await.map_err(|e| e.at("id"))?;
            let before = writer.lock_card(id, demand).await.map_err(|e| at_target(e, "id"))?;
            let done = change_card(writer, op, before, &body, &tags).await;
            done.map_err(|e| if op == Op::Update { inside(e) } else { e })
        }
        (Entity::Relationship, Op::Create) => {
            let edge = read_edge(writer, body, ids).await.map_err(inside)?;
            let row = writer.create_relationship(&edge).await.map_err(inside)?;
            Ok(Done {
                status: Status::Created,
                id: row.id,
                version: Some(row.version),
            })
        }
        (Entity::Relationship, Op::Upsert) => upsert_edge(writer, body, ids).await.map_err(inside),
        (Entity::Relationship, Op::Tag | Op::Untag) => Err(Error::validation(vec![crate::error::Violation::new(
            "op",
            ViolationCode::NotAllowedHere,
            "only cards have tags",
        )])),
        (Entity::Relationship, op) => {
            let id = match target {
                Some(Reference::Id(id)) => id,
                Some(Reference::Operation(n)) => {
                    let resolved = writer.resolve(&Reference::Operation(n), ids).await;
                    resolved.map_err(|e| e.at("id"))?
                }
                _ => return Err(Error::invalid("A relationship is named by its id or \"$n\"").at("id")),
            };
            let locked = writer.lock_relationship(id, demand).await;
            let before = locked.map_err(|e| at_target(e, "id"))?;
            if op == Op::Delete {
                writer.archive_relationship(&before).await?;
                return Ok(Done {
                    status: Status::Deleted,
                    id,
                    version: Some(before.version + 1),
                });
            }
            let patched = writer.patch_relationship(before, &body).await.map_err(inside)?;
            Ok(Done::edge(patched))
        }
    }
}

/// Which parts an operation must have, and which it would drop in silence.
fn expect_parts(fields: &mut Fields, op: Op, body: &'static str) {
    let takes_body = matches!(op, Op::Create | Op::Update | Op::Upsert);
    let takes_target = !matches!(op, Op::Create | Op::Upsert);
    let takes_tags = matches!(op, Op::Tag | Op::Untag);
    for (name, takes, needs) in [
        (body, takes_body, takes_body),
        ("id", takes_target, takes_target),
        ("version", takes_target, false),
        ("tags", takes_tags, takes_tags),
    ] {
        let sent = fields.is_given(name);
        if needs && !sent {
            fields.refuse(name, ViolationCode::Required, "is required", None);
        }
        if sent && !takes {
            let message = match name {
                "id" => format!("finds what is changed; to choose a new one's id put it into '{body}'"),
                _ => "has no meaning for this operation".to_owned(),
            };
            fields.refuse(name, ViolationCode::NotAllowedHere, message, None);
        }
    }
}

/// Something that does not exist was not found where its id stands.
fn at_target(error: Error, field: &str) -> Error {
    if error.code == Code::NotFound {
        error.at(field)
    } else {
        error
    }
}

async fn change_card(
    writer: &mut Writer<'_>,
    op: Op,
    before: CardRow,
    patch: &Map<String, Value>,
    tags: &[String],
) -> Result<Done> {
    match op {
        Op::Delete => {
            let id = before.id;
            writer.delete_card(&before).await?;
            Ok(Done {
                status: Status::Deleted,
                id,
                version: Some(before.version + 1),
            })
        }
        Op::Tag | Op::Untag => {
            let tags: Vec<&str> = tags.iter().map(|t| t.trim()).filter(|t| !t.is_empty()).collect();
            let mut all: Vec<&str> = before.tags.iter().map(String::as_str).collect();
            if op == Op::Tag {
                for tag in tags {
                    if !all.contains(&tag) {
                        all.push(tag);
                    }
                }
            } else {
                all.retain(|tag| !tags.contains(tag));
            }
            let patch = Map::from_iter([("tags".to_owned(), json!(all))]);
            writer.patch_card(before, &patch).await.map(Done::card)
        }
        _ => writer.patch_card(before, patch).await.map(Done::card),
    }
}

/// Takes a client's own id out of a body.
fn own_id(body: &mut Map<String, Value>) -> Result<Option<Uuid>> {
    let mut fields = Fields::new(
        body.remove("id")
            .map(|id| Map::from_iter([("id".to_owned(), id)]))
            .unwrap_or_default(),
    );
    let id = fields.uuid("id");
    fields.done()?;
    Ok(id)
}

async fn create_card(writer: &mut Writer<'_>, mut body: Map<String, Value>) -> Result<Done> {
    let id = own_id(&mut body)?;
    let draft = CardDraft::parse(&writer.metamodel, body)?;
    refuse_taken(writer, &draft).await?;
    let row = writer.create_card(id, &draft).await?;
    Ok(Done {
        status: Status::Created,
        id: row.id,
        version: Some(row.version),
    })
}

/// Reads a relationship to be created and resolves its ends.
pub(super) async fn read_edge(
    writer: &mut Writer<'_>,
    mut body: Map<String, Value>,
    ids: &[Option<Uuid>],
) -> Result<NewEdge> {
    let id = own_id(&mut body)?;
    let mut fields = Fields::new(body);
    let edge_type = fields.required_text("type", 60);
    let end = |fields: &mut Fields, name: &'static str, short: &'static str| {
        match (fields.is_given(short), fields.is_given(name)) {
            (false, false) => fields.refuse(short, ViolationCode::Required, "is required", None),
            (true, true) => {
                let message = format!("is the same as {name}: give one of them");
                fields.refuse(short, ViolationCode::NotAllowedHere, message, None);
            }
            _ => {}
        }
        let (named, by_id) = (Reference::read(fields, short), fields.uuid(name));
        named.or(by_id.map(Reference::Id))
    };
    let source = end(&mut fields, "source_id", "source");
    let target = end(&mut fields, "target_id", "target");
    let draft = EdgeDraft::read(&mut fields);
    fields.done()?;
    let (Some(source), Some(target)) = (source, target) else {
        return Err(Error::invalid("source and target are required"));
    };
    let source = writer.resolve(&source, ids).await.map_err(|e| e.at("source"))?;
    let target = writer.resolve(&target, ids).await.map_err(|e| e.at("target"))?;
    Ok(NewEdge {
        id,
        edge_type,
        source,
        target,
        draft,
    })
}
