//! Lists of cards against a plain model: every filter and every sort, by page and by cursor.

mod model;

use archzero::auth::Role;
use serde_json::Value;

use archzero::metamodel::name_key;

use self::model::{DATES, Dice, SEARCHES, SORTS, Test, landscape, random_filter, relevance, sorted};
use crate::{
    harness::TestApp,
    probe::{by_cursor, by_page, encode, ids},
};

#[tokio::test]
async fn every_filter_and_sort_gives_what_a_plain_model_gives() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let all = landscape(&architect).await;
    let mut dice = Dice(0xD1B5_4A32_D192_ED03);
    let mut empty = 0;
    for round in 0..90 {
        let on = if dice.once_in(2) {
            Some(*dice.pick(&DATES))
        } else {
            None
        };
        let mut parameters: Vec<(&str, String)> = on.map(|d| ("target_date", d.to_string())).into_iter().collect();
        let mut tests: Vec<Test> = Vec::new();
        let mut chosen = vec![round % 18];
        for _ in 0..dice.below(3) {
            let next = dice.below(18);
            // Two of one kind would make one parameter of both.
            if !chosen.contains(&next) && !(chosen.contains(&2) && next == 3) && !(chosen.contains(&3) && next == 2) {
                chosen.push(next);
            }
        }
        for which in &chosen {
            let (more, test) = random_filter(&mut dice, *which, &all, on.unwrap_or(app.clock.today()));
            parameters.extend(more);
            tests.push(test);
        }
        if !chosen.contains(&17) {
            tests.push(Box::new(|c| c["deleted_at"].is_null()));
        }
        let sort = SORTS[round % SORTS.len()];
        let descending = dice.once_in(2);
        parameters.push(("sort", sort.to_owned()));
        parameters.push(("order", if descending { "desc" } else { "asc" }.to_owned()));
        let query: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let path = format!("/cards?{}", query.join("&"));

        let expected: Vec<&Value> = all.iter().filter(|card| tests.iter().all(|test| test(card))).collect();
        empty += usize::from(expected.is_empty());
        let expected: Vec<_> = sorted(expected, sort, descending).into_iter().cloned().collect();
        let paged = by_page(&architect, &path, 1 + dice.below(200)).await;
        assert_eq!(ids(&paged), ids(&expected), "{path}");
        let walked = by_cursor(&architect, &path, 20 + dice.below(60)).await;
        assert_eq!(ids(&walked), ids(&expected), "{path}");
        let counted = architect
            .get(&format!("{path}&cursor=&include_total=true&limit=1"))
            .await
            .expect(200);
        assert_eq!(counted.body["pagination"]["total_items"], expected.len(), "{path}");
    }
    assert!(
        empty < 40,
        "{empty} of 90 questions had no answer: they tell too little"
    );
}

