//! Card types, rules and the ontology as an admin changes them at run time.

use archzero::{
    auth::Role,
    job::worker::{self, Outcome},
    metamodel::{reference, store as metamodel},
    relationship::ontology::store as ontology,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::{Answer, Caller, TestApp};

fn problems(answer: &Answer) -> Vec<String> {
    let found = answer.body["error"]["details"]["violations"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    found
        .iter()
        .map(|v| format!("{} {}", text(&v["field"]), text(&v["code"])))
        .collect()
}

async fn data_center(admin: &Caller<'_>) {
    let body = json!({"name": "DataCenter", "label": "Data centre", "layer": "C"});
    admin.post("/config/card-types", body).await.expect(201);
}

#[tokio::test]
async fn the_whole_metamodel_in_one_answer() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    let whole = viewer.get("/config/metamodel").await.expect(200);
    assert_eq!(
        whole.body["card_types"].as_array().unwrap().len(),
        reference::card_types().len()
    );
    assert_eq!(whole.body["relationship_types"].as_array().unwrap().len(), 48);
    assert!(whole.body["metamodel_version"].as_i64().unwrap() > 0);
    viewer
        .header("if-none-match", whole.header("etag"))
        .get("/config/metamodel")
        .await
        .expect(304);
    let one = viewer.get("/config/metamodel/Application").await.expect(200);
    assert_eq!(one.body["rules"][0]["key"], "hosting_type");
    assert!(
        one.body["outgoing"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["type"] == "HOSTED_ON")
    );
    assert!(
        one.body["incoming"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["type"] == "THREATENS")
    );
    let typo = viewer
        .get("/config/metamodel/Aplication")
        .await
        .expect_error(404, "NOT_FOUND");
    assert_eq!(typo.body["error"]["details"]["did_you_mean"][0], "Application");
}

#[tokio::test]
async fn seeding_repeats_without_effect_and_leaves_edits_alone() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let rule = app.state.metamodel.load().rule("Application", "vendor").unwrap().id;
    admin
        .patch(&format!("/config/metamodel/rules/{rule}"), json!({"label": "Maker"}))
        .await
        .expect(200);
    let mut conn = app.db().acquire().await.unwrap();
    assert_eq!(metamodel::seed_reference(&mut conn).await.unwrap(), 0);
    assert_eq!(ontology::seed_reference(&mut conn).await.unwrap(), 0);
    // What an earlier release wrote, and nobody edited, is renewed.
    sqlx::query("update metamodel_rules set label = 'Old' where card_type = 'Platform' and key = 'region'")
        .execute(&mut *conn)
        .await
        .unwrap();
    assert_eq!(metamodel::seed_reference(&mut conn).await.unwrap(), 1);
    let loaded = metamodel::load(&mut conn).await.unwrap();
    assert_eq!(loaded.rule("Application", "vendor").unwrap().label, "Maker");
    assert_eq!(loaded.rule("Platform", "region").unwrap().label, "Region");
}

