//! Keys under which a request may be repeated.

use std::fmt::{self, Display, Formatter};

use crate::form::Invalid;

/// The most characters of a key (<https://docs.stripe.com/api/idempotent_requests>).
const LONGEST: usize = 255;

/// The name of one wish to change something, such as "the payment of invoice 7, second attempt".
///
/// Keep it before the request is sent first, and send it again with every repeat: the API then does the thing once and
/// repeats its first answer, for 24 hours. A new wish, such as another attempt after a decline, needs a new key. It may
/// be logged, so it must say nothing of a person.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// A key of 1 to 255 visible ASCII characters.
    ///
    /// # Errors
    /// When it is empty, longer, or has other characters.
    pub fn new(key: impl Into<String>) -> Result<Self, Invalid> {
        let key = key.into();
        let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > LONGEST || !visible {
            return Err(Invalid::IdempotencyKey);
        }
        Ok(Self(key))
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for IdempotencyKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
