//! Random histories with seals between: every instant keeps the answers it had as the present, byte for byte, through
//! later writes, checkpoints, another instance and a restored database.

use std::collections::HashMap;

use archzero::{
    auth::Role,
    card,
    job::worker,
    store::{Author, past::checkpoint},
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use sqlx::Executor;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Asked, content, questions, seal};
use crate::harness::{Caller, TestApp};

struct World<'a> {
    app: &'a TestApp,
    admin: Caller<'a>,
    random: StdRng,
    cards: Vec<(Uuid, &'static str)>,
    edges: Vec<Uuid>,
    names: usize,
}

const TYPES: [&str; 4] = ["Application", "ITComponent", "BusinessCapability", "Interface"];
const EDGES: [(&str, &str, &str); 5] = [
    ("Application", "RELIES_ON", "ITComponent"),
    ("Application", "SUPPORTS", "BusinessCapability"),
    ("Application", "PROVIDES", "Interface"),
    ("Application", "CONSUMES", "Interface"),
    ("BusinessCapability", "PARENT_OF", "BusinessCapability"),
];

impl World<'_> {
    async fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..25 => self.create().await,
            25..50 => self.link().await,
            50..70 => self.change().await,
            70..78 => self.change_edge().await,
            78..86 => self.delete().await,
            86..92 => self.restore().await,
            92..97 => self.compute().await,
            _ => self.paint().await,
        }
    }

    async fn create(&mut self) {
        let card_type = *TYPES.choose(&mut self.random).unwrap();
        self.names += 1;
        let more = self.fields(card_type);
        let name = format!("c {}", self.names);
        let id = self.admin.card_with(card_type, &name, more).await;
        self.cards.push((id, card_type));
    }

    fn fields(&mut self, card_type: &str) -> Value {
        let tags: Vec<&str> = ["t1", "t2", "\u{e9}"]
            .into_iter()
            .filter(|_| self.random.random_bool(0.5))
            .collect();
        let year = self.random.random_range(2020..2030);
        let mut fields = json!({"tags": tags, "lifecycle": {"active": format!("{year}-01-01")}, "description": "d".repeat(year - 2019)});
        if card_type == "Application" {
            fields["technical_fit"] = json!(self.random.random_range(1..=4));
            fields["business_criticality"] = json!("Tier 1");
            fields["attributes"] = json!({"users_total": self.random.random_range(0..100), "free": {"text": "quoted \"execution_time_ms\":0.0"}});
        }
        fields
    }

    async fn link(&mut self) {
        let (source_type, kind, target_type) = *EDGES.choose(&mut self.random).unwrap();
        let of = |world: &mut Self, wanted| {
            let all: Vec<Uuid> = world.cards.iter().filter(|c| c.1 == wanted).map(|c| c.0).collect();
            all.choose(&mut world.random).copied()
        };
        let (Some(source), Some(target)) = (of(self, source_type), of(self, target_type)) else {
            return;
        };
        let mut body = json!({"source_id": source, "type": kind, "target_id": target});
        if self.random.random_bool(0.3) {
            body["valid_from"] = json!(format!("20{}-06-01", self.random.random_range(20..30)));
        }
        // Duplicates, cycles and deleted ends are refused, which is as good.
        let answer = self.admin.post("/relationships", body).await;
        if answer.status == 201 {
            self.edges.push(answer.id());
        }
    }

    async fn change(&mut self) {
        let Some((id, card_type)) = self.cards.choose(&mut self.random).copied() else {
            return;
        };
        let mut patch = self.fields(card_type);
        if self.random.random_bool(0.3) {
            self.names += 1;
            patch["name"] = json!(format!("c {} renamed", self.names));
        }
        self.admin.patch(&format!("/cards/{id}"), patch).await;
    }

    async fn change_edge(&mut self) {
        let Some(id) = self.edges.choose(&mut self.random).copied() else {
            return;
        };
        if self.random.random_bool(0.4) {
            self.admin
                .header("If-Match", "*")
                .delete(&format!("/relationships/{id}"))
                .await;
        } else {
            let patch =
                json!({"description": format!("note {}", self.random.random_range(0..9)), "valid_to": "2031-01-01"});
            self.admin.patch(&format!("/relationships/{id}"), patch).await;
        }
    }

    async fn delete(&mut self) {
        let Some((id, _)) = self.cards.choose(&mut self.random).copied() else {
            return;
        };
        self.admin.header("If-Match", "*").delete(&format!("/cards/{id}")).await;
    }

    async fn restore(&mut self) {
        let Some((id, _)) = self.cards.choose(&mut self.random).copied() else {
            return;
        };
        self.admin
            .post(&format!("/cards/{id}/restore?force=true"), json!({}))
            .await;
    }

    /// Computed values, which are logged by themselves.
    async fn compute(&mut self) {
        let Some((id, _)) = self.cards.choose(&mut self.random).copied() else {
            return;
        };
        let values = json!({"bia": self.random.random_range(0..5)});
        let mut conn = self.app.db().acquire().await.unwrap();
        card::store::set_computed(&mut conn, &Author::system("test"), id, values.as_object().unwrap())
            .await
            .unwrap();
        self.app.state.tail.wrote();
    }

    /// What drawings and scores take from the metamodel.
    async fn paint(&mut self) {
        let color = format!("#0000{:02x}", self.random.random_range(0..256));
        let types = self.admin.get("/config/card-types?limit=200").await.expect(200);
        let app = types.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["name"] == "Application")
            .unwrap()["name"]
            .clone();
        self.admin
            .patch(
                &format!("/config/card-types/{}", app.as_str().unwrap()),
                json!({"color": color}),
            )
            .await
            .expect(200);
        let required = self.random.random_bool(0.5);
        let rules = self
            .admin
            .get("/config/metamodel/rules?card_type=Application&limit=200")
            .await
            .expect(200);
        let rule = rules.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["key"] == "vendor")
            .unwrap()["id"]
            .clone();
        self.admin
            .patch(
                &format!("/config/metamodel/rules/{}", rule.as_str().unwrap()),
                json!({"is_required": required}),
            )
            .await
            .expect(200);
        sqlx::query("update jobs set run_at = now() where state = 'queued'")
            .execute(self.app.db())
            .await
            .unwrap();
        let (kinds, stop) = (archzero::app::kinds(), CancellationToken::new());
        while worker::run_next(&self.app.state, &kinds, &stop)
            .await
            .unwrap()
            .is_some()
        {}
    }
}

