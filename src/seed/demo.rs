//! The demo enterprise: seeds/enterprise-demo, compiled in, one JSON object a line, written as any client would write it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde_json::{Map, Value};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::{
    card::{self, CardDraft},
    error::{Code, Error, Result},
    http::{extract, fields::Fields},
    landscape::{NewEdge, Reference, Writer},
    metamodel::{self, Metamodel, name_key, reference::builtin_id},
    relationship::{self, EdgeDraft, ontology},
    store::Author,
};

const CARDS: File<'static> = File {
    name: "seeds/enterprise-demo/cards.jsonl",
    text: include_str!("../../seeds/enterprise-demo/cards.jsonl"),
};
const RELATIONSHIPS: File<'static> = File {
    name: "seeds/enterprise-demo/relationships.jsonl",
    text: include_str!("../../seeds/enterprise-demo/relationships.jsonl"),
};

/// What loading did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Of the cards.
    pub cards: Counts,
    /// Of the relationships.
    pub relationships: Counts,
}

/// How many of one file's lines were written, and how many not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Written now.
    pub created: usize,
    /// There already; left as they are, also where people have changed them.
    pub present: usize,
    /// Deleted by people, or between cards of which one was; they stay so.
    pub deleted: usize,
}

/// Loads the demo enterprise in one transaction. Repeating it changes nothing.
pub async fn load(db: &PgPool) -> Result<Outcome> {
    let mut tx = db.begin().await?;
    let outcome = load_files(&mut tx, CARDS, RELATIONSHIPS).await?;
    tx.commit().await?;
    Ok(outcome)
}

async fn load_files(conn: &mut PgConnection, cards: File<'_>, relationships: File<'_>) -> Result<Outcome> {
    let author = Author::system("enterprise-demo sample");
    let metamodel = Arc::new(metamodel::store::load(conn).await?);
    let ontology = Arc::new(ontology::store::load(conn).await?);
    let cards = cards.read(|body| read_card(&metamodel, body))?;
    let edges = relationships.read(read_edge)?;
    let mut writer = Writer::under(conn, &author, metamodel, ontology);
    let mut known = Known::default();
    let outcome = Outcome {
        cards: write_cards(&mut writer, &mut known, cards).await?,
        relationships: write_edges(&mut writer, &known, edges).await?,
    };
    writer.finish().await?;
    Ok(outcome)
}

/// A file of JSON lines.
#[derive(Clone, Copy)]
struct File<'a> {
    name: &'static str,
    text: &'a str,
}

impl File<'_> {
    /// Every line, read, with its place in the file.
    fn read<T>(self, read: impl Fn(Map<String, Value>) -> Result<T>) -> Result<Vec<(Place, T)>> {
        let mut list = Vec::new();
        for (line, text) in (1..).zip(self.text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let place = Place { file: self.name, line };
            let value = extract::parse::<Value>(text.as_bytes())
                .and_then(extract::object)
                .and_then(&read);
            list.push((place, value.map_err(|error| place.explain(error))?));
        }
        Ok(list)
    }
}

#[derive(Clone, Copy)]
struct Place {
    file: &'static str,
    line: usize,
}

impl Place {
    fn explain(self, error: Error) -> Error {
        let message = format!("{}, line {}: {}", self.file, self.line, error.message);
        Error { message, ..error }
    }
}

/// A line of the relationships' file.
struct EdgeLine {
    source: Named,
    kind: String,
    target: Named,
    draft: EdgeDraft,
}

/// A card by its type and name or path.
struct Named {
    card_type: String,
    name: String,
}

impl Named {
    fn key(&self) -> (String, String) {
        (self.card_type.clone(), name_key(&self.name))
    }
}

fn read_card(metamodel: &Metamodel, body: Map<String, Value>) -> Result<CardDraft> {
    let draft = CardDraft::parse(metamodel, body)?;
    draft.check_creatable(metamodel)?;
    Ok(draft)
}

