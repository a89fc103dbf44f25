//! What stands on the n-th card. Every card is drawn on its own, from its number alone: nothing else has to be in memory.

use serde_json::{Map, Value, json};

use super::{
    dates::{between_years, day, lasting, lifecycle},
    hubs::is_hub,
    id::card_id,
    plan::{Kind, Place, Plan},
    rng::{Rng, Stream},
    words::{
        APPLICATION_ROLES, AREAS, COUNTRIES, CURRENCIES, DATA_NOUNS, FIRST_NAMES, LAST_NAMES, PRODUCTS, Product, TAGS,
        UNITS, VERBS,
    },
};
use crate::{
    card::{CardDraft, Tier},
    metamodel::name_key,
};

/// The writable fields of a card.
pub(super) fn draft(plan: &Plan, card: u32) -> CardDraft {
    let kind = plan.kind(card);
    let mut rng = Rng::new(plan.seed, Stream::Card, u64::from(card));
    let number = card - plan.all(kind).start + 1;
    let area = rng.pick(&AREAS);
    let mut subject = Subject {
        plan,
        card,
        number,
        area,
        rng,
    };
    let name = subject.name(kind);
    let mut attributes = subject.attributes(kind);
    subject.common_attributes(kind, &mut attributes);
    let Subject { mut rng, .. } = subject;

    let application = kind == Kind::Application;
    let fit = |rng: &mut Rng| (application && rng.chance(85)).then(|| rng.pick(&[1, 2, 2, 3, 3, 3, 4]));
    let (functional_fit, technical_fit) = (fit(&mut rng), fit(&mut rng));
    let tier = rng.pick(&[
        "Tier 1", "Tier 2", "Tier 2", "Tier 3", "Tier 3", "Tier 3", "Tier 4", "Tier 4",
    ]);
    let business_criticality = (application && rng.chance(80)).then(|| Tier::parse(tier)).flatten();
    CardDraft {
        card_type: kind.name().to_owned(),
        name_key: name_key(&name),
        description: rng.chance(85).then(|| describe(&mut rng, kind, area)),
        tags: tags(&mut rng),
        lifecycle: if is_hub(plan, card) || !comes_and_goes(kind) {
            lasting()
        } else {
            lifecycle(&mut rng)
        },
        name,
        functional_fit,
        technical_fit,
        business_criticality,
        attributes,
    }
}

/// Places, units and shelves outlast the things that come and go.
fn comes_and_goes(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Location | Kind::Organization | Kind::BusinessCapability | Kind::Provider | Kind::TechCategory
    )
}

fn tags(rng: &mut Rng) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for _ in 0..rng.below(4) {
        let tag = rng.pick(&TAGS);
        if !tags.iter().any(|t| t == tag) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

fn describe(rng: &mut Rng, kind: Kind, area: &str) -> String {
    let area = area.to_lowercase();
    let verb = rng.pick(&VERBS).to_lowercase();
    let unit = rng.pick(&UNITS);
    match kind {
        Kind::Application => {
            format!("Serves {area} {verb} for {unit}; used in every region that has its own {area} desk.")
        }
        Kind::Interface => format!("Hands {area} data to whoever does {verb}. Questions go to {unit}."),
        Kind::DataObject => format!("What {unit} means by {area}; kept for {verb}."),
        Kind::ITComponent => format!("Runs {area} workloads. Patched by {unit}, last reviewed together with {verb}."),
        Kind::BusinessCapability | Kind::BusinessProcess => format!("Everything {unit} does for {area} {verb}."),
        Kind::Initiative | Kind::Objective => format!("Brings {area} {verb} up to what {unit} needs."),
        Kind::Risk => format!("If it happens, {area} {verb} stops and {unit} answers for it."),
        _ => format!("Concerns {area} {verb}; {unit} knows more."),
    }
}

fn person(rng: &mut Rng) -> String {
    format!("{} {}", rng.pick(&FIRST_NAMES), rng.pick(&LAST_NAMES))
}

fn money(rng: &mut Rng, low: i64, high: i64) -> Value {
    json!({ "amount": rng.between(low, high) * 1_000, "currency": rng.pick(&CURRENCIES) })
}

/// Numbers that two components have in common: some come in pairs, so that platforms have two of a kind.
pub(super) fn pair_rng(plan: &Plan, component: u32) -> Rng {
    let first = component / 2 * 2;
    let is_pair = Rng::new(plan.seed, Stream::Pair, u64::from(first)).chance(40);
    Rng::new(
        plan.seed,
        Stream::Product,
        u64::from(if is_pair { first } else { component }),
    )
}

/// The product that a component is an instance of, and its version.
fn product(plan: &Plan, component: u32) -> (&'static Product, usize) {
    let mut rng = pair_rng(plan, component);
    (
        &PRODUCTS[rng.below(PRODUCTS.len() as u32) as usize],
        rng.below(3) as usize,
    )
}

struct Subject<'p> {
    plan: &'p Plan,
    card: u32,
    /// Within the type, from 1.
    number: u32,
    area: &'static str,
    rng: Rng,
}

