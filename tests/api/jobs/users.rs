//! The jobs there are: the nightly move to Sunset, retention. (Quality scores: `metamodel`.)

use chrono::{Days, NaiveDate};
use worker::Outcome;

use super::*;
use crate::harness::Caller;

async fn today(app: &TestApp) -> NaiveDate {
    sqlx::query_scalar("select current_date")
        .fetch_one(app.db())
        .await
        .unwrap()
}

async fn component(editor: &Caller<'_>, name: &str, phase: &str, end: Option<NaiveDate>) -> Uuid {
    let mut attributes = json!({"technology_lifecycle_phase": phase, "vendor": "Oracle"});
    if let Some(end) = end {
        attributes["vendor_support_eol"] = json!(end);
    }
    editor
        .card_with("ITComponent", name, json!({"attributes": attributes}))
        .await
}

async fn phase(editor: &Caller<'_>, id: Uuid) -> (String, i64) {
    let card = editor.get(&format!("/cards/{id}")).await.expect(200).body;
    let phase = card["attributes"]["technology_lifecycle_phase"]
        .as_str()
        .unwrap_or("-")
        .to_owned();
    (phase, card["version"].as_i64().unwrap())
}

async fn set(editor: &Caller<'_>, id: Uuid, attributes: Value) {
    editor
        .header("if-match", "*")
        .patch(&format!("/cards/{id}"), json!({ "attributes": attributes }))
        .await
        .expect(200);
}

/// Runs the job of this schedule; its result.
async fn night(app: &TestApp, kind: &'static str) -> Value {
    let id = enqueue(app, NewJob::new(kind, json!({}))).await;
    assert_eq!(
        run(app, &archzero::app::kinds()).await,
        Some((id, Outcome::Succeeded)),
        "{:?}",
        find(app, id).await.errors
    );
    find(app, id).await.result.unwrap()
}

#[tokio::test]
async fn components_whose_support_ends_within_a_year_move_once() {
    let app = start().await;
    let editor = app.login(Role::Architect).await;
    let today = today(&app).await;
    let in_days = |days| today.checked_add_days(Days::new(days));
    let mut moving = Vec::new();
    for from in ["Emerging", "Growth", "Mature", "Sustain"] {
        moving.push(component(&editor, &format!("due {from}"), from, in_days(365)).await);
    }
    moving.push(component(&editor, "over", "Mature", today.checked_sub_days(Days::new(400))).await);
    let staying = [
        component(&editor, "next year", "Mature", in_days(366)).await,
        component(&editor, "retired", "Retired", in_days(10)).await,
        component(&editor, "there", "Sunset", in_days(10)).await,
        component(&editor, "endless", "Mature", None).await,
        editor
            .card_with(
                "ITComponent",
                "unknown phase",
                json!({"attributes": {"vendor_support_eol": today}}),
            )
            .await,
    ];
    let gone = component(&editor, "deleted", "Mature", in_days(10)).await;
    editor.header("if-match", "*").delete(&format!("/cards/{gone}")).await;

    assert_eq!(night(&app, "sunset").await, json!({"moved": 5, "skipped": 0}));
    for id in &moving {
        assert_eq!(phase(&editor, *id).await, ("Sunset".into(), 2));
    }
    for id in &staying {
        assert_eq!(phase(&editor, *id).await.1, 1);
    }
    let history = editor
        .get(&format!("/cards/{}/history", moving[2]))
        .await
        .expect(200)
        .body;
    let text = history.to_string();
    assert!(
        text.contains("Mature → Sunset") && text.contains("support ends on"),
        "{text}"
    );
    let scores: i64 = sqlx::query_scalar("select count(*) from changes where entity = 'card' and action = 'updated' and actor_id is null and after->>'quality_score' is not null")
        .fetch_one(app.db()).await.unwrap();
    assert_eq!(scores, 5);

    // A phase set by hand afterwards stays …
    set(&editor, moving[2], json!({"technology_lifecycle_phase": "Mature"})).await;
    assert_eq!(night(&app, "sunset").await, json!({"moved": 0, "skipped": 0}));
    assert_eq!(phase(&editor, moving[2]).await, ("Mature".into(), 3));
    // … until support is extended and ends anew, and then again once.
    set(&editor, moving[2], json!({"vendor_support_eol": in_days(300)})).await;
    assert_eq!(night(&app, "sunset").await["moved"], 1);
    set(
        &editor,
        moving[2],
        json!({"technology_lifecycle_phase": "Sustain", "vendor_support_eol": in_days(365)}),
    )
    .await;
    assert_eq!(
        night(&app, "sunset").await["moved"],
        0,
        "that end it was moved for already"
    );
    assert_eq!(phase(&editor, moving[2]).await.0, "Sustain");
}

