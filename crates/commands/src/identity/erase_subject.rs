//! Forgetting a person, step by step. Each step can be repeated: whoever takes them may be killed between any two.

use baeum_domain::{
    AnyEvent,
    identity::erasure::{self, Event, Standing},
    ids::{UserId, derive_id},
};
use baeum_eventlog::{CommandContext, ExecuteError, LogError, SubjectStream, begin, decode};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Error, credentials};
use crate::Commands;

/// Who takes the steps.
const ACTOR: &str = "process:erasure";

/// How far an erasure is, for whoever takes its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureNews {
    /// Whose log.
    pub tenant: String,
    /// Whom to forget.
    pub subject: UserId,
    /// How far it is.
    pub standing: Standing,
    /// Where the log says so.
    pub position: i64,
    /// When it was appended.
    pub at: DateTime<Utc>,
    /// What led to it, for the events that follow.
    pub cause: (Uuid, Uuid),
}

impl Commands {
    /// What has happened to erasures since a position, in order.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn erasures_since(&self, position: i64) -> Result<Vec<ErasureNews>, LogError> {
        let mut news = vec![];
        for stored in self.log.read_erasures(position).await? {
            let event = decode(stored)?;
            let AnyEvent::Erasure(change) = &event.payload else { continue };
            let standing = match change {
                Event::ErasureRequested { due_at, .. } => Standing::Requested { due_at: *due_at },
                Event::ErasureWithdrawn { .. } => Standing::Withdrawn,
                Event::SubjectErased { .. } => Standing::Erased,
                Event::ErasureFinished { .. } => Standing::Finished,
                _ => continue,
            };
            let Ok(subject) = event.aggregate_id.parse() else { continue };
            let cause = (event.correlation_id, event.event_id);
            let (position, at) = (event.position, event.recorded_at);
            news.push(ErasureNews { tenant: event.tenant, subject, standing, position, at, cause });
        }
        Ok(news)
    }

    /// Forgets a person whose grace is over: ends what they pay for, says so in the log, then destroys their key and removes their credentials.
    /// From then on nothing that was sealed for them opens, here or in any copy of the log. The log decides first, so that
    /// what is withdrawn at the same moment is not destroyed; who is killed in between is followed by
    /// [`Commands::destroy_keys`].
    ///
    /// # Errors
    /// An erasure that was withdrawn or is not due, or a failing store.
    pub async fn erase_subject(&self, due: &ErasureNews) -> Result<(), ExecuteError<Error>> {
        let unavailable = |error: sqlx::Error| ExecuteError::Refused(Error::Unavailable(error));
        let subject = due.subject;
        match self.end_purchases(&context(due, "purchases"), subject).await {
            Ok(()) => {}
            // The right to be forgotten does not wait for the books.
            Err(ExecuteError::Refused(error)) => {
                tracing::error!(%error, "what a person pays for could not be ended before they were forgotten");
            }
            Err(ExecuteError::Log(error)) => return Err(error.into()),
            Err(ExecuteError::Contended(times)) => return Err(ExecuteError::Contended(times)),
            Err(ExecuteError::InFlight) => return Err(ExecuteError::InFlight),
            Err(ExecuteError::KeyReused | ExecuteError::PreconditionFailed { .. }) => {}
        }
        let key_ids = self.vault.key_ids(subject).await.map_err(unavailable)?;
        let command = erasure::Command::NoteErased { subject_id: subject, key_ids, now: self.clock().now() };
        self.execute_erasure(&context(due, "erased"), subject, command).await?;
        self.log.erased().note(subject);
        self.destroy_keys(subject).await.map_err(unavailable)
    }

    /// Destroys the key and removes the credentials of a person of whom the log says that they are forgotten. Repeated, it
    /// does nothing more.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn destroy_keys(&self, subject: UserId) -> Result<(), sqlx::Error> {
        let mut db = begin(self.log.pool()).await?;
        self.vault.destroy(&mut db, subject).await?;
        credentials::remove(&mut db, subject).await?;
        db.commit().await
    }

    /// The streams of a person.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn streams_of(&self, tenant: &str, subject: UserId) -> Result<Vec<SubjectStream>, LogError> {
        self.log.streams_of(tenant, subject).await
    }

    /// Says in the log that nothing of a person is left: `rows` had still to be removed.
    ///
    /// # Errors
    /// An erasure whose key is not destroyed, or a failing log.
    pub async fn finish_erasure(
        &self,
        erased: &ErasureNews,
        streams: &[SubjectStream],
        rows: u64,
    ) -> Result<(), ExecuteError<Error>> {
        let events = streams.iter().map(|it| it.events.unsigned_abs()).sum();
        let command = erasure::Command::NoteFinished {
            subject_id: erased.subject,
            streams: u64::try_from(streams.len()).unwrap_or(u64::MAX),
            events,
            rows,
        };
        self.execute_erasure(&context(erased, "finished"), erased.subject, command).await?;
        Ok(())
    }
}

fn context(cause: &ErasureNews, step: &str) -> CommandContext {
    let (correlation_id, causation_id) = cause.cause;
    CommandContext {
        tenant: cause.tenant.clone(),
        actor: ACTOR.to_owned(),
        command_id: derive_id(&["erasure", step, &cause.position.to_string()]),
        fingerprint: None,
        correlation_id,
        causation_id,
        expected_sequence: None,
    }
}