#[tokio::test]
async fn a_search_under_any_filter_comes_in_the_order_of_the_rule() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    let all = landscape(&architect).await;
    let mut dice = Dice(0xA076_1D64_78BD_642F);
    let mut found = 0;
    for round in 0..60 {
        let words = SEARCHES[round % SEARCHES.len()];
        let mut parameters = vec![("search", words.to_owned())];
        let mut tests: Vec<Test> = vec![Box::new(move |c| relevance(c, words).is_some())];
        let which = dice.below(18);
        if dice.once_in(2) && which != 4 {
            let (more, test) = random_filter(&mut dice, which, &all, app.clock.today());
            parameters.extend(more);
            tests.push(test);
        }
        if !parameters.iter().any(|(name, _)| *name == "deleted") {
            tests.push(Box::new(|c| c["deleted_at"].is_null()));
        }
        let query: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let path = format!("/cards?{}", query.join("&"));
        let mut expected: Vec<Value> = all
            .iter()
            .filter(|card| tests.iter().all(|test| test(card)))
            .cloned()
            .collect();
        expected.sort_by_cached_key(|card| {
            let name = name_key(card["name"].as_str().unwrap());
            let id = card["id"].as_str().unwrap().to_owned();
            (std::cmp::Reverse(relevance(card, words)), name, id)
        });
        found += expected.len();
        assert_eq!(
            ids(&by_page(&architect, &path, 1 + dice.below(60)).await),
            ids(&expected),
            "{path}"
        );
        assert_eq!(
            ids(&by_cursor(&architect, &path, 1 + dice.below(60)).await),
            ids(&expected),
            "{path}"
        );
        let counted = architect
            .get(&format!("{path}&cursor=&include_total=true&limit=1"))
            .await
            .expect(200);
        assert_eq!(counted.body["pagination"]["total_items"], expected.len(), "{path}");
    }
    assert!(found > 500, "{found} cards found in 60 searches tell too little");
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    for n in 0..5 {
        editor.card("Interface", &format!("I{n}")).await;
    }
    let cursor = |path: String| {
        let editor = editor.clone();
        async move {
            editor.get(&path).await.expect(200).body["pagination"]["next_cursor"]
                .as_str()
                .unwrap()
                .to_owned()
        }
    };
    let own = cursor("/cards?limit=2&cursor=".into()).await;
    let fields = editor
        .get(&format!("/cards?limit=3&fields=name&cursor={own}"))
        .await
        .expect(200);
    assert_eq!(
        fields.body["data"].as_array().unwrap().len(),
        3,
        "how much of a card is shown does not matter"
    );
    for other in [
        "type=Interface",
        "sort=updated_at",
        "order=desc",
        "deleted=include",
        "search=i",
        "target_date=2020-01-01",
    ] {
        editor
            .get(&format!("/cards?{other}&cursor={own}"))
            .await
            .expect_error(400, "CURSOR_MISMATCH");
    }
    editor
        .get(&format!("/relationships?cursor={own}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
    let long = "A".repeat(5000);
    for bad in ["x", "%00", "e30", "bnVsbA", long.as_str(), "eyJsIjoxLCJrIjoyfQ"] {
        let answer = editor.get(&format!("/cards?cursor={bad}")).await;
        assert_eq!(answer.status, 400, "{bad}: {:?}", answer.body);
    }
    // By page there is a cursor to go on with, too.
    let page = editor.get("/cards?limit=2").await.expect(200);
    let next = page.body["pagination"]["next_cursor"].as_str().unwrap();
    let rest = editor.get(&format!("/cards?cursor={next}")).await.expect(200);
    assert_eq!(rest.body["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_walk_survives_midnight_and_writes() {
    let app = TestApp::start().await;
    let now = app.clock.now();
    let midnight = (now.date_naive() + chrono::Days::new(1))
        .and_time(chrono::NaiveTime::MIN)
        .and_utc();
    app.clock.advance(midnight - now - chrono::Duration::minutes(10));
    let editor = app.login(Role::Editor).await;
    for n in 0..4 {
        editor.card("Interface", &format!("I{n}")).await;
    }
    let before = app.clock.today();
    let first = editor.get("/cards?cursor=&limit=2").await.expect(200);
    editor.card("Interface", "I1 and a half").await;
    editor.card("Interface", "A before the beginning").await;
    app.clock.advance(chrono::Duration::minutes(20));
    assert_ne!(app.clock.today(), before);
    let next = first.body["pagination"]["next_url"]
        .as_str()
        .unwrap()
        .strip_prefix("/api/v1")
        .unwrap();
    let second = editor.get(next).await.expect(200);
    let names: Vec<_> = second.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["I1 and a half", "I2"]);
}

#[tokio::test]
async fn what_a_list_does_not_take_is_named() {
    let app = TestApp::start().await;
    let viewer = app.login(Role::Viewer).await;
    for (query, field) in [
        ("colour=red", "colour"),
        ("Type=Interface", "Type"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1001&cursor=", "limit"),
        ("page=0", "page"),
        ("page=1&cursor=", "page"),
        ("page=999999999999", "page"),
        ("sort=colour", "sort"),
        ("sort=attributes.", "sort"),
        ("order=up", "order"),
        ("deleted=yes", "deleted"),
        ("tags_mode=some", "tags_mode"),
        ("type=Aplication", "type"),
        ("lifecycle_phase=active", "lifecycle_phase"),
        ("business_criticality=1", "business_criticality"),
        ("functional_fit=5", "functional_fit"),
        ("quality_min=101", "quality_min"),
        ("quality_max=-1", "quality_max"),
    ] {
        let answer = viewer
            .get(&format!("/cards?{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
        assert_eq!(answer.body["error"]["field"], field, "{query}");
    }
    for query in [
        "limit=x",
        "limit=-1",
        "page=1.5",
        "quality_min=99999999999",
        "functional_fit=a",
        "updated_since=yesterday",
        "target_date=2026-02-30",
    ] {
        viewer
            .get(&format!("/cards?{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
    }
    for query in [
        "filter=name",
        "filter=lifecycle_phase:is:Plan",
        "filter=technical_fit:eq:high",
        "filter=nane:eq:x",
        "filter=lifecycle.plan:gt:soon",
    ] {
        viewer
            .get(&format!("/cards?{query}"))
            .await
            .expect_error(400, "VALIDATION_ERROR");
    }
    for query in ["limit=200", "limit=1000&cursor=", "page=5", "limit=1&page=1"] {
        viewer.get(&format!("/cards?{query}")).await.expect(200);
    }
}
