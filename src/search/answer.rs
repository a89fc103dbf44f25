//! What a search across everything finds: a pure function of the graph, the metamodel and what the caller may see.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::TypeScope,
    graph::{Candidate, Found, Graph, TypeSet},
    metamodel::Metamodel,
    relationship::ontology::Ontology,
    text::{self, Highlight, Query, Texts},
};

/// What a group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SearchKind)]
pub enum Kind {
    /// Cards of one type.
    Card,
    /// Tags of cards.
    Tag,
    /// Relationships, by their descriptions.
    Relationship,
    /// Card types.
    CardType,
    /// Relationship types.
    RelationshipType,
    /// People.
    User,
}

impl Kind {
    /// The kinds beside cards, in the order of an answer.
    pub const OTHERS: [Self; 5] = [
        Self::Tag,
        Self::Relationship,
        Self::CardType,
        Self::RelationshipType,
        Self::User,
    ];

    /// As `types` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Tag => "tag",
            Self::Relationship => "relationship",
            Self::CardType => "card_type",
            Self::RelationshipType => "relationship_type",
            Self::User => "user",
        }
    }
}

/// An answer of `GET /search`.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SearchAnswer {
    /// How much was found in all.
    pub total: usize,
    /// Card types with the best match first, then tags, relationships, card types, relationship types and people; groups
    /// without anything are left out.
    pub groups: Vec<Group>,
}

/// What was found of one type.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SearchGroup)]
pub struct Group {
    /// What it holds.
    pub kind: Kind,
    /// The card type, for cards.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(example = "Application")]
    pub card_type: Option<String>,
    /// What a person reads.
    #[schema(example = "Application")]
    pub label: String,
    /// How many were found.
    pub total: usize,
    /// Typos had to be forgiven to find anything of this kind.
    pub typos: bool,
    /// The best of them.
    pub items: Vec<Item>,
}

/// Something that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Item {
    /// Its id; a tag has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Its name: a card's, a person's, the tag itself, the type of a relationship.
    pub name: String,
    /// How many cards carry the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Where a relationship starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<End>,
    /// Where a relationship leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<End>,
    /// Where the words were found, best places first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub highlights: Vec<Highlight>,
}

/// An end of a relationship.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct End {
    /// The card.
    pub id: Uuid,
    /// Its type.
    #[serde(rename = "type")]
    pub card_type: String,
    /// Its name.
    pub name: String,
}

/// What is asked, by whom.
pub struct Asked {
    /// What to look for.
    pub query: Query,
    /// The card types to look among; those of cards the caller may see.
    pub cards: TypeScope,
    /// The other kinds to look among.
    pub kinds: Vec<Kind>,
    /// What the caller may see.
    pub visible: TypeScope,
    /// At most this many of each group.
    pub limit: usize,
}

/// What types there are.
pub struct Model {
    /// Card types.
    pub metamodel: Arc<Metamodel>,
    /// Relationship types.
    pub ontology: Arc<Ontology>,
}

/// Everything found but people, who are not in memory.
#[must_use]
pub fn answer(graph: &Graph, model: &Model, asked: &Asked) -> SearchAnswer {
    let mut groups = cards(graph, model, asked);
    for kind in &asked.kinds {
        groups.extend(match kind {
            Kind::Tag => tags(graph, asked),
            Kind::Relationship => relationships(graph, asked),
            Kind::CardType => card_types(model, asked),
            Kind::RelationshipType => relationship_types(model, asked),
            Kind::Card | Kind::User => None,
        });
    }
    SearchAnswer {
        total: groups.iter().map(|group| group.total).sum(),
        groups,
    }
}

fn types(graph: &Graph, scope: &TypeScope) -> TypeSet {
    graph.types_named(scope.names())
}

fn cards(graph: &Graph, model: &Model, asked: &Asked) -> Vec<Group> {
    if asked.cards.is_empty() {
        return Vec::new();
    }
    let types = types(graph, &asked.cards.and(&asked.visible));
    let accept = |card: Candidate<'_>| !card.deleted() && types.contains(card.card_type());
    let found = graph.find_cards(&asked.query, accept);
    let typos = found.typos;
    let mut groups = found.by_type(graph, asked.limit);
    groups.sort_by_key(|group| Reverse(group.best));
    let of_type = groups.into_iter().map(|group| {
        let items = group.cards.into_iter().map(|card| Item {
            id: Some(graph.id(card)),
            name: graph.card(card).name().to_owned(),
            highlights: graph.highlights(card, &asked.query, typos),
            ..Item::default()
        });
        let label = model.metamodel.card_type(&group.card_type).map(|t| t.label.clone());
        Group {
            kind: Kind::Card,
            label: label.unwrap_or_else(|| group.card_type.to_string()),
            card_type: Some(group.card_type.to_string()),
            total: group.total,
            typos,
            items: items.collect(),
        }
    });
    of_type.collect()
}

