//! The vault: personal text sealed under a key of its subject.
//!
//! XChaCha20-Poly1305 with a random 24-byte nonce; the subject's id is authenticated with the text, so that one
//! person's text cannot be passed off as another's. Whoever deletes the row of a subject's key has erased every text
//! that was sealed under it.

use std::sync::Arc;

use baeum_domain::{Clock, Entropy, Sealed, ids::UserId};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sqlx::PgPool;
use uuid::Uuid;

/// Why text could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database did not answer.
    #[error("the key store cannot be reached: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The text does not open under its key.
    #[error("a text sealed under key {0} cannot be opened: it was changed, or belongs to someone else")]
    Damaged(Uuid),
}

/// Seals and opens personal text.
#[derive(Clone)]
pub struct Vault {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Vault {
    /// A vault whose keys live in `pool`.
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { pool, clock, entropy }
    }

    /// Seals `text` for `subject`, making their key if they have none.
    ///
    /// # Errors
    /// When the key store cannot be reached.
    pub async fn seal(&self, subject: UserId, text: &str) -> Result<Sealed, VaultError> {
        let (key_id, key) = self.key_of(subject).await?;
        let mut nonce = [0; 24];
        self.entropy.fill(&mut nonce);
        let payload = Payload { msg: text.as_bytes(), aad: subject.0.as_bytes() };
        let ciphertext =
            cipher(&key, key_id)?.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Damaged(key_id))?;
        Ok(Sealed { key_id, nonce: BASE64.encode(nonce), ciphertext: BASE64.encode(ciphertext) })
    }

    /// Opens what was sealed for `subject`; `None` when its key was erased.
    ///
    /// # Errors
    /// When the key store cannot be reached, or the text does not open.
    pub async fn open(&self, subject: UserId, sealed: &Sealed) -> Result<Option<String>, VaultError> {
        let key: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT key FROM subject_keys WHERE key_id = $1 AND subject_id = $2")
                .bind(sealed.key_id)
                .bind(subject.0)
                .fetch_optional(&self.pool)
                .await?;
        let Some(key) = key else { return Ok(None) };
        let damaged = || VaultError::Damaged(sealed.key_id);
        let nonce: [u8; 24] =
            BASE64.decode(&sealed.nonce).ok().and_then(|it| it.try_into().ok()).ok_or_else(damaged)?;
        let ciphertext = BASE64.decode(&sealed.ciphertext).map_err(|_| damaged())?;
        let payload = Payload { msg: &ciphertext, aad: subject.0.as_bytes() };
        let text = cipher(&key, sealed.key_id)?.decrypt(&XNonce::from(nonce), payload).map_err(|_| damaged())?;
        String::from_utf8(text).map(Some).map_err(|_| damaged())
    }

    async fn key_of(&self, subject: UserId) -> Result<(Uuid, Vec<u8>), VaultError> {
        if let Some(found) = self.find_key(subject).await? {
            return Ok(found);
        }
        let mut key = [0_u8; 32];
        self.entropy.fill(&mut key);
        // Of two who make a key at once, the first wins and both use it.
        sqlx::query(
            "INSERT INTO subject_keys (subject_id, key_id, key, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (subject_id) DO NOTHING",
        )
        .bind(subject.0)
        .bind(self.clock.new_id())
        .bind(key.as_slice())
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        self.find_key(subject).await?.ok_or(VaultError::Unavailable(sqlx::Error::RowNotFound))
    }

    async fn find_key(&self, subject: UserId) -> Result<Option<(Uuid, Vec<u8>)>, sqlx::Error> {
        sqlx::query_as("SELECT key_id, key FROM subject_keys WHERE subject_id = $1")
            .bind(subject.0)
            .fetch_optional(&self.pool)
            .await
    }
}

fn cipher(key: &[u8], key_id: Uuid) -> Result<XChaCha20Poly1305, VaultError> {
    XChaCha20Poly1305::new_from_slice(key).map_err(|_| VaultError::Damaged(key_id))
}
