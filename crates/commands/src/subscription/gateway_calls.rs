//! The calls of the payment gateway that move money: only ever after the event that says so, under the key that stands in it.
//!
//! What a call came to may stay unknown: then it is put off, and made again under the same key. Once the gateway may have
//! forgotten the key it is not made any more, but looked up: what is not found then was not done.

use baeum_domain::{
    ids::{PaymentId, RefundId},
    subscription::{
        billing_account::BillingAccount,
        gateway::{ChargeOrder, Charged, Gateway, GatewayError, KEYS_LAST, RefundOrder, Refunded},
        invoice::{self, Invoice},
        payment::{self, ChargeOutcome, Payment, idempotency_key},
        refund::{self, Refund, Stage},
    },
};
use baeum_eventlog::CommandContext;
use chrono::{DateTime, Utc};

use super::billing::{done, later, refused};
use crate::{Commands, dispatch::DispatchError};

/// Recorded as the reason of a charge that there was nothing to charge for.
const NO_METHOD: &str = "no_payment_method";
/// Recorded as the reason of a charge or refund of which the gateway knows nothing, after its key was forgotten.
const NOT_THERE: &str = "not_made_in_time";

impl Commands {
    pub(super) async fn charge(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
        attempt: u32,
        begun_at: DateTime<Utc>,
    ) -> Result<(), DispatchError> {
        let payment = self.log.load::<Payment>(&context.tenant, &payment_id.to_string()).await.map_err(later)?;
        let collection = payment.state.collection.as_ref().ok_or_else(|| refused(&payment::Error::NotRequested))?;
        if collection.in_flight.is_none_or(|(in_flight, _)| in_flight != attempt) {
            // A webhook was faster.
            return Ok(());
        }
        let gateway = self.gateway()?;
        let invoice = self.log.load::<Invoice>(&context.tenant, &collection.invoice_id.to_string()).await;
        let invoice = invoice.map_err(later)?;
        let claim = invoice.state.claim.as_ref().ok_or_else(|| refused(&invoice::Error::NotIssued))?;
        let subscriber = self.payer(context, &claim.bill.purpose).await?;
        let account = self.log.load::<BillingAccount>(&context.tenant, &subscriber.to_string()).await.map_err(later)?;
        let order = |payment_method: &str| ChargeOrder {
            tenant: context.tenant.clone(),
            payment_id,
            attempt,
            key: idempotency_key(payment_id, attempt),
            amount: collection.amount,
            customer: account.state.customer.clone().unwrap_or_default(),
            payment_method: payment_method.to_owned(),
        };
        let forgotten = self.clock().now() - begun_at > KEYS_LAST;
        let charged = match (&account.state.customer, account.state.default_method()) {
            (None, _) => Charged::Failed { code: NO_METHOD.to_owned() },
            (Some(_), Some(method)) if !forgotten => gateway.charge(&order(method)).await.map_err(later)?,
            // It may have been charged before what was saved was removed.
            (Some(_), method) => {
                let code = if method.is_some() { NOT_THERE } else { NO_METHOD };
                let found = gateway.find_charge(&order(method.unwrap_or_default())).await.map_err(later)?;
                found.unwrap_or_else(|| Charged::Failed { code: code.to_owned() })
            }
        };
        let outcome = outcome(charged).ok_or_else(|| later("the payment gateway does not know yet"))?;
        let record = payment::Command::RecordCharge { attempt, outcome, at: self.clock().now() };
        done(self.decide::<Payment>(context, &payment_id.to_string(), record).await?)
    }

    pub(super) async fn refund(
        &self,
        context: &CommandContext,
        refund_id: RefundId,
        sent_at: DateTime<Utc>,
    ) -> Result<(), DispatchError> {
        let refund = self.log.load::<Refund>(&context.tenant, &refund_id.to_string()).await.map_err(later)?;
        let request = refund.state.request.as_ref().ok_or_else(|| refused(&refund::Error::NotRequested))?;
        if request.stage != Stage::Sent {
            return Ok(());
        }
        let gateway = self.gateway()?;
        let order = RefundOrder {
            tenant: context.tenant.clone(),
            refund_id,
            key: refund::idempotency_key(refund_id),
            reference: request.reference.clone(),
            amount: request.amount,
        };
        let refunded = if self.clock().now() - sent_at > KEYS_LAST {
            let found = gateway.find_refund(&order).await.map_err(later)?;
            found.unwrap_or_else(|| Refunded::Failed { code: NOT_THERE.to_owned() })
        } else {
            match gateway.refund(&order).await {
                Err(GatewayError::Refused { code }) => Refunded::Failed { code },
                answer => answer.map_err(later)?,
            }
        };
        let at = self.clock().now();
        let command = match refunded {
            Refunded::Succeeded => refund::Command::RecordSuccess { at },
            Refunded::Failed { code } => refund::Command::RecordFailure { code, at },
            Refunded::Pending => return Err(later("the payment gateway does not know yet")),
        };
        done(self.decide::<Refund>(context, &refund_id.to_string(), command).await?)
    }

    fn gateway(&self) -> Result<&dyn Gateway, DispatchError> {
        let none = || later("no payment gateway is configured: set BAEUM_GATEWAY_URL and its key, and it goes on");
        self.gateway.as_deref().ok_or_else(none)
    }
}

/// The outcome of an attempt, when it is certain.
pub(super) fn outcome(charged: Charged) -> Option<ChargeOutcome> {
    match charged {
        Charged::Succeeded { reference } => Some(ChargeOutcome::Succeeded { reference }),
        Charged::Failed { code } => Some(ChargeOutcome::Failed { code }),
        Charged::Pending => None,
    }
}
