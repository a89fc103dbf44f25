//! Which cards of a list have the words that are searched for: the index in memory says which have them, the filters of
//! the list which of those remain.

use std::sync::Arc;

use uuid::Uuid;

use super::{Embedded, Found, Graph};
use crate::{
    app::AppState,
    card::{list::CardQuery, search::Facts},
    error::{Error, Result},
    text::Query,
};

impl Embedded {
    /// The cards that have the words and pass every filter, with typos forgiven (told last) when none has them as written.
    pub async fn search(
        &self,
        state: &AppState,
        query: CardQuery,
        search: &Arc<Query>,
    ) -> Result<(CardQuery, Arc<Graph>, Found, bool)> {
        let graph = self.of(state, &query).await?;
        let query = Arc::new(query);
        let mut typos = false;
        let found = loop {
            let (held, asked, sought) = (Arc::clone(&graph), Arc::clone(&query), Arc::clone(search));
            let work = move || filtered(&held, &asked, &sought, typos);
            let mut found = self.apart(work).await?;
            if query.asks_database() && !found.is_empty() {
                let mut conn = query.open(&state.db).await?;
                let kept = query.ids_among(&mut conn, found.ids(&graph)).await?;
                found.keep(&graph, &kept);
            }
            if !found.is_empty() || typos || !search.forgives() {
                break found;
            }
            typos = true;
        };
        let query = Arc::into_inner(query).ok_or_else(|| Error::internal("a search still runs"))?;
        Ok((query, graph, found, typos))
    }

    /// The graph the query is about: with all that was committed, or as it was recorded.
    async fn of(&self, state: &AppState, query: &CardQuery) -> Result<Arc<Graph>> {
        if let Some(past) = &query.past {
            return state.past.graph(&state.db, past).await;
        }
        state.tail.catch_up(state).await?;
        Ok(self.snapshot())
    }

    /// Every card the caller of the query may see that has the words, deleted or not.
    pub async fn having(&self, state: &AppState, query: &CardQuery, search: Query) -> Result<Vec<Uuid>> {
        let graph = self.of(state, query).await?;
        let visible = graph.types_named(query.visible().names());
        let work = move || {
            let found = graph.find_cards(&search, |card| visible.contains(card.card_type()));
            found.ids(&graph)
        };
        self.apart(work).await
    }
}

fn filtered(graph: &Graph, query: &CardQuery, search: &Query, typos: bool) -> Found {
    let wanted = graph.types_named(query.type_names());
    let visible = graph.types_named(query.visible().names());
    graph.find_cards_as(search, typos, |card| {
        if !query.may_be_deleted(card.deleted())
            || !visible.contains(card.card_type())
            || !wanted.contains(card.card_type())
        {
            return false;
        }
        if !query.looks_closer() {
            return true;
        }
        let card = card.record();
        query.keeps(&Facts {
            phase: &|| card.lifecycle.phase(query.on),
            has_tag: &|tag| card.tags.iter().any(|held| **graph.word(*held) == *tag),
            quality: card.quality_score.map(i16::from),
            functional_fit: card.functional_fit.map(i16::from),
            technical_fit: card.technical_fit.map(i16::from),
            tier: card.business_criticality.as_ref().map(AsRef::as_ref),
            updated_at: card.updated_at,
        })
    })
}
