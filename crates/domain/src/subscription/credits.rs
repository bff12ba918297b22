//! The usage credits of one subscriber: what is included in the plan, and what was bought on top.
//!
//! Life cycle: an allowance is granted for each period; purchases are billed, then added when they are paid or dropped;
//! each AI evaluation takes one, from the allowance first. Invariants: the balance is never negative; an evaluation is
//! charged once; what was not used of an allowance ends with it, what was bought does not.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::bill::{Bill, Item, Line, Purpose};
use crate::{
    decider::{Decider, DomainEvent},
    ids::{AttemptId, PurchaseId, UserId, derive_id},
    money::{Money, MoneyError},
};

/// The most credits that are bought at once, and no more are sold to who has so many.
pub const MAX_UNITS: u32 = 1_000_000;

/// The id of a subscriber's credit balance.
pub fn id_of(subscriber: UserId) -> Uuid {
    derive_id(&["credit_balance", &subscriber.to_string()])
}

/// What an evaluation was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The allowance of the plan.
    Allowance,
    /// Credits that were bought.
    Credits,
}

/// What can have happened to a credit balance.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Evaluations are included for some time.
    AllowanceGranted {
        /// Whose.
        subscriber: UserId,
        /// How many, all in all.
        units: u32,
        /// How many of them are used already.
        used: u32,
        /// From when on.
        from: DateTime<Utc>,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// Credits are to be paid.
    CreditPurchaseBilled {
        /// Whose.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
        /// How many.
        units: u32,
        /// What is to be paid.
        bill: Bill,
    },
    /// Credits that were paid were added.
    CreditsAdded {
        /// Whose.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
        /// How many.
        units: u32,
        /// How many there are now.
        balance: u32,
    },
    /// A purchase was not paid.
    CreditPurchaseDropped {
        /// Whose.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
    },
    /// Credits were taken back, to be refunded.
    CreditsTakenBack {
        /// Whose.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
        /// How many.
        units: u32,
        /// How many there are now.
        balance: u32,
    },
    /// An evaluation took one.
    EvaluationCharged {
        /// Whose.
        subscriber: UserId,
        /// The attempt that was evaluated.
        attempt_id: AttemptId,
        /// From what.
        source: Source,
        /// How many bought credits there are now.
        balance: u32,
        /// When.
        at: DateTime<Utc>,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// A credit balance, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CreditBalance {
    /// Credits that were bought and not used.
    pub balance: u32,
    /// The latest allowance.
    pub allowance: Option<Allowance>,
    /// Purchases, with their units and how far they are.
    pub purchases: BTreeMap<PurchaseId, Bought>,
    /// Evaluations that were charged at or after [`Self::floor`], with their moment.
    pub charged: BTreeMap<AttemptId, DateTime<Utc>>,
    /// Nothing is charged for a moment before: it might have been charged and forgotten.
    pub floor: Option<DateTime<Utc>>,
}

/// Evaluations that are included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Allowance {
    /// How many.
    pub units: u32,
    /// How many are used.
    pub used: u32,
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// A purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// How many.
    pub units: u32,
    /// How far it is.
    pub stage: Stage,
}

/// How far a purchase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Waits for its payment.
    Billed,
    /// Paid and added.
    Added,
    /// Not paid.
    Dropped,
    /// Taken back.
    TakenBack,
}

