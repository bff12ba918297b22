//! Amounts of money: whole minor units of an ISO 4217 currency. There is no float.
//!
//! An amount carries the decimals of its currency (KRW 0, USD 2, KWD 3) besides its code, so that what was recorded
//! keeps its meaning when the standard gives a currency other decimals.

use std::{cmp::Reverse, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest amount, in minor units and of either sign. Exact in the numbers of JSON and JavaScript.
pub const LIMIT: i64 = 1_000_000_000_000_000;

/// A hundredth of a percent is one basis point; the whole has this many.
pub const BASIS_POINTS: u32 = 10_000;

/// A currency, with the number of decimals that its minor unit stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    decimals: u8,
}

/// Why an amount or a currency is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// No currency has this code.
    #[error("'{0}' is not a currency: give an ISO 4217 code such as 'KRW' or 'USD'")]
    UnknownCurrency(String),
    /// What was stored cannot be an amount.
    #[error("'{0}' with {1} decimals is no currency: give three capital letters and 0 to 4 decimals")]
    NotACurrency(String, u8),
    /// Two currencies meet in one sum.
    #[error("{0} and {1} do not add up: give both amounts in one currency")]
    Mixed(Currency, Currency),
    /// The amount is out of range.
    #[error("the amount is out of range: at most {LIMIT} minor units of {0} are allowed")]
    TooLarge(Currency),
}

impl Currency {
    /// Its ISO 4217 code.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).expect("a code is three ASCII letters")
    }

    /// How many decimals its minor unit stands for: 0 to 4.
    pub fn decimals(self) -> u8 {
        self.decimals
    }

    fn stored(code: &str, decimals: u8) -> Result<Self, MoneyError> {
        let not = || MoneyError::NotACurrency(code.chars().take(10).collect(), decimals);
        let letters = <[u8; 3]>::try_from(code.as_bytes()).map_err(|_| not())?;
        if decimals > 4 || !letters.iter().all(u8::is_ascii_uppercase) {
            return Err(not());
        }
        Ok(Self { code: letters, decimals })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let unknown = || MoneyError::UnknownCurrency(text.chars().take(10).collect());
        let known = iso_currency::Currency::from_code(text).ok_or_else(unknown)?;
        // Gold, special drawing rights and test codes have no minor unit.
        let decimals = known.exponent().and_then(|it| u8::try_from(it).ok()).ok_or_else(unknown)?;
        Self::stored(known.code(), decimals)
    }
}

/// An amount of money, negative for what goes the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Stored", into = "Stored")]
#[schemars(with = "Stored")]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// An amount of money, as it stands in events.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Money")]
struct Stored {
    /// Minor units: 990 for 9.90 USD, 12900 for 12900 KRW.
    minor: i64,
    /// ISO 4217 code.
    currency: String,
    /// How many decimals the minor unit stands for.
    decimals: u8,
}

impl TryFrom<Stored> for Money {
    type Error = MoneyError;
    fn try_from(stored: Stored) -> Result<Self, MoneyError> {
        Self::new(stored.minor, Currency::stored(&stored.currency, stored.decimals)?)
    }
}

impl From<Money> for Stored {
    fn from(money: Money) -> Self {
        Self { minor: money.minor, currency: money.currency.to_string(), decimals: money.currency.decimals }
    }
}

impl Money {
    /// `minor` units of `currency`.
    ///
    /// # Errors
    /// When it is beyond [`LIMIT`].
    pub fn new(minor: i64, currency: Currency) -> Result<Self, MoneyError> {
        Self::ranged(minor.into(), currency)
    }

    /// Nothing.
    pub fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    fn ranged(minor: i128, currency: Currency) -> Result<Self, MoneyError> {
        let minor = i64::try_from(minor).ok().filter(|it| it.abs() <= LIMIT).ok_or(MoneyError::TooLarge(currency))?;
        Ok(Self { minor, currency })
    }

