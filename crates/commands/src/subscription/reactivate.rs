//! Coming back to a subscription.

use baeum_domain::{
    ids::SubscriptionId,
    subscription::subscription::{Command, Contract},
};
use baeum_eventlog::{ExecuteError, Outcome};

use super::Error;
use crate::{Commands, Request};

impl Commands {
    /// Begins a new period of the caller's subscription after its end, on the terms that it had; before its end, takes a
    /// scheduled cancellation back.
    ///
    /// # Errors
    /// Another's subscription, one that is paused, was replaced or has a bill open, or a failing log.
    pub async fn reactivate_subscription(
        &self,
        request: &Request,
        subscription_id: SubscriptionId,
    ) -> Result<Outcome<Contract>, ExecuteError<Error>> {
        self.on_subscription(request, subscription_id, |_| Ok(Command::Reactivate { at: self.clock().now() })).await
    }
}
