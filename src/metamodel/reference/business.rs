//! Layer A: strategy and business.

use super::COST_CENTER;
use super::draft::{Draft, date, integer, line, money, number, one_of};

pub(super) fn objective() -> Vec<Draft> {
    vec![
        one_of("status", "Status", &["On Track", "At Risk", "Delayed", "Completed"]),
        number("progress_pct", "Progress")
            .between(0.0, 100.0)
            .help("In percent."),
        date("target_date", "Target date"),
        line("kpi_metric", "Measure", 200)
            .hint("Net promoter score")
            .help("What is measured to know whether it is reached."),
        number("baseline_value", "Baseline").help("The measure before."),
        number("target_value", "Target").help("The measure to reach."),
        line("strategic_theme", "Strategic theme", 100),
    ]
}

pub(super) fn capability() -> Vec<Draft> {
    vec![
        integer("maturity_level", "Maturity")
            .between(1.0, 5.0)
            .help("1 initial … 5 optimising."),
        integer("target_maturity_level", "Target maturity").between(1.0, 5.0),
        one_of(
            "strategic_importance",
            "Strategic importance",
            &["High", "Medium", "Low"],
        ),
        one_of(
            "differentiation",
            "Differentiation",
            &["Commodity", "Parity", "Innovation"],
        )
        .help("Whether it sets the enterprise apart from its competitors."),
        one_of(
            "investment_category",
            "Investment",
            &["Invest More", "Maintain", "Optimize", "Divest"],
        )
        .computed(),
        number("redundancy_score", "Redundancy")
            .computed()
            .help("How many applications do the same here."),
        line("business_owner", "Business owner", 100),
    ]
}

pub(super) fn process() -> Vec<Draft> {
    vec![
        line("process_owner", "Process owner", 100),
        line("frequency", "Frequency", 100).hint("Daily"),
        number("automation_pct", "Automation")
            .between(0.0, 100.0)
            .help("Share of steps without a person, in percent."),
    ]
}

pub(super) fn organization() -> Vec<Draft> {
    vec![
        one_of("org_type", "Kind", &["Department", "Subsidiary", "Vendor", "Partner"]),
        line("cost_center_code", "Cost centre", 10)
            .like(COST_CENTER)
            .hint("CC-FIN-01"),
        line("location", "Location", 200),
        integer("headcount", "Headcount").not_negative(),
        money("budget_annual", "Annual budget"),
    ]
}
