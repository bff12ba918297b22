//! A coupon: a discount that is taken over into subscriptions.
//!
//! Life cycle: created, redeemed by subscriptions, withdrawn. Invariants: redeemed once a subscription, at most as often
//! as its limit says, and within its time; a discount takes off no more than there is to pay.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    ids::{CouponCode, SubscriptionId, derive_id},
    money::{BASIS_POINTS, Money, MoneyError},
};

/// The id of a coupon's stream: each tenant has coupons of its own.
pub fn id_of(tenant: &str, code: &CouponCode) -> Uuid {
    derive_id(&["coupon", tenant, code.as_str()])
}

/// What is taken off a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// A share of the price in basis points, 1 to 10,000.
    Share(u32),
    /// An amount, at most the price.
    Amount(Money),
}

impl Discount {
    /// What it takes off `price`: not negative, and at most the price.
    ///
    /// # Errors
    /// When it is an amount of another currency.
    pub fn of(self, price: Money) -> Result<Money, MoneyError> {
        match self {
            Self::Share(points) => Ok(price.portion(points.min(BASIS_POINTS).into(), BASIS_POINTS.into())),
            Self::Amount(amount) => amount.at_most(price),
        }
    }
}

/// What a coupon gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CouponTerms {
    /// What is typed in.
    pub code: CouponCode,
    /// What is taken off each period.
    pub discount: Discount,
    /// For how many billed periods, at least 1; `None` for all.
    pub periods: Option<u32>,
}

/// What can have happened to a coupon.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The coupon was created.
    CouponCreated {
        /// What it gives.
        terms: CouponTerms,
        /// How often it can be redeemed; `None` for without limit.
        limit: Option<u32>,
        /// Until when.
        until: Option<DateTime<Utc>>,
    },
    /// A subscription may use it.
    CouponRedeemed {
        /// The coupon.
        code: CouponCode,
        /// The subscription.
        subscription_id: SubscriptionId,
    },
    /// It cannot be redeemed any more.
    CouponWithdrawn {
        /// The coupon.
        code: CouponCode,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A coupon, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Coupon {
    /// Set once created.
    pub issue: Option<Issue>,
}

/// A created coupon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    /// What it gives.
    pub terms: CouponTerms,
    /// How often it can be redeemed.
    pub limit: Option<u32>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
    /// Who redeemed it.
    pub redeemed: BTreeSet<SubscriptionId>,
    /// Whether it was withdrawn.
    pub withdrawn: bool,
}

