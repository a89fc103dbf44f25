//! Circles of dependency, and cards that lack something.

use proptest::{prelude::*, test_runner::TestCaseError};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{Bench, ids, look, on_many_landscapes, world::World};

#[test]
fn cycles_and_orphans() {
    on_many_landscapes(&async |bench, world, conn| {
        look(conn, world, &[]).await;
        for hard_only in [false, true] {
            cycles(bench, world, conn, hard_only).await?;
        }
        orphans(bench, world, conn).await
    });
}

async fn cycles(
    bench: &Bench<'_>,
    world: &World,
    conn: &mut PgConnection,
    hard_only: bool,
) -> Result<(), TestCaseError> {
    let rows = sqlx::query("select cards, shortest from oracle.circles($1)")
        .bind(hard_only)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let expected: Vec<(Vec<Uuid>, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let answer = bench.get(world, &format!("cycles?hard_only={hard_only}")).await;
    let mut got = Vec::new();
    for circle in answer["cycles"].as_array().unwrap() {
        let mut cards = ids(&circle["cards"]);
        cards.sort_unstable();
        let cycle = ids(&circle["cycle"]);
        prop_assert_eq!(cycle.first(), cycle.last());
        prop_assert!(cycle.iter().all(|card| cards.contains(card)) && cycle[1..].iter().all(|card| *card >= cycle[0]));
        for step in cycle.windows(2) {
            let depends = sqlx::query_scalar(
                "select exists (select from oracle.dep where dependent = $1 and on_card = $2 and (hard or not $3))",
            );
            let depends: bool = depends
                .bind(step[0])
                .bind(step[1])
                .bind(hard_only)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
            prop_assert!(depends, "{} does not depend on {}", step[0], step[1]);
        }
        got.push((cards, cycle.len() as i32 - 1));
    }
    prop_assert_eq!(got, expected, "circles");
    Ok(())
}

/// Name, card type, types of edges one of which would do, outward, inward.
type Kind = (
    &'static str,
    Option<&'static str>,
    Option<&'static [&'static str]>,
    bool,
    bool,
);

async fn orphans(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    let kinds: [Kind; 7] = [
        (
            "applications_supporting_nothing",
            Some("Application"),
            Some(&["SUPPORTS"]),
            true,
            false,
        ),
        (
            "applications_without_owner",
            Some("Application"),
            Some(&["OWNED_BY"]),
            true,
            false,
        ),
        (
            "capabilities_without_application",
            Some("BusinessCapability"),
            Some(&["SUPPORTS"]),
            false,
            true,
        ),
        (
            "interfaces_without_consumer",
            Some("Interface"),
            Some(&["CONSUMES"]),
            false,
            true,
        ),
        (
            "interfaces_without_provider",
            Some("Interface"),
            Some(&["PROVIDES"]),
            false,
            true,
        ),
        (
            "data_objects_without_user",
            Some("DataObject"),
            Some(&["USES_DATA", "TRANSFERS"]),
            false,
            true,
        ),
        ("unconnected", None, None, true, true),
    ];
    let answer = bench.get(world, "orphans?limit=5000").await;
    let shown = |name: &str| {
        let kinds = answer["kinds"].as_array().unwrap().iter();
        ids(&kinds.clone().find(|kind| kind["kind"] == name).unwrap()["cards"])
    };
    for (name, card_type, edges, outward, inward) in kinds {
        let expected = lacking(conn, card_type, edges, outward, inward).await;
        prop_assert_eq!(shown(name), expected, "{}", name);
    }
    let mut expected = lacking(conn, Some("ITComponent"), Some(&["RELIES_ON"]), false, true).await;
    let in_no_platform = lacking(conn, Some("ITComponent"), Some(&["PART_OF"]), true, false).await;
    expected.retain(|card| in_no_platform.contains(card));
    prop_assert_eq!(shown("components_used_by_nobody"), expected);
    Ok(())
}

async fn lacking(
    conn: &mut PgConnection,
    card_type: Option<&str>,
    edges: Option<&[&str]>,
    outward: bool,
    inward: bool,
) -> Vec<Uuid> {
    let query = sqlx::query_scalar("select * from oracle.lacking($1, $2, $3, $4)")
        .bind(card_type)
        .bind(edges);
    query.bind(outward).bind(inward).fetch_all(conn).await.unwrap()
}
