//! A browser and a program with a key against the real server, over real connections. The server logs all it can, and
//! nothing that it logs tells a secret.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{Database, Outcome, Running, until};

const PASSWORD: &str = "Correct-Horse-7-Battery";

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    cookies: Vec<String>,
    headers: String,
    body: Value,
}

/// A browser: keeps cookies and sends each where its path allows. To a browser a loopback address is a secure place.
#[derive(Default)]
struct Browser {
    /// By name: value and path.
    cookies: BTreeMap<String, (String, String)>,
    /// What scripts of a page would see.
    readable: Vec<String>,
}

impl Browser {
    fn send(
        &mut self,
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|(_, (_, below))| path == below || path.starts_with(&format!("{below}/")))
            .map(|(name, (value, _))| format!("{name}={value}"))
            .collect();
        let mut lines: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        if !cookies.is_empty() {
            lines.push(format!("Cookie: {}\r\n", cookies.join("; ")));
        }
        let body = body.map(ToString::to_string).unwrap_or_default();
        if !body.is_empty() {
            lines.push(format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        let all = lines.concat();
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\n{all}\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let set: Vec<String> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .map(|(_, value)| value.to_owned())
            .collect();
        for cookie in &set {
            self.keep(cookie);
        }
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            cookies: set,
            headers: head.to_ascii_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }

    /// Keeps a cookie as RFC 6265 has it; refuses what a browser would refuse.
    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: BTreeMap<String, &str> = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        assert!(
            !name.starts_with("__Secure-") || attributes.contains_key("secure"),
            "{cookie}"
        );
        if attributes.get("max-age") == Some(&"0") {
            self.cookies.remove(name);
            return;
        }
        if !attributes.contains_key("httponly") {
            self.readable.push(value.to_owned());
        }
        self.cookies
            .insert(name.to_owned(), (value.to_owned(), attributes["path"].to_owned()));
    }
}

/// Enters an administrator with the password.
fn admin(db: &Database, email: &str) {
    let file = std::env::temp_dir().join(format!("{}.password", db.name));
    std::fs::write(&file, PASSWORD).unwrap();
    let arguments = ["create-user", "--email", email, "--role", "admin", "--password-file"];
    let mut command = db.program(
        env!("CARGO_BIN_EXE_admin"),
        &[&arguments[..], &[file.to_str().unwrap()]].concat(),
    );
    let outcome = Outcome::of(command.env("PASSWORD_HASH_COST", "4").env("APP_ENV", "test"));
    let _ = std::fs::remove_file(&file);
    outcome.expect(0, &["created"]);
}

/// A server that logs as much as it can to a file.
fn server(db: &Database, log: &std::path::Path) -> (Running, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command: Command = db.server(&[]);
    command
        .env("API_PORT", address.port().to_string())
        .env("APP_ENV", "test")
        .env("PASSWORD_HASH_COST", "4")
        .env("RATE_LIMIT_ENABLED", "false")
        .env("RUST_LOG", "trace")
        .env("LOG_REQUESTS", "all")
        .stdout(std::fs::File::create(log).unwrap())
        .stderr(Stdio::null());
    let running = Running(command.spawn().unwrap());
    until("the server is not ready", || {
        super::get(address, "/health/ready").filter(|(status, _)| *status == 200)
    });
    (running, address)
}