#[tokio::test]
async fn a_card_type_is_added_used_deprecated_and_removed() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    app.login(Role::Architect)
        .await
        .post("/config/card-types", json!({}))
        .await
        .expect_error(403, "INSUFFICIENT_PERMISSIONS");
    let wrong = json!({"name": "data", "color": "red", "x": 1, "builtin": true, "label": " "});
    let wrong = admin
        .post("/config/card-types", wrong)
        .await
        .expect_error(400, "VALIDATION_ERROR");
    let mut named = problems(&wrong);
    named.sort();
    let expected = [
        "builtin READ_ONLY",
        "color PATTERN_MISMATCH",
        "label REQUIRED",
        "layer REQUIRED",
        "name PATTERN_MISMATCH",
        "x UNKNOWN_FIELD",
    ];
    assert_eq!(named, expected);

    data_center(&admin).await;
    let twice = json!({"name": "DataCenter", "label": "Data centre", "layer": "C"});
    admin
        .post("/config/card-types", twice)
        .await
        .expect_error(409, "CONFLICT");
    let path = "/config/card-types/DataCenter";
    let card = admin.card("DataCenter", "Frankfurt 1").await;
    let risk = admin.card("Risk", "Flood").await;
    admin.link(risk, "THREATENS", card).await;

    let stale = admin
        .header("if-match", "\"7\"")
        .patch(path, json!({"strict": true}))
        .await;
    stale.expect_error(412, "PRECONDITION_FAILED");
    let strict = admin
        .header("if-match", "\"1\"")
        .patch(path, json!({"strict": true}))
        .await
        .expect(200);
    assert_eq!(strict.body["version"], 2);
    let unchanged = admin.patch(path, json!({"strict": true})).await.expect(200);
    assert_eq!(unchanged.body["version"], 2);
    assert_eq!(
        problems(&admin.patch(path, json!({"name": "X", "id": 1})).await),
        ["id READ_ONLY", "name READ_ONLY"]
    );
    let unknown = json!({"type": "DataCenter", "name": "Frankfurt 2", "attributes": {"tier": 3}});
    assert_eq!(
        problems(&admin.post("/cards", unknown).await),
        ["attributes.tier UNKNOWN_FIELD"]
    );

    admin.delete(path).await.expect_error(409, "HAS_DEPENDENTS");
    admin.patch(path, json!({"deprecated": true})).await.expect(200);
    admin
        .post("/cards", json!({"type": "DataCenter", "name": "Frankfurt 2"}))
        .await
        .expect_error(422, "TYPE_DEPRECATED");
    admin
        .delete("/config/card-types/Application")
        .await
        .expect_error(409, "CONFLICT");

    let other = json!({"name": "Vault", "label": "Vault", "layer": "C"});
    admin.post("/config/card-types", other).await.expect(201);
    admin.delete("/config/card-types/Vault").await.expect(204);
    admin
        .get("/config/card-types/Vault")
        .await
        .expect_error(404, "NOT_FOUND");
    let log: Vec<(String, i64)> = sqlx::query_as(
        "select action, count(*) from changes where actor_id is not null and entity_type = 'Vault' group by 1 order by 1",
    )
    .fetch_all(app.db())
    .await
    .unwrap();
    assert_eq!(
        log,
        [("created".to_owned(), 5), ("deleted".to_owned(), 5)],
        "the type and its four rules"
    );
}