/// What can be asked of a credit balance.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Include evaluations, in place of the present allowance.
    GrantAllowance {
        /// Whose.
        subscriber: UserId,
        /// How many.
        units: u32,
        /// From when on; a grant that begins no later than the present one is an old one.
        from: DateTime<Utc>,
        /// Until when.
        until: DateTime<Utc>,
        /// Whether it goes on from the present one, within the same period: what was used stays used.
        continues: bool,
    },
    /// Draw up a bill for credits.
    Buy {
        /// Whose.
        subscriber: UserId,
        /// The new purchase.
        purchase_id: PurchaseId,
        /// How many, 1 to [`MAX_UNITS`].
        units: u32,
        /// What one costs.
        unit_price: Money,
        /// Now.
        at: DateTime<Utc>,
    },
    /// Add what was paid.
    ConfirmPurchase {
        /// Whose.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
    },
    /// The purchase was not paid, and will not be.
    DropPurchase {
        /// Whose.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
    },
    /// Take all credits of a purchase back, before it is refunded.
    TakeBack {
        /// Whose.
        subscriber: UserId,
        /// The purchase.
        purchase_id: PurchaseId,
    },
    /// Charge an evaluation.
    Spend {
        /// Whose.
        subscriber: UserId,
        /// The attempt that is evaluated.
        attempt_id: AttemptId,
        /// When it was submitted; the same whenever the command is repeated.
        at: DateTime<Utc>,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is left.
    #[error("no evaluation is left for attempt {0}: buy credits, or wait for the next period")]
    NothingLeft(AttemptId),
    /// Too late to tell whether it was charged.
    #[error("attempt {0} is of a period before the last: it cannot be charged any more")]
    TooOld(AttemptId),
    /// No such purchase.
    #[error("there is no purchase {0}: buy credits first")]
    UnknownPurchase(PurchaseId),
    /// It was bought otherwise.
    #[error("purchase {0} exists with another number of credits")]
    AlreadyBought(PurchaseId),
    /// It went another way.
    #[error("purchase {0} was {1} before")]
    PurchaseDecided(PurchaseId, &'static str),
    /// Too few or too many.
    #[error("{0} credits cannot be bought: buy 1 to {MAX_UNITS}, less what is left")]
    OutOfRange(u32),
    /// Credits of the purchase are used.
    #[error("purchase {purchase_id} cannot be taken back: {balance} of its {units} credits are left")]
    Used {
        /// The purchase.
        purchase_id: PurchaseId,
        /// What was bought.
        units: u32,
        /// What is left of all credits.
        balance: u32,
    },
    /// The allowance has no time.
    #[error("an allowance from {0} until {1} has no time: let it end after it begins")]
    NoTime(DateTime<Utc>, DateTime<Utc>),
    /// The price is no price.
    #[error("credits cannot be sold for {0}: set a price of more than nothing")]
    NoPrice(Money),
    /// The amounts do not go together.
    #[error("purchase {0} cannot be billed: {1}")]
    Money(PurchaseId, MoneyError),
}

impl CreditBalance {
    /// Evaluations that can be charged at the moment `at`: included and bought.
    pub fn left(&self, at: DateTime<Utc>) -> u32 {
        self.included(at).saturating_add(self.balance)
    }

    /// Whether evaluations are counted at the moment `at`: there is an allowance then, be it used up.
    pub fn is_metered(&self, at: DateTime<Utc>) -> bool {
        self.allowance.is_some_and(|it| it.from <= at && at < it.until)
    }

    fn included(&self, at: DateTime<Utc>) -> u32 {
        let standing = self.allowance.filter(|it| it.from <= at && at < it.until);
        standing.map_or(0, |it| it.units.saturating_sub(it.used))
    }
}

impl Decider for CreditBalance {
    const AGGREGATE: &'static str = "credit_balance";
    const CONTEXT: &'static str = "subscription";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::GrantAllowance { subscriber, units, from, until, continues } => {
                if self.allowance.is_some_and(|present| from <= present.from) {
                    return Ok(vec![]);
                }
                if until <= from {
                    return Err(Error::NoTime(from, until));
                }
                let used = self.allowance.filter(|_| continues).map_or(0, |present| present.used);
                Ok(vec![Event::AllowanceGranted { subscriber, units, used, from, until }])
            }
            Command::Buy { subscriber, purchase_id, units, unit_price, at } => {
                self.buy(subscriber, purchase_id, units, unit_price, at)
            }
            Command::ConfirmPurchase { subscriber, purchase_id } => {
                let bought = self.purchase(purchase_id)?;
                match bought.stage {
                    Stage::Billed => {
                        let units = bought.units;
                        // Several purchases may have been billed at once. They are paid, so they are added.
                        let balance = self.balance.saturating_add(units);
                        Ok(vec![Event::CreditsAdded { subscriber, purchase_id, units, balance }])
                    }
                    Stage::Added | Stage::TakenBack => Ok(vec![]),
                    Stage::Dropped => Err(Error::PurchaseDecided(purchase_id, "dropped")),
                }
            }
            Command::DropPurchase { subscriber, purchase_id } => match self.purchase(purchase_id)?.stage {
                Stage::Billed => Ok(vec![Event::CreditPurchaseDropped { subscriber, purchase_id }]),
                Stage::Dropped => Ok(vec![]),
                Stage::Added | Stage::TakenBack => Err(Error::PurchaseDecided(purchase_id, "paid")),
            },
            Command::TakeBack { subscriber, purchase_id } => {
                let Bought { units, stage } = self.purchase(purchase_id)?;
                match stage {
                    Stage::Added => {
                        let balance = self.balance;
                        let rest = balance.checked_sub(units).ok_or(Error::Used { purchase_id, units, balance })?;
                        Ok(vec![Event::CreditsTakenBack { subscriber, purchase_id, units, balance: rest }])
                    }
                    Stage::TakenBack => Ok(vec![]),
                    Stage::Billed | Stage::Dropped => Err(Error::PurchaseDecided(purchase_id, "not paid")),
                }
            }
            Command::Spend { subscriber, attempt_id, at } => self.spend(subscriber, attempt_id, at),
        }
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::AllowanceGranted { units, used, from, until, .. } => {
                // What was charged before the present allowance began can be forgotten when the next one begins: the
                // floor keeps it from being charged again.
                if let Some(present) = self.allowance.filter(|_| *used == 0) {
                    let floor = self.floor.map_or(present.from, |floor| floor.max(present.from));
                    self.floor = Some(floor);
                    self.charged.retain(|_, at| *at >= floor);
                }
                self.allowance = Some(Allowance { units: *units, used: *used, from: *from, until: *until });
            }
            Event::CreditPurchaseBilled { purchase_id, units, .. } => {
                self.purchases.insert(*purchase_id, Bought { units: *units, stage: Stage::Billed });
            }
            Event::CreditsAdded { purchase_id, balance, .. } => {
                self.balance = *balance;
                self.reach(*purchase_id, Stage::Added);
            }
            Event::CreditPurchaseDropped { purchase_id, .. } => self.reach(*purchase_id, Stage::Dropped),
            Event::CreditsTakenBack { purchase_id, balance, .. } => {
                self.balance = *balance;
                self.reach(*purchase_id, Stage::TakenBack);
            }
            Event::EvaluationCharged { attempt_id, source, balance, at, .. } => {
                self.balance = *balance;
                self.charged.insert(*attempt_id, *at);
                if let (Source::Allowance, Some(allowance)) = (source, &mut self.allowance) {
                    allowance.used = allowance.used.saturating_add(1);
                }
            }
        }
    }
}