impl Subject<'_> {
    fn place(&self) -> Place {
        self.plan.place(self.card).unwrap_or(Place {
            parent: None,
            level: 1,
            sibling: self.number,
        })
    }

    /// Unique by its number within the type; capabilities and organisations among their siblings, as in a real
    /// enterprise, where every division has its own Finance.
    fn name(&mut self, kind: Kind) -> String {
        let (number, area) = (self.number, self.area);
        match kind {
            Kind::Application => format!("{area} {} {number:05}", self.rng.pick(&APPLICATION_ROLES)),
            Kind::Interface => format!("{area} {} API {number:05}", self.rng.pick(&VERBS)),
            Kind::DataObject => format!("{area} {} {number:04}", self.rng.pick(&DATA_NOUNS)),
            Kind::ITComponent => {
                let (product, version) = product(self.plan, self.card);
                format!("{} {} #{number:05}", product.name, product.versions[version])
            }
            Kind::Platform => format!("{area} Platform {number:04}"),
            Kind::Provider => format!(
                "{} {} {number:04}",
                self.rng.pick(&LAST_NAMES),
                self.rng
                    .pick(&["Systems", "Cloud", "Consulting", "Software", "Networks"])
            ),
            Kind::TechCategory => format!(
                "{} Category {number:03}",
                self.rng.pick(&PRODUCTS.each_ref()).sub_category
            ),
            Kind::Location => self.location_name(),
            Kind::BusinessCapability => self.capability_name(),
            Kind::Organization => self.organization_name(),
            Kind::BusinessProcess => format!("{area} {} Process {number:04}", self.rng.pick(&VERBS)),
            Kind::Objective => format!("Better {area} {} {number:04}", self.rng.pick(&VERBS)),
            Kind::Initiative => format!(
                "{area} {} {number:04}",
                self.rng
                    .pick(&["Renewal", "Migration", "Consolidation", "Rollout", "Exit"])
            ),
            Kind::Risk => format!(
                "{} of {area} {number:04}",
                self.rng.pick(&["Outage", "Loss", "Leak", "Fraud", "Delay"])
            ),
            Kind::ComplianceRequirement => format!("{area} Control {number:04}"),
            Kind::ArchitecturePrinciple => format!("Principle {number:03}: one {area} for all"),
            Kind::TechnologyStandard => format!("{} Standard {number:04}", self.rng.pick(&PRODUCTS.each_ref()).name),
            Kind::ArchitecturePolicy => format!("{area} Policy {number:03}"),
            Kind::Exception => format!("{area} Exception {number:04}"),
        }
    }

    fn location_name(&mut self) -> String {
        let number = self.number;
        let (country, _, cities) = self.country();
        match self.place().level {
            1 => format!("Region {number:04}"),
            2 => format!("{country} {number:04}"),
            3 => format!("{} {number:04}", self.rng.pick(&cities)),
            4 => format!("{} Data Centre {number:04}", self.rng.pick(&cities)),
            _ => format!("Hall {number:04}"),
        }
    }

    fn country(&self) -> (&'static str, &'static str, [&'static str; 4]) {
        COUNTRIES[self.number as usize % COUNTRIES.len()]
    }

    fn capability_name(&self) -> String {
        let place = self.place();
        if place.level == 1 {
            return format!("Line of Business {:02}: {}", place.sibling + 1, self.area);
        }
        let pairs = AREAS.len() * VERBS.len();
        let at = self.first_of_siblings(pairs) + place.sibling as usize;
        let round = if (place.sibling as usize) < pairs {
            String::new()
        } else {
            format!(" {}", place.sibling)
        };
        format!(
            "{} {}{round}",
            AREAS[at % AREAS.len()],
            VERBS[at / AREAS.len() % VERBS.len()]
        )
    }

    fn organization_name(&self) -> String {
        let place = self.place();
        if place.level == 1 {
            return format!("Company {:02}", place.sibling + 1);
        }
        let at = self.first_of_siblings(UNITS.len()) + place.sibling as usize;
        let round = place.sibling as usize / UNITS.len();
        if round == 0 {
            UNITS[at % UNITS.len()].to_owned()
        } else {
            format!("{} {}", UNITS[at % UNITS.len()], round + 1)
        }
    }

    /// Where in a list of names the children of one card begin: those names are theirs in turn, so none comes twice.
    fn first_of_siblings(&self, names: usize) -> usize {
        let parent = self.place().parent.unwrap_or_default();
        Rng::new(self.plan.seed, Stream::Siblings, u64::from(parent)).below(names as u32) as usize
    }

    fn attributes(&mut self, kind: Kind) -> Map<String, Value> {
        let value = match kind {
            Kind::Application => self.application(),
            Kind::Interface => self.interface(),
            Kind::DataObject => self.data_object(),
            Kind::ITComponent => self.component(),
            Kind::Platform => json!({
                "owner_team": self.rng.pick(&UNITS), "region": self.country().0,
                "environment": self.rng.pick(&["Production", "Production", "Staging", "Development", "DR"]),
            }),
            Kind::Provider => json!({
                "website": format!("https://provider-{}.example", self.number), "contact": person(&mut self.rng),
                "contract_end": between_years(&mut self.rng, -1, 6),
            }),
            Kind::TechCategory => json!({ "color_code": format!("#{:06x}", self.rng.below(1 << 24)), "icon": "box" }),
            Kind::Location => {
                let site_type = ["Region", "Country", "City", "Data centre", "Hall"]
                    [usize::from(self.place().level.clamp(1, 5)) - 1];
                json!({ "country": self.country().1, "region": self.rng.pick(&["EMEA", "AMER", "APAC"]), "site_type": site_type })
            }
            Kind::BusinessCapability => {
                let maturity = self.rng.between(1, 5);
                json!({
                    "maturity_level": maturity, "target_maturity_level": self.rng.between(maturity, 5),
                    "strategic_importance": self.rng.pick(&["High", "Medium", "Medium", "Low"]),
                    "differentiation": self.rng.pick(&["Commodity", "Commodity", "Parity", "Parity", "Innovation"]),
                    "business_owner": person(&mut self.rng),
                })
            }
            Kind::Organization => json!({
                "org_type": self.rng.pick(&["Department", "Department", "Department", "Subsidiary", "Partner"]),
                "cost_center_code": self.cost_center(), "location": self.country().2[0],
                "headcount": self.rng.between(3, 900), "budget_annual": money(&mut self.rng, 50, 90_000),
            }),
            Kind::BusinessProcess => json!({
                "process_owner": person(&mut self.rng), "frequency": self.rng.pick(&["Daily", "Weekly", "Monthly", "On demand"]),
                "automation_pct": self.rng.between(0, 100),
            }),
            Kind::Objective => json!({
                "status": self.rng.pick(&["On Track", "At Risk", "Delayed", "Completed"]), "progress_pct": self.rng.between(0, 100),
                "target_date": between_years(&mut self.rng, 0, 5), "kpi_metric": format!("Days per {}", self.area.to_lowercase()),
                "baseline_value": self.rng.between(10, 40), "target_value": self.rng.between(1, 9),
                "strategic_theme": self.rng.pick(&UNITS),
            }),
            _ => self.governance(kind),
        };
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn cost_center(&mut self) -> String {
        format!(
            "CC-{}-{:02}",
            self.rng.pick(&["FIN", "OPS", "IT", "HR", "LOG", "SALE"]),
            self.rng.between(1, 99)
        )
    }

    fn application(&mut self) -> Value {
        let rng = &mut self.rng;
        let hosting = rng.pick(&["SaaS", "PaaS", "IaaS", "On-Premise", "On-Premise", "Cloud Native"]);
        let users = rng.between(5, 20_000);
        let mut value = json!({
            "hosting_type": hosting,
            "data_classification": rng.pick(&["Public", "Internal", "Internal", "Confidential", "Restricted"]),
            "authentication_method": rng.pick(&["SSO", "SSO", "LDAP", "Local", "API Key"]),
            "pace_layer": rng.pick(&["System of Record", "System of Differentiation", "System of Innovation"]),
            "vendor": rng.pick(&PRODUCTS.each_ref()).vendor,
            "version": format!("{}.{}", rng.between(1, 12), rng.between(0, 9)),
            "deployment": if hosting == "SaaS" { "SaaS" } else { rng.pick(&["Bare Metal", "Virtual Machine", "Container", "Serverless"]) },
            "architecture_style": rng.pick(&["Monolith", "Modular", "Microservices", "Event-driven", "Packaged"]),
            "users_total": users,
            "users_active": rng.between(0, users),
            "is_commodity": rng.chance(30),
            "technical_debt_pct": rng.between(0, 100) as f64 / 100.0,
        });
        if rng.chance(50) {
            value["bia"] =
                json!({ "financial": rng.between(1, 4), "operational": rng.between(1, 4), "legal": rng.between(1, 4) });
        }
        if rng.chance(40) {
            value["cloud_readiness"] = json!({
                "architecture": rng.between(0, 10), "state": rng.between(0, 10), "database": rng.between(0, 10),
                "residency": rng.between(0, 10), "integration": rng.between(0, 10),
            });
            value["cloud_ready"] = json!(rng.chance(50));
        }
        value["cost_center"] = json!(self.cost_center());
        value
    }

    fn interface(&mut self) -> Value {
        let rng = &mut self.rng;
        let (kind, format, protocol) = rng.pick(&[
            ("REST API", "JSON", "HTTPS"),
            ("REST API", "JSON", "HTTPS"),
            ("SOAP", "XML", "HTTPS"),
            ("GraphQL", "JSON", "HTTPS"),
            ("Batch File", "CSV", "SFTP"),
            ("Event Stream", "Avro", "Kafka"),
            ("Event Stream", "JSON", "RabbitMQ"),
        ]);
        json!({
            "interface_type": kind, "data_format": format, "protocol": protocol,
            "frequency": rng.pick(&["Real-time", "Hourly", "Daily", "Weekly", "On-Demand"]),
            "data_volume_daily": format!("{} MB", rng.between(1, 5_000)),
            "base_url": format!("https://api-{}.example/v{}", self.number, rng.between(1, 4)),
            "sla_uptime_pct": rng.pick(&[99.0, 99.5, 99.9, 99.99]),
            "rate_limit_per_minute": rng.between(10, 5_000),
        })
    }

    fn data_object(&mut self) -> Value {
        let source = self.plan.near(&mut self.rng, self.card, Kind::Application);
        let rng = &mut self.rng;
        let sensitivity: &[&str] = rng.pick(&[
            &["GDPR", "PII"][..],
            &["PII"],
            &["PCI-DSS"],
            &["PHI", "PII"],
            &["Public"],
            &["Public"],
        ]);
        let mut value = json!({
            "sensitivity": sensitivity, "data_steward": person(rng),
            "retention_period": format!("{} years", rng.between(1, 30)),
            "encryption_required": rng.chance(60), "is_master_data": rng.chance(20),
            "update_frequency": rng.pick(&["Real-time", "Daily", "Monthly"]),
        });
        if rng.chance(30) {
            value["golden_source_id"] = json!(card_id(self.plan, source));
        }
        value
    }

    fn component(&mut self) -> Value {
        let (product, version) = product(self.plan, self.card);
        let rng = &mut self.rng;
        // The older the version, the sooner its support ends.
        let eol = day(rng.between(-5 * 365, 3 * 365) + version as i64 * 900);
        let phases = [
            ["Sustain", "Sunset", "Retired"],
            ["Mature", "Mature", "Sustain"],
            ["Emerging", "Growth", "Growth"],
        ];
        let mut value = json!({
            "category": product.category, "sub_category": product.sub_category, "vendor": product.vendor, "version": product.versions[version],
            "license_model": product.licence,
            "technology_lifecycle_phase": rng.pick(&phases[version]),
        });
        if rng.chance(85) {
            value["vendor_support_eol"] = json!(eol);
        }
        if rng.chance(30) {
            value["external_id"] = json!(format!("ITAM-{:06}", rng.below(500_000)));
        }
        value
    }

    fn governance(&mut self, kind: Kind) -> Value {
        let area = self.area;
        let rng = &mut self.rng;
        match kind {
            Kind::Initiative => {
                let start = rng.between(-4 * 365, 3 * 365);
                let end = start + rng.between(90, 1_200);
                json!({
                    "initiative_type": rng.pick(&["Modernization", "Migration", "Consolidation", "New Build", "Decommission", "Integration"]),
                    "strategic_theme": rng.pick(&UNITS), "budget_total": money(rng, 100, 20_000), "budget_spent": money(rng, 0, 9_000),
                    "start_date": day(start), "target_end_date": day(end), "sponsor": person(rng),
                    "status": if end < 0 { "Completed" } else if start > 0 { "Planning" } else { rng.pick(&["In Progress", "In Progress", "On Hold"]) },
                    "health": rng.pick(&["On Track", "At Risk", "Behind Schedule"]),
                })
            }
            Kind::Risk => json!({
                "risk_type": rng.pick(&["Security", "Compliance", "Operational", "Financial", "Strategic", "Reputational"]),
                "likelihood": rng.between(1, 5), "impact": rng.between(1, 5),
                "mitigation_plan": format!("Second source for {}, tested every year.", area.to_lowercase()),
                "status": rng.pick(&["Open", "Open", "Mitigated", "Accepted", "Transferred", "Closed"]),
                "target_closure_date": between_years(rng, -1, 3),
            }),
            Kind::ComplianceRequirement => json!({
                "framework": rng.pick(&["GDPR", "SOX", "HIPAA", "PCI-DSS", "ISO 27001", "NIST"]),
                "applicable_card_types": ["Application", "DataObject"], "required_controls": ["encryption", "access review"],
                "audit_frequency": rng.pick(&["Annual", "Semi-Annual", "Quarterly", "Monthly"]),
            }),
            Kind::ArchitecturePrinciple => json!({
                "statement": format!("There is one {} for the whole enterprise.", area.to_lowercase()),
                "rationale": "Copies drift apart, and every copy is paid for.", "implications": ["Local copies are retired"],
                "category": rng.pick(&["Strategic", "Business", "Technical", "Data"]),
            }),
            Kind::TechnologyStandard => json!({
                "category": rng.pick(&PRODUCTS.each_ref()).sub_category,
                "status": rng.pick(&["Adopt", "Adopt", "Trial", "Assess", "Hold", "Sunset", "Banned"]),
                "quadrant": rng.pick(&["Techniques", "Tools", "Platforms", "Languages & Frameworks"]),
                "sunset_date": between_years(rng, 0, 6), "rationale": "Agreed by the architecture board.",
            }),
            Kind::ArchitecturePolicy => json!({
                "rule_json": { "if": { "business_criticality": "Tier 1" }, "then": { "requires": ["owner"] } },
                "severity": rng.pick(&["Critical", "High", "Medium", "Low"]), "enforcement": rng.pick(&["Blocking", "Warning"]),
            }),
            Kind::Exception => json!({
                "justification": format!("The replacement for {} comes next year.", area.to_lowercase()),
                "duration": rng.pick(&["30_days", "60_days", "90_days", "Permanent"]),
                "compensating_controls": ["monthly review"],
            }),
            _ => json!({}),
        }
    }

    /// What cards of any type may carry.
    fn common_attributes(&mut self, kind: Kind, attributes: &mut Map<String, Value>) {
        let rng = &mut self.rng;
        if rng.chance(70) {
            attributes.insert("owner".into(), json!(person(rng)));
        }
        let bought = matches!(
            kind,
            Kind::Application | Kind::ITComponent | Kind::Platform | Kind::Provider
        );
        if bought && rng.chance(80) {
            // Many small, few large: the square of an even spread.
            let root = rng.between(20, 900);
            let cost = json!({ "estimated_annual_cost": root * root, "currency": rng.pick(&CURRENCIES) });
            attributes.insert("financials".into(), cost);
        }
        if bought && rng.chance(25) {
            let end = rng.between(-200, 1_500);
            let contract = json!({ "end_date": day(end), "notice_date": day(end - 90), "auto_renew": rng.chance(50) });
            attributes.insert("contract".into(), contract);
        }
        if matches!(kind, Kind::Application | Kind::ITComponent) && rng.chance(30) {
            let ids = json!([{ "system": "CMDB", "id": format!("SYN-{:x}-{:06}", self.plan.seed, self.card) }]);
            attributes.insert("external_ids".into(), ids);
        }
    }
}
