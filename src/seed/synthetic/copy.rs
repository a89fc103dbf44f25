//! The text format of Postgres' COPY.

use std::fmt::{Display, Write as _};

use sqlx::PgConnection;

use crate::error::Result;

/// Rows on their way into a table.
#[derive(Default)]
pub(super) struct Rows {
    text: String,
    in_row: bool,
}

impl Rows {
    /// A value of the current row.
    pub(super) fn value(&mut self, value: impl Display) -> &mut Self {
        self.separate();
        let mut escaped = Escaped(&mut self.text);
        // Writing to a string does not fail.
        let _ = write!(escaped, "{value}");
        self
    }

    /// A value, or null.
    pub(super) fn optional(&mut self, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            return self.value(value);
        }
        self.separate();
        self.text.push_str("\\N");
        self
    }

    /// An array of texts.
    pub(super) fn texts(&mut self, list: &[String]) -> &mut Self {
        let quoted: Vec<String> = list
            .iter()
            .map(|t| format!("\"{}\"", t.replace('\\', "\\\\").replace('"', "\\\"")))
            .collect();
        self.value(format_args!("{{{}}}", quoted.join(",")))
    }

    pub(super) fn end_row(&mut self) {
        self.text.push('\n');
        self.in_row = false;
    }

    fn separate(&mut self) {
        if self.in_row {
            self.text.push('\t');
        }
        self.in_row = true;
    }

    /// Sends the rows by this `copy … from stdin`.
    pub(super) async fn send(self, conn: &mut PgConnection, statement: &str) -> Result<u64> {
        let mut copy = conn.copy_in_raw(statement).await?;
        copy.send(self.text.as_bytes()).await?;
        Ok(copy.finish().await?)
    }
}

struct Escaped<'a>(&'a mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for c in text.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '\t' => self.0.push_str("\\t"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_escaped() {
        let mut rows = Rows::default();
        rows.value(7).optional(None::<i32>).value("a\tb\\c\nd").end_row();
        rows.texts(&["x".into(), "y \"z\"".into()])
            .texts(&[])
            .optional(Some("e"))
            .end_row();
        assert_eq!(
            rows.text,
            "7\t\\N\ta\\tb\\\\c\\nd\n{\"x\",\"y \\\\\"z\\\\\"\"}\t{}\te\n"
        );
    }
}
