//! A role as clients send it.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{
    auth::{
        CustomRole, EVERY_TYPE, Permission, RateLimits, Role, RoleName, TypeScope,
        custom_role::{LONGEST_ROLE_DESCRIPTION, LONGEST_ROLE_NAME},
        user::merge,
    },
    error::{Result, Violation, ViolationCode},
    http::fields::Fields,
};

/// As many card types as a list may name.
const MOST_TYPES: usize = 500;

/// A role as clients send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
#[schema(example = json!({
    "name": "Application owner", "description": "Keeps applications and their interfaces current",
    "view": ["*"], "create": ["Interface"], "edit": ["Application", "Interface"], "delete": ["Interface"],
    "rate_limits": {"standard": {"count": 5000, "window_seconds": 3600}}
}))]
pub struct RoleBody {
    /// 1 to 60 characters; unique, capitals or not.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Card types whose cards exist for its bearers; `*` stands for all, also those still to come.
    #[schema(max_items = 500)]
    view: Vec<String>,
    /// Card types of which they may create cards. This and the next two may name only what `view` does.
    #[schema(max_items = 500)]
    create: Option<Vec<String>>,
    /// Card types whose cards they may change, outgoing relationships included.
    #[schema(max_items = 500)]
    edit: Option<Vec<String>>,
    /// Card types whose cards they may delete and restore, outgoing relationships included.
    #[schema(max_items = 500)]
    delete: Option<Vec<String>>,
    /// They decide on exceptions, standards, policies.
    #[schema(default = false)]
    manage_governance: Option<bool>,
    /// They change card types, metamodel rules and relationship types.
    #[schema(default = false)]
    manage_metamodel: Option<bool>,
    /// They administer users and roles, within what they may do themselves.
    #[schema(default = false)]
    manage_users: Option<bool>,
    /// They read the whole audit trail.
    #[schema(default = false)]
    read_audit: Option<bool>,
    /// They configure webhooks and other integrations.
    #[schema(default = false)]
    manage_integrations: Option<bool>,
    /// Quotas of their own, in place of the installation's. Setting them takes every right there is.
    rate_limits: Option<RateLimits>,
}

/// What of a role can change; lists are replaced whole.
#[derive(ToSchema)]
#[schema(example = json!({"view": ["Application", "ITComponent"], "edit": ["Application"]}))]
#[expect(dead_code, reason = "describes the body, which is read field by field")]
pub struct RolePatch {
    /// The new name; its bearers carry the role under this one from then on.
    #[schema(min_length = 1, max_length = 60)]
    name: Option<String>,
    /// What it is for; null removes.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Card types whose cards exist for its bearers; `*` stands for all.
    #[schema(max_items = 500)]
    view: Option<Vec<String>>,
    /// Card types of which they may create cards.
    #[schema(max_items = 500)]
    create: Option<Vec<String>>,
    /// Card types whose cards they may change.
    #[schema(max_items = 500)]
    edit: Option<Vec<String>>,
    /// Card types whose cards they may delete and restore.
    #[schema(max_items = 500)]
    delete: Option<Vec<String>>,
    /// They decide on exceptions, standards, policies.
    manage_governance: Option<bool>,
    /// They change card types, metamodel rules and relationship types.
    manage_metamodel: Option<bool>,
    /// They administer users and roles.
    manage_users: Option<bool>,
    /// They read the whole audit trail.
    read_audit: Option<bool>,
    /// They configure webhooks and other integrations.
    manage_integrations: Option<bool>,
    /// Merged into those there are; a class that is null has the installation's again.
    rate_limits: Option<RateLimits>,
}

const READ_ONLY: &[&str] = &["id", "built_in", "user_count", "version", "created_at", "updated_at"];
const WRITABLE: &[&str] = &[
    "name",
    "description",
    "view",
    "create",
    "edit",
    "delete",
    "manage_governance",
    "manage_metamodel",
    "manage_users",
    "read_audit",
    "manage_integrations",
    "rate_limits",
];

/// What is said of a role.
#[derive(Debug)]
pub struct Draft {
    name: RoleName,
    description: Option<String>,
    view: TypeScope,
    create: TypeScope,
    edit: TypeScope,
    delete: TypeScope,
    permissions: Vec<Permission>,
    rate_limits: RateLimits,
}

/// Tells, of a card type that does not exist, those with similar names.
pub type Unknown<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

