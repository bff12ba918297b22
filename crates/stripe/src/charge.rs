//! Charges: the tries of payments, as webhooks tell of them.

use serde::Deserialize;

use crate::money::Currency;

/// How a try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// Paid.
    Succeeded,
    /// Not yet known.
    Pending,
    /// Not paid.
    Failed,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// One try of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// `ch_…`.
    pub id: String,
    /// What was to be paid, in the smallest unit.
    pub amount: i64,
    /// What was given back of it, in the smallest unit.
    #[serde(default)]
    pub amount_refunded: i64,
    /// Of what.
    pub currency: Currency,
    /// How it went.
    pub status: ChargeStatus,
    /// Of which payment.
    #[serde(default)]
    pub payment_intent: Option<String>,
    /// By whom.
    #[serde(default)]
    pub customer: Option<String>,
    /// Why it failed, such as `card_declined`.
    #[serde(default)]
    pub failure_code: Option<String>,
}
