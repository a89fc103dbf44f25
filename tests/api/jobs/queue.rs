//! Into the queue and out of it: transactions, keys, tries, cancelling.

use archzero::error::Code;
use worker::Outcome;

use super::*;

#[tokio::test]
async fn a_job_is_there_when_its_transaction_is_committed() {
    let app = start().await;
    let kinds = Count::to(1).kinds();
    let mut tx = app.db().begin().await.unwrap();
    let gone = job::enqueue(&mut tx, count()).await.unwrap();
    assert_eq!(run(&app, &kinds).await, None, "not committed yet");
    tx.rollback().await.unwrap();
    assert_eq!(run(&app, &kinds).await, None);
    assert!(
        job::store::find(&mut app.db().acquire().await.unwrap(), gone)
            .await
            .unwrap()
            .is_none()
    );

    let id = enqueue(&app, count()).await;
    assert_eq!(run(&app, &kinds).await, Some((id, Outcome::Succeeded)));
    let job = find(&app, id).await;
    assert_eq!((job.state, job.result), (State::Succeeded, Some(json!({"counted": 1}))));
    assert!(job.started_at <= job.finished_at && job.finished_at.is_some());
    assert_eq!(run(&app, &kinds).await, None);
}

#[tokio::test]
async fn jobs_with_a_key_do_not_pile_up_and_do_not_run_at_once() {
    let app = start().await;
    let work = Count::gated(2);
    let kinds = work.kinds();
    let first = enqueue(&app, count().coalesced("a")).await;
    for _ in 0..3 {
        assert_eq!(enqueue(&app, count().coalesced("a")).await, first);
    }
    let other = enqueue(&app, count().coalesced("b")).await;
    assert_ne!(other, first);

    let running = tokio::spawn({
        let (state, kinds) = (app.state.clone(), kinds.clone());
        async move {
            worker::run_next(&state, &kinds, &CancellationToken::new())
                .await
                .unwrap()
        }
    });
    until("it does not begin", || async { (work.begun() == 1).then_some(()) }).await;
    // It has begun: what is asked for now is new work, and waits for it.
    let second = enqueue(&app, count().coalesced("a")).await;
    assert_ne!(second, first);
    assert_eq!(enqueue(&app, count().coalesced("a")).await, second);
    work.permits.add_permits(4);
    assert_eq!(
        run(&app, &kinds).await,
        Some((other, Outcome::Succeeded)),
        "the second waits for the first"
    );
    assert_eq!(running.await.unwrap(), Some((first, Outcome::Succeeded)));
    work.permits.add_permits(2);
    assert_eq!(run(&app, &kinds).await, Some((second, Outcome::Succeeded)));
}

#[tokio::test]
async fn a_job_that_goes_back_does_not_collide_with_the_one_that_waits() {
    let app = start().await;
    let failing = Count::to(1).with(|_| Some(Error::unavailable("printer", None)));
    let first = enqueue(&app, count().coalesced("a")).await;
    assert_eq!(run(&app, &failing.kinds()).await, Some((first, Outcome::Retried)));
    let second = enqueue(&app, count().coalesced("a")).await;
    assert_ne!(first, second, "the first has begun");
    due_now(&app).await;
    let kinds = Count::to(1).kinds();
    let mut done: Vec<Uuid> = Vec::new();
    for _ in 0..2 {
        done.push(run(&app, &kinds).await.unwrap().0);
    }
    done.sort();
    assert_eq!(done, [first.min(second), first.max(second)]);
}

#[tokio::test]
async fn errors_are_kept_and_tried_again_after_a_while() {
    let app = start().await;
    let kinds = Count::to(3)
        .with(|step| (step == 1).then(|| Error::unavailable("printer", None)))
        .kinds();
    let id = enqueue(&app, count()).await;
    assert_eq!(run(&app, &kinds).await, Some((id, Outcome::Retried)));
    let job = find(&app, id).await;
    assert_eq!((job.state, job.attempts, job.progress.done), (State::Queued, 1, 1));
    assert!(job.run_at > job.updated_at, "it waits");
    assert_eq!(run(&app, &kinds).await, None, "not yet");
    for attempt in 2..=5 {
        due_now(&app).await;
        let outcome = if attempt == 5 {
            Outcome::Failed
        } else {
            Outcome::Retried
        };
        assert_eq!(run(&app, &kinds).await, Some((id, outcome)), "try {attempt}");
    }
    let job = find(&app, id).await;
    assert_eq!((job.state, job.errors.len()), (State::Failed, 5));
    let last = job.errors.last().unwrap();
    assert_eq!((last.attempt, last.code.as_str()), (5, "SERVICE_UNAVAILABLE"));
    assert!(last.message.contains("printer"), "{}", last.message);

    // An operator has the cause mended and tries again: it goes on where it was.
    let (_, operator) = as_role(&app, Role::Admin).await;
    let answer = operator
        .post(&format!("/admin/jobs/{id}/retry"), json!({}))
        .await
        .expect(202);
    assert_eq!(answer.header("location"), format!("/api/v1/jobs/{id}"));
    assert_eq!(run(&app, &Count::to(3).kinds()).await, Some((id, Outcome::Succeeded)));
    assert_eq!(effects(&app, id).await, [0, 1, 2]);
    assert_eq!(find(&app, id).await.errors.len(), 5, "what went wrong stays known");
}

