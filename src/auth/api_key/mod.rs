//! Keys with which programs authenticate instead of a person's session. A key says which key it is by its public prefix
//! and proves it by a secret of which only the SHA-256 is stored ([`mod@format`]). What it may do is its scopes
//! ([`Scope`]) and its owner's rights at this moment, whichever is less; which scope a route asks for stands in one
//! place, [`scope::needed`], and is asked by the extractor of [`Principal`](super::Principal), so that no handler can
//! forget it. Whether it still lives is remembered and forgotten like a session's life
//! ([`SessionCache`](super::SessionCache)).

mod cache;
pub mod format;
pub mod scope;
mod verify;

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use uuid::Uuid;

pub use cache::KeyCache;
pub use scope::Scope;
pub(super) use verify::{Checked, check};

use super::limits::RateLimits;

/// What is known of a key besides whether it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Identifies it.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The public part, `az_` and twelve characters.
    pub prefix: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// The networks it may be used from; from everywhere when there is none.
    pub networks: Vec<IpNet>,
    /// Quotas of its own.
    pub limits: RateLimits,
}

impl ApiKey {
    /// Whether it may be used from this address.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address))
    }
}

/// How many keys a person may have at a time that are neither revoked nor expired.
pub const MOST_KEYS: u64 = 100;
/// The longest name of a key.
pub const LONGEST_NAME: usize = 100;
/// The longest description of a key.
pub const LONGEST_DESCRIPTION: usize = 500;
/// How many networks a key may name.
pub const MOST_NETWORKS: usize = 50;

/// A network as clients write it: an address or a CIDR range; host bits are cut off. An IPv4 network written as IPv6 is
/// meant as IPv4, which is how clients are seen.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    let net: IpNet = match text.parse::<IpNet>() {
        Ok(net) => net,
        Err(_) => IpNet::from(text.parse::<IpAddr>().ok()?.to_canonical()),
    };
    let mapped = match net {
        IpNet::V6(six) if six.prefix_len() >= 96 => {
            six.addr().to_ipv4_mapped().map(|four| (four, six.prefix_len() - 96))
        }
        _ => None,
    };
    match mapped {
        Some((four, length)) => IpNet::new(four.into(), length).ok().map(|net| net.trunc()),
        None => Some(net.trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(networks: &[&str]) -> ApiKey {
        ApiKey {
            id: Uuid::nil(),
            user_id: Uuid::nil(),
            prefix: String::new(),
            scopes: BTreeSet::new(),
            networks: networks.iter().map(|text| network(text).unwrap()).collect(),
            limits: RateLimits::default(),
        }
    }

    #[test]
    fn networks_as_they_are_written() {
        for (text, kept) in [
            ("203.0.113.7", Some("203.0.113.7/32")),
            ("203.0.113.7/24", Some("203.0.113.0/24")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("::ffff:10.0.0.1", Some("10.0.0.1/32")),
            ("::ffff:10.0.0.1/104", Some("10.0.0.0/8")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("10.0.0.0/33", None),
            ("10.0.0", None),
            ("example.com", None),
            ("", None),
            (" 10.0.0.1", None),
        ] {
            assert_eq!(network(text).map(|net| net.to_string()).as_deref(), kept, "{text}");
        }
    }

    #[test]
    fn a_key_is_good_from_its_networks_only() {
        let admits = |networks: &[&str], address: &str| key(networks).admits(address.parse().unwrap());
        assert!(admits(&[], "8.8.8.8"));
        assert!(admits(&["10.0.0.0/8", "2001:db8::/32"], "10.200.3.4"));
        assert!(admits(&["10.0.0.0/8"], "::ffff:10.1.1.1"));
        assert!(admits(&["2001:db8::/32"], "2001:db8::7"));
        assert!(!admits(&["10.0.0.0/8"], "11.0.0.1"));
        assert!(!admits(&["10.0.0.0/8"], "::1"));
    }
}
