//! Reads `.env` files. More tolerant than the usual readers: unquoted values may contain spaces, as in
//! `APP_NAME=Arc Zero # the name`. Nothing is expanded: a `$` in a password is a `$`.

/// One assignment and the line it stands on (counted from 1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// Why a line could not be read. Never repeats the line: it may be the second half of a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    pub line: usize,
    pub reason: &'static str,
}

/// All assignments of a file, in order, or everything that is wrong with it.
pub(super) fn parse(text: &str) -> (Vec<Assignment>, Vec<BadLine>) {
    let mut assignments = Vec::new();
    let mut bad = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((line, content)) = lines.next() {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let content = content.strip_prefix("export ").unwrap_or(content);
        let Some((key, rest)) = content.split_once('=') else {
            bad.push(BadLine {
                line,
                reason: "it is not KEY=value (a value that spans lines must be in quotes)",
            });
            continue;
        };
        let key = key.trim();
        if !is_name(key) {
            bad.push(BadLine {
                line,
                reason: "what stands before = is not a name (letters, digits and _)",
            });
            continue;
        }
        let rest = match rest.trim_start() {
            // `KEY= # comment` has no value, `KEY=#1` has one.
            comment if comment.starts_with('#') && comment.len() < rest.len() => "",
            other => other,
        };
        let value = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(quote, &rest[1..], &mut lines),
            _ => Ok(unquoted(rest)),
        };
        match value {
            Ok(value) => assignments.push(Assignment {
                key: key.to_owned(),
                value,
                line,
            }),
            Err(reason) => bad.push(BadLine { line, reason }),
        }
    }
    (assignments, bad)
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Up to a `#` that follows white space.
fn unquoted(rest: &str) -> String {
    let mut end = rest.len();
    let mut after_space = false;
    for (index, c) in rest.char_indices() {
        if c == '#' && after_space {
            end = index;
            break;
        }
        after_space = c.is_whitespace();
    }
    rest[..end].trim_end().to_owned()
}

/// Up to the closing quote, which may stand on a later line. Single quotes take everything literally.
fn quoted<'a>(
    quote: char,
    first: &'a str,
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut current = first;
    loop {
        let mut chars = current.char_indices();
        while let Some((index, c)) = chars.next() {
            if c == quote {
                let after = current[index + 1..].trim_start();
                return if after.is_empty() || after.starts_with('#') {
                    Ok(value)
                } else {
                    Err("there is text after the closing quote")
                };
            }
            if c != '\\' || quote == '\'' {
                value.push(c);
                continue;
            }
            match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(literal @ ('\\' | '"' | '\'' | '$')) => value.push(literal),
                _ => {
                    return Err(
                        r#"after \ only n, r, t, \, ", ' and $ are known; use single quotes to take \ literally"#,
                    );
                }
            }
        }
        let Some((_, next)) = lines.next() else {
            return Err("the closing quote is missing");
        };
        value.push('\n');
        current = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        let (assignments, bad) = parse(text);
        assert_eq!(bad, []);
        assignments.into_iter().map(|a| (a.key, a.value)).collect()
    }

    #[test]
    fn tolerant_values() {
        for (line, value) in [
            ("A=b", "b"),
            ("A = b ", "b"),
            ("export A=b", "b"),
            ("A=", ""),
            ("A=   # nothing", ""),
            ("A=#1", "#1"),
            ("A=Arc Zero", "Arc Zero"),
            ("A=info      # trace | debug", "info"),
            ("A=0 2 * * *             # Cron: daily", "0 2 * * *"),
            (
                "A=Arc Zero <notifications@example.com>",
                "Arc Zero <notifications@example.com>",
            ),
            ("A=pa#ss$w=ord", "pa#ss$w=ord"),
            ("A=archzero=info,axum=warn   # filter", "archzero=info,axum=warn"),
            (
                r#"A="two words # and no comment" # comment"#,
                "two words # and no comment",
            ),
            (r#"A="a\"b\\c\n$d""#, "a\"b\\c\n$d"),
            (r"A='a\nb'", r"a\nb"),
            ("A=\"first\nsecond\"", "first\nsecond"),
            ("\u{feff}A=b\r\n", "b"),
            ("A=it's", "it's"),
            ("A=größe", "größe"),
        ] {
            assert_eq!(values(line), [("A".to_owned(), value.to_owned())], "{line}");
        }
        assert_eq!(values("# comment\n\n   # another\n"), []);
    }

    #[test]
    fn every_bad_line_is_named_and_none_is_repeated() {
        let (good, bad) = parse("A=1\nnonsense\n9LIVES=2\nB='x' y\nC=\"\\q\"\nD=4\nE=\"open\n");
        assert_eq!(
            good.iter().map(|a| (a.key.as_str(), a.line)).collect::<Vec<_>>(),
            [("A", 1), ("D", 6)]
        );
        assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [2, 3, 4, 5, 7]);
        assert!(bad.iter().all(|b| !b.reason.contains("nonsense")));
    }
}
