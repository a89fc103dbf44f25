//! What runs by the clock: once, whoever looks.

use archzero::job::{Schedule, schedule};

use super::*;

fn every_minute(cron: &str) -> Vec<Schedule> {
    vec![Schedule {
        name: "tidy",
        kind: "count",
        payload: json!({}),
        cron: Some(cron.to_owned()),
    }]
}

async fn tick(app: &TestApp, schedules: &[Schedule], holder: Uuid) -> usize {
    schedule::tick(&app.state, schedules, holder).await.unwrap()
}

/// Moves the next time into the past.
async fn come(app: &TestApp, ago: &str) {
    sqlx::query("update schedules set next_run_at = now() - $1::text::interval")
        .bind(ago)
        .execute(app.db())
        .await
        .unwrap();
}

async fn jobs(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from jobs")
        .fetch_one(app.db())
        .await
        .unwrap()
}

#[tokio::test]
async fn one_instance_asks_once_and_another_takes_over() {
    let app = start().await;
    let other = TestApp::on(app.url.clone(), |_| {}).await;
    let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
    let plan = every_minute("0 1 * * *");
    assert_eq!(tick(&app, &plan, a).await, 0, "a new schedule waits for its time");
    come(&app, "1 minute").await;
    let mut asked = 0;
    for _ in 0..5 {
        let (one, two) = tokio::join!(tick(&app, &plan, a), tick(&other, &plan, b));
        asked += one + two;
    }
    assert_eq!((asked, jobs(&app).await), (1, 1));
    run(&app, &Count::to(1).kinds()).await.unwrap();

    // While its holder is there the lease stays; when it was silent for long enough the other looks.
    come(&app, "1 minute").await;
    assert_eq!(tick(&other, &plan, b).await, 0);
    sqlx::query("update leases set until = now() - interval '1 second'")
        .execute(app.db())
        .await
        .unwrap();
    assert_eq!(tick(&other, &plan, b).await, 1);
    assert_eq!(tick(&app, &plan, a).await, 0);
    assert_eq!(jobs(&app).await, 2);
}

#[tokio::test]
async fn the_time_counts_once_even_when_two_believe_in_the_lease() {
    let app = start().await;
    let other = TestApp::on(app.url.clone(), |_| {}).await;
    let plan = every_minute("0 1 * * *");
    let same = Uuid::new_v4();
    tick(&app, &plan, same).await;
    for _ in 0..10 {
        come(&app, "1 minute").await;
        let (one, two) = tokio::join!(tick(&app, &plan, same), tick(&other, &plan, same));
        assert_eq!(one + two, 1);
        run(&app, &Count::to(1).kinds()).await.unwrap();
    }
    assert_eq!(jobs(&app).await, 10);
}

#[tokio::test]
async fn runs_that_were_missed_are_made_up_for_once() {
    let app = start().await;
    let plan = every_minute("* * * * *");
    let holder = Uuid::new_v4();
    tick(&app, &plan, holder).await;
    come(&app, "3 days").await;
    assert_eq!(tick(&app, &plan, holder).await, 1);
    assert_eq!(tick(&app, &plan, holder).await, 0);
    // One that nobody has taken up yet is not asked for again.
    come(&app, "1 minute").await;
    assert_eq!(tick(&app, &plan, holder).await, 1);
    assert_eq!(jobs(&app).await, 1);
    let next: bool =
        sqlx::query_scalar("select next_run_at > now() and next_run_at <= now() + interval '1 minute' from schedules")
            .fetch_one(app.db())
            .await
            .unwrap();
    assert!(next);
}

#[tokio::test]
async fn settings_change_the_times() {
    let app = start().await;
    let holder = Uuid::new_v4();
    tick(&app, &every_minute("0 1 * * *"), holder).await;
    come(&app, "1 minute").await;
    // A new time counts from now on: the old one is not made up for.
    assert_eq!(tick(&app, &every_minute("0 2 * * *"), holder).await, 0);
    come(&app, "1 minute").await;
    let mut off = every_minute("");
    off[0].cron = None;
    assert_eq!(tick(&app, &off, holder).await, 0);
    let next: Option<chrono::DateTime<chrono::Utc>> = sqlx::query_scalar("select next_run_at from schedules")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(next, None);
}

#[tokio::test]
async fn operators_see_schedules_and_run_them_now() {
    let app = start().await;
    let (user, operator) = as_role(&app, Role::Admin).await;
    let stop = CancellationToken::new();
    let following = tokio::spawn(schedule::follow(
        app.state.clone(),
        archzero::app::schedules(&app.state.config),
        stop.clone(),
    ));
    let listed = until("the schedules are not there", || async {
        let listed = operator.get("/admin/schedules").await.expect(200).body;
        (listed["pagination"]["total_items"] == 2).then_some(listed)
    })
    .await;
    let seen: Vec<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (&s["name"], &s["cron"]))
        .collect();
    assert_eq!(
        seen,
        [
            (&json!("retention"), &json!("20 * * * *")),
            (&json!("sunset"), &json!("0 1 * * *"))
        ]
    );
    assert!(
        listed["data"][1]["next_run_at"]
            .as_str()
            .unwrap()
            .ends_with("T01:00:00Z")
    );

    let asked = operator
        .post("/admin/schedules/sunset/run", json!({}))
        .await
        .expect(202);
    let id = asked.body["id"].as_str().unwrap().to_owned();
    assert_eq!(asked.header("location"), format!("/api/v1/jobs/{id}"));
    assert_eq!(asked.body["created_by"], user.to_string());
    let again = operator
        .post("/admin/schedules/sunset/run", json!({}))
        .await
        .expect(202);
    assert_eq!(again.body["id"], id.as_str(), "it waits already");
    operator
        .post("/admin/schedules/dawn/run", json!({}))
        .await
        .expect_error(404, "NOT_FOUND");
    operator
        .post(&format!("/admin/schedules/{}/run", "%00x".repeat(500)), json!({}))
        .await
        .expect_error(404, "NOT_FOUND");
    run(&app, &archzero::app::kinds()).await.unwrap();
    let done = operator.get(&format!("/jobs/{id}")).await.expect(200).body;
    assert_eq!(
        (&done["state"], &done["result"]),
        (&json!("succeeded"), &json!({"moved": 0, "skipped": 0}))
    );

    stop.cancel();
    following.await.unwrap();
    let leases: i64 = sqlx::query_scalar("select count(*) from leases where name = 'schedules'")
        .fetch_one(app.db())
        .await
        .unwrap();
    assert_eq!(leases, 0, "given back");
}
