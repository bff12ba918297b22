//! In what a replayed read model differs from the live one, or from another replayed one: row by row, by the primary key,
//! column by column.

use std::{collections::BTreeMap, sync::Arc};

use baeum_eventlog::{EventLog, begin};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{PgConnection, types::Json};

use super::{
    ATTEMPTS, Options, RebuildError,
    sandbox::{SandboxError, SandboxName},
    shadow::Shadow,
};
use crate::{Projection, cursor, projection::Failure};

/// How far the live tables may be ahead to be caught up with for the comparison.
const CLOSE: i64 = 1_000;

/// What differs between two read models of the same position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// The projection.
    pub projection: &'static str,
    /// The position that both are of; where partitions of the live tables were apart, the furthest.
    pub position: i64,
    /// What is compared with: `live`, or a sandbox.
    pub before: String,
    /// What is compared: a sandbox.
    pub after: String,
    /// Each of its tables.
    pub tables: Vec<TableDiff>,
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.only_before + table.only_after + table.changed == 0)
    }
}

/// What differs in one table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableDiff {
    /// The table.
    pub table: &'static str,
    /// Rows before.
    pub rows_before: i64,
    /// Rows after.
    pub rows_after: i64,
    /// Rows that are there before only.
    pub only_before: i64,
    /// Rows that are there after only.
    pub only_after: i64,
    /// Rows that are there before and after, with other values.
    pub changed: i64,
    /// In how many of these each column differs.
    pub columns: BTreeMap<String, i64>,
    /// The first of all of these, in the order of their keys.
    pub rows: Vec<RowDiff>,
}

/// A row that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowDiff {
    /// Its primary key: columns and values.
    pub key: Map<String, Value>,
    /// The columns that differ; all of them, where the row is there on one side only.
    pub columns: Vec<ColumnDiff>,
}

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnDiff {
    /// The column.
    pub column: String,
    /// Its value before; none where there is no such row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value after; none where there is no such row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Brings a projection in a sandbox to where the live tables are, and tells what differs, with the first `limit` rows of
/// each table. Workers go on meanwhile: one snapshot of the database shows the live tables and how far they are.
///
/// # Errors
/// When there is no such sandbox, it is past the live tables, or as [`super::rebuild`].
pub async fn diff_with_live(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    sandbox: &SandboxName,
    options: &Options,
    limit: u32,
    mut progress: impl FnMut(i64, i64) + Send,
) -> Result<Option<Diff>, SandboxError> {
    sandbox.check(log.pool()).await?;
    let mut shadow = Shadow::in_sandbox(log, projection, sandbox);
    shadow.enter().await?;
    let diff = compare_with_live(&mut shadow, sandbox, options, limit, &mut progress).await;
    shadow.leave().await;
    diff
}

async fn compare_with_live(
    shadow: &mut Shadow,
    sandbox: &SandboxName,
    options: &Options,
    limit: u32,
    progress: &mut (impl FnMut(i64, i64) + Send),
) -> Result<Option<Diff>, SandboxError> {
    let projection = shadow.projection.name();
    let resumed = shadow.resume().await;
    if !shadow.in_database(resumed)? {
        return Err(SandboxError::Unknown { name: sandbox.clone(), projection: Some(projection) });
    }
    let (mut attempt, mut earlier) = (0, None);
    loop {
        let target = shadow.in_database(cursor::position(shadow.pool(), projection).await)?;
        let target = target.unwrap_or(shadow.log.floor());
        let furthest = shadow.positions.values().copied().max().unwrap_or(target);
        if furthest > target {
            return Err(SandboxError::Past { name: sandbox.clone(), projection, position: furthest, wanted: target });
        }
        if !shadow.follow_to(target, options.workers, &options.stop, progress).await? {
            return Ok(None);
        }
        match shadow.diff(sandbox, limit).await {
            Ok(Some(diff)) => return Ok(Some(diff)),
            // What holds all partitions back is one of them.
            Ok(None) if earlier == Some(target) => return Err(RebuildError::Uneven { projection }.into()),
            Ok(None) => earlier = Some(target),
            Err(failure) if attempt < ATTEMPTS && failure.error.is_contention() => attempt += 1,
            Err(failure) => return Err(shadow.stopped(failure).into()),
        }
    }
}

impl Shadow {
    /// Compares with the live tables; `None` where those are too far ahead.
    async fn diff(&self, sandbox: &SandboxName, limit: u32) -> Result<Option<Diff>, Failure> {
        let (own, projection) = (self.position(), self.projection.name());
        let mut transaction = begin(self.pool()).await?;
        // Cursors move in the transactions of their effects, so a snapshot has both from the same moment.
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *transaction).await?;
        let live = cursor::seen(&mut transaction, projection).await?;
        let close = live.values().all(|position| (own..=own + CLOSE).contains(position));
        let diff = if close && self.catch_up(&mut transaction, &live).await? {
            let mut tables = vec![];
            for table in self.projection.tables() {
                tables.push(table_diff(&mut transaction, "public", &self.schema, table, limit).await?);
            }
            let position = live.values().copied().max().unwrap_or(own);
            Some(Diff { projection, position, before: "live".to_owned(), after: sandbox.to_string(), tables })
        } else {
            None
        };
        transaction.rollback().await?;
        Ok(diff)
    }
}

