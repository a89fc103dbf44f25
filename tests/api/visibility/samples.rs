//! What is asked of every operation that reads cards. One line per request: `METHOD path body`.
//!
//! `<card>`, `<application>` … stand for cards, each request is sent once for each of them, hidden and deleted ones
//! included (see [`Places`](super::places::Places)). Lists are followed from page to page.

/// By operation: the requests that try it.
pub const SAMPLES: &[(&str, &[&str])] = &[
    (
        "list_cards",
        &[
            "GET /cards?limit=200&include_total=true",
            "GET /cards?limit=40&cursor=",
            "GET /cards?limit=100&cursor=&include_total=true&include=relationships&sort=quality_score&order=desc",
            "GET /cards?type=<type>&limit=20&include=relationships",
            "GET /cards?type=<type>&deleted=include&limit=50&sort=updated_at",
            "GET /cards?deleted=only",
            "GET /cards?search=a&fields=name,type&limit=50",
            "GET /cards?lifecycle_phase=Active&target_date=2027-03-01&limit=50&sort=type",
            "GET /cards?filter=name:contains:e&limit=50&page=2",
            "GET /cards?functional_fit=3&functional_fit=4&technical_fit=2",
            "GET /cards?business_criticality=Tier%201&filter=lifecycle.active:exists:true",
        ],
    ),
    (
        "get_card",
        &[
            "GET /cards/<card>",
            "GET /cards/<card>?include=relationships,history,violations",
            "GET /cards/<card>?fields=name,attributes&include=relationships&target_date=2030-01-01",
        ],
    ),
    (
        "get_card_history",
        &["GET /cards/<card>/history", "GET /cards/<card>/history?limit=1&cursor="],
    ),
    (
        "get_card_relationships",
        &[
            "GET /cards/<card>/relationships",
            "GET /cards/<card>/relationships?target_date=2026-06-01",
        ],
    ),
    (
        "list_relationships",
        &[
            "GET /relationships?limit=200&status=any",
            "GET /relationships?limit=300&cursor=&include_total=true",
            "GET /relationships?card_id=<card>&limit=100",
            "GET /relationships?source_id=<card>&target_date=2026-06-01",
            "GET /relationships?target_id=<card>&type=RELIES_ON&type=SUPPORTS",
            "GET /relationships?status=archived",
        ],
    ),
    ("get_relationship", &["GET /relationships/<relationship>"]),
    (
        "traverse_graph",
        &[
            r#"POST /graph/traverse {"root_id": "<card>", "depth": 3}"#,
            r#"POST /graph/traverse {"root_id": "<card>", "depth": 10, "limit_nodes": 40, "include_absent": true}"#,
            r#"POST /graph/traverse {"root_type": "<type>", "depth": 2, "direction": "in", "include_metadata": false}"#,
            r#"POST /graph/traverse {"root_type": "Application", "root_filter": {"field": "technical_fit", "op": "le", "value": 3}, "depth": 1}"#,
            r#"POST /graph/traverse {"depth": 1, "limit_nodes": 60, "relations": ["RELIES_ON", "HOSTED_ON", "PARENT_OF"]}"#,
            r#"POST /graph/traverse {"root_id": "<application>", "depth": 4, "filter": {"type": ["Application", "ITComponent", "Interface", "Platform"]}}"#,
            r#"POST /graph/traverse {"root_id": "<capability>", "depth": 5, "return_filter": {"type": "Application"}, "target_date": "2028-01-01"}"#,
        ],
    ),
    (
        "get_impact",
        &[
            "GET /graph/impact/<card>",
            "GET /graph/impact/<card>?soft_depth=3&max_depth=4&include_absent=true",
            "GET /graph/impact/<component>?soft_depth=0&limit_nodes=5&target_date=2027-01-01",
        ],
    ),
    (
        "query_impact",
        &[
            r#"POST /graph/impact {"ids": ["<card>", "<component>"]}"#,
            r#"POST /graph/impact {"at_location": "<location>", "include_absent": true}"#,
            r#"POST /graph/impact {"of_provider": "<provider>", "soft_depth": 2}"#,
            r#"POST /graph/impact {"on_platform": "<platform>"}"#,
            r#"POST /graph/impact {"by_filter": {"type": "<type>"}, "limit_nodes": 30}"#,
            r#"POST /graph/impact {"by_filter": {"any": [{"type": "ITComponent"}, {"field": "name", "op": "contains", "value": "a"}]}, "max_depth": 3}"#,
            r#"POST /graph/impact {"ids": ["<component>"], "of_provider": "<provider>", "by_filter": {"type": "Location"}}"#,
        ],
    ),
    (
        "list_dependencies",
        &[
            "GET /graph/dependencies/<card>",
            "GET /graph/dependencies/<card>?soft=false&max_depth=3&include_absent=true&limit_nodes=20",
        ],
    ),
    (
        "get_hierarchy",
        &[
            "GET /graph/hierarchy",
            "GET /graph/hierarchy?type=<type>&limit_nodes=30",
            "GET /graph/hierarchy?root_id=<card>&max_depth=2&include_absent=true",
        ],
    ),
    (
        "get_lineage",
        &[
            "GET /graph/lineage/<data_object>",
            "GET /graph/lineage/<data_object>?of=<application>&include_absent=true",
            "GET /graph/lineage/<card>?limit=3",
        ],
    ),
    (
        "list_paths",
        &[
            "GET /graph/paths?from=<application>&to=<card>&max_hops=3&limit=50",
            "GET /graph/paths?from=<component>&to=<capability>&direction=in&include_absent=true&limit=20",
        ],
    ),
    (
        "get_fan_in",
        &[
            "GET /graph/fan-in/<card>",
            "GET /graph/fan-in/<card>?include_absent=true&limit_nodes=2",
        ],
    ),
    (
        "get_fan_out",
        &[
            "GET /graph/fan-out/<card>",
            "GET /graph/fan-out/<card>?target_date=2030-01-01",
        ],
    ),
    (
        "rank_fan_in",
        &[
            "GET /graph/fan-in?limit=1000",
            "GET /graph/fan-in?type=<type>&include_absent=true",
        ],
    ),
    (
        "rank_fan_out",
        &["GET /graph/fan-out?limit=20", "GET /graph/fan-out?type=<type>"],
    ),
    (
        "list_single_points_of_failure",
        &[
            "GET /graph/spof?limit=5000",
            "GET /graph/spof?capability_id=<capability>",
            "GET /graph/spof?limit=3&target_date=2029-01-01&include_absent=true",
        ],
    ),
    (
        "list_cycles",
        &[
            "GET /graph/cycles",
            "GET /graph/cycles?hard_only=true&include_absent=true&limit=2",
        ],
    ),
    (
        "list_orphans",
        &[
            "GET /graph/orphans?limit=5000",
            "GET /graph/orphans?limit=2&include_absent=true&kind=unconnected",
        ],
    ),
    (
        "diff_graph",
        &[
            r#"POST /graph/diff {"from_date": "2015-01-01", "to_date": "2030-01-01"}"#,
            r#"POST /graph/diff {"from_date": "2024-01-01", "types": ["<type>"], "limit": 20}"#,
            r#"POST /graph/diff {"from_date": "2020-01-01", "relations": ["SUPPORTS", "RELIES_ON"], "include_absent": true}"#,
            r#"POST /graph/diff {"from_date": "2020-01-01", "filter": {"field": "name", "op": "contains", "value": "a"}}"#,
        ],
    ),
];

/// Operations that tell nothing of cards: everybody gets the same answer, and that is what is compared.
pub const WITHOUT_CARDS: &[(&str, &[&str])] = &[
    ("list_card_types", &["GET /config/card-types?limit=200"]),
    ("get_card_type", &["GET /config/card-types/<type>"]),
    ("list_metamodel_rules", &["GET /config/metamodel/rules?limit=200"]),
    ("get_metamodel_rule", &["GET /config/metamodel/rules/<rule>"]),
    ("list_relationship_types", &["GET /config/relationship-types?limit=200"]),
    (
        "get_relationship_type",
        &["GET /config/relationship-types/<relationship_type>"],
    ),
    ("get_metamodel", &["GET /config/metamodel"]),
    ("get_metamodel_of_type", &["GET /config/metamodel/<type>"]),
];

/// Operations with `x-permission: view` for which the comparison makes no sense, each with the reason.
pub const NOT_COMPARED: &[(&str, &str)] = &[];
