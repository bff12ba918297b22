//! Using a coupon for a subscription that runs.

use baeum_domain::{
    Decider as _,
    ids::{CouponCode, SubscriptionId},
    subscription::subscription::{Command, Contract, Subscription},
};
use baeum_eventlog::{ExecuteError, Outcome};

use super::{Error, own::own};
use crate::{Commands, Request};

impl Commands {
    /// Uses a coupon for the caller's subscription, from the next billed period on.
    ///
    /// # Errors
    /// Another's subscription, a coupon that cannot be redeemed or used for it, or a failing log.
    pub async fn apply_coupon(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
        code: &CouponCode,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        let (context, tenant) = (request.context(self.clock()), &request.caller.tenant);
        let refused = ExecuteError::Refused;
        let loaded = self.log.load::<Subscription>(tenant, &subscription_id.to_string()).await?;
        own(&loaded.state, subscription_id, &request.caller).map_err(refused)?;
        let coupon = self.coupon_terms(tenant, code).await.map_err(refused)?;
        let apply = Command::ApplyCoupon { coupon };
        // Whether it can be used is asked before it is redeemed.
        loaded.state.decide(apply.clone()).map_err(|error| refused(error.into()))?;
        self.redeem(&context, code, subscription_id, self.clock().now()).await?;
        self.on_subscription(request, subscription_id, |_| Ok(apply.clone())).await
    }
}
