//! The handle on the log.

use std::sync::Arc;

use baeum_domain::{Clock, position::Shard};
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};

use crate::{
    appender::{self, Job, Writer},
    cache::AggregateCache,
    erased::{self, Erased},
    error::LogError,
    in_flight::InFlight,
    nats::Broker,
};

/// How the log is to work.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many appends may wait; more are answered [`LogError::Busy`].
    pub queue: usize,
    /// How many appends go into one statement at most.
    pub batch: usize,
    /// Of how many aggregates the latest state is kept in memory, so that a command on one needs no read; 0 for none.
    pub cache: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: 4096, batch: 512, cache: 10_000 }
    }
}

/// The event log. Cheap to clone; all clones share one appender.
#[derive(Clone)]
pub struct EventLog {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) appends: mpsc::Sender<Job>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) cache: Arc<AggregateCache>,
    pub(crate) erased: Erased,
    pub(crate) head: watch::Sender<i64>,
    pub(crate) broker: Option<Broker>,
    pub(crate) shard: Shard,
}

impl EventLog {
    /// Opens the log of a migrated database and starts its appender, which ends when the last clone is dropped.
    ///
    /// With a `broker`, feeds of this log follow its stream, and appends tell the relay that there is news.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(
        pool: PgPool,
        clock: Arc<dyn Clock>,
        broker: Option<Broker>,
        options: Options,
    ) -> Result<Self, LogError> {
        let (appends, jobs) = mpsc::channel(options.queue);
        let position = read_head(&pool).await?;
        let forgotten = erased::look(&pool, 0).await?;
        // An empty log stands at the floor of its shard; the database refuses any other position.
        let shard = Shard::of(position).unwrap_or_default();
        let (head, _) = watch::channel(position);
        let cache = Arc::new(AggregateCache::new(options.cache));
        let erased = Erased::new(cache.clone());
        let looked_at = forgotten.last().map_or(shard.floor(), |(_, position)| *position);
        for subject in forgotten.iter().filter_map(|(subject, _)| subject.parse().ok()) {
            erased.note(subject);
        }
        erased::follow(&erased, pool.clone(), looked_at);
        let writer = Writer { clock: clock.clone(), head: head.clone(), cache: cache.clone(), limit: options.batch };
        tokio::spawn(appender::run(pool.clone(), writer, jobs));
        if let Some(broker) = &broker {
            tokio::spawn(broker.clone().announce(head.subscribe()));
        }
        Ok(Self { pool, clock, appends, in_flight: Arc::default(), cache, erased, head, broker, shard })
    }

    /// The position of the latest event; [`EventLog::floor`] for an empty log.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn head(&self) -> Result<i64, LogError> {
        let position = read_head(&self.pool).await?;
        self.observe_head(position);
        Ok(position)
    }

    /// Follows the head as far as this process has learned of it.
    pub fn watch_head(&self) -> watch::Receiver<i64> {
        self.head.subscribe()
    }

    /// The pool that the log lives in: read models and processes may share it.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The clock that the log was opened with.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn observe_head(&self, position: i64) {
        self.head.send_if_modified(|known| {
            let news = position > *known;
            *known = position.max(*known);
            news
        });
    }
}

async fn read_head(pool: &PgPool) -> Result<i64, LogError> {
    Ok(sqlx::query_scalar("SELECT position FROM log_head").fetch_one(pool).await?)
}
