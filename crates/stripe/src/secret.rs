//! Text that is kept out of logs.

use std::fmt::{self, Debug, Formatter};

use serde::Deserialize;

/// A text that must not be logged: a key, or prose that may name a person. `Debug` shows nothing of it, and there is
/// no `Display`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for where it must go: a header, the customer's browser.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
