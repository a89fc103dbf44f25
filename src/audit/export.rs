//! The trail as files: one JSON object a line, or a table for spreadsheets.

use serde::Serialize;

use super::store::trail::AuditEntry;

/// The first line of the table.
pub const HEADING: &str = "position,occurred_at,seal,recorded_at,actor_id,request_id,reason,entity,entity_id,entity_type,action,version,\
                           blanked_by,before,after\r\n";

/// Adds one JSON object and the end of its line.
pub fn json_line(out: &mut Vec<u8>, entry: &AuditEntry) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *out, entry)?;
    out.push(b'\n');
    Ok(())
}

/// Adds one line of the table, as RFC 4180 has it.
pub fn csv_line(out: &mut Vec<u8>, entry: &AuditEntry) {
    let cells = [
        entry.position.to_string(),
        instant(Some(entry.occurred_at)),
        text(entry.seal),
        instant(entry.recorded_at),
        text(entry.actor_id),
        text(entry.request_id.as_ref()),
        text(entry.reason.as_ref()),
        entry.entity.clone(),
        entry.entity_id.to_string(),
        text(entry.entity_type.as_ref()),
        entry.action.clone(),
        entry.version.to_string(),
        text(entry.blanked_by),
        json(entry.before.as_ref()),
        json(entry.after.as_ref()),
    ];
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        push_cell(out, cell);
    }
    out.extend(b"\r\n");
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn instant(value: Option<chrono::DateTime<chrono::Utc>>) -> String {
    value
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
        .unwrap_or_default()
}

fn json(value: Option<&impl Serialize>) -> String {
    value
        .and_then(|value| serde_json::to_string(value).ok())
        .unwrap_or_default()
}

fn push_cell(out: &mut Vec<u8>, cell: &str) {
    // A spreadsheet would run what begins like a formula; an apostrophe makes it text.
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quoted = formula || cell.contains(['"', ',', '\r', '\n']);
    if !quoted {
        out.extend(cell.as_bytes());
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    out.extend(cell.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_survive_a_spreadsheet() {
        for (cell, written) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "\"'=1+1\""),
            ("@import", "\"'@import\""),
            ("-3", "\"'-3\""),
        ] {
            let mut out = Vec::new();
            push_cell(&mut out, cell);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }
}
