//! Several workers and instances: nothing is done twice, nothing is left lying.

use chrono::TimeDelta;
use worker::Outcome;

use super::*;

#[tokio::test]
async fn two_instances_do_every_job_once() {
    let app = start().await;
    let other = TestApp::on(app.url.clone(), |config| config.jobs.concurrency = 2).await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(enqueue(&app, count()).await);
    }
    let kinds = Count::to(3).kinds();
    let (one, two) = (work(&app, kinds.clone()), work(&other, kinds));
    for id in &ids {
        until_state(&app, *id, State::Succeeded).await;
        assert_eq!(effects(&app, *id).await, [0, 1, 2]);
    }
    for (stop, workers) in [one, two] {
        stop.cancel();
        workers.await.unwrap();
    }
}

#[tokio::test]
async fn no_more_jobs_at_a_time_than_configured() {
    let app = TestApp::start_with(|config| config.jobs.concurrency = 2).await;
    sqlx::query("create table effects (job uuid, step bigint)")
        .execute(app.db())
        .await
        .unwrap();
    let gated = Count::gated(1);
    for _ in 0..4 {
        enqueue(&app, count()).await;
    }
    let (stop, workers) = work(&app, gated.kinds());
    until("two do not run", || async { (gated.begun() == 2).then_some(()) }).await;
    let running = || async {
        let jobs: i64 = sqlx::query_scalar("select count(*) from jobs where state = 'running'")
            .fetch_one(app.db())
            .await
            .unwrap();
        jobs
    };
    assert_eq!(running().await, 2);
    for done in 1..=4 {
        gated.permits.add_permits(1);
        until("the next is not taken", || async {
            (gated.begun() == (done + 2).min(4)).then_some(())
        })
        .await;
        assert!(running().await <= 2);
    }
    stop.cancel();
    workers.await.unwrap();
}

/// A step under way in the background.
fn held(app: &TestApp, work: &Count) -> tokio::task::JoinHandle<Option<(Uuid, Outcome)>> {
    let (state, kinds) = (app.state.clone(), work.kinds());
    tokio::spawn(async move {
        worker::run_next(&state, &kinds, &CancellationToken::new())
            .await
            .unwrap()
    })
}

#[tokio::test]
async fn who_was_taken_for_dead_commits_nothing() {
    let app = start().await;
    let slow = Count::gated(3);
    let id = enqueue(&app, count()).await;
    let zombie = held(&app, &slow);
    slow.permits.add_permits(1);
    until("the second step does not begin", || async {
        (slow.begun() == 2).then_some(())
    })
    .await;
    expire(&app, id).await;
    assert_eq!(run(&app, &Count::to(3).kinds()).await, Some((id, Outcome::Succeeded)));
    let done = find(&app, id).await;
    slow.permits.add_permits(5);
    assert_eq!(zombie.await.unwrap(), Some((id, Outcome::Lost)));
    assert_eq!(effects(&app, id).await, [0, 1, 2], "each step once");
    let after = find(&app, id).await;
    assert_eq!(
        (after.revision, after.state),
        (done.revision, State::Succeeded),
        "the zombie wrote nothing"
    );
}

#[tokio::test]
async fn who_was_taken_for_dead_can_neither_fail_nor_hand_back() {
    let app = start().await;
    let slow = Count::gated(1);
    let id = enqueue(&app, count()).await;
    let zombie = held(&app, &slow);
    until("it does not begin", || async { (slow.begun() == 1).then_some(()) }).await;
    expire(&app, id).await;
    let second = Count::gated(1);
    let taker = held(&app, &second);
    until("it is not taken over", || async { (second.begun() == 1).then_some(()) }).await;
    // The step of the first panics now.
    slow.permits.close();
    assert_eq!(zombie.await.unwrap(), Some((id, Outcome::Lost)));
    let job = find(&app, id).await;
    assert_eq!((job.state, job.errors.len()), (State::Running, 0));
    second.permits.add_permits(1);
    assert_eq!(taker.await.unwrap(), Some((id, Outcome::Succeeded)));
    assert_eq!(effects(&app, id).await, [0]);
}

