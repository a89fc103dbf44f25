//! The programs as an operator meets them: arguments, exit codes, what they say.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod browser;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

mod jobs;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A database that does not exist yet, dropped in the end.
struct Database {
    server: String,
    name: String,
}

impl Database {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where Postgres is"
    )]
    fn new() -> Self {
        let url = std::env::var("TEST_DATABASE_URL")
            .or_else(|_| std::env::var("DATABASE_URL"))
            .expect("set TEST_DATABASE_URL to a Postgres on which databases may be created (scripts/test does)");
        let (server, _) = url.rsplit_once('/').unwrap();
        let name = format!(
            "archzero_programs_{}_{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        Self {
            server: server.to_owned(),
            name,
        }
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// A role of its own.
    fn role(&self) -> String {
        format!("{}_role", self.name)
    }

    fn run(&self, database: &str, statement: String) {
        let url = format!("{}/{database}", self.server);
        let work = async {
            let mut conn = PgConnection::connect(&url).await?;
            conn.execute(AssertSqlSafe(statement)).await?;
            conn.close().await
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
            .unwrap();
    }

    fn sql(&self, statement: &str) {
        self.run(&self.name, statement.to_owned());
    }

    /// One of the programs over this database, in a directory without settings of its own.
    fn program(&self, path: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(path);
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", self.url())
            .env("DATABASE_CONNECT_TIMEOUT", "1s")
            .env("JWT_SECRET", "a secret that signs nothing but the tokens of tests")
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null());
        command
    }

    fn migrate(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&mut self.program(env!("CARGO_BIN_EXE_migrate"), arguments))
    }

    fn seed(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(&mut self.program(env!("CARGO_BIN_EXE_seed"), arguments))
    }

    fn server(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_server"), arguments);
        command
            .env("METRICS_ENABLED", "false")
            .env("API_PORT", "0")
            .env("DATABASE_MIN_CONNECTIONS", "1");
        command
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // In this order: a role with rights somewhere cannot be dropped.
        self.run(
            "postgres",
            format!("drop database if exists {} with (force)", self.name),
        );
        self.run("postgres", format!("drop role if exists {}", self.role()));
    }
}

/// How a program ended, and what it said.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    said: String,
}

impl Outcome {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .concat();
        Self {
            code: output.status.code(),
            said,
        }
    }

    #[track_caller]
    fn expect(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        for word in words {
            assert!(self.said.contains(word), "'{word}' in: {}", self.said);
        }
    }
}

#[test]
fn migrating_is_repeatable_and_says_what_it_does() {
    let db = Database::new();
    db.migrate(&[])
        .expect(1, &["There is no database", "--create-database"]);
    db.migrate(&["--create-database"])
        .expect(0, &["created", "got", "cards", "relationships"]);
    db.migrate(&["--create-database"]).expect(0, &["is up to date"]);
    db.migrate(&[]).expect(0, &["is up to date"]);
    db.migrate(&["--dry-run"]).expect(0, &["is up to date"]);
    db.migrate(&["status"]).expect(0, &["applied", "cards"]);
    db.migrate(&["sideways"]).expect(2, &["sideways"]);

    db.sql("insert into _sqlx_migrations values (29990101000000, 'future', now(), true, 'x', 1)");
    db.migrate(&[])
        .expect(0, &["the database is newer than this program, which it still allows"]);
    db.migrate(&["status"]).expect(0, &["29990101000000  newer"]);
    db.sql("update settings set value = '999.0.0' where name = 'min_app_version'");
    db.migrate(&[]).expect(1, &["needs at least version 999.0.0"]);
    Outcome::of(&mut db.server(&[])).expect(1, &["needs at least version 999.0.0"]);
}

#[test]
fn a_dry_run_changes_nothing() {
    let db = Database::new();
    db.run("postgres", format!("create database {}", db.name));
    db.migrate(&["--dry-run"]).expect(0, &["would get", "cards"]);
    db.migrate(&["status"]).expect(0, &["missing", "has 0 of"]);
    db.seed(&[]).expect(1, &["migrations", "run `migrate` first"]);
}

