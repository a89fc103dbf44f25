//! Where the API listens and how much it lets a request take.

use std::{
    net::{IpAddr, SocketAddr},
    thread::available_parallelism,
    time::Duration,
};

use axum::http::Uri;

use super::{
    application::Environment,
    reader::Reader,
    values::{TrustedProxies, listen_address},
};

/// Where the API listens and how much it lets a request take.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address that the API listens on.
    pub host: IpAddr,
    /// The port that the API listens on; 0 takes any free one.
    pub port: u16,
    /// The address under which clients reach the API, without a slash at the end.
    pub base_url: String,
    /// Threads that answer requests.
    pub workers: usize,
    /// After this time a request is answered with 504.
    pub request_timeout: Duration,
    /// The largest request body in bytes.
    pub max_body_size: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// How long a shutdown waits for requests that are being answered.
    pub shutdown_grace: Duration,
}

impl ServerConfig {
    pub(super) fn read(reader: &mut Reader, env: Environment) -> Self {
        let host = reader.parsed("API_HOST", listen_address);
        let port = reader.integer("API_PORT").unwrap_or(8080);
        Self {
            host: host.unwrap_or(if env.is_local() {
                IpAddr::from([127, 0, 0, 1])
            } else {
                IpAddr::from([0, 0, 0, 0])
            }),
            port,
            base_url: reader
                .parsed("API_BASE_URL", base_url)
                .unwrap_or_else(|| format!("http://localhost:{port}")),
            workers: reader
                .integer("API_WORKERS")
                .unwrap_or_else(|| available_parallelism().map_or(1, std::num::NonZero::get)),
            request_timeout: reader
                .duration("API_REQUEST_TIMEOUT")
                .unwrap_or(Duration::from_secs(30)),
            max_body_size: reader.size("API_MAX_BODY_SIZE").unwrap_or(10_485_760),
            trusted_proxies: reader
                .parsed("TRUSTED_PROXIES", TrustedProxies::parse)
                .unwrap_or_default(),
            shutdown_grace: reader.duration("SHUTDOWN_GRACE").unwrap_or(Duration::from_secs(25)),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        if self.trusted_proxies.trusts_everyone() {
            reader.warn(
                "TRUSTED_PROXIES trusts every address, so every client can choose the address it is seen with".into(),
            );
        }
    }

    /// The socket that the API listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }
}

fn base_url(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let no_login = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    (is_web && has_host && no_login && uri.query().is_none() && !text.contains('#'))
        .then(|| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::base_url;

    #[test]
    fn base_urls() {
        for (text, kept) in [
            ("http://localhost:8080", "http://localhost:8080"),
            ("https://arc.example.com/", "https://arc.example.com"),
            ("https://example.com/arc", "https://example.com/arc"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(base_url(text).as_deref(), Some(kept));
        }
        for text in [
            "",
            "localhost",
            "ftp://a.b",
            "https://",
            "https://u:p@a.b",
            "https://a.b?c=d",
            "https://a.b/#c",
            "a b",
        ] {
            assert_eq!(base_url(text), None, "{text}");
        }
    }
}
