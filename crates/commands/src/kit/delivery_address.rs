//! Where the caller's kits go: sealed before it is kept.

use baeum_domain::{
    ids::UserId,
    kit::address::{Address, Command, DeliveryAddress},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::Error;
use crate::{
    Commands, Request,
    vault::{Field, VaultError},
};

impl Commands {
    /// Has the caller's kits go to this address.
    ///
    /// # Errors
    /// A line that cannot be, a caller who was forgotten, a failing key store or log.
    pub async fn set_delivery_address(
        &self,
        request: &Request,
        address: &Address,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        address.check().map_err(|(line, error)| ExecuteError::Refused(Error::AddressLine(line, error)))?;
        let text = serde_json::to_string(address).expect("an address is JSON");
        let context = request.context(self.clock());
        // Sealing leaves traces: a key is made for whoever has none.
        if let Some(outcome) = self.log.recall(&context).await? {
            return Ok(outcome);
        }
        let learner_id = request.caller.user_id;
        let sealed = self.vault.seal(&request.caller.tenant, learner_id, Field::Address, &text).await;
        let address = sealed.map_err(|error| ExecuteError::Refused(Error::Vault(error)))?;
        let command = Command::Set { learner_id, address, at: self.clock().now() };
        let prepare = |_: Loaded<DeliveryAddress>| std::future::ready(Ok(command.clone()));
        let id = learner_id.to_string();
        self.log.execute::<DeliveryAddress, (), Error, _>(&context, &id, prepare, |_, _| ()).await
    }

    /// Has it no longer known where the caller's kits go.
    ///
    /// # Errors
    /// A failing log.
    pub async fn remove_delivery_address(&self, request: &Request) -> Result<Outcome<()>, ExecuteError<Error>> {
        let learner_id = request.caller.user_id;
        let command = Command::Remove { learner_id, at: self.clock().now() };
        let prepare = |_: Loaded<DeliveryAddress>| std::future::ready(Ok(command.clone()));
        let (context, id) = (request.context(self.clock()), learner_id.to_string());
        self.log.execute::<DeliveryAddress, (), Error, _>(&context, &id, prepare, |_, _| ()).await
    }

    /// Where the kits of a learner go, in clear; `None` where it is not known, or was forgotten.
    ///
    /// # Errors
    /// A failing key store or log, or an address that does not open.
    pub async fn delivery_address(&self, tenant: &str, learner_id: UserId) -> Result<Option<Address>, Error> {
        let stored = self.log.load::<DeliveryAddress>(tenant, &learner_id.to_string()).await?.state;
        let Some(sealed) = &stored.address else { return Ok(None) };
        let Some(text) = self.vault.open(tenant, learner_id, Field::Address, sealed).await? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| VaultError::Damaged(sealed.key_id).into())
    }
}
