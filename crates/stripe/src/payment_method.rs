//! Saved payment methods. Card numbers never come here: the customer's browser gives them to Stripe, and gets an id.

use serde::Deserialize;

use crate::{
    client::Client,
    error::Error,
    form::{Form, segment},
    idempotency::IdempotencyKey,
    list::{List, Page},
};

/// A payment method.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentMethod {
    /// `pm_…`.
    pub id: String,
    /// `card`, and others.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whom it is saved for; none if for nobody.
    #[serde(default)]
    pub customer: Option<String>,
    /// The card, if it is one.
    #[serde(default)]
    pub card: Option<Card>,
}

/// What may be shown of a card.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// `visa`, `mastercard`, …
    pub brand: String,
    /// The last four digits.
    pub last4: String,
    /// The month after which it is no longer valid, 1 to 12.
    pub exp_month: u8,
    /// The year of that month.
    pub exp_year: u16,
}

impl Client {
    /// Saves a payment method for a customer. Where the bank wants the customer to agree, use
    /// [`create_setup_intent`](Self::create_setup_intent), which saves it too.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn attach_payment_method(
        &self,
        id: &str,
        customer: &str,
        key: &IdempotencyKey,
    ) -> Result<PaymentMethod, Error> {
        let form = Form::default().with("customer", segment(customer)?);
        self.post(format!("/v1/payment_methods/{}/attach", segment(id)?), form, key).await
    }

    /// Forgets a saved payment method: it cannot be charged or saved again.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn detach_payment_method(&self, id: &str, key: &IdempotencyKey) -> Result<PaymentMethod, Error> {
        self.post(format!("/v1/payment_methods/{}/detach", segment(id)?), Form::default(), key).await
    }

    /// Reads a payment method.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn retrieve_payment_method(&self, id: &str) -> Result<PaymentMethod, Error> {
        self.get(format!("/v1/payment_methods/{}", segment(id)?), Form::default()).await
    }

    /// A page of the cards that are saved for a customer.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn list_payment_methods(&self, customer: &str, page: &Page) -> Result<List<PaymentMethod>, Error> {
        let form = page.form()?.with("type", "card").with("customer", segment(customer)?);
        self.get("/v1/payment_methods".to_owned(), form).await
    }
}
