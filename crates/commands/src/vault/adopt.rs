//! Bringing what is stored into the form of today: unwrapped keys are wrapped, credentials in clear are sealed, and after
//! a rotation keys are wrapped anew by the newest wrapping key. All of it can be stopped anywhere and done again.

use baeum_domain::{Sealed, ids::UserId};
use sqlx::{FromRow, types::Json};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Field, SecretKey, Vault, VaultError, context};
use crate::keys::{KeyError, WrappedKey};

/// How many rows are read at once.
const PAGE: i64 = 500;
/// What the digest of the check is made of.
const CHECK: &str = "baeum key service";

/// Why the key service of this process does not serve for this database.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The database was sealed with other keys.
    #[error(
        "the database was sealed with the keys of another key file: give the one that it was made with \
         (BAEUM_KEY_FILE), or nothing personal in it can be read again"
    )]
    OtherKeys,
    /// A person's key is wrapped by a key that the service does not have.
    #[error("keys of people are wrapped by '{0}', which the key file does not have: put it back into the file")]
    Missing(String),
    /// It could not be found out, or not be done.
    #[error("keys and credentials cannot be sealed: {0}")]
    Vault(#[from] VaultError),
}

impl From<sqlx::Error> for AdoptError {
    fn from(error: sqlx::Error) -> Self {
        Self::Vault(error.into())
    }
}

/// What was wrapped anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys that are now wrapped by the newest wrapping key.
    pub keys: u64,
}

/// Credentials in clear, from before.
#[derive(FromRow)]
struct ClearRow {
    user_id: Uuid,
    tenant: String,
    email: String,
    display_name: String,
}

impl Vault {
    /// Checks that the key service is the one of this database, then wraps and seals whatever still stands in clear. To
    /// be done by each process before it serves.
    ///
    /// # Errors
    /// Other keys than those of this database, or a database or key service that cannot be reached.
    pub async fn adopt(&self) -> Result<(), AdoptError> {
        let fingerprint = self.keys.digest(CHECK).await.map_err(VaultError::from)?;
        sqlx::query("INSERT INTO key_service (fingerprint) VALUES ($1) ON CONFLICT (only_row) DO NOTHING")
            .bind(fingerprint.as_slice())
            .execute(&self.pool)
            .await?;
        let stored: Vec<u8> = sqlx::query_scalar("SELECT fingerprint FROM key_service").fetch_one(&self.pool).await?;
        if stored != fingerprint {
            return Err(AdoptError::OtherKeys);
        }
        self.check_wrapping_keys().await?;
        let (keys, credentials) = (self.wrap_clear_keys().await?, self.seal_clear_credentials().await?);
        if keys + credentials > 0 {
            tracing::info!(keys, credentials, "keys were wrapped and credentials sealed that stood in clear");
            // What stood in clear is in the files until they are written anew. Somebody may be at work in them: it is
            // done with the next erasure at the latest.
            if let Err(error) = self.compact().await {
                tracing::warn!(%error, "the files of keys and credentials could not be written anew: `VACUUM FULL` them");
            }
        }
        Ok(())
    }

    /// Unwraps one key of each wrapping key that is in use.
    async fn check_wrapping_keys(&self) -> Result<(), AdoptError> {
        let samples: Vec<(Uuid, Uuid, Vec<u8>, String)> = sqlx::query_as(
            "SELECT DISTINCT ON (wrapping_key) subject_id, key_id, wrapped, wrapping_key FROM subject_keys
             WHERE wrapping_key IS NOT NULL ORDER BY wrapping_key",
        )
        .fetch_all(&self.pool)
        .await?;
        for (subject, key_id, bytes, wrapping_key) in samples {
            let wrapped = WrappedKey { wrapping_key, bytes };
            match self.keys.unwrap(&wrapped, &context(UserId(subject), key_id)).await {
                Ok(_) => {}
                Err(KeyError::Unknown(name)) => return Err(AdoptError::Missing(name)),
                Err(error) => return Err(VaultError::from(error).into()),
            }
        }
        Ok(())
    }

