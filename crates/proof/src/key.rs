//! Keys that sign checkpoints: Ed25519, named by the origin of the log (C2SP `signed-note`).

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{
    Signature, Signer as _, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};
use sha2::{Digest as _, Sha256};

/// The byte that stands for Ed25519 before a key.
const ED25519: u8 = 1;

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A private key.
    #[error("it is no private key: give PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it")]
    Private,
    /// A verifier key.
    #[error("'{0}' is no verifier key: give <name>+<8 hexadecimal digits>+<base64>, as `baeum audit key` prints it")]
    Verifier(String),
    /// Its id is not that of its bytes.
    #[error("the verifier key of '{0}' has another id than its bytes give: it was changed or cut")]
    Id(String),
    /// A name that no key can have.
    #[error("'{0}' is no name of a key: use no spaces and no '+'")]
    Name(String),
}

/// The key that signs for one origin. It has no debug form, which would show it.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    verifier: VerifierKey,
}

impl Signer {
    /// The key in this PEM (PKCS #8), signing as `name`.
    ///
    /// # Errors
    /// When the text is no such key, or the name cannot be one.
    pub fn from_pem(pem: &str, name: &str) -> Result<Self, KeyError> {
        Self::of(SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyError::Private)?, name)
    }

    /// The key of this seed, signing as `name`.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn from_seed(seed: &[u8; 32], name: &str) -> Result<Self, KeyError> {
        Self::of(SigningKey::from_bytes(seed), name)
    }

    fn of(key: SigningKey, name: &str) -> Result<Self, KeyError> {
        let verifier = VerifierKey::new(name, key.verifying_key())?;
        Ok(Self { key, verifier })
    }

    /// The PEM (PKCS #8) of the key of this seed: a secret.
    ///
    /// # Errors
    /// When it cannot be written, which is not expected.
    pub fn pem(seed: &[u8; 32]) -> Result<String, KeyError> {
        let pem = SigningKey::from_bytes(seed).to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Private)?;
        Ok(pem.as_str().to_owned())
    }

    /// What verifies its signatures.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

/// What verifies signatures: `<name>+<id>+<base64>`. It is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Result<Self, KeyError> {
        if name.is_empty() || name.contains(|it: char| it.is_whitespace() || it == '+' || it.is_control()) {
            return Err(KeyError::Name(name.to_owned()));
        }
        let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes());
        let digest = digest.finalize();
        Ok(Self { name: name.to_owned(), id: [digest[0], digest[1], digest[2], digest[3]], key })
    }

    /// Its name, which is the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id, which stands before each signature.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(text, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), BASE64_STANDARD.encode(bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError::Verifier(text.chars().take(80).collect());
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let id = u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 8).ok_or_else(wrong)?;
        let bytes = BASE64_STANDARD.decode(key).map_err(|_| wrong())?;
        let bytes: [u8; 32] = bytes.strip_prefix(&[ED25519]).and_then(|it| it.try_into().ok()).ok_or_else(wrong)?;
        let key = Self::new(name, VerifyingKey::from_bytes(&bytes).map_err(|_| wrong())?)?;
        if key.id == id.to_be_bytes() { Ok(key) } else { Err(KeyError::Id(name.to_owned())) }
    }
}
