//! Deleting a card with what goes with it, and bringing all of it back as one unit.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Writer, siblings};
use crate::{
    auth::{Permission, TypeScope},
    card::{self, CardRow},
    error::{Code, Error, Result},
    relationship::{self, RelationshipRow, Validity, rules, store::Ends},
};

/// What a deletion took.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeletionReport {
    /// Names the deletion; every row it changed carries it in the change log.
    pub deletion_id: Uuid,
    /// The cards that were deleted: the one asked for, and what goes with it.
    pub deleted_cards: Vec<CardName>,
    /// The relationships that were archived.
    pub archived_relationships: Vec<Uuid>,
    /// Exceptions that expired with their policy.
    pub expired_exceptions: Vec<CardName>,
}

/// A card by id, type and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CardName {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub card_type: String,
    /// Its name.
    pub name: String,
}

impl From<&CardRow> for CardName {
    fn from(row: &CardRow) -> Self {
        Self {
            id: row.id,
            card_type: row.card_type.clone(),
            name: row.name.clone(),
        }
    }
}

/// What a restoration brought back.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RestoreReport {
    /// The cards that are back.
    pub restored_cards: Vec<CardName>,
    /// The relationships that are back.
    pub restored_relationships: Vec<Uuid>,
    /// What stays deleted or archived, and why (only with `force`).
    pub left: Vec<Obstacle>,
}

/// Something that stands in the way of a restoration.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Obstacle {
    /// `card` or `relationship`.
    pub entity: &'static str,
    /// Which one; absent when the caller may not see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The error it would run into.
    pub code: Code,
    /// Why, in words.
    pub message: String,
    /// What a program can act on.
    #[schema(value_type = Option<Object>)]
    pub details: Option<Value>,
}

impl Obstacle {
    fn new(entity: &'static str, id: Uuid, error: Error) -> Self {
        Self {
            entity,
            id: Some(id),
            code: error.code,
            message: error.message,
            details: error.details,
        }
    }

    /// Something that the caller may not see: that it stands there is all they are told.
    fn hidden(entity: &'static str) -> Self {
        Self {
            entity,
            id: None,
            code: Code::Conflict,
            message: "Something that you may not see stands in the way".into(),
            details: Some(json!({ "hidden": true })),
        }
    }
}

