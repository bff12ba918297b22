//! Personal text as it may stand in an event: encrypted under a key of its subject.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Text encrypted under its subject's key. Without the key it says nothing, so that erasing the key erases the text
/// from a log that can never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sealed {
    /// Which key opens it.
    pub key_id: Uuid,
    /// 24-byte nonce of XChaCha20-Poly1305, base64.
    pub nonce: String,
    /// Ciphertext and tag, base64.
    pub ciphertext: String,
}
