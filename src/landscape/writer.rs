//! The one way to write cards and relationships: inside a caller's transaction, with all rules between them.

use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Reference, reference, siblings};
use crate::{
    app::AppState,
    auth::{Permission, Principal, TypeScope},
    card::{self, CardDraft, CardRow},
    error::{Code, Error, Result, Violation, ViolationCode},
    http::{etag::IfMatch, fields::Fields},
    metamodel::{self, Metamodel},
    relationship::{self, EdgeDraft, RelationshipRow, ontology::Ontology, rules, store::Ends},
    store::Author,
};

/// As much of a text as a message repeats.
fn shown(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A relationship to be created.
#[derive(Clone, Debug)]
pub struct NewEdge {
    /// The id the client chose, if it did.
    pub id: Option<Uuid>,
    /// Its type.
    pub edge_type: String,
    /// Where it starts.
    pub source: Uuid,
    /// Where it leads.
    pub target: Uuid,
    /// The rest.
    pub draft: EdgeDraft,
}

/// Writes cards and relationships in one transaction; call [`finish`](Self::finish) before it commits.
pub struct Writer<'a> {
    pub(super) conn: &'a mut PgConnection,
    pub(super) author: &'a Author,
    /// Who asked; none for the system itself, which may do everything.
    caller: Option<&'a Principal>,
    pub(super) metamodel: Arc<Metamodel>,
    pub(super) ontology: Arc<Ontology>,
    /// The day on which something is deleted, where that makes a difference.
    pub(super) today: Option<NaiveDate>,
    // Cards whose name must be checked among siblings at the end.
    touched: Vec<Uuid>,
}

impl<'a> Writer<'a> {
    /// A writer in the transaction of `conn` for a caller, under the metamodel and ontology as this instance knows them.
    /// Cards that the caller may not see do not exist; what they may not change is refused.
    pub fn new(state: &AppState, conn: &'a mut PgConnection, author: &'a Author, caller: &'a Principal) -> Self {
        Self {
            today: Some(state.clock.today()),
            caller: Some(caller),
            ..Self::under(conn, author, state.metamodel.load_full(), state.ontology.load_full())
        }
    }

    /// A writer for the system's own work, which may do anything.
    pub fn of_system(state: &AppState, conn: &'a mut PgConnection, author: &'a Author) -> Self {
        Self {
            today: Some(state.clock.today()),
            ..Self::under(conn, author, state.metamodel.load_full(), state.ontology.load_full())
        }
    }

    /// A writer under a given metamodel and ontology, for the system itself.
    pub fn under(
        conn: &'a mut PgConnection,
        author: &'a Author,
        metamodel: Arc<Metamodel>,
        ontology: Arc<Ontology>,
    ) -> Self {
        Self {
            conn,
            author,
            caller: None,
            metamodel,
            ontology,
            today: None,
            touched: Vec::new(),
        }
    }

