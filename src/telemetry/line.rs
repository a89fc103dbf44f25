//! How one event becomes one line. The fields of the spans around it stand beside its own, at the top level: whoever
//! searches for a request id need not know which span carried it.

use std::{
    error::Error,
    fmt::{self, Write as _},
    io::Write as _,
    time::SystemTime,
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

use crate::config::LogFormat;

/// What every line says of the program that wrote it.
pub(super) struct Origin {
    pub app: String,
    pub env: String,
    pub version: String,
}

/// Writes each event as one line.
pub(super) struct Lines<W> {
    format: LogFormat,
    colours: bool,
    origin: Origin,
    writer: W,
}

impl<W> Lines<W> {
    pub fn new(format: LogFormat, colours: bool, origin: Origin, writer: W) -> Self {
        Self {
            format,
            colours,
            origin,
            writer,
        }
    }
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(outer) = span.extensions().get::<Fields>() {
                outer.0.iter().for_each(|(name, value)| fields.set(name, value.clone()));
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let message = fields.take("message");
        // Events of libraries that use the older `log` crate carry their true target as a field.
        let target = fields
            .take("log.target")
            .unwrap_or_else(|| Value::from(metadata.target()));
        fields.0.retain(|(name, _)| !name.starts_with("log."));

        let line = Line {
            timestamp: DateTime::<Utc>::from(SystemTime::now()),
            level: *metadata.level(),
            target: text(&target),
            message: message.as_ref().map(text).unwrap_or_default(),
            origin: &self.origin,
            fields: &fields,
        };
        let mut bytes = match self.format {
            LogFormat::Json => serde_json::to_vec(&line).unwrap_or_default(),
            LogFormat::Pretty => line.pretty(self.colours).into_bytes(),
        };
        bytes.push(b'\n');
        // One write per line, so that lines of several threads do not mix. A log that cannot be written to is nothing
        // that a program could log.
        let _ = self.writer.make_writer_for(metadata).write_all(&bytes);
    }
}

/// Names of the members that every line has; a field of the same name is renamed, never lost and never in their place.
const FIXED: [&str; 7] = ["timestamp", "level", "target", "message", "app", "env", "version"];

/// The longest value that a line carries, in bytes: a log is no place for documents.
const LONGEST: usize = 8 * 1024;

struct Line<'a> {
    timestamp: DateTime<Utc>,
    level: Level,
    target: &'a str,
    message: &'a str,
    origin: &'a Origin,
    fields: &'a Fields,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry(
            "timestamp",
            &self.timestamp.to_rfc3339_opts(SecondsFormat::Micros, true),
        )?;
        line.serialize_entry("level", self.level.as_str())?;
        line.serialize_entry("target", self.target)?;
        line.serialize_entry("message", self.message)?;
        line.serialize_entry("app", &self.origin.app)?;
        line.serialize_entry("env", &self.origin.env)?;
        line.serialize_entry("version", &self.origin.version)?;
        for (name, value) in &self.fields.0 {
            if FIXED.contains(name) {
                line.serialize_entry(&format!("field_{name}"), value)?;
            } else {
                line.serialize_entry(name, value)?;
            }
        }
        line.end()
    }
}

impl Line<'_> {
    fn pretty(&self, colours: bool) -> String {
        let colour = match self.level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        let paint = |code: &str, text: &str| {
            if colours {
                format!("\u{1b}[{code}m{text}\u{1b}[0m")
            } else {
                text.to_owned()
            }
        };
        let time = self.timestamp.to_rfc3339_opts(SecondsFormat::Millis, true);
        let level = format!("{:>5}", self.level.as_str());
        let mut line = format!(
            "{} {} {} ",
            paint("2", &time),
            paint(colour, &level),
            paint("2", self.target)
        );
        push_printable(&mut line, self.message);
        for (name, value) in &self.fields.0 {
            if *name == "backtrace" {
                continue;
            }
            let _ = write!(line, " {}", paint("2", &format!("{name}=")));
            match value {
                Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => {
                    push_printable(&mut line, text);
                }
                other => {
                    let _ = write!(line, "{other}");
                }
            }
        }
        // Nothing a client could have sent, and unreadable on one line.
        if let Some((_, backtrace)) = self.fields.0.iter().find(|(name, _)| *name == "backtrace") {
            let _ = write!(line, "\n{}", text(backtrace).trim_end());
        }
        line
    }
}

/// Control characters are escaped: what a client sends must not forge a line or colour a terminal.
fn push_printable(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The fields of a span or an event, in the order in which they were recorded.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        match self.0.iter_mut().find(|(existing, _)| *existing == name) {
            Some((_, existing)) => *existing = value,
            None => self.0.push((name, value)),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.0.iter().position(|(existing, _)| *existing == name)?;
        Some(self.0.remove(index).1)
    }

    fn set_text(&mut self, field: &Field, mut value: String) {
        if is_secret(field.name()) {
            "********".clone_into(&mut value);
        } else if value.len() > LONGEST {
            value.truncate(value.floor_char_boundary(LONGEST));
            value.push('…');
        }
        self.set(field.name(), Value::String(value));
    }
}

