//! Amounts and quantities as they come in: whatever is out of range is told by a problem of its own.

use baeum_domain::money::{Currency, LIMIT, Money};
use serde::Deserialize;
use serde_json::Number;
use utoipa::ToSchema;

use crate::problem::Problem;

/// An amount of money as it comes in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenAmount {
    /// Whole minor units: 990 for 9.90 USD, 12900 for 12900 KRW. At most 1,000,000,000,000,000 of either sign.
    #[schema(value_type = i64)]
    minor: Number,
    /// ISO 4217 code.
    #[schema(example = "KRW")]
    currency: String,
    /// How many decimals the minor unit stands for: those of the standard; may be left out.
    #[schema(value_type = Option<u8>)]
    decimals: Option<Number>,
}

impl GivenAmount {
    /// The amount.
    ///
    /// # Errors
    /// `unknown-currency`, `amount-out-of-range`, `wrong-decimals`.
    pub(crate) fn read(&self, field: &'static str) -> Result<Money, Problem> {
        let currency = currency(&self.currency, field)?;
        if let Some(given) = &self.decimals
            && given.as_u64() != Some(currency.decimals().into())
        {
            let detail = format!("{field}: {currency} has {} decimals, not {given}", currency.decimals());
            return Err(Problem::new("wrong-decimals", detail).with("field", field));
        }
        let minor = self.minor.as_i64().and_then(|minor| Money::new(minor, currency).ok());
        minor.ok_or_else(|| {
            let detail = format!("{field}: {} is out of range: give whole minor units, at most {LIMIT}", self.minor);
            Problem::new("amount-out-of-range", detail).with("field", field).with("limit", LIMIT)
        })
    }
}

/// The currency of this code.
///
/// # Errors
/// `unknown-currency`.
pub(crate) fn currency(code: &str, field: &'static str) -> Result<Currency, Problem> {
    code.parse().map_err(|error| Problem::new("unknown-currency", format!("{field}: {error}")).with("field", field))
}

/// A whole number as it comes in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = u32)]
pub(crate) struct Quantity(Number);

impl Quantity {
    /// The number, where it lies between `least` and `most`.
    ///
    /// # Errors
    /// `quantity-out-of-range`.
    pub(crate) fn read<T: TryFrom<u64>>(&self, field: &'static str, least: u64, most: u64) -> Result<T, Problem> {
        let within = self.0.as_u64().filter(|it| (least..=most).contains(it));
        within.and_then(|it| T::try_from(it).ok()).ok_or_else(|| {
            let detail = format!("{field}: {} is out of range: give a whole number from {least} to {most}", self.0);
            Problem::new("quantity-out-of-range", detail).with("field", field).with("least", least).with("most", most)
        })
    }
}
