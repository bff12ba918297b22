//! message-db: its `write_message`, from a checkout of its SQL that `MESSAGE_DB_DIR` points at.
//!
//! It writes only: nothing is loaded and nothing decided. Both messages of a command go in one statement.

use std::{fs, path::PathBuf};

use baeum_domain::DomainEvent as _;
use baeum_testing::new_id;
use futures::future::BoxFuture;
use serde_json::json;
use sqlx::PgPool;

use super::{Store, pool};
use crate::{
    Failure,
    drive::Client,
    workbook::{Desk, events},
};

/// Its files, in the order of its own install script.
const FILES: &[&str] = &[
    "schema/message-store",
    "extensions/pgcrypto",
    "tables/messages",
    "types/message",
    "functions/message-store-version",
    "functions/hash-64",
    "functions/acquire-lock",
    "functions/category",
    "functions/is-category",
    "functions/id",
    "functions/cardinal-id",
    "functions/stream-version",
    "functions/write-message",
    "indexes/messages-id",
    "indexes/messages-stream",
    "indexes/messages-category",
];

/// A message store.
pub(crate) struct MessageDb(PgPool);

/// The folder of its SQL, where `MESSAGE_DB_DIR` names one.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("MESSAGE_DB_DIR")?);
    Some(if folder.join("database").is_dir() { folder.join("database") } else { folder })
}

impl MessageDb {
    /// Installs it from `folder` and opens it.
    pub(crate) async fn open(url: &str, connections: u32, folder: PathBuf) -> Result<Self, Failure> {
        let pool = pool(url, "message_store,public", connections).await?;
        for file in FILES {
            let path = folder.join(file).with_extension("sql");
            let sql = fs::read_to_string(&path)
                .map_err(|error| format!("MESSAGE_DB_DIR has no {}: {error}", path.display()))?;
            sqlx::raw_sql(&sql).execute(&pool).await?;
        }
        Ok(Self(pool))
    }
}

impl Store for MessageDb {
    fn client(&self, index: usize) -> Box<dyn Client> {
        Box::new(WritingClient { pool: self.0.clone(), desk: Desk::new(index) })
    }
}

struct WritingClient {
    pool: PgPool,
    desk: Desk,
}

impl Client for WritingClient {
    fn call(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        let command = self.desk.next();
        Box::pin(async move {
            let stream = format!("workbook-{}", command.workbook_id);
            let metadata = json!({ "correlation_id": new_id(), "causation_id": new_id(), "actor": "learner" });
            let [answered, marked] = events(command.workbook_id, command.ordinal);
            let version = i64::from(command.ordinal) * 2 - 3;
            sqlx::query(
                "SELECT write_message($1, $2, $3, $4::jsonb, $9::jsonb, $5),
                        write_message($6, $2, $7, $8::jsonb, $9::jsonb, $5 + 1)",
            )
            .bind(new_id().to_string())
            .bind(stream)
            .bind(answered.event_type())
            .bind(serde_json::to_value(&answered)?)
            .bind(version)
            .bind(new_id().to_string())
            .bind(marked.event_type())
            .bind(serde_json::to_value(&marked)?)
            .bind(metadata)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
    }
}
