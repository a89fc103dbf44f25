//! Passwords: what is accepted, and hashing that never blocks the async workers.

use std::{collections::HashSet, sync::LazyLock, time::Duration};

use tokio::sync::Semaphore;

use crate::error::{Error, Result, Violation, ViolationCode};

/// The shortest password, in characters.
pub const SHORTEST: usize = 12;
/// The longest password, in bytes: bcrypt ignores everything behind.
pub const LONGEST: usize = 72;

/// Everything that is wrong with a new password. The password itself never becomes part of the answer.
#[must_use]
pub fn violations(field: &str, password: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut refuse = |code, message: String| found.push(Violation::new(field, code, message));
    let characters = password.chars().count();
    if characters < SHORTEST {
        refuse(
            ViolationCode::OutOfRange,
            format!("has {characters} characters, at least {SHORTEST} are required"),
        );
    }
    if password.len() > LONGEST {
        refuse(
            ViolationCode::TooLong,
            format!("has {} bytes, at most {LONGEST} are allowed", password.len()),
        );
    }
    let kinds: [(Kind, &str); 4] = [
        (char::is_uppercase, "an upper-case letter"),
        (char::is_lowercase, "a lower-case letter"),
        (|c| c.is_ascii_digit(), "a digit"),
        (is_symbol, "a symbol"),
    ];
    for (is_kind, name) in kinds {
        if !password.chars().any(is_kind) {
            refuse(ViolationCode::PatternMismatch, format!("must contain {name}"));
        }
    }
    if password.contains('\0') {
        refuse(ViolationCode::PatternMismatch, "must not contain NUL characters".into());
    }
    if is_common(password) {
        refuse(
            ViolationCode::PatternMismatch,
            "is among the passwords that are guessed first".into(),
        );
    }
    for violation in &mut found {
        match violation.code {
            ViolationCode::OutOfRange => _ = violation.accepted.insert("min_length".into(), SHORTEST.into()),
            ViolationCode::TooLong => _ = violation.accepted.insert("max_bytes".into(), LONGEST.into()),
            _ => {}
        }
    }
    found
}

/// A kind of character.
type Kind = fn(char) -> bool;

fn is_symbol(c: char) -> bool {
    !c.is_alphanumeric() && c != '\0'
}

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("common_passwords.txt")
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect()
});

/// Digits and symbols around a common word that do not make it less common: `Password2026!`.
const DECORATION: usize = 8;

/// Whether the password is in the list of common ones, as it stands or as one of its words in the usual disguises:
/// capitals, look-alikes (`P@ssw0rd`), a year or a row of symbols around it.
fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    if COMMON.contains(lower.as_str()) {
        return true;
    }
    let word = lower.trim_matches(|c: char| !c.is_alphabetic());
    let decoration = lower.chars().count() - word.chars().count();
    let plain: String = word.chars().map(unmask).filter(|c| c.is_alphabetic()).collect();
    decoration <= DECORATION && COMMON.contains(plain.as_str())
}

fn unmask(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        other => other,
    }
}

/// As many hashes at a time as there are cores: more would only be slower, together.
static SLOTS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, std::num::NonZero::get)));

/// How long a caller waits for its turn to hash before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
) -> Result<T> {
    let slot = match tokio::time::timeout(PATIENCE, SLOTS.acquire()).await {
        Ok(slot) => slot.map_err(Error::internal)?,
        Err(late) => return Err(Error::unavailable("password check", Some(late.into()))),
    };
    let outcome = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    drop(slot);
    outcome.map_err(Error::internal)
}

/// Hashes a password that [`violations`] found nothing wrong with.
pub async fn hash(password: String, cost: u32) -> Result<String> {
    blocking(move || bcrypt::hash(password, cost)).await
}

/// Whether the password belongs to the hash. Without a hash (an unknown account) the answer is no, after the same work.
pub async fn verify(password: String, hash: Option<String>, cost: u32) -> Result<bool> {
    blocking(move || {
        let fits = password.len() <= LONGEST;
        let hash = hash.filter(|_| fits).unwrap_or_else(|| decoy(cost));
        let matches = bcrypt::verify(&password, &hash)?;
        // A hash from before the cost was raised is quicker to check; make up for it, or the time would tell that the
        // account exists. The costs are powers of two: 2^n is 2^m + 2^m + 2^(m+1) + … + 2^(n-1).
        for missing in cost_of(&hash)..cost {
            bcrypt::verify(&password, &decoy(missing))?;
        }
        Ok(matches)
    })
    .await
}

