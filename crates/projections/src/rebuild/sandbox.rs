//! Read models that are replayed into a schema of their own, up to any moment, and stay there until they are dropped:
//! to be looked at, or compared with the live ones or with each other.
//!
//! A sandbox is marked as ours by a comment on its schema; nothing is ever written to, or dropped from, one that is not.

use std::{fmt, str::FromStr, sync::Arc};

use baeum_eventlog::{EventLog, begin, lease::Lease};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgPool};

use super::{Options, Outcome, RebuildError, shadow::Shadow};
use crate::{Projection, parking};

/// What is written on the schema of a sandbox.
const MARK: &str = "a sandbox of baeum: drop it with `baeum sandbox drop`";
/// Schemas that hold something else, by the beginnings of their names.
const RESERVED: [&str; 5] = ["public", "information_schema", "pg_", "rebuild_", "verify_"];

/// The name of a sandbox, which is that of its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxName(String);

/// A name that no sandbox can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It has other characters, or too many.
    #[error("'{0}' cannot be the name of a sandbox: use 1 to 40 lower-case letters, digits and '_', a letter first")]
    Malformed(String),
    /// It is taken for good.
    #[error("the schema '{0}' is reserved: name another one, which need not exist")]
    Reserved(String),
}

impl FromStr for SandboxName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) || text.len() > 40 || !text.bytes().all(fits) {
            return Err(BadName::Malformed(text.chars().take(80).collect()));
        }
        if text == "live" || RESERVED.iter().any(|it| text == *it || (it.ends_with('_') && text.starts_with(it))) {
            return Err(BadName::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for SandboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A read model in a sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct Sandbox {
    /// The sandbox, which is a schema of the database.
    pub schema: String,
    /// The read model.
    pub projection: String,
    /// The version of the projection that it was begun with.
    pub version: i64,
    /// Up to which position it is to be replayed.
    pub target: i64,
    /// Up to which position it is.
    pub position: i64,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last worked on.
    pub updated_at: DateTime<Utc>,
}

/// Why nothing was done with a sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The schema is somebody else's.
    #[error(
        "the schema '{0}' exists and is no sandbox: nothing is written to it; name another one, which need not exist"
    )]
    Foreign(SandboxName),
    /// There is no such sandbox.
    #[error("there is no sandbox '{name}'{}: see `baeum sandbox list`", .projection.map(|it| format!(" with '{it}'")).unwrap_or_default())]
    Unknown {
        /// The sandbox.
        name: SandboxName,
        /// What it should hold.
        projection: Option<&'static str>,
    },
    /// A sandbox does not go backwards.
    #[error(
        "'{projection}' is at position {position} in the sandbox '{name}', past {wanted}: begin anew with \
         --from-scratch, or name another sandbox"
    )]
    Past {
        /// The sandbox.
        name: SandboxName,
        /// The projection.
        projection: &'static str,
        /// Where it is.
        position: i64,
        /// Where it should be.
        wanted: i64,
    },
    /// Two are not at the same position.
    #[error("'{projection}' is at {position} in the sandbox '{name}' and at {other_position} in '{other}': replay the one that is behind with --to {0}", (*.position).max(*.other_position))]
    Apart {
        /// The projection.
        projection: &'static str,
        /// One sandbox.
        name: SandboxName,
        /// Where it is there.
        position: i64,
        /// The other sandbox.
        other: SandboxName,
        /// Where it is there.
        other_position: i64,
    },
    /// It could not be derived.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// The database failed.
    #[error("the sandboxes cannot be used: {0}")]
    Database(#[from] sqlx::Error),
}

/// Whose a schema is.
#[derive(PartialEq, Eq)]
enum Owner {
    Nobody,
    Ours,
    Foreign,
}

impl SandboxName {
    /// The schema, as SQL names it, whatever word it is.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// What a projection in it is called in `rebuilds`.
    pub(super) fn of(&self, projection: &str) -> String {
        format!("{}/{projection}", self.0)
    }

