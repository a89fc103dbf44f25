//! Walks, paths, fans and dependencies.

use proptest::{prelude::*, test_runner::TestCaseError};
use serde_json::{Value, json};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    Bench, id, ids, look, number, on_many_landscapes,
    world::{Ask, World},
};

#[test]
fn walks_paths_and_fans() {
    on_many_landscapes(&async |bench, world, conn| {
        let Ask { roots, .. } = &world.ask;
        look(conn, world, &roots[..1]).await;
        let body = json!({"root_id": roots[0]});
        traverse(bench, world, conn, &roots[..1], body).await?;
        paths(bench, world, conn).await?;
        look(conn, world, &[]).await;
        let of_type: Vec<Uuid> = sqlx::query_scalar("select id from oracle.card where type = 'Application'")
            .fetch_all(&mut *conn)
            .await
            .unwrap();
        traverse(bench, world, conn, &of_type, json!({"root_type": "Application"})).await?;
        fans(bench, world, conn).await?;
        dependencies(bench, world, conn).await
    });
}

async fn traverse(
    bench: &Bench<'_>,
    world: &World,
    conn: &mut PgConnection,
    roots: &[Uuid],
    body: Value,
) -> Result<(), TestCaseError> {
    let Ask {
        depth,
        direction,
        kinds,
        walkable,
        ..
    } = &world.ask;
    let direction = ["out", "in", "both"][*direction];
    let mut body = body;
    (body["depth"], body["direction"], body["relations"]) = (json!(depth), json!(direction), json!(kinds));
    if !walkable.is_empty() {
        body["filter"] = json!({"type": walkable});
    }
    let answer = bench.post(world, "traverse", body).await;
    let some = |names: &[&'static str]| (!names.is_empty()).then(|| names.to_vec());
    let rows = sqlx::query("select a.id, a.depth from oracle.around($1, $2, $3, $4, $5, $6) a join oracle.card c using (id) order by a.depth, c.type, c.id")
        .bind(roots)
        .bind(*depth as i32)
        .bind(some(kinds))
        .bind(direction != "in")
        .bind(direction != "out")
        .bind(some(walkable))
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let expected: Vec<(Uuid, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let nodes = answer["nodes"].as_array().unwrap().iter();
    let nodes: Vec<(Uuid, i32)> = nodes
        .map(|node| (id(&node["id"]), number(&node["metadata"]["depth"])))
        .collect();
    prop_assert_eq!(&nodes, &expected, "nodes");
    let among: Vec<Uuid> = expected.iter().map(|node| node.0).collect();
    let expected: Vec<Uuid> = sqlx::query_scalar("select id from oracle.edge where source = any ($1) and target = any ($1) and ($2::text[] is null or kind = any ($2)) order by id")
        .bind(&among)
        .bind(some(kinds))
        .fetch_all(conn)
        .await
        .unwrap();
    let mut links = ids(&answer["links"]);
    links.sort_unstable();
    prop_assert_eq!(links, expected, "links");
    Ok(())
}

async fn paths(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    let (from, to) = (world.ask.roots[0], *world.ask.roots.last().unwrap());
    look(conn, world, &[from, to]).await;
    let hops = world.ask.depth.min(4);
    let answer = bench
        .get(world, &format!("paths?from={from}&to={to}&max_hops={hops}"))
        .await;
    let expected: Vec<Vec<Uuid>> = sqlx::query_scalar("select * from oracle.paths($1, $2, $3)")
        .bind(from)
        .bind(to)
        .bind(hops as i32)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    let shown: Vec<Vec<Uuid>> = answer["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| ids(&path["steps"]))
        .collect();
    let all = answer["metadata"]["truncated"] == json!(false);
    prop_assert_eq!(all, expected.len() <= 1_000);
    prop_assert_eq!(&shown[..], &expected[..expected.len().min(1_000)], "paths");
    let distance: Option<i32> =
        sqlx::query_scalar("select depth from oracle.around(array[$1], 1000, null, true, true, null) where id = $2")
            .bind(from)
            .bind(to)
            .fetch_optional(conn)
            .await
            .unwrap();
    prop_assert_eq!(
        answer["shortest"]["length"].as_i64(),
        distance.map(i64::from),
        "shortest"
    );
    if let Some(first) = expected.first() {
        prop_assert_eq!(&ids(&answer["shortest"]["steps"]), first);
    }
    Ok(())
}

async fn fans(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    for (name, inward) in [("fan-in", true), ("fan-out", false)] {
        let rows = sqlx::query(
            "select f.id, f.count from oracle.fan($1) f join oracle.card c using (id) order by f.count desc, c.type, c.id",
        );
        let rows = rows.bind(inward).fetch_all(&mut *conn).await.unwrap();
        let expected: Vec<(Uuid, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let answer = bench.get(world, &format!("{name}?limit=1000")).await;
        let items = answer["items"].as_array().unwrap().iter();
        let items: Vec<(Uuid, i64)> = items
            .map(|item| (id(&item["id"]), item["count"].as_i64().unwrap()))
            .collect();
        prop_assert_eq!(items, expected.clone(), "{} ranked", name);
        if let Some((card, count)) = expected.first() {
            let answer = bench.get(world, &format!("{name}/{card}")).await;
            prop_assert_eq!(answer["count"].as_i64(), Some(*count), "{} of {}", name, card);
        }
    }
    Ok(())
}

async fn dependencies(bench: &Bench<'_>, world: &World, conn: &mut PgConnection) -> Result<(), TestCaseError> {
    let root = world.ask.roots[0];
    look(conn, world, &[root]).await;
    let rows = sqlx::query(
        "select r.there, r.distance, exists (select from oracle.reach(true) h where (h.here, h.there) = (r.here, r.there))
         from oracle.reach(false) r join oracle.card c on c.id = r.there
         where r.here = $1 and r.there <> $1 order by r.distance, c.type, c.id",
    );
    let rows = rows.bind(root).fetch_all(conn).await.unwrap();
    let expected: Vec<(Uuid, i32, bool)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let answer = bench.get(world, &format!("dependencies/{root}")).await;
    let cards = answer["dependencies"].as_array().unwrap().iter();
    let cards: Vec<_> = cards
        .map(|card| (id(&card["id"]), number(&card["depth"]), card["strength"] == "hard"))
        .collect();
    prop_assert_eq!(cards, expected, "dependencies of {}", root);
    Ok(())
}
