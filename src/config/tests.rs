//! The configuration as a whole.

use std::{fs, net::IpAddr, path::PathBuf, time::Duration};

use super::*;

const URL: (&str, &str) = ("DATABASE_URL", "postgres://arc:c0ffee5a1ad0@db:5432/arc");
const SECRET: &str = "5e0c1f0a9d7b4c3e8f2a6b1d0c9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e";

fn config(vars: &[(&str, &str)]) -> Config {
    Config::from_vars([URL].into_iter().chain(vars.iter().copied())).unwrap_or_else(|error| panic!("{error}"))
}

fn problems(vars: &[(&str, &str)]) -> Vec<Problem> {
    match Config::from_vars([URL].into_iter().chain(vars.iter().copied())) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems,
    }
}

fn culprits(vars: &[(&str, &str)]) -> Vec<String> {
    problems(vars).into_iter().map(|problem| problem.key).collect()
}

/// A directory with files, removed at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let directory = std::env::temp_dir().join(format!("archzero-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for (file, text) in files {
            fs::write(directory.join(file), text).unwrap();
        }
        Self(directory)
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = environment.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        Config::build(Sources::collect(environment, &self.0)).0
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_key_of_the_table_is_read_and_every_default_is_accepted() {
    let (config, asked) = Config::build(Sources::of([(URL.0.to_owned(), URL.1.to_owned())]));
    assert!(config.unwrap().warnings.is_empty());
    let table: BTreeSet<_> = keys::all().map(|key| key.name).collect();
    assert_eq!(asked, table);

    let spelled_out = keys::all().filter_map(|key| match key.default {
        keys::Fallback::Text(text) => Some((key.name, text)),
        _ => None,
    });
    Config::from_vars([URL].into_iter().chain(spelled_out)).unwrap();
}

#[test]
fn defaults_follow_the_environment() {
    let development = config(&[]);
    assert_eq!(development.server.address().to_string(), "127.0.0.1:8080");
    assert_eq!(development.server.base_url, "http://localhost:8080");
    assert_eq!(development.application.log_format, LogFormat::Pretty);
    assert_eq!(
        development.cors.allowed_origins,
        Origins::These(vec!["http://localhost:3000".parse().unwrap()])
    );
    assert_eq!(development.database.statement_timeout, Duration::from_secs(30));
    assert_eq!(development.database.min_connections, 10);
    assert_eq!(
        development.rate_limit.auth,
        Quota {
            count: 10,
            window: Duration::from_mins(15)
        }
    );

    let production = config(&[("APP_ENV", "production"), ("JWT_SECRET", SECRET), ("API_PORT", "80")]);
    assert_eq!(production.server.address().to_string(), "0.0.0.0:80");
    assert_eq!(production.telemetry.metrics_address().to_string(), "0.0.0.0:9090");
    assert_eq!(production.server.base_url, "http://localhost:80");
    assert_eq!(production.application.log_format, LogFormat::Json);
    assert_eq!(production.cors.allowed_origins, Origins::These(Vec::new()));

    let small = config(&[
        ("DATABASE_MAX_CONNECTIONS", "4"),
        ("API_REQUEST_TIMEOUT", "5s"),
        ("API_HOST", "localhost"),
    ]);
    assert_eq!(
        (small.database.min_connections, small.database.statement_timeout),
        (4, Duration::from_secs(5))
    );

    let tests = Config::for_tests(URL.1);
    assert_eq!(
        (
            tests.auth.password_hash_cost,
            tests.rate_limit.enabled,
            tests.server.port
        ),
        (4, false, 0)
    );
    assert_eq!(tests.warnings, Vec::<String>::new());
}

