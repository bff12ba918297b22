//! What a webhook of the payment gateway tells: the same outcomes as the answers of its calls, however often and late.

use baeum_domain::{
    Decider,
    ids::derive_id,
    subscription::{
        gateway::{About, Notice, Refunded},
        payment::{self, Payment},
        refund::{self, Refund},
    },
};
use baeum_eventlog::CommandContext;

use super::gateway_calls::outcome;
use crate::{Commands, dispatch::DispatchError};

/// Who is named as the actor.
const ACTOR: &str = "gateway";

impl Commands {
    /// Takes in what the gateway tells of something in this log. The same notice again, and one that is late, change nothing.
    ///
    /// # Errors
    /// When the log cannot take it in now: the gateway is to send it again. What is not known here is no error.
    pub async fn take_notice(&self, notice: Notice) -> Result<(), DispatchError> {
        let at = self.clock().now();
        match notice.about {
            Some(About::Charge { tenant, payment_id, attempt, charged }) => {
                let Some(outcome) = outcome(charged) else { return Ok(()) };
                let record = payment::Command::RecordCharge { attempt, outcome, at };
                self.note::<Payment>(&notice.id, tenant, &payment_id.to_string(), record).await
            }
            Some(About::Refund { tenant, refund_id, refunded }) => {
                let record = match refunded {
                    Refunded::Succeeded => refund::Command::RecordSuccess { at },
                    Refunded::Failed { code } => refund::Command::RecordFailure { code, at },
                    Refunded::Pending => return Ok(()),
                };
                self.note::<Refund>(&notice.id, tenant, &refund_id.to_string(), record).await
            }
            None => Ok(()),
        }
    }

    async fn note<D: Decider>(
        &self,
        notice: &str,
        tenant: String,
        id: &str,
        command: D::Command,
    ) -> Result<(), DispatchError>
    where
        D::Command: Clone + Send + Sync,
        D::Error: std::error::Error + Send,
    {
        let command_id = derive_id(&["webhook", &tenant, notice]);
        let context = CommandContext {
            tenant,
            actor: ACTOR.to_owned(),
            command_id,
            fingerprint: Some("webhook".to_owned()),
            correlation_id: command_id,
            causation_id: command_id,
            expected_sequence: None,
        };
        if let Err(refusal) = self.decide::<D>(&context, id, command).await? {
            // To send it again would not change that; an operator can find out what it was about.
            tracing::warn!(notice, aggregate = D::AGGREGATE, id, error = %refusal, "a webhook does not fit");
        }
        Ok(())
    }
}
