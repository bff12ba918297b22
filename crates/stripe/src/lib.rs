//! A client of the part of Stripe's HTTP API that subscriptions need: customers, saved payment methods, payments with
//! and without the customer present, refunds, and signed webhooks.
//!
//! Three rules hold everywhere:
//!
//! - **Nothing is charged twice.** Every request that changes something carries an [`IdempotencyKey`] that the caller
//!   chose, and kept, before it was sent first. Repeating a request with its key is always safe.
//! - **"Unknown" is an answer.** A timeout, a connection that was cut and a 5xx say nothing about what was done. Such
//!   an end is [`Error::Unknown`], never a failure, and says how to find out ([`Doubt`]).
//! - **Nothing secret or personal is shown.** Keys, client secrets and what the API writes in prose are [`Secret`]:
//!   neither `Debug` nor an error's `Display` shows them.
//!
//! Time is passed in ([`Webhooks::verify`]), and so is the randomness that spreads repeats ([`Jitter`]).
//!
//! The shapes are those of <https://docs.stripe.com/api>, in the version [`API_VERSION`], reduced to what is used here;
//! fields that a later version adds are skipped.

mod charge;
mod client;
mod customer;
mod error;
mod event;
mod failure;
mod form;
mod idempotency;
mod list;
mod money;
mod payment_intent;
mod payment_method;
mod refund;
mod retry;
mod secret;
mod setup_intent;
mod webhook;

pub use charge::{Charge, ChargeStatus};
pub use client::{API_VERSION, Client, Config};
pub use customer::{CreateCustomer, Customer};
pub use error::{Doubt, Error, Outcome, Refusal};
pub use event::{Event, EventObject, EventRequest};
pub use form::{Invalid, Metadata};
pub use idempotency::IdempotencyKey;
pub use list::{List, Page, SearchPage};
pub use money::{Currency, Money};
pub use payment_intent::{
    Confirmation, CreatePaymentIntent, NextAction, PaymentError, PaymentIntent, PaymentIntentStatus, Redirect,
};
pub use payment_method::{Card, PaymentMethod};
pub use refund::{CreateRefund, Refund, RefundReason, RefundStatus};
pub use retry::{Jitter, Retry};
pub use secret::Secret;
pub use setup_intent::{CreateSetupIntent, SetupIntent, SetupIntentStatus};
pub use webhook::{DEFAULT_TOLERANCE, WebhookError, Webhooks};