#[test]
fn values_are_typed() {
    let config = config(&[
        ("API_MAX_BODY_SIZE", "2MB"),
        ("RATE_LIMIT_STANDARD", "1200/min"),
        ("RATE_LIMIT_AUTH", "20"),
        ("TRUSTED_PROXIES", "private"),
        ("JWT_PREVIOUS_SECRETS", "one, two"),
        ("DATABASE_SSL_MODE", "verify-ca"),
        ("METRICS_ENABLED", "no"),
        ("API_PORT", "  8081 "),
        ("LOG_LEVEL", ""),
    ]);
    assert_eq!(config.server.max_body_size, 2 << 20);
    assert_eq!(
        config.rate_limit.standard,
        Quota {
            count: 1200,
            window: Duration::from_mins(1)
        }
    );
    assert_eq!(
        config.rate_limit.auth,
        Quota {
            count: 20,
            window: Duration::from_mins(15)
        }
    );
    assert!(config.server.trusted_proxies.contains(IpAddr::from([10, 0, 0, 1])));
    assert_eq!(config.auth.jwt_previous_secrets.len(), 2);
    assert_eq!(config.database.ssl_mode, SslMode::VerifyCa);
    assert!(!config.telemetry.metrics_enabled);
    assert_eq!(config.server.port, 8081);
    assert_eq!(config.application.log_level, LogLevel::Info, "empty is not set");

    let from_url =
        Config::from_vars([("DATABASE_URL", "postgres://a@db/b?sslmode=require&sslrootcert=/ca.pem")]).unwrap();
    assert_eq!(from_url.database.ssl_mode, SslMode::Require);
    assert_eq!(from_url.database.ssl_cert, Some(PathBuf::from("/ca.pem")));
}