/// The position up to which the live tables of a projection are.
///
/// # Errors
/// When the database cannot be reached.
pub async fn live_position(log: &EventLog, projection: &str) -> Result<i64, SandboxError> {
    Ok(cursor::position(log.pool(), projection).await?.unwrap_or(log.floor()))
}

/// Tells in what a projection in the sandbox `after` differs from the same in the sandbox `before`, with the first
/// `limit` rows of each table. Both must be of the same position.
///
/// # Errors
/// When one of them is not there, they are of different positions, or the database fails.
pub async fn diff_with_sandbox(
    log: &EventLog,
    projection: &dyn Projection,
    before: &SandboxName,
    after: &SandboxName,
    limit: u32,
) -> Result<Diff, SandboxError> {
    let name = projection.name();
    let mut transaction = begin(log.pool()).await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *transaction).await?;
    let mut positions = vec![];
    for sandbox in [before, after] {
        let (least, most): (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT min(position), max(position) FROM rebuilds WHERE name = $1")
                .bind(sandbox.of(name))
                .fetch_one(&mut *transaction)
                .await?;
        let unknown = || SandboxError::Unknown { name: sandbox.clone(), projection: Some(name) };
        positions.push((least.ok_or_else(unknown)?, most.unwrap_or(0)));
    }
    let ((least, most), (other_least, other_most)) = (positions[0], positions[1]);
    if least != most || other_least != other_most || least != other_least {
        return Err(SandboxError::Apart {
            projection: name,
            name: before.clone(),
            position: least,
            other: after.clone(),
            other_position: other_least,
        });
    }
    let mut tables = vec![];
    for table in projection.tables() {
        tables.push(table_diff(&mut transaction, &before.quoted(), &after.quoted(), table, limit).await?);
    }
    transaction.rollback().await?;
    Ok(Diff { projection: name, position: least, before: before.to_string(), after: after.to_string(), tables })
}

/// A row of a comparison: key, before, after.
type Line = (Json<Map<String, Value>>, Option<Json<Map<String, Value>>>, Option<Json<Map<String, Value>>>);

/// Compares the tables of one name in two schemas.
async fn table_diff(
    db: &mut PgConnection,
    before: &str,
    after: &str,
    table: &'static str,
    limit: u32,
) -> Result<TableDiff, sqlx::Error> {
    let key: Vec<String> = sqlx::query_scalar(
        "SELECT a.attname FROM pg_index i
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indrelid = $1::regclass AND i.indisprimary
         ORDER BY array_position(i.indkey::int2[], a.attnum)",
    )
    .bind(format!("{after}.{table}"))
    .fetch_all(&mut *db)
    .await?;
    let key: Vec<String> = key.iter().map(|column| format!("'{column}', t.\"{column}\"")).collect();
    let lines = |schema: &str| {
        format!("SELECT jsonb_build_object({}) AS key, to_jsonb(t) AS line FROM {schema}.{table} t", key.join(", "))
    };
    let lines = format!(
        "(SELECT key, b.line AS before, a.line AS after FROM ({}) b FULL JOIN ({}) a USING (key)
          WHERE b.line IS DISTINCT FROM a.line) d",
        lines(before),
        lines(after)
    );
    let rows = |schema: &str| format!("(SELECT count(*) FROM {schema}.{table})");
    let (rows_before, rows_after, only_before, only_after, changed): (i64, i64, i64, i64, i64) =
        sqlx::query_as(&format!(
            "SELECT {}, {}, count(*) FILTER (WHERE after IS NULL), count(*) FILTER (WHERE before IS NULL),
                    count(*) FILTER (WHERE before IS NOT NULL AND after IS NOT NULL) FROM {lines}",
            rows(before),
            rows(after)
        ))
        .fetch_one(&mut *db)
        .await?;
    let columns: Vec<(String, i64)> = sqlx::query_as(&format!(
        "SELECT c, count(*) FROM {lines}, jsonb_object_keys(before || after) AS c
         WHERE before -> c IS DISTINCT FROM after -> c GROUP BY c"
    ))
    .fetch_all(&mut *db)
    .await?;
    let first: Vec<Line> =
        sqlx::query_as(&format!("SELECT key, before, after FROM {lines} ORDER BY key LIMIT {limit}"))
            .fetch_all(&mut *db)
            .await?;
    let rows = first.into_iter().map(row_diff).collect();
    let columns = columns.into_iter().collect();
    Ok(TableDiff { table, rows_before, rows_after, only_before, only_after, changed, columns, rows })
}

fn row_diff((Json(key), before, after): Line) -> RowDiff {
    let (before, after) = (before.map(|it| it.0), after.map(|it| it.0));
    let names = before.iter().chain(&after).flat_map(Map::keys).collect::<std::collections::BTreeSet<_>>();
    let of = |row: &Option<Map<String, Value>>, column: &str| row.as_ref().and_then(|it| it.get(column).cloned());
    let columns = names.into_iter().filter(|column| !key.contains_key(*column)).map(|column| ColumnDiff {
        column: column.clone(),
        before: of(&before, column),
        after: of(&after, column),
    });
    let columns = columns.filter(|it| it.before != it.after).collect();
    RowDiff { key, columns }
}
