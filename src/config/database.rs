//! The database and the pool of connections to it.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::{
    application::Environment,
    auth::is_placeholder,
    reader::Reader,
    server::ServerConfig,
    values::{Readable, is_private_address},
};

/// TLS to the database, with libpq's names and meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only if the server insists.
    Allow,
    /// If the server can.
    Prefer,
    /// Always, with any certificate.
    Require,
    /// Always, with a certificate from a known authority.
    VerifyCa,
    /// Always, with a certificate from a known authority for this host.
    VerifyFull,
}

impl SslMode {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "disable" => Some(Self::Disable),
            "allow" => Some(Self::Allow),
            "prefer" => Some(Self::Prefer),
            "require" => Some(Self::Require),
            "verify-ca" => Some(Self::VerifyCa),
            "verify-full" => Some(Self::VerifyFull),
            _ => None,
        }
    }
}

/// How to log in to the database.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// Host, database, role.
    pub url: &'a SecretString,
    /// Replaces the password in the address.
    pub password: Option<&'a SecretString>,
}

/// The database and the pool of connections to it.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The address, as given.
    pub url: SecretString,
    /// Replaces the password in `url`.
    pub password: Option<SecretString>,
    /// The same database as the role that owns the schema.
    pub migrate_url: Option<SecretString>,
    /// Connections at most.
    pub max_connections: u32,
    /// Connections that are kept open.
    pub min_connections: u32,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long a request waits for a free connection.
    pub acquire_timeout: Duration,
    /// An idle connection is closed after this time.
    pub idle_timeout: Duration,
    /// Any connection is closed after this time.
    pub max_lifetime: Duration,
    /// A statement that takes longer is cancelled.
    pub statement_timeout: Duration,
    /// TLS to the database.
    pub ssl_mode: SslMode,
    /// Certificate authorities for the verifying modes.
    pub ssl_cert: Option<PathBuf>,
}

