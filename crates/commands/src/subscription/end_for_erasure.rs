//! Ending what a person buys, before they are forgotten: afterwards nobody could be charged, or told.
//!
//! The subscription is cancelled, and what is open of theirs is given up, in the order that the books need: no charge can
//! begin any more, then the invoice is voided, then whoever drew it up hears of it. Each step can be repeated.

use baeum_domain::{
    ids::{InvoiceId, SubscriptionId, UserId},
    subscription::{
        bill::{Purpose, payment_id},
        credits::{self, CreditBalance, Stage},
        invoice::{self, Invoice, VoidReason},
        payment::{self, Payment},
        subscription::{self, Subscription},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError};
use chrono::{DateTime, Utc};

use super::{Error, own::step_of};
use crate::Commands;

impl Commands {
    /// Ends all that `subscriber` pays for.
    ///
    /// # Errors
    /// A rule that stands in the way, or a failing log.
    pub(crate) async fn end_purchases(
        &self,
        context: &CommandContext,
        subscriber: UserId,
    ) -> Result<(), ExecuteError<Error>> {
        let (tenant, now) = (&context.tenant, self.clock().now());
        if let Some((_, contract)) = self.latest_subscription(tenant, subscriber).await? {
            let id = contract.subscription_id;
            let cancel = subscription::Command::CancelNow { at: now.max(contract.since) };
            self.execute_step::<Subscription>(&step_of(context, "cancel"), &id.to_string(), cancel).await?;
            if let Some(open) = contract.open
                && self.give_up(context, open.invoice_id, now).await?
            {
                self.note_voided(context, id, open.invoice_id).await?;
            }
        }
        let id = credits::id_of(subscriber).to_string();
        let balance = self.log.load::<CreditBalance>(tenant, &id).await?.state;
        let billed = balance.purchases.iter().filter(|(_, bought)| bought.stage == Stage::Billed);
        for (purchase_id, _) in billed {
            let invoice_id = Purpose::Credits { subscriber, purchase_id: *purchase_id }.invoice_id();
            if self.give_up(context, invoice_id, now).await? {
                let drop = credits::Command::DropPurchase { subscriber, purchase_id: *purchase_id };
                let step = step_of(context, &format!("drop {purchase_id}"));
                self.execute_step::<CreditBalance>(&step, &id, drop).await?;
            }
        }
        Ok(())
    }

    /// Closes the payment of an invoice and voids it; `false` where it is paid, or was never issued.
    async fn give_up(
        &self,
        context: &CommandContext,
        invoice_id: InvoiceId,
        at: DateTime<Utc>,
    ) -> Result<bool, ExecuteError<Error>> {
        let close = payment::Command::Close { at };
        let id = payment_id(invoice_id).to_string();
        match self.execute_step::<Payment>(&step_of(context, &format!("close {invoice_id}")), &id, close).await {
            Ok(_) | Err(ExecuteError::Refused(Error::Payment(payment::Error::NotRequested))) => {}
            // It was paid at the last moment; its process records that.
            Err(ExecuteError::Refused(Error::Payment(payment::Error::Succeeded(_)))) => return Ok(false),
            Err(error) => return Err(error),
        }
        let void = invoice::Command::Void { reason: VoidReason::Cancelled, at };
        let step = step_of(context, &format!("void {invoice_id}"));
        match self.execute_step::<Invoice>(&step, &invoice_id.to_string(), void).await {
            Ok(_) => Ok(true),
            Err(ExecuteError::Refused(Error::Invoice(invoice::Error::NotIssued | invoice::Error::Paid(_)))) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn note_voided(
        &self,
        context: &CommandContext,
        subscription_id: SubscriptionId,
        invoice_id: InvoiceId,
    ) -> Result<(), ExecuteError<Error>> {
        let voided = subscription::Command::RecordVoided { invoice_id };
        let step = step_of(context, &format!("voided {invoice_id}"));
        self.execute_step::<Subscription>(&step, &subscription_id.to_string(), voided).await?;
        Ok(())
    }
}
