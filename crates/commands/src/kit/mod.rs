//! Learning kits: their SKUs and stock, what is done with a kit, and the steps that processes take.

pub mod assortment;
pub mod compensate;
pub mod curate;
pub mod delivery_address;
mod error;
pub mod handle;
pub mod scan;
pub mod set_plan;
pub mod ship;
pub mod step;
pub mod token;
pub mod warehouse;

pub use error::Error;

use baeum_domain::{
    identity::user::Role,
    ids::{KitId, SkuId},
    kit::{kit, kit::Kit, stock, stock::Stock},
};
use baeum_eventlog::{CommandContext, ExecuteError, Loaded, Outcome};

use crate::{Caller, Commands};

/// Refuses who is no administrator.
fn must_be_admin(caller: &Caller) -> Result<(), Error> {
    if caller.has_any(&[Role::Admin]) { Ok(()) } else { Err(Error::NotAnAdmin) }
}

impl Commands {
    /// Does a command to a kit.
    async fn execute_kit(
        &self,
        context: &CommandContext,
        kit_id: KitId,
        command: kit::Command,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let prepare = |_: Loaded<Kit>| std::future::ready(Ok(command.clone()));
        self.log.execute::<Kit, (), Error, _>(context, &kit_id.to_string(), prepare, |_, _| ()).await
    }

    /// Does a command to the stock of a SKU.
    async fn execute_stock(
        &self,
        context: &CommandContext,
        sku: &SkuId,
        command: stock::Command,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        let id = stock::id_of(&context.tenant, sku).to_string();
        let prepare = |_: Loaded<Stock>| std::future::ready(Ok(command.clone()));
        self.log.execute::<Stock, (), Error, _>(context, &id, prepare, |_, _| ()).await
    }
}
