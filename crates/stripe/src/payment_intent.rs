//! Payment intents: one for each thing to be paid, through as many tries as it takes.

use serde::Deserialize;

use crate::{
    client::Client,
    error::Error,
    form::{Form, Metadata, segment},
    idempotency::IdempotencyKey,
    list::{List, Page, SearchPage},
    money::{Currency, Money},
    payment_method::PaymentMethod,
    secret::Secret,
};

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentIntentStatus {
    /// It has no payment method yet, or the last one was refused: try again, with another one.
    RequiresPaymentMethod,
    /// It waits to be confirmed.
    RequiresConfirmation,
    /// The customer must do what `next_action` says.
    RequiresAction,
    /// The bank takes its time; a webhook tells the end.
    Processing,
    /// The money is reserved and waits to be taken.
    RequiresCapture,
    /// Paid.
    Succeeded,
    /// Given up.
    Canceled,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentIntent {
    /// `pi_…`.
    pub id: String,
    /// What is to be paid, in the smallest unit.
    pub amount: i64,
    /// What was paid, in the smallest unit. Refunds do not lower it.
    #[serde(default)]
    pub amount_received: i64,
    /// Of what.
    pub currency: Currency,
    /// How far it is.
    pub status: PaymentIntentStatus,
    /// By whom.
    #[serde(default)]
    pub customer: Option<String>,
    /// With what.
    #[serde(default)]
    pub payment_method: Option<String>,
    /// The charge of the last try, `ch_…`.
    #[serde(default)]
    pub latest_charge: Option<String>,
    /// What the customer must do.
    #[serde(default)]
    pub next_action: Option<NextAction>,
    /// Why the last try failed.
    #[serde(default)]
    pub last_payment_error: Option<PaymentError>,
    /// With this the customer's browser may go on with it.
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// What was given with it.
    #[serde(default)]
    pub metadata: Metadata,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
}

/// What the customer must do before a payment or setup goes on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NextAction {
    /// Visit a page of the bank.
    RedirectToUrl {
        /// Which.
        redirect_to_url: Redirect,
    },
    /// Let Stripe's script in the browser go on, with the client secret.
    UseStripeSdk,
    /// One that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A page of the bank.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Redirect {
    /// Where to send the customer.
    pub url: String,
    /// Where the customer comes back to.
    #[serde(default)]
    pub return_url: Option<String>,
}

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PaymentError {
    /// Such as `card_declined`, `expired_card`, `authentication_required` (<https://docs.stripe.com/error-codes>).
    #[serde(default)]
    pub code: Option<String>,
    /// The bank's reason, such as `insufficient_funds` (<https://docs.stripe.com/declines/codes>).
    #[serde(default)]
    pub decline_code: Option<String>,
    /// The charge that failed, `ch_…`.
    #[serde(default)]
    pub charge: Option<String>,
    /// The same in prose, for the customer.
    #[serde(default)]
    pub message: Secret,
    /// With what it was tried.
    #[serde(default)]
    pub payment_method: Option<PaymentMethod>,
}

/// Whether to pay at once, and whether the customer is there to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Not yet: the customer's browser confirms, or a later request.
    Later,
    /// The customer is there, and can be sent to the bank's page and back.
    OnSession {
        /// Where the customer comes back to.
        return_url: String,
    },
    /// The customer is not there, as when a subscription renews. A bank that wants the customer ends the try with
    /// [`Error::AuthenticationRequired`].
    OffSession,
}

impl Confirmation {
    fn add_to(&self, form: Form) -> Form {
        match self {
            Self::Later => form,
            Self::OnSession { return_url } => form.with("return_url", return_url),
            Self::OffSession => form.with("off_session", true),
        }
    }
}

/// What a new payment is to have.
#[derive(Clone, Debug)]
pub struct CreatePaymentIntent {
    /// How much.
    pub money: Money,
    /// By whom.
    pub customer: Option<String>,
    /// With what; none leaves it to a later confirmation.
    pub payment_method: Option<String>,
    /// Whether to try at once.
    pub confirmation: Confirmation,
    /// What it is for, in the account's own lists.
    pub description: Option<String>,
    /// Ids of one's own. Put one in by which the payment is found when its answer is lost.
    pub metadata: Metadata,
}

