//! The vocabulary of invented names.

pub(super) const AREAS: [&str; 48] = [
    "Claims", "Policy", "Invoice", "Payroll", "Customer", "Order", "Freight", "Treasury", "General Ledger", "Tax", "Fraud",
    "Pricing", "Booking", "Inventory", "Warehouse", "Procurement", "Supplier", "Contract", "Campaign", "Loyalty", "Identity",
    "Document", "Quality", "Maintenance", "Fleet", "Energy", "Metering", "Clinical", "Patient", "Trial", "Risk", "Audit",
    "Asset", "Facility", "Travel", "Talent", "Learning", "Forecast", "Demand", "Billing", "Payment", "Collections", "Catalogue",
    "Returns", "Dispatch", "Settlement", "Reporting", "Sustainability",
];

pub(super) const APPLICATION_ROLES: [&str; 20] = [
    "Hub", "Portal", "Engine", "Gateway", "Workbench", "Archive", "Planner", "Tracker", "Console", "Exchange", "Registry",
    "Monitor", "Desk", "Vault", "Router", "Suite", "Broker", "Cockpit", "Calculator", "Scheduler",
];

pub(super) const VERBS: [&str; 24] = [
    "Planning", "Steering", "Design", "Intake", "Validation", "Approval", "Execution", "Handover", "Pricing", "Settlement",
    "Matching", "Reconciliation", "Monitoring", "Reporting", "Forecasting", "Allocation", "Onboarding", "Offboarding",
    "Screening", "Renewal", "Correction", "Archiving", "Analysis", "Improvement",
];

pub(super) const DATA_NOUNS: [&str; 16] = [
    "Record", "Master Data", "Transaction", "Statement", "Profile", "Event", "Document", "Balance", "Position", "Reference",
    "History", "Agreement", "Request", "Rating", "Measurement", "Address",
];

pub(super) const UNITS: [&str; 16] = [
    "Operations", "Finance", "Sales", "Marketing", "Legal", "People", "Technology", "Security", "Logistics", "Research",
    "Customer Care", "Purchasing", "Production", "Real Estate", "Compliance", "Data Office",
];

/// Country, its code, cities.
pub(super) const COUNTRIES: [(&str, &str, [&str; 4]); 16] = [
    ("Germany", "DE", ["Hamburg", "Leipzig", "Stuttgart", "Bremen"]),
    ("France", "FR", ["Lyon", "Lille", "Nantes", "Toulouse"]),
    ("Netherlands", "NL", ["Rotterdam", "Utrecht", "Eindhoven", "Groningen"]),
    ("Denmark", "DK", ["Aarhus", "Odense", "Aalborg", "Esbjerg"]),
    ("Poland", "PL", ["Gdańsk", "Kraków", "Poznań", "Wrocław"]),
    ("Spain", "ES", ["Bilbao", "Valencia", "Sevilla", "Zaragoza"]),
    ("Portugal", "PT", ["Porto", "Braga", "Coimbra", "Faro"]),
    ("Italy", "IT", ["Torino", "Bologna", "Genova", "Bari"]),
    ("United Kingdom", "GB", ["Leeds", "Bristol", "Glasgow", "Cardiff"]),
    ("Sweden", "SE", ["Malmö", "Uppsala", "Luleå", "Västerås"]),
    ("United States", "US", ["Columbus", "Denver", "Phoenix", "Raleigh"]),
    ("Canada", "CA", ["Halifax", "Calgary", "Ottawa", "Winnipeg"]),
    ("Brazil", "BR", ["Santos", "Curitiba", "Recife", "Manaus"]),
    ("Singapore", "SG", ["Jurong", "Changi", "Tuas", "Woodlands"]),
    ("Japan", "JP", ["Osaka", "Nagoya", "Sapporo", "Fukuoka"]),
    ("India", "IN", ["Pune", "Chennai", "Hyderabad", "Kochi"]),
];

pub(super) const FIRST_NAMES: [&str; 24] = [
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiro", "Ines", "Jonas", "Katrin", "Luis", "Maja", "Nadia",
    "Oskar", "Priya", "Quentin", "Rosa", "Sami", "Tove", "Ulrich", "Vera", "Wanda", "Yusuf",
];

pub(super) const LAST_NAMES: [&str; 24] = [
    "Almeida", "Bergström", "Cornelius", "Dvořák", "Eriksen", "Fontaine", "Garcia", "Hansen", "Ivanova", "Jensen", "Kowalski",
    "Lindqvist", "Moreau", "Nakamura", "Okafor", "Petrov", "Quist", "Rossi", "Schneider", "Tanaka", "Usman", "Visser", "Weber",
    "Zimmermann",
];

