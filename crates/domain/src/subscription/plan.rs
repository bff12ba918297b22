//! A plan: what can be subscribed to, and for how much.
//!
//! Life cycle: created with its first offer; offered anew with other prices, as often as wanted; retired. Invariants: an
//! offer has one price a currency and a number that only ascends; a retired plan takes no new subscriber. Who has
//! subscribed keeps the terms that they agreed to: a new offer touches nobody.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::period::Interval;
use crate::{
    decider::{Decider, DomainEvent},
    ids::{PlanId, derive_id},
    money::{Currency, Money},
};

/// The longest trial, in days.
pub const MAX_TRIAL_DAYS: u16 = 365;

/// The id of a plan's stream: each tenant has plans of its own.
pub fn id_of(tenant: &str, plan_id: &PlanId) -> Uuid {
    derive_id(&["plan", tenant, plan_id.as_str()])
}

/// What is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Offer {
    /// How long a period is.
    pub interval: Interval,
    /// The price of a period, one a currency.
    pub prices: Vec<Money>,
    /// Days of trial for who was never subscribed, 0 to [`MAX_TRIAL_DAYS`].
    pub trial_days: u16,
    /// AI evaluations included in each period.
    pub evaluations: u32,
}

/// What a subscriber agrees to: one offer of a plan, in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanTerms {
    /// The plan.
    pub plan_id: PlanId,
    /// The offer, from 1.
    pub offer: u32,
    /// How long a period is.
    pub interval: Interval,
    /// The price of a period.
    pub price: Money,
    /// Days of trial.
    pub trial_days: u16,
    /// AI evaluations included in each period.
    pub evaluations: u32,
}

/// What can have happened to a plan.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// The plan was created.
    PlanCreated {
        /// The plan.
        plan_id: PlanId,
        /// Its first offer.
        offer: Offer,
    },
    /// The plan is offered on other terms from now on.
    PlanOffered {
        /// The plan.
        plan_id: PlanId,
        /// Which offer, from 2.
        number: u32,
        /// The offer.
        offer: Offer,
    },
    /// The plan takes no new subscribers any more.
    PlanRetired {
        /// The plan.
        plan_id: PlanId,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A plan, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Set once created.
    pub listing: Option<Listing>,
}

/// A created plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The plan.
    pub plan_id: PlanId,
    /// Which offer stands, from 1.
    pub number: u32,
    /// That offer.
    pub offer: Offer,
    /// Whether it takes no new subscribers.
    pub retired: bool,
}

/// What can be asked of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Create it.
    Create {
        /// The new plan.
        plan_id: PlanId,
        /// Its first offer.
        offer: Offer,
    },
    /// Offer it on other terms.
    Offer {
        /// The new offer.
        offer: Offer,
    },
    /// Take no new subscribers.
    Retire,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such plan.
    #[error("there is no such plan: create it first")]
    NotCreated,
    /// It exists.
    #[error("plan {0} exists with another offer: make a new offer for it instead")]
    AlreadyCreated(PlanId),
    /// It takes no new subscribers.
    #[error("plan {0} is retired: choose another plan")]
    Retired(PlanId),
    /// It has no price in this currency.
    #[error("plan {0} has no price in {1}: choose another currency")]
    NoPrice(PlanId, Currency),
    /// The offer cannot be made.
    #[error("the offer of plan {0} is not possible: {1}")]
    ImpossibleOffer(PlanId, &'static str),
}

impl Plan {
    /// The terms on which this plan is subscribed to now, in `currency`.
    ///
    /// # Errors
    /// The plan was not created, is retired, or has no such price.
    pub fn terms(&self, currency: Currency) -> Result<PlanTerms, Error> {
        let listing = self.listing.as_ref().ok_or(Error::NotCreated)?;
        if listing.retired {
            return Err(Error::Retired(listing.plan_id.clone()));
        }
        let price = listing.offer.prices.iter().find(|price| price.currency() == currency);
        let price = *price.ok_or_else(|| Error::NoPrice(listing.plan_id.clone(), currency))?;
        Ok(PlanTerms {
            plan_id: listing.plan_id.clone(),
            offer: listing.number,
            interval: listing.offer.interval,
            price,
            trial_days: listing.offer.trial_days,
            evaluations: listing.offer.evaluations,
        })
    }
}

