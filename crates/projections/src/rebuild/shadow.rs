//! The tables of a projection, made again beside the live ones, and how far they have come.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use baeum_eventlog::{
    EventLog, LogError, begin,
    lease::{Lease, RENEW_EVERY, TTL},
};
use sqlx::{PgConnection, PgPool};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{RebuildError, pipeline::Pipeline};
use crate::{Projection, cursor, fold::Skips, parking, projection::Failure};

/// Tables of a projection in a schema beside the live ones.
pub(super) struct Shadow {
    pub(super) log: EventLog,
    pub(super) projection: Arc<dyn Projection>,
    /// Its name: of its tables, and in `rebuilds`.
    pub(super) schema: String,
    /// Who works on it: this one.
    pub(super) run: Uuid,
    lease: Lease,
    /// How far each partition has come.
    pub(super) positions: BTreeMap<u32, i64>,
    pub(super) skips: Arc<Skips>,
}

impl Shadow {
    pub(super) fn new(log: &EventLog, projection: Arc<dyn Projection>, purpose: &str) -> Self {
        let name = projection.name();
        let run = log.clock().new_id();
        let lease = Lease::new(log.pool().clone(), format!("{purpose}:{name}"), run);
        let schema = format!("{purpose}_{name}");
        let (positions, skips) = (BTreeMap::new(), Arc::default());
        Self { log: log.clone(), projection, schema, run, lease, positions, skips }
    }

