//! Reading the tables of a read model whole, as they are at one moment.
//!
//! One transaction, read-only and repeatable, so that all tables and the cursors are of the same moment; rows come by
//! the page, so that memory does not grow with the table. While it is open, dead rows of the head are not pruned
//! (docs/adr/0010-a-billion-events.md), so it should not be kept open for nothing.

use baeum_eventlog::begin;
use sqlx::{FromRow, PgPool, Postgres, Transaction};

use crate::Projection;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as Postgres calls it inside, for instance `int8`, `timestamptz` or `_text` for an array of texts.
    pub kind: String,
}

/// A transaction in which the tables of a read model are read.
pub struct Extract {
    transaction: Transaction<'static, Postgres>,
    /// The position up to which all partitions have come; none where the read model was never derived.
    pub position: Option<i64>,
}

impl Extract {
    /// Begins.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin(pool: &PgPool, projection: &dyn Projection) -> Result<Self, sqlx::Error> {
        let mut transaction = begin(pool).await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *transaction).await?;
        let position = sqlx::query_scalar("SELECT min(position) FROM projection_cursors WHERE name = $1")
            .bind(projection.name())
            .fetch_one(&mut *transaction)
            .await?;
        Ok(Self { transaction, position })
    }

    /// The columns of a table, in its order.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn columns(&mut self, table: &'static str) -> Result<Vec<Column>, sqlx::Error> {
        sqlx::query_as(
            "SELECT a.attname::text AS name, t.typname::text AS kind
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        )
        .bind(table)
        .fetch_all(&mut *self.transaction)
        .await
    }

    /// Opens a table of the read model; values of JSON, and numbers without bounds, are read as texts.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn open(&mut self, table: &'static str, columns: &[Column]) -> Result<(), sqlx::Error> {
        let column = |Column { name, kind }: &Column| match kind.as_str() {
            "json" | "jsonb" | "numeric" => format!("{name}::text AS {name}"),
            _ => name.clone(),
        };
        let columns = columns.iter().map(column).collect::<Vec<_>>().join(", ");
        sqlx::query(&format!(
            "DECLARE extract NO SCROLL CURSOR FOR SELECT to_json(t)::text FROM (SELECT {columns} FROM {table}) t"
        ))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// The next rows of the open table as JSON objects, at most so many; none at its end, where it is closed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn page(&mut self, rows: u32) -> Result<Vec<String>, sqlx::Error> {
        let page: Vec<String> =
            sqlx::query_scalar(&format!("FETCH {rows} FROM extract")).fetch_all(&mut *self.transaction).await?;
        if page.is_empty() {
            sqlx::query("CLOSE extract").execute(&mut *self.transaction).await?;
        }
        Ok(page)
    }

    /// Ends.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end(self) -> Result<(), sqlx::Error> {
        self.transaction.rollback().await
    }
}
