//! What the operator decides about billing: the same for everybody, and taken over into events where it is used.

use super::{dunning::Dunning, refund::RefundPolicy, settlement::Share};
use crate::money::{Currency, Money};

/// What the operator decides about billing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BillingPolicy {
    /// When charges are tried again; a subscription keeps what was decided when it started.
    pub dunning: Dunning,
    /// What can be given back.
    pub refunds: RefundPolicy,
    /// What one usage credit costs, a price a currency; credits are sold in no other currency.
    pub credit_prices: Vec<Money>,
    /// What partners get of what is paid; the rest is the platform's.
    pub shares: Vec<Share>,
}

impl BillingPolicy {
    /// What one usage credit costs in `currency`, if it is sold in that.
    pub fn credit_price(&self, currency: Currency) -> Option<Money> {
        self.credit_prices.iter().copied().find(|price| price.currency() == currency)
    }
}
