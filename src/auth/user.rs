//! People: what is known of them and what may be changed.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    custom_role::{LONGEST_ROLE_NAME, RoleBook},
    role::{Role, RoleName},
};
use crate::{
    error::{Code, Error, Result, Violation, ViolationCode},
    http::fields::Fields,
};

/// Where a person stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Entered by an admin, but has no password yet.
    Invited,
    /// Can log in.
    Active,
    /// Cannot log in, but could be let in again.
    Deactivated,
    /// Forgotten; only the id remains.
    Anonymized,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Invited, Self::Active, Self::Deactivated, Self::Anonymized];

    /// The name clients see.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Anonymized => "anonymized",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// A person, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Identifies the person for ever, also after their name is forgotten.
    pub id: Uuid,
    /// The address as it was given.
    pub email: String,
    /// The name shown to others.
    pub name: String,
    /// Whether they can log in.
    pub status: Status,
    /// What they may do.
    pub roles: Vec<RoleName>,
    /// The organisation they belong to, if the installation serves several.
    pub org_id: Option<Uuid>,
    /// Settings of the person's own programs; the server does not look into them.
    pub preferences: Map<String, Value>,
    /// Counts the changes.
    pub version: i32,
    /// When they were entered.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
    /// When they were deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// When they last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// Whether they ever chose a password.
    pub has_password: bool,
}

impl User {
    /// Whether they can log in as an administrator.
    #[must_use]
    pub fn is_active_admin(&self) -> bool {
        self.status == Status::Active && self.deleted_at.is_none() && self.roles.contains(&Role::Admin.into())
    }

    /// Whether they can log in at all.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == Status::Active && self.deleted_at.is_none()
    }

    /// Replaces everything that tells who it was.
    pub fn forget(&mut self, now: DateTime<Utc>) {
        self.email = format!("deleted-{}@example.com", self.id);
        "Deleted User".clone_into(&mut self.name);
        self.status = Status::Anonymized;
        self.preferences = Map::new();
        self.org_id = None;
        self.deleted_at.get_or_insert(now);
    }

    /// The names of the fields in which this differs from `before`: what the change log may say about a person.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<&'static str> {
        [
            ("email", self.email != before.email),
            ("name", self.name != before.name),
            ("status", self.status != before.status),
            ("roles", self.roles != before.roles),
            ("org_id", self.org_id != before.org_id),
            ("preferences", self.preferences != before.preferences),
            ("deleted_at", self.deleted_at != before.deleted_at),
        ]
        .into_iter()
        .filter_map(|(name, changed)| changed.then_some(name))
        .collect()
    }
}

/// The form of an address under which it is unique.
#[must_use]
pub fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The longest address, as SMTP has it.
const LONGEST_EMAIL: usize = 254;
/// The longest name.
pub const LONGEST_NAME: usize = 200;

/// Whether the text has the shape of an e-mail address. Only a mail that arrives proves more.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"@,;:<>()[]\"\\".contains(c);
    let label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-');
    (1..=64).contains(&local.len())
        && text.len() <= LONGEST_EMAIL
        && local.chars().all(plain)
        && domain.chars().all(plain)
        && domain.split('.').all(label)
}

/// Takes an e-mail address.
pub fn take_email(fields: &mut Fields, name: &'static str) -> Option<String> {
    let email = fields.text(name, LONGEST_EMAIL)?.trim().to_owned();
    if is_email(&email) {
        return Some(email);
    }
    fields.refuse(
        name,
        ViolationCode::PatternMismatch,
        "must be an e-mail address",
        Some(&Value::String(email)),
    );
    None
}

/// Takes a person's name.
pub fn take_name(fields: &mut Fields, name: &'static str) -> Option<String> {
    let text = fields.text(name, LONGEST_NAME)?.trim().to_owned();
    if text.is_empty() {
        fields.refuse(name, ViolationCode::Required, "must not be blank", None);
        return None;
    }
    if text.chars().any(char::is_control) {
        fields.refuse(
            name,
            ViolationCode::PatternMismatch,
            "must not contain control characters",
            None,
        );
        return None;
    }
    Some(text)
}

/// Takes a list of roles: at least one, in the order of their declaration, each once.
pub fn take_roles(fields: &mut Fields, name: &'static str, book: &RoleBook) -> Option<Vec<RoleName>> {
    let names = fields.texts(name, 20, LONGEST_ROLE_NAME)?;
    match roles(&names, book) {
        Ok(roles) => Some(roles),
        Err(violation) => {
            fields.extend([Violation {
                field: name.to_owned(),
                ..violation
            }]);
            None
        }
    }
}

