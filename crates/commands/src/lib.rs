//! What can be done with Baeum, one use a file, where something must precede the decision of an aggregate:
//! authorisation, evaluation, uniqueness, idempotency.

pub mod assessment;
mod caller;
mod commands;
pub mod dispatch;
pub mod identity;
pub mod keys;
pub mod kit;
pub mod learning;
pub mod notification;
pub mod operations;
pub mod progress;
pub mod recommendation;
pub mod refusal;
pub mod review;
pub mod subscription;
pub mod vault;

pub use baeum_eventlog::{
    Causes, CommandContext, EventFilter, EventLog, ExecuteError, Feed, LogError, Outcome, SubjectStream, TrailFilter,
    sealer,
};
pub use caller::{Caller, IdempotencyKey, Request};
pub use commands::{Commands, Ports};
pub use refusal::{Refusal, RefusalKind};
pub use sqlx::Error as DatabaseError;
