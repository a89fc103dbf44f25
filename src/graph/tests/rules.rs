//! Every rule of dependency, redundancy and time, each on the smallest world that shows it.

use chrono::DateTime;

use super::*;
use crate::graph::question::impact;

/// `down | degraded`, each as `name@depth`.
fn breaks(world: &World, roots: &[&str], change: impl FnOnce(&mut impact::Params)) -> String {
    let graph = world.graph();
    let mut params = impact::Params::of(roots.iter().map(|root| at(&graph, root)).collect());
    change(&mut params);
    let answer = impact::impact(&graph, &View::on(today()), &params);
    let card = |card: &impact::DownCard| format!("{}@{}", card.name, card.depth);
    let down: Vec<String> = answer.down.iter().map(card).collect();
    let degraded: Vec<String> = answer.degraded.iter().map(|degraded| card(&degraded.card)).collect();
    format!("{} | {}", down.join(" "), degraded.join(" ")).trim().to_owned()
}

#[test]
fn failures_follow_hard_dependencies_and_soft_ones_once() {
    let table: [(&[&str], &str, &str); 9] = [
        (&["crm RELIES_ON db1"], "db1", "crm@1 |"),
        (&["crm RELIES_ON db1"], "crm", "|"),
        (&["crm PROVIDES api"], "crm", "api@1 |"),
        (&["crm CONSUMES api"], "api", "| crm@1"),
        (&["crm CONSUMES api", "erp RELIES_ON crm"], "api", "| crm@1"),
        (
            &["sales PARENT_OF trade", "crm SUPPORTS trade"],
            "crm",
            "trade@1 | sales@2",
        ),
        (&["sales OWNED_BY trade"], "trade", "|"),
        (&["crm RELIES_ON erp", "erp RELIES_ON crm"], "erp", "crm@1 |"),
        (&["crm RELIES_ON db1", "crm CONSUMES db1"], "db1", "crm@1 |"),
    ];
    for (edges, root, expected) in table {
        assert_eq!(breaks(&world(edges), &[root], |_| ()), expected, "{edges:?}");
    }
    let chain = world(&["web CONSUMES api", "erp CONSUMES web", "crm PROVIDES api"]);
    assert_eq!(breaks(&chain, &["crm"], |_| ()), "api@1 | web@2");
    assert_eq!(
        breaks(&chain, &["crm"], |params| params.soft_depth = 2),
        "api@1 | web@2 erp@3"
    );
    assert_eq!(breaks(&chain, &["crm"], |params| params.soft_depth = 0), "api@1 |");
    assert_eq!(breaks(&chain, &["crm"], |params| params.max_depth = Some(1)), "api@1 |");
    assert_eq!(breaks(&chain, &["crm", "api"], |_| ()), "| web@1");
}