    /// In minor units.
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// Its currency.
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// The same amount the other way.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { minor: -self.minor, ..self }
    }

    /// The sum of the two.
    ///
    /// # Errors
    /// Two currencies, or more than [`LIMIT`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Self::ranged(i128::from(self.minor) + i128::from(other.minor), self.currency)
    }

    /// This less the other.
    ///
    /// # Errors
    /// Two currencies, or more than [`LIMIT`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.plus(other.negated())
    }

    /// The sum of `amounts`, nothing where there are none.
    ///
    /// # Errors
    /// An amount of another currency, or more than [`LIMIT`].
    pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        amounts.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// This many times the amount.
    ///
    /// # Errors
    /// More than [`LIMIT`].
    pub fn times(self, count: u32) -> Result<Self, MoneyError> {
        Self::ranged(i128::from(self.minor) * i128::from(count), self.currency)
    }

    /// The smaller of the two.
    ///
    /// # Errors
    /// Two currencies.
    pub fn at_most(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        Ok(Self { minor: self.minor.min(other.minor), ..self })
    }

    /// `part` out of `whole` of the amount, to the nearest minor unit, a half away from zero.
    ///
    /// # Panics
    /// When `whole` is 0 or less than `part`.
    #[must_use]
    pub fn portion(self, part: u64, whole: u64) -> Self {
        assert!(whole > 0 && part <= whole, "a portion is a part of a whole, not {part} of {whole}");
        let whole = i128::from(whole);
        let doubled = i128::from(self.minor.abs()) * i128::from(part) * 2 + whole;
        let magnitude = i64::try_from(doubled / (whole * 2)).expect("a portion is no larger than its whole");
        Self { minor: magnitude * self.minor.signum(), ..self }
    }

    /// Splits the amount by `weights` so that nothing is lost: every share is rounded toward zero, then those with the
    /// largest remainders get one minor unit each, the earlier first where they are equal (Hamilton's method).
    ///
    /// # Panics
    /// When all weights are 0.
    pub fn split(self, weights: &[u32]) -> Vec<Self> {
        let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        assert!(whole > 0, "an amount is split by weights that are not all 0");
        let amount = i128::from(self.minor.abs());
        let exact = weights.iter().map(|weight| amount * i128::from(*weight));
        let mut shares: Vec<_> = exact.clone().map(|it| it / whole).collect();
        let mut order: Vec<_> = exact.map(|it| it % whole).enumerate().collect();
        order.sort_by_key(|(at, remainder)| (Reverse(*remainder), *at));
        let left = usize::try_from(amount - shares.iter().sum::<i128>()).expect("fewer units are left than shares");
        for (at, _) in order.into_iter().take(left) {
            shares[at] += 1;
        }
        let sign = self.minor.signum();
        let money = |share| Self { minor: i64::try_from(share).expect("a share is no larger than its whole"), ..self };
        shares.into_iter().map(|share| money(share * i128::from(sign))).collect()
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyError::Mixed(self.currency, other.currency)) }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let unit = 10_i64.pow(self.currency.decimals.into());
        let (whole, part) = (self.minor.abs() / unit, self.minor.abs() % unit);
        match usize::from(self.currency.decimals) {
            0 => write!(f, "{sign}{whole} {}", self.currency),
            width => write!(f, "{sign}{whole}.{part:0width$} {}", self.currency),
        }
    }
}

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no amount: write one such as '9.90 USD' or '12900 KRW'")]
pub struct NotAnAmount(String);

impl FromStr for Money {
    type Err = NotAnAmount;

    /// Reads what its `Display` writes. The decimals are those that are written, as with an amount of an event.
    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let read = || {
            let (number, code) = text.split_once(' ')?;
            let (whole, part) = number.split_once('.').unwrap_or((number, ""));
            let digits = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
            let sound = digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(part) == number.contains('.');
            let currency = Currency::stored(code, u8::try_from(part.len()).ok()?).ok()?;
            let minor = format!("{whole}{part}").parse().ok().filter(|_| sound)?;
            Self::new(minor, currency).ok()
        };
        read().ok_or_else(|| NotAnAmount(text.chars().take(40).collect()))
    }
}

/// Sample values for tests and documentation.
pub mod samples {
    use super::Money;

