//! The kits of a plan: whoever subscribes to it gets one with each period that they pay.
//!
//! Life cycle: set, set anew as often as wanted, ended. Invariants: a kit has 1 to [`MAX_ITEMS`] items; its value lies
//! within one range a currency. Kits that were opened keep the terms that they were opened with.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    decider::{Decider, DomainEvent},
    ids::{PlanId, derive_id},
    money::{Currency, Money},
};

/// How many items a kit has at most.
pub const MAX_ITEMS: u8 = 10;
/// For how many days stock is held for a kit at most.
pub const MAX_HOLD_DAYS: u16 = 90;
/// After how many days contents are shown at the latest.
pub const MAX_REVEAL_DAYS: u16 = 90;

/// The id of the stream of a plan's kits.
pub fn id_of(tenant: &str, plan_id: &PlanId) -> Uuid {
    derive_id(&["kit_plan", tenant, plan_id.as_str()])
}

/// What the items of a kit are worth together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValueLimits {
    /// At least.
    pub least: Money,
    /// At most.
    pub most: Money,
}

/// Whether contents are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Presentation {
    /// At once.
    Open,
    /// From delivery on, or so many days after the kit was opened, whichever is first: a blind box.
    Blind {
        /// How many days of 24 hours, 1 to [`MAX_REVEAL_DAYS`].
        reveal_after_days: u16,
    },
}

/// What kits of a plan are like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KitTerms {
    /// How many items, 1 to [`MAX_ITEMS`].
    pub items: u8,
    /// What they are worth together, one range a currency.
    pub limits: Vec<ValueLimits>,
    /// Whether contents are shown.
    pub presentation: Presentation,
    /// For how many days stock is held for a kit that is not paid, 1 to [`MAX_HOLD_DAYS`].
    pub hold_days: u16,
}

impl KitTerms {
    /// The range in this currency.
    pub fn limits(&self, currency: Currency) -> Option<ValueLimits> {
        self.limits.iter().copied().find(|limits| limits.least.currency() == currency)
    }
}

/// What can have happened to the kits of a plan.
/// Other crates match it with a `_` arm, so that a new event touches this file alone.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr, strum::VariantNames)]
pub enum Event {
    /// Each period of the plan comes with such a kit from now on.
    KitPlanSet {
        /// The plan.
        plan_id: PlanId,
        /// What kits are like.
        terms: KitTerms,
    },
    /// Periods that begin from now on come without.
    KitPlanEnded {
        /// The plan.
        plan_id: PlanId,
    },
}

impl DomainEvent for Event {
    fn event_type(&self) -> &'static str {
        self.into()
    }
}

/// The kits of a plan, as far as decisions need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KitPlan {
    /// What they are like, while there are any.
    pub terms: Option<KitTerms>,
}

/// What can be asked of the kits of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Have such kits.
    Set {
        /// The plan.
        plan_id: PlanId,
        /// What kits are like.
        terms: KitTerms,
    },
    /// Have none.
    End {
        /// The plan.
        plan_id: PlanId,
    },
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Kits cannot be so.
    #[error("kits of plan {0} cannot be so: {1}")]
    Impossible(PlanId, &'static str),
}

impl Decider for KitPlan {
    const AGGREGATE: &'static str = "kit_plan";
    const CONTEXT: &'static str = "kit";
    type Command = Command;
    type Event = Event;
    type Error = Error;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Error> {
        match command {
            Command::Set { terms, .. } if self.terms.as_ref() == Some(&terms) => Ok(vec![]),
            Command::Set { plan_id, terms } => {
                check(&plan_id, &terms)?;
                Ok(vec![Event::KitPlanSet { plan_id, terms }])
            }
            Command::End { plan_id } => {
                Ok(self.terms.iter().map(|_| Event::KitPlanEnded { plan_id: plan_id.clone() }).collect())
            }
        }
    }