fn read_edge(body: Map<String, Value>) -> Result<EdgeLine> {
    let mut fields = Fields::new(body);
    let (source, target) = (
        Reference::read(&mut fields, "source"),
        Reference::read(&mut fields, "target"),
    );
    let kind = fields.required_text("type", 60);
    let draft = EdgeDraft::read(&mut fields);
    fields.done()?;
    let named = |end, reference| match reference {
        Some(Reference::Named { card_type, name }) => Ok(Named { card_type, name }),
        _ => Err(Error::invalid(format!("{end} must be {{\"type\", \"name\"}}")).at(end)),
    };
    Ok(EdgeLine {
        source: named("source", source)?,
        kind,
        target: named("target", target)?,
        draft,
    })
}

/// The cards of the file, by type and key of the name.
#[derive(Default)]
struct Known {
    /// None: people have deleted it.
    ids: HashMap<(String, String), Option<Uuid>>,
    created: HashSet<Uuid>,
}

/// The ids are the same on every installation: so a card is known again when people have renamed it, and does not come
/// back when they have deleted it.
async fn write_cards(writer: &mut Writer<'_>, known: &mut Known, cards: Vec<(Place, CardDraft)>) -> Result<Counts> {
    let own_id = |draft: &CardDraft| builtin_id("demo card", &format!("{}/{}", draft.card_type, draft.name_key));
    let ids: Vec<Uuid> = cards.iter().map(|(_, draft)| own_id(draft)).collect();
    let rows = sqlx::query!(
        r#"select id, deleted_at is not null "deleted!" from cards where id = any($1)"#,
        &ids
    )
    .fetch_all(writer.conn())
    .await?;
    let there: HashMap<Uuid, bool> = rows.into_iter().map(|row| (row.id, row.deleted)).collect();
    let mut counts = Counts::default();
    for ((place, draft), id) in cards.into_iter().zip(ids) {
        let explain = |error| place.explain(error);
        let found = match there.get(&id) {
            Some(true) => None,
            Some(false) => Some(id),
            None => namesake(writer, &draft).await.map_err(explain)?,
        };
        let is_new = found.is_none() && !there.contains_key(&id);
        if is_new {
            writer.create_card(Some(id), &draft).await.map_err(explain)?;
            known.created.insert(id);
        }
        let count = match (is_new, found) {
            (true, _) => &mut counts.created,
            (false, Some(_)) => &mut counts.present,
            (false, None) => &mut counts.deleted,
        };
        *count += 1;
        let found = found.or(is_new.then_some(id));
        known.ids.insert((draft.card_type, draft.name_key), found);
    }
    Ok(counts)
}

/// The card of this type and name that people have made themselves.
async fn namesake(writer: &mut Writer<'_>, draft: &CardDraft) -> Result<Option<Uuid>> {
    let named = card::store::find_named(writer.conn(), &draft.card_type, &draft.name_key).await?;
    match named.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.id)),
        several => Err(Error::new(
            Code::Conflict,
            format!(
                "there are {} cards of type {} called '{}' already",
                several.len(),
                draft.card_type,
                draft.name
            ),
        )),
    }
}

async fn write_edges(writer: &mut Writer<'_>, known: &Known, edges: Vec<(Place, EdgeLine)>) -> Result<Counts> {
    let own_id = |edge: &EdgeLine| {
        let from = edge
            .draft
            .validity
            .from
            .map_or_else(String::new, |date| date.to_string());
        let ((source_type, source), (target_type, target)) = (edge.source.key(), edge.target.key());
        builtin_id(
            "demo relationship",
            &format!("{source_type}/{source}/{}/{target_type}/{target}/{from}", edge.kind),
        )
    };
    let ids: Vec<Uuid> = edges.iter().map(|(_, edge)| own_id(edge)).collect();
    let rows = sqlx::query!("select id, status from relationships where id = any($1)", &ids)
        .fetch_all(writer.conn())
        .await?;
    let there: HashMap<Uuid, bool> = rows.into_iter().map(|row| (row.id, row.status == "active")).collect();
    let mut counts = Counts::default();
    for ((place, edge), id) in edges.into_iter().zip(ids) {
        match there.get(&id) {
            Some(true) => counts.present += 1,
            Some(false) => counts.deleted += 1,
            None => {
                let count = match write_edge(writer, known, id, edge)
                    .await
                    .map_err(|error| place.explain(error))?
                {
                    Fate::Created => &mut counts.created,
                    Fate::Present => &mut counts.present,
                    Fate::EndDeleted => &mut counts.deleted,
                };
                *count += 1;
            }
        }
    }
    Ok(counts)
}

