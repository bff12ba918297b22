//! How a request can end badly, and what that says about what was done.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    form::Invalid, payment_intent::PaymentIntent, payment_method::PaymentMethod, secret::Secret,
    setup_intent::SetupIntent,
};

/// The kind of an answer that is not of the API's form: somebody on the way gave it.
pub(crate) const FOREIGN: &str = "no error of the API's form";

/// What is known of what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was changed, nothing charged.
    NotDone,
    /// It may have been done.
    Unknown,
}

/// Why it is not known whether something was done, and so how to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The answer did not come in time, or the connection was cut. **Repeat with the same key.**
    NoAnswer,
    /// The first request with this key is still being worked on. **Repeat with the same key, later.**
    InProgress,
    /// The API failed within. **Repeat with the same key.**
    ServerError,
    /// The API failed within and gives that answer to every repeat with this key. What it did before it failed stands:
    /// **look for it** ([`Client::find_payment_intents`](crate::Client::find_payment_intents), `list_refunds`, the
    /// webhook), and try with a new key only when there is nothing.
    SavedServerError,
}

/// What the API said about a request that it refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// `card_error`, `invalid_request_error`, `idempotency_error` or `api_error`.
    pub kind: String,
    /// Such as `card_declined` or `resource_missing` (<https://docs.stripe.com/error-codes>).
    pub code: Option<String>,
    /// The bank's reason, such as `insufficient_funds` (<https://docs.stripe.com/declines/codes>).
    pub decline_code: Option<String>,
    /// The field that is wrong.
    pub param: Option<String>,
    /// The same in prose. It may quote what was sent.
    pub message: Secret,
    /// The charge that failed, `ch_…`.
    pub charge: Option<String>,
    /// The payment that it was about, as it stands now.
    pub payment_intent: Option<Box<PaymentIntent>>,
    /// The setup that it was about, as it stands now.
    pub setup_intent: Option<Box<SetupIntent>>,
    /// With what it was tried.
    pub payment_method: Option<Box<PaymentMethod>>,
    /// `req_…`, by which Stripe finds the request.
    pub request_id: Option<String>,
}

/// How a request ended badly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was not sent: it could not have been accepted.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The bank refused the card. Another try needs a new key, and mostly another card or another day.
    #[error("the card was declined ({}): nothing was charged", reason(.0))]
    Declined(Box<Refusal>),
    /// The bank wants the customer. Bring them to the page of the payment in `payment_intent` and confirm it there.
    #[error("the bank wants the customer to agree ({}): nothing was charged yet", reason(.0))]
    AuthenticationRequired(Box<Refusal>),
    /// The key was used before for something else. What is wanted now was not done; what was done then, its own
    /// record says.
    #[error("the idempotency key was used for another request before (request {})", id(.0.request_id.as_ref()))]
    KeyReused(Box<Refusal>),
    /// The API refused the request: repeating it is no use.
    #[error("the payment API refused the request: {} {} (request {})", .0.status, reason(.0), id(.0.request_id.as_ref()))]
    Refused(Box<Refusal>),
    /// The API key is wrong, or may not do this.
    #[error("the payment API does not accept the key: {} {} (request {})", .0.status, reason(.0), id(.0.request_id.as_ref()))]
    Unauthorized(Box<Refusal>),
    /// Too many requests. Nothing was done; repeat later.
    #[error("the payment API answers too many requests with 429 (request {})", id(request_id.as_ref()))]
    RateLimited {
        /// How long the API asks to wait.
        retry_after: Option<Duration>,
        /// `req_…`.
        request_id: Option<String>,
    },
    /// The API could not be reached, or a question was not answered. Nothing was done; repeat later.
    #[error("the payment API cannot be reached: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// Something may have been done: find out, as `doubt` says, before anything else is tried.
    #[error("it is not known whether the payment API did it: {reason} (request {})", id(request_id.as_ref()))]
    Unknown {
        /// How to find out.
        doubt: Doubt,
        /// Why it is not known.
        reason: String,
        /// `req_…`, if there was an answer.
        request_id: Option<String>,
    },
}

impl Error {
    /// What is known of what was done.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Unknown { .. } => Outcome::Unknown,
            _ => Outcome::NotDone,
        }
    }

    /// Whether the same request with the same key may end otherwise later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } => true,
            Self::Unknown { doubt, .. } => *doubt != Doubt::SavedServerError,
            _ => false,
        }
    }

    /// What the API said, if it refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Declined(it)
            | Self::AuthenticationRequired(it)
            | Self::KeyReused(it)
            | Self::Refused(it)
            | Self::Unauthorized(it) => Some(it),
            _ => None,
        }
    }
}

/// Codes only: prose may quote what was sent.
fn reason(refusal: &Refusal) -> String {
    let words = [&refusal.code, &refusal.decline_code, &refusal.param].into_iter().flatten();
    let words: Vec<_> = words.map(String::as_str).collect();
    if words.is_empty() { refusal.kind.clone() } else { words.join(", ") }
}

fn id(request_id: Option<&String>) -> &str {
    request_id.map_or("without an id", String::as_str)
}

/// The body of an answer that is not 2xx.
#[derive(Default, Deserialize)]
struct Body {
    error: Fields,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
    message: Secret,
    charge: Option<String>,
    payment_intent: Option<Box<PaymentIntent>>,
    setup_intent: Option<Box<SetupIntent>>,
    payment_method: Option<Box<PaymentMethod>>,
}

impl Refusal {
    /// What an answer says; a body that is not of the API's form, such as a proxy's page, leaves the codes out.
    pub(crate) fn read(status: u16, body: &[u8], request_id: Option<String>) -> Self {
        let Body { error } = serde_json::from_slice(body).unwrap_or_default();
        Self {
            status,
            kind: if error.kind.is_empty() { FOREIGN.to_owned() } else { error.kind },
            code: error.code,
            decline_code: error.decline_code,
            param: error.param,
            message: error.message,
            charge: error.charge,
            payment_intent: error.payment_intent,
            setup_intent: error.setup_intent,
            payment_method: error.payment_method,
            request_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_codes_and_never_the_prose_that_may_quote_an_address() {
        let body = br#"{"error":{"type":"invalid_request_error","code":"email_invalid","param":"email","message":"Invalid email address: mina@example.org"}}"#;
        let error = Error::Refused(Box::new(Refusal::read(400, body, Some("req_1".to_owned()))));
        assert_eq!(error.to_string(), "the payment API refused the request: 400 email_invalid, email (request req_1)");
        assert!(!format!("{error:?}").contains("mina"));
        assert!(error.refusal().expect("refused").message.expose().contains("mina"));
    }

    #[test]
    fn an_answer_that_is_no_json_is_still_a_refusal() {
        let refusal = Refusal::read(404, b"<html>not here</html>", None);
        assert_eq!((refusal.status, refusal.code.as_deref()), (404, None));
    }
}
