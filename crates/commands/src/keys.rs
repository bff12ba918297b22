//! The key service: what wraps the keys of people, and makes the digests by which their addresses are found.
//!
//! Each person has a data key, under which their texts are sealed ([`crate::vault`]). Data keys stand in the database only
//! as the key service has wrapped them, so that who has the database alone can read nobody (envelope encryption). The
//! service keeps several wrapping keys: the newest wraps, all unwrap, so that keys can be replaced while everything goes on.

use std::sync::Arc;

use baeum_domain::Entropy;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use futures::future::BoxFuture;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A key of 32 bytes, wiped from memory when it is dropped.
pub type SecretKey = Zeroizing<[u8; 32]>;

/// Bytes of the nonce that stands before a wrapped key.
const NONCE: usize = 24;

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// The name of the wrapping key.
    pub wrapping_key: String,
    /// What the service made of the data key; only the service knows its form.
    pub bytes: Vec<u8>,
}

/// Why the key service gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It cannot be reached at the moment.
    #[error("the key service cannot be reached: {0}")]
    Unavailable(String),
    /// A key is wrapped by one that it does not have.
    #[error("the key service has no wrapping key '{0}': give back the key file that has it")]
    Unknown(String),
    /// A wrapped key does not unwrap.
    #[error("a key that '{0}' wrapped cannot be unwrapped: it was changed, or is somebody else's")]
    Damaged(String),
}

/// Wraps and unwraps data keys. It may be another machine, so each answer is waited for and may fail.
pub trait KeyService: Send + Sync {
    /// Wraps a data key by the newest wrapping key. It unwraps with the same `context` only.
    fn wrap<'a>(&'a self, key: &'a SecretKey, context: &'a [u8]) -> BoxFuture<'a, Result<WrappedKey, KeyError>>;

    /// Unwraps a data key.
    fn unwrap<'a>(&'a self, wrapped: &'a WrappedKey, context: &'a [u8]) -> BoxFuture<'a, Result<SecretKey, KeyError>>;

    /// A digest (HMAC-SHA-256) of a text under a key that never changes: equal for equal texts, and nobody without the
    /// key can tell which text it is.
    fn digest<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<[u8; 32], KeyError>>;
}

/// Wrapping keys in the memory of this process.
pub struct KeyRing {
    /// Name and key, the newest first.
    wrapping: Vec<(String, SecretKey)>,
    digesting: SecretKey,
    entropy: Arc<dyn Entropy>,
}

impl KeyRing {
    /// The keys by their names, the newest first, and the one for digests. There must be at least one.
    pub fn new(wrapping: Vec<(String, SecretKey)>, digesting: SecretKey, entropy: Arc<dyn Entropy>) -> Self {
        assert!(!wrapping.is_empty(), "a ring has a wrapping key");
        Self { wrapping, digesting, entropy }
    }

    /// The names of the wrapping keys, the newest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.wrapping.iter().map(|(name, _)| name.as_str())
    }

    /// As [`KeyService::wrap`], at once.
    ///
    /// # Errors
    /// None that could happen: the cipher takes any key of 32 bytes.
    pub fn wrap_now(&self, key: &SecretKey, context: &[u8]) -> Result<WrappedKey, KeyError> {
        let (name, wrapping) = self.wrapping.first().expect("a ring has a wrapping key");
        let mut nonce = [0; NONCE];
        self.entropy.fill(&mut nonce);
        let payload = Payload { msg: key.as_slice(), aad: context };
        let sealed = cipher(wrapping).encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| KeyError::Damaged(name.clone()))?;
        Ok(WrappedKey { wrapping_key: name.clone(), bytes: [&nonce[..], &sealed].concat() })
    }

    /// As [`KeyService::unwrap`], at once.
    ///
    /// # Errors
    /// An unknown wrapping key, or bytes that are not what it wrapped in this context.
    pub fn unwrap_now(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<SecretKey, KeyError> {
        let named = self.wrapping.iter().find(|(name, _)| *name == wrapped.wrapping_key);
        let (_, wrapping) = named.ok_or_else(|| KeyError::Unknown(wrapped.wrapping_key.clone()))?;
        let damaged = || KeyError::Damaged(wrapped.wrapping_key.clone());
        let (nonce, sealed) = wrapped.bytes.split_at_checked(NONCE).ok_or_else(damaged)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| damaged())?;
        let payload = Payload { msg: sealed, aad: context };
        let opened = cipher(wrapping).decrypt(&XNonce::from(nonce), payload).map_err(|_| damaged())?;
        let opened = Zeroizing::new(opened);
        Ok(Zeroizing::new(opened.as_slice().try_into().map_err(|_| damaged())?))
    }

    /// As [`KeyService::digest`], at once.
    pub fn digest_now(&self, text: &str) -> [u8; 32] {
        let mut digest =
            Hmac::<Sha256>::new_from_slice(self.digesting.as_slice()).expect("HMAC takes a key of any length");
        digest.update(text.as_bytes());
        digest.finalize().into_bytes().into()
    }
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(key.as_slice()).expect("the key has 32 bytes")
}

