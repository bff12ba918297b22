//! Deriving a projection again from the first event, beside the live tables, which serve queries meanwhile.
//!
//! [`rebuild`] lets the new tables take the place of the old ones; [`compare`] only says whether the live tables are what
//! the log says they are. Both build in a schema of their own and run whether or not workers do: a worker whose cursor
//! was moved under it goes on from where it now is. Grants on the old tables are lost with them: give them by
//! `ALTER DEFAULT PRIVILEGES`.

use std::{sync::Arc, time::Duration};

use baeum_eventlog::{
    EventLog, LogError,
    lease::{Lease, RENEW_EVERY, TTL},
};
use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use tokio::time::{Instant, sleep};

use crate::{
    Projection, ProjectionError, cursor,
    projection::{Failure, apply_all, page},
};

/// How many events are taken in in one transaction.
const PAGE: usize = 500;
/// How many differences are shown for each table.
const SHOWN: i64 = 10;
/// How often the tables are exchanged anew when a query stood in the way.
const ATTEMPTS: u32 = 5;

/// Why a projection could not be derived again. The live tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The database did not answer, or refused.
    #[error("'{projection}' was not rebuilt: {source}")]
    Database {
        /// The projection.
        projection: &'static str,
        /// What happened.
        source: sqlx::Error,
    },
    /// The log cannot be read, or an event of it not be taken in.
    #[error("'{projection}' was not rebuilt, it stopped{}: {error}", at(*.position))]
    Stopped {
        /// The projection.
        projection: &'static str,
        /// The event that it stopped at, where one is to blame.
        position: Option<i64>,
        /// Why.
        error: ProjectionError,
    },
    /// Another process is at it.
    #[error("'{projection}' is being rebuilt by another process: wait for it")]
    Busy {
        /// The projection.
        projection: &'static str,
    },
}

fn at(position: Option<i64>) -> String {
    position.map(|position| format!(" at position {position}")).unwrap_or_default()
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The projection.
    pub projection: &'static str,
    /// The position up to which both were derived.
    pub position: i64,
    /// Each of its tables.
    pub tables: Vec<TableComparison>,
}

impl Comparison {
    /// Whether the live tables are, row by row, what the log says.
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.only_live == 0 && table.only_rebuilt == 0)
    }
}

/// What a comparison found in one table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableComparison {
    /// The table.
    pub table: &'static str,
    /// Rows of the live table.
    pub live: i64,
    /// Rows of the rebuilt table.
    pub rebuilt: i64,
    /// Rows that only the live table has; a row that differs counts here and there.
    pub only_live: i64,
    /// Rows that only the rebuilt table has.
    pub only_rebuilt: i64,
    /// The first ten of these, in order.
    pub differences: Vec<Difference>,
}

/// A row that only one of the two tables has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// `live` or `rebuilt`.
    pub only_in: String,
    /// The row.
    pub row: Value,
}

