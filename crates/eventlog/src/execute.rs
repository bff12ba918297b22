//! Executing a command: load, decide, append, and again on a conflict, in one place.

use std::future::Future;

use baeum_domain::{Decider, DomainEvent};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{mpsc::error::TrySendError, oneshot};
use uuid::Uuid;

use crate::{
    EventLog, Loaded,
    appender::{AppendError, Appended, Job, NewEvent},
    error::{ExecuteError, LogError},
    receipt::{NewReceipt, Receipt},
};

/// How often a command is decided on fresh state before it is given up.
const ATTEMPTS: u32 = 8;

/// Where a command comes from.
#[derive(Clone, Debug)]
pub struct CommandContext {
    /// Whose log.
    pub tenant: String,
    /// Who asks: a user's id, or `saga:<name>`.
    pub actor: String,
    /// Identifies the command. With a fingerprint, the same id gets the stored answer.
    pub command_id: Uuid,
    /// A digest of what is asked. `None` for a command that is not to be remembered.
    pub fingerprint: Option<String>,
    /// What ties the consequences of one request together.
    pub correlation_id: Uuid,
    /// The command or event that led to this command.
    pub causation_id: Uuid,
    /// The sequence that the aggregate must be at (If-Match).
    pub expected_sequence: Option<i64>,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<A> {
    /// The answer.
    pub answer: A,
    /// Position in the log up to which the command has worked.
    pub position: i64,
    /// Sequence of the aggregate after the command.
    pub sequence: i64,
    /// Whether this is the stored answer of an earlier execution.
    pub stored: bool,
}

impl EventLog {
    /// Executes a command on the aggregate `id`.
    ///
    /// `prepare` makes the command from the present state, and may do slow work such as evaluation; `answer` makes what
    /// is told to the caller from the state after the events. Both may run again when others changed the aggregate
    /// meanwhile.
    ///
    /// # Errors
    /// What `prepare` or the aggregate refuses, a stale [`CommandContext::expected_sequence`], a reused or busy command
    /// id, too many conflicts, or a failing log.
    pub async fn execute<D, A, E, Fut>(
        &self,
        context: &CommandContext,
        id: &str,
        prepare: impl Fn(Loaded<D>) -> Fut + Send,
        answer: impl Fn(&D, &[D::Event]) -> A + Send,
    ) -> Result<Outcome<A>, ExecuteError<E>>
    where
        D: Decider,
        A: Serialize + DeserializeOwned + Send,
        E: From<D::Error> + Send,
        Fut: Future<Output = Result<D::Command, E>> + Send,
    {
        let mut guard = None;
        if let Some(fingerprint) = &context.fingerprint {
            guard = self.in_flight.enter(&context.tenant, context.command_id);
            if guard.is_none() {
                return Err(ExecuteError::InFlight);
            }
            if let Some(receipt) = self.receipt(&context.tenant, context.command_id).await? {
                return stored(fingerprint, receipt);
            }
        }
        for _ in 0..ATTEMPTS {
            let loaded = self.load::<D>(&context.tenant, id).await?;
            if let Some(expected) = context.expected_sequence.filter(|expected| *expected != loaded.sequence) {
                return Err(ExecuteError::PreconditionFailed { expected, actual: loaded.sequence });
            }
            let before = loaded.sequence;
            let command = prepare(loaded.clone()).await.map_err(ExecuteError::Refused)?;
            let events = loaded.state.decide(command).map_err(|error| ExecuteError::Refused(error.into()))?;
            let mut after = loaded;
            for event in &events {
                after.state.evolve(event);
                after.sequence += 1;
            }
            let answer = answer(&after.state, &events);
            match self.append::<D, A>(context, id, before, &events, &answer).await {
                Ok(Appended { position }) => {
                    self.keep_snapshot(id, before, &after).await;
                    drop(guard);
                    return Ok(Outcome { answer, position, sequence: after.sequence, stored: false });
                }
                Err(AppendError::Conflict) => metrics::counter!("baeum_append_conflicts_total").increment(1),
                Err(AppendError::AlreadyExecuted) => {
                    let receipt = self.receipt(&context.tenant, context.command_id).await?;
                    let (Some(receipt), Some(fingerprint)) = (receipt, &context.fingerprint) else { continue };
                    return stored(fingerprint, receipt);
                }
                Err(AppendError::Log(error)) => return Err(error.into()),
            }
        }
        Err(ExecuteError::Contended(ATTEMPTS))
    }

    async fn append<D: Decider, A: Serialize>(
        &self,
        context: &CommandContext,
        id: &str,
        before: i64,
        events: &[D::Event],
        answer: &A,
    ) -> Result<Appended, AppendError> {
        let sequence = before + i64::try_from(events.len()).expect("a decision is bounded");
        let receipt = match &context.fingerprint {
            Some(fingerprint) => Some(NewReceipt {
                tenant: context.tenant.clone(),
                command_id: context.command_id,
                fingerprint: fingerprint.clone(),
                sequence,
                answer: to_json("an answer", answer)?,
            }),
            None => None,
        };
        if events.is_empty() && receipt.is_none() {
            let position = self.head().await.map_err(AppendError::Log)?;
            return Ok(Appended { position });
        }
        let events = (before + 1..).zip(events).map(|(sequence, event)| {
            Ok(NewEvent {
                aggregate_type: D::AGGREGATE,
                aggregate_id: id.to_owned(),
                sequence,
                event_type: event.event_type(),
                event_version: D::Event::current_version(event.event_type()).unwrap_or(1),
                payload: to_json("an event", event)?,
                tenant: context.tenant.clone(),
                actor: context.actor.clone(),
                correlation_id: context.correlation_id,
                causation_id: context.causation_id,
            })
        });
        let events = events.collect::<Result<Vec<_>, AppendError>>()?;
        self.enqueue(events, receipt).await
    }

    pub(crate) async fn enqueue(
        &self,
        events: Vec<NewEvent>,
        receipt: Option<NewReceipt>,
    ) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.appends.try_send(Job { events, receipt, reply }).map_err(|error| match error {
            TrySendError::Full(_) => AppendError::Log(LogError::Busy),
            TrySendError::Closed(_) => AppendError::Log(LogError::Closed),
        })?;
        answer.await.unwrap_or(Err(AppendError::Log(LogError::Closed)))
    }
}

fn to_json(what: &'static str, value: &impl Serialize) -> Result<serde_json::Value, AppendError> {
    serde_json::to_value(value).map_err(|source| AppendError::Log(LogError::Unwritable { what, source }))
}

fn stored<A: DeserializeOwned, E>(fingerprint: &str, receipt: Receipt) -> Result<Outcome<A>, ExecuteError<E>> {
    if receipt.fingerprint != fingerprint {
        return Err(ExecuteError::KeyReused);
    }
    // An answer that this build cannot read back was given to another kind of command.
    let answer = serde_json::from_value(receipt.answer).map_err(|_| ExecuteError::KeyReused)?;
    Ok(Outcome { answer, position: receipt.position, sequence: receipt.sequence, stored: true })
}