#[tokio::test]
async fn a_rule_is_tried_out_before_it_holds() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    for (name, attributes) in [
        ("A", json!({"support": "gold"})),
        ("B", json!({"support": 5})),
        ("C", json!({})),
    ] {
        admin
            .card_with("Provider", name, json!({ "attributes": attributes }))
            .await;
    }
    let wrong = json!({"card_type": "Providers", "key": "a..b", "data_type": "enumm", "min": "x", "regex": "(", "zzz": 1, "label": "L"});
    let mut named = problems(&admin.post("/config/metamodel/rules", wrong).await.expect(400));
    named.sort();
    let expected = [
        "card_type UNKNOWN_REFERENCE",
        "data_type NOT_IN_OPTIONS",
        "key PATTERN_MISMATCH",
        "min WRONG_TYPE",
        "regex PATTERN_MISMATCH",
        "zzz UNKNOWN_FIELD",
    ];
    assert_eq!(named, expected);

    let rule = json!({"card_type": "Provider", "key": "support", "label": "Support", "data_type": "enum", "options": ["gold"], "is_required": true});
    let trial = admin
        .post("/config/metamodel/rules?dry_run=true", rule.clone())
        .await
        .expect(200);
    assert_eq!(
        (&trial.body["checked"], &trial.body["violating"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(trial.body["examples"][0]["name"], "B");
    assert_eq!(trial.body["examples"][1]["violations"][0]["code"], "REQUIRED");
    admin.card("Provider", "Not yet").await;

    let made = admin.post("/config/metamodel/rules", rule.clone()).await.expect(201);
    admin
        .post("/config/metamodel/rules", rule)
        .await
        .expect_error(409, "CONFLICT");
    let missing = admin
        .post("/cards", json!({"type": "Provider", "name": "D"}))
        .await
        .expect(400);
    assert_eq!(problems(&missing), ["attributes.support REQUIRED"]);
    assert_eq!(
        missing.body["error"]["details"]["violations"][0]["rule_id"],
        made.body["id"]
    );

    let path = format!("/config/metamodel/rules/{}", made.id());
    let tried = admin
        .patch(&format!("{path}?dry_run=true"), json!({"is_required": false}))
        .await
        .expect(200);
    assert_eq!(tried.body["violating"], 1);
    assert_eq!(
        problems(&admin.patch(&path, json!({"options": null})).await),
        ["options REQUIRED"]
    );
    admin
        .patch(&path, json!({"is_required": false, "change_reason": "too strict"}))
        .await
        .expect(200);
    admin
        .post("/cards", json!({"type": "Provider", "name": "D"}))
        .await
        .expect(201);
    admin
        .header("if-match", "\"1\"")
        .delete(&path)
        .await
        .expect_error(412, "PRECONDITION_FAILED");
    admin.delete(&path).await.expect(204);

    let builtin = app
        .state
        .metamodel
        .load()
        .rule("Application", "hosting_type")
        .unwrap()
        .id;
    let builtin = format!("/config/metamodel/rules/{builtin}");
    admin.delete(&builtin).await.expect_error(409, "CONFLICT");
    let changed = admin
        .patch(&builtin, json!({"data_type": "string", "options": null}))
        .await;
    assert_eq!(problems(&changed), ["data_type NOT_ALLOWED_HERE"]);
}

#[tokio::test]
async fn two_admins_cannot_make_the_same_rule() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let rule = json!({"card_type": "Provider", "key": "support", "label": "Support", "data_type": "string"});
    let (a, b) = tokio::join!(
        admin.post("/config/metamodel/rules", rule.clone()),
        admin.post("/config/metamodel/rules", rule.clone())
    );
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

/// Does the one job there is, by two workers at once; the job.
async fn recompute(app: &TestApp) -> Value {
    sqlx::query("update jobs set run_at = now() where state = 'queued'")
        .execute(app.db())
        .await
        .unwrap();
    let (kinds, stop) = (archzero::app::kinds(), CancellationToken::new());
    let (a, b) = tokio::join!(
        worker::run_next(&app.state, &kinds, &stop),
        worker::run_next(&app.state, &kinds, &stop)
    );
    let ended: Vec<_> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
    let [(id, Outcome::Succeeded)] = ended[..] else {
        panic!("{ended:?}")
    };
    let operator = app.login(Role::Admin).await;
    operator.get(&format!("/jobs/{id}")).await.expect(200).body
}

#[tokio::test]
async fn a_rule_change_computes_quality_anew_in_batches_and_once() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    sqlx::query(
        "with c as (
             insert into cards (id, type, name, name_key, attributes)
             select gen_random_uuid(), 'Provider', 'p' || n, 'p' || n, case when n % 3 = 0 then '{\"support\": \"gold\"}' else '{}' end::jsonb
             from generate_series(1, 1200) n returning id)
         insert into card_scores (card_id, quality_score) select id, 25 from c",
    )
    .execute(app.db())
    .await
    .unwrap();
    let rule = json!({"card_type": "Provider", "key": "support", "label": "Support", "data_type": "string", "is_required": true});
    admin.post("/config/metamodel/rules", rule).await.expect(201);

    // A second change before the first is looked at is the same work.
    let rule = json!({"card_type": "Provider", "key": "level", "label": "Level", "data_type": "string"});
    admin.post("/config/metamodel/rules", rule).await.expect(201);
    let done = recompute(&app).await;
    assert_eq!(
        done["result"],
        json!({"card_type": "Provider", "cards": 1200, "changed": 1200})
    );
    assert_eq!(done["progress"], json!({"done": 1200, "total": 1200, "message": null}));
    let scores: Vec<(i16, i64)> = sqlx::query_as(
        "select quality_score, count(*) from card_scores join cards on id = card_id where type = 'Provider' group by 1 order by 1",
    )
    .fetch_all(app.db())
    .await
    .unwrap();
    assert_eq!(scores, [(13, 800), (63, 400)]);
    let logged: i64 = sqlx::query_scalar("select count(*) from changes where entity = 'score'")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(logged, 1200);

    // A change that touches no score writes none, and takes no part in versions.
    let rule = json!({"card_type": "Provider", "key": "note", "label": "Note", "data_type": "string"});
    admin.post("/config/metamodel/rules", rule).await.expect(201);
    assert_eq!(recompute(&app).await["result"]["changed"], 0);
    let after: (i64, i32) = sqlx::query_as(
        "select (select count(*) from changes where entity = 'score'), (select max(version) from cards)",
    )
    .fetch_one(app.db())
    .await
    .unwrap();
    assert_eq!(after, (1200, 1));
}

