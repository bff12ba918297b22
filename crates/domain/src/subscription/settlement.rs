//! Settlement: what instructors and partners get of what was paid.
//!
//! Shares are in basis points of what was paid less what was refunded. They are rounded by largest remainder together
//! with the platform's own, so that the parts make the whole. Where more was refunded than paid, nobody is asked to pay
//! back: the difference is carried and taken off the next settlement.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    ids::PartnerId,
    money::{BASIS_POINTS, Money, MoneyError},
};

/// What a partner gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The partner.
    pub partner: PartnerId,
    /// Of 10,000.
    pub basis_points: u32,
}

/// What is to be shared, of one currency and one span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turnover {
    /// What was paid, not negative.
    pub paid: Money,
    /// What was refunded of anything, not negative.
    pub refunded: Money,
    /// What the settlement before carried, not positive.
    pub carried: Money,
}

/// Who gets what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What is shared: paid less refunded less carried, or nothing where that is negative.
    pub base: Money,
    /// What each partner gets, in the order of the shares.
    pub partners: Vec<(PartnerId, Money)>,
    /// What is left to the platform.
    pub platform: Money,
    /// What the next settlement has to take off, not positive.
    pub carried: Money,
}

/// Why there is no settlement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// More is given away than there is.
    #[error("the shares are {0} basis points in all: give away at most {BASIS_POINTS}")]
    MoreThanAll(u64),
    /// A partner is named twice.
    #[error("partner {0} has two shares: make them one")]
    Twice(PartnerId),
    /// A sign is wrong.
    #[error("paid and refunded are not negative, and carried is not positive: {0}, {1}, {2}")]
    WrongSign(Money, Money, Money),
    /// The amounts do not go together.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Shares out what was paid.
///
/// # Errors
/// Shares of more than everything, a partner twice, or amounts that do not go together.
pub fn settle(turnover: Turnover, shares: &[Share]) -> Result<Settlement, SettlementError> {
    let Turnover { paid, refunded, carried } = turnover;
    if paid.is_negative() || refunded.is_negative() || carried.is_positive() {
        return Err(SettlementError::WrongSign(paid, refunded, carried));
    }
    let mut seen = BTreeSet::new();
    if let Some(share) = shares.iter().find(|share| !seen.insert(&share.partner)) {
        return Err(SettlementError::Twice(share.partner.clone()));
    }
    let given: u64 = shares.iter().map(|share| u64::from(share.basis_points)).sum();
    let kept = u32::try_from(given).ok().and_then(|given| BASIS_POINTS.checked_sub(given));
    let kept = kept.ok_or(SettlementError::MoreThanAll(given))?;

    let net = paid.minus(refunded)?.plus(carried)?;
    let none = Money::zero(net.currency());
    let (base, carried) = if net.is_negative() { (none, net) } else { (net, none) };
    let weights: Vec<u32> = shares.iter().map(|share| share.basis_points).chain([kept]).collect();
    let mut amounts = base.split(&weights);
    let platform = amounts.pop().expect("the platform's share is among them");
    let partners = shares.iter().map(|share| share.partner.clone()).zip(amounts).collect();
    Ok(Settlement { base, partners, platform, carried })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::samples::money;

    fn shares(points: &[u32]) -> Vec<Share> {
        let partner = |n| format!("partner-{n}").parse().expect("a partner id");
        points.iter().enumerate().map(|(n, points)| Share { partner: partner(n), basis_points: *points }).collect()
    }

    fn turnover(paid: i64, refunded: i64, carried: i64) -> Turnover {
        let krw = |minor| money(minor, "KRW");
        Turnover { paid: krw(paid), refunded: krw(refunded), carried: krw(carried) }
    }

    fn amounts(settlement: &Settlement) -> Vec<i64> {
        settlement.partners.iter().map(|(_, amount)| amount.minor()).chain([settlement.platform.minor()]).collect()
    }

    #[test]
    fn the_parts_make_the_whole() {
        // 1001 × 33.33 % = 333.6…, twice, and 33.34 % = 333.7…: two units are left, for the largest remainders.
        let settled = settle(turnover(1_001, 0, 0), &shares(&[3_333, 3_333])).expect("shares out");
        assert_eq!(amounts(&settled), [334, 333, 334]);
    }

    #[test]
    fn refunds_are_taken_off_before_anything_is_shared() {
        let settled = settle(turnover(12_900, 2_900, 0), &shares(&[7_000])).expect("shares out");
        assert_eq!(amounts(&settled), [7_000, 3_000]);
    }

    #[test]
    fn refunds_beyond_what_was_paid_are_carried() {
        let first = settle(turnover(1_000, 3_000, 0), &shares(&[7_000])).expect("shares out");
        assert_eq!((amounts(&first), first.carried), (vec![0, 0], money(-2_000, "KRW")));
        let second = settle(turnover(5_000, 0, -2_000), &shares(&[7_000])).expect("shares out");
        assert_eq!((amounts(&second), second.carried), (vec![2_100, 900], money(0, "KRW")));
    }

    #[test]
    fn nobody_gives_away_more_than_everything() {
        assert_eq!(settle(turnover(1, 0, 0), &shares(&[7_000, 3_001])), Err(SettlementError::MoreThanAll(10_001)));
        let twice = [shares(&[1]), shares(&[1])].concat();
        assert!(matches!(settle(turnover(1, 0, 0), &twice), Err(SettlementError::Twice(_))));
        assert!(matches!(settle(turnover(1, 0, 1), &[]), Err(SettlementError::WrongSign(..))));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made(
            paid in 0_i64..1_000_000_000,
            refunded in 0_i64..1_000_000_000,
            carried in -1_000_000_000_i64..=0,
            points in prop::collection::vec(0_u32..=1_000, 0..10),
        ) {
            let settled = settle(turnover(paid, refunded, carried), &shares(&points)).expect("shares out");
            let shared: i64 = amounts(&settled).into_iter().sum();
            prop_assert_eq!(shared, settled.base.minor());
            prop_assert_eq!(shared + settled.carried.minor(), paid - refunded + carried);
            prop_assert!(amounts(&settled).into_iter().all(|amount| amount >= 0));
        }
    }
}
