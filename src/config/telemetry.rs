//! Metrics and health checks.

use std::net::{IpAddr, SocketAddr};

use super::{
    reader::Reader,
    server::ServerConfig,
    values::{listen_address, route_path},
};

/// Metrics and health checks.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// Whether metrics are collected and served.
    pub metrics_enabled: bool,
    /// The address that metrics are served on.
    pub metrics_host: IpAddr,
    /// The port that metrics are served on; 0 takes any free one.
    pub metrics_port: u16,
    /// The path that metrics are served under.
    pub metrics_path: String,
    /// Whether the health routes exist.
    pub health_check_enabled: bool,
    /// The path of the full check.
    pub health_check_path: String,
}

impl TelemetryConfig {
    pub(super) fn read(reader: &mut Reader, server: &ServerConfig) -> Self {
        Self {
            metrics_enabled: reader.flag("METRICS_ENABLED"),
            metrics_host: reader.parsed("METRICS_HOST", listen_address).unwrap_or(server.host),
            metrics_port: reader.integer("METRICS_PORT").unwrap_or(9090),
            metrics_path: reader.parsed("METRICS_PATH", route_path).unwrap_or_default(),
            health_check_enabled: reader.flag("HEALTH_CHECK_ENABLED"),
            health_check_path: reader.parsed("HEALTH_CHECK_PATH", health_path).unwrap_or_default(),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader, server: &ServerConfig) {
        let same_host =
            self.metrics_host == server.host || self.metrics_host.is_unspecified() || server.host.is_unspecified();
        if self.metrics_enabled && same_host && self.metrics_port == server.port && server.port != 0 {
            reader.problem("METRICS_PORT", "API_PORT is the same; metrics need a port of their own");
        }
        // The metrics port serves the full check too, with causes.
        if self.metrics_path == self.health_check_path && !reader.any_bad(&["METRICS_PATH", "HEALTH_CHECK_PATH"]) {
            reader.problem("METRICS_PATH", "HEALTH_CHECK_PATH is the same");
        }
    }

    /// The socket that metrics are served on.
    #[must_use]
    pub fn metrics_address(&self) -> SocketAddr {
        SocketAddr::new(self.metrics_host, self.metrics_port)
    }
}

/// A path that collides with no other route: the API has everything below `/api`, and the usual paths exist always.
fn health_path(text: &str) -> Option<String> {
    let path = route_path(text)?;
    let first = path.split('/').nth(1)?;
    let taken = ["api", "health", "ready", "live"].contains(&first) && path != "/health";
    (!taken).then_some(path)
}
