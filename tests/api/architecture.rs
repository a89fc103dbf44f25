//! Who may use whom: the table of docs/architecture.md, held against the imports.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rooms in the order in which they may use each other: each those before it.
const ROOMS: &[&str] = &[
    "error",
    "config",
    "telemetry",
    "store",
    "http",
    "auth",
    "job",
    "metamodel",
    "condition",
    "text",
    "card",
    "audit",
    "relationship",
    "landscape",
    "graph",
    "saved_question",
    "search",
    "seed",
    "app",
];

/// Upward uses that the design knows of: the state and the caller are handed to every route, an error carries the id of
/// its request.
const KNOWN: &[(&str, &str)] = &[("error", "http"), ("http", "auth")];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((
                    path.strip_prefix(&root).unwrap().to_owned(),
                    without_tests_and_comments(&text),
                ));
            }
        }
    }
    assert!(files.len() > 100);
    files.sort();
    files
}

fn without_tests_and_comments(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn room(path: &Path) -> String {
    path.iter()
        .next()
        .unwrap()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

fn is_test(path: &Path) -> bool {
    path.to_string_lossy().contains("tests")
}

/// The rooms named after `crate::`, in paths and in grouped imports.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut names = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ if depth == 1 => names.push(c),
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            found.extend(
                names
                    .split(',')
                    .map(|n| n.trim().split("::").next().unwrap_or_default().to_owned()),
            );
        } else {
            found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

#[test]
fn rooms_use_only_those_before_them() {
    let place = |name: &str| ROOMS.iter().position(|r| *r == name);
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(p, _)| !is_test(p)) {
        let own = room(path);
        let Some(own_place) = place(&own) else {
            assert!(
                own == "lib" || own == "bin",
                "{} is in no room of the table",
                path.display()
            );
            continue;
        };
        for other in used(text) {
            let up = place(&other).is_some_and(|p| p > own_place);
            let state = other == "app";
            if up && !state && !KNOWN.contains(&(own.as_str(), other.as_str())) {
                wrong.push(format!("{} uses {other}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rules_know_neither_http_nor_sql() {
    // Files that are neither routes nor store, and yet speak to the outside, by name.
    let http = [
        "http/",
        "app/",
        "auth/authenticate.rs",
        "auth/principal.rs",
        "error.rs",
        "telemetry/",
        "config/",
        "bin/",
        "lib.rs",
    ];
    let sql = [
        "store",
        "app/",
        "bin/",
        "seed/",
        "landscape/",
        "http/write.rs",
        "http/health",
        "graph/embedded.rs",
        "card/list.rs",
        "card/history.rs",
        "card/past.rs",
        "relationship/past.rs",
        "graph/past.rs",
        "relationship/list.rs",
        "relationship/rules.rs",
        "condition/sql",
        "job/mod.rs",
        "job/news.rs",
        "job/schedule.rs",
        "job/worker.rs",
        "metamodel/recompute.rs",
        "auth/token.rs",
        "audit/mod.rs",
        "audit/keys.rs",
        "audit/sealer.rs",
        "auth/session.rs",
        "auth/attempt.rs",
        "routes",
    ];
    for (path, text) in sources().iter().filter(|(p, _)| !is_test(p)) {
        let name = path.to_string_lossy();
        let may = |list: &[&str]| list.iter().any(|part| name.contains(part));
        let uses =
            |library: &str| text.contains(&format!("use {library}::")) || text.contains(&format!(" {library}::"));
        assert!(
            may(&http) || name.contains("routes") || !uses("axum"),
            "{name} is a rule and uses axum"
        );
        assert!(may(&sql) || !uses("sqlx"), "{name} is a rule and uses sqlx");
    }
}
