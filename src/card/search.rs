//! Searching the list of cards: the index in memory says which cards have the words, the filters of the list which of them
//! remain. The page comes from memory as well, but in an order by an attribute or type from the database.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    CardView, Phase,
    list::{CardQuery, Deleted},
    order::{self, Order},
};
use crate::{
    app::AppState,
    error::Result,
    http::page::{PageRequest, Place, cursor_mismatch, decode_cursor, encode_cursor},
    text::Highlight,
};

/// A card of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CardItem {
    /// The card.
    #[serde(flatten)]
    pub card: CardView,
    /// Where the words of `search` were found, best places first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlights: Option<Vec<Highlight>>,
    /// The cursor behind it.
    #[serde(skip)]
    pub cursor: String,
}

/// A page of a list: up to one item more than the limit.
pub struct Listed {
    /// The cards.
    pub items: Vec<CardItem>,
    /// How many there are in all, when asked for.
    pub total: Option<u64>,
}

/// Where a page begins.
enum Marks {
    Relevance(Option<(u32, String, Uuid)>),
    Order(Order, Option<order::Mark>),
}

impl CardQuery {
    /// The page, with highlights if something is searched for and they are wanted.
    pub async fn list(mut self, state: &AppState, request: &PageRequest, highlight: bool) -> Result<Listed> {
        let Some(search) = self.search.take() else {
            return self.read_database(state, request).await;
        };
        let search = Arc::new(search);
        let (query, graph, found, typos) = state.graph.search(state, self, &search).await?;
        let mut query = query;
        let order = query.memory_order();
        if !query.by_relevance && order.is_none() {
            query.among = Some(found.ids(&graph));
            // What was found is what the list holds: the database need not count it again.
            let uncounted = PageRequest {
                count: false,
                ..request.clone()
            };
            let mut listed = query.read_database(state, &uncounted).await?;
            listed.total = request.count.then_some(found.total() as u64);
            for item in listed.items.iter_mut().filter(|_| highlight) {
                let card = graph.find(item.card.id);
                item.highlights = card.map(|card| graph.highlights(card, &search, typos));
            }
            return Ok(listed);
        }
        let after = match &request.position {
            Place::Cursor(Some(cursor)) => Some(cursor),
            _ => None,
        };
        let marks = match (order, after) {
            (None, after) => Marks::Relevance(after.map(|c| decode_cursor(&query.identity, c)).transpose()?),
            (Some(order), None) => Marks::Order(order, None),
            (Some(order), Some(cursor)) => {
                let mark = decode_cursor(&query.identity, cursor)?;
                if !order.fits(&mark) {
                    return Err(cursor_mismatch());
                }
                Marks::Order(order, Some(mark))
            }
        };
        let (skip, limit) = (request.offset() as usize, request.limit as usize + 1);
        let total = request.count.then_some(found.total() as u64);
        let work = move || {
            let identity = &query.identity;
            let page: Vec<(_, String)> = match marks {
                Marks::Relevance(after) => {
                    let page = found.cards(&graph, after.as_ref(), skip, limit).into_iter();
                    page.map(|(card, mark)| (card, encode_cursor(identity, &mark)))
                        .collect()
                }
                Marks::Order(order, after) => {
                    let page = found.sorted(&graph, order, after.as_ref(), skip, limit).into_iter();
                    page.map(|(card, mark)| (card, encode_cursor(identity, &mark)))
                        .collect()
                }
            };
            let page = page.into_iter().map(|(card, cursor)| CardItem {
                card: graph.view(card, query.on),
                highlights: highlight.then(|| graph.highlights(card, &search, typos)),
                cursor,
            });
            page.collect()
        };
        let items = state.graph.apart(work).await?;
        Ok(Listed { items, total })
    }

    /// The same query with its search done: `among` holds what has the words, whatever the filters say of it.
    pub async fn searched(mut self, state: &AppState) -> Result<Self> {
        let Some(search) = self.search.take() else {
            return Ok(self);
        };
        self.among = Some(state.graph.having(state, &self, search).await?);
        Ok(self)
    }

