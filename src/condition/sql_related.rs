//! Conditions on related cards as SQL: subqueries over relationships and the cards at their other end.

use super::{
    Direction, Related,
    field::Fixed,
    sql::{Card, Goal, Query, node},
};

/// There are surely `min` to `max` when at least `min` surely meet the inner condition, and no more than `max` perhaps do.
pub(super) fn related<'q>(related: &'q Related, goal: Goal, query: &mut Query<'q>) {
    let too_many = related.max.map(|max| max.saturating_add(1));
    let bounds = [(Some(related.min), true), (too_many, false)];
    let mut first = true;
    query.push("(");
    for (count, least) in bounds {
        // That there are none at least is always so.
        let Some(count) = count.filter(|count| *count > 0) else {
            continue;
        };
        if !first {
            query.push(if goal.wanted { " and " } else { " or " });
        }
        first = false;
        if goal.wanted != least {
            query.push("not ");
        }
        at_least(related, count, goal.surely == (goal.wanted == least), query);
    }
    if first {
        query.push(if goal.wanted { "true" } else { "false" });
    }
    query.push(")");
}

/// At least so many related cards meet the inner condition: surely, or perhaps.
fn at_least<'q>(related: &'q Related, count: u64, surely: bool, query: &mut Query<'q>) {
    match count {
        0 | 1 => {
            query.push("exists (select from ");
            neighbours(related, surely, query);
            query.push(")");
        }
        _ => {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            // Counting ends where the answer is known: a hub has thousands of neighbours.
            query.push("(select count(*) from (select distinct ");
            query.subqueries += 1;
            let next = query.subqueries.to_string();
            query.subqueries -= 1;
            query.sql.push("c").push(next).push(".id from ");
            neighbours(related, surely, query);
            query.push(" limit ").push_bind(count).push(") n) >= ").push_bind(count);
        }
    }
}

/// The tables and the conditions of a subquery that finds related cards.
fn neighbours<'q>(related: &'q Related, surely: bool, query: &mut Query<'q>) {
    query.subqueries += 1;
    let n = query.subqueries.to_string();
    let here = query.path.last().map_or_else(String::new, |card| card.alias.clone());
    let types = query.path.last().map_or(&[][..], |card| card.types);
    let (near, far) = match related.direction {
        Direction::Out => ("source_id", "target_id"),
        Direction::In => ("target_id", "source_id"),
        Direction::Both => ("near_id", "far_id"),
    };
    query.push(match related.direction {
        Direction::Both => {
            "(select type, status, valid_from, valid_to, source_id as near_id, target_id as far_id from relationships \
             union all select type, status, valid_from, valid_to, target_id, source_id from relationships) r"
        }
        Direction::Out | Direction::In => "relationships r",
    });
    let sql = &mut *query.sql;
    sql.push(&n)
        .push(" join cards c")
        .push(&n)
        .push(" on c")
        .push(&n)
        .push(".id = r")
        .push(&n);
    sql.push(".").push(far);
    if related
        .filter
        .as_deref()
        .is_some_and(|filter| filter.looks_at(Fixed::Quality))
    {
        sql.push(" left join card_scores s").push(&n).push(" on s").push(&n);
        sql.push(".card_id = c").push(&n).push(".id");
    }
    sql.push(" where r")
        .push(&n)
        .push(".")
        .push(near)
        .push(" = c")
        .push(&here)
        .push(".id and r")
        .push(&n);
    sql.push(".type = ").push_bind(related.kind.clone());
    let on = query.reading.on;
    sql.push(" and r").push(&n).push(".status = 'active' and (r").push(&n);
    sql.push(".valid_from is null or r")
        .push(&n)
        .push(".valid_from <= ")
        .push_bind(on);
    sql.push(") and (r")
        .push(&n)
        .push(".valid_to is null or r")
        .push(&n)
        .push(".valid_to >= ");
    sql.push_bind(on).push(")");
    if related.other {
        for passed in &query.path {
            sql.push(" and c")
                .push(&n)
                .push(".id <> c")
                .push(&passed.alias)
                .push(".id");
        }
    }
    // What the card is, said of the relationship as well: spares looking cards up that are of other types.
    let near_type = match related.direction {
        Direction::Out => Some(".source_type = any("),
        Direction::In => Some(".target_type = any("),
        Direction::Both => None,
    };
    if let (Some(near_type), false) = (near_type, types.is_empty()) {
        sql.push(" and r")
            .push(&n)
            .push(near_type)
            .push_bind(types.to_vec())
            .push(")");
    }
    query.path.push(Card {
        alias: n,
        types: &related.to,
    });
    counts(related, query);
    if let Some(filter) = &related.filter {
        query.push(" and ");
        node(filter, Goal { wanted: true, surely }, query);
    }
    query.path.pop();
}

/// The related card exists for the caller: of a type that is asked for and visible, not deleted, present on the date.
fn counts(related: &Related, query: &mut Query<'_>) {
    let names: Option<Vec<String>> = match (query.reading.visible.names(), related.to.as_slice()) {
        (None, []) => None,
        (None, to) => Some(to.to_vec()),
        (Some(visible), []) => Some(visible.iter().cloned().collect()),
        (Some(visible), to) => Some(to.iter().filter(|name| visible.contains(*name)).cloned().collect()),
    };
    query.push(" and ").card("deleted_at").push(" is null");
    match names.as_deref() {
        None => {}
        Some([only]) => {
            query.push(" and ").card("type").push(" = ").push_bind(only.clone());
        }
        Some(names) => {
            query
                .push(" and ")
                .card("type")
                .push(" = any(")
                .push_bind(names.to_vec())
                .push(")");
        }
    }
    if !query.reading.include_absent {
        let on = query.reading.on;
        query
            .push(" and (")
            .card("lifecycle_eol")
            .push(" is null or ")
            .card("lifecycle_eol")
            .push(" > ")
            .push_bind(on);
        query
            .push(") and coalesce(")
            .card("lifecycle_plan")
            .push(", ")
            .card("lifecycle_phase_in")
            .push(", ");
        query.card("lifecycle_active").push(" , '-infinity') <= ").push_bind(on);
    }
}
