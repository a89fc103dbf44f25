//! Parameters: reading their values from a query string, and putting them in the place of `{"$param": …}`.

use serde_json::{Map, Number, Value};

use super::{Parameter, ParameterType};
use crate::{
    error::{Violation, ViolationCode},
    http::fields::parse_date,
};

/// The member that makes an object a placeholder.
pub const PLACEHOLDER: &str = "$param";
/// The longest text a parameter takes, in characters.
const MAX_TEXT: usize = 2_000;
/// The most values of a list.
const MAX_VALUES: usize = 200;

impl ParameterType {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("text", Self::Text),
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("boolean", Self::Boolean),
        ("date", Self::Date),
        ("uuid", Self::Uuid),
    ];

    fn describe(self) -> &'static str {
        match self {
            Self::Text => "a text of at most 2,000 characters",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::Date => "a date that exists, written YYYY-MM-DD",
            Self::Uuid => "a UUID",
        }
    }

    /// A written value, if it is one of this type.
    fn read(self, written: &str) -> Option<Value> {
        match self {
            Self::Text => (written.chars().count() <= MAX_TEXT).then(|| Value::from(written)),
            Self::Number => serde_json::from_str::<Number>(written).ok().map(Value::Number),
            Self::Integer => written.parse::<i64>().ok().map(Value::from),
            Self::Boolean => written.parse::<bool>().ok().map(Value::from),
            Self::Date => parse_date(written).map(|_| Value::from(written)),
            Self::Uuid => written.parse::<uuid::Uuid>().ok().map(|id| Value::from(id.to_string())),
        }
    }

    /// Whether a JSON value is one of this type.
    pub(super) fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) => true,
            (Self::Integer, Value::Number(number)) => number.is_i64(),
            (Self::Text | Self::Date | Self::Uuid, Value::String(text)) => self.read(text).is_some(),
            _ => false,
        }
    }

    /// Some value of this type, to try a question with.
    fn sample(self) -> Value {
        match self {
            Self::Text => "sample".into(),
            Self::Number | Self::Integer => 1.into(),
            Self::Boolean => true.into(),
            Self::Date => "2026-01-01".into(),
            Self::Uuid => uuid::Uuid::nil().to_string().into(),
        }
    }
}

impl Parameter {
    /// A value to try the question with, and whether it was made up.
    #[must_use]
    pub fn example(&self) -> (Value, bool) {
        let known = self
            .default
            .clone()
            .or_else(|| self.allowed.first().map(|value| self.listed(value.clone())));
        match known {
            Some(value) => (value, false),
            None => (self.listed(self.kind.sample()), true),
        }
    }

    fn listed(&self, value: Value) -> Value {
        if self.list { Value::Array(vec![value]) } else { value }
    }

    /// The value that a query string gives it.
    fn read(&self, written: &[&str]) -> Result<Value, Violation> {
        let refuse = |code, message: String| Violation::new(&self.name, code, message);
        if written.is_empty() {
            let missing = || refuse(ViolationCode::Required, "this question needs a value for it".into());
            return self.default.clone().ok_or_else(missing);
        }
        if !self.list && written.len() > 1 {
            return Err(refuse(ViolationCode::NotAllowedHere, "can be given only once".into()));
        }
        if written.len() > MAX_VALUES {
            return Err(refuse(
                ViolationCode::TooLong,
                format!("takes at most {MAX_VALUES} values"),
            ));
        }
        let mut values = Vec::with_capacity(written.len());
        for text in written {
            let Some(value) = self.kind.read(text) else {
                let message = format!("must be {}", self.kind.describe());
                return Err(refuse(ViolationCode::WrongType, message).provided(&Value::from(*text)));
            };
            if !self.allowed.is_empty() && !self.allowed.contains(&value) {
                let message = format!("is not one of the {} values this question takes", self.allowed.len());
                return Err(refuse(ViolationCode::NotInOptions, message)
                    .provided(&value)
                    .accepts("allowed_values", self.allowed.clone()));
            }
            values.push(value);
        }
        Ok(match values.pop() {
            Some(last) if !self.list => last,
            last => values.into_iter().chain(last).collect(),
        })
    }
}