    /// The same query with its search done under all of its filters: it finds what [`list`](Self::list) does, in the order that
    /// the database knows.
    pub async fn found(mut self, state: &AppState) -> Result<Self> {
        let Some(search) = self.search.take() else {
            return Ok(self);
        };
        let (mut query, graph, found, _) = state.graph.search(state, self, &Arc::new(search)).await?;
        query.among = Some(found.ids(&graph));
        Ok(query)
    }

    /// The types asked for; none when any will do.
    pub(crate) fn type_names(&self) -> Option<&[String]> {
        (!self.types.is_empty()).then_some(self.types.as_slice())
    }

    /// Whether filters are left that only the database can answer: those on attributes.
    pub(crate) fn asks_database(&self) -> bool {
        !self.conditions.is_empty() || !self.filter.pace_layer.is_empty()
    }

    pub(crate) fn may_be_deleted(&self, deleted: bool) -> bool {
        match self.deleted {
            Deleted::Without => !deleted,
            Deleted::Only => deleted,
            Deleted::Include => true,
        }
    }

    /// Whether there are filters that [`keeps`](Self::keeps) looks at.
    pub(crate) fn looks_closer(&self) -> bool {
        let filter = &self.filter;
        let numbers = filter.quality_min.is_some() || filter.quality_max.is_some() || filter.updated_since.is_some();
        let lists = [
            filter.functional_fit.is_empty(),
            filter.technical_fit.is_empty(),
            filter.business_criticality.is_empty(),
            self.tags.is_empty(),
            self.phases.is_empty(),
        ];
        numbers || lists.contains(&false)
    }

    /// Whether a card passes the filters that memory can answer, as `push_from` puts them to the database.
    pub(crate) fn keeps(&self, card: &Facts<'_>) -> bool {
        let filter = &self.filter;
        let among = |given: &[i16], own: Option<i16>| given.is_empty() || own.is_some_and(|own| given.contains(&own));
        let tags = &self.tags;
        among(&filter.functional_fit, card.functional_fit)
            && among(&filter.technical_fit, card.technical_fit)
            && filter
                .quality_min
                .is_none_or(|min| card.quality.is_some_and(|own| own >= min))
            && filter
                .quality_max
                .is_none_or(|max| card.quality.is_some_and(|own| own <= max))
            && filter.updated_since.is_none_or(|since| card.updated_at >= since)
            && (filter.business_criticality.is_empty()
                || filter.business_criticality.iter().any(|tier| card.tier == Some(tier)))
            && (tags.is_empty()
                || if self.all_tags {
                    tags.iter().all(|tag| (card.has_tag)(tag))
                } else {
                    tags.iter().any(|tag| (card.has_tag)(tag))
                })
            && (self.phases.is_empty() || self.phases.contains(&(card.phase)()))
    }

    async fn read_database(&self, state: &AppState, request: &PageRequest) -> Result<Listed> {
        let mut conn = self.open(&state.db).await?;
        let found = self.run(&mut conn, request).await?;
        let cursors: Vec<String> = found.rows.iter().map(|row| found.cursor_after(row.id)).collect();
        let total = found.total;
        let items = found.rows.into_iter().zip(cursors).map(|(row, cursor)| CardItem {
            card: CardView::new(row, self.on),
            highlights: None,
            cursor,
        });
        Ok(Listed {
            items: items.collect(),
            total,
        })
    }
}

/// What the filters ask of a card in memory.
pub(crate) struct Facts<'a> {
    pub phase: &'a dyn Fn() -> Phase,
    pub has_tag: &'a dyn Fn(&str) -> bool,
    pub quality: Option<i16>,
    pub functional_fit: Option<i16>,
    pub technical_fit: Option<i16>,
    pub tier: Option<&'a str>,
    pub updated_at: DateTime<Utc>,
}