/// Derives a projection again and puts the result in the place of the live tables. Answers the position that it has then.
///
/// `progress` is told how far it is, and the head.
///
/// # Errors
/// When the database fails, an event cannot be taken in, or another process is at it.
pub async fn rebuild(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<i64, RebuildError> {
    let shadow = Shadow::new(log, projection, "rebuild");
    let name = shadow.projection.name();
    shadow
        .run(progress, async |shadow, progress| {
            let mut attempt = 0;
            let mut refused_at = None;
            loop {
                shadow.follow(progress).await?;
                // Live tables that are ahead of a log that does not grow were derived from another one.
                let foreign = refused_at == Some(shadow.position);
                match shadow.take_over(foreign).await {
                    Ok(true) => return Ok(shadow.position),
                    // The live tables are further: follow the log to there first.
                    Ok(false) => refused_at = Some(shadow.position),
                    Err(error) if attempt < ATTEMPTS && is_deadlock(&error) => attempt += 1,
                    Err(source) => return Err(RebuildError::Database { projection: name, source }),
                }
            }
        })
        .await
}

/// Derives a projection again, up to where the live tables are, and compares row by row. Changes nothing.
///
/// # Errors
/// As [`rebuild`].
pub async fn compare(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    progress: impl FnMut(i64, i64) + Send,
) -> Result<Comparison, RebuildError> {
    let shadow = Shadow::new(log, projection, "verify");
    let name = shadow.projection.name();
    shadow
        .run(progress, async |shadow, progress| {
            loop {
                let target = shadow.in_database(cursor::position(log.pool(), name).await)?.unwrap_or(0);
                shadow.follow_to(target, progress).await?;
                let compared = shadow.compare().await;
                if let Some(comparison) = shadow.in_database(compared)? {
                    return Ok(comparison);
                }
            }
        })
        .await
}

/// Tables of a projection in a schema beside the live ones.
struct Shadow {
    log: EventLog,
    projection: Arc<dyn Projection>,
    schema: String,
    lease: Lease,
    renewed: Instant,
    position: i64,
}

impl Shadow {
    fn new(log: &EventLog, projection: Arc<dyn Projection>, purpose: &str) -> Self {
        let name = projection.name();
        let lease = Lease::new(log.pool().clone(), format!("{purpose}:{name}"), log.clock().new_id());
        let schema = format!("{purpose}_{name}");
        Self { log: log.clone(), projection, schema, lease, renewed: Instant::now(), position: 0 }
    }

    /// Makes the tables, works with them, and drops what is left of them, whatever came of it.
    async fn run<T, P: FnMut(i64, i64) + Send>(
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
        cursor::open(self.log.pool(), self.projection.name(), now).await?;
        let schema = &self.schema;
        let mut transaction = self.log.pool().begin().await?;
        sqlx::query(&format!("CREATE SCHEMA {schema}")).execute(&mut *transaction).await?;
        for table in self.projection.tables() {
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
    async fn follow(&mut self, progress: &mut (impl FnMut(i64, i64) + Send)) -> Result<(), RebuildError> {
        let head = self.log.head().await;
        let head = head.map_err(|error| self.stopped(error.into()))?;
        self.follow_to(head, progress).await
    }

    /// Takes in the log up to `target`, a page and a transaction at a time.
    async fn follow_to(
        &mut self,
        target: i64,
        progress: &mut (impl FnMut(i64, i64) + Send),
    ) -> Result<(), RebuildError> {
        progress(self.position, target);
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
            let page = page(self.projection.as_ref(), self.position, stored);
            if let Some(failure) = page.stopped {
                return Err(self.stopped(failure));
            }
            if page.end == self.position {
                // The log has no hole; a target past its end is a cursor of another log.
                self.position = target;
                break;
            }
            let transaction = self.log.pool().begin().await;
            let mut transaction = self.in_database(transaction)?;
            let entered =
                sqlx::query(&format!("SET LOCAL search_path TO {}", self.schema)).execute(&mut *transaction).await;
            self.in_database(entered)?;
            if let Err(failure) = apply_all(self.projection.as_ref(), &mut transaction, &page.events).await {
                let _ = transaction.rollback().await;
                return Err(self.stopped(failure));
            }
            let committed = transaction.commit().await;
            self.in_database(committed)?;
            self.position = page.end;
            progress(self.position, target);
        }
        Ok(())
    }

    /// Puts the new tables in the place of the old ones; `false` when those have come further meanwhile, unless `backwards`.
    async fn take_over(&self, backwards: bool) -> Result<bool, sqlx::Error> {
        let name = self.projection.name();
        let mut transaction = self.log.pool().begin().await?;
        let live = cursor::lock(&mut transaction, name).await?;
        let now = self.log.clock().now();
        let ahead = live > self.position && !backwards;
        if ahead || !cursor::advance(&mut transaction, name, live, self.position, now).await? {
            transaction.rollback().await?;
            return Ok(false);
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
    async fn compare(&self) -> Result<Option<Comparison>, sqlx::Error> {
        let projection = self.projection.name();
        let mut transaction = self.log.pool().begin().await?;
        if cursor::lock(&mut transaction, projection).await? != self.position {
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

    fn in_database<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, RebuildError> {
        result.map_err(|source| RebuildError::Database { projection: self.projection.name(), source })
    }
}

async fn compare_table(
    db: &mut PgConnection,
    schema: &str,
    table: &'static str,
) -> Result<TableComparison, sqlx::Error> {
    let (live_table, rebuilt_table) = (format!("public.{table}"), format!("{schema}.{table}"));
    let count = |table: &str| format!("SELECT count(*) FROM {table}");
    let live: i64 = sqlx::query_scalar(&count(&live_table)).fetch_one(&mut *db).await?;
    let rebuilt: i64 = sqlx::query_scalar(&count(&rebuilt_table)).fetch_one(&mut *db).await?;
    let except = |one: &str, other: &str| {
        format!("SELECT to_jsonb(t) AS row FROM {one} t EXCEPT SELECT to_jsonb(t) FROM {other} t")
    };
    let only_live_sql = except(&live_table, &rebuilt_table);
    let only_rebuilt_sql = except(&rebuilt_table, &live_table);
    let only_live: i64 = sqlx::query_scalar(&count(&format!("({only_live_sql}) d"))).fetch_one(&mut *db).await?;
    let only_rebuilt: i64 = sqlx::query_scalar(&count(&format!("({only_rebuilt_sql}) d"))).fetch_one(&mut *db).await?;
    let mut differences = vec![];
    if only_live + only_rebuilt > 0 {
        let shown = format!(
            "SELECT only_in, row FROM (SELECT 'live' AS only_in, row FROM ({only_live_sql}) l
                                       UNION ALL SELECT 'rebuilt', row FROM ({only_rebuilt_sql}) r) d
             ORDER BY row, only_in LIMIT {SHOWN}"
        );
        let rows: Vec<(String, Json<Value>)> = sqlx::query_as(&shown).fetch_all(&mut *db).await?;
        differences.extend(rows.into_iter().map(|(only_in, Json(row))| Difference { only_in, row }));
    }
    Ok(TableComparison { table, live, rebuilt, only_live, only_rebuilt, differences })
}

/// Whether the database broke a transaction off because it and another waited for each other.
fn is_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "40P01")
}
