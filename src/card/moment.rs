//! The landscape that a request about cards looks at: the present one, or as it was recorded at an instant.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    list::{CardFilter, CardQuery},
    query::Asked,
};
use crate::{
    app::AppState, auth::TypeScope, error::Result, http::fields::Fields, metamodel::Metamodel, store::past::Past,
};

/// See the module's description.
pub struct Moment {
    /// Card types and rules as they were.
    pub metamodel: Arc<Metamodel>,
    /// The relationship types there were.
    pub relations: BTreeSet<String>,
    /// The date when none is given.
    pub today: NaiveDate,
    /// The record; none for the present.
    pub past: Option<Past>,
}

impl Moment {
    /// The present without an instant.
    pub async fn of(state: &AppState, known_at: Option<DateTime<Utc>>) -> Result<Self> {
        let Some(past) = Past::of(&state.db, known_at).await? else {
            return Ok(Self {
                metamodel: state.metamodel.load_full(),
                relations: state.ontology.load().kinds().clone(),
                today: state.clock.today(),
                past: None,
            });
        };
        let then = state.past.definitions(&state.db, &past).await?;
        Ok(Self {
            metamodel: Arc::clone(&then.metamodel),
            relations: then.ontology.kinds().clone(),
            today: past.date(),
            past: Some(past),
        })
    }

    /// The filter as a query of this moment.
    pub fn check(&self, filter: CardFilter, visible: &TypeScope) -> Result<CardQuery> {
        let query = filter.check(&self.metamodel, visible, self.today)?;
        Ok(query.as_known(self.past.clone()))
    }

    /// Takes a query from a body.
    pub fn take(&self, fields: &mut Fields) -> Asked {
        Asked::take(fields, &self.metamodel, &self.relations)
    }

    /// What was taken as a query of this moment.
    pub fn asked(&self, asked: Asked, visible: &TypeScope) -> Result<CardQuery> {
        let query = asked.check(&self.metamodel, visible, self.today)?;
        Ok(query.as_known(self.past.clone()))
    }
}
