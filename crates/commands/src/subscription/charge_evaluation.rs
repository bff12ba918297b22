//! Counting evaluations: whether one is left, and taking it.
//!
//! They are counted for whom an allowance was granted to, while their subscription gives service: an allowance outlives a
//! subscription that was cancelled or stands still.

use baeum_domain::{
    ids::{AttemptId, UserId},
    subscription::{
        credits::{self, Command, CreditBalance},
        subscription::{Contract, Status},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError, LogError};
use chrono::{DateTime, Utc};

use super::Error;
use crate::Commands;

impl Commands {
    /// How many evaluations a person has left at this moment; `None` for whom they are not counted.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn evaluations_left(&self, tenant: &str, person: UserId) -> Result<Option<u32>, LogError> {
        let now = self.clock().now();
        Ok(self.counted(tenant, person, now).await?.map(|balance| balance.left(now)))
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
        if self.counted(&context.tenant, subscriber, at).await?.is_none() {
            return Ok(());
        }
        let id = credits::id_of(subscriber).to_string();
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

    /// The credits of a person for whom evaluations are counted at the moment `at`.
    async fn counted(
        &self,
        tenant: &str,
        person: UserId,
        at: DateTime<Utc>,
    ) -> Result<Option<CreditBalance>, LogError> {
        let loaded = self.log.load::<CreditBalance>(tenant, &credits::id_of(person).to_string()).await?;
        // Who never subscribed costs no more than this one look.
        if !loaded.state.is_metered(at) {
            return Ok(None);
        }
        let latest = self.latest_subscription(tenant, person).await?;
        let served = latest.is_some_and(|(_, contract)| is_served(&contract, at));
        Ok(served.then(|| CreditBalance::clone(&loaded.state)))
    }
}

/// Whether a subscription gives service at a moment that is not long past.
fn is_served(contract: &Contract, at: DateTime<Utc>) -> bool {
    match contract.status {
        Status::Cancelled => at < contract.since,
        Status::Paused => contract.paused_at.is_some_and(|paused_at| at < paused_at),
        _ => contract.service_until().is_some_and(|until| at < until),
    }
}
