//! Which web pages may call the API.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, Uri};

use super::{application::Environment, reader::Reader, values::list};

/// Origins whose pages may call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All of them.
    Any,
    /// These; none if empty.
    These(Vec<HeaderValue>),
}

/// Which web pages may call the API.
#[derive(Clone, Debug)]
pub struct CorsConfig {
    /// Origins whose pages may call the API.
    pub allowed_origins: Origins,
    /// Methods that they may use.
    pub allowed_methods: Vec<Method>,
    /// Headers that they may send.
    pub allowed_headers: Vec<HeaderName>,
    /// How long a browser remembers these answers.
    pub max_age: Duration,
}

impl CorsConfig {
    pub(super) fn read(reader: &mut Reader, env: Environment) -> Self {
        let origins = reader.parsed("CORS_ALLOWED_ORIGINS", origins).unwrap_or_else(|| {
            Origins::These(match env {
                Environment::Development => vec![HeaderValue::from_static("http://localhost:3000")],
                _ => Vec::new(),
            })
        });
        Self {
            allowed_origins: origins,
            allowed_methods: reader.parsed("CORS_ALLOWED_METHODS", methods).unwrap_or_default(),
            allowed_headers: reader.parsed("CORS_ALLOWED_HEADERS", headers).unwrap_or_default(),
            max_age: reader.duration("CORS_MAX_AGE").unwrap_or(Duration::from_hours(1)),
        }
    }

    pub(super) fn validate(&self, reader: &mut Reader) {
        if self.allowed_origins == Origins::Any {
            reader.refuse("CORS_ALLOWED_ORIGINS", "* lets every web page call the API");
        }
    }
}

fn origins(text: &str) -> Option<Origins> {
    if list(text).any(|origin| origin == "*") {
        return Some(Origins::Any);
    }
    list(text).map(origin).collect::<Option<_>>().map(Origins::These)
}

/// Scheme, host and port, as browsers send it.
fn origin(text: &str) -> Option<HeaderValue> {
    let text = text.trim_end_matches('/').to_ascii_lowercase();
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?.as_str();
    let scheme = uri.scheme_str()?;
    let bare = matches!(scheme, "http" | "https")
        && !authority.contains(['@', '*'])
        && text == format!("{scheme}://{authority}");
    bare.then(|| HeaderValue::from_str(&text).ok()).flatten()
}

fn methods(text: &str) -> Option<Vec<Method>> {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    list(text)
        .map(|name| {
            KNOWN
                .iter()
                .find(|known| known.as_str().eq_ignore_ascii_case(name))
                .cloned()
        })
        .collect()
}

fn headers(text: &str) -> Option<Vec<HeaderName>> {
    list(text).map(|name| HeaderName::try_from(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let expected = [
            HeaderValue::from_static("https://a.example"),
            HeaderValue::from_static("http://localhost:3000"),
        ];
        assert_eq!(
            origins("https://A.example/, http://localhost:3000"),
            Some(Origins::These(expected.to_vec()))
        );
        assert_eq!(origins("https://a.example,*"), Some(Origins::Any));
        for bad in [
            "a.example",
            "https://a.example/path",
            "https://*.example",
            "null",
            "https://u@a.example",
            "a b",
        ] {
            assert_eq!(origins(bad), None, "{bad}");
        }
        assert_eq!(methods("get, Post"), Some(vec![Method::GET, Method::POST]));
        assert_eq!(methods("GET,BREW"), None);
        assert_eq!(headers("If-Match,traceparent").map(|names| names.len()), Some(2));
        assert_eq!(headers("If Match"), None);
    }
}
