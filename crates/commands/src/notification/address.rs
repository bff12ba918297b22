//! Where a person is reached: the one place that looks it up, at the moment of sending.

use baeum_domain::ids::UserId;

use super::Error;
use crate::Commands;

/// What a person is called and where they are reached. It is never stored or logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// What they want to be called.
    pub display_name: String,
    /// Their e-mail address.
    pub email: String,
}

impl Commands {
    /// Where a user is reached; `None` for one who is unknown or was erased.
    ///
    /// # Errors
    /// When the credential store or the key service cannot be reached.
    pub async fn address_of(&self, tenant: &str, learner_id: UserId) -> Result<Option<Address>, Error> {
        let found = self.identity_of(tenant, learner_id).await?;
        Ok(found.map(|it| Address { display_name: it.display_name, email: it.email }))
    }
}