pub(super) const TAGS: [&str; 16] = [
    "core", "regional", "legacy", "cloud", "critical", "gdpr", "sox", "pilot", "outsourced", "shared", "customer-facing",
    "back-office", "24x7", "batch", "carve-out", "audited",
];

pub(super) const CURRENCIES: [&str; 6] = ["EUR", "EUR", "EUR", "USD", "GBP", "CHF"];

/// A product that components are instances of.
pub(super) struct Product {
    pub(super) name: &'static str,
    pub(super) vendor: &'static str,
    pub(super) category: &'static str,
    pub(super) sub_category: &'static str,
    pub(super) licence: &'static str,
    pub(super) versions: [&'static str; 3],
}

const fn product(
    name: &'static str,
    vendor: &'static str,
    category: &'static str,
    sub_category: &'static str,
    licence: &'static str,
    versions: [&'static str; 3],
) -> Product {
    Product { name, vendor, category, sub_category, licence, versions }
}

pub(super) const PRODUCTS: [Product; 28] = [
    product("Oracle Database", "Oracle", "Software", "Database", "Per Core", ["12c", "19c", "23ai"]),
    product("PostgreSQL", "PostgreSQL Global Development Group", "Software", "Database", "Open Source", ["12", "15", "17"]),
    product("SQL Server", "Microsoft", "Software", "Database", "Per Core", ["2016", "2019", "2022"]),
    product("Db2", "IBM", "Software", "Database", "Per Core", ["10.5", "11.1", "11.5"]),
    product("MongoDB", "MongoDB", "Software", "Database", "Subscription", ["4.4", "6.0", "8.0"]),
    product("Windows Server", "Microsoft", "Software", "Operating System", "Per Core", ["2012 R2", "2019", "2025"]),
    product("Red Hat Enterprise Linux", "Red Hat", "Software", "Operating System", "Subscription", ["7", "8", "9"]),
    product("SUSE Linux Enterprise", "SUSE", "Software", "Operating System", "Subscription", ["12", "15", "16"]),
    product("AIX", "IBM", "Software", "Operating System", "Per Core", ["7.1", "7.2", "7.3"]),
    product("WebSphere", "IBM", "Software", "Middleware", "Per Core", ["8.5", "9.0", "Liberty"]),
    product("WebLogic", "Oracle", "Software", "Middleware", "Per Core", ["12.1", "12.2", "14.1"]),
    product("Tomcat", "Apache Software Foundation", "Software", "Middleware", "Open Source", ["8.5", "9", "10.1"]),
    product("Kafka", "Apache Software Foundation", "Software", "Messaging", "Open Source", ["2.8", "3.6", "4.0"]),
    product("RabbitMQ", "Broadcom", "Software", "Messaging", "Open Source", ["3.8", "3.12", "4.0"]),
    product("MQ", "IBM", "Software", "Messaging", "Per Core", ["8.0", "9.2", "9.4"]),
    product("vSphere", "Broadcom", "Software", "Virtualization", "Per Core", ["6.7", "7.0", "8.0"]),
    product("OpenShift", "Red Hat", "Software", "Container Platform", "Subscription", ["4.10", "4.14", "4.18"]),
    product("Elasticsearch", "Elastic", "Software", "Search", "Subscription", ["6.8", "7.17", "8.15"]),
    product("Keycloak", "Red Hat", "Software", "Identity", "Open Source", ["18", "22", "26"]),
    product("PowerEdge Server", "Dell", "Hardware", "Server", "Subscription", ["R630", "R750", "R770"]),
    product("ProLiant Server", "HPE", "Hardware", "Server", "Subscription", ["Gen9", "Gen10", "Gen11"]),
    product("Power Server", "IBM", "Hardware", "Server", "Subscription", ["S814", "S914", "S1014"]),
    product("FAS Storage", "NetApp", "Hardware", "Storage", "Subscription", ["2650", "2750", "A400"]),
    product("Catalyst Switch", "Cisco", "Network", "Switch", "Subscription", ["3850", "9300", "9500"]),
    product("FortiGate Firewall", "Fortinet", "Network", "Firewall", "Subscription", ["300D", "200F", "600F"]),
    product("BIG-IP Load Balancer", "F5", "Network", "Load Balancer", "Subscription", ["i4600", "r2600", "r4800"]),
    product("Object Storage", "Amazon Web Services", "Service", "Storage Service", "Subscription", ["Standard", "Archive", "Express"]),
    product("Mail Relay", "Mimecast", "Service", "Mail", "Per User", ["M1", "M2", "M3"]),
];