    async fn owner(&self, db: &mut PgConnection) -> Result<Owner, sqlx::Error> {
        let comment: Option<Option<String>> =
            sqlx::query_scalar("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1")
                .bind(&self.0)
                .fetch_optional(db)
                .await?;
        Ok(match comment {
            None => Owner::Nobody,
            Some(comment) if comment.as_deref() == Some(MARK) => Owner::Ours,
            Some(_) => Owner::Foreign,
        })
    }

    /// Makes the empty tables of a projection in it, and the sandbox itself where there is none.
    pub(super) async fn make_room(
        &self,
        db: &mut PgConnection,
        projection: &dyn Projection,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        let schema = self.quoted();
        match self.owner(db).await? {
            Owner::Foreign => return Err(sqlx::Error::Protocol(SandboxError::Foreign(self.clone()).to_string())),
            Owner::Ours => {}
            Owner::Nobody => {
                sqlx::query(&format!("CREATE SCHEMA {schema}")).execute(&mut *db).await?;
                sqlx::query(&format!("COMMENT ON SCHEMA {schema} IS '{MARK}'")).execute(&mut *db).await?;
            }
        }
        for table in parking::TABLES {
            let like = format!("CREATE TABLE IF NOT EXISTS {schema}.{table} (LIKE public.{table} INCLUDING ALL)");
            sqlx::query(&like).execute(&mut *db).await?;
            let empty = format!("DELETE FROM {schema}.{table} WHERE projection = $1");
            sqlx::query(&empty).bind(projection.name()).execute(&mut *db).await?;
        }
        for table in projection.tables() {
            sqlx::query(&format!("DROP TABLE IF EXISTS {schema}.{table}")).execute(&mut *db).await?;
            let like = format!("CREATE TABLE {schema}.{table} (LIKE public.{table} INCLUDING ALL)");
            sqlx::query(&like).execute(&mut *db).await?;
        }
        sqlx::query("DELETE FROM rebuilds WHERE name = $1").bind(self.of(projection.name())).execute(&mut *db).await?;
        sqlx::query(
            "INSERT INTO sandboxes (schema, projection, version, target, created_at, updated_at)
             VALUES ($1, $2, $3, log_floor(), $4, $4)
             ON CONFLICT (schema, projection) DO UPDATE
             SET version = excluded.version, target = excluded.target, created_at = $4, updated_at = $4",
        )
        .bind(&self.0)
        .bind(projection.name())
        .bind(i64::from(projection.version()))
        .bind(now)
        .execute(db)
        .await?;
        Ok(())
    }

    /// Expects that nothing of others is in the way.
    pub(super) async fn check(&self, pool: &PgPool) -> Result<(), SandboxError> {
        let mut db = pool.acquire().await?;
        if self.owner(&mut db).await? == Owner::Foreign { Err(SandboxError::Foreign(self.clone())) } else { Ok(()) }
    }
}

/// Replays a projection into a sandbox up to a position, from its first event or from where an earlier replay has come.
///
/// # Errors
/// When the schema is somebody else's, the projection is past the position there, or as [`super::rebuild`].
pub async fn replay_into(
    log: &EventLog,
    projection: Arc<dyn Projection>,
    sandbox: &SandboxName,
    target: i64,
    options: &Options,
    mut progress: impl FnMut(i64, i64) + Send,
) -> Result<Outcome, SandboxError> {
    sandbox.check(log.pool()).await?;
    let mut shadow = Shadow::in_sandbox(log, projection, sandbox);
    shadow.enter().await?;
    let outcome = run(&mut shadow, sandbox, target, options, &mut progress).await;
    shadow.leave().await;
    outcome
}

