//! Whose key it is that came with a request.

use std::{net::IpAddr, sync::Arc};

use subtle::ConstantTimeEq;

use super::{ApiKey, format};
use crate::{app::AppState, auth::store, error::Result, http::rate_limit::Class};

/// What a presented key turned out to be.
pub enum Checked {
    /// A key of ours; whether it lives is another question.
    Known(Arc<ApiKey>),
    /// None of ours, which counts against the address it came from.
    Guess(&'static str),
    /// Not looked at: too many guesses came from this address.
    Spent,
}

/// Looks a key up. A prefix that does not exist and a wrong secret take the same steps and read the same.
pub async fn check(state: &AppState, presented: &str, address: IpAddr) -> Result<Checked> {
    let Some(prefix) = format::prefix(presented) else {
        return Ok(Checked::Guess("malformed"));
    };
    let digest = format::digest(presented);
    let seen = state.keys.id(&digest);
    if let Some(key) = seen.and_then(|id| state.keys.get(id)) {
        return Ok(Checked::Known(key));
    }
    if seen.is_none() && state.limiter.is_spent(Class::Keys, &address.to_string()) {
        return Ok(Checked::Spent);
    }
    let ticket = state.keys.ticket();
    let mut conn = state.db.acquire().await?;
    let (id, stored) = store::find_key_digest(&mut conn, prefix).await?;
    if !bool::from(stored.ct_eq(&digest)) {
        return Ok(Checked::Guess("unknown"));
    }
    let Some(key) = store::find_api_key(&mut conn, id).await? else {
        return Ok(Checked::Guess("unknown"));
    };
    let key = Arc::new(key);
    state.keys.keep(ticket, digest, &key);
    Ok(Checked::Known(key))
}
