//! Layer B: applications, their interfaces and data.

use super::COST_CENTER;
use super::draft::{Draft, any_of, card, flag, integer, line, number, object, one_of, url};

pub(super) fn application() -> Vec<Draft> {
    let mut drafts = vec![
        one_of(
            "hosting_type",
            "Hosting",
            &["SaaS", "PaaS", "IaaS", "On-Premise", "Cloud Native"],
        )
        .required()
        .starts_as("On-Premise")
        .help("Where and how it runs."),
        one_of(
            "data_classification",
            "Data classification",
            &["Public", "Internal", "Confidential", "Restricted"],
        )
        .help("The most sensitive data it handles."),
        one_of("authentication_method", "Log-in", &["SSO", "LDAP", "Local", "API Key"]),
        one_of(
            "pace_layer",
            "Pace layer",
            &["System of Record", "System of Differentiation", "System of Innovation"],
        )
        .help("How fast it has to change."),
        line("cost_center", "Cost centre", 10)
            .like(COST_CENTER)
            .hint("CC-FIN-01"),
        line("vendor", "Vendor", 100),
        line("version", "Version", 100),
        one_of(
            "deployment",
            "Deployment",
            &["Bare Metal", "Virtual Machine", "Container", "Serverless", "SaaS"],
        ),
        one_of(
            "architecture_style",
            "Architecture style",
            &["Monolith", "Modular", "Microservices", "Event-driven", "Packaged"],
        ),
        integer("users_total", "Users")
            .not_negative()
            .help("People who may use it."),
        integer("users_active", "Active users")
            .not_negative()
            .help("Those of them who do."),
        flag("is_commodity", "Commodity").help("The market offers the same off the shelf."),
        flag("cloud_ready", "Cloud ready"),
    ];
    for (key, label) in [
        ("cloud_readiness.architecture", "Cloud readiness: architecture"),
        ("cloud_readiness.state", "Cloud readiness: state"),
        ("cloud_readiness.database", "Cloud readiness: database"),
        ("cloud_readiness.residency", "Cloud readiness: data residency"),
        ("cloud_readiness.integration", "Cloud readiness: integration"),
    ] {
        drafts.push(
            number(key, label)
                .between(0.0, 10.0)
                .help("0 stands in the way … 10 ready."),
        );
    }
    drafts.extend([
        number("technical_debt_pct", "Technical debt")
            .between(0.0, 1.0)
            .help("Cost of repair over cost of rebuilding, 0 to 1."),
        object("bia", "Business impact").help("How bad an outage would be, per dimension."),
        number("bia.*", "Business impact of a dimension")
            .between(1.0, 4.0)
            .help("1 negligible … 4 threatens the enterprise."),
        number("rationalization_score", "Rationalization score").computed(),
        line("rationalization_action", "Rationalization", 100).computed(),
        number("cloud_readiness_score", "Cloud readiness score").computed(),
    ]);
    drafts
}

pub(super) fn interface() -> Vec<Draft> {
    vec![
        one_of(
            "interface_type",
            "Kind",
            &["REST API", "SOAP", "GraphQL", "gRPC", "Batch File", "Event Stream"],
        ),
        one_of(
            "frequency",
            "Frequency",
            &["Real-time", "Hourly", "Daily", "Weekly", "On-Demand"],
        ),
        one_of("data_format", "Data format", &["JSON", "XML", "CSV", "Parquet", "Avro"]),
        one_of("protocol", "Protocol", &["HTTPS", "SFTP", "Kafka", "RabbitMQ"]),
        line("data_volume_daily", "Daily volume", 100).hint("2 GB"),
        url("base_url", "Base address"),
        url("documentation_url", "Documentation"),
        line("auth_method", "Authentication", 100),
        number("sla_uptime_pct", "Promised availability")
            .between(0.0, 100.0)
            .help("In percent."),
        integer("rate_limit_per_minute", "Calls per minute").not_negative(),
    ]
}

pub(super) fn data_object() -> Vec<Draft> {
    vec![
        any_of(
            "sensitivity",
            "Sensitivity",
            &["GDPR", "PII", "PCI-DSS", "PHI", "Public"],
        ),
        line("data_steward", "Data steward", 100),
        line("retention_period", "Retention", 100).hint("7 years"),
        flag("encryption_required", "Must be encrypted"),
        flag("is_master_data", "Master data"),
        card("golden_source_id", "Golden source").help("The application whose copy is the truth."),
        line("update_frequency", "Update frequency", 100),
    ]
}