#[tokio::test]
async fn a_long_step_keeps_its_job_and_clocks_do_not_matter() {
    let app = TestApp::start_with(|config| config.jobs.lease = Duration::from_secs(1)).await;
    sqlx::query("create table effects (job uuid, step bigint)")
        .execute(app.db())
        .await
        .unwrap();
    let ahead = TestApp::on(app.url.clone(), |config| config.jobs.lease = Duration::from_secs(1)).await;
    ahead.clock.advance(TimeDelta::days(2));
    app.clock.advance(TimeDelta::days(-2));
    let slow = Count::gated(1);
    let id = enqueue(&app, count()).await;
    let working = held(&app, &slow);
    until("it does not begin", || async { (slow.begun() == 1).then_some(()) }).await;
    // Longer than the lease, which is renewed: nobody takes it.
    let lease = || async {
        let until: chrono::DateTime<chrono::Utc> = sqlx::query_scalar("select lease_until from jobs")
            .fetch_one(app.db())
            .await
            .unwrap();
        until
    };
    let first = lease().await;
    until("the lease is not renewed", || async {
        assert_eq!(run(&ahead, &Count::to(1).kinds()).await, None);
        (lease().await > first + TimeDelta::milliseconds(1500)).then_some(())
    })
    .await;
    slow.permits.add_permits(1);
    assert_eq!(working.await.unwrap(), Some((id, Outcome::Succeeded)));
    assert_eq!(effects(&app, id).await, [0]);
}

#[tokio::test]
async fn a_worker_notices_that_its_job_is_gone() {
    let app = TestApp::start_with(|config| config.jobs.lease = Duration::from_secs(1)).await;
    sqlx::query("create table effects (job uuid, step bigint)")
        .execute(app.db())
        .await
        .unwrap();
    let slow = Count::gated(1);
    let id = enqueue(&app, count()).await;
    let zombie = held(&app, &slow);
    until("it does not begin", || async { (slow.begun() == 1).then_some(()) }).await;
    sqlx::query("update jobs set lease_token = gen_random_uuid()")
        .execute(app.db())
        .await
        .unwrap();
    // Without a permit the step would never end by itself.
    let ended = tokio::time::timeout(Duration::from_secs(20), zombie).await;
    assert_eq!(ended.expect("it does not notice").unwrap(), Some((id, Outcome::Lost)));
}

#[tokio::test]
async fn a_stopping_instance_hands_its_jobs_back() {
    let app = start().await;
    let gated = Count::gated(4);
    let id = enqueue(&app, count()).await;
    let (stop, workers) = work(&app, gated.kinds());
    gated.permits.add_permits(1);
    until("the second step does not begin", || async {
        (gated.begun() == 2).then_some(())
    })
    .await;
    stop.cancel();
    gated.permits.add_permits(1);
    workers.await.unwrap();
    let job = find(&app, id).await;
    assert_eq!(
        (job.state, job.progress.done, job.errors.len()),
        (State::Queued, 2, 0),
        "after the step under way"
    );
    assert!(job.run_at <= job.updated_at, "and at once");
    assert_eq!(run(&app, &Count::to(4).kinds()).await, Some((id, Outcome::Succeeded)));
    assert_eq!(effects(&app, id).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_job_that_kills_its_processes_is_given_up() {
    let app = start().await;
    let id = enqueue(&app, count()).await;
    for _ in 0..5 {
        let mut conn = app.db().acquire().await.unwrap();
        let claim = job::store::claim(&mut conn, &["count".to_owned()], "gone", Duration::from_secs(30))
            .await
            .unwrap();
        assert_eq!(claim.unwrap().job.id, id);
        drop(conn);
        expire(&app, id).await;
    }
    assert_eq!(run(&app, &Count::to(1).kinds()).await, Some((id, Outcome::Failed)));
    let job = find(&app, id).await;
    assert!(job.errors[0].message.contains("5 times"), "{}", job.errors[0].message);
    assert!(effects(&app, id).await.is_empty());
}

#[tokio::test]
async fn a_step_that_is_done_counts_the_tries_anew() {
    let app = start().await;
    let id = enqueue(&app, count()).await;
    for step in 0..12 {
        let work = Count::gated(20);
        let zombie = held(&app, &work);
        work.permits.add_permits(1);
        until("the next step does not begin", || async {
            (work.begun() == 2).then_some(())
        })
        .await;
        zombie.abort();
        let _ = zombie.await;
        expire(&app, id).await;
        assert_eq!(find(&app, id).await.progress.done, step + 1);
    }
    assert_eq!(run(&app, &Count::to(20).kinds()).await, Some((id, Outcome::Succeeded)));
    assert_eq!(effects(&app, id).await, (0..20).collect::<Vec<_>>());
}