impl Decider for Plan {
    const AGGREGATE: &'static str = "plan";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match (command, &self.listing) {
            (Command::Create { plan_id, offer }, None) => {
                check(&plan_id, &offer)?;
                Ok(vec![Event::PlanCreated { plan_id, offer }])
            }
            (Command::Create { offer, .. }, Some(listing)) if listing.number == 1 && listing.offer == offer => {
                Ok(vec![])
            }
            (Command::Create { .. }, Some(listing)) => Err(Error::AlreadyCreated(listing.plan_id.clone())),
            (_, None) => Err(Error::NotCreated),
            (Command::Offer { offer }, Some(listing)) if listing.offer == offer => Ok(vec![]),
            (Command::Offer { .. }, Some(listing)) if listing.retired => Err(Error::Retired(listing.plan_id.clone())),
            (Command::Offer { offer }, Some(listing)) => {
                check(&listing.plan_id, &offer)?;
                Ok(vec![Event::PlanOffered { plan_id: listing.plan_id.clone(), number: listing.number + 1, offer }])
            }
            (Command::Retire, Some(listing)) if listing.retired => Ok(vec![]),
            (Command::Retire, Some(listing)) => Ok(vec![Event::PlanRetired { plan_id: listing.plan_id.clone() }]),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match (event, &mut self.listing) {
            (Event::PlanCreated { plan_id, offer }, listing) => {
                *listing = Some(Listing { plan_id: plan_id.clone(), number: 1, offer: offer.clone(), retired: false });
            }
            (Event::PlanOffered { number, offer, .. }, Some(listing)) => {
                listing.number = *number;
                listing.offer = offer.clone();
            }
            (Event::PlanRetired { .. }, Some(listing)) => listing.retired = true,
            (Event::PlanOffered { .. } | Event::PlanRetired { .. }, None) => {}
        }
    }
}

fn check(plan_id: &PlanId, offer: &Offer) -> Result<(), Error> {
    let impossible = |reason| Err(Error::ImpossibleOffer(plan_id.clone(), reason));
    if !offer.interval.is_valid() {
        return impossible("a period is 1 to 12 weeks, months or years");
    }
    if offer.trial_days > MAX_TRIAL_DAYS {
        return impossible("a trial has at most 365 days");
    }
    if offer.prices.is_empty() || offer.prices.iter().any(|price| price.is_negative()) {
        return impossible("give at least one price, none negative");
    }
    let currencies: BTreeSet<_> = offer.prices.iter().map(|price| price.currency()).collect();
    if currencies.len() != offer.prices.len() {
        return impossible("give one price a currency");
    }
    Ok(())
}

/// Sample values for tests and documentation.
pub mod samples {
    use super::{Interval, PlanTerms};
    use crate::money::Money;

    /// Terms of a plan with this name and price, billed monthly, without trial and with 100 evaluations.
    ///
    /// # Panics
    /// When the name is no plan id.
    pub fn terms(plan: &str, price: Money) -> PlanTerms {
        PlanTerms {
            plan_id: plan.parse().expect("a plan id"),
            offer: 1,
            interval: Interval::MONTHLY,
            price,
            trial_days: 0,
            evaluations: 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{money::samples::money, spec::given};

    fn plan_id() -> PlanId {
        "plus".parse().expect("a plan id")
    }

    fn offer(krw: i64) -> Offer {
        let prices = vec![money(krw, "KRW"), money(990, "USD")];
        Offer { interval: Interval::MONTHLY, prices, trial_days: 7, evaluations: 100 }
    }

    fn created() -> Event {
        Event::PlanCreated { plan_id: plan_id(), offer: offer(12_900) }
    }

    #[test]
    fn a_plan_is_created_once_and_offered_anew() {
        given::<Plan>([]).when(Command::Create { plan_id: plan_id(), offer: offer(12_900) }).then([created()]);
        let second = Event::PlanOffered { plan_id: plan_id(), number: 2, offer: offer(14_900) };
        given::<Plan>([created()]).when(Command::Offer { offer: offer(14_900) }).then([second]);
        given::<Plan>([created()])
            .when(Command::Create { plan_id: plan_id(), offer: offer(1) })
            .then_refused("exists with another offer");
    }

    #[test]
    fn terms_are_those_of_the_latest_offer_in_one_currency() {
        let second = Event::PlanOffered { plan_id: plan_id(), number: 2, offer: offer(14_900) };
        let plan = Plan::fold(&[created(), second]);
        let terms = plan.terms("KRW".parse().expect("a currency")).expect("offered");
        assert_eq!((terms.offer, terms.price), (2, money(14_900, "KRW")));
        let error = plan.terms("EUR".parse().expect("a currency")).expect_err("no price");
        assert_eq!(error.to_string(), "plan plus has no price in EUR: choose another currency");
    }

    #[test]
    fn a_retired_plan_is_not_offered() {
        let retired = Event::PlanRetired { plan_id: plan_id() };
        given::<Plan>([created()]).when(Command::Retire).then([retired.clone()]);
        given::<Plan>([created(), retired.clone()]).when(Command::Offer { offer: offer(1) }).then_refused("retired");
        assert!(Plan::fold(&[created(), retired]).terms("KRW".parse().expect("a currency")).is_err());
    }

    #[test]
    fn an_offer_has_one_price_a_currency_and_a_period_of_some_length() {
        let twice = Offer { prices: vec![money(1, "KRW"), money(2, "KRW")], ..offer(1) };
        let never = Offer { interval: Interval { every: 0, ..Interval::MONTHLY }, ..offer(1) };
        let below = offer(-1);
        for (wrong, why) in [(twice, "one price a currency"), (never, "1 to 12"), (below, "none negative")] {
            given::<Plan>([]).when(Command::Create { plan_id: plan_id(), offer: wrong }).then_refused(why);
        }
    }
}
