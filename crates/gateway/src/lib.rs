//! The payment gateway of the platform: its port in `domain`, by way of Stripe's HTTP API.
//!
//! What is asked is asked once: who repeats, and when, is the process that wants it. A charge carries the ids of its payment
//! and attempt as metadata, by which it is found when its answer was lost, and by which a webhook finds its payment.

mod charge;
mod customer;
mod notice;
mod refund;

use std::{fmt, sync::Arc, time::Duration};

use baeum_domain::{
    ids::UserId,
    money::Money,
    subscription::gateway::{
        Answer, ChargeOrder, Charged, Disbelief, Gateway, GatewayError, MethodShown, Notice, RefundOrder, Refunded,
        Setup,
    },
};
use baeum_stripe::{Client, Config, Error, IdempotencyKey, Invalid, Retry, Secret, Webhooks};
use chrono::{DateTime, Utc};

/// How long a call may take in all. Banks take seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long connecting may take of that.
const CONNECT: Duration = Duration::from_secs(5);

/// Why the gateway cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Address or key are wrong.
    #[error("{0}")]
    Client(Invalid),
    /// The webhook secret is wrong.
    #[error("{0}")]
    Webhooks(Invalid),
}

/// The gateway behind Stripe's API. Cheap to clone.
#[derive(Clone)]
pub struct StripeGateway {
    client: Client,
    webhooks: Option<Webhooks>,
}

impl fmt::Debug for StripeGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeGateway").field("client", &self.client).finish_non_exhaustive()
    }
}

impl StripeGateway {
    /// The API at `base_url` with its secret key, and the secrets under which its webhooks are signed: several while one
    /// replaces another, none where no webhook is taken in. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address, the key or a secret cannot be one.
    pub fn new(base_url: String, key: String, webhook_secrets: Vec<String>) -> Result<Self, SetupError> {
        let config = Config {
            base_url,
            secret_key: Secret::new(key),
            timeout: PATIENCE,
            connect_timeout: CONNECT,
            retry: Retry { tries: 1, ..Retry::default() },
        };
        // Without repeats there is nothing to spread.
        let client = Client::new(&config, Arc::new(|| 0.0)).map_err(SetupError::Client)?;
        let webhooks = if webhook_secrets.is_empty() {
            None
        } else {
            let secrets = webhook_secrets.into_iter().map(Secret::new);
            Some(Webhooks::new(secrets).map_err(SetupError::Webhooks)?)
        };
        Ok(Self { client, webhooks })
    }
}

impl Gateway for StripeGateway {
    fn charge<'a>(&'a self, order: &'a ChargeOrder) -> Answer<'a, Charged> {
        Box::pin(self.make_charge(order))
    }

    fn find_charge<'a>(&'a self, order: &'a ChargeOrder) -> Answer<'a, Option<Charged>> {
        Box::pin(self.look_charge_up(order))
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, Refunded> {
        Box::pin(self.make_refund(order))
    }

    fn find_refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, Option<Refunded>> {
        Box::pin(self.look_refund_up(order))
    }

    fn customer<'a>(&'a self, tenant: &'a str, subscriber: UserId) -> Answer<'a, String> {
        Box::pin(self.make_customer(tenant, subscriber))
    }

    fn forget_customer<'a>(&'a self, customer: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.client.delete_customer(customer).await.map_err(certain) })
    }

    fn set_up<'a>(
        &'a self,
        customer: &'a str,
        payment_method: Option<&'a str>,
        return_url: Option<&'a str>,
        key: &'a str,
    ) -> Answer<'a, Setup> {
        Box::pin(self.begin_setup(customer, payment_method, return_url, key))
    }

    fn find_setup<'a>(&'a self, customer: &'a str, setup: &'a str) -> Answer<'a, Setup> {
        Box::pin(self.look_setup_up(customer, setup))
    }

    fn attach<'a>(&'a self, customer: &'a str, payment_method: &'a str) -> Answer<'a, String> {
        Box::pin(self.save_method(customer, payment_method))
    }

    fn detach<'a>(&'a self, payment_method: &'a str) -> Answer<'a, ()> {
        Box::pin(self.forget_method(payment_method))
    }

    fn methods<'a>(&'a self, customer: &'a str) -> Answer<'a, Vec<MethodShown>> {
        Box::pin(self.saved_methods(customer))
    }

    fn verify(&self, signature: &str, body: &[u8], now: DateTime<Utc>) -> Result<Notice, Disbelief> {
        let webhooks = self.webhooks.as_ref().ok_or(Disbelief::Forged)?;
        notice::verify(webhooks, signature, body, now)
    }
}

