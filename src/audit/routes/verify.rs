//! Asking whether the log is as it was sealed.

use std::time::Instant;

use axum::{Json, extract::State};
use metrics::counter;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    app::AppState,
    audit::{
        store,
        verify::{Report, Request, mark},
    },
    auth::{Allowed, right},
    error::{Error, ErrorEnvelope, Result},
    http::extract::Query,
    telemetry::metrics::AUDIT_VERIFY_FAILURES_TOTAL,
};

/// Which part of the log is to be verified.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VerifyParameters {
    /// The first seal; by default the first one there is.
    #[param(minimum = 1)]
    from: Option<i64>,
    /// The last seal; by default the newest.
    #[param(minimum = 1)]
    to: Option<i64>,
    /// A seal that must be there, as `number:digest` of an earlier `newest`: shows that nothing was cut off since.
    #[param(example = "41:6f1ed002ab5595859014ebf0951522d9a1f0f4a5b1a0c5f9d7c1f6f9f0a1b2c3")]
    expected: Option<String>,
}

/// Verify the audit trail
///
/// Computes the chain of seals anew, from seal to seal, and says what is wrong and where: rows changed, removed, inserted, reordered or
/// blanked without trace, seals changed, removed or cut off, a wrong key. An answer that is not `complete` stopped in time; go on with
/// `from` = `next`. Write down `newest` somewhere else and send it as `expected` the next time: only so the removal of everything since a
/// moment shows for certain.
#[utoipa::path(
    get, path = "/audit/verify", tag = "Audit", operation_id = "verify_audit",
    params(VerifyParameters),
    responses(
        (status = 200, description = "What was compared, and what is wrong", body = Report),
        (status = 400, description = "A parameter is not valid", body = ErrorEnvelope)),
    security(("access_token" = [])), extensions(("x-permission" = json!("read_audit")))
)]
pub async fn verify_audit(
    State(state): State<AppState>,
    _: Allowed<right::ReadAudit>,
    Query(parameters): Query<VerifyParameters>,
) -> Result<Json<Report>> {
    for (name, number) in [("from", parameters.from), ("to", parameters.to)] {
        if number.is_some_and(|number| number < 1) {
            return Err(Error::invalid("Seals are numbered from 1").at(name));
        }
    }
    if let (Some(from), Some(to)) = (parameters.from, parameters.to)
        && from > to
    {
        return Err(Error::invalid("from is behind to").at("from"));
    }
    // What this instance saw must be there as well: whoever cut the log off did not ask it.
    let seen = state.audit.newest().map(|newest| (newest.number, newest.digest));
    let given = parameters.expected.as_deref().map(mark).transpose()?;
    let request = Request {
        from: parameters.from,
        to: parameters.to,
        expected: seen.into_iter().chain(given).collect(),
        deadline: Some(Instant::now() + state.config.server.request_timeout / 2),
    };
    let mut conn = state.db.acquire().await?;
    let report = store::verify::run(&mut conn, &state.audit.keys, &request).await?;
    if !report.ok {
        counter!(AUDIT_VERIFY_FAILURES_TOTAL).increment(1);
        let first = &report.findings[0];
        tracing::error!(findings = report.findings.len(), kind = ?first.kind, seal = first.seal, position = first.position,
            "the change log is not as it was sealed");
    }
    Ok(Json(report))
}
