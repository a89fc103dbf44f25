//! Event streams, over real connections.

use std::net::SocketAddr;

use archzero::{app, http::serve::serve};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A server on a port of its own, whose requests may take a second.
async fn served(app: &TestApp) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serve(
        listener,
        app::router(&app.state),
        stop.clone(),
        Duration::from_secs(5),
    ));
    (address, stop)
}

async fn hurried() -> TestApp {
    let app = TestApp::start_with(|config| config.server.request_timeout = Duration::from_secs(1)).await;
    sqlx::query("create table effects (job uuid, step bigint)")
        .execute(app.db())
        .await
        .unwrap();
    app
}

struct Stream {
    head: String,
    lines: BufReader<TcpStream>,
}

#[derive(Debug, PartialEq)]
struct Event {
    id: i64,
    name: String,
    data: Value,
}

impl Stream {
    async fn open(address: SocketAddr, token: &str, path: &str, more: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: gzip, br\r\n{more}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).await.unwrap() > 0, "{head}");
        }
        Self {
            head: head.to_lowercase(),
            lines,
        }
    }

    /// The next event; none at the end of the stream. Lengths of chunks and heartbeats are passed over.
    async fn next(&mut self) -> Option<Event> {
        let (mut id, mut name, mut data) = (None, None, None);
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(Duration::from_secs(20), self.lines.read_line(&mut line));
            if read.await.expect("nothing comes").unwrap() == 0 || line == "0\r\n" {
                return None;
            }
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().ok();
            } else if let Some(text) = line.strip_prefix("event: ") {
                name = Some(text.to_owned());
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = serde_json::from_str(text).ok();
            }
            if let (Some(id), Some(name), Some(data)) = (&id, &name, &data) {
                return Some(Event {
                    id: *id,
                    name: name.clone(),
                    data: Value::clone(data),
                });
            }
        }
    }
}

#[tokio::test]
async fn a_job_is_followed_to_its_end_and_again_from_where_it_was() {
    let app = hurried().await;
    let (address, _stop) = served(&app).await;
    let (user, caller) = as_role(&app, Role::Viewer).await;
    let token = caller.token.clone().unwrap();
    let id = enqueue(&app, count().by(user)).await;
    let path = format!("/jobs/{id}/events");
    let opened = Instant::now();
    let mut stream = Stream::open(address, &token, &path, "").await;
    for expected in [
        "http/1.1 200",
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
    ] {
        assert!(stream.head.contains(expected), "{}", stream.head);
    }
    assert!(!stream.head.contains("content-encoding"), "{}", stream.head);
    let first = stream.next().await.unwrap();
    assert_eq!(
        (first.name.as_str(), &first.data["state"]),
        ("progress", &json!("queued"))
    );

    // Another instance does it, slowly: the stream lasts longer than a request may.
    let other = TestApp::on(app.url.clone(), |_| {}).await;
    let gated = Count::gated(4);
    let (stop, workers) = work(&other, gated.kinds());
    let mut last = first.id;
    let mut done = 0;
    for step in 1..=2 {
        // The second step comes when a request would have been ended long ago.
        until("time does not pass", || async {
            (step == 1 || opened.elapsed() > Duration::from_millis(1300)).then_some(())
        })
        .await;
        gated.permits.add_permits(1);
        let began = Instant::now();
        while done < step {
            let event = stream.next().await.unwrap();
            let now = event.data["progress"]["done"].as_i64().unwrap();
            assert!(event.id > last && now >= done, "{event:?} after {last} and {done}");
            (last, done) = (event.id, now);
        }
        assert!(
            began.elapsed() < Duration::from_millis(900),
            "by the news, not by polling"
        );
    }
    drop(stream);

    // What was missed comes as one event; the end closes the stream.
    gated.permits.add_permits(1);
    until("the third step is not done", || async {
        (find(&app, id).await.progress.done == 3).then_some(())
    })
    .await;
    let mut stream = Stream::open(address, &token, &path, &format!("Last-Event-ID: {last}\r\n")).await;
    let event = stream.next().await.unwrap();
    assert_eq!((event.id > last, &event.data["progress"]["done"]), (true, &json!(3)));
    gated.permits.add_permits(1);
    let mut event = stream.next().await.unwrap();
    while event.name != "finished" {
        event = stream.next().await.unwrap();
    }
    assert_eq!(
        (&event.data["state"], &event.data["result"]),
        (&json!("succeeded"), &json!({"counted": 4}))
    );
    assert_eq!(stream.next().await, None, "closed");

    // Who has not seen the end gets it, who has is told to stay away.
    let mut stream = Stream::open(address, &token, &path, "").await;
    assert_eq!(stream.next().await.unwrap(), event);
    assert_eq!(stream.next().await, None);
    let stream = Stream::open(address, &token, &path, &format!("Last-Event-ID: {}\r\n", event.id)).await;
    assert!(stream.head.starts_with("http/1.1 204"), "{}", stream.head);
    stop.cancel();
    workers.await.unwrap();
}

#[tokio::test]
async fn forged_event_ids_are_refused() {
    let app = hurried().await;
    let (user, caller) = as_role(&app, Role::Viewer).await;
    let id = enqueue(&app, count().by(user)).await;
    let path = format!("/jobs/{id}/events");
    for bad in ["x", "-1", "1e3", "99999999999999999999", "1;2", "½"] {
        let answer = caller
            .header("last-event-id", bad)
            .get(&path)
            .await
            .expect_error(400, "INVALID_REQUEST");
        assert_eq!(answer.body["error"]["field"], "Last-Event-ID", "{bad}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_session_and_with_the_server() {
    let app = hurried().await;
    let (address, _stop) = served(&app).await;
    let (user, caller) = as_role(&app, Role::Viewer).await;
    let id = enqueue(&app, count().by(user)).await;
    let path = format!("/jobs/{id}/events");
    let mut stream = Stream::open(address, caller.token.as_ref().unwrap(), &path, "").await;
    stream.next().await.unwrap();
    caller.post("/auth/logout", json!({})).await.expect(204);
    assert_eq!(stream.next().await, None, "logged out");

    let (_, operator) = as_role(&app, Role::Admin).await;
    let mut stream = Stream::open(address, operator.token.as_ref().unwrap(), &path, "").await;
    stream.next().await.unwrap();
    app.state.health.stop();
    assert_eq!(stream.next().await, None, "stopping");
    let mut rest = Vec::new();
    let end = tokio::time::timeout(Duration::from_millis(100), stream.lines.read_to_end(&mut rest)).await;
    assert!(
        end.is_err() || rest.len() <= 2,
        "the connection stays, for other requests"
    );
}