/// What can be asked of a coupon.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create it.
    Create {
        /// What it gives.
        terms: CouponTerms,
        /// How often it can be redeemed, at least once.
        limit: Option<u32>,
        /// Until when.
        until: Option<DateTime<Utc>>,
    },
    /// Let a subscription use it. Comes before the subscription applies it.
    Redeem {
        /// The subscription.
        subscription_id: SubscriptionId,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Let nobody else redeem it.
    Withdraw,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such coupon.
    #[error("there is no such coupon: check the code")]
    NotCreated,
    /// It exists, with other terms.
    #[error("coupon {0} exists with other terms: choose another code")]
    AlreadyCreated(CouponCode),
    /// It cannot be created so.
    #[error("coupon {0} is not possible: {1}")]
    Impossible(CouponCode, &'static str),
    /// It was withdrawn, or its time is over.
    #[error("coupon {0} is not valid any more: go on without it")]
    Over(CouponCode),
    /// It was redeemed as often as it can be.
    #[error("coupon {0} was redeemed {1} times, which is its limit: go on without it")]
    UsedUp(CouponCode, u32),
}

impl Decider for Coupon {
    const AGGREGATE: &'static str = "coupon";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.issue) {
            (Command::Create { terms, limit, until }, None) => {
                check(&terms, limit)?;
                Ok(vec![Event::CouponCreated { terms, limit, until }])
            }
            (Command::Create { terms, limit, until }, Some(issue)) => {
                let same = issue.terms == terms && issue.limit == limit && issue.until == until;
                if same { Ok(vec![]) } else { Err(Error::AlreadyCreated(terms.code)) }
            }
            (_, None) => Err(Error::NotCreated),
            (Command::Redeem { subscription_id, at }, Some(issue)) => issue.redeem(subscription_id, at),
            (Command::Withdraw, Some(issue)) if issue.withdrawn => Ok(vec![]),
            (Command::Withdraw, Some(issue)) => Ok(vec![Event::CouponWithdrawn { code: issue.terms.code.clone() }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match (event, &mut self.issue) {
            (Event::CouponCreated { terms, limit, until }, issue) => {
                let (terms, limit, until) = (terms.clone(), *limit, *until);
                *issue = Some(Issue { terms, limit, until, redeemed: BTreeSet::new(), withdrawn: false });
            }
            (Event::CouponRedeemed { subscription_id, .. }, Some(issue)) => {
                issue.redeemed.insert(*subscription_id);
            }
            (Event::CouponWithdrawn { .. }, Some(issue)) => issue.withdrawn = true,
            (Event::CouponRedeemed { .. } | Event::CouponWithdrawn { .. }, None) => {}
        }
    }
}

impl Issue {
    fn redeem(&self, subscription_id: SubscriptionId, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        let code = self.terms.code.clone();
        if self.redeemed.contains(&subscription_id) {
            return Ok(vec![]);
        }
        if self.withdrawn || self.until.is_some_and(|until| at >= until) {
            return Err(Error::Over(code));
        }
        let times = u32::try_from(self.redeemed.len()).unwrap_or(u32::MAX);
        match self.limit {
            Some(limit) if times >= limit => Err(Error::UsedUp(code, limit)),
            _ => Ok(vec![Event::CouponRedeemed { code, subscription_id }]),
        }
    }
}

fn check(terms: &CouponTerms, limit: Option<u32>) -> Result<(), Error> {
    let impossible = |reason| Err(Error::Impossible(terms.code.clone(), reason));
    match terms.discount {
        Discount::Share(points) if !(1..=BASIS_POINTS).contains(&points) => {
            return impossible("a share is 1 to 10000 basis points");
        }
        Discount::Amount(amount) if !amount.is_positive() => return impossible("an amount is more than nothing"),
        Discount::Share(_) | Discount::Amount(_) => {}
    }
    if terms.periods == Some(0) || limit == Some(0) {
        return impossible("it is good for at least one period and one subscription");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{money::samples::money, spec::given};

    fn terms(discount: Discount) -> CouponTerms {
        CouponTerms { code: "spring".parse().expect("a code"), discount, periods: Some(3) }
    }

    fn created(limit: Option<u32>) -> Event {
        let until = "2026-06-01T00:00:00Z".parse().ok();
        Event::CouponCreated { terms: terms(Discount::Share(2_500)), limit, until }
    }

    fn redeem(who: u128, at: &str) -> Command {
        Command::Redeem { subscription_id: SubscriptionId(Uuid::from_u128(who)), at: at.parse().expect("a moment") }
    }

    fn redeemed(who: u128) -> Event {
        let code = "spring".parse().expect("a code");
        Event::CouponRedeemed { code, subscription_id: SubscriptionId(Uuid::from_u128(who)) }
    }

    #[test]
    fn a_discount_takes_off_no_more_than_there_is() {
        assert_eq!(Discount::Share(2_500).of(money(990, "USD")), Ok(money(248, "USD")));
        assert_eq!(Discount::Share(10_000).of(money(990, "USD")), Ok(money(990, "USD")));
        assert_eq!(Discount::Amount(money(5_000, "USD")).of(money(990, "USD")), Ok(money(990, "USD")));
        assert!(Discount::Amount(money(5_000, "KRW")).of(money(990, "USD")).is_err());
    }

    #[test]
    fn a_coupon_is_redeemed_once_a_subscription_and_up_to_its_limit() {
        given::<Coupon>([created(Some(1))]).when(redeem(1, "2026-05-31T23:59:59Z")).then([redeemed(1)]);
        given::<Coupon>([created(Some(1)), redeemed(1)]).when(redeem(1, "2027-01-01T00:00:00Z")).then([]);
        given::<Coupon>([created(Some(1)), redeemed(1)]).when(redeem(2, "2026-05-01T00:00:00Z")).then_refused("limit");
    }

    #[test]
    fn a_coupon_ends_with_its_time_or_when_it_is_withdrawn() {
        given::<Coupon>([created(None)]).when(redeem(1, "2026-06-01T00:00:00Z")).then_refused("not valid any more");
        let withdrawn = Event::CouponWithdrawn { code: "spring".parse().expect("a code") };
        given::<Coupon>([created(None)]).when(Command::Withdraw).then([withdrawn.clone()]);
        given::<Coupon>([created(None), withdrawn]).when(redeem(1, "2026-05-01T00:00:00Z")).then_refused("not valid");
    }

    #[test]
    fn a_coupon_gives_something() {
        for (discount, why) in [
            (Discount::Share(0), "basis points"),
            (Discount::Share(10_001), "basis points"),
            (Discount::Amount(money(0, "USD")), "more than nothing"),
        ] {
            let create = Command::Create { terms: terms(discount), limit: None, until: None };
            given::<Coupon>([]).when(create).then_refused(why);
        }
    }
}