impl Draft {
    /// Reads a whole role.
    pub fn read(object: Map<String, Value>, unknown: Unknown<'_>) -> Result<Self> {
        Self::from_fields(Fields::new(object), unknown)
    }

    /// Reads a merge patch of a role.
    pub fn patch(role: &CustomRole, patch: &Map<String, Value>, unknown: Unknown<'_>) -> Result<Self> {
        let mut body = role_body(role);
        merge(&mut body, patch.clone());
        let mut fields = Fields::new(body);
        fields.refuse_nulls(patch, WRITABLE, READ_ONLY);
        Self::from_fields(fields, unknown)
    }

    fn from_fields(mut fields: Fields, unknown: Unknown<'_>) -> Result<Self> {
        fields.read_only(READ_ONLY);
        let name = take_name(&mut fields);
        let description = fields
            .text("description", LONGEST_ROLE_DESCRIPTION)
            .filter(|text| !text.trim().is_empty());
        if !fields.is_given("view") {
            fields.refuse(
                "view",
                ViolationCode::Required,
                "is required: card types, or [\"*\"] for all",
                None,
            );
        }
        let view = take_types(&mut fields, "view", unknown);
        let [create, edit, delete] = ["create", "edit", "delete"].map(|right| {
            let scope = take_types(&mut fields, right, unknown);
            if !view.includes(&scope) {
                let message = "names more than 'view' does: what cannot be seen cannot be changed";
                let violation = Violation::new(right, ViolationCode::NotAllowedHere, message);
                fields.extend([violation.accepts("view", view.to_names())]);
            }
            scope
        });
        let permissions = Permission::MANAGEMENT
            .into_iter()
            .filter(|permission| fields.boolean(permission.name()).unwrap_or(false))
            .collect();
        let rate_limits = RateLimits::take(&mut fields, "rate_limits").unwrap_or_default();
        fields.done()?;
        Ok(Self {
            name,
            description,
            view,
            create,
            edit,
            delete,
            permissions,
            rate_limits,
        })
    }

    /// The role as it is with what is said here.
    pub fn applied_to(self, role: &CustomRole) -> CustomRole {
        CustomRole {
            name: self.name,
            description: self.description,
            view: self.view,
            create: self.create,
            edit: self.edit,
            delete: self.delete,
            permissions: self.permissions,
            rate_limits: self.rate_limits,
            ..role.clone()
        }
    }
}

fn role_body(role: &CustomRole) -> Map<String, Value> {
    let mut body = Map::from_iter([
        ("name".to_owned(), json!(role.name)),
        ("description".to_owned(), json!(role.description)),
        ("view".to_owned(), json!(role.view.to_names())),
        ("create".to_owned(), json!(role.create.to_names())),
        ("edit".to_owned(), json!(role.edit.to_names())),
        ("delete".to_owned(), json!(role.delete.to_names())),
        ("rate_limits".to_owned(), json!(role.rate_limits)),
    ]);
    for permission in Permission::MANAGEMENT {
        body.insert(
            permission.name().to_owned(),
            role.permissions.contains(&permission).into(),
        );
    }
    body
}

/// A name without control characters, its white space made single; none that a built-in role has.
fn take_name(fields: &mut Fields) -> RoleName {
    let text = fields.required_text("name", LONGEST_ROLE_NAME);
    let name = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let value = Value::String(text);
    if name.chars().any(char::is_control) {
        let message = "must not contain control characters";
        fields.refuse("name", ViolationCode::PatternMismatch, message, Some(&value));
    } else if Role::parse(&name.to_lowercase()).is_some() {
        let message = "is the name of a built-in role";
        fields.refuse("name", ViolationCode::NotAllowedHere, message, Some(&value));
    }
    RoleName::new(name)
}

fn take_types(fields: &mut Fields, field: &'static str, unknown: Unknown<'_>) -> TypeScope {
    let names = fields.texts(field, MOST_TYPES, 60).unwrap_or_default();
    for (at, name) in names.iter().enumerate().filter(|(_, name)| *name != EVERY_TYPE) {
        let Some(similar) = unknown(name) else { continue };
        let message = match similar.first() {
            Some(close) => format!("there is no such card type; did you mean {close}?"),
            None => "there is no such card type".to_owned(),
        };
        let violation = Violation::new(format!("{field}[{at}]"), ViolationCode::NotInOptions, message);
        fields.extend([violation.provided(&json!(name)).accepts("did_you_mean", similar)]);
    }
    TypeScope::from_names(names)
}
