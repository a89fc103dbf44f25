//! A database per test, made from a migrated and seeded template; the real router in front of it.

use std::sync::atomic::{AtomicU32, Ordering};

use archzero::{
    app::{self, AppState, Clock},
    auth::{Role, RoleName},
    config::Config,
    metamodel, relationship,
    store::migrate,
};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;

/// The password of every user the harness makes.
pub const PASSWORD: &str = "Correct-Horse-7-Battery";

static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The server on which tests make their databases.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where Postgres is"
)]
pub fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL")
        .or_else(|_| std::env::var("DATABASE_URL"))
        .expect("set TEST_DATABASE_URL to a Postgres on which databases may be created (scripts/test does)")
}

fn with_database(url: &str, name: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = base.rsplit_once('/').unwrap();
    if query.is_empty() {
        format!("{server}/{name}")
    } else {
        format!("{server}/{name}?{query}")
    }
}

async fn admin() -> PgConnection {
    PgConnection::connect(&with_database(&server_url(), "postgres"))
        .await
        .unwrap()
}

async fn template() -> &'static str {
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("archzero_template_{}", std::process::id());
            let mut admin = admin().await;
            sweep(&mut admin).await;
            admin
                .execute(sqlx::AssertSqlSafe(format!("drop database if exists {name}")))
                .await
                .unwrap();
            admin
                .execute(sqlx::AssertSqlSafe(format!("create database {name}")))
                .await
                .unwrap();
            let mut conn = PgConnection::connect(&with_database(&server_url(), &name))
                .await
                .unwrap();
            migrate::up(&mut conn).await.unwrap();
            metamodel::store::seed_reference(&mut conn).await.unwrap();
            relationship::ontology::store::seed_reference(&mut conn).await.unwrap();
            conn.close().await.unwrap();
            name
        })
        .await
}

/// Drops what earlier test processes left behind: their databases carry the process's number.
async fn sweep(admin: &mut PgConnection) {
    let processes = std::path::Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    let names: Vec<String> = sqlx::query_scalar(
        "select datname from pg_database where datname ~ '^archzero_(test|template)_[0-9]+(_[0-9]+)?$'",
    )
    .fetch_all(&mut *admin)
    .await
    .unwrap();
    for name in names {
        let owner = name.split('_').nth(2).unwrap();
        if !processes.join(owner).exists() {
            // Another process may sweep at the same time.
            let _ = admin
                .execute(sqlx::AssertSqlSafe(format!(
                    "drop database if exists {name} with (force)"
                )))
                .await;
        }
    }
}

/// A new database with the schema and the reference data; its URL.
pub async fn database() -> String {
    copy_of(template().await).await
}

/// A copy of the database at this URL, to which nobody may be connected; its URL.
pub async fn copy(url: &str) -> String {
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    copy_of(name).await
}

async fn copy_of(template: &str) -> String {
    let name = format!(
        "archzero_test_{}_{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    );
    let mut admin = admin().await;
    // Two tests may copy the template at once; Postgres lets only one.
    for attempt in 0.. {
        match admin
            .execute(sqlx::AssertSqlSafe(format!(
                "create database {name} template {template}"
            )))
            .await
        {
            Ok(_) => break,
            Err(error) if attempt < 100 && error.to_string().contains("being accessed") => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    with_database(&server_url(), &name)
}

/// A running application over its own database.
pub struct TestApp {
    pub state: AppState,
    pub clock: Clock,
    pub url: String,
    router: Router,
    stop: CancellationToken,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl TestApp {
    /// An application over a new database.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// An application over a new database, its configuration changed.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(database().await, change).await
    }

    /// Another instance over an existing database.
    pub async fn on(url: String, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::for_tests(&url);
        change(&mut config);
        let clock = Clock::default();
        let state = AppState::start(config, clock.clone()).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(app::Tail::follow(state.clone(), stop.clone()));
        tokio::spawn(app::Tail::announce(state.clone(), stop.clone()));
        let router = app::router(&state);
        Self {
            state,
            clock,
            url,
            router,
            stop,
        }
    }

    /// A connection that may do anything to the application's database: of the superuser that the private server names,
    /// else of the role of the tests.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where Postgres is"
    )]
    pub async fn superuser(&self) -> PgConnection {
        let url = match std::env::var("ARCHZERO_POSTGRES_SUPERUSER_URL") {
            Ok(superuser) if !superuser.is_empty() => {
                let name = self.url.split('?').next().unwrap().rsplit('/').next().unwrap();
                with_database(&superuser, name)
            }
            _ => self.url.clone(),
        };
        PgConnection::connect(&url).await.unwrap()
    }

    pub fn db(&self) -> &PgPool {
        &self.state.db
    }

    /// Creates a user with these roles; its id and e-mail address.
    pub async fn user<R: Clone + Into<RoleName>>(&self, roles: &[R]) -> (Uuid, String) {
        let id = Uuid::now_v7();
        let email = format!("{}@example.com", id.simple());
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        let roles = roles.iter().cloned().map(Into::into);
        let roles: Vec<String> = roles.map(|role: RoleName| role.as_str().to_owned()).collect();
        sqlx::query("insert into users (id, email, email_key, name, password_hash, status, roles) values ($1, $2, $2, 'Test', $3, 'active', $4)")
            .bind(id)
            .bind(&email)
            .bind(hash)
            .bind(roles)
            .execute(self.db())
            .await
            .unwrap();
        (id, email)
    }

    /// Logs a new user of this role in; the caller with its token.
    pub async fn login(&self, role: impl Clone + Into<RoleName>) -> Caller<'_> {
        let (_, email) = self.user(&[role]).await;
        self.login_as(&email).await
    }

    /// Makes a role of the installation's own, and logs a new user who carries it in. The body may leave out the name.
    pub async fn login_with_role(&self, role: Value) -> Caller<'_> {
        let mut role = role;
        if role["name"].is_null() {
            role["name"] = json!(format!("role {}", Uuid::now_v7().simple()));
        }
        let admin = self.login(Role::Admin).await;
        admin.post("/admin/roles", role.clone()).await.expect(201);
        self.login(RoleName::new(role["name"].as_str().unwrap())).await
    }

    /// Logs an existing user in.
    pub async fn login_as(&self, email: &str) -> Caller<'_> {
        let answer = self
            .anonymous()
            .post("/auth/login", json!({"email": email, "password": PASSWORD}))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        Caller {
            app: self,
            token: answer.body["access_token"].as_str().map(str::to_owned),
            headers: Vec::new(),
        }
    }

    /// A caller without a token.
    pub fn anonymous(&self) -> Caller<'_> {
        Caller {
            app: self,
            token: None,
            headers: Vec::new(),
        }
    }

    /// A caller with this token.
    pub fn with_token(&self, token: &str) -> Caller<'_> {
        Caller {
            app: self,
            token: Some(token.to_owned()),
            headers: Vec::new(),
        }
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            bytes: bytes.to_vec(),
        }
    }
}

