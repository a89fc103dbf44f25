//! Samples: what they write is what any other writer would have written, and repeating them changes nothing.

use archzero::{
    auth::Role,
    error::Code,
    seed::{
        demo, reference,
        synthetic::{self, Parameters},
    },
};
use serde_json::json;
use sqlx::PgPool;

use crate::harness::TestApp;

/// Rows that the change log tells differently from the tables, by the way the store writes it.
async fn differences(db: &PgPool) -> i64 {
    sqlx::query_scalar(
        "select (select count(*) from cards c join card_scores s on s.card_id = c.id
                 left join changes l on l.entity_id = c.id and l.version = c.version and l.entity = 'card' and l.action = 'created'
                      and l.entity_type = c.type and l.before is null
                 where l.after is distinct from to_jsonb(c) || jsonb_build_object('quality_score', s.quality_score))
              + (select count(*) from relationships r
                 left join changes l on l.entity_id = r.id and l.version = r.version and l.entity = 'relationship'
                      and l.action = 'created' and l.entity_type = r.type and l.before is null
                 where l.after is distinct from to_jsonb(r))
              + (select count(*) from cards c left join card_scores s on s.card_id = c.id where s.card_id is null)
              + (select count(*) from cards c cross join jsonb_array_elements(c.attributes -> 'external_ids') x
                 where not exists (select from card_external_ids e where e.card_id = c.id and e.system = x ->> 'system'
                                   and e.external_id = x ->> 'id'))",
    )
    .fetch_one(db)
    .await
    .unwrap()
}

async fn changes(db: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from changes")
        .fetch_one(db)
        .await
        .unwrap()
}

#[tokio::test]
async fn reference_data_is_there_once() {
    let app = TestApp::start().await;
    let before = changes(app.db()).await;
    let outcome = reference::load(app.db()).await.unwrap();
    assert_eq!((outcome.written, changes(app.db()).await), (0, before));
    assert!(
        outcome.card_types >= 19 && outcome.rules > 100 && outcome.relationship_types >= 48,
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_demo_is_loaded_once_and_respects_what_people_did_with_it() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    // Somebody has drawn a part of it already.
    let own = admin.card("Provider", "microsoft").await;
    let first = demo::load(app.db()).await.unwrap();
    assert!(
        first.cards.created > 500 && first.relationships.created > 2_000,
        "{first:?}"
    );
    assert_eq!((first.cards.present, first.relationships.present), (1, 0));
    assert_eq!(differences(app.db()).await, 0);
    let written = changes(app.db()).await;

    let second = demo::load(app.db()).await.unwrap();
    assert_eq!((second.cards.created, second.relationships.created), (0, 0));
    assert_eq!(
        (second.cards.present, second.relationships.present),
        (first.cards.created + 1, first.relationships.created)
    );
    assert_eq!(changes(app.db()).await, written);

    let admin = admin.header("if-match", "*");
    // A card renamed, a card deleted, a relationship ended: none of it comes back.
    let applications = admin.get("/cards?type=Application&limit=2").await.expect(200);
    let [renamed, deleted] = [0, 1].map(|n| applications.body["data"][n]["id"].as_str().unwrap().to_owned());
    admin
        .patch(&format!("/cards/{renamed}"), json!({"name": "Ours now"}))
        .await
        .expect(200);
    admin.delete(&format!("/cards/{deleted}")).await.expect(200);
    let edge: uuid::Uuid =
        sqlx::query_scalar("select id from relationships where target_id = $1 and status = 'active' limit 1")
            .bind(own)
            .fetch_one(app.db())
            .await
            .unwrap();
    admin.delete(&format!("/relationships/{edge}")).await.expect(204);
    let written = changes(app.db()).await;
    let third = demo::load(app.db()).await.unwrap();
    assert_eq!((third.cards.created, third.relationships.created), (0, 0));
    assert!(
        third.cards.deleted >= 1 && third.relationships.deleted >= 2,
        "{third:?}"
    );
    assert_eq!(changes(app.db()).await, written);
}

#[tokio::test]
async fn a_synthetic_landscape_is_written_like_any_other() {
    let app = TestApp::start().await;
    let parameters = Parameters {
        cards: 300,
        relationships: 1_500,
        seed: 7,
    };
    let outcome = synthetic::load(app.db(), parameters).await.unwrap();
    assert_eq!((outcome.cards, outcome.relationships), (300, 1_500));
    assert_eq!(differences(app.db()).await, 0);
    let written = changes(app.db()).await;

    // Instances that run already see it.
    let reader = app.login(Role::Viewer).await;
    let page = reader
        .get("/cards?type=Application&limit=1&include_total=true")
        .await
        .expect(200);
    assert_eq!(page.body["pagination"]["total_items"], 54);
    let hub: uuid::Uuid = sqlx::query_scalar(
        "select target_id from relationships where type = 'RELIES_ON' group by 1 order by count(*) desc, 1 limit 1",
    )
    .fetch_one(app.db())
    .await
    .unwrap();
    let impact = reader.get(&format!("/graph/impact/{hub}")).await.expect(200);
    assert!(impact.body.to_string().len() > 500, "{:?}", impact.body);

    let logged_in = changes(app.db()).await;
    let again = synthetic::load(app.db(), parameters).await.unwrap();
    assert_eq!((again.cards, again.relationships), (0, 0));
    let error = synthetic::load(app.db(), Parameters { seed: 8, ..parameters })
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::Conflict);
    assert!(error.message.contains("\"seed\":7"), "{}", error.message);
    assert_eq!(changes(app.db()).await, logged_in);
    assert!(logged_in >= written);
}

#[tokio::test]
async fn an_interrupted_load_goes_on_where_it_ended() {
    let app = TestApp::start().await;
    let parameters = Parameters {
        cards: 200,
        relationships: 600,
        seed: 1,
    };
    synthetic::load(app.db(), parameters).await.unwrap();
    // As if the process had been killed after the cards.
    for statement in [
        "delete from relationships",
        "update settings set value = replace(value, '\"complete\":true', '\"complete\":false') where name = 'synthetic_landscape'",
    ] {
        sqlx::query(statement).execute(app.db()).await.unwrap();
    }
    let outcome = synthetic::load(app.db(), parameters).await.unwrap();
    assert_eq!((outcome.cards, outcome.relationships), (0, 600));
}