/// What an instant answered: to which questions, with which bytes.
struct Remembered {
    instant: String,
    asked: Vec<Asked>,
    bytes: Vec<Vec<u8>>,
}

async fn check(caller: &Caller<'_>, remembered: &[Remembered], when: &str) {
    for then in remembered {
        for (asked, bytes) in then.asked.iter().zip(&then.bytes) {
            let answer = asked.at(caller, &then.instant).await;
            assert_eq!(
                String::from_utf8_lossy(&answer.bytes),
                String::from_utf8_lossy(bytes),
                "{when}: {asked:?} at {}",
                then.instant
            );
        }
    }
}

async fn history(seed: u64) {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let mut world = World {
        app: &app,
        admin: admin.clone(),
        random: StdRng::seed_from_u64(seed),
        cards: Vec::new(),
        edges: Vec::new(),
        names: 0,
    };
    for (source_type, kind, target_type) in EDGES {
        let [source, target] = [
            admin.card(source_type, &format!("first {source_type} {kind}")).await,
            admin.card(target_type, &format!("other {target_type} {kind}")).await,
        ];
        world.cards.extend([(source, source_type), (target, target_type)]);
        world.edges.push(admin.link(source, kind, target).await);
    }
    let mut remembered: Vec<Remembered> = Vec::new();
    for round in 0..6 {
        for _ in 0..10 {
            world.step().await;
        }
        let instant = seal(&app).await;
        let card = world.cards.choose(&mut world.random).unwrap().0;
        let other = world.cards.choose(&mut world.random).unwrap().0;
        let edge = *world.edges.choose(&mut world.random).unwrap();
        let asked = questions(card, other, edge);
        let mut bytes = Vec::new();
        for question in &asked {
            let (present, past) = (question.now(&admin).await, question.at(&admin, &instant).await);
            assert_eq!(
                content(&past),
                content(&present),
                "seed {seed}, round {round}: {question:?}"
            );
            if past.status == 200 {
                assert!(past.header("x-arc-known-at").starts_with(&instant), "{question:?}");
                assert!(!past.header("etag").is_empty());
            }
            // Errors carry the id of their request.
            bytes.push(if past.status == 200 { past.bytes } else { Vec::new() });
        }
        let (asked, bytes) = asked
            .into_iter()
            .zip(bytes)
            .filter(|(_, bytes)| !bytes.is_empty())
            .unzip();
        remembered.push(Remembered { instant, asked, bytes });
        if round == 2 {
            assert!(checkpoint::make(app.db(), 1).await.unwrap().is_some());
            assert_eq!(
                checkpoint::make(app.db(), 1).await.unwrap(),
                None,
                "nothing new to make"
            );
        }
    }
    let kinds = remembered[0]
        .asked
        .len()
        .max(questions(Uuid::nil(), Uuid::nil(), Uuid::nil()).len());
    let answered: usize = remembered.iter().map(|then| then.asked.len()).sum();
    assert!(
        answered > 4 * kinds,
        "{answered} answers of {kinds} questions each time"
    );
    check(&admin, &remembered, "later").await;
    // What is kept is thrown away: everything is put together anew, now from a checkpoint.
    checkpoint::make(app.db(), 1).await.unwrap();
    app.db()
        .execute("delete from past_states; delete from past_cards; delete from past_relationships")
        .await
        .unwrap();
    let again = TestApp::on(app.url.clone(), |_| {}).await;
    let token = admin.token.clone().unwrap();
    check(&again.with_token(&token), &remembered, "on another instance").await;
    drop(again);
    app.db()
        .execute("update log_epochs set identity = identity || '{\"system\": \"another cluster\"}'; delete from past_states; delete from past_cards; delete from past_relationships")
        .await
        .unwrap();
    let restored = TestApp::on(app.url.clone(), |_| {}).await;
    let caller = restored.with_token(&token);
    assert!(restored.state.tail.epoch().number > app.state.tail.epoch().number);
    check(&caller, &remembered, "after a restore").await;
    caller.card("Application", "made in the new epoch").await;
    let instant = seal(&restored).await;
    let whole = Asked::get("/cards?target_date=2026-11-21&limit=200");
    assert_eq!(
        content(&whole.at(&caller, &instant).await),
        content(&whole.now(&caller).await)
    );
    check(&caller, &remembered, "in the new epoch").await;
}