    /// Takes the lease; that of a process that was killed ends within its time.
    pub(super) async fn enter(&self) -> Result<(), RebuildError> {
        let deadline = Instant::now() + TTL + RENEW_EVERY;
        while !self.in_database(self.lease.hold().await)? {
            if Instant::now() >= deadline {
                return Err(self.busy());
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Gives the lease back. One that cannot be given back ends by itself.
    pub(super) async fn leave(&self) {
        let _ = self.lease.release().await;
    }

    /// Goes on with tables that an earlier run has left, and puts that run out. `false` where there are none, or none
    /// that this version of the projection has made of this log.
    pub(super) async fn resume(&mut self) -> Result<bool, sqlx::Error> {
        let head = self.log.head().await.map_err(database_error)?;
        let mut transaction = begin(self.log.pool()).await?;
        let known: Vec<(i32, i64, i64)> =
            sqlx::query_as("UPDATE rebuilds SET run = $2 WHERE name = $1 RETURNING partition, version, position")
                .bind(&self.schema)
                .bind(self.run)
                .fetch_all(&mut *transaction)
                .await?;
        let version = i64::from(self.projection.version());
        let fits = known.iter().all(|(_, begun, position)| *begun == version && *position <= head);
        let whole = known.len() == self.partitions().len() && self.has_tables(&mut transaction).await?;
        if !fits || !whole {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.commit().await?;
        self.positions = known.iter().map(|(partition, _, position)| (partition.cast_unsigned(), *position)).collect();
        Ok(true)
    }

    async fn has_tables(&self, db: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let tables: Vec<String> = self.tables().map(|table| format!("{}.{table}", self.schema)).collect();
        sqlx::query_scalar("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS name")
            .bind(tables)
            .fetch_one(db)
            .await
    }

    /// Makes the tables anew.
    pub(super) async fn create(&mut self) -> Result<(), sqlx::Error> {
        let now = self.log.clock().now();
        cursor::open(self.log.pool(), self.projection.as_ref(), now).await?;
        let schema = &self.schema;
        let mut transaction = begin(self.log.pool()).await?;
        self.drop_tables(&mut transaction).await?;
        sqlx::query(&format!("CREATE SCHEMA {schema}")).execute(&mut *transaction).await?;
        for table in self.tables() {
            sqlx::query(&format!("CREATE TABLE {schema}.{table} (LIKE public.{table} INCLUDING ALL)"))
                .execute(&mut *transaction)
                .await?;
        }
        let partitions = self.partitions();
        sqlx::query(
            "INSERT INTO rebuilds (name, partition, version, run, position, updated_at)
             SELECT $1, partition, $3, $4, $6, $5 FROM generate_series(0, $2 - 1) AS partition",
        )
        .bind(schema)
        .bind(i32::try_from(partitions.len()).expect("few partitions"))
        .bind(i64::from(self.projection.version()))
        .bind(self.run)
        .bind(now)
        .bind(self.log.floor())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.positions = partitions.into_iter().map(|partition| (partition, self.log.floor())).collect();
        Ok(())
    }

    /// Drops what is left of the tables.
    pub(super) async fn drop_schema(&self) -> Result<(), sqlx::Error> {
        let mut transaction = begin(self.log.pool()).await?;
        self.drop_tables(&mut transaction).await?;
        transaction.commit().await
    }

    async fn drop_tables(&self, db: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query("DELETE FROM rebuilds WHERE name = $1").bind(&self.schema).execute(&mut *db).await?;
        sqlx::query(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema)).execute(db).await?;
        Ok(())
    }

    /// Takes in the log up to its head. `false` where it was stopped before.
    pub(super) async fn follow(
        &mut self,
        workers: usize,
        stop: &CancellationToken,
        progress: &mut (impl FnMut(i64, i64) + Send),
    ) -> Result<bool, RebuildError> {
        let head = self.log.head().await.map_err(|error| self.stopped(error.into()))?;
        self.follow_to(head, workers, stop, progress).await
    }

    /// Takes in the log up to `target`. `false` where it was stopped before.
    pub(super) async fn follow_to(
        &mut self,
        target: i64,
        workers: usize,
        stop: &CancellationToken,
        progress: &mut (impl FnMut(i64, i64) + Send),
    ) -> Result<bool, RebuildError> {
        let skips = Skips::load(&self.log, self.projection.name()).await;
        self.skips = Arc::new(skips.map_err(|error| self.stopped(error.into()))?);
        let pipeline = Pipeline::new(self, workers);
        let lost = async {
            loop {
                sleep(RENEW_EVERY).await;
                match self.lease.hold().await {
                    Ok(true) => {}
                    Ok(false) => return self.busy(),
                    Err(source) => return RebuildError::Database { projection: self.projection.name(), source },
                }
            }
        };
        let positions = tokio::select! {
            positions = pipeline.run(target, stop, progress) => positions?,
            error = lost => return Err(error),
        };
        self.positions = positions;
        Ok(self.positions.values().all(|position| *position >= target))
    }

    /// How far all partitions have come.
    pub(super) fn position(&self) -> i64 {
        self.positions.values().copied().min().unwrap_or(self.log.floor())
    }

    pub(super) fn partitions(&self) -> Vec<u32> {
        (0..self.projection.order().partitions()).collect()
    }

    /// The tables of the projection, and those of its parked streams.
    fn tables(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.projection.tables().iter().chain(&parking::TABLES).copied()
    }

    pub(super) fn stopped(&self, failure: Failure) -> RebuildError {
        RebuildError::Stopped { projection: self.projection.name(), position: failure.position, error: failure.error }
    }

    pub(super) fn busy(&self) -> RebuildError {
        RebuildError::Busy { projection: self.projection.name() }
    }

    pub(super) fn in_database<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, RebuildError> {
        result.map_err(|source| RebuildError::Database { projection: self.projection.name(), source })
    }

    pub(super) fn pool(&self) -> &PgPool {
        self.log.pool()
    }
}

/// Chooses the tables of a schema until the end of the transaction.
pub(crate) async fn choose_tables(db: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    sqlx::query(&format!("SET LOCAL search_path TO {schema}")).execute(db).await?;
    Ok(())
}

fn database_error(error: LogError) -> sqlx::Error {
    match error {
        LogError::Unavailable(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    }
}
