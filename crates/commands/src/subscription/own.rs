//! Whose it is, and what several uses share.

use baeum_domain::{
    Decider,
    identity::user::Role,
    ids::{CouponCode, InvoiceId, PlanId, SubscriptionId, UserId, derive_id},
    money::Currency,
    subscription::{
        bill::Purpose,
        coupon::{self, Coupon, CouponTerms},
        invoice::{self, Invoice},
        plan::{self, Plan, PlanTerms},
        subscription::{self, Contract, Subscription, id_of},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, LogError, Outcome};
use chrono::{DateTime, Utc};

use super::Error;
use crate::{Caller, Commands, Request};

/// Whether the caller may change what is this subscriber's.
pub(super) fn must_be_theirs(caller: &Caller, subscriber: UserId, what: impl FnOnce() -> String) -> Result<(), Error> {
    let theirs = caller.user_id == subscriber || caller.has_any(&[Role::Admin]);
    if theirs { Ok(()) } else { Err(Error::NotYours(what())) }
}

/// The started subscription, if the caller may change it.
pub(super) fn own<'a>(
    subscription: &'a Subscription,
    subscription_id: SubscriptionId,
    caller: &Caller,
) -> Result<&'a Contract, Error> {
    let contract = subscription.contract.as_ref().ok_or(subscription::Error::NotStarted)?;
    must_be_theirs(caller, contract.subscriber, || format!("subscription {subscription_id}"))?;
    Ok(contract)
}

/// The contract after a command that was decided on it.
pub(super) fn contract(subscription: &Subscription) -> Contract {
    subscription.contract.clone().expect("a command is decided on a started subscription only")
}

/// The context of what must precede a command.
pub(super) fn step_of(context: &CommandContext, step: &str) -> CommandContext {
    CommandContext {
        command_id: derive_id(&["step", step, &context.command_id.to_string()]),
        fingerprint: None,
        expected_sequence: None,
        causation_id: context.command_id,
        ..context.clone()
    }
}

impl Commands {
    /// Executes a command on a subscription of the caller's.
    pub(super) async fn on_subscription(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
        command: impl Fn(&Contract) -> Result<subscription::Command, Error> + Send + Sync,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        self.log
            .execute::<Subscription, _, Error, _>(
                &request.context(self.clock()),
                &subscription_id.to_string(),
                |loaded: Loaded<Subscription>| {
                    let own = own(&loaded.state, subscription_id, &request.caller);
                    std::future::ready(own.and_then(&command))
                },
                |subscription, _| contract(subscription),
            )
            .await
    }

    /// Executes a command as it stands.
    pub(super) async fn execute_step<D>(
        &self,
        context: &CommandContext,
        id: &str,
        command: D::Command,
    ) -> Result<Outcome<()>, ExecuteError<Error>>
    where
        D: Decider,
        D::Command: Sync,
        Error: From<D::Error>,
    {
        self.log
            .execute::<D, (), Error, _>(context, id, |_: Loaded<D>| std::future::ready(Ok(command.clone())), |_, _| ())
            .await
    }

    /// The terms on which a plan is subscribed to now.
    pub(super) async fn terms(&self, tenant: &str, plan_id: &PlanId, currency: Currency) -> Result<PlanTerms, Error> {
        let plan = self.log.load::<Plan>(tenant, &plan::id_of(tenant, plan_id).to_string()).await?;
        Ok(plan.state.terms(currency)?)
    }

    /// The latest subscription of a person, with its number, if they ever had one.
    pub(super) async fn latest_subscription(
        &self,
        tenant: &str,
        subscriber: UserId,
    ) -> Result<Option<(u32, Contract)>, LogError> {
        let mut latest = None;
        for number in 1.. {
            let id = id_of(subscriber, number).to_string();
            let loaded = self.log.load::<Subscription>(tenant, &id).await?;
            let Some(contract) = &loaded.state.contract else { break };
            latest = Some((number, contract.clone()));
        }
        Ok(latest)
    }

    /// What a coupon gives.
    pub(super) async fn coupon_terms(&self, tenant: &str, code: &CouponCode) -> Result<CouponTerms, Error> {
        let coupon = self.log.load::<Coupon>(tenant, &coupon::id_of(tenant, code).to_string()).await?;
        let issue = coupon.state.issue.as_ref().ok_or(coupon::Error::NotCreated)?;
        Ok(issue.terms.clone())
    }

    /// Redeems a coupon for a subscription: before that takes it over.
    pub(super) async fn redeem(
        &self,
        context: &CommandContext,
        code: &CouponCode,
        subscription_id: SubscriptionId,
        at: DateTime<Utc>,
    ) -> Result<(), ExecuteError<Error>> {
        let redeem = coupon::Command::Redeem { subscription_id, at };
        let id = coupon::id_of(&context.tenant, code).to_string();
        self.execute_step::<Coupon>(&step_of(context, "redeem"), &id, redeem).await?;
        Ok(())
    }

    /// What an invoice is for, and who is to pay it.
    pub(super) async fn owner_of(&self, tenant: &str, invoice_id: InvoiceId) -> Result<(Purpose, UserId), Error> {
        let invoice = self.log.load::<Invoice>(tenant, &invoice_id.to_string()).await?;
        let purpose = invoice.state.claim.as_ref().ok_or(invoice::Error::NotIssued)?.bill.purpose;
        let subscriber = match purpose {
            Purpose::Credits { subscriber, .. } => subscriber,
            Purpose::Period { subscription_id, .. } | Purpose::Change { subscription_id, .. } => {
                let subscription = self.log.load::<Subscription>(tenant, &subscription_id.to_string()).await?;
                subscription.state.contract.as_ref().ok_or(subscription::Error::NotStarted)?.subscriber
            }
        };
        Ok((purpose, subscriber))
    }
}