enum Fate {
    Created,
    Present,
    EndDeleted,
}

async fn write_edge(writer: &mut Writer<'_>, known: &Known, id: Uuid, edge: EdgeLine) -> Result<Fate> {
    let (Some(source), Some(target)) = (
        end(writer, known, &edge.source).await?,
        end(writer, known, &edge.target).await?,
    ) else {
        return Ok(Fate::EndDeleted);
    };
    if !known.created.contains(&source) && !known.created.contains(&target) {
        let between = relationship::store::active_between(writer.conn(), source, &edge.kind, target).await?;
        if between.iter().any(|other| other.valid_from == edge.draft.validity.from) {
            return Ok(Fate::Present);
        }
    }
    let edge = NewEdge {
        id: Some(id),
        edge_type: edge.kind,
        source,
        target,
        draft: edge.draft,
    };
    writer.create_relationship(&edge).await?;
    Ok(Fate::Created)
}

async fn end(writer: &mut Writer<'_>, known: &Known, named: &Named) -> Result<Option<Uuid>> {
    if let Some(id) = known.ids.get(&named.key()) {
        return Ok(*id);
    }
    let reference = Reference::Named {
        card_type: named.card_type.clone(),
        name: named.name.clone(),
    };
    writer.resolve(&reference, &[]).await.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metamodel::reference,
        relationship::ontology::{Ontology, reference::relationship_types},
    };

    #[test]
    fn every_line_fits_the_metamodel() {
        let metamodel = reference::metamodel();
        let cards = CARDS
            .read(|body| read_card(&metamodel, body))
            .unwrap_or_else(|error| panic!("{error:?}"));
        let edges = RELATIONSHIPS
            .read(read_edge)
            .unwrap_or_else(|error| panic!("{error:?}"));
        let names: HashSet<_> = cards
            .iter()
            .map(|(_, draft)| (draft.card_type.clone(), draft.name_key.clone()))
            .collect();
        assert_eq!(names.len(), cards.len(), "a name comes twice");
        let ontology = Ontology::new(1, relationship_types(), &metamodel);
        for (place, edge) in &edges {
            let line = place.line;
            assert!(
                names.contains(&edge.source.key()) && names.contains(&edge.target.key()),
                "line {line}"
            );
            let rule = ontology.lookup(&edge.source.card_type, &edge.kind, &edge.target.card_type);
            let rule = rule.unwrap_or_else(|| panic!("line {line}: not in the ontology"));
            assert_eq!(rule.validate_attributes(&edge.draft.attributes), [], "line {line}");
        }
        assert!(cards.len() > 500 && edges.len() > 2_000);
    }

    #[test]
    fn a_line_that_does_not_fit_is_named() {
        let metamodel = reference::metamodel();
        let read = |text: &str| {
            let file = File {
                name: "cards.jsonl",
                text,
            };
            file.read(|body| read_card(&metamodel, body))
                .map(|list| list.len())
                .map_err(|error| error.message)
        };
        let good = "{\"type\": \"Provider\", \"name\": \"P\"}\n\n";
        assert_eq!(read(good), Ok(1));
        for (line, word) in [
            ("{\"type\": \"Provider\"}", "name"),
            ("[1]", "object"),
            ("{\"type\": ", "JSON"),
        ] {
            let message = read(&format!("{good}{line}\n")).unwrap_err();
            assert!(
                message.starts_with("cards.jsonl, line 3: ") && message.contains(word),
                "{message}"
            );
        }
        let text = "{\"source\": {\"type\": \"Provider\", \"name\": \"P\"}, \"type\": \"X\", \"target\": \"$1\"}";
        let file = File {
            name: "edges.jsonl",
            text,
        };
        let message = file.read(read_edge).err().unwrap().message;
        assert!(message.starts_with("edges.jsonl, line 1: target"), "{message}");
    }
}
