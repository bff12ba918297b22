//! What is said about the weights beside them: which they are, how they were made, how good they are.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A text that the weights were trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Its licence.
    pub licence: String,
    /// Where it is found.
    pub address: String,
}

/// The manifest of the weights, `weights/error-detector.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What kind of model it is, as the folder of evaluators names it (`error-detector`, `encoder`), for those it can hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name and version of the model, as verdicts state it.
    pub model_id: String,
    /// SHA-256 of the weights file, lower-case hexadecimal.
    pub weights_sha256: String,
    /// The command that made the weights.
    pub training_command: String,
    /// The seed of the run.
    pub seed: u64,
    /// What it was trained on.
    pub data: Vec<Source>,
    /// Measured figures and their conditions.
    pub metrics: serde_json::Value,
}

/// SHA-256 of the bytes, lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
