//! What was answered to a command, so that the same command gets the same answer.

use serde_json::Value;
use uuid::Uuid;

use crate::{EventLog, error::LogError};

/// A receipt to be written with its events.
#[derive(Clone, Debug)]
pub(crate) struct NewReceipt {
    pub(crate) tenant: String,
    pub(crate) command_id: Uuid,
    pub(crate) fingerprint: String,
    pub(crate) sequence: i64,
    /// JSON text.
    pub(crate) answer: String,
}

/// A stored receipt.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Receipt {
    pub(crate) fingerprint: String,
    pub(crate) position: i64,
    pub(crate) sequence: i64,
    pub(crate) answer: Value,
}

impl EventLog {
    pub(crate) async fn receipt(&self, tenant: &str, command_id: Uuid) -> Result<Option<Receipt>, LogError> {
        Ok(sqlx::query_as(
            "SELECT fingerprint, position, sequence, answer FROM command_receipts
             WHERE tenant = $1 AND command_id = $2",
        )
        .bind(tenant)
        .bind(command_id)
        .fetch_optional(&self.pool)
        .await?)
    }
}
