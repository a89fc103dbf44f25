//! Reading the trail: page by page, or whole as a file.

use axum::{
    body::Body,
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    app::AppState,
    audit::{
        export,
        store::trail::{AuditEntry, AuditFilter, Trail},
    },
    auth::{Allowed, right},
    error::{Error, ErrorEnvelope, Result},
    http::{
        etag::validated,
        extract::{Both, Query},
        page::{Page, Paging},
    },
};

/// Read the audit trail
///
/// Every change of everything, newest first: who, when, in which request, why, and what changed field by field. Rows about cards that the
/// caller may not view, about their relationships and computed values, are left out. A row is vouched for by its `seal`; one that was
/// just written has none yet.
#[utoipa::path(
    get, path = "/audit", tag = "Audit", operation_id = "list_audit",
    params(AuditFilter, Paging, ("If-None-Match" = Option<String>, Header, description = "The ETag you have")),
    responses(
        (status = 200, description = "Rows of the trail", body = Page<AuditEntry>, headers(("ETag" = String))),
        (status = 304, description = "You have it already"),
        (status = 400, description = "A parameter is not valid, or the cursor belongs to another filter", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("read_audit")))
)]
pub async fn list_audit(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ReadAudit>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(Both(filter, paging)): Query<Both<AuditFilter, Paging>>,
) -> Result<Response> {
    let request = paging.validate()?;
    let trail = filter.check(caller.visible())?;
    let mut conn = state.db.acquire().await?;
    let (entries, total) = trail.page(&mut conn, &request).await?;
    let page = Page::build(entries, &request, total, &uri, |entry| {
        trail.cursor_after(entry.position)
    });
    validated(&headers, None, &page)
}

/// The form of an export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParameters {
    /// `ndjson` (default): one JSON object a line, as in the list; `csv`: a table.
    format: Option<String>,
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Lines,
}

/// How many rows are read at a time.
const PIECE: u64 = 500;

/// Export the audit trail
///
/// The whole trail under the same filters as the list, as one stream that needs no paging. A connection that ends without the end of the
/// answer was cut: repeat it with `from_position` or `to_position` behind the last row you have. In the table, cells that a spreadsheet
/// would take for a formula begin with an apostrophe.
#[utoipa::path(
    get, path = "/audit/export", tag = "Audit", operation_id = "export_audit",
    params(AuditFilter, ExportParameters),
    responses(
        (status = 200, description = "The rows", content(
            (String = "application/x-ndjson", example = json!("{\"position\":812,\"entity\":\"card\",\"action\":\"created\"}\n")),
            (String = "text/csv", example = json!("position,occurred_at,seal\r\n812,2026-11-20T09:30:00.000000Z,41\r\n")))),
        (status = 400, description = "A parameter is not valid", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("read_audit")))
)]
pub async fn export_audit(
    State(state): State<AppState>,
    Allowed(caller, _): Allowed<right::ReadAudit>,
    Query(Both(filter, parameters)): Query<Both<AuditFilter, ExportParameters>>,
) -> Result<Response> {
    let format = match parameters.format.as_deref() {
        None | Some("ndjson") => Format::Lines,
        Some("csv") => Format::Csv,
        Some(_) => return Err(Error::invalid("format must be ndjson or csv").at("format")),
    };
    let reading = Reading {
        trail: filter.check(caller.visible())?,
        state,
        format,
        after: None,
        ended: false,
    };
    let (kind, name) = match format {
        Format::Lines => ("application/x-ndjson", "attachment; filename=\"audit.ndjson\""),
        Format::Csv => (
            "text/csv; charset=utf-8; header=present",
            "attachment; filename=\"audit.csv\"",
        ),
    };
    // The first piece is read before the answer begins, so that what cannot be read is an error and no empty file.
    let Some((first, rest)) = reading.piece(true).await? else {
        return Err(Error::internal("a stream without a beginning"));
    };
    let pieces = stream::try_unfold((Some(first), rest), |(ready, reading)| async move {
        match ready {
            Some(piece) => Ok(Some((piece, (None, reading)))),
            None => Ok::<_, Error>(reading.piece(false).await?.map(|(piece, rest)| (piece, (None, rest)))),
        }
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(response)
}

/// An export under way. It holds a connection only while it reads, not while the client does.
struct Reading {
    trail: Trail,
    state: AppState,
    format: Format,
    after: Option<i64>,
    ended: bool,
}

impl Reading {
    async fn piece(mut self, first: bool) -> Result<Option<(Bytes, Self)>> {
        if self.ended {
            return Ok(None);
        }
        let mut conn = self.state.db.acquire().await?;
        let entries = self.trail.rows(&mut conn, self.after, PIECE, 0).await?;
        drop(conn);
        self.ended = (entries.len() as u64) < PIECE;
        self.after = entries.last().map(|entry| entry.position).or(self.after);
        let mut out = Vec::new();
        if first && matches!(self.format, Format::Csv) {
            out.extend(export::HEADING.as_bytes());
        }
        for entry in &entries {
            match self.format {
                Format::Csv => export::csv_line(&mut out, entry),
                Format::Lines => export::json_line(&mut out, entry).map_err(Error::internal)?,
            }
        }
        Ok(Some((out.into(), self)))
    }
}