    /// The transaction's connection.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.conn
    }

    /// The card types whose cards exist for the caller.
    pub(super) fn visible(&self) -> &'a TypeScope {
        static EVERYTHING: TypeScope = TypeScope::All;
        self.caller.map_or(&EVERYTHING, Principal::visible)
    }

    /// Whether cards of the type exist for the caller.
    pub(super) fn sees(&self, card_type: &str) -> bool {
        self.visible().covers(card_type)
    }

    /// Refuses what the caller may not do to cards of a type.
    pub(super) fn require(&self, permission: Permission, card_type: &str) -> Result<()> {
        self.caller
            .map_or(Ok(()), |caller| caller.require_for(permission, card_type))
    }

    /// The checks that only make sense once everything is written.
    pub async fn finish(mut self) -> Result<()> {
        self.check_siblings().await
    }

    /// Checks the names touched so far, for those who cannot wait for the end.
    pub(super) async fn check_siblings(&mut self) -> Result<()> {
        siblings::check(self.conn, &std::mem::take(&mut self.touched), self.visible()).await
    }

    /// Forgets the names touched since the last check: what touched them was undone.
    pub(super) fn forget_touched(&mut self) {
        self.touched.clear();
    }

    /// Remembers a card whose name must be unique among its siblings.
    pub(super) fn touch(&mut self, card_type: &str, id: Uuid) {
        if metamodel::hierarchical(card_type) {
            self.touched.push(id);
        }
    }

    /// The undeleted card that a reference names; `earlier` holds what earlier operations of a batch were about.
    pub async fn resolve(&mut self, reference: &Reference, earlier: &[Option<Uuid>]) -> Result<Uuid> {
        let missing = |text: String| Error::new(Code::NotFound, text).with(json!({ "kind": "card" }));
        match reference {
            Reference::Id(id) => Ok(*id),
            Reference::Named { card_type, name } => self
                .find_named(card_type, name)
                .await?
                .ok_or_else(|| missing(format!("There is no {} called '{}'", shown(card_type), shown(name)))),
            Reference::External { system, id } => card::store::find_by_external_id(self.conn, system, id)
                .await?
                .filter(|(_, card_type)| self.sees(card_type))
                .map(|(id, _)| id)
                .ok_or_else(|| {
                    missing(format!(
                        "There is no card with id '{}' in '{}'",
                        shown(id),
                        shown(system)
                    ))
                }),
            Reference::Operation(n) => earlier.get(*n).copied().flatten().ok_or_else(|| {
                missing(format!(
                    "Operation ${n} is not an earlier one of this batch that succeeded"
                ))
            }),
        }
    }

    /// The undeleted card with this type and name or path, if it exists for the caller.
    pub(super) async fn find_named(&mut self, card_type: &str, name: &str) -> Result<Option<Uuid>> {
        if self.sees(card_type) {
            reference::resolve_name(self.conn, card_type, name).await
        } else {
            Ok(None)
        }
    }

    /// Creates a card.
    pub async fn create_card(&mut self, id: Option<Uuid>, draft: &CardDraft) -> Result<CardRow> {
        self.require(Permission::Create, &draft.card_type)?;
        draft.check_creatable(&self.metamodel)?;
        self.check_references(draft, None).await?;
        let id = match id {
            Some(id) => {
                self.refuse_known_id(id).await?;
                id
            }
            None => Uuid::now_v7(),
        };
        let quality = draft.quality(&self.metamodel);
        let row = card::store::insert(self.conn, self.author, id, draft, quality).await?;
        self.touch(&row.card_type, row.id);
        Ok(row)
    }

    /// Refuses an id that a card has or had.
    pub(super) async fn refuse_known_id(&mut self, id: Uuid) -> Result<()> {
        match card::store::find_card(self.conn, id).await? {
            None => Ok(()),
            Some(card) if !self.sees(&card.card_type) => {
                Err(Error::new(Code::Conflict, "This id belongs to another card already").at("id"))
            }
            Some(card) => {
                let deleted = card.deleted_at.is_some();
                let text = if deleted {
                    "This id belongs to a deleted card; restore it instead"
                } else {
                    "A card with this id exists already"
                };
                Err(Error::new(Code::Conflict, text)
                    .at("id")
                    .with(json!({ "existing_id": id, "deleted": deleted })))
            }
        }
    }

    /// Every card named in the attributes must exist. One that the caller may not see can only stay where it is.
    async fn check_references(&mut self, draft: &CardDraft, before: Option<&CardRow>) -> Result<()> {
        let named = metamodel::card_references(&self.metamodel, &draft.card_type, &draft.attributes);
        if named.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = named.iter().map(|(_, id)| *id).collect();
        let mut missing = card::store::missing_cards(self.conn, &ids, self.visible()).await?;
        if let (false, Some(before)) = (missing.is_empty(), before) {
            let kept = metamodel::card_references(&self.metamodel, &before.card_type, &before.attributes.0);
            let gone = card::store::missing_cards(self.conn, &ids, &TypeScope::All).await?;
            missing.retain(|id| gone.contains(id) || !kept.iter().any(|(_, kept)| kept == id));
        }
        let violations: Vec<Violation> = named
            .into_iter()
            .filter(|(_, id)| missing.contains(id))
            .map(|(path, id)| {
                Violation::new(path, ViolationCode::UnknownReference, "there is no such card").provided(&json!(id))
            })
            .collect();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Error::validation(violations))
        }
    }

    /// The undeleted card, locked, at the version the caller demands.
    pub async fn lock_card(&mut self, id: Uuid, demand: IfMatch) -> Result<CardRow> {
        let card = card::store::lock_card(self.conn, id)
            .await?
            .filter(|c| c.deleted_at.is_none() && self.sees(&c.card_type));
        let card = card.ok_or_else(|| Error::not_found("card", id))?;
        demand.check(card.version)?;
        Ok(card)
    }

    /// Writes a locked card's new fields. When nothing differs nothing is written; the flag tells.
    pub async fn update_card(&mut self, before: CardRow, draft: &CardDraft) -> Result<(CardRow, bool)> {
        self.require(Permission::Edit, &before.card_type)?;
        if CardDraft::from(&before) == *draft {
            return Ok((before, false));
        }
        self.check_references(draft, Some(&before)).await?;
        let quality = draft.quality(&self.metamodel);
        let row = card::store::update(self.conn, self.author, &before, draft, quality).await?;
        if row.name_key != before.name_key {
            self.touch(&row.card_type, row.id);
        }
        Ok((row, true))
    }

    /// Applies a merge patch to a locked card.
    pub async fn patch_card(&mut self, before: CardRow, patch: &Map<String, Value>) -> Result<(CardRow, bool)> {
        let draft = CardDraft::from(&before).patched(&self.metamodel, patch)?;
        self.update_card(before, &draft).await
    }

    /// Creates a relationship. It belongs to its source: who may change that card may make it.
    pub async fn create_relationship(&mut self, edge: &NewEdge) -> Result<RelationshipRow> {
        let (source, target) = rules::lock_ends(self.conn, edge.source, edge.target, None, self.visible())
            .await
            .map_err(|error| {
                // An edge to itself finds one card only.
                if edge.source == edge.target {
                    Error::new(Code::SelfRelationship, "A card cannot have a relationship with itself").at("target_id")
                } else {
                    error
                }
            })?;
        self.require(Permission::Edit, &source.card_type)?;
        let ontology = self.ontology.clone();
        let rule = rules::lookup(&ontology, &source, &edge.edge_type, &target)?;
        if rule.deprecated {
            return Err(Error::new(
                Code::TypeDeprecated,
                format!(
                    "{} between these types is deprecated: no new relationships",
                    edge.edge_type
                ),
            )
            .at("type"));
        }
        let violations = rule.validate_attributes(&edge.draft.attributes);
        if !violations.is_empty() {
            return Err(Error::validation(violations));
        }
        let ends = Ends {
            rule_id: rule.id,
            edge_type: edge.edge_type.clone(),
            source_id: source.id,
            source_type: source.card_type,
            target_id: target.id,
            target_type: target.card_type,
        };
        if rule.acyclic {
            rules::lock_rule(self.conn, rule.id).await?;
        }
        rules::check(self.conn, rule, &ends, &edge.draft, None, self.visible()).await?;
        let row = relationship::store::insert(
            self.conn,
            self.author,
            edge.id.unwrap_or_else(Uuid::now_v7),
            &ends,
            &edge.draft,
        )
        .await?;
        self.touch_edge(&row);
        Ok(row)
    }

    fn touch_edge(&mut self, edge: &RelationshipRow) {
        if edge.edge_type == "PARENT_OF" {
            self.touch(&edge.target_type.clone(), edge.target_id);
        }
    }

    /// The active relationship, locked with its ends, at the version the caller demands.
    pub async fn lock_relationship(&mut self, id: Uuid, demand: IfMatch) -> Result<RelationshipRow> {
        // The ends first, in the order every other writer takes them.
        let found = relationship::store::find_relationship(self.conn, id)
            .await?
            .filter(|edge| edge.is_active() && edge.is_visible(self.visible()));
        let found = found.ok_or_else(|| Error::not_found("relationship", id))?;
        card::store::lock_cards(self.conn, &[found.source_id, found.target_id]).await?;
        let edge = relationship::store::lock_relationship(self.conn, id)
            .await?
            .filter(RelationshipRow::is_active);
        let edge = edge.ok_or_else(|| Error::not_found("relationship", id))?;
        demand.check(edge.version)?;
        Ok(edge)
    }

    /// Writes a locked relationship's new fields. When nothing differs nothing is written; the flag tells.
    pub async fn update_relationship(
        &mut self,
        before: RelationshipRow,
        draft: &EdgeDraft,
    ) -> Result<(RelationshipRow, bool)> {
        self.require(Permission::Edit, &before.source_type)?;
        if EdgeDraft::from(&before) == *draft {
            return Ok((before, false));
        }
        let ends = Ends {
            rule_id: before.rule_id,
            edge_type: before.edge_type.clone(),
            source_id: before.source_id,
            source_type: before.source_type.clone(),
            target_id: before.target_id,
            target_type: before.target_type.clone(),
        };
        let ontology = self.ontology.clone();
        if let Some(rule) = ontology.lookup(&ends.source_type, &ends.edge_type, &ends.target_type) {
            let violations = rule.validate_attributes(&draft.attributes);
            if !violations.is_empty() {
                return Err(Error::validation(violations));
            }
            rules::check(self.conn, rule, &ends, draft, Some(before.id), self.visible()).await?;
        }
        let row = relationship::store::update(self.conn, self.author, before.id, draft).await?;
        self.touch_edge(&row);
        Ok((row, true))
    }

    /// Applies a merge patch to a locked relationship.
    pub async fn patch_relationship(
        &mut self,
        before: RelationshipRow,
        patch: &Map<String, Value>,
    ) -> Result<(RelationshipRow, bool)> {
        let mut body = Value::Object(EdgeDraft::from(&before).to_body());
        card::merge(&mut body, &Value::Object(patch.clone()));
        let mut fields = Fields::new(crate::http::extract::object(body)?);
        fields.refuse_nulls(
            patch,
            &["valid_from", "valid_to", "description", "allocation_pct", "attributes"],
            &[relationship::READ_ONLY, &["type", "source_id", "target_id"]].concat(),
        );
        for (name, current) in [
            ("type", json!(before.edge_type)),
            ("source_id", json!(before.source_id)),
            ("target_id", json!(before.target_id)),
        ] {
            if fields.value(name).is_some_and(|sent| sent != current) {
                fields.refuse(
                    name,
                    ViolationCode::ReadOnly,
                    "cannot change; end this relationship and make another",
                    None,
                );
            }
        }
        let draft = EdgeDraft::read(&mut fields);
        fields.done()?;
        self.update_relationship(before, &draft).await
    }

    /// Archives a locked relationship.
    pub async fn archive_relationship(&mut self, edge: &RelationshipRow) -> Result<()> {
        self.require(Permission::Delete, &edge.source_type)?;
        relationship::store::archive(self.conn, self.author, &[edge.id], None).await?;
        self.touch_edge(edge);
        Ok(())
    }
}
