//! The credential store: what identifies a person, kept out of the log so that it can be erased, and sealed under their
//! key. An address is found by a keyed digest of it.

use baeum_domain::{Sealed, ids::UserId};
use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgPool, types::Json};
use uuid::Uuid;

use super::Error;
use crate::vault::{Field, Vault, VaultError};

/// Who a person is.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Address as they gave it.
    pub email: String,
    /// What they want to be called.
    pub display_name: String,
}

/// Who has an address.
#[derive(Clone, FromRow)]
pub(crate) struct Holder {
    /// The user.
    pub(crate) user_id: Uuid,
    /// PHC string of argon2id.
    pub(crate) password_hash: String,
    /// When the address was taken.
    pub(crate) reserved_at: DateTime<Utc>,
}

/// What someone registers with.
pub(crate) struct NewCredentials<'a> {
    pub(crate) user_id: UserId,
    pub(crate) email: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) password_hash: String,
    pub(crate) reserved_at: DateTime<Utc>,
}

/// Who has this address.
pub(crate) async fn find_by_email(vault: &Vault, tenant: &str, email: &str) -> Result<Option<Holder>, Error> {
    let index = vault.email_index(tenant, email).await?;
    let found = sqlx::query_as(
        "SELECT user_id, password_hash, reserved_at FROM credentials WHERE tenant = $1 AND email_index = $2",
    )
    .bind(tenant)
    .bind(index.as_slice())
    .fetch_optional(vault.pool())
    .await?;
    Ok(found)
}

/// The hash of a user's password.
pub(crate) async fn password_hash(pool: &PgPool, tenant: &str, user: UserId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT password_hash FROM credentials WHERE tenant = $1 AND user_id = $2")
        .bind(tenant)
        .bind(user.0)
        .fetch_optional(pool)
        .await
}

/// Who a user is; `None` once they were forgotten.
///
/// # Errors
/// When the store or the key service cannot be reached.
pub(crate) async fn open(vault: &Vault, tenant: &str, user: UserId) -> Result<Option<Identity>, VaultError> {
    let row: Option<(Json<Sealed>, Json<Sealed>)> =
        sqlx::query_as("SELECT sealed_email, sealed_name FROM credentials WHERE tenant = $1 AND user_id = $2")
            .bind(tenant)
            .bind(user.0)
            .fetch_optional(vault.pool())
            .await?;
    let Some((Json(email), Json(name))) = row else { return Ok(None) };
    let email = vault.open(tenant, user, Field::Email, &email).await?;
    let display_name = vault.open(tenant, user, Field::DisplayName, &name).await?;
    Ok(email.zip(display_name).map(|(email, display_name)| Identity { email, display_name }))
}

/// Takes an address for a user; `false` when it is taken.
pub(crate) async fn reserve(vault: &Vault, tenant: &str, new: &NewCredentials<'_>) -> Result<bool, Error> {
    let index = vault.email_index(tenant, new.email).await?;
    let email = vault.seal(tenant, new.user_id, Field::Email, new.email).await?;
    let name = vault.seal(tenant, new.user_id, Field::DisplayName, new.display_name).await?;
    let taken = sqlx::query(
        "INSERT INTO credentials (user_id, tenant, email_index, sealed_email, sealed_name, password_hash, reserved_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(new.user_id.0)
    .bind(tenant)
    .bind(index.as_slice())
    .bind(Json(email))
    .bind(Json(name))
    .bind(&new.password_hash)
    .bind(new.reserved_at)
    .execute(vault.pool())
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Gives up an address that was taken at `reserved_at` but never registered with.
pub(crate) async fn release(pool: &PgPool, abandoned: &Holder) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM credentials WHERE user_id = $1 AND reserved_at = $2")
        .bind(abandoned.user_id)
        .bind(abandoned.reserved_at)
        .execute(pool)
        .await?;
    Ok(())
}

/// Sets what a user wants to be called.
pub(crate) async fn rename(vault: &Vault, tenant: &str, user: UserId, display_name: &str) -> Result<(), Error> {
    let name = vault.seal(tenant, user, Field::DisplayName, display_name).await?;
    sqlx::query("UPDATE credentials SET sealed_name = $2 WHERE user_id = $1")
        .bind(user.0)
        .bind(Json(name))
        .execute(vault.pool())
        .await?;
    Ok(())
}

/// Removes what identifies a user. Their address can be registered with again, by a new user.
pub(crate) async fn remove(db: &mut PgConnection, user: UserId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM credentials WHERE user_id = $1").bind(user.0).execute(db).await?;
    Ok(())
}