#[tokio::test]
async fn an_instant_keeps_its_answers() {
    for seed in 0..2 {
        history(seed).await;
    }
}

/// Positions of the log and of checkpoints name the same states.
#[tokio::test]
async fn checkpoints_change_nothing_but_the_way() {
    let app = TestApp::start().await;
    let admin = app.login(Role::Admin).await;
    let mut ids = HashMap::new();
    for n in 0..5 {
        ids.insert(n, admin.card("Application", &format!("A {n}")).await);
    }
    seal(&app).await;
    assert!(
        checkpoint::make(app.db(), 1_000_000).await.unwrap().is_none(),
        "not due yet"
    );
    let first = checkpoint::make(app.db(), 5).await.unwrap().unwrap();
    admin
        .patch(&format!("/cards/{}", ids[&0]), json!({"name": "A 0 renamed"}))
        .await
        .expect(200);
    admin
        .header("If-Match", "*")
        .delete(&format!("/cards/{}", ids[&1]))
        .await
        .expect(200);
    let between = seal(&app).await;
    admin
        .patch(&format!("/cards/{}", ids[&2]), json!({"name": "A 2 renamed"}))
        .await
        .expect(200);
    seal(&app).await;
    let second = checkpoint::make(app.db(), 1).await.unwrap().unwrap();
    assert!(second > first);
    let count: i64 =
        sqlx::query_scalar("select sum(cardinality(positions)) from checkpoints where entity = 'card' and seal = $1")
            .bind(second)
            .fetch_one(app.db())
            .await
            .unwrap();
    assert_eq!(count, 5, "one position for each card");
    let names = |body: &Value| -> Vec<String> {
        body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let then = Asked::get("/cards").at(&admin, &between).await.expect(200);
    assert_eq!(names(&then.body), ["A 0 renamed", "A 2", "A 3", "A 4"]);
}
