//! The other questions, each on a world small enough to answer by eye, and worlds that are dense or deep.

use super::*;
use crate::graph::question::{
    Palette, cycles, diff, fan, hierarchy, impact, lineage, orphans, paths, roots, spof, traverse,
};

#[test]
fn roots_by_place_provider_and_platform() {
    let graph = world(&[
        "berlin PARENT_OF rack",
        "db1 LOCATED_AT rack",
        "cloud LOCATED_AT berlin",
        "crm LOCATED_AT berlin",
    ])
    .edges(&[
        "db2 PART_OF cloud",
        "crm HOSTED_ON cloud",
        "erp PROVIDED_BY web",
        "db2 LOCATED_AT bonn",
    ])
    .graph();
    let view = View::on(today());
    let bound = BoundView::new(&graph, &view, &[]);
    let names = |mut cards: Vec<NodeIx>| {
        cards.sort_by_key(|card| graph.id(*card));
        cards
            .into_iter()
            .map(|card| graph.card(card).name())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(roots::at_location(&bound, at(&graph, "berlin"))), "cloud db1");
    assert_eq!(names(roots::of_provider(&bound, at(&graph, "web"))), "erp");
    assert_eq!(names(roots::on_platform(&bound, at(&graph, "cloud"))), "cloud crm db2");
    let applications = graph.find_type("Application");
    assert_eq!(
        names(roots::matching(&bound, &|graph, ix| Some(graph.card_type(ix)) == applications)),
        "crm erp web"
    );
}

#[test]
fn traverse_by_type_filters_and_limits() {
    let graph = world(&[
        "crm RELIES_ON db1",
        "db1 RELIES_ON os1",
        "erp RELIES_ON db2",
        "crm SUPPORTS sales",
    ])
    .graph();
    let view = View::on(today());
    let base = || traverse::Params {
        depth: 2,
        ..traverse::Params::around(at(&graph, "crm"))
    };
    let ask = |params: &traverse::Params<'_>| {
        let answer = traverse::traverse(&graph, &view, params, &Palette::default());
        let nodes = answer
            .nodes
            .iter()
            .map(|node| node.name.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        format!("{nodes} / {}", answer.links.len())
    };
    let named = |name: &'static str| move |graph: &Graph, ix: NodeIx| graph.card(ix).name() != name;
    assert_eq!(ask(&base()), "crm sales db1 os1 / 3");
    assert_eq!(
        ask(&traverse::Params {
            relations: TypeSet::of(&graph, ["RELIES_ON"]),
            ..base()
        }),
        "crm db1 os1 / 2"
    );
    assert_eq!(
        ask(&traverse::Params {
            relations: TypeSet::of(&graph, ["NEVER"]),
            ..base()
        }),
        "crm / 0"
    );
    assert_eq!(
        ask(&traverse::Params {
            filter: Some(&named("db1")),
            ..base()
        }),
        "crm sales / 1"
    );
    assert_eq!(
        ask(&traverse::Params {
            return_filter: Some(&named("db1")),
            ..base()
        }),
        "crm sales os1 / 1"
    );
    assert_eq!(
        ask(&traverse::Params {
            filter: Some(&named("crm")),
            ..base()
        }),
        "crm sales db1 os1 / 3",
        "roots are exempt"
    );
    let applications = traverse::Roots::OfType(graph.find_type("Application"));
    let of_type = || traverse::Params {
        roots: applications.clone(),
        direction: Direction::Out,
        depth: 1,
        ..base()
    };
    assert_eq!(ask(&of_type()), "crm erp web sales db1 db2 / 3");
    assert_eq!(
        ask(&traverse::Params {
            root_filter: Some(&named("crm")),
            ..of_type()
        }),
        "erp web db2 / 1"
    );
    assert_eq!(
        ask(&traverse::Params {
            roots: traverse::Roots::OfType(None),
            ..base()
        }),
        " / 0"
    );
    assert_eq!(
        ask(&traverse::Params {
            limit_nodes: 2,
            ..of_type()
        }),
        "crm erp / 0"
    );
    let all = traverse::Params {
        roots: traverse::Roots::All,
        depth: 0,
        ..base()
    };
    assert!(ask(&all).ends_with(" / 4"));
}

