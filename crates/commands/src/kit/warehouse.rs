//! Deliveries, counts and thresholds of stock, by administrators.

use baeum_domain::{
    ids::{SkuId, derive_id},
    kit::{
        sku,
        stock::{self, Command, Stock},
    },
};
use baeum_eventlog::{ExecuteError, Loaded, Outcome};
use serde::{Deserialize, Serialize};

use super::{Error, must_be_admin};
use crate::{Commands, Request};

/// How much came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// So many units.
    Units(u32),
    /// So many grams of bulk, to be portioned into units.
    Grams(u64),
}

/// Where the stock of a SKU stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The SKU.
    pub sku: SkuId,
    /// Units on the shelf.
    pub on_hand: u32,
    /// Of them set aside.
    pub reserved: u32,
    /// Of them free.
    pub available: u32,
}

impl Commands {
    /// Takes a delivery in. A repeated request is the same delivery.
    ///
    /// # Errors
    /// A caller who may not, a SKU that there is not, a quantity that cannot be, or a failing log.
    pub async fn receive_stock(
        &self,
        request: &Request,
        sku: SkuId,
        quantity: Quantity,
    ) -> Result<Outcome<Level>, ExecuteError<Error>> {
        let delivery_id = |id: &str| derive_id(&["delivery", id]);
        self.change_stock(request, &sku, |listing, command_id, at| {
            let units = match quantity {
                Quantity::Units(units) => units,
                Quantity::Grams(grams) => listing.portions(&sku, grams)?,
            };
            Ok(Command::Receive { sku: sku.clone(), delivery_id: delivery_id(command_id), units, at })
        })
        .await
    }

    /// Records how many units were counted.
    ///
    /// # Errors
    /// As [`Commands::receive_stock`].
    pub async fn count_stock(
        &self,
        request: &Request,
        sku: SkuId,
        found: u32,
    ) -> Result<Outcome<Level>, ExecuteError<Error>> {
        self.change_stock(request, &sku, |_, command_id, at| {
            let count_id = derive_id(&["count", command_id]);
            Ok(Command::Count { sku: sku.clone(), count_id, found, at })
        })
        .await
    }

    /// Says from how few available units on stock is low.
    ///
    /// # Errors
    /// As [`Commands::receive_stock`].
    pub async fn set_stock_threshold(
        &self,
        request: &Request,
        sku: SkuId,
        units: u32,
    ) -> Result<Outcome<Level>, ExecuteError<Error>> {
        self.change_stock(request, &sku, |_, _, _| Ok(Command::SetThreshold { sku: sku.clone(), units })).await
    }

    async fn change_stock(
        &self,
        request: &Request,
        sku: &SkuId,
        command: impl Fn(&sku::Listing, &str, chrono::DateTime<chrono::Utc>) -> Result<Command, Error> + Send + Sync,
    ) -> Result<Outcome<Level>, ExecuteError<Error>> {
        must_be_admin(&request.caller).map_err(ExecuteError::Refused)?;
        let context = request.context(self.clock());
        let tenant = &request.caller.tenant;
        let listing = self.listing(tenant, sku).await.map_err(ExecuteError::Refused)?;
        let command = command(&listing, &context.command_id.to_string(), self.clock().now());
        let command = command.map_err(ExecuteError::Refused)?;
        let prepare = |_: Loaded<Stock>| std::future::ready(Ok(command.clone()));
        let level = |stock: &Stock, _: &[stock::Event]| Level {
            sku: sku.clone(),
            on_hand: stock.on_hand,
            reserved: stock.reserved(),
            available: stock.available(),
        };
        let id = stock::id_of(tenant, sku).to_string();
        self.log.execute::<Stock, Level, Error, _>(&context, &id, prepare, level).await
    }
}
