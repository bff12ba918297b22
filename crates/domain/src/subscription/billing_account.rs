//! What a subscriber pays with: their customer at the payment gateway and the payment methods that are saved there.
//!
//! Life cycle: opened when the gateway has made the customer; payment methods saved and removed, one of them the default.
//! Invariants: one customer a subscriber, for good; charges go to a method that is saved; the default is the one that was
//! saved or chosen last, and another takes its place when it is removed. What identifies a card (brand, last digits) stays
//! with the gateway: events hold its ids alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    decider::{Decider, DomainEvent},
    ids::UserId,
    text::{self, TextError},
};

/// How many payment methods are saved at most.
pub const MAX_METHODS: usize = 10;
/// How long an id of the gateway may be, in characters.
pub const ID_LIMIT: usize = 200;

/// What can have happened to a billing account.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The gateway has made the customer.
    BillingAccountOpened {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of the customer.
        customer: String,
    },
    /// A payment method is saved, and is the default from now on.
    PaymentMethodSaved {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of it.
        payment_method: String,
    },
    /// A saved payment method is the default from now on.
    DefaultPaymentMethodChosen {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of it.
        payment_method: String,
    },
    /// A payment method is saved no longer.
    PaymentMethodRemoved {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of it.
        payment_method: String,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A billing account, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BillingAccount {
    /// The gateway's name of the customer, once opened.
    pub customer: Option<String>,
    /// Saved payment methods, the default last.
    pub methods: Vec<String>,
}

/// What can be asked of a billing account.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// The gateway has made the customer.
    Open {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of the customer.
        customer: String,
    },
    /// The gateway has saved a payment method.
    Save {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of it.
        payment_method: String,
    },
    /// Charge this one from now on.
    Choose {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of it.
        payment_method: String,
    },
    /// The gateway has forgotten a payment method.
    Remove {
        /// Whose.
        subscriber: UserId,
        /// The gateway's name of it.
        payment_method: String,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no customer.
    #[error("there is no billing account yet: begin to save a payment method first")]
    NotOpened,
    /// Another customer is theirs.
    #[error("the billing account has a customer at the gateway already, and keeps it")]
    OtherCustomer,
    /// It is not saved.
    #[error("payment method {0} is not saved: save it first")]
    UnknownMethod(String),
    /// Too many are saved.
    #[error("{MAX_METHODS} payment methods are saved, which is the limit: remove one first")]
    TooManyMethods,
    /// What the gateway says is no id.
    #[error("what the gateway says cannot be recorded: {0}")]
    Id(#[from] TextError),
}

impl BillingAccount {
    /// The payment method that is charged, if any is saved.
    pub fn default_method(&self) -> Option<&str> {
        self.methods.last().map(String::as_str)
    }

    fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|it| it == method)
    }
}

impl Decider for BillingAccount {
    const AGGREGATE: &'static str = "billing_account";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Open { subscriber, customer } => match &self.customer {
                Some(known) if *known == customer => Ok(vec![]),
                Some(_) => Err(Error::OtherCustomer),
                None => {
                    let customer = text::check(&customer, ID_LIMIT)?.to_owned();
                    Ok(vec![Event::BillingAccountOpened { subscriber, customer }])
                }
            },
            _ if self.customer.is_none() => Err(Error::NotOpened),
            Command::Save { payment_method, .. } if self.has(&payment_method) => Ok(vec![]),
            Command::Save { .. } if self.methods.len() >= MAX_METHODS => Err(Error::TooManyMethods),
            Command::Save { subscriber, payment_method } => {
                let payment_method = text::check(&payment_method, ID_LIMIT)?.to_owned();
                Ok(vec![Event::PaymentMethodSaved { subscriber, payment_method }])
            }
            Command::Choose { payment_method, .. } if self.default_method() == Some(&payment_method) => Ok(vec![]),
            Command::Choose { payment_method, .. } if !self.has(&payment_method) => {
                Err(Error::UnknownMethod(payment_method))
            }
            Command::Choose { subscriber, payment_method } => {
                Ok(vec![Event::DefaultPaymentMethodChosen { subscriber, payment_method }])
            }
            Command::Remove { payment_method, .. } if !self.has(&payment_method) => Ok(vec![]),
            Command::Remove { subscriber, payment_method } => {
                Ok(vec![Event::PaymentMethodRemoved { subscriber, payment_method }])
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::BillingAccountOpened { customer, .. } => self.customer = Some(customer.clone()),
            Event::PaymentMethodSaved { payment_method, .. } => self.methods.push(payment_method.clone()),
            Event::DefaultPaymentMethodChosen { payment_method, .. } => {
                self.methods.retain(|it| it != payment_method);
                self.methods.push(payment_method.clone());
            }
            Event::PaymentMethodRemoved { payment_method, .. } => self.methods.retain(|it| it != payment_method),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::spec::given;

    const MINA: UserId = UserId(Uuid::from_u128(2));

    fn opened() -> Event {
        Event::BillingAccountOpened { subscriber: MINA, customer: "cus_1".into() }
    }

    fn saved(method: &str) -> Event {
        Event::PaymentMethodSaved { subscriber: MINA, payment_method: method.into() }
    }

    #[test]
    fn a_subscriber_has_one_customer_for_good() {
        let open = |customer: &str| Command::Open { subscriber: MINA, customer: customer.into() };
        given::<BillingAccount>([]).when(open("cus_1")).then([opened()]);
        given::<BillingAccount>([opened()]).when(open("cus_2")).then_refused("keeps it");
    }

    #[test]
    fn the_method_that_was_saved_last_is_charged_and_another_takes_its_place() {
        let save = Command::Save { subscriber: MINA, payment_method: "pm_1".into() };
        given::<BillingAccount>([]).when(save.clone()).then_refused("no billing account");
        given::<BillingAccount>([opened()]).when(save).then([saved("pm_1")]);
        let both = BillingAccount::fold(&[opened(), saved("pm_1"), saved("pm_2")]);
        assert_eq!(both.default_method(), Some("pm_2"));
        let removed = Event::PaymentMethodRemoved { subscriber: MINA, payment_method: "pm_2".into() };
        let one = BillingAccount::fold(&[opened(), saved("pm_1"), saved("pm_2"), removed]);
        assert_eq!(one.default_method(), Some("pm_1"));
    }

    #[test]
    fn only_what_is_saved_can_be_chosen() {
        let choose = |method: &str| Command::Choose { subscriber: MINA, payment_method: method.into() };
        let chosen = Event::DefaultPaymentMethodChosen { subscriber: MINA, payment_method: "pm_1".into() };
        given::<BillingAccount>([opened(), saved("pm_1"), saved("pm_2")]).when(choose("pm_1")).then([chosen]);
        given::<BillingAccount>([opened(), saved("pm_1")]).when(choose("pm_3")).then_refused("not saved");
    }

    #[test]
    fn no_more_than_ten_methods_are_saved() {
        let many = (0..MAX_METHODS).map(|number| saved(&format!("pm_{number}")));
        let save = Command::Save { subscriber: MINA, payment_method: "pm_more".into() };
        given::<BillingAccount>([opened()].into_iter().chain(many)).when(save).then_refused("the limit");
    }
}
