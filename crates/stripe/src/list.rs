//! Pages of objects, the newest first.

use serde::Deserialize;

use crate::form::{Form, Invalid, segment};

/// Which page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many, 1 to 100; 0 leaves it to the API (10).
    pub limit: u8,
    /// Those older than the object with this id.
    pub starting_after: Option<String>,
    /// Those newer than the object with this id.
    pub ending_before: Option<String>,
    /// Those made at this moment or later, in seconds since 1970.
    pub created_since: Option<i64>,
}

impl Page {
    pub(crate) fn form(&self) -> Result<Form, Invalid> {
        let cursor = |id: &Option<String>| id.as_deref().map(segment).transpose().map(|it| it.map(ToOwned::to_owned));
        let limit = (self.limit > 0).then_some(self.limit.min(100));
        Ok(Form::default()
            .with_some("limit", limit)
            .with_some("starting_after", cursor(&self.starting_after)?)
            .with_some("ending_before", cursor(&self.ending_before)?)
            .with_some("created[gte]", self.created_since))
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct List<T> {
    /// The objects, the newest first.
    pub data: Vec<T>,
    /// Whether there are more behind the last.
    pub has_more: bool,
}

/// A page of what a search found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SearchPage<T> {
    /// The objects.
    pub data: Vec<T>,
    /// Whether there are more.
    pub has_more: bool,
    /// What to ask for to get them.
    #[serde(default)]
    pub next_page: Option<String>,
}
