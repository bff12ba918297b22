//! A connection over which batches are committed, one after another.

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::{AppendError, Appended, Job, Writer, batch::Streams, insert};
use crate::error::LogError;

/// How many batches are on their way at once: one is committed while the next waits for the head.
const LANES: usize = 2;
/// A pool of fewer connections is shared: each batch asks for one, and there is one batch at a time.
const CONNECTIONS: u32 = 4;

/// A connection over which batches are committed.
pub(super) struct Lane {
    pool: PgPool,
    connection: Option<PoolConnection<Postgres>>,
    keeps: bool,
}

impl Lane {
    /// The lanes that a pool has room for.
    pub(super) fn for_pool(pool: &PgPool) -> Vec<Self> {
        let keeps = pool.options().get_max_connections() >= CONNECTIONS;
        let count = if keeps { LANES } else { 1 };
        (0..count).map(|_| Self { pool: pool.clone(), connection: None, keeps }).collect()
    }

    /// Gives the connection back as it was.
    pub(super) async fn rest(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && self.keeps
        {
            // One that does not answer is not given to anyone else.
            let _ = sqlx::query("RESET plan_cache_mode").execute(&mut *connection).await;
        }
    }

    /// Commits a batch, answers each of its jobs as soon as that is in the log, and tells which streams have moved on.
    pub(super) async fn commit(mut self, writer: &Writer, batch: Vec<Job>) -> (Self, Streams) {
        let mut appended = Streams::new();
        let mut open = vec![batch];
        while let Some(batch) = open.pop() {
            match self.insert(writer, &batch).await {
                Ok(Some(base)) => appended.extend(answer(writer, batch, base)),
                Ok(None) => {
                    let reached = writer.cache.reached();
                    tracing::warn!(reached, "the log is behind what was read of it: was it restored? all is read anew");
                    writer.cache.clear();
                    for job in batch {
                        job.answer(Err(AppendError::Conflict));
                    }
                }
                Err(error) => match Fault::of(&error) {
                    Fault::Conflict if batch.len() > 1 => open.extend(self.separate(batch).await),
                    Fault::Input if batch.len() > 1 => open.extend(halves(batch)),
                    fault => {
                        if fault == Fault::Database {
                            self.rest().await;
                        }
                        fail(batch, &error);
                    }
                },
            }
        }
        if !self.keeps {
            self.rest().await;
        }
        (self, appended)
    }

    async fn insert(&mut self, writer: &Writer, batch: &[Job]) -> Result<Option<i64>, sqlx::Error> {
        let clock = writer.clock.clone();
        insert::insert(self.connection().await?, clock.as_ref(), writer.cache.reached(), batch).await
    }

    /// Answers the jobs that conflict, and gives back the others.
    async fn separate(&mut self, batch: Vec<Job>) -> Vec<Vec<Job>> {
        let found = match self.connection().await {
            Ok(connection) => insert::conflicts(connection, &batch).await,
            Err(error) => Err(error),
        };
        let found = match found {
            Ok(found) if found.is_empty() => return halves(batch),
            Ok(found) => found,
            Err(error) => {
                self.rest().await;
                fail(batch, &error);
                return vec![];
            }
        };
        let mut found = found.into_iter().peekable();
        let mut others = vec![];
        for (place, job) in batch.into_iter().enumerate() {
            match found.next_if(|conflict| conflict.place == place) {
                Some(conflict) if conflict.executed => job.answer(Err(AppendError::AlreadyExecuted)),
                Some(_) => job.answer(Err(AppendError::Conflict)),
                None => others.push(job),
            }
        }
        if others.is_empty() { vec![] } else { vec![others] }
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if self.connection.is_none() {
            let mut connection = self.pool.acquire().await?;
            if self.keeps {
                // The plan never depends on the batch, and planning it takes as long as a small one takes to commit.
                sqlx::query("SET plan_cache_mode = force_generic_plan").execute(&mut *connection).await?;
            }
            self.connection = Some(connection);
        }
        Ok(self.connection.as_mut().expect("it was just acquired"))
    }
}

/// What a failed statement is to be blamed on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A stream that has moved on, or a command that was executed before.
    Conflict,
    /// Something in one of the jobs that cannot be stored.
    Input,
    /// The database, whatever the jobs.
    Database,
}

impl Fault {
    fn of(error: &sqlx::Error) -> Self {
        let Some(error) = error.as_database_error() else { return Self::Database };
        if matches!(error.constraint(), Some("events_pkey" | "command_receipts_pkey")) {
            return Self::Conflict;
        }
        // SQLSTATE: data exception, broken constraint, limit of the program (such as a key that is too long).
        match error.code().as_deref().and_then(|code| code.get(..2)) {
            Some("22" | "23" | "54") => Self::Input,
            _ => Self::Database,
        }
    }
}

fn halves(mut batch: Vec<Job>) -> Vec<Vec<Job>> {
    let second = batch.split_off(batch.len() / 2);
    vec![second, batch]
}

/// Answers a batch that stands in the log after `base`.
fn answer(writer: &Writer, batch: Vec<Job>, base: i64) -> Streams {
    let mut streams = Streams::with_capacity(batch.len());
    let mut position = base;
    for job in batch {
        let count = i64::try_from(job.stream.events.len()).expect("a batch is bounded");
        position += count;
        let _ = job.reply.send(Ok(Appended { position }));
        if count > 0 {
            streams.push((job.stream.aggregate_type, job.stream.aggregate_id, job.stream.before + count));
        }
    }
    writer.head.send_if_modified(|known| {
        let news = position > *known;
        *known = position.max(*known);
        news
    });
    streams
}

fn fail(batch: Vec<Job>, error: &sqlx::Error) {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    for job in batch {
        job.answer(Err(match constraint {
            Some("events_pkey") => AppendError::Conflict,
            Some("command_receipts_pkey") => AppendError::AlreadyExecuted,
            _ => AppendError::Log(LogError::Unavailable(sqlx::Error::Protocol(error.to_string()))),
        }));
    }
}
