//! The database of this process: the embedded one, or the one of `DATABASE_URL`; reachable and migrated.

use std::{
    iter::successors,
    path::Path,
    time::{Duration, Instant},
};

use baeum_eventlog::{
    connections, lease,
    shard::{self, AssignError},
};
use sqlx::{Connection as _, PgConnection, PgPool, migrate::MigrateError, postgres::PgConnectOptions};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "embedded")]
use crate::embedded::{Embedded, EmbeddedError};
use crate::shards::ShardConfig;

/// There is none of it in this build.
#[cfg(not(feature = "embedded"))]
enum Embedded {}

#[cfg(not(feature = "embedded"))]
impl Embedded {
    #[allow(clippy::unused_async, reason = "the other build of it waits")]
    async fn close(self) {
        match self {}
    }
}

/// What the database's own lists call this process.
pub(crate) const APPLICATION: &str = "baeum";
/// How long a request waits for a connection.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many connections a process holds.
const CONNECTIONS: u32 = 16;
/// How long the start waits for a server that does not answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long it waits between two tries.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// The embedded one did not start.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// This build has no embedded one.
    #[cfg(not(feature = "embedded"))]
    #[error(
        "DATABASE_URL is not set, and this build has no embedded database: set it, or build with --features embedded"
    )]
    NotBuiltIn,
    /// Nobody answered.
    #[error("the database at {at} did not answer for {} s ({error}): start it, or correct {variable}", PATIENCE.as_secs())]
    Unreachable {
        /// Host and port.
        at: String,
        /// The last answer.
        error: String,
        /// Where its URL was given.
        variable: String,
    },
    /// The server refused.
    #[error("the database at {at} refused the connection ({error}): correct {variable}")]
    Refused {
        /// Host and port.
        at: String,
        /// Its answer.
        error: sqlx::Error,
        /// Where its URL was given.
        variable: String,
    },
    /// The schema is of a build that is newer than this one.
    #[error(
        "the database has migration {0}, which this build does not know: run the build that made it, or a newer one"
    )]
    Newer(i64),
    /// The schema was made by another build.
    #[error("the database was made with another migration {0} than this build has: run the build that made it")]
    Other(i64),
    /// It keeps another shard.
    #[error(transparent)]
    Shard(#[from] AssignError),
    /// A migration failed.
    #[error("the database could not be migrated: {0}")]
    Migration(MigrateError),
    /// Any other statement failed.
    #[error("the database failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// A signal came while waiting.
    #[error("stopped by a signal before the database answered")]
    Stopped,
}

impl DatabaseError {
    /// Whether the same may succeed in a moment.
    fn may_pass(&self) -> bool {
        match self {
            Self::Failed(error)
            | Self::Shard(AssignError::Database(error))
            | Self::Migration(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                was_cut(error)
            }
            _ => false,
        }
    }
}

/// A database that is ready for use.
pub(crate) struct Database {
    pool: PgPool,
    embedded: Option<Embedded>,
}

