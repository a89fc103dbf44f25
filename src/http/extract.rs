//! Reading requests: every refusal is the house's error, every unknown query parameter is named.

use std::marker::PhantomData;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Request, path::ErrorKind, rejection::PathRejection},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::{
    IntoParams,
    openapi::{
        RefOr, Schema,
        path::Parameter,
        schema::{SchemaType, Type},
    },
};

use super::{fields::Fields, unambiguous::Unambiguous};
use crate::{
    app::AppState,
    error::{Code, Error, Result},
};

/// The whole body, at most as large as configured.
pub struct RawBody(pub Bytes);

impl FromRequest<AppState> for RawBody {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        read(request.into_body(), state.config.server.max_body_size)
            .await
            .map(Self)
    }
}

async fn read(body: Body, limit: usize) -> Result<Bytes> {
    to_bytes(body, limit).await.map_err(|error| {
        let too_large = std::error::Error::source(&error).is_some_and(|s| s.to_string().contains("length limit"));
        if too_large {
            Error::new(
                Code::PayloadTooLarge,
                format!("The body is larger than the {limit} bytes this server accepts"),
            )
            .with(serde_json::json!({ "max_bytes": limit }))
        } else {
            Error::invalid("The body ended before it was complete")
        }
    })
}

/// A JSON body as a type that refuses unknown fields.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        require_json(request.headers(), &["application/json"])?;
        let bytes = read(request.into_body(), state.config.server.max_body_size).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON object whose fields are read one by one ([`super::fields`]), so that all violations come back at once.
/// Also accepts a merge patch's own media type.
pub struct JsonObject(pub Map<String, Value>);

impl FromRequest<AppState> for JsonObject {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        require_json(request.headers(), &["application/json", "application/merge-patch+json"])?;
        let bytes = read(request.into_body(), state.config.server.max_body_size).await?;
        object(parse(&bytes)?).map(Self)
    }
}

/// The object in a JSON value, or the error that says what came instead.
pub fn object(value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(map) => Ok(map),
        other => Err(Error::invalid(format!(
            "The body must be a JSON object, not {}",
            super::fields::kind(&other)
        ))),
    }
}

fn require_json(headers: &HeaderMap, accepted: &[&str]) -> Result<()> {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if accepted.iter().any(|a| a.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    Err(Error::new(
        Code::UnsupportedMediaType,
        format!(
            "Content-Type must be {}, not {}",
            accepted.join(" or "),
            if essence.is_empty() { "absent" } else { essence }
        ),
    )
    .with(serde_json::json!({ "accepted": accepted })))
}

/// Parses JSON; the error tells line and column. A name that an object has twice is refused: which of the two was meant,
/// two readers may see differently, and one of them checks what the other then does.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let value: Unambiguous = serde_json::from_slice(bytes).map_err(unreadable)?;
    // What was read stands for itself; only a type that wants more than any value asks the text again, to say where.
    T::deserialize(value.0).or_else(|_| serde_json::from_slice(bytes).map_err(unreadable))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: serde_json::Error) -> Error {
    let details = serde_json::json!({ "line": error.line(), "column": error.column() });
    let text = match error.classify() {
        serde_json::error::Category::Data => error.to_string(),
        _ if error.to_string().starts_with("recursion limit exceeded") => {
            "The body nests deeper than 127 levels, which no request here needs".to_owned()
        }
        _ => format!("The body is not well-formed JSON: {error}"),
    };
    Error::invalid(text).with(details)
}

/// Path parameters.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(path) => Ok(Self(path.0)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.kind() {
                ErrorKind::ParseErrorAtKey { key, value, .. } | ErrorKind::DeserializeError { key, value, .. } => {
                    let shown: String = value.chars().take(60).collect();
                    Error::invalid(format!("'{shown}' in the path is not a UUID")).at(key.as_str())
                }
                ErrorKind::InvalidUtf8InPathParam { key } => {
                    Error::invalid("The path is not valid UTF-8").at(key.as_str())
                }
                _ => Error::invalid("The path is not valid"),
            }),
            Err(_) => Err(Error::invalid("The path is not valid")),
        }
    }
}

/// Query parameters described by `IntoParams`; anything else in the query string is refused by name.
pub struct Query<T>(pub T);

/// What [`Query`] can read: one parameter struct, or a pair of them (a route's own and the paging ones).
pub trait QueryParameters: Sized {
    /// The names it takes.
    fn names() -> Vec<String>;
    /// Reads itself from decoded pairs, ignoring names that are not its own.
    fn read(pairs: &[(String, String)]) -> Result<Self>;
}

impl<T: DeserializeOwned + IntoParams> QueryParameters for T {
    fn names() -> Vec<String> {
        T::into_params(|| None).into_iter().map(|p| p.name).collect()
    }

    fn read(pairs: &[(String, String)]) -> Result<Self> {
        let own = T::into_params(|| None);
        let mut mine = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let Some(parameter) = own.iter().find(|parameter| parameter.name == pair.0) else {
                continue;
            };
            if pair.1.is_empty() && !takes_nothing(parameter) {
                return Err(Error::invalid("This query parameter has no value").at(pair.0.as_str()));
            }
            mine.push(pair);
        }
        let encoded = serde_html_form::to_string(mine).map_err(Error::internal)?;
        serde_html_form::from_str(&encoded)
            .map_err(|error| Error::invalid(format!("A query parameter is not valid: {error}")))
    }
}

