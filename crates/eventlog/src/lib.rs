//! The event log of Baeum on Postgres, and its fan-out.
//!
//! This is the only crate that knows cqrs-es, the `events` table and NATS. [`EventLog`] appends and reads; a
//! [`Feed`] follows the log in either mode; the [`relay`] carries it to JetStream.

mod appender;
mod cache;
mod connections;
pub mod cqrs;
mod decode;
mod erased;
mod error;
mod execute;
mod feed;
mod history;
mod in_flight;
pub mod lease;
mod load;
mod log;
mod many;
pub mod nats;
mod pick;
mod read;
mod receipt;
pub mod relay;
mod scan;
pub mod sealer;
pub mod shard;
mod subject;
mod trail;

pub use connections::{begin, connections};
pub use decode::{decode, decode_raw};
pub use erased::Erased;
pub use error::{ExecuteError, LogError};
pub use execute::{CommandContext, Outcome};
pub use feed::Feed;
pub use history::read_streams;
pub use load::Loaded;
pub use log::{EventLog, Options};
pub use many::Many;
pub use pick::read_at;
pub use read::EventFilter;
pub use subject::{FORGOTTEN_IN, SubjectStream, vacuum};
pub use trail::{Causes, TrailFilter};

/// The stored JSON form of an event: one key, the event's name, over its body.
pub use serde_json::Value as StoredPayload;

/// The stored JSON form of an event as text, which is passed on without being taken apart.
pub type RawPayload = Box<serde_json::value::RawValue>;

/// All DDL of the workspace, in one order.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// Brings the database to the schema of this build.
///
/// # Errors
/// When the database cannot be reached, or was migrated by another build in a way that this one does not know.
pub async fn migrate(pool: &sqlx::PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    MIGRATIONS.run(pool).await
}
