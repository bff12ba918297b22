//! Whether live tables are, row by row, what the log says.

use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, types::Json};

/// How many differences are shown for each table.
const SHOWN: i64 = 10;

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

/// Compares a live table with the one of the same name in `schema`.
pub(super) async fn compare_table(
    db: &mut PgConnection,
    schema: &str,
    table: &'static str,
) -> Result<TableComparison, sqlx::Error> {
    let (live_table, rebuilt_table) = (format!("public.{table}"), format!("{schema}.{table}"));
    let count = |table: &str| format!("SELECT count(*) FROM {table}");
    let live: i64 = sqlx::query_scalar(&count(&live_table)).fetch_one(&mut *db).await?;
    let rebuilt: i64 = sqlx::query_scalar(&count(&rebuilt_table)).fetch_one(&mut *db).await?;
    let except = |one: &str, other: &str| {
        format!("SELECT to_jsonb(t) AS line FROM {one} t EXCEPT SELECT to_jsonb(t) FROM {other} t")
    };
    let only_live_sql = except(&live_table, &rebuilt_table);
    let only_rebuilt_sql = except(&rebuilt_table, &live_table);
    let only_live: i64 = sqlx::query_scalar(&count(&format!("({only_live_sql}) d"))).fetch_one(&mut *db).await?;
    let only_rebuilt: i64 = sqlx::query_scalar(&count(&format!("({only_rebuilt_sql}) d"))).fetch_one(&mut *db).await?;
    let mut differences = vec![];
    if only_live + only_rebuilt > 0 {
        let shown = format!(
            "SELECT only_in, line FROM (SELECT 'live' AS only_in, line FROM ({only_live_sql}) l
                                       UNION ALL SELECT 'rebuilt', line FROM ({only_rebuilt_sql}) r) d
             ORDER BY line, only_in LIMIT {SHOWN}"
        );
        let rows: Vec<(String, Json<Value>)> = sqlx::query_as(&shown).fetch_all(&mut *db).await?;
        differences.extend(rows.into_iter().map(|(only_in, Json(row))| Difference { only_in, row }));
    }
    Ok(TableComparison { table, live, rebuilt, only_live, only_rebuilt, differences })
}
