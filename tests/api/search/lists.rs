//! `search` in the list of cards.

use archzero::auth::Role;
use serde_json::json;

use super::{found, highlights, names};
use crate::{harness::TestApp, probe::encode};

#[tokio::test]
async fn the_name_counts_more_than_tags_more_than_the_description_more_than_attributes() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    editor
        .card_with("ITComponent", "E", json!({"attributes": {"vendor": "Oracle"}}))
        .await;
    editor
        .card_with("ITComponent", "D", json!({"description": "runs on Oracle"}))
        .await;
    editor.card_with("ITComponent", "C", json!({"tags": ["oracle"]})).await;
    editor.card("Application", "The Oracles").await;
    editor.card("Application", "Oracle Financials").await;
    editor.card("ITComponent", "Oracle").await;
    editor.card("ITComponent", "Orakle").await;
    assert_eq!(
        found(&editor, "ORACLE").await,
        ["Oracle", "Oracle Financials", "The Oracles", "C", "D", "E"]
    );
    assert_eq!(
        found(&editor, "orac fin").await,
        ["Oracle Financials"],
        "every word begins one"
    );
    assert_eq!(found(&editor, "oralce fin").await, ["Oracle Financials"], "with a typo");
    assert_eq!(
        found(&editor, "orakle").await,
        ["Orakle"],
        "as written, typos are not looked for"
    );
    assert_eq!(found(&editor, "oracle -financials -tag").await.len(), 5);
    assert!(found(&editor, "oracle nothing").await.is_empty());
    assert!(found(&editor, "\"financials oracle\"").await.is_empty());
    assert_eq!(found(&editor, "\"oracle financials\"").await, ["Oracle Financials"]);
    let by_name = editor
        .get("/cards?search=oracle&sort=name&order=desc&type=ITComponent")
        .await
        .expect(200);
    assert_eq!(names(&by_name), ["Oracle", "E", "D", "C"]);
    assert_eq!(by_name.body["pagination"]["total_items"], 4);
    assert_eq!(highlights(&by_name.body["data"][1]), ["attributes.vendor: [Oracle]"]);
}

#[tokio::test]
async fn accents_case_and_ways_of_writing_do_not_matter() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    for name in [
        "Café Crème",
        "STRASSENBAU",
        "Łódź Warehouse",
        "東京都庁 システム",
        "Ａｃｃｏｕｎｔｓ",
        "مرحبا بالعالم",
        "Cafe\u{301} Two",
    ] {
        editor.card("Application", name).await;
    }
    for (words, expected) in [
        ("cafe creme", vec!["Café Crème"]),
        ("CAFÉ", vec!["Café Crème", "Café Two"]),
        ("straße", vec!["STRASSENBAU"]),
        ("lodz", vec!["Łódź Warehouse"]),
        ("東京", vec!["東京都庁 システム"]),
        ("都庁", vec!["東京都庁 システム"]),
        ("京", vec!["東京都庁 システム"]),
        ("京東", vec![]),
        ("accounts", vec!["Accounts"]),
        ("العالم", vec!["مرحبا بالعالم"]),
        ("عالم", vec![]),
        ("بالعالم", vec!["مرحبا بالعالم"]),
    ] {
        let mut names: Vec<String> = found(&editor, words).await;
        names = names
            .iter()
            .map(|name| name.replace('\u{ff21}', "A").chars().map(plain).collect())
            .collect();
        names = names.iter().map(|name| name.replace("e\u{301}", "é")).collect();
        assert_eq!(names, expected, "{words}");
    }
}

/// Full-width letters as ordinary ones.
fn plain(c: char) -> char {
    match u32::from(c) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap(),
        _ => c,
    }
}