async fn run(
    shadow: &mut Shadow,
    sandbox: &SandboxName,
    target: i64,
    options: &Options,
    progress: &mut (impl FnMut(i64, i64) + Send),
) -> Result<Outcome, SandboxError> {
    let projection = shadow.projection.name();
    let resumed = if options.from_scratch { Ok(false) } else { shadow.resume().await };
    if !shadow.in_database(resumed)? {
        let created = shadow.create().await;
        shadow.in_database(created)?;
    }
    let furthest = shadow.positions.values().copied().max().unwrap_or(target);
    if furthest > target {
        return Err(SandboxError::Past { name: sandbox.clone(), projection, position: furthest, wanted: target });
    }
    sqlx::query("UPDATE sandboxes SET target = $3, updated_at = $4 WHERE schema = $1 AND projection = $2")
        .bind(&sandbox.0)
        .bind(projection)
        .bind(target)
        .bind(shadow.log.clock().now())
        .execute(shadow.pool())
        .await?;
    let reached = shadow.follow_to(target, options.workers, &options.stop, progress).await?;
    Ok(if reached { Outcome::Rebuilt(target) } else { Outcome::Paused(shadow.position()) })
}

/// Every read model of every sandbox.
///
/// # Errors
/// When the database cannot be reached.
pub async fn sandboxes(pool: &PgPool) -> Result<Vec<Sandbox>, sqlx::Error> {
    sqlx::query_as(
        "SELECT schema, projection, version, target, created_at, updated_at,
                coalesce((SELECT min(position) FROM rebuilds r WHERE r.name = schema || '/' || projection),
                         log_floor()) AS position
         FROM sandboxes ORDER BY schema, projection",
    )
    .fetch_all(pool)
    .await
}

/// Drops a sandbox with everything in it.
///
/// # Errors
/// When there is none, it is being worked on, or the database fails.
pub async fn drop_sandbox(log: &EventLog, name: &SandboxName) -> Result<(), SandboxError> {
    name.check(log.pool()).await?;
    let held: Vec<String> = sqlx::query_scalar("SELECT projection FROM sandboxes WHERE schema = $1")
        .bind(&name.0)
        .fetch_all(log.pool())
        .await?;
    if held.is_empty() {
        return Err(SandboxError::Unknown { name: name.clone(), projection: None });
    }
    let mut leases = vec![];
    let mut free = true;
    for projection in &held {
        let lease = format!("sandbox:{}", name.of(projection));
        let lease = Lease::new(log.pool().clone(), lease, log.clock().new_id());
        free = free && lease.hold().await?;
        leases.push(lease);
    }
    let dropped = if free { drop_tables(log.pool(), name, &held).await.map_err(Into::into) } else { Err(busy(name)) };
    for lease in leases {
        // One that cannot be given back ends by itself.
        let _ = lease.release().await;
    }
    dropped
}

fn busy(name: &SandboxName) -> SandboxError {
    let error = format!("the sandbox '{name}' is being replayed into by another process: wait for it, or stop it");
    SandboxError::Database(sqlx::Error::Protocol(error))
}

async fn drop_tables(pool: &PgPool, name: &SandboxName, held: &[String]) -> Result<(), sqlx::Error> {
    let mut transaction = begin(pool).await?;
    for projection in held {
        sqlx::query("DELETE FROM rebuilds WHERE name = $1")
            .bind(name.of(projection))
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query("DELETE FROM sandboxes WHERE schema = $1").bind(&name.0).execute(&mut *transaction).await?;
    if name.owner(&mut transaction).await? == Owner::Ours {
        sqlx::query(&format!("DROP SCHEMA {} CASCADE", name.quoted())).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_has_a_name_of_its_own() {
        for right in ["march", "trial_2", "user", "public_demo"] {
            assert_eq!(right.parse::<SandboxName>().map(|it| it.to_string()).as_deref(), Ok(right));
        }
        for malformed in ["", "2", "_a", "March", "a-b", "a b", "a\"b", "ä", &"a".repeat(41)] {
            let refused = malformed.parse::<SandboxName>();
            assert!(matches!(refused, Err(BadName::Malformed(_))), "{malformed}: {refused:?}");
        }
        for reserved in
            ["public", "information_schema", "pg_catalog", "pg_temp", "rebuild_progress", "verify_x", "live"]
        {
            let refused = reserved.parse::<SandboxName>();
            assert!(matches!(refused, Err(BadName::Reserved(_))), "{reserved}: {refused:?}");
        }
    }
}
