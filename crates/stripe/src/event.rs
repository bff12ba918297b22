//! Events: what the API tells by webhook, and keeps for 30 days to be asked for.

use std::fmt::{self, Debug, Formatter};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    charge::Charge,
    client::Client,
    error::Error,
    form::{Form, segment},
    list::{List, Page},
    payment_intent::PaymentIntent,
    refund::Refund,
    setup_intent::SetupIntent,
};

/// Something that happened. It may come late, more than once and in another order than it happened: keep the ids of
/// those that were dealt with, and read the object anew where its present state matters.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// `evt_…`, the same in every delivery.
    pub id: String,
    /// What happened, such as `payment_intent.succeeded`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When, in seconds since 1970.
    pub created: i64,
    /// Whether it was about real money.
    #[serde(default)]
    pub livemode: bool,
    /// In which version of the API its object is written.
    #[serde(default)]
    pub api_version: Option<String>,
    /// The request that led to it, if one did.
    #[serde(default)]
    pub request: Option<EventRequest>,
    data: Data,
}

/// The request that led to an event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EventRequest {
    /// `req_…`.
    #[serde(default)]
    pub id: Option<String>,
    /// Its key.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// What an event is about, as it was then.
#[derive(Clone, Debug, PartialEq)]
pub enum EventObject {
    /// A payment.
    PaymentIntent(Box<PaymentIntent>),
    /// A setup of a payment method.
    SetupIntent(Box<SetupIntent>),
    /// A try of a payment.
    Charge(Box<Charge>),
    /// A refund.
    Refund(Box<Refund>),
    /// Something that is not needed here, by its name in the API.
    Other(String),
}

#[derive(Clone, Deserialize)]
struct Data {
    object: Value,
}

/// Objects such as customers are about people.
impl Debug for Data {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Data(…)")
    }
}

impl Event {
    /// What it is about.
    ///
    /// # Errors
    /// When the object has not the shape that the API promises.
    pub fn object(&self) -> Result<EventObject, serde_json::Error> {
        let object = &self.data.object;
        Ok(match object["object"].as_str().unwrap_or_default() {
            "payment_intent" => EventObject::PaymentIntent(Box::new(PaymentIntent::deserialize(object)?)),
            "setup_intent" => EventObject::SetupIntent(Box::new(SetupIntent::deserialize(object)?)),
            "charge" => EventObject::Charge(Box::new(Charge::deserialize(object)?)),
            "refund" => EventObject::Refund(Box::new(Refund::deserialize(object)?)),
            other => EventObject::Other(other.to_owned()),
        })
    }
}

impl Client {
    /// Reads an event.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn retrieve_event(&self, id: &str) -> Result<Event, Error> {
        self.get(format!("/v1/events/{}", segment(id)?), Form::default()).await
    }

    /// A page of events, the newest first: for those whose webhooks did not come.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn list_events(&self, page: &Page) -> Result<List<Event>, Error> {
        self.get("/v1/events".to_owned(), page.form()?).await
    }
}