#[test]
fn a_node_is_drawn_with_its_palette() {
    let graph = world(&[]).card("crm", |card| card.tags = vec!["core".into()]).graph();
    let mut palette = Palette::default();
    palette.set("Application", "B", "#336699");
    let answer = traverse::traverse(
        &graph,
        &View::on(today()),
        &traverse::Params::around(at(&graph, "crm")),
        &palette,
    );
    let node = serde_json::to_value(&answer.nodes[0]).unwrap();
    let expected = serde_json::json!({
        "id": id("crm"), "name": "crm", "type": "Application", "group": "B", "color": "#336699",
        "metadata": {"depth": 0, "lifecycle_phase": "Undefined", "tags": ["core"], "version": 1},
    });
    assert_eq!(node, expected);
}

#[test]
fn an_applications_own_interfaces_do_not_count_their_consumers_do() {
    let graph = world(&[
        "crm PROVIDES api",
        "erp CONSUMES api",
        "web CONSUMES api",
        "web RELIES_ON crm",
        "crm CONSUMES api",
    ])
    .graph();
    let view = View::on(today());
    let ask = |name: &str, fan| fan::fan_of_card(&graph, &view, at(&graph, name), fan, fan::Thresholds::default(), 50);
    assert_eq!(names(&ask("crm", fan::Fan::In).cards), "erp web");
    assert_eq!(names(&ask("crm", fan::Fan::Out).cards), "");
    assert_eq!(names(&ask("api", fan::Fan::In).cards), "crm erp web");
    assert_eq!(names(&ask("web", fan::Fan::Out).cards), "crm api");
    let levels = [0, 5, 6, 19, 20, 49, 50].map(|count| fan::Thresholds::default().level(count));
    assert_eq!(
        levels,
        [0, 0, 1, 1, 2, 2, 3].map(|at| [
            fan::Level::Low,
            fan::Level::Moderate,
            fan::Level::High,
            fan::Level::Critical
        ][at])
    );
}