impl DatabaseConfig {
    pub(super) fn read(reader: &mut Reader, server: &ServerConfig) -> Self {
        let address = |text: &str| Address::parse(text).map(|_| SecretString::from(text));
        let url = reader.parsed("DATABASE_URL", address);
        if url.is_none() && !reader.any_bad(&["DATABASE_URL"]) {
            reader.problem(
                "DATABASE_URL",
                "it is not set; expected postgres://user:password@host:5432/database",
            );
        }
        let url = url.unwrap_or_default();
        let (url_mode, url_cert) = Address::parse(url.expose_secret()).map_or((None, None), |address| {
            (address.parameter("sslmode"), address.parameter("sslrootcert"))
        });
        let max_connections = reader.integer("DATABASE_MAX_CONNECTIONS").unwrap_or(50);
        Self {
            password: reader.secret("DATABASE_PASSWORD"),
            migrate_url: reader.parsed("DATABASE_MIGRATE_URL", address),
            max_connections,
            min_connections: reader
                .integer("DATABASE_MIN_CONNECTIONS")
                .unwrap_or_else(|| max_connections.min(10)),
            connect_timeout: reader
                .duration("DATABASE_CONNECT_TIMEOUT")
                .unwrap_or(Duration::from_secs(10)),
            acquire_timeout: reader
                .duration("DATABASE_ACQUIRE_TIMEOUT")
                .unwrap_or(Duration::from_secs(5)),
            idle_timeout: reader
                .duration("DATABASE_IDLE_TIMEOUT")
                .unwrap_or(Duration::from_mins(10)),
            max_lifetime: reader
                .duration("DATABASE_MAX_LIFETIME")
                .unwrap_or(Duration::from_hours(1)),
            statement_timeout: reader
                .duration("DATABASE_STATEMENT_TIMEOUT")
                .unwrap_or(server.request_timeout),
            ssl_mode: reader
                .parsed("DATABASE_SSL_MODE", SslMode::parse)
                .or_else(|| url_mode.as_deref().and_then(SslMode::parse))
                .unwrap_or(SslMode::Prefer),
            ssl_cert: reader
                .parsed("DATABASE_SSL_CERT", |path| Some(PathBuf::from(path)))
                .or_else(|| url_cert.map(PathBuf::from)),
            url,
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader, server: &ServerConfig, env: Environment) {
        let role = |login: Login<'_>| Address::parse(login.url.expose_secret()).map(|address| address.user);
        if env.is_production() && self.migrate_url.is_some() && role(self.application()) == role(self.migration()) {
            reader.warn(
                "DATABASE_MIGRATE_URL has the role of DATABASE_URL: the application owns its tables and could alter the change log"
                    .to_owned(),
            );
        }
        if self.statement_timeout > server.request_timeout
            && !reader.any_bad(&["DATABASE_STATEMENT_TIMEOUT", "API_REQUEST_TIMEOUT"])
        {
            let limit = Readable(server.request_timeout);
            reader.problem(
                "DATABASE_STATEMENT_TIMEOUT",
                &format!("it must not exceed API_REQUEST_TIMEOUT, which is {limit}"),
            );
        }
        if self.min_connections > self.max_connections && !reader.any_bad(&["DATABASE_MAX_CONNECTIONS"]) {
            let max = self.max_connections;
            reader.problem(
                "DATABASE_MIN_CONNECTIONS",
                &format!("it must not exceed DATABASE_MAX_CONNECTIONS, which is {max}"),
            );
        }
        if let Some(path) = &self.ssl_cert
            && matches!(self.ssl_mode, SslMode::VerifyCa | SslMode::VerifyFull)
            && !path.is_file()
        {
            reader.problem("DATABASE_SSL_CERT", &format!("there is no file {}", path.display()));
        }
        self.validate_login(reader, "DATABASE_URL", self.application());
        if self.migrate_url.is_some() {
            self.validate_login(reader, "DATABASE_MIGRATE_URL", self.migration());
        }
    }

    fn validate_login(&self, reader: &mut Reader, key: &'static str, login: Login<'_>) {
        let Some(address) = Address::parse(login.url.expose_secret()) else {
            return;
        };
        let (culprit, password) = match login.password {
            Some(password) => ("DATABASE_PASSWORD", Some(password.expose_secret().to_owned())),
            None => (key, address.password.clone()),
        };
        if password.is_some_and(|password| is_default_password(&password, &address.user)) {
            reader.refuse(culprit, "the password is a well-known default or the name of the role");
        }
        if self.ssl_mode == SslMode::Disable && !address.is_private() {
            reader.refuse(
                "DATABASE_SSL_MODE",
                &format!(
                    "without TLS, passwords and data cross the network in the clear to {}",
                    address.host
                ),
            );
        }
    }

    /// How the application logs in.
    #[must_use]
    pub fn application(&self) -> Login<'_> {
        Login {
            url: &self.url,
            password: self.password.as_ref(),
        }
    }

    /// How migrations log in: as the owner of the schema if one is given. `DATABASE_PASSWORD` is the application's
    /// and does not apply to the owner.
    #[must_use]
    pub fn migration(&self) -> Login<'_> {
        self.migrate_url
            .as_ref()
            .map_or_else(|| self.application(), |url| Login { url, password: None })
    }
}

fn is_default_password(password: &str, user: &str) -> bool {
    const DEFAULTS: [&str; 9] = [
        "postgres",
        "password",
        "archzero",
        "arczero",
        "admin",
        "secret",
        "root",
        "test",
        "archzero_dev",
    ];
    let password = password.to_ascii_lowercase();
    is_placeholder(&password) || DEFAULTS.contains(&password.as_str()) || password == user.to_ascii_lowercase()
}