/// A safety net: no code of ours logs secrets, and if some day it does, the value does not get out.
fn is_secret(name: &str) -> bool {
    let last_word =
        |secret: &str| name == secret || name.strip_suffix(secret).is_some_and(|rest| rest.ends_with(['_', '.']));
    [
        "password",
        "secret",
        "token",
        "authorization",
        "api_key",
        "cookie",
        "private_key",
    ]
    .into_iter()
    .any(last_word)
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(next) = cause {
            let _ = write!(text, ": {next}");
            cause = next.source();
        }
        self.set_text(field, text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set_text(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, work: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = {
            let sink = sink.clone();
            move || sink.clone()
        };
        let origin = Origin {
            app: "Arc Zero".into(),
            env: "test".into(),
            version: "1.2.3".into(),
        };
        let subscriber = tracing_subscriber::registry().with(Lines::new(format, false, origin, writer));
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
    }

    fn objects(work: impl FnOnce()) -> Vec<Value> {
        logged(LogFormat::Json, work)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn one_flat_object_a_line() {
        let text = logged(LogFormat::Json, || {
            let request = tracing::info_span!("request", request_id = "r-1", user_id = tracing::field::Empty);
            let _request = request.enter();
            request.record("user_id", "u-1");
            let _inner = tracing::info_span!("inner", step = 2).entered();
            tracing::info!(target: "archzero::card", card_id = %"c-1", took = 1.5, kept = true, absent = None::<&str>, "Card {}", "created");
        });
        let (timestamp, rest) = text.trim_start_matches(r#"{"timestamp":""#).split_once('"').unwrap();
        assert!(timestamp.len() == 27 && timestamp.ends_with('Z'), "{timestamp}");
        assert_eq!(
            rest,
            ",\"level\":\"INFO\",\"target\":\"archzero::card\",\"message\":\"Card created\",\"app\":\"Arc Zero\",\"env\":\"test\",\
             \"version\":\"1.2.3\",\"request_id\":\"r-1\",\"user_id\":\"u-1\",\"step\":2,\"card_id\":\"c-1\",\"took\":1.5,\"kept\":true}\n"
        );
    }

    #[test]
    fn fields_cannot_replace_what_every_line_has() {
        let lines = objects(|| tracing::warn!(version = 7, level = "x", r#type = "Application", "line one\nline two"));
        assert_eq!(lines.len(), 1);
        let line = &lines[0];
        assert_eq!(
            (&line["version"], &line["field_version"]),
            (&Value::from("1.2.3"), &Value::from(7))
        );
        assert_eq!(
            (&line["level"], &line["field_level"]),
            (&Value::from("WARN"), &Value::from("x"))
        );
        assert_eq!(line["type"], "Application");
        assert_eq!(line["message"], "line one\nline two");
    }

    #[test]
    fn inner_fields_win_and_do_not_leak() {
        let lines = objects(|| {
            let _span = tracing::info_span!("span", id = 1).entered();
            tracing::info!(id = 2, "inside");
            tracing::info!("still inside");
        });
        assert_eq!((&lines[0]["id"], &lines[1]["id"]), (&Value::from(2), &Value::from(1)));
    }

    #[test]
    fn secrets_and_documents_stay_out() {
        let lines = objects(|| {
            tracing::info!(password = "hunter2", new_password = "hunter2", refresh_token = ?"hunter2", "http.authorization" = "hunter2", "a");
            tracing::info!(token_id = "t-1", body = "ü".repeat(10_000), "b");
        });
        assert!(!lines[0].to_string().contains("hunter2"), "{}", lines[0]);
        assert_eq!(lines[1]["token_id"], "t-1");
        assert!(lines[1]["body"].as_str().unwrap().len() < 9000);
    }

    #[test]
    fn errors_are_logged_with_their_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other("inner"));
        let lines = objects(|| tracing::error!(error = &error as &dyn Error, nan = f64::NAN, "failed"));
        assert_eq!(lines[0]["error"], "outer: inner");
        assert_eq!(lines[0]["nan"], Value::Null);
    }

    #[test]
    fn pretty_lines_cannot_be_forged() {
        let text = logged(
            LogFormat::Pretty,
            || tracing::info!(target: "archzero", name = "a\nb", two = "x y", "evil\r\n\u{1b}[31m"),
        );
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.ends_with(" INFO archzero evil\\r\\n\\u{1b}[31m name=a\\nb two=\"x y\"\n"),
            "{text}"
        );
    }
}
