//! The queue of jobs, what is seen of it over HTTP, what runs by the clock, and the jobs there are.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use archzero::{
    app::AppState,
    auth::Role,
    error::{Error, Result},
    job::{self, Job, Kinds, NewJob, Progress, State, Step, Work, worker},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::harness::TestApp;

mod events;
mod http;
mod queue;
mod schedules;
mod users;
mod workers;

/// A job of tests: so many steps, each of which writes a row when a permit is there.
#[derive(Clone)]
struct Count {
    steps: i64,
    permits: Arc<Semaphore>,
    begun: Arc<AtomicUsize>,
    trouble: fn(i64) -> Option<Error>,
}

impl Count {
    /// As many steps as fast as can be.
    fn to(steps: i64) -> Self {
        Self {
            steps,
            permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            begun: Arc::default(),
            trouble: |_| None,
        }
    }

    /// A step only when the test lets it.
    fn gated(steps: i64) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
            ..Self::to(steps)
        }
    }

    /// Each step first asks whether something goes wrong.
    fn with(self, trouble: fn(i64) -> Option<Error>) -> Self {
        Self { trouble, ..self }
    }

    fn kinds(&self) -> Kinds {
        Kinds::default().with("count", self.clone())
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

impl Work for Count {
    fn step<'a>(&'a self, _: &'a AppState, conn: &'a mut PgConnection, job: &'a Job) -> BoxFuture<'a, Result<Step>> {
        Box::pin(async move {
            let step: i64 = job.checkpoint()?;
            self.begun.fetch_add(1, Ordering::SeqCst);
            if let Some(error) = (self.trouble)(step) {
                return Err(error);
            }
            self.permits.acquire().await.unwrap().forget();
            sqlx::query("insert into effects values ($1, $2)")
                .bind(job.id)
                .bind(step)
                .execute(conn)
                .await?;
            let progress = Progress {
                done: step + 1,
                total: Some(self.steps),
                message: Some(format!("step {step}")),
            };
            Ok(if step + 1 == self.steps {
                Step::Done {
                    result: json!({ "counted": self.steps }),
                    progress,
                }
            } else {
                Step::More {
                    checkpoint: json!(step + 1),
                    progress,
                }
            })
        })
    }
}

/// An application with a table for the effects of tests.
async fn start() -> TestApp {
    let app = TestApp::start().await;
    sqlx::query("create table effects (job uuid, step bigint)")
        .execute(app.db())
        .await
        .unwrap();
    app
}

async fn enqueue(app: &TestApp, job: NewJob) -> Uuid {
    job::enqueue(&mut app.db().acquire().await.unwrap(), job).await.unwrap()
}

fn count() -> NewJob {
    NewJob::new("count", json!({}))
}

async fn find(app: &TestApp, id: Uuid) -> Job {
    job::store::find(&mut app.db().acquire().await.unwrap(), id)
        .await
        .unwrap()
        .unwrap()
}

async fn effects(app: &TestApp, id: Uuid) -> Vec<i64> {
    sqlx::query_scalar("select step from effects where job = $1 order by step")
        .bind(id)
        .fetch_all(app.db())
        .await
        .unwrap()
}

async fn run(app: &TestApp, kinds: &Kinds) -> Option<(Uuid, worker::Outcome)> {
    worker::run_next(&app.state, kinds, &CancellationToken::new())
        .await
        .unwrap()
}

/// Workers in the background, on an instance, until the guard goes.
fn work(app: &TestApp, kinds: Kinds) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let stop = CancellationToken::new();
    (
        stop.clone(),
        tokio::spawn(worker::follow(app.state.clone(), kinds, stop)),
    )
}

/// Waits for a condition, not for a time.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut condition: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn until_state(app: &TestApp, id: Uuid, state: State) -> Job {
    until(&format!("the job does not become {}", state.name()), || async {
        Some(find(app, id).await).filter(|job| job.state == state)
    })
    .await
}

/// What happens to a job whose process is gone: its lease ends.
async fn expire(app: &TestApp, id: Uuid) {
    sqlx::query("update jobs set lease_until = now() - interval '1 second' where id = $1 and state = 'running'")
        .bind(id)
        .execute(app.db())
        .await
        .unwrap();
}

async fn due_now(app: &TestApp) {
    sqlx::query("update jobs set run_at = now() where state = 'queued'")
        .execute(app.db())
        .await
        .unwrap();
}

async fn as_role(app: &TestApp, role: Role) -> (Uuid, crate::harness::Caller<'_>) {
    let (id, email) = app.user(&[role]).await;
    (id, app.login_as(&email).await)
}

fn names(value: &Value) -> Vec<String> {
    let items = value["data"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}