impl KeyService for KeyRing {
    fn wrap<'a>(&'a self, key: &'a SecretKey, context: &'a [u8]) -> BoxFuture<'a, Result<WrappedKey, KeyError>> {
        Box::pin(std::future::ready(self.wrap_now(key, context)))
    }

    fn unwrap<'a>(&'a self, wrapped: &'a WrappedKey, context: &'a [u8]) -> BoxFuture<'a, Result<SecretKey, KeyError>> {
        Box::pin(std::future::ready(self.unwrap_now(wrapped, context)))
    }

    fn digest<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<[u8; 32], KeyError>> {
        Box::pin(std::future::ready(Ok(self.digest_now(text))))
    }
}

#[cfg(test)]
mod tests {
    use baeum_testing::TestEntropy;

    use super::*;

    fn ring(names: &[(&str, u8)], digesting: u8) -> KeyRing {
        let key = |byte| Zeroizing::new([byte; 32]);
        let wrapping = names.iter().map(|(name, byte)| ((*name).to_owned(), key(*byte))).collect();
        KeyRing::new(wrapping, key(digesting), Arc::new(TestEntropy::default()))
    }

    #[test]
    fn a_key_unwraps_in_its_context_only() {
        let (ring, key) = (ring(&[("a", 1)], 9), Zeroizing::new([7; 32]));
        let wrapped = ring.wrap_now(&key, b"mina").expect("wrapped");
        assert_eq!(ring.unwrap_now(&wrapped, b"mina").expect("unwrapped"), key);
        assert_eq!(ring.unwrap_now(&wrapped, b"jun"), Err(KeyError::Damaged("a".into())));
        let holds = |bytes: &[u8]| bytes.windows(8).any(|it| it == [7; 8]);
        assert!(!holds(&wrapped.bytes), "the key shows");
        let cut = WrappedKey { bytes: wrapped.bytes[..10].to_vec(), ..wrapped };
        assert_eq!(ring.unwrap_now(&cut, b"mina"), Err(KeyError::Damaged("a".into())));
    }

    #[test]
    fn after_a_rotation_the_new_key_wraps_and_both_unwrap() {
        let (before, after) = (ring(&[("a", 1)], 9), ring(&[("b", 2), ("a", 1)], 9));
        let key = Zeroizing::new([7; 32]);
        let old = before.wrap_now(&key, b"mina").expect("wrapped");
        let new = after.wrap_now(&key, b"mina").expect("wrapped");
        assert_eq!(new.wrapping_key, "b");
        assert_eq!(after.unwrap_now(&old, b"mina").expect("unwrapped"), key);
        assert_eq!(before.unwrap_now(&new, b"mina"), Err(KeyError::Unknown("b".into())));
    }

    #[test]
    fn a_digest_depends_on_the_text_and_the_key_and_on_nothing_else() {
        let one = ring(&[("a", 1)], 9);
        assert_eq!(one.digest_now("mina@example.org"), ring(&[("b", 2)], 9).digest_now("mina@example.org"));
        assert_ne!(one.digest_now("mina@example.org"), ring(&[("a", 1)], 8).digest_now("mina@example.org"));
        assert_ne!(one.digest_now("mina@example.org"), one.digest_now("mino@example.org"));
    }
}