/// The parts of the database's address that matter before there is a connection.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    user: String,
    password: Option<String>,
    /// Empty for the local socket.
    host: String,
    parameters: Vec<(String, String)>,
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))?;
        if rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
            return None;
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if database.contains('/') {
            return None;
        }
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        // Anything else that is special in an address must be percent-encoded, or DATABASE_PASSWORD used instead.
        if login.contains('@') {
            return None;
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (
                    host,
                    if port.is_empty() {
                        None
                    } else {
                        Some(port.strip_prefix(':')?)
                    },
                )
            }
            None => place
                .split_once(':')
                .map_or((place, None), |(host, port)| (host, Some(port))),
        };
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return None;
        }
        let parameters = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=')?;
                Some((decode(name)?, decode(value)?))
            })
            .collect::<Option<Vec<_>>>()?;
        let mut address = Self {
            user: decode(user)?,
            password: match password {
                Some(text) => Some(decode(text)?),
                None => None,
            },
            host: decode(host)?,
            parameters,
        };
        for (parameter, part) in [("user", &mut address.user), ("host", &mut address.host)] {
            if let Some((_, value)) = address.parameters.iter().rev().find(|(name, _)| name == parameter) {
                part.clone_from(value);
            }
        }
        if let Some(password) = address.parameter("password") {
            address.password = Some(password);
        }
        Some(address)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.parameters
            .iter()
            .rev()
            .find(|(parameter, _)| parameter == name)
            .map(|(_, value)| value.clone())
    }

    /// Whether the way to the host stays on this machine or in a private network: a socket, a private address, or a
    /// name that the public name system does not know.
    fn is_private(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            return is_private_address(address);
        }
        let private_zone = [
            ".local",
            ".localhost",
            ".internal",
            ".svc",
            ".cluster.local",
            ".home.arpa",
        ];
        host.starts_with('/') || !host.contains('.') || private_zone.iter().any(|zone| host.ends_with(zone))
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let address = Address::parse("postgresql://arc:p%40ss%2F@db.example.com:5432/arc?sslmode=verify-full").unwrap();
        assert_eq!(
            (address.user.as_str(), address.password.as_deref()),
            ("arc", Some("p@ss/"))
        );
        assert_eq!(
            (address.host.as_str(), address.parameter("sslmode").as_deref()),
            ("db.example.com", Some("verify-full"))
        );
        for good in [
            "postgres://localhost/arc",
            "postgres:///arc?host=/run/postgresql&user=arc",
            "postgres://arc@[::1]:5433/arc",
            "postgres://arc:pw@%2Frun%2Fpostgresql/arc",
            "postgres://arc:with=and&@db/arc",
        ] {
            assert!(Address::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "mysql://a@b/c",
            "localhost:5432/arc",
            "postgres://arc:pa/ss@db/arc",
            "postgres://arc:p@ss@db/arc",
            "postgres://arc:100%@db/arc",
            "postgres://arc:a#b@db/arc",
            "postgres://arc@db:port/arc",
            "postgres://arc@db:99999/arc",
            "postgres://arc@db /arc",
            "postgres://arc@[::1/arc",
            "postgres://arc@db/arc?sslmode",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn private_hosts() {
        for (url, private) in [
            ("postgres://a@localhost/b", true),
            ("postgres://a@postgres:5432/b", true),
            ("postgres://a@postgres.arc.svc.cluster.local/b", true),
            ("postgres://a@10.0.0.5/b", true),
            ("postgres://a@[fd00::5]/b", true),
            ("postgres:///b?host=/run/postgresql", true),
            ("postgres:///b", true),
            ("postgres://a@db.example.com/b", false),
            ("postgres://a@8.8.8.8/b", false),
            ("postgres://a@localhost/b?host=db.example.com", false),
        ] {
            assert_eq!(Address::parse(url).unwrap().is_private(), private, "{url}");
        }
    }

    #[test]
    fn default_passwords() {
        for password in ["postgres", "CHANGE_ME", "change-me-please", "Password", "arc_app"] {
            assert!(is_default_password(password, "arc_app"), "{password}");
        }
        assert!(!is_default_password("c0ffee5a1ad0c0ffee5a1ad0", "arc_app"));
    }
}
