//! The port of the payment gateway: what takes and gives back money.
//!
//! Everything that changes something there is asked under a key, so that asking again does nothing twice; for how long the
//! gateway remembers keys is [`KEYS_LAST`]. What a call came to may not be known: [`GatewayError::Unknown`].

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    ids::{PaymentId, RefundId, UserId},
    money::Money,
};

/// For how long a key is taken to be remembered: an hour less than gateways promise.
pub const KEYS_LAST: TimeDelta = TimeDelta::hours(23);

/// What a call gives, when it is there.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, GatewayError>> + Send + 'a>>;

/// A charge that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeOrder {
    /// Whose log the payment is in.
    pub tenant: String,
    /// The payment.
    pub payment_id: PaymentId,
    /// Which attempt.
    pub attempt: u32,
    /// The key to ask under.
    pub key: String,
    /// How much.
    pub amount: Money,
    /// The gateway's name of the customer.
    pub customer: String,
    /// The gateway's name of what is charged.
    pub payment_method: String,
    /// When the attempt began: it is looked up from then on.
    pub since: DateTime<Utc>,
}

/// What became of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    /// The money was taken.
    Succeeded {
        /// The gateway's name of the charge.
        reference: String,
    },
    /// It was not, and will not be.
    Failed {
        /// The gateway's code of the reason.
        code: String,
    },
    /// The gateway does not know yet.
    Pending,
}

/// A refund that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    /// Whose log the refund is in.
    pub tenant: String,
    /// The refund.
    pub refund_id: RefundId,
    /// The key to ask under.
    pub key: String,
    /// The gateway's name of the charge.
    pub reference: String,
    /// How much.
    pub amount: Money,
}

/// What became of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refunded {
    /// The money was given back.
    Succeeded,
    /// It was not, and will not be.
    Failed {
        /// The gateway's code of the reason.
        code: String,
    },
    /// The gateway does not know yet.
    Pending,
}

/// What may be shown of a payment method. It is personal: it is read from the gateway and kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct MethodShown {
    /// The gateway's name of it.
    pub id: String,
    /// Such as `visa`.
    pub brand: String,
    /// The last four digits.
    pub last_four: String,
    /// The month after which it is no longer valid, 1 to 12.
    pub expires_month: u8,
    /// The year of that month.
    pub expires_year: u16,
}

/// Personal: it has no debug form that would show it.
impl fmt::Debug for MethodShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodShown").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A payment method on its way to be saved, with the consent of its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct Setup {
    /// The gateway's name of the setup.
    pub id: String,
    /// With this the subscriber's browser goes on with it.
    pub client_secret: Option<String>,
    /// Where the bank wants the subscriber to agree, if it does.
    pub redirect: Option<String>,
    /// The payment method, once it is saved.
    pub saved: Option<String>,
}

/// The secret shows in no log line.
impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a webhook tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The gateway's name of the event, the same in every delivery.
    pub id: String,
    /// What it is about; nothing for what is of no interest.
    pub about: Option<About>,
}

/// What a webhook is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// An attempt has an outcome.
    Charge {
        /// Whose log the payment is in.
        tenant: String,
        /// The payment.
        payment_id: PaymentId,
        /// Which attempt.
        attempt: u32,
        /// How much, in minor units as the gateway counts them.
        amount: i64,
        /// What became of it.
        charged: Charged,
    },
    /// A refund has an outcome.
    Refund {
        /// Whose log the refund is in.
        tenant: String,
        /// The refund.
        refund_id: RefundId,
        /// What became of it.
        refunded: Refunded,
    },
}

/// Why a delivery is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// It is not signed as the gateway signs, or not by the gateway.
    Forged,
    /// It was signed too long ago, or in the future.
    Stale,
    /// It is signed, but is nothing that the gateway says.
    Unreadable,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// Nothing was done; it may go through later.
    #[error("the payment gateway cannot be reached: {0}")]
    Unavailable(String),
    /// It may have been done: ask again under the same key.
    #[error("it is not known what the payment gateway did: {0}")]
    Unknown(String),
    /// The gateway refuses it, now and later.
    #[error("the payment gateway refuses: {code}")]
    Refused {
        /// Its code of the reason.
        code: String,
    },
}

/// The payment gateway.
pub trait Gateway: Send + Sync + 'static {
    /// Charges, once under a key however often it is asked. An answer that was lost, and one that says that the gateway
    /// failed within, is looked up before it is given.
    fn charge<'a>(&'a self, order: &'a ChargeOrder) -> Answer<'a, Charged>;

    /// What became of a charge, looked up by its payment and attempt; `None` when the gateway knows of none.
    fn find_charge<'a>(&'a self, order: &'a ChargeOrder) -> Answer<'a, Option<Charged>>;

    /// Gives back, once under a key however often it is asked.
    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, Refunded>;

    /// What became of a refund; `None` when the gateway knows of none.
    fn find_refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, Option<Refunded>>;

    /// The gateway's name of a new customer, the same however often it is asked.
    fn customer<'a>(&'a self, tenant: &'a str, subscriber: UserId) -> Answer<'a, String>;

    /// Forgets a customer with all that is saved.
    fn forget_customer<'a>(&'a self, customer: &'a str) -> Answer<'a, ()>;

    /// Begins to save a payment method; with one that is known here, it is tried at once, and the bank may want the
    /// subscriber to come and go back to `return_url`.
    fn set_up<'a>(
        &'a self,
        customer: &'a str,
        payment_method: Option<&'a str>,
        return_url: Option<&'a str>,
        key: &'a str,
    ) -> Answer<'a, Setup>;

    /// How far a setup of this customer is.
    fn find_setup<'a>(&'a self, customer: &'a str, setup: &'a str) -> Answer<'a, Setup>;

    /// Saves a payment method for which nobody need agree.
    fn attach<'a>(&'a self, customer: &'a str, payment_method: &'a str) -> Answer<'a, ()>;

    /// Forgets a payment method.
    fn detach<'a>(&'a self, payment_method: &'a str) -> Answer<'a, ()>;

    /// What is saved for a customer.
    fn methods<'a>(&'a self, customer: &'a str) -> Answer<'a, Vec<MethodShown>>;

    /// The notice of a delivery that is believed at `now`; `body` is what came, byte by byte.
    ///
    /// # Errors
    /// Why it is not believed.
    fn verify(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<Notice, Disbelief>;
}

/// A gateway, where there is one.
pub type MaybeGateway = Option<Arc<dyn Gateway>>;
