//! Deleting cards with what goes with them, and bringing all of it back as one unit.

use archzero::auth::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    harness::{Answer, Caller, TestApp},
    probe::rows,
};

async fn delete(caller: &Caller<'_>, id: Uuid) -> Answer {
    caller.header("if-match", "*").delete(&format!("/cards/{id}")).await
}

async fn restore(caller: &Caller<'_>, id: Uuid, force: bool) -> Answer {
    caller
        .post(
            &format!("/cards/{id}/restore{}", if force { "?force=true" } else { "" }),
            json!({}),
        )
        .await
}

async fn exists(caller: &Caller<'_>, id: Uuid) -> bool {
    match caller.get(&format!("/cards/{id}")).await.status.as_u16() {
        200 => true,
        404 => false,
        other => panic!("{other}"),
    }
}

async fn status(caller: &Caller<'_>, edge: Uuid) -> String {
    caller.get(&format!("/relationships/{edge}")).await.expect(200).body["status"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn ids(list: &Value) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i.get("id").unwrap_or(i).as_str().unwrap().parse().unwrap())
        .collect();
    ids.sort();
    ids
}

/// What stands in the way of a restoration: (entity, id, code).
#[track_caller]
fn obstacles(answer: &Answer) -> Vec<(String, Uuid, String)> {
    let list = answer.body["error"]["details"]["obstacles"].as_array();
    let list = list.unwrap_or_else(|| panic!("no obstacles in {}", answer.body));
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    list.iter()
        .map(|o| (text(&o["entity"]), text(&o["id"]).parse().unwrap(), text(&o["code"])))
        .collect()
}

fn obstacle(entity: &str, id: Uuid, code: &str) -> (String, Uuid, String) {
    (entity.into(), id, code.into())
}

#[tokio::test]
async fn an_application_takes_its_interfaces_along_and_brings_them_back() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let crm = architect.card("Application", "CRM").await;
    let (api, feed) = (
        architect.card("Interface", "API").await,
        architect.card("Interface", "Feed").await,
    );
    let portal = architect.card("Application", "Portal").await;
    let order = architect.card("DataObject", "Order").await;
    let provides = architect.link(crm, "PROVIDES", api).await;
    let provides_feed = architect.link(crm, "PROVIDES", feed).await;
    let consumes = architect.link(portal, "CONSUMES", api).await;
    let transfers = architect.link(api, "TRANSFERS", order).await;
    let uses = architect.link(crm, "USES_DATA", order).await;
    let apart = architect.link(portal, "USES_DATA", order).await;
    let ended = architect.link(portal, "RELIES_ON", crm).await;
    architect
        .header("if-match", "*")
        .delete(&format!("/relationships/{ended}"))
        .await
        .expect(204);

    let report = delete(&architect, crm).await.expect(200).body;
    let mut cards = [crm, api, feed];
    cards.sort();
    let mut edges = [provides, provides_feed, consumes, transfers, uses];
    edges.sort();
    assert_eq!(
        (ids(&report["deleted_cards"]), ids(&report["archived_relationships"])),
        (cards.to_vec(), edges.to_vec())
    );
    for id in cards {
        assert!(!exists(&architect, id).await);
    }
    for edge in edges {
        assert_eq!(status(&architect, edge).await, "archived");
    }
    assert_eq!(status(&architect, apart).await, "active");
    assert!(exists(&architect, portal).await && exists(&architect, order).await);
    let only = architect
        .get("/cards?deleted=only&fields=deleted_at")
        .await
        .expect(200)
        .body;
    assert_eq!(ids(&only["data"]), cards);
    assert_eq!(
        architect.get(&format!("/cards/{order}/relationships")).await.body["total"],
        1
    );
    delete(&architect, crm).await.expect_error(404, "NOT_FOUND");

    // Through any of its members the whole unit comes back: same ids, same relationships.
    let report = restore(&architect, feed, false).await.expect(200).body;
    assert_eq!(
        (ids(&report["restored_cards"]), ids(&report["restored_relationships"])),
        (cards.to_vec(), edges.to_vec())
    );
    assert_eq!(report["left"], json!([]));
    for id in cards {
        let card = architect.get(&format!("/cards/{id}")).await.expect(200).body;
        assert_eq!((&card["version"], &card["deleted_at"]), (&json!(3), &json!(null)));
    }
    for edge in edges {
        assert_eq!(status(&architect, edge).await, "active");
    }
    assert_eq!(
        status(&architect, ended).await,
        "archived",
        "what was archived before stays so"
    );
    restore(&architect, crm, false)
        .await
        .expect_error(422, "UNPROCESSABLE_ENTITY");
}

#[tokio::test]
async fn an_interface_handed_over_to_another_application_stays() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let (old, new, api) = (
        architect.card("Application", "Old").await,
        architect.card("Application", "New").await,
        architect.card("Interface", "API").await,
    );
    architect
        .link_with(old, "PROVIDES", api, json!({"valid_to": "2020-12-31"}))
        .await;
    architect
        .link_with(new, "PROVIDES", api, json!({"valid_from": "2021-01-01"}))
        .await;
    let report = delete(&architect, old).await.expect(200).body;
    assert_eq!(ids(&report["deleted_cards"]), [old]);
    assert!(exists(&architect, api).await);
    let report = delete(&architect, new).await.expect(200).body;
    assert_eq!(
        ids(&report["deleted_cards"]).len(),
        2,
        "its provider of today takes it along"
    );
}