/// Two parameter structs read from one query string.
pub struct Both<A, B>(pub A, pub B);

impl<A: QueryParameters + Send, B: QueryParameters + Send> FromRequestParts<AppState> for Query<Both<A, B>>
where
    Self: Sized,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        let mut names = A::names();
        names.extend(B::names());
        let pairs = pairs(parts, &names)?;
        Ok(Self(Both(A::read(&pairs)?, B::read(&pairs)?)))
    }
}

impl<T: DeserializeOwned + IntoParams + Send> FromRequestParts<AppState> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        let pairs = pairs(parts, &T::names())?;
        T::read(&pairs).map(Self)
    }
}

/// Query parameters read one by one ([`super::fields`]), so that all violations come back at once. `T` describes them:
/// what it calls an integer, a boolean or a list is read as one.
pub struct QueryFields<T>(pub Fields, pub PhantomData<T>);

impl<T: IntoParams> FromRequestParts<AppState> for QueryFields<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        let described = T::into_params(|| None);
        let names: Vec<String> = described.iter().map(|p| p.name.clone()).collect();
        let pairs = pairs(parts, &names)?;
        let mut object = Map::new();
        for parameter in described {
            let given = pairs.iter().filter(|(name, _)| *name == parameter.name);
            let mut values: Vec<&str> = given.map(|(_, value)| value.as_str()).collect();
            let kind = kind_of(&parameter);
            if kind == Type::Array && !values.is_empty() {
                object.insert(parameter.name, values.into());
                continue;
            }
            let Some(last) = values.pop() else { continue };
            if !values.is_empty() {
                return Err(Error::invalid("This query parameter can be given only once").at(parameter.name));
            }
            object.insert(parameter.name, typed(&kind, last));
        }
        Ok(Self(Fields::new(object), PhantomData))
    }
}

/// Whether an empty value means something. Of a date, an id or a number it would count as absent, so that a variable that
/// somebody forgot to fill in gives the whole list instead of an error.
fn takes_nothing(parameter: &Parameter) -> bool {
    match &parameter.schema {
        Some(RefOr::T(Schema::Object(object))) => {
            kind_of(parameter) == Type::String && object.format.is_none() && object.pattern.is_none()
        }
        _ => true,
    }
}

fn kind_of(parameter: &Parameter) -> Type {
    let of = |kind: &SchemaType| match kind {
        SchemaType::Type(kind) => Some(kind.clone()),
        SchemaType::Array(kinds) => kinds.iter().find(|kind| **kind != Type::Null).cloned(),
        SchemaType::AnyValue => None,
    };
    let kind = match &parameter.schema {
        Some(RefOr::T(Schema::Object(object))) => of(&object.schema_type),
        Some(RefOr::T(Schema::Array(_))) => Some(Type::Array),
        _ => None,
    };
    kind.unwrap_or(Type::String)
}

/// Text that is not what it should be stays text; whoever takes the field says what is wrong with it.
fn typed(kind: &Type, text: &str) -> Value {
    let read = match kind {
        Type::Integer => text.parse::<i64>().ok().map(Value::from),
        Type::Boolean => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    read.unwrap_or_else(|| text.into())
}

/// Refuses any query parameter: for routes that take none.
pub struct NoQuery;

impl FromRequestParts<AppState> for NoQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        pairs(parts, &[]).map(|_| Self)
    }
}

/// Every query parameter, whatever its name: for routes whose parameters are data. Whoever takes it refuses what it does
/// not know.
pub struct AnyQuery(pub Vec<(String, String)>);

impl FromRequestParts<AppState> for AnyQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self> {
        decoded(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// Refuses a query parameter that is none of these.
pub fn refuse_unknown(pairs: &[(String, String)], names: &[String]) -> Result<()> {
    let Some((unknown, _)) = pairs.iter().find(|(name, _)| !names.contains(name)) else {
        return Ok(());
    };
    let shown: String = unknown.chars().take(60).collect();
    Err(Error::invalid(format!("There is no query parameter '{shown}' here"))
        .at(shown)
        .with(serde_json::json!({ "accepted": names })))
}

/// Whether a query string is UTF-8 once decoded; reading it would replace what is not.
fn is_text(query: &str) -> bool {
    let mut decoded = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn pairs(parts: &Parts, names: &[String]) -> Result<Vec<(String, String)>> {
    read_query(parts.uri.query().unwrap_or_default(), names)
}

/// The decoded pairs of a query string, if it has none but these names.
pub fn read_query(query: &str, names: &[String]) -> Result<Vec<(String, String)>> {
    let pairs = decoded(query)?;
    refuse_unknown(&pairs, names)?;
    Ok(pairs)
}

fn decoded(query: &str) -> Result<Vec<(String, String)>> {
    if !is_text(query) {
        return Err(Error::invalid("The query string is not UTF-8"));
    }
    let pairs: Vec<(String, String)> =
        serde_html_form::from_str(query).map_err(|_| Error::invalid("The query string cannot be read"))?;
    if pairs
        .iter()
        .any(|(name, value)| name.contains('\0') || value.contains('\0'))
    {
        return Err(Error::invalid("The query string contains a NUL character"));
    }
    Ok(pairs)
}
