//! How a key looks: `az_`, twelve public characters, `_`, a secret of 43 characters, a checksum of six. All are digits
//! and letters, so that a double click selects the whole and nothing needs escaping; 43 of them are 256 random bits. The
//! checksum tells a typing error from a wrong key without asking anybody, and lets scanners of leaked secrets recognise
//! a key with certainty: `az_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}`.

use rand::{Rng, distr::Alphanumeric};
use sha2::{Digest, Sha256};

/// What every key begins with.
pub const MARK: &str = "az_";
const PUBLIC: usize = 12;
const SECRET: usize = 43;
const CHECKSUM: usize = 6;
/// The length of every key.
pub const LENGTH: usize = MARK.len() + PUBLIC + 1 + SECRET + CHECKSUM;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key.
#[must_use]
pub fn generate() -> String {
    let mut random = rand::rng().sample_iter(Alphanumeric).map(char::from);
    let public: String = random.by_ref().take(PUBLIC).collect();
    let secret: String = random.take(SECRET).collect();
    let body = format!("{MARK}{public}_{secret}");
    let checksum = checksum(&body);
    body + &checksum
}

/// The SHA-256 of a key: all that is stored of its secret.
#[must_use]
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The public part of a well-formed key; none if it is no key of ours, or one with a typing error in it.
#[must_use]
pub fn prefix(key: &str) -> Option<&str> {
    if key.len() != LENGTH || !key.is_ascii() {
        return None;
    }
    let (public, secret) = key.strip_prefix(MARK)?.split_once('_')?;
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric());
    let (body, sum) = key.split_at(LENGTH - CHECKSUM);
    (public.len() == PUBLIC && plain(public) && plain(secret) && sum == checksum(body))
        .then(|| &key[..MARK.len() + PUBLIC])
}

/// The checksum behind everything before it: the first 32 bits of its SHA-256, in base 62.
#[must_use]
pub fn checksum(body: &str) -> String {
    let hash = Sha256::digest(body.as_bytes());
    let mut number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    digits.iter().map(|b| char::from(*b)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_recognisable_and_never_the_same() {
        let (one, two) = (generate(), generate());
        assert_ne!(one, two);
        assert_eq!(one.len(), 65);
        assert_eq!(prefix(&one), Some(&one[..15]));
        assert!(
            regex::Regex::new("^az_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$")
                .unwrap()
                .is_match(&one)
        );
        // 43 characters out of 62 are at least 256 bits.
        assert!(43.0 * 62_f64.log2() >= 256.0);
    }

    #[test]
    fn a_checksum_is_for_ever() {
        // Keys that were handed out must stay valid: this is the format, not an implementation detail.
        assert_eq!(checksum("az_000000000000_"), "0awFpq");
    }

    #[test]
    fn what_is_no_key_is_told_at_once() {
        let good = generate();
        let secret = &good[16..];
        for bad in [
            String::new(),
            "az_".into(),
            good[..64].into(),
            format!("{good}0"),
            format!(" {good}")[..65].into(),
            good.replacen("az_", "bz_", 1),
            good.to_uppercase(),
            format!("az_{}_{secret}", "0".repeat(11) + "ä"),
            format!("az_{}-{secret}", &good[3..15]),
            "é".repeat(32) + "x",
            "x".repeat(100_000),
        ] {
            assert_eq!(prefix(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_single_typing_error_is_found(at in 0..LENGTH, letter in "[0-9A-Za-z]") {
            let good = generate();
            let mut bad = good.clone();
            bad.replace_range(at..=at, &letter);
            prop_assert_eq!(prefix(&bad).is_some(), bad == good);
        }

        #[test]
        fn nothing_makes_it_panic(text in any::<String>()) {
            prop_assert!(prefix(&text).is_none());
        }
    }
}
