//! What must hold among edges: the ontology, no duplicates, cardinality over time, no cycles, cost shares. The callers
//! hold the locks of [`lock_ends`], so that two writers cannot each make half of a violation.

use std::collections::HashMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    CostGiver, EdgeDraft, RelationshipRow, Validity, cost_giver,
    ontology::{Ontology, RelationshipType},
    store::{self, Ends},
};
use crate::{
    auth::TypeScope,
    card::{self, CardRow},
    error::{Code, Error, Result},
};

/// Finds the row of the ontology for an edge, or the error that lists what is allowed between these types.
pub fn lookup<'a>(
    ontology: &'a Ontology,
    source: &CardRow,
    edge_type: &str,
    target: &CardRow,
) -> Result<&'a RelationshipType> {
    if source.id == target.id {
        return Err(Error::new(
            Code::SelfRelationship,
            format!("'{}' cannot have a relationship with itself", source.name),
        )
        .at("target_id"));
    }
    ontology
        .lookup(&source.card_type, edge_type, &target.card_type)
        .ok_or_else(|| {
            let kinds = |from: &str, to: &str| {
                ontology
                    .allowed_between(from, to)
                    .into_iter()
                    .map(|row| row.kind.as_str())
                    .collect::<Vec<_>>()
            };
            let forward = kinds(&source.card_type, &target.card_type);
            let backward = kinds(&target.card_type, &source.card_type);
            let shown: String = edge_type.chars().take(60).collect();
            Error::new(
                Code::RelationshipNotAllowed,
                format!(
                    "{} {shown} {} is not a relationship of the metamodel; from {} to {} there may be: {}",
                    source.card_type,
                    target.card_type,
                    source.card_type,
                    target.card_type,
                    if forward.is_empty() {
                        "none".to_owned()
                    } else {
                        forward.join(", ")
                    }
                ),
            )
            .at("type")
            .with(json!({
                "source_type": source.card_type, "target_type": target.card_type,
                "allowed_types": forward, "allowed_types_in_reverse": backward,
            }))
        })
}

/// Serialises writers of edges that could conflict: by row locks on the ends, and for acyclic rows of the ontology by
/// one lock per row. Returns the cards, fresh; those that are not `visible` do not exist.
pub async fn lock_ends(
    conn: &mut PgConnection,
    source: Uuid,
    target: Uuid,
    acyclic: Option<Uuid>,
    visible: &TypeScope,
) -> Result<(CardRow, CardRow)> {
    if let Some(rule) = acyclic {
        lock_rule(conn, rule).await?;
    }
    let rows = card::store::lock_cards(conn, &[source, target]).await?;
    let find = |id: Uuid, end: &str| {
        rows.iter()
            .find(|row| row.id == id && row.deleted_at.is_none() && visible.covers(&row.card_type))
            .cloned()
            .ok_or_else(|| {
                Error::not_found("card", id)
                    .at(end)
                    .with(json!({ "kind": "card", "id": id, "end": end }))
            })
    };
    Ok((find(source, "source_id")?, find(target, "target_id")?))
}

