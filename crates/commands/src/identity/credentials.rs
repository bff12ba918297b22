//! The credential store: what identifies a person, kept out of the log so that it can be erased.

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// A person's credentials.
#[derive(Clone, FromRow)]
pub struct Credentials {
    /// The user.
    pub user_id: Uuid,
    /// Address as they gave it.
    pub email: String,
    /// What they want to be called.
    pub display_name: String,
    /// PHC string of argon2id.
    pub(crate) password_hash: String,
    /// When the address was taken.
    pub(crate) reserved_at: DateTime<Utc>,
}

/// The form in which addresses are compared.
pub(crate) fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

const COLUMNS: &str = "user_id, email, display_name, password_hash, reserved_at";

/// The credentials of an address.
pub(crate) async fn find_by_email(
    pool: &PgPool,
    tenant: &str,
    email: &str,
) -> Result<Option<Credentials>, sqlx::Error> {
    sqlx::query_as(&format!("SELECT {COLUMNS} FROM credentials WHERE tenant = $1 AND email_key = $2"))
        .bind(tenant)
        .bind(email_key(email))
        .fetch_optional(pool)
        .await
}

/// The credentials of a user.
///
/// # Errors
/// When the database cannot be reached.
pub async fn find(pool: &PgPool, tenant: &str, user_id: Uuid) -> Result<Option<Credentials>, sqlx::Error> {
    sqlx::query_as(&format!("SELECT {COLUMNS} FROM credentials WHERE tenant = $1 AND user_id = $2"))
        .bind(tenant)
        .bind(user_id)
        .fetch_optional(pool)
        .await
}

/// Takes an address for a user; `false` when it is taken.
pub(crate) async fn reserve(pool: &PgPool, tenant: &str, new: &Credentials) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query(
        "INSERT INTO credentials (user_id, tenant, email_key, email, display_name, password_hash, reserved_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(new.user_id)
    .bind(tenant)
    .bind(email_key(&new.email))
    .bind(&new.email)
    .bind(&new.display_name)
    .bind(&new.password_hash)
    .bind(new.reserved_at)
    .execute(pool)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Gives up an address that was taken at `reserved_at` but never registered with.
pub(crate) async fn release(pool: &PgPool, abandoned: &Credentials) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM credentials WHERE user_id = $1 AND reserved_at = $2")
        .bind(abandoned.user_id)
        .bind(abandoned.reserved_at)
        .execute(pool)
        .await?;
    Ok(())
}

/// Sets what a user wants to be called.
pub(crate) async fn rename(pool: &PgPool, user_id: Uuid, display_name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE credentials SET display_name = $2 WHERE user_id = $1")
        .bind(user_id)
        .bind(display_name)
        .execute(pool)
        .await?;
    Ok(())
}
