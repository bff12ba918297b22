//! Changing to another plan: shown first, then confirmed at the price that was shown.

use baeum_domain::{
    ids::{PlanId, SubscriptionId},
    money::Money,
    subscription::{
        proration::Preview,
        subscription::{Command, Contract, Error as Refused, Subscription},
    },
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use chrono::{DateTime, Utc};

use super::{
    Error,
    own::{contract, own},
};
use crate::{Caller, Commands, Request};

/// A change as it was shown, confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The new plan.
    pub plan_id: PlanId,
    /// Its offer that was shown.
    pub offer: u32,
    /// The moment that it was shown for.
    pub shown_at: DateTime<Utc>,
    /// What it was to cost, before account credit.
    pub net: Money,
}

impl Commands {
    /// What a change of the caller's subscription to another plan costs now. Changes nothing.
    ///
    /// # Errors
    /// Another's subscription, a change that is not possible, or a failing log.
    pub async fn preview_change(
        &self,
        caller: &Caller,
        subscription_id: SubscriptionId,
        plan_id: &PlanId,
    ) -> Result<Preview, ExecuteError<Error>> {
        let refused = ExecuteError::Refused;
        let loaded = self.log.load::<Subscription>(&caller.tenant, &subscription_id.to_string()).await?;
        let currency = own(&loaded.state, subscription_id, caller).map_err(refused)?.terms.price.currency();
        let terms = self.terms(&caller.tenant, plan_id, currency).await.map_err(refused)?;
        loaded.state.preview_change(&terms, self.clock().now()).map_err(|error| refused(error.into()))
    }

    /// Changes the caller's subscription to another plan, as it was shown.
    ///
    /// # Errors
    /// Another's subscription, a price that holds no longer, a change that is not possible, or a failing log.
    pub async fn change_plan(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
        confirmed: &Confirmed,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        self.log
            .execute::<Subscription, _, Error, _>(
                &request.context(self.clock()),
                &subscription_id.to_string(),
                |loaded: Loaded<Subscription>| async move {
                    let currency = own(&loaded.state, subscription_id, &request.caller)?.terms.price.currency();
                    let terms = self.terms(&request.caller.tenant, &confirmed.plan_id, currency).await?;
                    if terms.offer != confirmed.offer {
                        return Err(Refused::PreviewOutdated(subscription_id).into());
                    }
                    let Confirmed { shown_at, net, .. } = *confirmed;
                    Ok(Command::ChangePlan { terms, shown_at, net, at: self.clock().now() })
                },
                |subscription, _| contract(subscription),
            )
            .await
    }
}