/// Somebody who sends requests. Paths are relative to `/api/v1` unless they begin with `//`.
#[derive(Clone)]
pub struct Caller<'a> {
    app: &'a TestApp,
    pub token: Option<String>,
    headers: Vec<(String, String)>,
}

impl Caller<'_> {
    /// The same caller, sending one more header.
    #[must_use]
    pub fn header(&self, name: &str, value: impl ToString) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_string()));
        other
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.raw(method, path, body.map(|b| b.to_string().into_bytes())).await
    }

    /// Sends bytes as JSON, whatever they are.
    pub async fn raw(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Answer {
        let uri = match path.strip_prefix("//") {
            Some(rest) => format!("/{rest}"),
            None => format!("/api/v1{path}"),
        };
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() && !self.headers.iter().any(|(n, _)| n == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.app
            .send(request.body(body.map_or_else(Body::empty, Body::from)).unwrap())
            .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Creates a card of this type with what the rules require; its id.
    pub async fn card(&self, card_type: &str, name: &str) -> Uuid {
        self.card_with(card_type, name, json!({})).await
    }

    /// Creates a card with more fields; its id.
    pub async fn card_with(&self, card_type: &str, name: &str, more: Value) -> Uuid {
        let required = match card_type {
            "Application" => json!({"hosting_type": "SaaS"}),
            "ITComponent" => json!({"category": "Software"}),
            "Risk" => json!({"likelihood": 3, "impact": 3}),
            "TechnologyStandard" => json!({"category": "Software", "status": "Adopt"}),
            "ArchitecturePrinciple" => json!({"statement": "S", "category": "Technical"}),
            "ArchitecturePolicy" => {
                json!({"rule_json": {"if": {"all": []}, "then": {"all": []}}, "severity": "Low", "enforcement": "Warning"})
            }
            "Exception" => json!({"justification": "J", "duration": "30_days"}),
            "ComplianceRequirement" => json!({"framework": "GDPR"}),
            _ => json!({}),
        };
        let mut body = json!({"type": card_type, "name": name, "attributes": required});
        for (key, value) in more.as_object().unwrap() {
            if key == "attributes" {
                for (key, value) in value.as_object().unwrap() {
                    body["attributes"][key] = value.clone();
                }
            } else {
                body[key] = value.clone();
            }
        }
        let answer = self.post("/cards", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        answer.id()
    }

    /// Creates a relationship; its id.
    pub async fn link(&self, source: Uuid, edge_type: &str, target: Uuid) -> Uuid {
        self.link_with(source, edge_type, target, json!({})).await
    }

    /// Creates a relationship with more fields; its id.
    pub async fn link_with(&self, source: Uuid, edge_type: &str, target: Uuid, more: Value) -> Uuid {
        let mut body = json!({"source_id": source, "type": edge_type, "target_id": target});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = self.post("/relationships", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        answer.id()
    }
}

/// An answer, its body read as JSON (null when it is not).
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn id(&self) -> Uuid {
        self.body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id in {:?}", self.body))
            .parse()
            .unwrap()
    }

    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|v| v.to_str().unwrap()).unwrap_or_default()
    }

    /// The answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// The answer, if it is this error.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status.as_u16(), self.code()),
            (status, code),
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        self
    }
}
