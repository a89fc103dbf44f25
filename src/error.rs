//! The one error of the house. Rooms build it with the constructors below, which know nothing of HTTP; only the
//! `IntoResponse` at the end of this file turns it into an answer.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Result with the house's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by the name that clients program against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// One or more fields break a rule; `details.violations` lists all of them.
    ValidationError,
    /// The request itself is malformed: JSON, query parameter, identifier.
    InvalidRequest,
    /// A cursor that belongs to another sort or filter.
    CursorMismatch,
    /// No, an expired or an unacceptable token.
    InvalidToken,
    /// Wrong e-mail address or password.
    InvalidCredentials,
    /// The caller's roles do not allow this.
    InsufficientPermissions,
    /// There is no such thing, or no such route.
    NotFound,
    /// The feature is switched off on this installation.
    FeatureDisabled,
    /// The route exists, but not with this method.
    MethodNotAllowed,
    /// Something else already holds the name or identifier.
    Conflict,
    /// The same edge exists with overlapping validity.
    DuplicateRelationship,
    /// The edge would break the cardinality of its type.
    CardinalityViolation,
    /// Others depend on what was to be deleted.
    HasDependents,
    /// A request with the same idempotency key is still running.
    IdempotencyInProgress,
    /// The cursor belongs to an earlier epoch of the change log.
    CursorExpired,
    /// `If-Match` names a version that is not the current one.
    PreconditionFailed,
    /// This request must carry `If-Match`.
    PreconditionRequired,
    /// The body is larger than the server accepts.
    PayloadTooLarge,
    /// The body is not of a media type this route takes.
    UnsupportedMediaType,
    /// The ontology has no such edge between these types.
    RelationshipNotAllowed,
    /// An edge from a card to itself.
    SelfRelationship,
    /// The edge would close a cycle where none may be.
    CycleDetected,
    /// The cost shares given away by one card would exceed 1.
    AllocationExceeded,
    /// No new cards or edges of a deprecated type.
    TypeDeprecated,
    /// The idempotency key was used with another request.
    IdempotencyMismatch,
    /// Well-formed and valid, but impossible now.
    UnprocessableEntity,
    /// Too many failed log-ins.
    AccountLocked,
    /// The caller has used up a rate limit.
    RateLimitExceeded,
    /// A defect of the server.
    InternalServerError,
    /// A dependency does not answer.
    ServiceUnavailable,
    /// The request took longer than the server allows.
    Timeout,
}

impl Code {
    /// The HTTP status that goes with the code.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::ValidationError | Self::InvalidRequest | Self::CursorMismatch => StatusCode::BAD_REQUEST,
            Self::InvalidToken | Self::InvalidCredentials => StatusCode::UNAUTHORIZED,
            Self::InsufficientPermissions => StatusCode::FORBIDDEN,
            Self::NotFound | Self::FeatureDisabled => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict
            | Self::DuplicateRelationship
            | Self::CardinalityViolation
            | Self::HasDependents
            | Self::IdempotencyInProgress => StatusCode::CONFLICT,
            Self::CursorExpired => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RelationshipNotAllowed
            | Self::SelfRelationship
            | Self::CycleDetected
            | Self::AllocationExceeded
            | Self::TypeDeprecated
            | Self::IdempotencyMismatch
            | Self::UnprocessableEntity => StatusCode::UNPROCESSABLE_ENTITY,
            Self::AccountLocked => StatusCode::LOCKED,
            Self::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The code as clients see it, for example `NOT_FOUND`.
    #[must_use]
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// Why a field was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ViolationCode {
    /// A required value is missing.
    Required,
    /// The value has another type than the field.
    WrongType,
    /// The value is not one of the options.
    NotInOptions,
    /// The text does not match the required pattern.
    PatternMismatch,
    /// A number or date outside its range.
    OutOfRange,
    /// A text or list longer than allowed.
    TooLong,
    /// A reference to something that does not exist.
    UnknownReference,
    /// A field that this body does not have.
    UnknownField,
    /// The field exists, but not on this card type.
    NotAllowedHere,
    /// The server computes this value.
    ReadOnly,
    /// Lifecycle or validity dates that decrease.
    DatesOutOfOrder,
}

/// One broken rule: where, why, and what would be accepted.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Violation {
    /// Path of the field, for example `attributes.hosting_type`.
    pub field: String,
    /// Why it was refused.
    pub code: ViolationCode,
    /// A sentence for a person.
    pub message: String,
    /// The metamodel rule that was broken, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<uuid::Uuid>,
    /// What was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provided_value: Option<Value>,
    /// What would be accepted: `allowed_values`, `required_pattern`, `min`, `max`, `max_length` …
    #[serde(flatten)]
    pub accepted: serde_json::Map<String, Value>,
}

