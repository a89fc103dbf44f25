//! A question about cards as a JSON body says it: what `POST /cards/query`, `POST /cards/facets` and saved questions share.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::Value;

use super::list::{CardFilter, CardQuery};
use crate::{
    auth::TypeScope,
    condition::{Condition, Scope},
    error::{Result, Violation, ViolationCode},
    http::{fields::Fields, page::Paging},
    metamodel::Metamodel,
};

/// Which cards, in which order: read and type-checked.
pub struct Asked {
    filter: CardFilter,
    condition: Option<Condition>,
    include_absent: bool,
    written: String,
}

impl Asked {
    /// Takes `types`, `where`, `target_date`, `include_absent`, `search`, `deleted`, `sort` and `order`. `relations` are the
    /// types of relationships there are.
    pub fn take(fields: &mut Fields, metamodel: &Metamodel, relations: &BTreeSet<String>) -> Self {
        let types = types(fields, metamodel);
        let condition = fields.value("where").and_then(|value| {
            let scope = Scope::new(metamodel).of_types(&types).with_related(relations);
            let read = Condition::parse(&value, scope, "/where");
            let read = read.map_err(|found| fields.extend(found)).ok();
            read.map(|condition| (condition, value.to_string()))
        });
        let (condition, written) = condition.unzip();
        let filter = CardFilter {
            r#type: types,
            target_date: fields.date("target_date"),
            search: fields.text("search", 200),
            deleted: fields.text("deleted", 20),
            sort: fields.text("sort", 220),
            order: fields.text("order", 20),
            ..CardFilter::default()
        };
        Self {
            filter,
            condition,
            include_absent: fields.boolean("include_absent").unwrap_or(false),
            written: written.unwrap_or_default(),
        }
    }

    /// The query, of what `visible` covers. `today` is the date when none was given.
    pub fn check(self, metamodel: &Metamodel, visible: &TypeScope, today: NaiveDate) -> Result<CardQuery> {
        let query = self.filter.check(metamodel, visible, today)?;
        // One by one, so that a facet can leave out the condition on itself.
        let conditions = self.condition.map(Condition::parts).unwrap_or_default();
        Ok(query.narrowed(conditions, self.include_absent, &self.written))
    }
}

fn types(fields: &mut Fields, metamodel: &Metamodel) -> Vec<String> {
    let names = fields.texts("types", 100, 60).unwrap_or_default();
    for (at, name) in names.iter().enumerate() {
        if metamodel.card_type(name).is_none() {
            let message = "there is no such card type";
            let violation = Violation::new(format!("types[{at}]"), ViolationCode::NotInOptions, message);
            let similar = metamodel.similar_types(name);
            fields.extend([violation
                .provided(&Value::from(name.as_str()))
                .accepts("did_you_mean", similar)]);
        }
    }
    names
}

/// Takes `page`, `limit`, `cursor` and `include_total`.
pub fn take_paging(fields: &mut Fields) -> Paging {
    let number = |fields: &mut Fields, name, most| fields.integer(name, 1, most).and_then(|n| u64::try_from(n).ok());
    Paging {
        page: number(fields, "page", i64::MAX),
        limit: number(fields, "limit", 1000),
        cursor: fields.text("cursor", 8000),
        include_total: fields.boolean("include_total"),
    }
}
