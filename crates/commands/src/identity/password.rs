//! Hashing and checking passwords with argon2id, off the async threads.

use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use tokio::sync::Semaphore;

use super::Error;

/// Each hash takes 19 MiB and a core for some ten milliseconds: no more than these at once.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// Checks the length of a new password, in Unicode scalar values.
pub(super) fn check(password: &str) -> Result<(), Error> {
    match password.chars().count() {
        10..=128 => Ok(()),
        length => Err(Error::PasswordLength(length)),
    }
}

/// Hashes a password with a salt of 16 bytes, to a PHC string.
pub(super) async fn hash(password: String, salt: [u8; 16]) -> Result<String, Error> {
    blocking(move || hash_now(&password, &salt)).await
}

/// Whether the password is that of the hash; without a hash (nobody has the address) it takes as long and says no.
pub(super) async fn verify(password: String, hash: Option<String>) -> Result<bool, Error> {
    blocking(move || match hash {
        None => hash_now(&password, &[0; 16]).map(|_| false),
        Some(hash) => {
            let hash = PasswordHash::new(&hash).map_err(|error| Error::Hashing(error.to_string()))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        }
    })
    .await
}

fn hash_now(password: &str, salt: &[u8]) -> Result<String, Error> {
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), salt);
    hash.map(|it| it.to_string()).map_err(|error| Error::Hashing(error.to_string()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let _place = AT_ONCE.acquire().await.map_err(|error| Error::Hashing(error.to_string()))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Hashing(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_and_no_other_is_accepted() {
        let hashed = hash("correct horse battery".into(), [7; 16]).await.expect("hashed");
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse battery".into(), Some(hashed.clone())).await.expect("verified"));
        assert!(!verify("correct horse batterz".into(), Some(hashed)).await.expect("verified"));
    }

    #[tokio::test]
    async fn nobody_has_no_password() {
        assert!(!verify("correct horse battery".into(), None).await.expect("verified"));
    }
}
