//! Cancelling a subscription, and taking that back.

use baeum_domain::{
    ids::SubscriptionId,
    subscription::subscription::{Command, Contract, Error as Refused},
};
use baeum_eventlog::{ExecuteError, Outcome};

use super::Error;
use crate::{Commands, Request};

/// When a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At once; what is left of the period is given up.
    Now,
    /// With the period that was paid.
    WithPeriod,
}

impl Commands {
    /// Cancels the caller's subscription.
    ///
    /// # Errors
    /// Another's subscription, one that is paused and is to end with its period, or a failing log.
    pub async fn cancel_subscription(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
        end: End,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        self.on_subscription(request, subscription_id, |_| {
            Ok(match end {
                End::Now => Command::CancelNow { at: self.clock().now() },
                End::WithPeriod => Command::CancelAtPeriodEnd,
            })
        })
        .await
    }

    /// Has the caller's subscription be renewed after all.
    ///
    /// # Errors
    /// Another's subscription, one that has ended, or a failing log.
    pub async fn withdraw_cancellation(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        self.on_subscription(request, subscription_id, |contract| {
            if contract.has_ended() {
                let hint = "reactivate it, which begins a new period";
                return Err(Refused::WrongStatus(subscription_id, contract.status, hint).into());
            }
            Ok(Command::Reactivate { at: self.clock().now() })
        })
        .await
    }
}
