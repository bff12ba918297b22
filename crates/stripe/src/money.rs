//! Amounts as the API has them: a whole number of the currency's smallest unit, and the currency's code.
//!
//! Source of the rules: <https://docs.stripe.com/currencies> ("Minor units", "Zero-decimal", "Three-decimal" and
//! "Special cases") and, for ISK, <https://support.stripe.com/questions/deprecation-of-fractional-isk-charges-and-refunds>.

use std::fmt::{self, Debug, Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::form::Invalid;

/// Whose amounts are whole units.
const ZERO_DECIMAL: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];
/// Whose amounts are thousandths, the last digit always 0.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// Documented with and without decimals.
const AMBIGUOUS: &str = "ugx";
/// Has two decimals in the API, and no coins for them.
const WHOLE_WITH_TWO_DECIMALS: &str = "isk";

/// The code of a currency (ISO 4217), in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency with this code, in upper or lower case. Whether the account may charge in it, the API says.
    ///
    /// # Errors
    /// When it is not three letters.
    pub fn new(code: &str) -> Result<Self, Invalid> {
        match code.as_bytes() {
            [a, b, c] if code.bytes().all(|it| it.is_ascii_alphabetic()) => {
                Ok(Self([*a, *b, *c].map(|it| it.to_ascii_lowercase())))
            }
            _ => Err(Invalid::Currency(code.chars().take(20).collect())),
        }
    }

    /// The code in lower case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("three ASCII letters")
    }

    /// How many decimals the API's amounts in this currency have: 0, 2 or 3. For the Icelandic króna that is 2, though
    /// the currency itself has none.
    ///
    /// # Errors
    /// For the Uganda shilling, which Stripe lists both with and without decimals.
    pub fn decimals(self) -> Result<u32, Invalid> {
        match self.as_str() {
            AMBIGUOUS => Err(Invalid::AmbiguousCurrency(self)),
            code if ZERO_DECIMAL.contains(&code) => Ok(0),
            code if THREE_DECIMAL.contains(&code) => Ok(3),
            _ => Ok(2),
        }
    }

    /// Of what an amount must be a multiple.
    fn step(self) -> i64 {
        match self.as_str() {
            WHOLE_WITH_TWO_DECIMALS => 100,
            code if THREE_DECIMAL.contains(&code) => 10,
            _ => 1,
        }
    }
}

impl Display for Currency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Debug for Currency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Currency {
    type Error = Invalid;

    fn try_from(code: String) -> Result<Self, Invalid> {
        Self::new(&code)
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

/// An amount of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// In the smallest unit: 1250 is 12.50 USD, 1250 KRW, 1.250 KWD.
    pub amount: i64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// This amount of this currency.
    pub fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// That cards can be charged this, or be given it back. Limits of the account and the least amount that the API
    /// charges change, so the API is left to refuse those.
    ///
    /// # Errors
    /// When it is not above zero, finer than the currency allows, or of a currency whose unit is not certain.
    pub fn check(self) -> Result<Self, Invalid> {
        self.currency.decimals()?;
        if self.amount <= 0 {
            return Err(Invalid::NotPositive(self));
        }
        let step = self.currency.step();
        if self.amount % step != 0 {
            return Err(Invalid::TooFine { money: self, step });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::new(amount, Currency::new(code).expect("a currency"))
    }

    #[test]
    fn a_code_is_three_letters_and_lower_case() {
        assert_eq!(Currency::new("USD").expect("a currency").as_str(), "usd");
        for wrong in ["", "us", "usdt", "u$d", "원"] {
            assert!(Currency::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn decimals_are_those_of_the_api() {
        for (code, decimals) in
            [("usd", 2), ("huf", 2), ("twd", 2), ("isk", 2), ("krw", 0), ("jpy", 0), ("mga", 0), ("kwd", 3)]
        {
            assert_eq!(Currency::new(code).expect("a currency").decimals(), Ok(decimals), "{code}");
        }
        assert!(matches!(money(500, "ugx").check(), Err(Invalid::AmbiguousCurrency(_))));
    }

    #[test]
    fn an_amount_that_cards_cannot_pay_is_refused() {
        for fine in [money(1, "krw"), money(1250, "usd"), money(5120, "kwd"), money(500, "isk")] {
            assert_eq!(fine.check(), Ok(fine));
        }
        assert!(matches!(money(0, "usd").check(), Err(Invalid::NotPositive(_))));
        assert!(matches!(money(-1, "usd").check(), Err(Invalid::NotPositive(_))));
        assert!(matches!(money(5124, "kwd").check(), Err(Invalid::TooFine { step: 10, .. })));
        assert!(matches!(money(550, "isk").check(), Err(Invalid::TooFine { step: 100, .. })));
    }
}
