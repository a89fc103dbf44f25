//! Reading conditions on related cards: which relationships, which cards, how many.

use serde_json::{Map, Value};

use super::{
    Direction, MAX_RELATED, MAX_STEPS, MAX_VALUES, Node, Related, Scope,
    parse::{Parser, step},
};
use crate::error::{Violation, ViolationCode};

/// The parts of a condition on related cards.
const RELATED: [&str; 8] = ["type", "direction", "to", "where", "other", "quantifier", "min", "max"];

/// How many related cards are asked for.
#[derive(Clone, Copy)]
enum Count {
    Between(u64, Option<u64>),
    Every,
}

impl Parser {
    pub(super) fn related(&mut self, value: &Value, scope: Scope<'_>, at: &str, depth: usize) -> Option<Node> {
        let Some(kinds) = scope.relations else {
            return self.refuse(
                at,
                ViolationCode::NotAllowedHere,
                "this filter looks at each card alone; conditions on related cards are not taken here",
            );
        };
        let Some(object) = value.as_object() else {
            return self.refuse(at, ViolationCode::WrongType, "must be an object");
        };
        for other in object.keys().filter(|key| !RELATED.contains(&key.as_str())) {
            self.found.push(
                Violation::new(step(at, other), ViolationCode::UnknownField, "there is no such part")
                    .accepts("allowed_fields", RELATED.to_vec()),
            );
        }
        let given = |name: &str| object.get(name).filter(|value| !value.is_null());
        let names: Vec<String> = kinds.iter().cloned().collect();
        let kind = self.name_of(given("type"), &names, &step(at, "type"));
        let direction = self.word(
            given("direction"),
            &step(at, "direction"),
            &[
                ("out", Direction::Out),
                ("in", Direction::In),
                ("both", Direction::Both),
            ],
        );
        let to = self.types(given("to"), scope, &step(at, "to"));
        let other = match given("other").map(|value| (value, value.as_bool())) {
            None => Some(false),
            Some((_, Some(other))) => Some(other),
            Some((value, None)) => {
                let violation = Violation::new(step(at, "other"), ViolationCode::WrongType, "must be true or false");
                self.found.push(violation.provided(value));
                None
            }
        };
        let count = self.count(object, at);
        let twice = matches!(count, Some(Count::Between(1.., Some(_))));
        self.related += self.times;
        if self.related > MAX_RELATED || self.steps == MAX_STEPS {
            let message = format!(
                "conditions lead at most {MAX_STEPS} steps away from a card, and there are at most {MAX_RELATED} on related cards \
                 (those within a range count twice)"
            );
            return self.refuse(at, ViolationCode::TooLong, message);
        }
        let filter = match given("where") {
            None => None,
            Some(inner) => {
                let scope = scope.of_types(to.as_deref().unwrap_or_default());
                let before = self.times;
                self.times *= if twice { 2 } else { 1 };
                self.steps += 1;
                let filter = self.condition(inner, scope, &step(at, "where"), depth + 1);
                self.steps -= 1;
                self.times = before;
                Some(filter?)
            }
        };
        let related = |filter: Option<Node>, (min, max)| {
            Some(Node::Related(Related {
                kind: kind?,
                direction: direction?,
                to: to?,
                other: other?,
                filter: filter.map(Box::new),
                min,
                max,
            }))
        };
        match count? {
            Count::Between(min, max) => related(filter, (min, max)),
            // There is none on which it does not hold.
            Count::Every => {
                let exception = filter.map(|filter| Node::Not(Box::new(filter)));
                related(exception, (1, None)).map(|node| Node::Not(Box::new(node)))
            }
        }
    }

    /// How many there must be: `quantifier`, or `min` and `max`.
    fn count(&mut self, object: &Map<String, Value>, at: &str) -> Option<Count> {
        let given = |name: &str| object.get(name).filter(|value| !value.is_null());
        if let Some(quantifier) = given("quantifier") {
            for name in ["min", "max"].into_iter().filter(|name| given(name).is_some()) {
                let message = "says the same as quantifier: give one of them";
                self.refuse::<()>(&step(at, name), ViolationCode::NotAllowedHere, message);
            }
            let options = [
                ("some", Count::Between(1, None)),
                ("none", Count::Between(0, Some(0))),
                ("every", Count::Every),
            ];
            let count = self.word(Some(quantifier), &step(at, "quantifier"), &options)?;
            if matches!(count, Count::Every) && given("where").is_none() {
                let message = "is required with every: it says what every one of them must be";
                return self.refuse(&step(at, "where"), ViolationCode::Required, message);
            }
            return Some(count);
        }
        let max = match given("max") {
            None => None,
            Some(value) => Some(self.whole(value, &step(at, "max"))?),
        };
        let min = match given("min") {
            // At most none: nothing else can be meant.
            None => u64::from(max != Some(0)),
            Some(value) => self.whole(value, &step(at, "min"))?,
        };
        if max.is_some_and(|max| max < min) {
            return self.refuse(&step(at, "max"), ViolationCode::OutOfRange, "is below min");
        }
        Some(Count::Between(min, max))
    }

    fn types(&mut self, value: Option<&Value>, scope: Scope<'_>, at: &str) -> Option<Vec<String>> {
        let types: Vec<String> = scope.metamodel.card_types().map(|t| t.name.clone()).collect();
        match value {
            None => Some(Vec::new()),
            Some(Value::Array(items)) if items.len() <= MAX_VALUES => {
                let found: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| self.name_of(Some(item), &types, &format!("{at}/{i}")))
                    .collect();
                found.into_iter().collect()
            }
            one => self.name_of(one, &types, at).map(|name| vec![name]),
        }
    }

    /// One of a few words; absent means the first.
    fn word<T: Copy>(&mut self, value: Option<&Value>, at: &str, options: &[(&'static str, T)]) -> Option<T> {
        let Some(value) = value else {
            return options.first().map(|(_, first)| *first);
        };
        let found = options.iter().find(|(word, _)| value.as_str() == Some(word));
        if found.is_none() {
            let words: Vec<&str> = options.iter().map(|(word, _)| *word).collect();
            let message = format!("must be one of {}", words.join(", "));
            let violation = Violation::new(at, ViolationCode::NotInOptions, message).provided(value);
            self.found.push(violation.accepts("allowed_values", words));
        }
        found.map(|(_, option)| *option)
    }
}