#[test]
fn a_browser_and_a_program_and_nothing_secret_in_the_log() {
    let db = Database::new();
    db.migrate(&["--create-database"]).expect(0, &[]);
    db.seed(&[]).expect(0, &[]);
    admin(&db, "anna@example.com");
    let log = std::env::temp_dir().join(format!("{}.log", db.name));
    let (mut running, address) = server(&db, &log);
    let mut browser = Browser::default();
    let (refresh, logout) = ("/api/v1/auth/refresh", "/api/v1/auth/logout");

    let body = json!({"email": "anna@example.com", "password": PASSWORD, "cookie": true});
    let login = browser.send(address, "POST", "/api/v1/auth/login", &[], Some(&body));
    assert_eq!(login.status, 200, "{login:?}");
    assert!(login.body["refresh_token"].is_null(), "{:?}", login.body);
    for part in ["; Path=/api/v1/auth", "; HttpOnly", "; Secure", "; SameSite=Strict"] {
        assert!(login.cookies[0].contains(part), "{part}: {:?}", login.cookies);
    }
    assert!(login.headers.contains("cache-control: no-store"), "{}", login.headers);
    let first = browser.cookies.values().next().unwrap().0.clone();
    let mut secrets = vec![PASSWORD.to_owned(), first.clone()];
    secrets.push(login.body["access_token"].as_str().unwrap().to_owned());

    // Each refresh brings another cookie, and an access token that is good.
    let origin = format!("http://{address}");
    for _ in 0..3 {
        let before = browser.cookies.values().next().unwrap().0.clone();
        let renewed = browser.send(address, "POST", refresh, &[("Origin", &origin)], Some(&json!({})));
        assert_eq!(renewed.status, 200, "{renewed:?}");
        let after = browser.cookies.values().next().unwrap().0.clone();
        assert_ne!(before, after);
        let token = format!("Bearer {}", renewed.body["access_token"].as_str().unwrap());
        let cards = browser.send(
            address,
            "GET",
            "/api/v1/cards?limit=1",
            &[("Authorization", &token)],
            None,
        );
        assert_eq!(cards.status, 200);
        assert!(cards.cookies.is_empty());
        secrets.extend([after, token[7..].to_owned()]);
    }
    let evil = browser.send(
        address,
        "POST",
        refresh,
        &[("Origin", "https://evil.example.com")],
        Some(&json!({})),
    );
    assert_eq!(evil.status, 403, "{evil:?}");

    // A program with a key, and some that have none.
    let token = format!("Bearer {}", secrets.last().unwrap());
    let body = json!({"name": "Sync", "scopes": ["cards:read"]});
    let made = browser.send(
        address,
        "POST",
        "/api/v1/auth/api-keys",
        &[("Authorization", &token)],
        Some(&body),
    );
    assert_eq!(made.status, 201, "{made:?}");
    let key = made.body["key"].as_str().unwrap().to_owned();
    let mut program = Browser::default();
    for headers in [("X-API-Key", key.clone()), ("Authorization", format!("Bearer {key}"))] {
        let cards = program.send(address, "GET", "/api/v1/cards", &[(headers.0, &headers.1)], None);
        assert_eq!(cards.status, 200, "{cards:?}");
    }
    let typo = format!("{}{}", &key[..64], if key.ends_with('x') { 'y' } else { 'x' });
    for wrong in [&typo, &key[..40], "az_"] {
        let refused = program.send(address, "GET", "/api/v1/cards", &[("X-API-Key", wrong)], None);
        assert_eq!(refused.status, 401, "{refused:?}");
        // In the address it is a parameter that there is not, and must not be logged either.
        let path = format!("/api/v1/cards?api_key={key}");
        let refused = program.send(address, "GET", &path, &[("X-API-Key", wrong)], None);
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    // Longer than any header may be: refused before anybody looks at it.
    let long = format!("{key}{}", "x".repeat(2_000_000));
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(format!("GET /api/v1/cards HTTP/1.0\r\nHost: a\r\nX-API-Key: {long}\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.0 431") || answer.starts_with(b"HTTP/1.1 431"));

    // Logged out, the cookie is gone and was not replaced; the old one is worth nothing.
    let ended = browser.send(address, "POST", logout, &[("X-Requested-With", "fetch")], None);
    assert_eq!(ended.status, 204, "{ended:?}");
    assert!(browser.cookies.is_empty() && browser.readable.is_empty());
    let refused = browser.send(address, "POST", refresh, &[("X-Requested-With", "fetch")], None);
    assert_eq!(refused.status, 401);

    running.signal("TERM");
    assert_eq!(running.code(), Some(0));
    let logged = std::fs::read_to_string(&log).unwrap();
    let _ = std::fs::remove_file(&log);
    assert!(logged.contains("/api/v1/auth/api-keys"), "requests are logged");
    assert!(logged.contains(&key[..15]), "which key it was is logged");
    secrets.extend([key[15..].to_owned(), key[16..50].to_owned(), long[..100].to_owned()]);
    for secret in &secrets {
        let line = logged.lines().find(|line| line.contains(secret.as_str()));
        assert!(line.is_none(), "a secret is in the log: {line:?}");
    }
}
