//! Pausing and resuming a subscription.

use baeum_domain::{
    ids::SubscriptionId,
    subscription::subscription::{Command, Contract},
};
use baeum_eventlog::{ExecuteError, Outcome};

use super::Error;
use crate::{Commands, Request};

impl Commands {
    /// Has the caller's subscription stand still: without service, and without losing what was paid.
    ///
    /// # Errors
    /// Another's subscription, one that cannot be paused now, or a failing log.
    pub async fn pause_subscription(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        self.on_subscription(request, subscription_id, |_| Ok(Command::Pause { at: self.clock().now() })).await
    }

    /// Has the caller's subscription go on.
    ///
    /// # Errors
    /// Another's subscription, one that has ended, or a failing log.
    pub async fn resume_subscription(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        self.on_subscription(request, subscription_id, |_| Ok(Command::Resume { at: self.clock().now() })).await
    }
}
