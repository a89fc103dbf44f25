//! What all questions share: a fresh graph, a view, checked names and conditions, and an answer that is worked out away
//! from the threads that serve requests.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use axum::{http::HeaderMap, response::Response};
use chrono::{DateTime, Utc};
use metrics::histogram;
use serde::Serialize;
use serde_json::Map;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::{
    app::AppState,
    auth::{Allowed, TypeScope, right},
    condition::{Condition, Scope},
    error::{Error, Result, Violation, ViolationCode},
    graph::{BoundView, Graph, NodeIx, TypeSet, View, question::Palette},
    http::{etag, fields::Fields, known::known},
    metamodel::Metamodel,
    relationship::ontology::Ontology,
    store::past::{KnownAt, Past},
    telemetry::metrics::{GRAPH_QUERIES_IN_FLIGHT, GRAPH_QUERY_DURATION_SECONDS, InFlight},
};

/// The only engine so far.
const ENGINE: &str = "embedded";
/// How many questions of one kind may wait for a processor; whoever comes then is told to come back.
const MOST_WAITING: usize = 1_000;

/// How much of the landscape a question looks at. Each kind has as many turns as there are processors, so that neither
/// questions nor requests beside them starve, and a long question does not hold up the short ones.
#[derive(Clone, Copy, Debug)]
pub enum Reach {
    /// What lies around some cards.
    Around,
    /// All of it.
    Everything,
}

struct Turns {
    running: Semaphore,
    waiting: Semaphore,
}

impl Turns {
    fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            running: Semaphore::new(processors),
            waiting: Semaphore::new(MOST_WAITING),
        }
    }
}

static AROUND: LazyLock<Turns> = LazyLock::new(Turns::new);
static EVERYTHING: LazyLock<Turns> = LazyLock::new(Turns::new);

/// One question: what was known when it was asked, by whom.
pub struct Question<'s> {
    state: &'s AppState,
    /// The graph with everything that was committed before.
    pub graph: Arc<Graph>,
    visible: TypeSet,
    metamodel: Arc<Metamodel>,
    ontology: Arc<Ontology>,
    past: Option<Past>,
}

impl<'s> Question<'s> {
    /// Catches up with everything that is committed.
    pub async fn fresh(state: &'s AppState, Allowed(asker, _): &Allowed<right::View>) -> Result<Self> {
        state.tail.catch_up(state).await?;
        let graph = state.graph.snapshot();
        Ok(Self {
            state,
            visible: visible_in(&graph, asker.visible()),
            graph,
            metamodel: state.metamodel.load_full(),
            ontology: state.ontology.load_full(),
            past: None,
        })
    }

    /// Takes `known_at`: the landscape as it was recorded then, or else as it is now ([`fresh`](Self::fresh)).
    pub async fn of(state: &'s AppState, asker: &Allowed<right::View>, fields: &mut Fields) -> Result<Self> {
        match instant(fields)? {
            None => Self::fresh(state, asker).await,
            Some(instant) => Self::known_at(state, asker, Past::at(&state.db, instant).await?).await,
        }
    }

    /// The landscape as it was recorded.
    pub async fn known_at(state: &'s AppState, Allowed(asker, _): &Allowed<right::View>, past: Past) -> Result<Self> {
        let definitions = state.past.definitions(&state.db, &past).await?;
        let graph = state.past.graph(&state.db, &past).await?;
        Ok(Self {
            state,
            visible: visible_in(&graph, asker.visible()),
            graph,
            metamodel: Arc::clone(&definitions.metamodel),
            ontology: Arc::clone(&definitions.ontology),
            past: Some(past),
        })
    }

    /// Which past this is.
    pub fn past(&self) -> Option<&Past> {
        self.past.as_ref()
    }

    /// Takes `target_date` and `include_absent`.
    pub fn view(&self, fields: &mut Fields) -> View {
        let date = fields.date("target_date");
        let include_absent = fields.boolean("include_absent");
        self.view_on(date.unwrap_or_else(|| self.today()), include_absent.unwrap_or(false))
    }

    /// What the asker may see, on a date.
    pub fn view_on(&self, date: chrono::NaiveDate, include_absent: bool) -> View {
        View {
            include_absent,
            visible: self.visible.clone(),
            ..View::on(date)
        }
    }

    /// The date when none is given: today, or the day of the record.
    pub fn today(&self) -> chrono::NaiveDate {
        self.past.as_ref().map_or_else(|| self.state.clock.today(), Past::date)
    }