    /// `minor` units of the currency with this code.
    ///
    /// # Panics
    /// When there is no such currency, or the amount is out of range.
    pub fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().expect("a currency")).expect("in range")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{samples::money, *};

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_currency() {
        assert_eq!(money(12_900, "KRW").to_string(), "12900 KRW");
        assert_eq!(money(990, "USD").to_string(), "9.90 USD");
        assert_eq!(money(-5, "USD").to_string(), "-0.05 USD");
        assert_eq!(money(1_005, "KWD").to_string(), "1.005 KWD");
    }

    #[test]
    fn an_amount_is_read_back_as_it_was_written() {
        for (minor, code) in [(12_900, "KRW"), (0, "KRW"), (990, "USD"), (-5, "USD"), (1_005, "KWD"), (LIMIT, "JPY")] {
            let amount = money(minor, code);
            assert_eq!(amount.to_string().parse(), Ok(amount));
        }
        for wrong in
            ["", "9.90", "9.90USD", "9. USD", ".9 USD", "9.90.1 USD", "+1 USD", "1e3 USD", "9.90 usd", "1.00000 USD"]
        {
            assert!(wrong.parse::<Money>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_currencies_with_a_minor_unit_are_known() {
        for wrong in ["", "usd", "US", "ABC", "XAU", "XXX"] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong} must be refused");
        }
    }

    #[test]
    fn a_stored_amount_keeps_its_own_decimals() {
        // The Icelandic króna had two decimals in the standard until 2006.
        let old = serde_json::json!({ "minor": 12_345, "currency": "ISK", "decimals": 2 });
        let read: Money = serde_json::from_value(old.clone()).expect("an amount");
        assert_eq!(read.to_string(), "123.45 ISK");
        assert_eq!(serde_json::to_value(read).expect("serialises"), old);
        assert!(read.plus(money(1, "ISK")).is_err(), "it does not add up with amounts of no decimals");
        for wrong in [(1, "usd", 2), (1, "USDT", 2), (1, "USD", 5), (LIMIT + 1, "USD", 2)] {
            let stored = serde_json::json!({ "minor": wrong.0, "currency": wrong.1, "decimals": wrong.2 });
            assert!(serde_json::from_value::<Money>(stored).is_err(), "{wrong:?} must be refused");
        }
    }

    #[test]
    fn two_currencies_never_add_up() {
        let error = money(1, "USD").plus(money(1, "KRW")).expect_err("mixed");
        assert_eq!(error.to_string(), "USD and KRW do not add up: give both amounts in one currency");
    }

    #[test]
    fn sums_past_the_limit_are_refused() {
        assert!(money(LIMIT, "USD").plus(money(1, "USD")).is_err());
        assert!(money(LIMIT, "USD").times(2).is_err());
    }

    #[test]
    fn a_half_is_rounded_away_from_zero() {
        assert_eq!(money(5, "USD").portion(1, 2), money(3, "USD"));
        assert_eq!(money(-5, "USD").portion(1, 2), money(-3, "USD"));
        assert_eq!(money(10, "USD").portion(1, 3), money(3, "USD"));
        assert_eq!(money(LIMIT, "USD").portion(u64::MAX, u64::MAX), money(LIMIT, "USD"));
    }

    #[test]
    fn the_largest_remainders_get_what_rounding_leaves() {
        let shares =
            |minor, weights: &[u32]| money(minor, "KRW").split(weights).into_iter().map(Money::minor).collect();
        let thirds: Vec<i64> = shares(100, &[1, 1, 1]);
        assert_eq!(thirds, [34, 33, 33]);
        // 101 × 0.7, 0.2, 0.1 = 70.7, 20.2, 10.1: one unit is left, and 0.7 is the largest remainder.
        let uneven: Vec<i64> = shares(101, &[7000, 2000, 1000]);
        assert_eq!(uneven, [71, 20, 10]);
        let negative: Vec<i64> = shares(-101, &[7000, 2000, 1000]);
        assert_eq!(negative, [-71, -20, -10]);
    }

    proptest! {
        #[test]
        fn a_split_loses_nothing_and_is_off_by_less_than_one_unit(
            minor in -LIMIT..=LIMIT,
            weights in prop::collection::vec(0_u32..=10_000, 1..12),
        ) {
            let whole: i128 = weights.iter().map(|it| i128::from(*it)).sum();
            prop_assume!(whole > 0);
            let amount = money(minor, "USD");
            let shares = amount.split(&weights);
            prop_assert_eq!(Money::sum(amount.currency(), shares.clone()), Ok(amount));
            for (share, weight) in shares.iter().zip(&weights) {
                let off = i128::from(share.minor()) * whole - i128::from(minor) * i128::from(*weight);
                prop_assert!(off.abs() < whole, "a share of {share} is off by a unit or more");
            }
        }

        #[test]
        fn a_portion_is_off_by_half_a_unit_at_most(minor in -LIMIT..=LIMIT, part in 0_u64..=40_000_000, more in 1_u64..=40_000_000) {
            let whole = part + more;
            let portion = money(minor, "USD").portion(part, whole);
            let off = i128::from(portion.minor()) * i128::from(whole) - i128::from(minor) * i128::from(part);
            prop_assert!(off.abs() * 2 <= i128::from(whole));
        }
    }
}
