//! An event as the bytes that are hashed.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Hash;

/// The largest integer that RFC 8785 writes exactly.
const EXACT: i64 = (1 << 53) - 1;

/// An event: each column of the log, as text.
///
/// Its canonical bytes are its RFC 8785 form: one JSON object, members in the order of their names, no space. `payload`
/// and `metadata` are strings that hold the stored JSON text as it is, byte for byte: a parser between the stored text
/// and the hash could only lose something (integers beyond 2^53, doubled members, 1.0 and 1, lone surrogates). All that
/// is left is strings and two integers within ±(2^53 − 1), which every JSON library writes alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
// In the order of their names: that is what makes the derived form canonical.
pub struct EventRecord<'a> {
    /// Who caused it.
    #[serde(borrow)]
    pub actor: Cow<'a, str>,
    /// Id of the aggregate.
    #[serde(borrow)]
    pub aggregate_id: Cow<'a, str>,
    /// Type of the aggregate.
    #[serde(borrow)]
    pub aggregate_type: Cow<'a, str>,
    /// The command or event that led to it: a UUID in lower case.
    #[serde(borrow)]
    pub causation_id: Cow<'a, str>,
    /// What ties the consequences of one outside request together: a UUID in lower case.
    #[serde(borrow)]
    pub correlation_id: Cow<'a, str>,
    /// Id of the event: a UUID in lower case.
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    /// Name of the event.
    #[serde(borrow)]
    pub event_type: Cow<'a, str>,
    /// Version of the payload, as stored.
    #[serde(borrow)]
    pub event_version: Cow<'a, str>,
    /// Place in the log: shard and number.
    pub global_position: i64,
    /// The stored JSON text.
    #[serde(borrow)]
    pub metadata: Cow<'a, str>,
    /// The stored JSON text.
    #[serde(borrow)]
    pub payload: Cow<'a, str>,
    /// When it was appended: RFC 3339 in UTC with six digits after the second, and `Z`.
    #[serde(borrow)]
    pub recorded_at: Cow<'a, str>,
    /// Place in the aggregate's own stream.
    pub sequence: i64,
    /// Whose log.
    #[serde(borrow)]
    pub tenant: Cow<'a, str>,
}

/// Why an event has no canonical bytes, or bytes are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// An integer that JSON cannot carry exactly.
    #[error("{column} is {value}, which JSON does not carry exactly: the log never writes such a number")]
    Inexact {
        /// Which.
        column: &'static str,
        /// What it is.
        value: i64,
    },
    /// A text that is no event.
    #[error("it cannot be read as an event: {0}")]
    Unreadable(String),
    /// A text that says an event in another way than the canonical one.
    #[error("it is not in canonical form (RFC 8785)")]
    NotCanonical,
}

impl<'a> EventRecord<'a> {
    /// Its canonical bytes.
    ///
    /// # Errors
    /// When a number cannot be written exactly.
    pub fn canonical(&self) -> Result<String, RecordError> {
        for (column, value) in [("global_position", self.global_position), ("sequence", self.sequence)] {
            if !(-EXACT..=EXACT).contains(&value) {
                return Err(RecordError::Inexact { column, value });
            }
        }
        serde_json::to_string(self).map_err(|error| RecordError::Unreadable(error.to_string()))
    }

    /// Reads canonical bytes, and nothing else.
    ///
    /// # Errors
    /// When they are no event, or not canonical.
    pub fn read(canonical: &'a str) -> Result<Self, RecordError> {
        let record: Self =
            serde_json::from_str(canonical).map_err(|error| RecordError::Unreadable(error.to_string()))?;
        if record.canonical()? == canonical { Ok(record) } else { Err(RecordError::NotCanonical) }
    }

    /// The entry of the tree for an event of these canonical bytes: their SHA-256.
    ///
    /// So an entry has 32 bytes however large the event is, and those who may see one tenant's events only can still be
    /// given every entry of the log.
    pub fn entry(canonical: &str) -> [u8; 32] {
        Sha256::digest(canonical).into()
    }

    /// The hash of the leaf for an event of these canonical bytes.
    pub fn leaf(canonical: &str) -> Hash {
        Hash::of_leaf(&Self::entry(canonical))
    }
}