impl Violation {
    /// A violation of `code` at `field`.
    #[must_use]
    pub fn new(field: impl Into<String>, code: ViolationCode, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code,
            message: message.into(),
            rule_id: None,
            provided_value: None,
            accepted: serde_json::Map::new(),
        }
    }

    /// Adds what was sent; long values are cut so that an answer never echoes a huge request.
    #[must_use]
    pub fn provided(mut self, value: &Value) -> Self {
        self.provided_value = Some(match value {
            Value::String(s) if s.chars().count() > 200 => Value::String(s.chars().take(200).chain(['…']).collect()),
            Value::Array(_) | Value::Object(_) if value.to_string().len() > 400 => {
                Value::String("(large value)".into())
            }
            other => other.clone(),
        });
        self
    }

    /// Adds one hint of what would be accepted.
    #[must_use]
    pub fn accepts(mut self, what: &str, value: impl Into<Value>) -> Self {
        self.accepted.insert(what.to_owned(), value.into());
        self
    }

    /// Names the metamodel rule that was broken.
    #[must_use]
    pub fn by_rule(mut self, rule: uuid::Uuid) -> Self {
        self.rule_id = Some(rule);
        self
    }

    /// The same violation seen from outside: `prefix.field`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.field = if self.field.is_empty() {
            prefix.to_owned()
        } else {
            format!("{prefix}.{}", self.field)
        };
        self
    }
}

/// An error that a caller can act on. The message never carries SQL, paths or stack traces; a `source` is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Error {
    /// The name of the error.
    pub code: Code,
    /// A sentence that a person can act on.
    pub message: String,
    /// The field at fault, if it is one.
    pub field: Option<String>,
    /// What a program can act on.
    pub details: Option<Value>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u64>,
    /// The cause, for the log only.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `code` with a message for people.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            details: None,
            retry_after: None,
            source: None,
        }
    }

    /// Adds machine-readable details.
    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Names the field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same error seen from outside: `prefix` leads its field and those of its violations.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.field = Some(match self.field {
            Some(field) => format!("{prefix}.{field}"),
            None => prefix.to_owned(),
        });
        let violations = self.details.as_mut().and_then(|d| d["violations"].as_array_mut());
        for violation in violations.into_iter().flatten() {
            if let Some(field) = violation["field"].as_str() {
                violation["field"] = json!(format!("{prefix}.{field}"));
            }
        }
        self
    }

    /// Tells the caller when to come back.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Every broken rule of one write; the first also becomes `field`.
    ///
    /// # Panics
    /// Never: an empty list gives a general message.
    #[must_use]
    pub fn validation(violations: Vec<Violation>) -> Self {
        let first = violations.first();
        let message = match (first, violations.len()) {
            (None, _) => "The request is not valid".to_owned(),
            (Some(one), 1) => format!("{}: {}", one.field, one.message),
            (Some(one), n) => format!("{}: {} (and {} more)", one.field, one.message, n - 1),
        };
        let field = first.map(|v| v.field.clone());
        let total = violations.len();
        let shown: Vec<_> = violations.into_iter().take(200).collect();
        Self {
            field,
            details: Some(json!({ "violations": shown, "total": total })),
            ..Self::new(Code::ValidationError, message)
        }
    }

    /// A malformed request.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    /// There is no `what` with this id.
    #[must_use]
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("There is no {what} {id}"))
            .with(json!({ "kind": what, "id": id.to_string() }))
    }

    /// A defect: the cause goes to the log, the caller sees a general message.
    #[must_use]
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(
            Code::InternalServerError,
            "Something went wrong on the server; the request id finds it in the log",
        );
        error.source = Some(source.into());
        error
    }

    /// A dependency does not answer; worth a retry in a second.
    #[must_use]
    pub fn unavailable(dependency: &str, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(
            Code::ServiceUnavailable,
            format!("The {dependency} does not answer; try again"),
        )
        .with(json!({ "dependency": dependency }))
        .retry_after(1);
        error.source = source;
        error
    }

    /// Another writer was faster; the same request would fare better now.
    #[must_use]
    pub fn lost_race(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::unavailable("database", Some(source.into()));
        error.message = "The same rows were written by others at the same time; try again".into();
        error.details = Some(json!({ "dependency": "database", "retryable": true }));
        error
    }

    /// The error as the `error` member of an answer or of one item of a bulk result.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            code: self.code,
            message: self.message.clone(),
            field: self.field.clone(),
            details: self.details.clone(),
            request_id: crate::http::request_id(),
        }
    }
}

/// The error envelope of every answer that is not a success.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The name to program against.
    pub code: Code,
    /// A sentence that a person can act on.
    pub message: String,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What a program can act on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Finds the request in the log.
    pub request_id: String,
}

/// What the request log needs to know of an error; left in the response's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Answered(pub Code);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Some(source) = &self.source {
            if self.code.status().is_server_error() {
                tracing::error!(code = %self.code.name(), error = %chain(source.as_ref()), "request failed");
            } else {
                tracing::debug!(code = %self.code.name(), error = %chain(source.as_ref()), "request refused");
            }
        }
        let mut response = (self.code.status(), axum::Json(ErrorEnvelope { error: self.body() })).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::InvalidToken {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Answered(self.code));
        response
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
