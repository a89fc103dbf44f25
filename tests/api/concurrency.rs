//! Writers at the same time: what holds for one after the other holds for both at once.

use std::collections::BTreeMap;

use archzero::auth::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Answer, Caller, TestApp},
    probe::{by_cursor, ids},
};

async fn start() -> TestApp {
    TestApp::start_with(|config| config.database.max_connections = 24).await
}

/// How often each outcome came: `201`, or the status with its code.
fn outcomes(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        assert!(answer.status.as_u16() < 500, "{:?}", answer.body);
        let name = format!("{} {}", answer.status.as_u16(), answer.code());
        *counts.entry(name.trim().to_owned()).or_default() += 1;
    }
    counts
}

fn expected<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

async fn cards(caller: &Caller<'_>, card_type: &str, prefix: &str, count: usize) -> Vec<Uuid> {
    join_all((0..count).map(|n| async move { caller.card(card_type, &format!("{prefix} {n}")).await })).await
}

async fn link(caller: &Caller<'_>, source: Uuid, kind: &str, target: Uuid, more: Value) -> Answer {
    let mut body = more;
    body["source_id"] = json!(source);
    body["type"] = json!(kind);
    body["target_id"] = json!(target);
    caller.post("/relationships", body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_edges_that_would_close_a_cycle_one_is_refused() {
    let app = start().await;
    let editor = app.login(Role::Editor).await;
    for round in 0..12 {
        let (card_type, kind) = [
            ("ITComponent", "RELIES_ON"),
            ("Initiative", "DEPENDS_ON"),
            ("BusinessProcess", "PARENT_OF"),
        ][round % 3];
        let length = 2 + round % 4;
        let cards = cards(&editor, card_type, &format!("Round {round}"), length).await;
        let edges = (0..length).map(|n| link(&editor, cards[n], kind, cards[(n + 1) % length], json!({})));
        let answers = join_all(edges).await;
        assert_eq!(
            outcomes(&answers),
            expected([("201", length - 1), ("422 CYCLE_DETECTED", 1)])
        );
        let refused = answers.iter().find(|a| a.status == 422).unwrap();
        assert_eq!(
            refused.body["error"]["details"]["existing_path"]
                .as_array()
                .unwrap()
                .len(),
            length
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_goes_to_one() {
    let app = start().await;
    let editor = app.login(Role::Editor).await;
    for card_type in ["Interface", "BusinessCapability", "Organization"] {
        let names = ["Name", "NAME", "name ", "Ｎame", "nAme", " NamE", "naMe", "NAme"];
        let answers = join_all(names.map(|name| editor.post("/cards", json!({"type": card_type, "name": name})))).await;
        assert_eq!(
            outcomes(&answers),
            expected([("201", 1), ("409 CONFLICT", 7)]),
            "{card_type}"
        );
        let winner = answers.iter().find(|a| a.status == 201).unwrap().id();
        for loser in answers.iter().filter(|a| a.status == 409) {
            assert_eq!(loser.body["error"]["details"]["existing_id"], json!(winner));
        }
        // By renaming, too.
        let others = cards(&editor, card_type, "Other", 6).await;
        let answers = join_all(others.iter().map(|id| {
            let editor = &editor;
            async move { editor.patch(&format!("/cards/{id}"), json!({"name": "New"})).await }
        }))
        .await;
        assert_eq!(
            outcomes(&answers),
            expected([("200", 1), ("409 CONFLICT", 5)]),
            "{card_type}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sibling_name_goes_to_one_by_whatever_way() {
    let app = start().await;
    let architect = app.login(Role::Architect).await;
    for round in 0..6 {
        let parents = cards(&architect, "BusinessCapability", &format!("Parent {round}"), 2).await;
        let name = format!("Child {round}");
        let child = |parent: Uuid| json!({"type": "BusinessCapability", "name": name, "relationships": [{"type": "PARENT_OF", "source": parent}]});
        let answers = join_all((0..4).map(|_| architect.post("/cards", child(parents[0])))).await;
        assert_eq!(outcomes(&answers), expected([("201", 1), ("409 CONFLICT", 3)]));
        // A child that becomes a root beside a root that is just made.
        let other = architect.post("/cards", child(parents[1])).await.expect(201).id();
        let edges = architect
            .get(&format!("/relationships?target_id={other}"))
            .await
            .expect(200);
        let path = format!("/relationships/{}", edges.body["data"][0]["id"].as_str().unwrap());
        let any = architect.header("if-match", "*");
        let (freed, root) = tokio::join!(
            any.delete(&path),
            architect.post("/cards", json!({"type": "BusinessCapability", "name": name}))
        );
        let mut statuses = [freed.status.as_u16(), root.status.as_u16()];
        statuses.sort_unstable();
        assert!(
            statuses == [204, 409] || statuses == [201, 409],
            "{:?} {:?}",
            freed.body,
            root.body
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_an_edge_and_a_share_go_to_one() {
    let app = start().await;
    let editor = app.login(Role::Editor).await;
    let component = editor.card("ITComponent", "DB").await;
    let platforms = cards(&editor, "Platform", "Platform", 6).await;
    let answers = join_all(
        platforms
            .iter()
            .map(|p| link(&editor, component, "PART_OF", *p, json!({}))),
    )
    .await;
    assert_eq!(
        outcomes(&answers),
        expected([("201", 1), ("409 CARDINALITY_VIOLATION", 5)])
    );

    let interface = editor.card("Interface", "API").await;
    let applications = cards(&editor, "Application", "App", 8).await;
    let answers = join_all(
        applications
            .iter()
            .map(|a| link(&editor, *a, "PROVIDES", interface, json!({}))),
    )
    .await;
    assert_eq!(
        outcomes(&answers),
        expected([("201", 1), ("409 CARDINALITY_VIOLATION", 7)])
    );

    let answers = join_all((0..6).map(|_| link(&editor, applications[0], "RELIES_ON", component, json!({})))).await;
    assert_eq!(
        outcomes(&answers),
        expected([("201", 1), ("409 DUPLICATE_RELATIONSHIP", 5)])
    );

    let server = editor.card("ITComponent", "Server").await;
    let answers = join_all(
        applications
            .iter()
            .map(|a| link(&editor, *a, "RELIES_ON", server, json!({"allocation_pct": 0.3}))),
    )
    .await;
    assert_eq!(
        outcomes(&answers),
        expected([("201", 3), ("422 ALLOCATION_EXCEEDED", 5)])
    );
    let edges = by_cursor(&editor, &format!("/relationships?target_id={server}"), 100).await;
    let patches = edges.iter().map(|edge| async {
        let id = edge["id"].as_str().unwrap();
        editor
            .patch(&format!("/relationships/{id}"), json!({"allocation_pct": 0.4}))
            .await
    });
    let answers = join_all(patches).await;
    assert_eq!(
        outcomes(&answers),
        expected([("200", 1), ("422 ALLOCATION_EXCEEDED", 2)])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost() {
    let app = start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Application", "CRM").await;
    let path = format!("/cards/{id}");
    for version in 1..5 {
        let guarded = editor.header("if-match", format!("\"{version}\""));
        let patches = (0..8).map(|n| {
            let (guarded, path) = (&guarded, &path);
            async move {
                guarded
                    .patch(path, json!({"description": format!("{version} {n}")}))
                    .await
            }
        });
        let answers = join_all(patches).await;
        assert_eq!(
            outcomes(&answers),
            expected([("200", 1), ("412 PRECONDITION_FAILED", 7)])
        );
        let winner = answers.iter().find(|a| a.status == 200).unwrap();
        let card = editor.get(&path).await.expect(200).body;
        assert_eq!(
            (&card["description"], &card["version"]),
            (&winner.body["description"], &json!(version + 1))
        );
    }
    // Without a demand all of them happen, one after the other.
    let patches = (0..8).map(|n| {
        let (editor, path) = (&editor, &path);
        async move { editor.patch(path, json!({"attributes": {format!("own_{n}"): n}})).await }
    });
    let answers = join_all(patches).await;
    assert_eq!(outcomes(&answers), expected([("200", 8)]));
    let card = editor.get(&path).await.expect(200).body;
    assert_eq!(
        (card["attributes"].as_object().unwrap().len(), &card["version"]),
        (9, &json!(13))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_edge_outlives_its_card() {
    let app = start().await;
    let architect = app.login(Role::Architect).await;
    let any = architect.header("if-match", "*");
    for round in 0..10 {
        let (crm, portal) = (
            architect.card("Application", &format!("CRM {round}")).await,
            architect.card("Application", &format!("Portal {round}")).await,
        );
        let api = architect.card("Interface", &format!("API {round}")).await;
        architect.link(crm, "PROVIDES", api).await;
        let path = format!("/cards/{crm}");
        // Deleting the application takes the interface, to which an edge is made at the same time.
        let (deleted, consumed, relied) = tokio::join!(
            any.delete(&path),
            link(&architect, portal, "CONSUMES", api, json!({})),
            link(&architect, portal, "RELIES_ON", crm, json!({})),
        );
        deleted.expect(200);
        for made in [consumed, relied] {
            assert!(made.status == 201 || made.code() == "NOT_FOUND", "{:?}", made.body);
        }
        let dangling: i64 = sqlx::query_scalar(
            "select count(*) from relationships r join cards c on c.id in (r.source_id, r.target_id) where r.status = 'active' and c.deleted_at is not null",
        )
        .fetch_one(app.db())
        .await
        .unwrap();
        assert_eq!(dangling, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_created_deleted_and_restored_by_one() {
    let app = start().await;
    let architect = app.login(Role::Architect).await;
    let any = architect.header("if-match", "*");
    let id = Uuid::new_v4();
    let path = format!("/cards/{id}");
    let whole = json!({"type": "Interface", "name": "I"});
    let answers = join_all((0..6).map(|_| architect.put(&path, whole.clone()))).await;
    let counts = outcomes(&answers);
    assert_eq!(counts["201"], 1, "{counts:?}");
    assert_eq!(
        counts.get("409 CONFLICT").unwrap_or(&0) + counts.get("428 PRECONDITION_REQUIRED").unwrap_or(&0),
        5,
        "{counts:?}"
    );
    let answers = join_all((0..6).map(|_| any.delete(&path))).await;
    assert_eq!(outcomes(&answers), expected([("200", 1), ("404 NOT_FOUND", 5)]));
    let restore = format!("{path}/restore");
    let answers = join_all((0..6).map(|_| architect.post(&restore, json!({})))).await;
    assert_eq!(
        outcomes(&answers),
        expected([("200", 1), ("422 UNPROCESSABLE_ENTITY", 5)])
    );
    assert_eq!(architect.get(&path).await.expect(200).body["version"], 3);
    // Restoring races with one who takes the name.
    any.delete(&path).await.expect(200);
    let (restored, created) = tokio::join!(architect.post(&restore, json!({})), architect.post("/cards", whole));
    let mut statuses = [restored.status.as_u16(), created.status.as_u16()];
    statuses.sort_unstable();
    assert!(
        statuses == [200, 409] || statuses == [201, 409],
        "{:?} {:?}",
        restored.body,
        created.body
    );
}

/// Upserts of forty cards and the edges among them, in an order of its own.
fn batch(seed: usize) -> Value {
    const CARDS: usize = 40;
    let place = |n: usize| (n * 7 + seed * 13) % CARDS;
    let mut operations: Vec<Value> = (0..CARDS)
        .map(|n| json!({"op": "upsert", "card": {"type": "ITComponent", "name": format!("C{}", place(n)), "attributes": {"category": "Software", "vendor": format!("V{seed}")}}}))
        .collect();
    for n in 1..CARDS {
        let card = place(n);
        if card > 0 {
            let name = |n: usize| json!({"type": "ITComponent", "name": format!("C{n}")});
            let edge = json!({"source": name(card), "type": "RELIES_ON", "target": name((card - 1) / 2)});
            operations.push(json!({"op": "upsert", "entity": "relationship", "relationship": edge}));
        }
    }
    json!({"operations": operations})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_batches_all_succeed() {
    let app = start().await;
    let editor = app.login(Role::Editor).await;
    let answers = join_all((0..20).map(|seed| editor.post("/cards/bulk", batch(seed)))).await;
    assert_eq!(outcomes(&answers), expected([("200", 20)]));
    let cards = by_cursor(&editor, "/cards", 1000).await;
    assert_eq!(cards.len(), 40);
    let created: u64 = answers
        .iter()
        .map(|a| a.body["summary"]["created"].as_u64().unwrap())
        .sum();
    let edges = by_cursor(&editor, "/relationships", 1000).await;
    assert_eq!(
        created as usize,
        cards.len() + edges.len(),
        "each is created by one of them"
    );
    let vendors: std::collections::BTreeSet<_> = cards
        .iter()
        .map(|c| c["attributes"]["vendor"].as_str().unwrap())
        .collect();
    assert_eq!(vendors.len(), 1, "the last batch wrote all of them: {vendors:?}");
    let mut unique = ids(&edges);
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), edges.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_trees_are_one_tree() {
    let app = start().await;
    let editor = app.login(Role::Editor).await;
    let upsert = |name: String| json!({"op": "upsert", "card": {"type": "BusinessCapability", "name": name}});
    let tree = |seed: usize| {
        let mut operations = Vec::new();
        for n in 0..4 {
            let root = (n + seed) % 4;
            operations.push(upsert(format!("Root {root}")));
            operations.extend((0..3).map(|leaf| upsert(format!("Root {root} / Leaf {}", (leaf + seed) % 3))));
        }
        json!({"operations": operations})
    };
    let answers = join_all((0..8).map(|seed| editor.post("/cards/bulk", tree(seed)))).await;
    assert_eq!(outcomes(&answers), expected([("200", 8)]));
    let created: u64 = answers
        .iter()
        .map(|a| a.body["summary"]["created"].as_u64().unwrap())
        .sum();
    assert_eq!(created, 16, "each card is created by one of them");
    assert_eq!(by_cursor(&editor, "/cards", 100).await.len(), 16);
    assert_eq!(by_cursor(&editor, "/relationships", 100).await.len(), 12);
}
