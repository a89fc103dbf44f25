//! Access tokens: JWT, HS256 only. A token says who and which session; what that session may do is asked of the
//! database ([`super::SessionCache`]), so a token never outlives a revocation.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, errors::ErrorKind,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{store, user::User};
use crate::{
    config::AuthConfig,
    error::{Error, Result},
};

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user.
    pub sub: Uuid,
    /// Their address when the token was issued.
    pub email: String,
    /// Their name when the token was issued.
    pub name: String,
    /// Their roles when the token was issued; for display only.
    pub roles: Vec<String>,
    /// Their organisation.
    pub org_id: Option<Uuid>,
    /// The session.
    pub sid: Uuid,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// Who issued it.
    pub iss: String,
    /// For whom.
    pub aud: String,
}

/// Signs and verifies access tokens.
pub struct Tokens {
    signing: EncodingKey,
    header: Header,
    // The first also signs; the others verify what was issued before the secret was changed.
    keys: Vec<(String, DecodingKey)>,
    validation: Validation,
    issuer: String,
    audience: String,
    lifetime: Duration,
}

/// How far the clocks of two instances may be apart, in seconds.
const LEEWAY: i64 = 10;
/// Longer than any token of ours; what is longer is not even decoded.
const LONGEST: usize = 8192;

impl Tokens {
    /// Takes the secrets from the configuration. Without one, the installation makes its own at the first start and
    /// keeps it in the database, where all instances find it.
    pub async fn new(config: &AuthConfig, conn: &mut PgConnection) -> Result<Self> {
        let secret = match &config.jwt_secret {
            Some(secret) => secret.clone(),
            None => SecretString::from(store::setting(conn, "jwt_secret", &super::secret::generate()).await?),
        };
        Ok(Self::with_secret(config, &secret))
    }

    fn with_secret(config: &AuthConfig, secret: &SecretString) -> Self {
        let keys: Vec<_> = std::iter::once(secret)
            .chain(&config.jwt_previous_secrets)
            .map(|s| (key_id(s), DecodingKey::from_secret(s.expose_secret().as_bytes())))
            .collect();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&config.jwt_issuer]);
        validation.set_audience(&[&config.jwt_audience]);
        // Time is checked below against the application's clock.
        validation.validate_exp = false;
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(key_id(secret));
        Self {
            signing: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
            header,
            keys,
            validation,
            issuer: config.jwt_issuer.clone(),
            audience: config.jwt_audience.clone(),
            lifetime: config.jwt_access_token_expiry,
        }
    }

    /// Seconds for which a new token is good.
    #[must_use]
    pub fn lifetime(&self) -> u64 {
        self.lifetime.as_secs()
    }

    /// A token for a session of the user, issued `now`.
    pub fn issue(&self, user: &User, session: Uuid, now: DateTime<Utc>) -> Result<String> {
        let iat = now.timestamp();
        let claims = Claims {
            sub: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            roles: user.roles.iter().map(|r| r.as_str().to_owned()).collect(),
            org_id: user.org_id,
            sid: session,
            iat,
            exp: iat.saturating_add_unsigned(self.lifetime.as_secs()),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
        };
        encode(&self.header, &claims, &self.signing).map_err(Error::internal)
    }

    /// What the token says, if it is one of ours and good at `now`; else why not, in a word or two.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, &'static str> {
        if token.len() > LONGEST {
            return Err("malformed");
        }
        let header = decode_header(token).map_err(|_| "malformed")?;
        // A token that names its key is checked with that one alone.
        let named = self.keys.iter().find(|(id, _)| header.kid.as_deref() == Some(id));
        let candidates = match named {
            Some(key) => std::slice::from_ref(key),
            None => &self.keys[..],
        };
        let mut claims = Err("bad signature");
        for (_, key) in candidates {
            claims = decode::<Claims>(token, key, &self.validation)
                .map(|data| data.claims)
                .map_err(|e| reason(e.kind()));
            if claims != Err("bad signature") {
                break;
            }
        }
        let claims = claims?;
        let now = now.timestamp();
        if claims.exp.saturating_add(LEEWAY) <= now {
            return Err("expired");
        }
        if claims.iat > now.saturating_add(LEEWAY) {
            return Err("not yet valid");
        }
        Ok(claims)
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "bad signature",
        ErrorKind::InvalidAudience => "wrong audience",
        ErrorKind::InvalidIssuer => "wrong issuer",
        ErrorKind::InvalidAlgorithm => "wrong algorithm",
        ErrorKind::ExpiredSignature => "expired",
        _ => "malformed",
    }
}

