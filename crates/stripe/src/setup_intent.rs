//! Setup intents: saving a payment method with the customer's and the bank's consent, to charge it later without them.

use serde::Deserialize;

use crate::{
    client::Client,
    error::Error,
    form::{Form, Metadata, segment},
    idempotency::IdempotencyKey,
    payment_intent::{Confirmation, NextAction, PaymentError},
    secret::Secret,
};

/// How far a setup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupIntentStatus {
    /// It has no payment method yet, or the last one was refused.
    RequiresPaymentMethod,
    /// It waits to be confirmed.
    RequiresConfirmation,
    /// The customer must do what `next_action` says.
    RequiresAction,
    /// The bank takes its time.
    Processing,
    /// The payment method is saved.
    Succeeded,
    /// Given up.
    Canceled,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A setup of a payment method.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SetupIntent {
    /// `seti_…`.
    pub id: String,
    /// How far it is.
    pub status: SetupIntentStatus,
    /// For whom.
    #[serde(default)]
    pub customer: Option<String>,
    /// Which.
    #[serde(default)]
    pub payment_method: Option<String>,
    /// What the customer must do.
    #[serde(default)]
    pub next_action: Option<NextAction>,
    /// Why the last try failed.
    #[serde(default)]
    pub last_setup_error: Option<PaymentError>,
    /// With this the customer's browser may go on with it.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// What was given with it.
    #[serde(default)]
    pub metadata: Metadata,
}

/// What a new setup is to have.
#[derive(Clone, Debug)]
pub struct CreateSetupIntent {
    /// For whom.
    pub customer: String,
    /// Which payment method, if it is known here; else the customer's browser gives it.
    pub payment_method: Option<String>,
    /// Whether to try at once. A setup cannot be done without the customer.
    pub confirmation: Confirmation,
    /// Ids of one's own.
    pub metadata: Metadata,
}

impl Client {
    /// Begins to save a card for charges without the customer.
    ///
    /// # Errors
    /// [`Error::Declined`] when the bank refuses; else as every request.
    pub async fn create_setup_intent(
        &self,
        new: &CreateSetupIntent,
        key: &IdempotencyKey,
    ) -> Result<SetupIntent, Error> {
        let payment_method = new.payment_method.as_deref().map(segment).transpose()?;
        let form = Form::default()
            .with("customer", segment(&new.customer)?)
            .with("usage", "off_session")
            .with("payment_method_types[0]", "card")
            .with_some("payment_method", payment_method)
            .with_metadata(&new.metadata)?;
        let form = match &new.confirmation {
            Confirmation::Later => form,
            Confirmation::OnSession { return_url } => form.with("confirm", true).with("return_url", return_url),
            Confirmation::OffSession => form.with("confirm", true),
        };
        self.post("/v1/setup_intents".to_owned(), form, key).await
    }

    /// Reads a setup.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn retrieve_setup_intent(&self, id: &str) -> Result<SetupIntent, Error> {
        self.get(format!("/v1/setup_intents/{}", segment(id)?), Form::default()).await
    }
}