/// The roles of these names.
pub fn roles(names: &[String], book: &RoleBook) -> Result<Vec<RoleName>, Violation> {
    let mut roles = Vec::with_capacity(names.len());
    for name in names {
        let role = RoleName::new(name.clone());
        if !book.knows(&role) {
            return Err(Violation::new(
                "roles",
                ViolationCode::NotInOptions,
                format!("there is no role '{name}'"),
            )
            .provided(&Value::String(name.clone()))
            .accepts("allowed_values", json!(book.names())));
        }
        roles.push(role);
    }
    if roles.is_empty() {
        return Err(
            Violation::new("roles", ViolationCode::Required, "must name at least one role")
                .accepts("allowed_values", json!(book.names())),
        );
    }
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

/// Takes a secret text (a password, a token): what was sent never becomes part of the answer.
pub fn take_secret(fields: &mut Fields, name: &'static str) -> Option<String> {
    let sent = fields.has(name);
    match fields.value(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        Some(Value::String(_)) => {
            fields.refuse(name, ViolationCode::Required, "must not be empty", None);
            None
        }
        None if sent => {
            fields.refuse(name, ViolationCode::Required, "must not be null", None);
            None
        }
        None => None,
        Some(_) => {
            fields.refuse(name, ViolationCode::WrongType, "must be a text", None);
            None
        }
    }
}

/// The name for somebody of whom only the address is known.
#[must_use]
pub fn name_from(email: &str) -> String {
    let local = email.rsplit_once('@').map_or(email, |(local, _)| local);
    local.chars().take(LONGEST_NAME).collect()
}

/// The error for a change that would leave nobody in charge.
#[must_use]
pub fn last_admin() -> Error {
    Error::new(
        Code::Conflict,
        "This is the last active administrator; make somebody else an administrator first",
    )
}

/// RFC 7396: the patch's nulls remove, its objects are merged, everything else replaces.
pub fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => _ = target.remove(&name),
            Value::Object(inner) => {
                let mut merged = match target.remove(&name) {
                    Some(Value::Object(existing)) => existing,
                    _ => Map::new(),
                };
                merge(&mut merged, inner);
                target.insert(name, Value::Object(merged));
            }
            other => _ = target.insert(name, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shape_of_addresses() {
        for good in [
            "a@b",
            "Anna.Berg@example.com",
            "o'neil+tag@sub.example.co.uk",
            "jürgen@exämple.de",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b..c",
            "a@-b",
            "a@@b",
            "a@b\n",
            "<a@b>",
            "a@b,c@d",
            &format!("{}@b", "x".repeat(65)),
        ] {
            assert!(!is_email(bad), "{bad}");
        }
        assert_eq!(email_key("  Anna.Berg@Example.COM "), "anna.berg@example.com");
    }

    #[test]
    fn roles_are_checked_ordered_and_unique() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let book = RoleBook::default();
        assert_eq!(
            roles(&names(&["admin", "viewer", "admin"]), &book).unwrap(),
            [Role::Viewer, Role::Admin].map(RoleName::from)
        );
        assert_eq!(
            roles(&names(&["viewer", "boss"]), &book).unwrap_err().code,
            ViolationCode::NotInOptions
        );
        assert_eq!(roles(&[], &book).unwrap_err().code, ViolationCode::Required);
    }

    #[test]
    fn merging_preferences() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let mut target = object(json!({"a": "b", "c": {"d": "e", "f": "g"}}));
        merge(
            &mut target,
            object(json!({"a": "z", "c": {"f": null}, "n": {"x": null, "y": [1, null]}})),
        );
        assert_eq!(
            Value::Object(target),
            json!({"a": "z", "c": {"d": "e"}, "n": {"y": [1, null]}})
        );
    }

    #[test]
    fn a_refused_secret_is_not_echoed() {
        let mut fields = Fields::new(json!({"password": 4_711_471_147_i64}).as_object().unwrap().clone());
        assert!(take_secret(&mut fields, "password").is_none());
        let text = serde_json::to_string(&fields.finish()).unwrap();
        assert!(text.contains("WRONG_TYPE") && !text.contains("4711"), "{text}");
    }
}
