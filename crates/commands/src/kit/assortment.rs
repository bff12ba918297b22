//! Listing and retiring SKUs, by administrators.

use baeum_domain::{
    ids::SkuId,
    kit::sku::{self, Assortment, Command, Listing},
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};

use super::{Error, must_be_admin};
use crate::{Commands, Request};

impl Commands {
    /// Has a SKU with these facts. Its clip must be in the catalogue, with a task.
    ///
    /// # Errors
    /// A caller who may not, facts that cannot be, or a failing log.
    pub async fn list_sku(
        &self,
        request: &Request,
        sku: SkuId,
        listing: Listing,
    ) -> Result<Outcome<()>, ExecuteError<Error>> {
        self.check_listing(request, &listing).map_err(ExecuteError::Refused)?;
        self.change_assortment(request, Command::List { sku, listing }).await
    }

    /// Chooses a SKU for no kit any more.
    ///
    /// # Errors
    /// A caller who may not, a SKU that there is not, or a failing log.
    pub async fn retire_sku(&self, request: &Request, sku: SkuId) -> Result<Outcome<()>, ExecuteError<Error>> {
        must_be_admin(&request.caller).map_err(ExecuteError::Refused)?;
        self.change_assortment(request, Command::Retire { sku }).await
    }

    fn check_listing(&self, request: &Request, listing: &Listing) -> Result<(), Error> {
        must_be_admin(&request.caller)?;
        let clip = self.catalog().clips.get(&listing.opens);
        let clip = clip.ok_or_else(|| Error::UnknownClip(listing.opens.clone()))?;
        if clip.tasks.is_empty() { Err(Error::NoLesson(listing.opens.clone())) } else { Ok(()) }
    }

    async fn change_assortment(&self, request: &Request, command: Command) -> Result<Outcome<()>, ExecuteError<Error>> {
        let id = sku::id_of(&request.caller.tenant).to_string();
        let prepare = |_: Loaded<Assortment>| std::future::ready(Ok(command.clone()));
        self.log.execute::<Assortment, (), Error, _>(&request.context(self.clock()), &id, prepare, |_, _| ()).await
    }

    /// What is known of a SKU.
    pub(super) async fn listing(&self, tenant: &str, sku: &SkuId) -> Result<Listing, Error> {
        let assortment = self.log.load::<Assortment>(tenant, &sku::id_of(tenant).to_string()).await?.state;
        Ok(assortment.listing(sku)?.clone())
    }
}