    async fn wrap_clear_keys(&self) -> Result<u64, VaultError> {
        let mut done = 0;
        loop {
            let rows: Vec<(Uuid, Uuid, Vec<u8>)> =
                sqlx::query_as("SELECT subject_id, key_id, key FROM subject_keys WHERE key IS NOT NULL LIMIT $1")
                    .bind(PAGE)
                    .fetch_all(&self.pool)
                    .await?;
            if rows.is_empty() {
                return Ok(done);
            }
            for (subject, key_id, key) in rows {
                let key = Zeroizing::new(key);
                let key: SecretKey =
                    Zeroizing::new(key.as_slice().try_into().map_err(|_| VaultError::Damaged(key_id))?);
                let wrapped = self.keys.wrap(&key, &context(UserId(subject), key_id)).await?;
                done += sqlx::query(
                    "UPDATE subject_keys SET key = NULL, wrapped = $2, wrapping_key = $3
                     WHERE subject_id = $1 AND key IS NOT NULL",
                )
                .bind(subject)
                .bind(&wrapped.bytes)
                .bind(&wrapped.wrapping_key)
                .execute(&self.pool)
                .await?
                .rows_affected();
            }
        }
    }

    async fn seal_clear_credentials(&self) -> Result<u64, VaultError> {
        let mut done = 0;
        loop {
            let rows: Vec<ClearRow> = sqlx::query_as(
                "SELECT user_id, tenant, email, display_name FROM credentials WHERE email IS NOT NULL LIMIT $1",
            )
            .bind(PAGE)
            .fetch_all(&self.pool)
            .await?;
            if rows.is_empty() {
                return Ok(done);
            }
            for ClearRow { user_id, tenant, email, display_name } in rows {
                let subject = UserId(user_id);
                let sealed_email: Sealed = self.seal(&tenant, subject, Field::Email, &email).await?;
                let sealed_name = self.seal(&tenant, subject, Field::DisplayName, &display_name).await?;
                done += sqlx::query(
                    "UPDATE credentials
                     SET email_key = NULL, email = NULL, display_name = NULL,
                         email_index = $2, sealed_email = $3, sealed_name = $4
                     WHERE user_id = $1 AND email IS NOT NULL",
                )
                .bind(user_id)
                .bind(self.email_index(&tenant, &email).await?.as_slice())
                .bind(Json(sealed_email))
                .bind(Json(sealed_name))
                .execute(&self.pool)
                .await?
                .rows_affected();
            }
        }
    }

    /// Wraps every key anew that was wrapped by another key than `newest`, so that the older ones can be given up.
    ///
    /// # Errors
    /// When the database or the key service cannot be reached.
    pub async fn rewrap(&self, newest: &str) -> Result<Rewrapped, VaultError> {
        let (mut keys, mut after) = (0, Uuid::nil());
        loop {
            let rows: Vec<(Uuid, Uuid, Vec<u8>, String)> = sqlx::query_as(
                "SELECT subject_id, key_id, wrapped, wrapping_key FROM subject_keys
                 WHERE wrapping_key <> $1 AND subject_id > $2 ORDER BY subject_id LIMIT $3",
            )
            .bind(newest)
            .bind(after)
            .bind(PAGE)
            .fetch_all(&self.pool)
            .await?;
            let Some((last, ..)) = rows.last() else { return Ok(Rewrapped { keys }) };
            after = *last;
            for (subject, key_id, bytes, wrapping_key) in rows {
                let context = context(UserId(subject), key_id);
                let before = WrappedKey { wrapping_key, bytes };
                let key = self.keys.unwrap(&before, &context).await?;
                let now = self.keys.wrap(&key, &context).await?;
                // One that was destroyed or wrapped anew meanwhile stays as it is.
                keys += sqlx::query(
                    "UPDATE subject_keys SET wrapped = $2, wrapping_key = $3 WHERE subject_id = $1 AND wrapped = $4",
                )
                .bind(subject)
                .bind(&now.bytes)
                .bind(&now.wrapping_key)
                .bind(&before.bytes)
                .execute(&self.pool)
                .await?
                .rows_affected();
            }
        }
    }

    /// How many keys of people each wrapping key has wrapped.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn wrapped_by(&self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        sqlx::query_as(
            "SELECT wrapping_key, count(*) FROM subject_keys WHERE wrapping_key IS NOT NULL
             GROUP BY wrapping_key ORDER BY wrapping_key",
        )
        .fetch_all(&self.pool)
        .await
    }
}