#[test]
fn bad_values_are_refused() {
    for (key, value) in [
        ("APP_ENV", "prod"),
        ("APP_NAME", "two\nlines"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_FORMAT", "xml"),
        ("LOG_REQUESTS", "some"),
        ("RUST_LOG", "archzero=loud"),
        ("ALLOW_INSECURE", "maybe"),
        ("API_HOST", "example.com"),
        ("API_PORT", "65536"),
        ("API_PORT", "-1"),
        ("API_PORT", "80a"),
        ("API_WORKERS", "0"),
        ("API_BASE_URL", "localhost"),
        ("API_REQUEST_TIMEOUT", "0"),
        ("API_REQUEST_TIMEOUT", "2h"),
        ("API_MAX_BODY_SIZE", "10XB"),
        ("TRUSTED_PROXIES", "nginx"),
        ("SHUTDOWN_GRACE", "soon"),
        ("DATABASE_URL", "mysql://a@b/c"),
        ("DATABASE_MIGRATE_URL", "db"),
        ("DATABASE_MAX_CONNECTIONS", "0"),
        ("DATABASE_MIN_CONNECTIONS", "51"),
        ("DATABASE_STATEMENT_TIMEOUT", "31"),
        ("DATABASE_SSL_MODE", "on"),
        ("JWT_ACCESS_TOKEN_EXPIRY", "0"),
        ("JWT_REFRESH_TOKEN_EXPIRY", "3600"),
        ("PASSWORD_HASH_COST", "4"),
        ("PASSWORD_HASH_COST", "9"),
        ("PASSWORD_HASH_COST", "15"),
        ("CORS_ALLOWED_ORIGINS", "example.com"),
        ("CORS_ALLOWED_METHODS", "BREW"),
        ("CORS_ALLOWED_HEADERS", "a b"),
        ("CORS_MAX_AGE", "2d"),
        ("RATE_LIMIT_BULK", "0"),
        ("METRICS_PORT", "8080"),
        ("METRICS_PATH", "metrics"),
        ("METRICS_PATH", "/health"),
        ("HEALTH_CHECK_PATH", "/"),
        ("HEALTH_CHECK_PATH", "/api/v1/cards"),
        ("HEALTH_CHECK_PATH", "/ready"),
        ("HEALTH_CHECK_PATH", "/health/ready"),
    ] {
        assert_eq!(culprits(&[(key, value)]), [key], "{key}={value}");
    }
    assert_eq!(
        Config::from_vars([("APP_ENV", "test")]).unwrap_err().problems[0].key,
        "DATABASE_URL"
    );
    assert_eq!(
        culprits(&[
            ("DATABASE_SSL_MODE", "verify-full"),
            ("DATABASE_SSL_CERT", "/nowhere.pem")
        ]),
        ["DATABASE_SSL_CERT"]
    );
    // What is wrong is not compared with anything: only the cause is named.
    assert_eq!(
        culprits(&[("API_REQUEST_TIMEOUT", "x"), ("DATABASE_STATEMENT_TIMEOUT", "50")]),
        ["API_REQUEST_TIMEOUT"]
    );
}

#[test]
fn one_message_names_everything_and_no_secret() {
    let error = Config::from_vars([
        ("API_PORT", "eighty"),
        ("DATABASE_URL", "mysql://arc:hunter2@db/arc"),
        ("RATE_LIMIT_STANDARD", "lots"),
        ("LOG_LEVEL", "loud\u{1b}[31m"),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the configuration has 4 problems:\n  \
         LOG_LEVEL = \"loud\\u{1b}[31m\" (environment): expected one of trace, debug, info, warn, error\n  \
         API_PORT = \"eighty\" (environment): expected a whole number from 0 to 65535\n  \
         DATABASE_URL = ******** (environment): expected postgres://user:password@host:5432/database\n  \
         RATE_LIMIT_STANDARD = \"lots\" (environment): expected requests per window of 1 s to 31 d, such as 1000, 1000/h, 10/15min or 1200/min\n\
         docs/configuration.md describes every key"
    );
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn secrets_do_not_show_in_debug() {
    let config = config(&[
        ("JWT_SECRET", SECRET),
        ("JWT_PREVIOUS_SECRETS", "previous-secret-1234567890-1234567890"),
        ("DATABASE_PASSWORD", "hunter2"),
        ("DATABASE_MIGRATE_URL", "postgres://owner:0wn3r@db/arc"),
    ]);
    let shown = format!("{config:?}{:?}", config.database.migration());
    for secret in [SECRET, "previous-secret", "hunter2", "0wn3r", "c0ffee5a1ad0"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn production_refuses_what_is_unfit() {
    let production = |vars: &[(&'static str, &'static str)]| {
        let mut all = vec![("APP_ENV", "production"), ("JWT_SECRET", SECRET), ("AUDIT_KEY", SECRET)];
        all.extend_from_slice(vars);
        all
    };
    assert_eq!(culprits(&production(&[])), Vec::<String>::new());
    assert_eq!(culprits(&[("APP_ENV", "production")]), ["JWT_SECRET"]);
    for (key, value, culprit) in [
        ("JWT_SECRET", "CHANGE_ME_TO_RANDOM_64_CHAR_STRING", "JWT_SECRET"),
        ("JWT_SECRET", "only-thirty-one-bytes-long-0000", "JWT_SECRET"),
        ("JWT_PREVIOUS_SECRETS", "short", "JWT_PREVIOUS_SECRETS"),
        ("AUDIT_KEY", "CHANGE_ME_TO_RANDOM_64_CHAR_STRING", "AUDIT_KEY"),
        ("AUDIT_PREVIOUS_KEYS", "short", "AUDIT_PREVIOUS_KEYS"),
        ("CORS_ALLOWED_ORIGINS", "*", "CORS_ALLOWED_ORIGINS"),
        ("DATABASE_URL", "postgres://arc:CHANGE_ME@db/arc", "DATABASE_URL"),
        ("DATABASE_URL", "postgres://arc:arc@db/arc", "DATABASE_URL"),
        ("DATABASE_PASSWORD", "postgres", "DATABASE_PASSWORD"),
        (
            "DATABASE_MIGRATE_URL",
            "postgres://owner:password@db/arc",
            "DATABASE_MIGRATE_URL",
        ),
        (
            "DATABASE_URL",
            "postgres://arc:c0ffee5a1ad0@db.example.com/arc?sslmode=disable",
            "DATABASE_SSL_MODE",
        ),
    ] {
        assert_eq!(culprits(&production(&[(key, value)])), [culprit], "{key}={value}");
        let allowed = config(&production(&[(key, value), ("ALLOW_INSECURE", "true")]));
        assert_eq!(allowed.warnings.len(), 1, "{key}={value}: {:?}", allowed.warnings);
        assert!(allowed.warnings[0].starts_with(culprit));
        let mut elsewhere = vec![("APP_ENV", "staging"), ("JWT_SECRET", SECRET)];
        elsewhere.push((key, value));
        assert_eq!(culprits(&elsewhere), Vec::<String>::new(), "{key}={value}");
    }
    assert_eq!(
        culprits(&production(&[("DATABASE_SSL_MODE", "disable")])),
        Vec::<String>::new(),
        "a private host"
    );
    assert_eq!(
        culprits(&production(&[
            ("DATABASE_URL", "postgres://arc:CHANGE_ME@db/arc"),
            ("DATABASE_PASSWORD", "c0ffee5a1ad0")
        ])),
        Vec::<String>::new(),
        "the password that is used is what counts"
    );
}

#[test]
fn secrets_come_from_files() {
    let files = Directory::with("secrets", &[("jwt", &format!("{SECRET}\n")), ("empty", " \n")]);
    let loaded = config(&[("JWT_SECRET_FILE", &files.path("jwt"))]);
    assert_eq!(
        secrecy::ExposeSecret::expose_secret(&loaded.auth.jwt_secret.unwrap()),
        SECRET
    );

    let both = problems(&[("JWT_SECRET", SECRET), ("JWT_SECRET_FILE", &files.path("jwt"))]);
    assert!(
        both[0].reason.contains("both set") && !both[0].to_string().contains(SECRET),
        "{both:?}"
    );
    for (file, reason) in [("empty", "empty"), ("absent", "cannot be read")] {
        let problems = problems(&[("JWT_SECRET_FILE", &files.path(file))]);
        assert!(problems[0].reason.contains(reason), "{problems:?}");
    }
    assert_eq!(
        config(&[("LOG_LEVEL_FILE", "/x")]).warnings.len(),
        1,
        "only secrets come from files"
    );
}

#[test]
fn the_environment_wins_over_files_and_the_specific_file_over_the_general() {
    let files = Directory::with(
        "precedence",
        &[
            (
                ".env",
                "APP_ENV=staging\nAPI_PORT=1\nAPP_NAME=From file\nLOG_LEVEL=error\nJWT_SECRET=in .env\nDATABASE_URL=postgres://a@b/c",
            ),
            (".env.staging", "API_PORT=2\nLOG_LEVEL=warn"),
            (".env.production", "API_PORT=3"),
            ("jwt", SECRET),
        ],
    );
    let config = files
        .load(&[("LOG_LEVEL", "debug"), ("JWT_SECRET_FILE", &files.path("jwt"))])
        .unwrap();
    assert_eq!(config.application.env, Environment::Staging);
    assert_eq!(config.server.port, 2);
    assert_eq!(config.application.name, "From file");
    assert_eq!(config.application.log_level, LogLevel::Debug);
    assert!(
        config.warnings.is_empty(),
        "the file above wins over the secret below: {:?}",
        config.warnings
    );

    let config = files.load(&[("APP_ENV", "test")]).unwrap();
    assert_eq!((config.application.env, config.server.port), (Environment::Test, 1));
}

#[test]
fn problems_name_file_and_line() {
    let files = Directory::with(
        "lines",
        &[
            (
                ".env",
                "# ours\nDATABASE_URL=postgres://a@b/c\nAPI_PORT=x\nhalf a secret\nAPI_PROT=1\nDATABSE_URL=y\nAPI_HOST=::\nAPI_HOST=::1\n",
            ),
            (".env.staging", "APP_ENV=production"),
        ],
    );
    let error = files.load(&[]).unwrap_err().to_string();
    assert!(error.contains("API_PORT = \"x\" (.env line 3)"), "{error}");
    assert!(error.contains(".env line 4: it is not KEY=value"), "{error}");
    assert!(!error.contains("half a secret"), "{error}");
    let conflict = files.load(&[("APP_ENV", "staging")]).unwrap_err();
    assert!(
        conflict.problems.iter().any(|problem| problem.key == "APP_ENV"),
        "{conflict}"
    );

    fs::write(
        files.path(".env"),
        "DATABASE_URL=postgres://a@b/c\nAPI_PROT=1\nDATABSE_URL=y\nAPI_HOST=::\nAPI_HOST=::1\n",
    )
    .unwrap();
    let config = files
        .load(&[("APP_HOME", "/srv"), ("DATABASE_POOLER", "none"), ("SMTP_HOST", "mail")])
        .unwrap();
    assert_eq!(
        config.warnings,
        [
            "API_HOST is set twice: .env line 4 and .env line 5, which counts",
            "unknown key API_PROT (.env line 2): did you mean API_PORT?",
            "unknown key APP_HOME (environment) is ignored",
            "unknown key DATABSE_URL (.env line 3): did you mean DATABASE_URL?",
        ]
    );
}

/// The reference block of the deployment guide: every key, unquoted spaces, comments behind values.
const GUIDE: &str = include_str!("guide.env");

#[test]
fn the_block_of_the_deployment_guide_loads() {
    let as_it_is = Directory::with("guide", &[(".env", GUIDE)]);
    let error = as_it_is.load(&[]).unwrap_err();
    let culprits: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        culprits,
        ["DATABASE_URL", "JWT_SECRET"],
        "placeholders are refused in production: {error}"
    );

    let filled_in = GUIDE
        .replace("CHANGE_ME_TO_RANDOM_64_CHAR_STRING", SECRET)
        .replace("CHANGE_ME", "c0ffee5a1ad0");
    let filled_in = Directory::with("guide-filled-in", &[(".env", &filled_in)]);
    let config = filled_in.load(&[]).unwrap_or_else(|error| panic!("{error}"));
    // The guide leaves that key to the first start.
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].starts_with("AUDIT_KEY is not set"));
    assert_eq!(config.application.name, "Arc Zero");
    assert_eq!(config.application.rust_log.as_deref(), Some("archzero=info,axum=warn"));
    assert_eq!(
        (config.server.workers, config.server.base_url.as_str()),
        (4, "https://api.archzero.com")
    );
    assert_eq!(config.database.ssl_mode, SslMode::Require);
    assert_eq!(
        config.rate_limit.expensive,
        Quota {
            count: 100,
            window: Duration::from_hours(1)
        }
    );
    assert_eq!(config.auth.jwt_refresh_token_expiry, Duration::from_hours(7 * 24));
}

#[test]
fn production_is_warned_of_a_log_that_the_application_could_alter() {
    let warnings = |env: &'static str, more: &[(&'static str, &'static str)]| {
        let mut vars = vec![("APP_ENV", env), ("JWT_SECRET", SECRET)];
        vars.extend_from_slice(more);
        config(&vars).warnings
    };
    let same = ("DATABASE_MIGRATE_URL", "postgres://arc:0ther5a1ad0@db/arc");
    let other = ("DATABASE_MIGRATE_URL", "postgres://owner:0ther5a1ad0@db/arc");
    let key = ("AUDIT_KEY", SECRET);
    assert_eq!(warnings("production", &[other, key]), Vec::<String>::new());
    assert_eq!(warnings("development", &[same]), Vec::<String>::new());
    let told = warnings("production", &[same]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .any(|w| w.starts_with("DATABASE_MIGRATE_URL has the role of DATABASE_URL"))
    );
    assert!(told.iter().any(|w| w.starts_with("AUDIT_KEY is not set")));
}