#[tokio::test]
async fn parents_and_prerequisites_stay_while_others_depend_on_them() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    for (card_type, edge, forward) in [
        ("BusinessCapability", "PARENT_OF", true),
        ("Organization", "PARENT_OF", true),
        ("Initiative", "DEPENDS_ON", false),
    ] {
        let needed = architect.card(card_type, "Needed").await;
        let mut others = Vec::new();
        for n in 0..3 {
            let other = architect.card(card_type, &format!("Other {n}")).await;
            let (source, target) = if forward { (needed, other) } else { (other, needed) };
            architect.link(source, edge, target).await;
            others.push(other);
        }
        let before = rows(&app).await;
        let answer = delete(&architect, needed).await.expect_error(409, "HAS_DEPENDENTS");
        let details = &answer.body["error"]["details"];
        assert_eq!(
            (ids(&details["dependents"]), &details["relationship"]),
            (others.clone(), &json!(edge))
        );
        assert_eq!(details["dependents"][0]["name"], "Other 0");
        assert_eq!(rows(&app).await, before);
        for other in others {
            delete(&architect, other).await.expect(200);
        }
        delete(&architect, needed).await.expect(200);
    }
    // The other way round nothing depends: a child goes, a dependent initiative goes. Nor do other hierarchies hold.
    let (parent, child) = (
        architect.card("Application", "Suite").await,
        architect.card("Application", "Part").await,
    );
    let edge = architect.link(parent, "PARENT_OF", child).await;
    delete(&architect, parent).await.expect(200);
    assert!(exists(&architect, child).await);
    assert_eq!(status(&architect, edge).await, "archived");
}

#[tokio::test]
async fn exceptions_expire_with_their_policy_and_revive_with_it() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let policy = architect.card("ArchitecturePolicy", "No Oracle").await;
    let (exception, other) = (
        architect.card("Exception", "E").await,
        architect.card("Exception", "F").await,
    );
    let edge = architect.link(exception, "EXEMPTS_FROM", policy).await;
    let report = delete(&architect, policy).await.expect(200).body;
    assert_eq!(
        (ids(&report["expired_exceptions"]), ids(&report["deleted_cards"])),
        (vec![exception], vec![policy])
    );
    let expired = architect.get(&format!("/cards/{exception}")).await.expect(200).body;
    assert_eq!(
        (&expired["computed"]["status"], &expired["computed"]["status_reason"]),
        (&json!("Expired"), &json!("policy deleted"))
    );
    assert_eq!(expired["version"], 1, "a computed value takes no part in the version");
    assert!(architect.get(&format!("/cards/{other}")).await.body["computed"]["status"].is_null());
    restore(&architect, policy, false).await.expect(200);
    let revived = architect.get(&format!("/cards/{exception}")).await.expect(200).body;
    assert!(revived["computed"]["status"].is_null(), "{revived}");
    assert_eq!(status(&architect, edge).await, "active");
}

#[tokio::test]
async fn a_taken_name_stands_in_the_way() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let crm = architect.card("Application", "CRM").await;
    let api = architect.card("Interface", "API").await;
    let provides = architect.link(crm, "PROVIDES", api).await;
    delete(&architect, crm).await.expect(200);
    let usurper = architect.card("Interface", "api").await;
    let before = rows(&app).await;
    let answer = restore(&architect, crm, false).await.expect_error(409, "CONFLICT");
    let found = obstacles(&answer);
    assert!(
        found.contains(&obstacle("card", api, "CONFLICT"))
            && found.contains(&obstacle("relationship", provides, "NOT_FOUND")),
        "{found:?}"
    );
    assert_eq!(
        answer.body["error"]["details"]["obstacles"][0]["details"]["existing_id"],
        json!(usurper)
    );
    assert_eq!(rows(&app).await, before);
    assert!(!exists(&architect, crm).await);
    // The card asked for cannot be forced back under a name that is taken.
    let answer = restore(&architect, api, true).await.expect_error(409, "CONFLICT");
    assert!(obstacles(&answer).contains(&obstacle("card", api, "CONFLICT")));
    assert!(!exists(&architect, crm).await);

    let report = restore(&architect, crm, true).await.expect(200).body;
    assert_eq!(ids(&report["restored_cards"]), [crm]);
    assert_eq!(report["left"].as_array().unwrap().len(), 2);
    assert!(exists(&architect, crm).await && !exists(&architect, api).await);
    assert_eq!(status(&architect, provides).await, "archived");
    // What stayed behind can follow once the way is clear.
    delete(&architect, usurper).await.expect(200);
    let report = restore(&architect, api, false).await.expect(200).body;
    assert_eq!(
        (ids(&report["restored_cards"]), ids(&report["restored_relationships"])),
        (vec![api], vec![provides])
    );
}

