//! What read models hold of one person: shown to them, and removed when they are forgotten.
//!
//! A projection removes the rows of a person where it meets their erasure in the log ([`crate::fold`]), and takes in no
//! event of theirs afterwards; nor does any derivation that begins later. What is here besides looks after the rest:
//! streams that are parked, tables of rebuilds that were left unfinished, sandboxes, and what is kept of the past.

use std::sync::Arc;

use baeum_domain::ids::UserId;
use baeum_eventlog::begin;
use serde_json::Value;
use sqlx::{PgConnection, PgPool, types::Json};

use crate::{
    Personal, Projection, cursor, history, parking,
    rebuild::{choose_tables, sandboxes},
};

/// What the tables of a rebuild and of a comparison are called beside the live ones.
const SHADOWS: [&str; 2] = ["rebuild", "verify"];

/// The rows that a table holds of a person.
pub struct PersonalTable {
    /// The projection.
    pub projection: &'static str,
    /// The table.
    pub table: &'static str,
    /// Its rows, as JSON objects.
    pub rows: Vec<Value>,
}

/// Whether a projection has rows that are about one person each.
pub(crate) fn is_personal(projection: &dyn Projection) -> bool {
    projection.personal().iter().any(|it| matches!(it, Personal::Rows { .. }))
}

/// Removes the rows of a person from the tables of a projection that the search path of `db` has.
pub(crate) async fn remove(
    db: &mut PgConnection,
    projection: &dyn Projection,
    subject: UserId,
) -> Result<u64, sqlx::Error> {
    let mut removed = 0;
    for personal in projection.personal() {
        let Personal::Rows { table, of } = personal else { continue };
        let gone = sqlx::query(&format!("DELETE FROM {table} WHERE {of}")).bind(subject.0).execute(&mut *db).await?;
        removed += gone.rows_affected();
    }
    Ok(removed)
}

/// All rows that the read models hold of a person.
///
/// # Errors
/// When the database cannot be reached.
pub async fn personal_rows(
    pool: &PgPool,
    registry: &[Arc<dyn Projection>],
    subject: UserId,
) -> Result<Vec<PersonalTable>, sqlx::Error> {
    let mut tables = vec![];
    for projection in registry {
        for personal in projection.personal() {
            let (Personal::Rows { table, of } | Personal::Record { table, of }) = personal else { continue };
            let rows: Vec<Json<Value>> = sqlx::query_scalar(&format!("SELECT to_jsonb(t) FROM {table} t WHERE {of}"))
                .bind(subject.0)
                .fetch_all(pool)
                .await?;
            let rows = rows.into_iter().map(|Json(row)| row).collect();
            tables.push(PersonalTable { projection: projection.name(), table, rows });
        }
    }
    Ok(tables)
}

/// Whether every projection that ever ran has taken in the event at `position`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn has_passed(pool: &PgPool, registry: &[Arc<dyn Projection>], position: i64) -> Result<bool, sqlx::Error> {
    for projection in registry {
        if cursor::position(pool, projection.name()).await?.is_some_and(|it| it < position) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what read models still hold of a person whose erasure they have all met: streams that are parked (by their
/// keys), rows in tables of unfinished rebuilds and of sandboxes, what is kept of the past, and what a worker may have
/// written that met the erasure late. Gives the number of rows.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget(
    pool: &PgPool,
    registry: &[Arc<dyn Projection>],
    subject: UserId,
    keys: &[&str],
) -> Result<u64, sqlx::Error> {
    let mut removed = history::forget_keys(pool, keys).await?;
    let sandboxes = sandboxes(pool).await?;
    for projection in registry {
        for sandbox in sandboxes.iter().filter(|it| it.projection == projection.name()) {
            removed += forget_in_sandbox(pool, &sandbox.schema, projection.as_ref(), subject, keys).await?;
        }
        let mut schemas = vec!["public".to_owned()];
        for purpose in SHADOWS {
            let schema = format!("{purpose}_{}", projection.name());
            let there: bool =
                sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL").bind(&schema).fetch_one(pool).await?;
            schemas.extend(there.then_some(schema));
        }
        for schema in schemas {
            match forget_in(pool, &schema, projection.as_ref(), subject, keys).await {
                Ok(gone) => removed += gone,
                // The rebuild has ended meanwhile, and its tables with it.
                Err(sqlx::Error::Database(error)) if schema != "public" && error.code().as_deref() == Some("42P01") => {
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(removed)
}

/// As [`forget_in`]. Tables of a sandbox that another version made in another shape go altogether: they can be replayed.
async fn forget_in_sandbox(
    pool: &PgPool,
    sandbox: &str,
    projection: &dyn Projection,
    subject: UserId,
    keys: &[&str],
) -> Result<u64, sqlx::Error> {
    let schema = format!("\"{sandbox}\"");
    let error = match forget_in(pool, &schema, projection, subject, keys).await {
        // Class 42: a table or a column is not there.
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|it| it.starts_with("42")) => error,
        forgotten => return forgotten,
    };
    tracing::warn!(sandbox, projection = projection.name(), %error, "tables of another shape are dropped from a sandbox");
    for table in projection.tables() {
        sqlx::query(&format!("DROP TABLE IF EXISTS {schema}.{table}")).execute(pool).await?;
    }
    Ok(0)
}

async fn forget_in(
    pool: &PgPool,
    schema: &str,
    projection: &dyn Projection,
    subject: UserId,
    keys: &[&str],
) -> Result<u64, sqlx::Error> {
    let mut db = begin(pool).await?;
    choose_tables(&mut db, schema).await?;
    let mut removed = remove(&mut db, projection, subject).await?;
    for table in parking::TABLES {
        let gone = sqlx::query(&format!("DELETE FROM {table} WHERE projection = $1 AND key = ANY($2)"))
            .bind(projection.name())
            .bind(keys)
            .execute(&mut *db)
            .await?;
        removed += gone.rows_affected();
    }
    db.commit().await?;
    Ok(removed)
}

/// Removes dead rows from the files of the tables that people's rows were removed from.
///
/// # Errors
/// When the database cannot be reached.
pub async fn vacuum(pool: &PgPool, registry: &[Arc<dyn Projection>]) -> Result<(), sqlx::Error> {
    let personal = registry.iter().flat_map(|projection| projection.personal());
    let of_people = personal.filter(|it| matches!(it, Personal::Rows { .. }));
    let tables = of_people.map(Personal::table).chain(parking::TABLES).chain([history::TABLE]);
    let tables: Vec<&str> = tables.collect();
    baeum_eventlog::vacuum(pool, &tables, false).await
}

#[cfg(test)]
mod tests;
