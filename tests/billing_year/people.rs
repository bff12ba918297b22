//! Who subscribes, and what they do in a year: drawn from the seed, the same whatever happens meanwhile.

use baeum_domain::{
    ids::{SubscriptionId, UserId, derive_id},
    money::{Money, samples::money},
    subscription::{
        coupon::{CouponTerms, Discount},
        period::{Interval, Unit},
        plan::{PlanTerms, samples::terms},
    },
};

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Subscribe,
    Change(usize),
    Pause,
    Resume,
    CancelNow,
    CancelAtPeriodEnd,
    Reactivate,
    /// The card is another one from now on.
    Card(&'static str),
    /// So many hundredths of the last payment.
    Refund(u64),
    BuyCredits(u32),
    PayNow,
}

/// Somebody who subscribes.
pub(crate) struct Person {
    pub(crate) number: u64,
    pub(crate) user_id: UserId,
    pub(crate) subscription_id: SubscriptionId,
    pub(crate) currency: &'static str,
    pub(crate) plan: usize,
    pub(crate) trial: bool,
    pub(crate) coupon: Option<CouponTerms>,
    /// What they do, by the hour of the year.
    pub(crate) acts: Vec<(u32, Act)>,
}

/// The hours of the year that is lived.
pub(crate) const HOURS: u32 = 365 * 24;

const GOOD: &str = "pm_card_visa";
const BAD: [&str; 4] = [
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_authenticationRequired",
    "pm_card_chargeDeclinedExpiredCard",
];

impl Person {
    pub(crate) fn draw(seed: u64, number: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let name = number.to_string();
        let begins = random.u32(0..10) * 3 * 24;
        let mut acts = vec![(begins, Act::Subscribe)];
        let hour = |random: &mut fastrand::Rng| random.u32(begins + 30..HOURS - 24) / 6 * 6;
        for _ in 0..random.u32(2..7) {
            let at = hour(&mut random);
            match random.u32(0..10) {
                0 | 1 => acts.push((at, Act::Change(random.usize(0..PLANS)))),
                2 => acts.extend([(at, Act::Pause), (at + random.u32(1..40) * 24, Act::Resume)]),
                3 => acts.extend([(at, Act::CancelNow), (at + random.u32(1..60) * 24, Act::Reactivate)]),
                4 => acts.extend([(at, Act::CancelAtPeriodEnd), (at + random.u32(1..60) * 24, Act::Reactivate)]),
                5 | 6 => {
                    let back = at + random.u32(1..25) * 24;
                    acts.extend([(at, Act::Card(BAD[random.usize(0..BAD.len())])), (back, Act::Card(GOOD))]);
                    if random.bool() {
                        acts.push((back, Act::PayNow));
                    }
                }
                7 => acts.push((at, Act::BuyCredits(random.u32(1..50)))),
                _ => acts.push((at, Act::Refund(random.u64(1..101)))),
            }
        }
        acts.retain(|(at, _)| *at < HOURS);
        acts.sort_by_key(|(at, _)| *at);
        let coupon = random.u32(0..5) == 0;
        let discount = if random.bool() { Discount::Share(2_500) } else { Discount::Share(10_000) };
        let coupon = coupon.then(|| CouponTerms {
            code: format!("welcome-{number}").parse().expect("a code"),
            discount,
            periods: Some(random.u32(1..4)),
        });
        Self {
            number,
            user_id: UserId(derive_id(&["person of the year", &seed.to_string(), &name])),
            subscription_id: SubscriptionId(derive_id(&["subscription of the year", &seed.to_string(), &name])),
            currency: if random.bool() { "KRW" } else { "USD" },
            plan: random.usize(0..PLANS),
            trial: random.u32(0..3) == 0,
            coupon,
            acts,
        }
    }

    /// The terms of a plan for them.
    pub(crate) fn terms(&self, plan: usize) -> PlanTerms {
        let (krw, usd) = [(9_900, 990), (12_900, 1_290), (29_000, 2_900), (99_000, 9_900)][plan];
        let price = money(if self.currency == "KRW" { krw } else { usd }, self.currency);
        let interval = if plan == 3 { Interval { every: 1, unit: Unit::Year } } else { Interval::MONTHLY };
        let name = ["basic", "plus", "family", "yearly"][plan];
        PlanTerms { interval, trial_days: 14, ..terms(name, price) }
    }

    /// What a usage credit costs them.
    pub(crate) fn credit_price(&self) -> Money {
        money(if self.currency == "KRW" { 150 } else { 12 }, self.currency)
    }
}

const PLANS: usize = 4;