#[tokio::test]
async fn filled_slots_missing_ends_and_cycles_stand_in_the_way() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let card = async |card_type: &str, name: &str| architect.card(card_type, name).await;
    let component = card("ITComponent", "DB").await;
    let (platform, provider, location) = (
        card("Platform", "P").await,
        card("Provider", "V").await,
        card("Location", "L").await,
    );
    let (lower, upper) = (card("ITComponent", "Lower").await, card("ITComponent", "Upper").await);
    let application = card("Application", "App").await;
    let (first, second) = (card("Platform", "P2").await, card("ITComponent", "Other").await);

    let part = architect.link(component, "PART_OF", platform).await;
    let provided = architect.link(component, "PROVIDED_BY", provider).await;
    let located = architect.link(component, "LOCATED_AT", location).await;
    let down = architect.link(component, "RELIES_ON", lower).await;
    let up = architect.link(upper, "RELIES_ON", component).await;
    let relied = architect.link(application, "RELIES_ON", component).await;
    delete(&architect, component).await.expect(200);
    // An edge made while the card was away, a card that went, and the other half of a cycle.
    delete(&architect, location).await.expect(200);
    let closing = architect.link(lower, "RELIES_ON", upper).await;
    let _ = (first, second);
    let before = rows(&app).await;
    let answer = restore(&architect, component, false)
        .await
        .expect_error(409, "CONFLICT");
    let found = obstacles(&answer);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found.contains(&obstacle("relationship", located, "NOT_FOUND")),
        "{found:?}"
    );
    let cycle = found.iter().find(|o| o.2 == "CYCLE_DETECTED").unwrap().1;
    assert!([down, up].contains(&cycle), "one of the two closes it");
    assert_eq!(rows(&app).await, before);

    let report = restore(&architect, component, true).await.expect(200).body;
    assert_eq!(ids(&report["restored_cards"]), [component]);
    assert_eq!(report["left"].as_array().unwrap().len(), 2);
    for edge in [part, provided, relied, closing] {
        assert_eq!(status(&architect, edge).await, "active");
    }
    for edge in [located, cycle] {
        assert_eq!(status(&architect, edge).await, "archived");
    }
}

#[tokio::test]
async fn a_cardinality_slot_filled_meanwhile_stands_in_the_way() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let (one, two) = (
        architect.card("Platform", "One").await,
        architect.card("Platform", "Two").await,
    );
    let component = architect.card("ITComponent", "DB").await;
    let first = architect.link(component, "PART_OF", one).await;
    delete(&architect, one).await.expect(200);
    let second = architect.link(component, "PART_OF", two).await;
    let answer = restore(&architect, one, false).await.expect_error(409, "CONFLICT");
    assert_eq!(
        obstacles(&answer),
        [obstacle("relationship", first, "CARDINALITY_VIOLATION")]
    );
    assert_eq!(
        answer.body["error"]["details"]["obstacles"][0]["details"]["existing_id"],
        json!(second)
    );
    let report = restore(&architect, one, true).await.expect(200).body;
    assert_eq!(
        (ids(&report["restored_cards"]), ids(&report["restored_relationships"])),
        (vec![one], vec![])
    );
    assert_eq!(report["left"][0]["id"], json!(first));
}

#[tokio::test]
async fn a_sibling_of_the_same_name_stands_in_the_way() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let sales = architect.card("BusinessCapability", "Sales").await;
    let more = json!({"relationships": [{"type": "PARENT_OF", "source": sales}]});
    let old = architect
        .card_with("BusinessCapability", "Planning", more.clone())
        .await;
    delete(&architect, old).await.expect(200);
    let new = architect.card_with("BusinessCapability", "planning", more).await;
    let before = rows(&app).await;
    let answer = restore(&architect, old, false).await.expect_error(409, "CONFLICT");
    let found = obstacles(&answer);
    assert!(found.len() == 1 && found[0].2 == "CONFLICT", "{found:?}");
    assert_eq!(
        answer.body["error"]["details"]["obstacles"][0]["details"]["existing_id"],
        json!(new)
    );
    assert_eq!(rows(&app).await, before);
    // Without its edge it would be a root, and there it can be.
    let report = restore(&architect, old, true).await.expect(200).body;
    assert_eq!(
        (ids(&report["restored_cards"]), report["left"].as_array().unwrap().len()),
        (vec![old], 1)
    );
    // As a root beside another of that name it could not.
    delete(&architect, old).await.expect(200);
    architect.card("BusinessCapability", "PLANNING").await;
    let answer = restore(&architect, old, true).await.expect_error(409, "CONFLICT");
    assert_eq!(obstacles(&answer), [obstacle("card", old, "CONFLICT")]);
}

#[tokio::test]
async fn only_those_who_may_delete_do() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let id = editor.card("Interface", "I").await;
    delete(&editor, id).await.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    restore(&editor, id, false)
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    assert!(exists(&editor, id).await);
    let long = format!("/cards/{id}?change_reason={}", "x".repeat(501));
    app.login(Role::Architect)
        .await
        .header("if-match", "*")
        .delete(&long)
        .await
        .expect_error(400, "INVALID_REQUEST");
}