fn group(kind: Kind, label: &str, total: usize, typos: bool, items: Vec<Item>) -> Option<Group> {
    (total > 0).then(|| Group {
        kind,
        card_type: None,
        label: label.to_owned(),
        total,
        typos,
        items,
    })
}

fn tags(graph: &Graph, asked: &Asked) -> Option<Group> {
    let visible = types(graph, &asked.visible);
    let accept = |card: Candidate<'_>| !card.deleted() && visible.contains(card.card_type());
    let (found, typos) = graph.find_tags(&asked.query, accept);
    let items = found.iter().take(asked.limit).map(|(tag, count)| Item {
        name: tag.clone(),
        count: Some(*count),
        ..Item::default()
    });
    group(Kind::Tag, "Tags", found.len(), typos, items.collect())
}

fn relationships(graph: &Graph, asked: &Asked) -> Option<Group> {
    let visible = types(graph, &asked.visible);
    let shown = |card| {
        let card = graph.candidate(card);
        !card.deleted() && visible.contains(card.card_type())
    };
    let found: Found = graph.find_edges(&asked.query, |edge| {
        let record = graph.edge(edge);
        record.active && shown(record.source) && shown(record.target)
    });
    let end = |card| {
        let record = graph.card(card);
        Some(End {
            id: record.id,
            card_type: graph.type_name(record.card_type).to_string(),
            name: record.name().to_owned(),
        })
    };
    let edges = found.edges(graph, asked.limit).into_iter().map(|edge| {
        let record = graph.edge(edge);
        Item {
            id: Some(graph.edge_detail(edge).id),
            name: graph.type_name(record.kind).to_string(),
            source: end(record.source),
            target: end(record.target),
            highlights: graph.edge_highlights(edge, &asked.query, found.typos),
            ..Item::default()
        }
    });
    group(
        Kind::Relationship,
        "Relationships",
        found.total(),
        found.typos,
        edges.collect(),
    )
}

fn card_types(model: &Model, asked: &Asked) -> Option<Group> {
    let shown = model.metamodel.card_types().filter(|t| asked.visible.covers(&t.name));
    let texts: Vec<_> = shown
        .map(|t| {
            let texts = Texts {
                name: &t.label,
                tags: vec![&t.name],
                description: t.description.as_deref().unwrap_or_default(),
                attributes: "",
            };
            (Some(t.id), t.name.as_str(), texts)
        })
        .collect();
    few(Kind::CardType, "Card types", &texts, asked)
}

fn relationship_types(model: &Model, asked: &Asked) -> Option<Group> {
    let ontology = &model.ontology;
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in ontology
        .rows()
        .iter()
        .filter(|row| asked.visible.covers(&row.source_type))
    {
        if ontology.targets(row).iter().any(|target| asked.visible.covers(target)) {
            kinds.entry(&row.kind).or_default().push(&row.inverse_label);
        }
    }
    let texts: Vec<_> = kinds
        .into_iter()
        .map(|(kind, tags)| {
            let texts = Texts {
                name: kind,
                tags,
                ..Texts::default()
            };
            (None, kind, texts)
        })
        .collect();
    few(Kind::RelationshipType, "Relationship types", &texts, asked)
}

/// Tries every one: there are few.
fn few(kind: Kind, label: &str, all: &[(Option<Uuid>, &str, Texts<'_>)], asked: &Asked) -> Option<Group> {
    let mut found = Vec::new();
    let mut typos = false;
    for forgiving in [false, true] {
        typos = forgiving;
        let scored = |entry| {
            Some((
                Reverse(text::score(entry_texts(entry), &asked.query, forgiving)?),
                entry,
            ))
        };
        found.extend(all.iter().filter_map(scored));
        if !found.is_empty() {
            break;
        }
    }
    found.sort_by_key(|(score, (_, name, _))| (*score, *name));
    let items = found.iter().take(asked.limit).map(|(_, (id, name, texts))| Item {
        id: *id,
        name: (*name).to_owned(),
        highlights: text::highlights(texts, &asked.query, typos),
        ..Item::default()
    });
    group(kind, label, found.len(), typos, items.collect())
}

fn entry_texts<'a, 't>(entry: &'a (Option<Uuid>, &str, Texts<'t>)) -> &'a Texts<'t> {
    &entry.2
}