/// An amount as the API counts it: where its decimals differ from the platform's, in its own.
fn amount(money: Money) -> Result<baeum_stripe::Money, GatewayError> {
    let refused = |_| GatewayError::Refused { code: "invalid_amount".to_owned() };
    let currency = baeum_stripe::Currency::new(money.currency().code()).map_err(refused)?;
    let (ours, theirs) = (u32::from(money.currency().decimals()), currency.decimals().map_err(refused)?);
    let factor = 10_i64.pow(ours.abs_diff(theirs));
    let amount = if theirs >= ours {
        money.minor().checked_mul(factor)
    } else {
        (money.minor() % factor == 0).then(|| money.minor() / factor)
    };
    let amount = amount.ok_or_else(|| GatewayError::Refused { code: "invalid_amount".to_owned() })?;
    baeum_stripe::Money::new(amount, currency).check().map_err(refused)
}

fn key(text: &str) -> Result<IdempotencyKey, GatewayError> {
    IdempotencyKey::new(text).map_err(|_| GatewayError::Refused { code: "invalid_key".to_owned() })
}

/// The code by which the API names a refusal, the bank's own where there is one.
fn code_of(refusal: &baeum_stripe::Refusal) -> String {
    let code = refusal.decline_code.as_ref().or(refusal.code.as_ref());
    code.cloned().unwrap_or_else(|| refusal.kind.clone())
}

/// What an error means to who asked: whether it is certain that nothing was done.
fn certain(error: Error) -> GatewayError {
    match error {
        Error::Invalid(invalid) => {
            tracing::error!(error = %invalid, "the payment gateway was asked for what it cannot do");
            GatewayError::Refused { code: "invalid_request".to_owned() }
        }
        Error::Declined(refusal)
        | Error::AuthenticationRequired(refusal)
        | Error::KeyReused(refusal)
        | Error::Refused(refusal) => GatewayError::Refused { code: code_of(&refusal) },
        // The operator has to mend it; nothing is lost until then.
        error @ (Error::Unauthorized(_) | Error::RateLimited { .. } | Error::Unavailable { .. }) => {
            GatewayError::Unavailable(error.to_string())
        }
        error @ Error::Unknown { .. } => GatewayError::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use baeum_domain::money::samples::money;

    use super::*;

    #[test]
    fn amounts_are_told_with_the_decimals_of_the_api() {
        let told = |minor, code| amount(money(minor, code)).map(|it| it.amount);
        assert_eq!((told(12_900, "KRW"), told(990, "USD"), told(1_250, "KWD")), (Ok(12_900), Ok(990), Ok(1_250)));
        assert_eq!(told(500, "ISK"), Ok(50_000), "a currency without decimals that the API counts with two");
        assert!(told(1_255, "KWD").is_err() && told(0, "USD").is_err());
    }

    #[test]
    fn a_key_for_real_money_is_not_sent_in_clear() {
        let refused = StripeGateway::new("http://gateway:8090".into(), "sk_live_1".into(), vec![]);
        assert!(matches!(refused, Err(SetupError::Client(_))));
        assert!(StripeGateway::new("http://gateway:8090".into(), "sk_test_1".into(), vec![]).is_ok());
    }
}
