//! The kinds of value a key can have, and how each is read from text. Every reader here gives `None` for what it does
//! not accept; [`super::keys::Accepts`] says in words what it would have accepted.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use ipnet::IpNet;

/// So many requests in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests that the window allows.
    pub count: u32,
    /// Length of the window.
    pub window: Duration,
}

/// The longest window of a quota: beyond a month it is not a rate any more.
const LONGEST_WINDOW: Duration = Duration::from_hours(31 * 24);

impl Quota {
    /// Reads `1000`, `1000/h` or `10/15min`; a bare number keeps `window`.
    pub(super) fn parse(text: &str, window: Duration) -> Option<Self> {
        let (count, window) = match text.split_once('/') {
            None => (text, window),
            Some((count, per)) => {
                let per = per.trim();
                let bare_unit = per.starts_with(|c: char| c.is_ascii_alphabetic());
                (
                    count,
                    if bare_unit {
                        duration(&format!("1{per}"))?
                    } else {
                        duration(per)?
                    },
                )
            }
        };
        let count: u32 = digits(count.trim())?;
        (count > 0 && window >= Duration::from_secs(1) && window <= LONGEST_WINDOW).then_some(Self { count, window })
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// What `private` stands for: loopback, the private ranges of RFC 1918 and RFC 4193, link-local addresses.
const PRIVATE: [&str; 8] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

impl TrustedProxies {
    /// Whether a connection from this address comes from a trusted proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        // A socket that listens on `::` sees IPv4 peers as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Whether no proxy is trusted: the peer of the connection is the client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any address at all counts as a proxy, so that every client can choose its own address.
    pub(super) fn trusts_everyone(&self) -> bool {
        self.0.iter().any(|net| net.prefix_len() == 0)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut nets = Vec::new();
        for item in list(text) {
            if item.eq_ignore_ascii_case("private") {
                nets.extend(private_nets());
            } else {
                let net = item
                    .parse::<IpNet>()
                    .ok()
                    .or_else(|| item.parse::<IpAddr>().ok().map(IpNet::from))?;
                nets.push(net.trunc());
            }
        }
        Some(Self(nets))
    }
}

fn private_nets() -> impl Iterator<Item = IpNet> {
    PRIVATE.iter().filter_map(|net| net.parse().ok())
}

/// Whether an address is loopback, private or link-local.
pub(super) fn is_private_address(address: IpAddr) -> bool {
    let address = address.to_canonical();
    private_nets().any(|net| net.contains(&address))
}

/// `true`/`false`, `yes`/`no`, `on`/`off`, `1`/`0`.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A whole number without sign, in plain digits (`parse` alone would take `+5`).
pub(super) fn digits<T: FromStr>(text: &str) -> Option<T> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `30`, `30s`, `5m`, `15 min`, `1h`, `7d`, `250ms`; a bare number is seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let millis_per_unit: u64 = match unit.as_str() {
        "ms" => 1,
        "" | "s" | "sec" | "second" | "seconds" => 1000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis_per_unit)?))
}

/// `10485760`, `512KiB`, `10MB`, `1G`; all units are powers of 1024.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let bytes_per_unit: u64 = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(bytes_per_unit)
}

fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((digits(number)?, unit.trim().to_ascii_lowercase()))
}

/// The parts of a comma-separated list, trimmed, without empty ones.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// An address to listen on: an IP address or `localhost`.
pub(super) fn listen_address(text: &str) -> Option<IpAddr> {
    if text.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    text.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The path of a route of ours: `/a/b-c`, nothing that a router or a proxy reads as something else.
pub(super) fn route_path(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let segments = text.strip_prefix('/')?.split('/');
    let clean = segments
        .clone()
        .all(|part| !part.is_empty() && part.chars().all(plain) && part != "." && part != "..");
    clean.then(|| text.to_owned())
}

/// A duration in the largest unit that divides it, as the documentation writes it.
pub(super) struct Readable(pub Duration);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        for (per_unit, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")] {
            if millis.is_multiple_of(per_unit) && (millis > 0 || unit == "s") {
                return write!(f, "{} {unit}", millis / per_unit);
            }
        }
        write!(f, "{millis} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("30", 30_000),
            ("30s", 30_000),
            ("5m", 300_000),
            ("15 min", 900_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("250ms", 250),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1",
            "+1",
            "1.5h",
            "30 parsecs",
            "99999999999999999999",
            "18446744073709551615d",
            "٣s",
        ] {
            assert_eq!(duration(text), None, "{text}");
        }
        for (duration, text) in [
            (0, "0 s"),
            (250, "250 ms"),
            (1000, "1 s"),
            (90_000, "90 s"),
            (7_200_000, "2 h"),
        ] {
            assert_eq!(Readable(Duration::from_millis(duration)).to_string(), text);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("10485760", 10_485_760),
            ("512KiB", 524_288),
            ("10 MB", 10_485_760),
            ("1G", 1 << 30),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "MB", "1.5MB", "-1", "10 XB", "18446744073709551615k"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn quotas() {
        let hour = Duration::from_hours(1);
        for (text, count, seconds) in [
            ("1000", 1000, 3600),
            ("1000/h", 1000, 3600),
            ("10/15min", 10, 900),
            ("10 / 15 min", 10, 900),
            ("1200/min", 1200, 60),
            ("5/90", 5, 90),
        ] {
            let expected = Quota {
                count,
                window: Duration::from_secs(seconds),
            };
            assert_eq!(Quota::parse(text, hour), Some(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "-5",
            "5/",
            "/h",
            "5/0s",
            "5/100ms",
            "5/365d",
            "5/h/h",
            "99999999999",
            "many/h",
        ] {
            assert_eq!(Quota::parse(text, hour), None, "{text}");
        }
    }

    #[test]
    fn proxies() {
        let proxies = TrustedProxies::parse("private, 203.0.113.7, 198.51.100.9/24 ,2001:db8::/32").unwrap();
        for trusted in [
            "127.0.0.1",
            "10.1.2.3",
            "::1",
            "fd00::1",
            "203.0.113.7",
            "198.51.100.200",
            "2001:db8::9",
        ] {
            assert!(proxies.contains(trusted.parse().unwrap()), "{trusted}");
        }
        assert!(
            proxies.contains("::ffff:10.0.0.1".parse().unwrap()),
            "an IPv4 peer of an IPv6 socket"
        );
        for stranger in ["8.8.8.8", "203.0.113.8", "172.32.0.1", "2001:db9::1"] {
            assert!(!proxies.contains(stranger.parse().unwrap()), "{stranger}");
        }
        assert!(TrustedProxies::parse("").unwrap().is_empty());
        assert!(TrustedProxies::parse("0.0.0.0/0").unwrap().trusts_everyone());
        for text in ["10.0.0.0/33", "nginx", "10.0.0.0/8;127.0.0.1", "private network"] {
            assert_eq!(TrustedProxies::parse(text), None, "{text}");
        }
    }

    #[test]
    fn small_things() {
        assert_eq!(flag("Yes"), Some(true));
        assert_eq!(flag("off"), Some(false));
        assert_eq!(flag("maybe"), None);
        assert_eq!(listen_address("localhost"), Some(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(listen_address("[::]"), "::".parse().ok());
        assert_eq!(listen_address("example.com"), None);
        for good in ["/health", "/status/full", "/-/healthy"] {
            assert_eq!(route_path(good).as_deref(), Some(good));
        }
        for bad in ["", "/", "health", "/a/", "//a", "/a b", "/{id}", "/a?b", "/../a", "/*"] {
            assert_eq!(route_path(bad), None, "{bad}");
        }
    }
}