/// Part of a deletion.
enum Member<'a> {
    Card(&'a CardRow),
    Edge(&'a RelationshipRow),
}

fn in_the_way(card: &CardRow, obstacles: &[Obstacle]) -> Error {
    let (count, things) = match obstacles.len() {
        1 => (1, "thing stands"),
        n => (n, "things stand"),
    };
    let text = format!(
        "{count} {things} in the way of restoring '{}'; force=true restores what else can be",
        card.name
    );
    Error::new(Code::Conflict, text).with(json!({ "obstacles": obstacles }))
}

impl Writer<'_> {
    /// Deletes a locked card: with an application its interfaces go; a capability or organisation with children and an
    /// initiative that others depend on stay; exceptions from a policy expire; every relationship around is archived.
    ///
    /// What goes with the card must be the caller's to delete as well. The report leaves out what they may not see.
    pub async fn delete_card(&mut self, card: &CardRow) -> Result<DeletionReport> {
        self.require(Permission::Delete, &card.card_type)?;
        let mut cards = vec![card.clone()];
        let around = relationship::store::lock_active_around(self.conn, &[card.id]).await?;
        self.refuse_dependents(card, &around).await?;
        if card.card_type == "Application" {
            let provided = self.provided_interfaces(card.id, &around).await?;
            let interfaces = card::store::lock_cards(self.conn, &provided).await?;
            let interfaces = interfaces.into_iter().filter(|i| i.deleted_at.is_none());
            for interface in interfaces {
                self.may_go_along(card, &interface)?;
                cards.push(interface);
            }
        }
        let ids: Vec<Uuid> = cards.iter().map(|c| c.id).collect();
        let edges = relationship::store::lock_active_around(self.conn, &ids).await?;

        let deletion_id = Uuid::now_v7();
        let expired = self.expire_exceptions(card, &edges, deletion_id).await?;
        for id in &ids {
            card::store::soft_delete(self.conn, self.author, *id, deletion_id).await?;
        }
        let archived: Vec<Uuid> = edges.iter().map(|e| e.id).collect();
        relationship::store::archive(self.conn, self.author, &archived, Some(deletion_id)).await?;
        for edge in edges.iter().filter(|e| e.edge_type == "PARENT_OF") {
            self.touch(&edge.target_type, edge.target_id);
        }
        let seen = cards.iter().filter(|card| self.sees(&card.card_type));
        let seen_edges = edges.iter().filter(|edge| edge.is_visible(self.visible()));
        Ok(DeletionReport {
            deletion_id,
            deleted_cards: seen.map(CardName::from).collect(),
            archived_relationships: seen_edges.map(|edge| edge.id).collect(),
            expired_exceptions: expired,
        })
    }

    /// Refuses to take a card along that the caller could not delete by itself.
    fn may_go_along(&self, card: &CardRow, with: &CardRow) -> Result<()> {
        if self.sees(&with.card_type) {
            return self.require(Permission::Delete, &with.card_type);
        }
        Err(Error::new(
            Code::HasDependents,
            format!("'{}' would take cards along that you may not see", card.name),
        )
        .with(json!({ "dependents": [], "hidden": true })))
    }

    /// The interfaces that go with an application: those it provides today, and those that nobody else ever provides. One
    /// that was handed over to another application, or will come from it, stays.
    async fn provided_interfaces(&mut self, application: Uuid, around: &[RelationshipRow]) -> Result<Vec<Uuid>> {
        let mut provided = Vec::new();
        for edge in around
            .iter()
            .filter(|e| e.source_id == application && e.edge_type == "PROVIDES")
        {
            let in_force = self.today.is_none_or(|day| {
                edge.validity().overlaps(Validity {
                    from: Some(day),
                    to: Some(day),
                })
            });
            let all = relationship::store::active_to(self.conn, edge.target_id, edge.rule_id).await?;
            if in_force || all.iter().all(|e| e.source_id == application) {
                provided.push(edge.target_id);
            }
        }
        Ok(provided)
    }

    async fn refuse_dependents(&mut self, card: &CardRow, around: &[RelationshipRow]) -> Result<()> {
        let (edge_type, dependents, what): (_, Vec<(Uuid, String)>, _) = match card.card_type.as_str() {
            "BusinessCapability" | "Organization" => {
                let children = around
                    .iter()
                    .filter(|e| e.edge_type == "PARENT_OF" && e.source_id == card.id);
                (
                    "PARENT_OF",
                    children.map(|e| (e.target_id, e.target_type.clone())).collect(),
                    "has children",
                )
            }
            "Initiative" => {
                let dependents = around
                    .iter()
                    .filter(|e| e.edge_type == "DEPENDS_ON" && e.target_id == card.id);
                (
                    "DEPENDS_ON",
                    dependents.map(|e| (e.source_id, e.source_type.clone())).collect(),
                    "is a prerequisite of others",
                )
            }
            _ => return Ok(()),
        };
        if dependents.is_empty() {
            return Ok(());
        }
        let (dependents, hidden): (Vec<_>, Vec<_>) = dependents.into_iter().partition(|(_, of)| self.sees(of));
        let mut listed = Vec::new();
        for (id, _) in dependents.iter().take(100) {
            listed.extend(
                card::store::find_card(self.conn, *id)
                    .await?
                    .as_ref()
                    .map(CardName::from),
            );
        }
        let total = dependents.len();
        let mut details = json!({ "relationship": edge_type, "dependents": listed, "total": total });
        let mut count = total.to_string();
        if !hidden.is_empty() {
            details["hidden"] = true.into();
            count.push_str(", and more that you may not see");
        }
        let text = format!("'{}' {what} ({count}); move or delete those first", card.name);
        Err(Error::new(Code::HasDependents, text).with(details))
    }

    async fn expire_exceptions(
        &mut self,
        card: &CardRow,
        edges: &[RelationshipRow],
        deletion_id: Uuid,
    ) -> Result<Vec<CardName>> {
        let mut expired = Vec::new();
        if card.card_type != "ArchitecturePolicy" {
            return Ok(expired);
        }
        let sources: Vec<Uuid> = edges
            .iter()
            .filter(|e| e.edge_type == "EXEMPTS_FROM" && e.target_id == card.id)
            .map(|e| e.source_id)
            .collect();
        for exception in card::store::lock_cards(self.conn, &sources).await? {
            let before = exception
                .computed
                .as_ref()
                .and_then(|c| c.0.get("status").cloned())
                .unwrap_or(Value::Null);
            let values = object(json!({
                "status": "Expired", "status_reason": "policy deleted", "expired_by": deletion_id, "status_before": before,
            }));
            card::store::set_computed(self.conn, self.author, exception.id, &values).await?;
            if self.sees(&exception.card_type) {
                expired.push(CardName::from(&exception));
            }
        }
        Ok(expired)
    }

    /// Undoes a deletion as one unit. What stands in the way is an error that lists all of it, unless `force`: then the
    /// rest comes back and the report lists what does not. The card asked for must be able to come back either way.
    pub async fn restore_card(&mut self, id: Uuid, force: bool) -> Result<RestoreReport> {
        let card = card::store::lock_card(self.conn, id)
            .await?
            .filter(|card| self.sees(&card.card_type))
            .ok_or_else(|| Error::not_found("card", id))?;
        self.require(Permission::Delete, &card.card_type)?;
        let Some(deletion_id) = card.deletion_id else {
            return Err(Error::new(Code::UnprocessableEntity, "This card is not deleted"));
        };
        let members = self.deleted_by(deletion_id).await?;
        let mut obstacles = Vec::new();
        let mut restored_cards = Vec::new();
        for member in &members {
            let outcome = self.attempt(Member::Card(member)).await?;
            match outcome {
                _ if !self.sees(&member.card_type) => {
                    obstacles.extend(outcome.map(|_| Obstacle::hidden("card")));
                }
                None => restored_cards.push(CardName::from(member)),
                Some(error) => obstacles.push(Obstacle::new("card", member.id, error)),
            }
        }
        let edges = relationship::store::archived_by(self.conn, deletion_id).await?;
        let mut restored_relationships = Vec::new();
        for edge in &edges {
            let outcome = self.attempt(Member::Edge(edge)).await?;
            match outcome {
                _ if !edge.is_visible(self.visible()) => {
                    obstacles.extend(outcome.map(|_| Obstacle::hidden("relationship")));
                }
                None => restored_relationships.push(edge.id),
                Some(error) => obstacles.push(Obstacle::new("relationship", edge.id, error)),
            }
        }
        // A card whose parent did not come back would be a root: its name must be free there.
        if let Err(error) = self.check_siblings().await {
            let at = error.details.as_ref().and_then(|d| d["id"].as_str()?.parse().ok());
            obstacles.push(Obstacle::new("card", at.unwrap_or(id), error));
            return Err(in_the_way(&card, &obstacles));
        }
        let blocked = obstacles.iter().any(|o| o.entity == "card" && o.id == Some(id));
        if blocked || !(force || obstacles.is_empty()) {
            return Err(in_the_way(&card, &obstacles));
        }
        self.revive_exceptions(deletion_id, &edges).await?;
        Ok(RestoreReport {
            restored_cards,
            restored_relationships,
            left: obstacles,
        })
    }

    /// Restores one member of a deletion; what a client can do something about comes back as the obstacle, with the
    /// member as it was.
    async fn attempt(&mut self, member: Member<'_>) -> Result<Option<Error>> {
        sqlx::query("savepoint member").execute(&mut *self.conn).await?;
        let outcome = match member {
            Member::Card(card) => self.try_restore(card).await,
            Member::Edge(edge) => self.try_reactivate(edge).await,
        };
        match outcome {
            Ok(()) => {
                sqlx::query("release savepoint member").execute(&mut *self.conn).await?;
                Ok(None)
            }
            Err(error) if error.code.status().is_client_error() => {
                sqlx::query("rollback to savepoint member")
                    .execute(&mut *self.conn)
                    .await?;
                Ok(Some(card::store::name_holder(self.conn, error).await))
            }
            Err(error) => Err(error),
        }
    }

    async fn deleted_by(&mut self, deletion_id: Uuid) -> Result<Vec<CardRow>> {
        let ids = sqlx::query_scalar!("select id from cards where deletion_id = $1 order by id", deletion_id)
            .fetch_all(&mut *self.conn)
            .await?;
        card::store::lock_cards(self.conn, &ids).await
    }

    async fn try_restore(&mut self, card: &CardRow) -> Result<()> {
        self.require(Permission::Delete, &card.card_type)?;
        if !crate::metamodel::hierarchical(&card.card_type) {
            let holders = card::store::find_named(self.conn, &card.card_type, &card.name_key).await?;
            if let Some(holder) = holders.first() {
                return Err(card::store::name_taken_by(holder.id, &card.card_type, &card.name));
            }
        }
        for (system, external) in card::CardDraft::from(card).external_ids() {
            if let Some(holder) = card::store::find_by_external_id(self.conn, &system, &external).await? {
                return Err(card::store::external_id_taken(
                    &holder,
                    self.visible(),
                    &system,
                    &external,
                ));
            }
        }
        let row = card::store::restore(self.conn, self.author, card).await?;
        self.touch(&row.card_type, row.id);
        Ok(())
    }

    async fn try_reactivate(&mut self, edge: &RelationshipRow) -> Result<()> {
        let ontology = self.ontology.clone();
        let Some(rule) = ontology.lookup(&edge.source_type, &edge.edge_type, &edge.target_type) else {
            return Err(Error::new(
                Code::RelationshipNotAllowed,
                format!("{} between these types is no longer in the metamodel", edge.edge_type),
            ));
        };
        rules::lock_ends(
            self.conn,
            edge.source_id,
            edge.target_id,
            rule.acyclic.then_some(rule.id),
            &TypeScope::All,
        )
        .await?;
        let ends = Ends {
            rule_id: rule.id,
            edge_type: edge.edge_type.clone(),
            source_id: edge.source_id,
            source_type: edge.source_type.clone(),
            target_id: edge.target_id,
            target_type: edge.target_type.clone(),
        };
        rules::check(self.conn, rule, &ends, &edge.into(), Some(edge.id), self.visible()).await?;
        relationship::store::reactivate(self.conn, self.author, &[edge.id]).await?;
        if edge.edge_type == "PARENT_OF" && crate::metamodel::hierarchical(&edge.target_type) {
            // Under this parent, at this time, the name may be another's by now.
            siblings::check(self.conn, &[edge.target_id], self.visible()).await?;
        }
        Ok(())
    }

    async fn revive_exceptions(&mut self, deletion_id: Uuid, edges: &[RelationshipRow]) -> Result<()> {
        let sources: HashSet<Uuid> = edges
            .iter()
            .filter(|e| e.edge_type == "EXEMPTS_FROM")
            .map(|e| e.source_id)
            .collect();
        let sources: Vec<Uuid> = sources.into_iter().collect();
        for exception in card::store::lock_cards(self.conn, &sources).await? {
            let Some(computed) = exception.computed.as_ref().map(|c| &c.0) else {
                continue;
            };
            if computed.get("expired_by") == Some(&json!(deletion_id)) {
                let before = computed.get("status_before").cloned().unwrap_or(Value::Null);
                let values = object(
                    json!({ "status": before, "status_reason": null, "expired_by": null, "status_before": null }),
                );
                card::store::set_computed(self.conn, self.author, exception.id, &values).await?;
            }
        }
        Ok(())
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
