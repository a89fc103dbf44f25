//! Layer D: governance.

use super::draft::{Draft, date, instant, integer, line, money, number, object, one_of, text, texts};

pub(super) fn principle() -> Vec<Draft> {
    vec![
        text("statement", "Statement", 500).required(),
        text("rationale", "Rationale", 2_000),
        texts("implications", "Implications"),
        one_of("category", "Category", &["Strategic", "Business", "Technical", "Data"]).required(),
        number("adherence_rate", "Adherence")
            .computed()
            .help("Share of concerned cards that keep it."),
        object("check", "Check").help("A rule {if, then} that measures it."),
    ]
}

pub(super) fn standard() -> Vec<Draft> {
    vec![
        line("category", "Category", 100).required(),
        one_of(
            "status",
            "Status",
            &["Adopt", "Trial", "Assess", "Hold", "Sunset", "Banned"],
        )
        .required(),
        one_of(
            "quadrant",
            "Radar quadrant",
            &["Techniques", "Tools", "Platforms", "Languages & Frameworks"],
        ),
        date("sunset_date", "Sunset date"),
        text("rationale", "Rationale", 2_000),
    ]
}

pub(super) fn policy() -> Vec<Draft> {
    vec![
        object("rule_json", "Rule")
            .required()
            .help("{if, then}: a card for which `if` holds must satisfy `then`."),
        one_of("severity", "Severity", &["Critical", "High", "Medium", "Low"]).required(),
        one_of("enforcement", "Enforcement", &["Blocking", "Warning"]).required(),
    ]
}

pub(super) fn exception() -> Vec<Draft> {
    vec![
        text("justification", "Justification", 2_000).required(),
        one_of("duration", "Duration", &["30_days", "60_days", "90_days", "Permanent"]).required(),
        texts("compensating_controls", "Compensating controls"),
        one_of("status", "Status", &["Pending", "Approved", "Rejected", "Expired"]).computed(),
        instant("expires_at", "Expires").computed(),
    ]
}

pub(super) fn initiative() -> Vec<Draft> {
    vec![
        one_of(
            "initiative_type",
            "Kind",
            &[
                "Modernization",
                "Migration",
                "Consolidation",
                "New Build",
                "Decommission",
                "Integration",
            ],
        ),
        line("strategic_theme", "Strategic theme", 100),
        money("budget_total", "Budget").not_negative(),
        money("budget_spent", "Spent").not_negative(),
        date("start_date", "Starts"),
        date("target_end_date", "Should end"),
        date("actual_end_date", "Ended"),
        line("sponsor", "Sponsor", 100),
        one_of(
            "status",
            "Status",
            &["Planning", "In Progress", "On Hold", "Completed", "Cancelled"],
        ),
        one_of("health", "Health", &["On Track", "At Risk", "Behind Schedule"]),
    ]
}

pub(super) fn risk() -> Vec<Draft> {
    vec![
        one_of(
            "risk_type",
            "Kind",
            &[
                "Security",
                "Compliance",
                "Operational",
                "Financial",
                "Strategic",
                "Reputational",
            ],
        ),
        integer("likelihood", "Likelihood")
            .between(1.0, 5.0)
            .required()
            .help("1 rare … 5 almost certain."),
        integer("impact", "Impact")
            .between(1.0, 5.0)
            .required()
            .help("1 negligible … 5 severe."),
        integer("risk_score", "Score").computed().help("Likelihood × impact."),
        text("mitigation_plan", "Mitigation", 5_000),
        one_of(
            "status",
            "Status",
            &["Open", "Mitigated", "Accepted", "Transferred", "Closed"],
        ),
        date("target_closure_date", "Should be closed"),
    ]
}

pub(super) fn requirement() -> Vec<Draft> {
    vec![
        line("framework", "Framework", 200).required().hint("GDPR"),
        texts("applicable_card_types", "Concerns card types"),
        texts("required_controls", "Required controls"),
        one_of(
            "audit_frequency",
            "Audit",
            &["Annual", "Semi-Annual", "Quarterly", "Monthly"],
        ),
    ]
}