    /// The card of that id, which may be absent on the date, but not deleted.
    pub fn card(&self, view: &View, id: Uuid) -> Result<NodeIx> {
        let bound = BoundView::new(&self.graph, view, &[]);
        let found = self.graph.find(id).filter(|ix| bound.may_be_root(*ix));
        found.ok_or_else(|| Error::not_found("card", id))
    }

    /// [`card`](Self::card), which must be of a type.
    pub fn card_of(&self, view: &View, field: &str, id: Uuid, card_type: &str) -> Result<NodeIx> {
        let card = self.card(view, id).map_err(|error| error.at(field))?;
        let is = self.graph.type_name(self.graph.card_type(card));
        if **is == *card_type {
            return Ok(card);
        }
        let message = format!("names a card of type {is}; it must be of type {card_type}");
        let violation = Violation::new(field, ViolationCode::WrongType, message).provided(&id.to_string().into());
        Err(Error::validation(vec![violation.accepts("type", card_type)]))
    }

    /// Takes a list of relationship types; absent or empty means all.
    pub fn relations(&self, fields: &mut Fields) -> TypeSet {
        self.type_set(&self.relation_names(fields))
    }

    /// [`relations`](Self::relations) by name.
    pub fn relation_names(&self, fields: &mut Fields) -> Vec<String> {
        Self::names(fields, "relations", "relationship type", |name| {
            let known = self.ontology.kinds().contains(name);
            if known {
                None
            } else {
                Some(self.ontology.similar_kinds(name))
            }
        })
    }

    /// Takes a list of card types; absent or empty means all.
    pub fn types(&self, fields: &mut Fields) -> Vec<String> {
        Self::names(fields, "types", "card type", |name| self.unknown_type(name))
    }

    /// Takes the name of a card type.
    pub fn card_type(&self, fields: &mut Fields, field: &'static str) -> Option<String> {
        let name = fields.text(field, 60)?;
        let Some(similar) = self.unknown_type(&name) else {
            return Some(name);
        };
        fields.extend([unknown(field, "card type", &name, similar)]);
        None
    }

    /// All types when none is named.
    pub fn type_set(&self, names: &[String]) -> TypeSet {
        if names.is_empty() {
            TypeSet::All
        } else {
            TypeSet::of(&self.graph, names.iter().map(String::as_str))
        }
    }

    /// None when there is such a type, else those with similar names.
    fn unknown_type(&self, name: &str) -> Option<Vec<String>> {
        let known = self.metamodel.card_type(name).is_some();
        if known {
            None
        } else {
            Some(self.metamodel.similar_types(name))
        }
    }

    fn names(
        fields: &mut Fields,
        field: &'static str,
        what: &str,
        unknown_name: impl Fn(&str) -> Option<Vec<String>>,
    ) -> Vec<String> {
        let names = fields.texts(field, 200, 60).unwrap_or_default();
        for (at, name) in names.iter().enumerate() {
            if let Some(similar) = unknown_name(name) {
                fields.extend([unknown(&format!("{field}[{at}]"), what, name, similar)]);
            }
        }
        names
    }

    /// Takes a condition on cards of these types (none: of any), checked against the metamodel.
    pub fn condition(&self, fields: &mut Fields, field: &'static str, types: &[String]) -> Option<Condition> {
        let value = fields.value(field)?;
        let scope = Scope::new(&self.metamodel)
            .of_types(types)
            .with_related(self.ontology.kinds());
        let read = Condition::parse(&value, scope, &format!("/{field}"));
        read.map_err(|violations| fields.extend(violations)).ok()
    }

    /// The group and colour of every card type.
    pub fn palette(&self) -> Palette {
        let mut palette = Palette::default();
        for card_type in self.metamodel.card_types() {
            palette.set(&card_type.name, card_type.layer.name(), &card_type.color);
        }
        palette
    }

