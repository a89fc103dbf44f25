//! Making an API key.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::view::{ApiKeyView, NewApiKey};
use crate::{
    app::AppState,
    auth::{
        Permission, Principal, Scope,
        api_key::{LONGEST_DESCRIPTION, LONGEST_NAME, MOST_KEYS, MOST_NETWORKS, format, network},
        limits::RateLimits,
        routes::view::{by, uncached},
        store::{self, NewKey},
        user::User,
    },
    error::{Code, Error, ErrorEnvelope, Result, Violation, ViolationCode},
    http::{extract::JsonObject, fields::Fields},
    store::transaction,
};

/// A key to be made.
#[derive(ToSchema)]
#[schema(example = json!({
    "name": "Inventory sync", "scopes": ["cards:read", "cards:write", "relationships:*"],
    "expires_at": "2027-06-30T00:00:00Z", "allowed_networks": ["203.0.113.0/24"]
}))]
pub struct CreateApiKey {
    /// What you call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it is for.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// What it may be used for. It never allows more than its owner may do at that moment.
    #[schema(min_items = 1, max_items = 9)]
    scopes: BTreeSet<Scope>,
    /// When it ends: at most `API_KEY_MAX_LIFETIME` from now, and by default then.
    expires_at: Option<DateTime<Utc>>,
    /// Networks it may be used from, as addresses or CIDR ranges; from everywhere when there are none.
    #[schema(max_items = 50)]
    allowed_networks: Option<Vec<String>>,
    /// Quotas of its own, in place of its owner's. Only who manages users may give them.
    rate_limits: Option<RateLimits>,
}

impl CreateApiKey {
    fn read(object: Map<String, Value>, now: DateTime<Utc>, longest: TimeDelta) -> Result<Self> {
        let mut fields = Fields::new(object);
        let name = fields.required_text("name", LONGEST_NAME).trim().to_owned();
        if name.chars().any(char::is_control) {
            let text = "must not contain control characters";
            fields.refuse("name", ViolationCode::PatternMismatch, text, None);
        }
        let request = Self {
            name,
            description: fields.text("description", LONGEST_DESCRIPTION),
            scopes: take_scopes(&mut fields),
            expires_at: take_expiry(&mut fields, now, longest),
            allowed_networks: take_networks(&mut fields),
            rate_limits: RateLimits::take(&mut fields, "rate_limits"),
        };
        fields.done()?;
        Ok(request)
    }
}

fn take_scopes(fields: &mut Fields) -> BTreeSet<Scope> {
    let accepted = || Scope::ALL.map(Scope::name).to_vec();
    let sent = fields.is_given("scopes");
    let names = fields.texts("scopes", 50, 60);
    let mut scopes = BTreeSet::new();
    for (index, name) in names.iter().flatten().enumerate() {
        match Scope::parse(name) {
            Some(scope) if scopes.insert(scope) => {}
            Some(_) => fields.extend([Violation::new(
                format!("scopes[{index}]"),
                ViolationCode::NotAllowedHere,
                "is named twice",
            )
            .provided(&json!(name))]),
            None => fields.extend([Violation::new(
                format!("scopes[{index}]"),
                ViolationCode::NotInOptions,
                "there is no such scope",
            )
            .provided(&json!(name))
            .accepts("allowed_values", accepted())]),
        }
    }
    if !sent || names.is_some_and(|names| names.is_empty()) {
        fields.extend([
            Violation::new("scopes", ViolationCode::Required, "must name at least one scope")
                .accepts("allowed_values", accepted()),
        ]);
    }
    scopes
}