/// Tells secrets apart without telling anything about them that a token's signature does not.
fn key_id(secret: &SecretString) -> String {
    hex::encode(
        &Sha256::new()
            .chain_update("kid:")
            .chain_update(secret.expose_secret())
            .finalize()[..6],
    )
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::{role::Role, user::Status};

    fn config(secret: &str, previous: &[&str]) -> AuthConfig {
        AuthConfig {
            jwt_secret: Some(secret.into()),
            jwt_previous_secrets: previous.iter().map(|s| (*s).into()).collect(),
            jwt_access_token_expiry: Duration::from_hours(1),
            jwt_refresh_token_expiry: Duration::from_hours(168),
            jwt_issuer: "issuer".into(),
            jwt_audience: "audience".into(),
            password_hash_cost: 4,
            api_key_max_lifetime: Duration::from_hours(24),
        }
    }

    fn tokens(secret: &str, previous: &[&str]) -> Tokens {
        let config = config(secret, previous);
        Tokens::with_secret(&config, config.jwt_secret.as_ref().unwrap())
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn user() -> User {
        User {
            id: Uuid::from_u128(7),
            email: "anna@example.com".into(),
            name: "Anna".into(),
            status: Status::Active,
            roles: vec![Role::Viewer.into(), Role::Admin.into()],
            org_id: None,
            preferences: serde_json::Map::new(),
            version: 1,
            created_at: now(),
            updated_at: now(),
            deleted_at: None,
            last_login_at: None,
            has_password: true,
        }
    }

    fn forge(secret: &str, header: &Value, claims: &Value) -> String {
        let part = |v: &Value| URL_SAFE_NO_PAD.encode(v.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    fn claims() -> Value {
        json!({
            "sub": Uuid::from_u128(7), "email": "anna@example.com", "name": "Anna", "roles": ["viewer", "admin"], "org_id": null,
            "sid": Uuid::from_u128(9), "iat": 1_800_000_000, "exp": 1_800_003_600, "iss": "issuer", "aud": "audience",
        })
    }

    #[test]
    fn a_token_says_exactly_what_was_agreed() {
        let token = tokens("one", &[]).issue(&user(), Uuid::from_u128(9), now()).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), claims());
        assert_eq!(
            tokens("one", &[]).verify(&token, now()).unwrap().sid,
            Uuid::from_u128(9)
        );
    }

    #[test]
    fn time_is_the_application_clock() {
        let tokens = tokens("one", &[]);
        let token = tokens.issue(&user(), Uuid::nil(), now()).unwrap();
        let at = |seconds| tokens.verify(&token, now() + chrono::Duration::seconds(seconds)).err();
        assert_eq!(at(3609), None);
        assert_eq!(at(3610), Some("expired"));
        assert_eq!(at(-10), None);
        assert_eq!(at(-11), Some("not yet valid"));
    }

    #[test]
    fn old_secrets_verify_until_they_are_removed() {
        let old = tokens("one", &[]).issue(&user(), Uuid::nil(), now()).unwrap();
        assert!(tokens("two", &["zero", "one"]).verify(&old, now()).is_ok());
        assert_eq!(tokens("two", &["zero"]).verify(&old, now()), Err("bad signature"));
        let new = tokens("two", &["one"]).issue(&user(), Uuid::nil(), now()).unwrap();
        assert_eq!(tokens("one", &[]).verify(&new, now()), Err("bad signature"));
        // Without a key id all keys are tried.
        let bare = forge("one", &json!({"alg": "HS256"}), &claims());
        assert!(tokens("two", &["one"]).verify(&bare, now()).is_ok());
    }

    #[test]
    fn forged_tokens_are_refused() {
        let tokens = tokens("one", &[]);
        let hs256 = json!({"alg": "HS256", "typ": "JWT"});
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            claims
        };
        let good = forge("one", &hs256, &claims());
        assert!(tokens.verify(&good, now()).is_ok());
        let unsigned = format!(
            "{}.",
            forge("one", &json!({"alg": "none"}), &claims())
                .rsplit_once('.')
                .unwrap()
                .0
        );
        let parts: Vec<&str> = good.split('.').collect();
        let raised = forge("two", &hs256, &with("roles", json!(["admin"])));
        for (token, expected) in [
            (forge("two", &hs256, &claims()), "bad signature"),
            (
                format!("{}.{}.{}", parts[0], raised.split('.').nth(1).unwrap(), parts[2]),
                "bad signature",
            ),
            (forge("one", &hs256, &with("aud", json!("other"))), "wrong audience"),
            (forge("one", &hs256, &with("iss", json!("other"))), "wrong issuer"),
            (forge("one", &json!({"alg": "HS512"}), &claims()), "wrong algorithm"),
            (forge("one", &json!({"alg": "RS256"}), &claims()), "wrong algorithm"),
            (unsigned, "malformed"),
            (forge("one", &hs256, &with("exp", Value::Null)), "malformed"),
            (forge("one", &hs256, &with("exp", json!(-1))), "malformed"),
            (forge("one", &hs256, &with("exp", json!(1))), "expired"),
            (
                forge("one", &hs256, &with("aud", json!(["audience", "other"]))),
                "malformed",
            ),
            (forge("one", &hs256, &with("sid", json!("x"))), "malformed"),
            (forge("one", &hs256, &json!([])), "malformed"),
            (String::new(), "malformed"),
            ("a.b.c".into(), "malformed"),
            ("ä".repeat(10), "malformed"),
            (good.clone() + "x".repeat(9000).as_str(), "malformed"),
        ] {
            assert_eq!(tokens.verify(&token, now()), Err(expected), "{token}");
        }
    }
}
