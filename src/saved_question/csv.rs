//! Rows as CSV (RFC 4180) that a spreadsheet can open without running anything that is written in it.

use serde_json::Value;

/// Writes one row.
pub fn row<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = &'a Value>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match cell {
            Value::Null => {}
            Value::Bool(_) | Value::Number(_) => out.extend(cell.to_string().bytes()),
            Value::String(text) => quoted(out, text),
            Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
                let texts: Vec<String> = items
                    .iter()
                    .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                    .collect();
                quoted(out, &texts.join("; "));
            }
            Value::Array(_) | Value::Object(_) => quoted(out, &cell.to_string()),
        }
    }
    out.extend(b"\r\n");
}

/// A text that a spreadsheet would take for a formula is led by an apostrophe, which it shows as text. Leading blanks are
/// passed over as spreadsheets do.
fn quoted(out: &mut Vec<u8>, text: &str) {
    let first = text.trim_start_matches([' ', '\u{a0}']).chars().next();
    let formula = first.is_some_and(|c| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'
        )
    });
    let quotes =
        formula || text.contains(['"', ',', '\r', '\n', ';', '\t']) || text.starts_with(' ') || text.ends_with(' ');
    if !quotes {
        out.extend(text.bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    out.extend(text.replace('"', "\"\"").bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let cells = [
            json!("plain"),
            json!("a,b"),
            json!("say \"hi\"\nthere"),
            json!(null),
            json!(-5.5),
            json!(true),
            json!("=HYPERLINK(\"http://x\")"),
            json!("+1"),
            json!("-1"),
            json!("@SUM(A1)"),
            json!("\t=1"),
            json!("  =1"),
            json!(["a", "b"]),
            json!({"amount": 1}),
        ];
        let mut out = Vec::new();
        row(&mut out, &cells);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "plain,\"a,b\",\"say \"\"hi\"\"\nthere\",,-5.5,true,\"'=HYPERLINK(\"\"http://x\"\")\",\"'+1\",\"'-1\",\"'@SUM(A1)\",\
             \"'\t=1\",\"'  =1\",\"a; b\",\"{\"\"amount\"\":1}\"\r\n"
        );
    }
}