impl Database {
    /// Starts (in the folder `data`) or reaches the database of a shard and brings it to the schema of this build.
    ///
    /// # Errors
    /// When it does not start, cannot be reached within [`PATIENCE`], refuses, cannot be migrated, or keeps another shard.
    pub(crate) async fn open(
        config: &ShardConfig,
        data: &Path,
        stop: &CancellationToken,
    ) -> Result<Self, DatabaseError> {
        let Some(options) = &config.database else {
            return Self::embedded(data).await?.prepared(config).await;
        };
        let options = options.clone().application_name(APPLICATION);
        let began = Instant::now();
        loop {
            tokio::select! {
                answered = wait_for(&options, &config.variable) => answered?,
                () = stop.cancelled() => return Err(DatabaseError::Stopped),
            }
            let opened = match Self::connect(options.clone()).await {
                Ok(database) => database.prepared(config).await,
                Err(error) => Err(error),
            };
            match opened {
                // It answered, and went away again before all was done.
                Err(error) if error.may_pass() && began.elapsed() < PATIENCE => {
                    tracing::warn!(%error, "the database went away during the start");
                    sleep(PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    async fn prepared(self, config: &ShardConfig) -> Result<Self, DatabaseError> {
        match self.prepare(config).await {
            Ok(()) => Ok(self),
            Err(error) => {
                self.close().await;
                Err(error)
            }
        }
    }

    #[cfg(feature = "embedded")]
    async fn embedded(data: &Path) -> Result<Self, DatabaseError> {
        let embedded = Embedded::start(data).await?;
        Ok(Self { pool: embedded.pool().clone(), embedded: Some(embedded) })
    }

    #[cfg(not(feature = "embedded"))]
    #[allow(clippy::unused_async, reason = "the other build of it waits")]
    async fn embedded(_: &Path) -> Result<Self, DatabaseError> {
        Err(DatabaseError::NotBuiltIn)
    }

    async fn connect(options: PgConnectOptions) -> Result<Self, DatabaseError> {
        let pool = connections(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT).connect_with(options).await?;
        Ok(Self { pool, embedded: None })
    }

    async fn prepare(&self, config: &ShardConfig) -> Result<(), DatabaseError> {
        baeum_eventlog::migrate(&self.pool).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => DatabaseError::Newer(version),
            MigrateError::VersionMismatch(version) => DatabaseError::Other(version),
            other => DatabaseError::Migration(other),
        })?;
        shard::assign(&self.pool, config.number).await?;
        if self.is_embedded() {
            // Nobody else can hold a lease or share in work here: what is left is of a process that was killed.
            lease::release_all(&self.pool).await?;
            baeum_projections::forget_members(&self.pool).await?;
        }
        Ok(())
    }

    /// The pool.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether it lives in this process.
    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// Ends every connection, and the embedded database itself.
    pub(crate) async fn close(self) {
        if let Some(embedded) = self.embedded {
            return embedded.close().await;
        }
        if timeout(Duration::from_secs(10), self.pool.close()).await.is_err() {
            tracing::warn!("statements are still at work; the server ends them");
        }
    }
}

/// Does what a start needs of the database; again while that goes away, for as long as [`Database::open`] waits for it.
///
/// # Errors
/// What `attempt` ended with, be it because `stop` was cancelled meanwhile.
pub(crate) async fn patiently<T, E: std::error::Error + 'static>(
    stop: &CancellationToken,
    attempt: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    let began = Instant::now();
    loop {
        match attempt().await {
            Err(error) if went_away(&error) && began.elapsed() < PATIENCE && !stop.is_cancelled() => {
                tracing::warn!(%error, "the database went away during the start");
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

/// Whether it was caused by a database that went away.
fn went_away(error: &(dyn std::error::Error + 'static)) -> bool {
    successors(Some(error), |it| it.source()).filter_map(|it| it.downcast_ref()).any(was_cut)
}

/// Tries until the server answers, as long as it is not there or is still starting.
async fn wait_for(options: &PgConnectOptions, variable: &str) -> Result<(), DatabaseError> {
    let began = Instant::now();
    let (at, variable) = (place(options), variable.to_owned());
    loop {
        let error = match timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(options)).await {
            Ok(Ok(connection)) => {
                let _ = connection.close().await;
                return Ok(());
            }
            Ok(Err(error)) if may_pass(&error) => error.to_string(),
            Ok(Err(error)) => return Err(DatabaseError::Refused { at, error, variable }),
            Err(_) => format!("no answer within {} s", ACQUIRE_TIMEOUT.as_secs()),
        };
        if began.elapsed() + PAUSE > PATIENCE {
            return Err(DatabaseError::Unreachable { at, error, variable });
        }
        tracing::warn!(at, error, "the database does not answer yet");
        sleep(PAUSE).await;
    }
}

/// Whether a server that had answered went away: a connection that was cut is told as any of these.
fn was_cut(error: &sqlx::Error) -> bool {
    may_pass(error) || matches!(error, sqlx::Error::Protocol(_) | sqlx::Error::PoolTimedOut)
}

fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // Starting, shutting down, too many connections.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| matches!(code.as_ref(), "57P03" | "57P01" | "57P02" | "53300"))
        }
        _ => false,
    }
}

/// Where the server is, without user and password.
fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io};

    use baeum_commands::{ExecuteError, identity::Error};
    use baeum_eventlog::LogError;

    use super::*;
    use crate::admin::AdminError;

    fn cut() -> sqlx::Error {
        sqlx::Error::Io(io::ErrorKind::UnexpectedEof.into())
    }

    /// How often it is tried, and whether it succeeds, when the first try ends in this error.
    async fn tries<E: std::error::Error + 'static>(stop: &CancellationToken, error: E) -> (u32, bool) {
        let (tries, first) = (Cell::new(0), Cell::new(Some(error)));
        let done = patiently(stop, async || {
            tries.set(tries.get() + 1);
            first.take().map_or(Ok(()), Err)
        });
        let succeeded = done.await.is_ok();
        (tries.get(), succeeded)
    }

    #[tokio::test]
    async fn what_a_start_needs_is_tried_again_only_where_the_database_went_away() {
        let stop = CancellationToken::new();
        assert_eq!(tries(&stop, LogError::Unavailable(cut())).await, (2, true));
        let within = AdminError::Register(ExecuteError::Log(LogError::Unavailable(cut())));
        assert_eq!(tries(&stop, within).await, (2, true), "however deep the cause lies");
        assert_eq!(tries(&stop, LogError::Unavailable(sqlx::Error::RowNotFound)).await, (1, false));
        assert_eq!(tries(&stop, AdminError::Register(ExecuteError::Refused(Error::EmailTaken))).await, (1, false));
        stop.cancel();
        assert_eq!(tries(&stop, LogError::Unavailable(cut())).await, (1, false), "a signal ends the waiting");
    }
}
