//! Layer C: technology.

use super::COUNTRIES;
use super::draft::{Draft, date, line, object, one_of, url};

pub(super) fn component() -> Vec<Draft> {
    vec![
        one_of("category", "Category", &["Software", "Hardware", "Service", "Network"]).required(),
        line("sub_category", "Sub-category", 100).hint("Database"),
        line("vendor", "Vendor", 100),
        line("version", "Version", 100),
        one_of(
            "license_model",
            "Licence",
            &["Open Source", "Per Core", "Per User", "Subscription"],
        ),
        one_of(
            "technology_lifecycle_phase",
            "Technology lifecycle",
            &["Emerging", "Growth", "Mature", "Sustain", "Sunset", "Retired"],
        ),
        line("radar_position.quadrant", "Radar quadrant", 100),
        line("radar_position.ring", "Radar ring", 100),
        date("vendor_support_eol", "Vendor support ends").help("The last day with support."),
        one_of(
            "eol_risk_level",
            "End-of-life risk",
            &["Critical", "High", "Medium", "Low", "Unknown"],
        )
        .computed(),
        line("external_id", "Inventory key", 255)
            .help("Its key in the asset inventory; several components may share one."),
        object("usage_metrics", "Usage"),
    ]
}

pub(super) fn platform() -> Vec<Draft> {
    vec![
        line("owner_team", "Team", 100),
        line("region", "Region", 100),
        one_of(
            "environment",
            "Environment",
            &["Production", "Staging", "Development", "DR"],
        ),
    ]
}

pub(super) fn provider() -> Vec<Draft> {
    vec![
        url("website", "Website"),
        date("contract_end", "Contract ends"),
        line("contact", "Contact", 200),
    ]
}

pub(super) fn category() -> Vec<Draft> {
    vec![
        line("color_code", "Colour", 7)
            .like("^#[0-9a-fA-F]{6}$")
            .hint("#009E73"),
        line("icon", "Icon", 100),
    ]
}

pub(super) fn location() -> Vec<Draft> {
    vec![
        one_of("country", "Country", COUNTRIES)
            .hint("DE")
            .help("ISO 3166, two letters."),
        line("region", "Region", 100),
        line("site_type", "Kind of site", 100).hint("Data centre"),
    ]
}