/// One writer at a time for an acyclic row of the ontology, until the end of the transaction.
pub async fn lock_rule(conn: &mut PgConnection, rule: Uuid) -> Result<()> {
    let key = i64::from_le_bytes(rule.as_bytes()[..8].try_into().unwrap_or_default());
    sqlx::query!("select pg_advisory_xact_lock($1)", key)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Checks an edge against all others, as it will be; `own` is its id when it exists already. What is not `visible` stands
/// in the way as well, but is not named.
pub async fn check(
    conn: &mut PgConnection,
    rule: &RelationshipType,
    ends: &Ends,
    draft: &EdgeDraft,
    own: Option<Uuid>,
    visible: &TypeScope,
) -> Result<()> {
    no_duplicate(conn, ends, draft.validity, own).await?;
    cardinality(conn, rule, ends, draft.validity, own, visible).await?;
    if rule.acyclic {
        no_cycle(conn, rule, ends, visible).await?;
    }
    allocation(conn, ends, draft, own, visible).await
}

fn interval(validity: Validity) -> String {
    let day = |date: Option<NaiveDate>, open: &str| date.map_or(open.to_owned(), |d| d.to_string());
    format!(
        "{} to {}",
        day(validity.from, "the beginning"),
        day(validity.to, "open end")
    )
}

fn in_the_way(edge: &RelationshipRow) -> serde_json::Value {
    json!({
        "existing_id": edge.id, "source_id": edge.source_id, "target_id": edge.target_id, "type": edge.edge_type,
        "valid_from": edge.valid_from, "valid_to": edge.valid_to,
    })
}

async fn no_duplicate(conn: &mut PgConnection, ends: &Ends, validity: Validity, own: Option<Uuid>) -> Result<()> {
    let existing = store::active_between(conn, ends.source_id, &ends.edge_type, ends.target_id).await?;
    match existing
        .iter()
        .find(|edge| Some(edge.id) != own && edge.validity().overlaps(validity))
    {
        None => Ok(()),
        Some(edge) => Err(Error::new(
            Code::DuplicateRelationship,
            format!(
                "The same {} exists already, from {}; give it another interval or change that one",
                edge.edge_type,
                interval(edge.validity())
            ),
        )
        .with(in_the_way(edge))),
    }
}

async fn cardinality(
    conn: &mut PgConnection,
    rule: &RelationshipType,
    ends: &Ends,
    validity: Validity,
    own: Option<Uuid>,
    visible: &TypeScope,
) -> Result<()> {
    let mut others = Vec::new();
    if rule.cardinality.one_source() {
        others.extend(store::active_to(conn, ends.target_id, rule.id).await?);
    }
    if rule.cardinality.one_target() {
        others.extend(store::active_from(conn, ends.source_id, rule.id).await?);
    }
    match others
        .iter()
        .find(|edge| Some(edge.id) != own && edge.validity().overlaps(validity))
    {
        None => Ok(()),
        Some(edge) => {
            if !edge.is_visible(visible) {
                let text = format!(
                    "There may be one {} at a time here ({}), and a card that you may not see has it",
                    ends.edge_type,
                    rule.cardinality.name()
                );
                return Err(Error::new(Code::CardinalityViolation, text).with(json!({ "hidden": true })));
            }
            let (side, whose) = if edge.target_id == ends.target_id {
                ("source", "target")
            } else {
                ("target", "source")
            };
            Err(Error::new(
                Code::CardinalityViolation,
                format!(
                    "Each {} may have one {side} of {} at a time ({}); there is one from {}. End it before the new one begins",
                    if whose == "target" { &ends.target_type } else { &ends.source_type },
                    ends.edge_type,
                    rule.cardinality.name(),
                    interval(edge.validity())
                ),
            )
            .with(in_the_way(edge)))
        }
    }
}

/// Refuses an edge that closes a cycle: walks from the target until it meets the source.
async fn no_cycle(conn: &mut PgConnection, rule: &RelationshipType, ends: &Ends, visible: &TypeScope) -> Result<()> {
    let mut came_from: HashMap<Uuid, Uuid> = HashMap::new();
    let mut frontier = vec![ends.target_id];
    while !frontier.is_empty() {
        let mut next = Vec::new();
        for (from, to) in store::step(conn, rule.id, &frontier).await? {
            if to != ends.target_id && !came_from.contains_key(&to) {
                came_from.insert(to, from);
                next.push(to);
            }
        }
        if came_from.contains_key(&ends.source_id) {
            return Err(cycle(conn, ends, &came_from, visible).await?);
        }
        frontier = next;
    }
    Ok(())
}

async fn cycle(
    conn: &mut PgConnection,
    ends: &Ends,
    came_from: &HashMap<Uuid, Uuid>,
    visible: &TypeScope,
) -> Result<Error> {
    let mut path = vec![ends.source_id];
    while let Some(previous) = path.last().and_then(|id| came_from.get(id)) {
        path.push(*previous);
    }
    path.reverse();
    let mut steps = Vec::new();
    let mut names = Vec::new();
    for id in path {
        let card = card::store::find_card(conn, id).await?;
        if card.as_ref().is_some_and(|card| !visible.covers(&card.card_type)) {
            steps.push(json!({ "hidden": true }));
            names.push("…".to_owned());
            continue;
        }
        let name = card.map(|c| c.name).unwrap_or_default();
        steps.push(json!({ "id": id, "name": name }));
        names.push(name);
    }
    Ok(Error::new(
        Code::CycleDetected,
        format!(
            "This {} would close a cycle: {} leads back already",
            ends.edge_type,
            names.join(" → ")
        ),
    )
    .with(json!({ "existing_path": steps })))
}

/// Refuses shares of one card's cost that exceed the whole at any instant.
async fn allocation(
    conn: &mut PgConnection,
    ends: &Ends,
    draft: &EdgeDraft,
    own: Option<Uuid>,
    visible: &TypeScope,
) -> Result<()> {
    let Some(share) = draft.allocation_pct else {
        return Ok(());
    };
    let giver = match cost_giver(&ends.edge_type, &ends.source_type, &ends.target_type) {
        Some(CostGiver::Source) => ends.source_id,
        Some(CostGiver::Target) => ends.target_id,
        None => return Ok(()),
    };
    let mut shares = vec![(draft.validity, share)];
    let mut hidden = false;
    for edge in store::active_shares(conn, giver).await? {
        let gives = match cost_giver(&edge.edge_type, &edge.source_type, &edge.target_type) {
            Some(CostGiver::Source) => edge.source_id,
            Some(CostGiver::Target) => edge.target_id,
            None => continue,
        };
        if gives == giver && Some(edge.id) != own {
            hidden |= !edge.is_visible(visible);
            shares.extend(edge.allocation_pct.map(|share| (edge.validity(), share)));
        }
    }
    let (total, on) = highest_total(&shares);
    if total <= Decimal::ONE {
        return Ok(());
    }
    if hidden {
        let text = "The cost shares of one card may not exceed 1 at any time; some of them belong to cards that you may not see";
        return Err(Error::new(Code::AllocationExceeded, text)
            .at("allocation_pct")
            .with(json!({ "giver_id": giver, "hidden": true })));
    }
    Err(Error::new(
        Code::AllocationExceeded,
        format!(
            "The cost shares of one card may not exceed 1 at any time; with this one they reach {}{}",
            total.normalize(),
            on.map_or(String::new(), |d| format!(" on {d}"))
        ),
    )
    .at("allocation_pct")
    .with(json!({ "giver_id": giver, "total": total.normalize().to_string(), "on": on })))
}

/// The largest sum of shares in force on one day, and the first such day. Sums can only rise where an interval begins.
fn highest_total(shares: &[(Validity, Decimal)]) -> (Decimal, Option<NaiveDate>) {
    let starts = shares.iter().map(|(validity, _)| validity.from);
    let mut best = (Decimal::ZERO, None);
    for start in starts {
        let day = Validity { from: start, to: start };
        let in_force = |validity: &Validity| match start {
            Some(_) => validity.overlaps(day),
            None => validity.from.is_none(),
        };
        let total: Decimal = shares
            .iter()
            .filter(|(validity, _)| in_force(validity))
            .map(|(_, share)| *share)
            .sum();
        if total > best.0 {
            best = (total, start);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_where_intervals_overlap() {
        let day = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let share = |from: &str, to: &str, tenths: i64| {
            (
                Validity {
                    from: day(from),
                    to: day(to),
                },
                Decimal::new(tenths, 1),
            )
        };
        let (total, _) = highest_total(&[share("", "2025-12-31", 6), share("2026-01-01", "", 7)]);
        assert_eq!(total, Decimal::new(7, 1));
        let (total, on) = highest_total(&[share("", "2025-12-31", 6), share("2025-06-01", "", 7)]);
        assert_eq!((total, on), (Decimal::new(13, 1), day("2025-06-01")));
        let (total, on) = highest_total(&[share("", "", 5), share("", "2020-01-01", 6)]);
        assert_eq!((total, on), (Decimal::new(11, 1), None));
    }
}
