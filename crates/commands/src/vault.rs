//! The vault: personal text sealed under a key of its subject.
//!
//! XChaCha20-Poly1305 with a random 24-byte nonce. What a text is (tenant, person, field) is authenticated with it, so
//! that no text can be passed off as another's or as another thing. The key of a person stands in `subject_keys` as the
//! [key service](crate::keys) has wrapped it; it is unwrapped for each use and kept nowhere. Whoever destroys it has
//! erased every text that was sealed under it, in a log that never changes, and in every copy of that log.

mod adopt;

use std::sync::Arc;

use baeum_domain::{Clock, Entropy, Sealed, ids::UserId};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use sqlx::{FromRow, PgConnection, PgPool};
use uuid::Uuid;
use zeroize::Zeroizing;

pub use self::adopt::{AdoptError, Rewrapped};
use crate::{
    keys::{KeyError, KeyService, SecretKey, WrappedKey},
    refusal::{Refusal, RefusalKind},
};

/// The tables whose files hold keys and sealed credentials; after an erasure they are written anew.
const TABLES: [&str; 2] = ["subject_keys", "credentials"];

/// What a sealed text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// An answer to a task.
    Answer,
    /// The verdict on every word and sound of a recording.
    Pronunciation,
    /// An e-mail address.
    Email,
    /// What a person wants to be called.
    DisplayName,
    /// Where a webhook goes.
    WebhookUrl,
    /// What a webhook is signed with.
    WebhookSecret,
    /// Where their kits go.
    Address,
    /// The carrier's name of a shipment to them.
    Shipment,
}

impl Field {
    /// Every field that is sealed for a person.
    pub const ALL: [Self; 6] =
        [Self::Answer, Self::Pronunciation, Self::Email, Self::DisplayName, Self::Address, Self::Shipment];

    /// Its name in what is authenticated. Never changes.
    fn name(self) -> &'static str {
        match self {
            Self::Answer => "lesson.answer",
            Self::Pronunciation => "lesson.pronunciation",
            Self::Email => "credentials.email",
            Self::DisplayName => "credentials.display_name",
            Self::WebhookUrl => "webhook.url",
            Self::WebhookSecret => "webhook.secret",
            Self::Address => "kit.address",
            Self::Shipment => "kit.shipment",
        }
    }
}

/// Why text could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The database did not answer.
    #[error("the key store cannot be reached: {0}")]
    Unavailable(#[from] sqlx::Error),
    /// The key service did not answer, or has not the key.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The text does not open under its key.
    #[error("a text sealed under key {0} cannot be opened: it was changed, or belongs to someone else")]
    Damaged(Uuid),
    /// The person was forgotten: nothing is sealed for them any more.
    #[error("user {0} was erased: nothing can be kept for them")]
    Erased(UserId),
}

impl Refusal for VaultError {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Erased(_) => RefusalKind::Gone,
            Self::Unavailable(_) | Self::Keys(_) | Self::Damaged(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Erased(_) => "subject-erased",
            Self::Unavailable(_) | Self::Keys(_) | Self::Damaged(_) => "key-store-unavailable",
        }
    }
}

/// Seals and opens personal text.
#[derive(Clone)]
pub struct Vault {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    keys: Arc<dyn KeyService>,
}

/// A row of `subject_keys`.
#[derive(FromRow)]
struct KeyRow {
    key_id: Uuid,
    key: Option<Vec<u8>>,
    wrapped: Option<Vec<u8>>,
    wrapping_key: Option<String>,
}