/// Whether the hash was made at another cost than is configured now.
#[must_use]
pub fn is_outdated(hash: &str, cost: u32) -> bool {
    cost_of(hash) != cost
}

fn cost_of(hash: &str) -> u32 {
    hash.split('$').nth(2).and_then(|c| c.parse().ok()).unwrap_or(u32::MAX)
}

/// A well-formed hash that no known password has.
fn decoy(cost: u32) -> String {
    format!("$2b${cost:02}$GqvgyM1bNJzSR1zMfEpwEuaTQsW1CmzAnEHfmbH9uOnqmCgJtXVZa")
}

/// A password for a person to type once: random, and acceptable to [`violations`].
#[must_use]
pub fn generate() -> String {
    // The secret brings more than 120 random bits; the ends make sure that each kind of character is there.
    let secret = super::secret::generate();
    let letters: String = secret.chars().filter(char::is_ascii_alphanumeric).take(21).collect();
    format!("Aa{letters}-7")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str) -> Vec<String> {
        violations("password", password)
            .into_iter()
            .map(|v| v.message)
            .collect()
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        assert_eq!(
            codes("xyq"),
            [
                "has 3 characters, at least 12 are required",
                "must contain an upper-case letter",
                "must contain a digit",
                "must contain a symbol"
            ]
        );
    }

    #[test]
    fn each_rule_has_a_password_that_breaks_it_alone() {
        for (password, text) in [
            ("Kestrel-7aXy", None),
            ("Kestrel-7aX", Some("has 11 characters")),
            ("kestrel-7axyz", Some("upper-case")),
            ("KESTREL-7AXYZ", Some("lower-case")),
            ("Kestrel-xaXyz", Some("digit")),
            ("Kestrel97aXyz", Some("symbol")),
            ("Kestrel-7aXy\0", Some("NUL")),
            ("Übergröße 7 Kraniche", None),
        ] {
            let found = codes(password);
            match text {
                None => assert_eq!(found, Vec::<String>::new(), "{password}"),
                Some(text) => assert!(found.len() == 1 && found[0].contains(text), "{password}: {found:?}"),
            }
        }
    }

    #[test]
    fn length_counts_characters_below_and_bytes_above() {
        assert!(codes(&format!("Aa1-{}", "x".repeat(68))).is_empty());
        let long = codes(&format!("Aa1-{}", "x".repeat(69)));
        assert!(long.len() == 1 && long[0].contains("73 bytes"), "{long:?}");
        let wide = codes(&format!("Aa1-{}", "é".repeat(35)));
        assert!(wide.len() == 1 && wide[0].contains("74 bytes"), "{wide:?}");
    }

    #[test]
    fn common_passwords_in_their_usual_disguises() {
        for common in [
            "Password123!",
            "P@ssw0rd2026!",
            "Welcome2026!!",
            "Qwertyuiop1!",
            "Administrator1!",
            "!QAZ2wsx#EDC",
            "Summer-2026!!",
            "Changeme-123",
        ] {
            assert!(codes(common).iter().any(|m| m.contains("guessed first")), "{common}");
        }
        for fine in ["Correct-Horse-7", "Dragon8391746254!", "Herons-Password-9"] {
            assert!(codes(fine).is_empty(), "{fine}");
        }
    }

    #[test]
    fn the_refused_password_is_not_in_the_answer() {
        let text = serde_json::to_string(&violations("password", "hunter2-hunter")).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn generated_passwords_are_acceptable() {
        for _ in 0..200 {
            let password = generate();
            assert!(codes(&password).is_empty(), "{password}");
            assert!(password.len() >= 20, "{password}");
        }
    }

    #[tokio::test]
    async fn verifying() {
        let hash = hash("Kestrel-7aXy".into(), 4).await.unwrap();
        assert!(verify("Kestrel-7aXy".into(), Some(hash.clone()), 4).await.unwrap());
        assert!(verify("Kestrel-7aXy".into(), Some(hash.clone()), 5).await.unwrap());
        assert!(!verify("Kestrel-7aXz".into(), Some(hash.clone()), 4).await.unwrap());
        assert!(!verify("Kestrel-7aXy".into(), None, 4).await.unwrap());
        assert!(!is_outdated(&hash, 4));
        assert!(is_outdated(&hash, 12));
    }

    #[tokio::test]
    async fn what_bcrypt_would_cut_off_does_not_match() {
        let password = format!("Aa1-{}", "x".repeat(68));
        let hash = hash(password.clone(), 4).await.unwrap();
        assert!(verify(password.clone(), Some(hash.clone()), 4).await.unwrap());
        assert!(!verify(password + "y", Some(hash), 4).await.unwrap());
    }
}