impl CreditBalance {
    fn buy(
        &self,
        subscriber: UserId,
        purchase_id: PurchaseId,
        units: u32,
        unit_price: Money,
        at: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        if let Some(bought) = self.purchases.get(&purchase_id) {
            return if bought.units == units { Ok(vec![]) } else { Err(Error::AlreadyBought(purchase_id)) };
        }
        if !(1..=MAX_UNITS).contains(&units) || self.balance.saturating_add(units) > MAX_UNITS {
            return Err(Error::OutOfRange(units));
        }
        if !unit_price.is_positive() {
            return Err(Error::NoPrice(unit_price));
        }
        let bill = || {
            let line = Line { item: Item::UsageCredits, amount: unit_price.times(units)?, from: None, until: None };
            let purpose = Purpose::Credits { subscriber, purchase_id };
            Bill::draw(purpose, at, vec![line], Money::zero(unit_price.currency()))
        };
        let bill = bill().map_err(|error| Error::Money(purchase_id, error))?;
        Ok(vec![Event::CreditPurchaseBilled { subscriber, purchase_id, units, bill }])
    }

    fn spend(&self, subscriber: UserId, attempt_id: AttemptId, at: DateTime<Utc>) -> Result<Vec<Event>, Error> {
        if self.charged.contains_key(&attempt_id) {
            return Ok(vec![]);
        }
        if self.floor.is_some_and(|floor| at < floor) {
            return Err(Error::TooOld(attempt_id));
        }
        let (source, balance) = if self.included(at) > 0 {
            (Source::Allowance, self.balance)
        } else {
            (Source::Credits, self.balance.checked_sub(1).ok_or(Error::NothingLeft(attempt_id))?)
        };
        Ok(vec![Event::EvaluationCharged { subscriber, attempt_id, source, balance, at }])
    }

    fn purchase(&self, purchase_id: PurchaseId) -> Result<Bought, Error> {
        self.purchases.get(&purchase_id).copied().ok_or(Error::UnknownPurchase(purchase_id))
    }

    fn reach(&mut self, purchase_id: PurchaseId, stage: Stage) {
        if let Some(bought) = self.purchases.get_mut(&purchase_id) {
            bought.stage = stage;
        }
    }
}

#[cfg(test)]
mod tests;
