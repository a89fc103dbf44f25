//! What clients see of people and of a log-in.

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::client::{self, Client};
use crate::{
    app::AppState,
    auth::{
        Granted, Permission, RateLimits, Rights, RoleName, store,
        user::{Status, User},
    },
    error::{Code, Error, Result},
    http::rate_limit::{self, Class},
    store::Author,
};

/// Card types that somebody's rights cover, by name; `*` alone stands for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"view": ["*"], "create": ["Application"], "edit": ["Application", "Interface"], "delete": []}))]
pub struct RightsView {
    /// Cards that exist for them.
    pub view: Vec<String>,
    /// Cards they may create.
    pub create: Vec<String>,
    /// Cards they may change, and whose outgoing relationships they may make and change.
    pub edit: Vec<String>,
    /// Cards they may delete and restore, and whose outgoing relationships they may delete.
    pub delete: Vec<String>,
}

impl From<&Rights> for RightsView {
    fn from(rights: &Rights) -> Self {
        Self {
            view: rights.view.to_names(),
            create: rights.create.to_names(),
            edit: rights.edit.to_names(),
            delete: rights.delete.to_names(),
        }
    }
}

/// A person, as administrators see them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UserView {
    /// Identifies the person.
    pub id: Uuid,
    /// Their e-mail address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Whether they can log in.
    pub status: Status,
    /// Their roles.
    pub roles: Vec<RoleName>,
    /// Everything their roles allow, those included that hold for some card types only.
    pub permissions: Vec<Permission>,
    /// For which card types.
    pub rights: RightsView,
    /// Their organisation.
    pub org_id: Option<Uuid>,
    /// Counts the changes.
    pub version: i32,
    /// When they were entered.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
    /// When they last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// When they were deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
}

impl UserView {
    /// The person, with what their roles allow.
    pub fn new(user: &User, granted: &Granted) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            status: user.status,
            permissions: granted.rights.permissions.iter().copied().collect(),
            rights: RightsView::from(&*granted.rights),
            roles: user.roles.clone(),
            org_id: user.org_id,
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login_at: user.last_login_at,
            deleted_at: user.deleted_at,
        }
    }
}

/// A person, as they see themselves.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProfileView {
    /// What administrators see as well.
    #[serde(flatten)]
    pub user: UserView,
    /// Settings of the person's own programs.
    pub preferences: Map<String, Value>,
    /// Quotas of their own, in place of the installation's; absent when they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,
}

impl ProfileView {
    /// The person, with what their roles allow.
    pub fn new(user: User, granted: &Granted) -> Self {
        Self {
            user: UserView::new(&user, granted),
            rate_limits: (!granted.rate_limits.is_empty()).then_some(granted.rate_limits),
            preferences: user.preferences,
        }
    }
}

/// Who has logged in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LoggedInUser {
    /// Identifies the person.
    pub id: Uuid,
    /// Their e-mail address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their roles.
    pub roles: Vec<RoleName>,
    /// Everything their roles allow, those included that hold for some card types only.
    pub permissions: Vec<Permission>,
    /// For which card types: enough to hide what would be refused.
    pub rights: RightsView,
}

/// A log-in, or its renewal.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LoginAnswer {
    /// To be sent as `Authorization: Bearer …`.
    pub access_token: String,
    /// Good for one call of `/auth/refresh`; absent when it was sent as a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds for which the access token is good.
    pub expires_in: u64,
    /// Who has logged in.
    pub user: LoggedInUser,
}

/// The answer that hands out the tokens of a session.
pub async fn logged_in(
    state: &AppState,
    user: &User,
    session: Uuid,
    refresh_token: &str,
    as_cookie: bool,
) -> Result<Response> {
    let mut conn = state.db.acquire().await?;
    let granted = store::grant(&mut conn, &user.roles).await?;
    drop(conn);
    let answer = LoginAnswer {
        access_token: state.tokens.issue(user, session, state.clock.now())?,
        refresh_token: (!as_cookie).then(|| refresh_token.to_owned()),
        token_type: "Bearer",
        expires_in: state.tokens.lifetime(),
        user: LoggedInUser {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            permissions: granted.rights.permissions.iter().copied().collect(),
            rights: RightsView::from(&*granted.rights),
            roles: user.roles.clone(),
        },
    };
    let mut response = Json(answer).into_response();
    if as_cookie {
        client::set_cookie(
            &mut response,
            refresh_token,
            state.config.auth.jwt_refresh_token_expiry.as_secs(),
        );
    }
    Ok(uncached(response))
}

/// Tokens and secrets are for nobody to keep on the way.
pub fn uncached(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// How long a session lasts from now unless it is refreshed.
pub fn session_lifetime(state: &AppState) -> chrono::Duration {
    chrono::Duration::from_std(state.config.auth.jwt_refresh_token_expiry).unwrap_or(chrono::Duration::days(7))
}

/// A change that somebody makes to themselves, or that is made by whoever holds a secret of theirs.
pub fn by(user: Uuid) -> Author {
    Author {
        actor_id: Some(user),
        request_id: Some(crate::http::request_id()),
        reason: None,
    }
}

/// Counts a use of log-in per account and address, on top of what is counted per address alone.
pub async fn limited(
    state: &AppState,
    account: &[u8],
    client: &Client,
    work: impl Future<Output = Result<Response>>,
) -> Response {
    let subject = format!("{}|{}", hex::encode(account), client.ip);
    rate_limit::limited(state, Class::Auth, &subject, None, async { work.await.into_response() }).await
}

/// A refresh token or one-time link that is of no use.
pub fn useless(what: &str, reason: &str) -> Error {
    Error::new(Code::InvalidToken, format!("This {what} is not accepted: {reason}")).with(json!({ "reason": reason }))
}