#[tokio::test]
async fn highlights_are_parts_of_the_text_as_it_is() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    let more = json!({
        "tags": ["sales", "presales"], "description": "The <script>Sales</script> & more", "attributes": {"owner": "Salem", "team": {"name": "Sales"}}
    });
    editor.card_with("Application", "Café <b>Sales</b>", more).await;
    let answer = editor.get("/cards?search=sales").await.expect(200);
    assert_eq!(
        highlights(&answer.body["data"][0]),
        [
            "name: Café <b>[Sales]</b>",
            "tags: [sales]",
            "description: The <script>[Sales]</script> & more",
            "attributes.team.name: [Sales]",
        ]
    );
    let plain = editor.get("/cards").await.expect(200);
    assert!(plain.body["data"][0].get("highlights").is_none());
    let sparse = editor.get("/cards?search=sales&fields=name").await.expect(200);
    assert!(sparse.body["data"][0].get("highlights").is_none());
    let sparse = editor.get("/cards?search=sales&fields=highlights").await.expect(200);
    assert_eq!(sparse.body["data"][0].as_object().unwrap().len(), 2);
    let typo = editor.get("/cards?search=slaes%20cafe").await.expect(200);
    assert_eq!(highlights(&typo.body["data"][0])[0], "name: [Café] <b>[Sales]</b>");
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused_and_what_is_odd_finds_nothing() {
    let app = TestApp::start().await;
    let editor = app.login(Role::Editor).await;
    editor
        .card("Application", "100% C++ [a-z]* _x_ \\d+ 'quoted' <tag>")
        .await;
    let long = "x".repeat(10_000);
    for (query, field) in [
        (format!("search={}", "x".repeat(201)), "search"),
        (format!("search={long}"), "search"),
        (format!("search={}", "a+".repeat(25)), "search"),
        ("search=-legacy".to_owned(), "search"),
        ("sort=relevance".to_owned(), "sort"),
        ("search=a&order=asc".to_owned(), "order"),
        ("search=+&sort=relevance".to_owned(), "sort"),
    ] {
        let answer = editor
            .get(&format!("/cards?{query}"))
            .await
            .expect_error(400, "INVALID_REQUEST");
        assert_eq!(answer.body["error"]["field"], field, "{query:.40}");
    }
    editor
        .get("/cards?search=%00")
        .await
        .expect_error(400, "INVALID_REQUEST");
    for words in [
        "%",
        "_",
        "*",
        "\"",
        "- -",
        "'",
        "\\",
        "[]",
        "\u{301}\u{302}",
        "\u{202e}",
        "🦀",
        "()",
    ] {
        assert!(found(&editor, words).await.is_empty(), "{words}");
    }
    for words in [
        "[a-z]*",
        "_x_",
        "\\d+",
        "'quoted'",
        "<tag>",
        "100%",
        "\u{202e}quoted",
        "c++",
        "q\u{301}uoted",
        "\"100% c\"",
    ] {
        assert_eq!(found(&editor, words).await.len(), 1, "{words}");
    }
    for words in ["1_0", "a%k", "qu*ed", ".*", "100% C OR 1=1"] {
        assert!(found(&editor, words).await.is_empty(), "{words}");
    }
    assert_eq!(found(&editor, "   ").await.len(), 1, "nothing but blanks is no search");
}

#[tokio::test]
async fn a_walk_by_cursor_goes_on_where_it_was_although_cards_come_and_go() {
    let app = TestApp::start().await;
    let architect = app.login(Role::Architect).await;
    for n in 0..9 {
        architect.card("Interface", &format!("Feed {n}")).await;
    }
    let first = architect.get("/cards?search=feed&limit=4&cursor=").await.expect(200);
    assert_eq!(names(&first), ["Feed 0", "Feed 1", "Feed 2", "Feed 3"]);
    architect.card("Interface", "Feed").await;
    let last = first.body["data"][3]["id"].as_str().unwrap();
    architect
        .header("if-match", "*")
        .delete(&format!("/cards/{last}"))
        .await
        .expect(200);
    let next = first.body["pagination"]["next_cursor"].as_str().unwrap();
    let rest = architect
        .get(&format!("/cards?search=feed&limit=9&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(names(&rest), ["Feed 4", "Feed 5", "Feed 6", "Feed 7", "Feed 8"]);
    let other = format!("/cards?search={}&limit=9&cursor={next}", encode("feed 1"));
    architect.get(&other).await.expect_error(400, "CURSOR_MISMATCH");
    architect
        .get(&format!("/cards?search=feed&sort=name&cursor={next}"))
        .await
        .expect_error(400, "CURSOR_MISMATCH");
}