#[test]
fn a_single_point_takes_down_every_application_of_a_capability() {
    let tier = |tier| move |card: &mut CardInput| card.business_criticality = Some(tier);
    let graph = world(&[
        "crm SUPPORTS sales",
        "erp SUPPORTS sales",
        "web SUPPORTS trade",
        "crm RELIES_ON db1",
    ])
    .edges(&[
        "erp RELIES_ON db2",
        "db1 RELIES_ON os1",
        "db2 RELIES_ON os1",
        "web RELIES_ON db2",
    ])
    .card("web", tier(Tier::One))
    .card("crm", tier(Tier::Two))
    .graph();
    let view = View::on(today());
    let ask = |capability: Option<&str>| {
        let capability = capability.map(|name| at(&graph, name));
        let answer = spof::single_points(&graph, &view, &spof::Params { capability, limit: 10 });
        let point = |point: &spof::SinglePoint| format!("{}:{}", point.name, names(&point.capabilities));
        answer.single_points.iter().map(point).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(ask(None), "os1:trade sales, web:trade, db2:trade");
    assert_eq!(ask(Some("sales")), "os1:sales");
    assert_eq!(ask(Some("trade")), "web:trade, db2:trade, os1:trade");
}

#[test]
fn a_group_that_holds_the_card_itself_adds_nothing() {
    let graph = world(&["crm SUPPORTS sales", "crm RELIES_ON erp", "erp RELIES_ON crm"])
        .said("crm RELIES_ON erp", r#"{"redundancy_group":"x"}"#)
        .said("crm RELIES_ON db1", r#"{"redundancy_group":"x"}"#)
        .graph();
    let params = spof::Params {
        capability: None,
        limit: 10,
    };
    let answer = spof::single_points(&graph, &View::on(today()), &params);
    let points: Vec<&str> = answer.single_points.iter().map(|point| point.name.as_str()).collect();
    assert_eq!(points, ["crm", "erp"]);
}

fn tree(nodes: &[hierarchy::TreeNode]) -> String {
    nodes.iter().fold(String::new(), |text, node| {
        format!("{text}{}({})", node.name, tree(&node.children))
    })
}

#[test]
fn a_hierarchy_by_name_with_absent_parents_and_limits() {
    let capabilities: &[&str] = &["a", "a1", "a2", "a21", "b", "b1"];
    let world = World::new(&[("BusinessCapability", capabilities)])
        .edges(&["a PARENT_OF a2", "a PARENT_OF a1", "a2 PARENT_OF a21", "b PARENT_OF b1"])
        .card("b", |card| card.lifecycle[4] = Some(today()));
    let graph = world.graph();
    let ask = |top: hierarchy::Top, limit_nodes, max_depth| {
        let params = hierarchy::Params {
            top,
            max_depth,
            limit_nodes,
        };
        let answer = hierarchy::hierarchy(&graph, &View::on(today()), &params);
        (tree(&answer.roots), answer.metadata.truncated)
    };
    let all = || hierarchy::Top::OfType(graph.find_type("BusinessCapability"));
    assert_eq!(ask(all(), 100, 50), ("a(a1()a2(a21()))b1()".into(), false));
    assert_eq!(ask(all(), 3, 50), ("a(a1())b1()".into(), true));
    assert_eq!(ask(all(), 100, 1), ("a(a1()a2())b1()".into(), true));
    assert_eq!(
        ask(hierarchy::Top::Card(at(&graph, "b")), 100, 50),
        ("b(b1())".into(), false)
    );
}

#[test]
fn orphans_of_each_kind() {
    let graph = world(&[
        "crm SUPPORTS sales",
        "crm CONSUMES api",
        "db1 PART_OF cloud",
        "erp RELIES_ON db2",
    ])
    .graph();
    let answer = orphans::orphans(&graph, &View::on(today()), orphans::KINDS, 100);
    let found: Vec<String> = answer.kinds.iter().map(|kind| names(&kind.cards)).collect();
    let expected = [
        "erp web",
        "crm erp web",
        "trade",
        "",
        "api",
        "os1",
        "order",
        "web trade order os1 berlin bonn rack",
    ];
    assert_eq!(found, expected);
}

#[test]
fn lineage_follows_access_and_flows() {
    let world = world(&["crm PROVIDES api", "erp CONSUMES api", "web CONSUMES api"])
        .said("crm USES_DATA order", r#"{"access":"create"}"#)
        .said("web USES_DATA order", r#"{"access":"read"}"#)
        .edge("erp USES_DATA order");
    let with = |attributes: &str| {
        let mut graph = world.graph();
        let transfer = World::new(PEOPLE).said("api TRANSFERS order", attributes);
        graph.upsert_edge(EdgeInput {
            id: Uuid::from_u128(1),
            ..transfer.edges[0].clone()
        });
        graph
    };
    let ask = |graph: &Graph, of: Option<&str>| {
        let params = lineage::Params {
            data_object: at(graph, "order"),
            of: of.map(|name| at(graph, name)),
            limit: 100,
        };
        lineage::lineage(graph, &View::on(today()), &params)
    };
    let steps = |steps: &[lineage::LineageStep]| {
        steps
            .iter()
            .map(|step| format!("{}@{}", step.name, step.depth))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let graph = with("{}");
    let answer = ask(&graph, None);
    assert_eq!(
        [&answer.creates, &answer.reads, &answer.uses, &answer.updates].map(|cards| names(cards)),
        ["crm", "web", "erp", ""]
    );
    assert_eq!(
        (steps(&answer.upstream), steps(&answer.downstream)),
        ("crm@0".into(), "erp@1 web@1".into())
    );
    let answer = ask(&graph, Some("web"));
    assert_eq!(
        (steps(&answer.upstream), steps(&answer.downstream)),
        ("crm@1".into(), String::new())
    );
    let answer = ask(&with(r#"{"direction":"consumer_to_provider"}"#), Some("crm"));
    assert_eq!((steps(&answer.upstream), answer.flows.len()), ("erp@1 web@1".into(), 2));
    assert_eq!(ask(&with(r#"{"direction":"both"}"#), None).flows.len(), 4);
}

#[test]
fn two_dates_differ_by_what_came_went_and_changed() {
    let graph = world(&["crm RELIES_ON db1", "erp RELIES_ON db1"])
        .edge_with("web RELIES_ON db1", |edge| edge.valid_from = Some(day(10)))
        .card("crm", |card| card.lifecycle[4] = Some(day(10)))
        .card("db2", |card| card.lifecycle[2] = Some(day(10)))
        .card("erp", |card| card.lifecycle[3] = Some(day(10)))
        .graph();
    let params = diff::Params {
        types: [TypeSet::All, TypeSet::All],
        relations: [TypeSet::All, TypeSet::All],
        filter: None,
        limit: 100,
    };
    let answer = diff::diff((&graph, &View::on(today())), (&graph, &View::on(day(10))), &params);
    assert_eq!(
        (names(&answer.nodes.added), names(&answer.nodes.removed)),
        ("db2".into(), "crm".into())
    );
    let [erp] = &answer.nodes.changed[..] else {
        panic!("{:?}", answer.nodes.changed)
    };
    assert_eq!(
        (erp.changes[0].before.as_deref(), erp.changes[0].after.as_deref()),
        (Some("Active"), Some("Phase Out"))
    );
    assert_eq!(
        (
            answer.links.added.len(),
            answer.links.removed.len(),
            answer.links.changed.len()
        ),
        (1, 1, 0)
    );

    let mut later = graph.clone();
    let mut edge = later.edge_detail(later.edges().nth(1).unwrap()).id;
    let mut changed = world(&["crm RELIES_ON db1", "erp RELIES_ON db1"]).edges.remove(1);
    std::mem::swap(&mut edge, &mut changed.id);
    (changed.version, changed.valid_to) = (2, Some(day(99)));
    later.upsert_edge(changed);
    let answer = diff::diff((&graph, &View::on(today())), (&later, &View::on(today())), &params);
    let [link] = &answer.links.changed[..] else {
        panic!("{:?}", answer.links)
    };
    assert_eq!(
        link.changes.iter().map(|change| change.field).collect::<Vec<_>>(),
        ["valid_to", "version"]
    );
    assert_eq!(
        answer.totals,
        diff::DiffTotals {
            links_changed: 1,
            ..Default::default()
        }
    );
}

#[test]
fn dense_and_deep_worlds_do_not_hang() {
    let name = |n: usize| format!("c{n:06}");
    let many: Vec<String> = (0..60).map(name).collect();
    let cards: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut dense = World::new(&[("Application", &cards)]);
    for from in &cards {
        for to in cards.iter().filter(|to| *to != from) {
            dense = dense.edge(&format!("{from} RELIES_ON {to}"));
        }
    }
    let graph = dense.graph();
    let params = paths::Params {
        max_hops: 10,
        ..paths::Params::between(at(&graph, "c000000"), at(&graph, "c000059"))
    };
    let answer = paths::paths(&graph, &View::on(today()), &params);
    assert_eq!((answer.paths.len(), answer.metadata.truncated), (1_000, true));
    assert!(answer.paths.is_sorted_by_key(|path| path.length));

    let many: Vec<String> = (0..30_000).map(name).collect();
    let cards: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut builder = GraphBuilder::new();
    rows().for_each(|row| builder.rule(row));
    World::new(&[("Application", &cards)])
        .cards
        .iter()
        .for_each(|card| builder.card(card));
    for (n, pair) in cards.windows(2).enumerate() {
        let edge = World::new(&[])
            .edge(&format!("{} RELIES_ON {}", pair[0], pair[1]))
            .edges
            .remove(0);
        builder.edge(EdgeInput {
            id: Uuid::from_u128(n as u128),
            ..edge.clone()
        });
        builder.edge(EdgeInput {
            id: Uuid::from_u128(1 << 80 | n as u128),
            kind: "PARENT_OF".into(),
            ..edge
        });
    }
    let graph = builder.build();
    let view = View::on(today());
    let params = impact::Params {
        limit_nodes: 50_000,
        ..impact::Params::of(vec![at(&graph, cards[29_999])])
    };
    let answer = impact::impact(&graph, &view, &params);
    assert_eq!(answer.summary.down, 29_999);
    assert!(
        answer.metadata.truncated && answer.down.len() > 500,
        "the paths of a long chain are bounded together"
    );
    assert!(
        cycles::cycles(
            &graph,
            &view,
            &cycles::Params {
                hard_only: false,
                limit: 10
            }
        )
        .cycles
        .is_empty()
    );
    let top = hierarchy::Top::Card(at(&graph, cards[0]));
    let tree = hierarchy::hierarchy(&graph, &view, &hierarchy::Params::below(top));
    assert!(tree.metadata.truncated && tree.metadata.total_nodes == 51);
}
