//! The keys that tokens are signed with, shared by all processes through the database.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::Commands;

/// An Ed25519 key.
#[derive(Clone, FromRow)]
pub struct SigningKey {
    /// Its name in tokens and in the key set.
    pub kid: String,
    /// Its 32-byte seed. Never leaves the process.
    pub seed: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Commands {
    /// All signing keys, the newest first; the first is made when there is none.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, sqlx::Error> {
        let mut seed = [0_u8; 32];
        self.ports.entropy.fill(&mut seed);
        let pool = self.log.pool();
        // Of two processes that start at once, one makes the key.
        sqlx::query(
            "INSERT INTO signing_keys (kid, seed, created_at)
             SELECT 'ed25519-1', $1, $2 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)
             ON CONFLICT (kid) DO NOTHING",
        )
        .bind(seed.as_slice())
        .bind(self.clock().now())
        .execute(pool)
        .await?;
        sqlx::query_as("SELECT kid, seed, created_at FROM signing_keys ORDER BY created_at DESC, kid DESC")
            .fetch_all(pool)
            .await
    }
}