    fn evolve(&mut self, event: &Event) {
        self.terms = match event {
            Event::KitPlanSet { terms, .. } => Some(terms.clone()),
            Event::KitPlanEnded { .. } => None,
        };
    }
}

fn check(plan_id: &PlanId, terms: &KitTerms) -> Result<(), Error> {
    let impossible = |why| Err(Error::Impossible(plan_id.clone(), why));
    if !(1..=MAX_ITEMS).contains(&terms.items) {
        return impossible("a kit has 1 to 10 items");
    }
    if !(1..=MAX_HOLD_DAYS).contains(&terms.hold_days) {
        return impossible("stock is held for 1 to 90 days");
    }
    if let Presentation::Blind { reveal_after_days } = terms.presentation
        && !(1..=MAX_REVEAL_DAYS).contains(&reveal_after_days)
    {
        return impossible("contents are revealed after 1 to 90 days");
    }
    let sound = |limits: &ValueLimits| {
        limits.least.is_positive() && limits.most.minus(limits.least).is_ok_and(|rest| !rest.is_negative())
    };
    if terms.limits.is_empty() || !terms.limits.iter().all(sound) {
        return impossible("give at least one range of values: both of one currency, the least above nothing");
    }
    let currencies: BTreeSet<String> = terms.limits.iter().map(|it| it.least.currency().to_string()).collect();
    if currencies.len() != terms.limits.len() {
        return impossible("give one range of values a currency");
    }
    Ok(())
}

/// Sample values for tests and documentation.
pub mod samples {
    use super::{KitTerms, Presentation, ValueLimits};
    use crate::money::samples::money;

    /// Kits of so many items, worth 5,000 to 50,000 won together, which are shown.
    pub fn terms(items: u8) -> KitTerms {
        KitTerms {
            items,
            limits: vec![ValueLimits { least: money(5_000, "KRW"), most: money(50_000, "KRW") }],
            presentation: Presentation::Open,
            hold_days: 21,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::terms, *};
    use crate::{money::samples::money, spec::given};

    fn plus() -> PlanId {
        "plus".parse().expect("a plan id")
    }

    #[test]
    fn kits_of_a_plan_are_set_and_ended() {
        let set = Event::KitPlanSet { plan_id: plus(), terms: terms(3) };
        given::<KitPlan>([]).when(Command::Set { plan_id: plus(), terms: terms(3) }).then([set.clone()]);
        let ended = Event::KitPlanEnded { plan_id: plus() };
        given::<KitPlan>([set]).when(Command::End { plan_id: plus() }).then([ended]);
        given::<KitPlan>([]).when(Command::End { plan_id: plus() }).then([]);
    }

    #[test]
    fn kits_that_cannot_be_are_refused() {
        let limits = |least, most| vec![ValueLimits { least, most }];
        for (wrong, why) in [
            (KitTerms { items: 0, ..terms(1) }, "1 to 10 items"),
            (KitTerms { items: 11, ..terms(1) }, "1 to 10 items"),
            (KitTerms { hold_days: 0, ..terms(1) }, "1 to 90 days"),
            (KitTerms { presentation: Presentation::Blind { reveal_after_days: 0 }, ..terms(1) }, "are revealed"),
            (KitTerms { limits: vec![], ..terms(1) }, "at least one range"),
            (KitTerms { limits: limits(money(2, "KRW"), money(1, "KRW")), ..terms(1) }, "at least one range"),
            (KitTerms { limits: limits(money(1, "KRW"), money(2, "USD")), ..terms(1) }, "at least one range"),
            (
                KitTerms {
                    limits: [limits(money(1, "KRW"), money(2, "KRW")), limits(money(1, "KRW"), money(3, "KRW"))]
                        .concat(),
                    ..terms(1)
                },
                "one range of values a currency",
            ),
        ] {
            given::<KitPlan>([]).when(Command::Set { plan_id: plus(), terms: wrong }).then_refused(why);
        }
    }
}
