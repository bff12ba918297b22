//! Executing a command: load, decide, append, and again on a conflict, in one place.

use std::future::Future;

use baeum_domain::{Decider, DomainEvent};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{mpsc::error::TrySendError, oneshot};
use uuid::Uuid;

use crate::{
    EventLog, Loaded,
    appender::{AppendError, Appended, Job, NewEvent, NewEvents},
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

/// What a command is to tell without an append: the refusal, or nothing where it decided nothing.
type Telling<E> = Option<ExecuteError<E>>;

impl EventLog {
    /// Executes a command on the aggregate `id`.
    ///
    /// `prepare` makes the command from the present state, and may do slow work such as evaluation; `answer` makes what
    /// is told to the caller from the state after the events. Both may run again when others changed the aggregate
    /// meanwhile. `prepare` runs for a repeated command too, which is found out when it is appended: where that would be
    /// slow or leave traces, [`EventLog::recall`] its answer first.
    ///
    /// The state may be one that this process remembers. What is appended on it is safe, since the primary key of the
    /// log decides; a refusal is told only of a state that was looked up.
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
        let _guard = match context.fingerprint {
            Some(_) => Some(self.in_flight.enter(&context.tenant, context.command_id).ok_or(ExecuteError::InFlight)?),
            None => None,
        };
        let remembered = self.cache.get::<D>(&context.tenant, id);
        let mut looked_up = remembered.is_none();
        let mut loaded = match remembered {
            Some(remembered) => remembered,
            None => self.load::<D>(&context.tenant, id).await?,
        };
        let mut conflicts = 0;
        loop {
            let (events, telling) = decide(context, &loaded, &prepare).await;
            if events.is_empty() {
                if !looked_up {
                    looked_up = true;
                    let now = self.load::<D>(&context.tenant, id).await?;
                    if now.sequence != loaded.sequence {
                        loaded = now;
                        continue;
                    }
                }
                // The command may have been executed before, and what it did be why it is refused now.
                if let Some(outcome) = self.recall(context).await? {
                    return Ok(outcome);
                }
            }
            if let Some(refusal) = telling {
                return Err(refusal);
            }
            let after = loaded.after(&events);
            let answer = answer(&after.state, &events);
            match self.append::<D, A>(context, id, loaded.sequence, &events, &answer).await {
                Ok(Appended { position }) => {
                    if !events.is_empty() {
                        self.cache.keep(&context.tenant, id, &after, position);
                        self.keep_snapshot(id, loaded.sequence, &after).await;
                    }
                    return Ok(Outcome { answer, position, sequence: after.sequence, stored: false });
                }
                Err(AppendError::Conflict) => {
                    metrics::counter!("baeum_append_conflicts_total").increment(1);
                    conflicts += 1;
                    if conflicts == ATTEMPTS {
                        return Err(ExecuteError::Contended(ATTEMPTS));
                    }
                    loaded = self.load::<D>(&context.tenant, id).await?;
                    looked_up = true;
                }
                Err(AppendError::AlreadyExecuted) => {
                    return self.recall(context).await?.ok_or(ExecuteError::Contended(conflicts + 1));
                }
                Err(AppendError::Log(error)) => return Err(error.into()),
            }
        }
    }

    /// The answer of a command that was executed before; `None` for one that was not, or is not to be remembered.
    ///
    /// [`EventLog::execute`] finds a repeated command by itself, after it was prepared. To be called before, where
    /// preparing is slow or leaves traces.
    ///
    /// # Errors
    /// A command id that was used for another command, or a database that cannot be reached.
    pub async fn recall<A: DeserializeOwned, E>(
        &self,
        context: &CommandContext,
    ) -> Result<Option<Outcome<A>>, ExecuteError<E>> {
        let Some(fingerprint) = &context.fingerprint else { return Ok(None) };
        let receipt = self.receipt(&context.tenant, context.command_id).await?;
        receipt.map(|receipt| stored(fingerprint, receipt)).transpose()
    }

    /// Says that the aggregate `id` is new: the caller has just made up the id.
    ///
    /// The first command on it is then decided without a read. Where that was wrong, it costs a retry.
    pub fn expect_new<D: Decider>(&self, tenant: &str, id: &str) {
        self.cache.keep(tenant, id, &Loaded::<D>::new(), 0);
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
        let events = events.iter().map(|event| {
            Ok(NewEvent {
                event_type: event.event_type(),
                event_version: D::Event::current_version(event.event_type()).unwrap_or(1),
                payload: to_json("an event", event)?,
            })
        });
        let stream = NewEvents {
            aggregate_type: D::AGGREGATE,
            aggregate_id: id.to_owned(),
            before,
            events: events.collect::<Result<_, AppendError>>()?,
            tenant: context.tenant.clone(),
            actor: context.actor.clone(),
            correlation_id: context.correlation_id,
            causation_id: context.causation_id,
        };
        self.enqueue(stream, receipt).await
    }

    pub(crate) async fn enqueue(
        &self,
        stream: NewEvents,
        receipt: Option<NewReceipt>,
    ) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.appends.try_send(Job { stream, receipt, reply }).map_err(|error| match error {
            TrySendError::Full(_) => AppendError::Log(LogError::Busy),
            TrySendError::Closed(_) => AppendError::Log(LogError::Closed),
        })?;
        answer.await.unwrap_or(Err(AppendError::Log(LogError::Closed)))
    }
}

/// Decides a command on a state: its events, and where there are none, what that is to tell.
async fn decide<D, E, Fut>(
    context: &CommandContext,
    loaded: &Loaded<D>,
    prepare: &(impl Fn(Loaded<D>) -> Fut + Send),
) -> (Vec<D::Event>, Telling<E>)
where
    D: Decider,
    E: From<D::Error> + Send,
    Fut: Future<Output = Result<D::Command, E>> + Send,
{
    let actual = loaded.sequence;
    if let Some(expected) = context.expected_sequence.filter(|expected| *expected != actual) {
        return (vec![], Some(ExecuteError::PreconditionFailed { expected, actual }));
    }
    let decided = match prepare(loaded.clone()).await {
        Ok(command) => loaded.state.decide(command).map_err(E::from),
        Err(refusal) => Err(refusal),
    };
    match decided {
        Ok(events) => (events, None),
        Err(refusal) => (vec![], Some(ExecuteError::Refused(refusal))),
    }
}

/// The text under which a value is stored: made once, by whoever executes the command.
fn to_json(what: &'static str, value: &impl Serialize) -> Result<String, AppendError> {
    serde_json::to_string(value).map_err(|source| AppendError::Log(LogError::Unwritable { what, source }))
}

fn stored<A: DeserializeOwned, E>(fingerprint: &str, receipt: Receipt) -> Result<Outcome<A>, ExecuteError<E>> {
    if receipt.fingerprint != fingerprint {
        return Err(ExecuteError::KeyReused);
    }
    // An answer that this build cannot read back was given to another kind of command.
    let answer = serde_json::from_value(receipt.answer).map_err(|_| ExecuteError::KeyReused)?;
    Ok(Outcome { answer, position: receipt.position, sequence: receipt.sequence, stored: true })
}