#[tokio::test]
async fn one_bad_component_does_not_hold_up_the_others() {
    let app = start().await;
    let editor = app.login(Role::Architect).await;
    let today = today(&app).await;
    let bad = component(&editor, "bad", "Mature", Some(today)).await;
    let good = component(&editor, "good", "Mature", Some(today)).await;
    // A reference to a card that is not there any more, and a date that is none.
    sqlx::query(
        "update cards set attributes = attributes || jsonb_build_object('parent', gen_random_uuid()) where id = $1",
    )
    .bind(bad)
    .execute(app.db())
    .await
    .unwrap();
    let odd = component(&editor, "odd", "Mature", Some(today)).await;
    sqlx::query(
        "update cards set attributes = jsonb_set(attributes, '{vendor_support_eol}', '\"2026-02-31\"') where id = $1",
    )
    .bind(odd)
    .execute(app.db())
    .await
    .unwrap();
    let rule = json!({"card_type": "ITComponent", "key": "parent", "label": "Parent", "data_type": "card"});
    let admin = app.login(Role::Admin).await;
    admin.post("/config/metamodel/rules", rule).await.expect(201);
    sqlx::query("delete from jobs").execute(app.db()).await.unwrap();
    assert_eq!(night(&app, "sunset").await, json!({"moved": 1, "skipped": 2}));
    assert_eq!(phase(&editor, good).await, ("Sunset".into(), 2));
    assert_eq!(phase(&editor, bad).await, ("Mature".into(), 1));
    let remembered: Vec<Uuid> = sqlx::query_scalar("select card_id from sunset_moves")
        .fetch_all(app.db())
        .await
        .unwrap();
    assert_eq!(remembered, [good], "the bad one is tried again the next night");
}

#[tokio::test]
async fn many_components_move_in_steps() {
    let app = start().await;
    sqlx::query(
        "with c as (
             insert into cards (id, type, name, name_key, attributes)
             select gen_random_uuid(), 'ITComponent', 'c' || n, 'c' || n, jsonb_build_object('category', 'Software',
                 'technology_lifecycle_phase', 'Mature', 'vendor_support_eol', to_char(current_date + n % 100, 'YYYY-MM-DD'))
             from generate_series(1, 450) n returning id)
         insert into card_scores (card_id, quality_score) select id, 25 from c",
    )
    .execute(app.db())
    .await
    .unwrap();
    assert_eq!(night(&app, "sunset").await, json!({"moved": 450, "skipped": 0}));
    let versions: Vec<(i32, i64)> = sqlx::query_as("select version, count(*) from cards group by 1")
        .fetch_all(app.db())
        .await
        .unwrap();
    assert_eq!(versions, [(2, 450)]);
}

#[tokio::test]
async fn retention_removes_what_its_time_has_come_for_and_nothing_else() {
    let app = TestApp::start_with(|config| {
        config.jobs.retention_jobs_days = 30;
        config.jobs.retention_sessions_days = 90;
    })
    .await;
    let caller = app.login(Role::Editor).await;
    let old = app.login(Role::Editor).await;
    let keyed = caller.header("idempotency-key", "one");
    keyed
        .post("/cards", json!({"type": "Provider", "name": "P"}))
        .await
        .expect(201);
    let script = "
        insert into idempotency_keys (subject, method, path, key, request_hash, status, headers, body, created_at)
            select 's', 'POST', '/p', n::text, '', 200, '[]', '', now() - interval '25 hours' from generate_series(1, 2500) n;
        update sessions set revoked_at = now() - interval '91 days' where id = (select max(id::text)::uuid from sessions);
        insert into one_time_tokens (token_hash, user_id, purpose, created_at, expires_at, used_at)
            select decode(lpad(n::text, 8, '0'), 'hex'), (select min(id::text)::uuid from users), 'invite', now() - interval '200 days',
                now() - n * interval '1 day', null from generate_series(80, 99) n;
        insert into login_failures values ('a', 'x', 3, now() - interval '1 hour', null), ('b', 'x', 5, now() - interval '1 hour', now() + interval '1 hour'),
            ('c', 'x', 1, now(), null);
        insert into jobs (id, kind, state, finished_at) values (gen_random_uuid(), 'count', 'succeeded', now() - interval '31 days'),
            (gen_random_uuid(), 'count', 'failed', now() - interval '29 days');
        insert into jobs (id, kind, run_at) values (gen_random_uuid(), 'count', now() - interval '99 days');";
    sqlx::raw_sql(script).execute(app.db()).await.unwrap();

    let removed = night(&app, "retention").await;
    let expected = json!({"idempotency_keys": 2500, "refresh_tokens": 1, "one_time_tokens": 10, "sessions": 1, "login_failures": 1, "jobs": 1});
    assert_eq!(removed["removed"], expected);
    caller.get("/auth/me").await.expect(200);
    old.get("/auth/me").await.expect_error(401, "INVALID_TOKEN");
    let again = keyed
        .post("/cards", json!({"type": "Provider", "name": "P"}))
        .await
        .expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true", "one of today is kept");
    let removed = night(&app, "retention").await;
    assert!(
        removed["removed"].as_object().unwrap().values().all(|n| n == 0),
        "{removed}"
    );
}
