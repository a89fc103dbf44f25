//! What is asked of every operation that reads cards. One line per request: `METHOD path body`.
//!
//! `<card>`, `<application>` … stand for cards, each request is sent once for each of them, hidden and deleted ones
//! included (see [`Places`](super::places::Places)). Lists are followed from page to page.

/// By operation: the requests that try it.
pub const SAMPLES: &[(&str, &[&str])] = &[
    (
        "list_cards",
        &[
            "GET /cards?search=c&limit=40&cursor=&include_total=true",
            "GET /cards?search=Clams&limit=100",
            "GET /cards?search=Platfrom%20Catgory",
            "GET /cards?search=yearly%20-serves&sort=type",
            "GET /cards?search=%22reviewed%20together%22&tags=<tag>&deleted=include",
            "GET /cards?type=<type>&search=oracle&filter=name:contains:e",
            "GET /cards?known_at=<moment>&limit=200&include=relationships",
            "GET /cards?known_at=<moment>&type=<type>&limit=40&deleted=include&sort=updated_at",
            "GET /cards?known_at=<moment>&search=clams&limit=60",
            "GET /cards?known_at=<moment>&tags=<tag>&cursor=&limit=30&include_total=true",
            "GET /cards?known_at=<beginning>&search=stp",
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
            "GET /cards/<card>?include=relationships,history,violations&known_at=<moment>",
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
            "GET /cards/<card>/relationships?known_at=<moment>",
            "GET /cards/<application>/relationships?known_at=<beginning>",
            "GET /cards/<card>/relationships",
            "GET /cards/<card>/relationships?target_date=2026-06-01",
        ],
    ),
    (
        "list_relationships",
        &[
            "GET /relationships?limit=200&status=any&known_at=<moment>",
            "GET /relationships?card_id=<card>&limit=50&known_at=<moment>",
            "GET /relationships?limit=200&status=any",
            "GET /relationships?limit=300&cursor=&include_total=true",
            "GET /relationships?card_id=<card>&limit=100",
            "GET /relationships?source_id=<card>&target_date=2026-06-01",
            "GET /relationships?target_id=<card>&type=RELIES_ON&type=SUPPORTS",
            "GET /relationships?status=archived",
        ],
    ),
    (
        "get_relationship",
        &[
            "GET /relationships/<relationship>?known_at=<moment>",
            "GET /relationships/<relationship>",
        ],
    ),
    (
        "traverse_graph",
        &[
            r#"POST /graph/traverse {"root_id": "<card>", "depth": 3, "known_at": "<moment>"}"#,
            r#"POST /graph/traverse {"root_type": "<type>", "depth": 1, "limit_nodes": 30, "known_at": "<beginning>"}"#,
            r#"POST /graph/traverse {"root_type": "Application", "depth": 2, "root_filter": {"related": {"type": "RELIES_ON", "min": 2}}}"#,
            r#"POST /graph/traverse {"root_type": "<type>", "depth": 1, "limit_nodes": 60, "return_filter": {"not": {"related": {"type": "SUPPORTS", "direction": "in"}}}}"#,
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
            "GET /graph/impact/<component>?include_absent=true&known_at=<moment>",
            "GET /graph/impact/<card>",
            "GET /graph/impact/<card>?soft_depth=3&max_depth=4&include_absent=true",
            "GET /graph/impact/<component>?soft_depth=0&limit_nodes=5&target_date=2027-01-01",
        ],
    ),
    (
        "query_impact",
        &[
            r#"POST /graph/impact {"by_filter": {"related": {"type": "PROVIDED_BY", "quantifier": "none"}}, "max_depth": 2, "limit_nodes": 50}"#,
            r#"POST /graph/impact {"of_provider": "<provider>", "known_at": "<moment>"}"#,
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
            "GET /graph/dependencies/<application>?known_at=<moment>",
            "GET /graph/dependencies/<card>",
            "GET /graph/dependencies/<card>?soft=false&max_depth=3&include_absent=true&limit_nodes=20",
        ],
    ),
    (
        "get_hierarchy",
        &[
            "GET /graph/hierarchy?type=<type>&limit_nodes=30&known_at=<moment>",
            "GET /graph/hierarchy",
            "GET /graph/hierarchy?type=<type>&limit_nodes=30",
            "GET /graph/hierarchy?root_id=<card>&max_depth=2&include_absent=true",
        ],
    ),
    (
        "get_lineage",
        &[
            "GET /graph/lineage/<data_object>?known_at=<moment>",
            "GET /graph/lineage/<data_object>",
            "GET /graph/lineage/<data_object>?of=<application>&include_absent=true",
            "GET /graph/lineage/<card>?limit=3",
        ],
    ),
    (
        "list_paths",
        &[
            "GET /graph/paths?from=<application>&to=<component>&max_hops=3&limit=20&known_at=<moment>",
            "GET /graph/paths?from=<application>&to=<card>&max_hops=3&limit=50",
            "GET /graph/paths?from=<component>&to=<capability>&direction=in&include_absent=true&limit=20",
        ],
    ),
    (
        "get_fan_in",
        &[
            "GET /graph/fan-in/<component>?known_at=<moment>",
            "GET /graph/fan-in/<card>",
            "GET /graph/fan-in/<card>?include_absent=true&limit_nodes=2",
        ],
    ),
    (
        "get_fan_out",
        &[
            "GET /graph/fan-out/<application>?known_at=<moment>",
            "GET /graph/fan-out/<card>",
            "GET /graph/fan-out/<card>?target_date=2030-01-01",
        ],
    ),
    (
        "rank_fan_in",
        &[
            "GET /graph/fan-in?limit=200&known_at=<moment>",
            "GET /graph/fan-in?limit=1000",
            "GET /graph/fan-in?type=<type>&include_absent=true",
        ],
    ),
    (
        "rank_fan_out",
        &[
            "GET /graph/fan-out?limit=200&known_at=<moment>",
            "GET /graph/fan-out?limit=20",
            "GET /graph/fan-out?type=<type>",
        ],
    ),
    (
        "list_single_points_of_failure",
        &[
            "GET /graph/spof?limit=500&known_at=<moment>",
            "GET /graph/spof?limit=5000",
            "GET /graph/spof?capability_id=<capability>",
            "GET /graph/spof?limit=3&target_date=2029-01-01&include_absent=true",
        ],
    ),
    (
        "list_cycles",
        &[
            "GET /graph/cycles?include_absent=true&known_at=<moment>",
            "GET /graph/cycles",
            "GET /graph/cycles?hard_only=true&include_absent=true&limit=2",
        ],
    ),
    (
        "list_orphans",
        &[
            "GET /graph/orphans?limit=500&known_at=<moment>",
            "GET /graph/orphans?limit=5000",
            "GET /graph/orphans?limit=2&include_absent=true&kind=unconnected",
        ],
    ),
    (
        "diff_graph",
        &[
            r#"POST /graph/diff {"from": {"known_at": "<beginning>", "target_date": "2026-06-01"}, "to": {"target_date": "2026-06-01"}}"#,
            r#"POST /graph/diff {"from": {"known_at": "<beginning>"}, "to": {"known_at": "<moment>", "target_date": "2028-01-01"}, "types": ["<type>"]}"#,
            r#"POST /graph/diff {"from": {"known_at": "<moment>"}, "to": {}, "filter": {"related": {"type": "RELIES_ON", "quantifier": "every", "where": {"type": "ITComponent"}}}}"#,
            r#"POST /graph/diff {"from_date": "2015-01-01", "to_date": "2030-01-01"}"#,
            r#"POST /graph/diff {"from_date": "2024-01-01", "types": ["<type>"], "limit": 20}"#,
            r#"POST /graph/diff {"from_date": "2020-01-01", "relations": ["SUPPORTS", "RELIES_ON"], "include_absent": true}"#,
            r#"POST /graph/diff {"from_date": "2020-01-01", "filter": {"field": "name", "op": "contains", "value": "a"}}"#,
        ],
    ),
    (
        "get_relationship_history",
        &[
            "GET /relationships/<relationship>/history",
            "GET /relationships/<relationship>/history?limit=1&cursor=",
        ],
    ),
    (
        "query_cards",
        &[
            r#"POST /cards/query {"limit": 200, "sort": "type"}"#,
            r#"POST /cards/query {"page": 2, "limit": 100, "deleted": "include", "include": ["relationships"]}"#,
            r#"POST /cards/query {"types": ["<type>"], "limit": 100, "where": {"related": {"type": "RELIES_ON", "direction": "both"}}}"#,
            r#"POST /cards/query {"types": ["<type>"], "limit": 100, "where": {"related": {"type": "RELIES_ON", "direction": "both", "quantifier": "none"}}}"#,
            r#"POST /cards/query {"limit": 200, "where": {"related": {"type": "RELIES_ON", "quantifier": "every", "where": {"type": ["ITComponent", "Interface"]}}}}"#,
            r#"POST /cards/query {"limit": 200, "where": {"related": {"type": "SUPPORTS", "quantifier": "every", "where": {"field": "maturity_level", "op": "ge", "value": 2}}}}"#,
            r#"POST /cards/query {"limit": 200, "where": {"related": {"type": "RELIES_ON", "min": 2, "max": 4}}}"#,
            r#"POST /cards/query {"limit": 200, "where": {"related": {"type": "RELIES_ON", "direction": "in", "max": 1}}}"#,
            r#"POST /cards/query {"limit": 200, "include_absent": true, "where": {"related": {"type": "USES_DATA", "direction": "both", "min": 3}}}"#,
            r#"POST /cards/query {"types": ["Application", "BusinessCapability"], "where": {"related": {"type": "SUPPORTS", "direction": "both", "where": {"related": {"type": "SUPPORTS", "direction": "both", "other": true}}}}}"#,
            r#"POST /cards/query {"where": {"any": [{"not": {"related": {"type": "SUPPORTS", "where": {"related": {"type": "SUPPORTS", "direction": "in", "other": true, "quantifier": "none"}}}}}, {"tags": "<tag>"}]}, "limit": 100}"#,
            r#"POST /cards/query {"where": {"related": {"type": "PROVIDED_BY", "direction": "in", "where": {"related": {"type": "RELIES_ON", "direction": "in", "where": {"related": {"type": "OWNED_BY", "min": 1}}}}}}}"#,
            r#"POST /cards/query {"limit": 200, "where": {"related": {"type": "THREATENS", "quantifier": "none", "where": {"field": "technical_fit", "op": "le", "value": 2}}}}"#,
            r#"POST /cards/query {"limit": 200, "where": {"related": {"type": "RELIES_ON", "where": {"related": {"type": "LOCATED_AT", "to": ["Location"]}}, "quantifier": "none"}}}"#,
            r#"POST /cards/query {"limit": 200, "where": {"related": {"type": "RELIES_ON", "to": ["<type>"], "direction": "both", "where": {"field": "quality_score", "op": "ge", "value": 10}}}}"#,
            r#"POST /cards/query {"search": "c", "limit": 50, "where": {"related": {"type": "RELIES_ON"}}}"#,
            r#"POST /cards/query {"search": "clams", "limit": 50}"#,
            r#"POST /cards/query {"search": "oracel", "sort": "name", "order": "desc"}"#,
            r#"POST /cards/query {"limit": 200, "target_date": "2028-01-01", "where": {"all": [{"lifecycle_phase": ["Active", "Phase Out"]}, {"related": {"type": "OWNED_BY", "quantifier": "none"}}]}}"#,
            r#"POST /cards/query {"known_at": "<moment>", "limit": 200, "where": {"related": {"type": "RELIES_ON", "min": 2}}}"#,
            r#"POST /cards/query {"known_at": "<moment>", "types": ["<type>"], "limit": 50, "where": {"related": {"type": "SUPPORTS", "direction": "both", "quantifier": "none"}}}"#,
            r#"POST /cards/query {"known_at": "<beginning>", "limit": 100, "search": "cl", "where": {"related": {"type": "RELIES_ON", "direction": "in", "where": {"related": {"type": "SUPPORTS", "other": true}}}}}"#,
        ],
    ),
    (
        "count_facets",
        &[
            "GET /cards/facets",
            "GET /cards/facets?type=<type>&multi_select=true&top=2",
            "GET /cards/facets?deleted=include&facet=tags&facet=attributes.owner&top=500",
            "GET /cards/facets?type=Application&type=ITComponent&multi_select=true&facet=type&facet=tags&facet=attributes.vendor&tags=<tag>&top=3",
            "GET /cards/facets?facet=attributes.owner&facet=attributes.financials.currency&facet=attributes.sensitivity&top=500",
            "GET /cards/facets?filter=name:contains:e&facet=attributes.hosting_type&facet=type&facet=lifecycle_phase&target_date=2028-01-01",
            "GET /cards/facets?search=c",
            "GET /cards/facets?search=clams&facet=type&multi_select=true&type=Application",
            "GET /cards/facets?search=oracel&facet=type&facet=tags",
            "GET /cards/facets?known_at=<moment>&facet=type&facet=tags&facet=attributes.owner&top=100",
            "GET /cards/facets?known_at=<moment>&search=clams",
        ],
    ),
    (
        "count_facets_of_query",
        &[
            "POST /cards/facets {}",
            r#"POST /cards/facets {"facets": ["type", "attributes.vendor"], "multi_select": true, "types": ["<type>"], "where": {"related": {"type": "RELIES_ON", "direction": "both"}}}"#,
            r#"POST /cards/facets {"facets": ["type", "tags", "attributes.owner"], "top": 100, "multi_select": true, "where": {"all": [{"tags": "<tag>"}, {"related": {"type": "SUPPORTS", "direction": "both", "quantifier": "none"}}]}}"#,
            r#"POST /cards/facets {"search": "platfrom", "facets": ["type"], "deleted": "include"}"#,
            r#"POST /cards/facets {"known_at": "<moment>", "facets": ["type", "tags", "lifecycle_phase"], "where": {"related": {"type": "RELIES_ON", "min": 2}}}"#,
        ],
    ),
    (
        "get_question_results",
        &[
            "GET /questions/<question>/results?limit=200",
            "GET /questions/<question>/results?cursor=&limit=40&include_total=true",
            "GET /questions/<question>/results?known_at=<moment>&limit=100",
            "GET /questions/by-words/results?words=c",
            "GET /questions/by-words/results?words=clams&cursor=&limit=20",
            "GET /questions/by-words-sorted/results?words=oracel",
        ],
    ),
    (
        "get_question_results_csv",
        &[
            "GET /questions/<question>/results.csv",
            "GET /questions/<question>/results.csv?known_at=<moment>",
            "GET /questions/by-words/results.csv?words=clams",
            "GET /questions/by-words-sorted/results.csv?words=c&known_at=<beginning>",
        ],
    ),
    (
        "list_similar_cards",
        &[
            "GET /cards/<card>/similar?limit=20",
            "GET /cards/<card>/similar?types=Application&types=ITComponent&types=DataObject&min_score=0&limit=100",
            "GET /cards/<application>/similar?include_absent=true&target_date=2028-01-01&limit=3",
        ],
    ),
    (
        "search",
        &[
            "GET /search?q=a&limit=50",
            "GET /search?q=c",
            "GET /search?q=cl&limit=2",
            "GET /search?q=clams",
            "GET /search?q=platfrom",
            "GET /search?q=oracel&limit=50",
            "GET /search?q=<tag>",
            "GET /search?q=yearly&types=relationship&limit=50",
            "GET /search?q=yeraly",
            "GET /search?q=a&types=tag&limit=50",
            "GET /search?q=e&types=<type>&limit=50",
            "GET /search?q=together%20-oracle&types=tag&types=relationship&types=ITComponent",
        ],
    ),
    (
        "list_audit",
        &[
            "GET /audit?to_position=<last>&limit=200",
            "GET /audit?to_position=<last>&entity=card&action=updated&cursor=&limit=100&include_total=true",
            "GET /audit?to_position=<last>&entity=relationship&order=asc&limit=150",
            "GET /audit?to_position=<last>&entity_type=<type>&limit=50",
            "GET /audit?to_position=<last>&entity_id=<card>",
            "GET /audit?to_position=<last>&entity_id=<relationship>&order=asc",
            "GET /audit?to_position=<last>&reason=step&limit=200",
        ],
    ),
    (
        "export_audit",
        &[
            "GET /audit/export?to_position=<last>",
            "GET /audit/export?to_position=<last>&format=csv&entity=card&entity=relationship&entity=score&order=asc",
        ],
    ),
];

/// Operations that tell nothing of cards: everybody gets the same answer, and that is what is compared.
pub const WITHOUT_CARDS: &[(&str, &[&str])] = &[
    (
        "list_questions",
        &["GET /questions?limit=3", "GET /questions?mine=true"],
    ),
    ("get_question", &["GET /questions/<question>", "GET /questions/nothing"]),
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

/// Operations for which the comparison makes no sense, each with the reason.
pub const NOT_COMPARED: &[(&str, &str)] = &[
    ("create_question", QUESTIONS_ARE_NO_CARDS),
    ("update_question", QUESTIONS_ARE_NO_CARDS),
    ("delete_question", QUESTIONS_ARE_NO_CARDS),
    (
        "verify_audit",
        "holds the log against its seals: it counts rows and names positions, of the whole log, and nothing that a row is about",
    ),
];

const QUESTIONS_ARE_NO_CARDS: &str = "writes what the caller sends, checked against the metamodel alone, and answers it; the next \
    comparison would find another world";
