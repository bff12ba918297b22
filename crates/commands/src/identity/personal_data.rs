//! Everything that the log and the credential store hold of one person, readable.

use baeum_domain::{Recorded, Sealed, ids::UserId};
use baeum_eventlog::{ExecuteError, SubjectStream};
use serde_json::{Map, Value, json};

use super::{Error, credentials, credentials::Identity};
use crate::{
    Commands,
    vault::{Field, VaultError},
};

/// How many events are read at once.
const PAGE: i64 = 1_000;

/// A page of a person's events, with their texts opened.
pub struct EventPage {
    /// The events, in the order of the log.
    pub events: Vec<Recorded<Value>>,
    /// Go on after this position; `None` at the end.
    pub next_after: Option<i64>,
}

impl Commands {
    /// Who a user is; `None` once they were forgotten.
    ///
    /// # Errors
    /// When the store or the key service cannot be reached.
    pub async fn identity_of(&self, tenant: &str, user: UserId) -> Result<Option<Identity>, VaultError> {
        credentials::open(&self.vault, tenant, user).await
    }

    /// The events of a person's streams after a position, a page of them. What they wrote is opened.
    ///
    /// # Errors
    /// When the log, the key store or the key service cannot be reached.
    pub async fn personal_events(
        &self,
        tenant: &str,
        subject: UserId,
        streams: &[SubjectStream],
        after: i64,
    ) -> Result<EventPage, ExecuteError<Error>> {
        let mut events = self.log.read_streams(tenant, streams, after, PAGE).await?;
        for event in &mut events {
            self.open_texts(tenant, subject, &mut event.payload)
                .await
                .map_err(|error| ExecuteError::Refused(Error::Vault(error)))?;
        }
        let whole = i64::try_from(events.len()).is_ok_and(|count| count < PAGE);
        let next_after = events.last().map(|it| it.position).filter(|_| !whole);
        Ok(EventPage { events, next_after })
    }

    /// Opens every sealed text of `value`, however deep it stands.
    ///
    /// # Errors
    /// When the key store or the key service cannot be reached. A text that does not open says so in its place.
    pub async fn open_texts(&self, tenant: &str, subject: UserId, value: &mut Value) -> Result<(), VaultError> {
        let mut open: Vec<&mut Value> = vec![value];
        while let Some(next) = open.pop() {
            if let Some(sealed) = sealed(next) {
                *next = self.opened(tenant, subject, &sealed).await?;
                continue;
            }
            match next {
                Value::Object(members) => open.extend(members.values_mut()),
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        Ok(())
    }

    async fn opened(&self, tenant: &str, subject: UserId, sealed: &Sealed) -> Result<Value, VaultError> {
        // What a text is stands nowhere but in its own authentication.
        for field in Field::ALL {
            match self.vault.open(tenant, subject, field, sealed).await {
                Ok(text) => return Ok(text.map_or(json!({ "erased": true }), |text| json!({ "text": text }))),
                Err(VaultError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(json!({ "unreadable": sealed }))
    }
}

/// The sealed text that a value is.
fn sealed(value: &Value) -> Option<Sealed> {
    let members: &Map<String, Value> = value.as_object()?;
    let named = |name| members.get(name).is_some_and(Value::is_string);
    if members.len() != 3 || !["key_id", "nonce", "ciphertext"].into_iter().all(named) {
        return None;
    }
    serde_json::from_value(value.clone()).ok()
}
