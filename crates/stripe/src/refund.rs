//! Refunds: giving back a payment, whole or in parts.

use serde::Deserialize;

use crate::{
    client::Client,
    error::Error,
    form::{Form, Metadata, segment},
    idempotency::IdempotencyKey,
    list::{List, Page},
    money::{Currency, Money},
};

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundStatus {
    /// The bank takes its time.
    Pending,
    /// The customer must say where to.
    RequiresAction,
    /// Given back.
    Succeeded,
    /// The bank did not take it; the money is back on the account.
    Failed,
    /// Given up.
    Canceled,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A refund.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refund {
    /// `re_…`.
    pub id: String,
    /// What is given back, in the smallest unit.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
    /// How far it is; none if the bank has said nothing yet.
    #[serde(default)]
    pub status: Option<RefundStatus>,
    /// Of which payment.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// Of which charge.
    #[serde(default)]
    pub charge: Option<String>,
    /// What was given with it.
    #[serde(default)]
    pub metadata: Metadata,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
}

/// Why a payment is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundReason {
    /// It was paid twice.
    Duplicate,
    /// The customer did not pay it. The card is blocked for the account.
    Fraudulent,
    /// The customer wants it.
    RequestedByCustomer,
}

impl RefundReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Fraudulent => "fraudulent",
            Self::RequestedByCustomer => "requested_by_customer",
        }
    }
}

/// What a new refund is to have.
#[derive(Clone, Debug)]
pub struct CreateRefund {
    /// Of which payment.
    pub payment_intent: String,
    /// How much, in the payment's currency; none gives back all that is left.
    pub money: Option<Money>,
    /// Why.
    pub reason: Option<RefundReason>,
    /// Ids of one's own.
    pub metadata: Metadata,
}

impl Client {
    /// Gives a payment back, or a part of it.
    ///
    /// # Errors
    /// [`Error::Refused`] with the code `charge_already_refunded` when nothing is left to give back, and without a code
    /// when less is left than asked; else as every request.
    pub async fn create_refund(&self, new: &CreateRefund, key: &IdempotencyKey) -> Result<Refund, Error> {
        let money = new.money.map(Money::check).transpose()?;
        let form = Form::default()
            .with("payment_intent", segment(&new.payment_intent)?)
            .with_some("amount", money.map(|it| it.amount))
            .with_some("reason", new.reason.map(RefundReason::as_str))
            .with_metadata(&new.metadata)?;
        self.post("/v1/refunds".to_owned(), form, key).await
    }

    /// Reads a refund.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn retrieve_refund(&self, id: &str) -> Result<Refund, Error> {
        self.get(format!("/v1/refunds/{}", segment(id)?), Form::default()).await
    }

    /// A page of a payment's refunds.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn list_refunds(&self, payment_intent: &str, page: &Page) -> Result<List<Refund>, Error> {
        let form = page.form()?.with("payment_intent", segment(payment_intent)?);
        self.get("/v1/refunds".to_owned(), form).await
    }
}