#[test]
fn the_owner_of_the_schema_lets_the_application_in() {
    let db = Database::new();
    let role = db.role();
    db.run(
        "postgres",
        format!("create role {role} login password 'a-role-of-tests'"),
    );
    let (_, place) = db.server.rsplit_once('@').unwrap();
    let application = format!("postgres://{role}:a-role-of-tests@{place}/{}", db.name);
    let migrate = |arguments: &[&str]| {
        let mut command = db.program(env!("CARGO_BIN_EXE_migrate"), arguments);
        Outcome::of(
            command
                .env("DATABASE_MIGRATE_URL", db.url())
                .env("DATABASE_URL", &application),
        )
    };
    migrate(&["--create-database"]).expect(0, &[&format!("the role {role} may use it")]);
    let mut seed = db.program(env!("CARGO_BIN_EXE_seed"), &["--sample", "synthetic", "--cards", "200"]);
    let outcome = Outcome::of(seed.env("DATABASE_URL", &application));
    outcome.expect(0, &["200 cards and 1000 relationships written"]);
}

#[test]
fn samples_stay_out_of_production_unless_meant() {
    let db = Database::new();
    db.migrate(&["--create-database"]).expect(0, &[]);
    db.seed(&[]).expect(0, &["card types", "written"]);
    db.seed(&[]).expect(0, &["nothing was missing"]);
    let sample = [
        "--sample",
        "synthetic",
        "--cards",
        "150",
        "--relationships",
        "300",
        "--seed",
        "3",
    ];
    let production = |arguments: &[&str]| {
        Outcome::of(
            db.program(env!("CARGO_BIN_EXE_seed"), arguments)
                .env("APP_ENV", "production")
                .env("ALLOW_INSECURE", "true"),
        )
    };
    production(&sample).expect(1, &["production", "--yes"]);
    production(&[&sample[..], &["--yes"]].concat()).expect(0, &["150 cards and 300 relationships written"]);
    db.seed(&sample).expect(0, &["0 cards and 0 relationships written"]);
    db.seed(&["--sample", "synthetic", "--cards", "151"])
        .expect(1, &["another synthetic landscape"]);
    db.seed(&["--cards", "5"]).expect(1, &["--sample synthetic"]);
    db.seed(&["--sample", "atlantis"])
        .expect(2, &["enterprise-demo, synthetic"]);
}

/// Asks for a path; the status and the body, if anybody answers.
fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Waits for a condition, not for a time.
#[track_caller]
fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    #[track_caller]
    fn code(&mut self) -> Option<i32> {
        until("the server did not end", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_server_waits_for_its_schema_serves_and_stops() {
    let db = Database::new();
    db.run("postgres", format!("create database {}", db.name));
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = address.port().to_string();
    let server = |arguments: &[&str]| {
        let mut command = db.server(arguments);
        command.env("API_PORT", &port);
        command
    };
    Outcome::of(&mut server(&["healthcheck"])).expect(1, &["does not answer"]);

    let mut running = Running(server(&[]).stdout(Stdio::null()).spawn().unwrap());
    // The port answers before anything else is there, and gives away nothing about the database.
    let body = until("probes are not answered", || {
        get(address, "/health/ready").filter(|(_, body)| body.contains("migrations"))
    });
    assert_eq!(body.0, 503);
    assert!(
        body.1.contains("run `migrate`") && !body.1.contains(&db.name),
        "{}",
        body.1
    );
    Outcome::of(&mut server(&["healthcheck"])).expect(0, &[]);
    Outcome::of(&mut server(&[])).expect(1, &["Port", "in use", "API_PORT"]);

    db.migrate(&[]).expect(0, &["got"]);
    until("the server is not ready", || {
        get(address, "/health/ready").filter(|(status, _)| *status == 200)
    });
    running.signal("TERM");
    until("the server is still ready", || match get(address, "/health/ready") {
        None | Some((503, _)) => Some(()),
        Some(_) => None,
    });
    assert_eq!(running.code(), Some(0));
    assert_eq!(get(address, "/health/live"), None);
}

#[test]
fn the_server_knows_itself_and_its_configuration() {
    let db = Database::new();
    Outcome::of(&mut db.server(&["--version"])).expect(0, &[env!("CARGO_PKG_VERSION")]);
    Outcome::of(&mut db.server(&["--check-config"])).expect(0, &["the configuration is valid"]);
    let wrong = Outcome::of(
        db.server(&["--check-config"])
            .env("API_PORT", "http")
            .env("LOG_LEVEL", "loud"),
    );
    wrong.expect(2, &["2 problems", "API_PORT", "LOG_LEVEL"]);
    Outcome::of(&mut db.server(&["--check-config", "healthcheck"])).expect(2, &["cannot be used with"]);
}
