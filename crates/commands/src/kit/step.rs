//! The steps of a kit: what processes send, as data.

use baeum_domain::{
    ids::{InvoiceId, KitId, ReservationId, SkuId, SubscriptionId, UserId},
    kit::{
        kit::{CancelReason, Command},
        stock,
    },
};
use baeum_eventlog::{CommandContext, ExecuteError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Error;
use crate::Commands;

/// A step of a kit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum KitStep {
    /// Open the kit of a period, if its plan comes with one.
    Open {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// The bill of the period.
        invoice_id: InvoiceId,
        /// Its number.
        period: u32,
    },
    /// Something with stock. It is about nobody: what was set aside for a person goes back whoever is forgotten.
    Stock {
        /// The kit.
        kit_id: KitId,
        /// The SKU.
        sku: SkuId,
        /// The reservation.
        reservation_id: ReservationId,
        /// What.
        deed: StockDeed,
    },
    /// Something with a kit.
    Kit {
        /// The kit.
        kit_id: KitId,
        /// Whose kit.
        learner_id: UserId,
        /// What.
        deed: KitDeed,
    },
}

/// What is done with stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StockDeed {
    /// Set a unit aside until then.
    Reserve {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Have it leave for the kit.
    Commit,
    /// Have it back.
    GiveBack,
    /// Have it back if its time is over.
    Expire,
}

/// What is done with a kit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KitDeed {
    /// Put something else where this cannot be had.
    Replace {
        /// The place.
        slot: u8,
        /// What cannot be had.
        unavailable: SkuId,
    },
    /// Stock is set aside for every item.
    NoteReserved,
    /// Its bill was paid.
    NotePaid {
        /// When.
        at: DateTime<Utc>,
    },
    /// Pack it.
    Pack,
    /// Hand it to the carrier.
    Ship,
    /// Ask the carrier where it is.
    Track,
    /// Show its contents.
    Reveal,
    /// Cancel it.
    Cancel(CancelReason),
    /// Make good what was paid for it.
    Compensate,
}

impl KitStep {
    /// Whom it is about, where it is about anybody.
    pub fn subject(&self) -> Option<UserId> {
        match self {
            Self::Open { .. } | Self::Stock { .. } => None,
            Self::Kit { learner_id, .. } => Some(*learner_id),
        }
    }
}

impl Commands {
    /// Takes a step of a kit.
    pub(crate) async fn take_kit_step(
        &self,
        context: &CommandContext,
        step: KitStep,
    ) -> Result<(), ExecuteError<Error>> {
        match step {
            KitStep::Open { subscription_id, invoice_id, period } => {
                self.open_kit(context, subscription_id, invoice_id, period).await
            }
            KitStep::Stock { kit_id, sku, reservation_id, deed } => {
                let at = self.clock().now();
                let command = stock_command(&sku, kit_id, reservation_id, deed, at);
                self.execute_stock(context, &sku, command).await.map(|_| ())
            }
            KitStep::Kit { kit_id, deed, .. } => self.do_to_kit(context, kit_id, deed).await,
        }
    }

    async fn do_to_kit(
        &self,
        context: &CommandContext,
        kit_id: KitId,
        deed: KitDeed,
    ) -> Result<(), ExecuteError<Error>> {
        let at = self.clock().now();
        let command = match deed {
            KitDeed::Replace { slot, unavailable } => {
                return self.replace_item(context, kit_id, slot, unavailable).await;
            }
            KitDeed::Ship => return self.ship_kit(context, kit_id).await,
            KitDeed::Track => return self.track_kit(context, kit_id).await,
            KitDeed::Compensate => return self.compensate_kit(context, kit_id).await,
            KitDeed::NoteReserved => Command::NoteReserved,
            KitDeed::NotePaid { at } => Command::NotePaid { at },
            KitDeed::Pack => Command::Pack { at },
            KitDeed::Reveal => Command::Reveal { at },
            KitDeed::Cancel(reason) => Command::Cancel { reason, at },
        };
        self.execute_kit(context, kit_id, command).await.map(|_| ())
    }
}

fn stock_command(
    sku: &SkuId,
    kit_id: KitId,
    reservation_id: ReservationId,
    deed: StockDeed,
    at: DateTime<Utc>,
) -> stock::Command {
    let sku = sku.clone();
    match deed {
        StockDeed::Reserve { until } => {
            // Whoever comes so late that it would be over holds it for a moment only.
            let expires_at = until.max(at + chrono::TimeDelta::minutes(1));
            stock::Command::Reserve { sku, reservation_id, kit_id, units: 1, expires_at, at }
        }
        StockDeed::Commit => stock::Command::Commit { sku, reservation_id, kit_id, at },
        StockDeed::GiveBack => stock::Command::GiveBack { sku, reservation_id, kit_id, at },
        StockDeed::Expire => stock::Command::Expire { sku, reservation_id, at },
    }
}
