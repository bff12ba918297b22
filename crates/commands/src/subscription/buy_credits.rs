//! Buying usage credits.

use baeum_domain::{
    ids::{InvoiceId, PaymentId, PurchaseId, derive_id},
    money::{Currency, Money},
    subscription::{
        bill::{Purpose, payment_id},
        credits::{self, Command, CreditBalance},
    },
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::{Commands, Request};

/// The answer to a purchase: the credits are there once its invoice is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// The purchase.
    pub purchase_id: PurchaseId,
    /// How many credits.
    pub units: u32,
    /// What is to be paid.
    pub total: Money,
    /// The invoice that it becomes.
    pub invoice_id: InvoiceId,
    /// The payment of that.
    pub payment_id: PaymentId,
}

impl Commands {
    /// Sells usage credits to the caller, at the price that the operator has set for the currency.
    ///
    /// # Errors
    /// A currency without a price, too few or too many credits, or a failing log.
    pub async fn buy_credits(
        &self,
        request: &Request,
        units: u32,
        currency: Currency,
    ) -> Result<Outcome<Bought>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let refused = |error: Error| ExecuteError::Refused(error);
        let unit_price = self.billing.credit_price(currency).ok_or_else(|| {
            refused(Error::CreditsNotSold { given: currency, offered: self.billing.credit_prices.clone() })
        })?;
        let subscriber = request.caller.user_id;
        let purchase_id = PurchaseId(derive_id(&["purchase", &context.command_id.to_string()]));
        let wrong = |error| refused(credits::Error::Money(purchase_id, error).into());
        let total = unit_price.times(units).map_err(wrong)?;
        let invoice_id = Purpose::Credits { subscriber, purchase_id }.invoice_id();
        let bought = Bought { purchase_id, units, total, invoice_id, payment_id: payment_id(invoice_id) };
        let at = self.clock().now();
        self.log
            .execute::<CreditBalance, _, Error, _>(
                &context,
                &credits::id_of(subscriber).to_string(),
                |_: Loaded<CreditBalance>| {
                    std::future::ready(Ok(Command::Buy { subscriber, purchase_id, units, unit_price, at }))
                },
                |_, _| bought.clone(),
            )
            .await
    }
}
