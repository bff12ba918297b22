//! The fields of a request. What is not known is refused, as the API does.

use std::collections::BTreeMap;

use crate::problem::Problem;

/// The fields that nobody has asked for yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub(crate) fn peek(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The field; an empty one is one that is not given.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|it| !it.is_empty())
    }

    pub(crate) fn need(&mut self, name: &str) -> Result<String, Problem> {
        let missing = || Problem::invalid(format!("Missing required param: {name}.")).code("parameter_missing");
        self.take(name).ok_or_else(|| missing().param(name))
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<i64>, Problem> {
        let wrong = |it: &str| Problem::invalid(format!("Invalid integer: {it}")).code("parameter_invalid_integer");
        self.take(name).map(|it| it.parse().map_err(|_| wrong(&it).param(name))).transpose()
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.take(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(it) => Err(Problem::invalid(format!("Invalid boolean: {it}")).param(name)),
        }
    }

    pub(crate) fn metadata(&mut self) -> BTreeMap<String, String> {
        let name = |field: &str| Some(field.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
        let fields: Vec<_> = self.0.keys().filter(|it| name(it).is_some()).cloned().collect();
        let mut metadata = BTreeMap::new();
        for field in fields {
            if let (Some(name), Some(value)) = (name(&field), self.take(&field)) {
                metadata.insert(name, value);
            }
        }
        metadata
    }

    /// Cards are all that there is.
    pub(crate) fn cards_only(&mut self) -> Result<(), Problem> {
        for field in ["payment_method_types[0]", "payment_method_types[]"] {
            if let Some(kind) = self.take(field).filter(|it| it != "card") {
                return Err(Problem::invalid(format!("This gateway has cards only, not '{kind}'.")).param(field));
            }
        }
        Ok(())
    }

    /// That nothing is left over.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => {
                let problem = Problem::invalid(format!("Received unknown parameter: {name}"));
                Err(problem.code("parameter_unknown").param(name))
            }
        }
    }
}
