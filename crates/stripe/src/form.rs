//! Requests are forms (`application/x-www-form-urlencoded`); what is nested has its names in brackets:
//! `metadata[invoice]=7`, `payment_method_types[0]=card`.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;

use crate::money::{Currency, Money};

/// Up to 50 texts by name that the API keeps with an object and gives back. Nothing personal belongs into it.
pub type Metadata = BTreeMap<String, String>;

/// The most entries of metadata, and the most characters of a name and of a value (<https://docs.stripe.com/metadata>).
const ENTRIES: usize = 50;
const NAME: usize = 40;
const VALUE: usize = 500;

/// Why a request was not sent: it could not have been accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a key.
    #[error("an idempotency key has 1 to 255 visible ASCII characters")]
    IdempotencyKey,
    /// Not an id of the API.
    #[error("'{0}' is no id of the payment API: it has letters, digits and underscores only")]
    Id(String),
    /// Not a currency.
    #[error("'{0}' is no currency: give three letters such as usd or krw (ISO 4217)")]
    Currency(String),
    /// Stripe describes this currency in two ways that differ by a factor of 100.
    #[error("amounts in {0} are documented both without decimals and with two: have Stripe say which before charging")]
    AmbiguousCurrency(Currency),
    /// Nothing or less than nothing.
    #[error("{} {} cannot be moved: the amount must be above zero", .0.amount, .0.currency)]
    NotPositive(Money),
    /// Finer than cards can pay.
    #[error("{} {} is too fine: amounts in this currency are multiples of {step}", money.amount, money.currency)]
    TooFine {
        /// What was to be moved.
        money: Money,
        /// Of what the amount must be a multiple.
        step: i64,
    },
    /// Metadata beyond the API's limits.
    #[error(
        "metadata has at most 50 entries, names of 1 to 40 characters without brackets, and values of at most 500: \
         '{0}' is beyond that"
    )]
    Metadata(String),
    /// The client cannot be made from this.
    #[error("{0}")]
    Config(String),
}

/// The fields of a request, in their order.
#[derive(Clone, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    #[allow(clippy::needless_pass_by_value, reason = "numbers and texts are given alike")]
    pub(crate) fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    pub(crate) fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn with_metadata(mut self, metadata: &Metadata) -> Result<Self, Invalid> {
        if metadata.len() > ENTRIES {
            return Err(Invalid::Metadata(format!("{} entries", metadata.len())));
        }
        for (name, value) in metadata {
            let named = (1..=NAME).contains(&name.chars().count()) && !name.contains(['[', ']']);
            if !named || value.chars().count() > VALUE {
                return Err(Invalid::Metadata(name.clone()));
            }
            self = self.with(format!("metadata[{name}]"), value);
        }
        Ok(self)
    }

    pub(crate) fn encode(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// An id as a part of a path. What came from elsewhere must not lead to another path.
pub(crate) fn segment(id: &str) -> Result<&str, Invalid> {
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if id.is_empty() || !plain {
        return Err(Invalid::Id(id.chars().take(80).collect()));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_brackets_and_texts_of_any_kind_are_encoded() {
        let metadata = Metadata::from([("invoice".to_owned(), "7 & 8=배움".to_owned())]);
        let form = Form::default().with("amount", 1250).with_some("description", None::<&str>);
        let encoded = form.with_metadata(&metadata).expect("within the limits").encode();
        assert_eq!(encoded, "amount=1250&metadata%5Binvoice%5D=7+%26+8%3D%EB%B0%B0%EC%9B%80");
    }

    #[test]
    fn metadata_beyond_the_limits_is_refused_before_it_is_sent() {
        let one = |name: &str, value: String| Metadata::from([(name.to_owned(), value)]);
        let many = (0..51).map(|n| (n.to_string(), String::new())).collect();
        for wrong in [one("", String::new()), one("a[b", String::new()), one("a", "x".repeat(501)), many] {
            assert!(matches!(Form::default().with_metadata(&wrong), Err(Invalid::Metadata(_))));
        }
    }

    #[test]
    fn an_id_cannot_lead_to_another_path() {
        assert_eq!(segment("cus_9s6XKzkNRiz8i3"), Ok("cus_9s6XKzkNRiz8i3"));
        for wrong in ["", "../charges", "cus_1/sources", "cus_1?x=1", "cus 1"] {
            assert!(segment(wrong).is_err(), "{wrong}");
        }
    }
}