#[tokio::test]
async fn only_the_last_ten_errors_are_kept() {
    let app = start().await;
    let kinds = Count::to(1)
        .with(|_| Some(Error::unavailable(&"x".repeat(5000), None)))
        .kinds();
    let id = enqueue(&app, count()).await;
    sqlx::query("update jobs set max_attempts = 100")
        .execute(app.db())
        .await
        .unwrap();
    for _ in 0..14 {
        due_now(&app).await;
        run(&app, &kinds).await.unwrap();
    }
    let errors = find(&app, id).await.errors;
    let attempts: Vec<i32> = errors.iter().map(|error| error.attempt).collect();
    assert_eq!(attempts, (5..=14).collect::<Vec<_>>());
    assert!(errors.iter().all(|error| error.message.len() <= 1000));
}

#[tokio::test]
async fn what_cannot_succeed_is_not_tried_again() {
    let app = start().await;
    let kinds = Count::to(1)
        .with(|_| Some(Error::new(Code::UnprocessableEntity, "no such thing")))
        .kinds();
    let id = enqueue(&app, count()).await;
    assert_eq!(run(&app, &kinds).await, Some((id, Outcome::Failed)));
    let job = find(&app, id).await;
    assert_eq!((job.attempts, job.errors[0].code.as_str()), (1, "UNPROCESSABLE_ENTITY"));
}

#[tokio::test]
async fn a_panic_fails_the_job_and_not_the_worker() {
    let app = start().await;
    let bad = Count::to(1).with(|_| panic!("expected by this test"));
    let kinds = bad.kinds().with("fine", Count::to(1));
    let (stop, workers) = work(&app, kinds);
    let id = enqueue(&app, count()).await;
    let job = until_state(&app, id, State::Failed).await;
    assert_eq!(job.errors[0].code, "INTERNAL_SERVER_ERROR");
    assert!(job.errors[0].message.contains("panicked"), "{}", job.errors[0].message);
    let next = enqueue(&app, NewJob::new("fine", json!({}))).await;
    until_state(&app, next, State::Succeeded).await;
    stop.cancel();
    workers.await.unwrap();
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_a_running_one_before_its_next_step() {
    let app = start().await;
    let (user, caller) = as_role(&app, Role::Viewer).await;
    let waiting = enqueue(&app, count().by(user)).await;
    let answer = caller
        .post(&format!("/jobs/{waiting}/cancel"), json!({}))
        .await
        .expect(200);
    assert_eq!(answer.body["state"], "cancelled");
    let work = Count::gated(3);
    assert_eq!(run(&app, &work.kinds()).await, None);

    let id = enqueue(&app, count().by(user)).await;
    let (stop, workers) = super::work(&app, work.kinds());
    until("it does not begin", || async { (work.begun() == 1).then_some(()) }).await;
    let answer = caller.post(&format!("/jobs/{id}/cancel"), json!({})).await.expect(200);
    assert_eq!(
        (&answer.body["state"], &answer.body["cancel_requested"]),
        (&json!("running"), &json!(true))
    );
    caller.post(&format!("/jobs/{id}/cancel"), json!({})).await.expect(200);
    work.permits.add_permits(3);
    let job = until_state(&app, id, State::Cancelled).await;
    assert_eq!(
        (job.progress.done, work.begun()),
        (1, 1),
        "the step under way was done, and no other"
    );
    assert_eq!(effects(&app, id).await, [0]);
    caller.post(&format!("/jobs/{id}/cancel"), json!({})).await.expect(200);
    stop.cancel();
    workers.await.unwrap();

    let (_, operator) = as_role(&app, Role::Admin).await;
    operator
        .post(&format!("/admin/jobs/{id}/retry"), json!({}))
        .await
        .expect(202);
    assert_eq!(run(&app, &Count::to(3).kinds()).await, Some((id, Outcome::Succeeded)));
    assert_eq!(effects(&app, id).await, [0, 1, 2]);
    // What people did to it is in the change log.
    let logged: Vec<String> =
        sqlx::query_scalar("select action from changes where entity = 'job' and entity_id = $1 order by position")
            .bind(id)
            .fetch_all(app.db())
            .await
            .unwrap();
    assert_eq!(logged, ["cancelled", "retried"]);
}

#[tokio::test]
async fn kinds_of_other_programs_are_left_alone() {
    let app = start().await;
    let id = enqueue(&app, NewJob::new("of_the_next_release", json!({}))).await;
    assert_eq!(run(&app, &Count::to(1).kinds()).await, None);
    assert_eq!(find(&app, id).await.state, State::Queued);
}

#[tokio::test]
async fn a_payload_that_does_not_fit_fails_the_job() {
    let app = start().await;
    let id = enqueue(&app, NewJob::new("quality_recompute", json!({"card_typo": 5}))).await;
    assert_eq!(run(&app, &archzero::app::kinds()).await, Some((id, Outcome::Failed)));
    assert_eq!(find(&app, id).await.errors[0].code, "UNPROCESSABLE_ENTITY");
}
