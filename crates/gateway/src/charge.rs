//! Charges: payment intents that are confirmed without the subscriber.

use baeum_domain::subscription::gateway::{ChargeOrder, Charged, GatewayError};
use baeum_stripe::{
    Confirmation, CreatePaymentIntent, Doubt, Error, Metadata, PaymentIntent, PaymentIntentStatus as Status,
};

use crate::{StripeGateway, amount, certain, code_of, key};

/// The names of the metadata of a charge.
pub(crate) const TENANT: &str = "tenant";
pub(crate) const PAYMENT: &str = "payment_id";
pub(crate) const ATTEMPT: &str = "attempt";
const KEY: &str = "key";

impl StripeGateway {
    pub(crate) async fn make_charge(&self, order: &ChargeOrder) -> Result<Charged, GatewayError> {
        let money = match amount(order.amount) {
            Ok(money) => money,
            Err(GatewayError::Refused { code }) => return Ok(Charged::Failed { code }),
            Err(error) => return Err(error),
        };
        let new = CreatePaymentIntent {
            money,
            customer: Some(order.customer.clone()),
            payment_method: Some(order.payment_method.clone()),
            confirmation: Confirmation::OffSession,
            description: None,
            metadata: Metadata::from([
                (TENANT.to_owned(), order.tenant.clone()),
                (PAYMENT.to_owned(), order.payment_id.to_string()),
                (ATTEMPT.to_owned(), order.attempt.to_string()),
                (KEY.to_owned(), order.key.clone()),
            ]),
        };
        match self.client.create_payment_intent(&new, &key(&order.key)?).await {
            Ok(intent) => Ok(of_intent(&intent)),
            Err(Error::Declined(refusal) | Error::AuthenticationRequired(refusal)) => {
                Ok(Charged::Failed { code: code_of(&refusal) })
            }
            // The API has an answer under this key, and gives no other: its records say what was done. That is so too where
            // the subscriber has changed what they pay with between two times of asking.
            Err(Error::KeyReused(_) | Error::Unknown { doubt: Doubt::SavedServerError, .. }) => {
                let found = self.look_charge_up(order).await?;
                Ok(found.unwrap_or_else(|| Charged::Failed { code: "gateway_error".to_owned() }))
            }
            Err(error) => match certain(error) {
                // Refused before anything was begun, such as a customer that was deleted.
                GatewayError::Refused { code } => Ok(Charged::Failed { code }),
                error => Err(error),
            },
        }
    }

    pub(crate) async fn look_charge_up(&self, order: &ChargeOrder) -> Result<Option<Charged>, GatewayError> {
        // The clocks of both sides may differ by as much as they like, so all payments of the customer are looked at.
        let found = self.client.find_payment_intents(&order.customer, KEY, &order.key, 0).await.map_err(certain)?;
        let paid = found.iter().find(|it| it.status == Status::Succeeded);
        Ok(paid.or(found.first()).map(of_intent))
    }
}

/// What became of a payment intent that is confirmed without the subscriber.
pub(crate) fn of_intent(intent: &PaymentIntent) -> Charged {
    let failed = |otherwise: &str| {
        let error = intent.last_payment_error.as_ref();
        let code = error.and_then(|error| error.decline_code.clone().or_else(|| error.code.clone()));
        Charged::Failed { code: code.unwrap_or_else(|| otherwise.to_owned()) }
    };
    match intent.status {
        Status::Succeeded => Charged::Succeeded { reference: intent.id.clone() },
        Status::RequiresPaymentMethod => failed("card_declined"),
        Status::RequiresAction => failed("authentication_required"),
        Status::Canceled => failed("canceled"),
        Status::RequiresConfirmation | Status::Processing | Status::RequiresCapture | Status::Unknown => {
            Charged::Pending
        }
    }
}