/// The values that a query string gives to the parameters; everything that is wrong, at once.
pub fn values(parameters: &[Parameter], given: &[(String, String)]) -> Result<Map<String, Value>, Vec<Violation>> {
    let (mut values, mut wrong) = (Map::new(), Vec::new());
    for parameter in parameters {
        let own = given.iter().filter(|(name, _)| *name == parameter.name);
        let written: Vec<&str> = own.map(|(_, value)| value.as_str()).collect();
        match parameter.read(&written) {
            Ok(value) => drop(values.insert(parameter.name.clone(), value)),
            Err(violation) => wrong.push(violation),
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

/// A query with values in the place of its placeholders.
pub struct Filled {
    /// The query.
    pub query: Map<String, Value>,
    /// Where values were put (JSON pointers), and of which parameter.
    pub places: Vec<(String, String)>,
}

impl Filled {
    /// The parameter whose value stands at a place of a violation: a JSON pointer, or the name of a field.
    pub fn parameter_at(&self, field: &str) -> Option<&str> {
        let field = field.trim_start_matches('/');
        let at = |place: &str| {
            let rest = field.strip_prefix(place.trim_start_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
        };
        self.places
            .iter()
            .find(|(place, _)| at(place))
            .map(|(_, name)| name.as_str())
    }
}

/// Puts the values in; gives the placeholders that name no parameter, with their places.
pub fn fill(query: &Map<String, Value>, values: &Map<String, Value>) -> Result<Filled, Vec<(String, String)>> {
    let mut filling = Filling {
        values,
        places: Vec::new(),
        unknown: Vec::new(),
    };
    let query = filling.object(query, "");
    if filling.unknown.is_empty() {
        Ok(Filled {
            query,
            places: filling.places,
        })
    } else {
        Err(filling.unknown)
    }
}

struct Filling<'a> {
    values: &'a Map<String, Value>,
    places: Vec<(String, String)>,
    unknown: Vec<(String, String)>,
}

impl Filling<'_> {
    fn object(&mut self, object: &Map<String, Value>, at: &str) -> Map<String, Value> {
        let mut filled = Map::new();
        for (name, value) in object {
            let step = name.replace('~', "~0").replace('/', "~1");
            filled.insert(name.clone(), self.value(value, &format!("{at}/{step}")));
        }
        filled
    }

    fn value(&mut self, value: &Value, at: &str) -> Value {
        match value {
            Value::Object(object) => match object.get(PLACEHOLDER) {
                Some(Value::String(name)) if object.len() == 1 => {
                    let found = self.values.get(name);
                    let list = if found.is_some() {
                        &mut self.places
                    } else {
                        &mut self.unknown
                    };
                    list.push((at.to_owned(), name.clone()));
                    found.cloned().unwrap_or_default()
                }
                _ => Value::Object(self.object(object, at)),
            },
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(i, item)| self.value(item, &format!("{at}/{i}"))).collect()
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameter(value: Value) -> Parameter {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn values_are_typed_and_everything_wrong_is_named() {
        let parameters = [
            parameter(json!({"name": "vendor", "type": "text", "allowed": ["Oracle", "SAP"]})),
            parameter(json!({"name": "fit", "type": "integer", "default": 2})),
            parameter(json!({"name": "on", "type": "date"})),
            parameter(json!({"name": "tiers", "type": "text", "list": true, "default": []})),
        ];
        let given = |pairs: &[(&str, &str)]| -> Result<Value, Vec<String>> {
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            let read = values(&parameters, &pairs).map(Value::Object);
            read.map_err(|wrong| wrong.iter().map(|v| format!("{} {:?}", v.field, v.code)).collect())
        };
        assert_eq!(
            given(&[("vendor", "SAP"), ("on", "2026-02-28"), ("tiers", "a"), ("tiers", "b")]),
            Ok(json!({"vendor": "SAP", "fit": 2, "on": "2026-02-28", "tiers": ["a", "b"]}))
        );
        assert_eq!(
            given(&[("vendor", "IBM"), ("fit", "2.5"), ("on", "2026-02-30")]),
            Err(vec![
                "vendor NotInOptions".into(),
                "fit WrongType".into(),
                "on WrongType".into()
            ])
        );
        assert_eq!(
            given(&[("fit", "1"), ("fit", "2")]),
            Err(vec![
                "vendor Required".into(),
                "fit NotAllowedHere".into(),
                "on Required".into()
            ])
        );
    }

    #[test]
    fn placeholders_are_found_wherever_they_stand() {
        let query = json!({"where": {"all": [{"a/b": {"$param": "x"}}, {"field": "n", "value": [{"$param": "x"}]}]}});
        let values = json!({"x": 5});
        let filled = fill(query.as_object().unwrap(), values.as_object().unwrap())
            .ok()
            .unwrap();
        assert_eq!(
            Value::Object(filled.query.clone()),
            json!({"where": {"all": [{"a/b": 5}, {"field": "n", "value": [5]}]}})
        );
        assert_eq!(filled.parameter_at("/where/all/0/a~1b"), Some("x"));
        assert_eq!(filled.parameter_at("/where/all/1/value/0"), Some("x"));
        assert_eq!(filled.parameter_at("/where/all/1/value"), None);
        let unknown = fill(query.as_object().unwrap(), &Map::new()).err().unwrap();
        assert_eq!(unknown.len(), 2);
    }
}
