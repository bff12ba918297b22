//! Starting a subscription.
//!
//! A person has their first, second … subscription under ids that are derived from theirs and count up. An earlier one is
//! replaced before the next starts, so that it cannot come back beside it, and two starts at once meet in one stream.

use baeum_domain::{
    identity::user::{self, User},
    ids::{CouponCode, PlanId},
    money::Currency,
    subscription::subscription::{Command, Contract, Subscription, id_of},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{
    Error,
    own::{contract, step_of},
};
use crate::{Commands, Request};

/// What someone subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// The plan.
    pub plan_id: PlanId,
    /// In which currency it is paid.
    pub currency: Currency,
    /// A coupon to use from the first billed period on.
    pub coupon: Option<CouponCode>,
    /// Whether the plan's trial comes first, for who never had a subscription.
    pub trial: bool,
}

impl Commands {
    /// Starts a subscription of the caller's.
    ///
    /// # Errors
    /// One that runs, a plan that is not offered so, a coupon that cannot be used, or a failing log.
    pub async fn start_subscription(
        &self,
        request: &Request,
        wish: &Subscribe,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        // Once started, the same request would be for the next one.
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        let (tenant, subscriber) = (&request.caller.tenant, request.caller.user_id);
        let refused = ExecuteError::Refused;
        let at = self.clock().now();
        let terms = self.terms(tenant, &wish.plan_id, wish.currency).await.map_err(refused)?;
        let user = self.log.load::<User>(tenant, &subscriber.to_string()).await?.state;
        let profile = user.profile.as_ref().ok_or_else(|| refused(user::Error::NotRegistered.into()))?;
        let time_zone = profile.preferences.time_zone.clone();

        let latest = self.latest_subscription(tenant, subscriber).await?;
        let number = latest.as_ref().map_or(1, |(number, _)| number + 1);
        let subscription_id = id_of(subscriber, number);
        if let Some((_, latest)) = &latest
            && !latest.has_ended()
        {
            return Err(refused(Error::AlreadySubscribed(latest.subscription_id)));
        }
        let mut coupon = None;
        if let Some(code) = &wish.coupon {
            let offered = self.coupon_terms(tenant, code).await.map_err(refused)?;
            // Whether it fits is asked before it is redeemed.
            let unfit = |error| {
                let unfit = baeum_domain::subscription::subscription::Error::CouponUnfit;
                refused(unfit(subscription_id, code.clone(), error).into())
            };
            offered.discount.of(terms.price).map_err(unfit)?;
            self.redeem(&context, code, subscription_id, at).await?;
            coupon = Some(offered);
        }
        if let Some((_, earlier)) = &latest {
            let replace = Command::Replace { by: subscription_id };
            let id = earlier.subscription_id.to_string();
            self.execute_step::<Subscription>(&step_of(&context, "replace"), &id, replace).await?;
        }
        let start = Command::Start {
            subscription_id,
            subscriber,
            terms,
            time_zone,
            dunning: self.billing.dunning.clone(),
            coupon,
            trial: wish.trial && number == 1,
            at,
        };
        self.log.expect_new::<Subscription>(tenant, &subscription_id.to_string());
        self.log
            .execute::<Subscription, _, Error, _>(
                &context,
                &subscription_id.to_string(),
                |loaded: Loaded<Subscription>| {
                    // Another request of theirs was faster.
                    let taken = Error::AlreadySubscribed(subscription_id);
                    std::future::ready(if loaded.state.contract.is_some() { Err(taken) } else { Ok(start.clone()) })
                },
                |subscription, _| contract(subscription),
            )
            .await
    }
}