#[test]
fn an_edge_may_state_its_own_dependency() {
    let table = [
        ("crm RELIES_ON db1", r#"{"dependency":"soft"}"#, "db1", "| crm@1"),
        ("crm RELIES_ON db1", r#"{"dependency":"none"}"#, "db1", "|"),
        ("crm CONSUMES api", r#"{"dependency":"hard"}"#, "api", "crm@1 |"),
        // On a row without direction the source depends on the target.
        ("crm OWNED_BY erp", r#"{"dependency":"hard"}"#, "erp", "crm@1 |"),
        ("crm OWNED_BY erp", r#"{"dependency":"hard"}"#, "crm", "|"),
    ];
    for (edge, attributes, root, expected) in table {
        assert_eq!(
            breaks(&world(&[]).said(edge, attributes), &[root], |_| ()),
            expected,
            "{edge} {attributes}"
        );
    }
}

#[test]
fn alternatives_stand_in_for_each_other() {
    let supported = world(&["crm SUPPORTS sales", "erp SUPPORTS sales"]);
    assert_eq!(breaks(&supported, &["crm"], |_| ()), "| sales@1");
    assert_eq!(breaks(&supported, &["crm", "erp"], |_| ()), "sales@1 |");
    // Its own group takes an edge out of the default one: each of the two is now alone.
    let parted = world(&["crm SUPPORTS sales"]).said("erp SUPPORTS sales", r#"{"redundancy_group":"x"}"#);
    assert_eq!(breaks(&parted, &["crm"], |_| ()), "sales@1 |");
    assert_eq!(breaks(&parted, &["erp"], |_| ()), "sales@1 |");
    // A soft edge belongs to no group.
    let soft = world(&["crm SUPPORTS sales"]).said("erp SUPPORTS sales", r#"{"dependency":"soft"}"#);
    assert_eq!(breaks(&soft, &["crm"], |_| ()), "sales@1 |");
    assert_eq!(breaks(&soft, &["erp"], |_| ()), "| sales@1");
    // Components of one sub-category; one without is needed by itself.
    let kind = |name: &str| format!(r#"{{"sub_category":"{name}"}}"#);
    let parts = world(&["db1 PART_OF cloud", "db2 PART_OF cloud", "os1 PART_OF cloud"])
        .card("db1", |card| card.attributes = kind("Database"))
        .card("db2", |card| card.attributes = kind("Database"));
    assert_eq!(breaks(&parts, &["db1"], |_| ()), "| cloud@1");
    assert_eq!(breaks(&parts, &["db1", "db2"], |_| ()), "cloud@1 |");
    assert_eq!(breaks(&parts, &["os1"], |_| ()), "cloud@1 |");
    // A platform's sites; a component has only one.
    let sites = world(&[
        "cloud LOCATED_AT berlin",
        "cloud LOCATED_AT bonn",
        "db1 LOCATED_AT berlin",
    ]);
    assert_eq!(breaks(&sites, &["berlin"], |_| ()), "db1@1 | cloud@1");
    assert_eq!(breaks(&sites, &["berlin", "bonn"], |_| ()), "db1@1 cloud@1 |");
    // A named group over two relationship types; an ungrouped edge beside it.
    let mixed = world(&["crm RELIES_ON os1"])
        .said("crm RELIES_ON db1", r#"{"redundancy_group":"data"}"#)
        .said("crm RELIES_ON db2", r#"{"redundancy_group":"data"}"#);
    assert_eq!(breaks(&mixed, &["db1"], |_| ()), "| crm@1");
    assert_eq!(breaks(&mixed, &["os1"], |_| ()), "crm@1 |");
}

#[test]
fn a_group_falls_after_its_last_member_and_says_who_survived() {
    let world = world(&[
        "crm SUPPORTS sales",
        "erp SUPPORTS sales",
        "erp RELIES_ON db2",
        "db2 RELIES_ON os1",
    ]);
    let graph = world.graph();
    let ask = |roots: &[&str]| {
        let roots = roots.iter().map(|root| at(&graph, root)).collect();
        impact::impact(&graph, &View::on(today()), &impact::Params::of(roots))
    };
    let whole = ask(&["crm", "os1"]);
    let sales = whole.down.iter().find(|card| card.name == "sales").unwrap();
    let path: Vec<&str> = sales.path.iter().map(|step| step.name.as_str()).collect();
    assert_eq!((sales.depth, path), (3, vec!["os1", "db2", "erp", "sales"]));
    assert_eq!(sales.path[3].via.as_ref().map(|via| &*via.0), Some("SUPPORTS"));
    assert!(whole.alternatives.is_empty());

    let part = ask(&["os1"]);
    let [lost] = &part.alternatives[..] else {
        panic!("{:?}", part.alternatives)
    };
    assert_eq!(
        (lost.dependent.name.as_str(), lost.group.as_str()),
        ("sales", "SUPPORTS")
    );
    assert_eq!(
        (names(&lost.failed), names(&lost.surviving)),
        ("erp".into(), "crm".into())
    );
    let [degraded] = &part.degraded[..] else {
        panic!("{:?}", part.degraded)
    };
    assert_eq!(
        (degraded.reason.kind, degraded.reason.on.name.as_str()),
        (impact::ReasonKind::RedundancyGroup, "erp")
    );
}

#[test]
fn only_what_is_there_on_the_date_counts() {
    let until = |offset: i64| move |edge: &mut EdgeInput| edge.valid_to = Some(day(offset));
    let since = |offset: i64| move |edge: &mut EdgeInput| edge.valid_from = Some(day(offset));
    let line = "crm RELIES_ON db1";
    assert_eq!(
        breaks(&world(&[]).edge_with(line, until(0)), &["db1"], |_| ()),
        "crm@1 |"
    );
    assert_eq!(breaks(&world(&[]).edge_with(line, until(-1)), &["db1"], |_| ()), "|");
    assert_eq!(
        breaks(&world(&[]).edge_with(line, since(0)), &["db1"], |_| ()),
        "crm@1 |"
    );
    assert_eq!(breaks(&world(&[]).edge_with(line, since(1)), &["db1"], |_| ()), "|");
    assert_eq!(
        breaks(
            &world(&[]).edge_with(line, |edge| edge.active = false),
            &["db1"],
            |_| ()
        ),
        "|"
    );

    let supported = || world(&["crm SUPPORTS sales", "erp SUPPORTS sales"]);
    let ended = supported().card("erp", |card| card.lifecycle[4] = Some(today()));
    assert_eq!(
        breaks(&ended, &["crm"], |_| ()),
        "sales@1 |",
        "the absent alternative is none"
    );
    assert_eq!(
        breaks(&ended, &["erp"], |_| ()),
        "| sales@1",
        "a root counts as present"
    );
    let deleted = supported().card("erp", |card| card.deleted_at = Some(DateTime::default()));
    assert_eq!(breaks(&deleted, &["crm"], |_| ()), "sales@1 |");

    let graph = ended.graph();
    let view = View {
        include_absent: true,
        ..View::on(today())
    };
    let answer = impact::impact(&graph, &view, &impact::Params::of(vec![at(&graph, "crm")]));
    assert_eq!(
        (answer.down.len(), answer.degraded.len()),
        (0, 1),
        "absent ones asked for"
    );
}

#[test]
fn what_may_not_be_seen_is_not_walked_through() {
    let graph = world(&["crm RELIES_ON db1", "web RELIES_ON crm", "sales PARENT_OF trade"]).graph();
    let view = View {
        visible: TypeSet::of(&graph, ["ITComponent", "BusinessCapability"]),
        ..View::on(today())
    };
    let answer = impact::impact(&graph, &view, &impact::Params::of(vec![at(&graph, "db1")]));
    assert!(answer.down.is_empty() && answer.metadata.hidden);
    let answer = impact::impact(&graph, &view, &impact::Params::of(vec![at(&graph, "trade")]));
    assert!(answer.degraded.len() == 1 && !answer.metadata.hidden);
    assert!(!BoundView::new(&graph, &view, &[]).may_be_root(at(&graph, "crm")));
}

#[test]
fn an_impact_is_summed_up() {
    let money = |amount: &str, currency: &str| {
        format!(r#"{{"financials":{{"estimated_annual_cost":{amount},"currency":"{currency}"}}}}"#)
    };
    let world = world(&[
        "crm RELIES_ON db1",
        "erp RELIES_ON db1",
        "crm SUPPORTS sales",
        "sales PARENT_OF trade",
    ])
    .edges(&["trade PARENT_OF sales", "web CONSUMES crm"])
    .card("db1", |card| card.attributes = money("0.10", "EUR"))
    .card("crm", |card| {
        (card.attributes, card.business_criticality) = (money("0.2", "EUR"), Some(Tier::One));
    })
    .card("erp", |card| card.attributes = money("5", "USD"))
    .card("web", |card| card.attributes = money("7", "USD"));
    let graph = world.graph();
    let answer = impact::impact(&graph, &View::on(today()), &impact::Params::of(vec![at(&graph, "db1")]));
    let summary = serde_json::to_value(&answer.summary).unwrap();
    let expected = serde_json::json!({
        "down": 3, "degraded": 2,
        "by_depth": [{"depth": 1, "down": 2, "degraded": 0}, {"depth": 2, "down": 1, "degraded": 1}, {"depth": 3, "down": 0, "degraded": 1}],
        "by_type": [{"type": "Application", "down": 2, "degraded": 1}, {"type": "BusinessCapability", "down": 1, "degraded": 1}],
        "by_tier": [{"tier": "Tier 1", "down": 1, "degraded": 0}, {"tier": "Unassessed", "down": 1, "degraded": 1}],
        "capabilities_down": 1, "capabilities_degraded": 1,
        "annual_cost": [{"currency": "EUR", "amount": 0.30}, {"currency": "USD", "amount": 5}],
    });
    assert_eq!(summary.to_string(), expected.to_string().replace("0.3}", "0.30}"));
}

#[test]
fn a_cut_impact_keeps_its_order_and_counts_what_it_left_out() {
    let world = world(&[
        "crm RELIES_ON db1",
        "erp RELIES_ON db1",
        "db2 RELIES_ON db1",
        "web CONSUMES crm",
    ]);
    assert_eq!(
        breaks(&world, &["db1"], |params| params.limit_nodes = 3),
        "crm@1 erp@1 db2@1 |"
    );
    let graph = world.graph();
    let params = impact::Params {
        limit_nodes: 2,
        ..impact::Params::of(vec![at(&graph, "db1")])
    };
    let answer = impact::impact(&graph, &View::on(today()), &params);
    assert_eq!(
        (
            answer.metadata.truncated,
            answer.metadata.omitted_nodes,
            answer.summary.down
        ),
        (true, 2, 3)
    );
}
