//! Counting evaluations: whether one is left, and taking it.

use baeum_domain::{
    ids::{AttemptId, UserId},
    subscription::{
        credits::{self, Command, CreditBalance},
        subscription::Contract,
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, LogError};
use chrono::{DateTime, Utc};

use super::Error;
use crate::Commands;

impl Commands {
    /// How many evaluations a person has left at this moment; `None` for whom they are not counted: without an allowance,
    /// or with one of a subscription that gives no service any more.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn evaluations_left(&self, tenant: &str, person: UserId) -> Result<Option<u32>, LogError> {
        let now = self.clock().now();
        let balance = self.log.load::<CreditBalance>(tenant, &credits::id_of(person).to_string()).await?.state;
        if !balance.is_metered(now) {
            return Ok(None);
        }
        let left = balance.left(now);
        if left > 0 {
            return Ok(Some(left));
        }
        // An allowance outlives a subscription that was cancelled.
        let latest = self.latest_subscription(tenant, person).await?;
        let served = latest.and_then(|(_, contract): (u32, Contract)| contract.service_until());
        Ok(served.filter(|until| now < *until).map(|_| 0))
    }

    /// Takes one evaluation for an attempt that was evaluated `at` that moment, once however often it is asked for. For
    /// whom evaluations were not counted then, and where nothing was left, nothing is taken.
    ///
    /// # Errors
    /// A failing log.
    pub async fn charge_evaluation(
        &self,
        context: &CommandContext,
        subscriber: UserId,
        attempt_id: AttemptId,
        at: DateTime<Utc>,
    ) -> Result<(), ExecuteError<Error>> {
        let id = credits::id_of(subscriber).to_string();
        let balance = self.log.load::<CreditBalance>(&context.tenant, &id).await?.state;
        if !balance.is_metered(at) {
            return Ok(());
        }
        let spend = Command::Spend { subscriber, attempt_id, at };
        match self.execute_step::<CreditBalance>(context, &id, spend).await {
            // Requests that were evaluated at the same moment found the same one left.
            Err(ExecuteError::Refused(Error::Credits(
                error @ (credits::Error::NothingLeft(_) | credits::Error::TooOld(_)),
            ))) => {
                tracing::warn!(%error, "an evaluation was given for nothing");
                Ok(())
            }
            done => done.map(drop),
        }
    }
}
