//! Making good what was paid for a kit that will not come: its value is refunded, as far as a charge is left to refund.

use baeum_domain::{
    ids::{KitId, PaymentId, RefundId, derive_id},
    kit::kit::{Command, Kit, Order, Stage, refund_of},
    money::Money,
    subscription::{
        invoice::{Invoice, Outcome as Paid},
        payment::{Payment, ReserveState},
        refund::{self, Ground, Purchase, Reason, Refund, RefundPolicy},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded};

use super::Error;
use crate::Commands;

/// Kits that do not come are made good for a year after they were paid.
pub const POLICY: RefundPolicy = RefundPolicy { whole_days: 365, unused_time: false };

/// A charge that can be refunded.
struct Charge {
    payment_id: PaymentId,
    reference: String,
    purchase: Purchase,
}

impl Commands {
    /// Requests the refund of a kit, and records it. Who paid with account credit alone has no charge to refund: that is
    /// recorded, and is an operator's to settle.
    pub(super) async fn compensate_kit(
        &self,
        context: &CommandContext,
        kit_id: KitId,
    ) -> Result<(), ExecuteError<Error>> {
        let kit = self.log.load::<Kit>(&context.tenant, &kit_id.to_string()).await?.state;
        let owed = |order: &&Order| {
            order.paid_at.is_some() && !order.compensated && matches!(order.stage, Stage::Cancelled | Stage::Returned)
        };
        let Some(order) = kit.order.as_ref().filter(owed) else { return Ok(()) };
        let refund_id = refund_of(kit_id);
        let refunded = self.refund_kit(context, order, refund_id).await?;
        let compensate =
            Command::Compensate { refund: refunded.map(|amount| (refund_id, amount)), at: self.clock().now() };
        self.execute_kit(context, kit_id, compensate).await.map(|_| ())
    }

    async fn refund_kit(
        &self,
        context: &CommandContext,
        order: &Order,
        refund_id: RefundId,
    ) -> Result<Option<Money>, ExecuteError<Error>> {
        let (tenant, id) = (&context.tenant, refund_id.to_string());
        // Requested before, by somebody who was cut off.
        if let Some(request) = &self.log.load::<Refund>(tenant, &id).await?.state.request {
            return Ok(Some(request.amount));
        }
        let Some(charge) = self.charge_of(tenant, order).await? else { return Ok(None) };
        let at = self.clock().now();
        let allowed = POLICY.refundable(&charge.purchase, at).and_then(|allowed| allowed.at_most(order.value()));
        let Some(amount) = allowed.ok().filter(|amount| amount.is_positive()) else { return Ok(None) };
        let request = refund::Command::Request {
            refund_id,
            payment_id: charge.payment_id,
            reference: charge.reference,
            amount,
            ground: Ground::Policy(POLICY, charge.purchase),
            reason: Reason::Fault,
            at,
        };
        let context = CommandContext {
            command_id: derive_id(&["refund of a kit", &context.command_id.to_string()]),
            fingerprint: None,
            ..context.clone()
        };
        let prepare = |_: Loaded<Refund>| std::future::ready(Ok(request.clone()));
        self.log.execute::<Refund, (), Error, _>(&context, &id, prepare, |_, _| ()).await?;
        Ok(Some(amount))
    }

    /// The charge that paid the bill of a kit, with what of it was given back; `None` where nothing was charged.
    async fn charge_of(&self, tenant: &str, order: &Order) -> Result<Option<Charge>, ExecuteError<Error>> {
        let invoice = self.log.load::<Invoice>(tenant, &order.invoice_id.to_string()).await?.state;
        let outcome = invoice.claim.as_ref().and_then(|claim| claim.outcome);
        let (Some(Paid::Paid(Some(payment_id))), Some(paid_at)) = (outcome, order.paid_at) else { return Ok(None) };
        let payment = self.log.load::<Payment>(tenant, &payment_id.to_string()).await?.state;
        let Some(collection) = &payment.collection else { return Ok(None) };
        let Some(reference) = collection.captured.clone() else { return Ok(None) };
        let of_it = collection.refunds.values().filter(|it| it.reference == reference);
        let given_back = of_it.filter(|it| it.state != ReserveState::Released).map(|it| it.amount);
        let Ok(refunded) = Money::sum(collection.amount.currency(), given_back) else { return Ok(None) };
        let purchase = Purchase { paid: collection.amount, refunded, paid_at, period: None };
        Ok(Some(Charge { payment_id, reference, purchase }))
    }
}
