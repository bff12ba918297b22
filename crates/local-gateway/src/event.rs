//! `/v1/events`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{books::Books, form::Form, problem::Problem, table::Row};

/// The version of the API in which objects are written.
const API_VERSION: &str = "2025-09-30.clover";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) created: i64,
    /// What it is about, as it was then.
    pub(crate) object: Value,
    pub(crate) idempotency_key: Option<String>,
    /// Whether somebody is still to be told.
    pub(crate) due: bool,
}

impl Row for Event {
    fn id(&self) -> &str {
        &self.id
    }

    fn created(&self) -> i64 {
        self.created
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id, "object": "event", "type": self.kind, "created": self.created, "api_version": API_VERSION,
            "data": {"object": self.object}, "livemode": false, "pending_webhooks": i32::from(self.due),
            "request": {"id": null, "idempotency_key": self.idempotency_key},
        })
    }
}

pub(crate) fn get(books: &Books, id: &str, _: &mut Form) -> Result<Value, Problem> {
    books.events.get(id).map(Row::json).ok_or_else(|| Problem::missing("event", id).param("id"))
}

pub(crate) fn list(books: &Books, _: &str, form: &mut Form) -> Result<Value, Problem> {
    books.events.page(None, form, "event")
}
