//! What fails together, and what is a single point of failure.

use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    Bench, expected_fates, fates, id, ids, look, number, on_many_landscapes,
    world::{Ask, World},
};

#[test]
fn impact_and_single_points_of_failure() {
    on_many_landscapes(&async |bench, world, conn| {
        let Ask {
            roots,
            max_depth,
            soft_depth,
            ..
        } = &world.ask;
        impact(bench, world, conn, roots, *max_depth, *soft_depth).await?;
        for root in &world.alive {
            impact(bench, world, conn, &[*root], None, 1).await?;
        }
        single_points(bench, world, conn).await
    });
}

async fn impact(
    bench: &Bench<'_>,
    world: &World,
    conn: &mut PgConnection,
    roots: &[Uuid],
    max_depth: Option<u32>,
    soft_depth: u32,
) -> Result<(), TestCaseError> {
    look(conn, world, roots).await;
    let fail = sqlx::query("select oracle.fail($1, $2, $3)").bind(roots);
    fail.bind(max_depth.unwrap_or(1_000) as i32)
        .bind(soft_depth as i32)
        .execute(&mut *conn)
        .await
        .unwrap();
    let answer = bench
        .post(
            world,
            "impact",
            json!({"ids": roots, "max_depth": max_depth, "soft_depth": soft_depth}),
        )
        .await;
    prop_assert_eq!(
        fates(&answer["down"]),
        expected_fates(conn, true).await,
        "down of {:?}",
        roots
    );
    prop_assert_eq!(
        fates(&answer["degraded"]),
        expected_fates(conn, false).await,
        "degraded of {:?}",
        roots
    );
    if max_depth.is_some() {
        return Ok(());
    }
    let rows = sqlx::query(
        "select d.dependent, array_agg(distinct d.on_card) filter (where f.down), array_agg(distinct d.on_card) filter (where f.down is not true)
         from oracle.dep d left join oracle.fate f on f.id = d.on_card
         where d.grp is not null and d.dependent not in (select id from oracle.fate where down)
         group by d.dependent, d.grp having bool_or(f.down) and bool_or(f.down is not true)",
    );
    let rows = rows.fetch_all(conn).await.unwrap();
    let mut expected: Vec<(Uuid, Vec<Uuid>, Vec<Uuid>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    expected.sort_unstable();
    let alternatives = answer["alternatives"].as_array().unwrap().iter();
    let mut got: Vec<_> = alternatives
        .map(|a| (id(&a["dependent"]["id"]), ids(&a["failed"]), ids(&a["surviving"])))
        .collect();
    got.sort_unstable();
    prop_assert_eq!(got, expected, "alternatives of {:?}", roots);
    Ok(())
}

async fn single_points(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    look(conn, world, &[]).await;
    let rows = sqlx::query("select id, capabilities, tiers from oracle.single_points()")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let expected: Vec<(Uuid, Vec<Uuid>, Vec<i32>)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let answer = bench.get(world, "spof?limit=5000").await;
    let found = |answer: &Value| -> Vec<(Uuid, Vec<Uuid>, Vec<i32>)> {
        let points = answer["single_points"].as_array().unwrap().iter();
        let tiers = |point: &Value| {
            ["tier_1", "tier_2", "tier_3", "tier_4", "unassessed"].map(|tier| number(&point["by_tier"][tier]))
        };
        points
            .map(|point| (id(&point["id"]), ids(&point["capabilities"]), tiers(point).to_vec()))
            .collect()
    };
    prop_assert_eq!(found(&answer), expected.clone(), "single points");
    let mut at_risk: Vec<Uuid> = expected.iter().flat_map(|point| point.1.clone()).collect();
    at_risk.sort_unstable();
    at_risk.dedup();
    prop_assert_eq!(number(&answer["capabilities_at_risk"]), at_risk.len() as i32);
    for capability in at_risk {
        let answer = bench.get(world, &format!("spof?capability_id={capability}")).await;
        let mut points: Vec<Uuid> = found(&answer).into_iter().map(|point| point.0).collect();
        points.sort_unstable();
        let mut own: Vec<Uuid> = expected
            .iter()
            .filter(|point| point.1.contains(&capability))
            .map(|point| point.0)
            .collect();
        own.sort_unstable();
        prop_assert_eq!(points, own, "single points of {}", capability);
    }
    Ok(())
}