fn take_expiry(fields: &mut Fields, now: DateTime<Utc>, longest: TimeDelta) -> Option<DateTime<Utc>> {
    let text = fields.text("expires_at", 40)?;
    let Ok(at) = DateTime::parse_from_rfc3339(&text) else {
        let message = "must be an instant such as 2027-06-30T00:00:00Z";
        fields.refuse("expires_at", ViolationCode::WrongType, message, Some(&json!(text)));
        return None;
    };
    let at = at.to_utc();
    // A client that computes the latest instant does so a moment before we do.
    let latest = now + longest + TimeDelta::minutes(1);
    if at <= now || at > latest {
        fields.extend([Violation::new(
            "expires_at",
            ViolationCode::OutOfRange,
            format!("must be in the future and at most {} days away", longest.num_days()),
        )
        .provided(&json!(text))
        .accepts("max", json!(latest))]);
        return None;
    }
    Some(at)
}

fn take_networks(fields: &mut Fields) -> Option<Vec<String>> {
    let texts = fields.texts("allowed_networks", MOST_NETWORKS, 60)?;
    let mut networks = BTreeSet::new();
    for (index, text) in texts.iter().enumerate() {
        match network(text) {
            Some(net) => _ = networks.insert(net.to_string()),
            None => fields.extend([Violation::new(
                format!("allowed_networks[{index}]"),
                ViolationCode::PatternMismatch,
                "must be an address or a range such as 203.0.113.0/24",
            )
            .provided(&json!(text))]),
        }
    }
    Some(networks.into_iter().collect())
}

/// Make an API key
///
/// For programs, which send it as `Authorization: Bearer az_…` or as `X-API-Key`. The key is shown once, in this answer; only its
/// digest is kept, so there is no way to see it again, and an `Idempotency-Key` is not kept either. A key cannot make keys:
/// this needs an access token.
#[utoipa::path(
    post, path = "/auth/api-keys", tag = "API keys", operation_id = "create_api_key",
    request_body = CreateApiKey,
    responses(
        (status = 201, description = "The key, shown once", body = NewApiKey, headers(("Location" = String))),
        (status = 403, description = "Only who manages users may give a key quotas of its own, and no key may make keys", body = ErrorEnvelope),
        (status = 422, description = "You have as many keys as one may have", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("authenticated")))
)]
pub async fn create_api_key(
    State(state): State<AppState>,
    caller: Principal,
    JsonObject(body): JsonObject,
) -> Result<Response> {
    let now = state.clock.now();
    let longest = TimeDelta::from_std(state.config.auth.api_key_max_lifetime).unwrap_or(TimeDelta::days(365));
    let request = CreateApiKey::read(body, now, longest)?;
    let rate_limits = request.rate_limits.unwrap_or_default();
    if !rate_limits.is_empty() {
        caller
            .require(Permission::ManageUsers)
            .map_err(|error| error.at("rate_limits"))?;
    }
    let key = format::generate();
    let new = NewKey {
        user_id: caller.user_id,
        prefix: format::prefix(&key).unwrap_or_default().to_owned(),
        digest: format::digest(&key),
        name: request.name,
        description: request.description.filter(|text| !text.trim().is_empty()),
        scopes: request.scopes,
        networks: request.allowed_networks.unwrap_or_default(),
        rate_limits,
        expires_at: request.expires_at.unwrap_or(now + longest),
    };
    let new = &new;
    let row = transaction(&state.db, |conn, _| {
        Box::pin(async move {
            // The owner's row is locked, so that the keys are counted one after the other.
            store::lock_user(conn, new.user_id)
                .await?
                .filter(User::is_active)
                .ok_or_else(|| Error::not_found("user", new.user_id))?;
            let living = store::count_living_keys(conn, new.user_id, now).await?;
            if living >= MOST_KEYS {
                return Err(Error::new(
                    Code::UnprocessableEntity,
                    format!("You have {living} keys, as many as one may have; revoke one that you do not need"),
                )
                .with(json!({ "max_keys": MOST_KEYS })));
            }
            store::insert_key(conn, &by(new.user_id), new, now).await
        })
    })
    .await?;
    state.tail.wrote();
    let id = row.id;
    let about = ApiKeyView::new(row, now);
    let mut response = (StatusCode::CREATED, Json(NewApiKey { key, about })).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/auth/api-keys/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(uncached(response))
}
