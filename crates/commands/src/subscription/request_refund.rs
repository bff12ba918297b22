//! Asking for money back.

use baeum_domain::{
    ids::{PaymentId, PurchaseId, RefundId, UserId, derive_id},
    money::Money,
    subscription::{
        bill::{Item, Purpose},
        credits::{self, CreditBalance},
        invoice::Invoice,
        payment::{self, Collection, Payment},
        period::Period,
        refund::{self, Ground, Reason, Refund},
        subscription::Subscription,
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Error,
    own::{must_be_theirs, step_of},
};
use crate::{Commands, Request};

/// A refund that was asked for. Whether the gateway gives the money back follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// The refund.
    pub refund_id: RefundId,
    /// The payment.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
}

/// What a refund is decided on.
struct Paid {
    reference: String,
    purpose: Purpose,
    subscriber: UserId,
    purchase: refund::Purchase,
}

impl Commands {
    /// Asks for the money of a payment back: `amount` of it, or all that the policy allows. Usage credits are given back
    /// whole, and only while they are not used.
    ///
    /// # Errors
    /// Another's payment, one that took no money, more than the policy allows, or a failing log.
    pub async fn request_refund(
        &self,
        request: &Request,
        payment_id: PaymentId,
        amount: Option<Money>,
        reason: Reason,
    ) -> Result<Outcome<Requested>, ExecuteError<Error>> {
        let (context, caller) = (request.context(self.clock()), &request.caller);
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        let refused = ExecuteError::Refused;
        let (policy, at) = (self.billing.refunds, self.clock().now());
        let paid = self.paid(&caller.tenant, payment_id).await.map_err(refused)?;
        must_be_theirs(caller, paid.subscriber, || format!("payment {payment_id}")).map_err(refused)?;
        let refund_id = RefundId(derive_id(&["refund", &context.command_id.to_string()]));
        let wrong = |error| refused(refund::Error::Money(refund_id, error).into());
        let allowed = policy.refundable(&paid.purchase, at).map_err(wrong)?;
        let amount = amount.unwrap_or(allowed);
        let rest = allowed.minus(amount).map_err(wrong)?;
        if rest.is_negative() || !amount.is_positive() {
            return Err(refused(refund::Error::BeyondPolicy { asked: amount, allowed }.into()));
        }
        if let Purpose::Credits { subscriber, purchase_id } = paid.purpose {
            let whole = paid.purchase.paid;
            if amount != whole {
                return Err(refused(Error::PartOfCredits { payment_id, asked: amount, paid: whole }));
            }
            self.take_credits_back(&context, subscriber, purchase_id).await?;
        }
        let Paid { reference, purchase, .. } = paid;
        let ground = Ground::Policy(policy, purchase);
        let command = refund::Command::Request { refund_id, payment_id, reference, amount, ground, reason, at };
        self.log
            .execute::<Refund, _, Error, _>(
                &context,
                &refund_id.to_string(),
                |_: Loaded<Refund>| std::future::ready(Ok(command.clone())),
                |_, _| Requested { refund_id, payment_id, amount },
            )
            .await
    }

    async fn take_credits_back(
        &self,
        context: &CommandContext,
        subscriber: UserId,
        purchase_id: PurchaseId,
    ) -> Result<(), ExecuteError<Error>> {
        let take_back = credits::Command::TakeBack { subscriber, purchase_id };
        let id = credits::id_of(subscriber).to_string();
        self.execute_step::<CreditBalance>(&step_of(context, "take_back"), &id, take_back).await?;
        Ok(())
    }

    /// What was paid by a payment, when, by whom and for what.
    async fn paid(&self, tenant: &str, payment_id: PaymentId) -> Result<Paid, Error> {
        let loaded = self.log.load::<Payment>(tenant, &payment_id.to_string()).await?;
        let collection = loaded.state.collection.as_ref().ok_or(payment::Error::NotRequested)?;
        let (purpose, subscriber) = self.owner_of(tenant, collection.invoice_id).await?;
        let Some(reference) = collection.captured.clone() else { return Err(Error::NotPaid(payment_id)) };
        let paid_at = self.paid_at(tenant, payment_id).await?.ok_or(Error::NotPaid(payment_id))?;
        let paid = collection.amount;
        let left = collection.refundable(&reference);
        let refunded = paid.minus(left).map_err(|error| payment::Error::Money(payment_id, error))?;
        let period = self.period_of(tenant, purpose, collection).await?;
        let purchase = refund::Purchase { paid, refunded, paid_at, period };
        Ok(Paid { reference, purpose, subscriber, purchase })
    }

    async fn paid_at(&self, tenant: &str, payment_id: PaymentId) -> Result<Option<DateTime<Utc>>, Error> {
        let events = self.log.read_stream::<Payment>(tenant, &payment_id.to_string(), 0).await?;
        Ok(events.into_iter().find_map(|event| match event.payload {
            payment::Event::ChargeSucceeded { at, .. } => Some(at),
            _ => None,
        }))
    }

    /// The period that was paid for, as it is now: a pause may have put its end off.
    async fn period_of(
        &self,
        tenant: &str,
        purpose: Purpose,
        collection: &Collection,
    ) -> Result<Option<Period>, Error> {
        let Purpose::Period { subscription_id, number } = purpose else { return Ok(None) };
        let subscription = self.log.load::<Subscription>(tenant, &subscription_id.to_string()).await?;
        let present = subscription.state.contract.as_ref().map(|contract| contract.period);
        if let Some(period) = present.filter(|period| period.number == number) {
            return Ok(Some(period));
        }
        let invoice = self.log.load::<Invoice>(tenant, &collection.invoice_id.to_string()).await?;
        let lines = invoice.state.claim.as_ref().map(|claim| claim.bill.lines.clone()).unwrap_or_default();
        let line = lines.into_iter().find(|line| line.item == Item::Period);
        let times = line.and_then(|line| Some((line.from?, line.until?)));
        Ok(times.map(|(starts_at, ends_at)| Period {
            number,
            starts_at,
            ends_at,
            paused_seconds: 0,
            anchored_at: starts_at,
            anchored_number: number,
        }))
    }
}