    /// Works the answer out and sends it, with a validator that does not depend on how long that took.
    pub async fn answer<A: Serialize + 'static>(
        self,
        headers: &HeaderMap,
        name: &'static str,
        reach: Reach,
        ask: impl FnOnce(&Graph) -> A + Send + 'static,
    ) -> Result<Response> {
        let turns = match reach {
            Reach::Around => &*AROUND,
            Reach::Everything => &*EVERYTHING,
        };
        let busy = |_| Error::unavailable("graph", None);
        let place = turns.waiting.try_acquire().map_err(busy)?;
        let turn = turns.running.acquire().await.map_err(Error::internal)?;
        drop(place);
        let (graph, past) = (self.graph, self.past);
        let known_at = past.as_ref().map(Past::known_at);
        let work = move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            Answered::to(name, known_at.as_ref(), || ask(&graph))
        };
        let Answered { bytes, tag, took } = tokio::task::spawn_blocking(work).await.map_err(Error::internal)??;
        let response = etag::respond(headers, &tag, || match took {
            Some(took) => with_time(bytes, took),
            None => bytes,
        });
        Ok(known(past.as_ref(), response))
    }
}

/// The types of a graph that the caller may see.
fn visible_in(graph: &Graph, scope: &TypeScope) -> TypeSet {
    match scope.names() {
        None => TypeSet::All,
        Some(names) => TypeSet::of(graph, names.iter().map(String::as_str)),
    }
}

/// Takes `known_at`; what is wrong with it is said at once, because nothing else can be checked without.
pub fn instant(fields: &mut Fields) -> Result<Option<DateTime<Utc>>> {
    let Some(value) = fields.value("known_at") else {
        return Ok(None);
    };
    let mut own = Fields::new(Map::from_iter([("known_at".to_owned(), value)]));
    let instant = own.instant("known_at");
    own.done()?;
    Ok(instant)
}

fn unknown(field: &str, what: &str, name: &str, similar: Vec<String>) -> Violation {
    let message = match similar.first() {
        Some(close) => format!("there is no such {what}; did you mean {close}?"),
        None => format!("there is no such {what}"),
    };
    Violation::new(field, ViolationCode::NotInOptions, message)
        .provided(&name.into())
        .accepts("did_you_mean", similar)
}

struct Answered {
    bytes: Vec<u8>,
    tag: String,
    /// None for the past, whose answers do not say.
    took: Option<Duration>,
}

impl Answered {
    fn to<A: Serialize>(name: &'static str, past: Option<&KnownAt>, ask: impl FnOnce() -> A) -> Result<Self> {
        let _running = InFlight::enter(GRAPH_QUERIES_IN_FLIGHT);
        let started = Instant::now();
        let answer = ask();
        let took = started.elapsed();
        histogram!(GRAPH_QUERY_DURATION_SECONDS, "engine" => ENGINE, "question" => name).record(took);
        let mut bytes = serde_json::to_vec(&answer).map_err(Error::internal)?;
        if let Some(past) = past {
            bytes = with_seal(bytes, past)?;
        }
        let tag = etag::of(None, &bytes);
        let took = past.is_none().then_some(took);
        Ok(Self { bytes, tag, took })
    }
}

const UNTIMED: &[u8] = b"\"execution_time_ms\":0.0";

/// Puts the seal in the place of the time: the answer is the same whenever it is asked for.
fn with_seal(mut json: Vec<u8>, past: &KnownAt) -> Result<Vec<u8>> {
    let Some(at) = json.windows(UNTIMED.len()).rposition(|part| part == UNTIMED) else {
        return Ok(json);
    };
    let mut member = b"\"known_at\":".to_vec();
    serde_json::to_writer(&mut member, past).map_err(Error::internal)?;
    json.splice(at..at + UNTIMED.len(), member);
    Ok(json)
}

/// Fills in the time, which answers leave at zero so that their validators agree. Quotes within texts are escaped: what
/// is found is the member itself, and near the end, where answers keep their metadata.
fn with_time(mut json: Vec<u8>, took: Duration) -> Vec<u8> {
    let Some(at) = json.windows(UNTIMED.len()).rposition(|part| part == UNTIMED) else {
        return json;
    };
    let milliseconds = format!("{:.3}", took.as_secs_f64() * 1000.0);
    let end = at + UNTIMED.len();
    json.splice(end - "0.0".len()..end, milliseconds.into_bytes());
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_filled_in() {
        let took = Duration::from_micros(1_234);
        let json = r#"{"name":"\"execution_time_ms\":0.0","metadata":{"execution_time_ms":0.0,"engine":"embedded"}}"#;
        let timed = String::from_utf8(with_time(json.into(), took)).unwrap();
        assert_eq!(
            timed,
            r#"{"name":"\"execution_time_ms\":0.0","metadata":{"execution_time_ms":1.234,"engine":"embedded"}}"#
        );
        assert_eq!(with_time(b"{}".to_vec(), took), b"{}");
    }
}
