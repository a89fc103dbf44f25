//! Jobs over HTTP: who sees and steers which.

use super::*;

#[tokio::test]
async fn jobs_are_for_their_owner_and_operators() {
    let app = start().await;
    let (user, owner) = as_role(&app, Role::Viewer).await;
    let (_, stranger) = as_role(&app, Role::Architect).await;
    let (_, operator) = as_role(&app, Role::System).await;
    let id = enqueue(&app, count().by(user)).await;
    let path = format!("/jobs/{id}");
    let seen = owner.get(&path).await.expect(200);
    assert_eq!(seen.body["state"], "queued");
    assert_eq!(
        seen.body["progress"],
        json!({"done": 0, "total": null, "message": null})
    );
    assert_eq!(seen.body["created_by"], user.to_string());
    owner
        .header("if-none-match", seen.header("etag"))
        .get(&path)
        .await
        .expect(304);
    operator.get(&path).await.expect(200);
    for refused in [
        stranger.get(&path).await,
        stranger.get(&format!("{path}/events")).await,
        stranger.post(&format!("{path}/cancel"), json!({})).await,
        owner.get(&format!("/jobs/{}", Uuid::nil())).await,
        operator
            .post(&format!("/admin/jobs/{}/retry", Uuid::nil()), json!({}))
            .await,
        operator
            .post(&format!("/admin/jobs/{}/cancel", Uuid::nil()), json!({}))
            .await,
    ] {
        refused.expect_error(404, "NOT_FOUND");
    }
    owner.get("/jobs/not-an-id").await.expect_error(400, "INVALID_REQUEST");
    for admin in ["/admin/jobs", "/admin/schedules"] {
        owner.get(admin).await.expect_error(403, "INSUFFICIENT_PERMISSIONS");
    }
    assert_eq!(find(&app, id).await.state, State::Queued, "nobody cancelled it");

    // One of the system's own is nobody's but the operators'.
    let own = enqueue(&app, count()).await;
    owner.get(&format!("/jobs/{own}")).await.expect_error(404, "NOT_FOUND");
    operator
        .post(&format!("/admin/jobs/{own}/cancel"), json!({}))
        .await
        .expect(200);
}

#[tokio::test]
async fn what_has_ended_cannot_be_cancelled_and_only_what_failed_is_tried_again() {
    let app = start().await;
    let (user, owner) = as_role(&app, Role::Viewer).await;
    let (_, operator) = as_role(&app, Role::Admin).await;
    let id = enqueue(&app, count().by(user)).await;
    let retry = format!("/admin/jobs/{id}/retry");
    operator.post(&retry, json!({})).await.expect_error(409, "CONFLICT");
    run(&app, &Count::to(1).kinds()).await.unwrap();
    for (caller, path) in [
        (&owner, format!("/jobs/{id}/cancel")),
        (&operator, format!("/admin/jobs/{id}/cancel")),
        (&operator, retry),
    ] {
        let answer = caller.post(&path, json!({})).await.expect_error(409, "CONFLICT");
        assert_eq!(answer.body["error"]["details"]["state"], "succeeded", "{path}");
    }
    // The same key gives the same answer.
    let id = enqueue(&app, count().by(user)).await;
    let keyed = owner.header("idempotency-key", "cancel-once");
    let path = format!("/jobs/{id}/cancel");
    let first = keyed.post(&path, json!({})).await.expect(200);
    let again = keyed.post(&path, json!({})).await.expect(200);
    assert_eq!(
        (first.body, again.header("idempotent-replayed")),
        (again.body.clone(), "true")
    );
}

#[tokio::test]
async fn operators_list_jobs_by_state_and_kind() {
    let app = start().await;
    let (_, operator) = as_role(&app, Role::Admin).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let kind = if n % 2 == 0 { "count" } else { "other" };
        ids.push(enqueue(&app, NewJob::new(kind, json!({"n": n}))).await.to_string());
    }
    ids.reverse();
    run(&app, &Count::to(1).kinds()).await.unwrap();
    let all = operator.get("/admin/jobs").await.expect(200).body;
    assert_eq!(names(&all), ids);
    assert_eq!(all["pagination"]["total_items"], 5);
    assert_eq!(
        (&all["data"][0]["payload"], &all["data"][0]["key"]),
        (&json!({"n": 4}), &Value::Null)
    );
    let others = operator
        .get("/admin/jobs?kind=other&state=queued")
        .await
        .expect(200)
        .body;
    assert_eq!(names(&others), [ids[1].clone(), ids[3].clone()]);
    let done = operator.get("/admin/jobs?state=succeeded").await.expect(200).body;
    assert_eq!(names(&done), [ids[4].clone()]);
    assert!(done["data"][0]["holder"].as_str().unwrap().contains(':'));

    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = operator
            .get(&format!("/admin/jobs?limit=2&cursor={cursor}"))
            .await
            .expect(200)
            .body;
        walked.extend(names(&page));
        match page["pagination"]["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(walked, ids);
    operator
        .get(&format!("/admin/jobs?state=queued&cursor={cursor}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
    for bad in ["?state=asleep", "?kind=a%00b", "?limit=0", "?colour=red", "?cursor=e30"] {
        assert_eq!(operator.get(&format!("/admin/jobs{bad}")).await.status, 400, "{bad}");
    }
    operator
        .get(&format!("/admin/jobs?kind={}", "x".repeat(101)))
        .await
        .expect_error(400, "INVALID_REQUEST");
    let unknown = operator
        .get(&format!("/admin/jobs?kind={}", "x".repeat(100)))
        .await
        .expect(200)
        .body;
    assert!(names(&unknown).is_empty());
}

#[tokio::test]
async fn the_queue_is_measured() {
    let app = start().await;
    for _ in 0..3 {
        enqueue(&app, count()).await;
    }
    enqueue(&app, count().after(Duration::from_secs(3600))).await;
    sqlx::query("update jobs set run_at = run_at - interval '90 seconds' where run_at < now()")
        .execute(app.db())
        .await
        .unwrap();
    let mut conn = app.db().acquire().await.unwrap();
    job::store::claim(&mut conn, &["count".to_owned()], "me", Duration::from_secs(30))
        .await
        .unwrap()
        .unwrap();
    let (depths, oldest) = job::depths(&mut conn).await.unwrap();
    assert_eq!(
        (depths[0].kind.as_str(), depths[0].queued, depths[0].running),
        ("count", 3, 1)
    );
    assert!((90.0..150.0).contains(&oldest), "{oldest}");
}
