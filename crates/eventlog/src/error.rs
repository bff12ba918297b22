//! What can go wrong with the log.

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database did not answer, or refused. Whether an append took place is then unknown: a retry with the same
    /// command id finds out.
    #[error("the event log cannot be reached: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// More appends are waiting than the queue holds.
    #[error("the event log is busy: try again in a moment")]
    Busy,
    /// The log is being closed.
    #[error("the event log is closing: try again on the next start")]
    Closed,
    /// An event that this build cannot read.
    #[error("event {event_type} version {version} at position {position} cannot be read by this build: {reason}")]
    Unreadable {
        /// Where it stands.
        position: i64,
        /// Its type.
        event_type: String,
        /// Its version.
        version: u16,
        /// Why, and what to do.
        reason: String,
    },
    /// A value could not be written as JSON.
    #[error("{what} cannot be written as JSON: {source}")]
    Unwritable {
        /// Which value.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The broker did not answer, or refused.
    #[error("the broker cannot be reached: {0}")]
    Broker(String),
}

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E> {
    /// A rule of the domain.
    #[error("{0}")]
    Refused(E),
    /// The aggregate is not at the sequence that the caller expected.
    #[error("the resource is at version {actual}, not {expected}: read it again and repeat the change")]
    PreconditionFailed {
        /// What the caller expected.
        expected: i64,
        /// What it is.
        actual: i64,
    },
    /// The command id was used for another command.
    #[error("this idempotency key was used for another request: use a new key for a new request")]
    KeyReused,
    /// The same command is being executed right now.
    #[error("a request with this idempotency key is being processed: wait for its answer")]
    InFlight,
    /// Others kept changing the aggregate.
    #[error("the resource was changed by others {0} times meanwhile: try again")]
    Contended(u32),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}
