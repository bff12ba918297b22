//! Having a bill charged at once, for instance with another card.

use baeum_domain::{
    ids::{InvoiceId, PaymentId},
    money::Money,
    subscription::payment::{self, AskedBy, Command, Payment},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};

use super::{Error, own::must_be_theirs};
use crate::{Commands, Request};

/// A charge that was begun. What comes of it follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The payment.
    pub payment_id: PaymentId,
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What is charged.
    pub amount: Money,
}

impl Commands {
    /// Has a payment of the caller's charged now, beside its schedule. The gateway is asked by the process that follows.
    ///
    /// # Errors
    /// Another's payment, one that has succeeded, is closed or is being charged, or a failing log.
    pub async fn pay_now(
        &self,
        request: &Request,
        payment_id: PaymentId,
    ) -> Result<Outcome<Begun>, ExecuteError<Error>> {
        let caller = &request.caller;
        self.log
            .execute::<Payment, _, Error, _>(
                &request.context(self.clock()),
                &payment_id.to_string(),
                |loaded: Loaded<Payment>| async move {
                    let collection = loaded.state.collection.as_ref().ok_or(payment::Error::NotRequested)?;
                    let (_, subscriber) = self.owner_of(&caller.tenant, collection.invoice_id).await?;
                    must_be_theirs(caller, subscriber, || format!("payment {payment_id}"))?;
                    let (attempt, asked_by) = (collection.begun.saturating_add(1), AskedBy::Subscriber);
                    Ok(Command::BeginCharge { attempt, asked_by, at: self.clock().now() })
                },
                |payment, _| {
                    let collection = payment.collection.as_ref().expect("a charge is begun of a requested payment");
                    let (invoice_id, attempt, amount) = (collection.invoice_id, collection.begun, collection.amount);
                    Begun { payment_id, invoice_id, attempt, amount }
                },
            )
            .await
    }
}
