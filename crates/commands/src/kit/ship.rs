//! Handing a kit to the carrier, and taking in where it is.

use baeum_domain::{
    ids::{KitId, derive_id},
    kit::{
        carrier::{CarrierError, Parcel, Reference, Tracking},
        kit::{CancelReason, Command, Kit, Order, Stage},
    },
};
use baeum_eventlog::{CommandContext, ExecuteError};

use super::Error;
use crate::{Commands, vault::Field};

impl Commands {
    /// Hands a packed kit to the carrier. The carrier knows it by its reference, so an answer that was lost is asked for
    /// again. Where no address is known it waits; what the carrier does not take is cancelled.
    pub(super) async fn ship_kit(&self, context: &CommandContext, kit_id: KitId) -> Result<(), ExecuteError<Error>> {
        let kit = self.log.load::<Kit>(&context.tenant, &kit_id.to_string()).await?.state;
        let Some(order) = kit.order.as_ref().filter(|order| order.stage == Stage::Packed) else { return Ok(()) };
        let command = self.hand_over(context, order).await.map_err(ExecuteError::Refused)?;
        self.execute_kit(context, kit_id, command).await.map(|_| ())
    }

    async fn hand_over(&self, context: &CommandContext, order: &Order) -> Result<Command, Error> {
        let (tenant, learner_id, at) = (&context.tenant, order.learner_id, self.clock().now());
        let Some(address) = self.delivery_address(tenant, learner_id).await? else {
            return Ok(Command::NoteAddressMissing { at });
        };
        let carrier = self.carrier.as_ref().ok_or(Error::NoCarrier)?;
        let parcel = Parcel {
            reference: Reference { tenant: tenant.clone(), kit_id: order.kit_id },
            address,
            grams: order.items.values().map(|item| item.grams).sum(),
            items: u32::try_from(order.items.len()).unwrap_or(u32::MAX),
        };
        match carrier.ship(&parcel).await {
            Ok(name) => {
                let shipment = self.vault.seal(tenant, learner_id, Field::Shipment, &name).await?;
                Ok(Command::Ship { shipment, at })
            }
            Err(CarrierError::Refused(reason)) => {
                tracing::warn!(kit = %order.kit_id, reason, "the carrier does not take a kit");
                Ok(Command::Cancel { reason: CancelReason::CarrierRefused, at })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the carrier where a kit is.
    pub(super) async fn track_kit(&self, context: &CommandContext, kit_id: KitId) -> Result<(), ExecuteError<Error>> {
        let kit = self.log.load::<Kit>(&context.tenant, &kit_id.to_string()).await?.state;
        let on_its_way = |order: &Order| matches!(order.stage, Stage::Shipped | Stage::InTransit);
        if !kit.order.as_ref().is_some_and(on_its_way) {
            return Ok(());
        }
        let carrier = self.carrier.as_ref().ok_or(ExecuteError::Refused(Error::NoCarrier))?;
        let reference = Reference { tenant: context.tenant.clone(), kit_id };
        let mut known = carrier.track(&reference).await.map_err(|error| ExecuteError::Refused(error.into()))?;
        known.sort_by_key(|tracking| (tracking.whereabouts, tracking.at));
        for tracking in &known {
            self.take_in(context, tracking).await?;
        }
        Ok(())
    }

    /// Takes in a message of the carrier's: header and body as they came. Which tenant's kit it is about, the message says.
    ///
    /// # Errors
    /// A message that is forged, stale or unreadable; no carrier.
    pub fn read_carrier_message(&self, signature: &str, body: &[u8]) -> Result<Tracking, Error> {
        let carrier = self.carrier.as_ref().ok_or(Error::NoCarrier)?;
        Ok(carrier.read_message(signature, body, self.clock().now())?)
    }

    /// Takes in where a kit is, as often as it is told.
    ///
    /// # Errors
    /// A kit that there is not, or a failing log.
    pub async fn take_in_tracking(
        &self,
        tracking: &Tracking,
        correlation_id: uuid::Uuid,
    ) -> Result<(), ExecuteError<Error>> {
        let context = CommandContext {
            tenant: tracking.reference.tenant.clone(),
            actor: "carrier".to_owned(),
            command_id: self.clock().new_id(),
            fingerprint: None,
            correlation_id,
            causation_id: correlation_id,
            expected_sequence: None,
        };
        self.take_in(&context, tracking).await
    }

    async fn take_in(&self, context: &CommandContext, tracking: &Tracking) -> Result<(), ExecuteError<Error>> {
        let Tracking { reference, whereabouts, at } = tracking;
        let command_id = derive_id(&["tracking", &context.command_id.to_string(), &whereabouts.to_string()]);
        let context = CommandContext { command_id, fingerprint: None, ..context.clone() };
        let track = Command::Track { whereabouts: *whereabouts, at: *at };
        self.execute_kit(&context, reference.kit_id, track).await.map(|_| ())
    }
}
