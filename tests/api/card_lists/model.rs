//! A landscape made by dice, and what a list of it should hold: plainly computed, one card after the other.

use std::{cmp::Ordering, sync::LazyLock};

use archzero::{
    metamodel::name_key,
    text::{Query, Texts, score},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::{harness::Caller, probe::by_cursor};

/// Numbers that look random and are the same every time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const TYPES: [&str; 4] = ["Application", "Interface", "DataObject", "BusinessCapability"];
const PHASES: [&str; 6] = ["Plan", "Phase In", "Active", "Phase Out", "End of Life", "Undefined"];
const TAGS: [&str; 5] = ["a", "b", "C", "d e", "f%"];
const WORDS: [&str; 8] = ["Alpha", "alpha", "Beta", "Ärger", "zebra", "Z_x", "50%", "日本"];
const PACE: [&str; 3] = ["System of Record", "System of Differentiation", "System of Innovation"];
const TIERS: [&str; 4] = ["Tier 1", "Tier 2", "Tier 3", "Tier 4"];
const HOSTING: [&str; 3] = ["SaaS", "PaaS", "On-Premise"];
const VENDORS: [&str; 4] = ["Oracle", "SAP", "oracle", "O'Neill, Inc"];
pub static DATES: LazyLock<Vec<NaiveDate>> = LazyLock::new(|| {
    (0..8)
        .map(|n| NaiveDate::from_ymd_opt(2018 + n, 1 + n as u32, 1).unwrap())
        .collect()
});

fn random_card(dice: &mut Dice, n: usize) -> Value {
    let card_type = *dice.pick(&TYPES);
    let mut card = json!({"type": card_type, "name": format!("{} {} {n}", dice.pick(&WORDS), dice.pick(&WORDS)), "attributes": {}});
    if dice.once_in(2) {
        let mut last = 0;
        for phase in ["plan", "phase_in", "active", "phase_out", "eol"] {
            if dice.once_in(2) {
                last += dice.below(DATES.len() - last);
                card["lifecycle"][phase] = json!(DATES[last]);
            }
        }
    }
    if dice.once_in(2) {
        card["tags"] = (0..dice.below(4)).map(|_| json!(dice.pick(&TAGS))).collect();
    }
    if dice.once_in(2) {
        card["description"] = json!("x");
    }
    if card_type == "Application" {
        card["attributes"]["hosting_type"] = json!(dice.pick(&HOSTING));
        for fit in ["functional_fit", "technical_fit"] {
            if dice.once_in(2) {
                card[fit] = json!(1 + dice.below(4));
            }
        }
        if dice.once_in(2) {
            card["business_criticality"] = json!(dice.pick(&TIERS));
        }
        if dice.once_in(2) {
            card["attributes"]["pace_layer"] = json!(dice.pick(&PACE));
        }
        if dice.once_in(2) {
            card["attributes"]["users_total"] = json!(dice.below(6) * 10);
        }
        if dice.once_in(2) {
            card["attributes"]["vendor"] = json!(dice.pick(&VENDORS));
        }
    }
    if dice.once_in(2) {
        let mixed = [
            json!("10"),
            json!("9"),
            json!(10),
            json!(9.5),
            json!(true),
            json!(false),
            json!(null),
        ];
        card["attributes"]["mixed"] = json!({"value": dice.pick(&mixed)});
    }
    card
}

/// A landscape of 230 cards, some changed, some deleted; all of them, deleted ones included.
pub async fn landscape(caller: &Caller<'_>) -> Vec<Value> {
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    for batch in 0..4 {
        let operations: Vec<Value> = (0..60)
            .map(|n| json!({"op": "create", "card": random_card(&mut dice, batch * 60 + n)}))
            .take(if batch == 3 { 50 } else { 60 })
            .collect();
        caller
            .post("/cards/bulk", json!({"operations": operations}))
            .await
            .expect(200);
    }
    let all = by_cursor(caller, "/cards", 1000).await;
    assert_eq!(all.len(), 230);
    for card in all.iter().step_by(9) {
        let path = format!("/cards/{}", card["id"].as_str().unwrap());
        caller.patch(&path, json!({"tags": ["changed"]})).await.expect(200);
    }
    for card in all.iter().skip(4).step_by(11) {
        caller
            .header("if-match", "*")
            .delete(&format!("/cards/{}", card["id"].as_str().unwrap()))
            .await
            .expect(200);
    }
    by_cursor(caller, "/cards?deleted=include", 1000).await
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

fn phase(card: &Value, on: NaiveDate) -> &'static str {
    let date = |name: &str| {
        card["lifecycle"][name]
            .as_str()
            .map(|d| d.parse::<NaiveDate>().unwrap())
    };
    let dates = ["plan", "phase_in", "active", "phase_out", "eol"].map(date);
    match (0..5).rev().find(|i| dates[*i].is_some_and(|d| d <= on)) {
        Some(i) => PHASES[i],
        None if dates.iter().all(Option::is_none) => "Undefined",
        None if dates[..3].iter().any(Option::is_some) => "Plan",
        None => "Active",
    }
}

/// Words of which no other word of the landscape is a typo.
pub const SEARCHES: [&str; 12] = [
    "ALPHA",
    "al",
    "50%",
    "z_",
    "z",
    "ä",
    "日",
    "%",
    "arger 1",
    "\"beta alpha\"",
    "alpha -zebra",
    "oracle",
];

/// What a card scores, by the rule that the index must agree with.
pub fn relevance(card: &Value, words: &str) -> Option<u32> {
    let tags = card["tags"].as_array().unwrap();
    let attributes = card["attributes"].to_string();
    let texts = Texts {
        name: card["name"].as_str().unwrap(),
        tags: tags.iter().map(|tag| tag.as_str().unwrap()).collect(),
        description: card["description"].as_str().unwrap_or_default(),
        attributes: &attributes,
    };
    score(&texts, &Query::parse(words).unwrap(), false)
}

pub type Test = Box<dyn Fn(&Value) -> bool>;

/// A random parameter with what it means.
pub fn random_filter(
    dice: &mut Dice,
    which: usize,
    all: &[Value],
    on: NaiveDate,
) -> (Vec<(&'static str, String)>, Test) {
    fn one_of(field: fn(&Value) -> Value, wanted: Vec<Value>) -> Test {
        Box::new(move |c| wanted.contains(&field(c)))
    }
    let attribute = |name: &'static str, test: Box<dyn Fn(&Value) -> bool>| -> Test {
        Box::new(move |c| !c["attributes"][name].is_null() && test(&c["attributes"][name]))
    };
    let one = |name, value: String, test: Test| (vec![(name, value)], test);
    match which {
        0 => {
            let types = [*dice.pick(&TYPES), *dice.pick(&TYPES)];
            (
                types.iter().map(|t| ("type", (*t).to_owned())).collect(),
                one_of(|c| c["type"].clone(), types.map(Value::from).to_vec()),
            )
        }
        1 => {
            let phases = [*dice.pick(&PHASES), *dice.pick(&PHASES)];
            let test: Test = Box::new(move |c| phases.contains(&phase(c, on)));
            (
                phases.iter().map(|p| ("lifecycle_phase", (*p).to_owned())).collect(),
                test,
            )
        }
        2 | 3 => {
            let tags = [*dice.pick(&TAGS), *dice.pick(&TAGS)];
            let (mode, all) = if which == 2 { ("any", false) } else { ("all", true) };
            let has = move |c: &Value, tag: &str| c["tags"].as_array().unwrap().iter().any(|t| t == tag);
            let test: Test = Box::new(move |c| {
                if all {
                    tags.iter().all(|t| has(c, t))
                } else {
                    tags.iter().any(|t| has(c, t))
                }
            });
            let mut parameters: Vec<_> = tags.iter().map(|t| ("tags", (*t).to_owned())).collect();
            parameters.push(("tags_mode", mode.to_owned()));
            (parameters, test)
        }
        4 => {
            let words = dice.pick(&SEARCHES);
            one(
                "search",
                (*words).to_owned(),
                Box::new(move |c| relevance(c, words).is_some()),
            )
        }
        5 => {
            let min = dice.below(101) as u64;
            one(
                "quality_min",
                min.to_string(),
                Box::new(move |c| c["quality_score"].as_u64().unwrap() >= min),
            )
        }
        6 => {
            let max = dice.below(101) as u64;
            one(
                "quality_max",
                max.to_string(),
                Box::new(move |c| c["quality_score"].as_u64().unwrap() <= max),
            )
        }
        7 => {
            let fit = 1 + dice.below(4);
            one(
                "functional_fit",
                fit.to_string(),
                one_of(|c| c["functional_fit"].clone(), vec![json!(fit)]),
            )
        }
        8 => {
            let fits = [1 + dice.below(4), 1 + dice.below(4)];
            let test = one_of(|c| c["technical_fit"].clone(), fits.map(|f| json!(f)).to_vec());
            (fits.iter().map(|f| ("technical_fit", f.to_string())).collect(), test)
        }
        9 => {
            let tier = *dice.pick(&TIERS);
            one(
                "business_criticality",
                tier.to_owned(),
                one_of(|c| c["business_criticality"].clone(), vec![json!(tier)]),
            )
        }
        10 => {
            let pace = *dice.pick(&PACE);
            one(
                "pace_layer",
                pace.to_owned(),
                one_of(|c| c["attributes"]["pace_layer"].clone(), vec![json!(pace)]),
            )
        }
        11 => {
            let since = dice.pick(all)["updated_at"].clone();
            let at = instant(&since);
            one(
                "updated_since",
                since.as_str().unwrap().to_owned(),
                Box::new(move |c| instant(&c["updated_at"]) >= at),
            )
        }
        12 => {
            let operators: [(&str, fn(f64, f64) -> bool); 6] = [
                ("eq", |a: f64, b: f64| a == b),
                ("ne", |a: f64, b: f64| a != b),
                ("lt", |a: f64, b: f64| a < b),
                ("le", |a: f64, b: f64| a <= b),
                ("gt", |a: f64, b: f64| a > b),
                ("ge", |a: f64, b: f64| a >= b),
            ];
            let (op, compare) = *dice.pick(&operators);
            let value = (dice.below(6) * 10) as f64;
            let test = attribute("users_total", Box::new(move |v| compare(v.as_f64().unwrap(), value)));
            one("filter", format!("attributes.users_total:{op}:{value}"), test)
        }
        13 => {
            let (low, high) = (dice.below(30) as f64, 30.0 + dice.below(30) as f64);
            let test = attribute(
                "users_total",
                Box::new(move |v| (low..=high).contains(&v.as_f64().unwrap())),
            );
            one("filter", format!("attributes.users_total:between:{low},{high}"), test)
        }
        14 => {
            let operators: [(&str, fn(&str) -> bool); 4] = [
                ("eq:Oracle", |v: &str| v == "Oracle"),
                ("ne:Oracle", |v: &str| v != "Oracle"),
                ("in:SAP,O'Neill\\, Inc", |v: &str| v == "SAP" || v == "O'Neill, Inc"),
                ("contains:racl", |v: &str| v.contains("racl")),
            ];
            let (op, test) = *dice.pick(&operators);
            one(
                "filter",
                format!("attributes.vendor:{op}"),
                attribute("vendor", Box::new(move |v| test(v.as_str().unwrap()))),
            )
        }
        15 => {
            let (op, there) = *dice.pick(&[("exists", true), ("exists:true", true), ("exists:false", false)]);
            one(
                "filter",
                format!("attributes.vendor:{op}"),
                Box::new(move |c| c["attributes"]["vendor"].is_null() != there),
            )
        }
        16 => {
            let date = *dice.pick(&DATES);
            let test: Test = Box::new(move |c| {
                c["lifecycle"]["active"]
                    .as_str()
                    .is_some_and(|d| d.parse::<NaiveDate>().unwrap() > date)
            });
            one("filter", format!("lifecycle.active:gt:{date}"), test)
        }
        _ => {
            let deleted = *dice.pick(&["only", "include"]);
            one(
                "deleted",
                deleted.to_owned(),
                Box::new(move |c| deleted == "include" || !c["deleted_at"].is_null()),
            )
        }
    }
}

pub const SORTS: [&str; 13] = [
    "name",
    "type",
    "created_at",
    "updated_at",
    "quality_score",
    "lifecycle.plan",
    "lifecycle.phase_in",
    "lifecycle.active",
    "lifecycle.phase_out",
    "lifecycle.eol",
    "attributes.users_total",
    "attributes.vendor",
    "attributes.mixed.value",
];

/// The order of JSON in Postgres: texts before numbers before false before true.
fn json_order(a: &Value, b: &Value) -> Ordering {
    let rank = |v: &Value| match v {
        Value::String(_) => 0,
        Value::Number(_) => 1,
        _ => 2,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap(),
        _ => a.as_bool().cmp(&b.as_bool()),
    })
}

pub fn sorted<'a>(mut cards: Vec<&'a Value>, sort: &str, descending: bool) -> Vec<&'a Value> {
    let key = |card: &Value| -> Value {
        match sort {
            "name" => json!(name_key(card["name"].as_str().unwrap())),
            "created_at" | "updated_at" => json!(instant(&card[sort]).timestamp_micros()),
            path => path.split('.').fold(card.clone(), |value, step| value[step].clone()),
        }
    };
    let id = |card: &Value| card["id"].as_str().unwrap().to_owned();
    cards.sort_by(|a, b| {
        let direction = |order: Ordering| if descending { order.reverse() } else { order };
        let (ka, kb) = (key(a), key(b));
        let by_key = match (ka.is_null(), kb.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => direction(json_order(&ka, &kb)),
        };
        by_key.then_with(|| direction(id(a).cmp(&id(b))))
    });
    cards
}
