//! Facets counted by the database: one statement whatever their number. Rows are grouped by the values as they are stored;
//! lists are taken apart here.

use serde_json::Value;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row, types::Json};

use super::{Counts, Facet, Tally};
use crate::{card::list::CardQuery, error::Result, store::timed};

impl CardQuery {
    /// Counts the facets of the cards this query finds, filters on the field `but` left out.
    pub async fn tally(&self, conn: &mut PgConnection, facets: &[Facet], but: Option<&str>) -> Result<Tally> {
        let mut sql = self.begin();
        self.push_tally(&mut sql, facets, but);
        let rows = timed("count_facets", sql.build().fetch_all(conn)).await?;
        let mut tally = Tally {
            total: 0,
            counts: vec![Counts::default(); facets.len()],
        };
        for row in &rows {
            let cards = u64::try_from(row.try_get::<i64, _>("cards")?).unwrap_or(0);
            let set: i32 = row.try_get("grouped")?;
            let values: Json<Value> = row.try_get("value")?;
            match usize::try_from(set - 1).ok() {
                // The few columns with few values are grouped together.
                None => {
                    tally.total += cards;
                    for (facet, counts) in facets.iter().zip(&mut tally.counts) {
                        if let Some(at) = scalar_place(facet) {
                            counts.add(&values.0[at], cards);
                        }
                    }
                }
                Some(at) => {
                    if let Some(counts) = tally.counts.get_mut(at) {
                        counts.add(&values.0, cards);
                    }
                }
            }
        }
        Ok(tally)
    }

    /// The statement of [`tally`](Self::tally).
    fn push_tally(&self, sql: &mut QueryBuilder<Postgres>, facets: &[Facet], but: Option<&str>) {
        let own = || {
            facets
                .iter()
                .enumerate()
                .filter(|(_, facet)| scalar_place(facet).is_none())
        };
        sql.push("select count(*) as cards, case when false then 0");
        for (at, _) in own() {
            sql.push(" when grouping(f").push(at.to_string()).push(") = 0 then ");
            sql.push((at + 1).to_string());
        }
        sql.push(" else 0 end as grouped, coalesce(case when false then null");
        for (at, _) in own() {
            sql.push(" when grouping(f").push(at.to_string()).push(") = 0 then f");
            sql.push(at.to_string());
        }
        sql.push(" else jsonb_build_array(type, phase, tier, functional_fit, technical_fit) end, 'null') as value from (select ");
        for (facet, name, column) in [
            (Facet::Type, "type", "c.type"),
            (Facet::Phase, "phase", ""),
            (Facet::Criticality, "tier", "c.business_criticality"),
            (Facet::FunctionalFit, "functional_fit", "c.functional_fit"),
            (Facet::TechnicalFit, "technical_fit", "c.technical_fit"),
        ] {
            match (facets.contains(&facet), column) {
                (false, _) => {
                    sql.push("null");
                }
                (true, "") => self.push_phase(sql),
                (true, column) => {
                    sql.push(column);
                }
            }
            sql.push(" as ").push(name).push(", ");
        }
        for (at, facet) in own() {
            match facet {
                Facet::Attribute(steps) => {
                    sql.push("(c.attributes");
                    for step in steps {
                        sql.push(" -> ").push_bind(step.clone());
                    }
                    sql.push(")");
                }
                _ => {
                    sql.push("to_jsonb(c.tags)");
                }
            }
            sql.push(" as f").push(at.to_string()).push(", ");
        }
        sql.push("1 as one");
        self.push_from(sql, but);
        sql.push(") found group by grouping sets ((type, phase, tier, functional_fit, technical_fit)");
        for (at, _) in own() {
            sql.push(", (f").push(at.to_string()).push(")");
        }
        sql.push(")");
    }
}

/// The place of a facet among the columns that are grouped together.
fn scalar_place(facet: &Facet) -> Option<usize> {
    match facet {
        Facet::Type => Some(0),
        Facet::Phase => Some(1),
        Facet::Criticality => Some(2),
        Facet::FunctionalFit => Some(3),
        Facet::TechnicalFit => Some(4),
        Facet::Tags | Facet::Attribute(_) => None,
    }
}
