//! What the placeholders of the samples stand for.

use std::collections::BTreeMap;

use sqlx::PgPool;
use uuid::Uuid;

/// The values of each placeholder.
pub struct Places(BTreeMap<&'static str, Vec<String>>);

impl Places {
    /// From a landscape that still has everything.
    pub async fn of(db: &PgPool) -> Self {
        let mut places = BTreeMap::new();
        let by_degree = "select id from (
                 select c.id, row_number() over (partition by c.type order by count(r.id) desc, c.id) as place
                 from cards c left join relationships r on c.id in (r.source_id, r.target_id) and r.status = 'active'
                 where c.deleted_at is null and ($1::text is null or c.type = $1) group by c.id) ranked
             where place <= $2 order by id";
        let cards = async |card_type: Option<&str>, most: i64| {
            let query = sqlx::query_scalar::<_, Uuid>(by_degree).bind(card_type).bind(most);
            let ids = query.fetch_all(db).await.unwrap();
            ids.iter().map(Uuid::to_string).collect::<Vec<_>>()
        };
        let mut any = cards(None, 1).await;
        any.extend(
            texts(
                db,
                "select id::text from cards where deleted_at is not null order by id limit 4",
            )
            .await,
        );
        any.push(Uuid::nil().to_string());
        places.insert("card", any);
        for (place, card_type, most) in [
            ("application", "Application", 3),
            ("capability", "BusinessCapability", 3),
            ("component", "ITComponent", 3),
            ("data_object", "DataObject", 5),
            ("location", "Location", 3),
            ("platform", "Platform", 3),
            ("provider", "Provider", 3),
        ] {
            let ids = cards(Some(card_type), most).await;
            assert!(!ids.is_empty(), "the landscape has no {card_type}");
            places.insert(place, ids);
        }
        let relationships = "select id::text from (
                 select id, row_number() over (partition by source_type, target_type, status order by id) as place from relationships) r
             where place = 1 order by id";
        places.insert("relationship", texts(db, relationships).await);
        places.insert("type", texts(db, "select name from card_types order by name").await);
        places.insert(
            "question",
            texts(db, "select slug from saved_questions order by slug").await,
        );
        let tags = "select tag from cards, unnest(tags) tag group by tag order by count(*) desc, tag limit 2";
        places.insert("tag", texts(db, tags).await);
        let seals = "select to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from seals
             order by number";
        let seals = texts(db, seals).await;
        assert!(seals.len() >= 3, "the past of the landscape was not sealed: {seals:?}");
        // Before most of what the log tells; and the present is another.
        places.insert("beginning", vec![seals[0].clone()]);
        places.insert("moment", vec![seals[seals.len() - 2].clone()]);
        places.insert("last", texts(db, "select max(position)::text from changes").await);
        let rules = "select id::text from metamodel_rules order by id limit 3";
        places.insert("rule", texts(db, rules).await);
        let kinds = "select id::text from relationship_types order by id limit 3";
        places.insert("relationship_type", texts(db, kinds).await);
        Self(places)
    }

    /// The request with every combination of values.
    pub fn fill(&self, request: &str) -> Vec<String> {
        let mut filled = vec![request.to_owned()];
        for (place, values) in &self.0 {
            let mark = format!("<{place}>");
            if request.contains(&mark) {
                filled = filled
                    .iter()
                    .flat_map(|request| values.iter().map(|value| request.replace(&mark, value)))
                    .collect();
            }
        }
        assert!(
            !filled.iter().any(|request| request.contains('<')),
            "{request} has a placeholder that nobody knows"
        );
        filled
    }
}

async fn texts(db: &PgPool, query: &'static str) -> Vec<String> {
    sqlx::query_scalar(query).fetch_all(db).await.unwrap()
}
