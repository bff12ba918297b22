//! The tables of a projection, made again beside the live ones.

use std::{sync::Arc, time::Duration};

use baeum_eventlog::{
    EventLog, LogError,
    lease::{Lease, RENEW_EVERY, TTL},
};
use futures::future::BoxFuture;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::{
    RebuildError,
    comparison::{Comparison, compare_table},
};
use crate::{
    Projection, cursor,
    fold::{Entry, Skips, Stretch},
    parking,
    projection::Failure,
};

/// How many events are taken in in one transaction.
const PAGE: usize = 500;

/// Tables of a projection in a schema beside the live ones.
pub(super) struct Shadow {
    log: EventLog,
    pub(super) projection: Arc<dyn Projection>,
    schema: String,
    lease: Lease,
    renewed: Instant,
    pub(super) position: i64,
}

impl Shadow {
    pub(super) fn new(log: &EventLog, projection: Arc<dyn Projection>, purpose: &str) -> Self {
        let name = projection.name();
        let lease = Lease::new(log.pool().clone(), format!("{purpose}:{name}"), log.clock().new_id());
        let schema = format!("{purpose}_{name}");
        Self { log: log.clone(), projection, schema, lease, renewed: Instant::now(), position: log.floor() }
    }

    /// Makes the tables, works with them, and drops what is left of them, whatever came of it.
    pub(super) async fn run<T, P: FnMut(i64, i64) + Send>(
        mut self,
        mut progress: P,
        work: impl AsyncFnOnce(&mut Self, &mut P) -> Result<T, RebuildError>,
    ) -> Result<T, RebuildError> {
        self.enter().await?;
        let result = match self.create().await {
            Ok(()) => work(&mut self, &mut progress).await,
            Err(source) => Err(RebuildError::Database { projection: self.projection.name(), source }),
        };
        let dropped = self.drop_schema().await;
        // A lease that cannot be given back ends by itself.
        let _ = self.lease.release().await;
        let value = result?;
        self.in_database(dropped)?;
        Ok(value)
    }

    /// Takes the lease; that of a process that was killed ends within its time.
    async fn enter(&mut self) -> Result<(), RebuildError> {
        let deadline = Instant::now() + TTL + RENEW_EVERY;
        loop {
            let held = self.lease.hold().await;
            if self.in_database(held)? {
                self.renewed = Instant::now();
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(RebuildError::Busy { projection: self.projection.name() });
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn create(&self) -> Result<(), sqlx::Error> {
        self.drop_schema().await?;
        let now = self.log.clock().now();
        cursor::open(self.log.pool(), self.projection.as_ref(), now).await?;
        let schema = &self.schema;
        let mut transaction = self.log.pool().begin().await?;
        sqlx::query(&format!("CREATE SCHEMA {schema}")).execute(&mut *transaction).await?;
        for table in self.projection.tables().iter().chain(&parking::TABLES) {
            sqlx::query(&format!("CREATE TABLE {schema}.{table} (LIKE public.{table} INCLUDING ALL)"))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    async fn drop_schema(&self) -> Result<(), sqlx::Error> {
        sqlx::query(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema)).execute(self.log.pool()).await?;
        Ok(())
    }

    /// Takes in the log up to its head.
    pub(super) async fn follow(&mut self, progress: &mut (impl FnMut(i64, i64) + Send)) -> Result<(), RebuildError> {
        let head = self.log.head().await;
        let head = head.map_err(|error| self.stopped(error.into()))?;
        self.follow_to(head, progress).await
    }

    /// Takes in the log up to `target`, a page and a transaction at a time.
    pub(super) async fn follow_to(
        &mut self,
        target: i64,
        progress: &mut (impl FnMut(i64, i64) + Send),
    ) -> Result<(), RebuildError> {
        progress(self.position, target);
        let skips = Skips::load(&self.log, self.projection.name()).await;
        let skips = skips.map_err(|error| self.stopped(error.into()))?;
        while self.position < target {
            if self.renewed.elapsed() >= RENEW_EVERY {
                let held = self.lease.hold().await;
                if !self.in_database(held)? {
                    return Err(RebuildError::Busy { projection: self.projection.name() });
                }
                self.renewed = Instant::now();
            }
            let wanted = usize::try_from(target - self.position).unwrap_or(PAGE).min(PAGE);
            let stored: Result<_, LogError> = self.log.read(self.position, wanted).await;
            let stored = stored.map_err(|error| self.stopped(error.into()))?;
            let all: Vec<u32> = (0..self.projection.order().partitions()).collect();
            let mut stretch = Stretch::prepare(self.projection.as_ref(), &skips, &all, self.position, stored);
            let taken = stretch.take_in(self.log.pool(), self.log.clock().now(), &Enter(&self.schema)).await;
            taken.map_err(|failure| self.stopped(failure))?;
            if stretch.end == self.position {
                // The log has no hole; a target past its end is a cursor of another log.
                self.position = target;
                break;
            }
            self.position = stretch.end;
            progress(self.position, target);
        }
        Ok(())
    }

    /// Puts the new tables in the place of the old ones; `false` when those have come further meanwhile, unless
    /// `backwards`.
    pub(super) async fn take_over(&self, backwards: bool) -> Result<bool, sqlx::Error> {
        let name = self.projection.name();
        let mut transaction = self.log.pool().begin().await?;
        let live = cursor::lock(&mut transaction, name).await?;
        if live.iter().any(|live| *live > self.position) && !backwards {
            transaction.rollback().await?;
            return Ok(false);
        }
        cursor::set(&mut transaction, name, self.position, self.log.clock().now()).await?;
        for table in parking::TABLES {
            let sql = format!("DELETE FROM public.{table} WHERE projection = $1");
            sqlx::query(&sql).bind(name).execute(&mut *transaction).await?;
            let sql = format!("INSERT INTO public.{table} SELECT * FROM {}.{table}", self.schema);
            sqlx::query(&sql).execute(&mut *transaction).await?;
        }
        for table in self.projection.tables() {
            sqlx::query(&format!("DROP TABLE public.{table}")).execute(&mut *transaction).await?;
        }
        for table in self.projection.tables() {
            sqlx::query(&format!("ALTER TABLE {}.{table} SET SCHEMA public", self.schema))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Compares with the live tables, whose cursor is held meanwhile; `None` when it is not where this is.
    pub(super) async fn compare(&self) -> Result<Option<Comparison>, sqlx::Error> {
        let projection = self.projection.name();
        let mut transaction = self.log.pool().begin().await?;
        if cursor::lock(&mut transaction, projection).await?.iter().any(|live| *live != self.position) {
            transaction.rollback().await?;
            return Ok(None);
        }
        let mut tables = vec![];
        for table in self.projection.tables() {
            tables.push(compare_table(&mut transaction, &self.schema, table).await?);
        }
        transaction.rollback().await?;
        Ok(Some(Comparison { projection, position: self.position, tables }))
    }

    fn stopped(&self, failure: Failure) -> RebuildError {
        RebuildError::Stopped { projection: self.projection.name(), position: failure.position, error: failure.error }
    }

    pub(super) fn in_database<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, RebuildError> {
        result.map_err(|source| RebuildError::Database { projection: self.projection.name(), source })
    }
}

/// The tables of a stretch are those of this schema.
struct Enter<'s>(&'s str);

impl Entry for Enter<'_> {
    fn enter<'a>(&'a self, db: &'a mut PgConnection, _: i64) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        Box::pin(async move {
            sqlx::query(&format!("SET LOCAL search_path TO {}", self.0)).execute(db).await?;
            Ok(true)
        })
    }
}