impl Client {
    /// Makes a payment and, unless it is for later, tries it. `Ok` does not mean paid: look at the status.
    ///
    /// # Errors
    /// [`Error::Declined`] and [`Error::AuthenticationRequired`] when nothing was paid and the payment waits for another
    /// try; [`Error::Unknown`] when it may have been paid; else as every request.
    pub async fn create_payment_intent(
        &self,
        new: &CreatePaymentIntent,
        key: &IdempotencyKey,
    ) -> Result<PaymentIntent, Error> {
        let Money { amount, currency } = new.money.check()?;
        let form = Form::default()
            .with("amount", amount)
            .with("currency", currency)
            .with("payment_method_types[0]", "card")
            .with_some("customer", new.customer.as_deref().map(segment).transpose()?)
            .with_some("payment_method", new.payment_method.as_deref().map(segment).transpose()?)
            .with_some("description", new.description.as_deref())
            .with_metadata(&new.metadata)?;
        let form = match &new.confirmation {
            Confirmation::Later => form,
            now => now.add_to(form.with("confirm", true)),
        };
        self.post("/v1/payment_intents".to_owned(), form, key).await
    }

    /// Tries a payment, with another payment method if one is given.
    ///
    /// # Errors
    /// As [`create_payment_intent`](Self::create_payment_intent).
    pub async fn confirm_payment_intent(
        &self,
        id: &str,
        payment_method: Option<&str>,
        confirmation: &Confirmation,
        key: &IdempotencyKey,
    ) -> Result<PaymentIntent, Error> {
        let form = Form::default().with_some("payment_method", payment_method.map(segment).transpose()?);
        self.post(format!("/v1/payment_intents/{}/confirm", segment(id)?), confirmation.add_to(form), key).await
    }

    /// Gives a payment up that is not paid.
    ///
    /// # Errors
    /// [`Error::Refused`] with the code `payment_intent_unexpected_state` when it is paid or given up already; else as
    /// every request.
    pub async fn cancel_payment_intent(&self, id: &str, key: &IdempotencyKey) -> Result<PaymentIntent, Error> {
        self.post(format!("/v1/payment_intents/{}/cancel", segment(id)?), Form::default(), key).await
    }

    /// Reads a payment.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn retrieve_payment_intent(&self, id: &str) -> Result<PaymentIntent, Error> {
        self.get(format!("/v1/payment_intents/{}", segment(id)?), Form::default()).await
    }

    /// A page of a customer's payments. It shows what was made a moment ago, which a search may not.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn list_payment_intents(&self, customer: &str, page: &Page) -> Result<List<PaymentIntent>, Error> {
        let form = page.form()?.with("customer", segment(customer)?);
        self.get("/v1/payment_intents".to_owned(), form).await
    }

    /// The customer's payments since `since` (seconds since 1970) whose metadata has this value by this name: what an
    /// answer that was lost would have told, when a repeat cannot ([`Doubt::SavedServerError`](crate::Doubt)).
    /// Nothing found means that nothing was paid, unless a request is still on its way: wait longer than the client's
    /// timeout before that is believed.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn find_payment_intents(
        &self,
        customer: &str,
        name: &str,
        value: &str,
        since: i64,
    ) -> Result<Vec<PaymentIntent>, Error> {
        let mut page = Page { limit: 100, created_since: Some(since), ..Page::default() };
        let mut found = vec![];
        loop {
            let list = self.list_payment_intents(customer, &page).await?;
            page.starting_after = list.data.last().map(|last| last.id.clone());
            found.extend(list.data.into_iter().filter(|it| it.metadata.get(name).is_some_and(|it| it == value)));
            if !list.has_more || page.starting_after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Payments of all customers whose metadata has this value by this name. The API's index is up to a minute behind,
    /// more in an outage (<https://docs.stripe.com/search#data-freshness>): never decide by it that nothing was paid.
    ///
    /// # Errors
    /// As every request: see [`Error`].
    pub async fn search_payment_intents(
        &self,
        name: &str,
        value: &str,
        page: Option<&str>,
    ) -> Result<SearchPage<PaymentIntent>, Error> {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let query = format!("metadata['{}']:'{}'", quoted(name), quoted(value));
        let form = Form::default().with("query", query).with_some("page", page);
        self.get("/v1/payment_intents/search".to_owned(), form).await
    }
}
