//! What people ask of a kit: showing its contents, cancelling it, revoking a code.

use baeum_domain::{
    ids::KitId,
    kit::kit::{CancelReason, Command, Kit},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, must_be_admin};
use crate::{Caller, Commands, Request};

impl Commands {
    /// Shows the contents of the caller's blind box, from its moment or its delivery on.
    ///
    /// # Errors
    /// Another's kit, a moment that has not come, or a failing log.
    pub async fn reveal_kit(&self, request: &Request, kit_id: KitId) -> Result<Outcome<()>, ExecuteError<Error>> {
        let at = self.clock().now();
        let prepare = |loaded: Loaded<Kit>| {
            std::future::ready(own(&loaded.state, kit_id, &request.caller).map(|()| Command::Reveal { at }))
        };
        let (context, id) = (request.context(self.clock()), kit_id.to_string());
        self.log.execute::<Kit, (), Error, _>(&context, &id, prepare, |_, _| ()).await
    }

    /// Cancels a kit that is not packed: for administrators. What was paid for it is refunded.
    ///
    /// # Errors
    /// A caller who may not, a kit that is on its way, or a failing log.
    pub async fn cancel_kit(&self, request: &Request, kit_id: KitId) -> Result<Outcome<()>, ExecuteError<Error>> {
        must_be_admin(&request.caller).map_err(ExecuteError::Refused)?;
        let command = Command::Cancel { reason: CancelReason::Requested, at: self.clock().now() };
        self.execute_kit(&request.context(self.clock()), kit_id, command).await
    }

    /// Has the code of a unit open nothing any more, such as one that was lost: for administrators.
    ///
    /// # Errors
    /// A caller who may not, a unit that there is not, or a failing log.
    pub async fn revoke_unit(
        &self,
        request: &Request,
        kit_id: KitId,
        slot: u8,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        must_be_admin(&request.caller).map_err(ExecuteError::Refused)?;
        let command = Command::Revoke { slot, at: self.clock().now() };
        self.execute_kit(&request.context(self.clock()), kit_id, command).await
    }
}

fn own(kit: &Kit, kit_id: KitId, caller: &Caller) -> Result<(), Error> {
    match &kit.order {
        None => Err(baeum_domain::kit::kit::Error::NotOpened.into()),
        Some(order) if order.learner_id != caller.user_id => Err(Error::NotYours(kit_id)),
        Some(_) => Ok(()),
    }
}
