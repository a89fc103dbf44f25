//! Every row of the ontology, over HTTP: one edge of each, and its cardinality and acyclicity.

use std::collections::{BTreeSet, HashMap};

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Caller, TestApp},
    probe::by_cursor,
};

/// A row with every type at which its edges may end.
struct Row {
    source: String,
    kind: String,
    targets: Vec<String>,
    cardinality: String,
    acyclic: bool,
}

async fn rows(caller: &Caller<'_>) -> Vec<Row> {
    let list = caller.get("/config/relationship-types").await.expect(200);
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let any: Vec<String> = {
        let types = caller.get("/config/card-types").await.expect(200);
        let governance =
            |t: &Value| t["layer"] == "D" && t["name"] != "Initiative" && t["name"] != "TechnologyStandard";
        types.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|t| !governance(t))
            .map(|t| text(&t["name"]))
            .collect()
    };
    let read = |row: &Value| Row {
        source: text(&row["source_type"]),
        kind: text(&row["type"]),
        targets: match row["target_types"].as_array().unwrap().as_slice() {
            [] => any.clone(),
            some => some.iter().map(text).collect(),
        },
        cardinality: text(&row["cardinality"]),
        acyclic: row["acyclic"].as_bool().unwrap(),
    };
    list.body["data"].as_array().unwrap().iter().map(read).collect()
}

async fn link(caller: &Caller<'_>, source: Uuid, kind: &str, target: Uuid) -> crate::harness::Answer {
    caller
        .post(
            "/relationships",
            json!({"source_id": source, "type": kind, "target_id": target}),
        )
        .await
}

#[tokio::test]
async fn an_edge_of_every_row_to_every_target_type() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let rows = rows(&editor).await;
    assert_eq!(rows.len(), 48);
    let mut made = 0;
    for row in &rows {
        for target in &row.targets {
            let name = format!("{} {} {target}", row.source, row.kind);
            let source = editor.card(&row.source, &format!("{name} from")).await;
            let end = editor.card(target, &format!("{name} to")).await;
            let edge = link(&editor, source, &row.kind, end).await.expect(201);
            assert_eq!(
                (&edge.body["source_type"], &edge.body["target_type"]),
                (&json!(row.source), &json!(target)),
                "{name}"
            );
            made += 1;
        }
    }
    assert_eq!(by_cursor(&editor, "/relationships", 1000).await.len(), made);
}

#[tokio::test]
async fn every_row_keeps_its_cardinality() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    for row in rows(&editor).await {
        let target_type = &row.targets[0];
        let name = |what: &str| format!("{} {} {what}", row.source, row.kind);
        let source = editor.card(&row.source, &name("source")).await;
        let other_source = editor.card(&row.source, &name("other source")).await;
        let target = editor.card(target_type, &name("target")).await;
        let other_target = editor.card(target_type, &name("other target")).await;
        let first = link(&editor, source, &row.kind, target).await.expect(201).id();
        let (one_source, one_target) = match row.cardinality.as_str() {
            "M:N" => (false, false),
            "1:N" => (true, false),
            "M:1" => (false, true),
            "1:1" => (true, true),
            other => panic!("{other}"),
        };
        for (refused, source, target) in [(one_source, other_source, target), (one_target, source, other_target)] {
            let answer = link(&editor, source, &row.kind, target).await;
            if refused {
                let answer = answer.expect_error(409, "CARDINALITY_VIOLATION");
                assert_eq!(
                    answer.body["error"]["details"]["existing_id"],
                    json!(first),
                    "{}",
                    name("")
                );
            } else {
                answer.expect(201);
            }
        }
    }
}

#[tokio::test]
async fn acyclic_rows_refuse_what_others_take() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let mut seen = HashMap::new();
    for row in rows(&editor).await.iter().filter(|r| r.targets.contains(&r.source)) {
        let mut cards = Vec::new();
        for n in 0..3 {
            cards.push(
                editor
                    .card(&row.source, &format!("{} {} {n}", row.source, row.kind))
                    .await,
            );
        }
        link(&editor, cards[0], &row.kind, cards[1]).await.expect(201);
        link(&editor, cards[1], &row.kind, cards[2]).await.expect(201);
        let closing = link(&editor, cards[2], &row.kind, cards[0]).await;
        if row.acyclic {
            let answer = closing.expect_error(422, "CYCLE_DETECTED");
            let path = answer.body["error"]["details"]["existing_path"]
                .as_array()
                .unwrap()
                .clone();
            let ids: Vec<_> = path.iter().map(|step| step["id"].clone()).collect();
            assert_eq!(
                ids,
                [json!(cards[0]), json!(cards[1]), json!(cards[2])],
                "{} {}",
                row.source,
                row.kind
            );
            assert_eq!(path[1]["name"], format!("{} {} 1", row.source, row.kind));
        } else {
            closing.expect(201);
        }
        seen.insert((row.source.clone(), row.kind.clone()), row.acyclic);
    }
    let open: BTreeSet<_> = seen
        .iter()
        .filter(|(_, acyclic)| !**acyclic)
        .map(|((source, kind), _)| format!("{source} {kind}"))
        .collect();
    assert_eq!(
        open,
        BTreeSet::from(["Application RELIES_ON".into(), "Initiative IMPACTS".into()])
    );
}

#[tokio::test]
async fn a_row_of_several_targets_counts_across_them() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    // TechnologyStandard STANDARDIZES component, application, platform is 1:N: a target has one standard.
    let (one, two) = (
        editor.card("TechnologyStandard", "One").await,
        editor.card("TechnologyStandard", "Two").await,
    );
    let component = editor.card("ITComponent", "DB").await;
    link(&editor, one, "STANDARDIZES", component).await.expect(201);
    link(&editor, two, "STANDARDIZES", component)
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    // Exception APPLIES_TO any is M:1: one target, of whatever type.
    let exception = editor.card("Exception", "E").await;
    let platform = editor.card("Platform", "P").await;
    link(&editor, exception, "APPLIES_TO", component).await.expect(201);
    link(&editor, exception, "APPLIES_TO", platform)
        .await
        .expect_error(409, "CARDINALITY_VIOLATION");
    // Rows are apart: the provider of a component does not count for its platform.
    let provider = editor.card("Provider", "V").await;
    link(&editor, component, "PROVIDED_BY", provider).await.expect(201);
    link(&editor, platform, "PROVIDED_BY", provider).await.expect(201);
    link(&editor, component, "PART_OF", platform).await.expect(201);
}