#[tokio::test]
async fn relationship_types_are_added_and_kept_consistent() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    data_center(&admin).await;
    let path = "/config/relationship-types";
    let wrong = json!({
        "source_type": "Aplication", "type": "x y", "target_types": ["Risk", "Risk", "Foo"], "dependent": "source", "acyclic": true,
        "attributes": {"dependency": {}, "level": {"options": ["x"], "default": "y"}, "m": 5},
    });
    let mut named = problems(&admin.post(path, wrong).await.expect(400));
    named.sort();
    let expected = [
        "acyclic NOT_ALLOWED_HERE",
        "attributes.dependency NOT_ALLOWED_HERE",
        "attributes.level.default NOT_IN_OPTIONS",
        "attributes.m WRONG_TYPE",
        "inverse_label REQUIRED",
        "source_type UNKNOWN_REFERENCE",
        "strength REQUIRED",
        "target_types[1] NOT_ALLOWED_HERE",
        "target_types[2] UNKNOWN_REFERENCE",
        "type PATTERN_MISMATCH",
    ];
    assert_eq!(named, expected);
    let overlapping = json!({"source_type": "Application", "type": "RELIES_ON", "target_types": ["ITComponent", "DataCenter"], "inverse_label": "Y"});
    admin.post(path, overlapping).await.expect_error(409, "CONFLICT");

    let housed = json!({
        "source_type": "Platform", "type": "HOUSED_IN", "target_types": ["DataCenter"], "inverse_label": "HOUSES", "dependent": "source",
        "strength": "hard", "attributes": {"room": {"options": ["a", "b"], "several": true}},
    });
    let made = admin.post(path, housed).await.expect(201);
    let own = format!("{path}/{}", made.id());
    let (platform, center) = (
        admin.card("Platform", "Kubernetes").await,
        admin.card("DataCenter", "Frankfurt 1").await,
    );
    let edge =
        json!({"source_id": platform, "type": "HOUSED_IN", "target_id": center, "attributes": {"room": ["a", "c"]}});
    assert_eq!(
        problems(&admin.post("/relationships", edge).await),
        ["attributes.room.1 NOT_IN_OPTIONS"]
    );
    admin.link(platform, "HOUSED_IN", center).await;

    admin
        .patch(&own, json!({"cardinality": "M:1"}))
        .await
        .expect_error(409, "HAS_DEPENDENTS");
    admin.patch(&own, json!({"strength": "soft"})).await.expect(200);
    admin.delete(&own).await.expect_error(409, "HAS_DEPENDENTS");
    admin.patch(&own, json!({"deprecated": true})).await.expect(200);
    let second = admin.card("DataCenter", "Frankfurt 2").await;
    let edge = json!({"source_id": platform, "type": "HOUSED_IN", "target_id": second});
    admin
        .post("/relationships", edge)
        .await
        .expect_error(422, "TYPE_DEPRECATED");
    let builtin = app
        .state
        .ontology
        .load()
        .lookup("Application", "HOSTED_ON", "Platform")
        .map(|row| row.id)
        .unwrap();
    admin
        .delete(&format!("{path}/{builtin}"))
        .await
        .expect_error(409, "CONFLICT");
    admin
        .get(&format!("{path}/{}", Uuid::nil()))
        .await
        .expect_error(404, "NOT_FOUND");
    let listed = admin
        .get(&format!("{path}?target_type=DataCenter&limit=2"))
        .await
        .expect(200);
    assert_eq!(
        listed.body["pagination"]["total_items"], 5,
        "one of its own and four that take any"
    );
}