impl Vault {
    /// A vault whose keys live in `pool`, wrapped by `keys`.
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, keys: Arc<dyn KeyService>) -> Self {
        Self { pool, clock, entropy, keys }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Seals `text` for `subject`, making their key if they never had one.
    ///
    /// # Errors
    /// When the key store or the key service cannot be reached, or the person was forgotten.
    pub async fn seal(&self, tenant: &str, subject: UserId, field: Field, text: &str) -> Result<Sealed, VaultError> {
        let (key_id, key) = match self.find_key(subject).await? {
            Some(found) => found,
            None => self.make_key(subject).await?,
        };
        let mut nonce = [0; 24];
        self.entropy.fill(&mut nonce);
        let payload = Payload { msg: text.as_bytes(), aad: &authenticated(tenant, subject, field) };
        let ciphertext =
            cipher(&key).encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Damaged(key_id))?;
        Ok(Sealed { key_id, nonce: BASE64.encode(nonce), ciphertext: BASE64.encode(ciphertext) })
    }

    /// Opens what was sealed for `subject`; `None` when its key was destroyed.
    ///
    /// # Errors
    /// When the key store or the key service cannot be reached, or the text does not open.
    pub async fn open(
        &self,
        tenant: &str,
        subject: UserId,
        field: Field,
        sealed: &Sealed,
    ) -> Result<Option<String>, VaultError> {
        let (key_id, key) = match self.find_key(subject).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(VaultError::Erased(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if key_id != sealed.key_id {
            return Ok(None);
        }
        let damaged = || VaultError::Damaged(key_id);
        let nonce: [u8; 24] =
            BASE64.decode(&sealed.nonce).ok().and_then(|it| it.try_into().ok()).ok_or_else(damaged)?;
        let ciphertext = BASE64.decode(&sealed.ciphertext).map_err(|_| damaged())?;
        let open = |aad: &[u8]| cipher(&key).decrypt(&XNonce::from(nonce), Payload { msg: &ciphertext, aad });
        let text = match open(&authenticated(tenant, subject, field)) {
            Ok(text) => text,
            // Answers of the first builds name only their person. Nothing is sealed so any more.
            Err(_) if field == Field::Answer => open(subject.0.as_bytes()).map_err(|_| damaged())?,
            Err(_) => return Err(damaged()),
        };
        String::from_utf8(text).map(Some).map_err(|_| damaged())
    }

    /// Destroys the key of a person: whatever was sealed under it opens no more, and nothing is sealed for them again.
    /// To be called within a transaction; repeated, it does nothing more.
    pub(crate) async fn destroy(&self, db: &mut PgConnection, subject: UserId) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO subject_keys (subject_id, key_id, created_at, erased_at) VALUES ($1, $2, $3, $3)
             ON CONFLICT (subject_id) DO UPDATE
             SET key = NULL, wrapped = NULL, wrapping_key = NULL,
                 erased_at = coalesce(subject_keys.erased_at, excluded.erased_at)",
        )
        .bind(subject.0)
        .bind(self.clock.new_id())
        .bind(self.clock.now())
        .execute(db)
        .await?;
        Ok(())
    }

    /// The keys of a person that are not destroyed.
    pub(crate) async fn key_ids(&self, subject: UserId) -> Result<Vec<Uuid>, sqlx::Error> {
        sqlx::query_scalar("SELECT key_id FROM subject_keys WHERE subject_id = $1 AND erased_at IS NULL")
            .bind(subject.0)
            .fetch_all(&self.pool)
            .await
    }

    /// Writes the files of keys and credentials anew, so that none of the bytes of destroyed ones is left in them.
    ///
    /// # Errors
    /// When the database cannot be reached, or somebody else holds a table for longer than two seconds.
    pub async fn compact(&self) -> Result<(), sqlx::Error> {
        baeum_eventlog::vacuum(&self.pool, &TABLES, true).await
    }

    /// The digest by which an address is found.
    pub(crate) async fn email_index(&self, tenant: &str, email: &str) -> Result<[u8; 32], VaultError> {
        // Addresses are compared without outer space and in lower case.
        let text = ["email", tenant, &email.trim().to_lowercase()].join("\u{1f}");
        Ok(self.keys.digest(&text).await?)
    }

    async fn make_key(&self, subject: UserId) -> Result<(Uuid, SecretKey), VaultError> {
        let key_id = self.clock.new_id();
        let mut key = SecretKey::default();
        self.entropy.fill(key.as_mut_slice());
        let wrapped = self.keys.wrap(&key, &context(subject, key_id)).await?;
        // Of two who make a key at once, the first wins and both use it.
        sqlx::query(
            "INSERT INTO subject_keys (subject_id, key_id, wrapped, wrapping_key, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (subject_id) DO NOTHING",
        )
        .bind(subject.0)
        .bind(key_id)
        .bind(&wrapped.bytes)
        .bind(&wrapped.wrapping_key)
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        self.find_key(subject).await?.ok_or(VaultError::Unavailable(sqlx::Error::RowNotFound))
    }

    /// The key of a person, if they have one.
    async fn find_key(&self, subject: UserId) -> Result<Option<(Uuid, SecretKey)>, VaultError> {
        let row: Option<KeyRow> =
            sqlx::query_as("SELECT key_id, key, wrapped, wrapping_key FROM subject_keys WHERE subject_id = $1")
                .bind(subject.0)
                .fetch_optional(&self.pool)
                .await?;
        let Some(KeyRow { key_id, key, wrapped, wrapping_key }) = row else { return Ok(None) };
        let key = match (key.map(Zeroizing::new), wrapped.zip(wrapping_key)) {
            (_, Some((bytes, wrapping_key))) => {
                self.keys.unwrap(&WrappedKey { wrapping_key, bytes }, &context(subject, key_id)).await?
            }
            // From before the key service: it is wrapped at the next start.
            (Some(key), None) => Zeroizing::new(key.as_slice().try_into().map_err(|_| VaultError::Damaged(key_id))?),
            (None, None) => return Err(VaultError::Erased(subject)),
        };
        Ok(Some((key_id, key)))
    }
}

/// What is authenticated with a wrapped key: it is nobody else's.
fn context(subject: UserId, key_id: Uuid) -> Vec<u8> {
    [&b"baeum subject key\x1f"[..], subject.0.as_bytes(), key_id.as_bytes()].concat()
}

/// What is authenticated with a text: what it is.
fn authenticated(tenant: &str, subject: UserId, field: Field) -> Vec<u8> {
    ["baeum sealed text", tenant, &subject.to_string(), field.name()].join("\u{1f}").into_bytes()
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(key.as_slice()).expect("the key has 32 bytes")
}

#[cfg(test)]
mod tests;
